//! [`draw`]: the plot of latency against the write quorum.

use std::error::Error;
use std::path::{Path, PathBuf};

use plotters::prelude::{BitMapBackend, SVGBackend};

use super::font::{self, InvalidFont};
use super::paint::{SIZE, paint};
use super::staged::{Staged, WriteError};
use super::summary::{Meta, Row, Summary};

/// A plot could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlotError {
    /// No row has a latency.
    #[error("there is nothing to plot: no write succeeded at any quorum")]
    Empty,
    /// The built-in font is of no use.
    #[error(transparent)]
    Font(#[from] InvalidFont),
    /// A picture could not be drawn or encoded.
    #[error("cannot draw {}", path.display())]
    Draw {
        /// The file that was to be drawn.
        path: PathBuf,
        /// What the drawing library said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A picture could not be put in its place.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Draws the mean latency against the write quorum W, with the 95% interval of each mean and the
/// latency that theory expects, to a PNG and an SVG file. Missing directories are created.
///
/// Rows without latencies are skipped; [`PlotError::Empty`] if that leaves none. Unless both
/// pictures can be drawn, both files stay as they were. `png` has to end in `.png`.
pub(crate) fn draw(summary: &Summary, png: &Path, svg: &Path) -> Result<(), PlotError> {
    let chart = Chart::of(summary).ok_or(PlotError::Empty)?;
    font::register()?;

    let staged_png = Staged::beside(png)?;
    paint(BitMapBackend::new(staged_png.temp(), SIZE), &chart)
        .map_err(|source| PlotError::Draw { path: png.to_owned(), source })?;

    let mut text = String::new();
    paint(SVGBackend::with_string(&mut text, SIZE), &chart)
        .map_err(|source| PlotError::Draw { path: svg.to_owned(), source })?;
    let staged_svg = Staged::beside(svg)?;
    staged_svg.fill(&text)?;

    staged_png.commit()?;
    staged_svg.commit()?;
    Ok(())
}

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
    fn of(summary: &Summary) -> Option<Self> {
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
    use std::fs;

    use super::super::staged::tests::{names, scratch};
    use super::super::summary::tests::sample;
    use super::*;

    /// Draws `summary` and returns the files, checked to be a PNG of the right size and a whole SVG.
    fn drawn(summary: &Summary, name: &str) -> (Vec<u8>, String) {
        let root = scratch(name);
        let (png, svg) = (root.join("plots/latency.png"), root.join("plots/latency.svg"));
        draw(summary, &png, &svg).unwrap();
        assert_eq!(names(&root.join("plots")), ["latency.png", "latency.svg"]);
        let files = (fs::read(png).unwrap(), fs::read_to_string(svg).unwrap());
        fs::remove_dir_all(root).unwrap();

        assert_eq!(&files.0[..8], b"\x89PNG\r\n\x1a\n");
        assert_eq!(&files.0[16..24], [SIZE.0.to_be_bytes(), SIZE.1.to_be_bytes()].concat());
        assert!(files.1.starts_with("<svg") && files.1.trim_end().ends_with("</svg>"));
        files
    }

    #[test]
    fn both_pictures_are_drawn_and_the_same_every_time() {
        let files = drawn(&sample(), "plot");
        assert_eq!(files, drawn(&sample(), "plot-again"));
        for text in ["Write latency against the write quorum", "N = 3 followers", "theory", "measured"] {
            assert!(files.1.contains(text), "{text}");
        }
    }

    #[test]
    fn one_row_many_rows_and_no_theory() {
        let mut summary = sample();
        summary.results = vec![Row::new(1, &[0.0], None, 0, None, None)];
        summary.meta.followers = None;
        let (_, svg) = drawn(&summary, "plot-one");
        assert!(!svg.contains("theory"));

        let many = (1..=64).map(|w| Row::new(w, &[0.2, 0.3], None, 0, None, Some(0.0)));
        summary.results = many.collect();
        drawn(&summary, "plot-many");
    }

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
    fn nothing_to_plot_is_an_error_and_leaves_no_file() {
        let root = scratch("plot-empty");
        let mut summary = sample();
        summary.results.retain(|row| row.avg_latency_ms.is_none());
        let error = draw(&summary, &root.join("a.png"), &root.join("a.svg")).unwrap_err();
        assert!(matches!(error, PlotError::Empty), "{error}");
        assert!(!root.exists());
    }

    #[test]
    fn a_failed_picture_leaves_both_files_as_they_were() {
        let root = scratch("plot-error");
        let error = draw(&sample(), &root.join("a.unknown"), &root.join("a.svg")).unwrap_err();
        assert!(error.to_string().ends_with("a.unknown"), "{error}");
        assert_eq!(names(&root), Vec::<String>::new());
        fs::remove_dir_all(root).unwrap();
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
