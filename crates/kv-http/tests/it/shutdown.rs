//! The end of a server: no new connection, no new write, and what is open gets its answer.

use std::time::Duration;

use kv_replication::DelayLaw;
use tokio::net::TcpStream;

use crate::common::raw::{Raw, put_request, request};
use crate::common::{Cluster, Setup, eventually, soon};

fn delayed(by: Duration) -> impl FnOnce(&mut Setup) {
    move |setup| setup.leader.delays = DelayLaw::uniform(1, by, by).unwrap()
}

#[tokio::test]
async fn an_open_write_finishes_while_the_listener_is_gone() {
    let mut cluster = Cluster::with(2, 2, delayed(Duration::from_millis(300))).await;
    let mut client = Raw::open(cluster.leader.address).await;
    client.send(&put_request("k", "v")).await;
    eventually("it has a version", async || cluster.handle.versions().0 == 1).await;

    let stopping = cluster.leader.begin_stop();
    let address = cluster.leader.address;
    eventually("the port refuses", async || TcpStream::connect(address).await.is_err()).await;
    assert!(!stopping.is_finished(), "it waits for the write");

    let reply = client.reply().await;
    assert_eq!((reply.status, reply.json()["version"].as_u64()), (200, Some(1)));
    client.until_closed().await;
    soon("serve()", stopping).await.unwrap();
    assert_eq!(cluster.handle.get("k").map(|read| read.version()), Some(1));
}

#[tokio::test]
async fn a_write_that_has_no_version_yet_is_refused() {
    let mut cluster = Cluster::with(2, 2, |setup| {
        setup.gated = true;
        setup.leader.timing.replication_timeout = Duration::from_millis(100);
        setup.leader.timing.news_age_max = Duration::ZERO;
    })
    .await;
    // The followers are silent, and old news is no reason to refuse: the write waits.
    cluster.gates.iter().for_each(|gate| gate.freeze());
    cluster.until_up(0).await;
    let mut client = Raw::open(cluster.leader.address).await;
    client.send(&put_request("k", "v")).await;
    assert!(!client.answers_within(Duration::from_millis(50)).await, "it waits");

    let stopping = cluster.leader.begin_stop();
    let reply = client.reply().await;
    let body = reply.json();
    assert_eq!((reply.status, body["code"].as_str()), (503, Some("draining")), "{body}");
    assert_eq!((body["outcome"].as_str(), reply.header("retry-after")), (Some("not_applied"), Some("1")));
    soon("serve()", stopping).await.unwrap();
    assert_eq!(cluster.handle.versions(), (0, 0));
}

#[tokio::test]
async fn idle_connections_do_not_hold_it_up() {
    let mut cluster = Cluster::start(0, 0).await;
    let mut used = Raw::open(cluster.leader.address).await;
    used.send(&request("GET", "/health", &[], None)).await;
    assert_eq!(used.reply().await.status, 200);
    let mut fresh = Raw::open(cluster.leader.address).await;
    soon("serve()", cluster.leader.begin_stop()).await.unwrap();
    used.until_closed().await;
    fresh.until_closed().await;
}

#[tokio::test]
async fn whoever_takes_too_long_is_left_behind() {
    let hour = Duration::from_secs(3600);
    let mut cluster = Cluster::with(2, 2, |setup| {
        delayed(hour)(setup);
        setup.server.drain_timeout = Duration::from_millis(100);
        setup.write_timeout = hour;
    })
    .await;
    let mut client = Raw::open(cluster.leader.address).await;
    client.send(&put_request("k", "v")).await;
    eventually("it has a version", async || cluster.handle.versions().0 == 1).await;
    soon("serve()", cluster.leader.begin_stop()).await.unwrap();
    assert!(TcpStream::connect(cluster.leader.address).await.is_err());
}
