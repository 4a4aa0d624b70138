//! The memory of six processes, idle and filled.

use std::error::Error;

use crate::args::Footprint;
use crate::fill::fill;
use crate::nodes::Nodes;

const FOLLOWERS: usize = 5;
const QUORUM: usize = 3;

/// Measures and gives a few lines.
pub async fn command(args: &Footprint) -> Result<String, Box<dyn Error>> {
    let nodes = Nodes::start(args.node.as_deref(), FOLLOWERS, QUORUM).await?;
    let idle = describe(&nodes);
    fill(nodes.leader.clone(), args.keys, args.keys, args.value_bytes).await?;
    let filled = describe(&nodes);
    Ok(format!("idle:   {idle}\nfilled: {filled}, with {} keys of {} bytes\n", args.keys, args.value_bytes))
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
