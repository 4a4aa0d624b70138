//! [`Summary`]: what a run found, in the shape of its JSON file.

use std::io;
use std::path::Path;

use serde::{Serialize, Serializer};

use super::staged::{Staged, WriteError};
use super::stats::LatencySummary;

/// One run of the experiment: how it was set up, and one row for each write quorum.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Summary {
    /// How the run was set up.
    pub(crate) meta: Meta,
    /// What was measured, one row for each quorum, in the order in which it is shown.
    pub(crate) results: Vec<Row>,
}

/// How a run was set up. `None` is what the run could not know.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Meta {
    /// The number of followers, N.
    pub(crate) followers: Option<usize>,
    /// The smallest delay before a follower gets a write, in ms.
    pub(crate) min_delay_ms: Option<u64>,
    /// The largest delay before a follower gets a write, in ms.
    pub(crate) max_delay_ms: Option<u64>,
    /// The number of writes attempted at each quorum.
    pub(crate) writes: usize,
    /// The number of writers at work at the same time.
    pub(crate) workers: usize,
    /// The number of distinct keys written.
    pub(crate) keys: usize,
    /// The seed of everything random in the run.
    pub(crate) seed: u64,
    /// How the nodes talked to each other, such as "http loopback, in process".
    pub(crate) transport: String,
    /// The version of the program that made the run.
    pub(crate) version: String,
}

/// What was measured at one write quorum.
///
/// The latencies are those of the writes that succeeded, from the call to its answer, and `None`
/// when there were none. A failed write is counted in `errors` and nowhere else.
/// Percentiles are nearest-rank. In JSON, milliseconds are rounded to three decimals.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    /// The write quorum, W: how many followers must acknowledge before a write succeeds.
    pub(crate) quorum: usize,
    /// The number of writes that succeeded, which are those the latencies are of.
    pub(crate) writes: usize,
    /// The mean latency, in ms.
    #[serde(serialize_with = "rounded")]
    pub(crate) avg_latency_ms: Option<f64>,
    /// The smallest latency, in ms.
    #[serde(serialize_with = "rounded")]
    pub(crate) min_latency_ms: Option<f64>,
    /// The largest latency, in ms.
    #[serde(serialize_with = "rounded")]
    pub(crate) max_latency_ms: Option<f64>,
    /// Whether the nodes held the same data afterwards; `None` when they could not be compared.
    pub(crate) parity_ok: Option<bool>,
    /// The median latency, in ms.
    #[serde(serialize_with = "rounded")]
    pub(crate) p50_latency_ms: Option<f64>,
    /// The 95th percentile of the latencies, in ms.
    #[serde(serialize_with = "rounded")]
    pub(crate) p95_latency_ms: Option<f64>,
    /// The 99th percentile of the latencies, in ms.
    #[serde(serialize_with = "rounded")]
    pub(crate) p99_latency_ms: Option<f64>,
    /// The mean latency that the delays alone explain, in ms; `None` when they are not known.
    #[serde(serialize_with = "rounded")]
    pub(crate) theory_ms: Option<f64>,
    /// Half the width of the 95% interval of the mean, in ms; `None` for fewer than two writes.
    #[serde(serialize_with = "rounded")]
    pub(crate) ci95_ms: Option<f64>,
    /// The median overhead, in ms: the latency of a write less the delay it had to wait for.
    #[serde(serialize_with = "rounded")]
    pub(crate) overhead_p50_ms: Option<f64>,
    /// The 99th percentile of the overheads, in ms.
    #[serde(serialize_with = "rounded")]
    pub(crate) overhead_p99_ms: Option<f64>,
    /// The number of writes that failed.
    pub(crate) errors: u64,
}

impl Row {
    /// The row of write quorum `quorum`.
    ///
    /// - `latencies_ms`: one finite latency for each write that succeeded, in any order;
    /// - `overheads_ms`: the overhead of each of these writes, or `None` when the delays that
    ///   they met are not known;
    /// - `errors`: how many writes failed;
    /// - `parity_ok`: whether the nodes then held the same data, or `None` if not compared;
    /// - `theory_ms`: see [`theory_ms`](super::theory_ms), or `None` when the delays are not known.
    pub(crate) fn new(
        quorum: usize,
        latencies_ms: &[f64],
        overheads_ms: Option<&[f64]>,
        errors: u64,
        parity_ok: Option<bool>,
        theory_ms: Option<f64>,
    ) -> Self {
        let latency = LatencySummary::of(latencies_ms);
        let overhead = overheads_ms.and_then(LatencySummary::of);
        Self {
            quorum,
            writes: latencies_ms.len(),
            avg_latency_ms: latency.map(|l| l.mean_ms),
            min_latency_ms: latency.map(|l| l.min_ms),
            max_latency_ms: latency.map(|l| l.max_ms),
            parity_ok,
            p50_latency_ms: latency.map(|l| l.p50_ms),
            p95_latency_ms: latency.map(|l| l.p95_ms),
            p99_latency_ms: latency.map(|l| l.p99_ms),
            theory_ms,
            ci95_ms: latency.and_then(|l| l.ci95_ms()),
            overhead_p50_ms: overhead.map(|o| o.p50_ms),
            overhead_p99_ms: overhead.map(|o| o.p99_ms),
            errors,
        }
    }
}

impl Summary {
    /// Writes the summary as JSON to `path`, and creates its directory if it is missing.
    ///
    /// The file is replaced as a whole: after an error the old one, if any, is still there.
    pub(crate) fn write_json(&self, path: &Path) -> Result<(), WriteError> {
        let mut json =
            serde_json::to_string_pretty(self).map_err(|e| WriteError::new(path, io::Error::from(e)))?;
        json.push('\n');
        let staged = Staged::beside(path)?;
        staged.fill(&json)?;
        staged.commit()
    }
}

/// Serialises milliseconds with three decimals: a microsecond is below what a run can tell apart.
fn rounded<S: Serializer>(ms: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    ms.map(|ms| (ms * 1000.0).round() / 1000.0).serialize(serializer)
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;

    use super::super::staged::tests::{names, scratch};
    use super::*;

    /// A summary with a complete row, one of a single write and one where every write failed.
    pub(in crate::report) fn sample() -> Summary {
        let meta = Meta {
            followers: Some(3),
            min_delay_ms: Some(0),
            max_delay_ms: Some(1000),
            writes: 4,
            workers: 2,
            keys: 10,
            seed: 1,
            transport: "http loopback, in process".to_owned(),
            version: "0.1.0".to_owned(),
        };
        let full = [100.0, 200.0, 300.0, 400.000_49];
        let overheads = [0.5, 0.25, 0.75, 1.0];
        let results = vec![
            Row::new(1, &full, Some(&overheads), 0, Some(true), Some(250.0)),
            Row::new(2, &[1234.5], None, 3, Some(false), Some(500.0)),
            Row::new(3, &[], None, 4, None, None),
        ];
        Summary { meta, results }
    }

    #[test]
    fn the_json_file_has_this_text() {
        let root = scratch("json");
        let path = root.join("artifacts/perf_summary.json");
        let mut summary = sample();
        summary.results.remove(1);
        summary.write_json(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), GOLDEN);
        assert_eq!(names(path.parent().unwrap()), ["perf_summary.json"]);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn an_error_names_the_path() {
        let root = scratch("json-error");
        let path = root.join("perf_summary.json");
        fs::create_dir_all(path.join("a directory in the way")).unwrap();
        let error = sample().write_json(&path).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot write {}", path.display()));
        assert!(std::error::Error::source(&error).is_some());
        assert_eq!(names(&root), ["perf_summary.json"]);
        fs::remove_dir_all(root).unwrap();
    }

    const GOLDEN: &str = r#"{
  "meta": {
    "followers": 3,
    "min_delay_ms": 0,
    "max_delay_ms": 1000,
    "writes": 4,
    "workers": 2,
    "keys": 10,
    "seed": 1,
    "transport": "http loopback, in process",
    "version": "0.1.0"
  },
  "results": [
    {
      "quorum": 1,
      "writes": 4,
      "avg_latency_ms": 250.0,
      "min_latency_ms": 100.0,
      "max_latency_ms": 400.0,
      "parity_ok": true,
      "p50_latency_ms": 200.0,
      "p95_latency_ms": 400.0,
      "p99_latency_ms": 400.0,
      "theory_ms": 250.0,
      "ci95_ms": 205.426,
      "overhead_p50_ms": 0.5,
      "overhead_p99_ms": 1.0,
      "errors": 0
    },
    {
      "quorum": 3,
      "writes": 0,
      "avg_latency_ms": null,
      "min_latency_ms": null,
      "max_latency_ms": null,
      "parity_ok": null,
      "p50_latency_ms": null,
      "p95_latency_ms": null,
      "p99_latency_ms": null,
      "theory_ms": null,
      "ci95_ms": null,
      "overhead_p50_ms": null,
      "overhead_p99_ms": null,
      "errors": 4
    }
  ]
}
"#;
}
