//! Painted frames as MJPEG or Y4M.

use anyhow::{Context, Result};
use jpeg_encoder::{ColorType, Encoder};
use ndarray::Array3;
use yuv::{YuvChromaSubsampling, YuvConversionMode, YuvPlanarImageMut, YuvRange, YuvStandardMatrix};

use super::file::{Records, Whole};
use super::output::{Kind, Output};
use super::rotate::Rotate;
use super::{Item, Sink};

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

    fn y4m(&mut self, picture: &Array3<u8>) -> Result<()> {
        let (height, width, _) = picture.dim();
        let (width, height) = (width as u32, height as u32);
        if !self.begun {
            // a camera's frames come as they come; players want a number
            self.record.extend(format!("YUV4MPEG2 W{width} H{height} F30:1 Ip A1:1 C420jpeg\n").bytes());
        }
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
        let Item::Picture(picture) = item else { return Ok(()) };
        self.record.clear();
        if self.kind == Kind::Y4m {
            self.y4m(picture)?;
        } else {
            let (height, width, _) = picture.dim();
            let rgb = picture.as_slice().context("a picture that is not in one piece")?;
            Encoder::new(&mut self.record, QUALITY).encode(rgb, width as u16, height as u16, ColorType::Rgb)?;
        }
        self.records.add(&self.record)?;
        self.begun = true;
        Ok(())
    }

    fn keep(&mut self) -> Result<()> {
        if self.records.is_due() {
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
