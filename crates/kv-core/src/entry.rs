//! Commands and entries, as one shared frame each.
//!
//! A frame is the wire form (little endian):
//!
//! ```text
//! 0        8              16           24    25       27         31   31+k    31+k+v
//! | version | epoch counter | epoch node | kind | key len | value len | key | value |
//! ```

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::id::{Epoch, NodeId, VERSION_MAX, Version};
use crate::key::{InvalidKey, Key};

/// The longest value that a frame can hold, in bytes. Nodes set their own, lower limit.
pub const VALUE_BYTES_MAX: usize = 64 << 20;

const EPOCH_AT: usize = 8;
const KIND_AT: usize = 24;
const HEADER_BYTES: usize = 31;

const NO_OP: u8 = 0;
const PUT: u8 = 1;
const DELETE: u8 = 2;
const CLEAR: u8 = 3;

/// What a command does, borrowed from its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation<'a> {
    /// The key gets the value.
    Put {
        /// The key, checked.
        key: &'a str,
        /// The value: any bytes.
        value: &'a [u8],
    },
    /// The key is gone; a tombstone remembers the version.
    Delete {
        /// The key, checked.
        key: &'a str,
    },
    /// Everything older is gone.
    Clear,
    /// Nothing: fills a hole in the order.
    NoOp,
}

impl<'a> Operation<'a> {
    /// The key that it is about; a clear and a no-op have none.
    #[must_use]
    pub fn key(self) -> Option<&'a str> {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => Some(key),
            Self::Clear | Self::NoOp => None,
        }
    }
}

/// What a client wants, not yet in any order. One allocation, which [`Command::into_entry`] reuses.
#[derive(Clone, PartialEq, Eq)]
pub struct Command(Arc<[u8]>);

/// A command with its place in the order. Cloning shares the frame.
///
/// Two entries are equal if their frames are: same epoch, version and content.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry(Arc<[u8]>);

/// A value longer than [`VALUE_BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the value has {bytes} bytes, at most {VALUE_BYTES_MAX} are possible")]
pub struct ValueTooLarge {
    /// Its length in bytes.
    pub bytes: usize,
}

/// Why bytes are not an entry's frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The bytes end inside the frame.
    #[error("the frame is cut short")]
    Truncated,
    /// A kind that this build does not know, or lengths that do not go with the kind.
    #[error("the frame has no known kind and shape")]
    BadKind,
    /// A version outside 1 to [`VERSION_MAX`].
    #[error("the frame's version is out of range")]
    BadVersion,
    /// A key that breaks the rules.
    #[error("the frame's key is invalid: {0}")]
    BadKey(#[from] InvalidKey),
    /// A value over [`VALUE_BYTES_MAX`].
    #[error("the frame's value is too large")]
    ValueTooLarge,
}

impl Command {
    /// `key` gets `value`.
    ///
    /// # Errors
    /// [`ValueTooLarge`] if no frame can hold the value.
    pub fn put(key: Key<'_>, value: &[u8]) -> Result<Self, ValueTooLarge> {
        if value.len() > VALUE_BYTES_MAX {
            return Err(ValueTooLarge { bytes: value.len() });
        }
        Ok(Self::frame(PUT, key.as_str(), value))
    }

    /// `key` is gone.
    #[must_use]
    pub fn delete(key: Key<'_>) -> Self {
        Self::frame(DELETE, key.as_str(), &[])
    }

    /// Everything older is gone.
    #[must_use]
    pub fn clear() -> Self {
        Self::frame(CLEAR, "", &[])
    }

    /// Nothing happens, but a version is used.
    #[must_use]
    pub fn no_op() -> Self {
        Self::frame(NO_OP, "", &[])
    }

    /// What the command does.
    #[must_use]
    pub fn operation(&self) -> Operation<'_> {
        operation(&self.0)
    }

    /// The length of the frame in bytes, which is what the entry will cost in the log.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        self.0.len()
    }

    /// Gives the command its place. No allocation, unless a clone of the command is still around.
    #[must_use]
    pub fn into_entry(mut self, epoch: Epoch, version: Version) -> Entry {
        let frame = Arc::make_mut(&mut self.0);
        let identity = [version, epoch.counter, epoch.node.0];
        for (slot, word) in frame.chunks_exact_mut(8).zip(identity) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        Entry(self.0)
    }

    fn frame(kind: u8, key: &str, value: &[u8]) -> Self {
        let mut frame = Vec::with_capacity(HEADER_BYTES + key.len() + value.len());
        frame.resize(KIND_AT, 0);
        frame.push(kind);
        // Keys are at most KEY_BYTES_MAX and values at most VALUE_BYTES_MAX: both fit.
        frame.extend_from_slice(&(key.len() as u16).to_le_bytes());
        frame.extend_from_slice(&(value.len() as u32).to_le_bytes());
        frame.extend_from_slice(key.as_bytes());
        frame.extend_from_slice(value);
        Self(frame.into())
    }
}

impl Entry {
    /// Its place in the order.
    #[must_use]
    pub fn version(&self) -> Version {
        word(&self.0, 0)
    }

    /// The epoch under which it was written.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        Epoch { counter: word(&self.0, EPOCH_AT), node: NodeId(word(&self.0, EPOCH_AT + 8)) }
    }

    /// What it does.
    #[must_use]
    pub fn operation(&self) -> Operation<'_> {
        operation(&self.0)
    }

    /// The same command in the same place, written again by the leader of `epoch`. Copies the frame.
    #[must_use]
    pub fn rewritten(&self, epoch: Epoch) -> Self {
        Command(Arc::from(&*self.0)).into_entry(epoch, self.version())
    }

    /// The wire form; [`Entry::decode`] reads it back.
    #[must_use]
    pub fn frame(&self) -> &[u8] {
        &self.0
    }

    /// Reads the entry at the start of `bytes`; also says how many bytes it took.
    ///
    /// The frame is copied, so the entry does not keep the buffer that it came in.
    ///
    /// # Errors
    /// [`FrameError`] if `bytes` do not begin with a frame that [`Entry::frame`] could have made.
    pub fn decode(bytes: &[u8]) -> Result<(Self, usize), FrameError> {
        let header = bytes.get(..HEADER_BYTES).ok_or(FrameError::Truncated)?;
        let (key_len, value_len) = lengths(header);
        if value_len > VALUE_BYTES_MAX {
            return Err(FrameError::ValueTooLarge);
        }
        let frame_len = HEADER_BYTES + key_len + value_len;
        let frame = bytes.get(..frame_len).ok_or(FrameError::Truncated)?;
        match (kind(frame), key_len, value_len) {
            (PUT, _, _) | (DELETE, _, 0) => {
                Key::from_bytes(key_bytes(frame))?;
            }
            (CLEAR | NO_OP, 0, 0) => {}
            _ => return Err(FrameError::BadKind),
        }
        if !(1..=VERSION_MAX).contains(&word(frame, 0)) {
            return Err(FrameError::BadVersion);
        }
        Ok((Self(frame.into()), frame_len))
    }

    /// The bytes of its key, in the order of `str`; empty for a clear and a no-op.
    pub(crate) fn key_bytes(&self) -> &[u8] {
        key_bytes(&self.0)
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.operation())
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{:?} {}", self.version(), self.epoch(), self.operation())
    }
}

/// Short and without values, which do not belong in traces and logs.
impl fmt::Display for Operation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put { key, value } => write!(f, "put {key} ({} bytes)", value.len()),
            Self::Delete { key } => write!(f, "delete {key}"),
            Self::Clear => write!(f, "clear"),
            Self::NoOp => write!(f, "no-op"),
        }
    }
}

// The readers below serve frames that were built or checked above; on any other bytes they give
// zeros and empty slices rather than a panic.

fn word(frame: &[u8], at: usize) -> u64 {
    frame.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn kind(frame: &[u8]) -> u8 {
    frame.get(KIND_AT).copied().unwrap_or(NO_OP)
}

fn lengths(frame: &[u8]) -> (usize, usize) {
    match frame.get(KIND_AT + 1..).and_then(|rest| rest.first_chunk()) {
        Some(&[k0, k1, v0, v1, v2, v3]) => {
            (u16::from_le_bytes([k0, k1]).into(), u32::from_le_bytes([v0, v1, v2, v3]) as usize)
        }
        None => (0, 0),
    }
}

fn key_bytes(frame: &[u8]) -> &[u8] {
    frame.get(HEADER_BYTES..HEADER_BYTES + lengths(frame).0).unwrap_or_default()
}

fn operation(frame: &[u8]) -> Operation<'_> {
    let key = std::str::from_utf8(key_bytes(frame)).unwrap_or_default();
    match kind(frame) {
        PUT => {
            let value = frame.get(HEADER_BYTES + key.len()..).unwrap_or_default();
            Operation::Put { key, value }
        }
        DELETE => Operation::Delete { key },
        CLEAR => Operation::Clear,
        _ => Operation::NoOp,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EPOCH: Epoch = Epoch { counter: 3, node: NodeId(9) };

    #[test]
    fn a_command_becomes_an_entry_in_place() {
        let command = Command::put(Key::parse("a").unwrap(), b"1").unwrap();
        let before = command.0.as_ptr();
        let entry = command.into_entry(EPOCH, 5);
        assert_eq!(entry.0.as_ptr(), before, "no new allocation");
        assert_eq!((entry.version(), entry.epoch()), (5, EPOCH));
        assert_eq!(entry.operation(), Operation::Put { key: "a", value: b"1" });
    }

    #[test]
    fn a_debug_line_never_shows_a_value() {
        let entry = Command::put(Key::parse("a").unwrap(), b"secret").unwrap().into_entry(EPOCH, 5);
        assert_eq!(format!("{entry:?}"), "5@e3.n9 put a (6 bytes)");
    }

    #[test]
    fn frames_that_nobody_could_have_made_are_refused() {
        let good = Command::delete(Key::parse("k").unwrap()).into_entry(EPOCH, 1);
        let with = |at: usize, byte: u8| {
            let mut frame = good.frame().to_vec();
            frame[at] = byte;
            Entry::decode(&frame)
        };
        assert_eq!(with(0, 0), Err(FrameError::BadVersion));
        assert_eq!(with(7, 0xff), Err(FrameError::BadVersion));
        assert_eq!(with(KIND_AT, 9), Err(FrameError::BadKind));
        assert_eq!(with(KIND_AT, CLEAR), Err(FrameError::BadKind));
        assert_eq!(with(HEADER_BYTES, b'\n'), Err(FrameError::BadKey(InvalidKey::ControlCharacter)));
        assert_eq!(with(30, 0xff), Err(FrameError::ValueTooLarge));
        assert_eq!(Entry::decode(&good.frame()[..31]), Err(FrameError::Truncated));
    }

    fn any_command() -> impl Strategy<Value = Command> {
        prop_oneof![
            ("[^\\p{Cc}]{1,40}", prop::collection::vec(any::<u8>(), 0..100))
                .prop_map(|(key, value)| Command::put(Key::parse(&key).unwrap(), &value).unwrap()),
            "[a-z/]{1,9}".prop_map(|key| Command::delete(Key::parse(&key).unwrap())),
            Just(Command::clear()),
            Just(Command::no_op()),
        ]
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            command in any_command(),
            version in 1..=VERSION_MAX,
            rest in prop::collection::vec(any::<u8>(), 0..9),
        ) {
            let entry = command.into_entry(EPOCH, version);
            let bytes = [entry.frame(), &rest].concat();
            prop_assert_eq!(Entry::decode(&bytes), Ok((entry.clone(), entry.frame().len())));
        }

        #[test]
        fn any_bytes_are_an_entry_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok((entry, len)) = Entry::decode(&bytes) {
                prop_assert_eq!(entry.frame(), &bytes[..len]);
            }
        }
    }
}
