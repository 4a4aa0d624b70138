//! Backups: the state of a node at one version, in one file.
//!
//! The file has the form of a [checkpoint](crate) with a digest at its end. A backup is no node: it has
//! promised nothing to anybody, and belongs to no cluster. Whoever restores it begins a new history.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use kv_core::{Digest, Digester, Entry, NodeId, Operation, Version};
use kv_replication::{Checkpoint, CheckpointHead, Image, Meta, Record, Storage, StorageError};
use thiserror::Error;

use crate::block::{self, Salt};
use crate::checkpoint;
use crate::disk::{DiskConfig, DiskStorage};
use crate::error::OpenError;
use crate::step::{self, STEP_ENTRIES_MAX, Step};

/// What a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupSummary {
    /// All live keys, at which version, and their fingerprint.
    pub digest: Digest,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Why there is no backup, or no restored directory.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The directory, or the file of the backup, cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is such a file already.
    #[error("{} is there already; choose another name", .0.display())]
    Exists(PathBuf),
    /// The directory that a backup should go into has a node in it.
    #[error("{} holds a node already; a backup is restored into an empty directory", .0.display())]
    NotEmpty(PathBuf),
    /// What is in the file cannot be trusted.
    #[error("{} is damaged, or is no backup: {what}; use another backup", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The file could not be written.
    #[error("cannot write {}: {source}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The directory could not be written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// What is there does not amount to what the backup says.
    #[error("{} is damaged: its keys have the digest {found:?}, and should have {expected:?}", file.display())]
    Differs {
        /// The file.
        file: PathBuf,
        /// What its keys amount to.
        found: Digest,
        /// What they should.
        expected: Digest,
    },
    /// A part of the state is missing on the node.
    #[error(
        "the node shows only a part of what was written up to version {0}; start it, and take the backup from it while it runs"
    )]
    Partial(Version),
}

/// Makes the bytes of a backup, piece by piece.
pub struct BackupEncoder {
    mark: Version,
    next: u64,
    digester: Digester,
}

/// The file of a backup on its way. It gets its name when it is whole, and has been read again.
#[derive(Debug)]
pub struct BackupFile {
    writing: File,
    is_named: bool,
    unfinished: PathBuf,
    file: PathBuf,
}

impl BackupEncoder {
    /// Begins a backup of the state at `mark`; the first bytes come with it.
    #[must_use]
    pub fn begin(mark: Version) -> (Self, Vec<u8>) {
        let mut encoder = Self { mark, next: 1, digester: Digester::new() };
        let bytes = encoder.block(|out| step::put_begin(out, mark));
        (encoder, bytes)
    }

    /// The next live entries, in key order.
    #[must_use]
    pub fn part(&mut self, state: &[Entry]) -> Vec<u8> {
        state.iter().for_each(|entry| add(&mut self.digester, entry));
        step::pieces(state).flat_map(|piece| self.block(|out| step::put_part(out, piece))).collect()
    }

    /// That was all.
    #[must_use]
    pub fn end(mut self) -> (Vec<u8>, Digest) {
        let digest = self.digester.finish(self.mark);
        let bytes = self.block(|out| {
            step::put_end(out, digest.mark);
            step::put_digest(out, digest);
            step::put_complete(out);
        });
        (bytes, digest)
    }

    fn block(&mut self, put: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut buffer = block::new_buffer();
        put(&mut buffer);
        block::seal(&mut buffer, Salt::default(), self.next, 0);
        self.next += 1;
        buffer
    }
}

impl BackupFile {
    /// Begins the file, which must not be there.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn create(file: &Path) -> Result<Self, BackupError> {
        if file.exists() {
            return Err(BackupError::Exists(file.to_owned()));
        }
        let mut unfinished = file.as_os_str().to_owned();
        unfinished.push(".unfinished");
        let unfinished = PathBuf::from(unfinished);
        let writing = File::create(&unfinished).map_err(write_error(&unfinished))?;
        Ok(Self { writing, is_named: false, unfinished, file: file.to_owned() })
    }

    /// The next bytes that a [`BackupEncoder`] has made, here or elsewhere.
    ///
    /// # Errors
    /// [`BackupError::Write`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.writing.write_all(bytes).map_err(write_error(&self.unfinished))
    }

    /// That was all: the file is read again, and gets its name.
    ///
    /// # Errors
    /// [`BackupError`] if it is not a whole backup: then there is none of that name.
    pub fn finish(mut self) -> Result<BackupSummary, BackupError> {
        self.writing.sync_all().map_err(write_error(&self.unfinished))?;
        let summary = verify(&self.unfinished)?;
        let name = || {
            fs::rename(&self.unfinished, &self.file)?;
            let directory = self.file.parent().filter(|parent| !parent.as_os_str().is_empty());
            File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
        };
        name().map_err(write_error(&self.file))?;
        self.is_named = true;
        Ok(summary)
    }
}

/// What did not become a backup is not left behind.
impl Drop for BackupFile {
    fn drop(&mut self) {
        if !self.is_named {
            let _ = fs::remove_file(&self.unfinished);
        }
    }
}

/// Backs up the node of a directory that nobody uses: what it knows to be committed, and what it holds
/// above that without a gap, under its own leadership or under the last leader that it has promised. That
/// may have been acknowledged, so it is not left out; some of it may not have been.
///
/// # Errors
/// [`BackupError`].
pub fn write_backup(directory: &Path, file: &Path) -> Result<BackupSummary, BackupError> {
    let image = settle(DiskStorage::look(directory)?)?;
    let mut writing = BackupFile::create(file)?;
    let (mut encoder, begin) = BackupEncoder::begin(image.mark);
    writing.write(&begin)?;
    let mut state = image.store.scan("", None).map(|(_, item)| item.entry.clone()).peekable();
    while state.peek().is_some() {
        let part: Vec<Entry> = state.by_ref().take(STEP_ENTRIES_MAX).collect();
        for piece in step::pieces(&part) {
            writing.write(&encoder.part(piece))?;
        }
    }
    writing.write(&encoder.end().0)?;
    writing.finish()
}

/// Reads a backup to its end, and compares its keys with its own digest.
///
/// # Errors
/// [`BackupError`] if it cannot be read, or is damaged.
pub fn verify(file: &Path) -> Result<BackupSummary, BackupError> {
    let (mut digester, mut expected) = (Digester::new(), None);
    let mut mark = 0;
    let bytes = read(file, |step| {
        match step {
            Step::Begin { base } => mark = base,
            Step::Part(entries) if entries.iter().any(|entry| entry.version() > mark) => {
                return Err("a key is newer than the version that it is of".to_owned());
            }
            Step::Part(entries) => entries.iter().for_each(|entry| add(&mut digester, entry)),
            Step::Digest(digest) => expected = Some(digest),
            _ => {}
        }
        Ok(())
    })?;
    Ok(BackupSummary { digest: compare(file, &digester, expected)?, bytes })
}

/// Makes a new node of a backup, in a directory that is empty. A leader that starts there begins a new
/// history with it, as soon as all its followers are there and empty.
///
/// # Errors
/// [`BackupError`].
pub fn restore(
    file: &Path,
    directory: &Path,
    config: DiskConfig,
    node: NodeId,
) -> Result<BackupSummary, BackupError> {
    let summary = verify(file)?; // before anything is written
    let mark = summary.digest.mark;
    let mut storage = DiskStorage::begin_restore(directory, config, node)?
        .ok_or_else(|| BackupError::NotEmpty(directory.to_owned()))?;
    let head = CheckpointHead { meta: Meta::new(node), mark, whole_from: mark, pending: Vec::new() };
    let mut checkpoint: Box<dyn Checkpoint> = storage.begin_checkpoint(head)?;
    let mut failed = None;
    read(file, |step| {
        if let Step::Part(entries) = step {
            failed = failed.take().or(checkpoint.add(&entries).err());
        }
        Ok(())
    })?;
    if let Some(failed) = failed {
        return Err(failed.into());
    }
    checkpoint.finish(mark)?;
    storage.end_checkpoint()?;
    let image = storage.read_again()?;
    let found = image.store.digest(image.mark);
    if found != summary.digest {
        let file = directory.to_owned();
        return Err(BackupError::Differs { file, found, expected: summary.digest });
    }
    storage.end_restore()?;
    Ok(summary)
}

/// Reads all of a backup, step by step; gives its bytes.
fn read(file: &Path, each: impl FnMut(Step) -> Result<(), String>) -> Result<u64, BackupError> {
    checkpoint::read(file, each).map_err(|error| match error {
        // The words of a data directory would be bad advice here.
        OpenError::Damaged { file, what } => BackupError::Damaged { file, what },
        other => other.into(),
    })
}

fn compare(file: &Path, digester: &Digester, expected: Option<Digest>) -> Result<Digest, BackupError> {
    let Some(expected) = expected else {
        return Err(BackupError::Damaged { file: file.to_owned(), what: "it has no digest".to_owned() });
    };
    let found = digester.finish(expected.mark);
    if found != expected {
        return Err(BackupError::Differs { file: file.to_owned(), found, expected });
    }
    Ok(found)
}

fn add(digester: &mut Digester, entry: &Entry) {
    if let Operation::Put { key, value } = entry.operation() {
        digester.add(key, entry.version(), value);
    }
}

/// The state at one version: with all that the node holds above its mark without a gap.
fn settle(mut image: Image) -> Result<Image, BackupError> {
    let promised = image.meta.promised;
    // A leader that has promised another node since has a tail that may have been replaced.
    let is_leader = image.meta.authoritative.is_some() && promised.node == image.meta.identity.node;
    image.pending.retain(|_, entry| is_leader || entry.epoch() == promised);
    let held = image.pending.keys().zip(image.mark + 1..).take_while(|(version, next)| **version == *next);
    let last = held.last().map_or(image.mark, |(version, _)| *version);
    image.apply(Record::Mark(last));
    if image.mark < image.whole_from || image.meta.diverged.is_some() {
        return Err(BackupError::Partial(image.whole_from.max(image.mark)));
    }
    Ok(image)
}

fn write_error(file: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let file = file.to_owned();
    move |source| BackupError::Write { file, source }
}
