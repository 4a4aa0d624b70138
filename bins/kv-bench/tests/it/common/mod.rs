//! The real binary run to its end, directories for its files, and clusters for it to measure.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hyper::{Method, StatusCode};
use kv_core::NodeId;
use kv_http::{Client, Node, PeerTransport, ServerConfig, serve};
use kv_replication::engine::{FollowerHandle, LeaderHandle};
use kv_replication::{ClusterId, DelayLaw, FollowerConfig, LeaderConfig, Quorum};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// Far more than any run here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// What a run has left.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `kv-bench` with these flags and no variables; it must end in time, and is killed otherwise.
pub fn kv_bench(flags: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kv-bench"));
    command.args(flags).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process(command.spawn().unwrap());
    let start = now();
    let code = loop {
        if let Some(status) = process.0.try_wait().unwrap() {
            break status.code();
        }
        assert!(start.elapsed() < PATIENCE, "not in time: {flags:?}");
        pause();
    };
    // What it says is shorter than what a pipe holds.
    let (mut stdout, mut stderr) = (String::new(), String::new());
    process.0.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    process.0.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    Ended { code, stdout, stderr }
}

/// Polls until it is so.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "not in time: {what}");
        pause();
    }
}

/// A directory that is not there yet, for the files of one test. It goes when this is dropped.
pub struct Out(PathBuf);

impl Out {
    pub fn new(test: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{}", std::process::id()));
        // Left over by a process that had the same id, if at all.
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    pub fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// The names of its files; none if it is not there.
    pub fn names(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.0) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn summary(&self) -> Value {
        serde_json::from_slice(&self.read("perf_summary.json")).unwrap()
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A leader and followers in this process, over real HTTP. They end when this is dropped.
pub struct Servers {
    pub leader: String,
    pub followers: Vec<String>,
    runtime: Runtime,
}

impl Servers {
    pub fn start(quorum: Quorum, delays: DelayLaw) -> Self {
        Self::comparing(quorum, delays, &[])
    }

    /// A leader that, beside its own followers, compares these nodes with itself.
    pub fn comparing(quorum: Quorum, delays: DelayLaw, others: &[&str]) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (leader, followers) = runtime.block_on(async {
            let mut followers = Vec::new();
            for id in 1..=quorum.followers() as u64 {
                let follower = FollowerHandle::new(NodeId(id), FollowerConfig::default());
                followers.push(listen(Node::follower(follower)).await);
            }
            let config = LeaderConfig { delays, ..LeaderConfig::new(quorum) };
            let transport = PeerTransport::new(followers.iter().map(|url| url.parse().unwrap()));
            let handle = LeaderHandle::spawn(NodeId(99), ClusterId(1), config, transport).unwrap();
            let write_timeout = Duration::from_secs(30);
            let peers = followers.iter().map(String::as_str).chain(others.iter().copied());
            let peers: Vec<_> = peers.map(|url| url.parse().unwrap()).collect();
            (listen(Node::leader(handle, write_timeout, peers)).await, followers)
        });
        Self { leader, followers, runtime }
    }
}

impl Servers {
    /// Writes through the leader.
    pub fn put(&self, key: &str, value: &str) {
        let client = Client::new(self.leader.parse().unwrap());
        let body = serde_json::json!({ "value": value }).to_string();
        let path = format!("/kv/{key}");
        let written = client.send(Method::PUT, &path, Some(("application/json", body.into())));
        assert_eq!(self.runtime.block_on(written).unwrap().status, StatusCode::OK);
    }
}

async fn listen(node: Node) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(serve(listener, node, ServerConfig::default(), std::future::pending()));
    url
}

/// Killed when it is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended on its own; then there is nothing left to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "the deadline of a poll")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the pause of a poll with a deadline")]
fn pause() {
    std::thread::sleep(POLL_INTERVAL);
}
