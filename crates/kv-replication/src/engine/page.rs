//! Many keys, a page at a time.

use kv_core::Item;

use super::read::Read;

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
                page.reads.push(Read::from(item.entry.clone()));
            }
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use kv_core::{Command, Epoch, Key, NodeId, Store};

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
