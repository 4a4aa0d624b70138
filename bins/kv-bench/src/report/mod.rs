//! What the experiment says about itself, as a file, a table and a picture.
//!
//! One [`Row`] holds what was measured at one write quorum W. A [`Summary`] is the [`Meta`] of a
//! run with its rows in the order in which they are to be shown. From a summary come:
//!
//! - [`Summary::write_json`]: the JSON file for other programs;
//! - [`table()`]: fixed-width text for a terminal;
//! - [`draw`]: the plot of latency against W, as PNG and as SVG.
//!
//! [`theory_ms`] is the latency that the delays alone explain; the plot shows it beside the
//! measured means. The statistics of one row are those of [`LatencySummary`](stats::LatencySummary).
//!
//! All latencies are in milliseconds. A value that is not known is `None`, which is `null` in
//! JSON, `-` in the table and left out of the plot. It is never 0.
//!
//! Nothing here measures, prints or reads a clock. The only effects are the three files, and each
//! of them is replaced as a whole or not at all.

mod axis;
mod chart;
mod font;
mod paint;
mod plot;
mod staged;
pub(crate) mod stats;
mod summary;
mod table;

pub(crate) use plot::draw;
pub(crate) use stats::theory_ms;
pub(crate) use summary::{Meta, Row, Summary};
pub(crate) use table::table;
