//! [`draw`]: the plot of latency against the write quorum.

use std::error::Error;
use std::path::{Path, PathBuf};

use plotters::prelude::{BitMapBackend, SVGBackend};

use super::chart::Chart;
use super::font::{self, InvalidFont};
use super::paint::{SIZE, paint};
use super::staged::{Staged, WriteError};
use super::summary::Summary;

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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::staged::tests::{names, scratch};
    use super::super::summary::Row;
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
}
