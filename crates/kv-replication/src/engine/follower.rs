//! A follower that is shared.

use std::sync::{Arc, Mutex};

use kv_core::{Entry, NodeId};

use super::{Read, lock};
use crate::{Adopted, Follower, FollowerConfig, Held, Reply, Request};

/// A [`Follower`] that several tasks can use. Clones share it.
#[derive(Clone, Debug)]
pub struct FollowerHandle {
    follower: Arc<Mutex<Follower>>,
}

impl FollowerHandle {
    /// A follower that has just started, without memory. Draw `node` anew for every start.
    #[must_use]
    pub fn new(node: NodeId, config: FollowerConfig) -> Self {
        Self { follower: Arc::new(Mutex::new(Follower::new(node, config))) }
    }

    /// Answers a leader's request.
    ///
    /// # Errors
    /// [`Refusal`](crate::Refusal), as [`Follower::handle`] gives it.
    pub fn request(&self, request: Request) -> Reply {
        lock(&self.follower).handle(request)
    }

    /// See [`Follower::adopt`].
    #[must_use]
    pub fn adopt(&self, entry: &Entry) -> Adopted {
        lock(&self.follower).adopt(entry)
    }

    /// See [`Follower::reset`].
    pub fn reset(&self) {
        lock(&self.follower).reset();
    }

    /// See [`Follower::local`].
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Read> {
        lock(&self.follower).local(key).map(|item| Read(item.entry.clone()))
    }

    /// Everything that [`FollowerHandle::get`] would show, in key order, at one moment.
    #[must_use]
    pub fn dump(&self) -> Vec<Read> {
        lock(&self.follower).local_scan().map(|(_, item)| Read(item.entry.clone())).collect()
    }

    /// What it holds.
    #[must_use]
    pub fn holds(&self) -> Held {
        lock(&self.follower).holds()
    }
}
