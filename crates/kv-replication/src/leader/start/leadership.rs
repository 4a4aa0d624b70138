//! Where a leader is in its life, and what its epoch rests on.

use std::sync::Arc;

use kv_core::{Epoch, Version};

use super::fetch::Fetch;
use super::plan::{Plan, RecoveryPath, is_kept};
use super::promises::Promises;
use crate::leader::ballot::Ballot;
use crate::leader::ids::AttemptId;
use crate::leader::phase::Phase;
use crate::leader::problem::StartProblem;
use crate::protocol::follower_set::{FollowerIndex, FollowerSet};
use crate::protocol::group::{Group, Need};
use crate::protocol::message::{ClusterId, Stage, Standing};

/// The leader's life: a start, which may begin again, then leading, and perhaps its end by a higher epoch.
#[derive(Debug)]
pub(in crate::leader) struct Leadership {
    state: State,
    epoch: Epoch,
    /// The highest epoch that any follower has promised, as far as is known.
    highest_promised: Epoch,
    basis: Basis,
    /// The configurations as its prepares name them: those in force, oldest first, and last its own.
    groups: Arc<Vec<Group>>,
    /// Somebody else may have led since its own log was known to be complete.
    own_log_refuted: bool,
    /// How often another leader was faster.
    overtaken: u32,
    /// What the operator was told last.
    reported: Option<StartProblem>,
}

#[derive(Debug)]
enum State {
    Starting(Start),
    Leading,
    Deposed { by: Epoch },
}

/// How far a start has come, with what is valid only there.
#[derive(Debug)]
pub(in crate::leader) enum Start {
    /// Asks the followers what they hold.
    Discovering,
    /// Asks them to promise its epoch.
    Preparing {
        promises: Promises,
        /// The configurations that were in force when it chose its path.
        known: Vec<Group>,
    },
    /// Reads what they have.
    Fetching(Fetch),
    /// Has every acknowledged write, and waits until its followers hold them under its epoch.
    Recommitting {
        /// The newest version that it found.
        through: Version,
    },
    /// All followers hold them, and adopt the leader's configuration.
    Reconfiguring {
        through: Version,
        /// How many of each older configuration must adopt it.
        needs: Vec<Need>,
        adopted: Ballot,
    },
}

/// What the epoch rests on.
#[derive(Clone, Debug, Default)]
struct Basis {
    path: RecoveryPath,
    /// How many promises the path needs, of each configuration.
    needs: Vec<Need>,
    /// Whose promises it rests on.
    members: FollowerSet,
    /// The cluster whose members change over to the leader's own.
    renames: Option<ClusterId>,
}

impl Leadership {
    /// A node that begins to start, and whose own configuration is `own`.
    pub(in crate::leader) fn new(epoch: Epoch, promised: Epoch, own: Group) -> Self {
        Self {
            state: State::Starting(Start::Discovering),
            epoch,
            highest_promised: promised,
            basis: Basis::default(),
            groups: Arc::new(vec![own]),
            own_log_refuted: false,
            overtaken: 0,
            reported: None,
        }
    }

    pub(in crate::leader) fn phase(&self) -> Phase {
        match &self.state {
            State::Starting(Start::Discovering) => Phase::Asking,
            State::Starting(Start::Preparing { .. }) => Phase::Claiming,
            State::Starting(Start::Fetching(_)) => Phase::Pulling,
            State::Starting(Start::Recommitting { .. }) => Phase::Recovering,
            State::Starting(Start::Reconfiguring { .. }) => Phase::Changing,
            State::Leading => Phase::Serving,
            State::Deposed { by } => Phase::Deposed { by: *by },
        }
    }

    /// How far it has come, as its followers are told.
    pub(in crate::leader) fn stage(&self) -> Stage {
        match &self.state {
            State::Leading => Stage::Serving,
            State::Starting(Start::Reconfiguring { .. }) => Stage::Changing,
            _ => Stage::Recovering,
        }
    }

    /// How far the start has come; none once it is over.
    pub(in crate::leader) fn start(&self) -> Option<&Start> {
        match &self.state {
            State::Starting(start) => Some(start),
            _ => None,
        }
    }

    pub(in crate::leader) fn leads(&self) -> bool {
        matches!(self.state, State::Leading)
    }

    /// It has every acknowledged write, under its own epoch.
    pub(in crate::leader) fn has_recovered(&self) -> bool {
        match &self.state {
            State::Starting(start) => {
                matches!(start, Start::Recommitting { .. } | Start::Reconfiguring { .. })
            }
            State::Leading => true,
            State::Deposed { .. } => false,
        }
    }

    pub(in crate::leader) fn deposed_by(&self) -> Option<Epoch> {
        match self.state {
            State::Deposed { by } => Some(by),
            _ => None,
        }
    }

    pub(in crate::leader) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(in crate::leader) fn groups(&self) -> &Arc<Vec<Group>> {
        &self.groups
    }

    /// The leader's own configuration is on its way in.
    pub(in crate::leader) fn is_reconfiguration(&self) -> bool {
        self.groups.len() > 1
    }

    /// The configurations that its own is to replace.
    pub(in crate::leader) fn older_groups(&self) -> &[Group] {
        self.groups.split_last().map_or(&[], |(_, older)| older)
    }

    pub(in crate::leader) fn path(&self) -> RecoveryPath {
        self.basis.path
    }

    /// Whose promises the epoch rests on.
    pub(in crate::leader) fn members(&self) -> FollowerSet {
        self.basis.members
    }

    /// The followers that this start makes voters, whatever they have lost.
    pub(in crate::leader) fn granted(&self) -> FollowerSet {
        match self.basis.path {
            RecoveryPath::Bootstrap | RecoveryPath::DataLoss => self.basis.members,
            RecoveryPath::OwnLog | RecoveryPath::Union => FollowerSet::EMPTY,
        }
    }

    /// The cluster whose members are to change over. Only those who are asked for their state do; a late one is
    /// refused and shown.
    pub(in crate::leader) fn renames(&self) -> Option<ClusterId> {
        let is_preparing = matches!(self.state, State::Starting(Start::Preparing { .. }));
        self.basis.renames.filter(|_| is_preparing)
    }

    /// Whether the promises of these are enough for the path.
    pub(in crate::leader) fn is_enough(&self, promised: FollowerSet) -> bool {
        self.basis.needs.iter().all(|need| need.is_met(promised))
    }

    /// For people: how many promises are needed of the configuration that needs most.
    pub(in crate::leader) fn promises_needed(&self) -> usize {
        self.basis.needs.iter().map(|need| need.count).max().unwrap_or(0)
    }

    /// Whether the promise of a follower that says this is of use on the path of a leader of `cluster`.
    pub(in crate::leader) fn is_candidate(&self, standing: &Standing, cluster: Option<ClusterId>) -> bool {
        let own = standing.cluster == cluster;
        let renamed = self.basis.renames.is_some() && standing.cluster == self.basis.renames;
        match self.basis.path {
            RecoveryPath::Bootstrap => !standing.has_data,
            RecoveryPath::OwnLog | RecoveryPath::Union => own && is_kept(standing),
            RecoveryPath::DataLoss => standing.has_data && (own || renamed),
        }
    }

    pub(in crate::leader) fn is_own_log_refuted(&self) -> bool {
        self.own_log_refuted
    }

    /// How often another leader was faster.
    pub(in crate::leader) fn times_overtaken(&self) -> u32 {
        self.overtaken
    }

    pub(in crate::leader) fn highest_promised(&self) -> Epoch {
        self.highest_promised
    }

    /// A follower has promised this epoch, to whomever.
    pub(in crate::leader) fn note_promised(&mut self, epoch: Epoch) {
        self.highest_promised = self.highest_promised.max(epoch);
    }

    /// Takes a path, under a new epoch. `own` is the leader's configuration, which may have to come in.
    pub(in crate::leader) fn become_preparing(&mut self, plan: Plan, epoch: Epoch, mut own: Group) {
        let Plan { path, needs, groups: mut older, renames, .. } = plan;
        let known = older.clone();
        if older.iter().all(|group| group.is_same(&own)) {
            own = older.pop().unwrap_or(own); // nothing changes
        }
        older.push(own);
        self.groups = Arc::new(older);
        self.epoch = epoch;
        self.basis = Basis { path, needs, renames, members: self.basis.members };
        self.state = State::Starting(Start::Preparing { promises: Promises::default(), known });
    }

    /// Another leader was faster, or a follower that the start relied on has gone.
    pub(in crate::leader) fn become_discovering(&mut self, overtaken: bool) {
        self.state = State::Starting(Start::Discovering);
        self.basis.members = FollowerSet::EMPTY;
        self.overtaken += u32::from(overtaken);
    }

    /// The promises are there.
    pub(in crate::leader) fn rest_on(&mut self, members: FollowerSet) {
        self.basis.members = members;
    }

    /// Another node may have led since its own log was known to be complete: the own log is no path any more.
    pub(in crate::leader) fn refute_own_log(&mut self) {
        self.own_log_refuted = true;
    }

    pub(in crate::leader) fn become_fetching(&mut self, fetch: Fetch) {
        self.state = State::Starting(Start::Fetching(fetch));
    }

    pub(in crate::leader) fn become_recommitting(&mut self, through: Version) {
        self.state = State::Starting(Start::Recommitting { through });
    }

    /// The followers are to adopt the leader's configuration, by their answers to `next` and later requests.
    pub(in crate::leader) fn become_reconfiguring(&mut self, needs: Vec<Need>, next: AttemptId) {
        if let State::Starting(Start::Recommitting { through }) = self.state {
            let adopted = Ballot::open(next);
            self.state = State::Starting(Start::Reconfiguring { through, needs, adopted });
        }
    }

    /// Its configuration is the only one in force, and it takes writes.
    pub(in crate::leader) fn become_leading(&mut self) {
        if let Some(own) = self.groups.last().filter(|_| self.is_reconfiguration()).cloned() {
            self.groups = Arc::new(vec![own]);
        }
        self.state = State::Leading;
    }

    pub(in crate::leader) fn become_deposed(&mut self, by: Epoch) {
        self.state = State::Deposed { by };
    }

    /// The newest version that the start has found.
    pub(in crate::leader) fn recovered_through(&self) -> Version {
        match &self.state {
            State::Starting(Start::Recommitting { through } | Start::Reconfiguring { through, .. }) => {
                *through
            }
            _ => 0,
        }
    }

    /// A follower has promised the epoch, by its answer to `attempt`.
    pub(in crate::leader) fn note_promise(&mut self, follower: FollowerIndex, attempt: AttemptId) {
        if let State::Starting(Start::Preparing { promises, .. }) = &mut self.state {
            promises.hear(follower, attempt);
        }
    }

    /// Those whose promises are enough for the path, if they are; see [`Promises::count`].
    pub(in crate::leader) fn count_promises(
        &mut self,
        promised: FollowerSet,
        next: AttemptId,
    ) -> Option<FollowerSet> {
        match &mut self.state {
            State::Starting(Start::Preparing { promises, .. }) => {
                promises.count(&self.basis.needs, promised, next)
            }
            _ => None,
        }
    }

    pub(in crate::leader) fn fetch_mut(&mut self) -> Option<&mut Fetch> {
        match &mut self.state {
            State::Starting(Start::Fetching(fetch)) => Some(fetch),
            _ => None,
        }
    }

    /// A follower has answered an append: if it was sent since the leader asked for it, its configuration is
    /// adopted there.
    pub(in crate::leader) fn note_appended(&mut self, follower: FollowerIndex, attempt: AttemptId) {
        if let State::Starting(Start::Reconfiguring { adopted, .. }) = &mut self.state {
            adopted.hear(follower, attempt);
        }
    }

    /// The follower is not the node that it was: neither its promise nor what it adopted is there any more.
    pub(in crate::leader) fn forget(&mut self, follower: FollowerIndex) {
        self.basis.members.remove(follower);
        if let State::Starting(Start::Reconfiguring { adopted, .. }) = &mut self.state {
            adopted.forget(follower);
        }
    }

    /// Whether the operator is to be told of this problem: each is told once, until another comes.
    pub(in crate::leader) fn is_news(&mut self, problem: &StartProblem) -> bool {
        if self.reported.as_ref() == Some(problem) {
            return false;
        }
        self.reported = Some(problem.clone());
        true
    }
}
