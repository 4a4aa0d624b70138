//! The real binary with settings that cannot be used, its help, and its log for machines.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use serde_json::Value;

use crate::common::{Cluster, kv_node, run};

const TWO: (&str, &str) = ("FOLLOWER_URLS", "http://f1:8000,http://f2:8000");

/// Exit code 2 and one line that begins with the variable and has `words`; nothing else is said.
fn assert_refused(flags: &[&str], variables: &[(&str, &str)], variable: &str, words: &str) {
    let ended = run(&mut kv_node(flags, variables));
    let shown = format!("{flags:?} {variables:?}: {ended:?}");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{shown}");
    assert!(ended.stderr.ends_with('\n') && ended.stderr.lines().count() == 1, "{shown}");
    assert!(ended.stderr.starts_with(&format!("kv-node: {variable}: ")), "{shown}");
    assert!(ended.stderr.contains(words), "{words:?} is not in {shown}");
}

/// The port of every node here is taken: whoever tried to bind it would complain about that.
#[test]
fn bad_settings_end_the_process_before_a_port_is_bound() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let own = format!("http://f1:8000,http://localhost:{port}");
    for (variables, variable, words) in [
        (&[TWO, ("WRITE_QUORUM", "3")] as &[(&str, &str)], "WRITE_QUORUM", "2 followers"),
        (&[TWO, ("WRITE_QUORUM", "0")], "WRITE_QUORUM", "ALLOW_ASYNC=true"),
        (&[("MIN_DELAY_MS", "20"), ("MAX_DELAY_MS", "10")], "MIN_DELAY_MS", "MAX_DELAY_MS=10"),
        (&[("FOLLOWER_URLS", "http://f1:8000,http://F1:8000/")], "FOLLOWER_URLS", "there twice"),
        (&[("FOLLOWER_URLS", &own)], "FOLLOWER_URLS", "this node itself"),
        (&[("ROLE", "robot")], "ROLE", "use leader or follower"),
        (&[("FOLLOWER_URLS", "f1:8000")], "FOLLOWER_URLS", "http://host:port"),
        (&[("FOLLOWER_URLS", "https://f1:8000")], "FOLLOWER_URLS", "only http://"),
        (&[("ROLE", "follower"), TWO], "FOLLOWER_URLS", "a follower has no followers"),
        (&[("CLUSTER_ID", "1a")], "CLUSTER_ID", "no DATA_DIR"),
        (&[("DATA_DIR", "/proc/kv"), ("CLUSTER_ID", "xyz")], "CLUSTER_ID", "hex digits"),
        (&[("DATA_DIR", "/proc/kv"), ("DISK_RESERVE_BYTES", "-1")], "DISK_RESERVE_BYTES", "0 to"),
        (&[("DATA_DIR", "/proc/kv"), ("CHECKPOINT_LOG_BYTES", "1")], "CHECKPOINT_LOG_BYTES", "1048576 to"),
        (&[("DATA_DIR", "/proc/kv")], "DATA_DIR", "cannot create the directory"),
        (&[("ACCEPT_DATA_LOSS", "perhaps")], "ACCEPT_DATA_LOSS", "true"),
        (&[("RUNTIME_THREADS", "0")], "RUNTIME_THREADS", "1 to 256"),
        (&[("LOG_LEVEL", "loud")], "LOG_LEVEL", "debug"),
        (&[("LOG_FORMAT", "json"), ("SEED", "x")], "SEED", "a whole number"),
        // If all is well, the port is what is wrong: which shows that the cases above came first.
        (&[], "PORT", "stop what listens there"),
        (&[("ROLE", "follower")], "PORT", "stop what listens there"),
    ] {
        let mut variables = variables.to_vec();
        variables.push(("PORT", &port));
        assert_refused(&[], &variables, variable, words);
    }
}

#[test]
fn a_bad_port_or_host_names_its_variable() {
    assert_refused(&[], &[("PORT", "65536")], "PORT", "0 to 65535");
    assert_refused(&[], &[("PORT", "-1")], "PORT", "0 to 65535");
    // An address for documentation (RFC 5737): no machine has it.
    assert_refused(&[], &[("HOST", "192.0.2.1"), ("PORT", "0")], "HOST", "192.0.2.1:0");
}

/// The line names the variable also if it came as a flag.
#[test]
fn bad_flags_are_refused_like_variables() {
    assert_refused(&["--role", "robot"], &[("ROLE", "leader")], "ROLE", "use leader or follower");
    assert_refused(&["--write-quorum=1"], &[], "WRITE_QUORUM", "0 followers");
    assert_refused(&["--data-dir=/proc/kv"], &[], "DATA_DIR", "cannot create the directory");
    assert_refused(&["--accept-data-loss=perhaps"], &[], "ACCEPT_DATA_LOSS", "true");
    // It would hide the variable, and leave the node without its directory.
    assert_refused(&["--data-dir="], &[("DATA_DIR", "/proc/kv")], "DATA_DIR", "--data-dir has no value");
}

#[test]
fn an_unknown_flag_is_refused() {
    let ended = run(&mut kv_node(&["--quorum=3"], &[]));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
    assert!(ended.stderr.contains("--quorum"), "{ended:?}");
}

#[test]
fn the_help_names_every_variable_and_its_flag() {
    let ended = run(&mut kv_node(&["--help"], &[]));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    let documented = documented_variables();
    assert_eq!(ended.stdout.matches("[env: ").count(), documented.len(), "{documented:?}");
    for variable in documented {
        assert!(ended.stdout.contains(&format!("[env: {variable}=]")), "{variable}");
        let flag = format!("--{}", variable.to_ascii_lowercase().replace('_', "-"));
        let shown = |end| ended.stdout.contains(&format!("{flag}{end}"));
        assert!(shown(" <") || shown("[=<"), "{flag}");
    }
    assert!(ended.stdout.contains("healthcheck"));
}

/// Those of the table of settings.
fn documented_variables() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/how-to/operate.md");
    let page = fs::read_to_string(page).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let variables = rows.map(|(variable, _)| variable.to_owned());
    let variables: Vec<_> = variables.filter(|it| !it.contains(|c: char| c.is_lowercase())).collect();
    assert!(variables.len() > 20, "{variables:?}");
    variables
}

#[test]
fn the_log_for_machines_has_one_object_a_line() {
    let Cluster { leader, followers } =
        Cluster::start(2, &[("LOG_FORMAT", "json"), ("REPLICATION_TIMEOUT_MS", "300")]);
    drop(followers);
    leader.logged("follower is down");
    leader.terminate();
    let address = leader.address.to_string();
    let (status, log) = leader.ended();
    assert_eq!(status.code(), Some(0), "{log:#?}");
    let lines: Vec<Value> = log.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let with = |message: &str| lines.iter().find(|line| line["fields"]["message"] == message);
    assert_eq!(with("listening").unwrap()["fields"]["address"], address);
    assert_eq!(with("leading").unwrap()["fields"]["followers"], 2);
    for line in &lines {
        assert!(line["timestamp"].is_string() && line["fields"]["message"].is_string(), "{line}");
        assert!(["INFO", "WARN"].contains(&line["level"].as_str().unwrap()), "{line}");
    }
}
