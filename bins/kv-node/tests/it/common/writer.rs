//! A client that writes whatever happens, and knows what was acknowledged.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::{Value, json};

use super::{eventually, lock, pause, request};

/// Writes every key once, with the key as its value.
pub struct Writer {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Acknowledged>>,
    failures: Arc<Mutex<Vec<String>>>,
    thread: JoinHandle<()>,
}

/// Keys and their versions.
#[derive(Clone, Debug, Default)]
pub struct Acknowledged(Vec<(String, u64)>);

impl Writer {
    /// Writes `key-0`, `key-1` and so on.
    pub fn start(leader: SocketAddr) -> Self {
        Self::start_with("key", leader)
    }

    /// As [`Writer::start`], with another name than `key`.
    pub fn start_with(name: impl Into<String>, leader: SocketAddr) -> Self {
        let name = name.into();
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Acknowledged>>::default());
        let failures = Arc::<Mutex<Vec<String>>>::default();
        let (stopped, noted, failed) = (Arc::clone(&stop), Arc::clone(&acknowledged), Arc::clone(&failures));
        let thread = std::thread::spawn(move || {
            for write in 0.. {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let key = format!("{name}-{write}");
                let body = json!({ "value": key });
                let answer = request(leader, "PUT", &format!("/kv/{key}"), Some(body));
                match answer.map(|it| (it.status, it.body["version"].as_u64(), it)) {
                    Ok((200, Some(version), _)) => lock(&noted).0.push((key, version)),
                    Ok((.., refused)) => fail(&failed, &key, &format!("{refused:?}")),
                    Err(error) => fail(&failed, &key, &error.to_string()),
                }
            }
        });
        Self { stop, acknowledged, failures, thread }
    }

    pub fn goes_on(&self, what: &str) {
        let count = || lock(&self.acknowledged).0.len();
        let before = count();
        eventually(what, || count() > before + 20);
    }

    pub fn finish(self) -> Acknowledged {
        self.finish_with_failures().0
    }

    /// What was acknowledged, and what became of each write that was not.
    pub fn finish_with_failures(self) -> (Acknowledged, Vec<String>) {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap();
        let (acknowledged, failures) = (lock(&self.acknowledged), lock(&self.failures));
        (acknowledged.clone(), failures.clone())
    }
}

fn fail(failures: &Mutex<Vec<String>>, key: &str, why: &str) {
    lock(failures).push(format!("{key}: {why}"));
    pause();
}

impl FromIterator<Acknowledged> for Acknowledged {
    fn from_iter<T: IntoIterator<Item = Self>>(all: T) -> Self {
        Self(all.into_iter().flat_map(|one| one.0).collect())
    }
}

impl Acknowledged {
    /// How many writes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Keys and their versions.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(key, version)| (key.as_str(), *version))
    }

    /// The highest version.
    pub fn newest(&self) -> Option<u64> {
        self.0.iter().map(|(_, version)| *version).max()
    }

    /// All of it is in this dump, with the versions of the answers.
    pub fn is_in(&self, held: &Value) {
        for (key, version) in &self.0 {
            assert_eq!(held[key], json!({ "value": key, "version": version }), "{key} was acknowledged");
        }
    }
}
