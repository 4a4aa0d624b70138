//! The disk of a node.

use std::path::PathBuf;

use kv_replication::ClusterId;
use kv_storage::DiskConfig;

use super::error::SettingsError;
use super::given::Given;
use super::setting::{CHECKPOINT_LOG_BYTES, CLUSTER_ID, DATA_DIR, DISK_RESERVE_BYTES};

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
    pub(super) fn read(given: &Given) -> Result<Option<Self>, SettingsError> {
        let cluster = given.text(&CLUSTER_ID).map(cluster).transpose()?;
        let disk_reserve_bytes = given.number(&DISK_RESERVE_BYTES, 0..=u64::MAX)?;
        let checkpoint_log_bytes =
            given.number(&CHECKPOINT_LOG_BYTES, CHECKPOINT_LOG_BYTES_MIN..=u64::MAX)?;
        let default = DiskConfig::default();
        // A log that may be that short is not cut into longer pieces.
        let segment_bytes = default.segment_bytes.min(checkpoint_log_bytes);
        let config = DiskConfig { segment_bytes, disk_reserve_bytes, checkpoint_log_bytes, ..default };
        match (given.text(&DATA_DIR), cluster) {
            (Some(directory), cluster) => Ok(Some(Self { directory: directory.into(), cluster, config })),
            (None, Some(_)) => Err(CLUSTER_ID.error("there is no DATA_DIR whose data it could name")),
            (None, None) => Ok(None),
        }
    }
}

fn cluster(text: &str) -> Result<ClusterId, SettingsError> {
    let digits = Some(text).filter(|text| text.len() <= 16 && text.bytes().all(|it| it.is_ascii_hexdigit()));
    let id = digits.and_then(|text| u64::from_str_radix(text, 16).ok());
    id.map(ClusterId).ok_or_else(|| {
        CLUSTER_ID.error(format!("{text:?} is not up to 16 hex digits, as /status shows them"))
    })
}
