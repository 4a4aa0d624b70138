//! Taking connections.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The next connection, as soon as there is room for one; none if the system could not give it.
pub(crate) async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
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
