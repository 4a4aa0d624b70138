//! The in-memory transport keeps the rules of the trait.

use kv_replication::MemoryTransport;
use kv_replication::conformance::{Harness, check_all};
use kv_replication::engine::FollowerHandle;

struct InMemory(MemoryTransport);

impl Harness for InMemory {
    type Transport = MemoryTransport;

    async fn start(followers: Vec<FollowerHandle>) -> Self {
        Self(MemoryTransport::new(followers))
    }

    fn transport(&self) -> &MemoryTransport {
        &self.0
    }

    async fn cut(&mut self, follower: usize) {
        self.0.set_cut(follower, true);
    }

    async fn heal(&mut self, follower: usize) {
        self.0.set_cut(follower, false);
    }
}

#[tokio::test]
async fn the_memory_transport_conforms() {
    check_all::<InMemory>().await;
}
