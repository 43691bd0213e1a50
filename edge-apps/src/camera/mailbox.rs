//! The newest frame of each source, between the threads that capture and the one that computes.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::pixels::RawFrame;

/// A frame, and which it is.
#[derive(Debug)]
pub struct Captured {
    /// Which source's, from 0.
    pub source: usize,
    /// Which of its frames, from 0; those that were dropped count.
    pub number: u64,
    pub frame: RawFrame,
}

/// What the one who computes finds.
#[derive(Debug)]
pub enum Found {
    Frame(Captured),
    /// Nothing yet.
    Nothing,
    /// No source will give another one.
    Ended,
    /// A source is not what it was said to be.
    Failed(anyhow::Error),
}

/// A place for one frame of each source: a newer one takes the place of one that was not taken.
#[derive(Debug)]
pub struct Mailbox {
    places: Mutex<Vec<Place>>,
    changed: Condvar,
}

/// A source's place.
#[derive(Debug, Default)]
struct Place {
    newest: Option<Captured>,
    count: u64,
    dropped: u64,
    ended: bool,
    broke_off: Option<String>,
    failed: Option<anyhow::Error>,
}

impl Mailbox {
    pub fn new(sources: usize) -> Self {
        let places = (0..sources).map(|_| Place::default()).collect();
        Self { places: Mutex::new(places), changed: Condvar::new() }
    }

    /// Puts a frame in its source's place.
    pub fn put(&self, source: usize, frame: RawFrame) {
        let mut places = self.lock();
        let place = &mut places[source];
        let captured = Captured { source, number: place.count, frame };
        place.count += 1;
        place.dropped += u64::from(place.newest.replace(captured).is_some());
        drop(places);
        self.changed.notify_all();
    }

    /// Waits until the source's place is empty, or for so long: whether it is empty.
    pub fn wait_until_taken(&self, source: usize, limit: Duration) -> bool {
        let places = self.lock();
        let waits = |places: &mut Vec<Place>| places[source].newest.is_some();
        let (places, _) = self.changed.wait_timeout_while(places, limit, waits).unwrap_or_else(PoisonError::into_inner);
        places[source].newest.is_none()
    }

    /// Says that a source gives no more.
    pub fn end(&self, source: usize) {
        self.lock()[source].ended = true;
        self.changed.notify_all();
    }

    /// Says why a source has given frames and no end.
    pub fn break_off(&self, source: usize, why: String) {
        self.lock()[source].broke_off = Some(why);
    }

    /// Why a source has given frames and no end, if so.
    pub fn broke_off(&self, source: usize) -> Option<String> {
        self.lock()[source].broke_off.clone()
    }

    /// Says that a source is not what it was said to be.
    pub fn fail(&self, source: usize, error: anyhow::Error) {
        let mut places = self.lock();
        (places[source].failed, places[source].ended) = (Some(error), true);
        drop(places);
        self.changed.notify_all();
    }

    /// The frame that waits longest; waits so long for one.
    pub fn take(&self, limit: Duration) -> Found {
        let waits = |places: &mut Vec<Place>| {
            places.iter().all(|place| place.newest.is_none() && place.failed.is_none()) && !all_ended(places)
        };
        let waiting = self.changed.wait_timeout_while(self.lock(), limit, waits);
        let (mut places, _) = waiting.unwrap_or_else(PoisonError::into_inner);
        let oldest = places
            .iter_mut()
            .filter(|place| place.newest.is_some())
            .min_by_key(|place| place.newest.as_ref().map(|captured| captured.frame.captured_at));
        let taken = oldest.and_then(|place| place.newest.take());
        let failed = places.iter_mut().find_map(|place| place.failed.take());
        let found = match (failed, taken) {
            (Some(error), _) => Found::Failed(error),
            (None, Some(captured)) => Found::Frame(captured),
            (None, None) if all_ended(&places) => Found::Ended,
            (None, None) => Found::Nothing,
        };
        drop(places);
        self.changed.notify_all();
        found
    }

    /// Frames of all sources that nobody took.
    pub fn dropped(&self) -> u64 {
        self.lock().iter().map(|place| place.dropped).sum()
    }

    /// Frames that a source has given, and of them those that nobody took.
    pub fn counts(&self, source: usize) -> (u64, u64) {
        let places = self.lock();
        (places[source].count, places[source].dropped)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn all_ended(places: &[Place]) -> bool {
    places.iter().all(|place| place.ended)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::pixels::PixelFormat;

    const SOON: Duration = Duration::from_millis(1);

    fn frame(grey: u8) -> RawFrame {
        RawFrame::now(PixelFormat::Grey, 1, 1, vec![grey])
    }

    fn taken(mailbox: &Mailbox) -> (usize, u64, u8) {
        match mailbox.take(SOON) {
            Found::Frame(Captured { source, number, frame }) => (source, number, frame.bytes[0]),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_newer_frame_takes_an_older_one_s_place_and_is_counted() {
        let mailbox = Mailbox::new(2);
        assert!(matches!(mailbox.take(SOON), Found::Nothing));
        for grey in [1, 2, 3] {
            mailbox.put(0, frame(grey));
        }
        mailbox.put(1, frame(9));
        assert!(!mailbox.wait_until_taken(0, SOON));
        // who waits longest is first, whatever its source
        assert_eq!([taken(&mailbox), taken(&mailbox)], [(0, 2, 3), (1, 0, 9)]);
        assert!(mailbox.wait_until_taken(0, SOON));
        assert_eq!([mailbox.counts(0), mailbox.counts(1)], [(3, 2), (1, 0)]);
    }

    #[test]
    fn a_failure_is_said_before_the_end() {
        let mailbox = Mailbox::new(1);
        mailbox.fail(0, anyhow::anyhow!("no such camera"));
        assert!(matches!(mailbox.take(SOON), Found::Failed(error) if error.to_string() == "no such camera"));
        assert!(matches!(mailbox.take(SOON), Found::Ended));
    }

    #[test]
    fn the_last_frame_is_taken_before_the_end_is_said() {
        let mailbox = Mailbox::new(2);
        mailbox.put(0, frame(1));
        mailbox.end(0);
        mailbox.end(1);
        assert_eq!(taken(&mailbox), (0, 0, 1));
        assert!(matches!(mailbox.take(Duration::from_mins(1)), Found::Ended));
    }
}
