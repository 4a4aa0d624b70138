//! What a leader sends.

use bytes::{BufMut, Bytes};
use kv_core::{KEY_BYTES_MAX, VERSION_MAX};
use kv_replication::{Append, Claim, Install, Part, Pull, Stage};

use super::error::WireError;
use super::parts::{
    end, put_cluster, put_frames, put_groups, put_head, put_text, take, take_bool, take_cluster, take_frames,
    take_groups, take_head, take_text, take_u64, with_room_for,
};

const APPEND_HEADER_BYTES: usize = 54;

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
    if base > VERSION_MAX || chunk > VERSION_MAX {
        return Err(WireError::Range);
    }
    let (last, through) = (take_bool(rest)?, take_u64(rest)?);
    if through > VERSION_MAX {
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
