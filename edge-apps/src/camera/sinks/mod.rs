//! Where features and painted frames go, each on a thread of its own: one that is slow slows nobody else.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `output.rs` | what an output is called |
//! | `file.rs` | a file that is whole or is not there, and what a run that was killed left |
//! | `rotate.rs` | when a file ends and the next one begins |
//! | `lines.rs` | features as JSON, a line a frame |
//! | `parquet.rs` | features as Parquet |
//! | `film.rs` | painted frames as MJPEG or Y4M |

mod file;
mod film;
mod lines;
mod output;
mod parquet;
mod rotate;

use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use ndarray::Array3;

pub use lines::{Features, Row};
pub use output::{Kind, Output};
pub use rotate::Rotate;

/// How many frames may wait for a sink.
const MOST_WAITING: usize = 64;
/// How often it is said that a sink fails.
const SAID_EVERY: Duration = Duration::from_secs(10);
/// How often what was written goes to the disk.
const KEPT_EVERY: Duration = Duration::from_secs(1);

/// What a sink is given.
#[derive(Debug, Clone)]
pub enum Item {
    Row(Arc<Row>),
    /// `[S, S, 3]`
    Picture(Arc<Array3<u8>>),
}

/// What takes items, one after another.
trait Sink: Send {
    /// # Errors
    /// When it is not taken: it is lost, and what was taken before is not.
    fn take(&mut self, item: &Item) -> Result<()>;

    /// Brings what was taken to where the power may go.
    fn keep(&mut self) -> Result<()>;

    /// Ends it; what would be empty is not left behind by a run that failed.
    fn finish(self: Box<Self>, succeeded: bool) -> Result<()>;
}

/// A sink at work.
pub struct Running {
    pub output: Output,
    give: SyncSender<Item>,
    thread: JoinHandle<(Box<dyn Sink>, u64)>,
    /// Items that it had no time for.
    missed: u64,
}

impl Running {
    /// Starts a sink.
    ///
    /// # Errors
    /// When what it is to write cannot be begun.
    pub fn start(output: &Output, rotate: Option<Rotate>) -> Result<Self> {
        let sink: Box<dyn Sink> = match output.kind {
            Kind::Lines => Box::new(lines::Lines::new(output, rotate)?),
            Kind::Parquet => Box::new(parquet::Parquet::new(output, rotate)?),
            Kind::Mjpeg | Kind::Y4m => Box::new(film::Film::new(output, rotate)?),
        };
        let (give, items) = mpsc::sync_channel(MOST_WAITING);
        let name = output.to_string();
        let thread = std::thread::spawn(move || run(sink, &items, &name));
        Ok(Self { output: output.clone(), give, thread, missed: 0 })
    }

    /// Gives it an item: where it has no place, the item is missed, unless each is to be seen. False when whoever read standard
    /// output has seen enough.
    ///
    /// # Errors
    /// When it broke down.
    pub fn give(&mut self, item: Item, every: bool) -> Result<bool> {
        let given = if every {
            self.give.send(item).map_err(|mpsc::SendError(item)| TrySendError::Disconnected(item))
        } else {
            self.give.try_send(item)
        };
        match given {
            Ok(()) => Ok(true),
            Err(TrySendError::Full(_)) => {
                if self.missed == 0 {
                    log::warn!("{} is slower than the frames: it misses some", self.output);
                }
                self.missed += 1;
                Ok(true)
            }
            Err(TrySendError::Disconnected(_)) if self.output.path.is_none() => Ok(false),
            Err(TrySendError::Disconnected(_)) => Err(anyhow!("{} broke down", self.output)),
        }
    }

    /// Items that it had no time for so far.
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// Ends it: items that it missed, and that it lost.
    ///
    /// # Errors
    /// When the last of it cannot be written.
    pub fn finish(self, succeeded: bool) -> Result<[u64; 2]> {
        drop(self.give);
        let (sink, lost) = self.thread.join().map_err(|_| anyhow!("{} broke down", self.output))?;
        sink.finish(succeeded)?;
        Ok([self.missed, lost])
    }
}

/// Takes items until there are no more: the sink, and how many were lost.
fn run(mut sink: Box<dyn Sink>, items: &mpsc::Receiver<Item>, name: &str) -> (Box<dyn Sink>, u64) {
    let (mut lost, mut said, mut kept) = (0, None::<Instant>, Instant::now());
    let mut say = |error: &anyhow::Error, lost: u64| {
        if said.is_none_or(|said| said.elapsed() >= SAID_EVERY) {
            log::warn!("{name}: {error:#}; {lost} lost so far, and it is tried again");
            said = Some(Instant::now());
        }
    };
    loop {
        match items.recv_timeout(KEPT_EVERY) {
            Ok(item) => {
                if let Err(error) = sink.take(&item) {
                    let cause = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
                    if cause == Some(std::io::ErrorKind::BrokenPipe) {
                        break;
                    }
                    lost += 1;
                    say(&error, lost);
                }
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
        if kept.elapsed() >= KEPT_EVERY {
            if let Err(error) = sink.keep() {
                say(&error, lost);
            }
            kept = Instant::now();
        }
    }
    (sink, lost)
}
