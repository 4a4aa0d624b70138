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

mod answers;
mod digest;
mod error;
mod parts;
pub(crate) mod refusal;
mod requests;

pub use answers::{decode_chunk, decode_held, decode_standing, encode_chunk, encode_held, encode_standing};
pub use digest::{DigestRequest, decode_digest, decode_digest_request, encode_digest, encode_digest_request};
pub use error::WireError;
pub use requests::{
    decode_append, decode_claim, decode_install, decode_pull, encode_append, encode_claim, encode_install,
    encode_pull,
};

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
