//! The files of a data directory, by name.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::error::OpenError;
use crate::files::{self, Output};

/// The form that this build writes.
const FORMAT: u64 = 1;
const FORMAT_FILE: &str = "FORMAT";
const RESTORING_FILE: &str = "RESTORING";
const FORMAT_NAME: &str = "kv-storage";

/// A data directory that this process has for itself.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    /// Gives the directory free when it is dropped.
    _lock: File,
}

impl Directory {
    /// Opens it, or makes a new one of a directory that is empty or not there. Says whether it is new.
    pub(crate) fn open(path: &Path) -> Result<(Self, bool), OpenError> {
        create(path).map_err(OpenError::io("create the directory", path))?;
        if path.join(RESTORING_FILE).exists() {
            return Err(OpenError::Restoring(path.to_owned()));
        }
        if read_format(path)?.is_none() && !holds_nothing(path)? {
            return Err(OpenError::Foreign(path.to_owned()));
        }
        let lock = lock(path)?;
        // Somebody may have made it one of a node before the lock was free.
        let format = read_format(path)?;
        if let Some(found) = format.filter(|found| *found > FORMAT) {
            return Err(OpenError::Newer { directory: path.to_owned(), found, known: FORMAT });
        }
        Ok((Self { path: path.to_owned(), _lock: lock }, format.is_none()))
    }

    /// From now on the directory is one of a node; to be called when all that a new one needs is there.
    pub(crate) fn name_format(&self) -> Result<(), OpenError> {
        let (file, new) = (self.format(), self.path.join("FORMAT.new"));
        let write = || {
            let mut format = Output::create(&new)?;
            format.write_all(format!("{FORMAT_NAME} {FORMAT}\n").as_bytes())?;
            format.sync_all()?;
            files::rename(&new, &file)?;
            self.sync()
        };
        write().map_err(OpenError::io("write", &file))
    }

    /// From now on nobody takes it for the directory of a node: only a part of one is there.
    pub(crate) fn begin_restore(&self) -> Result<(), OpenError> {
        let file = self.path.join(RESTORING_FILE);
        let mark = || {
            Output::create(&file)?.sync_all()?;
            self.sync()
        };
        mark().map_err(OpenError::io("write", &file))
    }

    /// All of the node is there.
    pub(crate) fn end_restore(&self) -> Result<(), OpenError> {
        let file = self.path.join(RESTORING_FILE);
        files::remove(&file).and_then(|()| self.sync()).map_err(OpenError::io("remove", &file))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn log(&self, segment: u64) -> PathBuf {
        self.path.join(format!("log-{segment:012}"))
    }

    pub(crate) fn checkpoint(&self, segment: u64) -> PathBuf {
        self.path.join(format!("checkpoint-{segment:012}"))
    }

    pub(crate) fn new_checkpoint(&self) -> PathBuf {
        self.path.join("checkpoint.new")
    }

    pub(crate) fn spare(&self) -> PathBuf {
        self.path.join("spare")
    }

    pub(crate) fn new_spare(&self) -> PathBuf {
        self.path.join("spare.new")
    }

    /// What says which form the rest has.
    pub(crate) fn format(&self) -> PathBuf {
        self.path.join(FORMAT_FILE)
    }

    /// Numbers of the segments that are there, in order.
    pub(crate) fn logs(&self) -> Result<Vec<u64>, OpenError> {
        self.numbers("log-", Self::log)
    }

    /// Numbers of the checkpoints that are there, in order: usually one.
    pub(crate) fn checkpoints(&self) -> Result<Vec<u64>, OpenError> {
        self.numbers("checkpoint-", Self::checkpoint)
    }

    /// What the directory lists outlives a loss of power from now on.
    pub(crate) fn sync(&self) -> io::Result<()> {
        files::sync_directory(&self.path)
    }

    /// Numbers of the files that have such a name, written as this build writes it.
    fn numbers(&self, prefix: &str, file: impl Fn(&Self, u64) -> PathBuf) -> Result<Vec<u64>, OpenError> {
        let number = |name: &String| {
            let number = name.strip_prefix(prefix)?.parse().ok()?;
            file(self, number).ends_with(name).then_some(number)
        };
        let mut numbers: Vec<u64> = names(&self.path)?.iter().filter_map(number).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }
}

/// Makes the directory, and those above it, if they are not there, so that they outlive a loss of power.
fn create(path: &Path) -> io::Result<()> {
    let new: Vec<_> = path.ancestors().take_while(|it| !it.as_os_str().is_empty() && !it.exists()).collect();
    fs::create_dir_all(path)?;
    for new in new {
        let parent = new.parent().filter(|parent| !parent.as_os_str().is_empty());
        files::sync_directory(parent.unwrap_or(Path::new(".")))?;
    }
    Ok(())
}

/// Whether the directory is that of a node, or was.
pub(crate) fn holds_node(path: &Path) -> bool {
    path.join(FORMAT_FILE).exists()
}

/// The format that a directory has; none if it is no data directory yet.
fn read_format(path: &Path) -> Result<Option<u64>, OpenError> {
    let file = path.join(FORMAT_FILE);
    let text = match fs::read(&file) {
        Ok(text) => String::from_utf8(text).unwrap_or_default(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(OpenError::io("read", &file)(error)),
    };
    let number = text.strip_prefix(FORMAT_NAME).and_then(|rest| rest.trim().parse().ok());
    number
        .filter(|number| *number > 0)
        .map(Some)
        .ok_or_else(|| OpenError::damaged(&file, "it does not name a format"))
}

/// Nothing is there but what a start may have left that was cut short before the format was named.
fn holds_nothing(path: &Path) -> Result<bool, OpenError> {
    let ours = |name: &String| {
        ["LOCK", "FORMAT.new", "spare", "spare.new", "lost+found"].contains(&name.as_str())
            || name == "log-000000000001"
    };
    Ok(names(path)?.iter().all(ours))
}

fn names(path: &Path) -> Result<Vec<String>, OpenError> {
    let list = || -> io::Result<Vec<String>> {
        fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    };
    list().map_err(OpenError::io("list the directory", path))
}

fn lock(path: &Path) -> Result<File, OpenError> {
    let file = path.join("LOCK");
    let lock = File::options().create(true).truncate(false).write(true).open(&file);
    let lock = lock.map_err(OpenError::io("write", &file))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(OpenError::io("lock", &file)(error)),
    }
}
