//! Checkpoints: the state of a node in one file, in the form of a log.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kv_core::{Entry, Version};
use kv_replication::{Checkpoint, CheckpointHead, Record, StorageError};

use crate::block::{self, Salt};
use crate::error::{OpenError, failed};
use crate::files::{self, Output};
use crate::loader::Loader;
use crate::step::{self, Step};

/// In tests of this crate little, so that there are several.
const BLOCK_BYTES: usize = if cfg!(test) { 700 } else { 1 << 20 };
/// So much is left to the system before it has to be on the disk: a sync of the log that comes in
/// between never waits for more.
const UNSYNCED_BYTES_MAX: usize = 8 << 20;

/// A file of blocks that is written once, from its begin to its end.
#[derive(Debug)]
pub(crate) struct Writer {
    file: Output,
    buffer: Vec<u8>,
    next: u64,
    unsynced: usize,
    /// Bytes written.
    pub(crate) bytes: u64,
}

/// A checkpoint on its way. It has another name until it is whole.
#[derive(Debug)]
pub(crate) struct NewCheckpoint {
    writer: Writer,
    unfinished: PathBuf,
    file: PathBuf,
    head: CheckpointHead,
}

impl Writer {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: Output::create(path)?, buffer: block::new_buffer(), next: 1, unsynced: 0, bytes: 0 })
    }

    pub(crate) fn put(&mut self, put: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        put(&mut self.buffer);
        if self.buffer.len() >= BLOCK_BYTES { self.write() } else { Ok(()) }
    }

    /// Entries of the state, in pieces that a reader takes.
    pub(crate) fn put_state(&mut self, state: &[Entry]) -> io::Result<()> {
        step::pieces(state).try_for_each(|part| self.put(|out| step::put_part(out, part)))
    }

    /// Everything is there, and durable.
    pub(crate) fn finish(mut self) -> io::Result<u64> {
        self.put(step::put_complete)?;
        self.write()?;
        self.file.sync_all()?;
        Ok(self.bytes)
    }

    fn write(&mut self) -> io::Result<()> {
        if self.buffer.len() == block::HEADER_BYTES {
            return Ok(());
        }
        block::seal(&mut self.buffer, Salt::default(), self.next, 0);
        self.file.write_all(&self.buffer)?;
        self.next += 1;
        self.bytes += self.buffer.len() as u64;
        self.unsynced += self.buffer.len();
        self.buffer.truncate(block::HEADER_BYTES);
        if self.unsynced >= UNSYNCED_BYTES_MAX {
            self.unsynced = 0;
            self.file.sync_data()?;
        }
        Ok(())
    }
}

impl NewCheckpoint {
    pub(crate) fn begin(
        unfinished: PathBuf,
        file: PathBuf,
        head: CheckpointHead,
    ) -> Result<Self, StorageError> {
        let begin = || {
            let mut writer = Writer::create(&unfinished)?;
            let meta = Record::Meta(Arc::new(head.meta.clone()));
            writer.put(|out| step::put_record(out, &meta))?;
            writer.put(|out| step::put_begin(out, head.mark))?;
            Ok(writer)
        };
        let writer = begin().map_err(failed("write", &unfinished))?;
        Ok(Self { writer, unfinished, file, head })
    }
}

impl Checkpoint for NewCheckpoint {
    fn add(&mut self, state: &[Entry]) -> Result<(), StorageError> {
        self.writer.put_state(state).map_err(failed("write", &self.unfinished))
    }

    fn finish(self: Box<Self>, through: Version) -> Result<(), StorageError> {
        let Self { mut writer, unfinished, file, head } = *self;
        let finish = || {
            writer.put(|out| step::put_end(out, through.max(head.whole_from)))?;
            for pending in step::pieces(&head.pending) {
                writer.put(|out| step::put_entries(out, pending))?;
            }
            writer.finish()?;
            files::rename(&unfinished, &file)?;
            file.parent().map_or(Ok(()), files::sync_directory)
        };
        finish().map_err(failed("write", &unfinished))
    }
}

/// Loads a checkpoint; gives its bytes.
pub(crate) fn load(path: &Path, loader: &mut Loader) -> Result<u64, OpenError> {
    read(path, |step| loader.take(step))
}

/// Reads a file of blocks to its end, which must be there; gives its bytes.
pub(crate) fn read(path: &Path, mut each: impl FnMut(Step) -> Result<(), String>) -> Result<u64, OpenError> {
    let file = File::open(path).map_err(OpenError::io("open", path))?;
    let bytes = file.metadata().map_err(OpenError::io("read", path))?.len();
    let mut file = BufReader::with_capacity(256 << 10, file);
    let mut number = 0;
    loop {
        number += 1;
        let block = block::read(&mut file, Salt::default(), number).map_err(OpenError::io("read", path))?;
        let Some(block) = block else {
            return Err(OpenError::damaged(path, format!("block {number} cannot be read")));
        };
        let mut rest = block.payload.as_slice();
        while !rest.is_empty() {
            let step = step::take(&mut rest).map_err(|error| OpenError::damaged(path, error.to_string()))?;
            if matches!(step, Step::Complete) {
                return Ok(bytes);
            }
            each(step).map_err(|what| OpenError::damaged(path, what))?;
        }
    }
}
