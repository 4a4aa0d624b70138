//! The server: connections are taken, answered, and let go.

mod accept;
mod stall;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use self::accept::accept;
use self::stall::StallLimit;
use crate::api::route::answer;
use crate::api::service::Service;
use crate::config::ServerConfig;
use crate::node::Node;

/// Shorter than any header time-out that makes sense.
const TICK: Duration = Duration::from_secs(1);

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
    let service = Arc::new(Service::new(node, config));
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
    service.node.engine().drain();
    if tokio::time::timeout(drain_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!(?drain_timeout, "requests were still open at the end of the drain");
    }
    open.shutdown().await;
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
            let arrived = service.node.engine().clock().now();
            Ok::<_, Infallible>(answer(&service, request, arrived).await)
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
