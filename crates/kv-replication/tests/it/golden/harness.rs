//! Runs a script against a real leader and real followers in virtual time, and writes its trace.
//!
//! In a script, `#` begins a comment and `> ` a command; the indented lines below a command are what
//! it caused. Followers, and the leader's links to them, are numbered from 1; times are milliseconds.
//!
//! | command | what happens |
//! | --- | --- |
//! | `cluster n=3 w=2 [setting=value …] [new_history] [no_start]` | new machines; without `no_start` the start is run through, unseen |
//! | `write KEY=VALUE [w=N] [TIMEOUT]`, `delete KEY [w=N] [TIMEOUT]`, `clear [w=N] [TIMEOUT]` | a client writes |
//! | `read [TIMEOUT]` | a client wants a linearizable read |
//! | `deliver N [last]` | the oldest (newest) request on the wire to N arrives, and its reply comes back |
//! | `arrive N [last]`, `reply N [last]` | the two halves of `deliver` |
//! | `duplicate N [last]` | the request arrives twice, and so does its reply |
//! | `lose N [last]` | the oldest (newest) request on the wire to N fails; if it has arrived, its reply is lost |
//! | `settle` | everything on the wires is delivered, and what that causes, until nothing travels |
//! | `tick MS`, `run MS` | the clock advances; with `run` everything sent meanwhile is delivered at once |
//! | `crash N`, `reset N` | N starts again without memory, as a new node; an operator empties N |
//! | `restart [list=N,N,…] [setting=value …]` | the leader ends, and another one without memory starts, perhaps with other followers, which must be among those of `cluster`; what was on the wires is lost |
//! | `readdress N M` | the address of N leads to M from now on |
//! | `forge N [epoch=E] [cluster=C] [mark=V] [KEY=VALUE@VERSION …]` | an append that this leader never sent; epoch and cluster are the leader's own, if not given |
//! | `disk leader full`, `disk N full`, `disk … space` | the disk of the leader or of a follower runs full, or has space again |
//! | `sync` | the disk of the leader, if it is `durable`, has everything that was handed to it so far |
//! | `power_cut [setting=value …]` | the leader ends, and starts again with what its disk has synced; what was on the wires is lost |
//! | `drain` | the leader takes no more writes |
//! | `show`, `show leader`, `show N` | what the nodes know |

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use kv_core::{Command, Key, NodeId};
use kv_replication::{
    Answer, AttemptId, ClusterId, Follower, FollowerConfig, Head, Image, Input, Leader, Output, PersistId,
    ReadId, Record, Reply, Request, Time, WriteId,
};

use super::{parse, trace};

const CLUSTER: ClusterId = ClusterId(1);
const LEADER: NodeId = NodeId(0x1ead);
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);
/// A clock that stops at more moments than this stands still.
const STOPS_MAX: usize = 1_000;

/// Fails unless the script `name` causes exactly what it says; `UPDATE_GOLDEN=1` rewrites it.
#[expect(clippy::disallowed_methods, reason = "set by whoever runs the tests")]
pub(crate) fn check(name: &str) {
    let path = folder().join(name).with_extension("txt");
    let expected = fs::read_to_string(&path).unwrap();
    let actual = run(&expected);
    if actual != expected && std::env::var("UPDATE_GOLDEN").is_ok() {
        return fs::write(&path, actual).unwrap();
    }
    assert!(
        actual == expected,
        "{name}: another trace than expected (UPDATE_GOLDEN=1 accepts it)\n\
         ----- expected\n{expected}\n----- actual\n{actual}"
    );
}

/// The names of all scripts.
pub(crate) fn scripts() -> BTreeSet<String> {
    let files = fs::read_dir(folder()).unwrap();
    files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The script with the trace that it causes now.
fn run(script: &str) -> String {
    let mut lab: Option<Lab> = None;
    let mut text = String::new();
    for line in script.lines() {
        if line.is_empty() || line.starts_with(['#', '>']) {
            text += &format!("{line}\n");
        }
        let Some(command) = line.strip_prefix("> ") else {
            continue;
        };
        let words: Vec<&str> = command.split_whitespace().collect();
        match words.as_slice() {
            ["cluster", settings @ ..] => lab = Some(Lab::new(settings)),
            words => lab.as_mut().expect("begin with `cluster`").command(words),
        }
        let trace = std::mem::take(&mut lab.as_mut().unwrap().trace);
        for line in &trace {
            text += &format!("  {line}\n");
        }
        if trace.is_empty() {
            text += "  nothing\n";
        }
    }
    text
}

/// One leader, its followers, and the wires between them.
struct Lab {
    now: Time,
    leader: Leader,
    /// What the leader's disk has, and what was handed to it since.
    disk: Image,
    unsynced: Vec<(PersistId, Vec<Record>)>,
    followers: Vec<Follower>,
    follower_config: FollowerConfig,
    /// By link: the follower that its address leads to.
    addresses: Vec<usize>,
    /// By link: the requests under way, oldest first.
    wires: Vec<Vec<Flight>>,
    nodes: u64,
    writes: u64,
    answered: BTreeSet<WriteId>,
    trace: Vec<String>,
}

struct Flight {
    attempt: AttemptId,
    request: Request,
    /// What comes back, once the request has arrived.
    reply: Option<Reply>,
}

impl Lab {
    fn new(settings: &[&str]) -> Self {
        let (config, follower_config) = parse::configs(settings);
        let n = config.quorum.followers();
        let node = |id| Follower::new(NodeId(id), follower_config.clone());
        let mut lab = Self {
            now: Time::ZERO,
            leader: Leader::new(LEADER, CLUSTER, config),
            disk: Image::new(LEADER),
            unsynced: Vec::new(),
            followers: (1..=n as u64).map(node).collect(),
            follower_config,
            addresses: (0..n).collect(),
            wires: (0..n).map(|_| Vec::new()).collect(),
            nodes: n as u64,
            writes: 0,
            answered: BTreeSet::new(),
            trace: Vec::new(),
        };
        lab.take_outputs();
        if !settings.contains(&"no_start") {
            lab.settle();
            while !lab.unsynced.is_empty() {
                lab.sync();
                lab.settle();
            }
            lab.trace = vec![format!("the leader is {:?}", lab.leader.phase())];
        }
        lab
    }

    fn command(&mut self, words: &[&str]) {
        match words {
            ["write", pair, timeout @ ..] => {
                let (key, value) = pair.split_once('=').unwrap();
                let key = Key::parse(key).unwrap();
                self.write(Command::put(key, value.as_bytes()).unwrap(), timeout);
            }
            ["delete", key, timeout @ ..] => {
                self.write(Command::delete(Key::parse(key).unwrap()), timeout);
            }
            ["clear", timeout @ ..] => self.write(Command::clear(), timeout),
            ["read", timeout @ ..] => {
                self.writes += 1;
                let timeout = timeout.first().map_or(WRITE_TIMEOUT, |ms| parse::millis(ms));
                self.handle(Input::Confirm { id: ReadId(self.writes), deadline: self.now + timeout });
            }
            ["deliver", link, which @ ..] => {
                let at = self.arrive(parse::index(link), which);
                self.reply(parse::index(link), at);
            }
            ["arrive", link, which @ ..] => _ = self.arrive(parse::index(link), which),
            ["reply", link, which @ ..] => {
                let at = self.find(parse::index(link), which, |flight| flight.reply.is_some());
                self.reply(parse::index(link), at);
            }
            ["duplicate", link, which @ ..] => self.duplicate(parse::index(link), which),
            ["lose", link, which @ ..] => {
                let at = self.find(parse::index(link), which, |_| true);
                let attempt = self.wires[parse::index(link)].remove(at).attempt;
                let error = "connection lost".to_owned();
                self.handle(Input::Failed { attempt, error });
            }
            ["settle"] => self.settle(),
            ["tick", ms] => self.advance(parse::millis(ms), false),
            ["run", ms] => self.advance(parse::millis(ms), true),
            ["crash", follower] => {
                self.nodes += 1;
                let node = Follower::new(NodeId(self.nodes), self.follower_config.clone());
                self.followers[parse::index(follower)] = node;
                self.show(follower);
            }
            ["restart", settings @ ..] => {
                self.nodes += 1;
                if let Some(list) = settings.iter().find_map(|setting| setting.strip_prefix("list=")) {
                    self.addresses = parse::list(list);
                    self.wires = self.addresses.iter().map(|_| Vec::new()).collect();
                }
                let n = format!("n={}", self.wires.len());
                let settings: Vec<&str> = [n.as_str()].into_iter().chain(settings.iter().copied()).collect();
                let node = NodeId(LEADER.0 + self.nodes);
                self.leader = Leader::new(node, ClusterId(self.nodes), parse::configs(&settings).0);
                self.wires.iter_mut().for_each(Vec::clear);
                self.take_outputs();
            }
            ["reset", follower] => {
                self.followers[parse::index(follower)].reset().in_memory();
                self.show(follower);
            }
            ["readdress", link, follower] => {
                self.addresses[parse::index(link)] = parse::index(follower);
                self.show(link);
            }
            ["forge", follower, what @ ..] => {
                let follower = &mut self.followers[parse::index(follower)];
                let to = follower.holds().identity;
                let (cluster, epoch) = (self.leader.cluster(), self.leader.epoch());
                let append = parse::append(Head { to, cluster, epoch }, what);
                let claim = parse::claim(append.head, self.leader.config());
                let mut reply = Ok(Answer::Held(follower.holds()));
                if append.head.epoch > follower.holds().promised {
                    reply = follower.handle(Request::Claim(claim)).in_memory();
                }
                if reply.is_ok() {
                    reply = follower.handle(Request::Append(append)).in_memory();
                }
                self.trace.push(trace::reply(&reply));
            }
            ["sync"] => self.sync(),
            ["power_cut", settings @ ..] => {
                self.unsynced.clear();
                self.wires.iter_mut().for_each(Vec::clear);
                let n = format!("n={}", self.wires.len());
                let settings: Vec<&str> = [n.as_str()].into_iter().chain(settings.iter().copied()).collect();
                self.leader = Leader::restart(self.disk.clone(), CLUSTER, parse::configs(&settings).0);
                self.take_outputs();
            }
            ["disk", "leader", what] => self.handle(Input::Disk { full: *what == "full" }),
            ["disk", follower, what] => {
                self.followers[parse::index(follower)].set_disk_full(*what == "full");
                self.show(follower);
            }
            ["drain"] => self.handle(Input::Drain),
            ["show", what @ ..] => self.show(what.first().unwrap_or(&"all")),
            other => panic!("no such command: {other:?}"),
        }
    }

    fn write(&mut self, command: Command, timeout: &[&str]) {
        self.writes += 1;
        let id = WriteId(self.writes);
        let acks = timeout.first().and_then(|word| word.strip_prefix("w="));
        let timeout = if acks.is_some() { &timeout[1..] } else { timeout };
        let acks = acks.map(|acks| acks.parse().unwrap());
        let timeout = timeout.first().map_or(WRITE_TIMEOUT, |ms| parse::millis(ms));
        let deadline = self.now + timeout;
        self.handle(Input::Write { id, command, acks, deadline });
    }

    fn handle(&mut self, input: Input) {
        self.leader.handle(self.now, input);
        self.take_outputs();
    }

    fn take_outputs(&mut self) {
        while let Some(output) = self.leader.poll_output(self.now) {
            self.trace.push(trace::output(&output));
            match output {
                Output::Send { attempt, follower, request } => {
                    self.wires[follower].push(Flight { attempt, request, reply: None });
                }
                Output::Answer { id, .. } => {
                    assert!(self.answered.insert(id), "a second answer to {id:?}");
                }
                // What is cancelled stays on its wire: it may still arrive.
                Output::Persist { id, records } => self.unsynced.push((id, records)),
                Output::Confirmed { .. } | Output::Cancel { .. } | Output::Event(_) => {}
            }
        }
    }

    fn sync(&mut self) {
        for (id, records) in std::mem::take(&mut self.unsynced) {
            records.into_iter().for_each(|record| self.disk.apply(record));
            self.handle(Input::Persisted { id });
        }
    }

    /// The request's place on its wire, where the reply waits now.
    fn arrive(&mut self, link: usize, which: &[&str]) -> usize {
        let at = self.find(link, which, |flight| flight.reply.is_none());
        let reply = self.at_follower(link, at);
        self.wires[link][at].reply = Some(reply);
        at
    }

    fn at_follower(&mut self, link: usize, at: usize) -> Reply {
        let Flight { attempt, request, .. } = &self.wires[link][at];
        let follower = self.addresses[link];
        let reply = self.followers[follower].handle(request.clone()).in_memory();
        let said = trace::reply(&reply);
        self.trace.push(format!("#{} at {}: {said}", attempt.0, follower + 1));
        reply
    }

    fn reply(&mut self, link: usize, at: usize) {
        let Flight { attempt, reply, .. } = self.wires[link].remove(at);
        let reply = reply.expect("a request that has arrived");
        self.handle(Input::Reply { attempt, reply });
    }

    fn duplicate(&mut self, link: usize, which: &[&str]) {
        let at = self.arrive(link, which);
        let attempt = self.wires[link][at].attempt;
        let reply = self.at_follower(link, at);
        self.reply(link, at);
        self.handle(Input::Reply { attempt, reply });
    }

    fn find(&self, link: usize, which: &[&str], fits: impl Fn(&Flight) -> bool) -> usize {
        let wire = &self.wires[link];
        let found = match which {
            [] => wire.iter().position(fits),
            ["last"] => wire.iter().rposition(fits),
            other => panic!("{other:?} is neither nothing nor `last`"),
        };
        found.unwrap_or_else(|| panic!("no such request on the wire of link {}", link + 1))
    }

    fn settle(&mut self) {
        while self.wires.iter().any(|wire| !wire.is_empty()) {
            for link in 0..self.wires.len() {
                match self.wires[link].first() {
                    Some(flight) if flight.reply.is_some() => self.reply(link, 0),
                    Some(_) => {
                        let at = self.arrive(link, &[]);
                        self.reply(link, at);
                    }
                    None => {}
                }
            }
        }
    }

    fn advance(&mut self, by: Duration, deliver: bool) {
        let end = self.now + by;
        for _ in 0..STOPS_MAX {
            let Some(at) = self.leader.poll_timeout().filter(|at| *at <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(at);
            let traced = self.trace.len();
            self.handle(Input::Tick);
            if deliver {
                self.settle();
            }
            if self.trace.len() > traced {
                self.trace.insert(traced, trace::moment(self.now));
            }
        }
        panic!("the clock stands still at {:?}", self.now);
    }

    fn show(&mut self, what: &str) {
        let which = match what {
            "all" => 0..self.followers.len(),
            "leader" => 0..0,
            number => parse::index(number)..parse::index(number) + 1,
        };
        if matches!(what, "all" | "leader") {
            self.trace.push(trace::leader(&self.leader));
        }
        for index in which {
            let status = self.leader.links().nth(index).unwrap();
            self.trace.push(trace::link(index, &status, self.addresses[index]));
            self.trace.push(trace::follower(index, &self.followers[index]));
        }
    }
}
