//! Plots, as SVG within a page.

use anyhow::anyhow;
use plotters::prelude::*;

const WIDTH: u32 = 900;
/// A bar, with its name above it.
const BAR: u32 = 48;
const ACCENT: RGBColor = RGBColor(38, 102, 176);
const INK: RGBColor = RGBColor(60, 60, 66);

/// Bars: rows, and frames a second.
///
/// # Errors
/// When there is nothing to draw with.
pub fn rates(rows: &[(String, f64)]) -> anyhow::Result<String> {
    let most = rows.iter().map(|(_, rate)| *rate).fold(0.0, f64::max).max(1e-9);
    let height = BAR * rows.len() as u32 + 10;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        for (index, (name, rate)) in rows.iter().enumerate() {
            let top = (BAR * index as u32) as i32 + 5;
            let right = ((f64::from(WIDTH) - 110.0) * rate / most) as i32;
            area.draw(&Text::new(name.clone(), (0, top), ("sans-serif", 14).into_font().color(&INK))).map_err(said)?;
            area.draw(&Rectangle::new([(0, top + 18), (right.max(1), top + 38)], ACCENT.filled())).map_err(said)?;
            let value =
                Text::new(format!("{rate:.1}"), (right + 8, top + 21), ("sans-serif", 14).into_font().color(&INK));
            area.draw(&value).map_err(said)?;
        }
        area.present().map_err(said)?;
    }
    Ok(svg)
}

/// A line: commits, and least, median and most milliseconds of a frame.
///
/// # Errors
/// When there is nothing to draw with.
pub fn history(title: &str, points: &[(String, [f64; 3])]) -> anyhow::Result<String> {
    let most = points.iter().map(|(_, [.., most])| *most).fold(0.0, f64::max).max(1e-9) * 1.1;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, 260)).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 16).into_font().color(&INK))
            .margin(10)
            .x_label_area_size(30)
            .y_label_area_size(60)
            .build_cartesian_2d(-0.5..points.len() as f64 - 0.5, 0.0..most)
            .map_err(said)?;
        let name = |at: &f64| {
            let index = at.round();
            let is_whole = (at - index).abs() < 1e-6 && index >= 0.0;
            points.get(index as usize).filter(|_| is_whole).map_or_else(String::new, |(commit, _)| commit.clone())
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(points.len().min(12))
            .x_label_formatter(&name)
            .y_desc("frame, ms")
            .label_style(("sans-serif", 12).into_font().color(&INK))
            .draw()
            .map_err(said)?;
        let medians = points.iter().enumerate().map(|(at, (_, [_, median, _]))| (at as f64, *median));
        chart.draw_series(LineSeries::new(medians.clone(), ACCENT.stroke_width(2))).map_err(said)?;
        let spreads = points.iter().enumerate().map(|(at, (_, [least, _, most]))| {
            PathElement::new(vec![(at as f64, *least), (at as f64, *most)], ACCENT.stroke_width(1))
        });
        chart.draw_series(spreads).map_err(said)?;
        chart.draw_series(medians.map(|point| Circle::new(point, 4, ACCENT.filled()))).map_err(said)?;
        area.present().map_err(said)?;
    }
    Ok(svg)
}

fn said(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("drawing a plot: {error}")
}
