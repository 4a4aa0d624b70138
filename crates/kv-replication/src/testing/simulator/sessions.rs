//! What the clients have under way, and the history of what they did.

use std::collections::BTreeMap;

use kv_core::Version;
use kv_linearizability::{History, OpId};

use crate::leader::ids::{ReadId, WriteId};

/// Clients that each read what they have read or written before, or something newer.
pub(super) const SESSIONS: usize = 3;

/// What is under way, and what has been.
#[derive(Debug, Default)]
pub(super) struct Clients {
    pub(super) next: u64,
    pub(super) writes: BTreeMap<WriteId, Write>,
    pub(super) reads: BTreeMap<ReadId, (OpId, String)>,
    /// By session: all that it has seen is at or below this version.
    pub(super) seen: [Version; SESSIONS],
    /// The newest version that was acknowledged.
    pub(super) acknowledged: Version,
    pub(super) history: History,
}

#[derive(Debug)]
pub(super) struct Write {
    pub(super) op: OpId,
    pub(super) session: usize,
    /// The newest version that had been acknowledged when it was invoked.
    pub(super) after: Version,
    /// It was to be answered at fewer than W acknowledgements: an answer is no promise.
    pub(super) is_hasty: bool,
}
