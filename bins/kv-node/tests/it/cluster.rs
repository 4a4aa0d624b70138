//! The real binary as a leader with followers, spoken to over HTTP.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use serde_json::json;

use crate::common::{Answer, Cluster, Node, eventually, kv_node, now, request, run};

/// A port that nobody listens on, since only the system's own services may.
const NOBODY: &str = "1";

#[test]
fn a_write_reaches_every_follower() {
    let cluster = Cluster::start(5, &[("WRITE_QUORUM", "3"), ("MAX_DELAY_MS", "20")]);
    let written = cluster.leader.put("integration-key", "value-1");
    assert_eq!(written.status, 200, "{written:?}");
    assert_eq!(written.body["key"], "integration-key");
    assert_eq!(written.body["value"], "value-1");
    assert_eq!(written.body["version"], 1);
    assert!(written.body["acks"].as_u64().unwrap() >= 3, "{written:?}");

    // On the leader at once; on the followers as soon as it has got there.
    let read = cluster.leader.get("/kv/integration-key");
    assert_eq!((read.status, &read.body), (200, &json!({ "value": "value-1", "version": 1 })));
    for follower in &cluster.followers {
        eventually("the follower has the write", || {
            let answer = follower.get("/kv/integration-key");
            answer.status == 200 && answer.body == read.body
        });
        let refused = follower.put("integration-key", "value-2");
        assert_eq!((refused.status, refused.body["detail"].as_str()), (405, Some("Leader only")));
    }
    for write in 2..=30 {
        assert_eq!(cluster.leader.put(&format!("key-{}", write % 7), "again").body["version"], write);
    }
    cluster.level();
    assert_eq!(cluster.leader.dump().as_object().unwrap().len(), 8);
}

#[test]
fn settings_come_from_the_variables_of_the_compose_file() {
    let compose = [("ROLE", "follower"), ("HOST", "0.0.0.0"), ("PORT", "0")];
    let followers: Vec<Node> = (0..5).map(|_| Node::start(&compose)).collect();
    let leader = Cluster::lead(
        &followers,
        &[
            ("ROLE", "leader"),
            ("HOST", "0.0.0.0"),
            ("PORT", "0"),
            ("WRITE_QUORUM", "3"),
            ("MIN_DELAY_MS", "0"),
            ("MAX_DELAY_MS", "50"),
            ("REPLICATION_TIMEOUT_MS", "4000"),
            ("DATA_DIR", ""),
        ],
    );
    assert!(leader.logged("listening").contains("address=0.0.0.0:"));
    let leading = leader.logged("leading");
    for setting in
        ["followers=5", "write_quorum=3", "min_delay=0ns", "max_delay=50ms", "write_timeout=4.05s", "seed="]
    {
        assert!(leading.contains(setting), "{setting} is not in {leading}");
    }
    let written = leader.put("k", "v");
    assert!(written.status == 200 && written.body["acks"].as_u64().unwrap() >= 3, "{written:?}");
}

#[test]
fn flags_win_over_variables() {
    let follower = Node::follower();
    let url = follower.url();
    let flags = [
        "--role",
        "leader",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--follower-urls",
        &url,
        "--write-quorum=1",
        "--min-delay-ms=3",
        "--max-delay-ms=4",
        "--replication-timeout-ms=5000",
        "--write-timeout-ms=6000",
        "--seed=7",
        "--enable-reset=false",
        "--log-format=text",
        "--log-level=info",
    ];
    // Each of these alone would keep the node from starting, or change what it does.
    let variables = [
        ("ROLE", "robot"),
        ("HOST", "192.0.2.1"),
        ("PORT", "-1"),
        ("FOLLOWER_URLS", "https://nobody"),
        ("WRITE_QUORUM", "9"),
        ("MIN_DELAY_MS", "9"),
        ("MAX_DELAY_MS", "8"),
        ("REPLICATION_TIMEOUT_MS", "0"),
        ("WRITE_TIMEOUT_MS", "0"),
        ("SEED", "none"),
        ("ENABLE_RESET", "true"),
        ("LOG_FORMAT", "xml"),
        ("LOG_LEVEL", "loud"),
    ];
    let leader = Node::start_with_flags(&flags, &variables);
    let leading = leader.logged("leading");
    for setting in
        ["followers=1", "write_quorum=1", "min_delay=3ms", "max_delay=4ms", "write_timeout=6s", "seed=7"]
    {
        assert!(leading.contains(setting), "{setting} is not in {leading}");
    }
    assert_eq!(leader.put("k", "v").status, 200);
    let reset = leader.request("POST", "/reset", None);
    assert_eq!((reset.status, reset.body["code"].as_str()), (403, Some("forbidden")));
}

#[test]
fn health_names_the_role() {
    let (leader, follower) = (Node::start(&[("RUNTIME_THREADS", "2")]), Node::follower());
    for (node, role) in [(&leader, "leader"), (&follower, "follower")] {
        let health = node.get("/health");
        assert_eq!((health.status, health.body), (200, json!({ "status": "ok", "role": role })));
    }
    // A leader alone serves, too.
    assert_eq!(leader.put("k", "v").body["acks"], 0);
}

#[test]
fn the_healthcheck_asks_the_node_of_its_settings() {
    let node = Node::start(&[("ROLE", "follower")]);
    let everywhere = Node::start(&[("ROLE", "follower"), ("HOST", "0.0.0.0")]);
    let (port, port_everywhere) = (node.address.port().to_string(), everywhere.address.port().to_string());
    for (flags, variables) in [
        (&["healthcheck"] as &[&str], &[("PORT", port.as_str())] as &[(&str, &str)]),
        (&["healthcheck"], &[("ROLE", "follower"), ("HOST", "0.0.0.0"), ("PORT", &port_everywhere)]),
        (&["healthcheck", "--port", &port], &[]),
        (&["healthcheck", "--port", &port], &[("PORT", NOBODY)]),
        (&["--port", &port, "healthcheck"], &[("PORT", NOBODY)]),
    ] {
        let ended = run(&mut kv_node(flags, variables));
        let silent = ended.stdout.is_empty() && ended.stderr.is_empty();
        assert!(ended.code == Some(0) && silent, "{flags:?} {variables:?}: {ended:?}");
    }
    for host in ["127.0.0.1", "0.0.0.0", "localhost"] {
        let ended = run(&mut kv_node(&["healthcheck"], &[("HOST", host), ("PORT", NOBODY)]));
        assert!(ended.code == Some(1) && ended.stdout.is_empty(), "{host}: {ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    }
    let bad = run(&mut kv_node(&["healthcheck"], &[("PORT", "none")]));
    assert!(bad.code == Some(1) && bad.stderr.starts_with("kv-node: PORT: "), "{bad:?}");
}

/// It takes connections, as the system does for it, and says nothing.
#[test]
fn the_healthcheck_does_not_wait_for_ever() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port().to_string();
    let ended = run(&mut kv_node(&["healthcheck"], &[("PORT", &port)]));
    assert!(ended.code == Some(1) && ended.stderr.lines().count() == 1, "{ended:?}");
}

/// Three of five followers are killed: with W=3 no write is committed, and the leader says so in time.
/// Started again without their memory, they get everything back, although nobody writes.
#[test]
fn lost_followers_are_missed_and_caught_up() {
    let mut cluster = Cluster::start(5, &[("WRITE_QUORUM", "3")]);
    for write in 1..=20 {
        assert_eq!(cluster.leader.put(&format!("key-{write}"), "before").status, 200);
    }
    cluster.level();
    let before = cluster.leader.dump();

    let killed: Vec<SocketAddr> = cluster.followers.drain(2..).map(|follower| follower.address).collect();
    for attempt in 0..3 {
        let start = now();
        let body = Some(json!({ "value": "during" }));
        let refused = cluster.leader.request("PUT", &format!("/kv/during-{attempt}?timeout_ms=500"), body);
        assert!(start.elapsed() < Duration::from_millis(500 + 2000), "{:?}", start.elapsed());
        assert_quorum_missed(&refused);
        let health = cluster.leader.get("/health");
        assert_eq!((health.status, health.body["role"].as_str()), (200, Some("leader")));
        assert_eq!(cluster.leader.dump(), before, "what is not committed is not readable");
    }

    cluster.followers.extend(killed.into_iter().map(Node::follower_again));
    cluster.level();
    let now_held = cluster.leader.dump();
    for (key, item) in before.as_object().unwrap() {
        assert_eq!(&now_held[key], item);
    }
    let written = cluster.leader.put("after", "after");
    assert!(written.status == 200 && written.body["acks"].as_u64().unwrap() >= 3, "{written:?}");
    cluster.level();
}

/// A connection that has been closed is no reason to wait for an answer on it.
#[test]
fn a_killed_follower_is_noticed_at_once() {
    let mut cluster = Cluster::start(2, &[("REPLICATION_TIMEOUT_MS", "20000")]);
    cluster.followers.clear();
    let killed = now();
    cluster.leader.logged("follower is down");
    assert!(killed.elapsed() < Duration::from_secs(10), "{:?}", killed.elapsed());
}

/// Either the leader knew it, or it found out: the answer says which, and what came of the write.
fn assert_quorum_missed(refused: &Answer) {
    assert_eq!(refused.status, 503, "{refused:?}");
    let detail = &refused.body["detail"];
    assert_eq!((&detail["message"], &detail["required"]), (&json!("Write quorum not met"), &json!(3)));
    assert!(detail["acks"].as_u64().unwrap() <= 2, "{refused:?}");
    let outcome = match refused.body["code"].as_str() {
        Some("no_quorum") => {
            assert!(detail["version"].is_null() && refused.head.contains("retry-after:"), "{refused:?}");
            "not_applied"
        }
        Some("quorum_timeout") => {
            assert!(detail["version"].is_u64(), "{refused:?}");
            "unknown"
        }
        _ => panic!("{refused:?}"),
    };
    assert_eq!((&refused.body["outcome"], &detail["outcome"]), (&json!(outcome), &json!(outcome)));
}

/// Settings cannot see that two names are one machine; the node that answers tells.
#[test]
fn one_node_does_not_count_as_two_followers() {
    let follower = Node::start(&[("ROLE", "follower")]);
    let urls = format!("{},http://localhost:{}", follower.url(), follower.address.port());
    let leader = Node::start(&[("FOLLOWER_URLS", &urls), ("WRITE_QUORUM", "2")]);
    let refused = leader.put("k", "v");
    assert_eq!((refused.status, refused.body["code"].as_str()), (503, Some("recovering")), "{refused:?}");
    assert!(refused.body["detail"].as_str().unwrap().contains("same node"), "{refused:?}");
}

/// SIGTERM while a write is on the simulated wire: it is answered, and then the leader ends.
#[test]
fn a_leader_that_is_told_to_stop_finishes_its_writes() {
    let delays = [("MIN_DELAY_MS", "300"), ("MAX_DELAY_MS", "300"), ("WRITE_QUORUM", "3")];
    let Cluster { leader, followers } = Cluster::start(5, &delays);
    let address = leader.address;
    let open = std::thread::spawn(move || request(address, "PUT", "/kv/open", Some(json!({ "value": "v" }))));

    // Nothing shows a write that is not committed; but it has taken a version of the others.
    let mut others = 0;
    eventually("the write has a version", || {
        let late = leader.request("PUT", "/kv/other?timeout_ms=10", Some(json!({ "value": "v" })));
        let version = late.body["detail"]["version"].as_u64().unwrap_or(0);
        others += u64::from(version > 0);
        version > others
    });
    leader.terminate();

    let answer = open.join().unwrap().unwrap();
    assert_eq!((answer.status, answer.body["value"].as_str()), (200, Some("v")), "{answer:?}");
    assert!(answer.body["acks"].as_u64().unwrap() >= 3, "{answer:?}");
    let (status, log) = leader.ended();
    assert_eq!(status.code(), Some(0), "{log:#?}");
    assert!(log.last().unwrap().contains("stopped"), "{log:#?}");
    assert!(!log.iter().any(|line| line.contains("still open")), "{log:#?}");
    // What was answered is on W followers, whatever became of the leader.
    let holders = followers.iter().filter(|follower| follower.get("/kv/open").status == 200).count();
    assert!(holders >= 3, "{holders} followers have it");
}

#[test]
fn a_follower_that_is_told_to_stop_ends_although_its_leader_is_connected() {
    let mut cluster = Cluster::start(2, &[]);
    assert_eq!(cluster.leader.put("k", "v").status, 200);
    let follower = cluster.followers.pop().unwrap();
    follower.terminate();
    let (status, log) = follower.ended();
    assert_eq!(status.code(), Some(0), "{log:#?}");
    assert!(log.last().unwrap().contains("stopped"), "{log:#?}");
    assert!(!log.iter().any(|line| line.contains("still open")), "{log:#?}");
    assert_eq!(cluster.leader.put("k", "w").status, 200, "one of two is enough");
}
