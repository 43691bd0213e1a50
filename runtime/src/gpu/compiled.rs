//! What a driver compiled, kept in the user's cache folder from start to start.
//!
//! Many drivers keep it themselves, sooner or later; those of phones leave it to the program. A file has the digest of the rest
//! of it, and then what the driver says; for drivers of other versions, and for other versions of Glimpse, there are other folders,
//! of which one is kept for a GPU.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use glimpse_models::FileEntry;
use wgpu::{Device, ErrorFilter, PipelineCache, PipelineCacheDescriptor, util};

use super::adapters::Adapter;
use super::kept::{fnv, replace};
use super::kernels::Kernel;

/// The most bytes that a file may have: a kernel's are some hundred thousand at most.
const MOST_BYTES: u64 = 16 << 20;
/// Hexadecimal digits of a digest.
const DIGEST: usize = 64;

/// Where a GPU's kernels are kept.
#[derive(Debug)]
pub(super) struct Compiled {
    folder: PathBuf,
}

/// What a driver compiles a kernel with, and what it knew already.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) cache: PipelineCache,
    data: Option<Vec<u8>>,
    file: PathBuf,
}

impl Compiled {
    /// A place in a folder; none where the driver gives nothing to be kept. What is there of the GPU's other drivers goes.
    pub(super) fn new(folder: &Path, adapter: &Adapter, device: &Device) -> Option<Self> {
        let gpu = util::pipeline_cache_key(&device.adapter_info())?;
        let of_gpu = folder.join(format!("{:016x}", fnv(&format!("{gpu}; {}", adapter.name))));
        let version = format!("{}; {}", env!("CARGO_PKG_VERSION"), adapter.driver);
        let folder = of_gpu.join(format!("{:016x}", fnv(&version)));
        if !folder.is_dir() {
            // where there is nothing, there is nothing to go
            let _ = fs::remove_dir_all(&of_gpu);
        }
        Some(Self { folder })
    }

    /// What is known of a kernel.
    #[expect(unsafe_code, reason = "a driver takes what it is given for its own: wgpu has no other way to say so")]
    pub(super) fn of(&self, device: &Device, kernel: Kernel) -> Option<Known> {
        let file = self.folder.join(format!("{:016x}.bin", fnv(&format!("{kernel:?}"))));
        let data = read(&file);
        let scope = device.push_error_scope(ErrorFilter::Validation);
        let descriptor = PipelineCacheDescriptor { label: None, data: data.as_deref(), fallback: true };
        // SAFETY: the data are what `PipelineCache::get_data` gave on a GPU of this maker's number, device number and name, whole by
        // their digest, in a folder that is the user's own.
        let cache = unsafe { device.create_pipeline_cache(&descriptor) };
        pollster::block_on(scope.pop()).is_none().then_some(Known { cache, data, file })
    }

    /// Lets all go: what was kept may be what is wrong.
    pub(super) fn forget(&self) {
        // what is not there needs not go
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Known {
    /// Keeps what the driver knows now, if it is more; where that cannot be, it compiles again at the next start.
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
