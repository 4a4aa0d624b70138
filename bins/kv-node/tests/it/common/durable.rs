//! A cluster whose nodes have disks: each can be killed, and started again where it was.

use std::net::SocketAddr;
use std::path::PathBuf;

use tempfile::TempDir;

use super::{Node, Variables, eventually, own_host};

/// A leader, at index 0, and its followers.
pub struct DurableCluster {
    directory: TempDir,
    addresses: Vec<SocketAddr>,
    nodes: Vec<Option<Node>>,
    /// Of the leader, beside those that every cluster has.
    settings: Vec<(String, String)>,
}

impl DurableCluster {
    /// Starts all of them in new directories, and waits until the leader serves and all followers count.
    pub fn start(followers: usize, settings: Variables<'_>) -> Self {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut cluster = Self {
            directory: TempDir::new().unwrap(),
            addresses: Vec::new(),
            nodes: Vec::new(),
            settings: settings.collect(),
        };
        // The leader comes first in the list, and last to life: it needs to know the others.
        cluster.addresses.push(SocketAddr::from(([127, 0, 0, 1], 0)));
        cluster.nodes.push(None);
        for index in 1..=followers {
            let directory = cluster.directory(index);
            let node = Node::start(&[("ROLE", "follower"), ("HOST", &own_host()), ("DATA_DIR", &directory)]);
            cluster.addresses.push(node.address);
            cluster.nodes.push(Some(node));
        }
        cluster.start_again(0);
        cluster.addresses[0] = cluster.leader().address;
        cluster.counts();
        cluster
    }

    /// The data directory of a node.
    pub fn directory(&self, index: usize) -> String {
        let path: PathBuf = self.directory.path().join(format!("node-{index}"));
        path.to_str().unwrap().to_owned()
    }

    pub fn leader(&self) -> &Node {
        self.node(0)
    }

    pub fn node(&self, index: usize) -> &Node {
        self.nodes[index].as_ref().unwrap()
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The address of the leader, whether it runs or not.
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// kill -9.
    pub fn kill(&mut self, index: usize) {
        drop(self.nodes[index].take());
    }

    /// SIGTERM, and waits for a clean end.
    pub fn stop(&mut self, index: usize) {
        let node = self.nodes[index].take().unwrap();
        node.terminate();
        let (status, log) = node.ended();
        assert!(status.success(), "{status} {log:#?}");
    }

    /// Starts a node that was killed or stopped, with what its directory holds.
    pub fn start_again(&mut self, index: usize) {
        self.start_with(index, &[]);
    }

    /// As [`DurableCluster::start_again`], with more settings.
    pub fn start_with(&mut self, index: usize, more: Variables<'_>) {
        let (host, directory) = (own_host(), self.directory(index));
        let port = self.addresses[index].port().to_string();
        let urls: Vec<String> = self.addresses[1..].iter().map(|it| format!("http://{it}")).collect();
        let urls = urls.join(",");
        let mut settings = vec![("HOST", host.as_str()), ("PORT", &port), ("DATA_DIR", &directory)];
        if index == 0 {
            settings.push(("FOLLOWER_URLS", &urls));
            settings.extend(self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        } else {
            settings.push(("ROLE", "follower"));
        }
        settings.extend(more);
        self.nodes[index] = Some(Node::start(&settings));
    }

    /// Waits until the leader serves, and every follower is there, level, and counts.
    pub fn counts(&self) {
        eventually("the leader serves and all followers count", || {
            let status = self.leader().get("/status").body;
            let links = status["followers"].as_array().unwrap();
            status["phase"] == "serving"
                && links.iter().all(|link| link["state"] == "streaming" && link["counts"] == true)
        });
    }

    /// What the leader says about all of them: equal, at one commit mark.
    pub fn is_equal(&self) {
        let parity = self.leader().get("/parity?timeout_ms=30000");
        assert!(parity.status == 200 && parity.body["parity_ok"] == true, "{parity:?}");
        assert_eq!(parity.body["nodes"].as_array().unwrap().len(), self.len(), "{parity:?}");
    }
}
