//! What goes into the leader's machine, and what comes out of it.

use kv_core::{Command, Entry, Epoch, Version};
use thiserror::Error;

use crate::{AttemptId, ClusterId, LinkError, ReadId, Record, Reply, Request, Time, WriteId};

/// The leader's name for a batch of records. Rising: a later batch has a higher one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersistId(pub u64);

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A client wants `command`; it gets exactly one [`Output::Answer`], by its deadline.
    Write {
        /// The caller's name for it.
        id: WriteId,
        /// What it wants.
        command: Command,
        /// How many acknowledgements it waits for, at most N; none: W. It decides only when the answer is
        /// given: a commit needs W in any case.
        acks: Option<usize>,
        /// When the answer must be there, whatever it is.
        deadline: Time,
    },
    /// A client wants to read what is newest; it gets exactly one [`Output::Confirmed`], by its deadline.
    Confirm {
        /// The caller's name for it.
        id: ReadId,
        /// When the answer must be there, whatever it is.
        deadline: Time,
    },
    /// A request was answered.
    Reply {
        /// Which one.
        attempt: AttemptId,
        /// The answer.
        reply: Reply,
    },
    /// A request got no answer.
    Failed {
        /// Which one.
        attempt: AttemptId,
        /// What is known of the reason, for people.
        error: String,
    },
    /// These records, and those of all earlier batches, are durable.
    Persisted {
        /// Which batch.
        id: PersistId,
    },
    /// The leader's own disk has run full, or has space again: as long as it is full, there are no new writes.
    Disk {
        /// Which of the two.
        full: bool,
    },
    /// The node is going down: no new writes.
    Drain,
    /// The time of [`Leader::poll_timeout`](crate::Leader::poll_timeout) has come.
    Tick,
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send `request`, and tell how it went with [`Input::Reply`] or [`Input::Failed`].
    Send {
        /// Names the attempt.
        attempt: AttemptId,
        /// The index of the follower, from 0.
        follower: usize,
        /// What to send.
        request: Request,
    },
    /// Write these down, after those of earlier batches, and tell with [`Input::Persisted`]. What must
    /// wait for it waits in the machine. Only on a durable leader.
    Persist {
        /// Names the batch.
        id: PersistId,
        /// What to write, in order.
        records: Vec<Record>,
    },
    /// Nobody waits for this attempt any more; whether it arrived does not matter.
    Cancel {
        /// Which one.
        attempt: AttemptId,
    },
    /// The client's answer.
    Answer {
        /// Which write.
        id: WriteId,
        /// What became of it.
        result: Result<Committed, WriteError>,
    },
    /// What the store shows now is linearizable for this read, or why nobody knows.
    Confirmed {
        /// Which read.
        id: ReadId,
        /// The commit mark; everything that was acknowledged before the read came is at or below it, or
        /// already in the store.
        result: Result<Version, ConfirmError>,
    },
    /// Something that an operator wants to know.
    Event(Event),
}

/// Why a linearizable read has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfirmError {
    /// Too few followers have confirmed in time that this is still their leader.
    #[error("{confirmed} of the {required} followers that must confirm a read have done so in time")]
    Unconfirmed {
        /// How many have.
        confirmed: usize,
        /// How many must.
        required: usize,
    },
    /// Another leader has taken over.
    #[error("another leader has taken over with epoch {by}")]
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

/// A write that is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The write with its version.
    pub entry: Entry,
    /// Acknowledgements when the answer was decided; at least as many as were asked for.
    pub acks: usize,
}

/// Why a write has no success to report. All but [`WriteError::Unknown`] and
/// [`WriteError::Stopped`] mean that nothing was
/// written, and that it is safe to try again.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WriteError {
    /// Too few followers can be reached.
    #[error("{up} of the {required} followers that a write needs can be reached")]
    NoQuorum {
        /// Followers that are up.
        up: usize,
        /// W.
        required: usize,
    },
    /// Another leader has taken over.
    #[error("another leader has taken over with epoch {by}")]
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
        "{acks} of {required} acknowledgements before the deadline; version {version} may still be committed"
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

/// Why a leader does not serve yet: for whom it waits. Followers are indices from 0.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StartProblem {
    /// Too few have answered to know what there is.
    #[error("waiting for an answer of followers {}", numbers(followers))]
    Waiting {
        /// Who has not answered.
        followers: Vec<usize>,
    },
    /// Too few of those who answered have kept their memory.
    #[error(
        "{kept} followers have answered and kept their memory, and {needed} are needed to know every acknowledged write; no answer from [{}], without memory: [{}]; {}ACCEPT_DATA_LOSS goes on with what is left, as a new cluster",
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
        "W or the list of followers has changed: waiting for an answer of followers {}; take out of the list who will not come back",
        numbers(missing)
    )]
    GroupChanged {
        /// Who has not answered.
        missing: Vec<usize>,
    },
    /// The list has too little in common with that which the history was written with.
    #[error(
        "{stay} of the followers of the last list are in this one, and {needed} must be: change fewer at a time (if none may go, lower W first), or go on as a new cluster with ACCEPT_DATA_LOSS"
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
        "this node was restored from a backup, and followers {} hold data: empty each of them with POST /reset to go on from the backup, or start the leader without it",
        numbers(followers)
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
    #[error("waiting for {needed} promises, {promised} are there")]
    Promises {
        /// How many there are.
        promised: usize,
        /// How many are needed.
        needed: usize,
    },
    /// It reads what the followers have.
    #[error("reading what followers {} have", numbers(followers))]
    Pulling {
        /// From whom it is still reading.
        followers: Vec<usize>,
    },
    /// It has read what the followers have, and its own disk has no room for that.
    #[error("the leader's disk is full: free space there, and the start goes on by itself")]
    DiskFull,
    /// It has everything, and waits until enough followers have it too.
    #[error("waiting until {needed} followers hold everything up to {through}, {level} do")]
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
        "waiting until {needed} followers of the last list have taken note of the new W and list, {adopted} have"
    )]
    Adopting {
        /// How many have.
        adopted: usize,
        /// How many must.
        needed: usize,
    },
}

/// Where the leader is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Asks the followers what they hold.
    Asking,
    /// Asks them to promise its epoch.
    Claiming,
    /// Reads what they have.
    Pulling,
    /// Has every acknowledged write, and waits until W followers have them under its epoch.
    Recovering,
    /// All followers have them too, and take note of a new W or list of followers.
    Changing,
    /// Takes writes.
    Serving,
    /// Has met a higher epoch, and has stopped.
    Deposed {
        /// That epoch.
        by: Epoch,
    },
}

impl Phase {
    /// It has every acknowledged write, under its own epoch.
    pub(crate) fn has_recovered(self) -> bool {
        matches!(self, Self::Recovering | Self::Changing | Self::Serving)
    }
}

/// Something that an operator wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The leader does not serve yet, for a reason that is new.
    Waiting {
        /// Why.
        problem: StartProblem,
    },
    /// The leader takes writes from now on.
    Serving {
        /// Under this epoch.
        epoch: Epoch,
        /// As this cluster.
        cluster: ClusterId,
        /// Everything up to this version was there before.
        recovered: Version,
    },
    /// A follower that had lost its memory counts again.
    Counted {
        /// Its index from 0.
        follower: usize,
    },
    /// A follower is up.
    LinkUp {
        /// Its index from 0.
        follower: usize,
    },
    /// A follower is down, for a reason that is new.
    LinkDown {
        /// Its index from 0.
        follower: usize,
        /// Why.
        error: LinkError,
    },
    /// The leader's own disk has run full, or has space again.
    DiskFull {
        /// Which of the two.
        full: bool,
    },
    /// Another leader has taken over.
    Deposed {
        /// Its epoch.
        by: Epoch,
    },
}

fn numbers(indices: &[usize]) -> String {
    indices.iter().map(|index| (index + 1).to_string()).collect::<Vec<_>>().join(", ")
}
