//! Is the node alive?

use std::error::Error;
use std::time::Duration;

use hyper::{Method, StatusCode};
use kv_http::Client;

use crate::settings::Settings;

const PATIENCE: Duration = Duration::from_secs(2);

/// Asks `/health` of the node that has these settings.
pub fn run(settings: &Settings) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = Client::new(settings.local_address());
    runtime.block_on(async {
        let asked = tokio::time::timeout(PATIENCE, client.send(Method::GET, "/health", None)).await;
        let response =
            asked.map_err(|_| format!("{} did not answer in {PATIENCE:?}", client.address()))??;
        if response.status == StatusCode::OK {
            Ok(())
        } else {
            Err(format!("{} answered {}", client.address(), response.status).into())
        }
    })
}
