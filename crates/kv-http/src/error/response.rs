//! A refusal as an answer: JSON, and the headers that go with it.

use hyper::Response;
use hyper::header::{ALLOW, HeaderValue, RETRY_AFTER};
use kv_core::Version;
use kv_replication::WriteError;
use serde::Serialize;

use super::{ApiError, NodeProblem};
use crate::json::JSON;
use crate::query::Consistency;
use crate::reply::{ReplyBody, respond, tell_position};
use crate::wire::refusal::WireRefusal;

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
    /// The answer; on a write it also says what came of it.
    pub(crate) fn response(&self, is_write: bool) -> Response<ReplyBody> {
        let (status, code) = self.status();
        let outcome = match self {
            Self::Write(WriteError::Unknown { .. } | WriteError::Stopped)
            | Self::Stopped(_)
            | Self::NotText
            | Self::Unwritable => Outcome::Unknown,
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

#[derive(Serialize)]
#[serde(untagged)]
enum Detail {
    Sentence(String),
    MissedQuorum { message: String, acks: usize, required: usize, version: Option<Version>, outcome: Outcome },
}
