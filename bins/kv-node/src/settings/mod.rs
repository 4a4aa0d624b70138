//! From texts to settings that cannot be wrong.

mod disk;

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

use kv_http::Address;
use kv_replication::{FOLLOWERS_MAX, InvalidQuorum, Quorum};
use thiserror::Error;
use tracing::Level;

use crate::args::Args;

pub use disk::DiskSettings;

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
    /// None: it keeps nothing but memory.
    pub disk: Option<DiskSettings>,
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
    pub accept_data_loss: bool,
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
            log_level: level(given(&args.log_level).unwrap_or("info"))?,
            disk: DiskSettings::from_args(args)?,
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
        let accept_data_loss = flag("ACCEPT_DATA_LOSS", &args.accept_data_loss, false)?;
        Ok(Self {
            followers,
            quorum,
            min_delay,
            max_delay,
            replication_timeout,
            write_timeout,
            new_history,
            accept_data_loss,
        })
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
    let (url, own) = (ip(url_host), ip(own_host));
    match (url, own) {
        (Some(url), Some(own)) => {
            url == own || url.is_unspecified() || (url.is_loopback() && own.is_unspecified())
        }
        _ => url_host.eq_ignore_ascii_case(own_host),
    }
}

fn is_unspecified(host: &str) -> bool {
    ip(host).is_some_and(|ip| ip.is_unspecified())
}

/// The address that a host is, if it is one; both loopback addresses count as the first.
fn ip(host: &str) -> Option<IpAddr> {
    if host.eq_ignore_ascii_case("localhost") {
        return Some(Ipv4Addr::LOCALHOST.into());
    }
    let ip: IpAddr = host.parse().ok()?;
    Some(if ip == IpAddr::V6(Ipv6Addr::LOCALHOST) { Ipv4Addr::LOCALHOST.into() } else { ip.to_canonical() })
}

/// A setting that is empty is not given: Compose files pass empty texts for unset variables.
fn given(setting: &Option<String>) -> Option<&str> {
    setting.as_deref().map(str::trim).filter(|text| !text.is_empty())
}

fn level(name: &str) -> Result<Level, SettingsError> {
    match name.to_ascii_lowercase().as_str() {
        "error" => Ok(Level::ERROR),
        "warn" => Ok(Level::WARN),
        "info" => Ok(Level::INFO),
        "debug" => Ok(Level::DEBUG),
        "trace" => Ok(Level::TRACE),
        _ => Err(error("LOG_LEVEL", format!("{name:?} is not error, warn, info, debug or trace"))),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const VARIABLES: [&str; 21] = [
        "ROLE",
        "HOST",
        "PORT",
        "FOLLOWER_URLS",
        "WRITE_QUORUM",
        "MIN_DELAY_MS",
        "MAX_DELAY_MS",
        "REPLICATION_TIMEOUT_MS",
        "WRITE_TIMEOUT_MS",
        "DATA_DIR",
        "CLUSTER_ID",
        "DISK_RESERVE_BYTES",
        "CHECKPOINT_LOG_BYTES",
        "SEED",
        "RUNTIME_THREADS",
        "ALLOW_ASYNC",
        "ENABLE_RESET",
        "ACCEPT_DATA_LOSS",
        "NEW_HISTORY",
        "LOG_FORMAT",
        "LOG_LEVEL",
    ];
    const TWO: (&str, &str) = ("FOLLOWER_URLS", "http://f1:8000,http://f2:8000");

    #[test]
    fn nothing_given_is_a_leader_alone() {
        let node = settings(&[]);
        assert_eq!((node.host.as_str(), node.port, node.seed), ("127.0.0.1", 8000, None));
        assert_eq!((node.runtime_threads, node.enable_reset), (1, true));
        assert_eq!((node.log_json, node.log_level), (false, Level::INFO));
        let leader = leader(&[]);
        assert!(leader.followers.is_empty() && !leader.new_history);
        assert_eq!((leader.quorum.followers(), leader.quorum.write()), (0, 0));
        assert_eq!((leader.min_delay, leader.max_delay), (Duration::ZERO, Duration::ZERO));
        assert_eq!(leader.replication_timeout, Duration::from_millis(3000));
        assert_eq!(leader.write_timeout, Duration::from_millis(3000));
    }

    #[test]
    fn the_settings_of_the_report_are_read() {
        let given = [
            ("ROLE", "leader"),
            ("HOST", "0.0.0.0"),
            ("PORT", "9000"),
            ("FOLLOWER_URLS", " http://follower1:8000, http://Follower2:8000/ ,,http://follower3, "),
            ("WRITE_QUORUM", "2"),
            ("MIN_DELAY_MS", "5"),
            ("MAX_DELAY_MS", "1000"),
            ("REPLICATION_TIMEOUT_MS", "4000"),
            ("SEED", "18446744073709551615"),
            ("RUNTIME_THREADS", "256"),
            ("LOG_FORMAT", "json"),
            ("LOG_LEVEL", "debug"),
        ];
        let node = settings(&given);
        assert_eq!((node.host.as_str(), node.port, node.seed), ("0.0.0.0", 9000, Some(u64::MAX)));
        assert_eq!((node.runtime_threads, node.log_json, node.log_level), (256, true, Level::DEBUG));
        let leader = leader(&given);
        let followers: Vec<String> = leader.followers.iter().map(ToString::to_string).collect();
        assert_eq!(followers, ["http://follower1:8000", "http://follower2:8000", "http://follower3:80"]);
        assert_eq!((leader.quorum.followers(), leader.quorum.write()), (3, 2));
        assert_eq!(leader.min_delay, Duration::from_millis(5));
        assert_eq!(leader.max_delay, Duration::from_millis(1000));
        assert_eq!(leader.replication_timeout, Duration::from_millis(4000));
        assert_eq!(leader.write_timeout, Duration::from_millis(5000));
    }

    #[test]
    fn a_follower_needs_nothing_else() {
        for role in ["follower", " follower "] {
            assert!(matches!(settings(&[("ROLE", role), ("FOLLOWER_URLS", " ")]).role, Role::Follower));
        }
    }

    #[test]
    fn an_empty_variable_is_not_given() {
        let defaults = format!("{:?}", settings(&[]));
        for variable in VARIABLES {
            for empty in ["", "  ", "\t"] {
                assert_eq!(format!("{:?}", settings(&[(variable, empty)])), defaults, "{variable}");
            }
        }
        let all_empty: Vec<_> = VARIABLES.iter().map(|variable| (*variable, "")).collect();
        assert_eq!(format!("{:?}", settings(&all_empty)), defaults);
    }

    #[test]
    fn the_quorum_is_one_if_there_is_anyone_to_ask() {
        for (given, followers, write) in [
            (&[] as &[(&str, &str)], 0, 0),
            (&[("WRITE_QUORUM", "0")], 0, 0),
            (&[TWO], 2, 1),
            (&[TWO, ("WRITE_QUORUM", "2")], 2, 2),
            (&[TWO, ("WRITE_QUORUM", "0"), ("ALLOW_ASYNC", "true")], 2, 0),
            (&[TWO, ("ALLOW_ASYNC", "true")], 2, 1),
        ] {
            assert_eq!(leader(given).quorum, Quorum::new(followers, write).unwrap(), "{given:?}");
        }
        let most = urls(FOLLOWERS_MAX);
        let given = [("FOLLOWER_URLS", most.as_str()), ("WRITE_QUORUM", "64")];
        assert_eq!(leader(&given).quorum, Quorum::new(FOLLOWERS_MAX, FOLLOWERS_MAX).unwrap());
    }

    #[test]
    fn a_write_may_take_the_longest_delay_and_one_attempt() {
        for (given, write_timeout_ms) in [
            (&[("MAX_DELAY_MS", "1000")] as &[_], 4000),
            (&[("REPLICATION_TIMEOUT_MS", "50")], 50),
            (&[("MAX_DELAY_MS", "7"), ("REPLICATION_TIMEOUT_MS", "5")], 12),
            (&[("MAX_DELAY_MS", "86400000"), ("REPLICATION_TIMEOUT_MS", "86400000")], 172_800_000),
            (&[("MAX_DELAY_MS", "1000"), ("WRITE_TIMEOUT_MS", "1")], 1),
            (&[("WRITE_TIMEOUT_MS", "86400000")], 86_400_000),
        ] {
            assert_eq!(leader(given).write_timeout, Duration::from_millis(write_timeout_ms), "{given:?}");
        }
    }

    #[test]
    fn delays_may_be_equal() {
        let leader = leader(&[("MIN_DELAY_MS", "300"), ("MAX_DELAY_MS", "300")]);
        assert_eq!((leader.min_delay, leader.max_delay), (leader.max_delay, Duration::from_millis(300)));
    }

    #[test]
    fn switches_have_these_words() {
        for (words, on) in
            [(["true", "TRUE", "1", "on", " Yes "], true), (["false", "False", "0", "off", "no"], false)]
        {
            for word in words {
                assert_eq!(settings(&[("ENABLE_RESET", word)]).enable_reset, on, "{word}");
                assert_eq!(leader(&[("NEW_HISTORY", word)]).new_history, on, "{word}");
                let asynchronous = [TWO, ("WRITE_QUORUM", "0"), ("ALLOW_ASYNC", word)];
                assert_eq!(Settings::from_args(&args(&asynchronous)).is_ok(), on, "{word}");
                assert_eq!(leader(&[("ACCEPT_DATA_LOSS", word)]).accept_data_loss, on, "{word}");
            }
        }
    }

    #[test]
    fn log_levels_have_these_names() {
        for (name, level) in [
            ("error", Level::ERROR),
            ("warn", Level::WARN),
            ("info", Level::INFO),
            ("debug", Level::DEBUG),
            ("trace", Level::TRACE),
            ("WARN", Level::WARN),
        ] {
            assert_eq!(settings(&[("LOG_LEVEL", name)]).log_level, level);
        }
    }

    #[test]
    fn a_bad_number_names_its_variable_and_the_range() {
        for (variable, bad, range) in [
            ("PORT", &["-1", "65536", "http", "80.0", "8000 9000"] as &[_], "0 to 65535"),
            ("WRITE_QUORUM", &["-1", "three", "1.5", "99999999999999999999"], "a whole number, 0 to"),
            ("MIN_DELAY_MS", &["-1", "86400001", "1s", "0.5"], "0 to 86400000"),
            ("MAX_DELAY_MS", &["-1", "86400001", "1s", "18446744073709551616"], "0 to 86400000"),
            ("REPLICATION_TIMEOUT_MS", &["-1", "0", "86400001", "soon"], "1 to 86400000"),
            ("WRITE_TIMEOUT_MS", &["-1", "0", "86400001", "soon"], "1 to 86400000"),
            ("SEED", &["-1", "18446744073709551616", "0x1f", "seed"], "0 to 2^64-1"),
            ("RUNTIME_THREADS", &["-1", "0", "257", "many"], "1 to 256"),
        ] {
            for text in bad {
                refused(&[(variable, text)], variable, &[&format!("{text:?}"), range]);
            }
        }
    }

    #[test]
    fn a_bad_word_names_its_variable_and_the_choice() {
        for variable in ["ENABLE_RESET", "NEW_HISTORY", "ACCEPT_DATA_LOSS"] {
            refused(&[(variable, "maybe")], variable, &["\"maybe\"", "true or false"]);
            refused(&[(variable, "2")], variable, &["\"2\"", "true or false"]);
        }
        let asynchronous = [TWO, ("WRITE_QUORUM", "0"), ("ALLOW_ASYNC", "maybe")];
        refused(&asynchronous, "ALLOW_ASYNC", &["\"maybe\"", "true or false"]);
        refused(&[("ROLE", "observer")], "ROLE", &["\"observer\"", "leader or follower"]);
        refused(&[("ROLE", "Leader")], "ROLE", &["\"Leader\"", "leader or follower"]);
        refused(&[("ROLE", "two\nlines")], "ROLE", &["leader or follower"]);
        refused(&[("LOG_FORMAT", "xml")], "LOG_FORMAT", &["\"xml\"", "text or json"]);
        refused(&[("LOG_LEVEL", "loud")], "LOG_LEVEL", &["\"loud\"", "debug"]);
        refused(&[("LOG_LEVEL", "off")], "LOG_LEVEL", &["\"off\"", "debug"]);
    }

    #[test]
    fn a_quorum_that_cannot_be_meant_is_refused() {
        let unsatisfiable = ["write quorum of 3", "2 followers", "FOLLOWER_URLS"];
        refused(&[TWO, ("WRITE_QUORUM", "3")], "WRITE_QUORUM", &unsatisfiable);
        refused(&[("WRITE_QUORUM", "1")], "WRITE_QUORUM", &["write quorum of 1", "0 followers"]);
        refused(&[TWO, ("WRITE_QUORUM", "0")], "WRITE_QUORUM", &["ALLOW_ASYNC=true"]);
        let refused_twice = [TWO, ("WRITE_QUORUM", "0"), ("ALLOW_ASYNC", "false")];
        refused(&refused_twice, "WRITE_QUORUM", &["ALLOW_ASYNC=true"]);
    }

    #[test]
    fn delays_that_are_crossed_are_refused() {
        let crossed = [("MIN_DELAY_MS", "20"), ("MAX_DELAY_MS", "10")];
        refused(&crossed, "MIN_DELAY_MS", &["20", "MAX_DELAY_MS=10"]);
        // The longest delay has a default, too.
        refused(&[("MIN_DELAY_MS", "1")], "MIN_DELAY_MS", &["MAX_DELAY_MS=0"]);
    }

    #[test]
    fn a_bad_url_is_refused_in_its_own_words() {
        for (url, problem) in [
            ("follower1:8000", "not of the form http://host:port"),
            ("follower1", "not of the form http://host:port"),
            ("http://", "not of the form http://host:port"),
            ("http://f1:", "not of the form http://host:port"),
            ("http://f1:port", "not of the form http://host:port"),
            ("http://f1:0", "not of the form http://host:port"),
            ("http://f1:65536", "not of the form http://host:port"),
            ("http://user:secret@f1:8000", "not of the form http://host:port"),
            ("http://f1:8000;http://f2:8000", "not of the form http://host:port"),
            ("https://f1:8000", "only http:// is supported"),
            ("ftp://f1:8000", "only http:// is supported"),
            ("http://f1:8000/kv", "ends after the port"),
            ("http://f1:8000/?x", "ends after the port"),
        ] {
            let quoted = format!("{url:?}");
            refused(&[("FOLLOWER_URLS", url)], "FOLLOWER_URLS", &[&quoted, problem]);
            let second = format!("http://f9:8000,{url}");
            refused(&[("FOLLOWER_URLS", &second)], "FOLLOWER_URLS", &[&quoted, problem]);
        }
    }

    #[test]
    fn a_follower_counts_once_however_it_is_spelled() {
        for again in
            ["http://f1:8000", "http://F1:8000", "HTTP://f1:8000", "http://f1:8000/", " http://f1:8000 "]
        {
            let urls = format!("http://f1:8000,http://f2:8000,{again}");
            refused(&[("FOLLOWER_URLS", &urls)], "FOLLOWER_URLS", &["http://f1:8000 is there twice"]);
        }
        let default_port = [("FOLLOWER_URLS", "http://f1,http://f1:80/")];
        refused(&default_port, "FOLLOWER_URLS", &["http://f1:80 is there twice"]);
        assert_eq!(leader(&[("FOLLOWER_URLS", "http://f1:8000,http://f1:8001")]).followers.len(), 2);
    }

    #[test]
    fn a_leader_is_not_its_own_follower() {
        for host in ["127.0.0.1", "localhost", "0.0.0.0", "::1", "::"] {
            for own in ["127.0.0.1", "localhost", "LOCALHOST", "0.0.0.0", "[::1]", "[::]"] {
                let url = format!("http://f1:8000,http://{own}:8000");
                let given = [("HOST", host), ("FOLLOWER_URLS", url.as_str())];
                refused(&given, "FOLLOWER_URLS", &["this node itself"]);
                let elsewhere = [("PORT", "8001"), given[0], given[1]];
                assert_eq!(leader(&elsewhere).followers.len(), 2, "{host} {own}");
            }
        }
        let by_name = [("HOST", "node1"), ("PORT", "9000"), ("FOLLOWER_URLS", "http://Node1:9000")];
        refused(&by_name, "FOLLOWER_URLS", &["http://node1:9000 is this node itself"]);
        // As in the Compose file: all listen on 0.0.0.0:8000, each in a network of its own.
        let compose = [("HOST", "0.0.0.0"), ("FOLLOWER_URLS", "http://follower1:8000,http://follower2:8000")];
        assert_eq!(leader(&compose).followers.len(), 2);
    }

    #[test]
    fn more_followers_than_there_can_be_are_refused() {
        refused(&[("FOLLOWER_URLS", &urls(65))], "FOLLOWER_URLS", &["65 followers", "at most 64"]);
    }

    #[test]
    fn a_follower_has_no_followers() {
        refused(
            &[("ROLE", "follower"), TWO],
            "FOLLOWER_URLS",
            &["a follower has no followers", "ROLE=leader"],
        );
    }

    #[test]
    fn a_node_may_have_a_disk() {
        assert!(settings(&[("DISK_RESERVE_BYTES", "5")]).disk.is_none());
        for role in ["leader", "follower"] {
            let given = [("ROLE", role), ("DATA_DIR", " /data "), ("CLUSTER_ID", "00000000000000aF")];
            let disk = settings(&given).disk.unwrap();
            assert_eq!(disk.directory.to_str(), Some("/data"));
            assert_eq!(disk.cluster.map(|cluster| cluster.0), Some(0xaf));
            assert_eq!(
                (disk.config.disk_reserve_bytes, disk.config.checkpoint_log_bytes),
                (128 << 20, 64 << 20)
            );
        }
        // A log that may be short is not cut into longer pieces.
        let given = [("DATA_DIR", "/data"), ("CHECKPOINT_LOG_BYTES", "2000000"), ("DISK_RESERVE_BYTES", "0")];
        let config = settings(&given).disk.unwrap().config;
        assert_eq!((config.segment_bytes, config.disk_reserve_bytes), (2_000_000, 0));
    }

    #[test]
    fn a_client_on_this_machine_finds_the_node() {
        for (host, local) in [
            ("0.0.0.0", "http://127.0.0.1:9000"),
            ("::", "http://127.0.0.1:9000"),
            ("127.0.0.1", "http://127.0.0.1:9000"),
            ("::1", "http://[::1]:9000"),
            ("node1", "http://node1:9000"),
        ] {
            let node = settings(&[("HOST", host), ("PORT", "9000")]);
            assert_eq!(node.local_address().to_string(), local);
        }
    }

    fn settings(given: &[(&str, &str)]) -> Settings {
        Settings::from_args(&args(given)).unwrap_or_else(|error| panic!("{given:?}: {error}"))
    }

    fn leader(given: &[(&str, &str)]) -> LeaderSettings {
        match settings(given).role {
            Role::Leader(leader) => leader,
            Role::Follower => panic!("{given:?} is a follower"),
        }
    }

    /// One line that begins with the variable and has all of `words`.
    fn refused(given: &[(&str, &str)], variable: &str, words: &[&str]) {
        let error = Settings::from_args(&args(given)).expect_err(&format!("{given:?}"));
        assert_eq!(error.variable, variable, "{given:?}: {error}");
        let line = error.to_string();
        assert!(line.starts_with(&format!("{variable}: ")) && line.lines().count() == 1, "{line}");
        for word in words {
            assert!(line.contains(word), "{given:?}: {word:?} is not in {line:?}");
        }
    }

    /// Set one by one: clap would look at the variables of whoever runs the tests.
    fn args(given: &[(&str, &str)]) -> Args {
        let mut args = Args::default();
        for (variable, text) in given {
            let setting = match *variable {
                "ROLE" => &mut args.role,
                "HOST" => &mut args.host,
                "PORT" => &mut args.port,
                "FOLLOWER_URLS" => &mut args.follower_urls,
                "WRITE_QUORUM" => &mut args.write_quorum,
                "MIN_DELAY_MS" => &mut args.min_delay_ms,
                "MAX_DELAY_MS" => &mut args.max_delay_ms,
                "REPLICATION_TIMEOUT_MS" => &mut args.replication_timeout_ms,
                "WRITE_TIMEOUT_MS" => &mut args.write_timeout_ms,
                "DATA_DIR" => &mut args.data_dir,
                "CLUSTER_ID" => &mut args.cluster_id,
                "DISK_RESERVE_BYTES" => &mut args.disk_reserve_bytes,
                "CHECKPOINT_LOG_BYTES" => &mut args.checkpoint_log_bytes,
                "SEED" => &mut args.seed,
                "RUNTIME_THREADS" => &mut args.runtime_threads,
                "ALLOW_ASYNC" => &mut args.allow_async,
                "ENABLE_RESET" => &mut args.enable_reset,
                "ACCEPT_DATA_LOSS" => &mut args.accept_data_loss,
                "NEW_HISTORY" => &mut args.new_history,
                "LOG_FORMAT" => &mut args.log_format,
                "LOG_LEVEL" => &mut args.log_level,
                other => panic!("no variable {other}"),
            };
            *setting = Some((*text).to_owned());
        }
        args
    }

    fn urls(followers: usize) -> String {
        (1..=followers).map(|n| format!("http://f{n}:8000")).collect::<Vec<_>>().join(",")
    }
}
