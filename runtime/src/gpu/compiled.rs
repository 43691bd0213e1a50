//! What a driver compiled, kept in the user's cache folder from start to start.
//!
//! Many drivers keep it themselves, sooner or later; those of phones leave it to the program. A kernel has a file, of the digest of the
//! rest of it, and then what the driver says, where that is Vulkan's; for drivers of other versions, and for other versions of
//! Glimpse, there are other folders.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use glimpse_models::FileEntry;
use wgpu::{Device, ErrorFilter, PipelineCache, PipelineCacheDescriptor, util};

use super::adapters::Adapter;
use super::kept::{fnv, replace};
use super::kernels::Kernel;

/// The most bytes that a file may have: a kernel's are some hundred thousand at most.
const MOST_BYTES: u64 = 16 << 20;
/// Hexadecimal digits of a digest.
const DIGEST: usize = 64;

/// Drivers, and versions of Glimpse, for which a GPU's kernels are kept: those that were written last.
const DRIVERS: usize = 4;
/// A file that says that a driver's kernels are not to be kept.
const DISTRUSTED: &str = "distrusted";

/// Where a GPU's kernels are kept.
#[derive(Debug, Clone)]
pub(crate) struct Compiled {
    folder: PathBuf,
    /// Whether anything was there for this start.
    used: Arc<AtomicBool>,
}

/// What a driver compiles a kernel with, and what it knew already.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) cache: PipelineCache,
    data: Option<Vec<u8>>,
    file: PathBuf,
}

impl Compiled {
    /// A place in a folder; none where the driver gives nothing to be kept, or gave what was wrong.
    pub(super) fn new(folder: &Path, adapter: &Adapter, device: &Device) -> Option<Self> {
        let gpu = util::pipeline_cache_key(&device.adapter_info())?;
        let of_gpu = folder.join(format!("{:016x}", fnv(&format!("{gpu}; {}", adapter.name))));
        let version = format!("{}; {}", env!("CARGO_PKG_VERSION"), adapter.driver);
        let folder = of_gpu.join(format!("{:016x}", fnv(&version)));
        if !folder.is_dir() {
            leave_newest(&of_gpu, DRIVERS - 1);
        }
        (!folder.join(DISTRUSTED).exists()).then(|| Self { folder, used: Arc::default() })
    }

    /// What is known of a kernel.
    pub(super) fn of(&self, device: &Device, kernel: Kernel) -> Option<Known> {
        let name = fnv(&format!("{kernel:?}; {}", kernel.shader().source));
        let file = self.folder.join(format!("{name:016x}.bin"));
        if let Some(data) = read(&file)
            && let Some(cache) = cache(device, Some(&data))
        {
            self.used.store(true, Ordering::Relaxed);
            return Some(Known { cache, data: Some(data), file });
        }
        Some(Known { cache: cache(device, None)?, data: None, file })
    }

    /// Lets all go, since it may be what is wrong. `false` if nothing was there for this start, so that it is not.
    pub(crate) fn forget(&self) -> bool {
        let was_used = self.used.load(Ordering::Relaxed);
        if was_used {
            let _ = fs::remove_dir_all(&self.folder);
        }
        was_used
    }

    /// Keeps nothing more of this driver: it was what was wrong.
    pub(super) fn distrust(&self) {
        if let Err(error) = replace(&self.folder.join(DISTRUSTED), b"") {
            log::debug!("{} cannot be written: {error}", self.folder.display());
        }
    }
}

/// What a driver compiles with, and whether it takes what it gave before.
#[expect(unsafe_code, reason = "a driver takes what it is given for its own: wgpu has no other way to say so")]
fn cache(device: &Device, data: Option<&[u8]>) -> Option<PipelineCache> {
    let scope = device.push_error_scope(ErrorFilter::Validation);
    let descriptor = PipelineCacheDescriptor { label: None, data, fallback: true };
    // SAFETY: the data are what `PipelineCache::get_data` gave on a GPU of this maker's number, device number and name, whole by
    // their digest, in a folder that is the user's own.
    let cache = unsafe { device.create_pipeline_cache(&descriptor) };
    pollster::block_on(scope.pop()).is_none().then_some(cache)
}

/// Removes folders of a folder but for so many that were written to last.
fn leave_newest(folder: &Path, count: usize) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<(SystemTime, PathBuf)> =
        entries.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()))).collect();
    folders.sort();
    let old = folders.len().saturating_sub(count);
    for (_, folder) in &folders[..old] {
        // what is in use or gone already stays or is gone
        let _ = fs::remove_dir_all(folder);
    }
}

impl Known {
    /// Removes what there was: the driver refused the kernel.
    pub(super) fn forget(self) {
        if self.data.is_some() {
            let _ = fs::remove_file(self.file);
        }
    }

    /// Keeps what the driver knows now, if it is something else; where that cannot be, it compiles again at the next start.
    pub(super) fn keep(self) {
        let Some(data) = self.cache.get_data().filter(|data| self.data.as_ref() != Some(data)) else { return };
        let contents = [FileEntry::of(&data).sha256.as_bytes(), &data].concat();
        if let Err(error) = replace(&self.file, &contents) {
            log::debug!("what the GPU's driver compiled is not kept in {}: {error}", self.file.display());
        }
    }
}

/// The data of a file, if it is whole.
fn read(file: &Path) -> Option<Vec<u8>> {
    let read = || -> io::Result<Vec<u8>> {
        let mut contents = Vec::new();
        fs::File::open(file)?.take(MOST_BYTES).read_to_end(&mut contents)?;
        Ok(contents)
    };
    let contents = read().ok()?;
    let (digest, data) = contents.split_at_checked(DIGEST)?;
    (FileEntry::of(data).sha256.as_bytes() == digest).then(|| data.to_vec())
}
