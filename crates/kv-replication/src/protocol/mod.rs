//! The words that leaders and followers share: messages, quorums, sets, time and simulated delay.

pub(crate) mod chunk;
pub(crate) mod delay;
pub(crate) mod follower_set;
pub(crate) mod group;
pub(crate) mod message;
pub(crate) mod quorum;
pub(crate) mod range_set;
pub(crate) mod time;
