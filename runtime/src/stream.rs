//! A camera's frames through a model.

#[cfg(feature = "gpu")]
mod gpu;

use std::collections::VecDeque;

use ndarray::{Array2, Array3, ArrayView2, ArrayView3, s};

use crate::base::rows;
use crate::{Error, Frame, Mask, Model, Preprocessor, Result};

/// What is made of each frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Give {
    /// Features alone.
    Tokens,
    /// The picture with its masked patches painted in.
    Picture,
    /// Both.
    Both,
}

impl Give {
    /// Whether features are.
    #[must_use]
    pub const fn tokens(self) -> bool {
        matches!(self, Self::Tokens | Self::Both)
    }

    /// Whether a picture is.
    #[must_use]
    pub const fn picture(self) -> bool {
        matches!(self, Self::Picture | Self::Both)
    }
}

/// Frames through a model: on a GPU, one is computed while the next one comes, and a frame goes there once, as it is.
///
/// What a GPU does not do, the CPU does: a frame that was under way when a GPU was lost is computed from the beginning.
///
/// ```
/// # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))?;
/// use glimpse_models::Bundle;
/// use glimpse_runtime::{Frame, Give, Mask, Model, Options, Stream};
/// use ndarray::Array3;
///
/// let model = Model::load(&Bundle::open("models/glimpse-tiny")?, &Options::default())?;
/// let mask = Mask::random(model.grid(), 0.75, 7)?;
/// let mut stream = Stream::new(model, Give::Both)?;
/// let camera = (0..3).map(|_| Array3::<u8>::zeros((48, 64, 3)));
/// let mut seen = 0;
/// for frame in camera {
///     if stream.under_way() == Stream::MOST {
///         let answer = stream.receive()?.expect("some are under way");
///         assert_eq!(answer.tokens.nrows(), mask.visible().len() + 1);
///         seen += 1;
///     }
///     stream.submit(Frame::from_pixels(frame)?, mask.clone())?;
/// }
/// while stream.receive()?.is_some() {
///     seen += 1;
/// }
/// assert_eq!(seen, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Stream {
    model: Model,
    give: Give,
    preprocessor: Preprocessor,
    under_way: VecDeque<UnderWay>,
    /// `[L, P·P·3]`
    patches: Array2<f32>,
    /// `[N+1, C]`
    tokens: Array2<f32>,
    /// `[S, S, 3]`
    picture: Array3<u8>,
}

/// A frame whose answer was not taken yet.
#[derive(Debug)]
struct UnderWay {
    frame: Frame,
    mask: Mask,
    give: Give,
}

/// What was made of a frame, and the frame.
#[derive(Debug)]
#[non_exhaustive]
pub struct Answer<'a> {
    /// As it was given.
    pub frame: Frame,
    /// As it was given.
    pub mask: Mask,
    /// `[N+1, C]`, the class token first; `[0, C]` if features are not asked for.
    pub tokens: ArrayView2<'a, f32>,
    /// `[S, S, 3]`: the frame in the model's size, its masked patches painted in; `[0, 0, 3]` if that is not asked for.
    pub picture: ArrayView3<'a, u8>,
}

impl Stream {
    /// The most frames that may be under way: one that is computed, and one that waits for it.
    pub const MOST: usize = 2;

    /// Frames through this model.
    ///
    /// # Errors
    /// [`Error::DecoderMissing`] or [`Error::NormalizedPixels`] if pictures are asked for and the model gives none,
    /// [`Error::Engine`] if the engine fails.
    pub fn new(model: Model, give: Give) -> Result<Self> {
        if give.picture() {
            model.check_paints()?;
        }
        let (grid, side) = (model.grid(), model.spec().image_side());
        let stream = Self {
            give,
            preprocessor: Preprocessor::new(model.spec()),
            under_way: VecDeque::with_capacity(Self::MOST),
            patches: Array2::zeros((grid.len(), grid.patch_len())),
            tokens: Array2::zeros((0, model.spec().encoder().width)),
            picture: Array3::zeros(if give.picture() { (side, side, 3) } else { (0, 0, 3) }),
            model,
        };
        #[cfg(feature = "gpu")]
        let stream = stream.tried()?;
        Ok(stream)
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Changes what is made of the frames that are given from now on: without a picture, a frame costs its encoder alone.
    ///
    /// # Errors
    /// [`Error::DecoderMissing`] or [`Error::NormalizedPixels`] if pictures are asked for and the model gives none.
    pub fn set_give(&mut self, give: Give) -> Result<()> {
        if give.picture() && self.picture.is_empty() {
            self.model.check_paints()?;
            let side = self.model.spec().image_side();
            self.picture = Array3::zeros((side, side, 3));
        }
        self.give = give;
        Ok(())
    }

    /// Frames that were given, and whose answers were not taken yet.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Gives a frame, and which of its patches the model may see.
    ///
    /// # Errors
    /// [`Error::UnderWay`] if so many are that no other may be, [`Error::OtherGrid`] if the mask is not the model's,
    /// [`Error::Engine`] if the engine fails.
    pub fn submit(&mut self, frame: Frame, mask: Mask) -> Result<()> {
        if self.under_way.len() == Self::MOST {
            return Err(Error::UnderWay { most: Self::MOST });
        }
        mask.check_grid(self.model.grid())?;
        #[cfg(feature = "gpu")]
        self.submitted(&frame, &mask)?;
        self.under_way.push_back(UnderWay { frame, mask, give: self.give });
        Ok(())
    }

    /// Waits for the answer to the frame that was given first, if there is one.
    ///
    /// # Errors
    /// [`Error::Engine`] if the engine fails.
    pub fn receive(&mut self) -> Result<Option<Answer<'_>>> {
        let Some(UnderWay { frame, mask, give }) = self.under_way.pop_front() else { return Ok(None) };
        #[cfg(feature = "gpu")]
        let done = self.received(&mask, give)?;
        #[cfg(not(feature = "gpu"))]
        let done = false;
        if !done {
            self.compute(&frame, &mask, give)?;
        }
        // what an earlier frame left is not this one's
        let tokens = if give.tokens() { self.tokens.view() } else { self.tokens.slice(s![..0, ..]) };
        let picture = if give.picture() { self.picture.view() } else { self.picture.slice(s![..0, ..0, ..]) };
        Ok(Some(Answer { frame, mask, tokens, picture }))
    }

    /// Prepares a frame and composes its picture on the CPU, around a model that runs wherever it does.
    fn compute(&mut self, frame: &Frame, mask: &Mask, give: Give) -> Result<()> {
        self.preprocessor.visible_patches_from_frame(frame, mask, self.patches.view_mut())?;
        if give.tokens() {
            let tokens = self.model.encode(self.patches.view(), mask)?;
            if self.tokens.dim() == tokens.dim() {
                self.tokens.assign(&tokens);
            } else {
                self.tokens = tokens.to_owned();
            }
        }
        if give.picture() {
            let spec = *self.model.spec();
            let painted = match give {
                Give::Both => self.model.reconstruct_from(self.tokens.view(), self.patches.view(), mask)?,
                _ => self.model.reconstruct(self.patches.view(), mask)?,
            };
            self.picture.assign(&self.preprocessor.resized());
            paint(&mut self.picture, painted, mask, |value, channel| {
                (255.0 * (value * spec.std()[channel] + spec.mean()[channel])).round() as u8
            });
        }
        Ok(())
    }
}

/// Puts painted patches where they are hidden.
fn paint(picture: &mut Array3<u8>, painted: ArrayView2<f32>, mask: &Mask, byte: impl Fn(f32, usize) -> u8) {
    let grid = mask.grid();
    let Some(bytes) = picture.as_slice_mut() else { return };
    for &index in mask.masked() {
        let patch = painted.row(index);
        for (values, places) in rows(grid, index) {
            let bytes = &mut bytes[3 * places.start..3 * places.end];
            for ((place, byte_of), value) in bytes.iter_mut().enumerate().zip(patch.slice(s![values])) {
                *byte_of = byte(*value, place % 3);
            }
        }
    }
}
