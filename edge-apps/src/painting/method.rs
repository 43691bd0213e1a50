//! What paints: the model, or one of the fills that need none.

use std::fmt;

use clap::ValueEnum;
use glimpse_models::Bundle;
use glimpse_runtime::Options;
use glimpse_runtime::inpaint::{Fill, Inpainter, Method, PaintOptions, fill};
use ndarray::{Array3, ArrayView2, ArrayView3, s};
use serde::Serialize;

/// A method, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Asked {
    /// Whichever painted holes of this size best when the model was measured (`glimpse info` shows it); a model that was
    /// not measured paints itself
    Auto,
    /// The model's detail on the membrane
    Mae,
    /// The smoothest surface that agrees with the hole's rim
    Membrane,
    /// Telea's fast marching, as OpenCV has it
    Telea,
    /// Along lines of equal brightness, after Navier and Stokes, as OpenCV has it
    Ns,
}

impl Asked {
    /// What paints this hole.
    ///
    /// # Shapes
    /// - `hole`: `[H, W]`
    pub fn method(self, bundle: &Bundle, hole: ArrayView2<bool>) -> Method {
        match self {
            Self::Auto => Method::best(bundle.manifest(), hole),
            Self::Mae => Method::Mae,
            Self::Membrane => Method::Fill(Fill::Membrane),
            Self::Telea => Method::Fill(Fill::Telea),
            Self::Ns => Method::Fill(Fill::NavierStokes),
        }
    }

    /// Whether no hole needs the model.
    pub const fn is_without_model(self) -> bool {
        !matches!(self, Self::Auto | Self::Mae)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Mae => "mae",
            Self::Membrane => "membrane",
            Self::Telea => "telea",
            Self::Ns => "ns",
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Paints by any method. The model is loaded when it is first needed.
pub struct Painter<'a> {
    bundle: &'a Bundle,
    options: Options,
    paint: PaintOptions,
    inpainter: Option<Inpainter>,
}

impl<'a> Painter<'a> {
    pub const fn new(bundle: &'a Bundle, options: Options, paint: PaintOptions) -> Self {
        Self { bundle, options, paint, inpainter: None }
    }

    /// Loads what the method needs.
    pub fn prepare(&mut self, method: Method) -> glimpse_runtime::Result<()> {
        if method == Method::Mae {
            self.inpainter()?;
        }
        Ok(())
    }

    /// Paints a hole.
    ///
    /// # Shapes
    /// - `picture`: `[H, W, 3]`
    /// - `hole`: `[H, W]`
    /// - returns `[H, W, 3]`
    pub fn paint(
        &mut self,
        method: Method,
        picture: ArrayView3<u8>,
        hole: ArrayView2<bool>,
    ) -> glimpse_runtime::Result<Array3<u8>> {
        let paint = self.paint;
        match method {
            Method::Fill(method) => fill(picture, hole, method, self.options.threads),
            Method::Mae => self.inpainter()?.paint(picture, hole, &paint),
        }
    }

    /// The picture with what is around them in the place of pixels that nobody sees: what lies beneath full transparency is often
    /// black, and no hole is to be painted from it.
    ///
    /// # Shapes
    /// - `picture`: `[H, W, 3]`
    /// - `unseen`, `hole`: `[H, W]`
    /// - returns `[H, W, 3]`
    pub fn with_seen_colours(
        &self,
        picture: ArrayView3<u8>,
        unseen: ArrayView2<bool>,
        hole: ArrayView2<bool>,
    ) -> glimpse_runtime::Result<Array3<u8>> {
        let unknown = &unseen | &hole;
        let mut seen = picture.to_owned();
        if !unknown.iter().all(|unknown| *unknown) {
            let filled = fill(picture, unknown.view(), Fill::Membrane, self.options.threads)?;
            for ((y, x), _) in unseen.indexed_iter().filter(|(at, unseen)| **unseen && !hole[*at]) {
                seen.slice_mut(s![y, x, ..]).assign(&filled.slice(s![y, x, ..]));
            }
        }
        Ok(seen)
    }

    fn inpainter(&mut self) -> glimpse_runtime::Result<&mut Inpainter> {
        match &mut self.inpainter {
            Some(inpainter) => Ok(inpainter),
            none => Ok(none.insert(Inpainter::new(self.bundle, &self.options)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_has_one_name_everywhere() {
        for asked in Asked::value_variants() {
            let typed = asked.to_possible_value().unwrap();
            assert_eq!(typed.get_name(), asked.to_string());
            assert_eq!(serde_json::to_value(asked).unwrap(), asked.to_string());
        }
        let bundle = glimpse_models::embedded(crate::bundles::DEFAULT).unwrap();
        let hole = ndarray::Array2::from_shape_fn((4, 4), |(y, _)| y == 1);
        for asked in [Asked::Mae, Asked::Membrane, Asked::Telea, Asked::Ns] {
            let method = asked.method(&bundle, hole.view());
            assert_eq!(method.name(), asked.to_string());
            assert_eq!(asked.is_without_model(), method != Method::Mae);
        }
    }
}
