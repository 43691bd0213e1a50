//! A folder that is packed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// A folder that is packed, file by file.
pub struct Tree(pub PathBuf);

impl Tree {
    pub fn file(&self, from: &Path, to: &str, mode: u32) -> anyhow::Result<()> {
        let to = self.0.join(to);
        fs::create_dir_all(to.parent().unwrap_or(&self.0))
            .with_context(|| format!("making the folder of {}", to.display()))?;
        fs::copy(from, &to).with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
        set_mode(&to, mode)
    }

    pub fn folder(&self, from: &Path, to: &str) -> anyhow::Result<()> {
        for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
            let entry = entry?;
            self.file(&entry.path(), &format!("{to}/{}", entry.file_name().display()), 0o644)?;
        }
        Ok(())
    }

    pub fn text(&self, text: &str, to: &str) -> anyhow::Result<()> {
        let to = self.0.join(to);
        fs::create_dir_all(to.parent().unwrap_or(&self.0))
            .with_context(|| format!("making the folder of {}", to.display()))?;
        fs::write(&to, text).with_context(|| format!("writing {}", to.display()))?;
        set_mode(&to, 0o644)
    }

    /// Bytes of all its files.
    pub fn bytes(&self) -> anyhow::Result<u64> {
        let (mut sum, mut folders) = (0, vec![self.0.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
                let entry = entry?;
                let about = entry.metadata()?;
                if about.is_dir() { folders.push(entry.path()) } else { sum += about.len() }
            }
        }
        Ok(sum)
    }
}

/// Sets who may read, write and run a file, where files have that.
#[cfg_attr(not(unix), expect(clippy::unnecessary_wraps, reason = "on Unix, it may fail"))]
pub fn set_mode(path: &Path, mode: u32) -> anyhow::Result<()> {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))
        .with_context(|| format!("setting the mode of {}", path.display()))?;
    #[cfg(not(unix))]
    let _ = (path, mode);
    Ok(())
}
