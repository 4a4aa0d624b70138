//! Reading from a follower.

use std::time::Duration;

use kv_core::Item;

use super::follower::{Core, FollowerHandle, Goal};
use super::lock;
use super::read::{Level, Page, PageSize, Position, Range, Read, ReadError, Seen, Want};
use super::waits::{self, Look, WaitError};
use crate::follower::Follower;
use crate::protocol::time::Time;

impl FollowerHandle {
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
            item.map(|item| Read(item.entry.clone()))
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
        let now = self.now();
        let core = lock(self.core());
        Seen { position: core.position(now), found: page(&core.follower, range, size, level) }
    }

    /// Where it stands.
    #[must_use]
    pub fn position(&self) -> Position {
        let now = self.now();
        lock(self.core()).position(now)
    }

    /// Waits for a word of a leader that serves, later than now, after which this node has all that the
    /// leader had committed then; whether it came in time.
    pub async fn until_level(&self, timeout: Duration) -> bool {
        let since = self.now();
        let level = |core: &Core| {
            if core.level_since(since) { Look::Done(()) } else { Look::Wait(Goal::LevelSince(since)) }
        };
        waits::until(self.core(), timeout, level).await.is_ok()
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
            Level::Local => Goal::Mark(want.min_version),
            Level::Committed | Level::Linearizable => Goal::WholeMark(want.min_version),
        };
        let look = |core: &Core| {
            if !waits::Core::has_reached(core, &goal) {
                return Look::Wait(goal);
            }
            Look::Done(Seen { position: core.position(self.now()), found: find(&core.follower) })
        };
        waits::until(self.core(), want.timeout, look).await.map_err(|error| match error {
            WaitError::TooMany => ReadError::TooManyWaiting,
            WaitError::TimedOut => ReadError::Stale { wanted: want.min_version, position: self.position() },
        })
    }
}

impl Core {
    pub(super) fn level_since(&self, since: Time) -> bool {
        self.freshness.level_at().is_some_and(|at| at > since)
    }

    pub(super) fn position(&self, now: Time) -> Position {
        Position {
            version: self.follower.watermark(),
            mark: self.follower.mark(),
            is_leader: false,
            epoch: self.follower.promised(),
            lag: self.freshness.level_at().map(|at| now.since(at)),
        }
    }
}

pub(super) fn page(follower: &Follower, range: &Range, size: PageSize, level: Level) -> Page {
    let after = range.after.as_deref();
    match level {
        Level::Local => Page::fill(follower.local_range(&range.prefix, after), size),
        Level::Committed | Level::Linearizable => {
            Page::fill(follower.store().entries(&range.prefix, after), size)
        }
    }
}
