//! The first keys that nodes hold differently.

use std::collections::VecDeque;
use std::time::Duration;

use kv_core::{Digester, Version};
use kv_replication::engine::{PageSize, PeerDigest, Range, Read};
use kv_replication::{Answer, Head, Part, Pull, Request, Transport};
use serde::Serialize;

use super::round::{LEADER, Round};
use crate::node::LeaderNode;

/// Keys that are named; the first ones, in their order.
const DIFFERENCES_MAX: usize = 10;
/// What is read of the leader at a time, as the followers give it.
const PAGE: PageSize = PageSize { entries_max: 1_024, bytes_max: 1 << 20 };

/// A key, and what each compared node holds of it.
#[derive(Debug, Serialize)]
pub(super) struct Difference {
    key: String,
    held: Vec<Held>,
}

#[derive(Debug, Serialize)]
struct Held {
    node: String,
    /// None: it does not have the key.
    version: Option<Version>,
    /// Of the value; hexadecimal digits.
    value_digest: Option<String>,
}

/// Walks through the leader and the followers that differ; also says whether it came to the end.
///
/// It stops early if a node cannot be read any more, has moved on, or time runs out: that the nodes
/// differ is known all the same.
pub(super) async fn find(round: &Round<'_>, differing: &[usize], left: Duration) -> (Vec<Difference>, bool) {
    let mut walks = vec![Walk::new(Place::Leader, round)];
    for &index in differing {
        if let Some(Ok(said)) = round.followers.get(index) {
            walks.push(Walk::new(Place::Follower(index, said), round));
        }
    }
    let mut found = Vec::new();
    let walking = async {
        loop {
            for walk in &mut walks {
                if walk.look_ahead().await.is_none() {
                    return false;
                }
            }
            let Some(key) = walks.iter().filter_map(Walk::key).min().map(str::to_owned) else {
                return true;
            };
            let held: Vec<_> = walks.iter_mut().map(|walk| walk.take(&key)).collect();
            if held.windows(2).all(|pair| matches!(pair, [one, other] if same(one.as_ref(), other.as_ref())))
            {
                continue;
            }
            if found.len() == DIFFERENCES_MAX {
                return false;
            }
            found.push((key, held));
        }
    };
    let complete = tokio::time::timeout(left, walking).await.unwrap_or(false);
    let show = |(key, held): (String, Vec<Option<Read>>)| Difference {
        held: who_holds(round, differing, &held),
        key,
    };
    (found.into_iter().map(show).collect(), complete)
}

/// For every node that was compared; those that are equal to the leader hold what it holds.
fn who_holds(round: &Round<'_>, differing: &[usize], held: &[Option<Read>]) -> Vec<Held> {
    let leader = held.first().and_then(Option::as_ref);
    let mut nodes = vec![Held::new(LEADER.to_owned(), leader)];
    for (index, (node, said)) in round.names().zip(&round.followers).enumerate() {
        let place = differing.iter().position(|differs| *differs == index);
        match place {
            Some(place) => nodes.push(Held::new(node, held.get(place + 1).and_then(Option::as_ref))),
            None if round.comparable(said).is_ok() => nodes.push(Held::new(node, leader)),
            None => {}
        }
    }
    nodes
}

impl Held {
    fn new(node: String, read: Option<&Read>) -> Self {
        let digest = |read: &Read| {
            let mut digester = Digester::new();
            digester.add("", 0, read.value());
            format!("{:032x}", digester.finish(0).hash)
        };
        Self { node, version: read.map(Read::version), value_digest: read.map(digest) }
    }
}

/// The epoch under which an entry was written may differ: a new leader writes again what it finds.
fn same(one: Option<&Read>, other: Option<&Read>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.version() == other.version() && one.value() == other.value(),
        (one, other) => one.is_none() && other.is_none(),
    }
}

enum Place<'a> {
    Leader,
    Follower(usize, &'a PeerDigest),
}

/// One node, key by key.
struct Walk<'a> {
    place: Place<'a>,
    leader: &'a LeaderNode,
    mark: Version,
    held: VecDeque<Read>,
    after: Option<String>,
    ended: bool,
}

impl<'a> Walk<'a> {
    fn new(place: Place<'a>, round: &'a Round<'_>) -> Self {
        let (leader, mark) = (round.leader, round.own.mark);
        Self { place, leader, mark, held: VecDeque::new(), after: None, ended: false }
    }

    /// Reads on if nothing is left; none if the node is not what it was.
    async fn look_ahead(&mut self) -> Option<()> {
        while self.held.is_empty() && !self.ended {
            let (reads, after) = match self.place {
                Place::Leader => self.leader_page().await?,
                Place::Follower(index, said) => self.follower_page(index, said).await?,
            };
            self.held.extend(reads);
            self.ended = after.is_none();
            self.after = after;
        }
        Some(())
    }

    async fn leader_page(&self) -> Option<(Vec<Read>, Option<String>)> {
        tokio::task::yield_now().await; // the others have a turn
        let range = Range { prefix: String::new(), after: self.after.clone() };
        let seen = self.leader.handle.next_page(&range, PAGE);
        let settled = self.leader.handle.versions() == (self.mark, self.mark);
        (seen.position.mark == self.mark && settled).then_some((seen.found.reads, seen.found.next))
    }

    async fn follower_page(&self, index: usize, said: &PeerDigest) -> Option<(Vec<Read>, Option<String>)> {
        let head = Head { to: said.identity, cluster: said.cluster?, epoch: said.promised };
        let part = Part::State { after: self.after.clone() };
        let reply = self.leader.peers.send(index, Request::Pull(Pull { head, part })).await;
        let Ok(Ok(Answer::Chunk(chunk))) = reply else { return None };
        let after = chunk.entries.last().and_then(|last| last.operation().key().map(str::to_owned));
        let reads = chunk.entries.into_iter().map(Read::from).collect();
        (chunk.mark == self.mark).then_some((reads, if chunk.done { None } else { after }))
    }

    fn key(&self) -> Option<&str> {
        self.held.front().map(Read::key)
    }

    fn take(&mut self, key: &str) -> Option<Read> {
        self.held.pop_front_if(|read| read.key() == key)
    }
}
