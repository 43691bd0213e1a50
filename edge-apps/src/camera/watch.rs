//! Frames through the model, as they come.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, anyhow};
use glimpse_runtime::{Frame, Stream};
use ndarray::{ArrayView2, ArrayView3};

use super::budget::Chooser;
use super::live::Live;
use super::mailbox::{Captured, Found, Mailbox};
use super::pulse::Pulse;
use super::rate::{Busy, RateKeeper};

/// How long one waits for a frame before asking whether all is to stop.
const TICK: Duration = Duration::from_millis(50);
/// How often it is said that frames are passed over.
const SAID_EVERY: Duration = Duration::from_secs(10);
/// How many frames' latencies are kept: a program that runs for months does not grow.
const MOST_LATENCIES: usize = 1 << 16;

/// A frame that was looked at.
#[derive(Debug)]
pub struct Seen<'a> {
    pub source: usize,
    pub number: u64,
    pub captured: SystemTime,
    /// As its source gave it, decoded if it was a JPEG.
    pub frame: Arc<Frame>,
    /// Frames a second of its source, if that says so.
    pub fps: Option<f64>,
    /// Places of the visible patches.
    pub visible: &'a [usize],
    /// `[N+1, C]`
    pub tokens: ArrayView2<'a, f32>,
    /// `[S, S, 3]`, empty if not asked for
    pub picture: ArrayView3<'a, u8>,
    #[cfg_attr(not(feature = "serve"), expect(dead_code, reason = "a page alone shows it"))]
    pub took: Took,
}

/// How long a frame's stages took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Took {
    /// Its bytes to a frame.
    #[cfg_attr(not(feature = "serve"), expect(dead_code, reason = "a page alone shows it"))]
    pub read: Duration,
    /// What is looked at of it.
    #[cfg_attr(not(feature = "serve"), expect(dead_code, reason = "a page alone shows it"))]
    pub choose: Duration,
    /// The wait for the model's answer.
    pub compute: Duration,
    /// From its capture to its answer.
    pub latency: Duration,
}

/// When to stop, beside a signal, and how fast to be until then.
#[derive(Debug)]
pub struct Until {
    pub frames: Option<u64>,
    pub duration: Option<Duration>,
    /// Look at fewer patches where it takes that to keep a rate.
    pub keeper: Option<RateKeeper>,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Done {
    pub frames: u64,
    /// Patches that were looked at in them.
    pub patches: u64,
    /// Frames that could not be read.
    pub broken: u64,
    /// Frames of which viewers left nothing to look at.
    pub covered: u64,
    pub seconds: f64,
    /// From a frame's capture to its answer, in milliseconds: of the last frames.
    pub latencies_ms: VecDeque<f64>,
}

/// What other threads have, too.
#[derive(Debug, Clone, Copy)]
pub struct Shared<'a> {
    pub mailbox: &'a Mailbox,
    /// What viewers ask for.
    pub live: &'a Live,
    /// Set when all is to stop.
    pub stop: &'a AtomicBool,
}

/// A frame under way.
struct Info {
    source: usize,
    number: u64,
    captured: SystemTime,
    captured_at: Instant,
    fps: Option<f64>,
    took: Took,
}

/// Looks at frames until the sources end, or it is time, or `stop` is set.
///
/// # Errors
/// When the model fails, or what is given the frames does.
pub fn watch(
    Shared { mailbox, live, stop }: Shared,
    stream: &mut Stream,
    choosers: &mut [Chooser],
    pulse: &mut Pulse,
    mut until: Until,
    mut give: impl FnMut(&Seen) -> Result<()>,
) -> Result<Done> {
    let mut done = Done::default();
    let mut under_way: VecDeque<Info> = VecDeque::new();
    let mut passed_over = PassedOver::default();
    let mut known = 0;
    let start = Instant::now();
    let mut busy = Busy::begin(start);
    loop {
        pulse.beat(&done, mailbox);
        let is_late = until.duration.is_some_and(|duration| start.elapsed() >= duration);
        let taken = done.frames + under_way.len() as u64;
        let is_enough = until.frames.is_some_and(|frames| taken >= frames);
        let wants_more = !(is_late || is_enough || stop.load(Ordering::Relaxed));
        // a GPU has another frame to wait for it; the CPU has none, so that a frame is not older than it must be
        let most = if stream.model().runs_on() == "cpu" { 1 } else { Stream::MOST };
        if wants_more && under_way.len() < most {
            let limit = if under_way.is_empty() { TICK } else { Duration::ZERO };
            let waited = Instant::now();
            let found = mailbox.take(limit);
            busy.leave_out(waited.elapsed());
            match found {
                Found::Frame(Captured { source, number, frame }) => {
                    if let Some(settings) = live.newer(&mut known) {
                        for (chooser, never) in choosers.iter_mut().zip(&settings.never) {
                            chooser.set(settings.budget, never)?;
                        }
                        if let Some(keeper) = &mut until.keeper {
                            keeper.set_most(settings.budget.count(stream.model().grid())?);
                        }
                    }
                    let began = Instant::now();
                    let (captured, captured_at, fps) = (frame.captured, frame.captured_at, frame.fps);
                    match frame.into_frame() {
                        Ok(frame) => {
                            let read = began.elapsed();
                            if let Some(mask) = choosers[source].mask(&frame, number)? {
                                stream.set_give(live.give(source))?;
                                stream.submit(frame, mask)?;
                                let took =
                                    Took { read, choose: began.elapsed().saturating_sub(read), ..Took::default() };
                                under_way.push_back(Info { source, number, captured, captured_at, fps, took });
                            } else {
                                done.covered += 1;
                                passed_over.say(source, &anyhow!("the page's boxes cover every patch; take one away"));
                                busy.leave_out(began.elapsed());
                            }
                        }
                        Err(error) => {
                            done.broken += 1;
                            passed_over.say(source, &error);
                            busy.leave_out(began.elapsed());
                        }
                    }
                    continue;
                }
                Found::Failed(error) => return Err(error),
                Found::Nothing if under_way.is_empty() => continue,
                Found::Ended if under_way.is_empty() => break,
                Found::Nothing | Found::Ended => {}
            }
        }
        let Some(Info { source, number, captured, captured_at, fps, mut took }) = under_way.pop_front() else { break };
        let began = Instant::now();
        let Some(answer) = stream.receive()? else { break };
        (took.compute, took.latency) = (began.elapsed(), captured_at.elapsed());
        done.patches += answer.mask.visible().len() as u64;
        if done.latencies_ms.len() == MOST_LATENCIES {
            done.latencies_ms.pop_front();
        }
        done.latencies_ms.push_back(took.latency.as_secs_f64() * 1e3);
        done.frames += 1;
        let (frame, visible) = (Arc::new(answer.frame), answer.mask.visible());
        let (tokens, picture) = (answer.tokens, answer.picture);
        give(&Seen { source, number, captured, frame, fps, visible, tokens, picture, took })?;
        let spent = busy.frame(Instant::now());
        if let Some(keeper) = &mut until.keeper {
            let count = keeper.next(spent.as_secs_f64() * 1e3);
            for chooser in &mut *choosers {
                chooser.set_count(count);
            }
        }
    }
    done.seconds = start.elapsed().as_secs_f64();
    Pulse::end(&done, mailbox);
    Ok(done)
}

/// Says why frames are passed over, but not for each.
#[derive(Default)]
struct PassedOver {
    said: Option<Instant>,
    since: u64,
}

impl PassedOver {
    fn say(&mut self, source: usize, error: &anyhow::Error) {
        self.since += 1;
        if self.said.is_none_or(|said| said.elapsed() >= SAID_EVERY) {
            log::warn!("source {source}: passed over {} frames: {error:#}", self.since);
            (self.said, self.since) = (Some(Instant::now()), 0);
        }
    }
}
