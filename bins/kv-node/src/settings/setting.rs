//! The one list of settings: their names, help and defaults.
//!
//! The flags, their variables and `--help` are made of it, values that are not given come from it, and a test
//! compares the documentation with it (`documented.rs`).

use std::borrow::Cow;

use kv_http::ServerConfig;
use kv_replication::Timing;
use kv_storage::DiskConfig;

/// One setting: an environment variable, and a flag of the same name in kebab case.
#[derive(Debug)]
pub struct Setting {
    pub variable: &'static str,
    pub flag: &'static str,
    pub help: &'static str,
    pub default: Fallback,
    pub readers: Readers,
    /// The flag alone, without a value, means true.
    pub is_switch: bool,
}

/// What holds if a setting is not given.
#[derive(Debug)]
pub enum Fallback {
    /// The same as if this had been given.
    Value(fn() -> Cow<'static, str>),
    /// It is not one value for every node: these words say what holds.
    Words(&'static str),
}

/// The nodes that look at a setting; for the others it makes no difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    All,
    Leaders,
    /// Nodes with a `DATA_DIR`.
    Disks,
}

pub static ROLE: Setting =
    Setting::new("ROLE", "role", "`leader` or `follower`", Fallback::Value(|| "leader".into()), Readers::All);
pub static HOST: Setting =
    Setting::new("HOST", "host", "Where to listen", Fallback::Value(|| "127.0.0.1".into()), Readers::All);
pub static PORT: Setting = Setting::new(
    "PORT",
    "port",
    "Where to listen; 0 picks a free port",
    Fallback::Value(|| "8000".into()),
    Readers::All,
);
pub static FOLLOWER_URLS: Setting = Setting::new(
    "FOLLOWER_URLS",
    "follower-urls",
    "The followers of a leader: `http://host:port`, separated by commas",
    Fallback::Words("none"),
    Readers::Leaders,
);
pub static WRITE_QUORUM: Setting = Setting::new(
    "WRITE_QUORUM",
    "write-quorum",
    "How many followers must acknowledge a write",
    Fallback::Words("1 if there are followers, else 0"),
    Readers::Leaders,
);
pub static MIN_DELAY_MS: Setting = Setting::new(
    "MIN_DELAY_MS",
    "min-delay-ms",
    "The shortest simulated delay of an entry on its way to a follower",
    Fallback::Value(|| "0".into()),
    Readers::Leaders,
);
pub static MAX_DELAY_MS: Setting = Setting::new(
    "MAX_DELAY_MS",
    "max-delay-ms",
    "The longest simulated delay",
    Fallback::Value(|| "0".into()),
    Readers::Leaders,
);
pub static REPLICATION_TIMEOUT_MS: Setting = Setting::new(
    "REPLICATION_TIMEOUT_MS",
    "replication-timeout-ms",
    "How long one attempt to reach a follower may take, delay not included",
    Fallback::Value(|| Timing::default().replication_timeout.as_millis().to_string().into()),
    Readers::Leaders,
);
pub static WRITE_TIMEOUT_MS: Setting = Setting::new(
    "WRITE_TIMEOUT_MS",
    "write-timeout-ms",
    "The deadline of a write",
    Fallback::Words("MAX_DELAY_MS + REPLICATION_TIMEOUT_MS"),
    Readers::Leaders,
);
pub static DATA_DIR: Setting = Setting::new(
    "DATA_DIR",
    "data-dir",
    "Where the node keeps what it must not forget; without it, it lives in memory only",
    Fallback::Words("none"),
    Readers::All,
);
pub static CLUSTER_ID: Setting = Setting::new(
    "CLUSTER_ID",
    "cluster-id",
    "The cluster whose data DATA_DIR must hold, as `/status` shows it, if it holds any",
    Fallback::Words("any"),
    Readers::Disks,
);
pub static DISK_RESERVE_BYTES: Setting = Setting::new(
    "DISK_RESERVE_BYTES",
    "disk-reserve-bytes",
    "Below so many free bytes on the disk of DATA_DIR, nothing new is taken",
    Fallback::Value(|| DiskConfig::default().disk_reserve_bytes.to_string().into()),
    Readers::Disks,
);
pub static CHECKPOINT_LOG_BYTES: Setting = Setting::new(
    "CHECKPOINT_LOG_BYTES",
    "checkpoint-log-bytes",
    "The log grows by at least so many bytes before a checkpoint lets its old part go",
    Fallback::Value(|| DiskConfig::default().checkpoint_log_bytes.to_string().into()),
    Readers::Disks,
);
pub static SEED: Setting = Setting::new(
    "SEED",
    "seed",
    "The seed of delays and jitter",
    Fallback::Words("drawn and logged"),
    Readers::Leaders,
);
pub static RUNTIME_THREADS: Setting = Setting::new(
    "RUNTIME_THREADS",
    "runtime-threads",
    "Worker threads",
    Fallback::Value(|| "1".into()),
    Readers::All,
);
pub static ALLOW_ASYNC: Setting = Setting::switch(
    "ALLOW_ASYNC",
    "allow-async",
    "Allows WRITE_QUORUM=0 with followers",
    Fallback::Value(|| "false".into()),
    Readers::Leaders,
);
pub static ENABLE_RESET: Setting = Setting::switch(
    "ENABLE_RESET",
    "enable-reset",
    "Whether POST /reset works",
    Fallback::Value(|| ServerConfig::default().enable_reset.to_string().into()),
    Readers::All,
);
pub static ACCEPT_DATA_LOSS: Setting = Setting::switch(
    "ACCEPT_DATA_LOSS",
    "accept-data-loss",
    "Goes on with what the reachable followers still have, although too few of them have kept their memory and \
     acknowledged writes may be lost, as a new cluster",
    Fallback::Value(|| "false".into()),
    Readers::Leaders,
);
pub static NEW_HISTORY: Setting = Setting::switch(
    "NEW_HISTORY",
    "new-history",
    "Starts a new history although not every follower answers",
    Fallback::Value(|| "false".into()),
    Readers::Leaders,
);
pub static LOG_FORMAT: Setting = Setting::new(
    "LOG_FORMAT",
    "log-format",
    "`text` or `json`",
    Fallback::Value(|| "text".into()),
    Readers::All,
);
pub static LOG_LEVEL: Setting = Setting::new(
    "LOG_LEVEL",
    "log-level",
    "`error`, `warn`, `info`, `debug` or `trace`",
    Fallback::Value(|| "info".into()),
    Readers::All,
);

/// All of them, in the order of the help.
pub static ALL: [&Setting; 21] = [
    &ROLE,
    &HOST,
    &PORT,
    &FOLLOWER_URLS,
    &WRITE_QUORUM,
    &MIN_DELAY_MS,
    &MAX_DELAY_MS,
    &REPLICATION_TIMEOUT_MS,
    &WRITE_TIMEOUT_MS,
    &DATA_DIR,
    &CLUSTER_ID,
    &DISK_RESERVE_BYTES,
    &CHECKPOINT_LOG_BYTES,
    &SEED,
    &RUNTIME_THREADS,
    &ALLOW_ASYNC,
    &ENABLE_RESET,
    &ACCEPT_DATA_LOSS,
    &NEW_HISTORY,
    &LOG_FORMAT,
    &LOG_LEVEL,
];

impl Readers {
    /// Under which heading the help shows what they read; none: with everything else.
    pub fn heading(self) -> Option<&'static str> {
        match self {
            Self::All => None,
            Self::Leaders => Some("Options of leaders"),
            Self::Disks => Some("Options of nodes with DATA_DIR"),
        }
    }
}

impl Setting {
    const fn new(
        variable: &'static str,
        flag: &'static str,
        help: &'static str,
        default: Fallback,
        readers: Readers,
    ) -> Self {
        Self { variable, flag, help, default, readers, is_switch: false }
    }

    const fn switch(
        variable: &'static str,
        flag: &'static str,
        help: &'static str,
        default: Fallback,
        readers: Readers,
    ) -> Self {
        Self { is_switch: true, ..Self::new(variable, flag, help, default, readers) }
    }

    /// What holds if it is not given, for people.
    pub fn default_text(&self) -> Cow<'static, str> {
        match self.default {
            Fallback::Value(value) => value(),
            Fallback::Words(words) => words.into(),
        }
    }
}
