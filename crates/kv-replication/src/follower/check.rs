//! Everything that can refuse a request, before anything changes.

use kv_core::{VERSION_MAX, Version};

use super::Follower;
use crate::protocol::message::{Append, Claim, Head, Refusal};

impl Follower {
    /// Whether the request is for this node, and comes from the leader that it has promised.
    pub(super) fn check_head(&self, head: &Head, is_claim: bool) -> Result<(), Refusal> {
        if head.to != self.meta.identity {
            return Err(Refusal::OtherNode { identity: self.meta.identity });
        }
        let promised = self.meta.promised;
        if is_claim && self.is_released(head.cluster) {
            return Ok(());
        }
        if head.epoch < promised {
            return Err(Refusal::StaleEpoch { promised });
        }
        if is_claim {
            return Ok(());
        }
        if head.epoch > promised {
            return Err(Refusal::NotPromised { promised });
        }
        if self.meta.cluster != Some(head.cluster) {
            return Err(Refusal::WrongCluster { held: self.meta.cluster });
        }
        Ok(())
    }

    /// It was emptied, and what it had promised concerned another history: like a node that has just begun
    /// to exist, it follows whoever comes.
    pub(super) fn is_released(&self, cluster: crate::ClusterId) -> bool {
        self.meta.cluster.is_none() && !self.has_data() && self.meta.promised_in != Some(cluster)
    }

    /// Data of another history is never mixed, and never given up.
    pub(super) fn check_cluster(&self, claim: &Claim) -> Result<(), Refusal> {
        let held = self.meta.cluster;
        let known = held == Some(claim.head.cluster) || (held.is_some() && held == claim.renames);
        if self.has_data() && !known { Err(Refusal::WrongCluster { held }) } else { Ok(()) }
    }

    pub(super) fn check_entries(&mut self, append: &Append) -> Result<(), Refusal> {
        if let Some(version) = self.meta.diverged {
            return Err(Refusal::Conflict { version });
        }
        // The mark that this very request brings already makes room.
        let mark = self.mark.max(append.mark.min(self.held.watermark()));
        let last = mark.saturating_add(self.config.window_entries_max).min(VERSION_MAX);
        let (mut bytes, mut before) = (self.pending_bytes, 0);
        let first_missing = self.held.first_missing(1);
        let mut next = first_missing;
        for entry in &append.entries {
            let version = entry.version();
            if entry.epoch() != append.head.epoch || version <= before {
                return Err(Refusal::Malformed { version });
            }
            before = version;
            if version > last {
                return Err(Refusal::BeyondWindow { version, last });
            }
            if version == next {
                next = self.held.first_missing(version + 1); // closes a gap, so that the mark can pass
            } else if self.held.contains(version) {
                continue;
            } else if bytes + entry.frame().len() > self.config.pending_bytes_max {
                return Err(Refusal::BeyondWindow { version, last: first_missing });
            }
            bytes += entry.frame().len();
        }
        if let Some(entry) = append.entries.iter().find(|entry| self.differs(entry)) {
            return Err(self.diverge(entry.version()));
        }
        self.check_space(append)
    }

    /// On a full disk only what is there already can be held: a mark finds room, an entry does not.
    fn check_space(&self, append: &Append) -> Result<(), Refusal> {
        let is_new = |version| version > self.mark && !self.held.contains(version);
        let grows = append.entries.iter().any(|entry| is_new(entry.version()));
        if self.disk_full && grows { Err(Refusal::DiskFull) } else { Ok(()) }
    }

    /// Whether it holds the entry's version with other content.
    fn differs(&self, entry: &kv_core::Entry) -> bool {
        if entry.version() <= self.mark {
            let operation = entry.operation();
            let kv_core::Operation::Put { key, .. } = operation else {
                return false; // what a delete or a clear has left behind cannot be told from nothing
            };
            let held = self.store.get(key).filter(|item| item.version == entry.version());
            return held.is_some_and(|item| item.entry.operation() != operation);
        }
        let held = self.pending.get(entry.version());
        held.is_some_and(|held| held.epoch() == entry.epoch() && held != entry)
    }

    fn diverge(&mut self, version: Version) -> Refusal {
        self.meta.diverged = Some(version);
        self.write_meta();
        Refusal::Conflict { version }
    }
}
