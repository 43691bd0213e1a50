//! A picture and one of its holes, ready to be filled by every method.

use std::path::Path;
use std::rc::Rc;

use anyhow::ensure;
use glimpse_models::PatchGrid;
use image::{RgbImage, imageops};
use ndarray::Array2;

use super::fills::blanked;
use super::holes::{HoleClass, aligned_hole, block_hole, hole_rng};
use crate::data::decode;
use crate::sheet::fit;

/// Shorter pictures have no room for a hole and something around it.
const SIDE_MIN_PX: u32 = 32;

/// The size that pictures are painted at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scale {
    /// The photograph's own, or smaller: what a user sees.
    Photo {
        /// Longest side.
        side_px: u32,
    },
    /// The middle of the picture at the model's side, holes of whole patches: what the model itself can do.
    Model {
        /// The model's image side.
        side_px: u32,
        /// The model's patch side.
        patch_px: u32,
    },
}

impl Scale {
    /// The [`key`](Self::key) of the photographs' own size.
    pub const PHOTO: &str = "photo";

    /// The scale in words.
    #[must_use]
    pub fn title(self) -> String {
        match self {
            Self::Photo { side_px } => format!("At the photograph's size, at most {side_px} px a side"),
            Self::Model { side_px, patch_px } => {
                format!("At the model's own {side_px} px: the middle square, holes of whole patches of {patch_px} px")
            }
        }
    }

    /// Names the scale in reports and in the seeds of holes.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Photo { .. } => Self::PHOTO,
            Self::Model { .. } => "model",
        }
    }

    fn picture(self, original: &RgbImage) -> RgbImage {
        let (width, height) = original.dimensions();
        match self {
            Self::Photo { side_px } if width.max(height) <= side_px => original.clone(),
            Self::Photo { side_px } => fit(original, side_px),
            Self::Model { side_px, .. } => {
                let short = width.min(height);
                let middle = imageops::crop_imm(original, (width - short) / 2, (height - short) / 2, short, short);
                fit(&middle.to_image(), side_px)
            }
        }
    }

    /// None if no hole of this size fits the scale.
    fn hole(self, picture: &RgbImage, class: HoleClass, seed: u64, name: &str) -> anyhow::Result<Option<Array2<bool>>> {
        let mut rng = hole_rng(seed, name);
        let (height, width) = (picture.height() as usize, picture.width() as usize);
        Ok(match self {
            Self::Photo { .. } => block_hole(height, width, class, &mut rng),
            Self::Model { patch_px, .. } => {
                aligned_hole(PatchGrid::new(height, width, patch_px as usize)?, class, &mut rng)
            }
        })
    }
}

/// One hole in one picture.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Size of the picture.
    pub scale: Scale,
    /// Size of the hole.
    pub class: HoleClass,
    /// Number of the hole among those of its class in the picture.
    pub index: usize,
    /// The picture.
    pub original: Rc<RgbImage>,
    /// `[H, W]`, `true` inside the hole.
    pub hole: Array2<bool>,
    /// The picture without what is in the hole: all that a method sees.
    pub blank: RgbImage,
}

/// How holes are drawn.
#[derive(Clone, Debug)]
pub struct Draw {
    /// Sizes to paint at.
    pub scales: Vec<Scale>,
    /// Seed of the holes.
    pub seed: u64,
    /// Holes of each class, scale and picture.
    pub holes_per_picture: usize,
}

impl Draw {
    /// All trials on the picture at `path`, which lies in `folder`.
    ///
    /// # Errors
    /// When the file cannot be decoded, or the picture is too small to be judged.
    pub fn trials(&self, folder: &Path, path: &Path) -> anyhow::Result<Vec<Trial>> {
        let original = decode(path)?;
        let (width, height) = original.dimensions();
        ensure!(width.min(height) >= SIDE_MIN_PX, "{} is smaller than {SIDE_MIN_PX} px", path.display());
        let name = path.strip_prefix(folder).unwrap_or(path).to_string_lossy();
        let mut trials = Vec::new();
        for &scale in &self.scales {
            let original = Rc::new(scale.picture(&original));
            for (class, index) in
                HoleClass::ALL.into_iter().flat_map(|c| (0..self.holes_per_picture).map(move |i| (c, i)))
            {
                let name = format!("{}/{class}/{index}/{name}", scale.key());
                let Some(hole) = scale.hole(&original, class, self.seed, &name)? else { continue };
                let blank = blanked(&original, &hole);
                trials.push(Trial { scale, class, index, original: Rc::clone(&original), hole, blank });
            }
        }
        Ok(trials)
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn a_picture_is_reduced_but_never_enlarged() {
        let picture = RgbImage::from_fn(100, 60, |x, y| Rgb([x as u8, y as u8, 0]));
        assert_eq!(Scale::Photo { side_px: 480 }.picture(&picture), picture);
        assert_eq!(Scale::Photo { side_px: 50 }.picture(&picture).dimensions(), (50, 30));
        let middle = Scale::Model { side_px: 60, patch_px: 12 }.picture(&picture);
        assert_eq!(middle.dimensions(), (60, 60));
        assert_eq!((middle.get_pixel(0, 0).0, middle.get_pixel(59, 59).0), ([20, 0, 0], [79, 59, 0]));
    }

    #[test]
    fn trials_are_complete_and_do_not_depend_on_where_the_folder_is() {
        let draw = Draw {
            scales: vec![Scale::Photo { side_px: 48 }, Scale::Model { side_px: 32, patch_px: 4 }],
            seed: 3,
            holes_per_picture: 2,
        };
        let draw_in = |folder: &Path| {
            let path = folder.join("a.png");
            RgbImage::from_pixel(64, 48, Rgb([1, 2, 3])).save(&path).unwrap();
            draw.trials(folder, &path).unwrap()
        };
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (a, b) = (draw_in(a.path()), draw_in(b.path()));
        assert_eq!(a.len(), 2 * HoleClass::ALL.len() * 2);
        assert!(a.iter().zip(&b).all(|(a, b)| a.hole == b.hole && a.blank == b.blank));
        assert!(a.iter().enumerate().all(|(i, one)| a[..i].iter().all(|other| one.hole != other.hole)));
    }
}
