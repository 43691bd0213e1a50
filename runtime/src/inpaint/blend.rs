//! The choices that the painting makes, each with its reason.

/// How windows are laid over a hole, and how far the model is trusted against the classical fill.
///
/// The defaults are chosen by the masked PSNR of photographs that the shipped model was not trained on.
///
/// # Units
/// Fractions are of the model's image side, weights are in `0..=1`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Blend {
    /// Share of the model's detail in the answer; the rest is the membrane. A model of this size is right about what
    /// belongs in a hole and wrong about where exactly, so that its detail, halved, errs less than whole or absent.
    pub model_weight: f32,
    /// A hole with no pixel this deep, in pixels of the picture, is left to the membrane: thin scratches and specks are
    /// what it is best at, and there may be thousands.
    pub smallest_px: f32,
    /// Deepest hole pixel that a window still paints, as a fraction of the side. It fixes the window's scale: a square
    /// hole then fills `2 · reach` of its window, and what is left around it is what the model looks at.
    pub reach: f32,
    /// Context kept on each side of the hole, as a fraction of the side.
    pub context: f32,
    /// Windows overlap by this much more than their context asks, as a fraction of a patch: the patch grid then lies
    /// differently in each of them, and its blocks do not show in their average.
    pub jitter: f32,
    /// Scales from coarse to fine, each half of the one before. A finer one repaints a band along the rim alone, half as
    /// wide, and beyond the third the classical fill is as good there.
    pub levels: usize,
    /// Paint each window's mirror image too and average: a mean of two guesses errs less than either.
    pub mirror: bool,
    /// Deviation of the Gaussian that each window's answer is smoothed with, as a fraction of a patch: the patches of one
    /// answer do not quite agree, and their blocks would show.
    pub smooth: f32,
    /// A window with fewer visible patches than this share tells the model too little: the membrane stands.
    pub least_visible: f32,
    /// Most windows a level is cut into. A hole that is thin and reaches far, such as a fence, is painted at a coarser scale
    /// rather than in thousands of windows, so that the time a picture takes has a bound.
    pub most_windows: usize,
    /// Longest a picture's shorter side is stretched to reach the model's side, as in the crops of the training.
    pub stretch: f64,
}

impl Default for Blend {
    fn default() -> Self {
        Self {
            model_weight: 0.6,
            smallest_px: 4.0,
            reach: 0.2,
            context: 0.3,
            jitter: 0.5,
            levels: 3,
            mirror: true,
            smooth: 0.125,
            least_visible: 0.05,
            most_windows: 256,
            stretch: 4.0 / 3.0,
        }
    }
}
