//! Schedules that once lost an acknowledged write, or blocked a start. Each is a story of a few leaders and
//! followers; who reaches whom is said step by step. Followers are numbered from 0.

mod lab;

use std::sync::Arc;

use kv_core::{Command, Epoch, Key, NodeId};
use kv_replication::{
    Claim, ClusterId, Follower, FollowerConfig, Group, Head, Image, Leader, Phase, Record, Request, Stage,
};

use lab::{Lab, config};

const THREE: [usize; 3] = [0, 1, 2];
const ACKNOWLEDGED: &str = "acknowledged";

/// W = 3 of 5. The first leader has never met 3 and 4: they may have kept their memory all the same, and
/// promised another leader. So two who confirm are not enough for a third that has lost its memory.
#[test]
fn who_was_never_met_may_have_kept_its_memory() {
    let mut lab = Lab::new(5);
    lab.serving(1, 3, &[0, 1, 2, 3, 4]);
    lab.write(1, "old");
    lab.run(1, 200);
    lab.end(1);
    lab.serving(2, 3, &[0, 1, 2]);
    lab.run(2, 200);
    lab.reach(2, &[0, 1]);
    lab.serving(3, 3, &[2, 3, 4]);
    lab.write(3, ACKNOWLEDGED);
    lab.settle(3);
    assert_eq!(lab.value(3).as_deref(), Some(ACKNOWLEDGED));

    lab.crash(2);
    lab.reach(2, &[0, 1, 2]);
    lab.run(2, 1_500);
    lab.write(2, "of the first");
    lab.run(2, 500);
    assert_ne!(lab.value(2).as_deref(), Some("of the first"), "two leaders have committed one version");
}

/// W = N = 3, so that one promise is enough for a start. The one that gave it loses its memory, and is filled by
/// the leader that still serves: the start must not go on with what it has read.
#[test]
fn a_start_whose_members_have_lost_their_memory_begins_again() {
    let mut lab = Lab::new(3);
    lab.serving(1, 3, &THREE);
    lab.write(1, "old");
    lab.run(1, 200);
    lab.reach(1, &[0, 1]);
    lab.start(3, 3, &[2]);
    lab.until(3, |lab| lab.phase(3) == Phase::Recovering);
    lab.crash(2);
    lab.reach(1, &THREE);
    lab.reach(3, &[]);
    lab.run(1, 1_500);
    lab.write(1, ACKNOWLEDGED);
    lab.settle(1);
    assert_eq!(lab.value(1).as_deref(), Some(ACKNOWLEDGED));

    lab.reach(1, &[]);
    lab.reach(3, &THREE);
    lab.until(3, |lab| lab.phase(3) == Phase::Serving);
    assert_eq!(lab.value(3).as_deref(), Some(ACKNOWLEDGED));
}

/// W goes from 3 to 2. A follower that has adopted that is reset: it has not adopted it any more, and is not
/// counted before it has done so again. Otherwise a start with the old W could read it alone.
#[test]
fn a_reset_undoes_what_was_adopted() {
    let mut lab = Lab::new(3);
    lab.serving(1, 3, &THREE);
    lab.write(1, "old");
    lab.run(1, 200);
    lab.end(1);
    lab.start(2, 2, &THREE);
    lab.until(2, |lab| lab.phase(2) == Phase::Changing);
    lab.reach(2, &[2]);
    lab.run(2, 200);
    lab.followers[2].reset().in_memory();
    lab.reach(2, &[0, 2]);
    lab.run(2, 3_000);
    lab.lose(2, |follower, request| {
        follower == 2 && matches!(request, Request::Append(append) if append.stage == Stage::Serving)
    });
    lab.reach(2, &THREE);
    lab.until(2, |lab| lab.phase(2) == Phase::Serving);
    lab.reach(2, &[0, 1]);
    lab.write(2, ACKNOWLEDGED);
    lab.settle(2);
    assert_eq!(lab.value(2).as_deref(), Some(ACKNOWLEDGED));
    lab.end(2);

    lab.start(4, 3, &[2]);
    lab.run(4, 300);
    lab.reach(4, &THREE);
    lab.run(4, 3_000);
    assert!(lab.phase(4) != Phase::Serving || lab.value(4).as_deref() == Some(ACKNOWLEDGED));
}

/// W goes from 3 to 2, is adopted by one follower, and goes back; another follower has lost its memory
/// meanwhile. The leader that goes back dies, too. `counts`: not before the follower counts again.
fn half_back(counts: bool) -> Lab {
    let mut lab = Lab::new(3);
    lab.serving(1, 3, &THREE);
    lab.write(1, "old");
    lab.run(1, 200);
    lab.end(1);
    lab.start(2, 2, &THREE);
    lab.until(2, |lab| lab.phase(2) == Phase::Changing);
    lab.reach(2, &[0]);
    lab.run(2, 50);
    lab.end(2);
    lab.crash(2);
    lab.start(3, 3, &THREE);
    lab.until(3, |lab| {
        let standing = lab.followers[2].standing();
        if counts { standing.held.counts } else { standing.cluster.is_some() }
    });
    lab.end(3);
    lab
}

/// The first group is still in force, though the claims named it a second time: a leader of the second one
/// that meets only two followers has to wait.
#[test]
fn a_group_in_force_is_not_forgotten_when_the_change_goes_back() {
    let mut lab = half_back(true);
    lab.start(4, 2, &[0, 2]);
    lab.run(4, 2_000);
    assert_ne!(lab.phase(4), Phase::Serving);
    lab.reach(4, &THREE);
    lab.until(4, |lab| lab.phase(4) == Phase::Serving);
}

#[test]
fn followers_that_disagree_about_the_groups_do_not_keep_a_start_busy() {
    let mut lab = half_back(false);
    lab.start(4, 2, &THREE);
    lab.run(4, 1_000);
    assert!(lab.leader(4).epoch().counter < 20, "{:?}", lab.leader(4).epoch());
}

/// A snapshot is pushed while three versions are assigned that are gone with their leader. The follower's
/// committed state becomes whole all the same, without a new write.
#[test]
fn a_snapshot_reaches_to_what_is_committed() {
    let mut lab = Lab::new(3);
    let mut config = config(3, 2);
    config.limits.log_entries_max = 2;
    config.limits.log_entries_hard_max = 4;
    lab.seat(1, Leader::new(NodeId(1_001), ClusterId(1), config), &THREE);
    lab.until(1, |lab| lab.phase(1) == Phase::Serving);
    lab.reach(1, &[0, 1]);
    for _ in 0..10 {
        lab.write(1, "v");
        lab.settle(1);
    }
    lab.run(1, 200);
    lab.lose(1, |follower, request| {
        follower < 2 || matches!(request, Request::Append(append) if !append.entries.is_empty())
    });
    (0..3).for_each(|_| lab.write(1, "never committed"));
    lab.reach(1, &THREE);
    lab.run(1, 2_000);
    assert!(lab.followers[2].mark() > 0, "it has taken the snapshot");
    lab.end(1);
    lab.serving(2, 2, &THREE);
    lab.run(2, 1_000);
    assert_eq!(lab.followers[2].whole_mark(), Some(lab.leader(2).mark()));
}

/// A leader reads the state of a follower that has had a snapshot, and shows something newer than its mark: the
/// leader knows that as well, and says so when it hands the state on.
#[test]
fn what_a_snapshot_shows_beyond_the_mark_is_not_forgotten() {
    let mut lab = Lab::new(2);
    let epoch = Epoch { counter: 4, node: NodeId(99) };
    let entry = |version: u64| {
        let key = Key::parse("k").unwrap();
        Command::put(key, &version.to_be_bytes()).unwrap().into_entry(epoch, version)
    };
    let group = Group { since: epoch, write: 1, followers: config(2, 1).followers };
    for follower in [0, 1] {
        let mut image = Image::new(NodeId(50 + follower as u64));
        image.meta.counts = true;
        image.meta.cluster = Some(ClusterId(1));
        image.meta.promised = epoch;
        image.meta.promised_in = Some(ClusterId(1));
        image.meta.groups = Arc::new(vec![group.clone()]);
        // Version 3 was committed before version 2: by the second one, while the first took in a snapshot.
        let record = match follower {
            0 => Record::Replace { base: 1, through: 3, entries: vec![entry(3)] },
            _ => Record::Entries(vec![entry(1), entry(3)]),
        };
        image.apply(record);
        lab.followers[follower] = Follower::restart(image, FollowerConfig::default());
    }
    lab.start(1, 1, &[0, 1]);
    lab.lose(1, |_, request| matches!(request, Request::Append(_)));
    lab.until(1, |lab| lab.phase(1) == Phase::Recovering);
    let leader = lab.leader(1);
    assert_eq!((leader.mark(), leader.newest_committed(), leader.assigned()), (1, 3, 3));
    assert_eq!(leader.store().get("k").unwrap().version, 3);
}

/// A reset that a crash has cut short, and another crash after a leader has come: the disk has been told.
#[test]
fn a_half_reset_does_not_come_back() {
    let config = FollowerConfig { durable: true, ..FollowerConfig::default() };
    let mut image = Image::new(NodeId(7));
    image.meta.identity.resets = 1;
    image.meta.promised = Epoch { counter: 4, node: NodeId(99) };
    image.mark = 9;
    let mut follower = Follower::restart(image.clone(), config.clone());
    let head = Head {
        to: image.meta.identity,
        cluster: ClusterId(3),
        epoch: Epoch { counter: 5, node: NodeId(99) },
    };
    let groups = Arc::new(vec![Group { since: head.epoch, write: 1, followers: vec!["one".to_owned()] }]);
    let claimed = follower.handle(Request::Claim(Claim { head, renames: None, groups }));
    claimed.records.into_iter().for_each(|record| image.apply(record));
    let follower = Follower::restart(image, config);
    assert_eq!((follower.mark(), follower.promised()), (0, head.epoch));
    assert!(!follower.standing().has_data);
}

/// A reset that a crash has cut short: the node has forgotten its cluster, and not yet its data.
#[test]
fn a_half_reset_is_brought_to_its_end() {
    let mut lab = Lab::new(3);
    lab.serving(1, 2, &THREE);
    lab.write(1, "v");
    lab.run(1, 200);
    let config = FollowerConfig { durable: true, ..FollowerConfig::default() };
    let mut image = Image::new(NodeId(7));
    image.meta.promised = lab.leader(1).epoch();
    image.meta.identity.resets = 1;
    image.mark = 1;
    image.whole_from = 1;
    lab.followers[2] = Follower::restart(image, config);
    lab.until(1, |lab| lab.followers[2].holds().counts);
    assert_eq!(lab.followers[2].mark(), lab.leader(1).mark());
}
