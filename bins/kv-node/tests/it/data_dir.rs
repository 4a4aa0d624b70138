//! The data directory of the real binary: what it refuses, and what happens when the disk does.

use std::fs;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use crate::common::durable::DurableCluster;
use crate::common::{Ended, Node, Variables, eventually, kv_node, run};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Ends with this code before any port is bound, and one line that names the variable and the way out.
fn assert_refused(directory: &Path, more: Variables<'_>, code: i32, words: &[&str]) {
    let mut variables = vec![("DATA_DIR", text(directory)), ("ROLE", "follower"), ("PORT", "0")];
    variables.extend(more);
    let Ended { code: found, stdout, stderr } = run(&mut kv_node(&[], &variables));
    let shown = format!("{words:?} of {stderr}");
    assert_eq!((found, stdout.as_str()), (Some(code), ""), "{shown}");
    assert!(!stderr.contains("listening"), "{shown}");
    let last = stderr.lines().last().unwrap();
    assert!(last.starts_with("kv-node: DATA_DIR: ") && words.iter().all(|it| last.contains(it)), "{shown}");
}

#[test]
fn directories_that_cannot_be_used_end_the_process_before_a_port_is_bound() {
    let home = TempDir::new().unwrap();
    let path = |name: &str| home.path().join(name);

    fs::create_dir(path("other")).unwrap();
    fs::write(path("other").join("letter.txt"), "dear").unwrap();
    assert_refused(&path("other"), &[], 2, &["no data directory", "choose another one"]);
    assert_eq!(fs::read_dir(path("other")).unwrap().count(), 1, "nothing was written there");

    fs::write(path("file"), "").unwrap();
    assert_refused(&path("file"), &[], 2, &["cannot create the directory"]);

    fs::create_dir(path("newer")).unwrap();
    fs::write(path("newer").join("FORMAT"), "kv-storage 99\n").unwrap();
    assert_refused(&path("newer"), &[], 2, &["format 99", "use the build that wrote it"]);

    // The proc file system takes no directories, not even from root.
    assert_refused(Path::new("/proc/kv"), &[], 2, &["cannot create the directory"]);
}

#[test]
fn a_directory_in_use_or_of_another_cluster_is_refused() {
    let mut cluster = DurableCluster::start(1, &[]);
    let directory = cluster.directory(1);
    assert_refused(Path::new(&directory), &[], 2, &["in use by another process"]);
    let id = cluster.leader().get("/status").body["cluster_id"].as_str().unwrap().to_owned();
    cluster.kill(1);
    assert_refused(Path::new(&directory), &[("CLUSTER_ID", "abc")], 2, &["belongs to cluster", &id, "abc"]);
    cluster.start_with(1, &[("CLUSTER_ID", &id)]);
    cluster.counts();
}

#[test]
fn a_damaged_directory_is_refused_and_a_follower_is_filled_again_without_it() {
    let mut cluster = DurableCluster::start(2, &[("WRITE_QUORUM", "1")]);
    (0..200).for_each(|number| assert_eq!(cluster.leader().put(&format!("k{number}"), "v").status, 200));
    cluster.counts();
    cluster.stop(2);
    let directory = cluster.directory(2);
    let log = fs::read_dir(&directory).unwrap().map(|it| it.unwrap().path());
    let log = log.filter(|it| text(it).contains("log-")).max().unwrap();
    let mut bytes = fs::read(&log).unwrap();
    bytes[500] ^= 0x10;
    fs::write(&log, bytes).unwrap();
    assert_refused(
        Path::new(&directory),
        &[],
        2,
        &["is damaged", "Restore a backup, or move the directory away"],
    );
    fs::rename(&directory, format!("{directory}.damaged")).unwrap();
    cluster.start_again(2);
    cluster.counts();
    cluster.is_equal();
}

/// Everything is on a disk of 24 MiB, which runs full without a reserve: the process ends with its own exit
/// code, and a line that says why.
#[test]
#[ignore = "needs to mount a file system: .ci/disks"]
fn a_disk_that_fails_ends_the_process() {
    let home = TempDir::new().unwrap();
    let disk = home.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mount = "mount -t tmpfs -o size=24m none \"$0\" && exec \"$@\"";
    let node = env!("CARGO_BIN_EXE_kv-node");
    let data = disk.join("data");
    let mut command = std::process::Command::new("unshare");
    command.args(["-rm", "sh", "-c", mount, text(&disk), node]);
    let variables = [("PORT", "0"), ("DATA_DIR", text(&data)), ("DISK_RESERVE_BYTES", "0")];
    let node = Node::start_command(command, &variables);
    let value = "x".repeat(1 << 20);
    let mut acknowledged = 0;
    for number in 0..64 {
        let body = json!({ "value": value });
        match crate::common::request(node.address, "PUT", &format!("/kv/k{number}"), Some(body)) {
            Ok(answer) if answer.status == 200 => acknowledged += 1,
            _ => break,
        }
    }
    assert!((10..30).contains(&acknowledged), "{acknowledged} MiB on a disk of 24");
    let (status, log) = node.ended();
    assert_eq!(status.code(), Some(3), "{log:#?}");
    assert!(log.last().unwrap().starts_with("kv-node: cannot "), "{log:#?}");
}

/// The reserve is so large that a file of 1 GiB, which takes no time to make, makes the difference.
#[test]
fn a_disk_that_runs_full_is_seen_before() {
    const FILLER: u64 = 1 << 30;
    let mut cluster = DurableCluster::start(2, &[("WRITE_QUORUM", "1"), ("WRITE_TIMEOUT_MS", "1000")]);
    let filler = Path::new(&cluster.directory(0)).parent().unwrap().join("filler");
    let fill = || {
        let file = fs::File::create(&filler).unwrap();
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, FILLER).unwrap();
    };
    let free = rustix::fs::statvfs(filler.parent().unwrap()).unwrap();
    let free = free.f_bavail * free.f_frsize;
    assert!(free >= 3 * FILLER, "this test needs {} bytes of free space, and there are {free}", 3 * FILLER);
    let reserve = (free - FILLER / 2).to_string();

    // A follower that runs full is lagging, and the other carries on.
    cluster.stop(2);
    cluster.start_with(2, &[("DISK_RESERVE_BYTES", &reserve)]);
    cluster.counts();
    fill();
    eventually("the follower is full", || cluster.node(2).get("/status").body["disk_full"] == true);
    eventually("the leader knows", || {
        assert_eq!(cluster.leader().put("while", "full").status, 200);
        cluster.leader().get("/status").body["followers"][1]["state"] != "streaming"
    });
    let refused = cluster.node(2).request(
        "POST",
        "/replicate",
        Some(json!({"key": "k", "value": "v", "version": 9999})),
    );
    assert!([409, 507].contains(&refused.status), "{refused:?}");
    fs::remove_file(&filler).unwrap();
    cluster.counts();
    cluster.is_equal();

    // A leader that runs full refuses writes, and goes on reading.
    cluster.stop(0);
    cluster.start_with(0, &[("DISK_RESERVE_BYTES", &reserve)]);
    cluster.counts();
    fill();
    eventually("the leader is full", || cluster.leader().get("/status").body["disk_full"] == true);
    let refused = cluster.leader().put("while", "full again");
    assert_eq!(
        (refused.status, refused.body["code"].as_str()),
        (507, Some("insufficient_storage")),
        "{refused:?}"
    );
    assert_eq!(refused.body["outcome"], "not_applied");
    assert_eq!(cluster.leader().get("/kv/while").body["value"], "full");
    fs::remove_file(&filler).unwrap();
    eventually("writes go on", || cluster.leader().put("then", "space").status == 200);
    cluster.counts();
    cluster.is_equal();
}

/// A follower that missed a little while the leader was away too gets that, and not everything.
#[test]
fn a_leader_that_starts_again_still_has_its_log() {
    let mut cluster = DurableCluster::start(2, &[("WRITE_QUORUM", "1")]);
    (0..10).for_each(|number| assert_eq!(cluster.leader().put(&format!("k{number}"), "v").status, 200));
    cluster.counts();
    cluster.stop(2);
    (10..20).for_each(|number| assert_eq!(cluster.leader().put(&format!("k{number}"), "v").status, 200));
    cluster.kill(0);
    cluster.start_again(0);
    cluster.leader().logged("the leader serves");
    let status = cluster.leader().get("/status").body;
    assert_eq!((&status["log"]["entries"], &status["durable"]), (&20.into(), &true.into()));
    cluster.start_again(2);
    cluster.counts();
    cluster.is_equal();
}

/// The same few keys are overwritten with many times more than the directory may hold.
#[test]
fn the_directory_does_not_grow_without_bound() {
    const LOG: u64 = 1 << 20;
    let cluster = DurableCluster::start(1, &[("CHECKPOINT_LOG_BYTES", "1048576")]);
    let value = "x".repeat(100 << 10);
    let mut largest = 0;
    for write in 0..150 {
        assert_eq!(cluster.leader().put(&format!("k{}", write % 4), &value).status, 200);
        largest = largest.max(bytes_in(&cluster.directory(0)));
    }
    // 15 MB were written. Twice the log, three times the state, and a segment with its spare.
    let bound = 2 * LOG + 3 * (4 * value.len() as u64) + 2 * LOG;
    assert!(largest <= bound, "{largest} bytes, at most {bound}");
    let dir =
        fs::read_dir(cluster.directory(0)).unwrap().map(|it| it.unwrap().file_name()).collect::<Vec<_>>();
    assert!(dir.iter().any(|it| it.to_str().unwrap().starts_with("checkpoint-")), "{dir:?}");
}

fn bytes_in(directory: &str) -> u64 {
    // A file may be renamed or removed between the two questions.
    fs::read_dir(directory).unwrap().filter_map(|it| Some(it.ok()?.metadata().ok()?.len())).sum()
}
