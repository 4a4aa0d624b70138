//! `kv-node backup` and `kv-node restore`: from a node that runs, and from its directory.

use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use crate::common::durable::DurableCluster;
use crate::common::writer::Writer;
use crate::common::{Cluster, Ended, Node, eventually, kv_node, own_host, run};

const W2: [(&str, &str); 1] = [("WRITE_QUORUM", "2")];

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Its one line.
fn done(flags: &[&str]) -> String {
    let Ended { code, stdout, stderr } = run(&mut kv_node(flags, &[]));
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{flags:?} {stdout}");
    stdout
}

/// The line that says why not.
fn refused(flags: &[&str]) -> String {
    let Ended { code, stdout, stderr } = run(&mut kv_node(flags, &[]));
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{flags:?} {stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    stderr
}

/// `backed up: 3 keys at version 4, digest …` without its verb.
fn summary(line: &str) -> &str {
    line.split_once(": ").unwrap().1
}

/// A cluster that restores `file`: its leader's directory is made of it, its followers are empty.
fn restored(file: &Path, home: &TempDir) -> (Vec<Node>, Node) {
    let directory = home.path().join("restored");
    done(&["restore", "--from", text(file), "--data-dir", text(&directory)]);
    let followers: Vec<Node> = (0..3).map(|_| Node::follower()).collect();
    let leader = Cluster::lead(&followers, &[W2[0], ("DATA_DIR", text(&directory))]);
    leader.logged("the leader serves");
    (followers, leader)
}

#[test]
fn a_backup_of_a_running_cluster_is_of_one_version_and_begins_a_new_history() {
    let home = TempDir::new().unwrap();
    let cluster = DurableCluster::start(3, &W2);
    (0..50).for_each(|number| assert_eq!(cluster.leader().put(&format!("old-{number}"), "v").status, 200));
    assert_eq!(cluster.leader().request("DELETE", "/kv/old-7", None).status, 200);
    let writer = Writer::start(cluster.address());
    writer.goes_on("writes before the backup");

    let (of_leader, of_follower) = (home.path().join("leader.kv"), home.path().join("follower.kv"));
    let line = done(&["backup", "--from", &cluster.leader().url(), "--to", text(&of_leader)]);
    done(&["backup", "--from", &cluster.node(2).url(), "--to", text(&of_follower)]);
    writer.goes_on("writes after the backup");
    let acknowledged = writer.finish();
    assert!(
        refused(&["backup", "--from", &cluster.leader().url(), "--to", text(&of_leader)])
            .contains("there already")
    );

    // What the backup says is what a leader shows that was made of it.
    let (followers, leader) = restored(&of_leader, &home);
    eventually("the followers are level", || leader.get("/parity?timeout_ms=30000").status == 200);
    let parity = leader.get("/parity?timeout_ms=30000").body;
    let node = &parity["nodes"][0];
    let shown = format!(
        "{} keys at version {}, digest {}",
        node["keys"],
        node["version"],
        node["digest"].as_str().unwrap()
    );
    assert!(summary(&line).starts_with(&shown), "{line} is not {shown}");
    let held = leader.dump();
    assert_eq!(held["old-3"]["value"], "v");
    assert!(held["old-7"].is_null(), "{held}");
    assert!(acknowledged.newest() > node["version"].as_u64(), "writes went on");

    // It goes on from there, as another cluster; versions never start again.
    let put = leader.put("new", "life");
    assert_eq!(
        (put.status, put.body["version"].as_u64()),
        (200, node["version"].as_u64().map(|it| it + 1)),
        "{put:?}"
    );
    let id = |node: &Node| node.get("/status").body["cluster_id"].as_str().unwrap().to_owned();
    assert_ne!(id(&leader), id(cluster.leader()));
    drop(followers);
}

#[test]
fn a_stopped_node_is_backed_up_from_its_directory() {
    let home = TempDir::new().unwrap();
    let mut cluster = DurableCluster::start(3, &W2);
    (0..50).for_each(|number| assert_eq!(cluster.leader().put(&format!("k{number}"), "v").status, 200));
    let file = home.path().join("backup.kv");
    let (data, to) = (cluster.directory(0), text(&file).to_owned());
    let backup = ["backup", "--data-dir", &data, "--to", &to];
    assert!(refused(&backup).contains("in use by another process"));
    cluster.counts();
    cluster.is_equal();
    let parity = cluster.leader().get("/parity").body;
    cluster.kill(0);
    let line = done(&backup);
    let digest = parity["nodes"][0]["digest"].as_str().unwrap();
    assert!(line.starts_with("backed up: 50 keys at version 50") && line.contains(digest), "{line} {digest}");
    // The directory is as it was.
    cluster.start_again(0);
    cluster.counts();
    let other = cluster.directory(1);
    let into_other = ["restore", "--from", &to, "--data-dir", &other];
    assert!(refused(&into_other).contains("in use by another process"));
    cluster.kill(1);
    assert!(refused(&into_other).contains("holds a node already"));

    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let never = home.path().join("never");
    assert!(refused(&["restore", "--from", &to, "--data-dir", text(&never)]).contains("is damaged"));
    assert!(!never.exists());
}

#[test]
fn a_restored_leader_waits_until_its_followers_are_empty() {
    let home = TempDir::new().unwrap();
    let mut cluster = DurableCluster::start(2, &[]);
    assert_eq!(cluster.leader().put("k", "backed up").status, 200);
    let file = home.path().join("backup.kv");
    done(&["backup", "--from", &cluster.leader().url(), "--to", text(&file)]);
    assert_eq!(cluster.leader().put("k", "newer").status, 200);
    cluster.counts();
    cluster.stop(0);
    let directory = home.path().join("restored");
    done(&["restore", "--from", text(&file), "--data-dir", text(&directory)]);
    let urls = format!("{},{}", cluster.node(1).url(), cluster.node(2).url());
    let host = own_host();
    let leader = Node::start(&[("FOLLOWER_URLS", &urls), ("HOST", &host), ("DATA_DIR", text(&directory))]);
    leader.waits_because("this node was restored from a backup, and followers 1, 2 hold data");
    for index in [1, 2] {
        assert_eq!(cluster.node(index).request("POST", "/reset", None).status, 200);
    }
    leader.logged("the leader serves");
    assert_eq!(leader.get("/kv/k").body, json!({ "value": "backed up", "version": 1 }));
    eventually("the followers are level", || leader.get("/parity").status == 200);
}
