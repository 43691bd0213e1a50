//! The threads that a model runs on.

use std::sync::Arc;

use tract_linalg::multithread::Executor;

use crate::{Error, Result, machine};

/// A pool of threads, shared by all graphs of a model.
///
/// tract cuts a product into whole tiles and an operator into whole rows, so no sum depends on the number of threads.
#[derive(Debug, Clone)]
pub(crate) struct Threads(Executor);

impl Threads {
    /// A pool of `count` threads, one a core if that is left open.
    pub(crate) fn new(count: Option<usize>) -> Result<Self> {
        let count = count.unwrap_or_else(machine::threads);
        match count {
            0 => Err(Error::Threads { threads: 0, source: None }),
            1 => Ok(Self(Executor::SingleThread)),
            threads => rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .thread_name(|index| format!("glimpse-{index}"))
                .build()
                .map(|pool| Self(Executor::MultiThread(Arc::new(pool))))
                .map_err(|source| Error::Threads { threads, source: Some(source.into()) }),
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
