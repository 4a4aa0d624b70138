//! Deliberate mistakes, to see that the simulator catches them.
//!
//! Without the feature `simulator` there is no [`Bug`], no machine is told of one, and the two macros that
//! stand where a machine can go wrong leave nothing behind: not even the name.

#[cfg(feature = "simulator")]
use kv_core::{Entry, Operation, Store};

/// A mistake that somebody could make.
#[cfg(feature = "simulator")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A refusal for an old epoch counts as an acknowledgement.
    StaleAnswerIsAck,
    /// A durable follower answers before its disk has what it says.
    AckBeforePersist,
    /// Recovery asks one follower too few.
    RecoveryWithTooFew,
    /// A restart with the own log looks at the last promise of a follower only.
    OnlyLastPromiseLookedAt,
    /// Recovery takes what one follower holds instead of the union.
    RecoveryWithoutUnion,
    /// What a follower holds of older epochs counts as acknowledged.
    OldHoldingsAreAcks,
    /// A follower's mark moves over entries of older epochs.
    MarkOverOldEpoch,
    /// A late put is applied although a clear or a tombstone has passed over it.
    LatePutApplied,
    /// Switching to a snapshot drops what was held above it.
    SnapshotDropsHeld,
    /// The tail after a snapshot begins too late.
    SnapshotTailGap,
    /// Two addresses of one node count twice.
    NodeCountedTwice,
    /// A follower that lost its memory counts at once.
    LostMemoryCounts,
    /// Pending entries of older epochs are dropped before the recovery is complete.
    OldPendingDroppedEarly,
    /// A fresh history starts although one follower has not answered.
    FreshWithoutOne,
    /// The log is cut above the mark.
    LogCutAboveMark,
    /// Promises are counted although one who made them may have lost its memory since.
    PromisesNotConfirmed,
    /// A follower takes the group of a leader for the one in force as soon as it has promised.
    GroupTakenAtPromise,
    /// While a group comes in, a commit needs only its own W.
    ChangeNotJoint,
    /// A linearizable read is answered without asking the followers.
    ReadNotConfirmed,
    /// A durable leader counts its own copy before its disk has it.
    LeaderCommitsBeforePersist,
    /// A follower does not write down what it promises.
    PromiseNotWritten,
    /// A follower whose disk is full takes entries in, and says that it holds them.
    FullDiskAcknowledges,
    /// A follower writes down that entries are committed before the entries.
    MarkBeforeEntries,
    /// A read with a least version waits for a follower's watermark instead of its mark.
    MinVersionByWatermark,
}

#[cfg(feature = "simulator")]
impl Bug {
    /// All of them.
    pub const ALL: [Bug; 24] = [
        Bug::StaleAnswerIsAck,
        Bug::AckBeforePersist,
        Bug::RecoveryWithTooFew,
        Bug::OnlyLastPromiseLookedAt,
        Bug::RecoveryWithoutUnion,
        Bug::OldHoldingsAreAcks,
        Bug::MarkOverOldEpoch,
        Bug::LatePutApplied,
        Bug::SnapshotDropsHeld,
        Bug::SnapshotTailGap,
        Bug::NodeCountedTwice,
        Bug::LostMemoryCounts,
        Bug::OldPendingDroppedEarly,
        Bug::FreshWithoutOne,
        Bug::LogCutAboveMark,
        Bug::PromisesNotConfirmed,
        Bug::GroupTakenAtPromise,
        Bug::ChangeNotJoint,
        Bug::ReadNotConfirmed,
        Bug::MinVersionByWatermark,
        Bug::LeaderCommitsBeforePersist,
        Bug::PromiseNotWritten,
        Bug::FullDiskAcknowledges,
        Bug::MarkBeforeEntries,
    ];
}

/// What [`Bug::LatePutApplied`] does: the put is shown unless its key shows something newer, although a clear or
/// a delete may have passed over it. The store is put together anew, without what would keep the put out.
#[cfg(feature = "simulator")]
pub(crate) fn put_back(store: &mut Store, late: &Entry) {
    if matches!(late.operation(), Operation::Put { .. }) {
        let shown: Vec<Entry> = store.scan("", None).map(|(_, item)| item.entry.clone()).collect();
        *store = Store::new();
        shown.iter().chain([late]).for_each(|entry| _ = store.apply(entry));
    }
}

/// Whether the machine with this configuration makes this mistake: `planted!(self.config, ChangeNotJoint)`.
/// With a block: what it then does, where that cannot be written down without the feature.
#[cfg(feature = "simulator")]
macro_rules! planted {
    ($config:expr, $bug:ident) => {
        $config.planted == Some($crate::testing::planted::Bug::$bug)
    };
    ($config:expr, $bug:ident, $mistake:block) => {
        if planted!($config, $bug) $mistake
    };
}

#[cfg(not(feature = "simulator"))]
macro_rules! planted {
    ($config:expr, $bug:ident) => {
        false
    };
    ($config:expr, $bug:ident, $mistake:block) => {};
}

pub(crate) use planted;
