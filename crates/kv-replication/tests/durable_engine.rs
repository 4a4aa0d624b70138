//! Durable nodes on a disk that a test holds up, fills, or breaks.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::future::Future;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use kv_core::{Command, Entry, Epoch, Key, NodeId, Store, Version};
use kv_replication::engine::{FollowerHandle, LeaderHandle, Stopped};
use kv_replication::{
    Answer, Append, Checkpoint, CheckpointHead, Claim, ClusterId, FollowerConfig, Group, Head, Identity,
    Image, LeaderConfig, MemoryTransport, Quorum, Record, Refusal, Reply, Request, Stage, Storage,
    StorageError, WriteError,
};

const NODE: NodeId = NodeId(1);
const LEADER: NodeId = NodeId(9);
const CLUSTER: ClusterId = ClusterId(7);
const EPOCH: Epoch = Epoch { counter: 2, node: LEADER };
/// Far beyond what anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// A disk that outlives its storage. Clones share it.
#[derive(Clone)]
struct Disk(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    records: Vec<Record>,
    synced: usize,
    syncs: usize,
    /// A sync, or the end of a checkpoint, is under way.
    is_syncing: bool,
    is_finishing: bool,
    is_open: bool,
    looks: usize,
    // What the test wants.
    holds_syncs: bool,
    /// From the next begin of a checkpoint on.
    holds_syncs_then: bool,
    holds_finish: bool,
    fails_append: bool,
    fails_sync: bool,
    fails_finish: bool,
    panics: bool,
    is_low: bool,
    wants_checkpoint: bool,
    /// What the last checkpoint says, and how many records it stands for.
    checkpoint: Option<(Image, usize)>,
    ended: usize,
}

struct OnDisk(Disk);

struct NewCheckpoint {
    disk: Disk,
    head: CheckpointHead,
    store: Store,
    covers: usize,
}

impl Disk {
    fn new() -> Self {
        Self(Arc::default())
    }

    fn storage(&self) -> Box<dyn Storage> {
        self.lock().is_open = true;
        Box::new(OnDisk(self.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.0.1.notify_all();
    }

    /// Waits until the disk has come so far.
    fn wait(&self, until: impl Fn(&State) -> bool) {
        let waited = self.0.1.wait_timeout_while(self.lock(), PATIENCE, |state| !until(state)).unwrap();
        assert!(!waited.1.timed_out(), "the disk never came so far");
    }

    /// What a node finds that starts now, after a loss of power.
    fn image(&self, node: NodeId) -> Image {
        let state = self.lock();
        let (mut image, covers) = state.checkpoint.clone().unwrap_or((Image::new(node), 0));
        state.records[covers..state.synced.max(covers)].iter().for_each(|record| image.apply(record.clone()));
        image
    }
}

fn broken(what: &str) -> StorageError {
    StorageError { what: what.to_owned(), source: "broken".into() }
}

impl Storage for OnDisk {
    fn append(&mut self, records: Vec<Record>) -> Result<(), StorageError> {
        let mut state = self.0.lock();
        if state.fails_append {
            return Err(broken("append"));
        }
        assert!(!state.panics, "as the test wants");
        state.records.extend(records);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        let all = self.0.lock().records.len();
        self.0.set(|state| state.is_syncing = true);
        let mut state = self.0.0.1.wait_while(self.0.lock(), |state| state.holds_syncs).unwrap();
        state.is_syncing = false;
        if state.fails_sync {
            return Err(broken("sync"));
        }
        state.syncs += 1;
        state.synced = all;
        drop(state);
        self.0.0.1.notify_all();
        Ok(())
    }

    fn wants_checkpoint(&self) -> bool {
        self.0.lock().wants_checkpoint
    }

    fn begin_checkpoint(&mut self, head: CheckpointHead) -> Result<Box<dyn Checkpoint>, StorageError> {
        let mut state = self.0.lock();
        state.wants_checkpoint = false;
        state.holds_syncs |= state.holds_syncs_then;
        let covers = state.records.len();
        Ok(Box::new(NewCheckpoint { disk: self.0.clone(), head, store: Store::new(), covers }))
    }

    fn end_checkpoint(&mut self) -> Result<(), StorageError> {
        self.0.set(|state| state.ended += 1);
        Ok(())
    }

    fn is_low(&mut self) -> Result<bool, StorageError> {
        let is_low = self.0.lock().is_low;
        self.0.set(|state| state.looks += 1);
        Ok(is_low)
    }
}

impl Drop for OnDisk {
    fn drop(&mut self) {
        self.0.set(|state| state.is_open = false);
    }
}

impl Checkpoint for NewCheckpoint {
    fn add(&mut self, entries: &[Entry]) -> Result<(), StorageError> {
        entries.iter().for_each(|entry| _ = self.store.apply(entry));
        Ok(())
    }

    fn finish(self: Box<Self>, through: Version) -> Result<(), StorageError> {
        let Self { disk, head, store, covers } = *self;
        disk.set(|state| state.is_finishing = true);
        let mut state = disk.0.1.wait_while(disk.lock(), |state| state.holds_finish).unwrap();
        state.is_finishing = false;
        assert!(state.is_open, "a checkpoint never outlives its storage");
        if state.fails_finish {
            return Err(broken("finish"));
        }
        let mut image = Image::new(head.meta.identity.node);
        image.meta = head.meta;
        image.replace(head.mark, through.max(head.whole_from), store);
        image.apply(Record::Entries(head.pending));
        state.checkpoint = Some((image, covers));
        Ok(())
    }
}

fn put(version: Version) -> Entry {
    let key = format!("key{version}");
    Command::put(Key::parse(&key).unwrap(), b"value").unwrap().into_entry(EPOCH, version)
}

fn head() -> Head {
    Head { to: Identity { node: NODE, resets: 0 }, cluster: CLUSTER, epoch: EPOCH }
}

fn append(versions: &[Version], mark: Version) -> Request {
    let entries = versions.iter().map(|version| put(*version)).collect();
    Request::Append(Append { head: head(), stage: Stage::Serving, counted: true, mark, entries })
}

/// A follower that has promised the epoch.
async fn follower(disk: &Disk) -> FollowerHandle {
    let storage = disk.storage();
    let follower = FollowerHandle::restart(disk.image(NODE), FollowerConfig::default(), storage).unwrap();
    let groups = Arc::new(vec![Group { since: EPOCH, write: 1, followers: vec!["one".to_owned()] }]);
    let claim = Request::Claim(Claim { head: head(), renames: None, groups });
    assert!(matches!(in_time(follower.request(claim)).await, Ok(Ok(Answer::Standing(_)))));
    follower
}

async fn in_time<R>(future: impl Future<Output = R>) -> R {
    tokio::time::timeout(PATIENCE, future).await.expect("an end in time")
}

/// A request that is under way.
fn begin(follower: &FollowerHandle, request: Request) -> tokio::task::JoinHandle<Result<Reply, Stopped>> {
    let follower = follower.clone();
    tokio::spawn(async move { follower.request(request).await })
}

/// Everything that could go on has gone on.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

fn is_held(reply: &Result<Reply, Stopped>) -> bool {
    matches!(reply, Ok(Ok(Answer::Held(_))))
}

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

#[tokio::test]
async fn a_low_disk_takes_no_more_until_there_is_space() {
    let disk = Disk::new();
    let follower = follower(&disk).await;
    let look = |is_low: bool| {
        let looks = disk.lock().looks;
        disk.set(|state| state.is_low = is_low);
        disk.wait(|state| state.looks > looks + 1);
    };
    assert!(is_held(&in_time(follower.request(append(&[1], 0))).await));
    look(true);
    assert_eq!(in_time(follower.request(append(&[2], 0))).await, Ok(Err(Refusal::DiskFull)));
    assert!(is_held(&in_time(follower.request(append(&[], 1))).await), "what is held may be committed");
    look(false);
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

/// A leader that serves, with one follower that keeps nothing.
async fn leader(disk: &Disk) -> LeaderHandle {
    let transport = MemoryTransport::new(vec![FollowerHandle::new(NodeId(2), FollowerConfig::default())]);
    let config = LeaderConfig::new(Quorum::new(1, 1).unwrap());
    let storage = disk.storage();
    let leader = LeaderHandle::restart(disk.image(LEADER), CLUSTER, config, transport, storage).unwrap();
    in_time(write(&leader, "first", PATIENCE)).await.unwrap();
    leader
}

async fn write(leader: &LeaderHandle, key: &str, timeout: Duration) -> Result<Version, WriteError> {
    let command = Command::put(Key::parse(key).unwrap(), b"value").unwrap();
    leader.write(command, timeout).await.map(|committed| committed.entry.version())
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

#[tokio::test]
async fn a_leader_on_a_low_disk_takes_no_writes_until_there_is_space() {
    let disk = Disk::new();
    let leader = leader(&disk).await;
    let look = |is_low: bool| {
        let looks = disk.lock().looks;
        disk.set(|state| state.is_low = is_low);
        disk.wait(|state| state.looks > looks + 1);
    };
    look(true);
    assert!(matches!(in_time(write(&leader, "k", PATIENCE)).await, Err(WriteError::DiskFull)));
    assert!(leader.get("first").is_some(), "it goes on reading");
    look(false);
    in_time(write(&leader, "k", PATIENCE)).await.unwrap();
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
