//! [`paint`]: one drawing routine for both kinds of picture.

use std::error::Error;

use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::Axis;
use super::chart::Chart;
use super::font::FAMILY;

/// The width and height of the picture, in pixels.
pub(super) const SIZE: (u32, u32) = (900, 560);

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

/// How many dashes the line of theory has from one end of the axis to the other, about.
const DASHES: usize = 50;

/// The width of the sign beside an entry of the legend, in pixels.
const LEGEND_WIDTH: i32 = 36;

/// Draws the whole picture on a backend and finishes it.
pub(super) fn paint<DB>(backend: DB, chart: &Chart) -> Result<(), Box<dyn Error + Send + Sync>>
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
    area.draw_text(TITLE, &text(28).pos(centred), (middle, 32))?;
    area.draw_text(subtitle, &text(18).pos(centred), (middle, 60))
}

/// Draws the axes, the data and the legend.
fn paint_body<DB: DrawingBackend>(area: &DrawingArea<DB, Shift>, chart: &Chart) -> AreaResult<DB> {
    let mut context = ChartBuilder::on(area)
        .margin_right(28)
        .margin_bottom(14)
        .margin_left(14)
        .x_label_area_size(60)
        .y_label_area_size(76)
        .build_cartesian_2d(Axis::of_quorums(chart.quorums), Axis::of_latencies(chart.max_ms()))?;
    context
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(INK)
        .label_style(text(18))
        .axis_desc_style(text(19))
        // Longer than usual below, where the mark of a theory of 0 ms reaches into the labels.
        .set_tick_mark_size(LabelAreaPosition::Bottom, 10)
        .x_desc("Write quorum W")
        .y_desc("Mean write latency (ms)")
        .draw()?;

    let line = MEASURED.stroke_width(2);
    let means = chart.measured.iter();
    let means = means.map(|point| (point.quorum, point.mean_ms));
    context.draw_series(LineSeries::new(means, line))?.label("measured: mean and its 95% interval").legend(
        move |at| {
            EmptyElement::at(at)
                + PathElement::new([(0, 0), (LEGEND_WIDTH, 0)], line)
                + Circle::new((LEGEND_WIDTH / 2, 0), 5, MEASURED.filled())
        },
    );

    if !chart.theory.is_empty() {
        paint_theory(&mut context, chart)?;
    }

    // Last, so that a mean stays visible inside the mark of a theory that it agrees with.
    context.draw_series(chart.measured.iter().map(|point| {
        let (low, high) = point.interval_ms();
        ErrorBar::new_vertical(point.quorum, low, point.mean_ms, high, line.filled(), 10)
    }))?;

    context
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .legend_area_size(LEGEND_WIDTH + 10)
        .label_font(text(18))
        .draw()
}

/// Draws the expected means, joined by a dashed line, with their entry in the legend.
fn paint_theory<'a, DB: DrawingBackend + 'a>(
    context: &mut ChartContext<'a, DB, Cartesian2d<Axis, Axis>>,
    chart: &Chart,
) -> AreaResult<DB> {
    let line = THEORY.stroke_width(2);
    let dashes = dashes(&chart.theory, DASHES.div_ceil(chart.quorums));
    context
        .draw_series(dashes.map(|dash| PathElement::new(dash, line)))?
        .label("theory: MIN + (MAX − MIN) · W / (N + 1)")
        .legend(move |at| {
            EmptyElement::at(at)
                + PathElement::new([(0, 0), (8, 0)], line)
                + PathElement::new([(LEGEND_WIDTH - 8, 0), (LEGEND_WIDTH, 0)], line)
                + diamond(LEGEND_WIDTH / 2)
        });
    let marks = chart.theory.iter();
    context.draw_series(marks.map(|&at| EmptyElement::at(at) + diamond(0)))?;
    Ok(())
}

/// The line through `points` as dashes with gaps between them, `count` from one point to the next.
fn dashes(points: &[(f64, f64)], count: usize) -> impl Iterator<Item = [(f64, f64); 2]> {
    let segments = points.iter().zip(points.iter().skip(1));
    segments.flat_map(move |(&(x, y), &(to_x, to_y))| {
        let at = move |part: f64| (x + (to_x - x) * part, y + (to_y - y) * part);
        (0..count).map(move |i| {
            let start = i as f64 / count as f64;
            [at(start), at(start + 0.6 / count as f64)]
        })
    })
}

/// The mark of an expected mean, `x` pixels to the right of the place that it is drawn at. It is
/// hollow and larger than the mark of a measured mean, to be seen around it.
fn diamond(x: i32) -> PathElement<(i32, i32)> {
    let corners = [(x - 9, 0), (x, -9), (x + 9, 0), (x, 9), (x - 9, 0)];
    PathElement::new(corners, THEORY.stroke_width(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_start_at_the_points_and_stay_on_the_line() {
        let drawn: Vec<_> = dashes(&[(1.0, 10.0), (2.0, 20.0), (3.0, 40.0)], 2).collect();
        assert_eq!(drawn.len(), 4);
        assert_eq!(drawn[0], [(1.0, 10.0), (1.3, 13.0)]);
        assert_eq!(drawn[2], [(2.0, 20.0), (2.3, 26.0)]);
    }

    #[test]
    fn a_single_point_has_no_dashes() {
        assert_eq!(dashes(&[(1.0, 1.0)], 10).count(), 0);
        assert_eq!(dashes(&[], 10).count(), 0);
    }
}
