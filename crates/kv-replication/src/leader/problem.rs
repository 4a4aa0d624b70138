//! Why a leader does not serve, and why a write or a read has no success to report.

use kv_core::{Epoch, Version, counted};
use thiserror::Error;

use crate::leader::links::error::LinkError;
use crate::protocol::message::ClusterId;

/// Why a write has no success to report. All but [`WriteError::Unknown`] and
/// [`WriteError::Stopped`] mean that nothing was
/// written, and that it is safe to try again.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WriteError {
    /// Too few followers can be reached.
    #[error("{up} of the {} that a write needs can be reached", counted(*required, "follower", "followers"))]
    NoQuorum {
        /// Followers that are up.
        up: usize,
        /// W.
        required: usize,
    },
    /// Another leader has taken over.
    #[error("{}", taken_over(*by))]
    Deposed {
        /// Its epoch.
        by: Epoch,
        /// W.
        required: usize,
    },
    /// The leader does not serve yet.
    #[error("the leader is not ready: {0}")]
    Recovering(StartProblem),
    /// The leader's own disk has no room for more.
    #[error(
        "the leader's disk is full: free space there, and writes go on by themselves; reads do meanwhile"
    )]
    DiskFull,
    /// The node is going down.
    #[error("the node is going down")]
    Draining,
    /// A limit is reached.
    #[error("too much at once: {limit} is reached")]
    Overloaded {
        /// The name of the limit.
        limit: &'static str,
    },
    /// The write has a version, and may still commit.
    #[error(
        "{acks} of {} before the deadline; version {version} may still be committed",
        counted(*required, "acknowledgement", "acknowledgements")
    )]
    Unknown {
        /// Its version.
        version: Version,
        /// Acknowledgements so far.
        acks: usize,
        /// W.
        required: usize,
    },
    /// The engine has ended under the write, which may or may not have been written.
    #[error("the leader has stopped")]
    Stopped,
}

/// Why a linearizable read has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfirmError {
    /// Too few followers have confirmed in time that this is still their leader.
    #[error(
        "{confirmed} of the {} done so in time",
        counted(*required, "follower that must confirm a read has", "followers that must confirm a read have")
    )]
    Unconfirmed {
        /// How many have.
        confirmed: usize,
        /// How many must.
        required: usize,
    },
    /// Another leader has taken over.
    #[error("{}", taken_over(*by))]
    Deposed {
        /// Its epoch.
        by: Epoch,
    },
    /// The leader does not serve yet.
    #[error("the leader is not ready: {0}")]
    Recovering(StartProblem),
    /// A limit is reached.
    #[error("too much at once: {limit} is reached")]
    Overloaded {
        /// The name of the limit.
        limit: &'static str,
    },
    /// The engine has ended under the read.
    #[error("the leader has stopped")]
    Stopped,
}

/// Why a leader does not serve yet: for whom it waits. Followers are indices from 0.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StartProblem {
    /// Too few have answered to know what there is.
    #[error("waiting for an answer of {}", named(followers))]
    Waiting {
        /// Who has not answered.
        followers: Vec<usize>,
    },
    /// Too few of those who answered have kept their memory.
    #[error(
        "{}, and {} needed to know every acknowledged write; no answer from [{}], without memory: [{}]; {}ACCEPT_DATA_LOSS goes on with what is left, as a new cluster",
        counted(*kept, "follower has answered and kept its memory", "followers have answered and kept their memory"),
        counted(*needed, "is", "are"),
        numbers(missing),
        numbers(lost),
        if *changed { "the last W and list of followers may still do; " } else { "" }
    )]
    TooFew {
        /// How many have kept their memory.
        kept: usize,
        /// How many are needed.
        needed: usize,
        /// Who has not answered.
        missing: Vec<usize>,
        /// Who has answered, and has lost its memory.
        lost: Vec<usize>,
        /// The history was written with another W or list of followers, which may have more of them.
        changed: bool,
    },
    /// W or the list of followers is not what the history was written with; then all must answer.
    #[error(
        "W or the list of followers has changed: waiting for an answer of {}; take out of the list who will not come back",
        named(missing)
    )]
    GroupChanged {
        /// Who has not answered.
        missing: Vec<usize>,
    },
    /// The list has too little in common with that which the history was written with.
    #[error(
        "{} in this one, and {needed} must be: change fewer at a time (if none may go, lower W first), or go on as a new cluster with ACCEPT_DATA_LOSS",
        counted(*stay, "of the followers of the last list is", "of the followers of the last list are")
    )]
    TooFewStay {
        /// How many are in both.
        stay: usize,
        /// How many must be.
        needed: usize,
    },
    /// So many changes have been begun, and none of them completed.
    #[error(
        "{limit} changes of W or the list of followers have been begun, and none was completed: start with the settings of one of them"
    )]
    TooManyChanges {
        /// [`GROUPS_MAX`](crate::GROUPS_MAX).
        limit: usize,
    },
    /// The followers belong to two histories.
    #[error(
        "the followers hold two histories, of cluster {one} and of cluster {other}: empty those of one with POST /reset"
    )]
    TwoHistories {
        /// One.
        one: ClusterId,
        /// The other.
        other: ClusterId,
    },
    /// What is on its own disk was restored from a backup, and followers hold a history.
    #[error(
        "this node was restored from a backup, and {} {} data: empty each of them with POST /reset to go on from the backup, or start the leader without it",
        named(followers),
        if followers.len() == 1 { "holds" } else { "hold" }
    )]
    Restored {
        /// Who holds data.
        followers: Vec<usize>,
    },
    /// This follower answers, but not as is needed.
    #[error("follower {}: {error}", follower + 1)]
    Unfit {
        /// Its index.
        follower: usize,
        /// What is wrong with it.
        error: LinkError,
    },
    /// It has asked for promises.
    #[error(
        "waiting for {}, {} there",
        counted(*needed, "promise", "promises"),
        counted(*promised, "is", "are")
    )]
    Promises {
        /// How many there are.
        promised: usize,
        /// How many are needed.
        needed: usize,
    },
    /// It reads what the followers have.
    #[error("reading what {} {}", named(followers), if followers.len() == 1 { "has" } else { "have" })]
    Pulling {
        /// From whom it is still reading.
        followers: Vec<usize>,
    },
    /// It has read what the followers have, and its own disk has no room for that.
    #[error("the leader's disk is full: free space there, and the start goes on by itself")]
    DiskFull,
    /// It has everything, and waits until enough followers have it too.
    #[error(
        "waiting until {} everything up to {through}, {}",
        counted(*needed, "follower holds", "followers hold"),
        counted(*level, "does", "do")
    )]
    Behind {
        /// The newest version that it found.
        through: Version,
        /// How many hold everything.
        level: usize,
        /// How many must.
        needed: usize,
    },
    /// It has everything, and lets its W and its list of followers take over from the last ones.
    #[error(
        "waiting until {} taken note of the new W and list, {}",
        counted(*needed, "follower of the last list has", "followers of the last list have"),
        counted(*adopted, "has", "have")
    )]
    Adopting {
        /// How many have.
        adopted: usize,
        /// How many must.
        needed: usize,
    },
}

impl StartProblem {
    /// Waiting alone will not end it: a person must do something.
    #[must_use]
    pub fn needs_operator(&self) -> bool {
        match self {
            Self::Unfit { .. }
            | Self::Restored { .. }
            | Self::TwoHistories { .. }
            | Self::TooFewStay { .. }
            | Self::TooManyChanges { .. } => true,
            Self::Waiting { .. }
            | Self::TooFew { .. }
            | Self::GroupChanged { .. }
            | Self::Promises { .. }
            | Self::Pulling { .. }
            | Self::DiskFull
            | Self::Behind { .. }
            | Self::Adopting { .. } => false,
        }
    }
}

/// The sentence for a person, wherever it is needed: the leader has been deposed.
pub(crate) fn taken_over(by: Epoch) -> String {
    format!("another leader has taken over with epoch {by}")
}

fn named(indices: &[usize]) -> String {
    format!("{} {}", if indices.len() == 1 { "follower" } else { "followers" }, numbers(indices))
}

fn numbers(indices: &[usize]) -> String {
    indices.iter().map(|index| (index + 1).to_string()).collect::<Vec<_>>().join(", ")
}
