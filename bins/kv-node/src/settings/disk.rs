//! The disk of a node.

use std::path::PathBuf;

use kv_replication::ClusterId;
use kv_storage::DiskConfig;

use super::{SettingsError, error, given, number};
use crate::args::Args;

/// Less would write checkpoints without end.
const CHECKPOINT_LOG_BYTES_MIN: u64 = 1 << 20;

/// Where a node keeps what it must not forget.
#[derive(Clone, Debug)]
pub struct DiskSettings {
    pub directory: PathBuf,
    /// Whose data it must hold.
    pub cluster: Option<ClusterId>,
    pub config: DiskConfig,
}

impl DiskSettings {
    /// None: the node keeps nothing but memory.
    pub(super) fn from_args(args: &Args) -> Result<Option<Self>, SettingsError> {
        let cluster = given(&args.cluster_id).map(cluster).transpose()?;
        let default = DiskConfig::default();
        let bytes = |variable, setting, default, min| number(variable, setting, default, min..=u64::MAX);
        let mut config = DiskConfig {
            disk_reserve_bytes: bytes(
                "DISK_RESERVE_BYTES",
                &args.disk_reserve_bytes,
                default.disk_reserve_bytes,
                0,
            )?,
            checkpoint_log_bytes: bytes(
                "CHECKPOINT_LOG_BYTES",
                &args.checkpoint_log_bytes,
                default.checkpoint_log_bytes,
                CHECKPOINT_LOG_BYTES_MIN,
            )?,
            ..default
        };
        // A log that may be that short is not cut into longer pieces.
        config.segment_bytes = config.segment_bytes.min(config.checkpoint_log_bytes);
        let Some(directory) = given(&args.data_dir) else {
            return match cluster {
                Some(_) => Err(error("CLUSTER_ID", "there is no DATA_DIR whose data it could name")),
                None => Ok(None),
            };
        };
        Ok(Some(Self { directory: PathBuf::from(directory), cluster, config }))
    }
}

fn cluster(text: &str) -> Result<ClusterId, SettingsError> {
    let digits = Some(text).filter(|text| text.len() <= 16 && text.bytes().all(|it| it.is_ascii_hexdigit()));
    let id = digits.and_then(|text| u64::from_str_radix(text, 16).ok());
    id.map(ClusterId).ok_or_else(|| {
        error("CLUSTER_ID", format!("{text:?} is not up to 16 hex digits, as /status shows them"))
    })
}
