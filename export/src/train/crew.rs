//! A batch's gradient, worked out by several cores or several GPUs at once.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, ensure};
use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::optimizer::scaled;
use super::preview::predict;
use crate::data::Batch;
use crate::model::Mae;

/// Samples that a core works on at a time: few enough for a layer's activations to stay in its cache. It is a constant,
/// because it decides the order of sums and with it the last bits of a gradient.
const SAMPLES_A_PIECE: usize = 8;

/// Those who share a batch: cores, or devices.
///
/// A batch is cut into pieces, each worker takes the next one, and the pieces' gradients are added in the order of the
/// batch. So the answer on the CPU is the same, bit for bit, however many cores there are.
pub struct Crew {
    workers: Vec<Worker>,
    pieces: Pieces,
}

struct Worker {
    device: Device,
    /// A thread of its own, on which burn's operations find no other threads to share their work with: one worker a core
    /// is faster than all cores on each operation, since most operations are too small to be shared.
    thread: Option<ThreadPool>,
}

/// How a batch is cut.
#[derive(Clone, Copy, Debug)]
enum Pieces {
    /// Into pieces of that many samples.
    Of(usize),
    /// Into that many pieces, as even as can be.
    Count(usize),
}

/// What a batch says of the model.
pub struct Step {
    /// Mean squared error over all hidden patches, on the first worker's device.
    pub loss: Tensor<1>,
    /// Its gradient.
    pub grads: GradientsParams,
}

impl Crew {
    /// That many cores of the CPU.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn of_cores(device: &Device, cores: usize) -> anyhow::Result<Self> {
        let worker = |_| Worker::with_thread(device);
        Ok(Self {
            workers: (0..cores.max(1)).map(worker).collect::<Result<_, _>>()?,
            pieces: Pieces::Of(SAMPLES_A_PIECE),
        })
    }

    /// These devices, each of which takes an even part of a batch.
    ///
    /// # Errors
    /// When there are none, or a thread cannot be started.
    pub fn of_devices(devices: &[Device]) -> anyhow::Result<Self> {
        ensure!(!devices.is_empty(), "no device to train on");
        // One device is driven from the caller's thread: a backend keeps a queue of work for each thread.
        let workers = match devices {
            [device] => vec![Worker { device: device.clone(), thread: None }],
            several => several.iter().map(Worker::with_thread).collect::<Result<_, _>>()?,
        };
        Ok(Self { pieces: Pieces::Count(workers.len()), workers })
    }

    /// The loss of `batch` and its gradient, both times `weight`.
    ///
    /// # Errors
    /// When the batch has no sample.
    pub fn step(&self, model: &Mae, batch: &Batch, weight: f64) -> anyhow::Result<Step> {
        let pieces = self.pieces.cut(batch.size);
        let next = AtomicUsize::new(0);
        let sum = Sum::default();
        let work = |worker: &Worker| {
            let _guard = Guard(&sum);
            let own = model.clone().fork(&worker.device);
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(range) = pieces.get(index) else { return };
                let share = weight * range.len() as f64 / batch.size as f64;
                let piece = worker.piece(&own, &batch.samples(range.clone()), share);
                sum.add(index, piece.on(&self.workers[0].device, model), model);
            }
        };
        match self.workers.as_slice() {
            [Worker { thread: None, .. }] => work(&self.workers[0]),
            workers => thread::scope(|scope| {
                for worker in workers {
                    scope.spawn(|| worker.run(|| work(worker)));
                }
            }),
        }
        sum.total().context("a batch of no samples")
    }
}

impl Worker {
    fn with_thread(device: &Device) -> anyhow::Result<Self> {
        let thread = ThreadPoolBuilder::new().num_threads(1).build().context("starting a thread to train on")?;
        Ok(Self { device: device.clone(), thread: Some(thread) })
    }

    fn run(&self, work: impl FnOnce() + Send) {
        match &self.thread {
            Some(thread) => thread.install(work),
            None => work(),
        }
    }

    /// Mean squared error over the hidden patches, times `share`, and its gradient.
    ///
    /// # Source
    /// He et al. 2021, arXiv:2111.06377, section 3.
    fn piece(&self, model: &Mae, batch: &Batch, share: f64) -> Step {
        let patch_len = model.grid().patch_len();
        let predicted = predict(model, batch, patch_len, &self.device); // [B, M, P·P·3]
        let target = Tensor::<3>::from_data(TensorData::new(batch.target.clone(), predicted.dims()), &self.device);
        let loss = (predicted - target).square().mean() * share;
        let seen = loss.clone().inner();
        let scale = model.products().loss_scale();
        let grads = GradientsParams::from_grads((loss * scale).backward(), model);
        Step { loss: seen, grads: scaled(model, grads, scale.recip()) }
    }
}

impl Step {
    fn on(self, device: &Device, model: &Mae) -> Self {
        if self.loss.device() == *device {
            return self;
        }
        let plain = device.clone().without_autodiff();
        Self { loss: self.loss.to_device(&plain), grads: self.grads.to_device(&plain, model) }
    }
}

impl Pieces {
    fn cut(self, samples: usize) -> Vec<Range<usize>> {
        let count = match self {
            Self::Of(size) => samples.div_ceil(size),
            Self::Count(count) => count.min(samples),
        };
        (0..count).map(|i| i * samples / count..(i + 1) * samples / count).collect()
    }
}

/// Adds what workers bring, in the order of the pieces.
#[derive(Default)]
struct Sum {
    state: Mutex<SumState>,
    moved: Condvar,
}

#[derive(Default)]
struct SumState {
    added: usize,
    /// A worker has panicked: its piece will not come.
    abandoned: bool,
    loss: Option<Tensor<1>>,
    grads: GradientsAccumulator<Mae>,
}

impl Sum {
    /// Adds the piece of that index once all before it have been added.
    fn add(&self, index: usize, piece: Step, model: &Mae) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self
            .moved
            .wait_while(state, |state| state.added < index && !state.abandoned)
            .unwrap_or_else(PoisonError::into_inner);
        state.loss = Some(match state.loss.take() {
            Some(sum) => sum + piece.loss,
            None => piece.loss,
        });
        state.grads.accumulate(model, piece.grads);
        state.added += 1;
        self.moved.notify_all();
    }

    fn total(self) -> Option<Step> {
        let mut state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        Some(Step { loss: state.loss?, grads: state.grads.grads() })
    }
}

/// Lets nobody wait for a worker that has panicked.
struct Guard<'a>(&'a Sum);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.state.lock().unwrap_or_else(PoisonError::into_inner).abandoned = true;
            self.0.moved.notify_all();
        }
    }
}
