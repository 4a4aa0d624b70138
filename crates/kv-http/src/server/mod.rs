//! The accept loop.

mod stall;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use kv_replication::Time;
use kv_replication::engine::{FollowerHandle, LeaderHandle};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use self::stall::StallLimit;
use crate::api;
use crate::api::backup::BACKUPS_MAX;
use crate::{Address, PeerTransport};

/// What answers.
#[derive(Clone, Debug)]
pub enum Node {
    /// A leader.
    Leader(LeaderNode),
    /// A follower.
    Follower(FollowerHandle),
}

/// A leader, and what HTTP adds to it.
#[derive(Clone, Debug)]
pub struct LeaderNode {
    /// The leader.
    pub handle: LeaderHandle,
    /// How long a write may take that names no time-out of its own, from its arrival.
    pub write_timeout: Duration,
    /// Its followers, for questions that are no replication.
    pub(crate) peers: Arc<PeerTransport>,
    /// Who compares all nodes has one of these.
    pub(crate) comparisons: Arc<Semaphore>,
}

/// Comparisons of all nodes that run at once: each reads every key of every node.
const COMPARISONS_MAX: usize = 1;

impl LeaderNode {
    /// A leader of the followers at these addresses, in the order of its configuration.
    #[must_use]
    pub fn new(
        handle: LeaderHandle,
        write_timeout: Duration,
        followers: impl IntoIterator<Item = Address>,
    ) -> Self {
        let peers = Arc::new(PeerTransport::new(followers));
        Self { handle, write_timeout, peers, comparisons: Arc::new(Semaphore::new(COMPARISONS_MAX)) }
    }
}

/// Every limit of the server, by name.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Connections at once; more wait to be accepted.
    pub connections_max: usize,
    /// The longest body of a client's request. JSON may need six bytes for one of a value.
    pub body_bytes_max: usize,
    /// The longest value.
    pub value_bytes_max: usize,
    /// The longest body of a leader's request. Above the batch limit of the leader by a largest entry.
    pub batch_bytes_max: usize,
    /// How long the head of a request may take, from its first byte or from the connection.
    pub header_timeout: Duration,
    /// How long a body may take.
    pub body_timeout: Duration,
    /// How long a client may take nothing of its answer; then its connection is closed.
    pub stall_timeout: Duration,
    /// How long open requests may still take after the stop signal.
    pub drain_timeout: Duration,
    /// How long a read may wait for its `min_version`, and `/readyz?sync` for its node, if they name no
    /// time-out of their own.
    pub read_timeout: Duration,
    /// How long a comparison of all nodes may take that names no time-out of its own.
    pub parity_timeout: Duration,
    /// `POST /reset` works.
    pub enable_reset: bool,
    /// A follower that has not heard from its leader for longer is not ready.
    pub ready_heard_max: Duration,
    /// A follower that lacks more versions than this is not ready.
    pub ready_lag_versions_max: u64,
}

/// Shorter than any header time-out that makes sense.
const TICK: Duration = Duration::from_secs(1);

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            body_bytes_max: 6 * (1 << 20) + 1024,
            value_bytes_max: 1 << 20,
            batch_bytes_max: 4 << 20,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(1),
            parity_timeout: Duration::from_secs(10),
            enable_reset: true,
            ready_heard_max: Duration::from_secs(10),
            ready_lag_versions_max: 10_000,
        }
    }
}

pub(crate) struct Service {
    pub(crate) node: Node,
    pub(crate) config: ServerConfig,
    /// Who reads a backup has one of these.
    pub(crate) backups: Arc<Semaphore>,
}

/// Answers requests on `listener` until `shutdown` is ready; then takes no new connection, lets a
/// leader refuse new writes, and gives open requests `drain_timeout` to end. What is open after that is
/// closed.
pub async fn serve(
    listener: TcpListener,
    node: Node,
    config: ServerConfig,
    shutdown: impl Future<Output = ()>,
) {
    let connections = Arc::new(Semaphore::new(config.connections_max));
    let drain_timeout = config.drain_timeout;
    let service = Arc::new(Service { node, config, backups: Arc::new(Semaphore::new(BACKUPS_MAX)) });
    let graceful = GracefulShutdown::new();
    let mut open = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    // The runtime wakes itself up, with a system call, whenever a timer is set that is due before all
    // others. While this one ticks, the header time-out of each request is never that timer.
    let mut tick = tokio::time::interval(TICK);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &connections) => accepted,
            () = &mut shutdown => break,
            _ = tick.tick() => {
                while open.try_join_next().is_some() {} // forgets those that have ended
                None
            }
        };
        if let Some((stream, permit)) = accepted {
            spawn_connection(&service, stream, permit, &graceful, &mut open);
        }
    }
    drop(listener);
    if let Node::Leader(leader) = &service.node {
        leader.handle.drain();
    }
    if tokio::time::timeout(drain_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!(?drain_timeout, "requests were still open at the end of the drain");
    }
    open.shutdown().await;
}

/// The next connection, as soon as there is room for one; none if the system could not give it.
async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.ok()?;
    let accepted = match listener.accept().await {
        Ok((stream, _)) => stream.set_nodelay(true).map(|()| stream),
        Err(error) => Err(error),
    };
    match accepted {
        Ok(stream) => Some((stream, permit)),
        Err(error) => {
            // Out of descriptors, or a client that has gone: neither is helped by trying at once.
            tracing::warn!(%error, "cannot accept a connection");
            pause_after_accept_error().await;
            None
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the system gives no event to wait for here")]
async fn pause_after_accept_error() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

fn spawn_connection(
    service: &Arc<Service>,
    stream: TcpStream,
    permit: OwnedSemaphorePermit,
    graceful: &GracefulShutdown,
    open: &mut JoinSet<()>,
) {
    let answering = Arc::clone(service);
    let handler = service_fn(move |request| {
        let service = Arc::clone(&answering);
        async move {
            let arrived = match &service.node {
                Node::Leader(leader) => leader.handle.clock().now(),
                Node::Follower(_) => Time::ZERO,
            };
            Ok::<_, Infallible>(api::route::answer(&service, request, arrived).await)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(service.config.header_timeout)
        .serve_connection(StallLimit::new(TokioIo::new(stream), service.config.stall_timeout), handler);
    let connection = graceful.watch(connection);
    open.spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection ended");
        }
        drop(permit);
    });
}
