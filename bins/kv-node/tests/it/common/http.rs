//! Just enough HTTP: one request on a connection of its own.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::patience::PATIENCE;

/// An answer. The body is null if it is not JSON.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub text: String,
    pub body: Value,
}

impl Answer {
    /// The header of this name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// One request on a connection of its own.
pub fn request(to: SocketAddr, method: &str, path: &str, body: Option<Value>) -> io::Result<Answer> {
    Open::send(to, method, path, body)?.read()
}

/// A request that is on its way: the node need not even run.
pub fn open(to: SocketAddr, path: &str) -> Open {
    Open::send(to, "GET", path, None).unwrap()
}

/// A request that has been sent.
pub struct Open(TcpStream);

impl Open {
    fn send(to: SocketAddr, method: &str, path: &str, body: Option<Value>) -> io::Result<Self> {
        let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len(),
        )?;
        Ok(Self(stream))
    }

    /// Waits for the answer; there must be one.
    pub fn answer(self) -> Answer {
        self.read().expect("an answer")
    }

    fn read(mut self) -> io::Result<Answer> {
        let mut answer = String::new();
        self.0.read_to_string(&mut answer)?;
        parse(&answer)
    }
}

fn parse(answer: &str) -> io::Result<Answer> {
    let no_http = || io::Error::other(format!("not HTTP: {answer:?}"));
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(no_http)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(no_http)?;
    let head = head.to_ascii_lowercase();
    let whole =
        if head.contains("transfer-encoding: chunked") { join_chunks(body) } else { Some(body.to_owned()) };
    let text = whole.ok_or_else(no_http)?;
    let body = serde_json::from_str(&text).unwrap_or_default();
    Ok(Answer { status, head, text, body })
}

/// A body that came in chunks; none if it is cut short.
fn join_chunks(mut rest: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (size, chunk) = rest.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        body += chunk.get(..size)?;
        rest = chunk.get(size..)?.strip_prefix("\r\n")?;
        if size == 0 {
            return Some(body);
        }
    }
}
