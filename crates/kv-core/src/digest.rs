//! One number for all that a store shows.

use twox_hash::XxHash3_128;

use crate::id::Version;

/// A fingerprint of all live keys, values and versions at a mark.
///
/// Digests of two stores may be compared only if their marks are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Everything up to this version was in the store, and nothing above it.
    pub mark: Version,
    /// How many live keys were hashed.
    pub keys: usize,
    /// XXH3-128 over `key length, key, version, value length, value` in key order.
    pub hash: u128,
}

/// Makes a [`Digest`] piece by piece.
///
/// The keys come in order, each once; the digest does not depend on how many come at a time.
#[derive(Default)]
pub struct Digester {
    hasher: XxHash3_128,
    keys: usize,
}

impl Digester {
    /// A digester that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self { hasher: XxHash3_128::new(), keys: 0 }
    }

    /// The next live key.
    pub fn add(&mut self, key: &str, version: Version, value: &[u8]) {
        self.keys += 1;
        self.hasher.write(&(key.len() as u64).to_le_bytes());
        self.hasher.write(key.as_bytes());
        self.hasher.write(&version.to_le_bytes());
        self.hasher.write(&(value.len() as u64).to_le_bytes());
        self.hasher.write(value);
    }

    /// The digest of all that was added. The caller says at which mark; see [`Digest`].
    #[must_use]
    pub fn finish(&self, mark: Version) -> Digest {
        Digest { mark, keys: self.keys, hash: self.hasher.finish_128() }
    }
}
