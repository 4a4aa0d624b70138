//! `/status` and `/readyz`: what an operator looks at.

use std::time::Duration;

use hyper::{Response, StatusCode};
use kv_core::{Epoch, Version, counted};
use kv_replication::engine::{FollowerStatus, LeaderStatus};
use kv_replication::{LinkState, LinkStatus, Phase};
use serde::Serialize;

use super::service::{Answer, Service};
use crate::config::ServerConfig;
use crate::json::{JSON, to_json};
use crate::node::Node;
use crate::query::Query;
use crate::reply::{ReplyBody, respond};

/// What `/livez` and `/readyz` answer in.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

#[derive(Serialize)]
struct LeaderView {
    role: &'static str,
    node_id: String,
    cluster_id: String,
    epoch: Option<EpochView>,
    phase: &'static str,
    problem: Option<String>,
    versions: Versions,
    /// It keeps on a disk what it must not forget.
    durable: bool,
    /// It takes no writes until there is space again.
    disk_full: bool,
    keys: usize,
    log: LogView,
    followers_total: usize,
    write_quorum: usize,
    uptime_s: f64,
    followers: Vec<LinkView>,
}

#[derive(Serialize)]
struct FollowerView {
    role: &'static str,
    node_id: String,
    cluster_id: Option<String>,
    epoch: Option<EpochView>,
    /// It has kept its memory, or has got back what it lost.
    counts: bool,
    diverged_at: Option<Version>,
    /// It keeps on a disk what it must not forget.
    durable: bool,
    /// It takes nothing new until there is space again.
    disk_full: bool,
    versions: Versions,
    leader_committed: Version,
    lag_versions: Version,
    last_heard_ms: Option<u64>,
    /// As in the header `KV-Lag-Ms`.
    lag_ms: Option<u64>,
    keys: usize,
    uptime_s: f64,
}

#[derive(Serialize)]
struct Versions {
    #[serde(skip_serializing_if = "Option::is_none")]
    assigned: Option<Version>,
    committed: Version,
    watermark: Version,
}

/// What the leader keeps for followers that lack it.
#[derive(Serialize)]
struct LogView {
    entries: usize,
    bytes: usize,
}

/// Counters fit a JSON number; node ids do not.
#[derive(Serialize)]
struct EpochView {
    counter: u64,
    node: String,
}

#[derive(Serialize)]
struct LinkView {
    url: String,
    node_id: Option<String>,
    state: &'static str,
    counts: bool,
    watermark: Version,
    lag_versions: Version,
    lag_s: f64,
    in_flight: usize,
    failures: u32,
    last_error: Option<String>,
}

pub(super) fn status(node: &Node) -> Answer {
    let json = node.engine().by_role(
        |leader| to_json(&leader_view(leader.status())),
        |follower| to_json(&follower_view(&follower.status())),
    );
    Ok(respond(JSON, json?))
}

/// 200 if the node can do its work, else 503; `verbose` says why, one condition a line.
///
/// With `sync` it first waits, at most `timeout_ms`, until the node is level: a leader has committed
/// everything that had a version when it was asked; a follower has heard its leader since, and has all
/// that the leader had committed then.
pub(super) async fn ready(service: &Service, query: &Query) -> Response<ReplyBody> {
    let level = if query.sync { Some(until_level(service, query).await) } else { None };
    let mut conditions = service.node.engine().by_role(
        |leader| leader_conditions(&leader.status()),
        |follower| follower_conditions(&follower.status(), &service.config),
    );
    if let Some(level) = level {
        conditions.push(("sync", (!level).then(|| "not level in time".to_owned())));
    }
    let ready = conditions.iter().all(|(_, problem)| problem.is_none());
    let mut text = String::new();
    for (name, problem) in conditions.iter().filter(|_| query.verbose) {
        text += &match problem {
            None => format!("[+]{name} ok\n"),
            Some(problem) => format!("[-]{name}: {problem}\n"),
        };
    }
    text += if ready { "ready\n" } else { "not ready\n" };
    let mut response = respond(TEXT, text);
    if !ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

async fn until_level(service: &Service, query: &Query) -> bool {
    service.node.engine().until_level(query.timeout.unwrap_or(service.config.read_timeout)).await
}

type Condition = (&'static str, Option<String>);

fn leader_conditions(status: &LeaderStatus) -> Vec<Condition> {
    let up = |link: &&LinkStatus| link.counts && link.state == LinkState::Streaming;
    let (up, needed) = (status.links.iter().filter(up).count(), status.write_quorum);
    let quorum = (up < needed).then(|| {
        let needed = counted(needed, "follower that a write needs is", "followers that a write needs are");
        format!("{up} of the {needed} up")
    });
    let disk = status.disk_full.then(|| "full: no writes until there is space again".to_owned());
    vec![("recovered", status.obstacle()), ("quorum", quorum), ("disk", disk)]
}

fn follower_conditions(status: &FollowerStatus, config: &ServerConfig) -> Vec<Condition> {
    let heard = match status.last_heard {
        Some(ago) if ago <= config.ready_heard_max => None,
        Some(ago) => Some(format!("the leader was last heard {} s ago", ago.as_secs())),
        None => Some("no leader has been heard yet".to_owned()),
    };
    let standing = &status.standing;
    let counts =
        (!standing.held.counts).then(|| "it has lost its memory, and is being filled again".to_owned());
    let trusted =
        standing.diverged.map(|version| format!("other content at version {version}; it needs a snapshot"));
    let disk = standing.held.disk_full.then(|| "full: nothing new until there is space again".to_owned());
    let (lag, lag_max) = (lag(status), config.ready_lag_versions_max);
    let level = (lag > lag_max).then(|| {
        format!(
            "{} behind, at most {lag_max} are allowed",
            counted(usize::try_from(lag).unwrap_or(usize::MAX), "version", "versions")
        )
    });
    vec![("leader", heard), ("memory", counts), ("content", trusted), ("disk", disk), ("lag", level)]
}

fn leader_view(status: LeaderStatus) -> LeaderView {
    let mark = status.mark;
    LeaderView {
        role: "leader",
        node_id: status.node.to_string(),
        cluster_id: status.cluster.to_string(),
        epoch: epoch(status.epoch),
        phase: match status.phase {
            Phase::Asking => "asking",
            Phase::Claiming => "claiming",
            Phase::Pulling => "pulling",
            Phase::Recovering => "recovering",
            Phase::Changing => "changing",
            Phase::Serving => "serving",
            Phase::Deposed { .. } => "deposed",
        },
        problem: status.obstacle(),
        versions: Versions { assigned: Some(status.assigned), committed: mark, watermark: status.assigned },
        durable: status.durable,
        disk_full: status.disk_full,
        keys: status.keys,
        log: LogView { entries: status.log_entries, bytes: status.log_bytes },
        followers_total: status.followers,
        write_quorum: status.write_quorum,
        uptime_s: status.uptime.as_secs_f64(),
        followers: status.links.into_iter().map(|link| link_view(link, mark)).collect(),
    }
}

fn link_view(link: LinkStatus, mark: Version) -> LinkView {
    LinkView {
        url: link.name,
        node_id: link.identity.map(|identity| identity.node.to_string()),
        state: match link.state {
            LinkState::Down { .. } => "down",
            LinkState::Probing => "probing",
            LinkState::Waiting => "waiting",
            LinkState::Claiming => "claiming",
            LinkState::Installing => "installing",
            LinkState::Full => "full",
            LinkState::Streaming => "streaming",
        },
        counts: link.counts,
        watermark: link.watermark,
        lag_versions: mark.saturating_sub(link.watermark),
        lag_s: link.lag.as_secs_f64(),
        in_flight: link.in_flight,
        failures: link.failures,
        last_error: link.last_error.map(|error| error.to_string()),
    }
}

fn follower_view(status: &FollowerStatus) -> FollowerView {
    let standing = &status.standing;
    FollowerView {
        role: "follower",
        node_id: standing.held.identity.node.to_string(),
        cluster_id: standing.cluster.map(|cluster| cluster.to_string()),
        epoch: epoch(standing.held.promised),
        counts: standing.held.counts,
        diverged_at: standing.diverged,
        durable: status.durable,
        disk_full: standing.held.disk_full,
        versions: Versions { assigned: None, committed: standing.held.mark, watermark: status.watermark },
        leader_committed: status.leader_mark,
        lag_versions: lag(status),
        last_heard_ms: status.last_heard.map(whole_millis),
        lag_ms: status.lag.map(whole_millis),
        keys: status.keys,
        uptime_s: status.uptime.as_secs_f64(),
    }
}

fn lag(status: &FollowerStatus) -> Version {
    status.leader_mark.saturating_sub(status.watermark)
}

fn epoch(epoch: Epoch) -> Option<EpochView> {
    (epoch.counter > 0).then(|| EpochView { counter: epoch.counter, node: epoch.node.to_string() })
}

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
