//! One follower, for those who watch.

use std::time::Duration;

use kv_core::Version;

use crate::leader::links::error::LinkError;
use crate::protocol::message::Identity;
use crate::protocol::time::Time;

/// A follower as the leader sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// The last request failed; it is asked again later.
    Down {
        /// When.
        retry_at: Time,
    },
    /// It is being asked what it holds.
    Probing,
    /// It has answered; the leader does not need it yet, or waits for others.
    Waiting,
    /// It is being asked for its promise, or for what it has.
    Claiming,
    /// A snapshot goes there.
    Installing,
    /// Its disk is full: only marks go there, until it says that it has space again.
    Full,
    /// Entries go there.
    Streaming,
}

/// One follower, for those who watch.
#[derive(Clone, Debug)]
pub struct LinkStatus {
    /// Its name in the configuration.
    pub name: String,
    /// How the leader sees it.
    pub state: LinkState,
    /// It has kept its memory, or has got back what it lost: its acknowledgements count.
    pub counts: bool,
    /// How long it has lacked something that is committed.
    pub lag: Duration,
    /// Who it said it is.
    pub identity: Option<Identity>,
    /// What it has acknowledged without a gap from version 1.
    pub watermark: Version,
    /// Requests under way.
    pub in_flight: usize,
    /// Failures since the last success.
    pub failures: u32,
    /// The last failure; it stays after the follower is back.
    pub last_error: Option<LinkError>,
}
