//! Backups: the state of a node at one version, in one file.
//!
//! The file has the form of a [checkpoint](crate) with a digest at its end. A backup is no node: it has
//! promised nothing to anybody, and belongs to no cluster. Whoever restores it begins a new history.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use kv_core::{Digest, Digester, Entry, NodeId, Operation, Version};
use kv_replication::{Checkpoint, CheckpointHead, Image, Meta, Storage, StorageError};
use thiserror::Error;

use crate::checkpoint::{self, Writer};
use crate::loader::Loader;
use crate::{DiskConfig, DiskStorage, OpenError, step};

/// Entries that are handed over at once when a backup is restored.
const PIECE_ENTRIES: usize = 1_024;

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
    /// What was copied is not what there was.
    #[error("the copy differs from its source: {copy:?} instead of {source_digest:?}; try again")]
    Differs {
        /// What was copied.
        copy: Digest,
        /// What should have been.
        source_digest: Digest,
    },
    /// A part of the state is missing on the node.
    #[error(
        "the node holds only a part of what was written up to version {0}; start it, and take the backup from it while it runs"
    )]
    Partial(Version),
}

/// Writes a backup piece by piece. The file gets its name when it is whole.
pub struct BackupWriter {
    writer: Writer,
    digester: Digester,
    file: PathBuf,
    unfinished: PathBuf,
}

impl BackupWriter {
    /// Begins a backup of the state at `mark`.
    ///
    /// # Errors
    /// [`BackupError`] if the file is there already, or cannot be written.
    pub fn create(file: &Path, mark: Version) -> Result<Self, BackupError> {
        if file.exists() {
            return Err(BackupError::Exists(file.to_owned()));
        }
        let mut unfinished = file.as_os_str().to_owned();
        unfinished.push(".unfinished");
        let unfinished = PathBuf::from(unfinished);
        let begin = || {
            let mut writer = Writer::create(&unfinished)?;
            writer.put(|out| step::put_begin(out, mark))?;
            Ok(writer)
        };
        let writer = begin().map_err(write_error(file))?;
        Ok(Self { writer, digester: Digester::new(), file: file.to_owned(), unfinished })
    }

    /// The next live entries, in key order.
    ///
    /// # Errors
    /// [`BackupError::Write`].
    pub fn add(&mut self, state: &[Entry]) -> Result<(), BackupError> {
        for entry in state {
            if let Operation::Put { key, value } = entry.operation() {
                self.digester.add(key, entry.version(), value);
            }
        }
        self.writer.put_state(state).map_err(write_error(&self.file))
    }

    /// All is there, and amounts to `expected`.
    ///
    /// # Errors
    /// [`BackupError::Differs`] if it does not: then there is no backup.
    pub fn finish(mut self, expected: Digest) -> Result<BackupSummary, BackupError> {
        let copy = self.digester.finish(expected.mark);
        if copy != expected {
            let _ = fs::remove_file(&self.unfinished); // it has another name, and nobody will take it for one
            return Err(BackupError::Differs { copy, source_digest: expected });
        }
        let end = || {
            self.writer.put(|out| step::put_end(out, expected.mark))?;
            self.writer.put(|out| step::put_digest(out, expected))?;
            let bytes = self.writer.finish()?;
            fs::rename(&self.unfinished, &self.file)?;
            let directory = self.file.parent().filter(|parent| !parent.as_os_str().is_empty());
            File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
            Ok(bytes)
        };
        let bytes = end().map_err(write_error(&self.file))?;
        Ok(BackupSummary { digest: expected, bytes })
    }
}

/// Backs up the node of a directory that nobody uses: all that it holds under its own leadership or
/// under the last leader that it has promised, whether it knows that it is committed or not.
///
/// # Errors
/// [`BackupError`].
pub fn write_backup(directory: &Path, file: &Path) -> Result<BackupSummary, BackupError> {
    let image = settle(DiskStorage::look(directory)?)?;
    let mut writer = BackupWriter::create(file, image.mark)?;
    let mut piece = Vec::with_capacity(PIECE_ENTRIES);
    for (_, item) in image.store.scan("", None) {
        piece.push(item.entry.clone());
        if piece.len() == PIECE_ENTRIES {
            writer.add(&piece)?;
            piece.clear();
        }
    }
    writer.add(&piece)?;
    writer.finish(image.store.digest(image.mark))
}

/// Reads a backup, and compares it with its own digest.
///
/// # Errors
/// [`BackupError::Open`] if the file cannot be read, or is damaged.
pub fn read_backup(file: &Path) -> Result<(Image, BackupSummary), BackupError> {
    let mut loader = Loader::new();
    let bytes = checkpoint::load(file, &mut loader)?;
    let image = loader.image;
    let Some(digest) = loader.digest else {
        return Err(OpenError::damaged(file, "it has no digest, and so is no backup").into());
    };
    let copy = image.store.digest(image.mark);
    if copy != digest {
        return Err(BackupError::Differs { copy, source_digest: digest });
    }
    Ok((image, BackupSummary { digest, bytes }))
}

/// Makes a new node of a backup, in a directory that is empty. A leader that starts there begins a new
/// history with it, as soon as all its followers are there and empty.
///
/// # Errors
/// [`BackupError`].
pub fn restore(file: &Path, directory: &Path, node: NodeId) -> Result<BackupSummary, BackupError> {
    let (image, summary) = read_backup(file)?;
    if directory.join("FORMAT").exists() {
        return Err(BackupError::NotEmpty(directory.to_owned()));
    }
    let mut storage = DiskStorage::open(directory, DiskConfig::default(), node)?.storage;
    let (mark, pending) = (image.mark, Vec::new());
    let head = CheckpointHead { meta: Meta::new(node), mark, whole_from: mark, pending };
    let mut checkpoint: Box<dyn Checkpoint> = storage.begin_checkpoint(head)?;
    let mut piece = Vec::with_capacity(PIECE_ENTRIES);
    for (_, item) in image.store.scan("", None) {
        piece.push(item.entry.clone());
        if piece.len() == PIECE_ENTRIES {
            checkpoint.add(&piece)?;
            piece.clear();
        }
    }
    checkpoint.add(&piece)?;
    checkpoint.finish(mark)?;
    storage.end_checkpoint()?;
    let digest = DiskStorage::digest(&storage)?;
    if digest != summary.digest {
        return Err(BackupError::Differs { copy: digest, source_digest: summary.digest });
    }
    Ok(summary)
}

/// The state at one version: with all that the node holds above its mark without a gap.
fn settle(mut image: Image) -> Result<Image, BackupError> {
    let (promised, is_leader) = (image.meta.promised, image.meta.authoritative.is_some());
    let held = image.pending.values().filter(|entry| is_leader || entry.epoch() == promised);
    let held = held.zip(image.mark + 1..).take_while(|(entry, next)| entry.version() == *next);
    let last = held.last().map_or(image.mark, |(entry, _)| entry.version());
    image.pending.retain(|_, entry| is_leader || entry.epoch() == promised);
    image.apply(kv_replication::Record::Mark(last));
    if image.mark < image.whole_from || image.meta.diverged.is_some() {
        return Err(BackupError::Partial(image.whole_from.max(image.mark)));
    }
    Ok(image)
}

fn write_error(file: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let file = file.to_owned();
    move |source| BackupError::Write { file, source }
}
