//! Is the node alive?

use std::io;
use std::time::Duration;

use hyper::{Method, StatusCode};
use kv_http::{Address, Client, ClientError};
use thiserror::Error;

const PATIENCE: Duration = Duration::from_secs(2);

/// It is not, or that could not be found out.
#[derive(Debug, Error)]
pub enum Unhealthy {
    #[error("{0} did not answer in {PATIENCE:?}")]
    Silent(Address),
    #[error("{0} answered {1}")]
    Answered(Address, StatusCode),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    System(#[from] io::Error),
}

/// Asks `/health` of the node that listens there.
pub fn run(address: Address) -> Result<(), Unhealthy> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = Client::new(address.clone());
    runtime.block_on(async {
        let asked = tokio::time::timeout(PATIENCE, client.send(Method::GET, "/health", None)).await;
        match asked {
            Ok(response) => match response?.status {
                StatusCode::OK => Ok(()),
                status => Err(Unhealthy::Answered(address, status)),
            },
            Err(_) => Err(Unhealthy::Silent(address)),
        }
    })
}
