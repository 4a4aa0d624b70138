//! The end of a node: what is queued is written, and the disk is given free.

use kv_replication::engine::Stopped;

use super::disk::Disk;
use super::nodes::{NODE, append, begin, follower, in_time, is_held, settle};

#[tokio::test]
async fn closing_writes_what_is_queued_and_gives_the_disk_free() {
    let disk = Disk::new();
    let follower = follower(&disk).await;
    disk.set(|state| state.holds_syncs = true);
    let mut requests = vec![begin(&follower, append(&[1], 0))];
    settle().await;
    disk.wait(|state| state.is_syncing);
    requests.extend((2..9).map(|version| begin(&follower, append(&[version], 0))));
    settle().await;
    let closing = tokio::task::spawn_blocking({
        let follower = follower.clone();
        move || follower.close()
    });
    disk.set(|state| state.holds_syncs = false);
    in_time(closing).await.unwrap().unwrap();
    assert!(!disk.lock().is_open);
    for request in requests {
        assert!(is_held(&in_time(request).await.unwrap()));
    }
    assert_eq!(disk.image(NODE).pending.len(), 8);
    assert_eq!(in_time(follower.request(append(&[9], 0))).await, Err(Stopped), "nobody writes it any more");
    follower.close().unwrap();
}

#[tokio::test]
async fn the_last_handle_closes_too() {
    let disk = Disk::new();
    let follower = follower(&disk).await;
    disk.set(|state| state.holds_syncs = true);
    let request = begin(&follower, append(&[1], 0));
    settle().await;
    request.abort(); // whoever asked is gone; what has been begun is done
    drop(follower);
    let _ = in_time(request).await;
    disk.set(|state| state.holds_syncs = false);
    disk.wait(|state| !state.is_open);
    assert!(disk.image(NODE).pending.contains_key(&1));
}

#[tokio::test]
async fn the_disk_is_not_given_free_before_a_checkpoint_has_let_go() {
    for fails in [false, true] {
        let disk = Disk::new();
        let follower = follower(&disk).await;
        disk.set(|state| {
            state.holds_finish = true;
            state.wants_checkpoint = true;
        });
        disk.wait(|state| state.is_finishing);
        if fails {
            disk.set(|state| state.fails_append = true);
            assert_eq!(in_time(follower.request(append(&[1], 0))).await, Err(Stopped));
        }
        let closing = tokio::task::spawn_blocking(move || follower.close());
        settle().await;
        assert!(!closing.is_finished() && disk.lock().is_open);
        disk.set(|state| state.holds_finish = false);
        assert_eq!(in_time(closing).await.unwrap().is_err(), fails);
        assert!(!disk.lock().is_open);
    }
}
