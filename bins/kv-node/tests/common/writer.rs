//! A client that writes whatever happens, and knows what was acknowledged.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::{Value, json};

use super::{eventually, lock, request};

/// Writes every key once, with the key as its value.
pub struct Writer {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Acknowledged>>,
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
    pub fn start_with(name: &'static str, leader: SocketAddr) -> Self {
        Self::start_named(name.to_owned(), leader)
    }

    /// As [`Writer::start_with`].
    pub fn start_named(name: String, leader: SocketAddr) -> Self {
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Acknowledged>>::default());
        let (stopped, noted) = (Arc::clone(&stop), Arc::clone(&acknowledged));
        let thread = std::thread::spawn(move || {
            for write in 0.. {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let key = format!("{name}-{write}");
                let body = json!({ "value": key });
                let answer = request(leader, "PUT", &format!("/kv/{key}"), Some(body));
                if let Some(version) =
                    answer.ok().filter(|it| it.status == 200).and_then(|it| it.body["version"].as_u64())
                {
                    lock(&noted).0.push((key, version));
                }
            }
        });
        Self { stop, acknowledged, thread }
    }

    pub fn goes_on(&self, what: &str) {
        let count = || lock(&self.acknowledged).0.len();
        let before = count();
        eventually(what, || count() > before + 20);
    }

    pub fn finish(self) -> Acknowledged {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap();
        let acknowledged = lock(&self.acknowledged);
        acknowledged.clone()
    }
}

impl Acknowledged {
    /// How many writes.
    pub fn len(&self) -> usize {
        self.0.len()
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
