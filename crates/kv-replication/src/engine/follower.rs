//! A follower that is shared.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kv_core::{Entry, NodeId, Version};
use thiserror::Error;
use tokio::sync::oneshot;

use super::disk::{self, Disk, Part, Written};
use super::freshness::Freshness;
use super::waits::{self, Waits};
use super::{Clock, Read, lock};
use crate::config::FollowerConfig;
use crate::durable::image::Image;
use crate::durable::record::Durable;
use crate::durable::storage::{Storage, StorageError};
use crate::follower::{Adopted, Follower};
use crate::protocol::message::{Held, Reply, Request, Stage, Standing};
use crate::protocol::time::Time;

/// A [`Follower`] that several tasks can use. Clones share it.
#[derive(Clone, Debug)]
pub struct FollowerHandle {
    clock: Clock,
    core: Arc<Mutex<Core>>,
    /// None on a node that keeps nothing but memory.
    disk: Option<Arc<Owner>>,
}

/// The node has ended, or its disk has failed: nobody knows what became of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the node has stopped")]
pub struct Stopped;

/// Ends the thread of the disk with the last handle.
#[derive(Debug)]
struct Owner(Disk<Waiter>);

type Waiter = oneshot::Sender<()>;

/// What the thread of the disk knows of the node.
struct Behind {
    core: Arc<Mutex<Core>>,
    disk: Disk<Waiter>,
}

#[derive(Debug)]
pub(super) struct Core {
    pub(super) follower: Follower,
    /// When a leader that it has promised spoke to it last.
    heard: Option<Time>,
    pub(super) freshness: Freshness,
    waits: Waits<Goal>,
}

/// What can be waited for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goal {
    /// Everything up to this version is known to be committed.
    Mark(Version),
    /// As before, and the committed state is that of one moment.
    WholeMark(Version),
    /// It was level with its leader after this moment.
    LevelSince(Time),
}

/// A follower, for those who watch.
#[derive(Clone, Debug)]
pub struct FollowerStatus {
    /// What it would tell a leader.
    pub standing: Standing,
    /// What it holds without a gap from version 1.
    pub watermark: Version,
    /// The commit mark of its leader, as it was told last.
    pub leader_mark: Version,
    /// It keeps on a disk what it must not forget.
    pub durable: bool,
    /// Live keys among what it knows to be committed.
    pub keys: usize,
    /// Since its start.
    pub uptime: Duration,
    /// How long ago its leader spoke to it.
    pub last_heard: Option<Duration>,
    /// How old what it shows may be: see [`Position::lag`](super::Position::lag).
    pub lag: Option<Duration>,
}

impl FollowerHandle {
    /// A follower that has just started, without memory and without a disk. Draw `node` anew for every
    /// start.
    #[must_use]
    pub fn new(node: NodeId, mut config: FollowerConfig) -> Self {
        config.durable = false; // nothing here writes records down
        Self { clock: Clock::start(), core: Core::shared(Follower::new(node, config)), disk: None }
    }

    /// A follower with a disk, as the node that the disk knows. It answers nothing before the disk has
    /// what the answer promises; [`FollowerHandle::disk_failed`] tells when that can no longer be.
    ///
    /// # Errors
    /// If the system gives no thread for the disk.
    pub fn restart(image: Image, mut config: FollowerConfig, storage: Box<dyn Storage>) -> io::Result<Self> {
        config.durable = true;
        let core = Core::shared(Follower::restart(image, config));
        let disk = Disk::new();
        disk.start(storage, Arc::new(Behind { core: Arc::clone(&core), disk: disk.clone() }))?;
        Ok(Self { clock: Clock::start(), core, disk: Some(Arc::new(Owner(disk))) })
    }

    /// Answers a leader's request, as soon as what the answer promises is durable. What has been begun is
    /// done, also if nobody waits for the answer any more.
    ///
    /// # Errors
    /// [`Stopped`]; the reply may be a [`Refusal`](crate::Refusal), as [`Follower::handle`] gives it.
    pub async fn request(&self, request: Request) -> Result<Reply, Stopped> {
        let (is_from_leader, is_claim) = (request.head().is_some(), matches!(request, Request::Claim(_)));
        // Before it has recovered, a leader does not know yet how much was committed.
        let told = match &request {
            Request::Append(append) if append.stage == Stage::Serving => Some(append.mark),
            _ => None,
        };
        self.durably(|core| {
            let done = core.follower.handle(request);
            if is_from_leader && done.then.is_ok() {
                if is_claim {
                    core.freshness.new_leader();
                }
                core.hear(self.clock.now(), told);
            }
            done
        })
        .await
    }

    /// See [`Follower::adopt`].
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn adopt(&self, entry: &Entry) -> Result<Adopted, Stopped> {
        self.durably(|core| core.follower.adopt(entry)).await
    }

    /// See [`Follower::reset`].
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn reset(&self) -> Result<(), Stopped> {
        self.durably(|core| {
            core.freshness = Freshness::default();
            core.follower.reset()
        })
        .await
    }

    /// See [`Follower::set_disk_full`]. The thread of its disk does so, too.
    pub fn set_disk_full(&self, full: bool) {
        lock(&self.core).follower.set_disk_full(full);
    }

    /// Waits until its disk has failed: from then on nothing is acknowledged any more, and the process
    /// should end. A node without a disk waits for ever.
    pub async fn disk_failed(&self) -> Arc<StorageError> {
        match &self.disk {
            Some(owner) => owner.0.failed().await,
            None => std::future::pending().await,
        }
    }

    /// Writes down what is queued, and gives the disk free. To be called when nothing is asked any more;
    /// it blocks.
    ///
    /// # Errors
    /// [`StorageError`] if the disk has failed, now or before.
    pub fn close(&self) -> Result<(), Arc<StorageError>> {
        self.disk.as_ref().map_or(Ok(()), |owner| owner.0.finish())
    }

    /// Does something, and gives the result when the records are durable.
    async fn durably<R>(&self, act: impl FnOnce(&mut Core) -> Durable<R>) -> Result<R, Stopped> {
        let (then, released) = {
            let mut core = lock(&self.core);
            let Durable { records, then } = act(&mut core);
            let Some(owner) = &self.disk else { return Ok(then) };
            let (waiter, released) = oneshot::channel();
            match owner.0.write(records, waiter) {
                Written::Done(_) => return Ok(then),
                Written::Queued => (then, released),
                Written::Never => return Err(Stopped),
            }
        };
        released.await.map_err(|_| Stopped)?;
        Ok(then)
    }

    /// Everything that an operator wants to see, at one moment.
    #[must_use]
    pub fn status(&self) -> FollowerStatus {
        let now = self.clock.now();
        let core = lock(&self.core);
        FollowerStatus {
            standing: core.follower.standing(),
            watermark: core.follower.watermark(),
            leader_mark: core.follower.leader_mark(),
            durable: self.disk.is_some(),
            keys: core.follower.store().len(),
            uptime: now.since_origin(),
            last_heard: core.heard.map(|heard| now.since(heard)),
            lag: core.position(now).lag,
        }
    }

    /// See [`Follower::local`].
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Read> {
        lock(&self.core).follower.local(key).map(|item| Read(item.entry.clone()))
    }

    /// Everything that [`FollowerHandle::get`] would show, in key order, at one moment: nobody else can
    /// use the node meanwhile. [`FollowerHandle::page`] takes less at a time.
    #[must_use]
    pub fn dump(&self) -> Vec<Read> {
        lock(&self.core).follower.local_scan().map(|(_, item)| Read(item.entry.clone())).collect()
    }

    pub(super) fn core(&self) -> &Mutex<Core> {
        &self.core
    }

    pub(super) fn now(&self) -> Time {
        self.clock.now()
    }

    /// What it would answer to a probe.
    #[must_use]
    pub fn standing(&self) -> Standing {
        lock(&self.core).follower.standing()
    }

    /// What it holds.
    #[must_use]
    pub fn holds(&self) -> Held {
        lock(&self.core).follower.holds()
    }
}

impl Core {
    fn shared(follower: Follower) -> Arc<Mutex<Self>> {
        let (freshness, waits) = (Freshness::default(), Waits::default());
        Arc::new(Mutex::new(Self { follower, heard: None, freshness, waits }))
    }

    /// Its leader has spoken, and perhaps told its commit mark.
    fn hear(&mut self, now: Time, told: Option<Version>) {
        self.heard = Some(now);
        match told {
            Some(told) => self.freshness.hear(now, told, self.follower.mark()),
            None => self.freshness.catch_up(self.follower.mark()),
        }
        waits::release(self);
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl disk::Node for Behind {
    type Waiter = Waiter;

    fn release(&self, waiters: Vec<Waiter>) {
        for waiter in waiters {
            let _ = waiter.send(()); // nobody may be waiting any more
        }
    }

    fn want_checkpoint(&self) {
        let core = lock(&self.core);
        self.disk.begin_checkpoint(core.follower.checkpoint_head());
    }

    fn part(&self, after: Option<&str>) -> Part {
        let core = lock(&self.core);
        Part::of(core.follower.store(), after, core.follower.whole_from())
    }

    fn set_full(&self, full: bool) {
        if full {
            tracing::error!("the disk is full: nothing more is taken until there is space");
        } else {
            tracing::info!("the disk has space again");
        }
        lock(&self.core).follower.set_disk_full(full);
    }
}

impl waits::Core for Core {
    type Goal = Goal;

    fn waits(&mut self) -> &mut Waits<Goal> {
        &mut self.waits
    }

    fn has_reached(&self, goal: &Goal) -> bool {
        match goal {
            Goal::Mark(version) => self.follower.mark() >= *version,
            Goal::WholeMark(version) => self.follower.whole_mark().is_some_and(|mark| mark >= *version),
            Goal::LevelSince(since) => self.level_since(*since),
        }
    }
}
