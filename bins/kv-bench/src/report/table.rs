//! [`table`]: the summary as text for a terminal.

use std::iter;

use super::summary::{Row, Summary};

/// The number of columns.
const COLUMNS: usize = 14;

/// What stands above each column.
const HEADER: [&str; COLUMNS] = [
    "Quorum",
    "Writes",
    "Errors",
    "Mean",
    "± ci95",
    "Theory",
    "Min",
    "p50",
    "p95",
    "p99",
    "Max",
    "Overhead p50",
    "Overhead p99",
    "Parity",
];

/// What stands for a value that is not known.
const MISSING: &str = "-";

/// The results as a fixed-width table: a header, then one line for each row.
///
/// All latencies are in milliseconds with three decimals. Every column is as wide as its widest
/// cell and set to the right; every line ends with a line feed.
pub(crate) fn table(summary: &Summary) -> String {
    let header = HEADER.map(str::to_owned);
    let lines: Vec<_> = iter::once(header).chain(summary.results.iter().map(cells)).collect();

    let mut widths = [0; COLUMNS];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }

    let mut text = String::new();
    for line in &lines {
        let padded = line.iter().zip(widths).map(|(cell, width)| format!("{cell:>width$}"));
        text.push_str(&padded.collect::<Vec<_>>().join("  "));
        text.push('\n');
    }
    text
}

/// One row as text, in the order of [`HEADER`].
fn cells(row: &Row) -> [String; COLUMNS] {
    [
        row.quorum.to_string(),
        row.writes.to_string(),
        row.errors.to_string(),
        ms(row.avg_latency_ms),
        ms(row.ci95_ms),
        ms(row.theory_ms),
        ms(row.min_latency_ms),
        ms(row.p50_latency_ms),
        ms(row.p95_latency_ms),
        ms(row.p99_latency_ms),
        ms(row.max_latency_ms),
        ms(row.overhead_p50_ms),
        ms(row.overhead_p99_ms),
        parity(row.parity_ok).to_owned(),
    ]
}

/// Milliseconds with three decimals.
fn ms(value: Option<f64>) -> String {
    value.map_or_else(|| MISSING.to_owned(), |ms| format!("{ms:.3}"))
}

/// The result of comparing the nodes. A difference is in capitals, so that it is not overlooked.
fn parity(ok: Option<bool>) -> &'static str {
    match ok {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "not compared",
    }
}

#[cfg(test)]
mod tests {
    use super::super::summary::tests::sample;
    use super::*;

    #[test]
    fn the_table_has_this_text() {
        let expected = "\
Quorum  Writes  Errors      Mean   ± ci95   Theory       Min       p50       p95       p99       Max  Overhead p50  Overhead p99        Parity
     1       4       0   250.000  205.426  250.000   100.000   200.000   400.000   400.000   400.000         0.500         1.000           yes
     2       1       3  1234.500        -  500.000  1234.500  1234.500  1234.500  1234.500  1234.500             -             -            NO
     3       0       4         -        -        -         -         -         -         -         -             -             -  not compared
";
        assert_eq!(table(&sample()), expected);
    }

    #[test]
    fn without_rows_there_is_a_header() {
        let mut summary = sample();
        summary.results.clear();
        let header = HEADER.join("  ");
        assert_eq!(table(&summary), format!("{header}\n"));
    }
}
