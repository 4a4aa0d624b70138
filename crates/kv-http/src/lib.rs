//! HTTP for a replicated key-value store: everything that knows HTTP or JSON.
//!
//! * [`serve`] answers clients and leaders on a listener, for a [`Node`] of either role, until it is
//!   told to stop. Listener and stop signal are injected.
//! * [`PeerTransport`] carries a leader's requests to its followers, [`wire`] is what it writes.
//! * [`Client`] speaks to one node and keeps its connections; [`Connection`] is one of them.
//! * [`ApiError`] is every refusal a client can meet; its status is picked in one place.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use kv_core::NodeId;
//! use kv_http::{Node, ServerConfig, serve};
//! use kv_replication::FollowerConfig;
//! use kv_replication::engine::FollowerHandle;
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let node = Node::Follower(FollowerHandle::new(NodeId(1), FollowerConfig::default()));
//! serve(listener, node, ServerConfig::default(), std::future::pending()).await;
//! # Ok(()) }
//! ```
//!
//! # What it does not do
//!
//! HTTP/1.1 only, no TLS, no authentication. It does not yet know conditional writes or idempotency
//! keys: parameters and headers of those kinds are refused, not ignored.

/// The example of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

mod address;
mod api;
mod body;
mod client;
mod error;
mod peer;
mod query;
mod reply;
mod server;
pub mod wire;

pub use address::{Address, InvalidAddress};
pub use client::{Client, ClientError, Connection, Response};
pub use error::ApiError;
pub use peer::PeerTransport;
pub use server::{LeaderNode, Node, ServerConfig, serve};
