//! Where the ticks of the two axes are.

/// The most ticks on the axis of the quorums; above that, some are left out.
const MAX_QUORUM_TICKS: usize = 20;

/// The most steps on the latency axis.
const MAX_LATENCY_STEPS: f64 = 8.0;

/// The room above the highest value, as a multiple of it. The legend goes there.
const HEADROOM: f64 = 1.25;

/// The axis of latencies: from 0, with ticks at whole multiples of 1, 2 or 5 times a power of ten.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LatencyAxis {
    /// Where the ticks are, in ms, ascending from 0.
    pub(super) ticks: Vec<f64>,
    /// The end of the axis, in ms.
    pub(super) top_ms: f64,
    /// How many decimals tell neighbouring ticks apart.
    pub(super) decimals: usize,
}

impl LatencyAxis {
    /// An axis for values from 0 up to `max_ms`, with room above. Without a positive value it
    /// reaches about 1 ms.
    pub(super) fn fit(max_ms: f64) -> Self {
        let top_ms = if max_ms > 0.0 { max_ms * HEADROOM } else { 1.0 };
        let least = top_ms / MAX_LATENCY_STEPS;
        let exponent = least.log10().floor() as i32;
        let (factor, exponent) = [1.0, 2.0, 5.0]
            .into_iter()
            .find(|factor| factor * 10f64.powi(exponent) >= least)
            .map_or((1.0, exponent + 1), |factor| (factor, exponent));
        let step = factor * 10f64.powi(exponent);

        let steps = (top_ms / step).floor() as u32;
        Self {
            ticks: (0..=steps).map(|i| f64::from(i) * step).collect(),
            top_ms,
            decimals: usize::try_from(-exponent).unwrap_or(0),
        }
    }

    /// The text at the tick of `ms`.
    pub(super) fn label(&self, ms: f64) -> String {
        format!("{ms:.*}", self.decimals)
    }
}

/// The ticks of the axis of quorums up to `n`: every whole number, or every k-th when there are many.
pub(super) fn quorum_ticks(n: usize) -> Vec<f64> {
    let step = n.div_ceil(MAX_QUORUM_TICKS).max(1);
    (step..=n).step_by(step).map(|w| w as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_leave_room() {
        let axis = LatencyAxis::fit(833.0);
        assert_eq!(axis.ticks, [0.0, 200.0, 400.0, 600.0, 800.0, 1000.0]);
        assert_eq!(axis.label(200.0), "200");

        for exponent in -4..6 {
            for digit in [1.0, 1.3, 2.0, 3.9, 5.0, 7.7, 9.99] {
                let max_ms = digit * 10f64.powi(exponent);
                let axis = LatencyAxis::fit(max_ms);
                assert!(axis.ticks.iter().all(|&tick| tick <= axis.top_ms), "{max_ms}");
                assert!((4..=9).contains(&axis.ticks.len()), "{max_ms}: {axis:?}");
                let mut labels: Vec<_> = axis.ticks.iter().map(|&t| axis.label(t)).collect();
                labels.dedup();
                assert_eq!(labels.len(), axis.ticks.len(), "{max_ms}");
            }
        }
    }

    #[test]
    fn small_latencies_have_decimals() {
        let axis = LatencyAxis::fit(0.31);
        assert_eq!(axis.label(0.1), "0.1");
        assert_eq!(axis.decimals, 1);
    }

    #[test]
    fn without_values_there_is_still_an_axis() {
        assert_eq!(LatencyAxis::fit(0.0).ticks, [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
    }

    #[test]
    fn quorums_are_whole_numbers() {
        assert_eq!(quorum_ticks(1), [1.0]);
        assert_eq!(quorum_ticks(5), [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(quorum_ticks(50).len(), 16);
        assert_eq!(quorum_ticks(0), Vec::<f64>::new());
    }
}
