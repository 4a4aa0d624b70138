//! A start that is held up at every step, with real followers: what it then says that it waits for.

use std::time::Duration;

use kv_core::{Command, Epoch, Key, NodeId, Version};

use super::ids::WriteId;
use super::input::Input;
use super::machine::Leader;
use super::output::Output;
use super::phase::Phase;
use super::problem::StartProblem;
use crate::config::{FollowerConfig, LeaderConfig};
use crate::durable::image::Image;
use crate::durable::record::Record;
use crate::follower::Follower;
use crate::protocol::message::{ClusterId, Request};
use crate::protocol::quorum::Quorum;
use crate::protocol::time::Time;

const FOLLOWERS: usize = 3;

/// The followers of one leader after the other.
struct Lab {
    followers: Vec<Follower>,
    leader: Leader,
    now: Time,
}

impl Lab {
    /// A first leader has led with W = 2. Version 1 is committed; version 2 has arrived, and it does not know.
    fn after_two_writes() -> Self {
        let follower = |id| Follower::new(NodeId(id), FollowerConfig::default());
        let followers = (1..=FOLLOWERS as u64).map(follower).collect();
        let mut lab = Self { followers, leader: leader(9, 2), now: Time::ZERO };
        lab.deliver(|_| true);
        lab.write(1);
        lab.deliver(|_| true);
        lab.write(2);
        while let Some(output) = lab.leader.poll_output(lab.now) {
            if let Output::Send { follower, request, .. } = output {
                lab.followers[follower].handle(request).in_memory().unwrap();
            }
        }
        lab
    }

    fn write(&mut self, id: u64) {
        let command = Command::put(Key::parse("key").unwrap(), &id.to_le_bytes()).unwrap();
        let deadline = self.now + Duration::from_secs(1);
        self.leader.handle(self.now, Input::Write { id: WriteId(id), command, acks: None, deadline });
    }

    /// Another leader starts, without memory; only such requests arrive.
    fn started(write: usize, arrives: impl Fn(&Request) -> bool) -> Self {
        let mut lab = Self::after_two_writes();
        lab.leader = leader(10, write);
        lab.deliver(arrives);
        lab
    }

    /// Everything that the leader sends until it is silent, for some time.
    fn deliver(&mut self, arrives: impl Fn(&Request) -> bool) {
        for _ in 0..10 {
            while let Some(output) = self.leader.poll_output(self.now) {
                if let Output::Send { attempt, follower, request } = output
                    && arrives(&request)
                {
                    let reply = self.followers[follower].handle(request).in_memory();
                    self.leader.handle(self.now, Input::Reply { attempt, reply });
                }
            }
            self.now = self.now + Duration::from_millis(100);
            self.leader.handle(self.now, Input::Tick);
        }
    }
}

fn leader(node: u64, write: usize) -> Leader {
    let config = LeaderConfig::new(Quorum::new(FOLLOWERS, write).unwrap());
    Leader::new(NodeId(node), ClusterId(node), config)
}

/// How far a start with another W comes if appends arrive only while the followers are not yet to adopt it.
fn before_adoption(request: &Request) -> bool {
    use crate::protocol::message::Stage;
    !matches!(request, Request::Append(append) if append.stage != Stage::Recovering)
}

#[test]
fn every_step_of_a_start_says_what_it_waits_for() {
    let through: Version = 2;
    let is_probe = |request: &Request| matches!(request, Request::Probe);
    let is_no_pull = |request: &Request| !matches!(request, Request::Pull(_));
    let is_no_append = |request: &Request| !matches!(request, Request::Append(_));
    let table = [
        (
            "nobody promises",
            Lab::started(2, is_probe),
            Phase::Claiming,
            StartProblem::Promises { promised: 0, needed: 2 },
        ),
        (
            "nobody shows what it has",
            Lab::started(2, is_no_pull),
            Phase::Pulling,
            StartProblem::Pulling { followers: vec![0, 1] },
        ),
        (
            "nobody takes what is written again",
            Lab::started(2, is_no_append),
            Phase::Recovering,
            StartProblem::Behind { through, level: 0, needed: 2 },
        ),
        (
            "nobody adopts the new W",
            Lab::started(1, before_adoption),
            Phase::Changing,
            StartProblem::Adopting { adopted: 0, needed: 2 },
        ),
    ];
    for (name, lab, phase, problem) in table {
        assert_eq!((lab.leader.phase(), lab.leader.problem()), (phase, Some(problem)), "{name}");
    }
}

#[test]
fn a_start_waits_for_space_on_its_own_disk_and_goes_on_by_itself() {
    let mut lab = Lab::after_two_writes();
    lab.leader = leader(10, 2);
    lab.leader.handle(lab.now, Input::Disk { full: true });
    lab.deliver(|_| true);
    assert_eq!(lab.leader.problem(), Some(StartProblem::DiskFull));
    lab.leader.handle(lab.now, Input::Disk { full: false });
    lab.deliver(|_| true);
    assert_eq!((lab.leader.phase(), lab.leader.problem()), (Phase::Serving, None));
    assert_eq!(lab.leader.store().get("key").map(|item| item.version), Some(2));
}

/// With W = 0 the leader's own copy is enough for a commit; but whether its tail is one, only a start can say.
#[test]
fn nothing_is_committed_before_a_start_has_come_to_it() {
    let mut image = Image::new(NodeId(9));
    let epoch = Epoch { counter: 1, node: NodeId(9) };
    let entry = Command::put(Key::parse("key").unwrap(), b"value").unwrap().into_entry(epoch, 1);
    image.apply(Record::Entries(vec![entry]));
    let config = LeaderConfig { durable: true, ..LeaderConfig::new(Quorum::new(FOLLOWERS, 0).unwrap()) };
    let leader = Leader::restart(image, ClusterId(9), config);
    assert_eq!((leader.assigned(), leader.mark(), leader.newest_committed()), (1, 0, 0));
    assert!(leader.store().is_empty());
}
