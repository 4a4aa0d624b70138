//! Under which names the counters have what happened.

use crate::leader::problem::WriteError;
use crate::protocol::message::Refusal;

pub(super) fn refusal_name(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::WrongCluster { .. } => "refusals: wrong_cluster",
        Refusal::StaleEpoch { .. } => "refusals: stale_epoch",
        Refusal::NotPromised { .. } => "refusals: not_promised",
        Refusal::OtherNode { .. } => "refusals: other_node",
        Refusal::Conflict { .. } => "refusals: conflict",
        Refusal::Malformed { .. } => "refusals: malformed",
        Refusal::BeyondWindow { .. } => "refusals: beyond_window",
        Refusal::WrongChunk { .. } => "refusals: wrong_chunk",
        Refusal::DiskFull => "refusals: disk_full",
    }
}

pub(super) fn write_error_name(error: &WriteError) -> &'static str {
    match error {
        WriteError::NoQuorum { .. } => "writes refused: no_quorum",
        WriteError::Deposed { .. } => "writes refused: deposed",
        WriteError::Recovering(_) => "writes refused: recovering",
        WriteError::Draining => "writes refused: draining",
        WriteError::DiskFull => "writes refused: disk_full",
        WriteError::Overloaded { .. } => "writes refused: overloaded",
        WriteError::Unknown { .. } => "writes unknown",
        WriteError::Stopped => "writes stopped",
    }
}
