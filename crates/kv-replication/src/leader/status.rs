//! What those who watch a leader can read off it.

#[cfg(feature = "simulator")]
use kv_core::Entry;
use kv_core::{Epoch, Key, NodeId, Store, Version};

use super::links::status::LinkStatus;
use super::machine::Leader;
use super::phase::Phase;
use super::problem::StartProblem;
use crate::config::LeaderConfig;
use crate::durable::record::CheckpointHead;
use crate::protocol::message::ClusterId;

impl Leader {
    /// Where it is in its life.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.leadership.phase()
    }

    /// What keeps it from serving.
    #[must_use]
    pub fn problem(&self) -> Option<StartProblem> {
        self.leadership.start().is_some().then(|| self.start_problem())
    }

    /// Everything that is committed, and nothing else.
    #[must_use]
    pub fn store(&self) -> &Store {
        self.replication.store()
    }

    /// The commit mark.
    #[must_use]
    pub fn mark(&self) -> Version {
        self.replication.mark()
    }

    /// The newest version that is committed: at or above the mark. Its store shows nothing above it.
    #[must_use]
    pub fn newest_committed(&self) -> Version {
        self.replication.newest_committed()
    }

    /// The newest version that was given to a write.
    #[must_use]
    pub fn assigned(&self) -> Version {
        self.replication.log().last()
    }

    /// Entries and bytes of frames in the log.
    #[must_use]
    pub fn log_size(&self) -> (usize, usize) {
        let log = self.replication.log();
        (log.len(), log.bytes())
    }

    /// Whether `key` is there, or may come to be by a write that has a version but is not committed.
    ///
    /// A pending delete of the key counts as well: until it is committed, readers still see the key.
    /// What is committed is looked up; only for a key that is not there, what is pending is searched,
    /// which takes time in proportion to it.
    #[must_use]
    pub fn may_hold(&self, key: Key<'_>) -> bool {
        self.replication.may_hold(key)
    }

    /// What a checkpoint holds beside [`Leader::store`]: all that the outputs so far have written down
    /// amounts to both, once every output has been taken. None while it starts: then the state may be
    /// replaced at any time.
    #[must_use]
    pub fn checkpoint_head(&self) -> Option<CheckpointHead> {
        self.leadership.leads().then(|| CheckpointHead {
            meta: self.own.meta().clone(),
            mark: self.mark(),
            whole_from: self.newest_committed(),
            pending: self.replication.tail().cloned().collect(),
        })
    }

    /// Its own disk is full: it takes no writes.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        self.own.is_full()
    }

    /// Its epoch; the counter is 0 as long as it has not chosen one.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.leadership.epoch()
    }

    /// The cluster that it leads, or would begin.
    #[must_use]
    pub fn cluster(&self) -> ClusterId {
        self.own.meta().cluster.unwrap_or(self.origin.drawn)
    }

    /// Who it is.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.own.meta().identity.node
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &LeaderConfig {
        &self.config
    }

    /// Its followers, by index, as it saw them at the last input.
    pub fn links(&self) -> impl Iterator<Item = LinkStatus> + '_ {
        self.links.iter().zip(&self.config.followers).map(|((_, link), name)| link.status(name, self.now))
    }

    /// The oldest version in the log, or the next one if there is none.
    #[cfg(feature = "simulator")]
    pub(crate) fn log_first(&self) -> Version {
        self.replication.log().first()
    }

    /// What was committed since the last call.
    #[cfg(feature = "simulator")]
    pub fn take_commits(&mut self) -> Vec<Entry> {
        self.replication.take_commits()
    }
}
