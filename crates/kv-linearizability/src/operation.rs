//! What a client did, when, and what came of it.

use std::fmt;
use std::sync::Arc;

/// The number that the store gave to a write: from 1 on, higher for a later write.
pub type Version = u64;

/// Stands for a value: FNV-1a over its bytes.
#[must_use]
pub fn fingerprint(value: &[u8]) -> u64 {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    value.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

/// What a client asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Store a value under a key.
    Put {
        /// The key.
        key: Arc<str>,
        /// Stands for the value: [`fingerprint`](fingerprint), or any number that no other put uses.
        value: u64,
    },
    /// Remove a key.
    Delete {
        /// The key.
        key: Arc<str>,
    },
    /// Remove every key.
    Clear,
    /// Look a key up.
    Read {
        /// The key.
        key: Arc<str>,
    },
}

impl Action {
    /// A put of a value with this fingerprint.
    pub fn put(key: impl Into<Arc<str>>, value: u64) -> Self {
        Self::Put { key: key.into(), value }
    }

    /// A delete.
    pub fn delete(key: impl Into<Arc<str>>) -> Self {
        Self::Delete { key: key.into() }
    }

    /// A read.
    pub fn read(key: impl Into<Arc<str>>) -> Self {
        Self::Read { key: key.into() }
    }

    /// The key that it is about; a clear is about all.
    #[must_use]
    pub fn key(&self) -> Option<&Arc<str>> {
        match self {
            Self::Put { key, .. } | Self::Delete { key } | Self::Read { key } => Some(key),
            Self::Clear => None,
        }
    }

    /// After it, there is nothing under its key.
    pub(crate) fn removes(&self) -> bool {
        matches!(self, Self::Delete { .. } | Self::Clear)
    }
}

/// What the client was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A write is in effect, with this version.
    Written(Version),
    /// A clear is in effect, and its version was not told.
    Cleared,
    /// A read has found this.
    Found {
        /// The version of the write that it shows.
        version: Version,
        /// The fingerprint of the value.
        value: u64,
    },
    /// A read, or a delete that needed no version, has found nothing.
    Absent,
    /// It has no effect, and never will.
    NotApplied,
    /// A write may take effect at any time, or never: time-out, broken connection. If it does, then with
    /// this version, if one was told.
    Unknown(Option<Version>),
}

/// One operation of a client.
///
/// Times are nanoseconds of one clock that never goes back, from any origin; for operations that ended
/// and began in the same moment, either order is allowed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Operation {
    /// What it is.
    pub action: Action,
    /// Before anything was sent.
    pub invoked: u64,
    /// When the client knew what came of it, and what that was. None: it never did.
    pub completed: Option<(u64, Outcome)>,
}

impl Operation {
    /// What came of it. An operation without an end is one of unknown outcome.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.completed.map_or(Outcome::Unknown(None), |(_, outcome)| outcome)
    }

    /// When it was certainly over; an unknown outcome may still come true at any time.
    pub(crate) fn ended(&self) -> u64 {
        match self.completed {
            Some((at, outcome)) if !matches!(outcome, Outcome::Unknown(_)) => at,
            _ => u64::MAX,
        }
    }

    /// What is wrong with it whatever else happened.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        let (at, outcome) = self.completed?;
        let write = !matches!(self.action, Action::Read { .. });
        let fits = match outcome {
            Outcome::Written(_) | Outcome::Unknown(Some(_)) => write,
            Outcome::Cleared => self.action == Action::Clear,
            Outcome::Found { .. } => !write,
            Outcome::Absent => matches!(self.action, Action::Read { .. } | Action::Delete { .. }),
            Outcome::NotApplied | Outcome::Unknown(None) => true,
        };
        match outcome {
            _ if at < self.invoked => Some("it ends before it begins"),
            _ if !fits => Some("no such operation can end like this"),
            Outcome::Written(0) | Outcome::Unknown(Some(0)) | Outcome::Found { version: 0, .. } => {
                Some("versions begin with 1")
            }
            _ => None,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put { key, value } => write!(f, "put {key:?} = {value:x}"),
            Self::Delete { key } => write!(f, "delete {key:?}"),
            Self::Clear => write!(f, "clear"),
            Self::Read { key } => write!(f, "read {key:?}"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written(version) => write!(f, "version {version}"),
            Self::Cleared => write!(f, "cleared"),
            Self::Found { version, value } => write!(f, "version {version} = {value:x}"),
            Self::Absent => write!(f, "absent"),
            Self::NotApplied => write!(f, "not applied"),
            Self::Unknown(Some(version)) => write!(f, "unknown, version {version}"),
            Self::Unknown(None) => write!(f, "unknown"),
        }
    }
}

/// `put "a" = 2f [3..7]: version 5`
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, invoked, completed } = self;
        match completed {
            Some((at, outcome)) => write!(f, "{action} [{invoked}..{at}]: {outcome}"),
            None => write!(f, "{action} [{invoked}..]: no answer"),
        }
    }
}
