//! A node, put together.

use std::future::Future;
use std::io;

use kv_core::NodeId;
use kv_http::{Node, PeerTransport, ServerConfig, serve};
use kv_replication::engine::{FollowerHandle, LeaderHandle};
use kv_replication::{ClusterId, FollowerConfig, Image, LeaderConfig};
use kv_storage::{DiskConfig, DiskStorage, Opened};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;
use crate::random::draw;
use crate::settings::{DiskSettings, LeaderSettings, Role, Settings};

/// Runs until the process is told to stop.
pub fn run(settings: Settings) -> Result<(), Failure> {
    start_logging(&settings);
    let fresh = NodeId(draw()?);
    let opened = settings.disk.as_ref().map(|disk| open(disk, fresh)).transpose()?;
    let id = opened.as_ref().map_or(fresh, |opened| opened.image.meta.identity.node);
    let runtime = runtime(settings.runtime_threads)?;
    let done = runtime.block_on(async {
        let stop = stop_signal()?;
        let listener = TcpListener::bind((settings.host.as_str(), settings.port))
            .await
            .map_err(|error| Failure::listen(&settings.host, settings.port, error))?;
        let address = listener.local_addr()?;
        let config = ServerConfig { enable_reset: settings.enable_reset, ..ServerConfig::default() };
        let node = match settings.role {
            Role::Follower => Node::follower(follow(id, opened)?),
            Role::Leader(leader) => lead(id, opened, leader)?,
        };
        tracing::info!(%address, node = %id, version = env!("CARGO_PKG_VERSION"), "listening");
        tokio::select! {
            biased;
            // Nothing is acknowledged any more, and nobody knows what the disk has: the process ends at once.
            error = node.engine().disk_failed() => return Err(error.into()),
            () = serve(listener, node.clone(), config, stop) => {}
        }
        node.engine().close()?; // what is queued for the disk is written
        tracing::info!("stopped");
        Ok(())
    });
    // A name that is still being looked up must not keep the process.
    runtime.shutdown_background();
    done
}

/// Opens the data directory, before any port is bound.
fn open(settings: &DiskSettings, fresh: NodeId) -> Result<Opened, Failure> {
    let DiskSettings { directory, cluster, config } = settings;
    let config = DiskConfig { salt: draw()?, ..config.clone() };
    let opened = DiskStorage::open(directory, config, fresh)?;
    if let Some(wanted) = cluster {
        opened.storage.require_cluster(&opened.image, *wanted)?;
    }
    let Image { meta, mark, store, pending, .. } = &opened.image;
    if let Some(file) = &opened.torn {
        tracing::warn!(file = %file.display(), "a write was cut short here; none of it was ever acknowledged, and it is left out");
    }
    let cluster = meta.cluster.map(|cluster| cluster.to_string());
    tracing::info!(directory = %directory.display(), node = %meta.identity.node, cluster, mark, keys = store.len(), pending = pending.len(), "read what the disk knows");
    Ok(opened)
}

fn follow(id: NodeId, opened: Option<Opened>) -> Result<FollowerHandle, Failure> {
    let config = FollowerConfig::default();
    match opened {
        None => Ok(FollowerHandle::new(id, config)),
        Some(Opened { storage, image, .. }) => Ok(FollowerHandle::restart(image, config, Box::new(storage))?),
    }
}

fn lead(id: NodeId, opened: Option<Opened>, settings: LeaderSettings) -> Result<Node, Failure> {
    let LeaderSettings {
        followers,
        quorum,
        delays,
        seed,
        replication_timeout,
        write_timeout,
        new_history,
        accept_data_loss,
    } = settings;
    let mut config = LeaderConfig::new(quorum);
    config.delays = delays;
    config.seed = seed;
    config.new_history = new_history;
    config.accept_data_loss = accept_data_loss;
    config.followers = followers.iter().map(|address| format!("http://{}", address.authority())).collect();
    config.timing.replication_timeout = replication_timeout;
    tracing::info!(
        followers = quorum.followers(),
        write_quorum = quorum.write(),
        min_delay = ?delays.min(),
        max_delay = ?delays.max(),
        ?write_timeout,
        seed,
        "leading"
    );
    let cluster = ClusterId(draw()?);
    let transport = PeerTransport::new(followers.iter().cloned());
    let handle = match opened {
        None => LeaderHandle::spawn(id, cluster, config, transport),
        Some(Opened { storage, image, .. }) => {
            LeaderHandle::restart(image, cluster, config, transport, Box::new(storage))
        }
    };
    Ok(Node::leader(handle?, write_timeout, followers))
}

fn start_logging(settings: &Settings) {
    let logs = tracing_subscriber::fmt()
        .with_max_level(settings.log_level)
        .with_writer(io::stderr)
        .with_target(false);
    if settings.log_json {
        logs.json().init();
    } else {
        logs.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).init();
    }
}

/// One thread runs everything; more only if asked for, since they cost a small node more than they give.
fn runtime(threads: usize) -> io::Result<Runtime> {
    let mut builder = if threads == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    builder.enable_all().build()
}

/// Ready on SIGTERM and on SIGINT; both are caught from now on.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: no new writes, open ones finish");
    })
}
