//! The state of a leader, for those who watch it.

use std::time::Duration;

use kv_core::{Epoch, NodeId, Version};

use super::handle::LeaderHandle;
use crate::leader::links::status::LinkStatus;
use crate::leader::machine::Leader;
use crate::leader::phase::Phase;
use crate::leader::problem::{StartProblem, taken_over};
use crate::protocol::message::ClusterId;

/// A leader, for those who watch.
#[derive(Clone, Debug)]
pub struct LeaderStatus {
    /// Who it is.
    pub node: NodeId,
    /// The cluster that it leads, or would begin.
    pub cluster: ClusterId,
    /// Its epoch; the counter is 0 as long as it has not chosen one.
    pub epoch: Epoch,
    /// Where it is in its life.
    pub phase: Phase,
    /// What keeps it from serving.
    pub problem: Option<StartProblem>,
    /// The newest version that was given to a write.
    pub assigned: Version,
    /// The commit mark.
    pub mark: Version,
    /// Live keys.
    pub keys: usize,
    /// It keeps on a disk what it must not forget.
    pub durable: bool,
    /// Its own disk is full: it takes no writes.
    pub disk_full: bool,
    /// Entries in the log.
    pub log_entries: usize,
    /// Bytes of frames in the log.
    pub log_bytes: usize,
    /// N.
    pub followers: usize,
    /// W.
    pub write_quorum: usize,
    /// Since its start.
    pub uptime: Duration,
    /// Its followers, by index.
    pub links: Vec<LinkStatus>,
}

impl LeaderStatus {
    /// Why it does not lead, in a sentence for a person; none while it does.
    #[must_use]
    pub fn obstacle(&self) -> Option<String> {
        match self.phase {
            Phase::Serving => None,
            Phase::Deposed { by } => Some(taken_over(by)),
            _ => self.problem.as_ref().map(StartProblem::to_string),
        }
    }
}

impl LeaderHandle {
    /// Where it is in its life.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.look(Leader::phase)
    }

    /// Its epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.look(Leader::epoch)
    }

    /// The newest version assigned, and the commit mark.
    #[must_use]
    pub fn versions(&self) -> (Version, Version) {
        self.look(|leader| (leader.assigned(), leader.mark()))
    }

    /// Its followers, by index.
    #[must_use]
    pub fn links(&self) -> Vec<LinkStatus> {
        self.look(|leader| leader.links().collect())
    }

    /// Everything that an operator wants to see, at one moment.
    #[must_use]
    pub fn status(&self) -> LeaderStatus {
        let uptime = self.clock().now().since_origin();
        self.look(|leader| {
            let (log_entries, log_bytes) = leader.log_size();
            LeaderStatus {
                node: leader.node(),
                cluster: leader.cluster(),
                epoch: leader.epoch(),
                phase: leader.phase(),
                problem: leader.problem(),
                assigned: leader.assigned(),
                mark: leader.mark(),
                keys: leader.store().len(),
                durable: leader.config().durable,
                disk_full: leader.is_disk_full(),
                log_entries,
                log_bytes,
                followers: leader.config().quorum.followers(),
                write_quorum: leader.config().quorum.write(),
                uptime,
                links: leader.links().collect(),
            }
        })
    }
}
