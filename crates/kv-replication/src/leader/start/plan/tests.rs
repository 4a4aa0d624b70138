//! Every plan and every problem by a table, and the recovery quorum by a naive twin.

use std::sync::Arc;

use kv_core::{Epoch, NodeId, Version};

use super::*;
use crate::config::LeaderConfig;
use crate::leader::links::error::LinkError;
use crate::leader::start::view::{Own, Seen};
use crate::protocol::message::{Held, Identity, Refusal};
use crate::protocol::quorum::Quorum;
use crate::protocol::range_set::RangeSet;

const DRAWN: ClusterId = ClusterId(99);
const NO_GROUPS: &[Group] = &[];

/// What a leader sees, by value; [`Case::plan`] borrows it.
#[derive(Clone)]
struct Case {
    config: LeaderConfig,
    own: Own<'static>,
    /// None: no answer. Whoever gives none has been tried, unless `untried` says otherwise.
    answers: Vec<Option<Standing>>,
    untried: bool,
    error: Option<LinkError>,
}

impl Case {
    /// N followers without an answer, W of which make a quorum.
    fn new(followers: usize, write: usize) -> Self {
        let own = Own {
            cluster: None,
            groups: NO_GROUPS,
            is_authoritative: false,
            is_refuted: false,
            is_restored: false,
        };
        let config = LeaderConfig::new(Quorum::new(followers, write).unwrap());
        Self { config, own, answers: vec![None; followers], untried: false, error: None }
    }

    fn answers(mut self, answers: impl IntoIterator<Item = Standing>) -> Self {
        for (place, answer) in self.answers.iter_mut().zip(answers) {
            *place = Some(answer);
        }
        self
    }

    /// It led this cluster, and its log was whole.
    fn led(mut self, cluster: u64) -> Self {
        self.own.cluster = Some(ClusterId(cluster));
        self.own.is_authoritative = true;
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn plan(&self) -> Result<Plan, StartProblem> {
        let seen = self.answers.iter().map(|answer| Seen {
            answer: answer.as_ref(),
            is_tried: answer.is_some() || !self.untried,
            error: self.error.as_ref().filter(|_| answer.is_none()),
        });
        let followers = seen.collect();
        plan(&View { config: &self.config, drawn: DRAWN, own: self.own, followers })
    }
}

/// A follower that holds nothing.
fn empty() -> Standing {
    let identity = Identity { node: NodeId(1), resets: 0 };
    let held = Held {
        identity,
        counts: false,
        promised: Epoch::ZERO,
        disk_full: false,
        mark: 0,
        ranges: RangeSet::new(),
    };
    Standing {
        held,
        cluster: None,
        promised_in: None,
        promised_other: Epoch::ZERO,
        groups: Arc::default(),
        has_data: false,
        diverged: None,
    }
}

/// A voter with data of this cluster.
fn voter(cluster: u64) -> Standing {
    let held = Held { counts: true, ..empty().held };
    Standing { held, cluster: Some(ClusterId(cluster)), has_data: true, ..empty() }
}

/// A follower of this cluster that has lost its state.
fn lost(cluster: u64) -> Standing {
    Standing { cluster: Some(ClusterId(cluster)), ..empty() }
}

/// A voter that knows these configurations: W, and the numbers of the followers.
fn under(cluster: u64, groups: &[(usize, &[usize])]) -> Standing {
    let group = |(since, (write, followers)): (u64, &(usize, &[usize]))| Group {
        since: Epoch { counter: since, node: NodeId(1) },
        write: *write,
        followers: followers.iter().map(|number| format!("follower-{number}")).collect(),
    };
    let groups = Arc::new((1..).zip(groups).map(group).collect());
    Standing { groups, ..voter(cluster) }
}

#[test]
fn every_problem_has_its_cause() {
    let foreign = Standing { has_data: true, ..empty() };
    let changes: [(usize, &[usize]); 7] =
        [(1, &[1]), (1, &[2]), (1, &[3]), (1, &[1, 2]), (1, &[1, 3]), (1, &[2, 3]), (3, &[1, 2, 3])];
    let missing = |followers: &[usize]| followers.to_vec();
    let table = [
        ("nobody has answered", Case::new(3, 2), StartProblem::Waiting { followers: missing(&[0, 1, 2]) }),
        (
            "one of three empty ones has not answered",
            Case::new(3, 2).answers([empty(), empty()]),
            StartProblem::Waiting { followers: missing(&[2]) },
        ),
        (
            "one voter, and F is two",
            Case::new(3, 2).answers([voter(7)]),
            StartProblem::TooFew {
                kept: 1,
                needed: 2,
                missing: missing(&[1, 2]),
                lost: missing(&[]),
                changed: false,
            },
        ),
        (
            "two of three have lost their state",
            Case::new(3, 2).answers([voter(7), lost(7), lost(7)]),
            StartProblem::TooFew {
                kept: 1,
                needed: 2,
                missing: missing(&[]),
                lost: missing(&[1, 2]),
                changed: false,
            },
        ),
        (
            "a voter that has diverged is none",
            Case::new(1, 1).answers([Standing { diverged: Some(3), ..voter(7) }]),
            StartProblem::TooFew {
                kept: 0,
                needed: 1,
                missing: missing(&[]),
                lost: missing(&[0]),
                changed: false,
            },
        ),
        (
            "W is another one, and one has not answered",
            Case::new(3, 1).answers([under(7, &[(3, &[1, 2, 3])]), voter(7)]),
            StartProblem::GroupChanged { missing: missing(&[2]) },
        ),
        (
            "one follower of three stays",
            Case::new(1, 1).answers([under(7, &[(2, &[1, 8, 9])])]),
            StartProblem::TooFewStay { stay: 1, needed: 2 },
        ),
        (
            "seven changes were begun",
            Case::new(3, 2).answers([under(7, &changes)]),
            StartProblem::TooManyChanges { limit: GROUPS_MAX },
        ),
        (
            "two histories",
            Case::new(2, 1).answers([voter(7), voter(8)]),
            StartProblem::TwoHistories { one: ClusterId(7), other: ClusterId(8) },
        ),
        (
            "a restored node, and a follower with data",
            Case::new(2, 1).answers([empty(), voter(7)]).with(|case| case.own.is_restored = true),
            StartProblem::Restored { followers: missing(&[1]) },
        ),
        (
            "data of no leader of ours",
            Case::new(2, 1).answers([empty(), foreign]),
            StartProblem::Unfit {
                follower: 1,
                error: LinkError::Refused(Refusal::WrongCluster { held: None }),
            },
        ),
        (
            "an address that leads to the leader",
            Case::new(2, 1).with(|case| case.error = Some(LinkError::OwnId)),
            StartProblem::Unfit { follower: 0, error: LinkError::OwnId },
        ),
    ];
    for (name, case, problem) in table {
        assert_eq!(case.plan(), Err(problem), "{name}");
    }
}

#[test]
fn every_path_has_its_condition() {
    let path = |case: Case| case.plan().map(|plan| (plan.path, plan.cluster, plan.renames));
    let (bootstrap, own_log) = (RecoveryPath::Bootstrap, RecoveryPath::OwnLog);
    let (union, data_loss) = (RecoveryPath::Union, RecoveryPath::DataLoss);
    let seven = ClusterId(7);
    let table = [
        ("all are empty", Case::new(2, 1).answers([empty(), empty()]), (bootstrap, DRAWN, None)),
        ("there are none", Case::new(0, 0), (bootstrap, DRAWN, None)),
        (
            "an operator begins anew without one",
            Case::new(3, 2).answers([empty(), empty()]).with(|case| case.config.new_history = true),
            (bootstrap, DRAWN, None),
        ),
        (
            "W voters, and an own log",
            Case::new(3, 2).led(7).answers([voter(7), voter(7)]),
            (own_log, seven, None),
        ),
        (
            "with W = 0 somebody is asked all the same",
            Case::new(3, 0).led(7).answers([voter(7)]),
            (own_log, seven, None),
        ),
        (
            "somebody else may have led",
            Case::new(3, 2).led(7).answers([voter(7), voter(7)]).with(|case| case.own.is_refuted = true),
            (union, seven, None),
        ),
        (
            "F voters, no own log",
            Case::new(5, 4).answers([voter(7), lost(7), voter(7)]),
            (union, seven, None),
        ),
        (
            "an operator accepts losses",
            Case::new(3, 2).answers([voter(7)]).with(|case| case.config.accept_data_loss = true),
            (data_loss, DRAWN, Some(seven)),
        ),
    ];
    for (name, case, expected) in table {
        assert_eq!(path(case), Ok(expected), "{name}");
    }
    // Neither of an operator's decisions counts before everyone has been tried.
    let early = |case: &mut Case| (case.config.new_history, case.untried) = (true, true);
    assert!(Case::new(3, 2).answers([empty(), empty()]).with(early).plan().is_err());
    let early = |case: &mut Case| (case.config.accept_data_loss, case.untried) = (true, true);
    assert!(Case::new(3, 2).answers([voter(7)]).with(early).plan().is_err());
}

/// The naive twin: with every set of W followers that may have acknowledged a write, is one of them among the
/// voters that have answered? Then, and only then, is the union a path.
#[test]
fn the_union_is_open_when_every_acknowledged_write_is_seen() {
    for followers in 1..=4_usize {
        for write in 1..=followers {
            for kinds in 0..3_usize.pow(u32::try_from(followers).unwrap()) {
                let kind = |index: usize| kinds / 3_usize.pow(u32::try_from(index).unwrap()) % 3;
                let answers: Vec<Option<Standing>> = (0..followers)
                    .map(|it| [None, Some(voter(7)), Some(lost(7))][kind(it)].clone())
                    .collect();
                let is_history = answers.iter().flatten().any(|it| it.has_data);
                let case = Case::new(followers, write).with(|case| case.answers = answers);
                let is_open = case.plan().is_ok_and(|plan| plan.path == RecoveryPath::Union);
                let is_voter = |index: usize| kind(index) == 1;
                let seen = sets(followers, write).all(|set| set.into_iter().any(is_voter));
                assert_eq!(is_open, is_history && seen, "{write} of {followers}, kinds {kinds}");
            }
        }
    }
}

/// All sets of so many followers.
fn sets(followers: usize, size: usize) -> impl Iterator<Item = Vec<usize>> {
    let all = (0..2_usize.pow(u32::try_from(followers).unwrap())).map(move |set| {
        let has = |index: &usize| set / 2_usize.pow(u32::try_from(*index).unwrap()) % 2 == 1;
        (0..followers).filter(has).collect::<Vec<_>>()
    });
    all.filter(move |set| set.len() == size)
}

#[test]
fn what_waiting_alone_will_not_end_needs_an_operator() {
    let through: Version = 1;
    let ends = [
        StartProblem::Waiting { followers: Vec::new() },
        StartProblem::TooFew { kept: 0, needed: 1, missing: Vec::new(), lost: Vec::new(), changed: false },
        StartProblem::GroupChanged { missing: Vec::new() },
        StartProblem::Promises { promised: 0, needed: 1 },
        StartProblem::Pulling { followers: Vec::new() },
        StartProblem::DiskFull,
        StartProblem::Behind { through, level: 0, needed: 1 },
        StartProblem::Adopting { adopted: 0, needed: 1 },
    ];
    let stays = [
        StartProblem::Unfit { follower: 0, error: LinkError::OwnId },
        StartProblem::Restored { followers: Vec::new() },
        StartProblem::TwoHistories { one: ClusterId(1), other: ClusterId(2) },
        StartProblem::TooFewStay { stay: 0, needed: 1 },
        StartProblem::TooManyChanges { limit: GROUPS_MAX },
    ];
    assert!(ends.iter().all(|problem| !problem.needs_operator()));
    assert!(stays.iter().all(StartProblem::needs_operator));
}
