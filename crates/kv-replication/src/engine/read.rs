//! What a read asks for, and what it gives.

use std::time::Duration;

use kv_core::{Entry, Epoch, Item, Operation, Version};
use thiserror::Error;

use crate::leader::problem::{ConfirmError, StartProblem};

/// What a key holds. Shares the memory of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read(pub(super) Entry);

/// Which entries a read sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// All that the node holds. On a follower that may be behind the leader, and pending entries may be
    /// seen that are never committed; a leader shows nothing but what is committed.
    #[default]
    Local,
    /// What the node knows to be committed.
    Committed,
    /// Everything that was acknowledged before the read came, or more: only a leader can tell, and it asks
    /// W followers first.
    Linearizable,
}

/// What a read asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// Which entries it sees.
    pub level: Level,
    /// It sees at least everything up to this version: read your writes. 0 asks for nothing.
    ///
    /// The node waits until its commit mark is there. A follower's watermark would be sooner, and not enough:
    /// what it holds above its mark may be what another leader has replaced since.
    pub min_version: Version,
    /// How long it may wait for that.
    pub timeout: Duration,
}

/// Where a node stood when it answered a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// A leader's newest committed version; a follower's watermark: what it holds without a gap from version 1.
    pub version: Version,
    /// The node's commit mark.
    pub mark: Version,
    /// It is a leader.
    pub is_leader: bool,
    /// The leader's epoch; the one that a follower has promised, [`Epoch::ZERO`] if none.
    pub epoch: Epoch,
    /// How old what a follower shows may be: the time since its leader last said that it had committed
    /// no more than the follower knows to be committed by now. What that word took on its way is not in
    /// it. Never lower than the time since the leader was heard last. None on a leader, and on a follower
    /// that has never been level with a leader that serves.
    pub lag: Option<Duration>,
}

/// What a read has found, and where the node stood at that moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen<T> {
    /// Where the node stood.
    pub position: Position,
    /// What was there.
    pub found: T,
}

/// Why a read was not answered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// The leader does not have everything back yet.
    #[error("the leader is not ready: {0}")]
    Recovering(StartProblem),
    /// The node did not get to the wanted version in time.
    #[error("the node knows everything up to version {} to be committed, not up to {wanted}", position.mark)]
    Stale {
        /// What was wanted.
        wanted: Version,
        /// How far it got.
        position: Position,
    },
    /// The followers have not confirmed that this is still their leader.
    #[error(transparent)]
    Unconfirmed(#[from] ConfirmError),
    /// Only a leader can answer that.
    #[error("only the leader can answer a linearizable read")]
    NotLeader,
    /// What the node shows belonged to no single version in time.
    #[error("what the node shows belonged to no single version in time; a follower that is level would do")]
    NotWhole,
    /// [`WAITERS_MAX`](super::WAITERS_MAX) others wait already.
    #[error("too many wait already")]
    TooManyWaiting,
}

/// Some of the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// They begin with this.
    pub prefix: String,
    /// They come after this one, if it is given.
    pub after: Option<String>,
}

/// How much is read in one go, while nobody else can use the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSize {
    /// Keys.
    pub entries_max: usize,
    /// Bytes of frames; a single larger entry is still read.
    pub bytes_max: usize,
}

/// Keys in order, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// What they hold. May be empty although there is more.
    pub reads: Vec<Read>,
    /// There may be more after this key.
    pub next: Option<String>,
}

/// How many keys that show nothing (deleted, but not forgotten yet) a page passes for each that it may
/// hold.
const HIDDEN_PER_ENTRY_MAX: usize = 4;

impl Page {
    /// Takes keys until the page is full.
    pub(super) fn fill<'a>(scan: impl Iterator<Item = (&'a str, Option<Item<'a>>)>, size: PageSize) -> Self {
        let mut page = Self::default();
        let (mut passed, mut bytes) = (0_usize, 0);
        let passed_max = size.entries_max.saturating_mul(HIDDEN_PER_ENTRY_MAX);
        let mut last = None;
        for (key, item) in scan {
            if page.reads.len() >= size.entries_max || bytes >= size.bytes_max || passed >= passed_max {
                page.next = last.map(str::to_owned);
                break;
            }
            last = Some(key);
            passed += 1;
            if let Some(item) = item {
                bytes += item.entry.frame().len();
                page.reads.push(Read(item.entry.clone()));
            }
        }
        page
    }
}

impl Read {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &str {
        self.0.operation().key().unwrap_or_default()
    }

    /// The value: any bytes.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        match self.0.operation() {
            Operation::Put { value, .. } => value,
            Operation::Delete { .. } | Operation::Clear | Operation::NoOp => &[],
        }
    }

    /// The version of the put that wrote it.
    #[must_use]
    pub fn version(&self) -> Version {
        self.0.version()
    }
}

/// The read that shows what `entry` wrote.
impl From<Entry> for Read {
    fn from(entry: Entry) -> Self {
        Self(entry)
    }
}

#[cfg(test)]
mod tests {
    use kv_core::{Command, Key, NodeId, Store};

    use super::*;

    const EPOCH: Epoch = Epoch { counter: 1, node: NodeId(1) };

    fn key(number: u64) -> String {
        format!("key-{number:04}")
    }

    /// Ten keys at the end, behind a thousand that are deleted.
    fn store() -> Store {
        let mut store = Store::new();
        for version in 1..=1010 {
            let name = key(version);
            let key = Key::parse(&name).unwrap();
            let command =
                if version <= 1000 { Command::delete(key) } else { Command::put(key, b"v").unwrap() };
            store.apply(&command.into_entry(EPOCH, version));
        }
        store
    }

    #[test]
    fn a_page_takes_few_steps_whatever_is_in_the_way() {
        let (store, size) = (store(), PageSize { entries_max: 3, bytes_max: 1 << 20 });
        let (mut found, mut pages, mut after) = (Vec::new(), 0, None);
        loop {
            let mut steps = 0;
            let scan = store.entries("", after.as_deref()).inspect(|_| steps += 1);
            let page = Page::fill(scan, size);
            assert!(steps <= 3 * HIDDEN_PER_ENTRY_MAX + 1);
            pages += 1;
            found.extend(page.reads.iter().map(Read::version));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, (1001..=1010).collect::<Vec<_>>());
        assert!(pages > 1000 / (3 * HIDDEN_PER_ENTRY_MAX));
    }

    #[test]
    fn a_page_has_room_for_one_entry_that_is_too_large() {
        let (store, size) = (store(), PageSize { entries_max: 100, bytes_max: 1 });
        let page = Page::fill(store.entries("key-1", Some("key-1000")), size);
        assert_eq!(page.reads.iter().map(Read::version).collect::<Vec<_>>(), [1001]);
        assert_eq!(page.next, Some(key(1001)));
        let last = Page::fill(store.entries("", Some("key-1009")), size);
        assert_eq!((last.reads.len(), last.next), (1, None));
    }
}
