//! [`draw`]: the plot of latency against the write quorum.

use std::error::Error;
use std::path::{Path, PathBuf};

use plotters::coord::Shift;
use plotters::coord::combinators::BindKeyPoints;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::{LatencyAxis, quorum_ticks};
use super::font::{self, FAMILY, InvalidFont};
use super::staged::{Staged, WriteError};
use super::summary::{Meta, Row, Summary};

/// The width and height of the picture, in pixels.
const SIZE: (u32, u32) = (900, 560);

/// The height of the title and the line below it, in pixels.
const HEAD_HEIGHT: u32 = 78;

/// What the picture is of.
const TITLE: &str = "Write latency against the write quorum";

/// The measured means. With [`THEORY`], from the palette of Okabe and Ito, whose colours stay
/// apart under every common form of colour blindness.
const MEASURED: RGBColor = RGBColor(0, 114, 178);

/// The expected means.
const THEORY: RGBColor = RGBColor(213, 94, 0);

/// Text and axes.
const INK: RGBColor = RGBColor(51, 51, 51);

/// The lines behind the data.
const GRID: RGBColor = RGBColor(225, 225, 225);

/// The length of a dash and of the gap after it, in pixels.
const DASH: (i32, i32) = (8, 5);

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
struct Chart {
    /// The line below the title.
    subtitle: String,
    /// The largest quorum on the axis.
    quorums: usize,
    /// The measured means, in the order of the rows.
    measured: Vec<Measured>,
    /// The expected means as (W, ms), in the order of the rows.
    theory: Vec<(f64, f64)>,
}

/// A measured mean.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Measured {
    /// The write quorum, W.
    quorum: f64,
    /// The mean latency, in ms.
    mean_ms: f64,
    /// Half the width of the 95% interval, in ms, if there is one.
    ci95_ms: Option<f64>,
}

impl Chart {
    /// Picks the rows that have latencies; `None` if there are none.
    fn of(summary: &Summary) -> Option<Self> {
        let rows = || summary.results.iter().filter(|row| row.avg_latency_ms.is_some());
        let largest = rows().map(|row| row.quorum).max()?;
        Some(Self {
            subtitle: subtitle(&summary.meta, &summary.results),
            quorums: largest.max(summary.meta.followers.unwrap_or(0)),
            measured: rows().filter_map(Measured::of).collect(),
            theory: rows().filter_map(|row| Some((row.quorum as f64, row.theory_ms?))).collect(),
        })
    }

    /// The highest value to show, in ms.
    fn max_ms(&self) -> f64 {
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
    fn interval_ms(&self) -> (f64, f64) {
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
    if let (Some(min), Some(max)) = (meta.min_delay_ms, meta.max_delay_ms) {
        parts.push(format!("delays {min}–{max} ms"));
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

/// Draws the whole picture on a backend and finishes it.
fn paint<DB>(backend: DB, chart: &Chart) -> Result<(), Box<dyn Error + Send + Sync>>
where
    DB: DrawingBackend,
    DB::ErrorType: 'static,
{
    let root = backend.into_drawing_area();
    root.fill(&WHITE)?;
    let (head, body) = root.split_vertically(HEAD_HEIGHT);
    paint_head(&head, &chart.subtitle)?;
    paint_body(&body, chart)?;
    root.present()?;
    Ok(())
}

/// What can go wrong on an area of the backend `DB`.
type AreaResult<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

/// Text of `size` pixels in the colour of text.
fn text(size: u32) -> TextStyle<'static> {
    (FAMILY, size).into_font().color(&INK)
}

/// Draws the title and, smaller, the line below it.
fn paint_head<DB: DrawingBackend>(area: &DrawingArea<DB, Shift>, subtitle: &str) -> AreaResult<DB> {
    let centred = Pos::new(HPos::Center, VPos::Center);
    let middle = (SIZE.0 / 2).cast_signed();
    area.draw_text(TITLE, &text(26).pos(centred), (middle, 32))?;
    area.draw_text(subtitle, &text(16).pos(centred), (middle, 60))
}

/// Draws the axes, the data and the legend.
fn paint_body<DB: DrawingBackend>(area: &DrawingArea<DB, Shift>, chart: &Chart) -> AreaResult<DB> {
    let latency = LatencyAxis::fit(chart.max_ms());
    let x = (0.5..chart.quorums as f64 + 0.5).with_key_points(quorum_ticks(chart.quorums));
    let y = (0.0..latency.top_ms).with_key_points(latency.ticks.clone());
    let mut context = ChartBuilder::on(area)
        .margin_right(28)
        .margin_bottom(14)
        .margin_left(14)
        .x_label_area_size(52)
        .y_label_area_size(70)
        .build_cartesian_2d(x, y)?;
    context
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(INK)
        .label_style(text(16))
        .axis_desc_style(text(17))
        .x_desc("Write quorum W")
        .y_desc("Mean write latency (ms)")
        .x_label_formatter(&|w| format!("{w:.0}"))
        .y_label_formatter(&|ms| latency.label(*ms))
        .draw()?;

    if !chart.theory.is_empty() {
        let line = THEORY.stroke_width(2);
        context
            .draw_series(DashedLineSeries::new(chart.theory.clone(), DASH.0, DASH.1, line))?
            .label("theory: MIN + (MAX − MIN) · W / (N + 1)")
            .legend(move |at| dashes(at) + diamond((LEGEND_MIDDLE, 0)));
        context.draw_series(chart.theory.iter().map(|&at| EmptyElement::at(at) + diamond((0, 0))))?;
    }

    let line = MEASURED.stroke_width(2);
    let means = chart.measured.iter().map(|point| (point.quorum, point.mean_ms));
    context
        .draw_series(LineSeries::new(means, line))?
        .label("measured: mean and its 95% interval")
        .legend(move |(x, y)| {
            EmptyElement::at((x, y))
                + PathElement::new([(0, 0), (LEGEND_WIDTH, 0)], line)
                + Circle::new((LEGEND_MIDDLE, 0), 5, MEASURED.filled())
        });
    context.draw_series(chart.measured.iter().map(|point| {
        let (low, high) = point.interval_ms();
        ErrorBar::new_vertical(point.quorum, low, point.mean_ms, high, line.filled(), 10)
    }))?;

    context
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .legend_area_size(LEGEND_WIDTH + 10)
        .label_font(text(16))
        .draw()
}
