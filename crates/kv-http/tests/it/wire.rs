//! The bytes between leader and follower: what is written is read again, anything else is refused.

use std::sync::Arc;

use kv_core::{Command, Entry, Epoch, Key, NodeId, VERSION_MAX};
use kv_http::wire::{self, WireError};
use kv_replication::{
    Append, Chunk, Claim, ClusterId, GROUPS_MAX, Group, HELD_RANGES_MAX, Head, Held, Identity, Install, Part,
    Pull, Stage, Standing,
};
use proptest::prelude::*;

use crate::common::follower;
use crate::common::messages::{EPOCH, HEAD, append, put};

fn epochs() -> impl Strategy<Value = Epoch> {
    (0..=1_u64 << 53, any::<u64>()).prop_map(|(counter, node)| Epoch { counter, node: NodeId(node) })
}

fn commands() -> impl Strategy<Value = Command> {
    let keys = "[^\\p{Cc}]{1,40}";
    prop_oneof![
        4 => (keys, prop::collection::vec(any::<u8>(), 0..200))
            .prop_map(|(key, value)| Command::put(Key::parse(&key).unwrap(), &value).unwrap()),
        1 => keys.prop_map(|key| Command::delete(Key::parse(&key).unwrap())),
        1 => Just(Command::clear()),
        1 => Just(Command::no_op()),
    ]
}

fn heads() -> impl Strategy<Value = Head> {
    (any::<(u64, u64, u64)>(), epochs()).prop_map(|((node, resets, cluster), epoch)| Head {
        to: Identity { node: NodeId(node), resets },
        cluster: ClusterId(cluster),
        epoch,
    })
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let entry = (commands(), epochs(), 1..=VERSION_MAX);
    let entry = entry.prop_map(|(command, epoch, version)| command.into_entry(epoch, version));
    prop::collection::vec(entry, 0..12)
}

fn appends() -> impl Strategy<Value = Append> {
    let stage = prop::sample::select(vec![Stage::Recovering, Stage::Changing, Stage::Serving]);
    (heads(), stage, any::<(bool, u64)>(), entries()).prop_map(|(head, stage, (counted, mark), entries)| {
        let entries = entries.iter().map(|entry| entry.rewritten(head.epoch)).collect();
        Append { head, stage, counted, mark, entries }
    })
}

fn groups(least: usize) -> impl Strategy<Value = Arc<Vec<Group>>> {
    let group = (epochs(), 0..=64_usize, prop::collection::vec("[^\\p{Cc}]{0,40}", 0..9))
        .prop_map(|(since, write, followers)| Group { since, write: write.min(followers.len()), followers });
    prop::collection::vec(group, least..=GROUPS_MAX).prop_map(Arc::new)
}

fn claims() -> impl Strategy<Value = Claim> {
    (heads(), any::<Option<u64>>(), groups(1)).prop_map(|(head, renames, groups)| Claim {
        head,
        renames: renames.map(ClusterId),
        groups,
    })
}

fn installs() -> impl Strategy<Value = Install> {
    (heads(), 0..=VERSION_MAX, 0..1000_u64, any::<bool>(), 0..=VERSION_MAX, entries()).prop_map(
        |(head, base, chunk, last, through, entries)| Install { head, base, chunk, last, through, entries },
    )
}

fn pulls() -> impl Strategy<Value = Pull> {
    let part = prop_oneof![
        prop::option::of("[^\\p{Cc}]{0,40}").prop_map(|after| Part::State { after }),
        any::<u64>().prop_map(|after| Part::Pending { after }),
    ];
    (heads(), part).prop_map(|(head, part)| Pull { head, part })
}

fn helds() -> impl Strategy<Value = Held> {
    let ranges = prop::collection::vec((1..=VERSION_MAX, 0..1000_u64), 0..20);
    let ranges = ranges.prop_map(|ranges| {
        ranges.into_iter().map(|(first, more)| first..=(first + more).min(VERSION_MAX)).collect()
    });
    (any::<(u64, u64, bool, bool, u64)>(), epochs(), ranges).prop_map(
        |((node, resets, counts, disk_full, mark), promised, ranges)| Held {
            identity: Identity { node: NodeId(node), resets },
            counts,
            promised,
            disk_full,
            mark,
            ranges,
        },
    )
}

fn standings() -> impl Strategy<Value = Standing> {
    let diverged = prop::option::of(1..=VERSION_MAX);
    (helds(), any::<(Option<u64>, Option<u64>, bool)>(), epochs(), groups(0), diverged).prop_map(
        |(held, (cluster, promised_in, has_data), promised_other, groups, diverged)| Standing {
            held,
            cluster: cluster.map(ClusterId),
            promised_in: promised_in.map(ClusterId),
            promised_other,
            groups,
            has_data,
            diverged,
        },
    )
}

fn chunks() -> impl Strategy<Value = Chunk> {
    (any::<(u64, bool)>(), 0..=VERSION_MAX, entries()).prop_map(|((mark, done), through, entries)| Chunk {
        mark,
        through,
        entries,
        done,
    })
}

/// `bytes` with the byte at `at` (taken modulo the length) changed.
fn with_changed_byte(bytes: &[u8], at: usize, change: u8) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    let at = at % changed.len();
    changed[at] ^= change;
    changed
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_append_comes_back_as_it_was(append in appends()) {
        prop_assert_eq!(wire::decode_append(&wire::encode_append(&append)), Ok(append));
    }

    #[test]
    fn what_is_held_comes_back_as_it_was(held in helds()) {
        prop_assert_eq!(wire::decode_held(&wire::encode_held(&held)), Ok(held));
    }

    #[test]
    fn every_other_message_comes_back_as_it_was(claim in claims(), install in installs(), pull in pulls(), standing in standings(), chunk in chunks()) {
        prop_assert_eq!(wire::decode_claim(&wire::encode_claim(&claim)), Ok(claim));
        prop_assert_eq!(wire::decode_install(&wire::encode_install(&install)), Ok(install));
        prop_assert_eq!(wire::decode_pull(&wire::encode_pull(&pull)), Ok(pull));
        prop_assert_eq!(wire::decode_standing(&wire::encode_standing(&standing)), Ok(standing));
        prop_assert_eq!(wire::decode_chunk(&wire::encode_chunk(&chunk)), Ok(chunk));
    }

    /// Whatever is damaged is refused, or is another message with just those bytes.
    #[test]
    fn damaged_messages_never_panic(claim in claims(), install in installs(), pull in pulls(), standing in standings(), at: usize, change in 1_u8..) {
        let damage = |bytes: &[u8]| with_changed_byte(bytes, at, change);
        let bytes = damage(&wire::encode_claim(&claim));
        prop_assert!(!wire::decode_claim(&bytes).is_ok_and(|read| wire::encode_claim(&read) != bytes));
        let bytes = damage(&wire::encode_install(&install));
        prop_assert!(!wire::decode_install(&bytes).is_ok_and(|read| wire::encode_install(&read) != bytes));
        let bytes = damage(&wire::encode_pull(&pull));
        prop_assert!(!wire::decode_pull(&bytes).is_ok_and(|read| wire::encode_pull(&read) != bytes));
        let bytes = damage(&wire::encode_standing(&standing));
        prop_assert!(!wire::decode_standing(&bytes).is_ok_and(|read| wire::encode_standing(&read) != bytes));
    }

    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = wire::decode_append(&bytes);
        let _ = wire::decode_held(&bytes);
        let _ = wire::decode_claim(&bytes);
        let _ = wire::decode_install(&bytes);
        let _ = wire::decode_pull(&bytes);
        let _ = wire::decode_standing(&bytes);
        let _ = wire::decode_chunk(&bytes);
    }

    /// Whatever is taken for an append is written again with the same bytes: there is one way to say it.
    #[test]
    fn a_damaged_append_is_refused_or_is_another_append(append in appends(), at: usize, change in 1_u8..) {
        let damaged = with_changed_byte(&wire::encode_append(&append), at, change);
        if let Ok(read) = wire::decode_append(&damaged) {
            prop_assert_eq!(wire::encode_append(&read), damaged);
        }
    }

    #[test]
    fn a_damaged_answer_is_refused_or_says_something_else(held in helds(), at: usize, change in 1_u8..) {
        let bytes = wire::encode_held(&held);
        let _ = wire::decode_held(&with_changed_byte(&bytes, at, change));
    }

    #[test]
    fn cut_or_extended_messages_are_refused(append in appends(), held in helds(), at: usize, more: u8) {
        let (append, held) = (wire::encode_append(&append), wire::encode_held(&held));
        let decodes = |bytes: &[u8], is_append| if is_append {
            wire::decode_append(bytes).is_ok()
        } else {
            wire::decode_held(bytes).is_ok()
        };
        for (whole, is_append) in [(append, true), (held, false)] {
            prop_assert!(decodes(&whole, is_append));
            prop_assert!(!decodes(&whole[..at % whole.len()], is_append));
            prop_assert!(!decodes(&[&whole[..], &[more]].concat(), is_append));
        }
    }
}

#[test]
fn what_no_sender_writes_is_named() {
    let last = Epoch { counter: (1 << 53) + 1, ..EPOCH };
    let unreachable =
        wire::encode_append(&Append { head: Head { epoch: last, ..HEAD }, ..append(Vec::new()) });
    assert_eq!(wire::decode_append(&unreachable), Err(WireError::Range), "no leader could go above it");

    let mut foreign = append(vec![put(1, b"v")]);
    foreign.head.epoch.counter += 1;
    assert_eq!(wire::decode_append(&wire::encode_append(&foreign)), Err(WireError::Epoch));
    // Identity 16, cluster 8, epoch 16, then the stage.
    let odd_flag = with_changed_byte(&wire::encode_append(&append(Vec::new())), 40, 4);
    assert_eq!(wire::decode_append(&odd_flag), Err(WireError::Range));

    let mut held = follower(1).holds();
    held.ranges = (1..=HELD_RANGES_MAX as u64).map(|range| range * 2..=range * 2).collect();
    assert_eq!(wire::decode_held(&wire::encode_held(&held)), Ok(held.clone()));
    held.ranges.insert(1_000_000);
    assert_eq!(wire::decode_held(&wire::encode_held(&held)), Err(WireError::Range));
    held.ranges = [1..=VERSION_MAX + 1].into_iter().collect();
    assert_eq!(wire::decode_held(&wire::encode_held(&held)), Err(WireError::Range));
}

/// The answer of an unclaimed follower with the ranges 1-2 and 5-6, byte by byte.
#[test]
fn there_is_one_way_to_write_an_answer() {
    let mut held = follower(1).holds();
    held.ranges = [1..=2, 5..=6].into_iter().collect();
    let bytes = wire::encode_held(&held).to_vec();
    let mut odd_flag = bytes.clone();
    odd_flag[16] = 2; // it counts, or it does not
    assert!(wire::decode_held(&odd_flag).is_err());
    let mut odd_disk = bytes.clone();
    odd_disk[33] = 2; // it is full, or it is not
    assert!(wire::decode_held(&odd_disk).is_err());
    let ranges = bytes.len() - 32;
    let mut out_of_order = bytes.clone();
    out_of_order[ranges..].rotate_left(16);
    assert!(wire::decode_held(&out_of_order).is_err());
    let mut adjacent = bytes;
    adjacent[ranges + 16] = 3; // 1-2 and 3-6
    assert!(wire::decode_held(&adjacent).is_err());
}
