//! Which path leads to every acknowledged write, by what the leader sees now.
//!
//! [`plan`] is a pure function: it is asked again whenever a follower has answered or failed, and its
//! error is what the operator reads.

use crate::leader::problem::StartProblem;
use crate::leader::start::view::View;
use crate::protocol::follower_set::{FollowerIndex, FollowerSet};
use crate::protocol::group::{GROUPS_MAX, Group, Need};
use crate::protocol::message::{ClusterId, Standing};
use crate::testing::planted::planted;

/// How a leader comes to hold every acknowledged write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::leader) enum RecoveryPath {
    /// There is no acknowledged write: all followers have answered, and hold nothing. What the own disk has, if
    /// anything, is the beginning of a new history.
    #[default]
    Bootstrap,
    /// The own log has them all, if W followers confirm that nobody else has led.
    OwnLog,
    /// F followers together have them all.
    Union,
    /// Whatever those who answer still have, and the own disk: an operator's decision.
    DataLoss,
}

/// A path, and what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::leader) struct Plan {
    pub(in crate::leader) path: RecoveryPath,
    /// How many promises it needs, of each configuration.
    pub(in crate::leader) needs: Vec<Need>,
    /// The configurations in force, as far as is known now.
    pub(in crate::leader) groups: Vec<Group>,
    pub(in crate::leader) cluster: ClusterId,
    /// The cluster that it goes on from under a new id, by an operator's decision.
    pub(in crate::leader) renames: Option<ClusterId>,
}

impl Plan {
    /// The configuration begins with this leader.
    fn anew(path: RecoveryPath, count: usize, cluster: ClusterId, renames: Option<ClusterId>) -> Self {
        let needs = vec![Need { of: FollowerSet::ALL, count }];
        Self { path, needs, groups: Vec::new(), cluster, renames }
    }
}

/// The path that is open now.
///
/// # Errors
/// What it waits for, if none is.
pub(in crate::leader) fn plan(view: &View<'_>) -> Result<Plan, StartProblem> {
    if let Some(problem) = view.unfit() {
        return Err(problem);
    }
    if view.own.is_restored && view.one_history()?.is_some() {
        let with_data = view.answers().filter(|(_, it)| it.has_data).map(|(follower, _)| follower.get());
        return Err(StartProblem::Restored { followers: with_data.collect() });
    }
    let cluster = match view.own_history() {
        Some(cluster) => Some(cluster),
        None => view.one_history()?,
    };
    match cluster {
        Some(cluster) => recover(view, cluster),
        None => bootstrap(view),
    }
}

/// Nobody has a history yet.
fn bootstrap(view: &View<'_>) -> Result<Plan, StartProblem> {
    let (answered, all) = (view.answers().count(), view.followers.len());
    let careless = planted!(view.config, FreshWithoutOne) && answered + 1 >= all;
    let decided = view.config.new_history && view.all_tried() && view.config.quorum.is_met(answered);
    if answered == all || careless || decided {
        return Ok(Plan::anew(RecoveryPath::Bootstrap, answered, view.drawn, None));
    }
    Err(StartProblem::Waiting { followers: view.missing() })
}

/// The history of this cluster goes on.
fn recover(view: &View<'_>, cluster: ClusterId) -> Result<Plan, StartProblem> {
    let groups = view.groups_in_force(cluster);
    let kept: FollowerSet = view
        .answers()
        .filter(|(_, it)| it.cluster == Some(cluster) && is_kept(it))
        .map(|(follower, _)| follower)
        .collect();
    let changeable = check_groups(view, &groups);
    let own_log = Some(RecoveryPath::OwnLog).filter(|_| view.own_history().is_some() && !view.own.is_refuted);
    let mut short = None;
    for path in own_log.into_iter().chain([RecoveryPath::Union]) {
        let needs = promises_needed(view, &groups, path);
        match needs.iter().find(|need| !need.is_met(kept)) {
            None if changeable.is_ok() => return Ok(Plan { path, needs, groups, cluster, renames: None }),
            None => {}
            Some(need) if short.is_none_or(|short: Need| need.count < short.count) => short = Some(*need),
            Some(_) => {}
        }
    }
    if view.may_lose_data() {
        let left = view.answers().filter(|(_, it)| it.has_data && it.cluster == Some(cluster)).count();
        return Ok(Plan::anew(RecoveryPath::DataLoss, left, view.drawn, Some(cluster)));
    }
    changeable?;
    let lost = view.answers().map(|(follower, _)| follower).filter(|it| !kept.contains(*it));
    let lost = lost.map(FollowerIndex::get).collect();
    let (kept, needed) = short.map_or((0, 0), |need| (need.among(kept), need.count));
    let own = view.own_group();
    let changed = groups.iter().any(|group| !group.is_same(&own));
    Err(StartProblem::TooFew { kept, needed, missing: view.missing(), lost, changed })
}

/// How many promises a path needs, of each configuration.
fn promises_needed(view: &View<'_>, groups: &[Group], path: RecoveryPath) -> Vec<Need> {
    let (own, names) = ([view.own_group()], &view.config.followers);
    let of = |group: &Group| match path {
        // Somebody must be asked, also if W = 0.
        RecoveryPath::OwnLog => {
            let Need { of, count } = group.write_need(names);
            Need { of, count: count.max(1).min(group.followers.len()) }
        }
        _ => group.recovery_need(names),
    };
    let mut needs: Vec<Need> = if groups.is_empty() { &own[..] } else { groups }.iter().map(of).collect();
    if planted!(view.config, RecoveryWithTooFew) {
        needs.iter_mut().for_each(|need| need.count = need.count.saturating_sub(1));
    }
    needs
}

/// Whether the own configuration can come in at all.
fn check_groups(view: &View<'_>, groups: &[Group]) -> Result<(), StartProblem> {
    let (own, names) = (view.own_group(), &view.config.followers);
    let older: Vec<&Group> = groups.iter().filter(|group| !group.is_same(&own)).collect();
    if older.is_empty() {
        return Ok(());
    }
    // A prepare names the own configuration too, and a second time if it has been begun before.
    if older.len() + 2 > GROUPS_MAX {
        return Err(StartProblem::TooManyChanges { limit: GROUPS_MAX });
    }
    let everybody = FollowerSet::ALL;
    let mut needs = older.iter().map(|group| group.change_need(names));
    if let Some(need) = needs.find(|need| !need.is_met(everybody)) {
        return Err(StartProblem::TooFewStay { stay: need.among(everybody), needed: need.count });
    }
    match view.missing() {
        missing if missing.is_empty() => Ok(()),
        missing => Err(StartProblem::GroupChanged { missing }),
    }
}

/// It has kept its state, and what it holds can be trusted.
pub(in crate::leader) fn is_kept(standing: &Standing) -> bool {
    standing.held.counts && standing.diverged.is_none()
}

#[cfg(test)]
mod tests;
