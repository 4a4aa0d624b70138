//! A transport inside one process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::follower::handle::FollowerHandle;
use super::lock::lock;
use crate::protocol::message::{Reply, Request};
use crate::transport::{Transport, TransportError};

/// Calls followers of the same process directly. Clones share the wires.
#[derive(Clone, Debug)]
pub struct MemoryTransport {
    wires: Arc<[Wire]>,
}

#[derive(Debug)]
struct Wire {
    follower: Mutex<FollowerHandle>,
    cut: AtomicBool,
}

impl MemoryTransport {
    /// One wire to each of `followers`.
    #[must_use]
    pub fn new(followers: Vec<FollowerHandle>) -> Self {
        let wire = |follower| Wire { follower: Mutex::new(follower), cut: AtomicBool::new(false) };
        Self { wires: followers.into_iter().map(wire).collect() }
    }

    /// Cuts the wire to a follower, or mends it.
    pub fn set_cut(&self, follower: usize, cut: bool) {
        if let Some(wire) = self.wires.get(follower) {
            wire.cut.store(cut, Ordering::SeqCst);
        }
    }

    /// Puts another node at the end of a wire.
    pub fn replace(&self, follower: usize, node: FollowerHandle) {
        if let Some(wire) = self.wires.get(follower) {
            *lock(&wire.follower) = node;
        }
    }
}

impl Transport for MemoryTransport {
    async fn send(&self, follower: usize, request: Request) -> Result<Reply, TransportError> {
        let wire = self.wires.get(follower).ok_or(TransportError::NoSuchFollower(follower))?;
        if wire.cut.load(Ordering::SeqCst) {
            return Err(TransportError::Broken("the wire is cut".to_owned()));
        }
        let node = lock(&wire.follower).clone();
        node.request(request).await.map_err(|stopped| TransportError::Broken(stopped.to_string()))
    }
}
