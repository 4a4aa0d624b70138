//! The settings as they are given, by flags and variables: texts, and the few forms that a text can have.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use super::error::SettingsError;
use super::setting::{ALL, Fallback, Setting};

/// One day: longer is a typing error.
pub const DURATION_MS_MAX: u64 = 86_400_000;

/// The texts of all settings that are given, by the names of their variables.
#[derive(Clone, Debug, Default)]
pub struct Given {
    texts: BTreeMap<&'static str, String>,
    /// A flag that was given without a value.
    empty_flag: Option<&'static Setting>,
}

impl Given {
    /// The text of a setting. One that is empty is not given: Compose files pass empty texts for unset variables.
    pub fn text(&self, setting: &Setting) -> Option<&str> {
        let text = self.texts.get(setting.variable).map(|text| text.trim());
        text.filter(|text| !text.is_empty())
    }

    /// An empty variable is not given; an empty flag is a mistake, for it hides the variable of its name.
    ///
    /// # Errors
    /// [`SettingsError`] for a flag without a value.
    pub fn check_flags(&self) -> Result<(), SettingsError> {
        let error = |setting: &Setting| {
            setting.error(format!("--{} has no value; leave it out, or give one", setting.flag))
        };
        self.empty_flag.map_or(Ok(()), |setting| Err(error(setting)))
    }

    /// Its text, or else its default; empty if there is neither.
    pub fn text_or_default(&self, setting: &Setting) -> Cow<'_, str> {
        match (self.text(setting), &setting.default) {
            (Some(text), _) => text.into(),
            (None, Fallback::Value(value)) => value(),
            (None, Fallback::Words(_)) => "".into(),
        }
    }

    /// A number of this range.
    pub fn number<T: FromStr + PartialOrd + Display>(
        &self,
        setting: &Setting,
        range: RangeInclusive<T>,
    ) -> Result<T, SettingsError> {
        let text = self.text_or_default(setting);
        let number = text.parse().ok().filter(|number| range.contains(number));
        let expected = || format!("{text:?} is not a whole number, {} to {}", range.start(), range.end());
        number.ok_or_else(|| setting.error(expected()))
    }

    /// The same of a setting whose default depends on others.
    pub fn number_or<T: FromStr + PartialOrd + Display>(
        &self,
        setting: &Setting,
        range: RangeInclusive<T>,
        default: T,
    ) -> Result<T, SettingsError> {
        if self.text(setting).is_some() { self.number(setting, range) } else { Ok(default) }
    }

    /// Milliseconds, from `min_ms` to one day.
    pub fn duration(&self, setting: &Setting, min_ms: u64) -> Result<Duration, SettingsError> {
        self.number(setting, min_ms..=DURATION_MS_MAX).map(Duration::from_millis)
    }

    /// Yes or no.
    pub fn switch(&self, setting: &Setting) -> Result<bool, SettingsError> {
        let word = self.text_or_default(setting).to_ascii_lowercase();
        match word.as_str() {
            "true" | "1" | "on" | "yes" => Ok(true),
            "false" | "0" | "off" | "no" => Ok(false),
            _ => Err(setting.error(format!("{word:?} is not true or false"))),
        }
    }
}

impl FromIterator<(&'static str, String)> for Given {
    fn from_iter<T: IntoIterator<Item = (&'static str, String)>>(texts: T) -> Self {
        Self { texts: texts.into_iter().collect(), empty_flag: None }
    }
}

impl clap::Args for Given {
    fn augment_args(command: Command) -> Command {
        command.args(ALL.map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn argument(setting: &'static Setting) -> Arg {
    let help = format!("{} [default: {}]", setting.help, setting.default_text());
    let argument = Arg::new(setting.variable).long(setting.flag).env(setting.variable).global(true);
    let argument = argument.help(help).help_heading(setting.readers.heading());
    if setting.is_switch {
        argument.num_args(0..=1).require_equals(true).default_missing_value("true")
    } else {
        argument
    }
}

impl clap::FromArgMatches for Given {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given = Self::default();
        given.update_from_arg_matches(matches)?;
        Ok(given)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let texts = ALL.iter().filter_map(|setting| {
            let text: &String = matches.get_one(setting.variable)?;
            Some((setting.variable, text.clone()))
        });
        self.texts.extend(texts);
        let is_empty = |setting: &&Setting| {
            matches.value_source(setting.variable) == Some(ValueSource::CommandLine)
                && self.texts.get(setting.variable).is_some_and(|text| text.trim().is_empty())
        };
        self.empty_flag = ALL.into_iter().find(is_empty);
        Ok(())
    }
}
