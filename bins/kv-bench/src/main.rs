//! `kv-bench`: what replication costs.
mod load;
use clap::Parser;
#[derive(Parser)]
struct A {
    url: kv_http::Address,
    connections: usize,
    seconds: u64,
    op: load::Operation,
    #[arg(default_value_t = 1000)]
    keys: u64,
}
fn main() {
    let a = A::parse();
    let rt = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let o = rt
        .block_on(load::run(&load::Load {
            address: a.url,
            operation: a.op,
            connections: a.connections,
            duration: std::time::Duration::from_secs(a.seconds),
            keys: a.keys,
            value_bytes: 64,
            seed: 1,
        }))
        .unwrap();
    println!(
        "{:.0}/s p50 {} p99 {} err {} {:?}",
        o.throughput(),
        o.quantile_ms(0.5),
        o.quantile_ms(0.99),
        o.errors,
        o.first_error
    );
}
