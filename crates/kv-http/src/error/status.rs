//! The one place that picks the status of a refusal, and its code.

use hyper::StatusCode;
use kv_replication::{Refusal, WriteError};

use super::ApiError;

impl ApiError {
    /// Its status and its code.
    #[must_use]
    pub fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Self::KeyNotFound => (StatusCode::NOT_FOUND, "key_not_found"),
            Self::MethodNotAllowed { .. } => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::NotLeader { .. } => (StatusCode::METHOD_NOT_ALLOWED, "not_leader"),
            Self::NotFollower => (StatusCode::METHOD_NOT_ALLOWED, "not_follower"),
            Self::InvalidKey(_) | Self::InvalidKeyPath(_) => (StatusCode::BAD_REQUEST, "invalid_key"),
            Self::InvalidParameter { .. } => (StatusCode::BAD_REQUEST, "invalid_parameter"),
            Self::UnsupportedMediaType { .. } => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type")
            }
            Self::InvalidBody(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_body"),
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::BodyTimeout => (StatusCode::REQUEST_TIMEOUT, "body_timeout"),
            Self::BodyBroken => (StatusCode::BAD_REQUEST, "body_broken"),
            Self::ResetDisabled => (StatusCode::FORBIDDEN, "forbidden"),
            Self::NotText => (StatusCode::INTERNAL_SERVER_ERROR, "not_text"),
            Self::Unwritable => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            Self::Claimed { .. } => (StatusCode::CONFLICT, "stale_epoch"),
            Self::DiskFull | Self::Write(WriteError::DiskFull) => {
                (StatusCode::INSUFFICIENT_STORAGE, "insufficient_storage")
            }
            Self::Stopped(_) => (StatusCode::SERVICE_UNAVAILABLE, "stopped"),
            Self::Write(error) => (StatusCode::SERVICE_UNAVAILABLE, write_code(error)),
            Self::Recovering(_) => (StatusCode::SERVICE_UNAVAILABLE, "recovering"),
            Self::NotWhole => (StatusCode::SERVICE_UNAVAILABLE, "not_whole"),
            Self::Unconfirmed(_) => (StatusCode::SERVICE_UNAVAILABLE, "no_quorum"),
            Self::QuorumUnsatisfiable { .. } => (StatusCode::BAD_REQUEST, "quorum_unsatisfiable"),
            Self::StaleReplica { .. } => (StatusCode::SERVICE_UNAVAILABLE, "stale_replica"),
            Self::CouldNotCompare { .. } => (StatusCode::SERVICE_UNAVAILABLE, "could_not_compare"),
            Self::Overloaded { .. } => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
            Self::Refused(refusal) => refusal_status(refusal),
        }
    }
}

fn write_code(error: &WriteError) -> &'static str {
    match error {
        WriteError::NoQuorum { .. } | WriteError::Deposed { .. } => "no_quorum",
        WriteError::Recovering(_) => "recovering",
        WriteError::DiskFull => "insufficient_storage",
        WriteError::Draining => "draining",
        WriteError::Overloaded { .. } => "overloaded",
        WriteError::Unknown { .. } => "quorum_timeout",
        WriteError::Stopped => "stopped",
    }
}

fn refusal_status(refusal: &Refusal) -> (StatusCode, &'static str) {
    match refusal {
        Refusal::WrongCluster { .. } => (StatusCode::CONFLICT, "wrong_cluster"),
        Refusal::StaleEpoch { .. } => (StatusCode::CONFLICT, "stale_epoch"),
        Refusal::NotPromised { .. } => (StatusCode::CONFLICT, "not_promised"),
        Refusal::OtherNode { .. } => (StatusCode::CONFLICT, "other_node"),
        Refusal::WrongChunk { .. } => (StatusCode::PRECONDITION_FAILED, "wrong_chunk"),
        Refusal::Conflict { .. } => (StatusCode::CONFLICT, "conflict"),
        Refusal::Malformed { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_body"),
        Refusal::BeyondWindow { .. } => (StatusCode::PRECONDITION_FAILED, "beyond_window"),
        Refusal::DiskFull => (StatusCode::INSUFFICIENT_STORAGE, "insufficient_storage"),
    }
}
