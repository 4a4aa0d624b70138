//! What a leader alone needs to know.

use std::time::Duration;

use kv_http::Address;
use kv_replication::{DelayLaw, FOLLOWERS_MAX, InvalidDelays, InvalidQuorum, Quorum};

use super::error::SettingsError;
use super::given::{DURATION_MS_MAX, Given};
use super::host::is_same_host;
use super::setting::{
    ACCEPT_DATA_LOSS, ALLOW_ASYNC, FOLLOWER_URLS, MAX_DELAY_MS, MIN_DELAY_MS, NEW_HISTORY,
    REPLICATION_TIMEOUT_MS, WRITE_QUORUM, WRITE_TIMEOUT_MS,
};

#[derive(Clone, Debug)]
pub struct LeaderSettings {
    pub followers: Vec<Address>,
    pub quorum: Quorum,
    pub delays: DelayLaw,
    /// Of the delays, and of the jitter.
    pub seed: u64,
    pub replication_timeout: Duration,
    pub write_timeout: Duration,
    pub new_history: bool,
    pub accept_data_loss: bool,
}

impl LeaderSettings {
    /// Those of a leader that listens at `host` and `port`.
    pub(super) fn read(given: &Given, host: &str, port: u16, seed: u64) -> Result<Self, SettingsError> {
        let followers = followers(given.text(&FOLLOWER_URLS).unwrap_or_default(), host, port)?;
        let quorum = quorum(given, followers.len())?;
        let delays = delays(given, seed)?;
        let replication_timeout = given.duration(&REPLICATION_TIMEOUT_MS, 1)?;
        let enough_ms = (delays.max() + replication_timeout).as_millis();
        let enough_ms = enough_ms.try_into().unwrap_or(DURATION_MS_MAX);
        let write_timeout_ms = given.number_or(&WRITE_TIMEOUT_MS, 1..=DURATION_MS_MAX, enough_ms)?;
        Ok(Self {
            followers,
            quorum,
            delays,
            seed,
            replication_timeout,
            write_timeout: Duration::from_millis(write_timeout_ms),
            new_history: given.switch(&NEW_HISTORY)?,
            accept_data_loss: given.switch(&ACCEPT_DATA_LOSS)?,
        })
    }
}

fn followers(urls: &str, host: &str, port: u16) -> Result<Vec<Address>, SettingsError> {
    let mut followers: Vec<Address> = Vec::new();
    for url in urls.split(',').map(str::trim).filter(|url| !url.is_empty()) {
        let address: Address =
            url.parse().map_err(|problem| FOLLOWER_URLS.error(format!("{url:?} is {problem}")))?;
        if followers.contains(&address) {
            let problem = format!("{address} is there twice; each follower counts once");
            return Err(FOLLOWER_URLS.error(problem));
        }
        if address.port() == port && is_same_host(address.host(), host) {
            let problem = format!("{address} is this node itself; a leader is not its own follower");
            return Err(FOLLOWER_URLS.error(problem));
        }
        followers.push(address);
    }
    Ok(followers)
}

fn quorum(given: &Given, followers: usize) -> Result<Quorum, SettingsError> {
    let write = given.number_or(&WRITE_QUORUM, 0..=usize::MAX, usize::from(followers > 0))?;
    if write == 0 && followers > 0 && !given.switch(&ALLOW_ASYNC)? {
        return Err(WRITE_QUORUM.error(
            "0 acknowledges writes that no follower has; set ALLOW_ASYNC=true if you want that, or use 1 or more",
        ));
    }
    Quorum::new(followers, write).map_err(|problem| match problem {
        InvalidQuorum::Unsatisfiable { .. } => {
            WRITE_QUORUM.error(format!("{problem}; lower it, or add to FOLLOWER_URLS"))
        }
        InvalidQuorum::TooManyFollowers { .. } => {
            FOLLOWER_URLS.error(format!("{followers} followers are too many; use at most {FOLLOWERS_MAX}"))
        }
    })
}

fn delays(given: &Given, seed: u64) -> Result<DelayLaw, SettingsError> {
    let (min, max) = (given.duration(&MIN_DELAY_MS, 0)?, given.duration(&MAX_DELAY_MS, 0)?);
    DelayLaw::uniform(seed, min, max).map_err(|problem| match problem {
        InvalidDelays::Crossed { .. } => MIN_DELAY_MS.error(format!(
            "{} is above MAX_DELAY_MS={}; lower it, or raise the other",
            min.as_millis(),
            max.as_millis()
        )),
        InvalidDelays::TooLong { .. } => MAX_DELAY_MS.error(format!("{problem}; lower it")),
    })
}
