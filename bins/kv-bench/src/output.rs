//! What this program says, and its exit code.

use std::error::Error;
use std::process::ExitCode;

/// What a command has to say.
pub struct Report {
    pub text: String,
    /// Why the text is no good news, with the exit code for that: the process then fails.
    pub problem: Option<(String, u8)>,
}

impl Report {
    /// The text, and why it is no good news: exit code 1.
    pub fn new(text: String, problem: Option<String>) -> Self {
        Self { text, problem: problem.map(|problem| (problem, 1)) }
    }
}

impl From<String> for Report {
    fn from(text: String) -> Self {
        Self::new(text, None)
    }
}

/// Shows what has come of it.
pub fn show(result: Result<Report, Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(Report { text, problem }) => {
            print(&text);
            problem.map_or(ExitCode::SUCCESS, |(problem, code)| {
                warn(&problem);
                ExitCode::from(code)
            })
        }
        Err(error) => {
            complain(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "the result of the program")]
fn print(text: &str) {
    print!("{text}");
}

/// An error with its causes.
#[expect(clippy::print_stderr, reason = "why there is no result")]
pub fn complain(error: &dyn Error) {
    warn(&error.to_string());
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
}

#[expect(clippy::print_stderr, reason = "failures must be seen, also when the table goes to a file")]
pub fn warn(text: &str) {
    eprintln!("kv-bench: {text}");
}
