//! Counts and times, and as Prometheus reads them.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::state::State;
use crate::camera::watch::Took;

/// Upper ends of the latencies that are counted together, in seconds.
const LATENCIES_S: [f64; 12] = [0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];
/// How much of its own period a frame adds to the mean of those before it.
const NEWEST: f64 = 0.1;
/// How long no frame may come until a camera is not well.
pub const MOST_SILENCE: Duration = Duration::from_secs(5);

/// What was counted since the start.
#[derive(Debug)]
pub struct Meter {
    sources: Vec<Frames>,
    /// For each of [`LATENCIES_S`], frames that were faster than that and slower than the one before.
    latencies: [u64; LATENCIES_S.len()],
    /// The sum of all frames' times.
    sum: Took,
    visible: usize,
    missed: Vec<u64>,
}

/// A source's frames.
#[derive(Debug, Clone, Default)]
struct Frames {
    count: u64,
    newest: Option<(Instant, Took)>,
    period_s: Option<f64>,
}

/// What is to be said of a source at this time.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    pub frames_per_s: f64,
    pub took: Took,
    /// Since its newest frame, if there was one.
    pub silence: Option<Duration>,
}

impl Meter {
    pub fn new(sources: usize, outputs: usize) -> Self {
        Self {
            sources: vec![Frames::default(); sources],
            latencies: [0; LATENCIES_S.len()],
            sum: Took::default(),
            visible: 0,
            missed: vec![0; outputs],
        }
    }

    pub fn frame(&mut self, source: usize, took: Took, visible: usize) {
        let frames = &mut self.sources[source];
        let now = Instant::now();
        if let Some((before, _)) = frames.newest {
            let period = now.duration_since(before).as_secs_f64();
            frames.period_s = Some(frames.period_s.map_or(period, |mean| mean + NEWEST * (period - mean)));
        }
        frames.newest = Some((now, took));
        frames.count += 1;
        let latency = took.latency.as_secs_f64();
        if let Some(place) = LATENCIES_S.iter().position(|&most| latency <= most) {
            self.latencies[place] += 1;
        }
        self.sum.read += took.read;
        self.sum.choose += took.choose;
        self.sum.compute += took.compute;
        self.sum.latency += took.latency;
        self.visible = visible;
    }

    pub fn missed(&mut self, output: usize, missed: u64) {
        self.missed[output] = missed;
    }

    pub fn reading(&self, source: usize) -> Reading {
        let frames = &self.sources[source];
        let silence = frames.newest.map(|(at, _)| at.elapsed());
        // a source that is silent has no rate for long
        let period =
            frames.period_s.map(|period| period.max(silence.map_or(0.0, |silence| silence.as_secs_f64() - period)));
        Reading {
            frames_per_s: period.map_or(0.0, |period| 1.0 / period.max(1e-6)),
            took: frames.newest.map(|(_, took)| took).unwrap_or_default(),
            silence,
        }
    }

    /// Why the camera is not well, if it is not.
    pub fn ailment(&self) -> Option<String> {
        let newest = self.sources.iter().filter_map(|frames| frames.newest).map(|(at, _)| at.elapsed()).min();
        match newest {
            None => Some("no source has given a frame yet".to_owned()),
            Some(silence) if silence > MOST_SILENCE => {
                Some(format!("no source has given a frame for {:.0} s", silence.as_secs_f64()))
            }
            Some(_) => None,
        }
    }
}

/// All counts as Prometheus reads them.
pub fn metrics(state: &State) -> String {
    let mut text = String::new();
    let about = &state.about;
    let named = |kind: &str, names: &[String], counts: &[u64]| -> Vec<(String, f64)> {
        let labelled = |(name, count): (&String, &u64)| (format!("{{{kind}=\"{}\"}}", escaped(name)), *count as f64);
        names.iter().zip(counts).map(labelled).collect()
    };
    let counts: Vec<(u64, u64)> = (0..about.sources.len()).map(|source| state.mailbox.counts(source)).collect();
    let (captured, dropped): (Vec<u64>, Vec<u64>) = counts.into_iter().unzip();
    let (viewers, temperature) = (state.viewers(), state.temperature_c());
    let meter = state.meter();
    let looked_at: Vec<u64> = meter.sources.iter().map(|frames| frames.count).collect();
    let count: u64 = looked_at.iter().sum();
    let mut add = |name: &str, kind: &str, help: &str, values: Vec<(String, f64)>| {
        if values.is_empty() {
            return;
        }
        // a String takes all that is written
        let _ = write!(text, "# HELP glimpse_{name} {help}\n# TYPE glimpse_{name} {kind}\n");
        for (label, value) in values {
            let _ = writeln!(text, "glimpse_{name}{label} {value}");
        }
    };
    let one = |value: f64| vec![(String::new(), value)];
    add("frames_total", "counter", "Frames that the model looked at.", named("source", &about.sources, &looked_at));
    add("captured_frames_total", "counter", "Frames that sources gave.", named("source", &about.sources, &captured));
    add(
        "dropped_frames_total",
        "counter",
        "Frames that a newer one took the place of.",
        named("source", &about.sources, &dropped),
    );
    add(
        "missed_rows_total",
        "counter",
        "What an output had no time for.",
        named("output", &about.outputs, &meter.missed),
    );
    let mut within = 0;
    let mut latencies = Vec::new();
    for (most, frames) in LATENCIES_S.iter().zip(meter.latencies) {
        within += frames;
        latencies.push((format!("_bucket{{le=\"{most}\"}}"), within as f64));
    }
    latencies.push(("_bucket{le=\"+Inf\"}".to_owned(), count as f64));
    latencies.push(("_sum".to_owned(), meter.sum.latency.as_secs_f64()));
    latencies.push(("_count".to_owned(), count as f64));
    add("latency_seconds", "histogram", "From a frame's capture to its answer.", latencies);
    let stages = [("read", meter.sum.read), ("choose", meter.sum.choose), ("compute", meter.sum.compute)];
    let stages = stages.map(|(stage, time)| (format!("{{stage=\"{stage}\"}}"), time.as_secs_f64()));
    add(
        "stage_seconds_total",
        "counter",
        "Time that frames took: to be decoded, the choice of patches, the model.",
        stages.into(),
    );
    add("visible_patches", "gauge", "Patches that the model looked at in the newest frame.", one(meter.visible as f64));
    add("viewers", "gauge", "Who looks at the page.", one(viewers as f64));
    if let Some(degrees) = temperature {
        add("board_temperature_celsius", "gauge", "The board's hottest place.", one(degrees));
    }
    text
}

/// A label's value.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_counts_and_knows_what_is_silent() {
        let mut meter = Meter::new(2, 1);
        assert!(meter.ailment().unwrap().contains("yet"));
        let took = |ms| Took { latency: Duration::from_millis(ms), ..Took::default() };
        for ms in [1, 30, 30, 9000] {
            meter.frame(1, took(ms), 16);
        }
        assert_eq!(meter.ailment(), None);
        assert_eq!((meter.latencies[0], meter.latencies[4], meter.latencies.iter().sum::<u64>()), (1, 2, 3));
        assert_eq!((meter.reading(0).silence, meter.reading(0).frames_per_s), (None, 0.0));
        assert_eq!(meter.reading(1).took.latency, Duration::from_secs(9));
        let before = Instant::now().checked_sub(Duration::from_mins(1));
        let Some(before) = before else { return };
        meter.sources[1].newest = Some((before, took(1)));
        assert!(meter.ailment().unwrap().contains("60 s") && meter.reading(1).frames_per_s < 0.1);
    }

    #[test]
    fn a_label_stays_a_label() {
        assert_eq!(escaped("exec:echo \"a\\b\"\n"), "exec:echo \\\"a\\\\b\\\"\\n");
    }
}
