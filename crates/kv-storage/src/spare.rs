//! The next segment, made beside the work.
//!
//! To sync a file that grows, or whose blocks were never written, the file system has to write down more
//! than the data. So a segment is filled with zeros before it is used, or is one that was used before. Only
//! the first one after a start is not: nobody waits for zeros.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use crate::files::{self, Output};

const PIECE_BYTES: usize = 1 << 20;

/// Makes spare segments.
#[derive(Debug)]
pub(crate) struct Spares {
    file: PathBuf,
    unfinished: PathBuf,
    bytes: u64,
    making: Option<JoinHandle<io::Result<()>>>,
    is_there: bool,
}

impl Spares {
    /// What is left of a spare from before is made anew: nobody knows how far it came.
    pub(crate) fn new(file: PathBuf, unfinished: PathBuf, bytes: u64) -> io::Result<Self> {
        for old in [&file, &unfinished] {
            files::remove(old)?;
        }
        Ok(Self { file, unfinished, bytes, making: None, is_there: false })
    }

    /// Begins to make one, unless there is one.
    pub(crate) fn prepare(&mut self) -> io::Result<()> {
        if self.is_there || self.making.is_some() {
            return Ok(());
        }
        let (file, unfinished, bytes) = (self.file.clone(), self.unfinished.clone(), self.bytes);
        let make = move || {
            // On a disk that is full it must not keep what it took.
            fill(&unfinished, bytes).inspect_err(|_| _ = files::remove(&unfinished))?;
            files::rename(&unfinished, &file)
        };
        self.making = Some(thread::Builder::new().name("kv-spare".to_owned()).spawn(make)?);
        Ok(())
    }

    /// Moves the spare to `path`. If there is none, whoever asks makes a file that grows. A disk without
    /// room for a spare is not broken: the log goes on while it has room.
    pub(crate) fn take(&mut self, path: &Path) -> io::Result<bool> {
        if self.making.as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(making) = self.making.take()
        {
            match making.join() {
                Ok(Ok(())) => self.is_there = true,
                Ok(Err(error)) if error.kind() == ErrorKind::StorageFull => {}
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(io::Error::other("the thread that makes spare segments has ended")),
            }
        }
        if std::mem::take(&mut self.is_there) {
            files::rename(&self.file, path)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Keeps a segment that is no longer needed. False if there is a spare already.
    pub(crate) fn keep(&mut self, segment: &Path) -> io::Result<bool> {
        if self.is_there || self.making.is_some() {
            return Ok(false);
        }
        // One that has grown, or was never filled, would be of no use.
        let file = Output::open(segment)?;
        if file.len()? != self.bytes {
            return Ok(false);
        }
        files::rename(segment, &self.file)?;
        self.is_there = true;
        Ok(true)
    }
}

impl Drop for Spares {
    fn drop(&mut self) {
        // Whoever uses the directory next must not find a thread in it.
        if let Some(making) = self.making.take() {
            let _ = making.join();
        }
    }
}

/// A file of so many zeros, all of which are on the disk.
fn fill(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = Output::create(path)?;
    let zeros = vec![0; PIECE_BYTES];
    let mut left = bytes;
    while left > 0 {
        let piece = zeros.get(..usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_BYTES));
        file.write_all(piece.unwrap_or(&zeros))?;
        left = left.saturating_sub(PIECE_BYTES as u64);
    }
    file.sync_all()
}
