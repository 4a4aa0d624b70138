//! The data of a replicated key-value store: what a write is, and what a set of writes amounts to.
//!
//! * [`Key`] is a checked key, [`Epoch`] and [`NodeId`] say who wrote.
//! * [`Command`] is what a client wants: put, delete, clear or no-op. [`Entry`] is a command that has
//!   got its place: `(epoch, version, command)`. Both are one shared allocation that already is the
//!   wire form, so an entry is encoded once, and log, store and network share it.
//! * [`Store`] is the ordered map. Its content depends only on the *set* of entries applied, not on
//!   their order or on how often they came: per key the highest version wins, and a clear hides every
//!   older put, also one that arrives later.
//!
//! ```
//! use kv_core::{Command, Epoch, Key, NodeId, Store};
//!
//! let epoch = Epoch { counter: 1, node: NodeId(7) };
//! let key = Key::parse("colour")?;
//! let old = Command::put(key, b"red")?.into_entry(epoch, 1);
//! let new = Command::put(key, b"blue")?.into_entry(epoch, 2);
//!
//! let mut store = Store::new();
//! store.apply(&new);
//! store.apply(&old); // late: changes nothing
//! let item = store.get("colour").ok_or("no such key")?;
//! assert_eq!((item.value, item.version), (&b"blue"[..], 2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it does not do
//!
//! No replication, no locks, no I/O, no clock, no serde. It does not limit how many keys a store
//! holds, and it does not expire them. It does not know which entries are committed: whoever applies
//! an entry has decided that.

mod counted;
mod digest;
mod entry;
mod id;
mod key;
mod store;

pub use counted::counted;
pub use digest::{Digest, Digester};
pub use entry::{Command, Entry, FrameError, Operation, VALUE_BYTES_MAX, ValueTooLarge};
pub use id::{Epoch, NodeId, VERSION_MAX, Version};
pub use key::{InvalidKey, KEY_BYTES_MAX, Key};
pub use store::{Applied, Item, Store};
