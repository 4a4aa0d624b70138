//! Every refusal that a client can meet, and the one place that picks its status.

use std::fmt;

use hyper::header::{ALLOW, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use kv_core::{Epoch, InvalidKey, Version};
use kv_replication::engine::{Position, ReadError, Stopped};
use kv_replication::{ConfirmError, Refusal, StartProblem, WriteError};
use serde::Serialize;
use thiserror::Error;

use crate::body::BodyError;
use crate::query::Consistency;
use crate::reply::{JSON, ReplyBody, respond, tell_position};
use crate::wire::refusal::WireRefusal;

/// Why a request was not answered as the client wished.
///
/// What it says never holds a value, nor the inner cause of a failure.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ApiError {
    /// No such path.
    #[error("Not Found")]
    NotFound,
    /// The path exists, the method does not.
    #[error("Method Not Allowed")]
    MethodNotAllowed {
        /// The methods that do.
        allow: &'static str,
    },
    /// No such key.
    #[error("Key not found")]
    KeyNotFound,
    /// A write on a follower.
    #[error("Leader only")]
    NotLeader {
        /// The methods that this path has here.
        allow: &'static str,
    },
    /// Replication to a leader.
    #[error("Follower only")]
    NotFollower,
    /// Not a key.
    #[error("{0}")]
    InvalidKey(#[from] InvalidKey),
    /// A path whose key cannot be read.
    #[error("{0}")]
    InvalidKeyPath(&'static str),
    /// A query parameter or a header that is wrong, or not known.
    #[error("{name}: {reason}")]
    InvalidParameter {
        /// Which one.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A body of another type than the path takes.
    #[error("the body must be {expected}")]
    UnsupportedMediaType {
        /// What it takes.
        expected: &'static str,
    },
    /// A body that does not say what it should.
    #[error("{0}")]
    InvalidBody(String),
    /// A body or value over its limit.
    #[error("more than {bytes_max} bytes")]
    TooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// The body did not come in time.
    #[error("the body did not come in time")]
    BodyTimeout,
    /// The connection broke while the body came; nobody will read this.
    #[error("the body ended early")]
    BodyBroken,
    /// Switched off by the operator.
    #[error("switched off on this node by ENABLE_RESET")]
    ResetDisabled,
    /// The value is not text, and JSON can hold only text.
    #[error("the value is not UTF-8 and cannot be shown as JSON")]
    NotText,
    /// The leader that was to be read from does not have everything back yet.
    #[error("the leader is not ready: {0}")]
    Recovering(StartProblem),
    /// The node did not get to the version that a read wants in time.
    #[error("the node knows everything up to version {} to be committed, not up to {wanted}", position.mark)]
    StaleReplica {
        /// What it wants.
        wanted: Version,
        /// Where the node stood when time ran out.
        position: Position,
    },
    /// What the node shows belonged to no single version in time.
    #[error("{}", ReadError::NotWhole)]
    NotWhole,
    /// Too few followers have confirmed that this is still their leader.
    #[error("{0}")]
    Unconfirmed(ConfirmError),
    /// More acknowledgements are wanted than can ever come.
    #[error("{acks} acknowledgements can never come from {followers} followers")]
    QuorumUnsatisfiable {
        /// What is wanted.
        acks: usize,
        /// N.
        followers: usize,
    },
    /// Whether all nodes are equal could not be found out.
    #[error("could not compare: {}", Problems(nodes))]
    CouldNotCompare {
        /// The nodes that are in the way, each with its reason.
        nodes: Vec<NodeProblem>,
    },
    /// A limit is reached.
    #[error("too much at once: {limit} is reached")]
    Overloaded {
        /// The name of the limit.
        limit: &'static str,
    },
    /// The write was not committed, as far as is known.
    #[error("{0}")]
    Write(WriteError),
    /// A follower refused its leader.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The node ends, or its disk has failed.
    #[error("{0}")]
    Stopped(#[from] Stopped),
    /// A follower has no room for a write that came without an epoch.
    #[error("{}", Refusal::DiskFull)]
    DiskFull,
    /// Another leader has claimed this follower.
    #[error("a leader has claimed this follower with epoch {promised}")]
    Claimed {
        /// That epoch.
        promised: Epoch,
    },
}

/// Why a node could not be compared with the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeProblem {
    /// `leader`, or a follower's address.
    pub node: String,
    /// Why.
    pub problem: String,
}

/// What a write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    /// Nothing was written: safe to retry.
    NotApplied,
    /// It has a version, and may still commit.
    Unknown,
}

impl ApiError {
    pub(crate) fn parameter(name: &str, reason: &'static str) -> Self {
        Self::InvalidParameter { name: name.to_owned(), reason }
    }

    pub(crate) fn from_body(error: &BodyError, bytes_max: usize) -> Self {
        match error {
            BodyError::TooLarge => Self::TooLarge { bytes_max },
            BodyError::TimedOut => Self::BodyTimeout,
            BodyError::Broken(_) => Self::BodyBroken,
        }
    }

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

    /// The answer; on a write it also says what came of it.
    pub(crate) fn response(&self, is_write: bool) -> Response<ReplyBody> {
        let (status, code) = self.status();
        let outcome = match self {
            Self::Write(WriteError::Unknown { .. } | WriteError::Stopped)
            | Self::Stopped(_)
            | Self::NotText => Outcome::Unknown,
            _ => Outcome::NotApplied,
        };
        let body = ErrorBody {
            detail: self.detail(outcome),
            code,
            outcome: is_write.then_some(outcome),
            nodes: match self {
                Self::CouldNotCompare { nodes } => nodes,
                _ => &[],
            },
            committed: match self {
                Self::StaleReplica { position, .. } => Some(position.mark),
                _ => None,
            },
            refusal: match self {
                Self::Refused(refusal) => Some((*refusal).into()),
                _ => None,
            },
        };
        let json = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = respond(JSON, json);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        match self {
            Self::MethodNotAllowed { allow } | Self::NotLeader { allow } => {
                headers.insert(ALLOW, HeaderValue::from_static(allow));
            }
            Self::NotFollower => {
                headers.insert(ALLOW, HeaderValue::from_static(""));
            }
            Self::Write(_) if outcome == Outcome::NotApplied => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Self::StaleReplica { position, .. } => {
                tell_position(headers, position, Consistency::Committed);
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Self::Recovering(_)
            | Self::Unconfirmed(_)
            | Self::NotWhole
            | Self::Overloaded { .. }
            | Self::CouldNotCompare { .. } => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }

    /// A missed quorum has the report's shape; everything else is a sentence.
    fn detail(&self, outcome: Outcome) -> Detail {
        const MISSED: &str = "Write quorum not met";
        let (message, acks, required, version) = match self {
            Self::Write(WriteError::Unknown { version, acks, required }) => {
                (MISSED.to_owned(), *acks, *required, Some(*version))
            }
            Self::Write(WriteError::NoQuorum { required, .. }) => (MISSED.to_owned(), 0, *required, None),
            Self::Write(error @ WriteError::Deposed { required, .. }) => {
                (format!("{MISSED}: {error}"), 0, *required, None)
            }
            _ => return Detail::Sentence(self.to_string()),
        };
        Detail::MissedQuorum { message, acks, required, version, outcome }
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Recovering(problem) => Self::Recovering(problem),
            ReadError::Stale { wanted, position } => Self::StaleReplica { wanted, position },
            ReadError::NotWhole => Self::NotWhole,
            ReadError::TooManyWaiting => Self::Overloaded { limit: "waiters_max" },
            ReadError::NotLeader => Self::NotLeader { allow: "GET" },
            ReadError::Unconfirmed(ConfirmError::Recovering(problem)) => Self::Recovering(problem),
            ReadError::Unconfirmed(ConfirmError::Overloaded { limit }) => Self::Overloaded { limit },
            ReadError::Unconfirmed(error) => Self::Unconfirmed(error),
        }
    }
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    detail: Detail,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    committed: Option<Version>,
    #[serde(skip_serializing_if = "<[NodeProblem]>::is_empty")]
    nodes: &'a [NodeProblem],
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<WireRefusal>,
}

struct Problems<'a>(&'a [NodeProblem]);

impl fmt::Display for Problems<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, NodeProblem { node, problem }) in self.0.iter().enumerate() {
            let comma = if index > 0 { "; " } else { "" };
            write!(f, "{comma}{node}: {problem}")?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Detail {
    Sentence(String),
    MissedQuorum { message: String, acks: usize, required: usize, version: Option<Version>, outcome: Outcome },
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
