//! The digest of a node that goes on working.
//!
//! A page is read under the node's lock and hashed outside of it, then others have a turn. If the node
//! has moved on between two pages, what was hashed belongs to no moment, and there is no digest.

use std::time::Duration;

use kv_core::{Digest, Digester, Epoch, Version};

use super::follower::{Core, Goal};
use super::leader_reads;
use super::read::{Level, Page, PageSize, Range};
use super::waits::{self, Look};
use super::{FollowerHandle, LeaderHandle, follower_reads, lock};
use crate::leader::phase::Phase;
use crate::protocol::message::{ClusterId, Identity};

/// What is hashed between two looks at the node: a fraction of a millisecond.
const PAGE: PageSize = PageSize { entries_max: 512, bytes_max: 256 << 10 };

/// What a follower says of all that it knows to be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerDigest {
    /// Who says it.
    pub identity: Identity,
    /// Its cluster, if a leader has claimed it.
    pub cluster: Option<ClusterId>,
    /// The highest epoch that it has promised.
    pub promised: Epoch,
    /// Its commit mark.
    pub mark: Version,
    /// The digest at that mark; none if the mark is not the one that was asked for, or did not stay there.
    pub digest: Option<Digest>,
}

impl LeaderHandle {
    /// The digest of all that it has written; none if a write was under way meanwhile, or if it does not
    /// serve. It reads every key: seconds, for tens of millions.
    pub async fn digest(&self) -> Option<Digest> {
        digest(|range| {
            self.look(|leader| {
                let settled = leader.phase() == Phase::Serving && leader.mark() == leader.assigned();
                settled.then(|| (leader.mark(), leader_reads::page(leader, range, PAGE)))
            })
        })
        .await
    }
}

impl FollowerHandle {
    /// Waits, at most for `timeout`, until `mark` is committed here, and gives the digest at exactly
    /// that mark.
    pub async fn digest(&self, mark: Version, timeout: Duration) -> PeerDigest {
        let there = |core: &Core| {
            if core.follower.mark() >= mark { Look::Done(()) } else { Look::Wait(Goal::Mark(mark)) }
        };
        // Whoever is not there in time says how far it is.
        let _ = waits::until(self.core(), timeout, there).await;
        let (identity, cluster) = self.member();
        let digest = digest(|range| {
            let core = lock(self.core());
            let settled = core.follower.mark() == mark && core.follower.holds().identity == identity;
            settled.then(|| (mark, follower_reads::page(&core.follower, range, PAGE, Level::Committed)))
        })
        .await;
        let (promised, mark) = {
            let core = lock(self.core());
            (core.follower.promised(), core.follower.mark())
        };
        PeerDigest { identity, cluster, promised, mark, digest }
    }

    fn member(&self) -> (Identity, Option<ClusterId>) {
        let standing = self.standing();
        (standing.held.identity, standing.cluster)
    }
}

/// Hashes page after page, as long as all are of one mark.
async fn digest(mut next: impl FnMut(&Range) -> Option<(Version, Page)>) -> Option<Digest> {
    let (mut digester, mut range, mut first) = (Digester::new(), Range::default(), None);
    loop {
        let (mark, page) = next(&range)?;
        if *first.get_or_insert(mark) != mark {
            return None;
        }
        for read in &page.reads {
            digester.add(read.key(), read.version(), read.value());
        }
        if page.next.is_none() {
            return Some(digester.finish(mark));
        }
        range.after = page.next;
        tokio::task::yield_now().await;
    }
}
