//! A folder's pictures, or one again and again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};

use super::{Next, Pace, Source, Wanted};
use crate::camera::pixels::{PixelFormat, RawFrame};
use crate::features::inputs;
use crate::picture::Picture;

/// Frames a second of one picture, if none are asked for.
const FPS: f64 = 1.0;

/// Pictures as frames.
#[derive(Debug)]
pub enum Pictures {
    One { frame: RawFrame, pace: Pace },
    Folder { waiting: std::vec::IntoIter<PathBuf> },
}

impl Pictures {
    /// One picture, again and again.
    pub fn one(path: &Path, wanted: &Wanted) -> Result<Self> {
        let fps = if wanted.every { wanted.fps } else { Some(wanted.fps.unwrap_or(FPS)) };
        Ok(Self::One { frame: read(path)?, pace: Pace::new(fps) })
    }

    /// Each picture of a folder once, in the order of their names.
    pub fn of_folder(folder: &Path) -> Result<Self> {
        if !folder.is_dir() {
            bail!("{} is no folder; check the path", folder.display());
        }
        let paths: Vec<PathBuf> = inputs(&[folder.to_owned()])?.into_iter().map(|input| input.path).collect();
        Ok(Self::Folder { waiting: paths.into_iter() })
    }
}

impl Source for Pictures {
    fn next(&mut self, limit: Duration) -> Result<Next> {
        match self {
            Self::One { frame, pace } => {
                if !pace.wait(limit) {
                    return Ok(Next::Nothing);
                }
                Ok(Next::Frame(RawFrame::now(frame.format, frame.width, frame.height, frame.bytes.clone())))
            }
            Self::Folder { waiting } => {
                for path in waiting.by_ref() {
                    match read(&path) {
                        Ok(frame) => return Ok(Next::Frame(frame)),
                        Err(error) => log::warn!("passed over: {error:#}"),
                    }
                }
                Ok(Next::End)
            }
        }
    }
}

fn read(path: &Path) -> Result<RawFrame> {
    let rgb = Picture::read_to_look_at(path)?.to_rgb();
    let (width, height) = rgb.dimensions();
    Ok(RawFrame::now(PixelFormat::Rgb, width, height, rgb.into_raw()))
}
