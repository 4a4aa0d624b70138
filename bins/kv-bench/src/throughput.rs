//! Writes per second of six processes, beside a bare echo server under the same generator.

use std::convert::Infallible;
use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use kv_http::Address;
use tokio::net::TcpListener;

use crate::args::{Echo, Throughput};
use crate::clock::now;
use crate::load::{self, Load, Operation};
use crate::nodes::{Nodes, Process};

const FOLLOWERS: usize = 5;
/// What an entry takes in a log, about.
const APPEND_BYTES: usize = 150;

/// Measures and gives a table.
pub async fn command(args: &Throughput) -> Result<String, Box<dyn Error>> {
    let node = args.node.as_deref();
    let nodes = match &args.durable {
        Some(disk) => Nodes::start_durable(node, FOLLOWERS, args.quorum, disk).await?,
        None => Nodes::start(node, FOLLOWERS, args.quorum).await?,
    };
    let echo = Process::start(&std::env::current_exe()?, &["echo"])?;
    let mut text = format!(
        "{:>11}  {:>10}  {:>10}  {:>6}  {:>8}  {:>8}  {:>6}{}\n",
        "Connections",
        "Writes/s",
        "Echo/s",
        "Ratio",
        "p50 ms",
        "p99 ms",
        "Errors",
        if args.durable.is_some() { "   Syncs/s" } else { "" }
    );
    for &connections in &args.connections {
        let mut stored = Vec::new();
        let mut echoed = Vec::new();
        let mut synced = Vec::new();
        for _ in 0..args.rounds.max(1) {
            if let Some(disk) = &args.durable {
                synced.push(syncs_per_s(disk, args.seconds)?);
            }
            echoed.push(run(args, &echo.address, Operation::Echo, connections).await?);
            stored.push(run(args, &nodes.leader, Operation::Put, connections).await?);
        }
        let writes = median(stored.iter().map(load::Outcome::throughput).collect());
        let floor = median(echoed.iter().map(load::Outcome::throughput).collect());
        let p50 = median(stored.iter().map(|outcome| outcome.quantile_ms(0.5)).collect());
        let p99 = median(stored.iter().map(|outcome| outcome.quantile_ms(0.99)).collect());
        let errors: u64 = stored.iter().chain(&echoed).map(|outcome| outcome.errors).sum();
        let ratio = writes / floor;
        let syncs = if synced.is_empty() { String::new() } else { format!("  {:>8.0}", median(synced)) };
        text += &format!(
            "{connections:>11}  {writes:>10.0}  {floor:>10.0}  {ratio:>6.2}  {p50:>8.3}  {p99:>8.3}  {errors:>6}{syncs}\n"
        );
    }
    text += &format!(
        "medians of {}; W = {} of 5, values of {} bytes, {}\n",
        args.rounds.max(1),
        args.quorum,
        args.value_bytes,
        if args.durable.is_some() { "six durable nodes on one disk" } else { "in memory" }
    );
    Ok(text)
}

/// How often this disk makes an append of one small entry durable, alone: the raw rate of one writer.
fn syncs_per_s(disk: &Path, duration: Duration) -> Result<f64, Box<dyn Error>> {
    let mut file = tempfile::tempfile_in(disk)?;
    let (start, mut syncs) = (now(), 0);
    while start.elapsed() < duration {
        file.write_all(&[0x5a; APPEND_BYTES])?;
        file.sync_data()?;
        syncs += 1;
    }
    Ok(f64::from(syncs) / start.elapsed().as_secs_f64())
}

async fn run(
    args: &Throughput,
    address: &Address,
    operation: Operation,
    connections: usize,
) -> Result<load::Outcome, Box<dyn Error>> {
    let load = Load {
        address: address.clone(),
        operation,
        connections,
        duration: args.seconds,
        keys: args.keys,
        value_bytes: args.value_bytes,
        seed: 1,
    };
    Ok(load::run(&load).await?)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Serves until it is killed; says where it listens as a node does.
pub async fn echo(args: &Echo) -> Result<String, Box<dyn Error>> {
    let listener = TcpListener::bind(args.listen).await?;
    announce(&format!("listening address={}", listener.local_addr()?));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let echo = service_fn(|request: Request<Incoming>| async {
                Ok::<_, Infallible>(Response::new(request.into_body()))
            });
            // A client that goes away is none of its business.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), echo).await;
        });
    }
}

#[expect(clippy::print_stderr, reason = "the line that the parent waits for")]
fn announce(line: &str) {
    eprintln!("{line}");
}
