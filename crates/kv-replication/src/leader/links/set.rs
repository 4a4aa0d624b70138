//! All followers of a leader.

use std::ops::{Index, IndexMut};

use super::attempt::Attempt;
use super::link::Link;
use crate::leader::ids::AttemptId;
use crate::protocol::follower_set::{FollowerIndex, FollowerSet};
use crate::protocol::message::Standing;
use crate::protocol::time::Time;

/// One link for each follower, in the order of the configuration.
///
/// An index comes from the links themselves, or from a set of them: so there is always a link for it.
#[derive(Clone, Debug)]
pub(in crate::leader) struct Links(Vec<Link>);

impl Links {
    pub(in crate::leader) fn new(followers: usize) -> Self {
        Self((0..followers).map(|_| Link::new()).collect())
    }

    pub(in crate::leader) fn len(&self) -> usize {
        self.0.len()
    }

    pub(in crate::leader) fn indices(&self) -> impl Iterator<Item = FollowerIndex> + use<> {
        (0..self.0.len()).map(FollowerIndex::new)
    }

    pub(in crate::leader) fn iter(&self) -> impl Iterator<Item = (FollowerIndex, &Link)> {
        self.indices().zip(&self.0)
    }

    pub(in crate::leader) fn iter_mut(&mut self) -> impl Iterator<Item = (FollowerIndex, &mut Link)> {
        self.indices().zip(&mut self.0)
    }

    /// The followers whose links are so.
    pub(in crate::leader) fn select(&self, is_so: impl Fn(&Link) -> bool) -> FollowerSet {
        self.iter().filter(|(_, link)| is_so(link)).map(|(follower, _)| follower).collect()
    }

    /// Every follower.
    pub(in crate::leader) fn all(&self) -> FollowerSet {
        self.indices().collect()
    }

    /// The followers whose acknowledgements count.
    pub(in crate::leader) fn voters(&self) -> FollowerSet {
        self.select(Link::is_voter)
    }

    /// How many followers take entries, and count.
    pub(in crate::leader) fn up(&self) -> usize {
        self.select(Link::is_up).len()
    }

    /// Who has answered since it was down last, and does not follow yet; and what it said.
    pub(in crate::leader) fn answers(&self) -> impl Iterator<Item = (FollowerIndex, &Standing)> {
        self.iter().filter_map(|(follower, link)| Some((follower, link.answer()?)))
    }

    /// Who has not.
    pub(in crate::leader) fn missing(&self) -> FollowerSet {
        self.select(|link| link.answer().is_none())
    }

    /// Ends the attempt, unless it has been given up.
    pub(in crate::leader) fn finish(&mut self, id: AttemptId) -> Option<(FollowerIndex, Attempt)> {
        self.iter_mut().find_map(|(follower, link)| Some((follower, link.finish(id)?)))
    }

    /// The attempts whose time is over.
    pub(in crate::leader) fn expired(&self, now: Time) -> Vec<AttemptId> {
        let attempts = self.0.iter().flat_map(Link::attempts);
        attempts.filter(|attempt| attempt.deadline <= now).map(|attempt| attempt.id).collect()
    }

    /// Takes back everything that is under way.
    pub(in crate::leader) fn abandon(&mut self) -> Vec<AttemptId> {
        self.0.iter_mut().flat_map(Link::abandon).collect()
    }

    /// When a link needs the machine again.
    pub(in crate::leader) fn next_timeout(&self) -> Option<Time> {
        self.0.iter().filter_map(Link::next_timeout).min()
    }
}

impl Index<FollowerIndex> for Links {
    type Output = Link;

    #[expect(clippy::indexing_slicing, reason = "an index is made by the links themselves")]
    fn index(&self, follower: FollowerIndex) -> &Link {
        &self.0[follower.get()]
    }
}

impl IndexMut<FollowerIndex> for Links {
    #[expect(clippy::indexing_slicing, reason = "an index is made by the links themselves")]
    fn index_mut(&mut self, follower: FollowerIndex) -> &mut Link {
        &mut self.0[follower.get()]
    }
}
