//! The suite that every [`Transport`] passes.
//!
//! An implementation brings a [`Harness`] and calls [`check_all`] from a test.

#![expect(clippy::expect_used, clippy::panic, reason = "a test suite fails by panicking")]

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use kv_core::{Command, Entry, Epoch, Key, NodeId, Version};

use crate::config::FollowerConfig;
use crate::engine::FollowerHandle;
use crate::protocol::group::Group;
use crate::protocol::message::{
    Answer, Append, Claim, ClusterId, Head, Held, Identity, Install, Part, Pull, Refusal, Reply, Request,
    Stage,
};
use crate::transport::{Transport, TransportError};

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
    a_snapshot_travels_both_ways::<H>().await;
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

/// A leader's words to the follower with this index.
fn head(follower: usize) -> Head {
    let to = Identity { node: NodeId(follower as u64 + 1), resets: 0 };
    Head { to, cluster: CLUSTER, epoch: EPOCH }
}

fn append(follower: usize, entries: Vec<Entry>) -> Append {
    Append { head: head(follower), stage: Stage::Serving, counted: true, mark: 0, entries }
}

fn claim(follower: usize) -> Request {
    let followers = vec!["http://ключ:1".to_owned(), "http://two:2".to_owned()];
    let groups = Arc::new(vec![Group { since: Epoch { counter: 1, node: NodeId(1) }, write: 2, followers }]);
    Request::Claim(Claim { head: head(follower), renames: Some(ClusterId(3)), groups })
}

/// A harness whose followers have promised the epoch.
async fn claimed<H: Harness>(nodes: Vec<FollowerHandle>) -> H {
    let harness = H::start(nodes.clone()).await;
    for (follower, node) in nodes.iter().enumerate() {
        match ask(&harness, follower, claim(follower)).await {
            Ok(Ok(Answer::Standing(standing))) => assert_eq!(*standing, node.standing()),
            other => panic!("follower {follower} should have promised, but: {other:?}"),
        }
    }
    harness
}

async fn ask<H: Harness>(harness: &H, follower: usize, request: Request) -> Result<Reply, TransportError> {
    tokio::time::timeout(PATIENCE, harness.transport().send(follower, request))
        .await
        .expect("an answer in time")
}

async fn held<H: Harness>(harness: &H, follower: usize, request: Request) -> Held {
    match ask(harness, follower, request).await {
        Ok(Ok(Answer::Held(held))) => held,
        Ok(Ok(Answer::Standing(standing))) => standing.held,
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
    let harness = claimed::<H>(nodes.clone()).await;
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
    let request = Append { mark: 6, ..append(1, entries) };
    let reply = held(&harness, 1, Request::Append(request.clone())).await;

    // The same request, handed over without a transport, must lead to the same state.
    let twin = FollowerHandle::new(NodeId(2), FollowerConfig::default());
    assert!(twin.request(claim(1)).await.is_ok_and(|reply| reply.is_ok()));
    assert_eq!(twin.request(Request::Append(request)).await, Ok(Ok(Answer::Held(reply.clone()))));
    assert_eq!(nodes.get(1).map(FollowerHandle::dump), Some(twin.dump()));
    assert_eq!((reply.mark, format!("{:?}", reply.ranges).as_str()), (6, "{1-6 9}"));
    assert_eq!((reply.counts, reply.promised), (true, EPOCH));
}

async fn a_large_batch_arrives_whole<H: Harness>() {
    let nodes = followers();
    let harness = claimed::<H>(nodes.clone()).await;
    let value = vec![b'v'; 1000];
    let entries: Vec<_> = (1..=1000).map(|version| put(version, &format!("k{version}"), &value)).collect();
    let reply = held(&harness, 0, Request::Append(append(0, entries))).await;
    assert_eq!(reply.ranges.watermark(), 1000);
    assert_eq!(nodes.first().map(|node| node.dump().len()), Some(1000));
}

async fn a_snapshot_travels_both_ways<H: Harness>() {
    let nodes = followers();
    let harness = claimed::<H>(nodes.clone()).await;
    let chunk = |chunk, last, entries| {
        Request::Install(Install { head: head(2), base: 4, chunk, last, through: 4, entries })
    };
    let first = held(&harness, 2, chunk(0, false, vec![put(3, "a", b"1")])).await;
    assert_eq!(first.mark, 0, "nothing is switched before the last chunk");
    let second = held(&harness, 2, chunk(1, true, vec![put(4, "b", b"2")])).await;
    assert_eq!((second.mark, second.ranges.watermark()), (4, 4));
    let pending = Append { mark: 4, ..append(2, vec![put(7, "c", b"3")]) };
    held(&harness, 2, Request::Append(pending)).await;

    let read = async |part| {
        let pull = Request::Pull(Pull { head: head(2), part });
        match ask(&harness, 2, pull).await {
            Ok(Ok(Answer::Chunk(chunk))) => chunk,
            other => panic!("follower 2 should have handed over, but: {other:?}"),
        }
    };
    let state = read(Part::State { after: Some("a".to_owned()) }).await;
    assert_eq!((state.mark, state.entries, state.done), (4, vec![put(4, "b", b"2")], true));
    let above = read(Part::Pending { after: 4 }).await;
    assert_eq!((above.mark, above.entries, above.done), (4, vec![put(7, "c", b"3")], true));
}

async fn a_refusal_is_a_reply<H: Harness>() {
    let harness = claimed::<H>(followers()).await;
    held(&harness, 0, Request::Append(append(0, vec![put(1, "a", b"x")]))).await;

    let with = |head| Request::Append(Append { head, ..append(0, Vec::new()) });
    let old = Epoch { counter: 1, node: NodeId(100) };
    let stale = ask(&harness, 0, with(Head { epoch: old, ..head(0) })).await;
    assert_eq!(stale, Ok(Err(Refusal::StaleEpoch { promised: EPOCH })));

    let new = Epoch { counter: 3, node: NodeId(100) };
    let early = ask(&harness, 0, with(Head { epoch: new, ..head(0) })).await;
    assert_eq!(early, Ok(Err(Refusal::NotPromised { promised: EPOCH })));

    let foreign = ask(&harness, 0, with(Head { cluster: ClusterId(1), ..head(0) })).await;
    assert_eq!(foreign, Ok(Err(Refusal::WrongCluster { held: Some(CLUSTER) })));

    let elsewhere = ask(&harness, 0, with(head(1))).await;
    assert_eq!(elsewhere, Ok(Err(Refusal::OtherNode { identity: head(0).to })));

    let torn = Install { head: head(0), base: 9, chunk: 4, last: true, through: 9, entries: Vec::new() };
    let torn = ask(&harness, 0, Request::Install(torn)).await;
    assert_eq!(torn, Ok(Err(Refusal::WrongChunk { expected: 0 })));

    let last = FollowerConfig::default().window_entries_max;
    let far = Request::Append(append(0, vec![put(last + 1, "a", b"x")]));
    assert_eq!(ask(&harness, 0, far).await, Ok(Err(Refusal::BeyondWindow { version: last + 1, last })));

    let other = Request::Append(append(0, vec![put(1, "a", b"y")]));
    assert_eq!(ask(&harness, 0, other).await, Ok(Err(Refusal::Conflict { version: 1 })));
}

async fn replies_belong_to_their_requests<H: Harness>() {
    let harness = claimed::<H>(followers()).await;
    let calls: Vec<_> = (1..=20)
        .map(|version| {
            let request = Request::Append(append((version % 3) as usize, vec![put(version, "k", b"v")]));
            Box::pin(ask(&harness, (version % 3) as usize, request))
        })
        .collect();
    // All are under way at once; each is answered, and holds what it brought.
    for (version, reply) in (1..).zip(all(calls).await) {
        let Ok(Ok(Answer::Held(held))) = reply else { panic!("version {version}: {reply:?}") };
        assert!(held.ranges.contains(version), "version {version}: {held:?}");
        assert_eq!(held.identity.node, NodeId(version % 3 + 1), "version {version}");
    }
}

async fn a_cut_wire_is_an_error_and_heals<H: Harness>() {
    let mut harness = claimed::<H>(followers()).await;
    held(&harness, 2, Request::Probe).await;
    harness.cut(2).await;
    let reply = ask(&harness, 2, Request::Probe).await;
    assert!(matches!(reply, Err(TransportError::Broken(_))), "{reply:?}");
    held(&harness, 0, Request::Probe).await;
    harness.heal(2).await;
    held(&harness, 2, Request::Probe).await;
}

async fn a_dropped_call_harms_nobody<H: Harness>() {
    let harness = claimed::<H>(followers()).await;
    for version in 1..=10 {
        let call = harness.transport().send(0, Request::Append(append(0, vec![put(version, "k", b"v")])));
        // Polled once, then dropped: the request may or may not arrive.
        let _ = tokio::time::timeout(Duration::ZERO, call).await;
    }
    let reply = held(&harness, 0, Request::Append(append(0, vec![put(11, "k", b"v")]))).await;
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
