//! What a trace says, one line each.

use kv_core::{Entry, Item};
use kv_replication::{
    Answer, Append, Committed, Event, Follower, Held, Leader, LinkError, LinkState, LinkStatus, Output,
    Phase, RangeSet, Record, Refusal, Reply, Request, Stage, StartProblem, Time, WriteError,
};

pub(crate) fn output(output: &Output) -> String {
    match output {
        Output::Send { attempt, follower, request } => {
            let (id, follower) = (attempt.0, follower + 1);
            format!("send #{id} to {follower}: {}", sent(request))
        }
        Output::Cancel { attempt } => format!("cancel #{}", attempt.0),
        Output::Answer { id, result } => format!("answer w{}: {}", id.0, outcome(result)),
        Output::Persist { id, records } => {
            let records: Vec<_> = records.iter().map(record).collect();
            format!("persist {}: {}", id.0, records.join(", "))
        }
        Output::Confirmed { id, result } => format!("read r{}: {result:?}", id.0),
        Output::Event(Event::Waiting { problem }) => format!("event: waiting, {problem}"),
        Output::Event(Event::Serving { epoch, recovered, .. }) => {
            format!("event: serving, epoch {}, recovered through {recovered}", epoch.counter)
        }
        Output::Event(Event::Counted { follower }) => format!("event: link {} counts", follower + 1),
        Output::Event(Event::LinkUp { follower }) => format!("event: link {} up", follower + 1),
        Output::Event(Event::LinkDown { follower, error }) => {
            format!("event: link {} down, {}", follower + 1, problem(error))
        }
        Output::Event(Event::DiskFull { full: true }) => "event: disk full".to_owned(),
        Output::Event(Event::DiskFull { full: false }) => "event: disk has space".to_owned(),
        Output::Event(Event::Deposed { by }) => format!("event: deposed by epoch {}", by.counter),
    }
}

fn record(record: &Record) -> String {
    match record {
        Record::Meta(meta) => match meta.authoritative {
            Some(epoch) => format!("promise {}, log of epoch {}", meta.promised.counter, epoch.counter),
            None => format!("promise {}", meta.promised.counter),
        },
        Record::Entries(entries) => format!("entries {:?}", versions(entries)),
        Record::Mark(mark) => format!("mark {mark}"),
        Record::Void(epoch) => format!("void but for epoch {}", epoch.counter),
        Record::Replace { base, entries, .. } => format!("state at {base} with {:?}", versions(entries)),
        Record::Wipe => "wipe".to_owned(),
    }
}

pub(crate) fn reply(reply: &Reply) -> String {
    let holds = |held: &Held| {
        let Held { ranges, mark, counts, disk_full, .. } = held;
        let counts = if *counts { "" } else { ", without memory" };
        format!("holds {ranges:?}, mark {mark}{counts}{}", if *disk_full { ", disk full" } else { "" })
    };
    match reply {
        Ok(Answer::Held(held)) => holds(held),
        Ok(Answer::Standing(standing)) => holds(&standing.held),
        Ok(Answer::Chunk(chunk)) => {
            let (mark, done) = (chunk.mark, if chunk.done { ", done" } else { "" });
            format!("hands over {:?}, mark {mark}{done}", versions(&chunk.entries))
        }
        Err(refusal) => format!("refused, {}", no(refusal)),
    }
}

pub(crate) fn moment(now: Time) -> String {
    format!("at {}:", millis(now))
}

pub(crate) fn leader(leader: &Leader) -> String {
    let (assigned, mark, log) = (leader.assigned(), leader.mark(), leader.log_size().0);
    let store = content(leader.store().scan("", None));
    let phase = match leader.phase() {
        Phase::Deposed { by } => format!("Deposed by epoch {}", by.counter),
        phase => format!("{phase:?}"),
    };
    let full = if leader.is_disk_full() { ", disk full" } else { "" };
    format!("leader: {phase}{full}, assigned {assigned}, mark {mark}, log of {log}, store {store}")
}

pub(crate) fn link(index: usize, link: &LinkStatus, address: usize) -> String {
    let state = match link.state {
        LinkState::Down { retry_at } => format!("Down until {}", millis(retry_at)),
        state => format!("{state:?}"),
    };
    let (watermark, in_flight) = (link.watermark, link.in_flight);
    let (link, to) = (index + 1, address + 1);
    format!("link {link} to {to}: {state}, acked through {watermark}, in flight {in_flight}")
}

pub(crate) fn follower(index: usize, follower: &Follower) -> String {
    let (held, local) = (follower.holds(), content(follower.local_scan()));
    let (node, resets) = (held.identity.node.0, held.identity.resets);
    let (promised, held) = (held.promised.counter, reply(&Ok(Answer::Held(held))));
    let index = index + 1;
    format!("follower {index}: node {node}, resets {resets}, promised {promised}, {held}, local {local}")
}

fn sent(request: &Request) -> String {
    match request {
        Request::Probe => "probe".to_owned(),
        Request::Claim(claim) => format!("claim for epoch {}", claim.head.epoch.counter),
        Request::Append(Append { stage, counted, mark, entries, .. }) => {
            let stage = match stage {
                Stage::Recovering => ", recovering",
                Stage::Changing => ", changing",
                Stage::Serving => "",
            };
            let counted = if *counted { ", you count" } else { "" };
            format!("append {:?}, mark {mark}{stage}{counted}", versions(entries))
        }
        Request::Install(install) => {
            let (chunk, base) = (install.chunk, install.base);
            let last = if install.last { ", last" } else { "" };
            format!("snapshot at {base}, chunk {chunk} with {:?}{last}", versions(&install.entries))
        }
        Request::Pull(pull) => format!("pull {:?}", pull.part),
    }
}

fn versions(entries: &[Entry]) -> RangeSet {
    entries.iter().map(|entry| entry.version()..=entry.version()).collect()
}

fn outcome(result: &Result<Committed, WriteError>) -> String {
    let error = match result {
        Ok(done) => return format!("committed {}, acks {}", done.entry.version(), done.acks),
        Err(error) => error,
    };
    match error {
        WriteError::Unknown { version, acks, required } => {
            format!("unknown {version}, acks {acks} of {required}")
        }
        WriteError::NoQuorum { up, required } => format!("no quorum, up {up} of {required}"),
        WriteError::Deposed { by, .. } => format!("no quorum, deposed by epoch {}", by.counter),
        WriteError::Overloaded { limit } => format!("overloaded, {limit}"),
        WriteError::Draining => "draining".to_owned(),
        WriteError::DiskFull => "disk full".to_owned(),
        WriteError::Recovering(StartProblem::Unfit { follower, error }) => {
            format!("recovering, link {}: {}", follower + 1, problem(error))
        }
        WriteError::Recovering(problem) => format!("recovering, {problem}"),
        other => other.to_string(),
    }
}

fn problem(error: &LinkError) -> String {
    match error {
        LinkError::Unreachable(_) => "unreachable".to_owned(),
        LinkError::TimedOut => "timed out".to_owned(),
        LinkError::Refused(refusal) => format!("refused, {}", no(refusal)),
        LinkError::NewIdentity => "new identity".to_owned(),
        LinkError::DuplicateId { other } => format!("same node as link {}", other + 1),
        other => other.to_string(),
    }
}

fn no(refusal: &Refusal) -> String {
    match refusal {
        Refusal::WrongCluster { held } => format!("wrong cluster, held {held:?}"),
        Refusal::StaleEpoch { promised } => format!("stale epoch, promised {}", promised.counter),
        Refusal::Conflict { version } => format!("conflict at {version}"),
        Refusal::NotPromised { promised } => format!("not promised, promised {}", promised.counter),
        Refusal::OtherNode { identity } => format!("other node, is {}", identity.node.0),
        Refusal::WrongChunk { expected } => format!("wrong chunk, expected {expected}"),
        Refusal::DiskFull => "disk full".to_owned(),
        Refusal::Malformed { version } => format!("malformed at {version}"),
        Refusal::BeyondWindow { version, last } => {
            format!("{version} beyond the window, which ends at {last}")
        }
    }
}

fn content<'a>(items: impl Iterator<Item = (&'a str, Item<'a>)>) -> String {
    let shown = |(key, item): (&str, Item<'_>)| {
        format!("{key}={}@{}", String::from_utf8_lossy(item.value), item.version)
    };
    format!("{{{}}}", items.map(shown).collect::<Vec<_>>().join(" "))
}

fn millis(time: Time) -> String {
    let micros = time.since_origin().as_micros();
    match micros % 1_000 {
        0 => format!("{} ms", micros / 1_000),
        rest => format!("{}.{rest:03} ms", micros / 1_000),
    }
}
