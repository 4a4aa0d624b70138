//! A bare echo server on the same HTTP library.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::output::Report;

/// The flags of `echo`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
}

/// Serves until it is killed; says where it listens as a node does.
pub async fn run(args: Args) -> Result<Report, Box<dyn Error>> {
    let listener = TcpListener::bind(args.listen).await?;
    announce(&format!("listening address={}", listener.local_addr()?));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let echo = service_fn(|request: Request<Incoming>| async {
                Ok::<_, Infallible>(Response::new(request.into_body()))
            });
            // A client that goes away is none of its business.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), echo).await;
        });
    }
}

#[expect(clippy::print_stderr, reason = "the line that the parent waits for")]
fn announce(line: &str) {
    eprintln!("{line}");
}
