//! A cluster over real sockets, inside the test's process.
//!
//! [`Server`] is one node behind a port that it keeps, so that it can be stopped and started again at
//! the same address. [`Cluster`] is a leader and its followers. [`raw`] speaks HTTP by hand,
//! [`refusal`] is the form of an error, [`messages`] are a leader's, and [`gate`] is a wire that can be frozen.
//!
//! Nothing here sleeps for a fixed time: [`eventually`] looks again and again until its deadline, and
//! [`soon`] bounds whatever should end on its own.

pub mod gate;
pub mod messages;
pub mod raw;
pub mod refusal;

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use kv_core::NodeId;
use kv_http::{Address, Node, PeerTransport, ServerConfig, serve};
use kv_replication::engine::{FollowerHandle, LeaderHandle};
use kv_replication::{ClusterId, FollowerConfig, LeaderConfig, LinkState, Phase, Quorum};
use serde_json::Value;
use tokio::net::TcpSocket;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use self::gate::Gate;
use self::raw::Reply;

/// Far beyond what anything takes that works, also on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The id of the leaders; followers count from 1, and from 1000 when they start again.
pub const LEADER_ID: NodeId = NodeId(500);
/// The cluster of the leaders here.
pub const CLUSTER: ClusterId = ClusterId(77);

/// Looks every few milliseconds until it is so.
pub async fn eventually(what: &str, mut look: impl AsyncFnMut() -> bool) {
    let mut pace = tokio::time::interval(Duration::from_millis(5));
    let looking = async {
        loop {
            pace.tick().await;
            if look().await {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("never came: {what}"));
}

/// Waits for something that ends on its own.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("never ended: {what}"))
}

/// A node behind a port.
pub struct Server {
    pub address: SocketAddr,
    config: ServerConfig,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    /// Bound, but not listening: nobody else gets the port while the server is stopped.
    _port: TcpSocket,
}

impl Server {
    pub async fn start(node: Node, config: ServerConfig) -> Self {
        let port = socket("127.0.0.1:0".parse().unwrap());
        let address = port.local_addr().unwrap();
        let mut server = Self { address, config, running: None, _port: port };
        server.start_again(node);
        server
    }

    /// Serves `node` on the same port.
    pub fn start_again(&mut self, node: Node) {
        assert!(self.running.is_none(), "it runs already");
        let listener = socket(self.address).listen(1024).unwrap();
        let (stop, stopped) = oneshot::channel();
        let config = self.config.clone();
        let task = tokio::spawn(serve(listener, node, config, async {
            let _ = stopped.await;
        }));
        self.running = Some((stop, task));
    }

    /// Tells it to stop; the task ends when it has.
    pub fn begin_stop(&mut self) -> JoinHandle<()> {
        let (stop, task) = self.running.take().expect("it runs");
        let _ = stop.send(());
        task
    }

    /// Stops it: afterwards the port refuses, and every connection is closed.
    pub async fn stop(&mut self) {
        soon("serve()", self.begin_stop()).await.unwrap();
    }

    pub fn url(&self) -> Address {
        node_address(self.address)
    }
}

fn socket(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

pub fn node_address(address: SocketAddr) -> Address {
    Address::new(&address.ip().to_string(), address.port())
}

/// An empty follower that nobody has claimed.
pub fn follower(id: u64) -> FollowerHandle {
    FollowerHandle::new(NodeId(id), FollowerConfig::default())
}

/// A follower with its server.
pub async fn serve_follower(id: u64) -> (Server, FollowerHandle) {
    let node = follower(id);
    (Server::start(Node::follower(node.clone()), ServerConfig::default()).await, node)
}

/// What a test may change before its cluster starts.
pub struct Setup {
    pub leader: LeaderConfig,
    pub server: ServerConfig,
    pub write_timeout: Duration,
    /// The leader reaches its followers through [`Gate`]s.
    pub gated: bool,
}

/// A leader and its followers.
pub struct Cluster {
    pub leader: Server,
    pub handle: LeaderHandle,
    pub followers: Vec<Server>,
    pub nodes: Vec<FollowerHandle>,
    pub gates: Vec<Gate>,
    next_id: u64,
}

impl Cluster {
    /// `count` followers of which `quorum` must acknowledge; no delays.
    pub async fn start(count: usize, quorum: usize) -> Self {
        Self::with(count, quorum, |_| {}).await
    }

    /// Comes back when the leader serves.
    pub async fn with(count: usize, quorum: usize, change: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = Setup {
            leader: LeaderConfig::new(Quorum::new(count, quorum).unwrap()),
            server: ServerConfig::default(),
            write_timeout: PATIENCE,
            gated: false,
        };
        change(&mut setup);
        let (mut followers, mut nodes, mut gates) = (Vec::new(), Vec::new(), Vec::new());
        for id in 1..=count as u64 {
            let node = follower(id);
            followers.push(Server::start(Node::follower(node.clone()), setup.server.clone()).await);
            nodes.push(node);
        }
        let mut addresses: Vec<_> = followers.iter().map(|server| server.address).collect();
        if setup.gated {
            for address in &mut addresses {
                gates.push(Gate::to(*address).await);
                *address = gates.last().unwrap().address;
            }
        }
        let (leader, handle) = lead(setup, &addresses).await;
        let serving = handle.clone();
        eventually("the leader serves", async || serving.phase() == Phase::Serving).await;
        Self { leader, handle, followers, nodes, gates, next_id: 1000 }
    }

    /// Stops a follower and throws its memory away.
    pub async fn lose(&mut self, index: usize) {
        self.followers[index].stop().await;
        self.next_id += 1;
        self.nodes[index] = follower(self.next_id);
    }

    /// Starts a follower again, on its old port.
    pub fn restart(&mut self, index: usize) {
        self.followers[index].start_again(Node::follower(self.nodes[index].clone()));
    }

    /// Waits until the leader sees exactly `count` followers.
    pub async fn until_up(&self, count: usize) {
        let streaming = |handle: &LeaderHandle| {
            handle.links().iter().filter(|link| link.state == LinkState::Streaming).count()
        };
        eventually("followers are up", async || streaming(&self.handle) == count).await;
    }

    /// Waits until every node shows the same dump as the leader, and gives it back.
    pub async fn until_equal(&self) -> Value {
        let leader = raw::get(self.leader.address, "/kv").await.json();
        for server in &self.followers {
            eventually("a follower has caught up", async || {
                raw::get(server.address, "/kv").await.json() == leader
            })
            .await;
        }
        leader
    }

    pub async fn put(&self, key: &str, value: &str) -> Reply {
        raw::put(self.leader.address, key, value).await
    }

    pub async fn get(&self, key: &str) -> Reply {
        raw::get(self.leader.address, &format!("/kv/{key}")).await
    }
}

/// A leader of the followers at `addresses`, with its server; it may not serve yet.
pub async fn lead(setup: Setup, addresses: &[SocketAddr]) -> (Server, LeaderHandle) {
    let transport = PeerTransport::new(addresses.iter().copied().map(node_address));
    let handle = LeaderHandle::spawn(LEADER_ID, CLUSTER, setup.leader, transport).unwrap();
    let peers = addresses.iter().copied().map(node_address);
    let node = Node::leader(handle.clone(), setup.write_timeout, peers);
    (Server::start(node, setup.server).await, handle)
}
