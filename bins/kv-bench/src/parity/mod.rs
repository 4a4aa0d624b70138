//! Are all replicas equal?
//!
//! A leader of ours is asked ([`ask()`]): it compares digests at one commit mark, and names the keys that
//! differ. Somebody else's cluster is compared from outside, by what its nodes dump ([`dumps`]).

mod ask;
mod dumps;

use crate::Report;
use crate::args::Parity;

pub use ask::ask;
pub use dumps::wait;

/// The exit code for "could not compare"; 2 is that of wrong flags.
const UNKNOWN_CODE: u8 = 3;

/// What a comparison came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All are equal.
    Equal,
    /// Two of them are known to differ.
    Different,
    /// Neither is known.
    Unknown,
}

impl Verdict {
    /// None if nothing is known.
    pub fn equal(self) -> Option<bool> {
        match self {
            Self::Equal => Some(true),
            Self::Different => Some(false),
            Self::Unknown => None,
        }
    }
}

/// The `parity` command: asks, and gives a table.
pub async fn command(args: &Parity) -> Report {
    let found = ask(&args.url, args.timeout).await;
    let (problem, code) = match found.verdict {
        Verdict::Equal => (None, 0),
        Verdict::Different => (Some("the nodes are not equal".to_owned()), 1),
        Verdict::Unknown => (Some(found.why.unwrap_or_else(|| "no reason given".to_owned())), UNKNOWN_CODE),
    };
    Report { text: found.table, problem, code }
}
