//! A thread a source, that opens it again when it fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::mailbox::Mailbox;
use super::sources::{self, Hopeless, Next, Wanted};
use super::uri::SourceUri;

/// How long a source may be silent: before its first frame, and after.
const MOST_TO_BEGIN: Duration = Duration::from_secs(10);
const MOST_SILENCE: Duration = Duration::from_millis(1500);
/// When it is said that it has not begun yet.
const SAID_AFTER: Duration = Duration::from_millis(1800);
/// Pauses before a source is opened again: the first, and the longest, each twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often it is asked whether all is to stop.
const TICK: Duration = Duration::from_millis(50);

/// Begins to capture a source's frames, until `stop` is set or the source ends.
pub fn start(
    source: usize,
    uri: SourceUri,
    wanted: Wanted,
    mailbox: Arc<Mailbox>,
    stop: Arc<AtomicBool>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let capture = Capture { source, uri, wanted, mailbox, stop };
        capture.run();
        capture.mailbox.end(source);
    })
}

struct Capture {
    source: usize,
    uri: SourceUri,
    wanted: Wanted,
    mailbox: Arc<Mailbox>,
    stop: Arc<AtomicBool>,
}

impl Capture {
    fn run(&self) {
        let (mut pause, mut failed, mut broke_off) = (FIRST_PAUSE, false, false);
        while !self.is_stopped() {
            let before = self.mailbox.counts(self.source).0;
            let gave = || self.mailbox.counts(self.source).0 > before;
            match self.capture(failed) {
                // it ended, and gave frames: one that gives none would end again at once, for ever
                Ok(()) if self.wanted.again && gave() => failed = false,
                Ok(()) => return,
                // what is wrong with a film is so each time
                Err(error)
                    if error.is::<Hopeless>() || (self.is_film() && self.mailbox.counts(self.source).0 == before) =>
                {
                    self.mailbox.fail(self.source, error.context(self.uri.to_string()));
                    return;
                }
                Err(error) if self.is_film() => {
                    if !broke_off {
                        log::warn!("{}: {error:#}; what came before that was seen", self.uri);
                        self.mailbox.break_off(self.source, format!("{error:#}"));
                    }
                    broke_off = true;
                    if !self.wanted.again {
                        return;
                    }
                }
                Err(error) => {
                    if gave() {
                        pause = FIRST_PAUSE;
                    }
                    log::warn!("{}: {error:#}; it is tried again in {:.1} s", self.uri, pause.as_secs_f64());
                    self.sleep(pause);
                    pause = (2 * pause).min(LONGEST_PAUSE);
                    failed = true;
                }
            }
        }
    }

    /// Opens the source once, maybe after it failed, and gives its frames: until its end, or that of all.
    fn capture(&self, mut failed: bool) -> Result<()> {
        let mut source = sources::open(&self.uri, &self.wanted)?;
        let mut last = Instant::now();
        let mut first = true;
        while !self.is_stopped() {
            match source.next(TICK)? {
                Next::Frame(frame) => {
                    if failed && first {
                        log::warn!("{}: it is back", self.uri);
                    }
                    first = false;
                    if self.wanted.every || self.uri.is_finite() {
                        while !self.mailbox.wait_until_taken(self.source, TICK) {
                            if self.is_stopped() {
                                return Ok(());
                            }
                        }
                    }
                    self.mailbox.put(self.source, frame);
                    last = Instant::now();
                }
                Next::Nothing => {
                    let most = if first { MOST_TO_BEGIN } else { MOST_SILENCE };
                    let silence = last.elapsed();
                    if first && !failed && silence > SAID_AFTER + self.period() {
                        log::warn!("{}: no frame yet; it is waited for", self.uri);
                        failed = true;
                    }
                    // a film's frames come as it has them, and as its disk does: to begin it again would be no help
                    let is_silent = silence >= most + self.period() && !self.is_film();
                    ensure!(!is_silent, "no frame for {:.1} s", silence.as_secs_f64());
                }
                Next::End => return Ok(()),
            }
        }
        Ok(())
    }

    fn is_film(&self) -> bool {
        matches!(self.uri, SourceUri::File(_))
    }

    /// The time from frame to frame that was asked for.
    fn period(&self) -> Duration {
        self.wanted.fps.map_or(Duration::ZERO, |fps| Duration::from_secs_f64(1.0 / fps))
    }

    fn sleep(&self, pause: Duration) {
        let start = Instant::now();
        while !self.is_stopped() && start.elapsed() < pause {
            std::thread::sleep(TICK.min(pause));
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
