//! The pages say of the flags and their defaults what is so.

use clap::error::ErrorKind;
use clap::{Arg, Command, CommandFactory, Parser};

use crate::args::Args;
use crate::pages;

#[test]
fn every_call_that_is_shown_is_understood() {
    let calls = pages::calls("kv-bench");
    assert!(calls.len() > 10, "{calls:?}");
    for (shown, words) in calls {
        let words = std::iter::once("kv-bench".to_owned()).chain(words);
        // A command may be named without what it needs.
        let is_fine = |kind| [ErrorKind::DisplayHelp, ErrorKind::MissingRequiredArgument].contains(&kind);
        if let Err(error) = Args::try_parse_from(words) {
            assert!(is_fine(error.kind()), "{shown}: {error}");
        }
    }
}

#[test]
fn the_table_of_defaults_is_complete() {
    let page = pages::read("docs/performance.md");
    let table = page.split("| command | defaults |\n| --- | --- |\n").nth(1).unwrap();
    let found: Vec<&str> = table.lines().take_while(|line| line.starts_with('|')).collect();
    let command = Args::command();
    let mut expected = vec![row("none", &command)];
    expected.extend(command.get_subcommands().map(|sub| row(&format!("`{}`", sub.get_name()), sub)));
    assert_eq!(found, expected, "\n{}\n", expected.join("\n"));
}

/// The experiment of the first page is the one that the program makes when nothing is said.
#[test]
fn the_first_page_tells_the_defaults_of_the_experiment() {
    let page = pages::read("README.md").replace('\n', " ");
    let command = Args::command();
    let default =
        |flag| default_of(command.get_arguments().find(|arg| arg.get_long() == Some(flag)).unwrap());
    let (min, max) = (default("min-delay-ms").unwrap(), default("max-delay-ms").unwrap());
    assert!(page.contains(&format!("uniform between {min} and {max} ms")), "{min} {max}");
    assert_eq!(default("followers").as_deref(), Some("5"), "five, says the page");
    assert!(page.contains("a fresh leader and five followers for every W"));
    // The table that is shown has as many writes for each quorum.
    let writes = default("writes").unwrap();
    for quorum in 1..=5 {
        assert!(page.contains(&format!("     {quorum}     {writes}       0  ")), "W = {quorum}");
    }
}

/// What `--check` asks for in containers is what the page about them says.
#[test]
fn the_page_about_containers_tells_what_is_checked() {
    let page = pages::read("docs/how-to/deploy.md").replace('\n', " ");
    let command = Args::command();
    let check = command.get_arguments().find(|arg| arg.get_long() == Some("check")).unwrap();
    let help = check.get_help().unwrap().to_string();
    let (_, rest) = help.split_once(" within ").unwrap();
    let (deviation, rest) = rest.split_once(" standard errors").unwrap();
    let (_, median) = rest.split_once("with --compose at most ").unwrap();
    let median = median.strip_suffix(" (median)").unwrap();
    let told = format!(
        "each mean, less the median overhead, is within {deviation} standard errors of the theory and the median \
         overhead is at most {median}"
    );
    assert!(page.contains(&told), "{told}");
}

/// All flags of a command that need not be given, with what holds then.
fn row(name: &str, command: &Command) -> String {
    let defaults = command.get_arguments().filter_map(|argument| {
        let flag = argument.get_long()?;
        Some(format!("`--{flag}` {}", default_of(argument)?))
    });
    let defaults: Vec<_> = defaults.collect();
    format!("| {name} | {} |", if defaults.is_empty() { "none".to_owned() } else { defaults.join("; ") })
}

/// A value, or the words at the end of the help.
fn default_of(argument: &Arg) -> Option<String> {
    let values = argument.get_default_values();
    if argument.get_action().takes_values() && !values.is_empty() {
        return Some(values.iter().map(|value| value.to_string_lossy()).collect::<Vec<_>>().join(","));
    }
    let help = argument.get_help()?.to_string();
    let (_, default) = help.rsplit_once(" [default: ")?;
    Some(default.strip_suffix(']')?.to_owned())
}
