//! How requests travel.

use std::future::Future;

use thiserror::Error;

use crate::protocol::message::{Reply, Request};

/// Carries requests from one leader to its followers.
///
/// An implementation passes the suite in `conformance`.
pub trait Transport: Send + Sync + 'static {
    /// Brings `request` to the follower with this index (from 0), and its reply back.
    ///
    /// * A reply belongs to this very request; it is a reply, also if it is a refusal.
    /// * An error says nothing about whether the request arrived: only that no reply came.
    /// * A request may arrive more than once only if the call ends in an error.
    /// * Several requests to one follower may be under way at once, and arrive in any order.
    /// * A follower that cannot be reached gives an error as soon as that is known; one that is
    ///   silent may keep the call pending for ever: the caller has the clock, and drops the call.
    /// * Dropping the call abandons it, and leaves the transport fit for the next one.
    /// * After a failure the next call tries anew; nothing has to be reopened.
    fn send(
        &self,
        follower: usize,
        request: Request,
    ) -> impl Future<Output = Result<Reply, TransportError>> + Send;
}

/// Why no reply came.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TransportError {
    /// There is no follower with this index.
    #[error("there is no follower {0}")]
    NoSuchFollower(usize),
    /// No connection, or it broke.
    #[error("{0}")]
    Broken(String),
    /// Something answered, but not a follower of this protocol.
    #[error("not a follower of this protocol: {0}")]
    Foreign(String),
}
