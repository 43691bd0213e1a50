//! Cameras by V4L2, as Linux has them.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `device.rs` | opening a camera and asking it for what is wanted; why it cannot be, and what would work |
//! | `modes.rs` | what a camera has, and what of it is nearest to what is wanted |
//! | `rows.rs` | a driver's buffer without what pads its rows |
//! | `list.rs` | which cameras there are |
//!
//! nokhwa opens a camera and sets its mode, where it can. Frames are read by what it stands on, `v4l`: nokhwa waits for a frame
//! without end, says neither how long rows are nor how much of a buffer is filled, and does not know UYVY, I420 and grey.

mod device;
mod list;
mod modes;
mod rows;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, bail, ensure};
use rustix::time::{ClockId, clock_gettime};
use v4l::buffer::{Flags, Metadata, Type};
use v4l::io::mmap::Stream;
use v4l::io::traits::CaptureStream as _;

pub use self::list::{Listed, cameras};
use super::{Next, Source, Wanted};
use crate::camera::pixels::{PixelFormat, RawFrame};
use crate::camera::uri::SourceUri;

/// Buffers that the driver fills in turns: as few as keep it going, since what waits in them grows old.
const BUFFERS: u32 = 3;
/// How long a camera may take to its first frame, and from frame to frame beyond its own period.
const MOST_TO_BEGIN: Duration = Duration::from_secs(5);
const MOST_SILENCE: Duration = Duration::from_millis(1200);

/// A camera that is filming.
///
/// A thread holds it, since a driver may keep whoever asks it waiting. Nobody waits for the thread: it looks for its reader with
/// each whole frame, and ends, which lets the camera go, when there is none, or none came for longer than one may take.
#[derive(Debug)]
pub struct Camera {
    frames: Receiver<Result<RawFrame>>,
}

impl Camera {
    pub fn start(path: &Path, uri: &SourceUri, wanted: &Wanted) -> Self {
        let (give, frames) = mpsc::sync_channel(1);
        let (path, name, wanted) = (path.to_owned(), uri.to_string(), *wanted);
        std::thread::spawn(move || {
            // the camera is closed before that is said, so that it can be opened again
            if let Err(error) = film(&path, &name, &wanted, &give) {
                // nobody may be there any more to hear it
                let _ = give.send(Err(error));
            }
        });
        Self { frames }
    }
}

impl Source for Camera {
    fn next(&mut self, limit: Duration) -> Result<Next> {
        match self.frames.recv_timeout(limit) {
            Ok(frame) => Ok(Next::Frame(frame?)),
            Err(RecvTimeoutError::Timeout) => Ok(Next::Nothing),
            Err(RecvTimeoutError::Disconnected) => bail!("its thread broke down"),
        }
    }
}

/// The device that a source's name means: a number, or a path.
pub fn device_path(name: &Path) -> PathBuf {
    match name.to_str() {
        Some(number) if number.bytes().all(|byte| byte.is_ascii_digit()) => format!("/dev/video{number}").into(),
        _ => name.to_owned(),
    }
}

/// Gives frames until nobody wants another.
fn film(path: &Path, name: &str, wanted: &Wanted, give: &SyncSender<Result<RawFrame>>) -> Result<()> {
    let device = device::open(path, wanted)?;
    let given = device::ask(&device, path, wanted)?;
    if !given.mode.is_as_asked(wanted) {
        warn_once(format!("{name}: {} was asked for; the camera gives {}", modes::asked(wanted), given.mode));
    }
    let failed = |error| device::explained(error, path);
    let mut stream = Stream::with_buffers(&device, Type::VideoCapture, BUFFERS).map_err(failed)?;
    let period = given.mode.fps().map_or(Duration::ZERO, |fps| Duration::from_secs_f64(1.0 / fps));
    pass_on(period, give, |limit| {
        stream.set_timeout(limit);
        let (buffer, metadata) = match stream.next() {
            Err(error) if error.kind() == ErrorKind::TimedOut => bail!("no frame for {:.1} s", limit.as_secs_f64()),
            other => other.map_err(failed)?,
        };
        // what the driver knows to be broken
        if metadata.flags.contains(Flags::ERROR) || metadata.bytesused == 0 {
            return Ok(None);
        }
        let filled = &buffer[..buffer.len().min(metadata.bytesused as usize)];
        Ok(Some(frame(filled, metadata, &given)))
    })
}

/// Gives whole frames until nobody wants another: `next` waits so long for a frame, and has none where it is broken.
///
/// # Errors
/// Those of `next`; when broken ones alone come for longer than a whole one may take, with which nobody would see that the
/// reader is gone.
fn pass_on(
    period: Duration,
    give: &SyncSender<Result<RawFrame>>,
    mut next: impl FnMut(Duration) -> Result<Option<RawFrame>>,
) -> Result<()> {
    let (mut most, mut since) = (MOST_TO_BEGIN + period, Instant::now());
    loop {
        let left = most.saturating_sub(since.elapsed());
        ensure!(!left.is_zero(), "no whole frame for {:.1} s", most.as_secs_f64());
        let Some(frame) = next(left)? else { continue };
        if give.send(Ok(frame)).is_err() {
            return Ok(());
        }
        (most, since) = (MOST_SILENCE + period, Instant::now());
    }
}

fn frame(buffer: &[u8], metadata: &Metadata, given: &device::Given) -> RawFrame {
    let (format, size) = (given.mode.format, given.mode.size);
    let bytes = rows::unpadded(buffer, format, size, given.stride);
    let [width, height] = if format == PixelFormat::Mjpeg { [0; 2] } else { size };
    let mut frame = RawFrame::now(format, width, height, bytes).in_range(given.range);
    if let Some(age) = age(metadata) {
        frame.captured = frame.captured.checked_sub(age).unwrap_or_else(SystemTime::now);
        frame.captured_at = frame.captured_at.checked_sub(age).unwrap_or_else(Instant::now);
    }
    frame
}

/// How long ago a frame was captured, if its driver says so.
fn age(metadata: &Metadata) -> Option<Duration> {
    let kind = metadata.flags & Flags::TIMESTAMP_MASK;
    let now = clock_gettime(ClockId::Monotonic);
    let now = Duration::new(now.tv_sec.try_into().ok()?, now.tv_nsec.try_into().ok()?);
    (kind == Flags::TIMESTAMP_MONOTONIC).then(|| now.checked_sub(metadata.timestamp.into()))?
}

/// Warns, unless the same was said before: a camera that is taken up again is the same camera.
fn warn_once(what: String) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if !said.contains(&what) {
        log::warn!("{what}");
        said.insert(what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_whose_frames_are_all_broken_is_let_go() {
        let whole = || RawFrame::now(PixelFormat::Grey, 1, 1, vec![0]);
        let (give, frames) = mpsc::sync_channel(1);
        let start = Instant::now();
        let mut asked = 0;
        let ended = pass_on(Duration::ZERO, &give, |limit| {
            asked += 1;
            assert!(limit <= MOST_TO_BEGIN && start.elapsed() < 2 * MOST_SILENCE, "it is held for ever");
            std::thread::sleep(Duration::from_millis(5));
            Ok((asked == 1).then(whole))
        });
        assert!(ended.unwrap_err().to_string().contains("no whole frame for 1.2 s"));
        assert!(asked > 2 && start.elapsed() >= MOST_SILENCE && frames.try_recv().is_ok());
        // and so is one that nobody looks at
        drop(frames);
        assert!(pass_on(Duration::ZERO, &give, |_| Ok(Some(whole()))).is_ok());
    }
}
