//! Paints holes of any shape and size in pictures of any size.
//!
//! 1. Holes that lie near each other form a group (`groups`).
//! 2. Each hole is filled with the membrane (`harmonic`, the kernels' `Membrane`): the classical answer, which agrees with the
//!    rim exactly and is all that a thin or small hole needs.
//! 3. From coarse to fine (`level`), a region around the group is brought to a canvas of the model's pixels (`canvas`),
//!    windows of the model's side are laid over it, and the model answers for what is hidden in them (`windows`). The
//!    coarsest windows reach the hole's deepest pixel; finer ones repaint a band along the rim, for which the coarser
//!    answer is context.
//! 4. What the model adds to the membrane is its detail (`detail`): made zero at the rim by a membrane of its own,
//!    weighted (`blend`), feathered inside the hole, and added.
//!
//! Without the model, [`fill`] fills a hole with the membrane, or in one sweep from the rim inwards (`sweep`): the order is
//! that of a front that runs from the rim (`front`), and a pixel takes its colour from what is known around it by then
//! (`telea`, `navier_stokes`). [`Method`] names all of these, and finds the one that painted best when a bundle was
//! measured.
//!
//! The arithmetic that is worth a picture of its own lies in one of these; this file is the order of things.

mod blend;
mod canvas;
mod depth;
mod detail;
mod fill;
mod front;
mod groups;
mod harmonic;
mod level;
mod method;
mod navier_stokes;
mod rect;
mod smooth;
mod sweep;
mod telea;
#[cfg(test)]
mod tests;
mod windows;

use glimpse_kernels::Membrane;
use glimpse_models::{Bundle, ModelSpec};
use ndarray::{Array2, Array3, ArrayView2, ArrayView3, Axis, Zip, s};

pub use self::blend::Blend;
use self::depth::depth_from_hole;
use self::detail::Detail;
pub use self::fill::{Fill, fill};
use self::groups::Groups;
use self::level::{Level, Sight};
pub use self::method::Method;
use self::windows::Reconstruct;
use crate::model::check_paints;
use crate::{Error, Model, Options, Result};

/// How a hole is painted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PaintOptions {
    /// Width of the band inside the hole, along its rim, in which the model's detail fades in. Pixels of the picture.
    pub feather_px: f32,
    /// How windows are laid and how far the model is trusted.
    pub blend: Blend,
}

impl Default for PaintOptions {
    fn default() -> Self {
        Self { feather_px: 8.0, blend: Blend::default() }
    }
}

/// Paints holes with a model that reconstructs plain pixels.
///
/// ```no_run
/// use glimpse_models::Bundle;
/// use glimpse_runtime::Options;
/// use glimpse_runtime::inpaint::{Inpainter, PaintOptions};
/// use ndarray::{Array2, Array3, s};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bundle = Bundle::open("models/glimpse-tiny")?;
/// let mut inpainter = Inpainter::new(&bundle, &Options::default())?;
/// let photograph = Array3::<u8>::zeros((3000, 4000, 3));
/// let mut hole = Array2::from_elem((3000, 4000), false);
/// hole.slice_mut(s![1000..1200, 1500..1900]).fill(true);
/// let painted = inpainter.paint(photograph.view(), hole.view(), &PaintOptions::default())?;
/// # Ok(())
/// # }
/// ```
pub struct Inpainter {
    model: Model,
}

impl Inpainter {
    /// Loads a bundle's model.
    ///
    /// # Errors
    /// [`Error::NormalizedPixels`] or [`Error::DecoderMissing`] if the model cannot paint; what [`Model::load`] returns.
    pub fn new(bundle: &Bundle, options: &Options) -> Result<Self> {
        Self::check(bundle)?;
        Ok(Self { model: Model::load(bundle, options)? })
    }

    /// Says whether a bundle's model can paint, without loading it.
    ///
    /// # Errors
    /// [`Error::NormalizedPixels`] or [`Error::DecoderMissing`] if it cannot.
    pub fn check(bundle: &Bundle) -> Result<()> {
        check_paints(bundle.name(), bundle.spec())
    }

    /// The model's spec.
    #[must_use]
    pub fn spec(&self) -> &ModelSpec {
        self.model.spec()
    }

    /// Paints the hole. Every pixel outside of it is, byte for byte, the picture's. The same inputs give the same bytes.
    ///
    /// # Shapes
    /// - `picture`: `[H, W, 3]`, of any size
    /// - `hole`: `[H, W]`, `true` where to paint
    /// - returns `[H, W, 3]`
    ///
    /// # Errors
    /// [`Error::Shape`] if the two are not of one size, [`Error::EmptyHole`] if there is nothing to paint,
    /// [`Error::NothingAround`] if there is nothing else.
    pub fn paint(
        &mut self,
        picture: ArrayView3<u8>,
        hole: ArrayView2<bool>,
        options: &PaintOptions,
    ) -> Result<Array3<u8>> {
        let spec = *self.model.spec();
        let model = &mut self.model;
        let mut reconstruct =
            |patches: ArrayView2<f32>, mask: &crate::Mask| Ok(model.reconstruct(patches, mask)?.to_owned());
        paint_with(&mut reconstruct, &spec, picture, hole, options)
    }
}

/// [`Inpainter::paint`] with any answer to a window.
fn paint_with(
    reconstruct: &mut Reconstruct<'_>,
    spec: &ModelSpec,
    picture: ArrayView3<u8>,
    hole: ArrayView2<bool>,
    options: &PaintOptions,
) -> Result<Array3<u8>> {
    check(picture, hole)?;
    let (height, width) = hole.dim();
    let sight = Sight { side: spec.image_side(), patch: spec.patch_side() };
    let groups = Groups::from_hole(hole, (sight.side / 2).max(1));
    let mut painted = picture.as_standard_layout().into_owned();
    fill::fill_groups(&mut painted, hole, &groups, Fill::Membrane);
    for (index, bounds) in groups.bounds().iter().enumerate() {
        let around = bounds.with_rim(height, width);
        let (ys, xs) = around.ranges();
        let depth = depth_from_hole(hole.slice(s![ys.clone(), xs.clone()]));
        // another hole may lie within this one's bounds
        let own = depth.indexed_iter().filter(|((row, col), _)| groups.holds(index, around.y + row, around.x + col));
        let deepest = own.fold(0.0_f32, |a, (_, &b)| a.max(b));
        if deepest < options.blend.smallest_px {
            continue;
        }
        let mut detail = None;
        for level in level::plan((height, width), *bounds, deepest, sight, &options.blend) {
            detail = Some(paint_level(reconstruct, spec, &painted, hole, level, detail.as_ref(), &options.blend)?);
        }
        let Some(detail) = detail else { continue };
        let columns = detail.columns(around.x, around.width);
        for (row, y) in ys.enumerate() {
            let added = detail.of_row(y, &columns);
            for (col, x) in xs.clone().enumerate().filter(|(_, x)| hole[[y, *x]] && groups.holds(index, y, *x)) {
                let weight = options.blend.model_weight * feather(depth[[row, col]], options.feather_px);
                for channel in 0..3 {
                    let value = &mut painted[[y, x, channel]];
                    *value = (f32::from(*value) + weight * added[[channel, col]]).round() as u8;
                }
            }
        }
    }
    Ok(painted)
}

/// Refuses what cannot be painted, by any method.
///
/// # Shapes
/// - `picture`: `[H, W, 3]`
/// - `hole`: `[H, W]`
///
/// # Errors
/// [`Error::Shape`], [`Error::EmptyHole`], [`Error::NothingAround`].
fn check(picture: ArrayView3<u8>, hole: ArrayView2<bool>) -> Result<()> {
    let (height_px, width_px) = hole.dim();
    Error::check_shape("picture", &[height_px, width_px, 3], picture.shape())?;
    if !hole.iter().any(|h| *h) {
        return Err(Error::EmptyHole { height_px, width_px });
    }
    if hole.iter().all(|h| *h) {
        return Err(Error::NothingAround { height_px, width_px });
    }
    Ok(())
}

/// How much of the detail a pixel at `depth` takes: none at the rim, all beyond the feather, smooth between.
fn feather(depth: f32, feather_px: f32) -> f32 {
    let t = ((depth - 0.5) / feather_px.max(f32::MIN_POSITIVE)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Paints one level. `picture` holds the membrane in its holes; the coarser detail, if there is one, is added to it and
/// stays where this level does not reach.
fn paint_level(
    reconstruct: &mut Reconstruct<'_>,
    spec: &ModelSpec,
    picture: &Array3<u8>,
    hole: ArrayView2<bool>,
    level: Level,
    coarser: Option<&Detail>,
    blend: &Blend,
) -> Result<Detail> {
    let mut canvas = canvas::colours(picture, &level)?; // [3, rows, cols]
    let hole = canvas::hole(hole, &level); // [rows, cols]
    let mut colours = coarser.map_or_else(|| Array3::zeros(canvas.dim()), |detail| detail.on(&level));
    let reach = if coarser.is_none() { f32::INFINITY } else { blend.reach * spec.image_side() as f32 };
    let asked = depth_from_hole(hole.view()).mapv(|depth| depth > 0.0 && depth <= reach);
    for (mut plane, mut added) in canvas.outer_iter_mut().zip(colours.outer_iter_mut()) {
        Zip::from(&mut plane).and(&mut added).and(&hole).for_each(|value, added, hole| {
            *added = if *hole { *added } else { 0.0 };
            *value += *added;
        });
    }
    let answer = windows::paint(reconstruct, spec, canvas.view(), asked.view(), inner(&asked).view(), blend)?;
    let inner = inner(&answer.given);
    let mut membrane = Membrane::new(inner.view());
    for channel in 0..3 {
        let here = answer.colours.index_axis(Axis(0), channel);
        let there = canvas.index_axis(Axis(0), channel);
        let mut missing: Vec<f32> = there.iter().zip(here).map(|(there, here)| there - here).collect();
        membrane.fill(&mut missing);
        let mut added = colours.index_axis_mut(Axis(0), channel);
        for ((added, missing), ((here, there), inner)) in
            added.iter_mut().zip(&missing).zip(here.iter().zip(there).zip(&inner))
        {
            *added += if *inner { here - there + missing } else { 0.0 };
        }
    }
    Ok(Detail { level, colours })
}

/// The pixels of a set whose neighbours, corners included, are all of the set.
fn inner(set: &Array2<bool>) -> Array2<bool> {
    let (rows, cols) = set.dim();
    Array2::from_shape_fn(set.dim(), |(y, x)| {
        let near = s![y.saturating_sub(1)..(y + 2).min(rows), x.saturating_sub(1)..(x + 2).min(cols)];
        set[[y, x]] && set.slice(near).iter().all(|s| *s)
    })
}
