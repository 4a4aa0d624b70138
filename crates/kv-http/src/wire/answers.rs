//! What a follower answers; if it refuses, see `refusal`.

use bytes::{BufMut, Bytes};
use kv_core::VERSION_MAX;
use kv_replication::{Chunk, Held, Standing};

use super::error::WireError;
use super::parts::{
    end, put_cluster, put_epoch, put_frames, put_groups, put_held, take_bool, take_cluster, take_epoch,
    take_frames, take_groups, take_held, take_u64, with_room_for,
};

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
    if (!is_diverged && version != 0) || version > VERSION_MAX {
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
    if through > VERSION_MAX {
        return Err(WireError::Range);
    }
    let chunk = Chunk { mark, through, done: take_bool(rest)?, entries: take_frames(rest)? };
    end(rest, chunk)
}
