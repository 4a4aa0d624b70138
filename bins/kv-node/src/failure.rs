//! Why the process ends, and the exit code that goes with it.

use std::io;
use std::sync::Arc;

use kv_replication::StorageError;
use kv_storage::OpenError;
use rand::rngs::SysError;
use thiserror::Error;

use crate::backup::BackupError;
use crate::healthcheck::Unhealthy;
use crate::settings::SettingsError;

/// The end of a process that has failed, in one line.
#[derive(Debug, Error)]
pub enum Failure {
    /// A node was asked for that cannot be.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Its directory is none that it can use.
    #[error("DATA_DIR: {0}")]
    Directory(#[from] OpenError),
    /// It may not listen where it should.
    #[error("{variable}: cannot listen on {host}:{port}: {source}; {way_out}")]
    Listen { variable: &'static str, host: String, port: u16, source: io::Error, way_out: &'static str },
    /// Nobody knows what is on the disk.
    #[error(transparent)]
    Disk(#[from] Arc<StorageError>),
    /// The system refuses what every process may have.
    #[error(transparent)]
    System(#[from] io::Error),
    /// It gives no random numbers.
    #[error(transparent)]
    Random(#[from] SysError),
    /// The node that was asked is not well, or was not found.
    #[error(transparent)]
    Unhealthy(#[from] Unhealthy),
    /// There is no backup, or no node made of one.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// A command cannot use its settings.
    #[error(transparent)]
    Command(SettingsError),
}

impl Failure {
    /// 2: the operator has to change something before a node can start. 3: its disk has failed. 1: all else, and
    /// everything that a command says, since a container's check knows only 0 and 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_) | Self::Directory(_) | Self::Listen { .. } => 2,
            Self::Disk(_) => 3,
            Self::System(_) | Self::Random(_) => 1,
            Self::Unhealthy(_) | Self::Backup(_) | Self::Command(_) => 1,
        }
    }

    /// A port that cannot be bound, with the variable that is to be changed.
    pub fn listen(host: &str, port: u16, source: io::Error) -> Self {
        let (variable, way_out) = match source.kind() {
            io::ErrorKind::AddrInUse => ("PORT", "choose another, or stop what listens there"),
            io::ErrorKind::PermissionDenied => ("PORT", "choose one above 1023"),
            _ => ("HOST", "use an address of this machine"),
        };
        Self::Listen { variable, host: host.to_owned(), port, source, way_out }
    }
}
