//! Writing through a leader, and making sure that it still is the leader.

use std::time::Duration;

use kv_core::{Command, Key, Version};

use super::core::{Answer, LeaderCore, LeaderGoal};
use super::handle::LeaderHandle;
use crate::engine::lock::lock;
use crate::engine::waits::{self, Look};
use crate::leader::output::Committed;
use crate::leader::phase::Phase;
use crate::leader::problem::{ConfirmError, WriteError};
use crate::protocol::time::Time;

impl LeaderHandle {
    /// Writes; the answer comes as soon as it is decided, at the latest after `timeout`.
    ///
    /// # Errors
    /// [`WriteError`]; after [`WriteError::Unknown`] the write may still be committed.
    pub async fn write(&self, command: Command, timeout: Duration) -> Answer {
        self.write_until(command, self.clock().now() + timeout).await
    }

    /// Writes; the answer comes as soon as it is decided, at the latest at `deadline` of
    /// [`LeaderHandle::clock`].
    ///
    /// # Errors
    /// As [`LeaderHandle::write`].
    pub async fn write_until(&self, command: Command, deadline: Time) -> Answer {
        self.write_with(command, None, deadline).await
    }

    /// As [`LeaderHandle::write_until`], answered at so many acknowledgements instead of W, at most N.
    ///
    /// That decides only when the answer is given: a commit, and with it what readers see, needs W in any
    /// case. An answer at fewer than W may come before the write can be read, and promises less if the
    /// leader is lost; with none it is a promise of nothing.
    ///
    /// # Errors
    /// As [`LeaderHandle::write`].
    pub async fn write_with(&self, command: Command, acks: Option<usize>, deadline: Time) -> Answer {
        let answered = self.change(|core, now| core.write(now, command, acks, deadline));
        answered.await.unwrap_or(Err(WriteError::Stopped))
    }

    /// Makes sure that this was still the leader after the call: what is read from it afterwards is
    /// linearizable. Gives the commit mark.
    ///
    /// # Errors
    /// [`ConfirmError`], at the latest at `deadline` of [`LeaderHandle::clock`].
    pub async fn confirm(&self, deadline: Time) -> Result<Version, ConfirmError> {
        let answered = self.change(|core, now| core.confirm(now, deadline));
        answered.await.unwrap_or(Err(ConfirmError::Stopped))
    }

    /// Deletes `key`; none, and no version is used, if there is nothing to delete.
    ///
    /// That there is nothing is decided at the moment when the delete would be given its version: nothing
    /// is committed under the key, and no write that has a version is about to change that. The followers
    /// confirm then that this is still their leader. Of several deletes of one key that are under way at
    /// the same time, each may be given a version.
    ///
    /// # Errors
    /// As [`LeaderHandle::write`].
    pub async fn delete_with(
        &self,
        key: Key<'_>,
        acks: Option<usize>,
        deadline: Time,
    ) -> Result<Option<Committed>, WriteError> {
        // A start that may take a while is waited for, so that the decision comes after it.
        let patience = deadline.since(self.clock().now());
        let started = |core: &LeaderCore| match core.leader().problem() {
            // None once it serves or is deposed.
            None => Look::Done(()),
            Some(problem) if problem.needs_operator() => Look::Done(()),
            Some(_) => Look::Wait(LeaderGoal::Started),
        };
        // Whoever could not wait, or not long enough, gets the leader's own refusal.
        let _ = waits::until(self.core(), patience, started).await;
        let is_absent =
            |core: &LeaderCore| core.leader().phase() == Phase::Serving && !core.leader().may_hold(key);
        if is_absent(&lock(self.core())) {
            // A leader that has been replaced would not know: then it is written like any delete, and
            // refused for the reason that there is.
            let confirmed = self.confirm(deadline).await.is_ok();
            if confirmed && is_absent(&lock(self.core())) {
                return Ok(None);
            }
        }
        self.write_with(Command::delete(key), acks, deadline).await.map(Some)
    }
}
