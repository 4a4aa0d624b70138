//! Checked query parameters.

use std::time::Duration;

use kv_core::{KEY_BYTES_MAX, VERSION_MAX, Version};
use kv_replication::FOLLOWERS_MAX;
use percent_encoding::percent_decode_str;
use thiserror::Error;

/// The longest time that a client may ask a request to take.
const TIMEOUT_MS_MAX: u64 = 600_000;
/// The most keys that a client may ask for at once.
pub(crate) const LIMIT_MAX: usize = 1_000;

pub(crate) const TIMEOUT: &str = "timeout_ms";
pub(crate) const CONSISTENCY: &str = "consistency";
pub(crate) const MIN_VERSION: &str = "min_version";
pub(crate) const PREFIX: &str = "prefix";
pub(crate) const AFTER: &str = "after";
pub(crate) const LIMIT: &str = "limit";
pub(crate) const VERBOSE: &str = "verbose";
pub(crate) const SYNC: &str = "sync";
pub(crate) const ACKS: &str = "w";

/// A parameter that is wrong, given twice, or not known here.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{name}: {reason}")]
pub(crate) struct InvalidParameter {
    pub(crate) name: String,
    pub(crate) reason: &'static str,
}

impl InvalidParameter {
    pub(crate) fn new(name: &str, reason: &'static str) -> Self {
        Self { name: name.to_owned(), reason }
    }
}

/// What a read is to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Consistency {
    #[default]
    Local,
    Committed,
    Linearizable,
}

impl Consistency {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Committed => "committed",
            Self::Linearizable => "linearizable",
        }
    }
}

/// The parameters of one request; those that were not given are as their defaults.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    pub(crate) timeout: Option<Duration>,
    pub(crate) consistency: Consistency,
    pub(crate) min_version: Version,
    pub(crate) prefix: String,
    pub(crate) after: Option<String>,
    pub(crate) limit: Option<usize>,
    pub(crate) verbose: bool,
    pub(crate) sync: bool,
    pub(crate) acks: Option<usize>,
}

impl Query {
    /// Reads the query; only `known` parameters may be there, each once.
    pub(crate) fn parse(query: Option<&str>, known: &[&'static str]) -> Result<Self, InvalidParameter> {
        let mut parsed = Self::default();
        let mut given = Vec::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(&name) = known.iter().find(|known| **known == name) else {
                return Err(InvalidParameter::new(name, "no such parameter here, or not supported yet"));
            };
            if given.contains(&name) {
                return Err(InvalidParameter::new(name, "given twice"));
            }
            given.push(name);
            parsed.set(name, value).map_err(|reason| InvalidParameter::new(name, reason))?;
        }
        Ok(parsed)
    }

    fn set(&mut self, name: &'static str, value: &str) -> Result<(), &'static str> {
        match name {
            TIMEOUT => {
                let ms = number(value, 1, TIMEOUT_MS_MAX);
                let ms = ms.ok_or("must be whole milliseconds, 1 to 600000")?;
                self.timeout = Some(Duration::from_millis(ms));
            }
            CONSISTENCY => {
                let all = [Consistency::Local, Consistency::Committed, Consistency::Linearizable];
                let found = all.into_iter().find(|consistency| consistency.name() == value);
                self.consistency = found.ok_or("must be local, committed or linearizable")?;
            }
            MIN_VERSION => {
                let version = number(value, 0, VERSION_MAX);
                self.min_version = version.ok_or("must be a version: a whole number below 2^53")?;
            }
            LIMIT => {
                let limit = number(value, 1, LIMIT_MAX as u64).and_then(|limit| usize::try_from(limit).ok());
                self.limit = Some(limit.ok_or("must be a whole number, 1 to 1000")?);
            }
            PREFIX => self.prefix = text(value)?,
            AFTER => self.after = Some(text(value)?).filter(|after| !after.is_empty()),
            ACKS => {
                let acks = number(value, 0, FOLLOWERS_MAX as u64).and_then(|acks| usize::try_from(acks).ok());
                self.acks = Some(acks.ok_or("must be a whole number of acknowledgements, 0 to 64")?);
            }
            VERBOSE => self.verbose = flag(value)?,
            SYNC => self.sync = flag(value)?,
            _ => return Err("not supported yet"),
        }
        Ok(())
    }
}

/// Digits alone: no sign, no blanks.
fn number(value: &str, min: u64, max: u64) -> Option<u64> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|number| digits && (min..=max).contains(number))
}

fn flag(value: &str) -> Result<bool, &'static str> {
    if matches!(value, "" | "true") { Ok(true) } else { Err("takes no value but true") }
}

/// A key or the beginning of one, percent-decoded once; a plus is a plus, as in a path.
fn text(value: &str) -> Result<String, &'static str> {
    if !escapes_are_whole(value) {
        return Err("holds a broken percent escape");
    }
    let text = percent_decode_str(value).decode_utf8().map_err(|_| "is not UTF-8")?;
    if text.len() > KEY_BYTES_MAX { Err("is longer than any key") } else { Ok(text.into_owned()) }
}

/// Every `%` begins an escape.
pub(crate) fn escapes_are_whole(raw: &str) -> bool {
    let is_escape = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    raw.split('%').skip(1).all(is_escape)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&str; 9] = [TIMEOUT, CONSISTENCY, MIN_VERSION, PREFIX, AFTER, LIMIT, VERBOSE, SYNC, ACKS];

    #[test]
    fn a_query_is_read() {
        let query = "timeout_ms=250&consistency=committed&min_version=7&prefix=a%2F%C3%B6+&after=a/b&limit=10&verbose&sync=true&w=2";
        let parsed = Query::parse(Some(query), &ALL).unwrap();
        let expected = Query {
            timeout: Some(Duration::from_millis(250)),
            consistency: Consistency::Committed,
            min_version: 7,
            prefix: "a/ö+".to_owned(),
            after: Some("a/b".to_owned()),
            limit: Some(10),
            verbose: true,
            sync: true,
            acks: Some(2),
        };
        assert_eq!(parsed, expected);
        assert_eq!(Query::parse(None, &[]), Ok(Query::default()));
        assert_eq!(Query::parse(Some("after=&prefix="), &ALL), Ok(Query::default()));
    }

    #[test]
    fn a_query_holds_only_what_works() {
        let long = format!("prefix={}", "k".repeat(513));
        for bad in [
            "w=65",
            "w=-1",
            "w=",
            "timeout_ms=0",
            "timeout_ms=",
            "timeout_ms=-1",
            "timeout_ms=+1",
            "timeout_ms=600001",
            "timeout_ms=1&timeout_ms=1",
            "cas",
            "consistency",
            "consistency=Local",
            "min_version=",
            "min_version=9007199254740992",
            "min_version=-1",
            "limit=0",
            "limit=1001",
            "prefix=%",
            "after=%f",
            "after=%ff",
            "verbose=no",
            "sync=1",
            &long,
        ] {
            let refused = Query::parse(Some(bad), &ALL).map_err(|error| error.name);
            let name = bad.split('=').next().unwrap_or_default();
            assert_eq!(refused, Err(name.to_owned()), "{bad}");
        }
        let unknown = Query::parse(Some("limit=1"), &[TIMEOUT]).map_err(|error| error.name);
        assert_eq!(unknown, Err("limit".to_owned()), "not known here");
    }

    #[test]
    fn a_reason_names_the_limit_that_is_checked() {
        for (name, limit) in [
            (TIMEOUT, TIMEOUT_MS_MAX.to_string()),
            (LIMIT, LIMIT_MAX.to_string()),
            (ACKS, FOLLOWERS_MAX.to_string()),
            (MIN_VERSION, format!("2^{}", (VERSION_MAX + 1).ilog2())),
        ] {
            let refused = Query::parse(Some(&format!("{name}=x")), &ALL).unwrap_err();
            assert!(refused.reason.ends_with(&limit), "{refused}, and the limit is {limit}");
        }
    }
}
