//! HTTP by hand, on a socket of one's own: what is sent is exactly what the test wrote.

use std::io;
use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::soon;

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// The header of this name (in lower case); a test fails if it is there twice.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(found, _)| found == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} is there twice");
        value
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The bytes of a request. A body comes with its length, everything else is up to `headers`.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nHost: test\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if let Some(body) = body {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body.unwrap_or_default());
    bytes
}

/// The bytes of a write.
pub fn put_request(key: &str, value: &str) -> Vec<u8> {
    let body = json!({ "value": value }).to_string();
    request("PUT", &format!("/kv/{key}"), &[("Content-Type", "application/json")], Some(body.as_bytes()))
}

/// Sends one request on a connection of its own.
pub async fn ask(address: SocketAddr, request: &[u8]) -> Reply {
    let mut connection = Raw::open(address).await;
    connection.send(request).await;
    connection.reply().await
}

pub async fn get(address: SocketAddr, path: &str) -> Reply {
    ask(address, &request("GET", path, &[], None)).await
}

pub async fn put(address: SocketAddr, key: &str, value: &str) -> Reply {
    ask(address, &put_request(key, value)).await
}

pub async fn post_json(address: SocketAddr, path: &str, body: &Value) -> Reply {
    let body = body.to_string();
    let json = [("Content-Type", "application/json")];
    ask(address, &request("POST", path, &json, Some(body.as_bytes()))).await
}

/// One connection.
pub struct Raw {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Raw {
    pub async fn open(address: SocketAddr) -> Self {
        let stream = soon("connect", TcpStream::connect(address)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, unread: Vec::new() }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).await.unwrap();
    }

    /// The other side may have closed.
    pub async fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        soon("a write to the socket", self.stream.write_all(bytes)).await
    }

    /// The next answer.
    pub async fn reply(&mut self) -> Reply {
        self.reply_or_end().await.expect("an answer, not the end of the connection")
    }

    /// The next answer; none if the connection ends without one.
    pub async fn reply_or_end(&mut self) -> Option<Reply> {
        soon("an answer", self.read_reply(true)).await
    }

    /// The next answer, to a HEAD: it has no body, whatever its length says.
    pub async fn reply_to_head(&mut self) -> Reply {
        soon("an answer", self.read_reply(false)).await.expect("an answer, not the end of the connection")
    }

    /// Nothing more comes: the other side has closed, whether it said so or reset the connection.
    pub async fn until_closed(&mut self) {
        let rest = self.reply_or_end().await;
        assert!(rest.is_none() && self.unread.is_empty(), "the end, but: {rest:?}, {:?}", self.unread);
    }

    /// Whether an answer can be read without waiting longer than `time`.
    pub async fn answers_within(&mut self, time: std::time::Duration) -> bool {
        let mut byte = [0];
        matches!(tokio::time::timeout(time, self.stream.peek(&mut byte)).await, Ok(Ok(1)))
    }

    async fn read_reply(&mut self, with_body: bool) -> Option<Reply> {
        let head_end = loop {
            match self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                Some(at) => break at,
                None => self.read_more().await?,
            }
        };
        let head = String::from_utf8(self.unread.drain(..head_end + 4).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let mut reply = Reply { status, headers, body: Vec::new() };
        let length = reply.header("content-length").map_or(0, |length| length.parse().unwrap());
        if reply.header("transfer-encoding") == Some("chunked") && with_body {
            reply.body = self.read_chunks().await?;
            return Some(reply);
        }
        let length = if with_body { length } else { 0 };
        while self.unread.len() < length {
            self.read_more().await?;
        }
        reply.body = self.unread.drain(..length).collect();
        Some(reply)
    }

    /// A body in chunks; none if the connection ends before it does.
    async fn read_chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line_end = loop {
                match self.unread.windows(2).position(|two| two == b"\r\n") {
                    Some(at) => break at,
                    None => self.read_more().await?,
                }
            };
            let size =
                usize::from_str_radix(std::str::from_utf8(&self.unread[..line_end]).unwrap(), 16).unwrap();
            while self.unread.len() < line_end + 2 + size + 2 {
                self.read_more().await?;
            }
            let chunk: Vec<u8> = self.unread.drain(..line_end + 2 + size + 2).collect();
            body.extend_from_slice(&chunk[line_end + 2..line_end + 2 + size]);
            if size == 0 {
                return Some(body);
            }
        }
    }

    /// None at the end of the connection.
    async fn read_more(&mut self) -> Option<()> {
        let mut piece = vec![0; 64 << 10];
        match self.stream.read(&mut piece).await {
            Ok(0) | Err(_) => None,
            Ok(bytes) => {
                self.unread.extend_from_slice(&piece[..bytes]);
                Some(())
            }
        }
    }
}
