//! A start: how a node that is to lead comes to hold every acknowledged write.
//!
//! 1. **Discovering.** [`plan`](plan::plan) reads a [`View`](view::View) of what the followers have answered and
//!    says which [`RecoveryPath`](plan::RecoveryPath) is open, or what the start waits for.
//! 2. **Preparing.** The leader takes a new epoch and asks for [`Promises`](promises::Promises). Two rounds make
//!    sure that all of them hold at one moment.
//! 3. **Fetching**, unless its own log has everything: [`Fetch`](fetch::Fetch) reads the state and what is pending.
//! 4. **Recommitting.** [`build`] writes everything again under the new epoch, until the followers hold it.
//! 5. **Reconfiguring**, if W or the list of followers is new: they adopt it (see [`group`](crate::Group)).
//!
//! [`Leadership`](leadership::Leadership) knows where the start is, and keeps what is valid only there in the
//! state itself. It begins again whenever one of those whose promises it rests on has gone.

pub(super) mod build;
pub(super) mod fetch;
pub(super) mod leadership;
pub(super) mod plan;
pub(super) mod promises;
pub(super) mod view;
