//! Where frames come from.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `program.rs` | a program's output: cameras and films of other programs |
//! | `stream.rs` | a stream of bytes into frames: Y4M, MJPEG, raw |
//! | `film.rs` | a film that is such a stream, with no program |
//! | `pictures.rs` | a folder's pictures, or one again and again |
//! | `pattern.rs` | a pattern that moves |
//! | `v4l2/` | cameras by V4L2, as Linux has them |

mod film;
mod pattern;
mod pictures;
mod program;
mod stream;
#[cfg(all(feature = "v4l2", target_os = "linux"))]
pub mod v4l2;
#[cfg(not(all(feature = "v4l2", target_os = "linux")))]
mod v4l2_missing;

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;

use self::film::Film;
use self::pattern::Pattern;
use self::pictures::Pictures;
use self::program::Program;
pub use self::stream::read_frames;
use super::pixels::{PixelFormat, RawFrame};
use super::uri::SourceUri;

/// Frames, one after another.
pub trait Source {
    /// Waits so long for the next one.
    ///
    /// # Errors
    /// When there will be none; the source may be opened again.
    fn next(&mut self, limit: Duration) -> Result<Next>;
}

/// What a source gives.
#[derive(Debug)]
pub enum Next {
    Frame(RawFrame),
    /// Nothing yet.
    Nothing,
    /// No more, and all is well.
    End,
}

/// What is wanted of a source that can choose.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// Width and height, in pixels.
    pub size: Option<[u32; 2]>,
    /// Frames a second.
    pub fps: Option<f64>,
    pub format: Option<PixelFormat>,
    /// Each frame is to be seen, however long that takes.
    pub every: bool,
    /// What has ended is begun again.
    pub again: bool,
}

impl Wanted {
    /// Width and height of what can be of any size.
    fn size(&self) -> [u32; 2] {
        self.size.unwrap_or([640, 480])
    }
}

/// Why a source cannot be opened, where another try would not help: what is wrong is not the camera but what was asked for.
#[derive(Debug)]
pub struct Hopeless(String);

impl fmt::Display for Hopeless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Hopeless {}

impl Hopeless {
    /// An error, with what it comes of.
    fn of(error: &anyhow::Error) -> anyhow::Error {
        Self(format!("{error:#}")).into()
    }
}

/// Opens a source.
///
/// # Errors
/// When it cannot be; it may be tried again, unless the error is [`Hopeless`].
pub fn open(uri: &SourceUri, wanted: &Wanted) -> Result<Box<dyn Source>> {
    Ok(match uri {
        SourceUri::Test(seed) => Box::new(Pattern::new(*seed, wanted)),
        SourceUri::Image(path) => Box::new(Pictures::one(path, wanted).map_err(|error| Hopeless::of(&error))?),
        SourceUri::Dir(path) => Box::new(Pictures::of_folder(path).map_err(|error| Hopeless::of(&error))?),
        #[cfg(all(feature = "v4l2", target_os = "linux"))]
        SourceUri::V4l2(name) => Box::new(v4l2::Camera::start(&v4l2::device_path(name), uri, wanted)),
        #[cfg(not(all(feature = "v4l2", target_os = "linux")))]
        SourceUri::V4l2(name) => return Err(v4l2_missing::refusal(name)),
        SourceUri::File(path) => match Film::open(path, wanted)? {
            Some(film) => Box::new(film),
            None => Box::new(Program::start(uri, wanted)?),
        },
        uri => Box::new(Program::start(uri, wanted)?),
    })
}

/// When frames are due that come at a rate.
#[derive(Debug)]
struct Pace {
    /// None: as fast as they are taken.
    period: Option<Duration>,
    due: Instant,
}

impl Pace {
    fn new(fps: Option<f64>) -> Self {
        Self { period: fps.map(|fps| Duration::from_secs_f64(1.0 / fps)), due: Instant::now() }
    }

    /// Waits for the next one, but no longer than so: whether it is due.
    fn wait(&mut self, limit: Duration) -> bool {
        let Some(period) = self.period else { return true };
        let ahead = self.due.saturating_duration_since(Instant::now());
        std::thread::sleep(ahead.min(limit));
        if ahead > limit {
            return false;
        }
        // who is late does not make up for it
        self.due = (self.due + period).max(Instant::now());
        true
    }
}
