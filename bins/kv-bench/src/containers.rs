//! The cluster of the Compose file, in containers: a project, names and ports of its own for each run.

use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hyper::{Method, StatusCode};
use kv_http::{Address, Client};
use kv_replication::{DelayLaw, Quorum};
use thiserror::Error;

use crate::clock::now;
use crate::output::complain;

/// How many followers the Compose file has.
pub const FOLLOWERS: usize = 5;
/// How long Compose may take for six containers, and after that the leader until it serves.
const UP_PATIENCE: Duration = Duration::from_secs(120);
const START_PATIENCE: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// What a write may take beyond the longest delay, as in the built-in cluster.
const WRITE_GRACE: Duration = Duration::from_secs(30);

/// Six containers. They are removed, with their network, when this is dropped.
pub struct Containers {
    /// Where this machine reaches the leader.
    pub leader: Address,
    compose: Compose,
    variables: Vec<(&'static str, String)>,
    /// The program that is starting them.
    starting: Option<Child>,
    removed: bool,
}

/// Why there are no containers.
#[derive(Debug, Error)]
pub enum ContainersError {
    /// There is no such program.
    #[error("--compose needs Docker: neither `docker compose` nor `docker-compose` can be run")]
    NoCompose,
    /// The file is not there.
    #[error("--compose: {} is not there; name the Compose file, or run this where it is", .0.display())]
    NoFile(PathBuf),
    /// Six ports are needed for a short while.
    #[error("no six ports in a row are free on 127.0.0.1")]
    NoPorts,
    /// Compose could not be run, or listened to.
    #[error("cannot run {program}: {source}")]
    Run {
        /// What.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// Compose has failed.
    #[error("`{command}` failed: {said}{}", hint(said))]
    Compose {
        /// The part of the command that says what it was for.
        command: &'static str,
        /// The end of what it said.
        said: String,
    },
    /// It did not come to an end.
    #[error("`up` took longer than {UP_PATIENCE:?}")]
    TooSlow,
    /// The leader did not become ready.
    #[error("the leader in its container is not ready after {START_PATIENCE:?}")]
    NotServing,
}

/// The usual reason has a way out.
fn hint(said: &str) -> &'static str {
    if said.contains("--no-build") || said.contains("No such image") || said.contains("pull access denied") {
        "; build the image first: compose/build-image, or `docker compose -f compose/docker-compose.yml build`"
    } else {
        ""
    }
}

impl Containers {
    /// Creates and starts them for this quorum, and waits until the leader is ready.
    ///
    /// # Errors
    /// [`ContainersError`]; what was started until then is removed.
    pub async fn start(
        file: &Path,
        quorum: Quorum,
        delays: DelayLaw,
        seed: u64,
    ) -> Result<Self, ContainersError> {
        let compose = Compose::find(file)?;
        let tens = free_ports().ok_or(ContainersError::NoPorts)?;
        let ms = |duration: Duration| duration.as_millis().to_string();
        let variables = vec![
            ("WRITE_QUORUM", quorum.write().to_string()),
            ("MIN_DELAY_MS", ms(delays.min())),
            ("MAX_DELAY_MS", ms(delays.max())),
            ("WRITE_TIMEOUT_MS", ms(delays.max() + WRITE_GRACE)),
            ("SEED", seed.to_string()),
            ("KV_NAMES", format!("{}-", compose.project)),
            ("KV_PORTS", tens.to_string()),
            // Whatever is said for the lab: here the ports are for this program.
            ("KV_BIND", Ipv4Addr::LOCALHOST.to_string()),
        ];
        let leader = Address::new("127.0.0.1", tens * 10);
        let mut containers = Self { leader, compose, variables, starting: None, removed: false };
        containers.up().await?;
        containers.wait_until_ready().await?;
        Ok(containers)
    }

    /// Removes them. What that leaves is tried once more when this is dropped.
    ///
    /// # Errors
    /// [`ContainersError`] of the first attempt.
    pub fn remove(mut self) -> Result<(), ContainersError> {
        self.down()
    }

    async fn up(&mut self) -> Result<(), ContainersError> {
        // Not a build that nobody asked for, which would also need a registry.
        let mut command = self.compose.command(&["up", "-d", "--no-build"], &self.variables);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = self.starting.insert(command.spawn().map_err(|error| self.compose.cannot_run(error))?);
        let start = now();
        let status = loop {
            match child.try_wait().map_err(|error| self.compose.cannot_run(error))? {
                Some(status) => break status,
                None if start.elapsed() > UP_PATIENCE => return Err(ContainersError::TooSlow),
                None => pause().await,
            }
        };
        let mut said = String::new();
        if let Some(stderr) = &mut child.stderr {
            // It has ended, and what it said is shorter than what a pipe holds.
            let _ = stderr.read_to_string(&mut said);
        }
        self.starting = None;
        if status.success() {
            Ok(())
        } else {
            Err(ContainersError::Compose { command: "up", said: end_of(&said) })
        }
    }

    async fn wait_until_ready(&self) -> Result<(), ContainersError> {
        let client = Client::new(self.leader.clone());
        let start = now();
        while start.elapsed() < START_PATIENCE {
            let asked = client.send(Method::GET, "/readyz", None);
            match tokio::time::timeout(START_PATIENCE, asked).await {
                Ok(Ok(answer)) if answer.status == StatusCode::OK => return Ok(()),
                _ => pause().await,
            }
        }
        Err(ContainersError::NotServing)
    }

    fn down(&mut self) -> Result<(), ContainersError> {
        let mut command = self.compose.command(&["down", "--volumes", "--timeout", "2"], &self.variables);
        let output = command.stdin(Stdio::null()).output().map_err(|error| self.compose.cannot_run(error))?;
        self.removed = output.status.success();
        if self.removed {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(ContainersError::Compose { command: "down", said: end_of(&said) })
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        if let Some(child) = &mut self.starting {
            // Whoever interrupts this program may not have told it.
            let _ = child.kill();
            let _ = child.wait();
        }
        if !self.removed
            && let Err(error) = self.down()
        {
            complain(&error);
        }
    }
}

/// How Compose is called.
struct Compose {
    /// `docker compose`, or `docker-compose`.
    program: &'static [&'static str],
    file: PathBuf,
    project: String,
}

impl Compose {
    fn find(file: &Path) -> Result<Self, ContainersError> {
        if !file.is_file() {
            return Err(ContainersError::NoFile(file.to_owned()));
        }
        let programs: [&'static [&'static str]; 2] = [&["docker", "compose"], &["docker-compose"]];
        let program = programs.into_iter().find(|program| {
            let asked = command_of(program).arg("version").stdin(Stdio::null()).output();
            asked.is_ok_and(|output| output.status.success())
        });
        let project = format!("kv-bench-{}", std::process::id());
        Ok(Self { program: program.ok_or(ContainersError::NoCompose)?, file: file.to_owned(), project })
    }

    fn command(&self, args: &[&str], variables: &[(&'static str, String)]) -> Command {
        let mut command = command_of(self.program);
        command.arg("-f").arg(&self.file).args(["-p", &self.project]).args(args);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        command
    }

    fn cannot_run(&self, source: io::Error) -> ContainersError {
        ContainersError::Run { program: self.program.join(" "), source }
    }
}

fn command_of(program: &[&str]) -> Command {
    let (first, rest) = program.split_first().unwrap_or((&"docker", &[]));
    let mut command = Command::new(first);
    command.args(rest);
    command
}

/// The last line that says something: before it is what went well.
fn end_of(said: &str) -> String {
    said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing").trim().to_owned()
}

/// The first digits of six free ports: 2001 for 20010 to 20015. They are below those that the system gives to
/// outgoing connections.
fn free_ports() -> Option<u16> {
    const FIRST: u16 = 1100;
    const COUNT: u16 = 2000;
    let start = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap_or(0);
    let is_free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    (0..COUNT)
        .map(|step| FIRST + (start + step) % COUNT)
        .find(|tens| (0..=5).all(|nth| is_free(tens * 10 + nth)))
}

#[expect(clippy::disallowed_methods, reason = "the pause of a poll with a deadline")]
async fn pause() {
    tokio::time::sleep(POLL_INTERVAL).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_ends_with_a_way_out_if_there_is_one() {
        let failed = |said: &str| ContainersError::Compose { command: "up", said: end_of(said) }.to_string();
        let missing =
            failed("Creating network\nService 'leader' needs to be built, but --no-build was passed.\n\n");
        assert!(missing.contains("needs to be built") && missing.ends_with(" build`"), "{missing}");
        assert!(!missing.contains("network"), "{missing}");
        assert_eq!(failed("port is already allocated\n"), "`up` failed: port is already allocated");
        assert_eq!(failed(""), "`up` failed: it said nothing");
    }
}
