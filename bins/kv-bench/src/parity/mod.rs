//! Are all replicas equal?
//!
//! A leader of ours is asked ([`ask()`]): it compares digests at one commit mark, and names the keys that
//! differ. Somebody else's cluster is compared from outside, by what its nodes dump ([`dumps`]).

mod ask;
mod dumps;
mod verdict;

use std::time::Duration;

use kv_http::Address;

use self::verdict::Verdict;
use crate::output::Report;
use crate::seconds::seconds;

pub use ask::ask;
pub use dumps::wait;

/// The exit code for "could not compare"; 2 is that of wrong flags.
const UNKNOWN_CODE: u8 = 3;

/// The flags of `parity`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The leader, `http://host:port`.
    #[arg(long)]
    pub url: Address,
    /// How long it may take, in seconds.
    #[arg(long, default_value = "10", value_parser = seconds)]
    pub timeout: Duration,
}

/// The `parity` command: asks, and gives a table.
pub async fn run(args: Args) -> Report {
    let found = ask(&args.url, args.timeout).await;
    let problem = match found.verdict {
        Verdict::Equal => None,
        Verdict::Different => Some(("the nodes are not equal".to_owned(), 1)),
        Verdict::Unknown => Some((found.why.unwrap_or_else(|| "no reason given".to_owned()), UNKNOWN_CODE)),
    };
    Report { text: found.table, problem }
}
