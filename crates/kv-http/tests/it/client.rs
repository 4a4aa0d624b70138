//! A client keeps its connections; a server may close them whenever it likes. That costs the client
//! nothing: neither its own call nor the leader's opinion of a follower.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::{Method, StatusCode};
use kv_http::{Client, ClientError, Connection, Node, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::common::raw::{Raw, put};
use crate::common::{Cluster, Server, follower, node_address, soon};

async fn health(client: &Client) -> Result<StatusCode, ClientError> {
    soon("the call", client.send(Method::GET, "/health", None)).await.map(|answer| answer.status)
}

#[tokio::test]
async fn without_a_server_there_is_no_connection() {
    let node = Node::follower(follower(1));
    let mut server = Server::start(node.clone(), ServerConfig::default()).await;
    server.stop().await;
    let client = Client::new(server.url());
    assert!(matches!(health(&client).await, Err(ClientError::Connect { .. })));
    server.start_again(node);
    assert_eq!(health(&client).await.unwrap(), StatusCode::OK);
    assert_eq!(health(&client).await.unwrap(), StatusCode::OK, "on the same connection");
}

#[tokio::test]
async fn a_call_on_a_closed_connection_ends() {
    let mut server = Server::start(Node::follower(follower(1)), ServerConfig::default()).await;
    let mut connection = Connection::open(&server.url()).await.unwrap();
    assert!(connection.send(Method::GET, "/health", None).await.is_ok());
    server.stop().await;
    let call = soon("the call", connection.send(Method::GET, "/health", None)).await;
    assert!(matches!(call, Err(ClientError::Broken(_))), "{call:?}");
    let again = soon("the next call", connection.send(Method::GET, "/health", None)).await;
    assert!(matches!(again, Err(ClientError::Broken(_))), "{again:?}");
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_not_used_again() {
    let node = Node::follower(follower(1));
    let mut server = Server::start(node.clone(), ServerConfig::default()).await;
    let client = Client::new(server.url());
    for _ in 0..5 {
        assert_eq!(health(&client).await.unwrap(), StatusCode::OK);
        server.stop().await;
        server.start_again(node.clone());
    }
}

/// A network that was cut says nothing: a call on a connection through it ends when its caller gives up. The other
/// connections that were open are of no use either, and need not be tried one after the other.
#[tokio::test]
async fn after_a_call_that_was_given_up_a_new_connection_is_opened() {
    const BEFORE: usize = 4;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Arc::new(Client::new(node_address(listener.local_addr().unwrap())));
    tokio::spawn(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            // Those that are open when the network is cut answer once, all at the same time, and then no more.
            let answers = if number < BEFORE { 1 } else { usize::MAX };
            tokio::spawn(answer(stream, answers, if number < BEFORE { BEFORE } else { 1 }));
        }
    });
    let mut burst = JoinSet::new();
    for _ in 0..BEFORE {
        let client = Arc::clone(&client);
        burst.spawn(async move { health(&client).await.unwrap() });
    }
    soon("the burst", burst.join_all()).await;
    let given_up = tokio::time::timeout(Duration::from_millis(100), health(&client)).await;
    assert!(given_up.is_err(), "nobody answers there");
    assert_eq!(health(&client).await.unwrap(), StatusCode::OK);
}

/// Answers so many requests on this connection, each when `together` of them have come, on all connections.
async fn answer(mut stream: TcpStream, answers: usize, together: usize) {
    static COME: AtomicUsize = AtomicUsize::new(0);
    let mut request = [0; 1024];
    for _ in 0..answers {
        if stream.read(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
        COME.fetch_add(1, Ordering::SeqCst);
        while COME.load(Ordering::SeqCst) < together {
            tokio::task::yield_now().await;
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    }
    // Open, and silent.
    std::future::pending::<()>().await;
}

/// Followers close connections that nobody uses for a while. The leader has some to spare from every
/// burst; the next burst must not meet dead ones, and take its followers for down.
#[tokio::test]
async fn a_burst_after_a_pause_is_served_at_once() {
    let config = ServerConfig { header_timeout: Duration::from_secs(1), ..ServerConfig::default() };
    let cluster = Cluster::with(3, 2, |setup| setup.server = config).await;
    for _ in 0..2 {
        let mut burst = JoinSet::new();
        for key in 0..100 {
            let leader = cluster.leader.address;
            // Less than the leader needs to give an attempt up.
            burst.spawn(async move { put(leader, &format!("k{key}?timeout_ms=2000"), "v").await.status });
        }
        let answers = soon("the burst", burst.join_all()).await;
        assert!(answers.iter().all(|&status| status == 200), "{answers:?}");
        cluster.until_equal().await;
        // When the second of these is closed, so is every one that has been idle since the burst.
        for _ in 0..2 {
            Raw::open(cluster.followers[0].address).await.until_closed().await;
        }
    }
}
