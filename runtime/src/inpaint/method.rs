//! The ways to paint a hole, and which of them a bundle's own measurements speak for.

use std::collections::BTreeMap;
use std::fmt;

use glimpse_models::{Manifest, Measure};
use ndarray::ArrayView2;

use super::fill::Fill;

/// A way to paint a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// Without the model.
    Fill(Fill),
    /// The model's detail on the membrane.
    Mae,
}

impl Method {
    /// All of them; those that cost least come first.
    pub const ALL: [Self; 4] =
        [Self::Fill(Fill::Membrane), Self::Fill(Fill::Telea), Self::Fill(Fill::NavierStokes), Self::Mae];

    /// Where a bundle's manifest has the quality of the methods: in `[quality.<this>]`, by hole size and method.
    pub const QUALITY: &str = "inpaint_psnr_db";

    /// The name on the command line, in reports and in a bundle's manifest.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fill(fill) => fill.name(),
            Self::Mae => "mae",
        }
    }

    /// The method that painted holes of this size best when the bundle was measured. The size is the share of the picture
    /// that is hidden, all holes together, which is how holes are classed when they are measured. A hole beyond the measured
    /// sizes is judged by the nearest; of equal methods the one that costs less is taken; a bundle that was not measured
    /// has its model trusted.
    ///
    /// # Shapes
    /// - `hole`: `[H, W]`, `true` where to paint
    #[must_use]
    pub fn best(manifest: &Manifest, hole: ArrayView2<bool>) -> Self {
        let hidden = hole.iter().filter(|hidden| **hidden).count();
        let percent = 100.0 * hidden as f64 / hole.len().max(1) as f64;
        let Some(Measure::Table(classes)) = manifest.quality.get(Self::QUALITY) else { return Self::Mae };
        nearest(classes, percent).and_then(best_of).unwrap_or(Self::Mae)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The measurements of the class that holds `percent`, or else of the nearest.
fn nearest(classes: &BTreeMap<String, Measure>, percent: f64) -> Option<&BTreeMap<String, Measure>> {
    let mut found = None;
    for (range, measure) in classes {
        let (Measure::Table(methods), Some((least, below))) = (measure, bounds(range)) else { continue };
        let away = if percent < least { least - percent } else { (percent - below).max(0.0) };
        // Where two classes touch, the larger one holds what lies between them.
        let order = (away, -least);
        if found.is_none_or(|(nearest, _)| order < nearest) {
            found = Some((order, methods));
        }
    }
    found.map(|(_, methods)| methods)
}

/// The ends of a class such as `10-20`, in percent.
fn bounds(range: &str) -> Option<(f64, f64)> {
    let (least, below) = range.split_once('-')?;
    Some((least.parse().ok()?, below.parse().ok()?))
}

/// The method with the highest PSNR; the first of [`Method::ALL`] among equals.
fn best_of(measured: &BTreeMap<String, Measure>) -> Option<Method> {
    let mut best = None;
    for method in Method::ALL {
        let Some(&Measure::Number(psnr_db)) = measured.get(method.name()) else { continue };
        if best.is_none_or(|(_, highest)| psnr_db > highest) {
            best = Some((method, psnr_db));
        }
    }
    best.map(|(method, _)| method)
}

#[cfg(test)]
mod tests {
    use glimpse_models::{Base, Family, ModelSpec, RawSpec, Transformer};
    use ndarray::Array2;

    use super::*;

    fn manifest(table: &[(&str, &[(&str, f64)])]) -> Manifest {
        let stack = Transformer { width: 64, depth: 1, heads: 1 };
        let spec = ModelSpec::new(RawSpec {
            family: Family::Mae,
            image_side: 64,
            patch_side: 8,
            encoder: stack,
            decoder: Some(stack),
            mlp_ratio: 4,
            mean: [0.5; 3],
            std: [0.2; 3],
            norm_pix: false,
            base: Base::Zero,
            layer_norm_epsilon: 1e-6,
        });
        let mut manifest = Manifest::new("small", "CC0-1.0", spec.unwrap()).unwrap();
        let numbers = |methods: &[(&str, f64)]| {
            Measure::Table(methods.iter().map(|(name, db)| ((*name).to_owned(), Measure::Number(*db))).collect())
        };
        let classes = table.iter().map(|(class, methods)| ((*class).to_owned(), numbers(methods))).collect();
        manifest.quality = BTreeMap::from([(Method::QUALITY.to_owned(), Measure::Table(classes))]);
        manifest
    }

    /// The best method for a hole of so many of 1000 pixels.
    fn best(manifest: &Manifest, hidden: usize) -> Method {
        let hole = Array2::from_shape_fn((10, 100), |(y, x)| y * 100 + x < hidden);
        Method::best(manifest, hole.view())
    }

    #[test]
    fn the_best_of_the_hole_s_own_class_is_taken() {
        let manifest = manifest(&[
            ("2-10", &[("telea", 22.0), ("membrane", 21.0), ("mae", 20.0)]),
            ("10-20", &[("membrane", 19.0), ("mae", 18.9), ("ns", 3.0)]),
            ("20-50", &[("membrane", 17.0), ("mae", 17.1), ("somebody_s", 40.0)]),
        ]);
        for (hidden, method) in [
            (1, Method::Fill(Fill::Telea)),
            (99, Method::Fill(Fill::Telea)),
            (100, Method::Fill(Fill::Membrane)),
            (199, Method::Fill(Fill::Membrane)),
            (200, Method::Mae),
            (999, Method::Mae),
        ] {
            assert_eq!(best(&manifest, hidden), method, "{hidden}");
        }
    }

    #[test]
    fn equal_methods_are_decided_by_what_they_cost() {
        let table = manifest(&[("10-20", &[("mae", 18.0), ("ns", 18.0), ("membrane", 18.0)])]);
        assert_eq!(best(&table, 150), Method::Fill(Fill::Membrane));
    }

    #[test]
    fn a_bundle_that_was_not_measured_has_its_model_trusted() {
        let mut unmeasured = manifest(&[]);
        assert_eq!(best(&unmeasured, 150), Method::Mae);
        assert_eq!(best(&manifest(&[("small", &[("telea", 18.0)])]), 150), Method::Mae);
        unmeasured.quality = BTreeMap::from([(Method::QUALITY.to_owned(), Measure::Number(1.0))]);
        assert_eq!(best(&unmeasured, 150), Method::Mae);
        unmeasured.quality.clear();
        assert_eq!(best(&unmeasured, 150), Method::Mae);
    }
}
