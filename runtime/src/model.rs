//! A bundle's model, ready to run.

use glimpse_kernels::Family;
use glimpse_models::{Base, Bundle, ModelSpec, Part, PatchGrid, Precision};
use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut1};
use tract_onnx::prelude::{TValue, TractError, TractResult};

use crate::base::{self, BaseSolver};
use crate::cpu::{Arithmetic, Buffer, ClassifierPlan, Plan, Threads};
use crate::{Error, Mask, Result, Step};

/// How a model is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Which form of the weights is loaded, and what it is multiplied in.
    ///
    /// - [`Precision::Int8`]: int8 weights, multiplied with rows that are quantized to bytes as they come.
    /// - [`Precision::F32`]: f32 weights, multiplied in f32; of a bundle that has the int8 form alone, that one, widened.
    pub precision: Precision,
    /// How many threads a run takes; one a core if `None`. The answer does not depend on it.
    pub threads: Option<usize>,
    /// The CPUs whose kernels int8 is multiplied with; the fastest that this machine belongs to if `None`. The answer does
    /// not depend on it.
    pub kernels: Option<Family>,
}

impl Default for Options {
    fn default() -> Self {
        Self { precision: Precision::Int8, threads: None, kernels: None }
    }
}

/// A masked autoencoder: patches in, tokens or a whole picture's patches out.
///
/// One model serves every mask, however much is visible. It keeps its buffers and its engine's state from call to call,
/// which is why calls borrow it mutably and their answers borrow from it.
#[derive(Debug)]
pub struct Model {
    bundle: String,
    spec: ModelSpec,
    form: Precision,
    encoder: Plan,
    decoder: Option<Plan>,
    classifier: Option<ClassifierPlan>,
    patches: Buffer,
    positions: Buffer,
    restore: Buffer,
    tokens: Buffer,
    answer: Option<TValue>,
    base: BaseSolver,
    painted: Option<Array2<f32>>,
}

impl Model {
    /// Loads a bundle's graphs.
    ///
    /// # Errors
    /// [`Error::FormMissing`] if the bundle has no int8 form and that is asked for, [`Error::Threads`] if that many
    /// threads cannot be had, [`Error::Kernels`] if they are for other CPUs, [`Error::Engine`] or [`Error::ClassifierEngine`] if the engine refuses a graph.
    pub fn load(bundle: &Bundle, options: &Options) -> Result<Self> {
        Self::load_on(bundle, options, &Threads::new(options.threads)?)
    }

    /// Loads a bundle's graphs, to run on threads that other models may share, whatever `options` say of their number.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn load_on(bundle: &Bundle, options: &Options, threads: &Threads) -> Result<Self> {
        let arithmetic = Arithmetic::of(options)?;
        let form = form(bundle, options.precision);
        let plan = |part| {
            let missing = || Error::FormMissing { bundle: bundle.name().to_owned(), precision: options.precision };
            let onnx = bundle.graph(part, form).ok_or_else(missing)?;
            Plan::new(part, bundle.spec(), onnx, arithmetic, threads).map_err(engine(bundle.name(), part, "planning"))
        };
        let classifier = |(classifier, onnx)| {
            ClassifierPlan::new(classifier, bundle.spec(), onnx, threads)
                .map_err(classifier_engine(bundle.name(), "planning"))
        };
        Ok(Self {
            bundle: bundle.name().to_owned(),
            spec: *bundle.spec(),
            form,
            encoder: plan(Part::Encoder)?,
            decoder: bundle.spec().decoder().map(|_| plan(Part::Decoder)).transpose()?,
            classifier: bundle.classifier().zip(bundle.classifier_graph()).map(classifier).transpose()?,
            patches: Buffer::default(),
            positions: Buffer::default(),
            restore: Buffer::default(),
            tokens: Buffer::default(),
            answer: None,
            base: BaseSolver::new(bundle.spec()),
            painted: None,
        })
    }

    /// A second model that shares this one's weights and threads: for many pictures, models side by side with a thread
    /// each are faster than one model on all threads.
    ///
    /// # Errors
    /// [`Error::Engine`] or [`Error::ClassifierEngine`] if the engine refuses.
    pub fn twin(&self) -> Result<Self> {
        let plan = |part, plan: &Plan| plan.twin().map_err(engine(&self.bundle, part, "planning"));
        let classifier = |plan: &ClassifierPlan| plan.twin().map_err(classifier_engine(&self.bundle, "planning"));
        Ok(Self {
            bundle: self.bundle.clone(),
            spec: self.spec,
            form: self.form,
            encoder: plan(Part::Encoder, &self.encoder)?,
            decoder: self.decoder.as_ref().map(|decoder| plan(Part::Decoder, decoder)).transpose()?,
            classifier: self.classifier.as_ref().map(classifier).transpose()?,
            patches: Buffer::default(),
            positions: Buffer::default(),
            restore: Buffer::default(),
            tokens: Buffer::default(),
            answer: None,
            base: BaseSolver::new(&self.spec),
            painted: None,
        })
    }

    /// The form of the weights that was loaded: not the one asked for, if the bundle does not have that.
    #[must_use]
    pub fn form(&self) -> Precision {
        self.form
    }

    /// What a part runs, in order: empty for one that the model does not have.
    #[must_use]
    pub fn steps(&self, part: Part) -> &[Step] {
        match part {
            Part::Encoder => self.encoder.steps(),
            Part::Decoder => self.decoder.as_ref().map_or(&[], Plan::steps),
        }
    }

    /// What the model is.
    #[must_use]
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// The grid that masks must be made for.
    #[must_use]
    pub fn grid(&self) -> PatchGrid {
        self.spec.grid()
    }

    /// Features: a token for the whole picture (the class token, first) and one for each visible patch. The masked
    /// patches are not read, and cost nothing.
    ///
    /// # Shapes
    /// - `patches`: `[L, P·P·3]`, all of the picture's
    /// - returns `[N+1, C]`, valid until the next call
    ///
    /// # Units
    /// In: normalized by the spec's mean and std.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::OtherGrid`] if patches or mask are not the model's, [`Error::Engine`] if the engine
    /// fails.
    pub fn encode(&mut self, patches: ArrayView2<f32>, mask: &Mask) -> Result<ArrayView2<'_, f32>> {
        let tokens = self.tokens(patches, mask)?;
        let shape = [mask.visible().len() + 1, self.spec.encoder().width];
        matrix(self.answer.insert(tokens), shape).map_err(engine(&self.bundle, Part::Encoder, "running"))
    }

    /// All of the picture's patches, from its visible ones. The model is trained for the masked ones alone: what it says
    /// about a visible patch is of no use.
    ///
    /// # Shapes
    /// - `patches`: `[L, P·P·3]`, all of the picture's; the masked ones are not read
    /// - returns `[L, P·P·3]`, valid until the next call
    ///
    /// # Units
    /// As in the patches that come in; of a `norm_pix` model, each patch normalized by its own mean and variance.
    ///
    /// # Errors
    /// [`Error::DecoderMissing`] if the model gives features alone, and those of [`Model::encode`].
    pub fn reconstruct(&mut self, patches: ArrayView2<f32>, mask: &Mask) -> Result<ArrayView2<'_, f32>> {
        if self.spec.base() == Base::Zero {
            return self.predict(patches, mask);
        }
        let shape = (self.spec.grid().len(), self.spec.grid().patch_len());
        let mut painted = self.painted.take().unwrap_or_else(|| Array2::zeros(shape));
        self.base.solve(patches, mask, painted.view_mut())?;
        base::add(self.predict(patches, mask)?, &mut painted);
        Ok(self.painted.insert(painted).view())
    }

    /// The decoder's own answer, before it is added to the model's base: what golden files hold.
    ///
    /// # Shapes
    /// As [`Model::reconstruct`].
    ///
    /// # Errors
    /// As [`Model::reconstruct`].
    pub fn predict(&mut self, patches: ArrayView2<f32>, mask: &Mask) -> Result<ArrayView2<'_, f32>> {
        let tokens = self.tokens(patches, mask)?;
        self.restored(tokens, mask)
    }

    /// [`Model::predict`] from the tokens that [`Model::encode`] gave of the same mask: for those who want both.
    ///
    /// # Shapes
    /// - `tokens`: `[N+1, C]`
    /// - returns `[L, P·P·3]`, valid until the next call
    ///
    /// # Errors
    /// As [`Model::predict`].
    pub fn decode(&mut self, tokens: ArrayView2<f32>, mask: &Mask) -> Result<ArrayView2<'_, f32>> {
        let shape = [mask.visible().len() + 1, self.spec.encoder().width];
        mask.check_grid(self.grid())?;
        Error::check_shape("tokens", &shape, tokens.shape())?;
        let copy = |values: &mut [f32]| values.iter_mut().zip(&tokens).for_each(|(value, token)| *value = *token);
        let tokens = self.tokens.fill(&shape, copy).map_err(engine(&self.bundle, Part::Decoder, "running"))?;
        self.restored(tokens, mask)
    }

    /// Runs the decoder: `[L, P·P·3]`.
    fn restored(&mut self, tokens: TValue, mask: &Mask) -> Result<ArrayView2<'_, f32>> {
        let missing = || Error::DecoderMissing { bundle: self.bundle.clone() };
        let decoder = self.decoder.as_mut().ok_or_else(missing)?;
        let failed = engine(&self.bundle, Part::Decoder, "running");
        let restore = |places: &mut [i64]| places.copy_from_slice(mask.restore());
        let predicted = self
            .restore
            .fill(&[mask.restore().len()], restore)
            .and_then(|restore| decoder.run(tokens, restore))
            .map_err(&failed)?;
        let shape = [self.spec.grid().len(), self.spec.grid().patch_len()];
        matrix(self.answer.insert(predicted), shape).map_err(&failed)
    }

    /// A number for each class that the model was fine-tuned to tell apart, the largest for the likeliest; the bundle's
    /// labels name them in this order. Their softmax is a probability each.
    ///
    /// # Shapes
    /// - `patches`: `[L, P·P·3]`, all of the picture's; the masked ones are not read
    /// - returns `[K]`, valid until the next call
    ///
    /// # Units
    /// In: normalized by the spec's mean and std. Out: logits.
    ///
    /// # Errors
    /// [`Error::ClassifierMissing`] if the model has none, [`Error::ClassifierEngine`] if the engine fails in it, and
    /// those of [`Model::encode`].
    pub fn classify(&mut self, patches: ArrayView2<f32>, mask: &Mask) -> Result<ArrayView1<'_, f32>> {
        let tokens = self.tokens(patches, mask)?;
        let missing = || Error::ClassifierMissing { bundle: self.bundle.clone() };
        let classifier = self.classifier.as_mut().ok_or_else(missing)?;
        let failed = classifier_engine(&self.bundle, "running");
        let logits = classifier.run(tokens).map_err(&failed)?;
        let classes = classifier.classes();
        vector(self.answer.insert(logits), classes).map_err(&failed)
    }

    /// Runs the encoder: `[N+1, C]`.
    fn tokens(&mut self, patches: ArrayView2<f32>, mask: &Mask) -> Result<TValue> {
        let (grid, visible) = (self.grid(), mask.visible());
        Error::check_shape("patches", &[grid.len(), grid.patch_len()], patches.shape())?;
        mask.check_grid(grid)?;
        let gather = |rows: &mut [f32]| {
            for (row, &index) in rows.chunks_exact_mut(grid.patch_len()).zip(visible) {
                ArrayViewMut1::from(row).assign(&patches.row(index));
            }
        };
        let mut run = || -> TractResult<TValue> {
            let patches = self.patches.fill(&[visible.len(), grid.patch_len()], gather)?;
            let positions = self.positions.fill(&[visible.len()], |p| p.copy_from_slice(mask.positions()))?;
            self.encoder.run(patches, positions)
        };
        run().map_err(engine(&self.bundle, Part::Encoder, "running"))
    }
}

/// The form of the weights that is loaded where `asked` is asked for.
fn form(bundle: &Bundle, asked: Precision) -> Precision {
    match asked {
        Precision::F32 if bundle.graph(Part::Encoder, Precision::F32).is_none() => Precision::Int8,
        asked => asked,
    }
}

/// The engine's answer as a matrix.
fn matrix(answer: &TValue, shape: [usize; 2]) -> TractResult<ArrayView2<'_, f32>> {
    Ok(ArrayView2::from_shape(shape, answer.try_as_plain_ram()?.as_slice::<f32>()?)?)
}

/// The engine's answer as a vector.
fn vector(answer: &TValue, len: usize) -> TractResult<ArrayView1<'_, f32>> {
    Ok(ArrayView1::from_shape(len, answer.try_as_plain_ram()?.as_slice::<f32>()?)?)
}

/// Says that it was the classifier that the engine failed in.
fn classifier_engine(bundle: &str, doing: &'static str) -> impl Fn(TractError) -> Error {
    move |source| Error::ClassifierEngine { bundle: bundle.to_owned(), doing, source: source.into() }
}

/// Says which graph the engine failed in.
fn engine(bundle: &str, part: Part, doing: &'static str) -> impl Fn(TractError) -> Error {
    move |source| Error::Engine { bundle: bundle.to_owned(), part, doing, source: source.into() }
}
