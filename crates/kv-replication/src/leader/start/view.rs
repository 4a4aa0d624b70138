//! Everything that the plan of a start depends on, and what can be read off it.

use kv_core::Epoch;

use crate::config::LeaderConfig;
use crate::leader::links::error::LinkError;
use crate::leader::problem::StartProblem;
use crate::protocol::follower_set::FollowerIndex;
use crate::protocol::group::{Group, in_force};
use crate::protocol::message::{ClusterId, Refusal, Standing};

/// What a leader sees before it leads.
#[derive(Clone, Debug)]
pub(in crate::leader) struct View<'a> {
    pub(in crate::leader) config: &'a LeaderConfig,
    /// The id of the cluster, if it begins a new one.
    pub(in crate::leader) drawn: ClusterId,
    pub(in crate::leader) own: Own<'a>,
    /// By index.
    pub(in crate::leader) followers: Vec<Seen<'a>>,
}

/// What its own disk knows.
#[derive(Clone, Copy, Debug)]
pub(in crate::leader) struct Own<'a> {
    /// The cluster that the disk knew when the node started.
    pub(in crate::leader) cluster: Option<ClusterId>,
    /// The configurations in force, as this node knows them.
    pub(in crate::leader) groups: &'a [Group],
    /// Its log was known to hold every committed entry at some epoch.
    pub(in crate::leader) is_authoritative: bool,
    /// Somebody else may have led since.
    pub(in crate::leader) is_refuted: bool,
    /// What it has belongs to no history: it was restored from a backup.
    pub(in crate::leader) is_restored: bool,
}

/// One follower.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::leader) struct Seen<'a> {
    /// What it said last; none while it is down.
    pub(in crate::leader) answer: Option<&'a Standing>,
    /// It has answered, or has failed.
    pub(in crate::leader) is_tried: bool,
    /// Why it is down.
    pub(in crate::leader) error: Option<&'a LinkError>,
}

impl View<'_> {
    pub(super) fn answers(&self) -> impl Iterator<Item = (FollowerIndex, &Standing)> {
        let seen = self.followers.iter().enumerate();
        seen.filter_map(|(index, it)| Some((FollowerIndex::new(index), it.answer?)))
    }

    /// Who has not answered.
    pub(super) fn missing(&self) -> Vec<usize> {
        let seen = self.followers.iter().enumerate();
        seen.filter(|(_, it)| it.answer.is_none()).map(|(index, _)| index).collect()
    }

    pub(super) fn all_tried(&self) -> bool {
        self.followers.iter().all(|it| it.is_tried)
    }

    /// The own configuration; when it came in does not matter here.
    pub(super) fn own_group(&self) -> Group {
        self.config.group(Epoch::ZERO)
    }

    /// The history that the own log had as a whole when it last knew.
    pub(in crate::leader) fn own_history(&self) -> Option<ClusterId> {
        self.own.cluster.filter(|_| self.own.is_authoritative)
    }

    /// The one cluster whose data the followers hold, if they hold any.
    pub(super) fn one_history(&self) -> Result<Option<ClusterId>, StartProblem> {
        let mut clusters = self.answers().filter(|(_, it)| it.has_data).filter_map(|(_, it)| it.cluster);
        let Some(one) = clusters.next() else { return Ok(None) };
        match clusters.find(|other| *other != one) {
            Some(other) => Err(StartProblem::TwoHistories { one, other }),
            None => Ok(Some(one)),
        }
    }

    /// What those who answered, and the own disk, say of the configurations of this cluster.
    pub(super) fn groups_in_force(&self, cluster: ClusterId) -> Vec<Group> {
        let own = Some(self.own.groups).filter(|_| self.own.cluster == Some(cluster));
        let theirs = self.answers().filter(|(_, it)| it.cluster == Some(cluster));
        in_force(&theirs.map(|(_, it)| it.groups.as_slice()).chain(own).collect::<Vec<_>>())
    }

    /// Whether the operator lets it go on with what is left: when everyone has been tried, and somebody
    /// still has something.
    pub(super) fn may_lose_data(&self) -> bool {
        let anything = self.own_history().is_some() || self.answers().any(|(_, it)| it.has_data);
        self.config.accept_data_loss && self.all_tried() && anything
    }

    /// A follower that answers in a way that waiting alone will not change.
    pub(super) fn unfit(&self) -> Option<StartProblem> {
        self.followers.iter().enumerate().find_map(|(follower, seen)| {
            let is_foreign = seen.answer.is_some_and(|it| it.has_data && it.cluster.is_none());
            let foreign = is_foreign.then_some(LinkError::Refused(Refusal::WrongCluster { held: None }));
            let is_misled =
                |error: &&LinkError| matches!(error, LinkError::OwnId | LinkError::DuplicateId { .. });
            let misled = seen.error.filter(is_misled).cloned();
            Some(StartProblem::Unfit { follower, error: foreign.or(misled)? })
        })
    }
}
