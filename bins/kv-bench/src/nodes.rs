//! Node processes on loopback.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use hyper::{Method, StatusCode};
use kv_http::{Address, Client};
use kv_replication::{InvalidQuorum, Quorum};
use tempfile::TempDir;
use thiserror::Error;

use crate::clock::now;

/// How many followers the measurements of six processes have.
pub const FOLLOWERS: usize = 5;
/// Their write quorum, if nothing else is said.
pub const QUORUM: usize = 3;
const START_PATIENCE: Duration = Duration::from_secs(10);

/// Which program the nodes run.
#[derive(Clone, Debug, clap::Args)]
pub struct Binary {
    /// The node's binary [default: `kv-node` beside this program].
    #[arg(long)]
    node: Option<PathBuf>,
}

impl Binary {
    fn find(&self) -> Result<PathBuf, NodesError> {
        let beside = || std::env::current_exe().unwrap_or_default().with_file_name("kv-node");
        let path = self.node.clone().unwrap_or_else(beside);
        if path.is_file() { Ok(path) } else { Err(NodesError::NoBinary(path)) }
    }
}

/// A write quorum that no leader of five followers can have.
#[derive(Debug, Error)]
pub enum BadQuorum {
    /// That would measure no replication.
    #[error("--quorum: 0 is not a quorum that waits for anyone")]
    Zero,
    /// There are not so many.
    #[error("--quorum: {0}")]
    Invalid(InvalidQuorum),
}

/// `write` of the five followers.
pub fn quorum_of_five(write: usize) -> Result<Quorum, BadQuorum> {
    if write == 0 {
        return Err(BadQuorum::Zero);
    }
    Quorum::new(FOLLOWERS, write).map_err(BadQuorum::Invalid)
}

/// A leader and its followers, each a process. They are killed, by their ids, when this is dropped.
pub struct Nodes {
    pub leader: Address,
    binary: PathBuf,
    quorum: Quorum,
    /// The leader is the last one.
    pub processes: Vec<Process>,
    /// Where they keep what they must not forget, if they do: removed with them.
    disk: Option<TempDir>,
}

/// Why there are no nodes.
#[derive(Debug, Error)]
pub enum NodesError {
    /// The binary is not there.
    #[error("{} is not there: build it with `cargo build --release -p kv-node`, or name it with --node", .0.display())]
    NoBinary(PathBuf),
    /// It could not be started.
    #[error("cannot start {}: {source}", path.display())]
    Spawn {
        /// What.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It ended, or said nothing that could be understood.
    #[error("{} did not say where it listens; its last line was: {last}", binary.display())]
    NoAddress {
        /// What was started.
        binary: PathBuf,
        /// What it said last.
        last: String,
    },
    /// There is no such follower.
    #[error("there is no follower with the index {0}")]
    NoFollower(usize),
    /// It could not be stopped or continued.
    #[error("cannot send the signal {0}")]
    Signal(&'static str),
    /// The leader took no write in time.
    #[error("the leader does not serve")]
    NotServing,
}

impl Nodes {
    /// Starts them without delays and without disks, and waits until the leader takes writes.
    pub async fn start(binary: &Binary, quorum: Quorum) -> Result<Self, NodesError> {
        Self::begin(binary, quorum, None).await
    }

    /// As [`Nodes::start`], with data directories somewhere below `disk`.
    pub async fn start_durable(binary: &Binary, quorum: Quorum, disk: &Path) -> Result<Self, NodesError> {
        let unusable = |source| NodesError::Spawn { path: disk.to_owned(), source };
        let disk = tempfile::Builder::new().prefix("kv-bench-").tempdir_in(disk).map_err(unusable)?;
        Self::begin(binary, quorum, Some(disk)).await
    }

    async fn begin(binary: &Binary, quorum: Quorum, disk: Option<TempDir>) -> Result<Self, NodesError> {
        let binary = binary.find()?;
        let leader = Address::new("127.0.0.1", 0);
        let mut nodes = Self { leader, binary, quorum, processes: Vec::new(), disk };
        for index in 0..quorum.followers() {
            let follower = nodes.start_follower(index, 0)?;
            nodes.processes.push(follower);
        }
        nodes.start_leader()?;
        nodes.wait_until_serving().await?;
        Ok(nodes)
    }

    /// Starts the leader of all that run.
    fn start_leader(&mut self) -> Result<(), NodesError> {
        let urls = self.processes.iter().map(|node| node.address.to_string()).collect::<Vec<_>>().join(",");
        let quorum = self.quorum.write().to_string();
        let data = self.data_dir(self.processes.len());
        let mut args =
            vec!["--role", "leader", "--port", "0", "--follower-urls", &urls, "--write-quorum", &quorum];
        args.extend(data.iter().flat_map(|data| ["--data-dir", data.as_str()]));
        let leader = Process::start(&self.binary, &args)?;
        self.leader = leader.address.clone();
        self.processes.push(leader);
        Ok(())
    }

    fn start_follower(&self, index: usize, port: u16) -> Result<Process, NodesError> {
        Process::start_follower(&self.binary, port, self.data_dir(index).as_deref())
    }

    fn data_dir(&self, index: usize) -> Option<String> {
        let disk = self.disk.as_ref()?;
        Some(disk.path().join(format!("node-{index}")).to_string_lossy().into_owned())
    }

    /// Kills the leader (the last one) with all that it does not have on its disk, starts it again, and waits
    /// until it takes writes.
    pub async fn restart_leader(&mut self) -> Result<(), NodesError> {
        drop(self.processes.pop());
        self.start_leader()?;
        self.wait_until_serving().await
    }

    /// The resident memory of each process in KiB, the leader last; none where the system does not say.
    pub fn resident_kib(&self) -> Option<Vec<u64>> {
        self.processes.iter().map(Process::resident_kib).collect()
    }

    /// That of the leader.
    pub fn leader_resident_kib(&self) -> Option<u64> {
        self.processes.last()?.resident_kib()
    }

    /// Where the follower with this index (from 0) listens.
    pub fn follower(&self, index: usize) -> Result<&Address, NodesError> {
        Ok(&self.process(index)?.address)
    }

    /// Ends a follower at once, with all that it holds.
    pub fn kill(&mut self, index: usize) -> Result<(), NodesError> {
        let process = self.processes.get_mut(index).ok_or(NodesError::NoFollower(index))?;
        end(&mut process.child);
        Ok(())
    }

    /// Starts it again where it was, empty. This thread goes on with its other tasks meanwhile.
    pub async fn start_again(&mut self, index: usize) -> Result<(), NodesError> {
        let (binary, port) = (self.binary.clone(), self.follower(index)?.port());
        let data = self.data_dir(index);
        let start =
            tokio::task::spawn_blocking(move || Process::start_follower(&binary, port, data.as_deref()));
        let process = start.await.map_err(|_| NodesError::NoFollower(index))??;
        if let Some(place) = self.processes.get_mut(index) {
            *place = process;
        }
        Ok(())
    }

    /// Stops a follower where it is (SIGSTOP), or lets it go on (SIGCONT).
    pub fn signal(&self, index: usize, name: &'static str) -> Result<(), NodesError> {
        let id = self.process(index)?.child.id();
        // The shell has a `kill` of its own, which not every system has as a program.
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {id}")]).status();
        if sent.is_ok_and(|status| status.success()) { Ok(()) } else { Err(NodesError::Signal(name)) }
    }

    fn process(&self, index: usize) -> Result<&Process, NodesError> {
        self.processes.get(index).ok_or(NodesError::NoFollower(index))
    }

    async fn wait_until_serving(&self) -> Result<(), NodesError> {
        let client = Client::new(self.leader.clone());
        let start = now();
        while start.elapsed() < START_PATIENCE {
            // The leader parks the write until it can decide: no pause is needed between the tries.
            let body = Some(("application/json", r#"{"value":"x"}"#.into()));
            let write = client.send(Method::PUT, "/kv/start", body);
            match tokio::time::timeout(START_PATIENCE, write).await {
                Ok(Ok(answer)) if answer.status == StatusCode::OK => return Ok(()),
                _ => tokio::task::yield_now().await,
            }
        }
        Err(NodesError::NotServing)
    }
}

/// A child that says `address=…` on its standard error, and is killed when this is dropped.
pub struct Process {
    pub address: Address,
    child: Child,
}

impl Process {
    /// Starts `binary`, without the variables of this process, and waits until it says where it listens.
    pub fn start(binary: &Path, args: &[&str]) -> Result<Self, NodesError> {
        let mut command = Command::new(binary);
        command.args(args).env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let spawned = command.spawn();
        let mut child = spawned.map_err(|source| NodesError::Spawn { path: binary.to_owned(), source })?;
        let (say, said) = mpsc::channel();
        if let Some(stderr) = child.stderr.take() {
            // Read to its end, so that the child never waits for a reader.
            std::thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    let _ = say.send(line); // once the address is known, nobody listens
                }
            });
        }
        let mut last = "nothing".to_owned();
        while let Ok(line) = said.recv_timeout(START_PATIENCE) {
            if let Some(address) = address_in(&line) {
                return Ok(Self { address, child });
            }
            last = line;
        }
        end(&mut child);
        Err(NodesError::NoAddress { binary: binary.to_owned(), last })
    }

    fn start_follower(binary: &Path, port: u16, data: Option<&str>) -> Result<Self, NodesError> {
        let port = port.to_string();
        let mut args = vec!["--role", "follower", "--port", &port];
        args.extend(data.iter().flat_map(|data| ["--data-dir", data]));
        Self::start(binary, &args)
    }

    /// Its resident memory in KiB; none where the system does not say.
    pub fn resident_kib(&self) -> Option<u64> {
        self.status_kib("VmRSS:")
    }

    /// The most that its resident memory has ever been, in KiB.
    pub fn peak_kib(&self) -> Option<u64> {
        self.status_kib("VmHWM:")
    }

    fn status_kib(&self, name: &str) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    }
}

fn address_in(line: &str) -> Option<Address> {
    let address = line.split_once("address=")?.1.split_whitespace().next()?;
    format!("http://{address}").parse().ok()
}

impl Drop for Process {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    // It may have ended on its own; then there is nothing left to do.
    let _ = child.kill();
    let _ = child.wait();
}
