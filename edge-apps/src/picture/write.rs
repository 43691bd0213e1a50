//! Writes a picture file whole or not at all.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::codecs::webp::WebPEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageEncoder};
use ndarray::ArrayView2;

use super::jpeg::JpegWriter;
use super::{Format, Picture};

/// How the names of pictures begin that are being written.
pub const UNFINISHED: &str = ".glimpse-";

impl Picture {
    /// Why the picture cannot be written in a format, if it cannot. Pixels of `painted` will have become opaque.
    ///
    /// # Shapes
    /// - `painted`: `[H, W]`
    pub fn refusal(&self, format: Format, painted: Option<ArrayView2<bool>>) -> Option<String> {
        let will_be_opaque = |at| painted.is_some_and(|painted| painted[at]);
        let seen_through = || {
            self.alpha().is_some_and(|alpha| alpha.indexed_iter().any(|(at, a)| *a < u8::MAX && !will_be_opaque(at)))
        };
        let refused = || format == Format::Jpeg && seen_through();
        format.refusal([self.width(), self.height()]).or_else(|| {
            refused()
                .then(|| "it has transparent pixels, which a JPEG file cannot hold; write a .png or .webp".to_owned())
        })
    }

    /// Writes the picture: beside its place first, then moved there.
    ///
    /// In its own format the pixels lie as they lay in the source; in another, upright, because not every program turns
    /// every kind of file.
    pub fn write(&self, path: &Path, format: Format, force: bool) -> Result<()> {
        if let Some(reason) = self.refusal(format, None) {
            bail!("{} cannot be written: {reason}", path.display());
        }
        let file = self.encoded(format).with_context(|| format!("encoding {}", path.display()))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let writing = || format!("writing {}", path.display());
        let mut builder = tempfile::Builder::new();
        builder.prefix(UNFINISHED);
        #[cfg(unix)]
        {
            // As any new file: the system takes away what the user's mask forbids.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let mut temporary = builder.tempfile_in(folder).with_context(writing)?;
        temporary.write_all(&file).with_context(writing)?;
        // a run that goes on passes over what has its name, so that it is whole even where the power goes
        temporary.as_file().sync_all().with_context(writing)?;
        let moved = if force { temporary.persist(path) } else { temporary.persist_noclobber(path) };
        moved.map_err(|failed| failed.error).with_context(writing)?;
        Ok(())
    }

    fn encoded(&self, format: Format) -> Result<Vec<u8>> {
        let mut pixels = self.pixels.clone();
        let mut exif = self.exif.clone();
        if format == self.format {
            pixels.apply_orientation(inverse(self.orientation));
        } else if let Some(exif) = &mut exif {
            let _: Option<Orientation> = Orientation::remove_from_exif_chunk(exif);
        }
        let mut file = Vec::new();
        match format {
            Format::Jpeg => {
                let opaque: DynamicImage =
                    if pixels.color().has_color() { pixels.into_rgb8().into() } else { pixels.into_luma8().into() };
                self.encode(JpegWriter::new(&mut file, self.jpeg.as_ref()), &opaque, exif)?;
            }
            Format::Png => {
                let encoder = PngEncoder::new_with_quality(&mut file, CompressionType::Default, FilterType::Adaptive);
                self.encode(encoder, &pixels, exif)?;
            }
            Format::WebP => self.encode(WebPEncoder::new_lossless(&mut file), &pixels, exif)?,
        }
        Ok(file)
    }

    fn encode(&self, mut encoder: impl ImageEncoder, pixels: &DynamicImage, exif: Option<Vec<u8>>) -> Result<()> {
        if let Some(profile) = &self.icc_profile {
            encoder.set_icc_profile(profile.clone())?;
        }
        if let Some(exif) = exif {
            encoder.set_exif_metadata(exif)?;
        }
        encoder.write_image(pixels.as_bytes(), pixels.width(), pixels.height(), pixels.color().into())?;
        Ok(())
    }
}

/// The turn that undoes another.
fn inverse(orientation: Orientation) -> Orientation {
    match orientation {
        Orientation::Rotate90 => Orientation::Rotate270,
        Orientation::Rotate270 => Orientation::Rotate90,
        own_inverse => own_inverse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_turn_is_undone() {
        let picture =
            DynamicImage::ImageLuma8(image::GrayImage::from_fn(5, 3, |x, y| image::Luma([(y * 5 + x) as u8])));
        for number in 1..=8 {
            let orientation = Orientation::from_exif(number).unwrap();
            let mut turned = picture.clone();
            turned.apply_orientation(orientation);
            turned.apply_orientation(inverse(orientation));
            assert_eq!(turned, picture, "{orientation:?}");
        }
    }
}
