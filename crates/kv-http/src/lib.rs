//! HTTP for a replicated key-value store: everything that knows HTTP or JSON.
//!
//! ```text
//! server/   mod: connections, and their end · accept · stall: clients that do not read
//! api/      route: path and method · write · read · list/ · status · parity/ · backup
//!           report: what else the report has · internal: what a leader asks
//!           service: what every handler is given
//! node      what HTTP adds to a node of either role
//! request   the key, the body and the value of a request, parsed once
//! error/    mod: every refusal · status: the status of each · response: how a client sees it
//! reply     an answer's body and headers · peer: a leader's side of replication
//! client    a client of one node
//! wire/     the bytes between leader and follower
//! json · query · body · config · address
//! ```
//!
//! A file imports from lines below its own, or from a neighbour that does not import it; no file imports
//! from this one. What a request goes through is `server`, `api/route`, one handler, `node`, and back
//! through `reply` or `error/response`.
//!
//! * [`serve`] answers clients and leaders on a listener, for a [`Node`] of either role, until it is
//!   told to stop. Listener and stop signal are injected; [`ServerConfig`] has every limit.
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
//! let node = Node::follower(FollowerHandle::new(NodeId(1), FollowerConfig::default()));
//! serve(listener, node, ServerConfig::default(), std::future::pending()).await;
//! # Ok(()) }
//! ```
//!
//! # What it does not do
//!
//! HTTP/1.1 only, no TLS, no authentication. It does not yet know conditional writes or idempotency
//! keys: parameters and headers of those kinds are refused, not ignored. It decides nothing about
//! replication, and keeps nothing: what a write came to, and what a read may show, the engine says.

/// The example of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

mod address;
mod api;
mod body;
mod client;
mod config;
mod error;
mod json;
mod node;
mod peer;
mod query;
mod reply;
mod request;
mod server;
pub mod wire;

pub use address::{Address, InvalidAddress};
pub use client::{Client, ClientError, Connection, Response};
pub use config::ServerConfig;
pub use error::ApiError;
pub use node::Node;
pub use peer::PeerTransport;
pub use server::serve;
