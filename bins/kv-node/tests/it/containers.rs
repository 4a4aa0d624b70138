//! The cluster of the Compose file on a real Docker engine. `.ci/containers` runs this, where an engine answers,
//! and names what was skipped where none does; hence each test is marked as ignored.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use serde_json::{Value, json};

use crate::common::writer::{Acknowledged, Writer};
use crate::common::{eventually, now, request};
use crate::docker::{DURABLE, FOLLOWERS, LAB, SERVICES, Stack, docker, docker_fails, image, parts_of};

const IMAGE_BYTES_MAX: u64 = 40_000_000;

/// Delays mix the order of entries; the rest is as in the Compose file, W = 3 among it.
const QUICK: [(&str, &str); 1] = [("MAX_DELAY_MS", "20")];

/// The report's own test, against its own cluster with its own delays.
#[test]
#[ignore = "needs a Docker engine: .ci/containers"]
fn leader_replication_reaches_all_followers() {
    let stack = Stack::up(&[]);
    let written = stack.put("integration-key", "value-1");
    assert_eq!(written.status, 200, "{written:?}");
    let body = &written.body;
    assert_eq!(
        (&body["key"], &body["value"], &body["version"]),
        (&json!("integration-key"), &json!("value-1"), &json!(1))
    );
    assert!(body["acks"].as_u64().unwrap() >= 3, "{written:?}");

    let held = stack.get("leader", "/kv/integration-key");
    assert_eq!((held.status, &held.body), (200, &json!({ "value": "value-1", "version": 1 })));
    for follower in FOLLOWERS {
        eventually("the follower has the write", || {
            stack.get(follower, "/kv/integration-key").body == held.body
        });
        assert_eq!(stack.get(follower, "/health").body, json!({ "status": "ok", "role": "follower" }));
    }
    assert_eq!(stack.get("leader", "/health").body, json!({ "status": "ok", "role": "leader" }));
    stack.is_equal();
}

#[test]
#[ignore = "needs a Docker engine: .ci/containers"]
fn every_follower_has_every_write_that_was_acknowledged() {
    let stack = Stack::up(&QUICK);
    let load = Load::start(&stack);
    load.goes_on("writes are acknowledged");
    let acknowledged = load.finish_without_failure();
    everybody_has(&stack, &acknowledged);
}

#[test]
#[ignore = "needs a Docker engine: .ci/containers"]
fn a_follower_that_was_cut_off_catches_up() {
    let settings = [QUICK[0], ("REPLICATION_TIMEOUT_MS", "1000")];
    let stack = Stack::up(&settings);
    let load = Load::start(&stack);
    load.goes_on("writes are acknowledged");

    stack.cut("follower2");
    eventually("the leader misses it", || stack.link("follower2")["state"] == "down");
    load.goes_on("writes go on without it");
    let missed = stack.version("committed");
    let before = stack.link("follower2")["watermark"].as_u64().unwrap();
    assert!(missed > before + 20, "it was at {before} and misses up to {missed}");

    stack.heal("follower2");
    eventually("it has what it missed, under load", || {
        let link = stack.link("follower2");
        link["state"] == "streaming" && link["watermark"].as_u64() >= Some(missed)
    });
    load.goes_on("writes go on with it");
    let acknowledged = load.finish_without_failure();
    everybody_has(&stack, &acknowledged);
    assert_eq!(stack.inspect("follower2", ".RestartCount"), "0", "it was cut off, and not restarted");
}

#[test]
#[ignore = "needs a Docker engine: .ci/containers"]
fn writes_go_on_while_two_followers_are_paused() {
    let stack = Stack::up(&QUICK);
    let load = Load::start(&stack);
    load.goes_on("writes are acknowledged");
    for follower in ["follower4", "follower5"] {
        stack.docker(&["pause"], follower);
    }
    load.goes_on("writes go on with three");
    let acknowledged = load.finish_without_failure();

    // With two there is no quorum: that the others were enough was no accident.
    stack.docker(&["pause"], "follower3");
    let refused = stack.put("too-few?timeout_ms=300", "x");
    assert_eq!((refused.status, &refused.body["detail"]["required"]), (503, &json!(3)), "{refused:?}");
    for follower in ["follower3", "follower4", "follower5"] {
        stack.docker(&["unpause"], follower);
    }
    everybody_has(&stack, &acknowledged);
}

#[test]
#[ignore = "needs a Docker engine: .ci/containers"]
fn nothing_acknowledged_is_lost_when_the_leader_is_killed() {
    let stack = Stack::up(&QUICK);
    let load = Load::start(&stack);
    for round in 1..=2 {
        load.goes_on("writes are acknowledged");
        let before = stack.version("assigned");
        stack.docker(&["kill"], "leader");
        assert_eq!(stack.inspect("leader", ".State.ExitCode"), "137", "round {round}");
        stack.docker(&["start"], "leader");
        stack.serves();
        load.goes_on("writes go on with the leader that was started again");
        assert!(stack.version("assigned") > before, "versions never start again");
    }
    let (acknowledged, _) = load.finish();
    everybody_has(&stack, &acknowledged);
}

/// In memory only: the next one may go when the last one is level again, and confirmed by the others.
#[test]
#[ignore = "needs a Docker engine: .ci/containers"]
fn no_write_fails_while_all_followers_are_restarted_one_by_one() {
    let stack = Stack::up(&QUICK);
    let load = Load::start(&stack);
    load.goes_on("writes are acknowledged");
    for follower in FOLLOWERS {
        let before = stack.link(follower)["node_id"].clone();
        stack.docker(&["restart"], follower);
        stack.counts(&[follower]);
        assert_ne!(stack.link(follower)["node_id"], before, "it has lost its memory, and says so");
        load.goes_on("writes go on");
    }
    let acknowledged = load.finish_without_failure();
    everybody_has(&stack, &acknowledged);
}

/// Docker gives an address that is free to whoever is started next, also while somebody connects to it: none of
/// the leader's connections may stay with another follower than its own.
#[test]
#[ignore = "needs a Docker engine: .ci/containers"]
fn followers_that_come_back_with_each_other_s_addresses_are_told_apart() {
    let stack = Stack::up(&QUICK);
    let load = Load::start(&stack);
    for order in [[1, 2, 3], [3, 1, 2], [2, 3, 1], [1, 2, 3]] {
        load.goes_on("writes are acknowledged");
        let three = order.map(|nth| FOLLOWERS[nth - 1]);
        for verb in ["stop", "start"] {
            for follower in three {
                stack.docker(&[verb], follower);
            }
        }
        stack.docker(&["restart"], three[0]);
        stack.counts(&FOLLOWERS);
    }
    let (acknowledged, _) = load.finish();
    everybody_has(&stack, &acknowledged);
}

/// Every entry takes a quarter of a second, so that writes are open when the signal comes.
#[test]
#[ignore = "needs a Docker engine: .ci/containers"]
fn a_leader_that_is_stopped_finishes_its_writes() {
    let stack = Stack::up(&[("MIN_DELAY_MS", "250"), ("MAX_DELAY_MS", "250")]);
    let load = Load::start(&stack);
    load.goes_on("writes are acknowledged");
    let leader = stack.leader();
    let open = std::thread::spawn(move || request(leader, "PUT", "/kv/open", Some(json!({ "value": "v" }))));
    // Each of the other clients has one write under way: one more is this one.
    eventually("the write is open", || {
        let versions = &stack.get("leader", "/status").body["versions"];
        let of = |name: &str| versions[name].as_u64().unwrap();
        of("assigned") - of("committed") > WRITERS as u64
    });

    let start = now();
    stack.docker(&["stop"], "leader");
    assert!(start.elapsed() < Duration::from_secs(10), "it was killed, or waited: {:?}", start.elapsed());
    let answer = open.join().unwrap().unwrap();
    assert_eq!((answer.status, answer.body["value"].as_str()), (200, Some("v")), "{answer:?}");
    assert_eq!(stack.inspect("leader", ".State.ExitCode"), "0");
    assert_eq!(stack.inspect("leader", ".State.Status"), "exited", "and it was not started again");
    let log = stack.log("leader");
    assert!(log.contains("stopping: no new writes") && log.trim_end().ends_with("stopped"), "{log}");
    assert!(!log.contains("still open"), "{log}");

    let (acknowledged, _) = load.finish();
    let held = FOLLOWERS.map(|follower| stack.dump(follower));
    for (key, version) in acknowledged.iter() {
        let item = json!({ "value": key, "version": version });
        let holders = held.iter().filter(|dump| dump[key] == item).count();
        assert!(holders >= 3, "{key} is on {holders} followers");
    }
    stack.docker(&["start"], "leader");
    stack.serves();
    everybody_has(&stack, &acknowledged);
}

#[test]
#[ignore = "needs a Docker engine: .ci/containers"]
fn the_image_is_small_and_its_user_is_nobody() {
    let stack = Stack::up(&QUICK);
    let bytes: u64 = docker(&["image", "inspect", "--format", "{{.Size}}", image()]).parse().unwrap();
    assert!(bytes < IMAGE_BYTES_MAX, "{bytes} bytes");
    for service in SERVICES {
        eventually("it is healthy", || stack.inspect(service, ".State.Health.Status") == "healthy");
        for (field, expected) in [
            (".Config.User", "65532:65532"),
            (".Config.StopSignal", "SIGTERM"),
            ("json .Config.Healthcheck.Test", r#"["CMD","/kv-node","healthcheck"]"#),
            (".HostConfig.ReadonlyRootfs", "true"),
            (".HostConfig.CapDrop", "[ALL]"),
            (".HostConfig.SecurityOpt", "[no-new-privileges:true]"),
            (".HostConfig.RestartPolicy.Name", "unless-stopped"),
            // Longer than a node's drain of 10 s.
            (".Config.StopTimeout", "15"),
            ("len .Mounts", "0"),
        ] {
            assert_eq!(stack.inspect(service, field), expected, "{service} {field}");
        }
    }
    let (_, said) = docker_fails(&["exec", &stack.container("leader"), "sh"]);
    assert!(said.contains("not found"), "there is no shell: {said}");
}

#[test]
#[ignore = "needs a Docker engine: .ci/containers"]
fn a_container_ends_with_the_code_of_the_program() {
    let (code, said) = docker_fails(&["run", "--rm", "--env", "WRITE_QUORUM=9", image()]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.starts_with("kv-node: WRITE_QUORUM: ") && said.lines().count() == 1, "{said}");
    // Nobody listens in that container.
    let (code, said) = docker_fails(&["run", "--rm", image(), "healthcheck"]);
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
    assert!(docker(&["run", "--rm", image(), "--version"]).starts_with("kv-node "));
}

/// Nothing is started: what the file says when no variable is set.
#[test]
#[ignore = "needs a Docker engine: .ci/containers"]
fn without_variables_it_is_the_report_s_cluster() {
    let shown = Stack::without_variables(LAB);
    for (nth, service) in SERVICES.iter().enumerate() {
        assert!(shown.contains(&format!("container_name: kv_{service}\n")), "{shown}");
        let old = format!("127.0.0.1:900{nth}:8000");
        let new = format!("published: \"900{nth}\"");
        assert!(shown.contains(&old) || shown.contains(&new), "{shown}");
    }
    for setting in ["WRITE_QUORUM: '3'", "MIN_DELAY_MS: '0'", "MAX_DELAY_MS: '1000'"] {
        assert!(shown.replace('"', "'").contains(setting), "{setting} is not in {shown}");
    }
    assert!(!shown.contains("DATA_DIR") && !shown.contains("volumes:"), "{shown}");
    let durable = Stack::without_variables(DURABLE);
    assert_eq!(durable.matches("DATA_DIR: /data").count(), 6, "{durable}");
}

#[test]
#[ignore = "needs a Docker engine: .ci/containers"]
fn a_test_that_fails_leaves_nothing_behind() {
    let mut project = String::new();
    let failed = catch_unwind(AssertUnwindSafe(|| {
        let stack = Stack::new(LAB, &QUICK);
        project = stack.project();
        stack.compose_up();
        stack.docker(&["pause"], "follower1");
        stack.cut("follower2");
        stack.docker(&["kill"], "leader");
        assert_eq!(parts_of(&project), 7, "six containers and a network");
        panic!("as a test that fails");
    }));
    let said = failed.unwrap_err();
    assert_eq!(said.downcast_ref(), Some(&"as a test that fails"));
    assert_eq!(parts_of(&project), 0);
}

/// Containers come and go, the volumes stay.
#[test]
#[ignore = "needs a Docker engine: .ci/containers"]
fn a_durable_cluster_keeps_everything() {
    let stack = Stack::new(DURABLE, &QUICK);
    stack.compose_up();
    let load = Load::start(&stack);
    load.goes_on("writes are acknowledged");
    // All at once, and at any moment.
    let containers: Vec<String> = SERVICES.iter().map(|it| stack.container(it)).collect();
    let containers: Vec<&str> = containers.iter().map(String::as_str).collect();
    docker(&[&["kill"], &containers[..]].concat());
    let (acknowledged, _) = load.finish();
    docker(&[&["start"], &containers[..]].concat());
    stack.serves();
    everybody_has(&stack, &acknowledged);

    stack.compose(&["down"]);
    stack.compose_up();
    everybody_has(&stack, &acknowledged);
    assert_eq!(stack.put("next", "x").status, 200);
}

/// Clients that write all the time.
struct Load(Vec<Writer>);

const WRITERS: usize = 4;

impl Load {
    fn start(stack: &Stack) -> Self {
        let names: [&'static str; WRITERS] = ["a", "b", "c", "d"];
        Self(names.map(|name| Writer::start_with(name, stack.leader())).into())
    }

    /// Waits for more acknowledged writes of each.
    fn goes_on(&self, what: &str) {
        for writer in &self.0 {
            writer.goes_on(what);
        }
    }

    /// What was acknowledged, and what became of the first write that was not.
    fn finish(self) -> (Acknowledged, Option<String>) {
        let (acknowledged, failures): (Vec<_>, Vec<_>) =
            self.0.into_iter().map(Writer::finish_with_failures).unzip();
        (acknowledged.into_iter().collect(), failures.into_iter().flatten().next())
    }

    fn finish_without_failure(self) -> Acknowledged {
        let (acknowledged, failure) = self.finish();
        assert_eq!(failure, None, "no write may fail");
        acknowledged
    }
}

/// All nodes are equal, and hold every write that was acknowledged, under its version.
fn everybody_has(stack: &Stack, acknowledged: &Acknowledged) {
    assert!(acknowledged.iter().count() >= 40, "{acknowledged:?}");
    stack.counts(&FOLLOWERS);
    stack.is_equal();
    let held: Value = stack.dump("leader");
    acknowledged.is_in(&held);
    for follower in FOLLOWERS {
        assert!(stack.dump(follower) == held, "{follower} holds something else");
    }
}
