//! The question whether two nodes are equal.

use std::time::Duration;

use bytes::{BufMut, Bytes};
use kv_core::{Digest, VERSION_MAX, Version};
use kv_replication::engine::PeerDigest;

use super::error::WireError;
use super::parts::{
    end, put_cluster, put_epoch, put_identity, take, take_bool, take_cluster, take_epoch, take_identity,
    take_u32, take_u64,
};

/// Asks a follower for its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DigestRequest {
    /// At this commit mark.
    pub mark: Version,
    /// How long it may wait for that mark, in whole milliseconds.
    pub wait: Duration,
}

/// Writes the question.
#[must_use]
pub fn encode_digest_request(request: DigestRequest) -> Bytes {
    let mut out = Vec::new();
    out.put_u64_le(request.mark);
    out.put_u32_le(u32::try_from(request.wait.as_millis()).unwrap_or(u32::MAX));
    out.into()
}

/// Reads the question.
///
/// # Errors
/// [`WireError`] for anything that [`encode_digest_request`] could not have written.
pub fn decode_digest_request(bytes: &[u8]) -> Result<DigestRequest, WireError> {
    let rest = &mut &*bytes;
    let (mark, wait) = (take_u64(rest)?, take_u32(rest)?);
    if mark > VERSION_MAX {
        return Err(WireError::Range);
    }
    end(rest, DigestRequest { mark, wait: Duration::from_millis(wait.into()) })
}

/// Writes the answer.
#[must_use]
pub fn encode_digest(said: &PeerDigest) -> Bytes {
    let mut out = Vec::new();
    put_identity(&mut out, said.identity);
    put_cluster(&mut out, said.cluster);
    put_epoch(&mut out, said.promised);
    out.put_u64_le(said.mark);
    out.put_u8(said.digest.is_some().into());
    if let Some(Digest { keys, hash, .. }) = said.digest {
        out.put_u64_le(keys as u64);
        out.put_u128_le(hash);
    }
    out.into()
}

/// Reads the answer.
///
/// # Errors
/// [`WireError`] for anything that [`encode_digest`] could not have written.
pub fn decode_digest(bytes: &[u8]) -> Result<PeerDigest, WireError> {
    let rest = &mut &*bytes;
    let (identity, cluster, promised) = (take_identity(rest)?, take_cluster(rest)?, take_epoch(rest)?);
    let mark = take_u64(rest)?;
    if mark > VERSION_MAX {
        return Err(WireError::Range);
    }
    let digest = if take_bool(rest)? {
        let keys = usize::try_from(take_u64(rest)?).map_err(|_| WireError::Range)?;
        Some(Digest { mark, keys, hash: take(rest).map(u128::from_le_bytes)? })
    } else {
        None
    };
    end(rest, PeerDigest { identity, cluster, promised, mark, digest })
}

#[cfg(test)]
mod tests {
    use kv_core::{Epoch, NodeId};
    use kv_replication::{ClusterId, Identity};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            mark in 0..=VERSION_MAX,
            ids in any::<[u64; 3]>(),
            counter in 0..1_u64 << 53,
            wait in any::<u32>(),
            content in prop::option::of((any::<usize>(), any::<u128>())),
        ) {
            let request = DigestRequest { mark, wait: Duration::from_millis(wait.into()) };
            prop_assert_eq!(decode_digest_request(&encode_digest_request(request)), Ok(request));
            let said = PeerDigest {
                identity: Identity { node: NodeId(ids[0]), resets: ids[1] },
                cluster: content.map(|_| ClusterId(ids[2])),
                promised: Epoch { counter, node: NodeId(ids[2]) },
                mark,
                digest: content.map(|(keys, hash)| Digest { mark, keys, hash }),
            };
            let bytes = encode_digest(&said);
            prop_assert_eq!(decode_digest(&bytes), Ok(said));
            for short in 0..bytes.len() {
                prop_assert!(decode_digest(&bytes[..short]).is_err());
            }
        }

        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(said) = decode_digest(&bytes) {
                prop_assert_eq!(&encode_digest(&said)[..], &bytes[..]);
            }
            if let Ok(request) = decode_digest_request(&bytes) {
                prop_assert_eq!(&encode_digest_request(request)[..], &bytes[..]);
            }
        }
    }
}
