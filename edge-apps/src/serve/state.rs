//! What is known: by the loop's thread, the painter's and the server's.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::About;
use super::meter::Meter;
use super::painter::Glances;
use super::views::Painted;
use crate::camera::live::Live;
use crate::camera::mailbox::Mailbox;
use crate::camera::sinks::Row;

/// The most viewers at a time.
pub const MOST_VIEWERS: usize = 64;
/// How old a temperature may be.
const TEMPERATURE_FOR: Duration = Duration::from_secs(1);

/// All of it.
#[derive(Debug)]
pub struct State {
    pub about: About,
    pub live: Arc<Live>,
    pub mailbox: Arc<Mailbox>,
    pub glances: Glances,
    meter: Mutex<Meter>,
    newest: Mutex<Vec<Option<Newest>>>,
    painted: Vec<watch::Sender<Option<Arc<Painted>>>>,
    viewers: AtomicUsize,
    stop: watch::Sender<bool>,
    temperature: Mutex<Option<(Instant, Option<f64>)>>,
}

/// What is known of a source's newest frame.
#[derive(Debug, Clone)]
struct Newest {
    row: Arc<Row>,
    /// Height and width, in pixels.
    size: [usize; 2],
}

impl State {
    pub fn new(about: About, live: Arc<Live>, mailbox: Arc<Mailbox>) -> Self {
        let sources = about.sources.len();
        Self {
            live,
            mailbox,
            glances: Glances::new(sources),
            meter: Mutex::new(Meter::new(sources, about.outputs.len())),
            newest: Mutex::new(vec![None; sources]),
            painted: (0..sources).map(|_| watch::Sender::new(None)).collect(),
            viewers: AtomicUsize::new(0),
            stop: watch::Sender::new(false),
            temperature: Mutex::new(None),
            about,
        }
    }

    pub fn meter(&self) -> MutexGuard<'_, Meter> {
        lock(&self.meter)
    }

    pub fn set_row(&self, source: usize, row: Arc<Row>, size: [usize; 2]) {
        lock(&self.newest)[source] = Some(Newest { row, size });
    }

    /// Height and width of a source's newest frame, in pixels.
    pub fn size(&self, source: usize) -> Option<[usize; 2]> {
        lock(&self.newest)[source].as_ref().map(|newest| newest.size)
    }

    /// The newest row of each source that gave one.
    pub fn rows(&self) -> Vec<Arc<Row>> {
        lock(&self.newest).iter().flatten().map(|newest| Arc::clone(&newest.row)).collect()
    }

    /// Shows a source's newest pictures to those who look.
    pub fn show(&self, source: usize, painted: Painted) {
        self.painted[source].send_replace(Some(Arc::new(painted)));
    }

    /// A source's pictures from now on.
    pub fn pictures(&self, source: usize) -> watch::Receiver<Option<Arc<Painted>>> {
        self.painted[source].subscribe()
    }

    pub fn viewers(&self) -> usize {
        self.viewers.load(Ordering::Relaxed)
    }

    /// A viewer's place, if one is free.
    pub fn seat(self: &Arc<Self>) -> Option<Seat> {
        let another = |viewers| (viewers < MOST_VIEWERS).then_some(viewers + 1);
        self.viewers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, another).ok()?;
        Some(Seat(Arc::clone(self)))
    }

    pub fn stop(&self) {
        self.stop.send_replace(true);
        self.glances.stop();
    }

    /// Waits until all is to stop.
    pub async fn stopped(&self) {
        // the sender is here: it cannot be gone
        let _ = self.stop.subscribe().wait_for(|stopped| *stopped).await;
    }

    /// How hot the board is, in °C, where it says so: its hottest place.
    pub fn temperature_c(&self) -> Option<f64> {
        let mut known = lock(&self.temperature);
        if let Some((at, temperature)) = *known
            && at.elapsed() < TEMPERATURE_FOR
        {
            return temperature;
        }
        known.insert((Instant::now(), hottest_c())).1
    }
}

/// A viewer's place, free again when it is dropped.
#[derive(Debug)]
pub struct Seat(Arc<State>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.viewers.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hottest_c() -> Option<f64> {
    let zones = std::fs::read_dir("/sys/class/thermal").ok()?.flatten();
    let temperatures = zones.filter_map(|zone| {
        let text = std::fs::read_to_string(zone.path().join("temp")).ok()?;
        Some(text.trim().parse::<f64>().ok()? / 1e3)
    });
    // a sensor that is not there says absolute zero, or more than silicon bears
    temperatures.filter(|degrees| (-60.0..200.0).contains(degrees)).max_by(f64::total_cmp)
}
