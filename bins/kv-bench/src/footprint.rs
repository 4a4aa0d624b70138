//! The memory of six processes, idle and filled.

use std::error::Error;

use crate::bounds;
use crate::fill::fill;
use crate::nodes::{Binary, Nodes, QUORUM, quorum_of_five};
use crate::output::Report;

/// The flags of `footprint`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Keys to fill the store with.
    #[arg(long, default_value_t = 1_000_000, value_parser = bounds::keys)]
    pub keys: u64,
    /// The length of each value.
    #[arg(long, default_value_t = 64, value_parser = bounds::value_bytes)]
    pub value_bytes: usize,
    #[command(flatten)]
    pub binary: Binary,
}

/// Measures and gives a few lines.
pub async fn run(args: Args) -> Result<Report, Box<dyn Error>> {
    let nodes = Nodes::start(&args.binary, quorum_of_five(QUORUM)?).await?;
    let idle = describe(&nodes);
    fill(nodes.leader.clone(), args.keys, args.keys, args.value_bytes).await?;
    let filled = describe(&nodes);
    Ok(format!("idle:   {idle}\nfilled: {filled}, with {} keys of {} bytes\n", args.keys, args.value_bytes)
        .into())
}

fn describe(nodes: &Nodes) -> String {
    let Some(resident) = nodes.resident_kib() else {
        return "this system does not tell".to_owned();
    };
    let mb = |kib: u64| kib as f64 * 1024.0 / 1e6;
    let total: u64 = resident.iter().sum();
    let largest = resident.iter().max().copied().unwrap_or(0);
    format!("{:.1} MB in all, {:.1} MB in the largest", mb(total), mb(largest))
}
