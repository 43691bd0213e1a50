//! The loop of fine-tuning.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor};
use glimpse_models::{Classifier, Measure, ModelSpec, Training};

use super::batch::{Batch, BatchSpec, Builder};
use super::drop_path::DropPath;
use super::evaluate::{Seen, evaluate};
use super::layer_decay::LayerDecay;
use super::model::FineTuned;
use super::report::{EpochLine, Losses, accuracy};
use super::settings::Settings;
use super::start::Start;
use crate::data::{Labelled, Loader, Pictures};
use crate::device::{CPU, device};
use crate::emit::Description;
use crate::train::checkpoint::{self, Progress as Done};
use crate::train::{Crew, Metrics, Progress, Schedule, Step, adamw_with};

/// Decay of the two running means of `AdamW`.
///
/// # Source
/// He et al. 2021, arXiv:2111.06377, table 9.
const BETAS: [f32; 2] = [0.9, 0.999];
/// Steps between readings of the loss.
const READ_EVERY: u64 = 20;

/// Trains until the last epoch; returns the last checkpoint.
///
/// # Errors
/// When data cannot be read, the output cannot be written, weights do not fit, or a loss or a weight is no number.
pub fn run(settings: &Settings, data: &Labelled) -> anyhow::Result<PathBuf> {
    check_names(&data.class_names)?;
    let mut tuner = Tuner::start(settings, data)?;
    let test = Pictures::new(data.test.clone(), settings.cache_bytes / 2);
    let pictures = Arc::new(Pictures::new(data.train.clone(), settings.cache_bytes / 2));
    let batches = BatchSpec {
        model: tuner.spec,
        classes: data.classes(),
        size: settings.batch,
        least_area: settings.least_area,
        rand_augment: settings.rand_augment,
        mixing: settings.mixing,
        drop_path: tuner.drop_path.clone(),
        seed: settings.seed,
    };
    let builder = || Builder::new(batches.clone(), Arc::clone(&pictures));
    let mut loader = Loader::start(settings.workers, tuner.done.step * settings.accumulate as u64, builder);
    let progress = Progress::start(tuner.done.step, tuner.schedule.steps);
    let last = settings.stop_after.unwrap_or(tuner.schedule.steps).min(tuner.schedule.steps);
    let mut checkpoint = None;
    let mut losses = Losses::start();
    while tuner.done.step < last {
        let started = Instant::now();
        losses.push(tuner.step(&mut loader)?);
        progress.step();
        let step = tuner.done.step;
        let epoch = tuner.epoch_that_ends(step);
        if step.is_multiple_of(READ_EVERY) || epoch.is_some() || step == last {
            let mean = losses.mean(step)?;
            let images = losses.steps() * settings.samples_a_step();
            let pace = images as f64 / losses.seconds();
            progress.say(format!("loss {mean:.4}  {pace:.1} images/s"), None);
        }
        tuner.done.seconds += started.elapsed().as_secs_f64();
        if let Some(epoch) = epoch {
            let (loss, images) = (losses.mean(step)?, losses.steps() * settings.samples_a_step());
            let images_per_s = images as f64 / losses.seconds();
            let seen = evaluate(&tuner.model.valid(), &tuner.spec, &test, &tuner.crew)?;
            // the loss of a step is that of the weights before it
            ensure!(
                seen.loss.is_finite(),
                "the loss on the pictures that are asked about is no number after step {step}: {}",
                checkpoint::way_on(&settings.out)
            );
            let line = EpochLine {
                epoch,
                step,
                learning_rate: tuner.schedule.learning_rate(step - 1),
                train_loss: loss,
                test_loss: seen.loss,
                test_top1_percent: seen.top1_percent,
                images_per_s,
            };
            progress.leave(&line.words(settings.epochs));
            tuner.metrics.push(line)?;
            tuner.seen = Some(seen);
            losses = Losses::start();
        }
        if epoch.is_some() || step == last || settings.checkpoint_every.is_some_and(|every| step.is_multiple_of(every))
        {
            checkpoint = Some(tuner.save()?);
        }
    }
    progress.finish();
    match checkpoint {
        Some(checkpoint) => Ok(checkpoint),
        None => checkpoint::find(&settings.out),
    }
}

/// What changes from step to step, and what that follows from.
struct Tuner<'a> {
    settings: &'a Settings,
    data: &'a Labelled,
    spec: ModelSpec,
    classifier: Classifier,
    source: Option<String>,
    command: String,
    schedule: Schedule,
    crew: Crew,
    model: FineTuned,
    rates: LayerDecay,
    drop_path: DropPath,
    optimizer: ModuleOptimizer,
    metrics: Metrics<EpochLine>,
    done: Done,
    /// What was measured after the newest step, if anything was.
    seen: Option<Seen>,
}

impl<'a> Tuner<'a> {
    fn start(settings: &'a Settings, data: &'a Labelled) -> anyhow::Result<Self> {
        let devices = settings.devices.iter().map(|name| device(name)).collect::<anyhow::Result<Vec<_>>>()?;
        let training: Vec<Device> = devices.into_iter().map(Device::autodiff).collect();
        let first = training.first().context("no device to train on")?;
        let schedule = settings.schedule(data);
        let (start, resumed) = if settings.resume { resumed(settings, data)? } else { (fresh(settings, data)?, None) };
        let Start { spec, classifier, weights, source } = start;
        let model = FineTuned::taking(&spec, classifier, weights, first)?;
        let depth = spec.encoder().depth;
        let rates = LayerDecay::new(&model, depth, settings.layer_decay)?;
        let drop_path = DropPath::new(depth, settings.drop_path)?;
        let mut optimizer = adamw_with(&model, BETAS, settings.weight_decay);
        let mut done = Done { step: 0, seconds: 0.0 };
        let mut command = settings.command.clone();
        if let Some(Resumed { checkpoint, first_command }) = resumed {
            optimizer = checkpoint::restore_optimizer(&checkpoint, optimizer)?;
            done = checkpoint::progress(&checkpoint)?;
            command = first_command.unwrap_or(command);
        }
        std::fs::create_dir_all(&settings.out).with_context(|| format!("making {}", settings.out.display()))?;
        let crew = match training.as_slice() {
            [cpu] if settings.devices[0] == CPU => Crew::of_cores(cpu, settings.cores)?,
            devices => Crew::of_devices(devices)?,
        };
        Ok(Self {
            rates,
            drop_path,
            metrics: Metrics::open(&settings.out, done.step)?,
            settings,
            data,
            spec,
            classifier,
            source,
            command,
            schedule,
            crew,
            model,
            optimizer,
            done,
            seen: None,
        })
    }

    /// One optimizer step over `accumulate` batches; returns the loss, still on the device.
    fn step(&mut self, loader: &mut Loader<Batch>) -> anyhow::Result<Tensor<1>> {
        let Self { settings, model, .. } = &*self;
        let Step { loss, grads } =
            self.crew.accumulated(model, settings.accumulate, settings.clip_norm, || loader.next_batch())?;
        let rates = self.rates.rates(self.schedule.learning_rate(self.done.step));
        self.model = self.optimizer.step(rates, self.model.clone(), grads);
        self.done.step += 1;
        self.seen = None;
        Ok(loss)
    }

    /// The epoch whose last step is this one.
    fn epoch_that_ends(&self, step: u64) -> Option<u64> {
        (1..=self.settings.epochs).find(|epoch| self.settings.steps_until(self.data, *epoch) == step)
    }

    fn save(&self) -> anyhow::Result<PathBuf> {
        let Self { settings, data, .. } = self;
        let training = Training {
            data: Some(data.name.clone()),
            source: self.source.clone(),
            images: Some(data.train.len() as u64),
            steps: Some(self.done.step),
            batch: Some(settings.samples_a_step()),
            mask: None,
            seed: Some(settings.seed),
            device: Some(settings.devices.join(",")),
            duration_s: Some(self.done.seconds.round()),
            command: Some(self.command.clone()),
        };
        let quality: BTreeMap<String, Measure> = self.seen.iter().map(|seen| accuracy(&data.name, seen)).collect();
        let parts = checkpoint::Parts {
            spec: &self.spec,
            training: &training,
            progress: self.done,
            current: &self.model.valid().to_weights()?,
            average: None,
            classifier: Some((&self.classifier, &data.class_names)),
            pictures: data.pictures.as_ref(),
            quality: &quality,
            optimizer: &self.optimizer,
        };
        checkpoint::save(&settings.out, &parts)
    }
}

fn fresh(settings: &Settings, data: &Labelled) -> anyhow::Result<Start> {
    ensure!(
        checkpoint::find(&settings.out).is_err(),
        "{} holds a run already: go on with --resume, or give another folder",
        settings.out.display()
    );
    let from = settings.start.as_ref().context("there is nothing to start from")?;
    Start::new(from, data.classes(), settings.seed)
}

/// What a run goes on with, beside its model.
struct Resumed {
    checkpoint: PathBuf,
    first_command: Option<String>,
}

/// The run in the output folder.
fn resumed(settings: &Settings, data: &Labelled) -> anyhow::Result<(Start, Option<Resumed>)> {
    let found = checkpoint::find(&settings.out)?;
    let Description { spec, classifier, class_names, training, .. } = Description::read(&found)?;
    let classifier = classifier.with_context(|| not_fine_tuned(&found))?;
    ensure!(
        class_names.as_ref() == Some(&data.class_names),
        "{} was fine-tuned for other classes than those of {}: give the data that the run was started with",
        found.display(),
        data.name
    );
    if let Some(pictures) = &data.pictures {
        checkpoint::same_pictures(&found, &data.name, pictures)?;
    }
    let start = Start { spec, classifier, weights: checkpoint::weights(&found)?, source: training.source };
    Ok((start, Some(Resumed { checkpoint: found, first_command: training.command })))
}

fn not_fine_tuned(found: &Path) -> String {
    format!("{} is no run of `finetune`: give the folder of one, or leave --resume out", found.display())
}

/// Labels are lines of a file.
fn check_names(names: &[String]) -> anyhow::Result<()> {
    for name in names {
        ensure!(
            !name.trim().is_empty() && !name.contains(['\n', '\r']),
            "the class {name:?} cannot be a line of labels.txt: give its folder another name"
        );
    }
    Ok(())
}
