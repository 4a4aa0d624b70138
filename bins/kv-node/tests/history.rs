//! What clients see while real processes are killed, stopped, continued and started again is linearizable.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use common::history::Recorder;
use common::{Cluster, Node, eventually, pause};
use kv_replication::linearizability::{Action, History, Operation, Outcome, Violation};

/// Delays mix the order of entries; time-outs are short, so that some writes end unknown.
const SETTINGS: [(&str, &str); 4] = [
    ("WRITE_QUORUM", "3"),
    ("MAX_DELAY_MS", "10"),
    ("WRITE_TIMEOUT_MS", "700"),
    ("REPLICATION_TIMEOUT_MS", "300"),
];
/// Each of them has every fault, and takes about three seconds.
const ROUNDS: usize = 2;
const CLIENTS: u64 = 6;
/// Few, so that operations meet.
const KEYS: u64 = 3;

/// Of a hundred operations of a client, how many are reads; the rest are puts, but for these.
const READS_PERCENT: u64 = 55;
const DELETES_PERCENT: u64 = 0;
/// Of a thousand.
const CLEARS_PERMILLE: u64 = 5;
/// How often a write is looked for that missed its quorum.
const LATE_READS: usize = 100;

/// Where clients turn to.
#[derive(Default)]
struct Targets {
    /// The leader to read from: the newest one, once it serves, and no other.
    reads: Option<SocketAddr>,
    /// Every leader that may be running, the newest last. Any of them may be asked to write.
    writes: Vec<SocketAddr>,
}

#[derive(Default)]
struct Clients {
    targets: Mutex<Targets>,
    acknowledged: AtomicUsize,
    answered_reads: AtomicUsize,
    stop: AtomicBool,
}

impl Clients {
    /// Another leader is about to start: what is read from those that run now may soon be old.
    fn stop_reading(&self) {
        self.with_targets(|targets| targets.reads = None);
    }

    fn also_write_to(&self, leader: &Node) {
        self.with_targets(|targets| targets.writes.push(leader.address));
    }

    fn follow(&self, leader: &Node) {
        eventually("the leader is ready", || leader.get("/readyz").status == 200);
        self.with_targets(|targets| targets.reads = Some(leader.address));
    }

    fn forget(&self, leader: SocketAddr) {
        self.with_targets(|targets| targets.writes.retain(|it| *it != leader));
    }

    fn with_targets<T>(&self, change: impl FnOnce(&mut Targets) -> T) -> T {
        change(&mut self.targets.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn go_on(&self, what: &str) {
        let done = || (self.acknowledged.load(Ordering::SeqCst), self.answered_reads.load(Ordering::SeqCst));
        let before = done();
        eventually(what, || done().0 >= before.0 + 100 && done().1 >= before.1 + 100);
    }

    /// One client, until the end.
    fn run(&self, client: u64, recorder: &Recorder) {
        let mut dice = Dice(client + 1);
        for turn in 0.. {
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            let key = format!("key-{}", dice.roll(KEYS));
            if dice.roll(100) < READS_PERCENT {
                self.read(recorder, &key);
                pause();
            } else {
                self.write(recorder, &key, &format!("{client}-{turn}"), &mut dice);
            }
        }
    }

    fn read(&self, recorder: &Recorder, key: &str) {
        // It begins before the target can change: a leader that stops serving later answers with what
        // was true at some moment since.
        let begun = self.with_targets(|targets| Some((targets.reads?, recorder.read(key))));
        let Some((leader, read)) = begun else { return };
        if matches!(recorder.send(read, leader), Outcome::Found { .. } | Outcome::Absent) {
            self.answered_reads.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn write(&self, recorder: &Recorder, key: &str, value: &str, dice: &mut Dice) {
        let leader = self.with_targets(|targets| {
            let older = dice.roll(4) == 0;
            if older { targets.writes.first().copied() } else { targets.writes.last().copied() }
        });
        let Some(leader) = leader else { return pause() };
        let kind = dice.roll(1_000);
        let write = if kind < CLEARS_PERMILLE {
            recorder.clear()
        } else if kind < CLEARS_PERMILLE + 10 * DELETES_PERCENT {
            recorder.delete(key)
        } else {
            recorder.put(key, value)
        };
        match recorder.send(write, leader) {
            Outcome::Written(_) | Outcome::Cleared | Outcome::Absent => {
                self.acknowledged.fetch_add(1, Ordering::SeqCst);
            }
            Outcome::Unknown(_) => {}
            _ => pause(),
        }
    }
}

/// Numbers that look random, the same at every run (Knuth's MMIX generator).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

#[test]
fn what_clients_see_is_linearizable_whatever_is_killed_stopped_and_started() {
    let (clients, recorder) = (Clients::default(), Recorder::new());
    std::thread::scope(|scope| {
        let _stop = StopAtEnd(&clients.stop);
        let Cluster { mut leader, mut followers } = Cluster::start(5, &SETTINGS);
        clients.also_write_to(&leader);
        clients.follow(&leader);
        for client in 0..CLIENTS {
            let (clients, recorder) = (&clients, &recorder);
            scope.spawn(move || clients.run(client, recorder));
        }
        clients.go_on("all is well");
        for _ in 0..ROUNDS {
            two_followers_lose_their_memory(&clients, &leader, &mut followers);
            a_majority_is_stopped(&clients, &recorder, &leader, &followers);
            leader = the_leader_is_killed(&clients, leader, &followers);
            let older = leader;
            leader = another_leader_takes_over(&clients, &older, &followers);
        }
    });

    let checked = recorder.check();
    println!("{checked:?}");
    assert!(checked.written >= 700 && checked.found >= 700, "{checked:?}");
    assert!(checked.absent > 0 && checked.not_applied > 0, "{checked:?}");
    assert!(checked.unknown >= ROUNDS && checked.unknown_found > 0, "{checked:?}");
    the_check_can_fail(&recorder.history());
}

/// A follower shows what it has: the recorder and the checker see the difference.
#[test]
fn what_followers_show_is_not_linearizable() {
    let recorder = Recorder::new();
    let cluster = Cluster::start(2, &[("WRITE_QUORUM", "1"), ("MAX_DELAY_MS", "100")]);
    let mut writes = 0;
    eventually("a follower shows an old state", || {
        writes += 1;
        recorder.send(recorder.put("key", &writes.to_string()), cluster.leader.address);
        for follower in &cluster.followers {
            recorder.send(recorder.read("key"), follower.address);
        }
        let violation = recorder.history().check().err().map(|violation| *violation);
        matches!(violation, Some(Violation::StaleRead { .. } | Violation::NotAbsent { .. }))
    });
}

/// The clients end with the faults, also if a fault could not be made.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Two at a time, which is W - 1: no more may be without their memory.
fn two_followers_lose_their_memory(clients: &Clients, leader: &Node, followers: &mut Vec<Node>) {
    let dead: Vec<SocketAddr> = followers.drain(..2).map(|follower| follower.address).collect();
    clients.go_on("two followers are killed");
    for (index, address) in dead.into_iter().enumerate() {
        let port = address.port().to_string();
        followers.insert(index, Node::start(&[("ROLE", "follower"), ("PORT", &port)]));
    }
    clients.go_on("they are started again, empty");
    eventually("all followers count again", || {
        let status = leader.get("/status").body;
        let links = status["followers"].as_array().unwrap();
        links.iter().all(|link| link["state"] == "streaming" && link["counts"] == true)
    });
}

/// A write misses its quorum, and takes effect when nobody waits for it any more.
fn a_majority_is_stopped(clients: &Clients, recorder: &Recorder, leader: &Node, followers: &[Node]) {
    let (one, others) = followers[2..].split_first().unwrap();
    one.signal("STOP");
    clients.go_on("one follower is stopped");
    others.iter().for_each(|follower| follower.signal("STOP"));
    let late = recorder.send(recorder.put("late", &leader.address.to_string()), leader.address);
    assert!(matches!(late, Outcome::Unknown(Some(_))), "{late:?}");
    followers[2..].iter().for_each(|follower| follower.signal("CONT"));
    for _ in 0..LATE_READS {
        let found = recorder.send(recorder.read("late"), leader.address);
        if matches!(found, Outcome::Found { .. }) {
            break; // unless a clear was faster
        }
        pause();
    }
    clients.go_on("all are continued");
}

fn the_leader_is_killed(clients: &Clients, leader: Node, followers: &[Node]) -> Node {
    clients.stop_reading();
    let address = leader.address;
    drop(leader);
    clients.forget(address);
    let leader = Cluster::lead(followers, &SETTINGS);
    clients.also_write_to(&leader); // and wait until it has recovered
    clients.follow(&leader);
    clients.go_on("the leader is killed, and started again");
    leader
}

fn another_leader_takes_over(clients: &Clients, older: &Node, followers: &[Node]) -> Node {
    clients.stop_reading();
    let newer = Cluster::lead(followers, &SETTINGS);
    clients.also_write_to(&newer);
    clients.follow(&newer);
    clients.go_on("another leader has taken over, and the older one still runs");
    eventually("the older one knows", || older.get("/status").body["phase"] == "deposed");
    clients.forget(older.address);
    newer
}

/// The very same history with one answer changed must not pass.
fn the_check_can_fail(history: &History) {
    let verdict = |change: &dyn Fn(&mut Vec<Operation>)| {
        let mut operations = history.operations().to_vec();
        change(&mut operations);
        *operations.into_iter().collect::<History>().check().unwrap_err()
    };
    let acknowledged = |it: &Operation| match (&it.action, it.completed) {
        (Action::Put { key, value }, Some((_, Outcome::Written(version)))) => {
            Some((key.clone(), Outcome::Found { version, value: *value }))
        }
        _ => None,
    };
    let (key, first) = history.operations().iter().find_map(acknowledged).unwrap();
    let finds = |it: &&mut Operation| it.action == Action::read(key.clone()) && is_found(it);
    let stale = verdict(&|operations| {
        let last = operations.iter_mut().rfind(finds).unwrap();
        last.completed = last.completed.map(|(at, _)| (at, first));
    });
    assert!(matches!(stale, Violation::StaleRead { .. }), "{stale}");
    let lost = verdict(&|operations| {
        operations.retain(|it| it.outcome() != Outcome::Absent && !removes(&it.action));
        let last = operations.iter_mut().rfind(finds).unwrap();
        last.completed = last.completed.map(|(at, _)| (at, Outcome::Absent));
    });
    assert!(matches!(lost, Violation::NotAbsent { .. }), "{lost}");
    let refused = verdict(&|operations| {
        let mut written =
            operations.iter_mut().filter(|it| acknowledged(it).is_some_and(|(_, it)| is_shown(history, it)));
        let write = written.next().unwrap();
        write.completed = write.completed.map(|(at, _)| (at, Outcome::NotApplied));
    });
    assert!(matches!(refused, Violation::RefusedIsShown { .. }), "{refused}");
}

fn removes(action: &Action) -> bool {
    matches!(action, Action::Delete { .. } | Action::Clear)
}

fn is_found(operation: &Operation) -> bool {
    matches!(operation.outcome(), Outcome::Found { .. })
}

fn is_shown(history: &History, content: Outcome) -> bool {
    history.operations().iter().any(|it| it.outcome() == content)
}
