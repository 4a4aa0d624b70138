//! Reading from a follower: one key, a page, all keys at one version, or their digest.

use std::time::Duration;

use kv_core::{Item, Version};

use super::core::{FollowerCore, FollowerGoal};
use super::handle::FollowerHandle;
use crate::engine::digest::{self, PAGE, PeerDigest};
use crate::engine::lock::lock;
use crate::engine::moment::{Moment, not_whole};
use crate::engine::page::{Page, PageSize, Range};
use crate::engine::read::{Level, Position, Read, ReadError, Seen, Want};
use crate::engine::waits::{self, Look, Progress, WaitError};
use crate::follower::Follower;
use crate::protocol::message::{ClusterId, Identity};

impl FollowerHandle {
    /// See [`Follower::local`].
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Read> {
        lock(self.core()).follower().local(key).map(|item| Read::from(item.entry.clone()))
    }

    /// Everything that [`FollowerHandle::get`] would show, in key order, at one moment: nobody else can
    /// use the node meanwhile. [`FollowerHandle::page`] takes less at a time.
    #[must_use]
    pub fn dump(&self) -> Vec<Read> {
        lock(self.core()).follower().local_scan().map(|(_, item)| Read::from(item.entry.clone())).collect()
    }

    /// What `key` holds.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read(&self, key: &str, want: Want) -> Result<Seen<Option<Read>>, ReadError> {
        let find = |follower: &Follower| {
            let item: Option<Item<'_>> = match want.level {
                Level::Local => follower.local(key),
                Level::Committed | Level::Linearizable => follower.store().get(key),
            };
            item.map(|item| Read::from(item.entry.clone()))
        };
        self.when_ready(want, find).await
    }

    /// The first keys of `range`, in order.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn page(&self, range: &Range, size: PageSize, want: Want) -> Result<Seen<Page>, ReadError> {
        self.when_ready(want, |follower| page(follower, range, size, want.level)).await
    }

    /// As [`FollowerHandle::page`], without waiting for anything: for what follows the first page.
    #[must_use]
    pub fn next_page(&self, range: &Range, size: PageSize, level: Level) -> Seen<Page> {
        let now = self.clock().now();
        let core = lock(self.core());
        Seen { position: core.position(now), found: page(core.follower(), range, size, level) }
    }

    /// Where it stands.
    #[must_use]
    pub fn position(&self) -> Position {
        let now = self.clock().now();
        lock(self.core()).position(now)
    }

    /// Waits for a word of a leader that serves, later than now, after which this node has all that the
    /// leader had committed then; whether it came in time.
    pub async fn until_level(&self, timeout: Duration) -> bool {
        let since = self.clock().now();
        let level = |core: &FollowerCore| {
            if core.level_since(since) { Look::Done(()) } else { Look::Wait(FollowerGoal::LevelSince(since)) }
        };
        waits::until(self.core(), timeout, level).await.is_ok()
    }

    /// Gives all that is known to be committed, as soon as it is the state of one version.
    ///
    /// # Errors
    /// [`ReadError::NotWhole`] if it was not in time: after a snapshot, until the commit mark has passed it.
    pub async fn moment(&self, timeout: Duration) -> Result<Moment, ReadError> {
        let look = |core: &FollowerCore| match core.follower().whole_mark() {
            // What came without an epoch has no mark.
            Some(0) if !core.follower().store().is_empty() => Look::Done(Err(ReadError::NotWhole)),
            Some(mark) => Look::Done(Ok(Moment::of(core.follower().store(), mark))),
            None => Look::Wait(FollowerGoal::WholeMark(0)),
        };
        waits::until(self.core(), timeout, look).await.map_err(not_whole)?
    }

    /// Waits, at most for `timeout`, until `mark` is committed here, and gives the digest at exactly
    /// that mark.
    pub async fn digest(&self, mark: Version, timeout: Duration) -> PeerDigest {
        let there = |core: &FollowerCore| {
            if core.follower().mark() >= mark { Look::Done(()) } else { Look::Wait(FollowerGoal::Mark(mark)) }
        };
        // Whoever is not there in time says how far it is.
        let _ = waits::until(self.core(), timeout, there).await;
        let (identity, cluster) = self.member();
        let digest = digest::hash(|range| {
            let core = lock(self.core());
            let settled = core.follower().mark() == mark && core.follower().holds().identity == identity;
            settled.then(|| (mark, page(core.follower(), range, PAGE, Level::Committed)))
        })
        .await;
        let (promised, mark) = {
            let core = lock(self.core());
            (core.follower().promised(), core.follower().mark())
        };
        PeerDigest { identity, cluster, promised, mark, digest }
    }

    async fn when_ready<R>(
        &self,
        want: Want,
        mut find: impl FnMut(&Follower) -> R,
    ) -> Result<Seen<R>, ReadError> {
        if want.level == Level::Linearizable {
            return Err(ReadError::NotLeader);
        }
        let goal = match want.level {
            Level::Local => FollowerGoal::Mark(want.min_version),
            Level::Committed | Level::Linearizable => FollowerGoal::WholeMark(want.min_version),
        };
        let look = |core: &FollowerCore| {
            if !core.has_reached(&goal) {
                return Look::Wait(goal);
            }
            Look::Done(Seen { position: core.position(self.clock().now()), found: find(core.follower()) })
        };
        waits::until(self.core(), want.timeout, look).await.map_err(|error| match error {
            WaitError::TooMany => ReadError::TooManyWaiting,
            WaitError::TimedOut => ReadError::Stale { wanted: want.min_version, position: self.position() },
        })
    }

    fn member(&self) -> (Identity, Option<ClusterId>) {
        let standing = self.standing();
        (standing.held.identity, standing.cluster)
    }
}

fn page(follower: &Follower, range: &Range, size: PageSize, level: Level) -> Page {
    let after = range.after.as_deref();
    match level {
        Level::Local => Page::fill(follower.local_range(&range.prefix, after), size),
        Level::Committed | Level::Linearizable => {
            Page::fill(follower.store().entries(&range.prefix, after), size)
        }
    }
}
