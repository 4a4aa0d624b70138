//! The suite that every [`Transport`] passes.
//!
//! An implementation brings a [`Harness`] and calls [`check_all`] from a test.

#![expect(clippy::expect_used, clippy::panic, reason = "a test suite fails by panicking")]

use std::future::Future;
use std::time::Duration;

use kv_core::{Command, Entry, Epoch, Key, NodeId, Version};

use crate::engine::FollowerHandle;
use crate::{Append, ClusterId, FollowerConfig, Held, Refusal, Request, Transport, TransportError};

/// A transport with real followers at its other end.
pub trait Harness {
    /// The transport under test.
    type Transport: Transport;

    /// Starts a transport that leads to these followers, in this order.
    fn start(followers: Vec<FollowerHandle>) -> impl Future<Output = Self>;

    /// The transport.
    fn transport(&self) -> &Self::Transport;

    /// Makes a follower unreachable, also over connections that are open.
    fn cut(&mut self, follower: usize) -> impl Future<Output = ()>;

    /// Makes it reachable again, at the same address.
    fn heal(&mut self, follower: usize) -> impl Future<Output = ()>;
}

const CLUSTER: ClusterId = ClusterId(77);
const EPOCH: Epoch = Epoch { counter: 2, node: NodeId(100) };
/// Far beyond what any call takes on a working wire.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs every check, each on a fresh harness.
///
/// # Panics
/// If the transport breaks a rule; the message names it.
pub async fn check_all<H: Harness>() {
    requests_reach_the_follower_they_name::<H>().await;
    every_kind_of_entry_arrives_as_it_was_sent::<H>().await;
    a_large_batch_arrives_whole::<H>().await;
    a_refusal_is_a_reply::<H>().await;
    replies_belong_to_their_requests::<H>().await;
    a_cut_wire_is_an_error_and_heals::<H>().await;
    a_dropped_call_harms_nobody::<H>().await;
}

fn followers() -> Vec<FollowerHandle> {
    (1..=3).map(|id| FollowerHandle::new(NodeId(id), FollowerConfig::default())).collect()
}

fn put(version: Version, key: &str, value: &[u8]) -> Entry {
    let command = Key::parse(key).ok().and_then(|key| Command::put(key, value).ok());
    command.unwrap_or_else(Command::no_op).into_entry(EPOCH, version)
}

fn append(entries: Vec<Entry>) -> Append {
    Append { cluster: CLUSTER, epoch: EPOCH, recovered: true, mark: 0, entries }
}

async fn ask<H: Harness>(
    harness: &H,
    follower: usize,
    request: Request,
) -> Result<crate::Reply, TransportError> {
    tokio::time::timeout(PATIENCE, harness.transport().send(follower, request))
        .await
        .expect("an answer in time")
}

async fn held<H: Harness>(harness: &H, follower: usize, request: Request) -> Held {
    match ask(harness, follower, request).await {
        Ok(Ok(held)) => held,
        other => panic!("follower {follower} should have taken the request, but: {other:?}"),
    }
}

async fn requests_reach_the_follower_they_name<H: Harness>() {
    let nodes = followers();
    let harness = H::start(nodes.clone()).await;
    for (follower, node) in nodes.iter().enumerate() {
        let held = held(&harness, follower, Request::Probe).await;
        assert_eq!(held, node.holds(), "a probe says who answers, and what it holds");
    }
    let beyond = ask(&harness, nodes.len(), Request::Probe).await;
    assert_eq!(beyond, Err(TransportError::NoSuchFollower(nodes.len())));
}

async fn every_kind_of_entry_arrives_as_it_was_sent<H: Harness>() {
    let nodes = followers();
    let harness = H::start(nodes.clone()).await;
    let key = Key::parse("ключ/1").expect("a key");
    let entries = vec![
        put(1, "text", "wörter".as_bytes()),
        put(2, "ключ/1", &[0, 255, 10]),
        Command::delete(key).into_entry(EPOCH, 3),
        Command::clear().into_entry(EPOCH, 4),
        Command::no_op().into_entry(EPOCH, 5),
        put(6, "empty", b""),
        put(9, "island", b"x"),
    ];
    let request = Append { mark: 6, ..append(entries) };
    let reply = held(&harness, 1, Request::Append(request.clone())).await;

    // The same request, handed over without a transport, must lead to the same state.
    let twin = FollowerHandle::new(NodeId(2), FollowerConfig::default());
    assert_eq!(twin.request(Request::Append(request)), Ok(reply.clone()));
    assert_eq!(nodes.get(1).map(FollowerHandle::dump), Some(twin.dump()));
    assert_eq!((reply.mark, format!("{:?}", reply.ranges).as_str()), (6, "{1-6 9}"));
    assert_eq!((reply.cluster, reply.promised), (Some(CLUSTER), EPOCH));
}

async fn a_large_batch_arrives_whole<H: Harness>() {
    let nodes = followers();
    let harness = H::start(nodes.clone()).await;
    let value = vec![b'v'; 1000];
    let entries: Vec<_> = (1..=1000).map(|version| put(version, &format!("k{version}"), &value)).collect();
    let reply = held(&harness, 0, Request::Append(append(entries))).await;
    assert_eq!(reply.ranges.watermark(), 1000);
    assert_eq!(nodes.first().map(|node| node.dump().len()), Some(1000));
}

async fn a_refusal_is_a_reply<H: Harness>() {
    let harness = H::start(followers()).await;
    held(&harness, 0, Request::Append(append(vec![put(1, "a", b"x")]))).await;

    let old = Epoch { counter: 1, node: NodeId(100) };
    let stale = Request::Append(Append { epoch: old, ..append(Vec::new()) });
    assert_eq!(ask(&harness, 0, stale).await, Ok(Err(Refusal::StaleEpoch { promised: EPOCH })));

    let foreign = Request::Append(Append { cluster: ClusterId(1), ..append(Vec::new()) });
    assert_eq!(ask(&harness, 0, foreign).await, Ok(Err(Refusal::WrongCluster { held: Some(CLUSTER) })));

    let other = Request::Append(append(vec![put(1, "a", b"y")]));
    assert_eq!(ask(&harness, 0, other).await, Ok(Err(Refusal::Conflict { version: 1 })));

    let last = FollowerConfig::default().window_entries_max;
    let far = Request::Append(append(vec![put(last + 1, "a", b"x")]));
    assert_eq!(ask(&harness, 0, far).await, Ok(Err(Refusal::BeyondWindow { version: last + 1, last })));
}

async fn replies_belong_to_their_requests<H: Harness>() {
    let harness = H::start(followers()).await;
    let calls: Vec<_> = (1..=20)
        .map(|version| {
            let request = Request::Append(append(vec![put(version, "k", b"v")]));
            Box::pin(ask(&harness, (version % 3) as usize, request))
        })
        .collect();
    // All are under way at once; each is answered, and holds what it brought.
    for (version, reply) in (1..).zip(all(calls).await) {
        let Ok(Ok(held)) = reply else { panic!("version {version}: {reply:?}") };
        assert!(held.ranges.contains(version), "version {version}: {held:?}");
        assert_eq!(held.identity.node, NodeId(version % 3 + 1), "version {version}");
    }
}

async fn a_cut_wire_is_an_error_and_heals<H: Harness>() {
    let mut harness = H::start(followers()).await;
    held(&harness, 2, Request::Probe).await;
    harness.cut(2).await;
    let reply = ask(&harness, 2, Request::Probe).await;
    assert!(matches!(reply, Err(TransportError::Broken(_))), "{reply:?}");
    held(&harness, 0, Request::Probe).await;
    harness.heal(2).await;
    held(&harness, 2, Request::Probe).await;
}

async fn a_dropped_call_harms_nobody<H: Harness>() {
    let harness = H::start(followers()).await;
    for version in 1..=10 {
        let call = harness.transport().send(0, Request::Append(append(vec![put(version, "k", b"v")])));
        // Polled once, then dropped: the request may or may not arrive.
        let _ = tokio::time::timeout(Duration::ZERO, call).await;
    }
    let reply = held(&harness, 0, Request::Append(append(vec![put(11, "k", b"v")]))).await;
    assert!(reply.ranges.contains(11));
}

/// Polls all calls at once, and gives their results in order.
async fn all<F: Future + Unpin>(mut calls: Vec<F>) -> Vec<F::Output> {
    let mut done: Vec<Option<F::Output>> = calls.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (call, slot) in calls.iter_mut().zip(&mut done).filter(|(_, slot)| slot.is_none()) {
            if let std::task::Poll::Ready(output) = std::pin::Pin::new(call).poll(context) {
                *slot = Some(output);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}
