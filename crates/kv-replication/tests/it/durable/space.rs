//! A disk with little space.

use kv_replication::{Refusal, WriteError};

use super::disk::{Disk, PATIENCE};
use super::nodes::{append, follower, in_time, is_held, leader, write};

#[tokio::test]
async fn a_low_disk_takes_no_more_until_there_is_space() {
    let disk = Disk::new();
    let follower = follower(&disk).await;
    assert!(is_held(&in_time(follower.request(append(&[1], 0))).await));
    disk.set_low(true);
    assert_eq!(in_time(follower.request(append(&[2], 0))).await, Ok(Err(Refusal::DiskFull)));
    assert!(is_held(&in_time(follower.request(append(&[], 1))).await), "what is held may be committed");
    disk.set_low(false);
    assert!(is_held(&in_time(follower.request(append(&[2], 1))).await));
}

#[tokio::test]
async fn a_busy_disk_is_asked_for_its_space_too() {
    let disk = Disk::new();
    let follower = follower(&disk).await;
    let before = disk.lock().looks;
    for version in 1..=20 {
        assert!(is_held(&in_time(follower.request(append(&[version], 0))).await));
    }
    disk.wait(|state| state.looks >= before + 20);
}

#[tokio::test]
async fn a_leader_on_a_low_disk_takes_no_writes_until_there_is_space() {
    let disk = Disk::new();
    let leader = leader(&disk).await;
    disk.set_low(true);
    assert!(matches!(in_time(write(&leader, "k", PATIENCE)).await, Err(WriteError::DiskFull)));
    assert!(leader.get("first").is_some(), "it goes on reading");
    disk.set_low(false);
    in_time(write(&leader, "k", PATIENCE)).await.unwrap();
}
