//! What the log has kept for one follower goes in steps, so that no write waits for all of it.

use std::time::Duration;

use kv_core::{Command, Key, NodeId};
use kv_replication::{
    ClusterId, Follower, FollowerConfig, Input, Leader, LeaderConfig, Output, Quorum, Time, WriteId,
};

const SOFT: usize = 10;
const HARD: usize = 5_000;

struct Cluster {
    leader: Leader,
    followers: Vec<Follower>,
    /// Requests to the last follower lie here instead of arriving.
    is_held_up: bool,
    held_up: Vec<Output>,
    /// The length of the log after every answer.
    lengths: Vec<usize>,
}

impl Cluster {
    fn start() -> Self {
        let mut config = LeaderConfig::new(Quorum::new(2, 1).unwrap());
        config.limits.log_entries_max = SOFT;
        config.limits.log_entries_hard_max = HARD;
        let follower = |id| Follower::new(NodeId(id), FollowerConfig::default());
        let mut cluster = Self {
            leader: Leader::new(NodeId(9), ClusterId(1), config),
            followers: vec![follower(1), follower(2)],
            is_held_up: false,
            held_up: Vec::new(),
            lengths: Vec::new(),
        };
        cluster.settle();
        cluster
    }

    fn settle(&mut self) {
        while let Some(output) = self.leader.poll_output(Time::ZERO) {
            self.execute(output);
        }
    }

    fn execute(&mut self, output: Output) {
        let Output::Send { attempt, follower, ref request } = output else { return };
        if follower == 1 && self.is_held_up {
            return self.held_up.push(output);
        }
        let node = self.followers.get_mut(follower).unwrap();
        let reply = node.handle(request.clone()).in_memory();
        self.leader.handle(Time::ZERO, Input::Reply { attempt, reply });
        self.lengths.push(self.leader.log_size().0);
    }

    /// One write, committed by the first follower; the length of the log after it.
    fn write(&mut self, id: u64) -> usize {
        let command = Command::put(Key::parse("k").unwrap(), b"v").unwrap();
        let deadline = Time::ZERO + Duration::from_secs(60);
        self.leader.handle(Time::ZERO, Input::Write { id: WriteId(id), command, acks: None, deadline });
        self.settle();
        self.leader.log_size().0
    }
}

#[test]
fn what_was_kept_for_a_slow_follower_goes_in_steps() {
    let mut cluster = Cluster::start();
    cluster.is_held_up = true;
    let longest = (1..=4_000).map(|id| cluster.write(id)).max();
    assert_eq!(longest, Some(4_000), "the log waits for the follower that is up");
    cluster.is_held_up = false;
    for output in std::mem::take(&mut cluster.held_up) {
        cluster.execute(output);
    }
    cluster.settle();
    assert_eq!((4_001..=4_020).map(|id| cluster.write(id)).last(), Some(SOFT));
    // A write and its answer each cut once.
    let most = cluster.lengths.windows(2).map(|pair| pair[0].saturating_sub(pair[1])).max().unwrap();
    assert!((1_000..=2 * 1_024).contains(&most), "{most} at once");
}

#[test]
fn past_the_hard_limit_it_is_cut_at_once() {
    let mut cluster = Cluster::start();
    cluster.is_held_up = true;
    let longest = (1..=HARD as u64 + 500).map(|id| cluster.write(id)).max();
    assert_eq!(longest, Some(HARD));
}
