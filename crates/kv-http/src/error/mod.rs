//! Every refusal that a client can meet.
//!
//! What is below knows nothing of it: its errors become one of these here. `status` picks the status,
//! `response` writes the answer.

mod response;
mod status;

use std::fmt;

use kv_core::{Epoch, InvalidKey, VALUE_BYTES_MAX, ValueTooLarge, Version, counted};
use kv_replication::engine::{Position, ReadError, Stopped};
use kv_replication::{ConfirmError, Refusal, StartProblem, WriteError};
use serde::Serialize;
use thiserror::Error;

use crate::json;
use crate::query::InvalidParameter;
use crate::wire::WireError;

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
    /// The connection broke while the body came, or what came is no body.
    #[error("the body could not be read to its end")]
    BodyBroken,
    /// Switched off by the operator.
    #[error("switched off on this node by ENABLE_RESET")]
    ResetDisabled,
    /// The value is not text, and JSON can hold only text.
    #[error("{}", json::NotText)]
    NotText,
    /// The answer could not be written as JSON: a mistake of this server.
    #[error("{}", json::Unwritable)]
    Unwritable,
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
    #[error(
        "{} can never come from {}",
        counted(*acks, "acknowledgement", "acknowledgements"),
        counted(*followers, "follower", "followers")
    )]
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

impl ApiError {
    pub(crate) fn parameter(name: &str, reason: &'static str) -> Self {
        InvalidParameter::new(name, reason).into()
    }
}

impl From<InvalidParameter> for ApiError {
    fn from(InvalidParameter { name, reason }: InvalidParameter) -> Self {
        Self::InvalidParameter { name, reason }
    }
}

impl From<json::NotTheObject> for ApiError {
    fn from(error: json::NotTheObject) -> Self {
        Self::InvalidBody(error.to_string())
    }
}

impl From<json::NotText> for ApiError {
    fn from(_: json::NotText) -> Self {
        Self::NotText
    }
}

impl From<json::Unwritable> for ApiError {
    fn from(_: json::Unwritable) -> Self {
        Self::Unwritable
    }
}

impl From<WireError> for ApiError {
    fn from(error: WireError) -> Self {
        Self::InvalidBody(error.to_string())
    }
}

impl From<ValueTooLarge> for ApiError {
    fn from(_: ValueTooLarge) -> Self {
        Self::TooLarge { bytes_max: VALUE_BYTES_MAX }
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

impl From<WriteError> for ApiError {
    fn from(error: WriteError) -> Self {
        Self::Write(error)
    }
}
