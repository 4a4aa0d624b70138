//! The programs that are run: `docker`, and Compose in either of its forms.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use crate::common::{Ended, run, run_within};

/// For what starts six containers one after the other, and for a build of the program.
const PATIENCE: Duration = Duration::from_secs(120);
const BUILD_PATIENCE: Duration = Duration::from_secs(1200);

/// The directory with the Compose files.
pub fn compose_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../compose").canonicalize().unwrap()
}

/// The image that all tests run: the one that is named to them, or one that is built now.
pub fn image() -> &'static str {
    static IMAGE: OnceLock<String> = OnceLock::new();
    IMAGE.get_or_init(|| {
        variable("KV_TEST_IMAGE").unwrap_or_else(|| {
            let tag = "kv-node:test";
            let mut build = Command::new(compose_dir().join("build-image"));
            let built = run_within(BUILD_PATIENCE, build.arg(tag));
            assert_eq!(built.code, Some(0), "{built:?}");
            tag.to_owned()
        })
    })
}

/// Runs docker, which must succeed, and gives what it says.
pub fn docker(args: &[&str]) -> String {
    let ended = succeeds(clean("docker").args(args));
    ended.stdout.trim_end().to_owned()
}

/// Runs docker, which must fail, and gives its exit code with all that it says.
pub fn docker_fails(args: &[&str]) -> (Option<i32>, String) {
    let ended = run(clean("docker").args(args));
    assert_ne!(ended.code, Some(0), "{args:?}: {ended:?}");
    (ended.code, ended.stdout + &ended.stderr)
}

/// Runs docker whatever comes of it, and gives what it says on both streams.
pub fn merged(args: &[&str]) -> String {
    let output = clean("docker").args(args).output().unwrap();
    [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat()
}

/// What this kind of list shows of a project, by the label that Compose gives.
pub fn of_project(list: &[&str], project: &str) -> Vec<String> {
    let filter = format!("label=com.docker.compose.project={project}");
    let output = clean("docker").args(list).args(["--filter", &filter]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect()
}

/// `docker compose`, or the older `docker-compose` where there is no such plugin.
pub fn compose() -> Command {
    static PLUGIN: OnceLock<bool> = OnceLock::new();
    let is_plugin = *PLUGIN.get_or_init(|| run(clean("docker").args(["compose", "version"])).code == Some(0));
    if is_plugin {
        let mut command = clean("docker");
        command.arg("compose");
        command
    } else {
        clean("docker-compose")
    }
}

/// Runs a command to its end, which must be a good one.
pub fn succeeds(command: &mut Command) -> Ended {
    let ended = run_within(PATIENCE, command.stdin(Stdio::null()));
    assert_eq!(ended.code, Some(0), "{command:?}: {ended:?}");
    ended
}

/// A program that sees of the variables of this process only what leads it to its engine: the Compose files
/// would take the others for settings.
fn clean(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null());
    for name in ["PATH", "HOME", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "XDG_RUNTIME_DIR"] {
        command.envs(variable(name).map(|value| (name, value)));
    }
    command
}

#[expect(clippy::disallowed_methods, reason = "how to reach the engine, and what the script has prepared")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
