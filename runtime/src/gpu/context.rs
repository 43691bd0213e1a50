//! A GPU that is open, and what has gone wrong on it.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use wgpu::{
    Buffer, BufferDescriptor, BufferUsages, CommandEncoder, CommandEncoderDescriptor, ComputePipeline, Device,
    DeviceDescriptor, Features, Limits, PollType, Queue, SubmissionIndex,
};

use super::GpuError;
use super::adapters::{self, Adapter};
use super::compiled::Compiled;
use super::kernels::{Kernel, Pipelines};

/// How long a GPU that refused something is waited for, to say why: a lost one says so when what was under way has ended.
const EXPLAIN: Duration = Duration::from_secs(5);

/// What is used where a GPU has it.
const ABOVE_FLOOR: Features =
    Features::TIMESTAMP_QUERY.union(Features::SHADER_F16).union(Features::SUBGROUP).union(Features::PIPELINE_CACHE);

/// What of a GPU is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// What every GPU has.
    Floor,
    /// All that this one has.
    Full,
}

/// An open GPU. What goes wrong on it is kept until it is asked for.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) adapter: Adapter,
    pub(super) device: Device,
    pub(super) queue: Queue,
    /// What was compiled for it.
    pipelines: Mutex<Pipelines>,
    trouble: Trouble,
}

/// The first thing that went wrong, or that the GPU was lost.
#[derive(Debug, Clone, Default)]
struct Trouble(Arc<Mutex<Option<GpuError>>>);

impl Trouble {
    fn add(&self, error: GpuError) {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(error, GpuError::Lost { .. }) || first.is_none() {
            *first = Some(error);
        }
    }

    fn forget(&self) {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        first.take_if(|error| !matches!(error, GpuError::Lost { .. }));
    }

    fn get(&self) -> Option<GpuError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Context {
    /// Opens a GPU: that of a number, or the first.
    pub(super) fn open(index: Option<usize>, level: Level) -> Result<Self, GpuError> {
        let mut found = adapters::found();
        if found.is_empty() {
            return Err(GpuError::NoAdapter);
        }
        let (index, count) = (index.unwrap_or(0), found.len());
        if index >= count {
            return Err(GpuError::NoSuchAdapter { index, count });
        }
        let adapter = found.swap_remove(index);
        let described = adapters::describe(&adapter);
        let (features, limits) = match level {
            Level::Floor => (Features::empty(), Limits::downlevel_defaults()),
            Level::Full => (adapter.features() & ABOVE_FLOOR, adapter.limits()),
        };
        let descriptor = DeviceDescriptor {
            label: Some("glimpse"),
            required_features: features,
            required_limits: limits,
            ..DeviceDescriptor::default()
        };
        let opened = pollster::block_on(adapter.request_device(&descriptor));
        let (device, queue) =
            opened.map_err(|error| GpuError::Closed { adapter: described.name.clone(), reason: error.to_string() })?;
        let trouble = Trouble::default();
        let kept = trouble.clone();
        device.on_uncaptured_error(Arc::new(move |error| kept.add(of_wgpu(error))));
        let kept = trouble.clone();
        device.set_device_lost_callback(move |reason, message| {
            let reason = if message.is_empty() { format!("{reason:?}") } else { message };
            kept.add(GpuError::Lost { reason });
        });
        Ok(Self { adapter: described, device, queue, pipelines: Mutex::default(), trouble })
    }

    /// # Errors
    /// What has gone wrong, if anything has.
    pub(super) fn check(&self) -> Result<(), GpuError> {
        self.trouble.get().map_or(Ok(()), Err)
    }

    /// Forgets what went wrong with something that is done without from here on; a GPU that is lost stays lost.
    pub(super) fn forget(&self) {
        self.trouble.forget();
    }

    /// What an error came of, if that is known: a GPU that was lost refuses all kinds of things before it says so.
    pub(super) fn explain(&self, error: GpuError) -> GpuError {
        // that it was lost is said when what was under way has ended
        let _ = self.device.poll(PollType::Wait { submission_index: None, timeout: Some(EXPLAIN) });
        self.trouble.get().unwrap_or(error)
    }

    /// Has wgpu say that something went wrong.
    #[cfg(test)]
    pub(super) fn fail(&self, error: wgpu::Error) {
        self.trouble.add(of_wgpu(error));
    }

    /// Waits until what was submitted is done.
    pub(super) fn wait(&self, submission: SubmissionIndex, limit: Duration) -> Result<(), GpuError> {
        let polled = self.device.poll(PollType::Wait { submission_index: Some(submission), timeout: Some(limit) });
        self.check()?;
        polled.map(|_| ()).map_err(|error| match error {
            wgpu::PollError::Timeout => GpuError::TimedOut { limit },
            other @ wgpu::PollError::WrongSubmissionIndex(..) => GpuError::Lost { reason: other.to_string() },
        })
    }

    /// Takes commands that are submitted together.
    pub(super) fn encoder(&self) -> CommandEncoder {
        self.device.create_command_encoder(&CommandEncoderDescriptor { label: None })
    }

    /// Keeps from here on in a folder what the driver compiles, and takes from there what is known already.
    pub(super) fn keep_compiled(&self, folder: &Path) {
        if self.device.features().contains(Features::PIPELINE_CACHE) {
            let compiled = Compiled::new(folder, &self.adapter, &self.device);
            self.pipelines.lock().unwrap_or_else(PoisonError::into_inner).keep(compiled);
        }
    }

    /// Where that is.
    pub(super) fn compiled(&self) -> Option<Compiled> {
        self.pipelines.lock().unwrap_or_else(PoisonError::into_inner).compiled()
    }

    /// Does something; and once more with all compiled anew, if what was kept may be why it fails.
    ///
    /// # Errors
    /// Its own.
    pub(super) fn compiled_anew_if_need_be<T>(&self, work: impl Fn() -> Result<T, GpuError>) -> Result<T, GpuError> {
        let error = match work() {
            Err(error) if error.is_of_kernels() => error,
            done => return done,
        };
        let kept = self.pipelines.lock().unwrap_or_else(PoisonError::into_inner).forget();
        let Some(kept) = kept else { return Err(error) };
        self.forget();
        let again = work();
        if again.is_ok() {
            kept.distrust();
        }
        again
    }

    /// Kernels, each compiled once.
    pub(super) fn pipelines(&self, kernels: &[Kernel]) -> Result<Vec<ComputePipeline>, GpuError> {
        self.pipelines.lock().unwrap_or_else(PoisonError::into_inner).get(&self.device, kernels)
    }

    /// An empty buffer.
    pub(super) fn buffer(&self, label: &str, bytes: u64, usage: BufferUsages) -> Buffer {
        let size = bytes.max(16);
        self.device.create_buffer(&BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false })
    }

    /// A buffer that kernels read, with its contents.
    pub(super) fn constant(&self, label: &str, contents: &[u8]) -> Result<Buffer, GpuError> {
        self.begun(label, contents, 0)
    }

    /// A buffer that begins with these contents, and has place for so many bytes behind them.
    pub(super) fn begun(&self, label: &str, contents: &[u8], more: u64) -> Result<Buffer, GpuError> {
        let size = (contents.len() as u64 + more).next_multiple_of(16).max(16);
        let usage = BufferUsages::STORAGE;
        let buffer =
            self.device.create_buffer(&BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: true });
        self.check()?;
        let mut mapped = buffer
            .get_mapped_range_mut(..contents.len() as u64)
            .map_err(|error| GpuError::Refused { reason: error.to_string() })?;
        mapped.copy_from_slice(contents);
        drop(mapped);
        buffer.unmap();
        Ok(buffer)
    }
}

/// What wgpu says, in our words.
pub(super) fn of_wgpu(error: wgpu::Error) -> GpuError {
    match error {
        wgpu::Error::OutOfMemory { source } => GpuError::Memory { reason: source.to_string() },
        other => GpuError::Refused { reason: other.to_string() },
    }
}
