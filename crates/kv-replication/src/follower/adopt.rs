//! Writes of a leader that knows no epochs.

use kv_core::{Entry, Epoch, Operation, Version};

use crate::durable::record::Record;
use crate::follower::content::Content;
use crate::follower::journal::Journal;

/// What became of a write that came without an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// The version that the key has now: the written one, or a newer one that was there.
    Now(Version),
    /// A leader has claimed this follower, and only its requests count.
    Claimed {
        /// The epoch that was promised to it.
        promised: Epoch,
    },
    /// The disk is full.
    DiskFull,
}

/// Takes the write in if nobody has claimed the follower; otherwise says whether it is here already.
pub(super) fn adopt(
    content: &mut Content,
    journal: &mut Journal,
    promised: Epoch,
    disk_full: bool,
    entry: &Entry,
) -> Adopted {
    let claimed = Adopted::Claimed { promised };
    let Operation::Put { key, value } = entry.operation() else {
        return claimed; // that leader writes nothing else
    };
    if promised == Epoch::ZERO {
        if disk_full {
            return Adopted::DiskFull;
        }
        content.adopt(entry);
        journal.note(|| Record::Entries(vec![entry.clone()]));
        return Adopted::Now(content.local(key).map_or(0, |item| item.version));
    }
    // Held already: this very write, or one that has replaced it.
    match content.local(key).filter(|_| content.held().contains(entry.version())) {
        Some(item) if item.version > entry.version() => Adopted::Now(item.version),
        Some(item) if item.version == entry.version() && item.value == value => Adopted::Now(item.version),
        _ => claimed,
    }
}
