//! The bytes between leader and follower, version 1.
//!
//! All numbers are little endian. A probe has no body. An append is
//!
//! ```text
//! cluster u64 | epoch u64 u64 | recovered u8 | mark u64 | count u32 | frames
//! ```
//!
//! with the frames of [`Entry`]; the answer to both is
//!
//! ```text
//! node u64 | resets u64 | claimed u8 | cluster u64 | promised u64 u64 | mark u64 | has data u8 |
//! count u32 | (first u64, last u64) …
//! ```
//!
//! A refusal is a JSON error like any other, with the facts in fields of their own.

use bytes::{BufMut, Bytes};
use kv_core::{Entry, Epoch, FrameError, NodeId};
use kv_replication::{Append, ClusterId, HELD_RANGES_MAX, Held, Identity, RangeSet};
use thiserror::Error;

/// The content type of requests and answers; another version will have another name.
pub const CONTENT_TYPE: &str = "application/vnd.kv.replication.v1";

/// Where a probe goes.
pub const PROBE_PATH: &str = "/internal/probe";
/// Where an append goes.
pub const APPEND_PATH: &str = "/internal/append";

const APPEND_HEADER_BYTES: usize = 37;
const EPOCH_COUNTER_MAX: u64 = 1 << 53;

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    /// They end too early, or go on after the end.
    #[error("the message has a wrong length")]
    Length,
    /// A number that no sender writes.
    #[error("the message holds a value that is out of range")]
    Range,
    /// An entry that is none.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// An entry of another epoch than its sender's.
    #[error("an entry is of another epoch than the message")]
    Epoch,
}

/// Writes an append: one allocation, the frames copied side by side so that one write sends them.
#[must_use]
pub fn encode_append(append: &Append) -> Bytes {
    let frames: usize = append.entries.iter().map(|entry| entry.frame().len()).sum();
    let mut out = Vec::with_capacity(APPEND_HEADER_BYTES + frames);
    out.put_u64_le(append.cluster.0);
    put_epoch(&mut out, append.epoch);
    out.put_u8(append.recovered.into());
    out.put_u64_le(append.mark);
    out.put_u32_le(append.entries.len() as u32); // a batch has a limit far below
    for entry in &append.entries {
        out.put_slice(entry.frame());
    }
    out.into()
}

/// Reads an append.
///
/// # Errors
/// [`WireError`] for anything that [`encode_append`] could not have written.
pub fn decode_append(bytes: &[u8]) -> Result<Append, WireError> {
    let mut rest = bytes;
    let cluster = ClusterId(take_u64(&mut rest)?);
    let epoch = take_epoch(&mut rest)?;
    let recovered = take_bool(&mut rest)?;
    let mark = take_u64(&mut rest)?;
    let count = take_u32(&mut rest)?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let (entry, len) = Entry::decode(rest)?;
        if entry.epoch() != epoch {
            return Err(WireError::Epoch);
        }
        rest = rest.get(len..).unwrap_or_default();
        entries.push(entry);
    }
    if !rest.is_empty() {
        return Err(WireError::Length);
    }
    Ok(Append { cluster, epoch, recovered, mark, entries })
}

/// Writes what a follower holds.
#[must_use]
pub fn encode_held(held: &Held) -> Bytes {
    let mut out = Vec::with_capacity(64 + 16 * held.ranges.ranges_len());
    out.put_u64_le(held.identity.node.0);
    out.put_u64_le(held.identity.resets);
    out.put_u8(held.cluster.is_some().into());
    out.put_u64_le(held.cluster.map_or(0, |cluster| cluster.0));
    put_epoch(&mut out, held.promised);
    out.put_u64_le(held.mark);
    out.put_u8(held.has_data.into());
    out.put_u32_le(held.ranges.ranges_len() as u32); // at most HELD_RANGES_MAX
    for range in held.ranges.iter() {
        out.put_u64_le(*range.start());
        out.put_u64_le(*range.end());
    }
    out.into()
}

/// Reads what a follower holds.
///
/// # Errors
/// [`WireError`] for anything that [`encode_held`] could not have written.
pub fn decode_held(bytes: &[u8]) -> Result<Held, WireError> {
    let mut rest = bytes;
    let identity = Identity { node: NodeId(take_u64(&mut rest)?), resets: take_u64(&mut rest)? };
    let claimed = take_bool(&mut rest)?;
    let cluster = ClusterId(take_u64(&mut rest)?);
    if !claimed && cluster.0 != 0 {
        return Err(WireError::Range);
    }
    let promised = take_epoch(&mut rest)?;
    let mark = take_u64(&mut rest)?;
    let has_data = take_bool(&mut rest)?;
    let count = take_u32(&mut rest)? as usize;
    if count > HELD_RANGES_MAX {
        return Err(WireError::Range);
    }
    let mut ranges = RangeSet::new();
    for _ in 0..count {
        let (first, last) = (take_u64(&mut rest)?, take_u64(&mut rest)?);
        // In order and apart, as a range set is: there is one way to write it.
        let follows = ranges.last().is_none_or(|before| first > before + 1);
        if first == 0 || !follows || first > last || last > kv_core::VERSION_MAX {
            return Err(WireError::Range);
        }
        ranges.insert_range(first..=last);
    }
    if !rest.is_empty() {
        return Err(WireError::Length);
    }
    Ok(Held { identity, cluster: claimed.then_some(cluster), promised, mark, ranges, has_data })
}

fn put_epoch(out: &mut Vec<u8>, epoch: Epoch) {
    out.put_u64_le(epoch.counter);
    out.put_u64_le(epoch.node.0);
}

fn take_epoch(rest: &mut &[u8]) -> Result<Epoch, WireError> {
    let epoch = Epoch { counter: take_u64(rest)?, node: NodeId(take_u64(rest)?) };
    // Far beyond what restarts can reach, and far below where a leader could find none above it.
    if epoch.counter > EPOCH_COUNTER_MAX { Err(WireError::Range) } else { Ok(epoch) }
}

fn take_u64(rest: &mut &[u8]) -> Result<u64, WireError> {
    take(rest).map(u64::from_le_bytes)
}

fn take_u32(rest: &mut &[u8]) -> Result<u32, WireError> {
    take(rest).map(u32::from_le_bytes)
}

fn take_bool(rest: &mut &[u8]) -> Result<bool, WireError> {
    match take(rest)? {
        [0] => Ok(false),
        [1] => Ok(true),
        [_] => Err(WireError::Range),
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], WireError> {
    let (head, tail) = rest.split_first_chunk().ok_or(WireError::Length)?;
    *rest = tail;
    Ok(*head)
}
