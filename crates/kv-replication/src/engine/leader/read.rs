//! Reading from a leader: one key, a page, all keys at one version, or their digest. It shows nothing but what
//! is committed.

use std::time::Duration;

use kv_core::Digest;

use super::core::{LeaderCore, LeaderGoal};
use super::handle::LeaderHandle;
use crate::engine::digest::{self, PAGE};
use crate::engine::moment::{Moment, not_whole};
use crate::engine::page::{Page, PageSize, Range};
use crate::engine::read::{Level, Position, Read, ReadError, Seen, Want};
use crate::engine::waits::{self, Look, WaitError};
use crate::leader::machine::Leader;
use crate::leader::phase::Phase;

impl LeaderHandle {
    /// What `key` holds, committed entries only; a leader that starts may not have them all back yet,
    /// which [`LeaderHandle::read`] would tell.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Read> {
        self.look(|leader| leader.store().get(key).map(|item| Read::from(item.entry.clone())))
    }

    /// What `key` holds.
    ///
    /// A leader that another one has replaced still answers, with what it had committed, unless the read
    /// is to be [`Level::Linearizable`].
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read(&self, key: &str, want: Want) -> Result<Seen<Option<Read>>, ReadError> {
        let find = |leader: &Leader| leader.store().get(key).map(|item| Read::from(item.entry.clone()));
        self.when_ready(want, find).await
    }

    /// The first keys of `range`, in order.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn page(&self, range: &Range, size: PageSize, want: Want) -> Result<Seen<Page>, ReadError> {
        self.when_ready(want, |leader| page(leader, range, size)).await
    }

    /// As [`LeaderHandle::page`], without waiting for anything: for what follows the first page.
    #[must_use]
    pub fn next_page(&self, range: &Range, size: PageSize) -> Seen<Page> {
        self.look(|leader| Seen { position: position(leader), found: page(leader, range, size) })
    }

    /// Where it stands.
    #[must_use]
    pub fn position(&self) -> Position {
        self.look(position)
    }

    /// Waits until it serves and has committed everything that had a version by then; whether that came
    /// in time.
    pub async fn until_level(&self, timeout: Duration) -> bool {
        let mut goal = None;
        let level = |core: &LeaderCore| {
            if core.leader().problem().is_some() {
                return Look::Wait(LeaderGoal::Started);
            }
            let goal = *goal.get_or_insert(core.leader().assigned());
            if core.leader().mark() >= goal { Look::Done(()) } else { Look::Wait(LeaderGoal::Mark(goal)) }
        };
        waits::until(self.core(), timeout, level).await.is_ok()
    }

    /// Waits until everything that is committed is at or below the commit mark, and gives all of it.
    ///
    /// # Errors
    /// [`ReadError`]; [`ReadError::NotWhole`] if there was no such moment in time, as may be with simulated
    /// delays.
    pub async fn moment(&self, timeout: Duration) -> Result<Moment, ReadError> {
        let look = |core: &LeaderCore| {
            let leader = core.leader();
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

    /// The digest of all that it has written; none if a write was under way meanwhile, or if it does not
    /// serve. It reads every key: seconds, for tens of millions.
    pub async fn digest(&self) -> Option<Digest> {
        digest::hash(|range| {
            self.look(|leader| {
                let settled = leader.phase() == Phase::Serving && leader.mark() == leader.assigned();
                settled.then(|| (leader.mark(), page(leader, range, PAGE)))
            })
        })
        .await
    }

    async fn when_ready<R>(
        &self,
        mut want: Want,
        mut find: impl FnMut(&Leader) -> R,
    ) -> Result<Seen<R>, ReadError> {
        if want.level == Level::Linearizable {
            let before = self.clock().now();
            self.confirm(before + want.timeout).await?;
            want.timeout = want.timeout.saturating_sub(self.clock().now().since(before));
        }
        let look = |core: &LeaderCore| match core.leader().problem() {
            Some(problem) => Look::Done(Err(ReadError::Recovering(problem))),
            None if core.leader().mark() < want.min_version => Look::Wait(LeaderGoal::Mark(want.min_version)),
            None => Look::Done(Ok(Seen { position: position(core.leader()), found: find(core.leader()) })),
        };
        match waits::until(self.core(), want.timeout, look).await {
            Ok(seen) => seen,
            Err(WaitError::TooMany) => Err(ReadError::TooManyWaiting),
            Err(WaitError::TimedOut) => {
                Err(ReadError::Stale { wanted: want.min_version, position: self.position() })
            }
        }
    }
}

fn page(leader: &Leader, range: &Range, size: PageSize) -> Page {
    Page::fill(leader.store().entries(&range.prefix, range.after.as_deref()), size)
}

fn position(leader: &Leader) -> Position {
    let (version, mark) = (leader.newest_committed(), leader.mark());
    Position { version, mark, is_leader: true, epoch: leader.epoch(), lag: None }
}
