//! Where features and painted frames go, each on a thread of its own: one that is slow slows nobody else.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `output.rs` | what an output is called |
//! | `file.rs` | a file that is whole or is not there, and what a run that was killed left |
//! | `rotate.rs` | when a file ends and the next one begins |
//! | `lines.rs` | features as JSON, a line a frame |
//! | `parquet.rs` | features as Parquet |
//! | `npy.rs` | features as a matrix of `NumPy`'s |
//! | `pair.rs` | both files of a matrix: their names, and what a run that was killed left |
//! | `film.rs` | painted frames as MJPEG or Y4M |
//! | `broker.rs` | where an MQTT broker is |
//! | `mqtt.rs` | features to an MQTT broker |
//! | `delivery.rs` | what is on its way to a broker |
//! | `spool.rs` | messages on the disk, while a broker is away |
//! | `zenoh.rs` | features to a key of Zenoh's |

mod broker;
#[cfg(feature = "mqtt")]
mod delivery;
mod file;
mod film;
mod lines;
#[cfg(feature = "mqtt")]
mod mqtt;
mod npy;
mod output;
mod pair;
mod parquet;
mod rotate;
#[cfg(feature = "mqtt")]
mod spool;
#[cfg(feature = "zenoh")]
mod zenoh;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use ndarray::Array3;

use broker::Broker;
pub use lines::{Features, Row};
pub use output::{Destination, Kind, Output};
pub use rotate::{Bytes, Rotate};

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
    Picture(Arc<Painted>),
}

/// A painted frame.
#[derive(Debug)]
pub struct Painted {
    /// `[S, S, 3]`
    pub pixels: Array3<u8>,
    /// Height and width of its source's frame.
    pub frame_px: [usize; 2],
    /// Frames a second of its source, if that says so.
    pub fps: Option<f64>,
}

/// What takes items, one after another.
trait Sink: Send {
    /// # Errors
    /// When it is not taken: it is lost, and what was taken before is not, unless the error is [`Dropped`], which counts what
    /// is.
    fn take(&mut self, item: &Item) -> Result<()>;

    /// Whether what was taken is enough for [`Sink::keep`] to begin another file.
    fn is_due(&self) -> bool {
        false
    }

    /// Brings what was taken to where the power may go.
    ///
    /// # Errors
    /// When that cannot be: it is tried again, but for what is lost, which is [`Dropped`].
    fn keep(&mut self) -> Result<()>;

    /// Ends it; what would be empty is not left behind by a run that failed.
    ///
    /// # Errors
    /// When the last of it cannot be brought there; what is lost of it is [`Dropped`].
    fn finish(self: Box<Self>, succeeded: bool) -> Result<()>;
}

/// Items that are lost, such as were taken before.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
struct Dropped {
    count: u64,
    why: &'static str,
}

impl Dropped {
    /// # Errors
    /// When there are any, or it was not done.
    fn after(self, done: Result<()>) -> Result<()> {
        match done {
            done if self.count == 0 => done,
            Ok(()) => Err(self.into()),
            Err(error) => Err(error.context(self)),
        }
    }

    /// How many an error says are lost.
    fn count_in(error: &anyhow::Error) -> Option<u64> {
        error.downcast_ref::<Self>().map(|dropped| dropped.count)
    }
}

/// What is asked of files and messages that wait.
#[derive(Debug, Clone)]
#[cfg_attr(
    not(all(feature = "mqtt", feature = "zenoh")),
    expect(dead_code, reason = "some of it is for outputs that may be left out")
)]
pub struct Keeping {
    /// When a file ends and the next one begins.
    pub rotate: Option<Rotate>,
    /// Where messages wait for a broker that is away, and how many bytes of them.
    pub spool: PathBuf,
    pub most_spool_bytes: u64,
    /// Zenoh's configuration.
    pub zenoh: Option<PathBuf>,
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
    pub fn start(output: &Output, keeping: &Keeping) -> Result<Self> {
        let rotate = keeping.rotate;
        let sink: Box<dyn Sink> = match (&output.to, output.kind) {
            (Destination::Mqtt(broker), _) => message_sink(broker, keeping)?,
            (Destination::Zenoh(key), _) => zenoh_sink(key, keeping)?,
            (_, Kind::Lines) => Box::new(lines::Lines::new(output, rotate)?),
            (_, Kind::Parquet) => Box::new(parquet::Parquet::new(output, rotate)?),
            (_, Kind::Npy) => Box::new(npy::Npy::new(output, rotate)?),
            (_, Kind::Mjpeg | Kind::Y4m) => Box::new(film::Film::new(output, rotate)?),
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
            Err(TrySendError::Disconnected(_)) if self.output.is_stdout() => Ok(false),
            Err(TrySendError::Disconnected(_)) => Err(anyhow!("{} broke down", self.output)),
        }
    }

    /// Items that it had no time for so far.
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// Ends it: items that it missed, and that it lost; and an error when the last of it cannot be written.
    pub fn finish(self, succeeded: bool) -> ([u64; 2], Result<()>) {
        drop(self.give);
        let Ok((sink, lost)) = self.thread.join() else {
            return ([self.missed, 0], Err(anyhow!("{} broke down", self.output)));
        };
        let done = sink.finish(succeeded);
        let lost = lost + done.as_ref().err().and_then(Dropped::count_in).unwrap_or(0);
        let done = match done {
            // what reads it is given nothing twice
            Ok(()) if lost > 0 && self.output.is_stdout() => Err(anyhow!("{lost} frames could not be written")),
            // given up for what is newer, which is no failure in the middle of a run either
            Err(error) if error.is::<Dropped>() && error.chain().len() == 1 => {
                log::warn!("{}: {error:#}; {lost} lost in all", self.output);
                Ok(())
            }
            done => done,
        };
        ([self.missed, lost], done)
    }
}

/// Where messages wait, if no folder is named: systemd's for a service, else the user's.
pub fn spool_folder(named: Option<&Path>) -> PathBuf {
    let of_service = || std::env::var_os("STATE_DIRECTORY").map(|folder| Path::new(&folder).join("spool"));
    let of_user = || Some(dirs::state_dir().or_else(dirs::data_local_dir)?.join("glimpse/spool"));
    named.map(Path::to_owned).or_else(of_service).or_else(of_user).unwrap_or_else(|| "spool".into())
}

#[cfg(feature = "mqtt")]
fn message_sink(broker: &Broker, keeping: &Keeping) -> Result<Box<dyn Sink>> {
    // a folder for each, by a name that any file system takes
    let name = format!("{}-{}-{}", broker.host, broker.port, broker.topic);
    let name: String = name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect();
    Ok(Box::new(mqtt::Mqtt::new(broker, &keeping.spool.join(name), keeping.most_spool_bytes)?))
}

#[cfg(not(feature = "mqtt"))]
fn message_sink(_: &Broker, _: &Keeping) -> Result<Box<dyn Sink>> {
    anyhow::bail!("this program was built without MQTT; build it with --features mqtt")
}

#[cfg(feature = "zenoh")]
fn zenoh_sink(key: &str, keeping: &Keeping) -> Result<Box<dyn Sink>> {
    Ok(Box::new(zenoh::Zenoh::new(key, keeping.zenoh.as_deref())?))
}

#[cfg(not(feature = "zenoh"))]
fn zenoh_sink(_: &str, _: &Keeping) -> Result<Box<dyn Sink>> {
    anyhow::bail!("this program was built without Zenoh; build it with --features zenoh")
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
                    lost += Dropped::count_in(&error).unwrap_or(1);
                    say(&error, lost);
                }
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
        if kept.elapsed() >= KEPT_EVERY || sink.is_due() {
            if let Err(error) = sink.keep() {
                lost += Dropped::count_in(&error).unwrap_or(0);
                say(&error, lost);
            }
            kept = Instant::now();
        }
    }
    (sink, lost)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    /// A frame's features.
    pub fn item(frame: u64, features: Features) -> Item {
        Item::Row(Arc::new(Row {
            source: "test:0".to_owned(),
            frame,
            captured: SystemTime::now(),
            model_sha256: "a".to_owned(),
            preprocess_version: 1,
            patches: vec![1, 2],
            features,
        }))
    }

    /// Loses three items whenever it keeps, and two at its end.
    struct Losing {
        /// What the end comes of.
        cause: Option<&'static str>,
    }

    impl Sink for Losing {
        fn take(&mut self, _: &Item) -> Result<()> {
            std::thread::sleep(KEPT_EVERY);
            Ok(())
        }

        fn keep(&mut self) -> Result<()> {
            Dropped { count: 3, why: "no place" }.after(Err(anyhow!("full")))
        }

        fn finish(self: Box<Self>, _: bool) -> Result<()> {
            Dropped { count: 2, why: "no place" }.after(self.cause.map_or(Ok(()), |cause| Err(anyhow!(cause))))
        }
    }

    #[test]
    fn what_is_lost_while_it_is_kept_and_at_the_end_is_counted() {
        for (cause, succeeds) in [(None, true), (Some("full"), false)] {
            let (give, items) = mpsc::sync_channel(MOST_WAITING);
            give.send(item(0, Features::Row(vec![1.0]))).unwrap();
            let thread = std::thread::spawn(move || run(Box::new(Losing { cause }), &items, "a"));
            let running = Running { output: "a.jsonl".parse().unwrap(), give, thread, missed: 1 };
            let (counts, done) = running.finish(true);
            assert_eq!((counts, done.is_ok()), ([1, 5], succeeds), "{done:?}");
        }
    }
}
