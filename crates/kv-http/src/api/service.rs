//! What every handler is given, and what it gives back.

use std::sync::Arc;

use hyper::Response;
use tokio::sync::Semaphore;

use crate::config::ServerConfig;
use crate::error::ApiError;
use crate::node::Node;
use crate::reply::ReplyBody;

/// Backups that are read at once: each keeps the keys of one moment.
const BACKUPS_MAX: usize = 1;

/// An answer, or why there is none.
pub(crate) type Answer = Result<Response<ReplyBody>, ApiError>;

/// The node, and what the server adds to it.
pub(crate) struct Service {
    pub(crate) node: Node,
    pub(crate) config: ServerConfig,
    /// Who reads a backup has one of these.
    pub(crate) backups: Arc<Semaphore>,
}

impl Service {
    pub(crate) fn new(node: Node, config: ServerConfig) -> Self {
        Self { node, config, backups: Arc::new(Semaphore::new(BACKUPS_MAX)) }
    }
}
