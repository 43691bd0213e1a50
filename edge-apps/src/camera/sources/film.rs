//! A film whose frames lie in its file one after another: Y4M, or motion JPEG as cameras write it.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result};

use super::stream::{film_fps, frames_of};
use super::{Hopeless, Next, Pace, Source, Wanted};
use crate::camera::pixels::RawFrame;

/// Bytes of a file that are read at once.
const FILE_BYTES: usize = 1 << 18;

/// A film that takes no other program to read.
#[derive(Debug)]
pub struct Film {
    frames: Receiver<Result<RawFrame>>,
    pace: Pace,
}

impl Film {
    /// Opens a film, at its own pace unless each frame is to be seen; nothing where it is another kind of film, or is to be
    /// made another size or rate.
    ///
    /// # Errors
    /// [`Hopeless`] when there is no such file.
    pub fn open(path: &Path, wanted: &Wanted) -> Result<Option<Self>> {
        if !path.is_file() {
            return Err(Hopeless(format!("{} is no file; check the path", path.display())).into());
        }
        if wanted.size.is_some() || wanted.fps.is_some() {
            return Ok(None);
        }
        let reading = || format!("reading {}", path.display());
        let mut file = BufReader::with_capacity(FILE_BYTES, File::open(path).with_context(reading)?);
        let Some(fps) = film_fps(file.fill_buf().with_context(reading)?) else { return Ok(None) };
        let frames = frames_of(file, Wanted { format: None, ..*wanted });
        Ok(Some(Self { frames, pace: Pace::new((!wanted.every).then_some(fps)) }))
    }
}

impl Source for Film {
    fn next(&mut self, limit: Duration) -> Result<Next> {
        if !self.pace.wait(limit) {
            return Ok(Next::Nothing);
        }
        match self.frames.recv_timeout(limit) {
            // it was read ahead, and is there now
            Ok(frame) => {
                Ok(Next::Frame(RawFrame { captured: SystemTime::now(), captured_at: Instant::now(), ..frame? }))
            }
            Err(RecvTimeoutError::Timeout) => Ok(Next::Nothing),
            Err(RecvTimeoutError::Disconnected) => Ok(Next::End),
        }
    }
}
