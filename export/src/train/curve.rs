//! The loss curve as a picture.

use font8x8::UnicodeFonts;
use image::{Rgb, RgbImage};

use super::metrics::Row;

const WIDTH: u32 = 900;
const HEIGHT: u32 = 480;
/// Room left of and below the plot for its numbers, in pixels.
const MARGIN: u32 = 64;
/// Lines across the plot.
const LINES: u32 = 5;
const PAPER: Rgb<u8> = Rgb([255, 255, 255]);
const INK: Rgb<u8> = Rgb([60, 60, 60]);
const GRID: Rgb<u8> = Rgb([225, 225, 225]);
const TRAINING: Rgb<u8> = Rgb([31, 119, 180]);
const VALIDATION: Rgb<u8> = Rgb([214, 39, 40]);

/// Draws training and validation loss over the steps, the loss on a logarithmic scale.
#[must_use]
pub fn draw(rows: &[Row]) -> RgbImage {
    let mut picture = RgbImage::from_pixel(WIDTH, HEIGHT, PAPER);
    let training: Vec<(f64, f64)> = rows.iter().map(|r| (r.step as f64, r.loss)).collect();
    let validation: Vec<(f64, f64)> = rows.iter().filter_map(|r| Some((r.step as f64, r.validation_loss?))).collect();
    let losses = || training.iter().chain(&validation).map(|p| p.1).filter(|l| l.is_finite() && *l > 0.0);
    let (low, high) = losses().fold((f64::MAX, f64::MIN), |(lo, hi), l| (lo.min(l), hi.max(l)));
    let last = rows.last().map_or(1.0, |r| r.step as f64).max(1.0);
    if low > high {
        return picture;
    }
    let (low, high) = (low * 0.97, high * 1.03);
    let plot = [MARGIN, 16, WIDTH - 16, HEIGHT - MARGIN];
    let x = |step: f64| f64::from(plot[0]) + step / last * f64::from(plot[2] - plot[0]);
    let y = |loss: f64| f64::from(plot[3]) - (loss / low).ln() / (high / low).ln() * f64::from(plot[3] - plot[1]);
    for line in 0..=LINES {
        let part = f64::from(line) / f64::from(LINES);
        let loss = low * (high / low).powf(part);
        segment(&mut picture, (x(0.0), y(loss)), (x(last), y(loss)), GRID);
        write(&mut picture, 4, y(loss) as u32 - 4, &format!("{loss:.4}"), INK);
        let step = format!("{:.0}", part * last);
        write(&mut picture, (x(part * last) as u32).min(WIDTH - 70), plot[3] + 10, &step, INK);
    }
    for (points, colour) in [(&training, TRAINING), (&validation, VALIDATION)] {
        for pair in points.windows(2) {
            segment(&mut picture, (x(pair[0].0), y(pair[0].1)), (x(pair[1].0), y(pair[1].1)), colour);
        }
    }
    write(&mut picture, plot[0], HEIGHT - 24, "loss (training)", TRAINING);
    write(&mut picture, plot[0] + 160, HEIGHT - 24, "loss (validation)", VALIDATION);
    write(&mut picture, WIDTH - 70, HEIGHT - 24, "step", INK);
    picture
}

fn segment(picture: &mut RgbImage, from: (f64, f64), to: (f64, f64), colour: Rgb<u8>) {
    let length = (to.0 - from.0).abs().max((to.1 - from.1).abs()).ceil().max(1.0);
    for i in 0..=length as u32 {
        let part = f64::from(i) / length;
        let x = (from.0 + part * (to.0 - from.0)).round() as i64;
        let y = (from.1 + part * (to.1 - from.1)).round() as i64;
        put(picture, x, y, colour);
    }
}

/// Writes text in a fixed 8×8 font, its upper left corner at `(x, y)`.
fn write(picture: &mut RgbImage, x: u32, y: u32, text: &str, colour: Rgb<u8>) {
    for (i, glyph) in text.chars().filter_map(|c| font8x8::BASIC_FONTS.get(c)).enumerate() {
        for (row, bits) in glyph.iter().enumerate() {
            for col in (0..8).filter(|col| bits >> col & 1 == 1) {
                put(picture, i64::from(x) + (i * 8 + col) as i64, i64::from(y) + row as i64, colour);
            }
        }
    }
}

fn put(picture: &mut RgbImage, x: i64, y: i64, colour: Rgb<u8>) {
    if let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y))
        && let Some(pixel) = picture.get_pixel_mut_checked(x, y)
    {
        *pixel = colour;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_curves_are_drawn_and_no_rows_are_no_panic() {
        assert!(draw(&[]).pixels().all(|p| *p == PAPER));
        let rows: Vec<Row> = (1..20)
            .map(|step| Row {
                step,
                epoch: 0.0,
                loss: 2.0 / step as f64,
                learning_rate: 0.0,
                images_per_s: 0.0,
                waiting: 0.0,
                validation_loss: (step % 5 == 0).then_some(2.2 / step as f64),
                validation_psnr_db: None,
            })
            .collect();
        let picture = draw(&rows);
        for colour in [TRAINING, VALIDATION] {
            assert!(picture.pixels().filter(|p| **p == colour).count() > 300);
        }
    }
}
