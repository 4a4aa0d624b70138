//! The limits of a server.

use std::time::Duration;

/// Every limit of the server, by name.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Connections at once; more wait to be accepted.
    pub connections_max: usize,
    /// The longest body of a client's request. JSON may need six bytes for one of a value.
    pub body_bytes_max: usize,
    /// The longest value.
    pub value_bytes_max: usize,
    /// The longest body of a leader's request. Above the batch limit of the leader by a largest entry.
    pub batch_bytes_max: usize,
    /// How long the head of a request may take, from its first byte or from the connection.
    pub header_timeout: Duration,
    /// How long a body may take.
    pub body_timeout: Duration,
    /// How long a client may take nothing of its answer; then its connection is closed.
    pub stall_timeout: Duration,
    /// How long open requests may still take after the stop signal.
    pub drain_timeout: Duration,
    /// How long a read may wait for its `min_version`, and `/readyz?sync` for its node, if they name no
    /// time-out of their own.
    pub read_timeout: Duration,
    /// How long a comparison of all nodes may take that names no time-out of its own.
    pub parity_timeout: Duration,
    /// `POST /reset` works.
    pub enable_reset: bool,
    /// A follower that has not heard from its leader for longer is not ready.
    pub ready_heard_max: Duration,
    /// A follower that lacks more versions than this is not ready.
    pub ready_lag_versions_max: u64,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            body_bytes_max: 6 * (1 << 20) + 1024,
            value_bytes_max: 1 << 20,
            batch_bytes_max: 4 << 20,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(1),
            parity_timeout: Duration::from_secs(10),
            enable_reset: true,
            ready_heard_max: Duration::from_secs(10),
            ready_lag_versions_max: 10_000,
        }
    }
}
