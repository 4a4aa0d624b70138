//! Deliberate mistakes that only bend what travels or what is written down. The machines know nothing of
//! them: a request is bent before a follower gets it, an answer before the leader does. The invariants
//! hear what was really said.

use std::collections::{BTreeMap, BTreeSet};

use kv_core::{Epoch, NodeId, Version};

use crate::durable::record::Record;
use crate::follower::Follower;
use crate::protocol::message::{
    Answer, Append, Chunk, Head, Held, Install, Part, Refusal, Reply, Request, Stage,
};
use crate::protocol::range_set::RangeSet;
use crate::testing::planted::Bug;

/// Makes a node's number another one: see [`Bug::NodeCountedTwice`].
const OTHER_NODE: u64 = 0x8000_0000_0000_0000;

/// The mistake of a run, and what it has to remember.
#[derive(Debug)]
pub(super) struct Planted {
    bug: Option<Bug>,
    /// By follower and claimed epoch: the promise that the first claim found there.
    found: BTreeMap<(NodeId, Epoch), Epoch>,
    /// Those that the state is read from, by the epoch of the leader that recovers.
    sources: BTreeSet<(NodeId, Epoch)>,
}

/// What was asked of a follower, and how it was with it before. Only a run with a mistake needs to know.
#[derive(Debug)]
pub(super) struct Asked {
    request: Request,
    promised: Epoch,
    /// What it holds above its mark, of whatever epoch.
    pending: RangeSet,
    /// The address that was asked leads to another node than its own.
    is_astray: bool,
}

impl Planted {
    pub(super) fn new(bug: Option<Bug>) -> Self {
        Self { bug, found: BTreeMap::new(), sources: BTreeSet::new() }
    }

    pub(super) fn is(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// The request that the follower gets.
    pub(super) fn bend_request(&self, mut request: Request) -> Request {
        match (self.bug, &mut request) {
            (Some(Bug::LostMemoryCounts), Request::Append(append)) => append.counted = true,
            (Some(Bug::OldPendingDroppedEarly), Request::Append(append)) => {
                append.stage = append.stage.max(Stage::Changing);
            }
            (Some(Bug::NodeCountedTwice), request) => {
                head_mut(request).into_iter().for_each(|head| head.to.node.0 &= !OTHER_NODE);
            }
            _ => {}
        }
        request
    }

    /// What [`Planted::bend_reply`] needs to know later.
    pub(super) fn note_asked(
        &self,
        request: &Request,
        follower: &Follower,
        is_astray: bool,
    ) -> Option<Asked> {
        self.bug.map(|_| Asked {
            request: request.clone(),
            promised: follower.promised(),
            pending: follower
                .checkpoint_head()
                .pending
                .iter()
                .map(|it| it.version()..=it.version())
                .collect(),
            is_astray,
        })
    }

    /// What the follower writes down.
    pub(super) fn bend_records(&self, asked: Option<&Asked>, full_disk: bool, records: &mut Vec<Record>) {
        match (self.bug, asked.map(|asked| &asked.request)) {
            (Some(Bug::PromiseNotWritten), Some(Request::Claim(_))) => {
                records.retain(|record| !matches!(record, Record::Meta(_)));
            }
            (Some(Bug::MarkBeforeEntries), Some(Request::Append(_))) => records.reverse(),
            (Some(Bug::FullDiskAcknowledges), _) if full_disk => {
                records.retain(|record| !matches!(record, Record::Entries(_) | Record::Replace { .. }));
            }
            _ => {}
        }
    }

    /// The answer that the leader gets, if it is not the one that was given. `mark` is the leader's.
    pub(super) fn bend_reply(
        &mut self,
        asked: &Asked,
        follower: &Follower,
        reply: &Reply,
        mark: Version,
    ) -> Option<Reply> {
        let mut reply = reply.clone();
        let node = follower.holds().identity.node;
        match (self.bug?, &asked.request, &mut reply) {
            (Bug::StaleAnswerIsAck, Request::Append(append), Err(Refusal::StaleEpoch { .. })) => {
                reply = Ok(Answer::Held(acknowledged(append, &follower.holds())));
            }
            (Bug::SnapshotTailGap, Request::Install(Install { last: true, .. }), Ok(Answer::Held(held))) => {
                held.ranges.insert_range(1..=mark);
            }
            (Bug::OldHoldingsAreAcks, _, Ok(answer)) => {
                let held = held_mut(answer)?;
                asked.pending.iter().for_each(|range| held.ranges.insert_range(range));
            }
            (Bug::OnlyLastPromiseLookedAt, Request::Claim(claim), Ok(Answer::Standing(standing))) => {
                let epoch = claim.head.epoch;
                let found = *self.found.entry((node, epoch)).or_insert(asked.promised);
                standing.promised_other = if found.node == epoch.node { Epoch::ZERO } else { found };
            }
            (Bug::RecoveryWithoutUnion, Request::Pull(pull), Ok(Answer::Chunk(chunk))) => {
                let by = (node, pull.head.epoch);
                match pull.part {
                    Part::State { .. } => _ = self.sources.insert(by),
                    Part::Pending { .. } if self.sources.contains(&by) => {}
                    Part::Pending { .. } => {
                        *chunk = Chunk { entries: Vec::new(), done: true, ..chunk.clone() }
                    }
                }
            }
            (Bug::LostMemoryCounts, _, Ok(Answer::Standing(standing))) => standing.held.counts = true,
            (Bug::NodeCountedTwice, _, Ok(answer)) if asked.is_astray => {
                held_mut(answer)?.identity.node.0 |= OTHER_NODE;
            }
            _ => return None,
        }
        Some(reply)
    }
}

fn head_mut(request: &mut Request) -> Option<&mut Head> {
    match request {
        Request::Probe => None,
        Request::Claim(claim) => Some(&mut claim.head),
        Request::Append(append) => Some(&mut append.head),
        Request::Install(install) => Some(&mut install.head),
        Request::Pull(pull) => Some(&mut pull.head),
    }
}

fn held_mut(answer: &mut Answer) -> Option<&mut Held> {
    match answer {
        Answer::Held(held) => Some(held),
        Answer::Standing(standing) => Some(&mut standing.held),
        Answer::Chunk(_) => None,
    }
}

/// As if the follower had taken the entries.
fn acknowledged(append: &Append, held: &Held) -> Held {
    let ranges = append.entries.iter().map(|entry| entry.version()..=entry.version()).collect();
    Held { promised: append.head.epoch, ranges, ..held.clone() }
}
