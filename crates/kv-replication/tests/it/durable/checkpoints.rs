//! Checkpoints that are written while the node goes on.

use kv_replication::engine::FollowerHandle;
use kv_replication::{FollowerConfig, Record};

use super::disk::{Disk, PATIENCE};
use super::nodes::{LEADER, NODE, append, follower, in_time, is_held, leader, write};

#[tokio::test]
async fn a_checkpoint_beside_the_work_gives_the_same_node() {
    let disk = Disk::new();
    let follower = follower(&disk).await;
    let mut ended = 0;
    for round in 0..20 {
        let first = 1 + round * 200;
        disk.set(|state| state.wants_checkpoint = round % 3 == 0);
        for version in first..first + 200 {
            let request = append(&[version, version + 1, version + 3], version.saturating_sub(5));
            assert!(is_held(&in_time(follower.request(request)).await));
        }
        if round % 3 == 0 {
            ended += 1;
            disk.wait(|state| state.ended == ended);
        }
    }
    let before = follower.dump();
    let standing = follower.standing();
    follower.close().unwrap();
    assert!(disk.lock().checkpoint.as_ref().is_some_and(|(_, covers)| *covers > 1_000));
    let storage = disk.storage();
    let again = FollowerHandle::restart(disk.image(NODE), FollowerConfig::default(), storage).unwrap();
    assert_eq!((again.dump(), again.standing().held.ranges), (before, standing.held.ranges));
    assert_eq!(again.standing().held.mark, standing.held.mark);
}

#[tokio::test]
async fn a_leader_checkpoints_beside_its_writes() {
    let disk = Disk::new();
    let leader = leader(&disk).await;
    disk.set(|state| state.wants_checkpoint = true);
    for number in 0..300 {
        in_time(write(&leader, &format!("k{}", number % 50), PATIENCE)).await.unwrap();
    }
    disk.wait(|state| state.ended == 1);
    in_time(write(&leader, "last", PATIENCE)).await.unwrap();
    leader.close().unwrap();
    let mut image = disk.image(LEADER);
    let all = image.pending.keys().copied().max().unwrap_or(image.mark);
    image.apply(Record::Mark(all));
    assert_eq!(image.store.len(), 52);
    assert!(image.mark >= image.whole_from);
}
