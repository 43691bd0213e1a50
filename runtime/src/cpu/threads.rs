//! The threads that a model runs on.

use std::sync::Arc;

use tract_linalg::multithread::Executor;

use crate::{Error, Result, machine};

/// A pool of threads that models run on: any number of models may share one, and then never run on more threads than it has.
///
/// tract cuts a product into whole tiles and an operator into whole rows, so no answer depends on the number of threads.
///
/// ```
/// use glimpse_runtime::Threads;
///
/// # fn main() -> glimpse_runtime::Result<()> {
/// // each thread is told its number as it starts: the place to pin it to a core, by what the system has for that
/// let threads = Threads::with_start(2, |index| println!("thread {index} starts"))?;
/// assert_eq!(threads.count(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Threads(Executor);

impl Threads {
    /// A pool of `count` threads, one a core if that is left open. One thread is the one that a model is called on.
    ///
    /// # Errors
    /// [`Error::Threads`] if they are none, or cannot be had.
    pub fn new(count: Option<usize>) -> Result<Self> {
        match count.unwrap_or_else(machine::threads) {
            1 => Ok(Self(Executor::SingleThread)),
            count => Self::with_start(count, |_| ()),
        }
    }

    /// A pool of `count` threads, each of which first calls `start` with its number: to be pinned to a core, or to be given
    /// another priority. One thread is one of its own, too.
    ///
    /// # Errors
    /// [`Error::Threads`] if they are none, or cannot be had.
    pub fn with_start(count: usize, start: impl Fn(usize) + Send + Sync + 'static) -> Result<Self> {
        if count == 0 {
            return Err(Error::Threads { threads: 0, source: None });
        }
        rayon::ThreadPoolBuilder::new()
            .num_threads(count)
            .thread_name(|index| format!("glimpse-{index}"))
            .start_handler(start)
            .build()
            .map(|pool| Self(Executor::MultiThread(Arc::new(pool))))
            .map_err(|source| Error::Threads { threads: count, source: Some(source.into()) })
    }

    /// How many they are.
    #[must_use]
    pub fn count(&self) -> usize {
        match &self.0 {
            Executor::MultiThread(pool) => pool.current_num_threads(),
            _ => 1,
        }
    }

    /// Runs a graph on a thread of the pool, so that its operators find the others at hand.
    pub(crate) fn run<R: Send>(&self, run: impl FnOnce() -> R + Send) -> R {
        match &self.0 {
            Executor::MultiThread(pool) => pool.install(run),
            _ => run(),
        }
    }

    /// What tract calls such a pool.
    pub(crate) fn executor(&self) -> Executor {
        self.0.clone()
    }
}
