//! [`PeerTransport`] keeps the rules of the trait, over real sockets.
//!
//! A cut stops the server of that follower: its listener is gone and its connections are closed. To
//! heal is to serve the same follower on the same port again.

use kv_http::{Node, PeerTransport, ServerConfig};
use kv_replication::conformance::{Harness, check_all};
use kv_replication::engine::FollowerHandle;

use crate::common::{Server, soon};

struct OverHttp {
    followers: Vec<FollowerHandle>,
    servers: Vec<Server>,
    transport: PeerTransport,
}

impl Harness for OverHttp {
    type Transport = PeerTransport;

    async fn start(followers: Vec<FollowerHandle>) -> Self {
        let mut servers = Vec::new();
        for follower in &followers {
            servers.push(Server::start(Node::follower(follower.clone()), ServerConfig::default()).await);
        }
        let transport = PeerTransport::new(servers.iter().map(Server::url));
        Self { followers, servers, transport }
    }

    fn transport(&self) -> &PeerTransport {
        &self.transport
    }

    async fn cut(&mut self, follower: usize) {
        if let Some(server) = self.servers.get_mut(follower) {
            server.stop().await;
        }
    }

    async fn heal(&mut self, follower: usize) {
        if let (Some(server), Some(node)) = (self.servers.get_mut(follower), self.followers.get(follower)) {
            server.start_again(Node::follower(node.clone()));
        }
    }
}

#[tokio::test]
async fn the_transport_over_http_conforms() {
    soon("the suite", check_all::<OverHttp>()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms_on_two_threads_as_well() {
    soon("the suite", check_all::<OverHttp>()).await;
}
