//! The pictures of a frame.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use axum::body::Bytes;
use glimpse_models::PatchGrid;
use glimpse_runtime::{Frame, resize};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use ndarray::{Array3, ArrayView3, s};

use super::colours::{Colours, DARK};
use super::message;
use super::painter::Glance;
use super::state::State;
use crate::camera::pixels::rgb_of;

/// The longest side of a picture on the page, in pixels: a phone's width, and fast to compress.
const MOST_SIDE: usize = 640;
/// JPEG's quality, of 100: for the page, and for a picture that is asked for by itself.
const QUALITY: u8 = 80;
const FINE_QUALITY: u8 = 92;
/// The side of a patch's square of colour, in pixels: blocks of JPEG's own size stay sharp.
const SQUARE: usize = 16;

/// A picture of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum View {
    Camera,
    Seen,
    Painted,
    Features,
}

/// A frame's pictures.
#[derive(Debug)]
pub struct Painted {
    /// As it came.
    frame: Arc<Frame>,
    /// JPEGs: one of each [`View`], in that order; empty where there is none.
    jpegs: [Vec<u8>; 4],
    /// What viewers are sent.
    pub message: Bytes,
}

impl Painted {
    /// A picture as a JPEG, the camera's in its own size.
    ///
    /// # Errors
    /// When it cannot be compressed.
    pub fn jpeg(&self, view: View) -> Result<Option<Vec<u8>>> {
        if view == View::Camera {
            return jpeg(rgb_of(&self.frame)?.view(), FINE_QUALITY).map(Some);
        }
        let jpeg = &self.jpegs[view as usize];
        Ok((!jpeg.is_empty()).then(|| jpeg.clone()))
    }
}

/// Makes a frame's pictures.
///
/// # Errors
/// When one cannot be compressed.
pub fn painted(state: &State, glance: Glance, colours: &mut Colours) -> Result<Painted> {
    let began = Instant::now();
    let grid = state.about.grid;
    let camera = fitted(rgb_of(&glance.frame)?.view())?;
    let colours = colours.of(glance.tokens.slice(s![1.., ..]));
    let squares = squares(grid, &glance.visible, &colours);
    let picture = glance.picture.as_ref().map(|picture| jpeg(picture.view(), QUALITY));
    let jpegs = [
        jpeg(camera.view(), QUALITY)?,
        jpeg(seen(camera, grid, &glance.visible).view(), QUALITY)?,
        picture.transpose()?.unwrap_or_default(),
        jpeg(squares.view(), QUALITY)?,
    ];
    let shown = message::Shown {
        number: glance.number,
        size: [glance.frame.width(), glance.frame.height()],
        visible: glance.visible.len(),
        drawing_ms: began.elapsed().as_secs_f64() * 1e3,
    };
    let message = message::of_frame(state, glance.source, &shown, &jpegs)?;
    Ok(Painted { frame: glance.frame, jpegs, message })
}

/// A picture no larger than the page wants it.
fn fitted(picture: ArrayView3<u8>) -> Result<Array3<u8>> {
    let (height, width, _) = picture.dim();
    let longest = height.max(width);
    if longest <= MOST_SIDE {
        return Ok(picture.to_owned());
    }
    let side = |side: usize| (side * MOST_SIDE / longest).max(1);
    Ok(resize(picture, side(height), side(width))?)
}

/// What the encoder was given of a picture: the rest is dark.
fn seen(mut picture: Array3<u8>, grid: PatchGrid, visible: &[usize]) -> Array3<u8> {
    let (height, width, _) = picture.dim();
    for patch in (0..grid.len()).filter(|patch| !visible.contains(patch)) {
        let (row, col) = grid.position(patch);
        let rows = row * height / grid.rows()..(row + 1) * height / grid.rows();
        let cols = col * width / grid.cols()..(col + 1) * width / grid.cols();
        for mut pixel in picture.slice_mut(s![rows, cols, ..]).rows_mut() {
            pixel.assign(&ndarray::aview1(&DARK));
        }
    }
    picture
}

/// A square of its colour for each visible patch.
fn squares(grid: PatchGrid, visible: &[usize], colours: &[[u8; 3]]) -> Array3<u8> {
    let dark = Array3::from_shape_fn((SQUARE * grid.rows(), SQUARE * grid.cols(), 3), |(_, _, channel)| DARK[channel]);
    visible.iter().zip(colours).fold(dark, |mut picture, (&patch, colour)| {
        let (top, left) = (grid.position(patch).0 * SQUARE, grid.position(patch).1 * SQUARE);
        for mut pixel in picture.slice_mut(s![top..top + SQUARE, left..left + SQUARE, ..]).rows_mut() {
            pixel.assign(&ndarray::aview1(colour));
        }
        picture
    })
}

fn jpeg(picture: ArrayView3<u8>, quality: u8) -> Result<Vec<u8>> {
    let (height, width, _) = picture.dim();
    let rgb = picture.as_slice().context("a picture that is not in one piece")?;
    ensure!(rgb.len() == 3 * height * width, "a picture without three channels");
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, quality);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.encode(rgb, u16::try_from(width)?, u16::try_from(height)?, ColorType::Rgb)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> PatchGrid {
        PatchGrid::new(64, 64, 16).unwrap()
    }

    #[test]
    fn what_is_not_looked_at_is_dark() {
        let picture = seen(Array3::from_elem((50, 90, 3), 200), grid(), &[0, 15]);
        let at = |y: usize, x: usize| picture.slice(s![y, x, ..]).to_vec();
        assert_eq!([at(0, 0), at(49, 89), at(11, 21)], [[200; 3]; 3].map(Vec::from));
        assert_eq!([at(0, 22), at(13, 0), at(25, 45), at(0, 89)], [DARK; 4].map(Vec::from));
        // each pixel is in one patch
        let bright = picture.iter().filter(|&&grey| grey == 200).count() / 3;
        assert_eq!(bright, 12 * 22 + (50 - 37) * (90 - 67));
    }

    #[test]
    fn squares_are_where_their_patches_are() {
        let picture = squares(grid(), &[1, 4], &[[9, 8, 7], [1, 2, 3]]);
        assert_eq!(picture.dim(), (64, 64, 3));
        assert_eq!(picture.slice(s![0, 16, ..]).to_vec(), [9, 8, 7]);
        assert_eq!(picture.slice(s![31, 15, ..]).to_vec(), [1, 2, 3]);
        assert_eq!(picture.slice(s![0, 0, ..]).to_vec(), DARK);
    }

    #[test]
    fn a_large_frame_is_made_smaller_in_its_shape() {
        assert_eq!(fitted(Array3::zeros((1080, 1920, 3)).view()).unwrap().dim(), (360, 640, 3));
        assert_eq!(fitted(Array3::zeros((3, 9000, 3)).view()).unwrap().dim(), (1, 640, 3));
        assert_eq!(fitted(Array3::zeros((48, 64, 3)).view()).unwrap().dim(), (48, 64, 3));
        let file = jpeg(Array3::from_elem((5, 7, 3), 90).view(), QUALITY).unwrap();
        let read = image::load_from_memory(&file).unwrap();
        assert_eq!((read.width(), read.height()), (7, 5));
    }
}
