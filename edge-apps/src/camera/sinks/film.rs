//! Painted frames as MJPEG or Y4M.

use anyhow::{Context, Result};
use jpeg_encoder::{ColorType, Encoder};
use yuv::{YuvChromaSubsampling, YuvConversionMode, YuvPlanarImageMut, YuvRange, YuvStandardMatrix};

use super::file::{Records, Whole};
use super::output::{Kind, Output};
use super::rotate::Rotate;
use super::{Item, Painted, Sink};

/// Frames a second where nobody says it: a camera's come as they come, and players want a number.
const UNSAID_FPS: f64 = 30.0;
/// JPEG's quality, of 100.
const QUALITY: u8 = 90;

/// A film.
pub struct Film {
    kind: Kind,
    records: Records,
    /// Whether Y4M's header is written.
    begun: bool,
    record: Vec<u8>,
}

impl Film {
    /// # Errors
    /// When the output cannot be begun.
    pub fn new(output: &Output, rotate: Option<Rotate>) -> Result<Self> {
        // players pass over half of a frame at the end
        let records = Records::new(output.path(), rotate, Whole::All)?;
        Ok(Self { kind: output.kind, records, begun: false, record: Vec::new() })
    }

    fn y4m(&mut self, Painted { pixels: picture, frame_px, fps }: &Painted) -> Result<()> {
        let (height, width, _) = picture.dim();
        if !self.begun {
            let [n, d] = rate(fps.unwrap_or(UNSAID_FPS));
            // as high and as wide as the source's
            let [frame_height, frame_width] = *frame_px;
            let [x, y] = reduced([(frame_width * height) as u64, (frame_height * width) as u64]);
            self.record.extend(format!("YUV4MPEG2 W{width} H{height} F{n}:{d} Ip A{x}:{y} C420jpeg\n").bytes());
        }
        let (width, height) = (width as u32, height as u32);
        self.record.extend(b"FRAME\n");
        let mut planes = YuvPlanarImageMut::<u8>::alloc(width, height, YuvChromaSubsampling::Yuv420);
        let rgb = picture.as_slice().context("a picture that is not in one piece")?;
        let (range, matrix) = (YuvRange::Limited, YuvStandardMatrix::Bt601);
        yuv::rgb_to_yuv420(&mut planes, rgb, 3 * width, range, matrix, YuvConversionMode::Balanced)?;
        for plane in [&planes.y_plane, &planes.u_plane, &planes.v_plane] {
            self.record.extend_from_slice(plane.borrow());
        }
        Ok(())
    }
}

impl Sink for Film {
    fn take(&mut self, item: &Item) -> Result<()> {
        let Item::Picture(painted) = item else { return Ok(()) };
        self.record.clear();
        if self.kind == Kind::Y4m {
            self.y4m(painted)?;
        } else {
            let picture = &painted.pixels;
            let (height, width, _) = picture.dim();
            let rgb = picture.as_slice().context("a picture that is not in one piece")?;
            Encoder::new(&mut self.record, QUALITY).encode(rgb, width as u16, height as u16, ColorType::Rgb)?;
        }
        self.records.add(&self.record)?;
        self.begun = true;
        Ok(())
    }

    fn is_due(&self) -> bool {
        self.records.is_due()
    }

    fn keep(&mut self) -> Result<()> {
        if self.is_due() {
            self.records.rotate()?;
            self.begun = false;
            return Ok(());
        }
        Ok(self.records.keep()?)
    }

    fn finish(self: Box<Self>, succeeded: bool) -> Result<()> {
        self.records.finish(succeeded)
    }
}

/// Frames a second as a ratio: whole ones, those of television, or thousandths.
fn rate(fps: f64) -> [u64; 2] {
    let of = |denominator: f64| [(fps * denominator).round() as u64, denominator as u64];
    let is_of = |[n, d]: [u64; 2]| (n as f64 / d as f64 - fps).abs() < 1e-4 * fps;
    let television = [(fps * 1.001).round() as u64 * 1000, 1001];
    [of(1.0), television].into_iter().find(|&ratio| is_of(ratio)).unwrap_or_else(|| reduced(of(1000.0)))
}

/// The ratio in its smallest numbers.
fn reduced([a, b]: [u64; 2]) -> [u64; 2] {
    let (mut divisor, mut rest) = (a, b);
    while rest > 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    [a, b].map(|value| value / divisor.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_ratios() {
        for (fps, ratio) in [
            (30.0, [30, 1]),
            (29.97, [30_000, 1001]),
            (30_000.0 / 1001.0, [30_000, 1001]),
            (12.5, [25, 2]),
            (0.01, [1, 100]),
        ] {
            assert_eq!(rate(fps), ratio, "{fps}");
        }
        assert_eq!([reduced([320, 240]), reduced([128, 128]), reduced([0, 0])], [[4, 3], [1, 1], [0, 0]]);
    }
}
