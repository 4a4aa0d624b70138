//! The bytes between leader and follower, version 4.
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
//! held      node u64 | resets u64 | counts u8 | promised u64 u64 | full u8 | mark u64 | count u32 | (first u64, last u64) …
//! standing  cluster u8 u64 | promised in u8 u64 | other promise u64 u64 | data u8 | diverged u8 u64 | groups | held
//! chunk     mark u64 | through u64 | done u8 | frames
//! digest    node u64 | resets u64 | cluster u8 u64 | promised u64 u64 | mark u64 | given u8, keys u64, hash u128
//! ```
//!
//! with `groups` = count u32, and of each `since u64 u64 | W u32 | count u32, texts`; `text` = length u32,
//! UTF-8; `frames` = count u32 and the frames of [`Entry`](kv_core::Entry). A refusal is a JSON error like any other, with the facts in fields of their own.

mod digest;
mod parts;

use bytes::{BufMut, Bytes};
use kv_core::{FrameError, KEY_BYTES_MAX};
use kv_replication::{Append, Chunk, Claim, Held, Install, Part, Pull, Stage, Standing};
use thiserror::Error;

use self::parts::{
    end, put_cluster, put_epoch, put_frames, put_groups, put_head, put_held, put_text, take, take_bool,
    take_cluster, take_epoch, take_frames, take_groups, take_head, take_held, take_text, take_u64,
    with_room_for,
};

pub use digest::{DigestRequest, decode_digest, decode_digest_request, encode_digest, encode_digest_request};

/// The content type of requests and answers; another version will have another name.
pub const CONTENT_TYPE: &str = "application/vnd.kv.replication.v4";

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
    put_cluster(&mut out, standing.promised_in);
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
    let (cluster, promised_in) = (take_cluster(rest)?, take_cluster(rest)?);
    let (promised_other, has_data) = (take_epoch(rest)?, take_bool(rest)?);
    let (is_diverged, version) = (take_bool(rest)?, take_u64(rest)?);
    if (!is_diverged && version != 0) || version > kv_core::VERSION_MAX {
        return Err(WireError::Range);
    }
    let diverged = is_diverged.then_some(version);
    let groups = take_groups(rest)?;
    let held = take_held(rest)?;
    end(rest, Standing { held, cluster, promised_in, promised_other, groups, has_data, diverged })
}

/// Writes a part of what a follower has.
#[must_use]
pub fn encode_chunk(chunk: &Chunk) -> Bytes {
    let mut out = with_room_for(24, &chunk.entries);
    out.put_u64_le(chunk.mark);
    out.put_u64_le(chunk.through);
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
    let (mark, through) = (take_u64(rest)?, take_u64(rest)?);
    if through > kv_core::VERSION_MAX {
        return Err(WireError::Range);
    }
    let chunk = Chunk { mark, through, done: take_bool(rest)?, entries: take_frames(rest)? };
    end(rest, chunk)
}
