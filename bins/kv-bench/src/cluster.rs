//! A leader and its followers inside this process, over real HTTP on loopback.

use std::io;
use std::time::Duration;

use kv_core::NodeId;
use kv_http::{Address, Node, PeerTransport, ServerConfig, serve};
use kv_replication::engine::{FollowerHandle, LeaderHandle};
use kv_replication::{ClusterId, DelayLaw, FollowerConfig, LeaderConfig, Quorum};
use rand::TryRng;
use rand::rngs::SysRng;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A running cluster. Dropping it without [`Cluster::stop`] lets its servers end on their own.
pub struct Cluster {
    pub leader: Address,
    stop: watch::Sender<bool>,
    servers: Vec<JoinHandle<()>>,
}

impl Cluster {
    /// Starts one, on ports that the system picks.
    pub async fn start(quorum: Quorum, delays: DelayLaw, seed: u64) -> io::Result<Self> {
        let (stop, _) = watch::channel(false);
        let mut servers = Vec::new();
        let mut followers = Vec::new();
        for _ in 0..quorum.followers() {
            let node = Node::follower(FollowerHandle::new(NodeId(draw()?), FollowerConfig::default()));
            followers.push(spawn(node, &stop, &mut servers).await?);
        }
        let config = LeaderConfig { delays, seed, ..LeaderConfig::new(quorum) };
        let transport = PeerTransport::new(followers.iter().cloned());
        let handle = LeaderHandle::spawn(NodeId(draw()?), ClusterId(draw()?), config, transport)?;
        let write_timeout = delays.max() + Duration::from_secs(30);
        let leader =
            spawn(Node::leader(handle, write_timeout, followers.iter().cloned()), &stop, &mut servers)
                .await?;
        Ok(Self { leader, stop, servers })
    }

    /// Stops every server and waits for it.
    pub async fn stop(self) {
        // No receiver is left if all servers have already ended.
        let _ = self.stop.send(true);
        for server in self.servers {
            let _ = server.await;
        }
    }
}

async fn spawn(
    node: Node,
    stop: &watch::Sender<bool>,
    servers: &mut Vec<JoinHandle<()>>,
) -> io::Result<Address> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let mut stopped = stop.subscribe();
    servers.push(tokio::spawn(async move {
        let stopped = async move {
            // An error means that the cluster was dropped: a reason to stop, too.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        serve(listener, node, ServerConfig::default(), stopped).await;
    }));
    Ok(Address::new(&address.ip().to_string(), address.port()))
}

fn draw() -> io::Result<u64> {
    SysRng.try_next_u64().map_err(io::Error::other)
}
