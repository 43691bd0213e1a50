//! A bundle's model, ready to run.

#[cfg(feature = "gpu")]
mod auto;
mod cpu;
mod device;
#[cfg(feature = "gpu")]
mod gpu;

#[cfg(feature = "gpu")]
use std::sync::{Arc, atomic::AtomicBool};

use glimpse_kernels::Family;
use glimpse_models::{Base, Bundle, ModelSpec, Part, PatchGrid, Precision};
use ndarray::{Array2, ArrayView1, ArrayView2};
#[cfg(feature = "gpu")]
use tract_onnx::prelude::{IntoTValue as _, Tensor};
use tract_onnx::prelude::{TValue, TractError, TractResult};

use self::cpu::CpuModel;
pub use self::device::Device;
#[cfg(feature = "gpu")]
use self::gpu::GpuModel;
use crate::base::{self, BaseSolver};
use crate::cpu::{ClassifierPlan, Threads};
#[cfg(feature = "gpu")]
use crate::gpu::{Adapter, GpuError};
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
    /// Where encoder and decoder run.
    pub device: Device,
    /// Whether a GPU keeps weights as f16 that it would multiply in f32, and multiplies in f16 where that is faster: half the
    /// memory, and answers within four thousandths. On the CPU, f32 is f32.
    pub half: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { precision: Precision::Int8, threads: None, kernels: None, device: Device::Cpu, half: false }
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
    engine: Engine,
    /// Why it is not the GPU that was asked for.
    #[cfg(feature = "gpu")]
    fallback: Option<GpuError>,
    /// Whether that has been said, by this model or a twin of it.
    #[cfg(feature = "gpu")]
    said: Arc<AtomicBool>,
    classifier: Option<ClassifierPlan>,
    logits: Option<TValue>,
    base: BaseSolver,
    painted: Option<Array2<f32>>,
}

/// What runs encoder and decoder.
#[derive(Debug)]
enum Engine {
    Cpu(Box<CpuModel>),
    #[cfg(feature = "gpu")]
    Gpu(Box<GpuModel>),
}

impl Model {
    /// Loads a bundle's graphs.
    ///
    /// # Errors
    /// [`Error::FormMissing`] if the bundle has no int8 form and that is asked for, [`Error::Threads`] if that many
    /// threads cannot be had, [`Error::Kernels`] if they are for other CPUs, [`Error::Engine`] or [`Error::ClassifierEngine`]
    /// if the engine refuses a graph.
    pub fn load(bundle: &Bundle, options: &Options) -> Result<Self> {
        Self::load_on(bundle, options, &Threads::new(options.threads)?)
    }

    /// Loads a bundle's graphs, to run on threads that other models may share, whatever `options` say of their number.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn load_on(bundle: &Bundle, options: &Options, threads: &Threads) -> Result<Self> {
        let form = form(bundle, options.precision);
        let classifier = |(classifier, onnx)| {
            ClassifierPlan::new(classifier, bundle.spec(), onnx, threads)
                .map_err(classifier_engine(bundle.name(), "planning"))
        };
        let classifier = bundle.classifier().zip(bundle.classifier_graph()).map(classifier).transpose()?;
        let on_cpu = || CpuModel::load(bundle, form, options, threads).map(|model| Engine::Cpu(Box::new(model)));
        let (engine, fallback) = match options.device {
            Device::Cpu => (on_cpu()?, None),
            #[cfg(feature = "gpu")]
            Device::Auto => match auto::Question::new(bundle, form, options, threads).answer()? {
                Some(model) => (Engine::Gpu(Box::new(model)), None),
                None => (on_cpu()?, None),
            },
            #[cfg(not(feature = "gpu"))]
            Device::Auto => (on_cpu()?, None),
            #[cfg(feature = "gpu")]
            Device::Gpu(index) => match GpuModel::load(bundle, form, index, options, threads) {
                Ok(model) => (Engine::Gpu(Box::new(model)), None),
                Err(error) => (on_cpu()?, Some(error)),
            },
            #[cfg(not(feature = "gpu"))]
            Device::Gpu(_) => return Err(Error::GpuLeftOut),
        };
        #[cfg(not(feature = "gpu"))]
        let _: Option<()> = fallback;
        let model = Self {
            bundle: bundle.name().to_owned(),
            spec: *bundle.spec(),
            form,
            engine,
            #[cfg(feature = "gpu")]
            fallback,
            #[cfg(feature = "gpu")]
            said: Arc::default(),
            classifier,
            logits: None,
            base: BaseSolver::new(bundle.spec()),
            painted: None,
        };
        #[cfg(feature = "gpu")]
        model.warn();
        Ok(model)
    }

    /// A second model that shares this one's weights and threads: for many pictures, models side by side with a thread
    /// each are faster than one model on all threads.
    ///
    /// # Errors
    /// [`Error::Engine`] or [`Error::ClassifierEngine`] if the engine on the CPU refuses, [`Error::Gpu`] if the GPU does.
    pub fn twin(&self) -> Result<Self> {
        let classifier = |plan: &ClassifierPlan| plan.twin().map_err(classifier_engine(&self.bundle, "planning"));
        let engine = match &self.engine {
            Engine::Cpu(model) => Engine::Cpu(Box::new(model.twin()?)),
            #[cfg(feature = "gpu")]
            Engine::Gpu(model) => Engine::Gpu(Box::new(model.twin()?)),
        };
        Ok(Self {
            bundle: self.bundle.clone(),
            spec: self.spec,
            form: self.form,
            engine,
            #[cfg(feature = "gpu")]
            fallback: self.fallback.clone(),
            #[cfg(feature = "gpu")]
            said: Arc::clone(&self.said),
            classifier: self.classifier.as_ref().map(classifier).transpose()?,
            logits: None,
            base: BaseSolver::new(&self.spec),
            painted: None,
        })
    }

    /// What encoder and decoder run on: the GPU's name, or `cpu`.
    #[must_use]
    pub fn runs_on(&self) -> &str {
        match &self.engine {
            Engine::Cpu(_) => "cpu",
            #[cfg(feature = "gpu")]
            Engine::Gpu(model) => &model.adapter().name,
        }
    }

    /// The GPU that encoder and decoder run on, if it is one.
    #[cfg(feature = "gpu")]
    #[must_use]
    pub fn gpu(&self) -> Option<&Adapter> {
        match &self.engine {
            Engine::Cpu(_) => None,
            Engine::Gpu(model) => Some(model.adapter()),
        }
    }

    /// Why the CPU answers in place of the GPU that was asked for, if it does.
    #[cfg(feature = "gpu")]
    #[must_use]
    pub fn fallback(&self) -> Option<&GpuError> {
        self.fallback.as_ref()
    }

    /// The form of the weights that was loaded: not the one asked for, if the bundle does not have that.
    #[must_use]
    pub fn form(&self) -> Precision {
        self.form
    }

    /// What a part runs, in order: empty for one that the model does not have.
    #[must_use]
    pub fn steps(&self, part: Part) -> &[Step] {
        match &self.engine {
            Engine::Cpu(model) => model.steps(part),
            #[cfg(feature = "gpu")]
            Engine::Gpu(model) => model.steps(part),
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
        self.check(patches, mask)?;
        let shape = self.tokens_shape(mask);
        #[cfg(feature = "gpu")]
        if self.on_gpu(|model| model.encode(patches, mask))? {
            return self.gpu_answer(Part::Encoder, shape);
        }
        let cpu = self.cpu()?;
        let tokens = cpu.tokens(patches, mask)?;
        cpu.lend(Part::Encoder, tokens, shape)
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
        let mut painted = self.upon(patches, mask)?;
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
        self.check(patches, mask)?;
        let shape = self.painted_shape()?;
        #[cfg(feature = "gpu")]
        if self.on_gpu(|model| model.predict(patches, mask))? {
            return self.gpu_answer(Part::Decoder, shape);
        }
        let cpu = self.cpu()?;
        let tokens = cpu.tokens(patches, mask)?;
        let painted = cpu.painted(tokens, mask)?;
        cpu.lend(Part::Decoder, painted, shape)
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
        mask.check_grid(self.grid())?;
        Error::check_shape("tokens", &self.tokens_shape(mask), tokens.shape())?;
        let shape = self.painted_shape()?;
        #[cfg(feature = "gpu")]
        if self.on_gpu(|model| model.decode(tokens, mask))? {
            return self.gpu_answer(Part::Decoder, shape);
        }
        let cpu = self.cpu()?;
        let tokens = cpu.tokens_from(tokens)?;
        let painted = cpu.painted(tokens, mask)?;
        cpu.lend(Part::Decoder, painted, shape)
    }

    /// [`Model::reconstruct`] from the tokens that [`Model::encode`] gave of the same patches and mask.
    ///
    /// # Shapes
    /// - `tokens`: `[N+1, C]`; `patches`: `[L, P·P·3]`
    /// - returns `[L, P·P·3]`, valid until the next call
    ///
    /// # Errors
    /// As [`Model::reconstruct`].
    pub fn reconstruct_from(
        &mut self,
        tokens: ArrayView2<f32>,
        patches: ArrayView2<f32>,
        mask: &Mask,
    ) -> Result<ArrayView2<'_, f32>> {
        if self.spec.base() == Base::Zero {
            return self.decode(tokens, mask);
        }
        let mut painted = self.upon(patches, mask)?;
        base::add(self.decode(tokens, mask)?, &mut painted);
        Ok(self.painted.insert(painted).view())
    }

    /// What the decoder's answer is added to.
    fn upon(&mut self, patches: ArrayView2<f32>, mask: &Mask) -> Result<Array2<f32>> {
        let shape = (self.spec.grid().len(), self.spec.grid().patch_len());
        let mut base = self.painted.take().unwrap_or_else(|| Array2::zeros(shape));
        self.base.solve(patches, mask, base.view_mut())?;
        Ok(base)
    }

    /// # Errors
    /// [`Error::DecoderMissing`] or [`Error::NormalizedPixels`] if the model cannot paint.
    pub(crate) fn check_paints(&self) -> Result<()> {
        check_paints(&self.bundle, &self.spec)
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
        if self.classifier.is_none() {
            return Err(Error::ClassifierMissing { bundle: self.bundle.clone() });
        }
        self.check(patches, mask)?;
        let tokens = self.tokens(patches, mask)?;
        let missing = || Error::ClassifierMissing { bundle: self.bundle.clone() };
        let classifier = self.classifier.as_mut().ok_or_else(missing)?;
        let failed = classifier_engine(&self.bundle, "running");
        let logits = classifier.run(tokens).map_err(&failed)?;
        let classes = classifier.classes();
        vector(self.logits.insert(logits), classes).map_err(&failed)
    }

    /// `[N+1, C]`, as the classifier reads it.
    fn tokens(&mut self, patches: ArrayView2<f32>, mask: &Mask) -> Result<TValue> {
        #[cfg(feature = "gpu")]
        if self.on_gpu(|model| model.encode(patches, mask))? {
            let failed = classifier_engine(&self.bundle, "running");
            let shape = self.tokens_shape(mask);
            let tokens = self.gpu_answer(Part::Encoder, shape)?;
            let tensor = Tensor::from_shape(&shape, tokens.as_slice().unwrap_or_default()).map_err(failed)?;
            return Ok(tensor.into_tvalue());
        }
        self.cpu()?.tokens(patches, mask)
    }

    /// # Errors
    /// [`Error::Shape`] or [`Error::OtherGrid`] if patches or mask are not the model's.
    fn check(&self, patches: ArrayView2<f32>, mask: &Mask) -> Result<()> {
        let grid = self.grid();
        Error::check_shape("patches", &[grid.len(), grid.patch_len()], patches.shape())?;
        mask.check_grid(grid)
    }

    fn tokens_shape(&self, mask: &Mask) -> [usize; 2] {
        [mask.visible().len() + 1, self.spec.encoder().width]
    }

    /// # Errors
    /// [`Error::DecoderMissing`].
    fn painted_shape(&self) -> Result<[usize; 2]> {
        let missing = || Error::DecoderMissing { bundle: self.bundle.clone() };
        self.spec.decoder().map(|_| [self.grid().len(), self.grid().patch_len()]).ok_or_else(missing)
    }

    /// The model on the CPU; loaded now if it was not there.
    #[cfg_attr(
        not(feature = "gpu"),
        expect(clippy::unnecessary_wraps, reason = "with a GPU, it may have to be loaded")
    )]
    fn cpu(&mut self) -> Result<&mut CpuModel> {
        #[cfg(feature = "gpu")]
        if let Engine::Gpu(model) = &self.engine {
            let cpu = CpuModel::load(&model.bundle, self.form, &model.options, &model.threads)?;
            self.engine = Engine::Cpu(Box::new(cpu));
        }
        match &mut self.engine {
            Engine::Cpu(model) => Ok(model),
            #[cfg(feature = "gpu")]
            Engine::Gpu(_) => Err(Error::Gpu(GpuError::NoAdapter)),
        }
    }
}

/// # Errors
/// [`Error::DecoderMissing`] or [`Error::NormalizedPixels`] if a model cannot paint.
pub(crate) fn check_paints(bundle: &str, spec: &ModelSpec) -> Result<()> {
    let name = || bundle.to_owned();
    if spec.decoder().is_none() {
        return Err(Error::DecoderMissing { bundle: name() });
    }
    if spec.norm_pix() {
        return Err(Error::NormalizedPixels { bundle: name() });
    }
    Ok(())
}

/// The form of the weights that is loaded where `asked` is asked for.
fn form(bundle: &Bundle, asked: Precision) -> Precision {
    match asked {
        Precision::F32 if bundle.graph(Part::Encoder, Precision::F32).is_none() => Precision::Int8,
        asked => asked,
    }
}

/// The engine's answer as a vector.
fn vector(answer: &TValue, len: usize) -> TractResult<ArrayView1<'_, f32>> {
    Ok(ArrayView1::from_shape(len, answer.try_as_plain_ram()?.as_slice::<f32>()?)?)
}

/// Says that it was the classifier that the engine failed in.
fn classifier_engine(bundle: &str, doing: &'static str) -> impl Fn(TractError) -> Error {
    move |source| Error::ClassifierEngine { bundle: bundle.to_owned(), doing, source: source.into() }
}
