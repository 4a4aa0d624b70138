//! The whole state of a node at one version.
//!
//! The node waits while the entries are counted up: that is one step per key, and no copy of a value. So a
//! million keys hold it up for some tens of milliseconds.

use std::time::Duration;

use kv_core::{Entry, Store, Version};

use super::follower::{Core as FollowerCore, Goal as FollowerGoal};
use super::leader::{Core as LeaderCore, Goal as LeaderGoal};
use super::waits::{self, Look, WaitError};
use super::{FollowerHandle, LeaderHandle, ReadError};
use crate::leader::phase::Phase;

/// All live keys at one version.
#[derive(Clone, Debug)]
pub struct Moment {
    /// Everything up to this version is in it, and nothing above it.
    pub mark: Version,
    /// What the keys hold, in order.
    pub entries: Vec<Entry>,
}

impl LeaderHandle {
    /// Waits until everything that is committed is at or below the commit mark, and gives all of it.
    ///
    /// # Errors
    /// [`ReadError`]; [`ReadError::NotWhole`] if there was no such moment in time, as may be with simulated
    /// delays.
    pub async fn moment(&self, timeout: Duration) -> Result<Moment, ReadError> {
        let look = |core: &LeaderCore| {
            let leader = &core.leader;
            if let Some(problem) = leader.problem() {
                return Look::Done(Err(ReadError::Recovering(problem)));
            }
            if leader.newest_committed() > leader.mark() {
                // Once another leader has taken over, nothing fills the gap any more.
                let waits = leader.phase() == Phase::Serving;
                return if waits {
                    Look::Wait(LeaderGoal::Whole)
                } else {
                    Look::Done(Err(ReadError::NotWhole))
                };
            }
            Look::Done(Ok(Moment::of(leader.store(), leader.mark())))
        };
        waits::until(self.core(), timeout, look).await.map_err(not_whole)?
    }
}

impl FollowerHandle {
    /// Gives all that is known to be committed, as soon as it is the state of one version.
    ///
    /// # Errors
    /// [`ReadError::NotWhole`] if it was not in time: after a snapshot, until the commit mark has passed it.
    pub async fn moment(&self, timeout: Duration) -> Result<Moment, ReadError> {
        let look = |core: &FollowerCore| match core.follower.whole_mark() {
            // What came without an epoch has no mark.
            Some(0) if !core.follower.store().is_empty() => Look::Done(Err(ReadError::NotWhole)),
            Some(mark) => Look::Done(Ok(Moment::of(core.follower.store(), mark))),
            None => Look::Wait(FollowerGoal::WholeMark(0)),
        };
        waits::until(self.core(), timeout, look).await.map_err(not_whole)?
    }
}

impl Moment {
    fn of(store: &Store, mark: Version) -> Self {
        Self { mark, entries: store.scan("", None).map(|(_, item)| item.entry.clone()).collect() }
    }
}

fn not_whole(error: WaitError) -> ReadError {
    match error {
        WaitError::TooMany => ReadError::TooManyWaiting,
        WaitError::TimedOut => ReadError::NotWhole,
    }
}
