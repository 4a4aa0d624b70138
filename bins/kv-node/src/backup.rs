//! `kv-node backup` and `kv-node restore`.

use std::io;
use std::path::Path;

use hyper::StatusCode;
use kv_core::{NodeId, counted};
use kv_http::{Address, ClientError, Connection, InvalidAddress};
use kv_storage::{BackupError as FileError, BackupFile, BackupSummary, DiskConfig};
use rand::rngs::SysError;
use thiserror::Error;

use crate::random::draw;
use crate::settings::DiskSettings;

/// Why there is no backup, or no node made of one.
#[derive(Debug, Error)]
pub enum BackupError {
    #[error("say what to back up: a node that runs (--from), or DATA_DIR")]
    NoSource,
    #[error("DATA_DIR: say where to restore the backup to")]
    NoTarget,
    #[error("--from: {0:?} is {1}")]
    BadAddress(String, InvalidAddress),
    #[error("{address} answered {status}: {body}")]
    Refused { address: Address, status: StatusCode, body: String },
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    System(#[from] io::Error),
    #[error(transparent)]
    Random(#[from] SysError),
}

/// Backs up the node that runs at `from`, or the one in the data directory that does not run.
pub fn backup(disk: Option<&DiskSettings>, from: Option<&str>, to: &Path) -> Result<(), BackupError> {
    let summary = match (from, disk) {
        (Some(from), _) => {
            let bad = |problem| BackupError::BadAddress(from.to_owned(), problem);
            copy(&from.parse().map_err(bad)?, to)?
        }
        (None, Some(disk)) => kv_storage::write_backup(&disk.directory, to)?,
        (None, None) => return Err(BackupError::NoSource),
    };
    tell("backed up", &summary);
    Ok(())
}

/// Makes the data directory of a new leader.
pub fn restore(disk: Option<&DiskSettings>, from: &Path) -> Result<(), BackupError> {
    let disk = disk.ok_or(BackupError::NoTarget)?;
    let config = DiskConfig { salt: draw()?, ..disk.config.clone() };
    let summary = kv_storage::restore(from, &disk.directory, config, NodeId(draw()?))?;
    tell("restored", &summary);
    Ok(())
}

/// Copies what the node gives; the file is read again before it gets its name.
fn copy(from: &Address, to: &Path) -> Result<BackupSummary, BackupError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut file = BackupFile::create(to)?;
        let (mut failed, mut body) = (None, Vec::new());
        let mut connection = Connection::open(from).await?;
        let response = connection.read("/backup", |piece| {
            // What is too short for a backup may be a refusal, which is worth reading.
            if body.len() < REFUSAL_BYTES_MAX {
                body.extend_from_slice(piece);
            }
            failed = failed.take().or(file.write(piece).err());
        });
        let response = response.await?;
        if response.status != StatusCode::OK {
            let body = String::from_utf8_lossy(&body).into_owned();
            return Err(BackupError::Refused { address: from.clone(), status: response.status, body });
        }
        match failed {
            Some(failed) => Err(failed.into()),
            None => Ok(file.finish()?),
        }
    })
}

const REFUSAL_BYTES_MAX: usize = 4 << 10;

#[expect(clippy::print_stdout, reason = "what the command is for")]
fn tell(what: &str, summary: &BackupSummary) {
    let BackupSummary { digest, bytes } = summary;
    println!(
        "{what}: {} at version {}, digest {:032x}, {bytes} bytes",
        counted(digest.keys, "key", "keys"),
        digest.mark,
        digest.hash
    );
}
