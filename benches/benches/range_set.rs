//! The range set: in order, as without delays, and shuffled, as with them.

#![allow(missing_docs, reason = "criterion's macros")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kv_replication::RangeSet;

/// Versions 1..=n, each at most `reach` places from where it belongs.
fn shuffled(n: u64, reach: u64) -> Vec<u64> {
    let mut versions: Vec<u64> = (1..=n).collect();
    versions.sort_by_key(|version| version + version.wrapping_mul(0x9E37_79B9_7F4A_7C15) % reach);
    versions
}

fn range_set(criterion: &mut Criterion) {
    const VERSIONS: u64 = 10_000;
    let mut group = criterion.benchmark_group("range_set");
    group.throughput(Throughput::Elements(VERSIONS));
    for reach in [1, 100, 5_000] {
        let versions = shuffled(VERSIONS, reach);
        group.bench_function(BenchmarkId::new("insert", reach), |bencher| {
            bencher.iter(|| {
                let mut set = RangeSet::new();
                for &version in &versions {
                    set.insert(version);
                }
                black_box(set.watermark())
            });
        });
    }
    let islands: RangeSet = (0..VERSIONS).step_by(2).map(|version| version..=version).collect();
    group.bench_function("gaps", |bencher| {
        bencher.iter(|| islands.gaps(1..=VERSIONS).map(|gap| *gap.start()).sum::<u64>());
    });
    group.finish();
}

criterion_group!(benches, range_set);
criterion_main!(benches);
