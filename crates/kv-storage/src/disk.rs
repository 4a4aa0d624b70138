//! The durable storage.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kv_core::NodeId;
use kv_replication::{Checkpoint, CheckpointHead, ClusterId, Image, Record, Storage, StorageError};

use crate::block::Salt;
use crate::checkpoint::{self, NewCheckpoint};
use crate::directory::{self, Directory};
use crate::error::{OpenError, failed};
use crate::files;
use crate::loader::Loader;
use crate::log::{self, Log};
use crate::step;

/// How much, on a disk.
#[derive(Clone, Debug)]
pub struct DiskConfig {
    /// Bytes of one segment of the log; a single larger batch still finds room.
    pub segment_bytes: u64,
    /// A checkpoint is worth its price when the log has grown by so many bytes, and by as many as the last
    /// checkpoint has. So the directory holds at most two checkpoints, a log of the size of one or of this,
    /// whichever is more, what is written while a checkpoint is, and four segments that are not full.
    pub checkpoint_log_bytes: u64,
    /// Below so many free bytes a node takes no more.
    pub disk_reserve_bytes: u64,
    /// Mixed into the sums of the log of a directory that is new, so that no value can be made to look like a
    /// part of the log: draw it, and tell nobody. A directory that is there keeps its own.
    pub salt: u64,
}

impl Default for DiskConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 16 << 20,
            checkpoint_log_bytes: 64 << 20,
            disk_reserve_bytes: 128 << 20,
            salt: 0,
        }
    }
}

/// A directory of one node.
#[derive(Debug)]
pub struct DiskStorage {
    directory: Directory,
    config: DiskConfig,
    log: Log,
    /// The checkpoint that counts: the segment that follows it.
    checkpoint: Option<u64>,
    /// Its bytes.
    checkpoint_bytes: u64,
    /// The one that is being written.
    begun: Option<u64>,
}

/// What was found in a directory.
#[derive(Debug)]
pub struct Opened {
    /// To go on with.
    pub storage: DiskStorage,
    /// The node that was there, or the new one.
    pub image: Image,
    /// A write that was cut short was found at the end of this file. None of it was ever acknowledged.
    pub torn: Option<PathBuf>,
}

impl DiskStorage {
    /// Opens the directory, or makes a new one for the node `fresh` if there is nothing yet.
    ///
    /// # Errors
    /// [`OpenError`]; nothing of what the directory holds has changed then.
    pub fn open(path: &Path, config: DiskConfig, fresh: NodeId) -> Result<Opened, OpenError> {
        let (directory, is_new) = Directory::open(path)?;
        if is_new { Self::found(directory, config, fresh) } else { Self::load(directory, config) }
    }

    /// Begins a node that will be filled from a backup; none if the directory has one already. Until
    /// [`DiskStorage::end_restore`] nobody else takes it for one.
    pub(crate) fn begin_restore(
        path: &Path,
        config: DiskConfig,
        fresh: NodeId,
    ) -> Result<Option<Self>, OpenError> {
        let (directory, is_new) = Directory::open(path)?;
        if !is_new {
            return Ok(None);
        }
        directory.begin_restore()?;
        Ok(Some(Self::found(directory, config, fresh)?.storage))
    }

    pub(crate) fn end_restore(&self) -> Result<(), OpenError> {
        self.directory.end_restore()
    }

    /// What a start would find.
    pub(crate) fn read_again(&self) -> Result<Image, OpenError> {
        Ok(read(&self.directory)?.0.image)
    }

    /// As [`DiskStorage::open`], for a directory that is there: what it holds, and nothing is written.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn look(path: &Path) -> Result<Image, OpenError> {
        if !path.is_dir() {
            let source = std::io::Error::from(std::io::ErrorKind::NotFound);
            return Err(OpenError::io("open", path)(source));
        }
        if !directory::holds_node(path) {
            return Err(OpenError::NoNode(path.to_owned()));
        }
        let (directory, _) = Directory::open(path)?;
        Ok(read(&directory)?.0.image)
    }

    /// Refuses the directory of another cluster than `wanted`. One that is not part of any yet is fine.
    ///
    /// # Errors
    /// [`OpenError::OtherCluster`].
    pub fn require_cluster(&self, image: &Image, wanted: ClusterId) -> Result<(), OpenError> {
        match image.meta.cluster.filter(|found| *found != wanted) {
            Some(found) => {
                Err(OpenError::OtherCluster { directory: self.directory.path().to_owned(), found, wanted })
            }
            None => Ok(()),
        }
    }

    fn load(directory: Directory, config: DiskConfig) -> Result<Opened, OpenError> {
        let (loader, found, checkpoint, checkpoint_bytes) = read(&directory)?;
        tidy(&directory, checkpoint)?;
        let torn = found.torn.clone();
        let log = Log::go_on(&directory, found, config.segment_bytes)?;
        let storage = Self { directory, config, log, checkpoint, checkpoint_bytes, begun: None };
        Ok(Opened { storage, image: loader.image, torn })
    }

    /// The first words of a new directory.
    fn found(directory: Directory, config: DiskConfig, fresh: NodeId) -> Result<Opened, OpenError> {
        for old in directory.logs()? {
            let old = directory.log(old);
            // The format is named before anything else is written behind the first words.
            if log::has_blocks(&old, 2)? {
                return Err(OpenError::damaged(&directory.format(), "it is missing, and there is a log"));
            }
            files::remove(&old).map_err(OpenError::io("remove", &old))?;
        }
        let log = Log::go_on(&directory, log::Found::nothing(Salt(config.salt)), config.segment_bytes)?;
        let mut storage = Self { directory, config, log, checkpoint: None, checkpoint_bytes: 0, begun: None };
        let image = Image::new(fresh);
        let words = vec![Record::Meta(Arc::new(image.meta.clone()))];
        let written = storage.append(words).and_then(|()| storage.sync());
        let path = storage.directory.path();
        written.map_err(|error| OpenError::io("write", path)(std::io::Error::other(error)))?;
        storage.directory.name_format()?;
        Ok(Opened { storage, image, torn: None })
    }
}

/// Reads all that a directory holds.
fn read(directory: &Directory) -> Result<(Loader, log::Found, Option<u64>, u64), OpenError> {
    let mut loader = Loader::new();
    let checkpoint = directory.checkpoints()?.pop();
    let mut bytes = 0;
    if let Some(segment) = checkpoint {
        bytes = checkpoint::load(&directory.checkpoint(segment), &mut loader)?;
    }
    let found = log::replay(directory, checkpoint, &mut loader)?;
    Ok((loader, found, checkpoint, bytes))
}

/// Removes what a crash may have left behind.
fn tidy(directory: &Directory, checkpoint: Option<u64>) -> Result<(), OpenError> {
    // A process that was killed may have given the checkpoint its name just before: that name has to last
    // before anything goes that it stands for.
    directory.sync().map_err(OpenError::io("sync", directory.path()))?;
    let kept = checkpoint.unwrap_or(0);
    let old_logs = directory.logs()?.into_iter().filter(|it| *it < kept).map(|it| directory.log(it));
    let old_checkpoints =
        directory.checkpoints()?.into_iter().filter(|it| *it < kept).map(|it| directory.checkpoint(it));
    for file in old_logs.chain(old_checkpoints).chain([directory.new_checkpoint()]) {
        files::remove(&file).map_err(OpenError::io("remove", &file))?;
    }
    Ok(())
}

impl Storage for DiskStorage {
    fn append(&mut self, records: Vec<Record>) -> Result<(), StorageError> {
        for record in records {
            match record {
                Record::Entries(entries) => {
                    for piece in step::pieces(&entries) {
                        self.log.put(&self.directory, |out| step::put_entries(out, piece))?;
                    }
                }
                Record::Replace { base, through, entries } => {
                    self.log.put(&self.directory, |out| step::put_begin(out, base))?;
                    for piece in step::pieces(&entries) {
                        self.log.put(&self.directory, |out| step::put_part(out, piece))?;
                    }
                    self.log.put(&self.directory, |out| step::put_end(out, through))?;
                }
                small => self.log.put(&self.directory, |out| step::put_record(out, &small))?,
            }
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        self.log.sync(&self.directory)
    }

    fn rest(&mut self) -> Result<(), StorageError> {
        self.log.rest(&self.directory)
    }

    fn wants_checkpoint(&self) -> bool {
        let enough = self.config.checkpoint_log_bytes.max(self.checkpoint_bytes);
        self.begun.is_none() && self.log.bytes() >= enough && self.has_room_for_checkpoint()
    }

    fn begin_checkpoint(&mut self, head: CheckpointHead) -> Result<Box<dyn Checkpoint>, StorageError> {
        let segment = self.log.cut(&self.directory)?;
        self.begun = Some(segment);
        let (unfinished, file) = (self.directory.new_checkpoint(), self.directory.checkpoint(segment));
        Ok(Box::new(NewCheckpoint::begin(unfinished, file, head)?))
    }

    fn end_checkpoint(&mut self) -> Result<(), StorageError> {
        let Some(segment) = self.begun.take() else { return Ok(()) };
        let file = self.directory.checkpoint(segment);
        self.checkpoint_bytes = std::fs::metadata(&file).map_err(failed("read", &file))?.len();
        if let Some(old) = self.checkpoint.replace(segment) {
            let old = self.directory.checkpoint(old);
            files::remove(&old).map_err(failed("remove", &old))?;
        }
        self.log.drop_before(&self.directory, segment)
    }

    fn is_low(&mut self) -> Result<bool, StorageError> {
        Ok(self.free_bytes()? < self.config.disk_reserve_bytes)
    }
}

impl DiskStorage {
    fn free_bytes(&self) -> Result<u64, StorageError> {
        let path = self.directory.path();
        let disk = rustix::fs::statvfs(path)
            .map_err(|error| failed("ask for the free space of", path)(error.into()))?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// A checkpoint that the disk has no room for is not begun: the log, which still has some, goes on.
    fn has_room_for_checkpoint(&self) -> bool {
        let needed = self.config.disk_reserve_bytes / 2 + self.checkpoint_bytes + self.log.bytes();
        self.free_bytes().is_ok_and(|free| free >= needed)
    }
}
