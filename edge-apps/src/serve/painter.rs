//! A thread that makes pictures of what was seen, while somebody looks.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use glimpse_runtime::Frame;
use ndarray::{Array2, Array3};

use super::colours::Colours;
use super::state::State;
use super::views;

/// What was seen of a frame.
#[derive(Debug)]
pub struct Glance {
    pub source: usize,
    pub number: u64,
    pub frame: Arc<Frame>,
    /// Places of the visible patches.
    pub visible: Vec<usize>,
    /// `[N+1, C]`
    pub tokens: Array2<f32>,
    /// `[S, S, 3]`
    pub picture: Option<Array3<u8>>,
}

/// A place for one glance of each source: a newer one takes the place of one that was not taken.
#[derive(Debug)]
pub struct Glances {
    places: Mutex<Places>,
    changed: Condvar,
}

#[derive(Debug)]
struct Places {
    newest: Vec<Option<Glance>>,
    /// The source whose turn it is.
    next: usize,
    stopped: bool,
}

impl Glances {
    pub fn new(sources: usize) -> Self {
        let newest = (0..sources).map(|_| None).collect();
        Self { places: Mutex::new(Places { newest, next: 0, stopped: false }), changed: Condvar::new() }
    }

    pub fn put(&self, glance: Glance) {
        let source = glance.source;
        let older = self.lock().newest[source].replace(glance);
        // freed after the lock
        drop(older);
        self.changed.notify_all();
    }

    /// Waits for a glance; none when all is to stop.
    fn take(&self) -> Option<Glance> {
        let waits = |places: &mut Places| !places.stopped && places.newest.iter().all(Option::is_none);
        let waiting = self.changed.wait_while(self.lock(), waits);
        let mut places = waiting.unwrap_or_else(PoisonError::into_inner);
        if places.stopped {
            return None;
        }
        // each source in its turn: one that is fast leaves the others theirs
        let sources = places.newest.len();
        let source = (0..sources).map(|step| (places.next + step) % sources).find(|&at| places.newest[at].is_some())?;
        places.next = (source + 1) % sources;
        places.newest[source].take()
    }

    pub fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the thread.
///
/// # Errors
/// When there is none.
pub fn start(state: Arc<State>) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("painter".to_owned()).spawn(move || {
        let mut colours: Vec<Colours> = state.about.sources.iter().map(|_| Colours::default()).collect();
        let mut said = false;
        while let Some(glance) = state.glances.take() {
            let source = glance.source;
            match views::painted(&state, glance, &mut colours[source]) {
                Ok(painted) => state.show(source, painted),
                Err(error) if !said => {
                    log::warn!("the page cannot show a frame: {error:#}");
                    said = true;
                }
                Err(_) => {}
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_each_source_is_taken_in_turn() {
        let glances = Glances::new(2);
        let glance = |source, number| Glance {
            source,
            number,
            frame: Arc::new(Frame::from_pixels(Array3::zeros((1, 1, 3))).unwrap()),
            visible: Vec::new(),
            tokens: Array2::default((0, 0)),
            picture: None,
        };
        for number in 0..3 {
            glances.put(glance(0, number));
        }
        glances.put(glance(1, 7));
        let taken = || glances.take().map(|glance| (glance.source, glance.number));
        assert_eq!([taken(), taken()], [Some((0, 2)), Some((1, 7))]);
        glances.stop();
        assert_eq!(taken(), None);
    }
}
