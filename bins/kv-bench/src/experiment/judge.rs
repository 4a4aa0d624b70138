//! Is the result of an experiment as it should be?

use crate::report::{Row, Summary};

/// What the overhead may be, in ms.
#[derive(Debug)]
pub struct Promised {
    pub p50_ms: f64,
    pub p99_ms: f64,
}

pub const IN_PROCESS: Promised = Promised { p50_ms: 1.5, p99_ms: 5.0 };
/// Beside six containers, their networks and health checks, the slowest writes show the machine and not the store.
pub const IN_CONTAINERS: Promised = Promised { p50_ms: 3.0, p99_ms: f64::INFINITY };
/// How far the mean may be from the theory, in standard errors.
pub const DEVIATION_MAX: f64 = 3.5;

/// What is wrong with the result, if anything is. Replicas that were not to be compared need not be equal.
pub fn problem(summary: &Summary, is_compared: bool, promised: Option<&Promised>) -> Option<String> {
    summary.results.iter().find_map(|row| {
        let what = if row.errors > 0 {
            "some writes failed".to_owned()
        } else if is_compared && row.parity_ok != Some(true) {
            "the replicas are not known to be equal".to_owned()
        } else {
            miss(row, promised?)?
        };
        Some(format!("W = {}: {what}", row.quorum))
    })
}

/// How a row misses what is promised of it.
fn miss(row: &Row, promised: &Promised) -> Option<String> {
    let (mean, ci95, theory) = (row.avg_latency_ms?, row.ci95_ms?, row.theory_ms?);
    let (p50, p99) = (row.overhead_p50_ms?, row.overhead_p99_ms?);
    // The half width of the interval is about two standard errors: 1.984 for a hundred writes.
    let deviation = (mean - p50 - theory) / (ci95 / 1.984);
    if deviation.abs() > DEVIATION_MAX {
        Some(format!("the mean is {deviation:.1} standard errors from the theory"))
    } else if p50 > promised.p50_ms || p99 > promised.p99_ms {
        Some(format!("the overhead is {p50:.3} ms (median), {p99:.3} ms (99th percentile)"))
    } else {
        None
    }
}
