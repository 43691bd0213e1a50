//! The fills to compare with: one colour, and OpenCV's two classical methods.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use image::{GrayImage, Luma, Rgb, RgbImage};
use ndarray::Array2;
use tempfile::TempDir;

const SCRIPT: &str = include_str!("../opencv_fill.py");

/// What stands in the hole before it is painted: a colour that photographs seldom have, so that whatever of it leaks into
/// a painting shows, in the numbers and on the contact sheet.
const BLANK: Rgb<u8> = Rgb([255, 0, 255]);

/// A picture whose hole holds nothing of what was there.
///
/// # Shapes
/// - `hole`: `[H, W]` of the picture
#[must_use]
pub fn blanked(picture: &RgbImage, hole: &Array2<bool>) -> RgbImage {
    filled(picture, hole, BLANK)
}

/// Fills the hole with the mean colour of the visible pixels.
///
/// # Shapes
/// - `hole`: `[H, W]` of the picture, not all of it
#[must_use]
pub fn mean_fill(picture: &RgbImage, hole: &Array2<bool>) -> RgbImage {
    let mut sum = [0_u64; 3];
    let mut visible = 0_u64;
    for (pixel, _) in picture.pixels().zip(hole).filter(|(_, hidden)| !**hidden) {
        visible += 1;
        sum.iter_mut().zip(pixel.0).for_each(|(sum, level)| *sum += u64::from(level));
    }
    let visible = visible.max(1);
    filled(picture, hole, Rgb(sum.map(|sum| ((sum + visible / 2) / visible) as u8)))
}

fn filled(picture: &RgbImage, hole: &Array2<bool>, colour: Rgb<u8>) -> RgbImage {
    let mut filled = picture.clone();
    for (pixel, _) in filled.pixels_mut().zip(hole).filter(|(_, hidden)| **hidden) {
        *pixel = colour;
    }
    filled
}

/// One hole, filled by OpenCV.
#[derive(Clone, Debug)]
pub struct ClassicFills {
    /// By the fast marching method of Telea.
    pub telea: RgbImage,
    /// By the Navier–Stokes method of Bertalmio et al.
    pub navier_stokes: RgbImage,
}

/// A python that has OpenCV. It is no library of ours: it is started for each lot of pictures, and they pass as PNG files.
#[derive(Debug)]
pub struct OpenCv {
    python: PathBuf,
}

impl OpenCv {
    /// The given python, or else that of the environment which `cargo ci venv` makes, or else `python3`.
    ///
    /// # Errors
    /// When it does not start or has no `cv2`; says what to do.
    pub fn find(python: Option<&Path>) -> anyhow::Result<Self> {
        let python = python.map_or_else(default_python, Path::to_owned);
        let remedy = "make an environment that has it with `cargo ci venv`, name another with --python, or leave OpenCV's \
                      fills out with --no-opencv";
        match Command::new(&python).args(["-c", "import cv2"]).output() {
            Ok(output) if output.status.success() => Ok(Self { python }),
            Ok(_) => bail!("{} has no OpenCV (`import cv2` fails): {remedy}", python.display()),
            Err(error) => bail!("{} does not start ({error}), and OpenCV is run by it: {remedy}", python.display()),
        }
    }

    /// Fills the hole of each picture by both methods.
    ///
    /// # Shapes
    /// - `cases`: pictures, each with its hole `[H, W]`
    /// - returns as many, in their order
    ///
    /// # Errors
    /// When the script fails, or files cannot be written and read back.
    pub fn fill(&self, cases: &[(&RgbImage, &Array2<bool>)]) -> anyhow::Result<Vec<ClassicFills>> {
        let folder = TempDir::new().context("making a folder for OpenCV's pictures")?;
        let script = folder.path().join("opencv_fill.py");
        std::fs::write(&script, SCRIPT).with_context(|| format!("writing {}", script.display()))?;
        let file = |index: usize, ending: &str| folder.path().join(format!("{index:06}{ending}"));
        for (index, (picture, hole)) in cases.iter().enumerate() {
            let save = |saved: image::ImageResult<()>| saved.context("writing a picture for OpenCV");
            save(picture.save(file(index, ".png")))?;
            save(mask_picture(hole).save(file(index, ".mask.png")))?;
        }

        let run = Command::new(&self.python).arg(&script).arg(folder.path()).output();
        let run = run.with_context(|| format!("starting {}", self.python.display()))?;
        ensure!(run.status.success(), "OpenCV's fills failed: {}", String::from_utf8_lossy(&run.stderr).trim());

        let read = |index: usize, (picture, _): &(&RgbImage, &Array2<bool>), ending: &str| {
            let path = file(index, ending);
            let filled = crate::data::decode(&path)?;
            ensure!(filled.dimensions() == picture.dimensions(), "{} is of another size", path.display());
            Ok(filled)
        };
        let both = |(index, case)| {
            Ok(ClassicFills { telea: read(index, case, ".telea.png")?, navier_stokes: read(index, case, ".ns.png")? })
        };
        cases.iter().enumerate().map(both).collect()
    }
}

fn mask_picture(hole: &Array2<bool>) -> GrayImage {
    let (height, width) = hole.dim();
    GrayImage::from_fn(width as u32, height as u32, |x, y| {
        Luma([if hole[(y as usize, x as usize)] { u8::MAX } else { 0 }])
    })
}

/// Python of the environment that `cargo ci venv` keeps in the user's cache folder, if it is there.
fn default_python() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    cache
        .map(|cache| cache.join("glimpse/venv/bin/python"))
        .filter(|python| python.exists())
        .unwrap_or_else(|| PathBuf::from("python3"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hole() -> Array2<bool> {
        Array2::from_shape_fn((8, 10), |(y, x)| (2..5).contains(&y) && (3..9).contains(&x))
    }

    #[test]
    fn the_mean_is_of_visible_pixels_alone() {
        let picture = RgbImage::from_fn(10, 8, |x, y| {
            if hole()[(y as usize, x as usize)] { Rgb([255, 255, 255]) } else { Rgb([10, (x % 2) as u8, 200]) }
        });
        let filled = mean_fill(&picture, &hole());
        // 18 of 80 pixels are hidden; 31 of the 62 others have a green of 1, and a half is rounded up.
        assert_eq!(filled.get_pixel(4, 3), &Rgb([10, 1, 200]));
        for (x, y, pixel) in filled.enumerate_pixels().filter(|(x, y, _)| !hole()[(*y as usize, *x as usize)]) {
            assert_eq!(pixel, picture.get_pixel(x, y));
        }
    }

    #[test]
    fn nothing_is_left_in_a_blanked_hole() {
        let picture = RgbImage::from_pixel(10, 8, Rgb([1, 2, 3]));
        let blanked = blanked(&picture, &hole());
        assert_eq!(blanked.pixels().filter(|pixel| **pixel == BLANK).count(), 18);
        assert_eq!(blanked.get_pixel(0, 0), &Rgb([1, 2, 3]));
    }

    #[test]
    fn a_python_without_opencv_is_named_with_the_remedy() {
        for python in ["/nowhere/python", "false"] {
            let error = OpenCv::find(Some(Path::new(python))).unwrap_err().to_string();
            assert!(error.contains(python) && error.contains("cargo ci venv"), "{error}");
        }
    }

    #[test]
    #[ignore = "needs a python with OpenCV: run after `cargo ci venv`"]
    fn opencv_fills_the_hole_and_nothing_else() {
        let picture = RgbImage::from_pixel(10, 8, Rgb([90, 120, 30]));
        let (blank, hole) = (blanked(&picture, &hole()), hole());
        let fills = OpenCv::find(None).unwrap().fill(&[(&blank, &hole), (&blank, &hole)]).unwrap();
        assert_eq!(fills.len(), 2);
        for fill in fills {
            assert_eq!(fill.navier_stokes, picture);
            // Telea's gradients make a plain colour uneven by a few levels, whatever stood in the hole.
            assert!(fill.telea.iter().zip(picture.iter()).all(|(a, b)| a.abs_diff(*b) < 8));
            assert_eq!(fill.telea.get_pixel(9, 7), picture.get_pixel(9, 7));
        }
    }
}
