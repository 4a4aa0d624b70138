//! A timer of microseconds.
//!
//! The runtime's own timers tick in whole milliseconds, which would add about one to every simulated
//! delay. So a thread sleeps on a condition variable until the next moment that matters.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use tokio::sync::Notify;

use super::clock::Clock;
use super::lock::lock;
use crate::protocol::time::Time;

/// Rings `wake` at the time it is set to. Ends its thread when it is dropped.
#[derive(Debug)]
pub(super) struct Alarm {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
enum State {
    Idle,
    Set(Time),
    Ended,
}

impl Alarm {
    pub(super) fn spawn(clock: Clock, wake: Arc<Notify>) -> io::Result<Self> {
        let shared = Arc::new(Shared { state: Mutex::new(State::Idle), changed: Condvar::new() });
        let sleeper = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("kv-alarm".to_owned())
            .spawn(move || sleep(&sleeper, clock, &wake))?;
        Ok(Self { shared })
    }

    /// Rings at `at` or before. An earlier time that is set already stays: one ring too many is harmless.
    pub(super) fn set(&self, at: Time) {
        let mut state = lock(&self.shared.state);
        if matches!(*state, State::Set(earlier) if earlier <= at) {
            return;
        }
        *state = State::Set(at);
        self.shared.changed.notify_one();
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        *lock(&self.shared.state) = State::Ended;
        self.shared.changed.notify_one();
    }
}

fn sleep(shared: &Shared, clock: Clock, wake: &Notify) {
    let mut state = lock(&shared.state);
    loop {
        state = match *state {
            State::Ended => return,
            State::Idle => shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            State::Set(at) => {
                let left = at.since(clock.now());
                if left.is_zero() {
                    *state = State::Idle;
                    wake.notify_one();
                    state
                } else {
                    shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            }
        };
    }
}
