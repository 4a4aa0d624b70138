//! Those who wait until a node has got somewhere.
//!
//! A node looks whether anybody waits whenever it has moved on; nobody polls. As long as nobody waits,
//! that look is all it costs.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::oneshot;

use super::lock::lock;

/// The most callers that may wait at one node at once. Below the connections that a server takes by
/// default, so that those who wait never take all of them.
pub const WAITERS_MAX: usize = 512;

/// A node that moves on, behind the lock of its handles.
pub(super) trait Progress {
    /// What can be waited for.
    type Goal;

    fn waits(&mut self) -> &mut Waits<Self::Goal>;
    fn has_reached(&self, goal: &Self::Goal) -> bool;
}

/// What a look at a node gives.
pub(super) enum Look<R, G> {
    Done(R),
    /// Look again when this is reached.
    Wait(G),
}

/// Why a wait has ended without its goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitError {
    TimedOut,
    /// [`WAITERS_MAX`] others wait already.
    TooMany,
}

#[derive(Debug)]
pub(super) struct Waits<G> {
    waiting: BTreeMap<u64, (G, oneshot::Sender<()>)>,
    next: u64,
}

impl<G> Default for Waits<G> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), next: 0 }
    }
}

impl<G> Waits<G> {
    fn join(&mut self, goal: G) -> Result<(u64, oneshot::Receiver<()>), WaitError> {
        if self.waiting.len() >= WAITERS_MAX {
            return Err(WaitError::TooMany);
        }
        let (release, released) = oneshot::channel();
        let id = self.next;
        self.next += 1;
        self.waiting.insert(id, (goal, release));
        Ok((id, released))
    }
}

/// Wakes those whose goal is reached; to be called whenever the node may have moved on.
pub(super) fn release<C: Progress>(core: &mut C) {
    if core.waits().waiting.is_empty() {
        return;
    }
    let mut waiting = std::mem::take(&mut core.waits().waiting);
    let reached = |_: &u64, (goal, _): &mut (C::Goal, oneshot::Sender<()>)| core.has_reached(goal);
    for (_, (_, waiter)) in waiting.extract_if(.., reached) {
        let _ = waiter.send(()); // whoever gives up just now needs no wake-up
    }
    core.waits().waiting = waiting;
}

/// Looks until the look gives something, at most for `timeout`. A first look that gives something
/// costs no timer. Whoever drops the future gives up the place in the queue.
pub(super) async fn until<C: Progress, R>(
    core: &Mutex<C>,
    timeout: Duration,
    mut look: impl FnMut(&C) -> Look<R, C::Goal>,
) -> Result<R, WaitError> {
    if let Look::Done(done) = look(&lock(core)) {
        return Ok(done);
    }
    let looking = async {
        loop {
            let (id, released) = {
                let mut core = lock(core);
                match look(&core) {
                    Look::Done(done) => return Ok(done),
                    Look::Wait(goal) => core.waits().join(goal)?,
                }
            };
            let _place = Place { core, id };
            let _ = released.await; // an end without a word is a reason to look again, too
        }
    };
    tokio::time::timeout(timeout, looking).await.unwrap_or(Err(WaitError::TimedOut))
}

/// A place in the queue, given up when it is dropped.
struct Place<'a, C: Progress> {
    core: &'a Mutex<C>,
    id: u64,
}

impl<C: Progress> Drop for Place<'_, C> {
    fn drop(&mut self) {
        lock(self.core).waits().waiting.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Counter {
        count: u64,
        waits: Waits<u64>,
    }

    impl Progress for Counter {
        type Goal = u64;

        fn waits(&mut self) -> &mut Waits<u64> {
            &mut self.waits
        }

        fn has_reached(&self, goal: &u64) -> bool {
            self.count >= *goal
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    fn reach(goal: u64) -> impl Fn(&Counter) -> Look<u64, u64> {
        move |core| if core.count >= goal { Look::Done(goal) } else { Look::Wait(goal) }
    }

    async fn waiting(core: &Mutex<Counter>, count: usize) {
        while lock(core).waits.waiting.len() != count {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn those_who_have_what_they_want_are_woken_and_nobody_else() {
        let core = Mutex::new(Counter::default());
        let moves = async {
            waiting(&core, 2).await;
            lock(&core).count = 3;
            release(&mut *lock(&core));
            assert_eq!(lock(&core).waits.waiting.len(), 1, "the other waits on");
            lock(&core).count = 5;
            release(&mut *lock(&core));
        };
        let (three, five, ()) =
            tokio::join!(until(&core, LONG, reach(3)), until(&core, LONG, reach(5)), moves);
        assert_eq!((three, five), (Ok(3), Ok(5)));
        assert!(lock(&core).waits.waiting.is_empty());
    }

    #[tokio::test]
    async fn a_wait_that_ends_early_leaves_no_place_behind() {
        let core = Mutex::new(Counter::default());
        let short = Duration::from_millis(5);
        assert_eq!(until(&core, short, reach(1)).await, Err(WaitError::TimedOut));
        tokio::select! {
            _ = until(&core, LONG, reach(1)) => panic!("nothing was reached"),
            () = waiting(&core, 1) => {}
        }
        assert!(lock(&core).waits.waiting.is_empty());
    }

    #[tokio::test]
    async fn past_the_limit_nobody_waits() {
        let core = Mutex::new(Counter::default());
        let places: Vec<_> = (0..WAITERS_MAX).map(|_| lock(&core).waits.join(1).unwrap()).collect();
        assert_eq!(until(&core, LONG, reach(1)).await, Err(WaitError::TooMany));
        assert_eq!(until(&core, LONG, reach(0)).await, Ok(0), "who need not wait is not refused");
        lock(&core).waits.waiting.remove(&places[0].0);
        let short = Duration::from_millis(5);
        assert_eq!(until(&core, short, reach(1)).await, Err(WaitError::TimedOut));
    }
}
