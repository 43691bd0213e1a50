//! Decoded pictures, kept in memory while there is room.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::Context;
use image::{ImageReader, RgbImage};

/// What a picture can be had from.
pub trait Decode: Send + Sync {
    /// The picture's colours.
    ///
    /// # Errors
    /// Names the file when it cannot be read or decoded.
    fn decode(&self) -> anyhow::Result<RgbImage>;
}

impl Decode for PathBuf {
    fn decode(&self) -> anyhow::Result<RgbImage> {
        decode(self)
    }
}

/// Pictures by index; each is decoded when first asked for, and kept as long as the memory budget lasts.
pub struct Pictures<S = PathBuf> {
    sources: Vec<S>,
    kept: Vec<OnceLock<Option<Arc<RgbImage>>>>,
    room_bytes: AtomicUsize,
}

impl<S: Decode> Pictures<S> {
    /// Pictures of `sources`, with `room_bytes` of memory for decoded ones.
    #[must_use]
    pub fn new(sources: Vec<S>, room_bytes: usize) -> Self {
        let kept = sources.iter().map(|_| OnceLock::new()).collect();
        Self { sources, kept, room_bytes: AtomicUsize::new(room_bytes) }
    }

    /// How many there are, broken ones too.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// What the picture of that index is had from.
    #[must_use]
    pub fn source(&self, index: usize) -> &S {
        &self.sources[index]
    }

    /// The picture of that index, or none if its file is broken; the first time, a broken file is named on stderr.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Arc<RgbImage>> {
        if let Some(kept) = self.kept[index].get() {
            return kept.clone();
        }
        match self.sources[index].decode() {
            Err(error) => {
                if self.kept[index].set(None).is_ok() {
                    eprintln!("passed over: {error:#}");
                }
                None
            }
            Ok(picture) => {
                let picture = Arc::new(picture);
                let bytes = picture.as_raw().len();
                let take = |room: usize| room.checked_sub(bytes);
                if self.room_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
                    && self.kept[index].set(Some(picture.clone())).is_err()
                {
                    self.room_bytes.fetch_add(bytes, Ordering::Relaxed);
                }
                Some(picture)
            }
        }
    }
}

/// Decodes one file to RGB, whatever its pixels were.
///
/// # Errors
/// Names the file when it cannot be read or decoded.
pub fn decode(path: &Path) -> anyhow::Result<RgbImage> {
    let picture = ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .with_context(|| format!("reading {}", path.display()))?
        .decode()
        .with_context(|| format!("decoding {}", path.display()))?;
    Ok(picture.into_rgb8())
}
