//! A list, read page by page and written frame by frame.
//!
//! With `limit` the keys are read first, so that the head can say where to go on; their values are
//! shared with the store, not copied. Without it, the body is read from the store as the client takes
//! it: a page under the node's lock, written into a frame outside of it, and then everybody else has a
//! turn. So a list holds up nobody and needs the memory of a frame; and it is not one moment: each key is
//! shown as it was when its page was read. A list of few keys is one page, and comes with its length.
//!
//! A value that is not text, which JSON cannot show, is found only when its page is read. In the first
//! one it is a refusal; later it ends the connection, and with it a body that the client can see to be cut
//! short.

use std::collections::VecDeque;

use bytes::Bytes;
use kv_core::Version;
use kv_replication::engine::{Node, Page, PageSize, Position, Range, Read, ReadError, Seen, Want};
use serde::Serialize;

use crate::api::read::Shown;
use crate::error::ApiError;
use crate::json::{append_json, text};
use crate::query::Query;
use crate::reply::{Aborted, Frames};

/// What is read under the node's lock in one go: some tens of microseconds.
const PAGE: PageSize = PageSize { entries_max: 512, bytes_max: 64 << 10 };
/// A frame is written until it has so many bytes.
const FRAME_BYTES_MIN: usize = 64 << 10;

/// The form of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api) enum Shape {
    /// `{key: {"value", "version"}}`, and a `Link` to what comes next.
    Items,
    /// `{"keys": [{"key", "version"}], "next": key or null}`.
    Keys,
}

/// Where pages come from.
pub(super) struct Source {
    pub(super) node: Node,
    pub(super) want: Want,
}

impl Source {
    /// A page without waiting for anything.
    fn next(&self, range: &Range, size: PageSize) -> Result<Page, ReadError> {
        let Want { level, min_version: wanted, .. } = self.want;
        let Seen { position, found } = self.node.next_page(range, size, level);
        if position.mark < wanted { Err(ReadError::Stale { wanted, position }) } else { Ok(found) }
    }
}

/// A list on its way to the client.
pub(super) struct Listing {
    source: Source,
    shape: Shape,
    /// What has not been read yet.
    range: Range,
    /// Everything has been read.
    read: bool,
    /// Read, but not written.
    held: VecDeque<Read>,
    /// With a limit: where the rest begins, if there is one.
    pub(super) next: Option<String>,
    written: Written,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Nothing,
    Opening,
    Items,
    All,
}

impl Listing {
    /// Reads the first page, or with a limit everything that will be shown.
    pub(super) async fn begin(
        source: Source,
        query: &Query,
        shape: Shape,
    ) -> Result<(Self, Position), ReadError> {
        let mut listing = Self {
            source,
            shape,
            range: Range { prefix: query.prefix.clone(), after: query.after.clone() },
            read: false,
            held: VecDeque::new(),
            next: None,
            written: Written::Nothing,
        };
        // One more than is shown tells whether there is more.
        let size = |held| match query.limit {
            Some(limit) => PageSize { entries_max: limit + 1 - held, bytes_max: usize::MAX },
            None => PAGE,
        };
        let Seen { position, found } =
            listing.source.node.page(&listing.range, size(0), listing.source.want).await?;
        listing.take(found);
        if let Some(limit) = query.limit {
            while !listing.read && listing.held.len() <= limit {
                tokio::task::yield_now().await;
                let page = listing.source.next(&listing.range, size(listing.held.len()))?;
                listing.take(page);
            }
            if listing.held.len() > limit {
                listing.held.truncate(limit);
                listing.next = listing.held.back().map(|last| last.key().to_owned());
            }
            listing.read = true;
        }
        Ok((listing, position))
    }

    fn take(&mut self, page: Page) {
        self.held.extend(page.reads);
        self.read = page.next.is_none();
        self.range.after = page.next;
    }

    /// Writes what is held, and at most one more page.
    pub(super) fn write_frame(&mut self) -> Result<Bytes, ApiError> {
        let mut out = Vec::with_capacity(FRAME_BYTES_MIN + FRAME_BYTES_MIN / 8);
        if self.written == Written::Nothing {
            out.extend_from_slice(if self.shape == Shape::Items { b"{" } else { b"{\"keys\":[" });
            self.written = Written::Opening;
        }
        self.write_held(&mut out)?;
        if !self.read && out.len() < FRAME_BYTES_MIN {
            let page = self.source.next(&self.range, PAGE)?;
            self.take(page);
            self.write_held(&mut out)?;
        }
        if self.read && self.held.is_empty() {
            self.close(&mut out)?;
        }
        Ok(out.into())
    }

    fn write_held(&mut self, out: &mut Vec<u8>) -> Result<(), ApiError> {
        while out.len() < FRAME_BYTES_MIN
            && let Some(read) = self.held.pop_front()
        {
            if self.written == Written::Items {
                out.push(b',');
            }
            self.written = Written::Items;
            let (key, version) = (read.key(), read.version());
            match self.shape {
                Shape::Items => {
                    append_json(out, &key)?;
                    out.push(b':');
                    let value = text(read.value())?;
                    append_json(out, &Shown { value, version })?;
                }
                Shape::Keys => append_json(out, &ListedKey { key, version })?,
            }
        }
        Ok(())
    }

    fn close(&mut self, out: &mut Vec<u8>) -> Result<(), ApiError> {
        if self.shape == Shape::Keys {
            out.extend_from_slice(b"],\"next\":");
            append_json(out, &self.next)?;
        }
        out.push(b'}');
        self.written = Written::All;
        Ok(())
    }
}

impl Frames for Listing {
    fn is_done(&self) -> bool {
        self.written == Written::All
    }

    fn next_frame(&mut self) -> Result<Bytes, Aborted> {
        Ok(self.write_frame()?)
    }
}

#[derive(Serialize)]
struct ListedKey<'a> {
    key: &'a str,
    version: Version,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kv_core::{Command, Epoch, Key, NodeId};
    use kv_replication::FollowerConfig;
    use kv_replication::engine::{FollowerHandle, Level};

    use super::*;

    /// Begins a list of a follower that has so many keys.
    async fn list_of(keys: Version) -> Listing {
        let follower = FollowerHandle::new(NodeId(1), FollowerConfig::default());
        for version in 1..=keys {
            let key = format!("key-{version:05}");
            let command = Command::put(Key::parse(&key).unwrap(), b"v").unwrap();
            follower.adopt(&command.into_entry(Epoch::ZERO, version)).await.unwrap();
        }
        let want = Want { level: Level::Local, min_version: 0, timeout: Duration::from_secs(30) };
        let source = Source { node: follower.into(), want };
        let (listing, _) = Listing::begin(source, &Query::default(), Shape::Keys).await.unwrap();
        listing
    }

    #[tokio::test]
    async fn a_node_that_fell_behind_is_not_said_to_hold_no_text() {
        let mut listing = list_of(2000).await;
        listing.source.want.min_version = 1; // it knows nothing to be committed by now
        let refused = listing.write_frame().unwrap_err();
        assert_eq!(refused.status().1, "stale_replica", "{refused}");
    }

    #[tokio::test]
    async fn frames_end_with_the_last_key() {
        let mut listing = list_of(2000).await;
        let (mut whole, mut frames) = (Vec::new(), 0);
        while !listing.is_done() {
            whole.extend_from_slice(&listing.next_frame().unwrap());
            frames += 1;
        }
        let list: serde_json::Value = serde_json::from_slice(&whole).unwrap();
        assert_eq!((list["keys"].as_array().unwrap().len(), list["next"].is_null()), (2000, true));
        assert!(frames > 1, "not in memory as a whole");
    }
}
