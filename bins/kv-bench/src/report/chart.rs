//! [`Chart`]: what there is to see in the plot, in numbers and words.

use super::summary::{Meta, Row, Summary};

/// What there is to see: the numbers of a summary, picked and put into words.
#[derive(Debug, PartialEq)]
pub(super) struct Chart {
    /// The line below the title.
    pub(super) subtitle: String,
    /// The largest quorum on the axis; at least 1.
    pub(super) quorums: usize,
    /// The measured means, in the order of the rows.
    pub(super) measured: Vec<Measured>,
    /// The expected means as (W, ms), in the order of the rows.
    pub(super) theory: Vec<(f64, f64)>,
}

/// A measured mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measured {
    /// The write quorum, W.
    pub(super) quorum: f64,
    /// The mean latency, in ms.
    pub(super) mean_ms: f64,
    /// Half the width of the 95% interval, in ms, if there is one.
    pub(super) ci95_ms: Option<f64>,
}

impl Chart {
    /// Picks the rows that have latencies; `None` if there are none.
    pub(super) fn of(summary: &Summary) -> Option<Self> {
        let rows = || summary.results.iter().filter(|row| row.avg_latency_ms.is_some());
        let largest = rows().map(|row| row.quorum).max()?;
        Some(Self {
            subtitle: subtitle(&summary.meta, &summary.results),
            quorums: largest.max(summary.meta.followers.unwrap_or(1)).max(1),
            measured: rows().filter_map(Measured::of).collect(),
            theory: rows().filter_map(|row| Some((row.quorum as f64, row.theory_ms?))).collect(),
        })
    }

    /// The highest value to show, in ms.
    pub(super) fn max_ms(&self) -> f64 {
        let bars = self.measured.iter().map(|point| point.mean_ms + point.ci95_ms.unwrap_or(0.0));
        bars.chain(self.theory.iter().map(|(_, ms)| *ms)).fold(0.0, f64::max)
    }
}

impl Measured {
    /// The point of a row; `None` if it has no latencies.
    fn of(row: &Row) -> Option<Self> {
        let mean_ms = row.avg_latency_ms?;
        Some(Self { quorum: row.quorum as f64, mean_ms, ci95_ms: row.ci95_ms })
    }

    /// The ends of the interval, in ms; both are the mean if there is no interval. A wide interval
    /// is cut off at 0, below which there is no latency.
    pub(super) fn interval_ms(&self) -> (f64, f64) {
        let half = self.ci95_ms.unwrap_or(0.0);
        ((self.mean_ms - half).max(0.0), self.mean_ms + half)
    }
}

/// How the run was set up, in one line that leaves out what is not known. Failed writes are told,
/// because the means are without them.
fn subtitle(meta: &Meta, rows: &[Row]) -> String {
    let mut parts = Vec::new();
    if let Some(n) = meta.followers {
        parts.push(format!("N = {n} {}", plural(n as u64, "follower")));
    }
    parts.push(format!("{} {} per quorum", meta.writes, plural(meta.writes as u64, "write")));
    match (meta.min_delay_ms, meta.max_delay_ms) {
        (Some(min), Some(max)) if min == max => parts.push(format!("delay {min} ms")),
        (Some(min), Some(max)) => parts.push(format!("delays {min}–{max} ms")),
        _ => {}
    }
    parts.push(format!("seed {}", meta.seed));
    let errors: u64 = rows.iter().map(|row| row.errors).sum();
    if errors > 0 {
        parts.push(format!("{errors} failed {} left out", plural(errors, "write")));
    }
    parts.join(", ")
}

/// `noun`, with an s unless there is one of it.
fn plural(count: u64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::super::summary::tests::sample;
    use super::*;

    #[test]
    fn rows_without_latencies_are_skipped() {
        let chart = Chart::of(&sample()).unwrap();
        let quorums: Vec<f64> = chart.measured.iter().map(|point| point.quorum).collect();
        assert_eq!(quorums, [1.0, 2.0]);
        assert_eq!(chart.theory, [(1.0, 250.0), (2.0, 500.0)]);
        assert_eq!(chart.quorums, 3);
        assert_eq!(chart.max_ms(), 1234.5);
    }

    #[test]
    fn the_subtitle_leaves_out_what_is_not_known() {
        let Summary { mut meta, results } = sample();
        assert_eq!(
            subtitle(&meta, &results),
            "N = 3 followers, 4 writes per quorum, delays 0–1000 ms, seed 1, 7 failed writes left out"
        );
        meta.followers = Some(1);
        meta.writes = 1;
        meta.min_delay_ms = None;
        assert_eq!(subtitle(&meta, &[]), "N = 1 follower, 1 write per quorum, seed 1");
        meta.followers = None;
        assert_eq!(subtitle(&meta, &[]), "1 write per quorum, seed 1");
    }

    #[test]
    fn an_interval_ends_at_zero() {
        let point = Measured { quorum: 1.0, mean_ms: 2.0, ci95_ms: Some(3.0) };
        assert_eq!(point.interval_ms(), (0.0, 5.0));
    }
}
