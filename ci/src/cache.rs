//! Where what can be made again is kept between runs: the user's cache folder.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::PathBuf;

use anyhow::Context;

/// Glimpse's part of the user's cache folder: `$XDG_CACHE_HOME/glimpse`, or `~/.cache/glimpse`.
///
/// # Errors
/// When neither `XDG_CACHE_HOME` nor `HOME` says where that is.
pub fn folder() -> anyhow::Result<PathBuf> {
    folder_in(env::var_os("XDG_CACHE_HOME"), env::var_os("HOME"))
        .context("set HOME or XDG_CACHE_HOME: there is no folder to keep the Python environment in")
}

/// Keeps others that ask for the same name in Glimpse's cache folder waiting, until what it returns is dropped.
///
/// # Errors
/// When the folder cannot be written.
pub fn lock(name: &str) -> anyhow::Result<File> {
    let folder = folder()?;
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let path = folder.join(format!("{name}.lock"));
    let file = File::create(&path).with_context(|| format!("making {}", path.display()))?;
    file.lock().with_context(|| format!("locking {}", path.display()))?;
    Ok(file)
}

fn folder_in(cache_home: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    // The XDG specification has a relative path ignored.
    cache_home
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| home.filter(|home| !home.is_empty()).map(|home| PathBuf::from(home).join(".cache")))
        .map(|cache| cache.join("glimpse"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_cache_folder_is_the_one_named_or_else_the_usual_one() {
        let folder =
            |cache: Option<&str>, home: Option<&str>| folder_in(cache.map(OsString::from), home.map(OsString::from));
        let usual = Path::new("/h/.cache/glimpse");
        assert_eq!(folder(Some("/c"), Some("/h")).unwrap(), Path::new("/c/glimpse"));
        assert_eq!(folder(None, Some("/h")).unwrap(), usual);
        assert_eq!(folder(Some("relative"), Some("/h")).unwrap(), usual);
        assert_eq!(folder(None, Some("")), None);
        assert_eq!(folder(None, None), None);
    }
}
