//! The comparisons as a Markdown table that also reads well in a terminal.

use super::compare::{Measure, Row};

const HEADINGS: [&str; 8] = ["case", "precision", "pair", "measure", "tokens", "painted", "limit", "verdict"];

/// The rows as a table, padded so that columns stand below each other.
pub fn markdown(rows: &[Row]) -> String {
    let cells: Vec<_> = rows.iter().map(cells).collect();
    let widths: Vec<_> = HEADINGS
        .iter()
        .enumerate()
        .map(|(column, heading)| {
            let of_cells = cells.iter().map(|row| row[column].chars().count());
            of_cells.fold(heading.chars().count(), usize::max)
        })
        .collect();
    let line = |row: &[String]| {
        let padded = row.iter().zip(&widths);
        let padded: Vec<_> = padded.map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("| {} |\n", padded.join(" | "))
    };
    let headings = line(&HEADINGS.map(str::to_owned));
    let rule = line(&HEADINGS.map(|_| "---".to_owned()));
    headings + &rule + &cells.iter().map(|row| line(row)).collect::<String>()
}

fn cells(row: &Row) -> [String; 8] {
    let shown = |value| row.measure.shown(value);
    let (measure, limit) = match row.measure {
        Measure::RelativeError => ("relative error", format!("≤ {:e}", row.limit)),
        Measure::Cosine => ("cosine", format!("≥ {}", row.limit)),
        Measure::LossBesidePeer => ("loss, in peer's", format!("≤ {}", row.limit)),
    };
    [
        row.case.to_owned(),
        row.precision.to_owned(),
        row.pair.clone(),
        measure.to_owned(),
        shown(row.tokens),
        row.painted.map_or_else(|| "none".to_owned(), shown),
        limit,
        if row.passed { "ok" } else { "FAILED" }.to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let row = Row {
            case: "quarter",
            precision: "int8",
            pair: "burn–tract".to_owned(),
            measure: Measure::Cosine,
            tokens: 0.999_5,
            painted: None,
            limit: 0.98,
            passed: false,
        };
        let table = markdown(&[row]);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines[2], "| quarter | int8      | burn–tract | cosine  | 0.999500 | none    | ≥ 0.98 | FAILED  |");
        let lengths: Vec<_> = lines.iter().map(|line| line.chars().count()).collect();
        assert!(lengths.windows(2).all(|pair| pair[0] == pair[1]), "{table}");
    }
}
