//! Lists: `GET /kv` and `GET /keys`, page by page.
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
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::Request;
use hyper::body::{Frame, Incoming};
use hyper::header::{HeaderValue, LINK};
use kv_core::Version;
use kv_replication::engine::{Page, PageSize, Position, Range, Read, ReadError, Seen, Want};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use thiserror::Error;

use crate::api::read::{Shown, want};
use crate::api::route::refuse_conditions;
use crate::api::write::text;
use crate::error::ApiError;
use crate::query::{AFTER, CONSISTENCY, Consistency, LIMIT, MIN_VERSION, PREFIX, Query, TIMEOUT};
use crate::reply::{Answer, JSON, ReplyBody, respond, tell_position, with_body};
use crate::server::{Node, Service};

/// What is read under the node's lock in one go: some tens of microseconds.
const PAGE: PageSize = PageSize { entries_max: 512, bytes_max: 64 << 10 };
/// A frame is written until it has so many bytes.
const FRAME_BYTES_MIN: usize = 64 << 10;
/// What a text may be in a URL, besides letters and digits.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The form of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `{key: {"value", "version"}}`, and a `Link` to what comes next.
    Items,
    /// `{"keys": [{"key", "version"}], "next": key or null}`.
    Keys,
}

/// Why a body ends before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Aborted {
    #[error("a value is not UTF-8 and cannot be shown as JSON")]
    NotText,
    #[error("the node fell behind the version that the list was to show")]
    FellBack,
}

pub(crate) async fn list(service: &Service, request: &Request<Incoming>, shape: Shape) -> Answer {
    let known = [TIMEOUT, CONSISTENCY, MIN_VERSION, PREFIX, AFTER, LIMIT];
    let query = Query::parse(request.uri().query(), &known)?;
    refuse_conditions(request.headers(), &["if-match", "if-none-match", "idempotency-key"])?;
    if query.consistency == Consistency::Linearizable && matches!(service.node, Node::Leader(_)) {
        return Err(ApiError::parameter(CONSISTENCY, "linearizable reads are of single keys"));
    }
    let source = Source { node: service.node.clone(), want: want(service, &query)? };
    let (mut listing, position) = Listing::begin(source, &query, shape).await?;
    let link = listing.next.as_deref().filter(|_| shape == Shape::Items).map(|after| link(&query, after));
    let first = listing.write_frame().map_err(|_| ApiError::NotText)?;
    let mut response = if listing.written == Written::All {
        respond(JSON, first)
    } else {
        listing.first = Some(first);
        with_body(JSON, ReplyBody::Listing(Box::new(listing)))
    };
    tell_position(response.headers_mut(), &position, query.consistency);
    if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}

/// The same request, further on.
fn link(query: &Query, after: &str) -> String {
    let escaped = |text| utf8_percent_encode(text, ESCAPED);
    let mut link = format!("</kv?{AFTER}={}", escaped(after));
    if !query.prefix.is_empty() {
        link += &format!("&{PREFIX}={}", escaped(&query.prefix));
    }
    if let Some(limit) = query.limit {
        link += &format!("&{LIMIT}={limit}");
    }
    if query.consistency != Consistency::default() {
        link += &format!("&{CONSISTENCY}={}", query.consistency.name());
    }
    if query.min_version > 0 {
        link += &format!("&{MIN_VERSION}={}", query.min_version);
    }
    if let Some(timeout) = query.timeout {
        link += &format!("&{TIMEOUT}={}", timeout.as_millis());
    }
    link + ">; rel=\"next\""
}

/// Where pages come from.
struct Source {
    node: Node,
    want: Want,
}

impl Source {
    async fn first(&self, range: &Range, size: PageSize) -> Result<Seen<Page>, ReadError> {
        match &self.node {
            Node::Leader(leader) => leader.handle.page(range, size, self.want).await,
            Node::Follower(follower) => follower.page(range, size, self.want).await,
        }
    }

    /// A page without waiting for anything.
    fn next(&self, range: &Range, size: PageSize) -> Result<Page, ReadError> {
        let Want { level, min_version: wanted, .. } = self.want;
        let Seen { position, found } = match &self.node {
            Node::Leader(leader) => leader.handle.next_page(range, size),
            Node::Follower(follower) => follower.next_page(range, size, level),
        };
        if position.mark < wanted { Err(ReadError::Stale { wanted, position }) } else { Ok(found) }
    }
}

/// A list on its way to the client.
pub(crate) struct Listing {
    source: Source,
    shape: Shape,
    /// What has not been read yet.
    range: Range,
    /// Everything has been read.
    read: bool,
    /// Read, but not written.
    held: VecDeque<Read>,
    /// With a limit: where the rest begins, if there is one.
    next: Option<String>,
    written: Written,
    /// A frame that is written, but not handed over.
    first: Option<Bytes>,
    /// The others have had their turn since the last frame.
    rested: bool,
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
    async fn begin(source: Source, query: &Query, shape: Shape) -> Result<(Self, Position), ReadError> {
        let mut listing = Self {
            source,
            shape,
            range: Range { prefix: query.prefix.clone(), after: query.after.clone() },
            read: false,
            held: VecDeque::new(),
            next: None,
            written: Written::Nothing,
            first: None,
            rested: false,
        };
        // One more than is shown tells whether there is more.
        let size = |held| match query.limit {
            Some(limit) => PageSize { entries_max: limit + 1 - held, bytes_max: usize::MAX },
            None => PAGE,
        };
        let Seen { position, found } = listing.source.first(&listing.range, size(0)).await?;
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

    /// The next frame, after the others have had a turn.
    pub(crate) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if self.written == Written::All {
            return Poll::Ready(None);
        }
        if std::mem::take(&mut self.rested) {
            let frame = self.write_frame();
            // A page of hidden keys gives nothing to write.
            if !matches!(&frame, Ok(frame) if frame.is_empty()) {
                return Poll::Ready(Some(frame.map(Frame::data)));
            }
        }
        self.rested = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes what is held, and at most one more page.
    fn write_frame(&mut self) -> Result<Bytes, Aborted> {
        let mut out = Vec::with_capacity(FRAME_BYTES_MIN + FRAME_BYTES_MIN / 8);
        if self.written == Written::Nothing {
            out.extend_from_slice(if self.shape == Shape::Items { b"{" } else { b"{\"keys\":[" });
            self.written = Written::Opening;
        }
        self.write_held(&mut out)?;
        if !self.read && out.len() < FRAME_BYTES_MIN {
            let page = self.source.next(&self.range, PAGE).map_err(|_| Aborted::FellBack)?;
            self.take(page);
            self.write_held(&mut out)?;
        }
        if self.read && self.held.is_empty() {
            self.close(&mut out)?;
        }
        Ok(out.into())
    }

    fn write_held(&mut self, out: &mut Vec<u8>) -> Result<(), Aborted> {
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
                    json(out, &key)?;
                    out.push(b':');
                    let value = text(read.value()).map_err(|_| Aborted::NotText)?;
                    json(out, &Shown { value, version })?;
                }
                Shape::Keys => json(out, &ListedKey { key, version })?,
            }
        }
        Ok(())
    }

    fn close(&mut self, out: &mut Vec<u8>) -> Result<(), Aborted> {
        if self.shape == Shape::Keys {
            out.extend_from_slice(b"],\"next\":");
            json(out, &self.next)?;
        }
        out.push(b'}');
        self.written = Written::All;
        Ok(())
    }
}

#[derive(Serialize)]
struct ListedKey<'a> {
    key: &'a str,
    version: Version,
}

fn json(out: &mut Vec<u8>, item: &impl Serialize) -> Result<(), Aborted> {
    serde_json::to_writer(out, item).map_err(|_| Aborted::NotText)
}
