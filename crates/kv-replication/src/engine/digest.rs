//! The digest of a node that goes on working.
//!
//! A page is read under the node's lock and hashed outside of it, then others have a turn. If the node
//! has moved on between two pages, what was hashed belongs to no moment, and there is no digest.

use kv_core::{Digest, Digester, Epoch, Version};

use super::page::{Page, PageSize, Range};
use crate::protocol::message::{ClusterId, Identity};

/// What is hashed between two looks at the node: a fraction of a millisecond.
pub(super) const PAGE: PageSize = PageSize { entries_max: 512, bytes_max: 256 << 10 };

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

/// Hashes page after page, as long as all are of one mark.
pub(super) async fn hash(mut next: impl FnMut(&Range) -> Option<(Version, Page)>) -> Option<Digest> {
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

#[cfg(test)]
mod tests {
    use kv_core::{Command, Key, NodeId};

    use super::*;
    use crate::engine::read::Read;

    /// One page for each key; the node is at `marks` when they are read.
    async fn hashed(keys: &[&str], marks: &[Version]) -> Option<Digest> {
        let mut marks = marks.iter().copied();
        hash(|range| {
            let index = range.after.as_ref().map_or(0, |after| after.parse::<usize>().unwrap());
            let command = Command::put(Key::parse(keys[index]).unwrap(), b"v").unwrap();
            let entry = command.into_entry(Epoch { counter: 1, node: NodeId(1) }, index as Version + 1);
            let next = (index + 1 < keys.len()).then(|| (index + 1).to_string());
            Some((marks.next()?, Page { reads: vec![Read::from(entry)], next }))
        })
        .await
    }

    #[tokio::test]
    async fn a_node_that_moves_on_between_two_pages_has_no_digest() {
        let all = hashed(&["a", "b", "c"], &[3, 3, 3]).await.unwrap();
        assert_eq!((all.mark, all.keys), (3, 3));
        assert_ne!(hashed(&["a", "b", "d"], &[3, 3, 3]).await.unwrap().hash, all.hash);
        assert_eq!(hashed(&["a", "b", "c"], &[3, 3, 4]).await, None);
        assert_eq!(hashed(&["a", "b", "c"], &[3, 3]).await, None, "it does not serve any more");
    }
}
