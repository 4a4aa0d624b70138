//! The cluster of `compose/docker-compose.yml` on a real Docker engine, through its own command line.
//!
//! A [`Stack`] has a project, names and ports of its own, so that it meets neither another test nor a cluster
//! that somebody runs. When it is dropped, everything of its project is removed, found by the label that
//! Compose gives it; if that is because the test has failed, what the nodes logged is shown.

mod tools;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use self::tools::{compose, variable};
pub use self::tools::{docker, docker_fails, image};
use crate::common::{Answer, Ended, Variables, eventually, request};

/// All of the Compose file.
pub const SERVICES: [&str; 6] = ["leader", "follower1", "follower2", "follower3", "follower4", "follower5"];
/// The five that follow.
pub const FOLLOWERS: [&str; 5] = ["follower1", "follower2", "follower3", "follower4", "follower5"];
/// What the lab runs with.
pub const LAB: &[&str] = &["docker-compose.yml"];
/// The same with a volume for each node.
pub const DURABLE: &[&str] = &["docker-compose.yml", "durable.yml"];

/// Projects of this test program so far.
static PROJECTS: AtomicUsize = AtomicUsize::new(0);

/// A leader and five followers, each in a container. Services are named as in the Compose file.
pub struct Stack {
    project: String,
    files: &'static [&'static str],
    variables: Vec<(String, String)>,
    /// The leader's port; the followers have the next ones.
    port: u16,
}

impl Stack {
    /// Starts the lab with these variables, and waits until the leader serves and all followers count.
    pub fn up(settings: Variables<'_>) -> Self {
        let stack = Self::new(LAB, settings);
        stack.compose_up();
        stack
    }

    /// One that has not been started.
    pub fn new(files: &'static [&'static str], settings: Variables<'_>) -> Self {
        let nth = PROJECTS.fetch_add(1, Ordering::SeqCst);
        // The script that runs these tests gives a name, to see afterwards that nothing is left of it.
        let run = variable("KV_TEST_PROJECT").unwrap_or_else(|| format!("kvtest{}", std::process::id()));
        let project = format!("{run}-{nth}");
        let ports = free_ports(nth);
        let mut variables: Vec<(String, String)> = vec![
            ("KV_IMAGE".to_owned(), image().to_owned()),
            ("KV_NAMES".to_owned(), format!("{project}-")),
            ("KV_PORTS".to_owned(), ports.to_string()),
        ];
        let named = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        variables.extend(named);
        Self { project, files, variables, port: ports * 10 }
    }

    /// `up -d`: creates and starts what is not there.
    pub fn compose_up(&self) {
        self.compose(&["up", "-d"]);
        self.serves();
        self.counts(&FOLLOWERS);
    }

    /// Compose with this project's files and variables; it must succeed.
    pub fn compose(&self, args: &[&str]) -> Ended {
        let files: Vec<PathBuf> = self.files.iter().map(|file| tools::compose_dir().join(file)).collect();
        let mut command = compose();
        for file in &files {
            command.arg("-f").arg(file);
        }
        command.args(["-p", &self.project]).args(args).envs(self.variables.iter().cloned());
        tools::succeeds(&mut command)
    }

    /// The container of a service.
    pub fn container(&self, service: &str) -> String {
        format!("{}-{service}", self.project)
    }

    /// Where this machine reaches a service.
    pub fn address(&self, service: &str) -> SocketAddr {
        let nth = service.strip_prefix("follower").map_or(0, |nth| nth.parse().unwrap());
        (Ipv4Addr::LOCALHOST, self.port + nth).into()
    }

    /// The leader's address.
    pub fn leader(&self) -> SocketAddr {
        self.address("leader")
    }

    /// A docker command whose last argument is the container of this service.
    pub fn docker(&self, args: &[&str], service: &str) -> String {
        docker(&[args, &[&self.container(service)]].concat())
    }

    /// One field of a container, as a template of `docker inspect`.
    pub fn inspect(&self, service: &str, field: &str) -> String {
        self.docker(&["inspect", "--format", &format!("{{{{{field}}}}}")], service)
    }

    /// What a node has logged, since its container was created.
    pub fn log(&self, service: &str) -> String {
        tools::merged(&["logs", &self.container(service)])
    }

    /// Takes the service out of its network.
    pub fn cut(&self, service: &str) {
        docker(&["network", "disconnect", &self.network(), &self.container(service)]);
    }

    /// Puts it back, under its name: Compose gave it when it created the container, and Docker forgets it.
    pub fn heal(&self, service: &str) {
        docker(&["network", "connect", "--alias", service, &self.network(), &self.container(service)]);
    }

    fn network(&self) -> String {
        format!("{}_default", self.project)
    }

    /// A request that must be answered.
    pub fn get(&self, service: &str, path: &str) -> Answer {
        request(self.address(service), "GET", path, None).expect("an answer")
    }

    /// A write on the leader.
    pub fn put(&self, path: &str, value: &str) -> Answer {
        let body = Some(json!({ "value": value }));
        request(self.leader(), "PUT", &format!("/kv/{path}"), body).expect("an answer")
    }

    /// Waits until the leader takes writes.
    pub fn serves(&self) {
        eventually("the leader serves", || {
            request(self.leader(), "GET", "/readyz", None).is_ok_and(|answer| answer.status == 200)
        });
    }

    /// Waits until the leader counts each of these: level, with its memory, and the very process that runs now.
    pub fn counts(&self, services: &[&str]) {
        for service in services {
            let mut id = Value::Null;
            eventually("the follower listens", || {
                let answer = request(self.address(service), "GET", "/status", None);
                id = answer.map(|answer| answer.body["node_id"].clone()).unwrap_or_default();
                id.is_string()
            });
            eventually("the follower counts", || {
                let link = self.link(service);
                link["state"] == "streaming" && link["counts"] == true && link["node_id"] == id
            });
        }
    }

    /// What the leader knows of a follower.
    pub fn link(&self, service: &str) -> Value {
        let status = self.get("leader", "/status").body;
        let links = status["followers"].as_array().unwrap();
        let named = |link: &&Value| link["url"] == format!("http://{service}:8000");
        links.iter().find(named).unwrap_or_else(|| panic!("{service} is not in {status:#}")).clone()
    }

    /// The versions that the leader knows of: `assigned`, `committed`.
    pub fn version(&self, name: &str) -> u64 {
        self.get("leader", "/status").body["versions"][name].as_u64().unwrap()
    }

    /// All that a node holds.
    pub fn dump(&self, service: &str) -> Value {
        let answer = self.get(service, "/kv");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    /// The leader says that all six are equal.
    pub fn is_equal(&self) {
        let parity = self.get("leader", "/parity?timeout_ms=30000");
        assert!(parity.status == 200 && parity.body["parity_ok"] == true, "{parity:?}");
        assert_eq!(parity.body["nodes"].as_array().unwrap().len(), 6, "{parity:?}");
    }

    /// The name that Compose labels everything of it with.
    pub fn project(&self) -> String {
        self.project.clone()
    }

    /// What Compose makes of these files if no variable is set.
    pub fn without_variables(files: &[&str]) -> String {
        let mut command = compose();
        for file in files {
            command.arg("-f").arg(tools::compose_dir().join(file));
        }
        tools::succeeds(command.arg("config")).stdout
    }
}

/// How much there is of a project: containers, networks and volumes.
pub fn parts_of(project: &str) -> usize {
    KINDS.iter().map(|(list, _)| tools::of_project(list, project).len()).sum()
}

/// What a project consists of, and how it is removed, in this order.
const KINDS: [(&[&str], &[&str]); 3] = [
    (&["ps", "--all", "--quiet"], &["rm", "--force", "--volumes"]),
    (&["network", "ls", "--quiet"], &["network", "rm"]),
    (&["volume", "ls", "--quiet"], &["volume", "rm", "--force"]),
];

impl Drop for Stack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for service in SERVICES {
                eprintln!("--- {service}\n{}", self.log(service));
            }
        }
        for (list, remove) in KINDS {
            let ids = tools::of_project(list, &self.project);
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            if !ids.is_empty() {
                // A second failure would hide the first one; what is left shows in the script's last check.
                tools::merged(&[remove, &ids].concat());
            }
        }
    }
}

/// The first digits of six ports that are free: 2001 stands for 20010 to 20015. They are below those that the
/// system gives to outgoing connections, which could otherwise take one while its container is restarted.
fn free_ports(nth: usize) -> u16 {
    const FIRST: u16 = 1100;
    const COUNT: u16 = 2000;
    let start = u16::try_from((std::process::id() as usize * 7 + nth * 13) % usize::from(COUNT)).unwrap();
    let is_free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    (0..COUNT)
        .map(|step| FIRST + (start + step) % COUNT)
        .find(|tens| (0..=5).all(|nth| is_free(tens * 10 + nth)))
        .unwrap_or_else(|| panic!("no six ports in a row are free"))
}
