//! Signs of life: to the log once a minute, and to systemd, which starts again what gives none.

use std::time::{Duration, Instant};

use super::mailbox::Mailbox;
use super::watch::Done;

/// How often numbers are said.
const SAID_EVERY: Duration = Duration::from_mins(1);

/// When signs were given.
#[derive(Debug)]
pub struct Pulse {
    /// How often systemd wants a sign, if it does: twice as often as it must be.
    every: Option<Duration>,
    given: Instant,
    said: Instant,
    frames_then: u64,
}

impl Pulse {
    /// Says that frames are looked at from now on.
    pub fn begin(sources: &[String], outputs: &[String], model: &str, device: &str) -> Self {
        let (sources, outputs) = (sources.join(", "), outputs.join(", "));
        log::info!(sources, outputs, model, device; "frames are looked at");
        system::say(&[system::READY]);
        let now = Instant::now();
        Self { every: system::watchdog().map(|every| every / 2), given: now, said: now, frames_then: 0 }
    }

    /// To be called again and again by the one who computes: when it hangs, the signs end.
    pub fn beat(&mut self, done: &Done, mailbox: &Mailbox) {
        if self.every.is_some_and(|every| self.given.elapsed() >= every) {
            system::say(&[system::ALIVE]);
            self.given = Instant::now();
        }
        let since = self.said.elapsed();
        if since >= SAID_EVERY {
            let frames_per_s = (done.frames - self.frames_then) as f64 / since.as_secs_f64();
            let (frames, broken, covered, dropped) = (done.frames, done.broken, done.covered, mailbox.dropped());
            let latency_ms = done.latencies_ms.back().copied().unwrap_or_default();
            let visible = done.patches as f64 / frames.max(1) as f64;
            log::info!(frames, frames_per_s, dropped, broken, covered, latency_ms, visible; "so far");
            system::say(&[&format!(
                "STATUS=frames {frames}, {frames_per_s:.1} a second; dropped {dropped}, broken {broken}"
            )]);
            (self.said, self.frames_then) = (Instant::now(), frames);
        }
    }

    /// Says that it is over.
    pub fn end(done: &Done, mailbox: &Mailbox) {
        let &Done { frames, broken, covered, seconds, .. } = done;
        let dropped = mailbox.dropped();
        log::info!(frames, dropped, broken, covered, seconds; "it is over");
        system::say(&[system::STOPPING]);
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::time::Duration;

    use sd_notify::NotifyState;

    pub const READY: &str = "READY=1";
    pub const ALIVE: &str = "WATCHDOG=1";
    pub const STOPPING: &str = "STOPPING=1";

    /// Says something to systemd, if it started us.
    pub fn say(what: &[&str]) {
        let states: Vec<NotifyState> = what.iter().map(|state| NotifyState::Custom(state)).collect();
        if let Err(error) = sd_notify::notify(&states) {
            log::debug!("systemd does not listen: {error}");
        }
    }

    pub fn watchdog() -> Option<Duration> {
        sd_notify::watchdog_enabled()
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::time::Duration;

    pub const READY: &str = "";
    pub const ALIVE: &str = "";
    pub const STOPPING: &str = "";

    pub fn say(_: &[&str]) {}

    pub fn watchdog() -> Option<Duration> {
        None
    }
}
