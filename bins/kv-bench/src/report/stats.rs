//! The statistics of one row: what [`LatencySummary`] holds, and the latency that theory expects.

/// The distribution of a set of latencies, in milliseconds.
///
/// Percentiles are nearest-rank: the p-th percentile of n values is the one at rank
/// ⌈p · n / 100⌉ in ascending order, counting from 1. It is always a value that was measured,
/// and for few values the high percentiles are the maximum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LatencySummary {
    /// How many values there are; at least 1.
    pub(crate) count: usize,
    /// The arithmetic mean, in ms.
    pub(crate) mean_ms: f64,
    /// The smallest value, in ms.
    pub(crate) min_ms: f64,
    /// The largest value, in ms.
    pub(crate) max_ms: f64,
    /// The median, nearest-rank, in ms.
    pub(crate) p50_ms: f64,
    /// The 95th percentile, nearest-rank, in ms.
    pub(crate) p95_ms: f64,
    /// The 99th percentile, nearest-rank, in ms.
    pub(crate) p99_ms: f64,
    /// The standard error of the mean, in ms: the sample standard deviation (divisor n − 1) over
    /// √n. It is 0 for a single value, which has no deviation to estimate it from.
    pub(crate) std_error_ms: f64,
}

impl LatencySummary {
    /// Summarises `values_ms`, in milliseconds and in any order.
    ///
    /// `None` if there is no value, or one that is not a finite number.
    pub(crate) fn of(values_ms: &[f64]) -> Option<Self> {
        if values_ms.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let mut sorted = values_ms.to_vec();
        sorted.sort_by(f64::total_cmp);

        let mean_ms = sorted.iter().sum::<f64>() / sorted.len() as f64;
        Some(Self {
            count: sorted.len(),
            mean_ms,
            min_ms: *sorted.first()?,
            max_ms: *sorted.last()?,
            p50_ms: nearest_rank(&sorted, 50)?,
            p95_ms: nearest_rank(&sorted, 95)?,
            p99_ms: nearest_rank(&sorted, 99)?,
            std_error_ms: std_error(&sorted, mean_ms),
        })
    }

    /// Half the width of the 95% confidence interval of the mean, in ms: the interval is
    /// `mean_ms` ± this. It takes the means of such samples to be normally distributed, and
    /// uses Student's t for n − 1 degrees of freedom.
    ///
    /// `None` for a single value: it says nothing about how far the mean may be off.
    pub(crate) fn ci95_ms(&self) -> Option<f64> {
        let degrees = self.count.checked_sub(1)?;
        Some(student_t_95(degrees)? * self.std_error_ms)
    }
}

/// The expected latency in ms of a write that waits for the `w` fastest of `n` followers, when
/// each answers after a delay drawn uniformly from `min_ms..=max_ms` and nothing else takes time:
/// MIN + (MAX − MIN) · W / (N + 1), the mean of the W-th smallest of N uniform draws.
///
/// It has this meaning for `w` in `1..=n`.
pub(crate) fn theory_ms(min_ms: f64, max_ms: f64, w: usize, n: usize) -> f64 {
    min_ms + (max_ms - min_ms) * w as f64 / (n as f64 + 1.0)
}

/// The `percent`-th percentile (1 to 100) of ascending values, by nearest rank.
fn nearest_rank(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (percent * sorted.len()).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

/// The standard error of `mean`, in the unit of the values; 0 for fewer than two of them.
fn std_error(values: &[f64], mean: f64) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let n = values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (n - 1.0) / n).sqrt()
}

/// The 97.5% quantile of Student's t: 95% of the distribution lies within ± this.
///
/// From a table for up to 10 degrees of freedom; above, the first terms of the expansion around
/// the normal quantile (Abramowitz and Stegun, 26.7.5), which is then right to within 0.0002.
/// `None` for 0 degrees, where the distribution is not defined.
fn student_t_95(degrees: usize) -> Option<f64> {
    const TABLE: [f64; 10] = [
        12.706_205, 4.302_653, 3.182_446, 2.776_445, 2.570_582, 2.446_912, 2.364_624, 2.306_004, 2.262_157,
        2.228_139,
    ];
    /// The 97.5% quantile of the standard normal distribution.
    const Z: f64 = 1.959_964;

    if let Some(quantile) = TABLE.get(degrees.checked_sub(1)?) {
        return Some(*quantile);
    }
    let v = degrees as f64;
    let first = (Z.powi(3) + Z) / 4.0;
    let second = (5.0 * Z.powi(5) + 16.0 * Z.powi(3) + 3.0 * Z) / 96.0;
    let third = (3.0 * Z.powi(7) + 19.0 * Z.powi(5) + 17.0 * Z.powi(3) - 15.0 * Z) / 384.0;
    Some(Z + first / v + second / v.powi(2) + third / v.powi(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: f64, right: f64, tolerance: f64) {
        assert!((left - right).abs() <= tolerance, "{left} is not {right}");
    }

    #[test]
    fn a_known_sample() {
        let summary = LatencySummary::of(&[9.0, 2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0]).unwrap();
        assert_eq!(summary.count, 8);
        close(summary.mean_ms, 5.0, 1e-12);
        close(summary.min_ms, 2.0, 0.0);
        close(summary.max_ms, 9.0, 0.0);
        close(summary.p50_ms, 4.0, 0.0);
        close(summary.std_error_ms, (32.0f64 / 7.0 / 8.0).sqrt(), 1e-12);
        close(summary.ci95_ms().unwrap(), 2.364_624 * summary.std_error_ms, 1e-12);
    }

    #[test]
    fn percentiles_are_nearest_rank() {
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        let summary = LatencySummary::of(&hundred).unwrap();
        assert_eq!([summary.p50_ms, summary.p95_ms, summary.p99_ms], [50.0, 95.0, 99.0]);

        let five = LatencySummary::of(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert_eq!([five.p50_ms, five.p95_ms, five.p99_ms], [3.0, 5.0, 5.0]);
    }

    #[test]
    fn one_value_has_no_interval() {
        let summary = LatencySummary::of(&[3.5]).unwrap();
        assert_eq!([summary.mean_ms, summary.p50_ms, summary.p99_ms], [3.5; 3]);
        close(summary.std_error_ms, 0.0, 0.0);
        assert_eq!(summary.ci95_ms(), None);
    }

    #[test]
    fn equal_values_have_an_interval_of_zero() {
        assert_eq!(LatencySummary::of(&[2.0; 4]).unwrap().ci95_ms(), Some(0.0));
    }

    #[test]
    fn nothing_to_summarise() {
        assert_eq!(LatencySummary::of(&[]), None);
        assert_eq!(LatencySummary::of(&[1.0, f64::NAN]), None);
        assert_eq!(LatencySummary::of(&[f64::INFINITY]), None);
    }

    #[test]
    fn student_t_agrees_with_the_published_tables() {
        let published = [
            (1, 12.7062),
            (9, 2.2622),
            (10, 2.2281),
            (11, 2.2010),
            (15, 2.1314),
            (20, 2.0860),
            (29, 2.0452),
            (60, 2.0003),
            (99, 1.9842),
            (1000, 1.9623),
        ];
        for (degrees, quantile) in published {
            close(student_t_95(degrees).unwrap(), quantile, 0.0002);
        }
        close(student_t_95(1_000_000).unwrap(), 1.96, 0.0001);
        assert_eq!(student_t_95(0), None);
    }

    #[test]
    fn theory_spreads_the_quorums_evenly_between_the_delays() {
        let of_five: Vec<f64> = (1..=5).map(|w| theory_ms(0.0, 1200.0, w, 5)).collect();
        assert_eq!(of_five, [200.0, 400.0, 600.0, 800.0, 1000.0]);
        close(theory_ms(50.0, 150.0, 1, 1), 100.0, 1e-12);
        close(theory_ms(20.0, 20.0, 2, 3), 20.0, 1e-12);
    }
}
