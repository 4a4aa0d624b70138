//! The leader's machine: events per second, without any I/O around it.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "criterion's macros; a benchmark may stop"
)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kv_core::{Command, Key, NodeId};
use kv_replication::{
    ClusterId, DelayLaw, Follower, FollowerConfig, Input, Leader, LeaderConfig, Output, Quorum, Time, WriteId,
};

const FOLLOWERS: usize = 5;

/// A leader with real followers, all in this thread: a request is answered at once.
struct Cluster {
    leader: Leader,
    followers: Vec<Follower>,
    now: Time,
    writes: u64,
    /// Inputs handled by the leader so far.
    events: u64,
}

impl Cluster {
    fn start(delays: DelayLaw) -> Self {
        let mut config = LeaderConfig::new(Quorum::new(FOLLOWERS, 3).unwrap());
        config.delays = delays;
        let follower = |id| Follower::new(NodeId(id), FollowerConfig::default());
        let mut cluster = Self {
            leader: Leader::new(NodeId(100), ClusterId(1), config),
            followers: (1..=FOLLOWERS as u64).map(follower).collect(),
            now: Time::ZERO,
            writes: 0,
            events: 0,
        };
        cluster.settle();
        cluster
    }

    /// A burst of clients writes at once; then everything is delivered.
    fn burst(&mut self, clients: u64, keys: u64) {
        for _ in 0..clients {
            self.writes += 1;
            let key = format!("key-{}", self.writes % keys * 7_919 % keys);
            let command = Command::put(Key::parse(&key).unwrap(), &[b'v'; 64]).unwrap();
            let deadline = self.now + Duration::from_secs(60);
            self.handle(Input::Write { id: WriteId(self.writes), command, acks: None, deadline });
        }
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(output) = self.leader.poll_output(self.now) {
            if let Output::Send { attempt, follower, request } = output {
                let Some(node) = self.followers.get_mut(follower) else { panic!("no follower {follower}") };
                let reply = node.handle(request).in_memory();
                self.handle(Input::Reply { attempt, reply });
            }
        }
    }

    /// Lets the simulated delays pass, due time by due time.
    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(next) = self.leader.poll_timeout().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.handle(Input::Tick);
            self.settle();
        }
        self.now = end;
    }

    fn handle(&mut self, input: Input) {
        self.events += 1;
        self.leader.handle(self.now, input);
    }
}

fn leader(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("leader");
    for (clients, keys) in [(1, 1_000), (64, 1_000), (64, 1_000_000)] {
        let mut cluster = Cluster::start(DelayLaw::NONE);
        while cluster.writes < keys {
            cluster.burst(1_000, keys); // every key is there before anything is measured
        }
        let before = cluster.events;
        cluster.burst(clients, keys);
        group.throughput(Throughput::Elements(cluster.events - before));
        group.bench_function(BenchmarkId::new(format!("events_of_{clients}_clients"), keys), |bencher| {
            bencher.iter(|| {
                cluster.burst(clients, keys);
                cluster.now = cluster.now + Duration::from_micros(100);
                black_box(cluster.events)
            });
        });
    }
    // Each entry has its own delay to each follower: five due times and five requests a write.
    let delays = DelayLaw::uniform(1, Duration::ZERO, Duration::from_millis(10)).unwrap();
    let mut cluster = Cluster::start(delays);
    group.throughput(Throughput::Elements(64));
    group.bench_function("delayed_writes_of_64_clients", |bencher| {
        bencher.iter(|| {
            cluster.burst(64, 1_000);
            cluster.pass(Duration::from_millis(11));
            black_box(cluster.events)
        });
    });
    group.finish();
}

criterion_group!(benches, leader);
criterion_main!(benches);
