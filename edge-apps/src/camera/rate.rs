//! How many patches a machine can look at and keep a rate.

use std::time::{Duration, Instant};

/// Shares of a frame's time: above the first, fewer patches are looked at; below the second, more.
const TOO_BUSY: f64 = 0.95;
const IDLE: f64 = 0.8;
/// How much of its own time a frame adds to the mean of those before it.
const NEWEST: f64 = 0.25;

/// What the loop spends on a frame: reading, computing and giving it away, all but the wait for it.
#[derive(Debug)]
pub struct Busy {
    since: Instant,
    otherwise: Duration,
}

impl Busy {
    pub fn begin(now: Instant) -> Self {
        Self { since: now, otherwise: Duration::ZERO }
    }

    /// Leaves out what was spent on no frame that is looked at.
    pub fn leave_out(&mut self, time: Duration) {
        self.otherwise += time;
    }

    /// What a frame has cost that is done now: the time since the one before was.
    pub fn frame(&mut self, now: Instant) -> Duration {
        let spent = now.duration_since(self.since).saturating_sub(self.otherwise);
        *self = Self::begin(now);
        spent
    }
}

/// Moves the number of patches, so that each frame is done in its time.
#[derive(Debug)]
pub struct RateKeeper {
    period_ms: f64,
    most: usize,
    count: usize,
    /// The mean of the last frames, since the number was changed.
    busy_ms: Option<f64>,
}

impl RateKeeper {
    /// To keep so many frames a second with up to so many patches.
    pub fn new(fps: f64, most: usize) -> Self {
        Self { period_ms: 1e3 / fps, most, count: most, busy_ms: None }
    }

    /// Changes up to how many patches that may be.
    pub fn set_most(&mut self, most: usize) {
        *self = Self { most, count: most, busy_ms: None, ..*self };
    }

    /// How many patches the next frame has, after one that took so long.
    pub fn next(&mut self, busy_ms: f64) -> usize {
        let mean = self.busy_ms.map_or(busy_ms, |mean| mean + NEWEST * (busy_ms - mean));
        let before = self.count;
        if mean > TOO_BUSY * self.period_ms {
            // at once as many fewer as it is too slow, if cost followed their number alone
            let fitting = (self.count as f64 * TOO_BUSY * self.period_ms / mean) as usize;
            self.count = fitting.clamp(1, self.count.saturating_sub(1).max(1));
        } else if mean < IDLE * self.period_ms {
            // by little: what is too much costs a frame
            self.count = (self.count + 1 + self.count / 16).min(self.most);
        }
        self.busy_ms = (self.count == before).then_some(mean);
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs frames that cost so much each and so much a patch: the number at the end, and frames that took too long.
    fn run(keeper: &mut RateKeeper, fixed_ms: f64, patch_ms: f64, frames: usize) -> (usize, usize) {
        let mut late = 0;
        for _ in 0..frames {
            let ms = fixed_ms + patch_ms * keeper.count as f64;
            late += usize::from(ms > keeper.period_ms);
            keeper.next(ms);
        }
        (keeper.count, late)
    }

    #[test]
    fn a_frame_costs_all_but_the_wait_for_it() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let mut busy = Busy::begin(start);
        busy.leave_out(ms(60));
        busy.leave_out(ms(10));
        assert_eq!(busy.frame(start + ms(100)), ms(30));
        assert_eq!(busy.frame(start + ms(140)), ms(40));
        busy.leave_out(ms(60));
        assert_eq!(busy.frame(start + ms(199)), ms(0));
    }

    #[test]
    fn the_number_follows_what_the_machine_can() {
        // 50 ms a frame
        let mut keeper = RateKeeper::new(20.0, 196);
        // fast: all of them
        assert_eq!(run(&mut keeper, 5.0, 0.1, 50), (196, 0));
        // warm: some 80 of them fit
        let (count, late) = run(&mut keeper, 10.0, 0.5, 50);
        assert!((55..=80).contains(&count) && late <= 6, "{count} {late}");
        // and no frame after those is late
        assert_eq!(run(&mut keeper, 10.0, 0.5, 200).1, 0);
        // cool again
        assert_eq!(run(&mut keeper, 5.0, 0.1, 50).0, 196);
        // another budget
        keeper.set_most(30);
        assert_eq!(run(&mut keeper, 5.0, 0.1, 50).0, 30);
        // hopeless: one is always looked at
        assert_eq!(run(&mut keeper, 90.0, 0.5, 50).0, 1);
    }
}
