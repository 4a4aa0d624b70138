//! Why a directory cannot be used.

use std::io;
use std::path::{Path, PathBuf};

use kv_replication::{ClusterId, StorageError};
use thiserror::Error;

/// Why a data directory cannot be opened. Each says what to do.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process uses it.
    #[error("{} is in use by another process; stop that one, or choose another directory", .0.display())]
    Locked(PathBuf),
    /// It was written by a newer build.
    #[error(
        "{} has format {found}, and this build knows formats up to {known}; use the build that wrote it, or a newer one",
        directory.display()
    )]
    Newer {
        /// The directory.
        directory: PathBuf,
        /// What its `FORMAT` says.
        found: u64,
        /// The newest that this build knows.
        known: u64,
    },
    /// A backup was being restored into it, and that did not come to its end.
    #[error("a restore into {} was cut short; empty it, and restore the backup again", .0.display())]
    Restoring(PathBuf),
    /// There is something in it, and not the data of a node.
    #[error("{} is not empty, and is no data directory; choose another one, or empty it", .0.display())]
    Foreign(PathBuf),
    /// There is nothing in it that could be looked at.
    #[error("{} holds no data of a node; name the directory of one", .0.display())]
    NoNode(PathBuf),
    /// It belongs to another cluster than the one that was asked for.
    #[error(
        "{} belongs to cluster {found}, not to {wanted}; choose the directory of that cluster, or correct the setting",
        directory.display()
    )]
    OtherCluster {
        /// The directory.
        directory: PathBuf,
        /// Whose data it holds.
        found: ClusterId,
        /// Whose data it should hold.
        wanted: ClusterId,
    },
    /// What is in it cannot be trusted.
    #[error(
        "{} is damaged: {what}. Restore a backup, or move the directory away: a follower that starts empty is filled again by its leader, and a leader asks its followers",
        file.display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The system refuses.
    #[error("{}: cannot {what}: {source}", path.display())]
    Io {
        /// What was to be done.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl OpenError {
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }

    pub(crate) fn damaged(file: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { file: file.to_owned(), what: what.into() }
    }
}

/// An error of a storage at work.
pub(crate) fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StorageError {
    let path = path.to_owned();
    move |source| StorageError { what: format!("cannot {what} {}", path.display()), source: source.into() }
}
