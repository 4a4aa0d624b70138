//! Settings that cannot be used.

use thiserror::Error;

use super::setting::Setting;

/// A setting that cannot be used: one line that names the variable and the way out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{variable}: {problem}")]
pub struct SettingsError {
    pub(super) variable: &'static str,
    problem: String,
}

impl Setting {
    /// This is what is wrong with it.
    pub(super) fn error(&self, problem: impl Into<String>) -> SettingsError {
        SettingsError { variable: self.variable, problem: problem.into() }
    }
}
