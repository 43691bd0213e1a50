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

use super::optimizer::{clip_by_global_norm, scaled};
use super::preview::predict;
use crate::data::Batch;
use crate::model::{Mae, Products};

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

/// A model that learns from batches which can be cut into pieces.
pub trait Learner: Module + Sync {
    /// What it learns from.
    type Batch: Sync;

    /// Samples in a batch.
    fn size(batch: &Self::Batch) -> usize;

    /// Some of a batch's samples, as a batch of their own.
    fn samples(batch: &Self::Batch, range: Range<usize>) -> Self::Batch;

    /// The loss, its mean over a batch's samples.
    fn loss(&self, batch: &Self::Batch, device: &Device) -> Tensor<1>;

    /// The numbers that its matrix products are computed in.
    fn products(&self) -> Products;
}

/// What a batch says of the model.
pub struct Step {
    /// The mean loss over all samples, on the first worker's device.
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
    pub fn step<M: Learner>(&self, model: &M, batch: &M::Batch, weight: f64) -> anyhow::Result<Step> {
        let samples = M::size(batch);
        let pieces = self.pieces.cut(samples);
        let next = AtomicUsize::new(0);
        let sum = Sum::new();
        let work = |worker: &Worker| {
            let _guard = Guard(&sum);
            let own = model.clone().fork(&worker.device);
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(range) = pieces.get(index) else { return };
                let share = weight * range.len() as f64 / samples as f64;
                let piece = worker.piece(&own, &M::samples(batch, range.clone()), share);
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

    /// The loss and gradient of one optimizer step: the mean over `parts` batches, the gradient scaled down to a norm of
    /// `clip_norm`.
    ///
    /// # Errors
    /// Those of `next`, and when there are no batches or one has no sample.
    pub fn accumulated<M: Learner>(
        &self,
        model: &M,
        parts: usize,
        clip_norm: Option<f64>,
        mut next: impl FnMut() -> anyhow::Result<M::Batch>,
    ) -> anyhow::Result<Step> {
        let mut accumulator = GradientsAccumulator::new();
        let mut total: Option<Tensor<1>> = None;
        for _ in 0..parts {
            let Step { loss, grads } = self.step(model, &next()?, 1.0 / parts as f64)?;
            total = Some(match total {
                Some(total) => total + loss,
                None => loss,
            });
            accumulator.accumulate(model, grads);
        }
        let mut grads = accumulator.grads();
        if let Some(limit) = clip_norm {
            grads = clip_by_global_norm(model, grads, limit);
        }
        Ok(Step { loss: total.context("a step of no batches")?, grads })
    }

    /// What `work` makes of each of `count` pieces, in their order. Each worker takes the next one, on its own device and
    /// without gradients.
    pub fn each<T: Send>(&self, count: usize, work: impl Fn(usize, &Device) -> T + Sync) -> Vec<T> {
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::with_capacity(count));
        let take = |worker: &Worker| {
            let device = worker.device.clone().without_autodiff();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    return;
                }
                let made = work(index, &device);
                done.lock().unwrap_or_else(PoisonError::into_inner).push((index, made));
            }
        };
        match self.workers.as_slice() {
            [worker @ Worker { thread: None, .. }] => take(worker),
            workers => thread::scope(|scope| {
                for worker in workers {
                    scope.spawn(|| worker.run(|| take(worker)));
                }
            }),
        }
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_by_key(|(index, _)| *index);
        done.into_iter().map(|(_, made)| made).collect()
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

    /// The loss of a piece, times `share`, and its gradient.
    fn piece<M: Learner>(&self, model: &M, batch: &M::Batch, share: f64) -> Step {
        let loss = model.loss(batch, &self.device) * share;
        let seen = loss.clone().inner();
        let scale = model.products().loss_scale();
        let grads = GradientsParams::from_grads((loss * scale).backward(), model);
        Step { loss: seen, grads: scaled(model, grads, scale.recip()) }
    }
}

impl Learner for Mae {
    type Batch = Batch;

    fn size(batch: &Batch) -> usize {
        batch.size
    }

    fn samples(batch: &Batch, range: Range<usize>) -> Batch {
        batch.samples(range)
    }

    /// Mean squared error over the hidden patches.
    ///
    /// # Source
    /// He et al. 2021, arXiv:2111.06377, section 3.
    fn loss(&self, batch: &Batch, device: &Device) -> Tensor<1> {
        let patch_len = self.grid().patch_len();
        let predicted = predict(self, batch, patch_len, device); // [B, M, P·P·3]
        let target = Tensor::<3>::from_data(TensorData::new(batch.target.clone(), predicted.dims()), device);
        (predicted - target).square().mean()
    }

    fn products(&self) -> Products {
        Self::products(self)
    }
}

impl Step {
    fn on<M: Module>(self, device: &Device, model: &M) -> Self {
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
struct Sum<M> {
    state: Mutex<SumState<M>>,
    moved: Condvar,
}

struct SumState<M> {
    added: usize,
    /// A worker has panicked: its piece will not come.
    abandoned: bool,
    loss: Option<Tensor<1>>,
    grads: GradientsAccumulator<M>,
}

impl<M: Module> Sum<M> {
    fn new() -> Self {
        let state = SumState { added: 0, abandoned: false, loss: None, grads: GradientsAccumulator::new() };
        Self { state: Mutex::new(state), moved: Condvar::new() }
    }

    /// Adds the piece of that index once all before it have been added.
    fn add(&self, index: usize, piece: Step, model: &M) {
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
struct Guard<'a, M>(&'a Sum<M>);

impl<M> Drop for Guard<'_, M> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.state.lock().unwrap_or_else(PoisonError::into_inner).abandoned = true;
            self.0.moved.notify_all();
        }
    }
}
