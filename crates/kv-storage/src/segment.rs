//! One file of the log.
//!
//! It begins with a header of 40 bytes: a checksum over the rest of it, a magic number, the number of the
//! segment, the number of its first block, and the salt of its blocks. Blocks follow. It ends where the next segment
//! says that it begins: whatever is behind that was never finished.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use twox_hash::XxHash3_64;

use crate::block::{self, Block, Salt};
use crate::error::OpenError;
use crate::files::Output;

pub(crate) const HEADER_BYTES: usize = 40;
const MAGIC: u64 = u64::from_le_bytes(*b"kv-log 1");

/// What the header of a segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The number of its first block.
    pub(crate) first: u64,
    /// What the sums of its blocks begin with.
    pub(crate) salt: Salt,
}

/// A segment that is being read.
#[derive(Debug)]
pub(crate) struct Segment {
    file: BufReader<File>,
    salt: Salt,
    /// The block that comes next.
    pub(crate) next: u64,
    /// Where it begins.
    pub(crate) at: u64,
}

/// Begins segment `number`.
pub(crate) fn begin(file: &Output, number: u64, head: Head) -> io::Result<()> {
    let mut header = [0; HEADER_BYTES];
    let words = [MAGIC, number, head.first, head.salt.0];
    for (slot, word) in header.chunks_exact_mut(8).skip(1).zip(words) {
        slot.copy_from_slice(&word.to_le_bytes());
    }
    let checksum = XxHash3_64::oneshot(header.get(8..).unwrap_or_default()).to_le_bytes();
    header.iter_mut().zip(checksum).for_each(|(slot, byte)| *slot = byte);
    file.write_all_at(&header, 0)
}

/// Reads the header of what should be segment `number`. None if it is not whole, or that of another use of
/// the file.
pub(crate) fn read_head(path: &Path, number: u64) -> Result<Option<Head>, OpenError> {
    let mut header = [0; HEADER_BYTES];
    let file = File::open(path).map_err(OpenError::io("open", path))?;
    match file.read_exact_at(&mut header, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read.map_err(OpenError::io("read", path))?,
    }
    let word = |at: usize| {
        header.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u64::from_le_bytes(*bytes))
    };
    let right = word(0) == XxHash3_64::oneshot(header.get(8..).unwrap_or_default());
    Ok((right && word(8) == MAGIC && word(16) == number)
        .then_some(Head { first: word(24), salt: Salt(word(32)) }))
}

impl Segment {
    /// Opens a segment whose header is right.
    pub(crate) fn open(path: &Path, Head { first, salt }: Head) -> Result<Self, OpenError> {
        let mut file = File::open(path).map_err(OpenError::io("open", path))?;
        file.seek(SeekFrom::Start(HEADER_BYTES as u64)).map_err(OpenError::io("read", path))?;
        Ok(Self {
            file: BufReader::with_capacity(256 << 10, file),
            salt,
            next: first,
            at: HEADER_BYTES as u64,
        })
    }

    /// The next block; none at the end of what is whole.
    pub(crate) fn read(&mut self) -> io::Result<Option<Block>> {
        let block = block::read(&mut self.file, self.salt, self.next)?;
        if let Some(block) = &block {
            self.next += 1;
            self.at += (block::HEADER_BYTES + block.payload.len()).next_multiple_of(8) as u64;
        }
        Ok(block)
    }

    /// Everything behind the last block that was read.
    pub(crate) fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        self.file.seek(SeekFrom::Start(self.at))?;
        self.file.read_to_end(&mut rest)?;
        Ok(rest)
    }
}
