//! From texts to settings that cannot be wrong.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use kv_http::Address;
use kv_replication::{FOLLOWERS_MAX, InvalidQuorum, Quorum};
use thiserror::Error;
use tracing::Level;

use crate::args::Args;

/// Everything a node needs to know, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    pub role: Role,
    pub host: String,
    pub port: u16,
    /// None: to be drawn.
    pub seed: Option<u64>,
    pub runtime_threads: usize,
    pub enable_reset: bool,
    pub log_json: bool,
    pub log_level: Level,
}

#[derive(Clone, Debug)]
pub enum Role {
    Leader(LeaderSettings),
    Follower,
}

#[derive(Clone, Debug)]
pub struct LeaderSettings {
    pub followers: Vec<Address>,
    pub quorum: Quorum,
    pub min_delay: Duration,
    pub max_delay: Duration,
    pub replication_timeout: Duration,
    pub write_timeout: Duration,
    pub new_history: bool,
}

/// A setting that cannot be used: one line that names the variable and the way out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{variable}: {problem}")]
pub struct SettingsError {
    variable: &'static str,
    problem: String,
}

const RUNTIME_THREADS_MAX: usize = 256;
/// One day: longer is a typing error.
const DURATION_MS_MAX: u64 = 86_400_000;

impl Settings {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`SettingsError`] for the first one that cannot be used.
    pub fn from_args(args: &Args) -> Result<Self, SettingsError> {
        refuse_given("DATA_DIR", &args.data_dir, "nodes live in memory only so far; leave it unset")?;
        if flag("ACCEPT_DATA_LOSS", &args.accept_data_loss, false)? {
            return Err(error(
                "ACCEPT_DATA_LOSS",
                "there is no recovery yet; empty the followers with POST /reset instead",
            ));
        }
        let host = given(&args.host).unwrap_or("127.0.0.1").to_owned();
        let port = number("PORT", &args.port, 8000, 0..=u16::MAX)?;
        let role = match given(&args.role).unwrap_or("leader") {
            "leader" => Role::Leader(LeaderSettings::from_args(args, &host, port)?),
            "follower" if given(&args.follower_urls).is_some() => {
                return Err(error(
                    "FOLLOWER_URLS",
                    "a follower has no followers; leave it unset, or set ROLE=leader",
                ));
            }
            "follower" => Role::Follower,
            other => {
                return Err(error("ROLE", format!("unknown role {other:?}; use leader or follower")));
            }
        };
        let seed =
            given(&args.seed).map(|seed| parse("SEED", seed, "a whole number, 0 to 2^64-1")).transpose()?;
        let log_json = match given(&args.log_format).unwrap_or("text") {
            "text" => false,
            "json" => true,
            other => {
                return Err(error("LOG_FORMAT", format!("unknown format {other:?}; use text or json")));
            }
        };
        Ok(Self {
            role,
            host,
            port,
            seed,
            runtime_threads: number("RUNTIME_THREADS", &args.runtime_threads, 1, 1..=RUNTIME_THREADS_MAX)?,
            enable_reset: flag("ENABLE_RESET", &args.enable_reset, true)?,
            log_json,
            log_level: parse(
                "LOG_LEVEL",
                given(&args.log_level).unwrap_or("info"),
                "error, warn, info, debug or trace",
            )?,
        })
    }

    /// Where a client on this machine reaches the node.
    #[must_use]
    pub fn local_address(&self) -> Address {
        let host = if is_unspecified(&self.host) { "127.0.0.1" } else { &self.host };
        Address::new(host, self.port)
    }
}

impl LeaderSettings {
    fn from_args(args: &Args, host: &str, port: u16) -> Result<Self, SettingsError> {
        let followers = followers(given(&args.follower_urls).unwrap_or_default(), host, port)?;
        let quorum = quorum(args, followers.len())?;
        let min_delay = duration("MIN_DELAY_MS", &args.min_delay_ms, 0, 0)?;
        let max_delay = duration("MAX_DELAY_MS", &args.max_delay_ms, 0, 0)?;
        if min_delay > max_delay {
            let problem = format!(
                "{} is above MAX_DELAY_MS={}; lower it, or raise the other",
                min_delay.as_millis(),
                max_delay.as_millis()
            );
            return Err(error("MIN_DELAY_MS", problem));
        }
        let replication_timeout = duration("REPLICATION_TIMEOUT_MS", &args.replication_timeout_ms, 3000, 1)?;
        let default_timeout_ms =
            (max_delay + replication_timeout).as_millis().try_into().unwrap_or(DURATION_MS_MAX);
        let write_timeout = duration("WRITE_TIMEOUT_MS", &args.write_timeout_ms, default_timeout_ms, 1)?;
        let new_history = flag("NEW_HISTORY", &args.new_history, false)?;
        Ok(Self { followers, quorum, min_delay, max_delay, replication_timeout, write_timeout, new_history })
    }
}

fn followers(urls: &str, host: &str, port: u16) -> Result<Vec<Address>, SettingsError> {
    let mut followers: Vec<Address> = Vec::new();
    for url in urls.split(',').map(str::trim).filter(|url| !url.is_empty()) {
        let address: Address =
            url.parse().map_err(|problem| error("FOLLOWER_URLS", format!("{url:?} is {problem}")))?;
        if followers.contains(&address) {
            return Err(error(
                "FOLLOWER_URLS",
                format!("{address} is there twice; each follower counts once"),
            ));
        }
        if address.port() == port && is_same_host(address.host(), host) {
            return Err(error(
                "FOLLOWER_URLS",
                format!("{address} is this node itself; a leader is not its own follower"),
            ));
        }
        followers.push(address);
    }
    Ok(followers)
}

fn quorum(args: &Args, followers: usize) -> Result<Quorum, SettingsError> {
    let default = usize::from(followers > 0);
    let write = number("WRITE_QUORUM", &args.write_quorum, default, 0..=usize::MAX)?;
    if write == 0 && followers > 0 && !flag("ALLOW_ASYNC", &args.allow_async, false)? {
        return Err(error(
            "WRITE_QUORUM",
            "0 acknowledges writes that no follower has; set ALLOW_ASYNC=true if you want that, or use 1 or more",
        ));
    }
    Quorum::new(followers, write).map_err(|problem| match problem {
        InvalidQuorum::Unsatisfiable { .. } => {
            error("WRITE_QUORUM", format!("{problem}; lower it, or add to FOLLOWER_URLS"))
        }
        InvalidQuorum::TooManyFollowers { .. } => {
            error("FOLLOWER_URLS", format!("{followers} followers are too many; use at most {FOLLOWERS_MAX}"))
        }
    })
}

/// Whether a client that goes to `url_host` may reach a node that listens on `own_host`.
fn is_same_host(url_host: &str, own_host: &str) -> bool {
    let is_loopback = |host: &str| matches!(host, "localhost" | "127.0.0.1" | "::1");
    url_host.eq_ignore_ascii_case(own_host)
        || (is_loopback(url_host) && (is_loopback(own_host) || is_unspecified(own_host)))
        || is_unspecified(url_host)
}

fn is_unspecified(host: &str) -> bool {
    matches!(host, "0.0.0.0" | "::")
}

/// A setting that is empty is not given: Compose files pass empty texts for unset variables.
fn given(setting: &Option<String>) -> Option<&str> {
    setting.as_deref().map(str::trim).filter(|text| !text.is_empty())
}

fn refuse_given(
    variable: &'static str,
    setting: &Option<String>,
    problem: &str,
) -> Result<(), SettingsError> {
    given(setting).map_or(Ok(()), |_| Err(error(variable, problem)))
}

fn parse<T: FromStr>(variable: &'static str, text: &str, expected: &str) -> Result<T, SettingsError> {
    text.parse().map_err(|_| error(variable, format!("{text:?} is not {expected}")))
}

fn number<T: FromStr + PartialOrd + Display>(
    variable: &'static str,
    setting: &Option<String>,
    default: T,
    range: std::ops::RangeInclusive<T>,
) -> Result<T, SettingsError> {
    let Some(text) = given(setting) else {
        return Ok(default);
    };
    let expected = format!("a whole number, {} to {}", range.start(), range.end());
    let value = parse(variable, text, &expected)?;
    if range.contains(&value) {
        Ok(value)
    } else {
        Err(error(variable, format!("{text:?} is not {expected}")))
    }
}

fn duration(
    variable: &'static str,
    setting: &Option<String>,
    default_ms: u64,
    min_ms: u64,
) -> Result<Duration, SettingsError> {
    number(variable, setting, default_ms, min_ms..=DURATION_MS_MAX).map(Duration::from_millis)
}

fn flag(variable: &'static str, setting: &Option<String>, default: bool) -> Result<bool, SettingsError> {
    match given(setting).map(str::to_ascii_lowercase).as_deref() {
        None => Ok(default),
        Some("true" | "1" | "on" | "yes") => Ok(true),
        Some("false" | "0" | "off" | "no") => Ok(false),
        Some(other) => Err(error(variable, format!("{other:?} is not true or false"))),
    }
}

fn error(variable: &'static str, problem: impl Into<String>) -> SettingsError {
    SettingsError { variable, problem: problem.into() }
}
