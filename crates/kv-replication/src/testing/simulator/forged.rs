//! Messages that no leader of ours sends: the follower that gets one has to refuse it.

use kv_core::{Command, Entry, Epoch, Key, NodeId};

use super::cluster::Cluster;
use super::names::refusal_name;
use super::nodes::Letter;
use crate::protocol::message::{Answer, Append, ClusterId, Head, Part, Pull, Request, Stage};

impl Cluster {
    /// Lets a message arrive at a follower that a leader with a defect could have sent.
    pub(super) fn forge(&mut self, follower: usize) {
        let Some(machine) = &self.followers[follower].machine else { return };
        let standing = machine.standing();
        let Some(cluster) = standing.cluster else { return };
        let head = Head { to: standing.held.identity, cluster, epoch: standing.held.promised };
        let above = machine.mark() + 1;
        let request = match self.dice.roll(5) {
            0 if self.may_lose(follower) => self.other_content(follower, head),
            1 => append(Head { cluster: ClusterId(1), ..head }, Vec::new()),
            2 => append(head, vec![put(Epoch { counter: 1, node: NodeId(1) }, above)]),
            3 => append(head, vec![put(head.epoch, above + self.shape.window() + 1)]),
            _ => append(
                Head { epoch: Epoch { counter: head.epoch.counter + 1, ..head.epoch }, ..head },
                Vec::new(),
            ),
        };
        self.count("messages forged");
        let node = &mut self.followers[follower];
        let Some(machine) = &mut node.machine else { return };
        let done = machine.handle(request);
        if !done.records.is_empty() && node.disk.write(done.records, Letter::to_nobody()) {
            self.sync_follower(follower);
        }
        let refusal = done.then.err();
        self.note(&[9, follower as u64], || {
            format!("follower {follower} gets a forged message: {refusal:?}")
        });
        refusal.iter().for_each(|refusal| self.count(refusal_name(refusal)));
    }

    /// Something that it holds, with other content.
    fn other_content(&mut self, follower: usize, head: Head) -> Request {
        let Some(machine) = &mut self.followers[follower].machine else { return Request::Probe };
        // Only what it holds under its promise, or has committed: anything else it would have to take.
        let is_held = |entry: &Entry, mark| entry.version() <= mark || entry.epoch() == head.epoch;
        let held = [Part::State { after: None }, Part::Pending { after: 0 }].into_iter().find_map(|part| {
            let is_state = matches!(part, Part::State { .. });
            let Ok(Answer::Chunk(chunk)) = machine.handle(Request::Pull(Pull { head, part })).then else {
                return None;
            };
            let fits =
                |entry: &&Entry| is_held(entry, chunk.mark) && !(is_state && entry.version() > chunk.mark);
            chunk.entries.iter().rev().find(fits).cloned()
        });
        match held {
            Some(held) => append(head, vec![like(&held, head.epoch)]),
            None => append(head, Vec::new()),
        }
    }
}

fn append(head: Head, entries: Vec<Entry>) -> Request {
    Request::Append(Append { head, stage: Stage::Recovering, counted: false, mark: 0, entries })
}

fn put(epoch: Epoch, version: u64) -> Entry {
    let command = Key::parse("forged").ok().and_then(|key| Command::put(key, b"forged").ok());
    command.unwrap_or_else(Command::no_op).into_entry(epoch, version)
}

/// The same version and key, but not the same value.
fn like(held: &Entry, epoch: Epoch) -> Entry {
    let key = held.operation().key().unwrap_or("forged").to_owned();
    let command = Key::parse(&key).ok().and_then(|key| Command::put(key, b"forged").ok());
    command.unwrap_or_else(Command::no_op).into_entry(epoch, held.version())
}
