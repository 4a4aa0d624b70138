//! `kv-bench --compose` on a real Docker engine, by `.ci/containers`, and what it says where there is none.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use kv_replication::DelayLaw;

use crate::common::{Out, eventually, kv_bench};

const FILES: [&str; 3] = ["perf_summary.json", "quorum_latency.png", "quorum_latency.svg"];

#[test]
fn without_docker_it_says_so() {
    let out = Out::new("no-docker");
    // Where there are no programs, nothing can be found.
    let ended = command(&["--out", out.path()]).env("PATH", "/nowhere").output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.code() == Some(1) && ended.stdout.is_empty(), "{ended:?}");
    assert!(said.starts_with("kv-bench: --compose needs Docker: "), "{said}");

    let ended = kv_bench(&["--compose", "nowhere.yml", "--out", out.path()]);
    assert!(ended.code == Some(1) && ended.stderr.contains("nowhere.yml is not there"), "{ended:?}");
    for flags in [["--url", "http://127.0.0.1:1"], ["--followers", "3"]] {
        let ended = kv_bench(&[&["--compose", "--out", out.path()], &flags[..]].concat());
        assert!(ended.code == Some(2) && ended.stderr.contains("cannot be used with"), "{ended:?}");
    }
    assert!(out.names().is_empty());
}

#[test]
#[ignore = "needs a Docker engine: .ci/containers"]
fn every_quorum_has_fresh_containers() {
    let out = Out::new("compose");
    let flags = ["--writes=20", "--quorums=1,3", "--max-delay-ms=200", "--seed=7", "--out", out.path()];
    let ended = Bench::start(&mut command(&flags)).ended();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(out.names(), FILES);

    let summary = out.summary();
    assert_eq!(summary["meta"]["transport"], "HTTP between containers");
    assert_eq!(summary["meta"]["followers"], 5);
    let rows = summary["results"].as_array().unwrap();
    let delays = DelayLaw::uniform(7, Duration::ZERO, Duration::from_millis(200)).unwrap();
    for (w, row) in [1, 3].into_iter().zip(rows) {
        assert_eq!(
            (&row["quorum"], &row["writes"], &row["errors"]),
            (&w.into(), &20.into(), &0.into()),
            "{row}"
        );
        assert_eq!(row["parity_ok"], true, "{row}");
        // The seed has reached the leader: under other delays some write would be faster than its own.
        let ms = |name: &str| row[name].as_f64().unwrap();
        let waits =
            (1..=20).map(|version| delays.order_statistic(w, 5, version).unwrap().as_secs_f64() * 1000.0);
        let mean = waits.sum::<f64>() / 20.0;
        assert!(ms("avg_latency_ms") >= mean && ms("avg_latency_ms") < mean + 50.0, "{mean} {row}");
        assert!(ms("overhead_p50_ms") >= 0.0 && ms("overhead_p99_ms") < 100.0, "{row}");
    }
}

#[test]
#[ignore = "needs a Docker engine: .ci/containers"]
fn an_interrupted_run_removes_its_containers() {
    let out = Out::new("interrupted");
    let bench =
        Bench::start(&mut command(&["--writes=1000", "--workers=1", "--quorums=5", "--out", out.path()]));
    eventually("six containers and a network are there", || bench.parts().len() == 7);
    let kill = format!("kill -TERM {}", bench.child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    let ended = bench.ended();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(String::from_utf8_lossy(&ended.stderr).contains("interrupted"), "{ended:?}");
    assert!(out.names().is_empty());
}

#[test]
#[ignore = "needs a Docker engine: .ci/containers"]
fn an_image_that_is_missing_is_named_with_the_way_to_it() {
    let out = Out::new("no-image");
    let mut command = command(&["--quorums=1", "--out", out.path()]);
    let ended = Bench::start(command.env("KV_IMAGE", "kv-node:nobody-has-this")).ended();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.code() == Some(1) && said.contains("compose/build-image"), "{ended:?}");
}

fn compose_file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../compose/docker-compose.yml")
}

fn command(flags: &[&str]) -> Command {
    #[expect(clippy::disallowed_methods, reason = "what .ci/containers has prepared")]
    let image = std::env::var("KV_TEST_IMAGE").unwrap_or_else(|_| "kv-node".to_owned());
    let mut command = Command::new(env!("CARGO_BIN_EXE_kv-bench"));
    command.arg("--compose").arg(compose_file()).args(flags).env("KV_IMAGE", image);
    command.stdin(Stdio::null());
    command
}

/// A run, and all that it starts: gone when this is dropped, whatever has become of it.
struct Bench {
    child: Child,
    project: String,
}

impl Bench {
    fn start(command: &mut Command) -> Self {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Self { project: format!("kv-bench-{}", child.id()), child }
    }

    /// Waits for its end, after which nothing may be left.
    fn ended(mut self) -> Output {
        let mut status = None;
        eventually("it ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        assert_eq!(self.parts(), Vec::<String>::new(), "nothing is left behind");
        // What it says is shorter than what a pipe holds.
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        self.child.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
        self.child.stderr.take().unwrap().read_to_end(&mut stderr).unwrap();
        Output { status: status.unwrap(), stdout, stderr }
    }

    /// Its containers and networks, in the order in which they can be removed.
    fn parts(&self) -> Vec<String> {
        let filter = format!("label=com.docker.compose.project={}", self.project);
        let list = |args: &[&str]| {
            let output =
                Command::new("docker").args(args).args(["--quiet", "--filter", &filter]).output().unwrap();
            String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect::<Vec<_>>()
        };
        [list(&["ps", "--all"]), list(&["network", "ls"])].concat()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // It has ended, if all went well; then there is nothing to do here.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for part in self.parts() {
            let container = Command::new("docker").args(["rm", "--force", &part]).output().unwrap();
            if !container.status.success() {
                let _ = Command::new("docker").args(["network", "rm", &part]).output();
            }
        }
    }
}
