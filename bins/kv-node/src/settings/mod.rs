//! From texts to settings that cannot be wrong.
//!
//! [`setting`] has the list of all settings with their defaults, [`given`](Given) the texts that somebody has given.
//! [`Settings::read`] makes of them what a node runs with.

mod disk;
mod error;
mod given;
mod host;
mod leader;
mod setting;

use kv_http::Address;
use tracing::Level;

use self::host::is_unspecified;
use self::setting::{
    ENABLE_RESET, FOLLOWER_URLS, HOST, LOG_FORMAT, LOG_LEVEL, PORT, ROLE, RUNTIME_THREADS, SEED,
};

pub use self::disk::DiskSettings;
pub use self::error::SettingsError;
pub use self::given::Given;
pub use self::leader::LeaderSettings;
#[cfg(test)]
pub use self::setting::{ALL, Readers, Setting};

/// Everything a node needs to know, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    pub role: Role,
    pub host: String,
    pub port: u16,
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

const RUNTIME_THREADS_MAX: usize = 256;

impl Settings {
    /// Checks every setting. `drawn` is the seed if none is given.
    ///
    /// # Errors
    /// [`SettingsError`] for the first one that cannot be used.
    pub fn read(given: &Given, drawn: u64) -> Result<Self, SettingsError> {
        given.check_flags()?;
        let host = given.text_or_default(&HOST).into_owned();
        let port = given.number(&PORT, 0..=u16::MAX)?;
        let seed = given.text(&SEED).map_or(Ok(drawn), seed)?;
        let role = match given.text_or_default(&ROLE).as_ref() {
            "leader" => Role::Leader(LeaderSettings::read(given, &host, port, seed)?),
            "follower" if given.text(&FOLLOWER_URLS).is_some() => {
                return Err(
                    FOLLOWER_URLS.error("a follower has no followers; leave it unset, or set ROLE=leader")
                );
            }
            "follower" => Role::Follower,
            other => return Err(ROLE.error(format!("unknown role {other:?}; use leader or follower"))),
        };
        let log_json = match given.text_or_default(&LOG_FORMAT).as_ref() {
            "text" => false,
            "json" => true,
            other => return Err(LOG_FORMAT.error(format!("unknown format {other:?}; use text or json"))),
        };
        Ok(Self {
            role,
            host,
            port,
            runtime_threads: given.number(&RUNTIME_THREADS, 1..=RUNTIME_THREADS_MAX)?,
            enable_reset: given.switch(&ENABLE_RESET)?,
            log_json,
            log_level: level(&given.text_or_default(&LOG_LEVEL))?,
            disk: DiskSettings::read(given)?,
        })
    }

    /// Where a client on this machine reaches the node.
    #[must_use]
    pub fn local_address(&self) -> Address {
        let host = if is_unspecified(&self.host) { "127.0.0.1" } else { &self.host };
        Address::new(host, self.port)
    }
}

fn seed(text: &str) -> Result<u64, SettingsError> {
    text.parse().map_err(|_| SEED.error(format!("{text:?} is not a whole number, 0 to 2^64-1")))
}

fn level(name: &str) -> Result<Level, SettingsError> {
    match name.to_ascii_lowercase().as_str() {
        "error" => Ok(Level::ERROR),
        "warn" => Ok(Level::WARN),
        "info" => Ok(Level::INFO),
        "debug" => Ok(Level::DEBUG),
        "trace" => Ok(Level::TRACE),
        _ => Err(LOG_LEVEL.error(format!("{name:?} is not error, warn, info, debug or trace"))),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kv_replication::{DelayLaw, FOLLOWERS_MAX, Quorum};

    use super::setting::Fallback;
    use super::*;

    /// What is drawn where no seed is given.
    const DRAWN: u64 = 4711;
    const TWO: (&str, &str) = ("FOLLOWER_URLS", "http://f1:8000,http://f2:8000");

    #[test]
    fn nothing_given_is_a_leader_alone() {
        let node = settings(&[]);
        assert_eq!((node.host.as_str(), node.port), ("127.0.0.1", 8000));
        assert_eq!((node.runtime_threads, node.enable_reset), (1, true));
        assert_eq!((node.log_json, node.log_level), (false, Level::INFO));
        let leader = leader(&[]);
        assert!(leader.followers.is_empty() && !leader.new_history);
        assert_eq!((leader.quorum.followers(), leader.quorum.write()), (0, 0));
        assert!(leader.delays.is_none() && leader.seed == DRAWN);
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
        assert_eq!((node.host.as_str(), node.port), ("0.0.0.0", 9000));
        assert_eq!((node.runtime_threads, node.log_json, node.log_level), (256, true, Level::DEBUG));
        let leader = leader(&given);
        let followers: Vec<String> = leader.followers.iter().map(ToString::to_string).collect();
        assert_eq!(followers, ["http://follower1:8000", "http://follower2:8000", "http://follower3:80"]);
        assert_eq!((leader.quorum.followers(), leader.quorum.write()), (3, 2));
        let (min, max) = (Duration::from_millis(5), Duration::from_millis(1000));
        assert_eq!(leader.seed, u64::MAX);
        assert_eq!(leader.delays, DelayLaw::uniform(u64::MAX, min, max).unwrap());
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
        for Setting { variable, .. } in ALL {
            for empty in ["", "  ", "\t"] {
                assert_eq!(format!("{:?}", settings(&[(variable, empty)])), defaults, "{variable}");
            }
        }
        let all_empty: Vec<_> = ALL.iter().map(|setting| (setting.variable, "")).collect();
        assert_eq!(format!("{:?}", settings(&all_empty)), defaults);
    }

    /// Each in a node that looks at it.
    #[test]
    fn a_default_is_what_one_could_have_given() {
        for setting in ALL {
            for base in
                [&[TWO, ("DATA_DIR", "/data")] as &[_], &[("ROLE", "follower"), ("DATA_DIR", "/data")]]
            {
                let Fallback::Value(value) = setting.default else { continue };
                let (value, base) = (value(), without(setting, base));
                let given = [&[(setting.variable, value.as_ref())], base.as_slice()].concat();
                assert_eq!(outcome(&given), outcome(&base), "{}", setting.variable);
            }
        }
        assert_eq!(outcome(&[TWO]), outcome(&[TWO, ("WRITE_QUORUM", "1")]));
        assert_eq!(outcome(&[]), outcome(&[("WRITE_QUORUM", "0")]));
        assert_eq!(outcome(&[TWO]), outcome(&[TWO, ("WRITE_TIMEOUT_MS", "3000")]));
        assert_eq!(outcome(&[]), outcome(&[("SEED", &DRAWN.to_string())]));
    }

    /// Another value makes another node of those who are said to look at it, and of nobody else.
    #[test]
    fn settings_have_the_readers_that_they_are_said_to_have() {
        let (leader, follower) = ([TWO], [("ROLE", "follower")]);
        let disk = ("DATA_DIR", "/data");
        let reads = |setting: &Setting, base: &[(&'static str, &'static str)]| {
            // An asynchronous quorum is what ALLOW_ASYNC is about.
            let asked = [("WRITE_QUORUM", "0")];
            let more = if setting.variable == "ALLOW_ASYNC" { &asked[..] } else { &[] };
            let base = [&without(setting, base), more].concat();
            outcome(&[&base, &[(setting.variable, other(setting))][..]].concat()) != outcome(&base)
        };
        for setting in ALL {
            let found = [
                reads(setting, &leader),
                reads(setting, &follower),
                reads(setting, &[leader[0], disk]),
                reads(setting, &[follower[0], disk]),
            ];
            let expected = match setting.readers {
                Readers::All => [true; 4],
                // A follower refuses to have any.
                Readers::Leaders if setting.variable == "FOLLOWER_URLS" => [true; 4],
                Readers::Leaders => [true, false, true, false],
                // Without a directory, there is no cluster that it could be of.
                Readers::Disks if setting.variable == "CLUSTER_ID" => [true; 4],
                Readers::Disks => [false, false, true, true],
            };
            assert_eq!(found, expected, "{}", setting.variable);
        }
    }

    /// A value that is not the default.
    fn other(setting: &Setting) -> &'static str {
        match setting.variable {
            "ROLE" => "observer",
            "HOST" => "::1",
            "PORT" => "9000",
            "FOLLOWER_URLS" => "http://f9:8000",
            "WRITE_QUORUM" => "2",
            "MIN_DELAY_MS" | "MAX_DELAY_MS" | "REPLICATION_TIMEOUT_MS" | "WRITE_TIMEOUT_MS" => "5",
            "DATA_DIR" => "/elsewhere",
            "CLUSTER_ID" | "SEED" => "17",
            "DISK_RESERVE_BYTES" | "CHECKPOINT_LOG_BYTES" => "2000000",
            "RUNTIME_THREADS" => "2",
            "ALLOW_ASYNC" | "ACCEPT_DATA_LOSS" | "NEW_HISTORY" => "true",
            "ENABLE_RESET" => "false",
            "LOG_FORMAT" => "json",
            "LOG_LEVEL" => "debug",
            new => panic!("which value of {new} is not its default?"),
        }
    }

    fn without<'a>(setting: &Setting, given: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        given.iter().copied().filter(|(variable, _)| *variable != setting.variable).collect()
    }

    /// All that comes of it, to be compared.
    fn outcome(given: &[(&str, &str)]) -> String {
        format!("{:?}", read(given))
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
        let LeaderSettings { delays, .. } = leader(&[("MIN_DELAY_MS", "300"), ("MAX_DELAY_MS", "300")]);
        assert_eq!((delays.min(), delays.max()), (delays.max(), Duration::from_millis(300)));
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
                assert_eq!(read(&asynchronous).is_ok(), on, "{word}");
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
        read(given).unwrap_or_else(|error| panic!("{given:?}: {error}"))
    }

    fn leader(given: &[(&str, &str)]) -> LeaderSettings {
        match settings(given).role {
            Role::Leader(leader) => leader,
            Role::Follower => panic!("{given:?} is a follower"),
        }
    }

    /// One line that begins with the variable and has all of `words`.
    fn refused(given: &[(&str, &str)], variable: &str, words: &[&str]) {
        let error = read(given).expect_err(&format!("{given:?}"));
        assert_eq!(error.variable, variable, "{given:?}: {error}");
        let line = error.to_string();
        assert!(line.starts_with(&format!("{variable}: ")) && line.lines().count() == 1, "{line}");
        for word in words {
            assert!(line.contains(word), "{given:?}: {word:?} is not in {line:?}");
        }
    }

    /// Without clap, which would look at the variables of whoever runs the tests.
    fn read(given: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let named = |variable: &str| {
            let found = ALL.iter().find(|setting| setting.variable == variable);
            found.unwrap_or_else(|| panic!("no variable {variable}")).variable
        };
        let given = given.iter().map(|(variable, text)| (named(variable), (*text).to_owned()));
        Settings::read(&given.collect(), DRAWN)
    }

    fn urls(followers: usize) -> String {
        (1..=followers).map(|n| format!("http://f{n}:8000")).collect::<Vec<_>>().join(",")
    }
}
