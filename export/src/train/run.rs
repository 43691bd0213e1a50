//! The training loop.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor};
use glimpse_models::{ModelSpec, Training};

use super::average::Average;
use super::checkpoint::{self, Progress as Done};
use super::crew::{Crew, Step};
use super::curve;
use super::metrics::{Metrics, Row};
use super::optimizer::adamw;
use super::preview::{Preview, Seen};
use super::progress::Progress;
use super::schedule::Schedule;
use super::start::Start;
use crate::data::{Batch, BatchSpec, Builder, Listing, Loader, Pictures, check_grid, folder};
use crate::device::{CPU, device};
use crate::model::{Mae, Products};
use crate::weights::Weights;

/// Everything that decides what a run does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Batches: the model, their size, masks and seed. Of the model, its sizes and what it predicts are what was asked for; the
    /// rest is for random weights, and trained ones have their own.
    pub batch: BatchSpec,
    /// Folder tree of pictures.
    pub data: PathBuf,
    /// Where checkpoints, metrics and pictures go.
    pub out: PathBuf,
    /// Learning rate of each step, and how many there are.
    pub schedule: Schedule,
    /// Batches whose gradients make one step.
    pub accumulate: usize,
    /// Weight decay of the matrices.
    pub weight_decay: f32,
    /// Largest norm of the whole gradient; none for no clipping.
    pub clip_norm: Option<f64>,
    /// Devices, by name; the cores of the CPU are one.
    pub devices: Vec<String>,
    /// Cores to train on, where the device is the CPU.
    pub cores: usize,
    /// Compute activations anew in the backward pass instead of keeping them, as far as that is cheap.
    pub recompute: bool,
    /// Numbers that matrix products are computed in.
    pub products: Products,
    /// Part of the averaged weights that a step keeps; none for no average.
    pub average: Option<f64>,
    /// Weights to start from, instead of random ones; a run that goes on has its own.
    pub start_from: Option<PathBuf>,
    /// Threads that decode and crop.
    pub workers: usize,
    /// Memory for decoded pictures, in bytes.
    pub cache_bytes: usize,
    /// Steps between readings of the loss.
    pub log_every: u64,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Steps between looks at the validation pictures.
    pub preview_every: u64,
    /// Go on from the newest checkpoint in `out`.
    pub resume: bool,
    /// Stop after this step, as if interrupted there.
    pub stop_after: Option<u64>,
    /// The command line, for the model card; a run that goes on has its first one.
    pub command: String,
}

/// Trains until the last step of the schedule; returns the last checkpoint.
///
/// # Errors
/// When data cannot be read, the output cannot be written, the checkpoint does not fit, or a loss or a weight is no number.
pub fn run(settings: &Settings) -> anyhow::Result<PathBuf> {
    check_grid(&settings.batch.model.grid())?;
    let listed = folder::list_for(&settings.data, &settings.out)?;
    let listing = Listing::of(&settings.data, &listed);
    let split = folder::split(listed);
    ensure!(!split.train.is_empty(), "{} holds no picture to train on", settings.data.display());
    let start = Start::of(settings, &listing)?;
    std::fs::create_dir_all(&settings.out).with_context(|| format!("making {}", settings.out.display()))?;
    let batch = BatchSpec { model: start.spec, ..settings.batch.clone() };
    let preview = Preview::new(&batch.model, split.validation)?;
    let pictures = Arc::new(Pictures::new(split.train, settings.cache_bytes));
    let mut trainer = Trainer::start(settings, start, listing, pictures.len() as u64)?;
    let first = trainer.done.step * settings.accumulate as u64;
    let builder = || Builder::new(batch.clone(), Arc::clone(&pictures));
    let mut loader = Loader::start(settings.workers, first, builder);
    let progress = Progress::start(trainer.done.step, settings.schedule.steps);
    let last = settings.stop_after.unwrap_or(settings.schedule.steps).min(settings.schedule.steps);
    let mut checkpoint = None;
    let mut window = Window::start(&loader);
    while trainer.done.step < last {
        let started = Instant::now();
        let loss = trainer.step(&mut loader)?;
        window.losses.push(loss);
        trainer.done.seconds += started.elapsed().as_secs_f64();
        progress.step();
        let step = trainer.done.step;
        let due = |every: u64| step.is_multiple_of(every) || step == last;
        if due(settings.log_every) || due(settings.preview_every) {
            let mut row = window.row(&trainer, &loader)?;
            ensure!(
                row.loss.is_finite(),
                "the loss is no number at step {step}: {}",
                checkpoint::way_on(&settings.out)
            );
            if due(settings.preview_every)
                && let Some(seen) = preview.look(&trainer.shown(), &trainer.device)?
            {
                // the loss of a step is that of the weights before it
                ensure!(
                    seen.loss.is_finite(),
                    "the loss on the validation pictures is no number after step {step}: {}",
                    checkpoint::way_on(&settings.out)
                );
                row.validation_loss = Some(seen.loss);
                row.validation_psnr_db = seen.psnr_db;
                trainer.save_pictures(&seen)?;
            }
            progress.show(&row);
            trainer.metrics.push(row)?;
            if due(settings.preview_every) {
                trainer.save_curve()?;
            }
            window = Window::start(&loader);
        }
        if due(settings.checkpoint_every) {
            checkpoint = Some(trainer.save()?);
        }
    }
    progress.finish();
    match checkpoint {
        Some(checkpoint) => Ok(checkpoint),
        None => checkpoint::find(&settings.out),
    }
}

/// What changes from step to step.
struct Trainer<'a> {
    settings: &'a Settings,
    spec: ModelSpec,
    source: Option<String>,
    command: String,
    listing: Listing,
    crew: Crew,
    model: Mae,
    average: Option<Average>,
    optimizer: ModuleOptimizer,
    metrics: Metrics,
    done: Done,
    device: Device,
    /// Pictures that are trained on.
    pictures: u64,
}

impl<'a> Trainer<'a> {
    fn start(settings: &'a Settings, start: Start, listing: Listing, pictures: u64) -> anyhow::Result<Self> {
        let Start { spec, weights, average, checkpoint, done, source, command } = start;
        let devices = settings.devices.iter().map(|name| device(name)).collect::<anyhow::Result<Vec<_>>>()?;
        let device = devices.first().context("no device to train on")?.clone();
        let mut training = devices.into_iter().map(Device::autodiff).collect::<Vec<_>>();
        if settings.recompute {
            training = training.into_iter().map(Device::gradient_checkpointing).collect();
        }
        let model = |weights: &Weights| {
            anyhow::Ok(Mae::from_weights(&spec, weights, &training[0])?.with_products(settings.products))
        };
        let average = average.map(|average| model(&average)).transpose()?;
        let model = model(&weights)?;
        let average = settings.average.map(|decay| Average::start(average.as_ref().unwrap_or(&model), decay));
        let mut optimizer = adamw(&model, settings.weight_decay);
        if let Some(checkpoint) = checkpoint {
            optimizer = checkpoint::restore_optimizer(&checkpoint, optimizer)?;
        }
        let crew = match training.as_slice() {
            [cpu] if settings.devices[0] == CPU => Crew::of_cores(cpu, settings.cores)?,
            devices => Crew::of_devices(devices)?,
        };
        let metrics = Metrics::open(&settings.out, done.step)?;
        Ok(Self {
            settings,
            spec,
            source,
            command,
            listing,
            crew,
            model,
            average,
            optimizer,
            metrics,
            done,
            device,
            pictures,
        })
    }

    /// One optimizer step over `accumulate` batches; returns the loss, still on the device.
    fn step(&mut self, loader: &mut Loader<Batch>) -> anyhow::Result<Tensor<1>> {
        let Self { settings, model, .. } = &*self;
        let Step { loss, grads } =
            self.crew.accumulated(model, settings.accumulate, settings.clip_norm, || loader.next_batch())?;
        let rate = self.settings.schedule.learning_rate(self.done.step);
        self.model = self.optimizer.step(rate, self.model.clone(), grads);
        self.done.step += 1;
        self.average = self.average.take().map(|average| average.after(&self.model, self.done.step));
        Ok(loss)
    }

    /// The model as it is shown and emitted: the average, where there is one.
    fn shown(&self) -> Mae {
        self.average.as_ref().map_or_else(|| self.model.valid(), |average| average.model().clone())
    }

    fn save(&self) -> anyhow::Result<PathBuf> {
        let settings = self.settings;
        let batch = (settings.accumulate * settings.batch.size) as u64;
        let mask = settings.batch.mask;
        let training = Training {
            data: settings.data.file_name().map(|name| name.to_string_lossy().into_owned()),
            source: self.source.clone(),
            images: Some(self.pictures),
            steps: Some(self.done.step),
            batch: Some(batch),
            mask: Some(format!("{:?}, ratio {}", mask.kind, mask.ratio).to_lowercase()),
            seed: Some(settings.batch.seed),
            device: Some(settings.devices.join(",")),
            duration_s: Some(self.done.seconds.round()),
            command: Some(self.command.clone()),
        };
        let current = self.model.valid().to_weights()?;
        let average = self.average.as_ref().map(|average| average.model().to_weights()).transpose()?;
        let parts = checkpoint::Parts {
            spec: &self.spec,
            training: &training,
            progress: self.done,
            current: &current,
            average: average.as_ref(),
            classifier: None,
            pictures: Some(&self.listing),
            quality: &BTreeMap::new(),
            optimizer: &self.optimizer,
        };
        checkpoint::save(&settings.out, &parts)
    }

    fn save_pictures(&self, seen: &Seen) -> anyhow::Result<()> {
        let path = self.settings.out.join(format!("sheet-{:09}.jpg", self.done.step));
        seen.sheet.save(&path).with_context(|| format!("writing {}", path.display()))
    }

    fn save_curve(&self) -> anyhow::Result<()> {
        let path = self.settings.out.join("loss.png");
        curve::draw(self.metrics.rows()).save(&path).with_context(|| format!("writing {}", path.display()))
    }
}

/// The steps since the last line of the metrics.
struct Window {
    losses: Vec<Tensor<1>>,
    started: Instant,
    waited: Duration,
}

impl Window {
    fn start(loader: &Loader<Batch>) -> Self {
        Self { losses: Vec::new(), started: Instant::now(), waited: loader.waited() }
    }

    /// Reads the losses back, all at once: this waits for the device.
    fn row(&mut self, trainer: &Trainer, loader: &Loader<Batch>) -> anyhow::Result<Row> {
        let steps = self.losses.len();
        let losses = Tensor::cat(std::mem::take(&mut self.losses), 0);
        let mean = losses.mean().into_data().convert::<f64>().try_into_vec::<f64>();
        let loss = mean.ok().and_then(|v| v.first().copied()).context("reading the loss back")?;
        let seconds = self.started.elapsed().as_secs_f64();
        let settings = trainer.settings;
        let a_step = (settings.accumulate * settings.batch.size) as f64;
        let step = trainer.done.step;
        Ok(Row {
            step,
            epoch: step as f64 * a_step / trainer.pictures as f64,
            loss,
            learning_rate: settings.schedule.learning_rate(step - 1),
            images_per_s: steps as f64 * a_step / seconds,
            waiting: loader.waited().saturating_sub(self.waited).as_secs_f64() / seconds,
            validation_loss: None,
            validation_psnr_db: None,
        })
    }
}
