//! A store's content depends only on the set of entries applied to it.

use kv_core::{Applied, Command, Entry, Epoch, Key, NodeId, Operation, Store, Version};
use proptest::prelude::*;
use proptest::sample::Index;

const EPOCH: Epoch = Epoch { counter: 1, node: NodeId(1) };

fn put(version: Version, key: &str, value: &str) -> Entry {
    Command::put(Key::parse(key).unwrap(), value.as_bytes()).unwrap().into_entry(EPOCH, version)
}

fn delete(version: Version, key: &str) -> Entry {
    Command::delete(Key::parse(key).unwrap()).into_entry(EPOCH, version)
}

fn clear(version: Version) -> Entry {
    Command::clear().into_entry(EPOCH, version)
}

fn content(store: &Store) -> Vec<(String, Vec<u8>, Version)> {
    store.scan("", None).map(|(key, item)| (key.to_owned(), item.value.to_vec(), item.version)).collect()
}

/// The naive twin: sorts, then replays in order.
fn replayed(entries: &[Entry]) -> Vec<(String, Vec<u8>, Version)> {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by_key(|entry| entry.version());
    let mut map = std::collections::BTreeMap::new();
    for entry in sorted {
        match entry.operation() {
            Operation::Put { key, value } => {
                map.insert(key.to_owned(), (value.to_vec(), entry.version()));
            }
            Operation::Delete { key } => {
                map.remove(key);
            }
            Operation::Clear => map.clear(),
            Operation::NoOp => {}
        }
    }
    map.into_iter().map(|(key, (value, version))| (key, value, version)).collect()
}

#[test]
fn a_late_put_stays_hidden_behind_a_delete_and_a_clear() {
    let mut store = Store::new();
    assert_eq!(store.apply(&delete(5, "a")), Applied::Stored);
    assert_eq!(store.apply(&put(4, "a", "late")), Applied::Stale);
    assert_eq!(store.get("a"), None);

    store.apply(&clear(10));
    assert_eq!(store.apply(&put(9, "b", "late")), Applied::Stale);
    assert_eq!(store.apply(&put(11, "b", "new")), Applied::Stored);
    assert_eq!(content(&store), [("b".to_owned(), b"new".to_vec(), 11)]);
}

#[test]
fn a_clear_that_comes_late_spares_what_is_newer() {
    let mut store = Store::new();
    store.apply(&put(3, "a", "new"));
    store.apply(&put(1, "b", "old"));
    store.apply(&clear(2));
    assert_eq!(content(&store), [("a".to_owned(), b"new".to_vec(), 3)]);
}

#[test]
fn pruning_drops_tombstones_but_not_what_they_mean() {
    let mut store = Store::new();
    store.apply(&put(1, "a", "x"));
    store.apply(&delete(2, "a"));
    store.apply(&put(3, "b", "y"));
    let before = store.digest(3);
    store.prune(2);
    assert_eq!(store.apply(&put(1, "a", "x")), Applied::Stale, "a repeat after the tombstone is gone");
    assert_eq!(store.digest(3), before);
    assert_eq!(store.len(), 1);
}

#[test]
fn a_scan_is_ordered_and_resumes_after_a_key() {
    let mut store = Store::new();
    for (version, key) in (1..).zip(["b/2", "a", "b/1", "c", "b/3"]) {
        store.apply(&put(version, key, "v"));
    }
    store.apply(&delete(9, "b/2"));
    let keys = |prefix, after| store.scan(prefix, after).map(|(key, _)| key).collect::<Vec<_>>();
    assert_eq!(keys("", None), ["a", "b/1", "b/3", "c"]);
    assert_eq!(keys("b/", None), ["b/1", "b/3"]);
    assert_eq!(keys("b/", Some("b/1")), ["b/3"]);
    assert_eq!(keys("b/", Some("a")), ["b/1", "b/3"], "after, but before the prefix");
    assert_eq!(keys("b/", Some("c")), [""; 0]);
}

#[test]
fn the_digest_sees_keys_values_versions_and_not_epochs() {
    let of = |entry: &Entry| {
        let mut store = Store::new();
        store.apply(entry);
        store.digest(9).hash
    };
    let base = of(&put(1, "a", "b"));
    assert_ne!(base, of(&put(2, "a", "b")));
    assert_ne!(base, of(&put(1, "ab", "")));
    assert_ne!(base, of(&put(1, "a", "c")));
    let other = Epoch { counter: 8, node: NodeId(8) };
    assert_eq!(base, of(&Command::put(Key::parse("a").unwrap(), b"b").unwrap().into_entry(other, 1)));
}

/// Entries 1..=n, each a random operation on one of three keys.
fn history() -> impl Strategy<Value = Vec<Entry>> {
    prop::collection::vec((0..10u8, 0..3u8), 1..60).prop_map(|ops| {
        (1..)
            .zip(ops)
            .map(|(version, (op, key))| {
                let key = ["a", "b", "c"][usize::from(key)];
                match op {
                    0 => clear(version),
                    1 => Command::no_op().into_entry(EPOCH, version),
                    2..=4 => delete(version, key),
                    _ => put(version, key, &version.to_string()),
                }
            })
            .collect()
    })
}

proptest! {
    /// Also of keys that are longer than what the tree keeps of them, and share that much.
    #[test]
    fn a_scan_is_in_the_order_of_the_keys(
        keys in prop::collection::btree_set("(|a|the same sixteen|the same sixteen bytes)[a-c ö]{0,3}", 1..40),
        from in any::<Index>(),
    ) {
        let keys: Vec<String> = keys.into_iter().filter(|key| !key.is_empty()).collect();
        prop_assume!(!keys.is_empty());
        let mut store = Store::new();
        for (version, key) in (1..).zip(keys.iter().rev()) {
            store.apply(&put(version, key, "v"));
        }
        let shown: Vec<&str> = store.scan("", None).map(|(key, _)| key).collect();
        prop_assert_eq!(&shown, &keys);
        let from = from.get(&keys).as_str();
        let rest: Vec<&str> = store.scan("", Some(from)).map(|(key, _)| key).collect();
        prop_assert_eq!(rest, keys.iter().map(String::as_str).filter(|key| *key > from).collect::<Vec<_>>());
        let below: Vec<&str> = store.scan(from, None).map(|(key, _)| key).collect();
        prop_assert_eq!(below, keys.iter().map(String::as_str).filter(|key| key.starts_with(from)).collect::<Vec<_>>());
        prop_assert!(keys.iter().all(|key| store.get(key).is_some()));
        prop_assert!(store.get("absent").is_none());
    }

    #[test]
    fn content_depends_only_on_the_set(
        (shuffled, repeats) in history().prop_flat_map(|h| {
            (Just(h).prop_shuffle(), prop::collection::vec(any::<Index>(), 0..30))
        })
    ) {
        let mut store = Store::new();
        for entry in &shuffled {
            store.apply(entry);
        }
        for repeat in &repeats {
            store.apply(repeat.get(&shuffled));
        }
        prop_assert_eq!(content(&store), replayed(&shuffled));
        prop_assert_eq!(store.len(), content(&store).len());

        // Once everything is there, pruning changes nothing that can be seen.
        let mark = shuffled.len() as Version;
        let before = store.digest(mark);
        store.prune(mark);
        for repeat in &repeats {
            store.apply(repeat.get(&shuffled));
        }
        prop_assert_eq!(store.digest(mark), before);
    }
}
