//! The words of a script.

use std::sync::Arc;
use std::time::Duration;

use kv_core::{Command, Epoch, Key, NodeId};
use kv_replication::{
    Append, Claim, ClusterId, DelayLaw, FollowerConfig, Group, Head, LeaderConfig, Quorum, Stage,
};

/// The leader of an epoch that is not this leader's own.
const RIVAL: NodeId = NodeId(0xffff);
/// Longer than any script: marks travel on idle links only where a script is about them.
const NO_IDLE_MARKS: Duration = Duration::from_secs(3_600);

/// The settings of `cluster`, by the names that they have in the configuration.
pub(crate) fn configs(settings: &[&str]) -> (LeaderConfig, FollowerConfig) {
    let mut pairs = settings.iter().filter_map(|setting| setting.split_once('='));
    let mut count = |name| {
        let (_, value) = pairs.find(|(found, _)| *found == name).unwrap();
        number(value) as usize
    };
    let quorum = Quorum::new(count("n"), count("w")).unwrap();
    let mut leader = LeaderConfig::new(quorum);
    let mut follower = FollowerConfig::default();
    leader.timing.mark_interval = NO_IDLE_MARKS;
    for setting in settings {
        let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
        let (timing, limits) = (&mut leader.timing, &mut leader.limits);
        match name {
            "n" | "w" | "no_start" => {}
            "list" => {
                leader.followers = list(value).iter().map(|it| format!("follower-{}", it + 1)).collect();
            }
            "new_history" => leader.new_history = true,
            "durable" => leader.durable = true,
            "accept_data_loss" => leader.accept_data_loss = true,
            "delays" => leader.delays = delays(value),
            "replication_timeout" => timing.replication_timeout = millis(value),
            "mark_interval" => timing.mark_interval = millis(value),
            "writes_in_flight_max" => limits.writes_in_flight_max = number(value) as usize,
            "log_entries_max" => limits.log_entries_max = number(value) as usize,
            "log_entries_hard_max" => limits.log_entries_hard_max = number(value) as usize,
            "window_entries_max" => limits.window_entries_max = number(value),
            "batch_entries_max" => limits.batch_entries_max = number(value) as usize,
            "requests_in_flight_max" => limits.requests_in_flight_max = number(value) as usize,
            "follower_pending_bytes_max" => follower.pending_bytes_max = number(value) as usize,
            "follower_window_entries_max" => follower.window_entries_max = number(value),
            other => panic!("no such setting: {other}"),
        }
    }
    (leader, follower)
}

/// What somebody else's leader asks before it sends anything.
pub(crate) fn claim(head: Head, config: &LeaderConfig) -> Claim {
    let (write, followers) = (config.quorum.write(), config.followers.clone());
    let group = Group { since: Epoch { counter: 1, node: RIVAL }, write, followers };
    Claim { head, renames: None, groups: Arc::new(vec![group]) }
}

/// An append with this head, unless `words` name another epoch or cluster.
pub(crate) fn append(head: Head, words: &[&str]) -> Append {
    let mut append = Append { head, stage: Stage::Serving, counted: true, mark: 0, entries: Vec::new() };
    for word in words {
        match word.split_once('=').unwrap() {
            ("epoch", counter) => {
                append.head.epoch = Epoch { counter: number(counter), node: RIVAL };
            }
            ("cluster", id) => append.head.cluster = ClusterId(number(id)),
            ("mark", mark) => append.mark = number(mark),
            (key, content) => {
                let (value, version) = content.split_once('@').unwrap();
                let put = Command::put(Key::parse(key).unwrap(), value.as_bytes()).unwrap();
                let entry = put.into_entry(append.head.epoch, number(version));
                append.entries.push(entry);
            }
        }
    }
    append
}

/// The index of what scripts number from 1.
pub(crate) fn index(word: &str) -> usize {
    number(word) as usize - 1
}

/// `1,3` as indices.
pub(crate) fn list(word: &str) -> Vec<usize> {
    word.split(',').map(index).collect()
}

pub(crate) fn millis(word: &str) -> Duration {
    Duration::from_millis(number(word))
}

/// `MIN..MAX/SEED`
fn delays(word: &str) -> DelayLaw {
    let (bounds, seed) = word.split_once('/').unwrap();
    let (min, max) = bounds.split_once("..").unwrap();
    DelayLaw::uniform(number(seed), millis(min), millis(max)).unwrap()
}

fn number(word: &str) -> u64 {
    word.parse().unwrap_or_else(|_| panic!("not a number: {word}"))
}
