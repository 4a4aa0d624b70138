//! `kv-node backup` and `kv-node restore`.

use std::error::Error;
use std::path::Path;

use hyper::StatusCode;
use kv_core::NodeId;
use kv_http::{Address, Connection};
use kv_storage::{BackupFile, BackupSummary, DiskConfig};

use crate::node::draw;
use crate::settings::DiskSettings;

/// Backs up the node that runs at `from`, or the one in the data directory that does not run.
pub fn backup(disk: Option<&DiskSettings>, from: Option<&str>, to: &Path) -> Result<(), Box<dyn Error>> {
    let summary = match (from, disk) {
        (Some(from), _) => {
            copy(&from.parse().map_err(|problem| format!("--from: {from:?} is {problem}"))?, to)?
        }
        (None, Some(disk)) => kv_storage::write_backup(&disk.directory, to)?,
        (None, None) => return Err("say what to back up: a node that runs (--from), or DATA_DIR".into()),
    };
    tell("backed up", &summary);
    Ok(())
}

/// Makes the data directory of a new leader.
pub fn restore(disk: Option<&DiskSettings>, from: &Path) -> Result<(), Box<dyn Error>> {
    let disk = disk.ok_or("DATA_DIR: say where to restore the backup to")?;
    let config = DiskConfig { salt: draw()?, ..disk.config.clone() };
    let summary = kv_storage::restore(from, &disk.directory, config, NodeId(draw()?))?;
    tell("restored", &summary);
    Ok(())
}

/// Copies what the node gives; the file is read again before it gets its name.
fn copy(from: &Address, to: &Path) -> Result<BackupSummary, Box<dyn Error>> {
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
            return Err(
                format!("{from} answered {}: {}", response.status, String::from_utf8_lossy(&body)).into()
            );
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
        "{what}: {} keys at version {}, digest {:032x}, {bytes} bytes",
        digest.keys, digest.mark, digest.hash
    );
}
