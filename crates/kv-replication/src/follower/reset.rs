//! A follower that forgets what it holds, and a crash in the middle of that.

use std::sync::Arc;

use kv_core::{Epoch, Store};

use super::Follower;
use crate::durable::record::{Image, Record};
use crate::follower::overlay::Overlay;
use crate::protocol::message::{Identity, Stage};
use crate::protocol::range_set::RangeSet;

impl Follower {
    /// Begins a new memory, which counts for nothing yet.
    pub(super) fn forget_all(&mut self) {
        let Identity { node, resets } = self.meta.identity;
        self.meta.identity = Identity { node, resets: resets + 1 };
        self.meta.counts = false;
        self.meta.cluster = None;
        self.meta.groups = Arc::default();
        self.meta.claimed = Arc::default();
        self.stage = (Epoch::ZERO, Stage::Recovering); // whatever it has done for its leader is undone
        self.meta.diverged = None;
        self.meta.authoritative = None; // of another history, if it has ever led
        self.mark = 0;
        self.leader_mark = 0;
        self.held = RangeSet::new();
        self.pending = Overlay::default();
        self.pending_bytes = 0;
        self.store = Store::new();
        self.whole_from = 0;
        self.transfer = None;
        self.write_meta(); // first: whoever finds half of this has lost its memory
        if self.config.durable {
            self.records.push(Record::Wipe);
        }
    }
}

/// A crash has cut a reset short: it has forgotten its cluster, and perhaps not yet its data.
pub(super) fn is_half(image: &Image) -> bool {
    image.meta.cluster.is_none() && image.meta.promised > Epoch::ZERO
}

/// What the reset was to leave.
pub(super) fn emptied(image: Image) -> Image {
    let mut empty = Image::new(image.meta.identity.node);
    empty.meta = image.meta;
    empty
}
