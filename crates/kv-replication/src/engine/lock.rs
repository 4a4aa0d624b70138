//! The lock around a machine.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A machine is never left half changed: no method of it panics on purpose, so a poisoned lock
/// still guards a machine that keeps its rules.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
