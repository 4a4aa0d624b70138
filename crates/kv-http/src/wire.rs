//! The bytes between leader and follower, version 3.
//!
//! All numbers are little endian. A probe has no body. Every other request begins with its head,
//!
//! ```text
//! to: node u64, resets u64 | cluster u64 | epoch u64 u64
//! ```
//!
//! and goes on with
//!
//! ```text
//! claim    renames u8 u64 | groups
//! append   stage u8 (0 recovering, 1 changing, 2 serving) | counted u8 | mark u64 | frames
//! install  base u64 | chunk u64 | last u8 | through u64 | frames
//! pull     0 u8 | after u8, text       the state, past a key
//!          1 u8 | after u64            what is pending, above a version
//! ```
//!
//! But for the question of a digest, which changes nothing and names nobody:
//!
//! ```text
//! digest   mark u64 | wait in ms u32
//! ```
//!
//! The answers are
//!
//! ```text
//! held      node u64 | resets u64 | counts u8 | promised u64 u64 | mark u64 | count u32 | (first u64, last u64) …
//! standing  cluster u8 u64 | other promise u64 u64 | data u8 | diverged u8 u64 | groups | held
//! chunk     mark u64 | done u8 | frames
//! digest    node u64 | resets u64 | cluster u8 u64 | promised u64 u64 | mark u64 | given u8, keys u64, hash u128
//! ```
//!
//! with `groups` = count u32, and of each `since u64 u64 | W u32 | count u32, texts`; `text` = length u32, UTF-8; `frames` = count u32 and the
//! frames of [`Entry`]. A refusal is a JSON error like any other, with the facts in fields of their own.

mod digest;

use std::sync::Arc;

use bytes::{BufMut, Bytes};
use kv_core::{Entry, Epoch, FrameError, KEY_BYTES_MAX, NodeId};
use kv_replication::{
    Append, Chunk, Claim, ClusterId, FOLLOWERS_MAX, GROUPS_MAX, Group, HELD_RANGES_MAX, Head, Held, Identity,
    Install, Part, Pull, RangeSet, Stage, Standing,
};
use thiserror::Error;

pub use digest::{DigestRequest, decode_digest, decode_digest_request, encode_digest, encode_digest_request};

/// The content type of requests and answers; another version will have another name.
pub const CONTENT_TYPE: &str = "application/vnd.kv.replication.v3";

/// Where a probe goes.
pub const PROBE_PATH: &str = "/internal/probe";
/// Where a claim goes.
pub const CLAIM_PATH: &str = "/internal/claim";
/// Where an append goes.
pub const APPEND_PATH: &str = "/internal/append";
/// Where a chunk of a snapshot goes.
pub const INSTALL_PATH: &str = "/internal/install";
/// Where a question for what is there goes.
pub const PULL_PATH: &str = "/internal/pull";
/// Where the question for a digest goes.
pub const DIGEST_PATH: &str = "/internal/digest";

const APPEND_HEADER_BYTES: usize = 54;
const EPOCH_COUNTER_MAX: u64 = 1 << 53;
/// The longest name of a follower.
const NAME_BYTES_MAX: usize = 512;

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
    /// A text that is none.
    #[error("the message holds a text that is not UTF-8")]
    Text,
    /// An entry of another epoch than its sender's.
    #[error("an entry is of another epoch than the message")]
    Epoch,
}

/// Writes a claim.
#[must_use]
pub fn encode_claim(claim: &Claim) -> Bytes {
    let mut out = Vec::new();
    put_head(&mut out, &claim.head);
    put_cluster(&mut out, claim.renames);
    put_groups(&mut out, &claim.groups);
    out.into()
}

/// Reads a claim.
///
/// # Errors
/// [`WireError`] for anything that [`encode_claim`] could not have written.
pub fn decode_claim(bytes: &[u8]) -> Result<Claim, WireError> {
    let rest = &mut &*bytes;
    let (head, renames, groups) = (take_head(rest)?, take_cluster(rest)?, take_groups(rest)?);
    if groups.is_empty() {
        return Err(WireError::Range);
    }
    end(rest, Claim { head, renames, groups })
}

/// Writes an append: one allocation, the frames copied side by side so that one write sends them.
#[must_use]
pub fn encode_append(append: &Append) -> Bytes {
    let mut out = with_room_for(APPEND_HEADER_BYTES, &append.entries);
    put_head(&mut out, &append.head);
    out.put_u8(match append.stage {
        Stage::Recovering => 0,
        Stage::Changing => 1,
        Stage::Serving => 2,
    });
    out.put_u8(append.counted.into());
    out.put_u64_le(append.mark);
    put_frames(&mut out, &append.entries);
    out.into()
}

/// Reads an append.
///
/// # Errors
/// [`WireError`] for anything that [`encode_append`] could not have written.
pub fn decode_append(bytes: &[u8]) -> Result<Append, WireError> {
    let rest = &mut &*bytes;
    let head = take_head(rest)?;
    let stage = match take(rest)? {
        [0] => Stage::Recovering,
        [1] => Stage::Changing,
        [2] => Stage::Serving,
        [_] => return Err(WireError::Range),
    };
    let (counted, mark) = (take_bool(rest)?, take_u64(rest)?);
    let entries = take_frames(rest)?;
    if entries.iter().any(|entry| entry.epoch() != head.epoch) {
        return Err(WireError::Epoch);
    }
    end(rest, Append { head, stage, counted, mark, entries })
}

/// Writes a chunk of a snapshot.
#[must_use]
pub fn encode_install(install: &Install) -> Bytes {
    let mut out = with_room_for(64, &install.entries);
    put_head(&mut out, &install.head);
    out.put_u64_le(install.base);
    out.put_u64_le(install.chunk);
    out.put_u8(install.last.into());
    out.put_u64_le(install.through);
    put_frames(&mut out, &install.entries);
    out.into()
}

/// Reads a chunk of a snapshot.
///
/// # Errors
/// [`WireError`] for anything that [`encode_install`] could not have written.
pub fn decode_install(bytes: &[u8]) -> Result<Install, WireError> {
    let rest = &mut &*bytes;
    let (head, base, chunk) = (take_head(rest)?, take_u64(rest)?, take_u64(rest)?);
    if base > kv_core::VERSION_MAX || chunk > kv_core::VERSION_MAX {
        return Err(WireError::Range);
    }
    let (last, through) = (take_bool(rest)?, take_u64(rest)?);
    if through > kv_core::VERSION_MAX {
        return Err(WireError::Range);
    }
    let install = Install { head, base, chunk, last, through, entries: take_frames(rest)? };
    end(rest, install)
}

/// Writes a question for what is there.
#[must_use]
pub fn encode_pull(pull: &Pull) -> Bytes {
    let mut out = Vec::new();
    put_head(&mut out, &pull.head);
    match &pull.part {
        Part::State { after } => {
            out.put_u8(0);
            out.put_u8(after.is_some().into());
            put_text(&mut out, after.as_deref().unwrap_or_default());
        }
        Part::Pending { after } => {
            out.put_u8(1);
            out.put_u64_le(*after);
        }
    }
    out.into()
}

/// Reads a question for what is there.
///
/// # Errors
/// [`WireError`] for anything that [`encode_pull`] could not have written.
pub fn decode_pull(bytes: &[u8]) -> Result<Pull, WireError> {
    let rest = &mut &*bytes;
    let head = take_head(rest)?;
    let part = if take_bool(rest)? {
        Part::Pending { after: take_u64(rest)? }
    } else {
        let (given, after) = (take_bool(rest)?, take_text(rest, KEY_BYTES_MAX)?);
        if !given && !after.is_empty() {
            return Err(WireError::Range);
        }
        Part::State { after: given.then_some(after) }
    };
    end(rest, Pull { head, part })
}

/// Writes what a follower holds.
#[must_use]
pub fn encode_held(held: &Held) -> Bytes {
    let mut out = Vec::with_capacity(64 + 16 * held.ranges.ranges_len());
    put_held(&mut out, held);
    out.into()
}

/// Reads what a follower holds.
///
/// # Errors
/// [`WireError`] for anything that [`encode_held`] could not have written.
pub fn decode_held(bytes: &[u8]) -> Result<Held, WireError> {
    let rest = &mut &*bytes;
    let held = take_held(rest)?;
    end(rest, held)
}

/// Writes where a follower stands.
#[must_use]
pub fn encode_standing(standing: &Standing) -> Bytes {
    let mut out = Vec::new();
    put_cluster(&mut out, standing.cluster);
    put_epoch(&mut out, standing.promised_other);
    out.put_u8(standing.has_data.into());
    out.put_u8(standing.diverged.is_some().into());
    out.put_u64_le(standing.diverged.unwrap_or(0));
    put_groups(&mut out, &standing.groups);
    put_held(&mut out, &standing.held);
    out.into()
}

/// Reads where a follower stands.
///
/// # Errors
/// [`WireError`] for anything that [`encode_standing`] could not have written.
pub fn decode_standing(bytes: &[u8]) -> Result<Standing, WireError> {
    let rest = &mut &*bytes;
    let (cluster, promised_other, has_data) = (take_cluster(rest)?, take_epoch(rest)?, take_bool(rest)?);
    let (is_diverged, version) = (take_bool(rest)?, take_u64(rest)?);
    if (!is_diverged && version != 0) || version > kv_core::VERSION_MAX {
        return Err(WireError::Range);
    }
    let diverged = is_diverged.then_some(version);
    let groups = take_groups(rest)?;
    let held = take_held(rest)?;
    end(rest, Standing { held, cluster, promised_other, groups, has_data, diverged })
}

/// Writes a part of what a follower has.
#[must_use]
pub fn encode_chunk(chunk: &Chunk) -> Bytes {
    let mut out = with_room_for(16, &chunk.entries);
    out.put_u64_le(chunk.mark);
    out.put_u8(chunk.done.into());
    put_frames(&mut out, &chunk.entries);
    out.into()
}

/// Reads a part of what a follower has.
///
/// # Errors
/// [`WireError`] for anything that [`encode_chunk`] could not have written.
pub fn decode_chunk(bytes: &[u8]) -> Result<Chunk, WireError> {
    let rest = &mut &*bytes;
    let chunk = Chunk { mark: take_u64(rest)?, done: take_bool(rest)?, entries: take_frames(rest)? };
    end(rest, chunk)
}

fn with_room_for(header_bytes: usize, entries: &[Entry]) -> Vec<u8> {
    Vec::with_capacity(header_bytes + entries.iter().map(|entry| entry.frame().len()).sum::<usize>())
}

fn put_head(out: &mut Vec<u8>, head: &Head) {
    put_identity(out, head.to);
    out.put_u64_le(head.cluster.0);
    put_epoch(out, head.epoch);
}

fn take_head(rest: &mut &[u8]) -> Result<Head, WireError> {
    Ok(Head { to: take_identity(rest)?, cluster: ClusterId(take_u64(rest)?), epoch: take_epoch(rest)? })
}

fn put_identity(out: &mut Vec<u8>, identity: Identity) {
    out.put_u64_le(identity.node.0);
    out.put_u64_le(identity.resets);
}

fn take_identity(rest: &mut &[u8]) -> Result<Identity, WireError> {
    Ok(Identity { node: NodeId(take_u64(rest)?), resets: take_u64(rest)? })
}

fn put_cluster(out: &mut Vec<u8>, cluster: Option<ClusterId>) {
    out.put_u8(cluster.is_some().into());
    out.put_u64_le(cluster.map_or(0, |cluster| cluster.0));
}

fn take_cluster(rest: &mut &[u8]) -> Result<Option<ClusterId>, WireError> {
    let (given, cluster) = (take_bool(rest)?, ClusterId(take_u64(rest)?));
    if !given && cluster.0 != 0 {
        return Err(WireError::Range);
    }
    Ok(given.then_some(cluster))
}

fn put_groups(out: &mut Vec<u8>, groups: &[Group]) {
    out.put_u32_le(groups.len() as u32); // at most GROUPS_MAX
    groups.iter().for_each(|group| put_group(out, group));
}

fn take_groups(rest: &mut &[u8]) -> Result<Arc<Vec<Group>>, WireError> {
    let count = take_u32(rest)? as usize;
    if count > GROUPS_MAX {
        return Err(WireError::Range);
    }
    (0..count).map(|_| take_group(rest)).collect::<Result<_, _>>().map(Arc::new)
}

fn put_group(out: &mut Vec<u8>, group: &Group) {
    put_epoch(out, group.since);
    out.put_u32_le(group.write as u32); // at most FOLLOWERS_MAX, as is their number
    out.put_u32_le(group.followers.len() as u32);
    group.followers.iter().for_each(|name| put_text(out, name));
}

fn take_group(rest: &mut &[u8]) -> Result<Group, WireError> {
    let since = take_epoch(rest)?;
    let (write, count) = (take_u32(rest)? as usize, take_u32(rest)? as usize);
    if write > count || count > FOLLOWERS_MAX {
        return Err(WireError::Range);
    }
    let followers = (0..count).map(|_| take_text(rest, NAME_BYTES_MAX)).collect::<Result<_, _>>()?;
    Ok(Group { since, write, followers })
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.put_u32_le(text.len() as u32); // names and keys are short
    out.put_slice(text.as_bytes());
}

fn take_text(rest: &mut &[u8], bytes_max: usize) -> Result<String, WireError> {
    let len = take_u32(rest)? as usize;
    if len > bytes_max {
        return Err(WireError::Range);
    }
    let (text, tail) = rest.split_at_checked(len).ok_or(WireError::Length)?;
    *rest = tail;
    String::from_utf8(text.to_vec()).map_err(|_| WireError::Text)
}

fn put_frames(out: &mut Vec<u8>, entries: &[Entry]) {
    out.put_u32_le(entries.len() as u32); // a batch has a limit far below
    entries.iter().for_each(|entry| out.put_slice(entry.frame()));
}

fn take_frames(rest: &mut &[u8]) -> Result<Vec<Entry>, WireError> {
    let count = take_u32(rest)?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let (entry, len) = Entry::decode(rest)?;
        *rest = rest.get(len..).unwrap_or_default();
        entries.push(entry);
    }
    Ok(entries)
}

fn put_held(out: &mut Vec<u8>, held: &Held) {
    put_identity(out, held.identity);
    out.put_u8(held.counts.into());
    put_epoch(out, held.promised);
    out.put_u64_le(held.mark);
    out.put_u32_le(held.ranges.ranges_len() as u32); // at most HELD_RANGES_MAX
    for range in held.ranges.iter() {
        out.put_u64_le(*range.start());
        out.put_u64_le(*range.end());
    }
}

fn take_held(rest: &mut &[u8]) -> Result<Held, WireError> {
    let (identity, counts) = (take_identity(rest)?, take_bool(rest)?);
    let (promised, mark) = (take_epoch(rest)?, take_u64(rest)?);
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
    Ok(Held { identity, counts, promised, mark, ranges })
}

/// The message, if nothing is left over.
fn end<T>(rest: &&[u8], message: T) -> Result<T, WireError> {
    if rest.is_empty() { Ok(message) } else { Err(WireError::Length) }
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
