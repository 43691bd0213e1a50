//! Which files a path stands for.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use walkdir::WalkDir;

use super::Format;

/// The pictures at a path, each with its place below it. A folder is walked in name order, and what does not end like a
/// picture is left out; what cannot be gone into is said, and left out, too. A file is taken as it is.
pub fn list(input: &Path) -> Result<Vec<(PathBuf, PathBuf)>> {
    if !input.exists() {
        bail!("there is no file {}; check the path", input.display());
    }
    if !input.is_dir() {
        let name = input.file_name().with_context(|| format!("{} names no file", input.display()))?;
        return Ok(vec![(input.to_owned(), name.into())]);
    }
    let mut found = Vec::new();
    for entry in WalkDir::new(input).sort_by_file_name().follow_links(true) {
        let entry = match entry {
            Err(error) if error.depth() > 0 => {
                say_left_out(&error);
                continue;
            }
            entry => entry.with_context(|| format!("reading the folder {}", input.display()))?,
        };
        if entry.file_type().is_file() && Format::from_path(entry.path()).is_ok() {
            let relative = entry.path().strip_prefix(input)?.to_owned();
            found.push((entry.into_path(), relative));
        }
    }
    if found.is_empty() {
        bail!("{} holds no picture: none of its files ends in .jpg, .jpeg, .png or .webp", input.display());
    }
    Ok(found)
}

/// Says what of a folder cannot be read, unless it is a link to nothing that would be no picture either.
fn say_left_out(error: &walkdir::Error) {
    let path = error.path().unwrap_or(Path::new(""));
    let reason = error.io_error().map(std::io::Error::to_string);
    let is_nothing = error.io_error().is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound);
    if !is_nothing || Format::from_path(path).is_ok() {
        let reason = reason.unwrap_or_else(|| "a link to a folder that it is in".to_owned());
        log::warn!("passed over: {}: {reason}", path.display());
    }
}
