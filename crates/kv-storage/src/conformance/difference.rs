//! In what two nodes that start would differ.

use kv_core::Entry;
use kv_replication::Image;

/// Fails with the name of the rule if a node that starts would not be the one that there was.
pub(super) fn assert_same(found: &Image, expected: &Image, rule: &str) {
    assert_eq!(differs(found, expected), None, "{rule}");
}

/// In what two images differ, for a node that starts with them.
#[must_use]
pub fn differs(found: &Image, expected: &Image) -> Option<String> {
    let is_whole = |image: &Image| image.mark >= image.whole_from;
    let pending = |image: &Image| image.pending.iter().map(|(at, it)| (*at, it.epoch())).collect::<Vec<_>>();
    if found.meta != expected.meta {
        return Some(format!("the small things: {:?} instead of {:?}", found.meta, expected.meta));
    }
    if found.mark != expected.mark || is_whole(found) != is_whole(expected) {
        let say = |image: &Image| format!("{}, whole from {}", image.mark, image.whole_from);
        return Some(format!("the mark: {} instead of {}", say(found), say(expected)));
    }
    if found.pending != expected.pending {
        return Some(format!("what is pending: {:?} instead of {:?}", pending(found), pending(expected)));
    }
    if state(found) != state(expected) {
        let say = |image: &Image| {
            image.store.scan("", None).map(|(key, it)| format!("{key}@{}", it.version)).collect::<Vec<_>>()
        };
        return Some(format!("the state: {:?} instead of {:?}", say(found), say(expected)));
    }
    None
}

pub(super) fn state(image: &Image) -> Vec<Entry> {
    image.store.scan("", None).map(|(_, item)| item.entry.clone()).collect()
}
