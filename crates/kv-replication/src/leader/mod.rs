//! The leader's machine.
//!
//! [`Leader`](machine::Leader) is made of parts. A part has private fields and does not know the leader. It gets
//! what it needs of other parts as an argument, and changes none of them:
//!
//! | room | main type | what it answers |
//! | --- | --- | --- |
//! | [`links`] | `Links`, `Link` | What has each follower acknowledged, and what does it get next? |
//! | [`replication`] | `Replication` | What is committed, and what is readable? |
//! | [`own_copy`] | `OwnCopy` | What is written to the leader's own disk, and how much of it is durable? |
//! | [`writes`] | `Writes`, `Admission` | Which writes wait, and may a new one have a version? |
//! | [`reads`] | `Reads` | Which linearizable reads wait for a confirmation? |
//! | [`start`] | `Leadership`, `plan` | Where is the leader in its life, and which path leads to every acknowledged write? |
//! | [`ballot`] | `Ballot` | Who has answered something that was sent since? |
//!
//! What goes in and comes out: [`input`], [`output`], [`problem`] (why there is no success), [`phase`], [`ids`].
//!
//! Ten files let the parts work together. Each is a chapter of the leader's life, and the only one that
//! handles its events:
//!
//! | file | chapter |
//! | --- | --- |
//! | [`machine`] | what the leader is made of; `handle`, `poll_output`, `poll_timeout` |
//! | `writing` | a write arrives, gets a version, and is answered if time runs out |
//! | `sending` | what goes to a follower next |
//! | `replies` | what a follower says: the way of an acknowledgement, step by step |
//! | `committing` | what acknowledgements, and the own disk, lead to: commits and answers |
//! | `catch_up` | a follower gets what it lacks, and becomes a voter again |
//! | `reading` | a linearizable read arrives, and is answered |
//! | `starting` | a start: a path is found, promises are counted, followers are read |
//! | `recommitting` | everything is written again under the new epoch, and the leader serves |
//! | `status` | getters for those who watch |
//!
//! # The way of a write
//!
//! `writing` asks `Admission` whether the write gets a version. If it does, the entry goes to `OwnCopy` and into
//! the log of `Replication`, and its version to every `Link`, which holds it back for the simulated delay.
//! `sending` takes what is due, as one batch for each follower. The answer comes to `replies`, which passes it
//! down: to the link, to `Replication`, which commits, to the write that is answered (both in `committing`), and to
//! the ballots.
//!
//! # Rules
//!
//! * A version is acknowledged by a voter only, under the leader's epoch only, and counts once.
//! * Nothing is committed before the leader's own copy is as durable as promised: `Replication::holds`.
//! * The state of a link changes in `links/link/transitions` only, that of a start by a method `become_…` of
//!   `Leadership` only.
//! * Outputs leave in the order in which the machine decided them. So one input has one trace.

pub(crate) mod ids;
pub(crate) mod input;
pub(crate) mod links;
pub(crate) mod machine;
pub(crate) mod output;
pub(crate) mod phase;
pub(crate) mod problem;

mod ballot;
mod catch_up;
mod committing;
mod own_copy;
mod reading;
mod reads;
mod recommitting;
mod replication;
mod replies;
mod sending;
mod start;
mod starting;
mod status;
mod writes;
mod writing;

#[cfg(test)]
mod tests;
