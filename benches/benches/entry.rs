//! The entry: from a command to a frame, and back.

#![allow(missing_docs, clippy::unwrap_used, reason = "criterion's macros; a benchmark may stop")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kv_core::{Command, Entry, Epoch, Key, NodeId};

const EPOCH: Epoch = Epoch { counter: 1, node: NodeId(1) };

fn entry(criterion: &mut Criterion) {
    for bytes in [64, 4096] {
        let value = vec![b'v'; bytes];
        let key = Key::parse("key-00000001").unwrap();
        let mut group = criterion.benchmark_group("entry");
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(BenchmarkId::new("encode", bytes), |bencher| {
            bencher.iter(|| Command::put(black_box(key), &value).unwrap().into_entry(EPOCH, 7));
        });
        let encoded = Command::put(key, &value).unwrap().into_entry(EPOCH, 7);
        group.bench_function(BenchmarkId::new("decode", bytes), |bencher| {
            bencher.iter(|| Entry::decode(black_box(encoded.frame())).unwrap());
        });
        group.bench_function(BenchmarkId::new("share", bytes), |bencher| {
            bencher.iter(|| black_box(&encoded).clone());
        });
        group.finish();
    }
}

criterion_group!(benches, entry);
criterion_main!(benches);
