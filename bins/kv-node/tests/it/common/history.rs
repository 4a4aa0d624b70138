//! Clients whose every operation is recorded, for the checker of histories.

use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Instant;

use kv_linearizability::{Action, Checked, History, OpId, Outcome, fingerprint};
use serde_json::json;

use super::{Answer, lock, now, request};

/// What the clients of a test do, on one clock.
pub struct Recorder {
    start: Instant,
    history: Mutex<History>,
}

/// An operation that has begun.
pub struct Begun {
    id: OpId,
    method: &'static str,
    path: String,
    body: Option<serde_json::Value>,
}

impl Recorder {
    pub fn new() -> Self {
        Self { start: now(), history: Mutex::default() }
    }

    /// A put begins. Every value should be written only once.
    pub fn put(&self, key: &str, value: &str) -> Begun {
        let id = self.invoke(Action::put(key, fingerprint(value.as_bytes())));
        Begun { id, method: "PUT", path: format!("/kv/{key}"), body: Some(json!({ "value": value })) }
    }

    pub fn delete(&self, key: &str) -> Begun {
        Begun {
            id: self.invoke(Action::delete(key)),
            method: "DELETE",
            path: format!("/kv/{key}"),
            body: None,
        }
    }

    pub fn clear(&self) -> Begun {
        Begun { id: self.invoke(Action::Clear), method: "POST", path: "/reset".to_owned(), body: None }
    }

    /// A linearizable read begins. Whichever leader is asked, it is this or refused.
    pub fn read(&self, key: &str) -> Begun {
        self.read_at(key, "linearizable")
    }

    /// A read of another level begins; the checker takes it for a linearizable one.
    pub fn read_at(&self, key: &str, level: &str) -> Begun {
        let id = self.invoke(Action::read(key));
        Begun { id, method: "GET", path: format!("/kv/{key}?consistency={level}"), body: None }
    }

    /// Sends it, and records what comes of it. An operation without an answer stays without an end.
    pub fn send(&self, begun: Begun, to: SocketAddr) -> Outcome {
        let Begun { id, method, path, body } = begun;
        let outcome = match request(to, method, &path, body) {
            Ok(answer) => outcome(method, &answer),
            // Nobody listened, so nothing was sent.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Outcome::NotApplied,
            Err(_) => Outcome::Unknown(None),
        };
        let at = self.now();
        lock(&self.history).complete(id, at, outcome);
        outcome
    }

    /// Whether all of it is linearizable so far.
    pub fn check(&self) -> Checked {
        let history = self.history();
        history.check().unwrap_or_else(|violation| panic!("not linearizable: {violation}"))
    }

    /// What was recorded so far.
    pub fn history(&self) -> History {
        lock(&self.history).clone()
    }

    fn invoke(&self, action: Action) -> OpId {
        let mut history = lock(&self.history);
        history.invoke(self.now(), action)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap()
    }
}

/// What an answer says about the operation.
fn outcome(method: &str, answer: &Answer) -> Outcome {
    let body = &answer.body;
    let version = body["version"].as_u64();
    let code = body["code"].as_str().unwrap_or_default();
    match (method, answer.status, version) {
        ("GET", 200, Some(version)) => {
            let value = fingerprint(body["value"].as_str().unwrap().as_bytes());
            Outcome::Found { version, value }
        }
        ("GET", 404, _) if code == "key_not_found" => Outcome::Absent,
        ("GET", 503, _) => Outcome::NotApplied,
        ("DELETE", 200, _) if body["deleted"] == false => Outcome::Absent,
        ("PUT" | "DELETE" | "POST", 200, Some(version)) => Outcome::Written(version),
        ("POST", 200, None) => Outcome::Cleared,
        ("PUT" | "DELETE" | "POST", 503, _) => match body["outcome"].as_str() {
            Some("not_applied") => Outcome::NotApplied,
            Some("unknown") => Outcome::Unknown(body["detail"]["version"].as_u64()),
            _ => panic!("a refused write says what came of it: {answer:?}"),
        },
        // No leader: somebody else has got the port of one that was killed.
        (_, 405, _) => Outcome::NotApplied,
        _ => panic!("{method} was answered with {answer:?}"),
    }
}
