//! The log: segments, the newest of which is written.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use kv_replication::StorageError;

use crate::block::{self, Salt};
use crate::directory::Directory;
use crate::error::{OpenError, failed};
use crate::files::{self, Output};
use crate::loader::Loader;
use crate::segment::{self, Head, Segment};
use crate::spare::Spares;

/// What is appended is written at the latest when so much has come together.
/// In tests of this crate little, so that a sync has several blocks to wait for.
const BLOCK_BYTES: usize = if cfg!(test) { 700 } else { 1 << 20 };

/// The log of a directory, at its end.
#[derive(Debug)]
pub(crate) struct Log {
    file: Output,
    path: PathBuf,
    /// Where the next block goes.
    offset: u64,
    /// Segments that are there, the last of which is written.
    segments: VecDeque<u64>,
    /// The first that this process has written: only from there on nothing was torn.
    own_from: u64,
    segment_bytes: u64,
    spares: Spares,
    /// The next block, with room for its header.
    buffer: Vec<u8>,
    /// What the sums of all blocks of the directory begin with.
    salt: Salt,
    /// Its number.
    next: u64,
    /// All blocks up to this one are durable.
    synced: u64,
    /// What was written last says that all before it is durable.
    rests: bool,
    /// Bytes of blocks since the last checkpoint began.
    bytes: u64,
}

/// What a start has found in the log.
#[derive(Debug)]
pub(crate) struct Found {
    salt: Salt,
    segments: VecDeque<u64>,
    next: u64,
    bytes: u64,
    /// Where the last block of the newest segment ends.
    end: u64,
    /// Where a write was cut short.
    pub(crate) torn: Option<PathBuf>,
}

impl Found {
    /// In a new directory.
    pub(crate) fn nothing(salt: Salt) -> Self {
        Self { salt, segments: VecDeque::new(), next: 1, bytes: 0, end: 0, torn: None }
    }
}

/// Reads everything from the segment on that follows the checkpoint, or is the first; it must be there.
pub(crate) fn replay(
    directory: &Directory,
    checkpoint: Option<u64>,
    loader: &mut Loader,
) -> Result<Found, OpenError> {
    let first = checkpoint.unwrap_or(1);
    let mut numbers: Vec<u64> = directory.logs()?.into_iter().filter(|number| *number >= first).collect();
    if let Some(later) = numbers.first().filter(|later| checkpoint.is_none() && **later > 1) {
        let what = "it is missing, or all of the log before it is";
        return Err(OpenError::damaged(&directory.checkpoint(*later), what));
    }
    if numbers.is_empty() {
        numbers.push(first + 1); // so that the first is missed
    }
    let mut found = Found::nothing(Salt::default());
    let mut heads = Vec::new();
    for (number, expected) in numbers.iter().zip(first..) {
        let path = directory.log(*number);
        if *number != expected {
            return Err(OpenError::damaged(&directory.log(expected), "this part of the log is missing"));
        }
        heads.push((*number, segment::read_head(&path, *number)?, path));
    }
    for (index, (number, head, path)) in heads.iter().enumerate() {
        let end = heads.get(index + 1).map(|(_, next, _)| *next);
        let Some(head) = *head else {
            // The newest may have been begun just before a crash; any other was synced.
            if end.is_some() || index == 0 {
                return Err(OpenError::damaged(path, "its header cannot be read"));
            }
            let bytes = std::fs::read(path).map_err(OpenError::io("read", path))?;
            let rest = bytes.get(segment::HEADER_BYTES..).unwrap_or_default();
            refuse_if_durable(path, rest, found.salt, found.next)?;
            break;
        };
        if index == 0 {
            (found.next, found.salt) = (head.first, head.salt);
        } else if head != (Head { first: found.next, salt: found.salt }) {
            return Err(OpenError::damaged(path, "it does not go on where the segment before it ends"));
        }
        found.segments.push_back(*number);
        read_segment(path, end.flatten().map(|next| next.first), loader, &mut found)?;
    }
    Ok(found)
}

/// Whether the first segment has so many blocks.
pub(crate) fn has_blocks(path: &Path, blocks: u64) -> Result<bool, OpenError> {
    let Some(head) = segment::read_head(path, 1)?.filter(|head| head.first == 1) else {
        return Ok(false);
    };
    let mut segment = Segment::open(path, head)?;
    while segment.next <= blocks && segment.read().map_err(OpenError::io("read", path))?.is_some() {}
    Ok(segment.next > blocks)
}

/// Reads one segment, up to block `end` if a later segment says where that is.
fn read_segment(
    path: &Path,
    end: Option<u64>,
    loader: &mut Loader,
    found: &mut Found,
) -> Result<(), OpenError> {
    let mut segment = Segment::open(path, Head { first: found.next, salt: found.salt })?;
    while end.is_none_or(|end| segment.next < end) {
        let Some(block) = segment.read().map_err(OpenError::io("read", path))? else { break };
        found.bytes += (block::HEADER_BYTES + block.payload.len()) as u64;
        loader.take_in(&block.payload).map_err(|what| OpenError::damaged(path, what))?;
    }
    (found.next, found.end) = (segment.next, segment.at);
    if end.is_some_and(|end| segment.next < end) {
        let what = format!("block {} cannot be read, and was durable", segment.next);
        return Err(OpenError::damaged(path, what));
    }
    if end.is_none() {
        let rest = segment.rest().map_err(OpenError::io("read", path))?;
        refuse_if_durable(path, &rest, found.salt, segment.next)?;
        found.torn = block::begins(&rest, found.salt, segment.next).then(|| path.to_owned());
    }
    Ok(())
}

fn refuse_if_durable(path: &Path, rest: &[u8], salt: Salt, number: u64) -> Result<(), OpenError> {
    if block::prove_durable(rest, salt, number) {
        let what = format!("block {number} cannot be read, and was durable");
        return Err(OpenError::damaged(path, what));
    }
    Ok(())
}

impl Log {
    /// Goes on behind what was found, in a new segment: what was torn is never written over, and never
    /// read again.
    pub(crate) fn go_on(directory: &Directory, found: Found, segment_bytes: u64) -> Result<Self, OpenError> {
        // One that was begun just before a crash is begun again.
        let number = found.segments.back().map_or(1, |last| last + 1);
        let path = directory.log(number);
        let spares = Spares::new(directory.spare(), directory.new_spare(), segment_bytes);
        let spares = spares.map_err(OpenError::io("remove", &directory.spare()))?;
        // What a killed process wrote may have come from the memory of the system. From here on it is built
        // upon, so it has to be on the disk before a newer segment says that it is.
        let last = found.segments.back().map(|last| directory.log(*last));
        if let Some(last) = &last {
            Output::open(last).and_then(|last| last.sync_data()).map_err(OpenError::io("sync", last))?;
        }
        let begin = || -> io::Result<Output> {
            // Whatever was there was begun just before a crash, and holds nothing.
            let file = Output::create(&path)?;
            file.reserve(segment_bytes)?;
            segment::begin(&file, number, Head { first: found.next, salt: found.salt })?;
            file.sync_all()?;
            directory.sync()?;
            Ok(file)
        };
        let file = begin().map_err(OpenError::io("write", &path))?;
        // The new segment says where the last one ends: the room behind that is for nothing, and a node
        // that starts again and again would fill the disk with it.
        if let Some(last) = &last {
            Output::open(last).and_then(|it| it.cut(found.end)).map_err(OpenError::io("cut", last))?;
        }
        let mut segments = found.segments;
        segments.push_back(number);
        Ok(Self {
            file,
            path,
            offset: segment::HEADER_BYTES as u64,
            segments,
            own_from: number,
            segment_bytes,
            spares,
            buffer: block::new_buffer(),
            salt: found.salt,
            next: found.next,
            synced: found.next - 1,
            rests: true, // so says the header
            bytes: found.bytes,
        })
    }

    /// Puts something behind all that was put before.
    pub(crate) fn put(
        &mut self,
        directory: &Directory,
        put: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), StorageError> {
        put(&mut self.buffer);
        if self.buffer.len() >= BLOCK_BYTES { self.write(directory) } else { Ok(()) }
    }

    /// All that was put is durable from now on.
    pub(crate) fn sync(&mut self, directory: &Directory) -> Result<(), StorageError> {
        self.write(directory)?;
        if self.synced + 1 < self.next {
            self.file.sync_data().map_err(failed("sync", &self.path))?;
            self.synced = self.next - 1;
        }
        Ok(())
    }

    /// Writes an empty block that says that all before it are durable, if they are.
    pub(crate) fn rest(&mut self, directory: &Directory) -> Result<(), StorageError> {
        let is_durable = self.synced + 1 == self.next && self.buffer.len() == block::HEADER_BYTES;
        if self.rests || !is_durable {
            return Ok(());
        }
        self.write_block(directory)?;
        self.rests = true;
        Ok(())
    }

    /// Begins a new segment, and gives its number: all that was put so far is in older ones.
    pub(crate) fn cut(&mut self, directory: &Directory) -> Result<u64, StorageError> {
        self.write(directory)?;
        self.roll(directory)?;
        self.bytes = 0;
        Ok(self.segments.back().copied().unwrap_or(1))
    }

    /// Lets every segment before this one go.
    pub(crate) fn drop_before(&mut self, directory: &Directory, segment: u64) -> Result<(), StorageError> {
        while let Some(old) = self.segments.pop_front_if(|old| *old < segment) {
            let path = directory.log(old);
            // What was torn could be taken for a block of its next use.
            let kept = old >= self.own_from && self.spares.keep(&path).map_err(failed("rename", &path))?;
            if !kept {
                files::remove(&path).map_err(failed("remove", &path))?;
            }
        }
        Ok(())
    }

    /// Bytes that a start would have to read beside the checkpoint.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes what has been put, as one block.
    fn write(&mut self, directory: &Directory) -> Result<(), StorageError> {
        if self.buffer.len() == block::HEADER_BYTES { Ok(()) } else { self.write_block(directory) }
    }

    fn write_block(&mut self, directory: &Directory) -> Result<(), StorageError> {
        let len = self.buffer.len().next_multiple_of(8) as u64;
        if self.offset + len > self.segment_bytes && self.offset > segment::HEADER_BYTES as u64 {
            self.roll(directory)?;
        }
        block::seal(&mut self.buffer, self.salt, self.next, self.synced);
        self.file.write_all_at(&self.buffer, self.offset).map_err(failed("write", &self.path))?;
        self.offset += self.buffer.len() as u64;
        self.bytes += self.buffer.len() as u64;
        self.next += 1;
        self.rests = false;
        if self.offset > self.segment_bytes / 2 {
            self.spares.prepare().map_err(failed("write", &directory.spare()))?;
        }
        self.buffer.truncate(block::HEADER_BYTES);
        self.buffer.shrink_to(4 * BLOCK_BYTES);
        Ok(())
    }

    /// Goes on in the next segment; the last one is whole and durable.
    fn roll(&mut self, directory: &Directory) -> Result<(), StorageError> {
        self.file.sync_data().map_err(failed("sync", &self.path))?;
        self.synced = self.next - 1;
        let number = self.segments.back().map_or(1, |last| last + 1);
        let path = directory.log(number);
        let mut begin = || -> io::Result<Output> {
            let file = if self.spares.take(&path)? { Output::open(&path)? } else { Output::create(&path)? };
            segment::begin(&file, number, Head { first: self.next, salt: self.salt })?;
            file.sync_all()?;
            directory.sync()?;
            Ok(file)
        };
        self.file = begin().map_err(failed("begin", &path))?;
        self.path = path;
        self.offset = segment::HEADER_BYTES as u64;
        self.rests = true; // so says the header
        self.segments.push_back(number);
        Ok(())
    }
}
