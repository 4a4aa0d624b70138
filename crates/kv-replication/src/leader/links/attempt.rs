//! Requests that are under way.

use crate::leader::ids::AttemptId;
use crate::protocol::range_set::RangeSet;
use crate::protocol::time::Time;

/// One request that is under way.
#[derive(Clone, Debug)]
pub(in crate::leader) struct Attempt {
    pub(in crate::leader) id: AttemptId,
    pub(in crate::leader) deadline: Time,
    pub(in crate::leader) asked: Asked,
}

/// What a request was about.
#[derive(Clone, Debug)]
pub(in crate::leader) enum Asked {
    Probe,
    Prepare,
    /// The versions that it carries; none for a bare commit mark.
    Append(RangeSet),
    /// A chunk of a snapshot, and where the next one goes on.
    Install {
        after: Option<String>,
        last: bool,
    },
    /// A chunk of the committed state, or of what is pending.
    Pull {
        state: bool,
    },
}
