//! Deliberate mistakes, to see that the simulator catches them. Only with the feature `simulator`.

use kv_core::{Entry, Store};

/// A mistake that somebody could make.
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

/// Whether the machine with this configuration makes this mistake: `planted!(self.config, LatePutApplied)`.
macro_rules! planted {
    ($config:expr, $bug:ident) => {
        $config.planted.is($crate::testing::planted::Bug::$bug)
    };
}
pub(crate) use planted;

/// The mistake that a machine makes, if any; without the feature `simulator` there is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Planted {
    #[cfg(feature = "simulator")]
    bug: Option<Bug>,
}

impl Planted {
    /// A machine that makes this mistake.
    #[cfg(feature = "simulator")]
    #[must_use]
    pub fn bug(bug: Bug) -> Self {
        Self { bug: Some(bug) }
    }

    #[cfg(feature = "simulator")]
    pub(crate) fn is(self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// What [`Bug::LatePutApplied`] does.
    pub(crate) fn apply_late(self, store: &mut Store, entry: &Entry) {
        #[cfg(feature = "simulator")]
        if self.is(Bug::LatePutApplied) {
            store.put_back(entry);
        }
        let _ = (self, store, entry);
    }

    #[cfg(not(feature = "simulator"))]
    #[expect(clippy::unused_self, reason = "the same call with and without the feature")]
    pub(crate) fn is(self, _: Bug) -> bool {
        false
    }
}
