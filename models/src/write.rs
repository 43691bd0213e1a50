//! Writing a bundle: whole or not at all, and the same bytes each time.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::onnx::Bytes;
use crate::{Bundle, BundleFile, Error, Files, MANIFEST_FILE, Manifest};

/// What to do with a bundle that is where a new one is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Leave it and fail.
    Refuse,
    /// Put the new one in its place.
    Replace,
}

impl Bundle {
    /// Writes `manifest` and `files` as the folder `dir`, and gives back the bundle that lies there now.
    ///
    /// Sizes and hashes are worked out here: whatever files `manifest` listed, the one written lists `files`. The bundle
    /// is checked as [`Bundle::open`] would before the first byte is written, written into a folder beside `dir`, and
    /// renamed. A bundle that it replaces stays until the new one is whole; what else lay in its folder, such as the
    /// card's pictures, is kept.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::NotABundle`], [`Error::Io`], and whatever [`Bundle::open`] would say of the result.
    pub fn write(dir: impl AsRef<Path>, manifest: &Manifest, files: &Files, existing: Existing) -> Result<Self, Error> {
        let dir = dir.as_ref();
        let manifest = Bytes::from(manifest.listing(files).to_toml()?);
        let bundle = Self::of(dir, &manifest, files)?;

        let replaced = bundle_to_replace(dir, existing)?;
        let staging = Staging::beside(replaced.as_deref().unwrap_or(dir))?;
        for (file, contents) in files {
            staging.write(file.name(), contents)?;
        }
        staging.write(MANIFEST_FILE, &manifest)?;
        match replaced {
            Some(old) => staging.replace(&old)?,
            None => staging.rename(dir)?,
        }
        Ok(bundle)
    }
}

impl Bundle {
    /// The bundle that [`Bundle::write`] would write, without writing it.
    ///
    /// # Errors
    /// Whatever [`Bundle::open`] would say of it.
    pub fn from_parts(label: impl AsRef<Path>, manifest: &Manifest, files: &Files) -> Result<Self, Error> {
        Self::of(label.as_ref(), &Bytes::from(manifest.listing(files).to_toml()?), files)
    }

    fn of(label: &Path, manifest: &Bytes, files: &Files) -> Result<Self, Error> {
        Self::from_files(label, |name| match BundleFile::from_name(name) {
            Some(file) => files.get(&file).cloned(),
            None => (name == MANIFEST_FILE).then(|| manifest.clone()),
        })
    }
}

/// The real path of the bundle at `dir` that is to be replaced, if there is one.
fn bundle_to_replace(dir: &Path, existing: Existing) -> Result<Option<PathBuf>, Error> {
    match fs::symlink_metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(failed(dir, "look at", source)),
        Ok(_) if existing == Existing::Refuse => Err(Error::Exists { file: dir.to_owned() }),
        // Nobody's home folder becomes a bundle for a slip of the keyboard.
        Ok(_) if !dir.join(MANIFEST_FILE).is_file() => Err(Error::NotABundle { file: dir.to_owned() }),
        // Through a link, so that the folder is replaced and not the link.
        Ok(_) => fs::canonicalize(dir).map(Some).map_err(|source| failed(dir, "look at", source)),
    }
}

/// A folder beside the one to be written, removed with all it holds unless it was renamed.
struct Staging(PathBuf);

impl Staging {
    fn beside(dir: &Path) -> Result<Self, Error> {
        let path = neighbour(dir, "new")?;
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|source| failed(parent, "make", source))?;
        }
        fs::create_dir(&path).map_err(|source| failed(&path, "make", source))?;
        Ok(Self(path))
    }

    fn write(&self, name: &str, contents: &[u8]) -> Result<(), Error> {
        let path = self.0.join(name);
        let write = || -> io::Result<()> {
            let mut file = File::create_new(&path)?;
            file.write_all(contents)?;
            // Else a power cut after the rename could leave a folder of empty files.
            file.sync_all()
        };
        write().map_err(|source| failed(&path, "write", source))
    }

    fn rename(self, dir: &Path) -> Result<(), Error> {
        fs::rename(&self.0, dir).map_err(|source| failed(dir, "write", source))
    }

    fn replace(self, dir: &Path) -> Result<(), Error> {
        let kept = others(dir)?;
        // In both folders at once, so that they are in the bundle whenever this ends; what has no second name is moved later.
        for name in &kept {
            let _ = fs::hard_link(dir.join(name), self.0.join(name));
        }
        let old = exchange(&self.0, dir)?;
        // what has its name is no staging any longer
        let _kept = ManuallyDrop::new(self);
        for name in kept {
            let to = dir.join(&name);
            if fs::symlink_metadata(&to).is_err() {
                fs::rename(old.join(&name), &to).map_err(|source| failed(&to, "keep", source))?;
            }
        }
        fs::remove_dir_all(&old).map_err(|source| failed(&old, "remove", source))
    }
}

/// What is in a bundle's folder and not of the bundle.
fn others(dir: &Path) -> Result<Vec<OsString>, Error> {
    let read = |source| failed(dir, "read", source);
    let names = fs::read_dir(dir).map_err(read)?.map(|entry| Ok(entry.map_err(read)?.file_name()));
    let is_other = |name: &OsString| {
        !name.to_str().is_some_and(|name| name == MANIFEST_FILE || BundleFile::from_name(name).is_some())
    };
    names.filter(|name| name.as_ref().map_or(true, is_other)).collect()
}

/// Gives `new` the name of `dir`, and says where what was there is now: in one step, where the system can.
fn exchange(new: &Path, dir: &Path) -> Result<PathBuf, Error> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        if renameat_with(CWD, new, CWD, dir, RenameFlags::EXCHANGE).is_ok() {
            return Ok(new.to_owned());
        }
    }
    let old = neighbour(dir, "old")?;
    fs::rename(dir, &old).map_err(|source| failed(dir, "replace", source))?;
    if let Err(source) = fs::rename(new, dir) {
        // The first failure is the one to report; the old bundle is whole under either name.
        let _ = fs::rename(&old, dir);
        return Err(failed(dir, "replace", source));
    }
    Ok(old)
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Gone already if it was renamed.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A hidden name beside `dir` that no other writer uses.
fn neighbour(dir: &Path, what: &str) -> Result<PathBuf, Error> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let Some(name) = dir.file_name() else {
        return Err(failed(dir, "write", io::ErrorKind::InvalidFilename.into()));
    };
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let hidden = format!(".{}.{what}-{}-{count}", name.to_string_lossy(), std::process::id());
    Ok(dir.with_file_name(hidden))
}

fn failed(file: &Path, action: &'static str, source: io::Error) -> Error {
    Error::Io { file: file.to_owned(), action, source }
}
