//! What messages are made of.

use std::sync::Arc;

use bytes::BufMut;
use kv_core::{Entry, Epoch, NodeId};
use kv_replication::{
    ClusterId, FOLLOWERS_MAX, GROUPS_MAX, Group, HELD_RANGES_MAX, Head, Held, Identity, RangeSet,
};

use super::error::WireError;

const EPOCH_COUNTER_MAX: u64 = 1 << 53;
/// The longest name of a follower.
const NAME_BYTES_MAX: usize = 512;

pub(super) fn with_room_for(header_bytes: usize, entries: &[Entry]) -> Vec<u8> {
    Vec::with_capacity(header_bytes + entries.iter().map(|entry| entry.frame().len()).sum::<usize>())
}

pub(super) fn put_head(out: &mut Vec<u8>, head: &Head) {
    put_identity(out, head.to);
    out.put_u64_le(head.cluster.0);
    put_epoch(out, head.epoch);
}

pub(super) fn take_head(rest: &mut &[u8]) -> Result<Head, WireError> {
    Ok(Head { to: take_identity(rest)?, cluster: ClusterId(take_u64(rest)?), epoch: take_epoch(rest)? })
}

pub(super) fn put_identity(out: &mut Vec<u8>, identity: Identity) {
    out.put_u64_le(identity.node.0);
    out.put_u64_le(identity.resets);
}

pub(super) fn take_identity(rest: &mut &[u8]) -> Result<Identity, WireError> {
    Ok(Identity { node: NodeId(take_u64(rest)?), resets: take_u64(rest)? })
}

pub(super) fn put_cluster(out: &mut Vec<u8>, cluster: Option<ClusterId>) {
    out.put_u8(cluster.is_some().into());
    out.put_u64_le(cluster.map_or(0, |cluster| cluster.0));
}

pub(super) fn take_cluster(rest: &mut &[u8]) -> Result<Option<ClusterId>, WireError> {
    let (given, cluster) = (take_bool(rest)?, ClusterId(take_u64(rest)?));
    if !given && cluster.0 != 0 {
        return Err(WireError::Range);
    }
    Ok(given.then_some(cluster))
}

pub(super) fn put_groups(out: &mut Vec<u8>, groups: &[Group]) {
    out.put_u32_le(groups.len() as u32); // at most GROUPS_MAX
    groups.iter().for_each(|group| put_group(out, group));
}

pub(super) fn take_groups(rest: &mut &[u8]) -> Result<Arc<Vec<Group>>, WireError> {
    let count = take_u32(rest)? as usize;
    if count > GROUPS_MAX {
        return Err(WireError::Range);
    }
    (0..count).map(|_| take_group(rest)).collect::<Result<_, _>>().map(Arc::new)
}

pub(super) fn put_group(out: &mut Vec<u8>, group: &Group) {
    put_epoch(out, group.since);
    out.put_u32_le(group.write as u32); // at most FOLLOWERS_MAX, as is their number
    out.put_u32_le(group.followers.len() as u32);
    group.followers.iter().for_each(|name| put_text(out, name));
}

pub(super) fn take_group(rest: &mut &[u8]) -> Result<Group, WireError> {
    let since = take_epoch(rest)?;
    let (write, count) = (take_u32(rest)? as usize, take_u32(rest)? as usize);
    if write > count || count > FOLLOWERS_MAX {
        return Err(WireError::Range);
    }
    let followers = (0..count).map(|_| take_text(rest, NAME_BYTES_MAX)).collect::<Result<_, _>>()?;
    Ok(Group { since, write, followers })
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    out.put_u32_le(text.len() as u32); // names and keys are short
    out.put_slice(text.as_bytes());
}

pub(super) fn take_text(rest: &mut &[u8], bytes_max: usize) -> Result<String, WireError> {
    let len = take_u32(rest)? as usize;
    if len > bytes_max {
        return Err(WireError::Range);
    }
    let (text, tail) = rest.split_at_checked(len).ok_or(WireError::Length)?;
    *rest = tail;
    String::from_utf8(text.to_vec()).map_err(|_| WireError::Text)
}

pub(super) fn put_frames(out: &mut Vec<u8>, entries: &[Entry]) {
    out.put_u32_le(entries.len() as u32); // a batch has a limit far below
    entries.iter().for_each(|entry| out.put_slice(entry.frame()));
}

pub(super) fn take_frames(rest: &mut &[u8]) -> Result<Vec<Entry>, WireError> {
    let count = take_u32(rest)?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let (entry, len) = Entry::decode(rest)?;
        *rest = rest.get(len..).unwrap_or_default();
        entries.push(entry);
    }
    Ok(entries)
}

pub(super) fn put_held(out: &mut Vec<u8>, held: &Held) {
    put_identity(out, held.identity);
    out.put_u8(held.counts.into());
    put_epoch(out, held.promised);
    out.put_u8(held.disk_full.into());
    out.put_u64_le(held.mark);
    out.put_u32_le(held.ranges.ranges_len() as u32); // at most HELD_RANGES_MAX
    for range in held.ranges.iter() {
        out.put_u64_le(*range.start());
        out.put_u64_le(*range.end());
    }
}

pub(super) fn take_held(rest: &mut &[u8]) -> Result<Held, WireError> {
    let (identity, counts) = (take_identity(rest)?, take_bool(rest)?);
    let (promised, disk_full, mark) = (take_epoch(rest)?, take_bool(rest)?, take_u64(rest)?);
    let count = take_u32(rest)? as usize;
    if count > HELD_RANGES_MAX {
        return Err(WireError::Range);
    }
    let mut ranges = RangeSet::new();
    for _ in 0..count {
        let (first, last) = (take_u64(rest)?, take_u64(rest)?);
        // In order and apart, as a range set is: there is one way to write it.
        let follows = ranges.last().is_none_or(|before| first > before + 1);
        if first == 0 || !follows || first > last || last > kv_core::VERSION_MAX {
            return Err(WireError::Range);
        }
        ranges.insert_range(first..=last);
    }
    Ok(Held { identity, counts, promised, disk_full, mark, ranges })
}

/// The message, if nothing is left over.
pub(super) fn end<T>(rest: &&[u8], message: T) -> Result<T, WireError> {
    if rest.is_empty() { Ok(message) } else { Err(WireError::Length) }
}

pub(super) fn put_epoch(out: &mut Vec<u8>, epoch: Epoch) {
    out.put_u64_le(epoch.counter);
    out.put_u64_le(epoch.node.0);
}

pub(super) fn take_epoch(rest: &mut &[u8]) -> Result<Epoch, WireError> {
    let epoch = Epoch { counter: take_u64(rest)?, node: NodeId(take_u64(rest)?) };
    // Far beyond what restarts can reach, and far below where a leader could find none above it.
    if epoch.counter > EPOCH_COUNTER_MAX { Err(WireError::Range) } else { Ok(epoch) }
}

pub(super) fn take_u64(rest: &mut &[u8]) -> Result<u64, WireError> {
    take(rest).map(u64::from_le_bytes)
}

pub(super) fn take_u32(rest: &mut &[u8]) -> Result<u32, WireError> {
    take(rest).map(u32::from_le_bytes)
}

pub(super) fn take_bool(rest: &mut &[u8]) -> Result<bool, WireError> {
    match take(rest)? {
        [0] => Ok(false),
        [1] => Ok(true),
        [_] => Err(WireError::Range),
    }
}

pub(super) fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], WireError> {
    let (head, tail) = rest.split_first_chunk().ok_or(WireError::Length)?;
    *rest = tail;
    Ok(*head)
}
