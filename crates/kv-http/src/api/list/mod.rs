//! Lists: `GET /kv` and `GET /keys`, page by page. `listing` reads and writes them.

pub(super) mod listing;

use hyper::header::{HeaderValue, LINK};
use hyper::http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use self::listing::{Listing, Shape, Source};
use super::read::want;
use super::service::{Answer, Service};
use crate::error::ApiError;
use crate::json::JSON;
use crate::query::{AFTER, CONSISTENCY, Consistency, LIMIT, MIN_VERSION, PREFIX, Query, TIMEOUT};
use crate::reply::{Frames, respond, respond_with, tell_position};
use crate::request::{CONDITIONS, refuse_headers};

/// What a text may be in a URL, besides letters and digits.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(super) async fn list(service: &Service, head: &Parts, shape: Shape) -> Answer {
    let known = [TIMEOUT, CONSISTENCY, MIN_VERSION, PREFIX, AFTER, LIMIT];
    let query = Query::parse(head.uri.query(), &known)?;
    refuse_headers(&head.headers, &CONDITIONS)?;
    let want = want(service, &query)?;
    if query.consistency == Consistency::Linearizable {
        return Err(ApiError::parameter(CONSISTENCY, "linearizable reads are of single keys"));
    }
    let source = Source { node: service.node.engine().clone(), want };
    let (mut listing, position) = Listing::begin(source, &query, shape).await?;
    let link = listing.next.as_deref().filter(|_| shape == Shape::Items).map(|after| link(&query, after));
    let first = listing.write_frame()?;
    let mut response =
        if listing.is_done() { respond(JSON, first) } else { respond_with(JSON, first, listing) };
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
