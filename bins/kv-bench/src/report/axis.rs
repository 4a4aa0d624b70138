//! [`Axis`]: where the ticks of the two axes are.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::Ranged;

/// The most ticks on the axis of the quorums; above that, some are left out.
const MAX_QUORUM_TICKS: usize = 20;

/// The most steps on the latency axis.
const MAX_LATENCY_STEPS: f64 = 8.0;

/// The room above the highest value, as a multiple of it. The legend goes there.
const HEADROOM: f64 = 1.25;

/// An axis of the plot with its ticks, as the drawing library wants it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    /// The values at its two ends.
    range: Range<f64>,
    /// Where the ticks are, ascending.
    ticks: Vec<f64>,
    /// How many decimals tell neighbouring ticks apart.
    decimals: usize,
}

impl Axis {
    /// The axis of the quorums from 1 to `n`, with half a step of room at either end. Its ticks are
    /// whole numbers: every one, or every k-th when there are many.
    pub(super) fn of_quorums(n: usize) -> Self {
        let step = n.div_ceil(MAX_QUORUM_TICKS).max(1);
        Self {
            range: 0.5..n as f64 + 0.5,
            ticks: (step..=n).step_by(step).map(|w| w as f64).collect(),
            decimals: 0,
        }
    }

    /// The axis of latencies from 0 up to `max_ms`, with room above; to 1 ms if that is not
    /// positive. Its ticks are whole multiples of 1, 2 or 5 times a power of ten.
    pub(super) fn of_latencies(max_ms: f64) -> Self {
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
            range: 0.0..top_ms,
            ticks: (0..=steps).map(|i| f64::from(i) * step).collect(),
            decimals: usize::try_from(-exponent).unwrap_or(0),
        }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        RangedCoordf64::from(self.range.clone()).map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Axis {
    fn format(value: &f64) -> String {
        value.to_string()
    }

    fn format_ext(&self, value: &f64) -> String {
        format!("{value:.*}", self.decimals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks.iter().map(|tick| axis.format_ext(tick)).collect()
    }

    #[test]
    fn latency_steps_are_round_and_leave_room() {
        let axis = Axis::of_latencies(833.0);
        assert_eq!(labels(&axis), ["0", "200", "400", "600", "800", "1000"]);
        assert_eq!(axis.range, 0.0..833.0 * HEADROOM);
    }

    #[test]
    fn latency_ticks_are_few_and_differ_at_every_scale() {
        for exponent in -4..6 {
            for digit in [1.0, 1.3, 2.0, 3.9, 5.0, 7.7, 9.99] {
                let max_ms = digit * 10f64.powi(exponent);
                let axis = Axis::of_latencies(max_ms);
                assert!(axis.ticks.iter().all(|&tick| tick <= axis.range.end), "{max_ms}");
                let mut labels = labels(&axis);
                assert!((4..=9).contains(&labels.len()), "{max_ms}: {labels:?}");
                labels.dedup();
                assert_eq!(labels.len(), axis.ticks.len(), "{max_ms}: {labels:?}");
            }
        }
    }

    #[test]
    fn small_latencies_have_decimals() {
        assert_eq!(
            labels(&Axis::of_latencies(0.024)),
            ["0.000", "0.005", "0.010", "0.015", "0.020", "0.025", "0.030"]
        );
    }

    #[test]
    fn without_latencies_there_is_still_an_axis() {
        assert_eq!(labels(&Axis::of_latencies(0.0)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
    }

    #[test]
    fn quorums_are_whole_numbers() {
        assert_eq!(labels(&Axis::of_quorums(1)), ["1"]);
        assert_eq!(labels(&Axis::of_quorums(5)), ["1", "2", "3", "4", "5"]);
        assert_eq!(labels(&Axis::of_quorums(50)).len(), 16);
    }
}
