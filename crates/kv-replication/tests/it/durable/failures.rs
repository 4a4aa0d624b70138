//! A disk that fails, or a checkpoint: nothing is acknowledged any more, and nobody waits in vain.

use std::time::Duration;

use kv_replication::engine::Stopped;
use kv_replication::{Request, WriteError};

use super::disk::{Disk, State};
use super::nodes::{append, begin, follower, in_time, leader, settle, write};

#[tokio::test]
async fn a_disk_that_fails_ends_all_answers() {
    let failures: [fn(&mut State); 3] =
        [|state| state.fails_append = true, |state| state.fails_sync = true, |state| state.panics = true];
    for failure in failures {
        let disk = Disk::new();
        let follower = follower(&disk).await;
        disk.set(|state| state.holds_syncs = true);
        let first = begin(&follower, append(&[1], 0));
        settle().await;
        disk.wait(|state| state.is_syncing);
        let behind: Vec<_> = (2..6).map(|version| begin(&follower, append(&[version], 0))).collect();
        settle().await;
        disk.set(failure);
        disk.set(|state| state.holds_syncs = false);
        in_time(follower.disk_failed()).await;
        let _ = in_time(first).await.unwrap(); // it may have been synced before
        for request in behind {
            assert_eq!(in_time(request).await.unwrap(), Err(Stopped));
        }
        assert_eq!(in_time(follower.request(append(&[9], 0))).await, Err(Stopped));
        assert_eq!(in_time(follower.request(append(&[], 1))).await, Err(Stopped));
        assert_eq!(in_time(follower.request(Request::Probe)).await, Err(Stopped));
        assert_eq!(in_time(follower.reset()).await, Err(Stopped));
        in_time(follower.disk_failed()).await;
        follower.close().unwrap_err();
        disk.wait(|state| !state.is_open);
    }
}

#[tokio::test]
async fn a_checkpoint_that_fails_ends_all_answers() {
    let disk = Disk::new();
    let follower = follower(&disk).await;
    disk.set(|state| {
        state.fails_finish = true;
        state.wants_checkpoint = true;
    });
    in_time(follower.disk_failed()).await;
    assert_eq!(in_time(follower.request(append(&[9], 0))).await, Err(Stopped));
    follower.close().unwrap_err();
    assert!(!disk.lock().is_open);
}

#[tokio::test]
async fn a_disk_that_fails_while_a_checkpoint_waits_leaves_nobody_waiting() {
    let disk = Disk::new();
    let follower = follower(&disk).await;
    disk.set(|state| {
        state.holds_syncs_then = true;
        state.wants_checkpoint = true;
    });
    // The checkpoint wants all synced that it has read.
    disk.wait(|state| state.holds_syncs && state.is_syncing);
    let request = begin(&follower, append(&[1], 0));
    settle().await;
    disk.set(|state| {
        state.fails_sync = true;
        state.holds_syncs = false;
    });
    in_time(follower.disk_failed()).await;
    assert_eq!(in_time(request).await.unwrap(), Err(Stopped));
    follower.close().unwrap_err();
    assert!(disk.lock().checkpoint.is_none(), "it does not count");
}

#[tokio::test]
async fn a_leader_whose_disk_fails_acknowledges_nothing_more() {
    let disk = Disk::new();
    let leader = leader(&disk).await;
    disk.set(|state| state.holds_syncs = true);
    let writing: Vec<_> = (0..5)
        .map(|number| {
            let leader = leader.clone();
            tokio::spawn(
                async move { write(&leader, &format!("k{number}"), Duration::from_millis(200)).await },
            )
        })
        .collect();
    settle().await;
    disk.wait(|state| state.is_syncing);
    disk.set(|state| {
        state.fails_sync = true;
        state.holds_syncs = false;
    });
    in_time(leader.disk_failed()).await;
    let later = write(&leader, "later", Duration::from_millis(50)).await;
    assert!(later.is_err(), "{later:?}");
    for writing in writing {
        let result = in_time(writing).await.unwrap();
        assert!(matches!(result, Err(WriteError::Unknown { .. } | WriteError::Stopped)), "{result:?}");
    }
    leader.close().unwrap_err();
    assert!(!disk.lock().is_open);
}
