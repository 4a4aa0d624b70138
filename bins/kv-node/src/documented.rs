//! The flags, the help and the documentation are those of [`setting::ALL`](crate::settings::ALL), and of nothing else.

use std::collections::BTreeMap;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::args::Args;
use crate::pages;
use crate::settings::{ALL, Readers, Setting};

/// Names in capitals that are no variables of a node: they belong to tests, to the code, or to HTTP.
const OTHER_NAMES: [&str; 12] = [
    "CAUGHT",
    "KV_CRASH_ROUNDS",
    "KV_SIM_BUG",
    "KV_SIM_FIRST",
    "KV_SIM_SEED",
    "KV_SIM_SEEDS",
    "UPDATE_GOLDEN",
    "WAITERS_MAX",
    "GET",
    "PUT",
    "POST",
    "DELETE",
];

#[test]
fn the_arguments_are_the_settings() {
    let command = Args::command();
    let arguments: Vec<_> = command.get_arguments().collect();
    assert_eq!(arguments.len(), ALL.len());
    for (argument, setting) in arguments.into_iter().zip(ALL) {
        let Setting { variable, flag, .. } = setting;
        assert_eq!(argument.get_env().and_then(|name| name.to_str()), Some(*variable));
        assert_eq!(argument.get_long(), Some(*flag), "{variable}");
        assert_eq!(*flag, variable.to_ascii_lowercase().replace('_', "-"));
        assert!(argument.is_global_set(), "{variable}");
        let help = argument.get_help().unwrap().to_string();
        assert!(help.ends_with(&format!(" [default: {}]", setting.default_text())), "{help}");
        // Empty texts are to have no meaning, which a default of clap's own would give them.
        assert!(argument.get_default_values().is_empty(), "{variable}");
    }
}

#[test]
fn the_help_shows_every_setting_and_its_default() {
    let help = Args::command().render_long_help().to_string();
    for setting in ALL {
        let Setting { variable, flag, .. } = setting;
        let start = help.find(&format!("--{flag}")).unwrap_or_else(|| panic!("--{flag}"));
        let shown = help[start..].split("\n      --").next().unwrap();
        assert!(shown.contains(&format!("[default: {}]", setting.default_text())), "{shown}");
        assert!(shown.contains(&format!("[env: {variable}=")), "{shown}");
    }
    assert_eq!(help.matches("[env: ").count(), ALL.len(), "{help}");
}

#[test]
fn the_table_of_settings_is_complete() {
    let page = pages::read("docs/how-to/operate.md");
    let rows: Vec<Vec<String>> = tables(&page).into_iter().find(|rows| rows.len() > 5).unwrap();
    let found: Vec<&[String]> = rows.iter().map(|row| &row[..3]).collect();
    let expected: Vec<[String; 3]> =
        ALL.map(|it| [it.variable.to_owned(), default_of(it), readers(it)]).into();
    assert_eq!(found, expected);
    for row in rows {
        assert!(!row[3].is_empty(), "{row:?} does not say what it is for");
    }
}

/// Wherever a page has a table of variables, they are there, and have these defaults.
#[test]
fn no_table_names_a_variable_that_is_not_there_or_another_default() {
    let mut defaults = compose_defaults();
    defaults.extend(ALL.map(|setting| (setting.variable.to_owned(), default_of(setting))));
    let mut compared = 0;
    for (page, text) in pages::all() {
        for row in tables(&text).into_iter().flatten() {
            assert_eq!(defaults.get(&row[0]), Some(&row[1]), "{page}: {row:?}");
            compared += 1;
        }
    }
    assert!(compared >= ALL.len() + 4, "only {compared} rows: has a header changed?");
}

#[test]
fn no_page_names_a_variable_that_is_not_there() {
    let compose = compose_defaults();
    let is_known = |name: &str| {
        ALL.iter().any(|setting| setting.variable == name)
            || compose.contains_key(name)
            || OTHER_NAMES.contains(&name)
    };
    let is_in_capitals = |name: &str| {
        name.len() > 2
            && name.bytes().all(|c| c == b'_' || c.is_ascii_uppercase() || c.is_ascii_digit())
            && name.starts_with(|c: char| c.is_ascii_uppercase())
    };
    for (page, text) in pages::all() {
        // Anywhere, if it can be nothing else; of one word, if it stands alone as code.
        let names = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let names = names.filter(|name| name.contains('_')).map(str::to_owned);
        let codes = pages::codes(&text).into_iter().filter(|(_, is_inline)| *is_inline);
        let codes = codes.map(|(code, _)| code.split('=').next().unwrap().to_owned());
        for name in names.chain(codes).filter(|name| is_in_capitals(name)) {
            assert!(is_known(&name), "{page}: there is no {name}");
        }
    }
}

#[test]
fn every_call_that_is_shown_is_understood() {
    let calls = pages::calls("kv-node");
    assert!(calls.len() > 10, "{calls:?}");
    for (shown, words) in calls {
        let words = std::iter::once("kv-node".to_owned()).chain(words);
        // A command may be named without what it needs.
        let is_fine = |kind| [ErrorKind::DisplayHelp, ErrorKind::MissingRequiredArgument].contains(&kind);
        if let Err(error) = Args::try_parse_from(words) {
            assert!(is_fine(error.kind()), "{shown}: {error}");
        }
    }
}

/// The rows of every table of variables on a page, cell by cell, without what is only layout.
fn tables(page: &str) -> Vec<Vec<Vec<String>>> {
    let cells = |line: &str| {
        let line = line.replace('`', "");
        let inner = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned());
        inner.collect::<Vec<_>>()
    };
    let mut tables = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("| variable |") {
            lines.next(); // the line below the header
            tables.push(lines.by_ref().take_while(|line| line.starts_with('|')).map(cells).collect());
        }
    }
    tables
}

/// As a page shows it.
fn default_of(setting: &Setting) -> String {
    const MIB: u64 = 1 << 20;
    let text = setting.default_text().into_owned();
    match text.parse::<u64>() {
        Ok(bytes) if setting.variable.ends_with("_BYTES") => format!("{text} ({} MiB)", bytes / MIB),
        _ => text,
    }
}

fn readers(setting: &Setting) -> String {
    match setting.readers {
        Readers::All => "all",
        Readers::Leaders => "leaders",
        Readers::Disks => "nodes with DATA_DIR",
    }
    .to_owned()
}

/// The variables of the Compose files alone: `${KV_NAME:-default}`.
fn compose_defaults() -> BTreeMap<String, String> {
    let text = pages::read("compose/docker-compose.yml") + &pages::read("compose/durable.yml");
    let named = text.split("${KV_").skip(1).filter_map(|rest| {
        let (name, default) = rest.split('}').next()?.split_once(":-")?;
        Some((format!("KV_{name}"), default.to_owned()))
    });
    named.collect()
}
