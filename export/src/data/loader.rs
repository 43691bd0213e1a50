//! Batches made ahead by worker threads, handed out in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

/// Finished batches that may wait for the device, per worker.
const AHEAD: usize = 2;

/// Makes batches by number.
pub trait Build: Send + 'static {
    /// What a batch is.
    type Batch: Send + 'static;

    /// Builds the batch of that number: the same one each time, in whatever order batches are asked for.
    ///
    /// # Errors
    /// When nearly every picture is broken.
    fn build(&mut self, number: u64) -> anyhow::Result<Self::Batch>;
}

/// Hands out batches by number, from `first` on. The workers end when the loader is dropped.
pub struct Loader<B> {
    receiver: Receiver<(u64, anyhow::Result<B>)>,
    early: BTreeMap<u64, anyhow::Result<B>>,
    next: u64,
    waited: Duration,
}

impl<B: Send + 'static> Loader<B> {
    /// Starts `workers` threads, each with a builder of its own.
    #[must_use]
    pub fn start<T: Build<Batch = B>>(workers: usize, first: u64, builder: impl Fn() -> T) -> Self {
        let workers = workers.max(1);
        let (sender, receiver) = sync_channel(workers * AHEAD);
        let counter = Arc::new(AtomicU64::new(first));
        for _ in 0..workers {
            let mut builder = builder();
            let (sender, counter) = (sender.clone(), counter.clone());
            thread::spawn(move || {
                loop {
                    let number = counter.fetch_add(1, Ordering::Relaxed);
                    if sender.send((number, builder.build(number))).is_err() {
                        return;
                    }
                }
            });
        }
        Self { receiver, early: BTreeMap::new(), next: first, waited: Duration::ZERO }
    }

    /// The next batch, in order.
    ///
    /// # Errors
    /// When its pictures could not be read.
    pub fn next_batch(&mut self) -> anyhow::Result<B> {
        let asked = Instant::now();
        let batch = loop {
            if let Some(batch) = self.early.remove(&self.next) {
                break batch;
            }
            let (number, batch) = self.receiver.recv().context("the loader's workers have ended")?;
            self.early.insert(number, batch);
        };
        self.next += 1;
        self.waited += asked.elapsed();
        batch
    }

    /// How long [`Self::next_batch`] has waited in all: time that the device stood idle.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.waited
    }
}
