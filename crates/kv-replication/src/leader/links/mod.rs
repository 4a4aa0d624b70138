//! The followers as the leader sees them.
//!
//! [`Links`](set::Links) has one [`Link`](link::Link) for each follower, and is indexed by
//! `FollowerIndex`. A link is made of parts, each with fields of its own:
//!
//! | part | what it knows |
//! | --- | --- |
//! | the state in `link` | down, probing, waiting, preparing, installing, full or streaming |
//! | [`Progress`](progress::Progress) | what the follower has acknowledged, and what is still to be sent |
//! | [`Voting`](voting::Voting) | whether its acknowledgements count, and its way back if it has lost its state |
//! | [`Health`](health::Health) | its last failure, and what the operator has been told |
//! | [`Attempt`](attempt::Attempt) | a request that is under way |
//!
//! The state changes in `link/transitions` alone. No link knows the leader or another link: it gets what it needs
//! of them, and of the log, as an argument.

pub(super) mod attempt;
pub(crate) mod error;
pub(super) mod health;
pub(super) mod link;
pub(super) mod progress;
pub(super) mod set;
pub(crate) mod status;
pub(super) mod voting;
