//! Which pixels of a picture are to be painted.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Result, bail};
use glimpse_models::PatchGrid;
use glimpse_runtime::Mask;
use image::imageops::FilterType;
use ndarray::{Array2, s};

use crate::picture::Picture;

/// A mask's pixel brighter than this is hole; so is a pixel of a picture, with `--alpha`, that is no more opaque.
pub const THRESHOLD: u8 = 127;

/// A rectangle of a picture, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

impl FromStr for Area {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a box: give x,y,width,height in pixels, such as 120,80,64,64");
        let numbers: Vec<usize> =
            text.split(',').map(|n| n.trim().parse()).collect::<Result<_, _>>().map_err(|_| wrong())?;
        let [x, y, width, height] = numbers[..] else { return Err(wrong()) };
        if width == 0 || height == 0 {
            return Err(format!("the box {text} is empty: its width and height must be 1 or more"));
        }
        Ok(Self { x, y, width, height })
    }
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { x, y, width, height } = self;
        write!(f, "{x},{y},{width},{height}")
    }
}

impl Area {
    /// Whether it has a pixel outside of a picture.
    pub fn reaches_outside(self, [height, width]: [usize; 2]) -> bool {
        self.x.saturating_add(self.width) > width || self.y.saturating_add(self.height) > height
    }

    /// Whether it has a pixel between these columns and rows, the first of each and the one after the last.
    pub fn touches(self, [left, right]: [usize; 2], [top, bottom]: [usize; 2]) -> bool {
        let meets = |start: usize, len: usize, from: usize, to: usize| start < to && start.saturating_add(len) > from;
        meets(self.x, self.width, left, right) && meets(self.y, self.height, top, bottom)
    }
}

/// What says which pixels are hidden.
#[derive(Debug, Clone)]
pub enum HoleFrom {
    /// A picture of the same size: white is hole.
    Mask { path: PathBuf, fit: bool },
    /// Rectangles.
    Areas(Vec<Area>),
    /// The picture's own transparent pixels.
    Alpha,
    /// Random patches of the model's grid, laid over the whole picture.
    Random { ratio: f32, seed: u64, grid: PatchGrid },
}

impl HoleFrom {
    /// The hole in a picture, as it is seen upright, grown by a margin.
    ///
    /// # Shapes
    /// - returns `[H, W]`, neither empty nor everything
    pub fn hole(&self, picture: &Picture, path: &Path, grow_px: u32) -> Result<Array2<bool>> {
        let (height, width) = (picture.height(), picture.width());
        let hole = match self {
            Self::Mask { path: mask, fit } => from_mask(mask, *fit, path, (height, width))?,
            Self::Areas(areas) => from_areas(areas, path, (height, width))?,
            Self::Alpha => match picture.alpha() {
                Some(alpha) => alpha.mapv(|opacity| opacity <= THRESHOLD),
                None => bail!(
                    "{} has no transparency, so --alpha finds nothing to paint; say where with --mask or --box",
                    path.display()
                ),
            },
            Self::Random { ratio, seed, grid } => from_random(&Mask::random(*grid, *ratio, *seed)?, (height, width)),
        };
        if !hole.iter().any(|h| *h) {
            bail!("{}: there is nothing to paint: {}", path.display(), self.empty_because());
        }
        let hole = grow(&hole, grow_px as usize);
        if hole.iter().all(|h| *h) {
            bail!(
                "{}: everything is masked{}, so nothing is left to paint it from; leave some of the picture visible",
                path.display(),
                if grow_px > 0 { format!(" once the hole has grown by {grow_px} px") } else { String::new() }
            );
        }
        Ok(hole)
    }

    fn empty_because(&self) -> String {
        match self {
            Self::Mask { path, .. } => {
                format!("the mask {} is empty; paint white what is to be painted in", path.display())
            }
            Self::Areas(_) => "there is no box; give one with --box x,y,w,h".to_owned(),
            Self::Alpha => "no pixel is transparent; erase what is to be painted in, or use --mask".to_owned(),
            Self::Random { ratio, .. } => format!("a ratio of {ratio} hides no patch; give a larger --random"),
        }
    }
}

fn from_mask(mask: &Path, fit: bool, path: &Path, (height, width): (usize, usize)) -> Result<Array2<bool>> {
    let mut grey = Picture::read_to_look_at(mask)?.into_grey();
    let (mask_width, mask_height) = grey.dimensions();
    if (mask_height as usize, mask_width as usize) != (height, width) {
        if !fit {
            bail!(
                "the mask {} has {mask_width}×{mask_height} pixels and {} has {width}×{height}; \
                 --fit-mask stretches the mask to the picture",
                mask.display(),
                path.display()
            );
        }
        grey = image::imageops::resize(&grey, width as u32, height as u32, FilterType::Triangle);
    }
    let bytes = grey.into_raw();
    Ok(Array2::from_shape_fn((height, width), |(y, x)| bytes[y * width + x] > THRESHOLD))
}

fn from_areas(areas: &[Area], path: &Path, (height, width): (usize, usize)) -> Result<Array2<bool>> {
    let mut hole = Array2::from_elem((height, width), false);
    for Area { x, y, width: box_width, height: box_height } in areas {
        let past = x.checked_add(*box_width).zip(y.checked_add(*box_height));
        let Some((right, bottom)) = past.filter(|(right, bottom)| *right <= width && *bottom <= height) else {
            bail!(
                "the box {x},{y},{box_width},{box_height} reaches outside {}, which has {width}×{height} pixels; \
                 a box is x,y,width,height",
                path.display()
            );
        };
        hole.slice_mut(s![*y..bottom, *x..right]).fill(true);
    }
    Ok(hole)
}

/// Stretches the grid over the picture: each pixel lies in one patch.
fn from_random(mask: &Mask, (height, width): (usize, usize)) -> Array2<bool> {
    let grid = mask.grid();
    let mut hidden = vec![false; grid.len()];
    mask.masked().iter().for_each(|index| hidden[*index] = true);
    Array2::from_shape_fn((height, width), |(y, x)| {
        hidden[grid.index(y * grid.rows() / height, x * grid.cols() / width)]
    })
}

/// Adds every pixel that lies within `radius_px` of the hole, as a disc.
fn grow(hole: &Array2<bool>, radius_px: usize) -> Array2<bool> {
    if radius_px == 0 {
        return hole.clone();
    }
    let (height, width) = hole.dim();
    let mut grown = hole.clone();
    for y in 0..height {
        for near in y.saturating_sub(radius_px)..(y + radius_px + 1).min(height) {
            let rise = near.abs_diff(y);
            let reach = (radius_px * radius_px - rise * rise).isqrt();
            let mut done = 0;
            for x in (0..width).filter(|x| hole[[near, *x]]) {
                let past = (x + reach + 1).min(width);
                let first = x.saturating_sub(reach).max(done);
                (first..past).for_each(|x| grown[[y, x]] = true);
                done = done.max(past);
            }
        }
    }
    grown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_read_as_typed() {
        assert_eq!("1,2, 3,4".parse(), Ok(Area { x: 1, y: 2, width: 3, height: 4 }));
        for wrong in ["", "1,2,3", "1,2,3,4,5", "a,2,3,4", "-1,2,3,4", "1,2,0,4"] {
            assert!(wrong.parse::<Area>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_point_grows_to_a_disc() {
        let mut hole = Array2::from_elem((21, 23), false);
        hole[[9, 11]] = true;
        hole[[0, 22]] = true;
        for radius in [0, 1, 2, 5, 40] {
            for ((y, x), got) in grow(&hole, radius).indexed_iter() {
                let within = |a: usize, b: usize| y.abs_diff(a).pow(2) + x.abs_diff(b).pow(2) <= radius * radius;
                assert_eq!(*got, within(9, 11) || within(0, 22));
            }
        }
    }

    #[test]
    fn a_random_mask_hides_its_ratio_of_any_picture() {
        let grid = PatchGrid::new(128, 128, 16).unwrap();
        let mask = Mask::random(grid, 0.5, 3).unwrap();
        let hole = from_random(&mask, (300, 500));
        let share = hole.iter().filter(|h| **h).count() as f32 / hole.len() as f32;
        assert!((share - 0.5).abs() < 0.01, "{share}");
    }
}
