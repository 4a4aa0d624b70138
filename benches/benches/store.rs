//! The store: put, get, prefix scan and digest, from a thousand keys to a million.

#![allow(missing_docs, clippy::unwrap_used, reason = "criterion's macros; a benchmark may stop")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use kv_core::{Command, Entry, Epoch, Key, NodeId, Store, Version};

const EPOCH: Epoch = Epoch { counter: 1, node: NodeId(1) };
const SIZES: [u64; 3] = [1_000, 30_000, 1_000_000];
const VALUE: [u8; 64] = [b'v'; 64];

fn key(index: u64) -> String {
    format!("key-{index:08}")
}

fn put(version: Version, key: &str) -> Entry {
    Command::put(Key::parse(key).unwrap(), &VALUE).unwrap().into_entry(EPOCH, version)
}

fn filled(keys: u64) -> Store {
    let mut store = Store::new();
    for index in 0..keys {
        store.apply(&put(index + 1, &key(index)));
    }
    store
}

/// Visits keys far apart, the same ones every time.
fn scattered(keys: u64, step: u64) -> String {
    key(step.wrapping_mul(0x9E37_79B9_7F4A_7C15) % keys)
}

fn store(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("store");
    for keys in SIZES {
        let mut store = filled(keys);
        let mut step = 0;
        let mut version = keys;
        group.bench_function(BenchmarkId::new("put", keys), |bencher| {
            bencher.iter_batched(
                || {
                    step += 1;
                    version += 1;
                    put(version, &scattered(keys, step))
                },
                |entry| black_box(store.apply(&entry)),
                criterion::BatchSize::SmallInput,
            );
        });
        let names: Vec<String> = (0..1024).map(|step| scattered(keys, step)).collect();
        let mut names = names.iter().cycle();
        group.bench_function(BenchmarkId::new("get", keys), |bencher| {
            bencher.iter(|| store.get(names.next().unwrap()).map(|item| black_box(item.version)));
        });
        group.bench_function(BenchmarkId::new("scan_100", keys), |bencher| {
            bencher
                .iter(|| store.scan("key-000005", None).take(100).map(|(_, item)| item.version).sum::<u64>());
        });
        group.bench_function(BenchmarkId::new("digest", keys), |bencher| {
            bencher.iter(|| black_box(store.digest(version)));
        });
    }
    group.finish();
}

criterion_group!(benches, store);
criterion_main!(benches);
