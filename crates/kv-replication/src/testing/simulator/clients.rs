//! The clients: what they write and read, and what they may expect of the answers.

use std::time::Duration;

use kv_core::{Command, Key, Operation, Version};
use kv_linearizability::{Action, Outcome, fingerprint};

use super::cluster::Cluster;
use super::event::Event;
use super::invariants;
use super::invariants::violation::Violation;
use super::names::write_error_name;
use super::nodes::{LEADERS, LeaderNode};
use super::sessions::{SESSIONS, Write};
use crate::leader::ids::{ReadId, WriteId};
use crate::leader::input::Input;
use crate::leader::output::Committed;
use crate::leader::problem::{ConfirmError, WriteError};
use crate::testing::planted::Bug;

const KEYS: u64 = 20;

impl Cluster {
    /// Clients write and read.
    pub(super) fn client(&mut self) -> Result<(), Violation> {
        let next = self.dice.between(Duration::ZERO, self.shape.pause_between_writes * 2);
        if self.now < self.shape.quiet_at {
            self.schedule(next, Event::Client);
        }
        let key = format!("k{}", self.dice.roll(KEYS));
        for node in &self.followers {
            if let Some(machine) = &node.machine {
                invariants::no_dirty_read::check(&self.truth, machine.store(), &key)?;
            }
        }
        self.read_committed(&key)?;
        // Most clients know who leads; some ask one that has been replaced.
        let serving = self.leaders.iter().rposition(LeaderNode::serves).filter(|_| self.dice.chance(90));
        let leader = serving.unwrap_or_else(|| self.dice.pick(LEADERS));
        let node = &self.leaders[leader];
        let Some(machine) = node.machine.as_ref().filter(|_| node.paused_until <= self.now) else {
            return Ok(());
        };
        invariants::no_dirty_read::check(&self.truth, machine.store(), &key)?;
        if self.dice.chance(25) {
            return self.read_from(leader, key);
        }
        let burst = if self.dice.chance(10) { self.dice.roll(self.shape.burst()) } else { 0 };
        (0..=burst).try_for_each(|_| self.write_to(leader))
    }

    /// A client sends a write to a leader.
    pub(super) fn write_to(&mut self, leader: usize) -> Result<(), Violation> {
        let life = self.leaders[leader].life;
        let name = format!("k{}", self.dice.roll(KEYS));
        let value = self.clients.next.to_le_bytes();
        let (command, action) = match (Key::parse(&name), self.dice.roll(40)) {
            (Ok(key), 0..=33) => (
                Command::put(key, &value).unwrap_or_else(|_| Command::no_op()),
                Action::put(name.as_str(), fingerprint(&value)),
            ),
            (Ok(key), 34..=38) => (Command::delete(key), Action::delete(name.as_str())),
            _ => (Command::clear(), Action::Clear),
        };
        let id = WriteId(self.clients.next);
        self.clients.next += 1;
        let setting = &self.leaders[leader].setting;
        let (write, most) = (setting.write, setting.list.len());
        let acks = self.dice.chance(10).then(|| self.dice.pick(most + 1));
        let at = self.nanos();
        let op = self.clients.history.invoke(at, action);
        let (session, is_hasty) = (self.dice.pick(SESSIONS), acks.is_some_and(|acks| acks < write));
        self.clients.writes.insert(id, Write { op, session, after: self.clients.acknowledged, is_hasty });
        self.count("client writes");
        let deadline = self.now + self.dice.between(Duration::from_millis(20), Duration::from_secs(3));
        self.tell_leader(leader, life, Input::Write { id, command, acks, deadline })
    }

    pub(super) fn answered(
        &mut self,
        id: WriteId,
        result: Result<Committed, WriteError>,
    ) -> Result<(), Violation> {
        self.note(&[4, id.0, u64::from(result.is_ok())], || format!("answer {id:?}: {result:?}"));
        let Some(write) = self.clients.writes.remove(&id) else { return Ok(()) };
        let outcome = match result {
            Ok(done) if write.is_hasty => {
                self.count("writes answered early");
                Outcome::Unknown(Some(done.entry.version()))
            }
            Ok(done) => {
                self.count("writes acknowledged");
                let version = done.entry.version();
                invariants::writes_in_real_time_order::check(write.after, version)?;
                self.clients.acknowledged = self.clients.acknowledged.max(version);
                let seen = &mut self.clients.seen[write.session];
                *seen = version.max(*seen);
                Outcome::Written(version)
            }
            Err(error) => {
                self.count(write_error_name(&error));
                match error {
                    WriteError::Unknown { version, .. } => Outcome::Unknown(Some(version)),
                    WriteError::Stopped => Outcome::Unknown(None),
                    _ => Outcome::NotApplied,
                }
            }
        };
        let at = self.nanos();
        self.clients.history.complete(write.op, at, outcome);
        Ok(())
    }

    /// A client asks a leader for what is newest.
    fn read_from(&mut self, leader: usize, key: String) -> Result<(), Violation> {
        let life = self.leaders[leader].life;
        let id = ReadId(self.clients.next);
        self.clients.next += 1;
        let at = self.nanos();
        let op = self.clients.history.invoke(at, Action::read(key.as_str()));
        self.clients.reads.insert(id, (op, key));
        self.count("linearizable reads");
        if self.planted.is(Bug::ReadNotConfirmed) {
            return self.confirmed(leader, id, Ok(0));
        }
        let deadline = self.now + self.dice.between(Duration::from_millis(20), Duration::from_secs(3));
        self.tell_leader(leader, life, Input::Confirm { id, deadline })
    }

    pub(super) fn confirmed(
        &mut self,
        leader: usize,
        id: ReadId,
        result: Result<Version, ConfirmError>,
    ) -> Result<(), Violation> {
        self.note(&[10, id.0, u64::from(result.is_ok())], || format!("read {id:?}: {result:?}"));
        let Some((op, key)) = self.clients.reads.remove(&id) else { return Ok(()) };
        let machine = self.leaders[leader].machine.as_ref();
        let outcome = match (result, machine) {
            (Ok(_), Some(machine)) => match machine.store().get(&key) {
                Some(item) => Outcome::Found { version: item.version, value: fingerprint(item.value) },
                None => Outcome::Absent,
            },
            _ => Outcome::NotApplied,
        };
        self.count(if outcome == Outcome::NotApplied { "reads refused" } else { "reads confirmed" });
        let at = self.nanos();
        self.clients.history.complete(op, at, outcome);
        Ok(())
    }

    /// A session reads at the level `committed`, from any node, at least what it has seen before.
    fn read_committed(&mut self, key: &str) -> Result<(), Violation> {
        let session = self.dice.pick(SESSIONS);
        let seen = self.clients.seen[session];
        let node = self.dice.pick(self.followers.len() + LEADERS);
        let by_watermark = self.planted.is(Bug::MinVersionByWatermark);
        let (mark, shown, item) = match node.checked_sub(self.followers.len()) {
            Some(leader) => {
                let Some(machine) =
                    self.leaders[leader].machine.as_ref().filter(|_| self.leaders[leader].serves())
                else {
                    return Ok(());
                };
                (machine.mark(), machine.newest_committed(), machine.store().get(key))
            }
            None => {
                let Some(machine) = &self.followers[node].machine else { return Ok(()) };
                let mark = if by_watermark { Some(machine.watermark()) } else { machine.whole_mark() };
                let Some(mark) = mark else { return Ok(()) };
                let item = if by_watermark { machine.local(key) } else { machine.store().get(key) };
                (mark, mark, item)
            }
        };
        if mark < seen {
            self.count("reads refused: stale_replica");
            return Ok(());
        }
        let item = item.map(|item| item.entry.clone());
        let value = item.as_ref().map(|entry| match entry.operation() {
            Operation::Put { value, .. } => (entry.version(), value),
            _ => (entry.version(), &[][..]),
        });
        invariants::monotonic_sessions::check(&self.truth, key, seen.max(mark), shown, value)?;
        self.clients.seen[session] = shown.max(seen);
        self.count("session reads");
        Ok(())
    }

    /// The whole history, when all is over.
    pub(super) fn check_history(&mut self) -> Result<(), Violation> {
        let history = std::mem::take(&mut self.clients.history);
        match history.check() {
            Ok(_) => Ok(()),
            Err(violation) => Err(("linearizable", violation.to_string())),
        }
    }

    fn nanos(&self) -> u64 {
        u64::try_from(self.now.since_origin().as_nanos()).unwrap_or(u64::MAX)
    }
}
