//! What a trace says, one line each.

use kv_core::{Entry, Item};
use kv_replication::{
    Append, Committed, Event, Follower, Held, Leader, LinkError, LinkState, LinkStatus, Output, Phase,
    RangeSet, Refusal, Reply, Request, StartProblem, Time, WriteError,
};

pub(crate) fn output(output: &Output) -> String {
    match output {
        Output::Send { attempt, follower, request } => {
            let (id, follower) = (attempt.0, follower + 1);
            format!("send #{id} to {follower}: {}", sent(request))
        }
        Output::Cancel { attempt } => format!("cancel #{}", attempt.0),
        Output::Answer { id, result } => format!("answer w{}: {}", id.0, outcome(result)),
        Output::Event(Event::Serving { epoch, .. }) => {
            format!("event: serving, epoch {}", epoch.counter)
        }
        Output::Event(Event::LinkUp { follower }) => format!("event: link {} up", follower + 1),
        Output::Event(Event::LinkDown { follower, error }) => {
            format!("event: link {} down, {}", follower + 1, problem(error))
        }
        Output::Event(Event::Deposed { by }) => format!("event: deposed by epoch {}", by.counter),
    }
}

pub(crate) fn reply(reply: &Reply) -> String {
    match reply {
        Ok(Held { ranges, mark, .. }) => format!("holds {ranges:?}, mark {mark}"),
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
    format!("leader: {phase}, assigned {assigned}, mark {mark}, log of {log}, store {store}")
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
    let (promised, held) = (held.promised.counter, reply(&Ok(held)));
    let index = index + 1;
    format!("follower {index}: node {node}, resets {resets}, promised {promised}, {held}, local {local}")
}

fn sent(request: &Request) -> String {
    let Request::Append(append) = request else {
        return "probe".to_owned();
    };
    let Append { epoch, recovered, mark, entries, .. } = append;
    let versions = entries.iter().map(Entry::version);
    let versions: RangeSet = versions.map(|version| version..=version).collect();
    if *recovered {
        format!("append {versions:?}, mark {mark}")
    } else {
        format!("claim for epoch {}, {versions:?}", epoch.counter)
    }
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
        WriteError::Recovering(StartProblem::Waiting { followers }) => {
            let numbers: Vec<usize> = followers.iter().map(|index| index + 1).collect();
            format!("recovering, waiting for {numbers:?}")
        }
        WriteError::Recovering(StartProblem::Unfit { follower, error }) => {
            format!("recovering, link {}: {}", follower + 1, problem(error))
        }
        other => other.to_string(),
    }
}

fn problem(error: &LinkError) -> String {
    match error {
        LinkError::Unreachable(_) => "unreachable".to_owned(),
        LinkError::TimedOut => "timed out".to_owned(),
        LinkError::Refused(refusal) => format!("refused, {}", no(refusal)),
        LinkError::HasData { cluster } => format!("has data of cluster {cluster:?}"),
        LinkError::NewIdentity => "new identity".to_owned(),
        LinkError::DuplicateId { other } => format!("same node as link {}", other + 1),
        LinkError::BehindLog { watermark, log_first } => {
            format!("behind the log, which begins at {log_first}, holds through {watermark}")
        }
        other => other.to_string(),
    }
}

fn no(refusal: &Refusal) -> String {
    match refusal {
        Refusal::WrongCluster { held } => format!("wrong cluster, held {held:?}"),
        Refusal::StaleEpoch { promised } => format!("stale epoch, promised {}", promised.counter),
        Refusal::Conflict { version } => format!("conflict at {version}"),
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
