//! The memory of six processes, idle and filled.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use hyper::{Method, StatusCode};
use kv_http::{Address, Connection};

use crate::args::Footprint;
use crate::nodes::Nodes;

const FOLLOWERS: usize = 5;
const QUORUM: usize = 3;
const CONNECTIONS: usize = 64;

/// Measures and gives a few lines.
pub async fn command(args: &Footprint) -> Result<String, Box<dyn Error>> {
    let nodes = Nodes::start(args.node.as_deref(), FOLLOWERS, QUORUM).await?;
    let idle = describe(&nodes);
    fill(&nodes.leader, args.keys, args.value_bytes).await?;
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

/// Writes every key once: `key-00000000` and on.
pub async fn fill(leader: &Address, keys: u64, value_bytes: usize) -> Result<(), Box<dyn Error>> {
    let next = Arc::new(AtomicU64::new(0));
    let body = Bytes::from(format!(r#"{{"value":"{}"}}"#, "v".repeat(value_bytes)));
    let mut running = Vec::new();
    for _ in 0..CONNECTIONS {
        let connection = Connection::open(leader).await?;
        running.push(tokio::spawn(fill_some(connection, Arc::clone(&next), keys, body.clone())));
    }
    for worker in running {
        worker.await??;
    }
    Ok(())
}

async fn fill_some(
    mut connection: Connection,
    next: Arc<AtomicU64>,
    keys: u64,
    body: Bytes,
) -> Result<(), String> {
    loop {
        let key = next.fetch_add(1, Ordering::Relaxed);
        if key >= keys {
            return Ok(());
        }
        let path = format!("/kv/key-{key:08}");
        let json = Some(("application/json", body.clone()));
        let answer = connection.send(Method::PUT, &path, json).await.map_err(|error| error.to_string())?;
        if answer.status != StatusCode::OK {
            return Err(format!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body)));
        }
    }
}
