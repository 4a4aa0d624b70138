//! Is what clients of a versioned key-value store saw what a linearizable one shows? In O(n log n) for n operations.
//!
//! A [`History`] is what clients did: each [`Operation`] with the times at which it began and ended, and
//! what the client was told. [`History::check`] says whether there is an order of all that
//! explains it, or gives the [`Violation`] with the operations that show it.
//!
//! In general this is NP-complete, already for one register (Gibbons and Korach, "Testing shared
//! memories", 1997): the order of concurrent writes has to be guessed. Here the store tells it. Every
//! write has a version, every read names the version that it shows, so what is left is to see whether an
//! order that is known fits the times.
//!
//! # What must hold
//!
//! 1. A version belongs to one write and has one content, and every content that is shown was written.
//! 2. Each write has a moment at which it gets its version, not before it begins, and the versions rise
//!    with these moments, over all keys. A write is in effect from some later moment on; an acknowledged one
//!    before its end.
//! 3. Each key is a linearizable register: its writes come into effect in the order of their
//!    versions, and every read shows, at some moment between its beginning and its end, what is in effect.
//!
//! Keys are linearizable each by itself, and so all of them together are (Herlihy and Wing,
//! "Linearizability", 1990), but not in the order of the versions: a leader may commit version 8 before
//! version 7, and show the one and not yet the other, if their keys differ. For the same reason a clear
//! is in effect on each key from a moment of its own.
//!
//! A write of unknown outcome has no end: it took effect at any time after it began, or never. If a read
//! shows it, it did. A delete or a clear that is never shown may still be what explains that a key is
//! absent; `absent.rs` says how its place is found.
//!
//! # How
//!
//! All three are inequalities between a moment at which something began and one at which something later
//! in the order was over. So it is enough to know, for each version, the last beginning up to it and the
//! first end from it on: a sort, two sweeps, and a binary search for each read.
//!
//! In the order in which they work: `operation` is what is recorded and `violation` what is found; `history`
//! is the way through the check; `lookup` numbers the keys; `order` has the writes by version and time, `chains`
//! the states of each key, `unplaced` the removals of unknown version, `absent` where nothing was found.
//!
//! # What it does not find, and does not do
//!
//! A violation is never reported where there is an order. Where there is none, one is found, except:
//!
//! * A delete or clear of unknown outcome *and* version may explain any absence after its beginning, each
//!   absence by itself. So it is not found that two absences need it at two places.
//!   [`Checked::by_unplaced`] counts such absences.
//! * A clear that was acknowledged without its version ([`Outcome::Cleared`]) must have a place among the
//!   known versions, each such clear by itself, and explains absences from there to the next put, each by
//!   itself too.
//! * Two deletes or clears of unknown outcome to which two leaders gave one version: both may explain
//!   something, although only one of them can have taken effect.
//! * Puts of unknown outcome that wrote the same value under the same key are not told apart: give every
//!   put a value of its own.
//!
//! Not asked at all: whether a delete had something to delete. A write that was answered at a lower quorum
//! than the store's promises less: record it as unknown. A history begins with an empty store.
//!
//! It records nothing itself, and knows neither clocks nor transports: the recorder hands in operations with
//! their times. It needs the versions of the store, so it cannot judge one that tells none.

#![expect(clippy::indexing_slicing, reason = "operations and keys are numbered here, from 0 on")]

mod absent;
mod chains;
mod history;
mod lookup;
mod operation;
mod order;
mod unplaced;
mod violation;

pub use history::{Checked, History, OpId};
pub use operation::{Action, Operation, Outcome, Version, fingerprint};
pub use violation::Violation;
