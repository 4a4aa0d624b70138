//! Is the result of an experiment as it should be?

use crate::args::Experiment;
use crate::report::{Row, Summary};

/// What is wrong with the result, if anything is.
pub fn problem(args: &Experiment, summary: &Summary) -> Option<String> {
    // With --url and without --follower-urls, nobody asked for a comparison.
    let compared = args.url.is_none() || !args.follower_urls.is_empty();
    summary.results.iter().find_map(|row| {
        let what = if row.errors > 0 {
            "some writes failed".to_owned()
        } else if compared && row.parity_ok != Some(true) {
            "the replicas are not known to be equal".to_owned()
        } else if args.check {
            miss(row, if args.compose.is_some() { &IN_CONTAINERS } else { &IN_PROCESS })?
        } else {
            return None;
        };
        Some(format!("W = {}: {what}", row.quorum))
    })
}

/// What the overhead may be, in ms.
struct Promised {
    p50_ms: f64,
    p99_ms: f64,
}

const IN_PROCESS: Promised = Promised { p50_ms: 1.5, p99_ms: 5.0 };
/// Beside six containers, their networks and health checks, the slowest writes show the machine and not the store.
const IN_CONTAINERS: Promised = Promised { p50_ms: 3.0, p99_ms: f64::INFINITY };

/// How a row misses what is promised of it.
fn miss(row: &Row, promised: &Promised) -> Option<String> {
    let (mean, ci95, theory) = (row.avg_latency_ms?, row.ci95_ms?, row.theory_ms?);
    let (p50, p99) = (row.overhead_p50_ms?, row.overhead_p99_ms?);
    // The half width of the interval is about two standard errors: 1.984 for a hundred writes.
    let deviation = (mean - p50 - theory) / (ci95 / 1.984);
    if deviation.abs() > 3.5 {
        Some(format!("the mean is {deviation:.1} standard errors from the theory"))
    } else if p50 > promised.p50_ms || p99 > promised.p99_ms {
        Some(format!("the overhead is {p50:.3} ms (median), {p99:.3} ms (99th percentile)"))
    } else {
        None
    }
}
