//! Blocks: what a log is made of.
//!
//! Little endian, each block at a multiple of eight bytes:
//!
//! ```text
//! 0          8       12            16       24       32
//! | checksum | check | payload len | number | synced | payload | padding |
//! ```
//!
//! The checksum is XXH3-64 over all that follows it, without the padding; the check is 32 bits of that of the
//! three words behind it. Numbers count the blocks of a log from 1, over all its segments. `synced` is
//! the newest block that was durable before this one was written.
//!
//! Both sums begin with a [`Salt`], which nobody outside knows: what a client stores cannot be made to look
//! like a block of the log that holds it.

use std::hash::Hasher;
use std::io::{self, ErrorKind, Read};

use twox_hash::XxHash3_64;

pub(crate) const HEADER_BYTES: usize = 32;
/// Above the largest single entry, by far.
const PAYLOAD_BYTES_MAX: usize = 80 << 20;
const ALIGN: usize = 8;

/// What the sums of a log begin with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Salt(pub(crate) u64);

/// A block that was read.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) payload: Vec<u8>,
}

/// The fields of a header.
#[derive(Clone, Copy, Debug)]
struct Header {
    checksum: u64,
    len: usize,
    number: u64,
    synced: u64,
}

/// A buffer that has room for a header in front.
pub(crate) fn new_buffer() -> Vec<u8> {
    vec![0; HEADER_BYTES]
}

/// Makes a block of the payload that has been put behind the room for the header.
pub(crate) fn seal(buffer: &mut Vec<u8>, salt: Salt, number: u64, synced: u64) {
    let len = (buffer.len() - HEADER_BYTES) as u32; // whoever fills the buffer keeps to the limit
    put(buffer, 12, &len.to_le_bytes());
    put(buffer, 16, &number.to_le_bytes());
    put(buffer, 24, &synced.to_le_bytes());
    let check = check(salt, buffer);
    put(buffer, 8, &check.to_le_bytes());
    let checksum = XxHash3_64::oneshot_with_seed(salt.0, buffer.get(8..).unwrap_or_default());
    put(buffer, 0, &checksum.to_le_bytes());
    buffer.resize(buffer.len().next_multiple_of(ALIGN), 0);
}

/// Reads the next block, which must be `number`; none if there is no such block, whole and right.
pub(crate) fn read(from: &mut impl Read, salt: Salt, number: u64) -> io::Result<Option<Block>> {
    let mut header = [0; HEADER_BYTES];
    if !fill(from, &mut header)? {
        return Ok(None);
    }
    let Some(Header { checksum, len, .. }) = parse(salt, &header).filter(|header| header.number == number)
    else {
        return Ok(None);
    };
    // A length that is wrong is found out by the end of the file, or by the checksum: no room is made
    // for more than there is.
    let mut payload = Vec::new();
    let read = from.take(len.next_multiple_of(ALIGN) as u64).read_to_end(&mut payload)?;
    if read < len {
        return Ok(None);
    }
    payload.truncate(len);
    let right = checksum == hash(salt, &header, &payload);
    Ok(right.then_some(Block { payload }))
}

/// Whether the bytes hold a later block that says that `number` was durable when it was written.
pub(crate) fn prove_durable(bytes: &[u8], salt: Salt, number: u64) -> bool {
    (0..bytes.len()).step_by(ALIGN).any(|at| {
        let Some((header, rest)) = bytes.get(at..).and_then(|rest| rest.split_first_chunk()) else {
            return false;
        };
        parse(salt, header).is_some_and(|it| {
            let payload = rest.get(..it.len);
            let proves = it.number > number && it.synced >= number;
            proves && payload.is_some_and(|payload| it.checksum == hash(salt, header, payload))
        })
    })
}

/// Whether the bytes begin like a block with this number: then it is one that was torn.
pub(crate) fn begins(bytes: &[u8], salt: Salt, number: u64) -> bool {
    let header = bytes.first_chunk().and_then(|header| parse(salt, header));
    header.is_some_and(|header| header.number == number)
}

fn hash(salt: Salt, header: &[u8; HEADER_BYTES], payload: &[u8]) -> u64 {
    let mut hasher = XxHash3_64::with_seed(salt.0);
    hasher.write(header.get(8..).unwrap_or_default());
    hasher.write(payload);
    hasher.finish()
}

fn parse(salt: Salt, header: &[u8; HEADER_BYTES]) -> Option<Header> {
    let word =
        |at: usize| header.get(at..).and_then(|rest| rest.first_chunk()).map(|it| u64::from_le_bytes(*it));
    let half =
        |at: usize| header.get(at..).and_then(|rest| rest.first_chunk()).map(|it| u32::from_le_bytes(*it));
    let len = half(12)? as usize;
    let fields = Header { checksum: word(0)?, len, number: word(16)?, synced: word(24)? };
    (half(8)? == check(salt, header) && len <= PAYLOAD_BYTES_MAX).then_some(fields)
}

/// Of the length and the two numbers of a header.
fn check(salt: Salt, header: &[u8]) -> u32 {
    // The upper half would do as well.
    XxHash3_64::oneshot_with_seed(salt.0, header.get(12..HEADER_BYTES).unwrap_or_default()) as u32
}

/// Fills the buffer; false if the end comes before.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn put(buffer: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(slot) = buffer.get_mut(at..at + bytes.len()) {
        slot.copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SALT: Salt = Salt(9);

    fn block(number: u64, synced: u64, payload: &[u8]) -> Vec<u8> {
        salted(SALT, number, synced, payload)
    }

    fn salted(salt: Salt, number: u64, synced: u64, payload: &[u8]) -> Vec<u8> {
        let mut buffer = new_buffer();
        buffer.extend_from_slice(payload);
        seal(&mut buffer, salt, number, synced);
        buffer
    }

    #[test]
    fn only_a_later_block_that_says_so_proves_that_one_was_durable() {
        let torn = vec![0xee; 64];
        let with = |later: Vec<u8>| [torn.clone(), later].concat();
        assert!(prove_durable(&with(block(8, 7, b"x")), SALT, 7));
        assert!(!prove_durable(&with(block(8, 6, b"x")), SALT, 7), "written together with the torn one");
        assert!(!prove_durable(&with(block(6, 5, b"x")), SALT, 7), "left over from another use of the file");
        assert!(!prove_durable(&with(salted(Salt(8), 8, 7, b"x")), SALT, 7), "a value of a client");
        let mut damaged = block(8, 7, b"x");
        damaged[HEADER_BYTES] ^= 1;
        assert!(!prove_durable(&with(damaged), SALT, 7));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(payload in prop::collection::vec(any::<u8>(), 0..200), number in 1..9_u64) {
            let bytes = [block(number, number - 1, &payload), block(number + 1, number, b"next")].concat();
            let mut rest = bytes.as_slice();
            let first = read(&mut rest, SALT, number).unwrap().unwrap();
            prop_assert_eq!(first.payload, payload);
            prop_assert_eq!(read(&mut rest, SALT, number + 1).unwrap().unwrap().payload, b"next");
            prop_assert!(read(&mut rest, SALT, number + 2).unwrap().is_none());
        }

        #[test]
        fn a_changed_bit_is_noticed(payload in prop::collection::vec(any::<u8>(), 0..60), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
            let mut bytes = block(3, 2, &payload);
            let at = at.index(HEADER_BYTES + payload.len());
            bytes[at] ^= 1_u8 << bit;
            prop_assert!(read(&mut bytes.as_slice(), SALT, 3).unwrap().is_none());
        }
    }
}
