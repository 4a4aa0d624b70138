//! What clients see while real processes are killed, stopped, continued and started again is linearizable.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kv_linearizability::{Action, History, Operation, Outcome, Violation};

use crate::common::history::{Begun, Recorder};
use crate::common::{Cluster, Dice, Node, eventually, pause, run};

/// Delays mix the order of entries; time-outs are short, so that some writes end unknown.
const SETTINGS: [(&str, &str); 4] = [
    ("WRITE_QUORUM", "3"),
    ("MAX_DELAY_MS", "10"),
    ("WRITE_TIMEOUT_MS", "700"),
    ("REPLICATION_TIMEOUT_MS", "300"),
];
/// Each of them has every fault, and takes about five seconds.
const ROUNDS: usize = 2;
const CLIENTS: u64 = 6;
/// Few, so that operations meet.
const KEYS: u64 = 3;

/// Of each kind, before the next fault.
const OPERATIONS: usize = 60;
/// Of a hundred operations of a client, how many are reads; the rest are puts, but for these.
const READS_PERCENT: u64 = 55;
const DELETES_PERCENT: u64 = 15;
/// Of a thousand.
const CLEARS_PERMILLE: u64 = 5;
/// How often a write is looked for that missed its quorum.
const LATE_READS: usize = 100;

#[derive(Default)]
struct Clients {
    /// Every leader that may be running, the newest last. Any of them may be asked for anything.
    leaders: Mutex<Vec<SocketAddr>>,
    acknowledged: AtomicUsize,
    answered_reads: AtomicUsize,
    stop: AtomicBool,
}

impl Clients {
    fn also_ask(&self, leader: &Node) {
        self.leaders().push(leader.address);
    }

    fn forget(&self, leader: &Node) {
        self.leaders().retain(|it| *it != leader.address);
    }

    fn leaders(&self) -> MutexGuard<'_, Vec<SocketAddr>> {
        self.leaders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn go_on(&self, what: &str) {
        let done = || (self.acknowledged.load(Ordering::SeqCst), self.answered_reads.load(Ordering::SeqCst));
        let before = done();
        eventually(what, || done().0 >= before.0 + OPERATIONS && done().1 >= before.1 + OPERATIONS);
    }

    /// One client, until the end.
    fn run(&self, client: u64, recorder: &Recorder) {
        let mut dice = Dice(client + 1);
        for turn in 0.. {
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            let key = format!("key-{}", dice.roll(KEYS));
            let older = dice.roll(4) == 0;
            let leader = if older { self.leaders().first().copied() } else { self.leaders().last().copied() };
            let Some(leader) = leader else {
                pause();
                continue;
            };
            if dice.roll(100) < READS_PERCENT {
                self.read(recorder, &key, leader);
                pause();
            } else {
                let write = begin_write(recorder, &key, &format!("{client}-{turn}"), &mut dice);
                self.write(recorder, write, leader);
            }
        }
    }

    fn read(&self, recorder: &Recorder, key: &str, leader: SocketAddr) {
        if matches!(recorder.send(recorder.read(key), leader), Outcome::Found { .. } | Outcome::Absent) {
            self.answered_reads.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn write(&self, recorder: &Recorder, write: Begun, leader: SocketAddr) {
        match recorder.send(write, leader) {
            Outcome::Written(_) | Outcome::Cleared | Outcome::Absent => {
                self.acknowledged.fetch_add(1, Ordering::SeqCst);
            }
            Outcome::Unknown(_) => {}
            _ => pause(),
        }
    }
}

fn begin_write(recorder: &Recorder, key: &str, value: &str, dice: &mut Dice) -> Begun {
    let kind = dice.roll(1_000);
    if kind < CLEARS_PERMILLE {
        recorder.clear()
    } else if kind < CLEARS_PERMILLE + 10 * DELETES_PERCENT {
        recorder.delete(key)
    } else {
        recorder.put(key, value)
    }
}

#[test]
fn what_clients_see_is_linearizable_whatever_is_killed_stopped_and_started() {
    let (clients, recorder) = (Clients::default(), Recorder::new());
    let cluster = std::thread::scope(|scope| {
        let _stop = StopAtEnd(&clients.stop);
        let mut cluster = Cluster::start(5, &SETTINGS);
        clients.also_ask(&cluster.leader);
        for client in 0..CLIENTS {
            let (clients, recorder) = (&clients, &recorder);
            scope.spawn(move || clients.run(client, recorder));
        }
        clients.go_on("all is well");
        for _ in 0..ROUNDS {
            two_followers_lose_their_memory(&clients, &mut cluster);
            a_majority_is_stopped(&clients, &recorder, &cluster);
            the_leader_is_stopped(&clients, &cluster);
            cluster = the_leader_is_killed(&clients, cluster);
            cluster = another_leader_takes_over(&clients, cluster);
            cluster = a_stopped_leader_is_replaced(&clients, &recorder, cluster);
        }
        cluster
    });

    let checked = recorder.check();
    println!("{checked:?}");
    assert!(checked.written >= 600 && checked.found >= 600, "{checked:?}");
    assert!(checked.absent > 0 && checked.not_applied > 0, "{checked:?}");
    assert!(checked.unknown >= ROUNDS && checked.unknown_found > 0, "{checked:?}");
    assert!(nothing_to_delete(&recorder.history()) > 0, "{checked:?}");
    the_check_can_fail(&recorder.history());
    cluster.is_equal();
    kv_bench_finds_it_equal(&cluster);
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
            recorder.send(recorder.read_at("key", "local"), follower.address);
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
fn two_followers_lose_their_memory(clients: &Clients, cluster: &mut Cluster) {
    let dead: Vec<SocketAddr> = cluster.followers.drain(..2).map(|follower| follower.address).collect();
    clients.go_on("two followers are killed");
    for (index, address) in dead.into_iter().enumerate() {
        cluster.followers.insert(index, Node::follower_again(address));
    }
    clients.go_on("they are started again, empty");
    cluster.counts();
}

/// A write misses its quorum, and takes effect when nobody waits for it any more.
fn a_majority_is_stopped(clients: &Clients, recorder: &Recorder, cluster: &Cluster) {
    let leader = cluster.leader.address;
    let (one, others) = cluster.followers[2..].split_first().unwrap();
    one.signal("STOP");
    clients.go_on("one follower is stopped");
    others.iter().for_each(|follower| follower.signal("STOP"));
    let late = recorder.send(recorder.put("late", &leader.to_string()), leader);
    assert!(matches!(late, Outcome::Unknown(Some(_))), "{late:?}");
    cluster.followers[2..].iter().for_each(|follower| follower.signal("CONT"));
    for _ in 0..LATE_READS {
        let found = recorder.send(recorder.read("late"), leader);
        if matches!(found, Outcome::Found { .. }) {
            break; // unless a clear was faster
        }
        pause();
    }
    clients.go_on("all are continued");
}

/// For longer than an attempt may take.
fn the_leader_is_stopped(clients: &Clients, cluster: &Cluster) {
    cluster.leader.signal("STOP");
    eventually("the followers have not heard of it for a while", || {
        let heard = |follower: &Node| follower.get("/status").body["last_heard_ms"].as_u64();
        cluster.followers.iter().all(|follower| heard(follower) > Some(400))
    });
    cluster.leader.signal("CONT");
    clients.go_on("the leader is continued");
}

fn the_leader_is_killed(clients: &Clients, cluster: Cluster) -> Cluster {
    let Cluster { leader, followers } = cluster;
    clients.forget(&leader); // but some are waiting for its answer
    drop(leader);
    let leader = Cluster::lead(&followers, &SETTINGS);
    clients.also_ask(&leader); // and wait until it has recovered
    clients.go_on("the leader is killed, and another is started");
    Cluster { leader, followers }
}

fn another_leader_takes_over(clients: &Clients, cluster: Cluster) -> Cluster {
    let Cluster { leader: older, followers } = cluster;
    let newer = Cluster::lead(&followers, &SETTINGS);
    clients.also_ask(&newer);
    clients.go_on("another leader has taken over, and the older one still runs");
    eventually("the older one knows", || older.get("/status").body["phase"] == "deposed");
    clients.go_on("both are asked");
    clients.forget(&older);
    Cluster { leader: newer, followers }
}

/// While it is stopped, another leader takes over and writes: it cannot know. Whatever it is asked for
/// from then on, it must not show what it has.
fn a_stopped_leader_is_replaced(clients: &Clients, recorder: &Recorder, cluster: Cluster) -> Cluster {
    let Cluster { leader: older, followers } = cluster;
    older.signal("STOP");
    let newer = Cluster::lead(&followers, &SETTINGS);
    eventually("the newer one serves", || newer.get("/readyz").status == 200);
    let keys: Vec<String> = (0..KEYS).map(|key| format!("key-{key}")).collect();
    for key in &keys {
        let written = recorder.send(recorder.put(key, &format!("of {}", newer.address)), newer.address);
        assert!(matches!(written, Outcome::Written(_)), "{written:?}");
    }
    clients.also_ask(&newer);
    std::thread::scope(|scope| {
        for key in &keys {
            let read = recorder.read(key);
            let (recorder, older) = (recorder, older.address);
            scope.spawn(move || {
                let seen = recorder.send(read, older);
                assert_eq!(seen, Outcome::NotApplied, "nobody can have confirmed that it leads");
            });
        }
        older.signal("CONT");
    });
    clients.go_on("the older one is continued");
    eventually("the older one knows", || older.get("/status").body["phase"] == "deposed");
    clients.forget(&older);
    Cluster { leader: newer, followers }
}

/// Only if `kv-bench` has been built too, as it is with the whole workspace.
fn kv_bench_finds_it_equal(cluster: &Cluster) {
    let kv_bench = Path::new(env!("CARGO_BIN_EXE_kv-node")).with_file_name("kv-bench");
    if !kv_bench.exists() {
        return println!("{} is not there", kv_bench.display());
    }
    let ended = run(Command::new(kv_bench).args(["parity", "--url", &cluster.leader.url()]));
    let equal = ended.stdout.lines().last().is_some_and(|line| line.starts_with("equal at version "));
    assert!(ended.code == Some(0) && equal, "{ended:?}");
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

fn nothing_to_delete(history: &History) -> usize {
    let is_delete = |it: &&Operation| matches!(it.action, Action::Delete { .. });
    history.operations().iter().filter(is_delete).filter(|it| it.outcome() == Outcome::Absent).count()
}
