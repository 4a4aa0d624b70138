//! Which path and method leads where.

use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Method, Request, Response};
use kv_replication::Time;

use super::list::listing::Shape;
use super::service::{Answer, Service};
use super::{backup, internal, list, parity, read, report, status, write};
use crate::error::ApiError;
use crate::query::{Query, SYNC, TIMEOUT, VERBOSE};
use crate::reply::{ReplyBody, respond};
use crate::{request, wire};

/// Where a path leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route<'a> {
    /// With all that follows `/kv/`, as it stands there.
    Key(&'a str),
    List(Shape),
    Status,
    Live,
    Ready,
    Health,
    Backup,
    Parity,
    Replicate,
    Reset,
    Internal,
}

impl<'a> Route<'a> {
    fn of(path: &'a str) -> Option<Self> {
        if let Some(raw_key) = path.strip_prefix("/kv/") {
            return Some(Self::Key(raw_key));
        }
        Some(match path {
            "/kv" => Self::List(Shape::Items),
            "/keys" => Self::List(Shape::Keys),
            "/status" => Self::Status,
            "/livez" => Self::Live,
            "/readyz" => Self::Ready,
            "/health" => Self::Health,
            "/backup" => Self::Backup,
            "/parity" => Self::Parity,
            "/replicate" => Self::Replicate,
            "/reset" => Self::Reset,
            wire::PROBE_PATH
            | wire::CLAIM_PATH
            | wire::APPEND_PATH
            | wire::INSTALL_PATH
            | wire::PULL_PATH
            | wire::DIGEST_PATH => Self::Internal,
            _ => return None,
        })
    }

    /// A refusal of such a request says what came of the write.
    fn is_write(self, method: &Method) -> bool {
        match self {
            Self::Key(_) => matches!(*method, Method::PUT | Method::DELETE),
            Self::Reset => *method == Method::POST,
            _ => false,
        }
    }

    /// All but a key have one method.
    fn check_method(self, method: &Method) -> Result<(), ApiError> {
        let (only, allow) = match self {
            Self::Key(_) => return Ok(()),
            Self::Replicate | Self::Reset | Self::Internal => (Method::POST, "POST"),
            _ => (Method::GET, "GET"),
        };
        if *method == only { Ok(()) } else { Err(ApiError::MethodNotAllowed { allow }) }
    }
}

/// Answers one request. `arrived` is when its head had been read, on the clock of the leader.
pub(crate) async fn answer(
    service: &Service,
    request: Request<Incoming>,
    arrived: Time,
) -> Response<ReplyBody> {
    let (head, body) = request.into_parts();
    let Some(route) = Route::of(head.uri.path()) else {
        return ApiError::NotFound.response(false);
    };
    let answer = follow(route, service, &head, body, arrived).await;
    answer.unwrap_or_else(|error| error.response(route.is_write(&head.method)))
}

async fn follow(route: Route<'_>, service: &Service, head: &Parts, body: Incoming, arrived: Time) -> Answer {
    route.check_method(&head.method)?;
    let query = |known| Query::parse(head.uri.query(), known);
    match route {
        Route::Key(raw) => of_key(raw, service, head, body, arrived).await,
        Route::List(shape) => list::list(service, head, shape).await,
        Route::Status => {
            query(&[])?;
            status::status(&service.node)
        }
        Route::Live => {
            query(&[])?;
            Ok(respond(status::TEXT, "ok\n"))
        }
        Route::Ready => Ok(status::ready(service, &query(&[VERBOSE, SYNC, TIMEOUT])?).await),
        Route::Health => {
            query(&[])?;
            Ok(report::health(&service.node))
        }
        Route::Backup => backup::backup(service, head).await,
        Route::Parity => parity::parity(service, head).await,
        Route::Replicate => report::replicate(service, head, body).await,
        Route::Reset => report::reset(service, head, arrived).await,
        Route::Internal => internal::answer(service, head, body).await,
    }
}

/// The key is parsed here, whatever is to be done with it.
async fn of_key(raw: &str, service: &Service, head: &Parts, body: Incoming, arrived: Time) -> Answer {
    let decoded = request::decoded(raw)?;
    let key = request::key(&decoded)?;
    let allow = service.node.key_methods();
    match head.method {
        Method::GET => read::get(service, key, head).await,
        Method::PUT => write::put(service, service.node.as_leader(allow)?, key, head, body, arrived).await,
        Method::DELETE => write::delete(service.node.as_leader(allow)?, key, head, arrived).await,
        _ => Err(ApiError::MethodNotAllowed { allow }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_one_place() {
        for (path, route) in [
            ("/kv/a/b", Some(Route::Key("a/b"))),
            ("/kv/", Some(Route::Key(""))),
            ("/kv", Some(Route::List(Shape::Items))),
            ("/internal/append", Some(Route::Internal)),
            ("/internal/append/", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(Route::of(path), route, "{path}");
        }
    }

    #[test]
    fn writes_are_known_by_path_and_method() {
        let writes = |path| {
            let methods = [Method::GET, Method::PUT, Method::DELETE, Method::POST];
            methods.map(|method| Route::of(path).is_some_and(|route| route.is_write(&method)))
        };
        assert_eq!(writes("/kv/k"), [false, true, true, false]);
        assert_eq!(writes("/reset"), [false, false, false, true]);
        assert_eq!(writes("/replicate"), [false; 4], "a leader's, not a client's");
        assert_eq!(writes("/nowhere"), [false; 4]);
    }
}
