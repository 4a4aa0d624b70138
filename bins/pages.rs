//! The documentation, for the tests of both programs that compare it with their arguments.

use std::fs;
use std::path::{Path, PathBuf};

/// A file of the repository.
pub fn read(path: &str) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All pages: their names and texts.
pub fn all() -> Vec<(String, String)> {
    let mut pages = Vec::new();
    for directory in ["", "docs", "docs/how-to", "compose"] {
        for entry in fs::read_dir(root().join(directory)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".md") {
                let path = Path::new(directory).join(name);
                let path = path.to_str().unwrap();
                pages.push((path.to_owned(), read(path)));
            }
        }
    }
    assert!(pages.len() >= 6, "{pages:?}");
    pages.sort();
    pages
}

/// The arguments of every call of a program that is shown somewhere, with the line that shows it.
pub fn calls(program: &str) -> Vec<(String, Vec<String>)> {
    let mut calls = Vec::new();
    for (page, text) in all() {
        for (code, is_inline) in codes(&text) {
            let mut words = code.split_whitespace();
            let mut before = "";
            let is_call = words.by_ref().any(|word| {
                let is_named = word.rsplit('/').next() == Some(program);
                // Cargo's own name for it: what follows is meant for Cargo.
                let is_package = std::mem::replace(&mut before, word) == "-p";
                is_named && !is_package
            });
            if !is_call {
                continue;
            }
            let ends = |word: &&str| ["2>", "&", "&&", "|", "#", ";"].contains(word);
            let words: Vec<_> = words.take_while(|word| !ends(word)).map(str::to_owned).collect();
            let words = words.strip_prefix(&["--".to_owned()]).unwrap_or(&words).to_vec();
            // In a block the name of the program may also be the name of its image.
            if is_inline || words.iter().any(|word| word.starts_with('-')) {
                calls.push((format!("{page}: {code}"), words));
            }
        }
    }
    calls
}

/// Each line of the blocks of a page, and each piece of code in its text: those are inline.
pub fn codes(page: &str) -> Vec<(String, bool)> {
    let (mut codes, mut prose, mut is_block) = (Vec::new(), String::new(), false);
    for line in page.lines() {
        if line.starts_with("```") {
            is_block = !is_block;
        } else if is_block {
            codes.push((line.to_owned(), false));
        } else {
            prose += &format!("{line}\n");
        }
    }
    let inline = prose.split('`').skip(1).step_by(2);
    codes.extend(inline.map(|code| (code.replace('\n', " "), true)));
    codes
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
