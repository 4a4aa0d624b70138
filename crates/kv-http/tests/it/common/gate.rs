//! A wire that can be frozen: connections stay open, and nothing passes until it thaws.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes bytes on to one node.
pub struct Gate {
    pub address: SocketAddr,
    frozen: watch::Sender<bool>,
}

impl Gate {
    pub async fn to(node: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (frozen, watched) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(node).await else { continue };
                let _ = (near.set_nodelay(true), far.set_nodelay(true));
                let ((near_out, near_in), (far_out, far_in)) = (near.into_split(), far.into_split());
                tokio::spawn(pass(near_out, far_in, watched.clone()));
                tokio::spawn(pass(far_out, near_in, watched.clone()));
            }
        });
        Self { address, frozen }
    }

    /// From now on it takes connections and bytes, and passes nothing on.
    pub fn freeze(&self) {
        self.frozen.send_replace(true);
    }

    /// Everything that waited goes on.
    pub fn thaw(&self) {
        self.frozen.send_replace(false);
    }
}

/// Ends, and closes the other side, when either side or the gate is gone.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut frozen: watch::Receiver<bool>) {
    let mut piece = vec![0; 64 << 10];
    while let Ok(bytes @ 1..) = from.read(&mut piece).await {
        if frozen.wait_for(|frozen| !frozen).await.is_err() || to.write_all(&piece[..bytes]).await.is_err() {
            break;
        }
    }
}
