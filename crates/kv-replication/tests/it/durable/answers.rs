//! Nothing is answered before it is durable, and nobody waits longer than that.

use std::time::Duration;

use kv_replication::{Request, WriteError};

use super::disk::{Disk, PATIENCE};
use super::nodes::{LEADER, NODE, append, begin, follower, in_time, is_held, leader, settle, write};

#[tokio::test]
async fn nothing_is_answered_before_it_is_synced() {
    let disk = Disk::new();
    let follower = follower(&disk).await;
    disk.set(|state| state.holds_syncs = true);
    let first = begin(&follower, append(&[1], 0));
    settle().await;
    disk.wait(|state| state.is_syncing);
    assert!(!first.is_finished());
    // Not even what changes nothing: it would tell what the first has brought.
    let probe = begin(&follower, Request::Probe);
    settle().await;
    assert!(!probe.is_finished());
    disk.set(|state| state.holds_syncs = false);
    assert!(is_held(&in_time(first).await.unwrap()));
    assert!(in_time(probe).await.unwrap().is_ok());
    assert!(disk.image(NODE).pending.contains_key(&1));
}

#[tokio::test]
async fn what_comes_during_a_sync_shares_the_next() {
    let disk = Disk::new();
    let follower = follower(&disk).await;
    let before = disk.lock().syncs;
    disk.set(|state| state.holds_syncs = true);
    let mut requests = vec![begin(&follower, append(&[1], 0))];
    settle().await;
    disk.wait(|state| state.is_syncing);
    requests.extend((2..30).map(|version| begin(&follower, append(&[version], 0))));
    settle().await;
    disk.set(|state| state.holds_syncs = false);
    for request in requests {
        assert!(is_held(&in_time(request).await.unwrap()));
    }
    let syncs = disk.lock().syncs - before;
    assert!(syncs <= 3, "{syncs}: one more if the disk was idle just now");
}

#[tokio::test]
async fn what_does_no_harm_when_it_is_lost_waits_for_nothing() {
    let disk = Disk::new();
    let follower = follower(&disk).await;
    assert!(is_held(&in_time(follower.request(append(&[1, 2], 0))).await));
    let before = disk.lock().syncs;
    disk.set(|state| state.holds_syncs = true);
    assert!(is_held(&in_time(follower.request(append(&[], 2))).await));
    assert!(in_time(follower.request(Request::Probe)).await.is_ok());
    assert_eq!(disk.lock().syncs, before);
    disk.set(|state| state.holds_syncs = false);
}

#[tokio::test]
async fn a_leader_commits_nothing_before_its_own_disk_has_it() {
    let disk = Disk::new();
    let leader = leader(&disk).await;
    disk.set(|state| state.holds_syncs = true);
    let writing = tokio::spawn({
        let leader = leader.clone();
        async move { write(&leader, "second", PATIENCE).await }
    });
    settle().await;
    disk.wait(|state| state.is_syncing);
    settle().await;
    assert!(!writing.is_finished());
    assert!(leader.get("second").is_none());
    let patience = Duration::from_millis(20);
    let late = write(&leader, "third", patience).await;
    assert!(matches!(late, Err(WriteError::Unknown { .. })), "{late:?}");
    disk.set(|state| state.holds_syncs = false);
    let version = in_time(writing).await.unwrap().unwrap();
    let image = disk.image(LEADER);
    assert!(image.pending.contains_key(&version) || image.mark >= version);
}
