//! Real nodes, each a process, and just enough HTTP to speak to them.
//!
//! A [`Node`] is killed, by its own id, when it is dropped; if that is because the test has failed,
//! what it logged is shown. Nodes see no variables but those of the test, and listen on ports that
//! the system picks. Nothing here waits for a fixed time: [`eventually`] polls, with a deadline.

pub mod durable;
pub mod history;
mod http;
mod patience;
pub mod writer;

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

pub use self::http::{Answer, open, request};
pub use self::patience::{PATIENCE, eventually, eventually_within, now, pause};

/// The settings of a node, as variables.
pub type Variables<'a> = &'a [(&'a str, &'a str)];

/// `kv-node` with these flags and variables, and no others.
pub fn kv_node(flags: &[&str], variables: Variables<'_>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kv-node"));
    command.args(flags).env_clear().envs(variables.iter().copied()).stdin(Stdio::null());
    command
}

/// A running node.
pub struct Node {
    /// Where to reach it.
    pub address: SocketAddr,
    process: Process,
    log: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Node {
    /// Starts a node on a free port, unless `variables` name one, and waits until it listens.
    pub fn start(variables: Variables<'_>) -> Self {
        Self::start_with_flags(&[], variables)
    }

    /// As [`Node::start`], with flags too.
    pub fn start_with_flags(flags: &[&str], variables: Variables<'_>) -> Self {
        let mut variables = variables.to_vec();
        if variables.iter().all(|(name, _)| *name != "PORT") {
            variables.push(("PORT", "0"));
        }
        Self::start_command(kv_node(flags, &variables), &variables)
    }

    /// As [`Node::start`], by a command that ends in running the node.
    pub fn start_command(mut command: Command, variables: Variables<'_>) -> Self {
        command.envs(variables.iter().copied()).stdin(Stdio::null());
        let mut process = Process(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
        let lines = BufReader::new(process.0.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (found, finding) = mpsc::channel();
        let reader = {
            let log = Arc::clone(&log);
            std::thread::spawn(move || {
                for line in lines.map_while(Result::ok) {
                    if let Some(address) = listening_address(&line) {
                        // Nobody waits for it if it took too long.
                        let _ = found.send(address);
                    }
                    lock(&log).push(line);
                }
            })
        };
        let Ok(mut address) = finding.recv_timeout(PATIENCE) else {
            panic!("the node of {variables:?} does not listen: {:#?}", lock(&log));
        };
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        Self { address, process, log, reader: Some(reader) }
    }

    /// A follower with the default settings.
    pub fn follower() -> Self {
        Self::start(&[("ROLE", "follower"), ("HOST", &own_host())])
    }

    /// A follower on the address of one that was killed, without its memory.
    pub fn follower_again(address: SocketAddr) -> Self {
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        Self::start(&[("ROLE", "follower"), ("HOST", &host), ("PORT", &port)])
    }

    /// Its address, as in `FOLLOWER_URLS`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it has logged so far.
    pub fn log(&self) -> Vec<String> {
        lock(&self.log).clone()
    }

    /// Waits until it has logged a line with `text`, and gives that line.
    pub fn logged(&self, text: &str) -> String {
        let mut line = None;
        eventually(text, || {
            line = self.log().into_iter().find(|line| line.contains(text));
            line.is_some()
        });
        line.unwrap()
    }

    /// Sends a request; the node must answer.
    pub fn request(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        request(self.address, method, path, body).expect("an answer")
    }

    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path, None)
    }

    pub fn put(&self, key: &str, value: &str) -> Answer {
        self.request("PUT", &format!("/kv/{key}"), Some(json!({ "value": value })))
    }

    /// All that it holds.
    pub fn dump(&self) -> Value {
        let answer = self.get("/kv");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    /// A leader that does not serve, and says why wherever one looks.
    pub fn waits_because(&self, reason: &str) {
        let line = self.logged(reason);
        assert!(line.contains("WARN the leader does not serve yet"), "{line}");
        let status = self.get("/status").body;
        assert!(status["problem"].as_str().unwrap().contains(reason), "{status:#}");
        let ready = self.get("/readyz?verbose");
        assert!(ready.text.contains("[-]recovered: ") && ready.text.contains(reason), "{ready:?}");
        let refused = self.request("PUT", "/kv/k?timeout_ms=50", Some(json!({ "value": "x" })));
        assert_eq!((refused.status, refused.body["code"].as_str()), (503, Some("recovering")), "{refused:?}");
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// A signal, which the standard library cannot send.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.process.0.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits for its end, and gives its exit status and all that it logged.
    pub fn ended(mut self) -> (ExitStatus, Vec<String>) {
        let status = self.process.wait();
        self.reader.take().unwrap().join().unwrap();
        (status, self.log())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the log of {}:\n{}", self.address, self.log().join("\n"));
        }
    }
}

/// A leader and its followers.
pub struct Cluster {
    pub leader: Node,
    pub followers: Vec<Node>,
}

impl Cluster {
    /// Starts them, the leader with these settings beside `FOLLOWER_URLS`, and waits until it serves.
    pub fn start(followers: usize, leader: Variables<'_>) -> Self {
        let followers: Vec<Node> = (0..followers).map(|_| Node::follower()).collect();
        let leader = Self::lead(&followers, leader);
        leader.logged("the leader serves");
        Self { leader, followers }
    }

    /// A leader of `followers`, which may not be ready to serve.
    pub fn lead(followers: &[Node], leader: Variables<'_>) -> Node {
        let (urls, host) = (urls(followers), own_host());
        let mut leader = leader.to_vec();
        leader.push(("FOLLOWER_URLS", &urls));
        if leader.iter().all(|(name, _)| *name != "HOST") {
            leader.push(("HOST", &host));
        }
        Node::start(&leader)
    }

    /// Waits until every follower is there, level, and has its memory.
    pub fn counts(&self) {
        eventually("all followers count", || {
            let status = self.leader.get("/status").body;
            let links = status["followers"].as_array().unwrap();
            links.iter().all(|link| link["state"] == "streaming" && link["counts"] == true)
        });
    }

    /// What the leader says about all of them: equal, at one commit mark.
    pub fn is_equal(&self) {
        let parity = self.leader.get("/parity?timeout_ms=30000");
        assert!(parity.status == 200 && parity.body["parity_ok"] == true, "{parity:?}");
        assert_eq!(parity.body["nodes"].as_array().unwrap().len(), 1 + self.followers.len(), "{parity:?}");
    }

    /// Waits until every follower holds exactly what the leader holds.
    pub fn level(&self) {
        eventually("all followers are level with the leader", || {
            let held = self.leader.dump();
            self.followers.iter().all(|follower| follower.dump() == held)
        });
    }
}

/// A loopback address of this thread alone, which is that of a test. Between the two lives of a node nobody is
/// given its port there: no other program or test, and no connection that somebody opens.
pub fn own_host() -> String {
    static THREADS: AtomicU32 = AtomicU32::new(0);
    thread_local! {
        static THREAD: u32 = THREADS.fetch_add(1, Ordering::Relaxed);
    }
    // On Linux all of 127.0.0.0/8 is this machine. Hosts are used again only by processes with very different ids.
    let host = std::process::id().wrapping_mul(256).wrapping_add(THREAD.with(|thread| thread % 256));
    let [.., high, middle, low] = host.to_be_bytes();
    if cfg!(target_os = "linux") {
        format!("127.{}.{middle}.{low}", 1 + high % 254)
    } else {
        "127.0.0.1".to_owned()
    }
}

/// As in `FOLLOWER_URLS`.
pub fn urls(nodes: &[Node]) -> String {
    nodes.iter().map(Node::url).collect::<Vec<_>>().join(",")
}

/// What a process that ended on its own has left.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a process to its end, which must come soon; it must not say more than a pipe holds.
pub fn run(command: &mut Command) -> Ended {
    run_within(PATIENCE, command)
}

/// As [`run`], with another deadline.
pub fn run_within(patience: Duration, command: &mut Command) -> Ended {
    let mut process = Process(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let code = process.wait_within(patience).code();
    let (mut stdout, mut stderr) = (String::new(), String::new());
    process.0.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    process.0.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    Ended { code, stdout, stderr }
}

/// Killed when it is dropped.
struct Process(Child);

impl Process {
    fn wait(&mut self) -> ExitStatus {
        self.wait_within(PATIENCE)
    }

    fn wait_within(&mut self, patience: Duration) -> ExitStatus {
        let mut status = None;
        eventually_within(patience, "the process ends", || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended on its own; then there is nothing left to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `address=127.0.0.1:8000` in a text, `"address":"127.0.0.1:8000"` in a JSON line.
fn listening_address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("listening")?.1.split_once("address")?;
    let rest = rest.trim_start_matches(['=', '"', ':']);
    rest.split([' ', '"']).next()?.parse().ok()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Numbers that look random, the same at every run (Knuth's MMIX generator).
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}
