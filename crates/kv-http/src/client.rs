//! Speaking to one node.

use std::fmt;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::{TcpStream, lookup_host};

use crate::address::Address;
use crate::body::{CollectError, collect};

/// Connections that are kept open while nobody uses them.
const IDLE_CONNECTIONS_MAX: usize = 8;
/// The longest response that is read.
const RESPONSE_BYTES_MAX: usize = 1 << 30;

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum ClientError {
    /// No connection.
    #[error("cannot connect to {address}: {reason}")]
    Connect {
        /// Where to.
        address: Address,
        /// Why not.
        reason: std::io::Error,
    },
    /// There is a connection, but the name has another address by now.
    #[error("cannot connect to {address}: its name leads elsewhere by now")]
    Moved {
        /// Where to.
        address: Address,
    },
    /// The connection broke, or what came back is not HTTP.
    #[error("no answer: {0}")]
    Broken(#[from] hyper::Error),
    /// The path or the content type cannot be sent.
    #[error("the request cannot be sent: {0}")]
    Request(#[from] hyper::http::Error),
    /// The answer is longer than this client reads.
    #[error("the answer is too large")]
    TooLarge,
}

/// A client of one node. It opens connections as needed and uses them again.
///
/// A connection that is kept must lead to the node of that name. Where addresses are given to one machine after the
/// other, as to containers, one that takes long to open can end at whoever has got the address meanwhile; so the
/// name is looked up once more when it is open.
///
/// It has no time-outs: whoever drops the future of a call closes its connection, and those that are idle.
#[derive(Debug)]
pub struct Client {
    address: Address,
    idle: Mutex<Vec<Connection>>,
}

impl Client {
    /// A client of the node at `address`; nothing is connected yet.
    #[must_use]
    pub fn new(address: Address) -> Self {
        Self { address, idle: Mutex::new(Vec::new()) }
    }

    /// Where it leads.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Sends a request and reads the answer. A body comes with its content type.
    ///
    /// # Errors
    /// [`ClientError`]; then the request may or may not have arrived.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Bytes)>,
    ) -> Result<Response, ClientError> {
        let call = Call { client: self, went_well: false };
        let mut connection = match self.reuse().await {
            Some(connection) => connection,
            None => Connection::open_surely(&self.address).await?,
        };
        let response = connection.send(method, path, body).await?;
        call.went_well();
        let mut idle = self.idle();
        if idle.len() < IDLE_CONNECTIONS_MAX {
            idle.push(connection);
        }
        Ok(response)
    }

    /// An open connection that nobody uses.
    async fn reuse(&self) -> Option<Connection> {
        loop {
            let mut connection = self.idle().pop()?;
            if connection.ready().await.is_ok() {
                return Some(connection);
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call under way. If it fails or is given up, the idle connections go with it: they lead to the same place, and
/// where a network was cut nothing else would tell that they are of no use, one after the other.
struct Call<'a> {
    client: &'a Client,
    went_well: bool,
}

impl Call<'_> {
    fn went_well(mut self) {
        self.went_well = true;
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if !self.went_well {
            self.client.idle().clear();
        }
    }
}

/// One connection, for one request at a time.
///
/// It makes progress only while a call on it is polled: no task runs beside it, so that a request is
/// written at once, by whoever sends it. That the other side has closed it is noticed by the next call.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// None once the connection has ended.
    io: Option<Io>,
    host: HeaderValue,
}

type Io = Pin<Box<http1::Connection<TokioIo<TcpStream>, Full<Bytes>>>>;

impl Connection {
    /// Connects, with `TCP_NODELAY`.
    ///
    /// # Errors
    /// [`ClientError::Connect`] or [`ClientError::Broken`].
    pub async fn open(address: &Address) -> Result<Self, ClientError> {
        Self::over(connect(address).await?, address).await
    }

    /// As [`Connection::open`], to a node whose name has one address at a time.
    async fn open_surely(address: &Address) -> Result<Self, ClientError> {
        let stream = connect(address).await?;
        let failed = |reason| ClientError::Connect { address: address.clone(), reason };
        if address.host().parse::<IpAddr>().is_err() {
            // If it is that of the name now, nobody else has had it since the connection was made: whoever
            // gives an address away closes what it had open.
            let found = stream.peer_addr().map_err(failed)?;
            let mut now = lookup_host((address.host(), address.port())).await.map_err(failed)?;
            if !now.any(|it| it.ip() == found.ip()) {
                return Err(ClientError::Moved { address: address.clone() });
            }
        }
        Self::over(stream, address).await
    }

    async fn over(stream: TcpStream, address: &Address) -> Result<Self, ClientError> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let host = HeaderValue::from_str(&address.authority()).map_err(hyper::http::Error::from)?;
        Ok(Self { sender, io: Some(Box::pin(connection)), host })
    }

    /// As [`Client::send`], on this connection.
    ///
    /// # Errors
    /// [`ClientError`]; then the connection is of no use any more.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Bytes)>,
    ) -> Result<Response, ClientError> {
        let (head, body) = self.begin(method, path, body).await?.into_parts();
        let body =
            drive(&mut self.io, collect(body, RESPONSE_BYTES_MAX)).await.map_err(|error| match error {
                CollectError::Broken(error) => ClientError::Broken(error),
                CollectError::TooLarge => ClientError::TooLarge,
            })?;
        Ok(Response { status: head.status, headers: head.headers, body })
    }

    /// Sends a GET, and hands the body over piece by piece, as it comes: a body of any length. The
    /// response has none.
    ///
    /// # Errors
    /// As [`Connection::send`]; also in the middle of the body.
    pub async fn read(&mut self, path: &str, mut each: impl FnMut(&[u8])) -> Result<Response, ClientError> {
        let (head, mut body) = self.begin(Method::GET, path, None).await?.into_parts();
        while let Some(frame) = drive(&mut self.io, body.frame()).await {
            if let Some(piece) = frame?.data_ref() {
                each(piece);
            }
        }
        Ok(Response { status: head.status, headers: head.headers, body: Bytes::new() })
    }

    /// Sends a request, and waits for the head of the answer.
    async fn begin(
        &mut self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Bytes)>,
    ) -> Result<hyper::Response<Incoming>, ClientError> {
        let mut request = Request::builder().method(method).uri(path).header(HOST, &self.host);
        if let Some((content_type, _)) = &body {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        let request = request.body(Full::new(body.map(|(_, bytes)| bytes).unwrap_or_default()))?;
        self.ready().await?;
        let Self { sender, io, .. } = self;
        Ok(drive(io, sender.send_request(request)).await?)
    }

    /// Waits until the connection can take a request; an error means that it is closed.
    async fn ready(&mut self) -> Result<(), hyper::Error> {
        // A look at the connection first: it may have been closed while nobody used it.
        poll_fn(|context| {
            progress(&mut self.io, context);
            Poll::Ready(())
        })
        .await;
        drive(&mut self.io, self.sender.ready()).await
    }
}

async fn connect(address: &Address) -> Result<TcpStream, ClientError> {
    let failed = |reason| ClientError::Connect { address: address.clone(), reason };
    let stream = TcpStream::connect((address.host(), address.port())).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    Ok(stream)
}

/// Polls `call` to its end, and the connection with it whenever the call has to wait.
async fn drive<T>(io: &mut Option<Io>, call: impl Future<Output = T>) -> T {
    let mut call = pin!(call);
    poll_fn(|context| {
        if let Poll::Ready(output) = call.as_mut().poll(context) {
            return Poll::Ready(output);
        }
        progress(io, context);
        call.as_mut().poll(context)
    })
    .await
}

/// Lets the connection read and write what it can. When it has ended it is dropped, and with it what
/// it still had to do: that is how a call on it learns that there will be no answer.
fn progress(io: &mut Option<Io>, context: &mut Context<'_>) {
    if io.as_mut().is_some_and(|io| io.as_mut().poll(context).is_ready()) {
        *io = None;
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("host", &self.host).finish_non_exhaustive()
    }
}
