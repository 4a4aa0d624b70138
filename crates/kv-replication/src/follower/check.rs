//! Everything that can refuse a request, before anything changes.

use kv_core::VERSION_MAX;

use crate::config::FollowerConfig;
use crate::durable::record::Meta;
use crate::follower::content::Content;
use crate::follower::promises::Promises;
use crate::protocol::message::{Append, Claim, Head, Refusal};

/// Whether the request is for this node, and comes from the leader that it has promised. A claim is free to
/// come from a newer one.
pub(super) fn head(promises: &Promises, has_data: bool, head: &Head, is_claim: bool) -> Result<(), Refusal> {
    let meta = promises.meta();
    if head.to != meta.identity {
        return Err(Refusal::OtherNode { identity: meta.identity });
    }
    let promised = meta.promised;
    if is_claim && promises.is_released(head.cluster, has_data) {
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
    if meta.cluster != Some(head.cluster) {
        return Err(Refusal::WrongCluster { held: meta.cluster });
    }
    Ok(())
}

/// Data of another history is never mixed, and never given up.
pub(super) fn cluster(meta: &Meta, has_data: bool, claim: &Claim) -> Result<(), Refusal> {
    let held = meta.cluster;
    let known = held == Some(claim.head.cluster) || (held.is_some() && held == claim.renames);
    if has_data && !known { Err(Refusal::WrongCluster { held }) } else { Ok(()) }
}

/// Whether the entries are in order, of their leader's epoch, and find room in the window.
pub(super) fn entries(content: &Content, config: &FollowerConfig, append: &Append) -> Result<(), Refusal> {
    let held = content.held();
    // The mark that this very request brings already makes room.
    let mark = content.mark().max(append.mark.min(held.watermark()));
    let last = mark.saturating_add(config.window_entries_max).min(VERSION_MAX);
    let (mut bytes, mut before) = (content.pending().bytes(), 0);
    let first_missing = held.first_missing(1);
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
            next = held.first_missing(version + 1); // closes a gap, so that the mark can pass
        } else if held.contains(version) {
            continue;
        } else if bytes + entry.frame().len() > config.pending_bytes_max {
            return Err(Refusal::BeyondWindow { version, last: first_missing });
        }
        bytes += entry.frame().len();
    }
    Ok(())
}

/// On a full disk only what is there already can be held: a mark finds room, an entry does not.
pub(super) fn space(content: &Content, disk_full: bool, append: &Append) -> Result<(), Refusal> {
    let grows = disk_full && append.entries.iter().any(|entry| content.lacks(entry.version()));
    if grows { Err(Refusal::DiskFull) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kv_core::{Command, Entry, Epoch, Key, NodeId, Version};

    use super::*;
    use crate::protocol::message::{ClusterId, Identity, Stage};

    const CLUSTER: ClusterId = ClusterId(7);
    const OTHER: ClusterId = ClusterId(8);
    const NODE: Identity = Identity { node: NodeId(9), resets: 0 };

    fn epoch(counter: u64) -> Epoch {
        Epoch { counter, node: NodeId(1) }
    }

    fn promises(promised: u64) -> Promises {
        let mut promises = Promises::new(Meta::new(NODE.node));
        let head = Head { to: NODE, cluster: CLUSTER, epoch: epoch(promised) };
        promises.promise(Claim { head, renames: None, groups: Arc::default() }, false);
        promises
    }

    #[test]
    fn a_request_is_for_this_node_and_from_the_leader_that_it_has_promised() {
        let promises = promises(5);
        let promised = epoch(5);
        let elsewhere = Identity { resets: 1, ..NODE };
        let cases = [
            // to, cluster, epoch: as a claim, and as anything else
            (NODE, CLUSTER, 5, Ok(()), Ok(())),
            (NODE, CLUSTER, 4, Err(Refusal::StaleEpoch { promised }), Err(Refusal::StaleEpoch { promised })),
            (NODE, CLUSTER, 6, Ok(()), Err(Refusal::NotPromised { promised })),
            (NODE, OTHER, 5, Ok(()), Err(Refusal::WrongCluster { held: Some(CLUSTER) })),
            (NODE, OTHER, 4, Err(Refusal::StaleEpoch { promised }), Err(Refusal::StaleEpoch { promised })),
            (
                elsewhere,
                CLUSTER,
                5,
                Err(Refusal::OtherNode { identity: NODE }),
                Err(Refusal::OtherNode { identity: NODE }),
            ),
        ];
        for (to, cluster, counter, as_claim, as_other) in cases {
            let this = Head { to, cluster, epoch: epoch(counter) };
            assert_eq!(head(&promises, true, &this, true), as_claim, "{this:?}");
            assert_eq!(head(&promises, true, &this, false), as_other, "{this:?}");
        }
    }

    #[test]
    fn an_emptied_node_follows_whoever_comes_of_another_history() {
        let mut promises = promises(5);
        promises.forget();
        let this = |cluster| Head { to: promises.meta().identity, cluster, epoch: epoch(1) };
        let stale = Err(Refusal::StaleEpoch { promised: epoch(5) });
        assert_eq!(head(&promises, false, &this(OTHER), true), Ok(()));
        assert_eq!(head(&promises, false, &this(OTHER), false), stale, "a claim comes first");
        assert_eq!(
            head(&promises, false, &this(CLUSTER), true),
            stale,
            "of the same history: the promise binds"
        );
    }

    #[test]
    fn data_of_another_history_is_refused_unless_the_claim_renames_it() {
        let promises = promises(5);
        let claim = |cluster, renames| Claim {
            head: Head { to: NODE, cluster, epoch: epoch(6) },
            renames,
            groups: Arc::default(),
        };
        let refused = Err(Refusal::WrongCluster { held: Some(CLUSTER) });
        assert_eq!(cluster(promises.meta(), true, &claim(CLUSTER, None)), Ok(()));
        assert_eq!(cluster(promises.meta(), true, &claim(OTHER, None)), refused);
        assert_eq!(cluster(promises.meta(), true, &claim(OTHER, Some(CLUSTER))), Ok(()));
        assert_eq!(cluster(promises.meta(), false, &claim(OTHER, None)), Ok(()), "it has nothing");
    }

    fn append(mark: Version, versions: &[(u64, Version)]) -> Append {
        let put = |(counter, version): &(u64, Version)| -> Entry {
            Command::put(Key::parse("k").unwrap(), b"value").unwrap().into_entry(epoch(*counter), *version)
        };
        let head = Head { to: NODE, cluster: CLUSTER, epoch: epoch(5) };
        let entries = versions.iter().map(put).collect();
        Append { head, stage: Stage::Serving, counted: true, mark, entries }
    }

    /// It holds 1 to 3 and 5, and 1 is committed.
    fn content() -> Content {
        let mut content = Content::empty();
        append(0, &[(5, 1), (5, 2), (5, 3), (5, 5)])
            .entries
            .into_iter()
            .for_each(|entry| content.hold(entry));
        content.advance_mark(1);
        content
    }

    #[test]
    fn entries_are_in_order_of_one_epoch_and_within_the_window() {
        let content = content();
        let config = FollowerConfig { window_entries_max: 6, ..FollowerConfig::default() };
        let check = |mark, versions: &[(u64, Version)]| entries(&content, &config, &append(mark, versions));
        assert_eq!(check(0, &[(5, 2), (5, 4), (5, 7)]), Ok(()));
        assert_eq!(check(0, &[(5, 4), (5, 4)]), Err(Refusal::Malformed { version: 4 }));
        assert_eq!(check(0, &[(4, 4)]), Err(Refusal::Malformed { version: 4 }), "of another epoch");
        assert_eq!(check(0, &[(5, 8)]), Err(Refusal::BeyondWindow { version: 8, last: 7 }));
        assert_eq!(check(9, &[(5, 9)]), Ok(()), "the mark moves to 3 first");
        assert_eq!(check(9, &[(5, 10)]), Err(Refusal::BeyondWindow { version: 10, last: 9 }));
    }

    #[test]
    fn without_room_only_what_closes_the_gap_above_the_mark_is_taken() {
        let content = content();
        let pending_bytes_max = content.pending().bytes();
        let config = FollowerConfig { pending_bytes_max, ..FollowerConfig::default() };
        let check = |versions: &[(u64, Version)]| entries(&content, &config, &append(0, versions));
        assert_eq!(check(&[(5, 4), (5, 6)]), Ok(()));
        assert_eq!(check(&[(5, 5)]), Ok(()), "it is there");
        assert_eq!(check(&[(5, 7)]), Err(Refusal::BeyondWindow { version: 7, last: 4 }));
    }

    #[test]
    fn a_full_disk_takes_what_is_there_already() {
        let content = content();
        assert_eq!(space(&content, true, &append(9, &[(5, 1), (5, 5)])), Ok(()));
        assert_eq!(space(&content, true, &append(9, &[(5, 1), (5, 4)])), Err(Refusal::DiskFull));
        assert_eq!(space(&content, false, &append(9, &[(5, 4)])), Ok(()));
    }
}
