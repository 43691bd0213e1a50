//! What a viewer is sent: how long the words are (four bytes, the lowest first), the words as JSON, and the pictures of a frame.

use anyhow::Result;
use axum::body::Bytes;
use serde::Serialize;

use super::state::State;

/// A frame that is shown.
#[derive(Debug, Serialize)]
pub struct Shown {
    pub number: u64,
    /// Width and height, in pixels.
    pub size: [usize; 2],
    /// How many patches were looked at.
    pub visible: usize,
    /// How long its pictures took.
    pub drawing_ms: f64,
}

/// The words.
#[derive(Debug, Serialize)]
struct Status<'a> {
    /// None: how it stands, without a new frame.
    frame: Option<&'a Shown>,
    /// Lengths of the pictures that follow: camera, seen, painted, features.
    lengths: [usize; 4],
    source: usize,
    sources: &'a [String],
    model: &'a str,
    device: &'a str,
    patches: usize,
    cannot_paint: Option<&'a str>,
    /// What the command line never looks at, and what viewers do not want looked at in this source.
    fixed: Vec<String>,
    never: Vec<String>,
    /// As `--visible` has it, and how many patches that is.
    visible: String,
    budget: usize,
    frames_per_s: f64,
    latency_ms: f64,
    read_ms: f64,
    choose_ms: f64,
    compute_ms: f64,
    captured: u64,
    dropped: u64,
    /// Since the newest frame.
    silent_s: Option<f64>,
    temperature_c: Option<f64>,
    viewers: usize,
}

/// A frame with its pictures.
///
/// # Errors
/// When it cannot be said.
pub fn of_frame(state: &State, source: usize, shown: &Shown, jpegs: &[Vec<u8>; 4]) -> Result<Bytes> {
    message(state, source, Some(shown), jpegs)
}

/// How it stands, without a frame.
///
/// # Errors
/// When it cannot be said.
pub fn of_status(state: &State, source: usize) -> Result<Bytes> {
    message(state, source, None, &<[Vec<u8>; 4]>::default())
}

fn message(state: &State, source: usize, shown: Option<&Shown>, jpegs: &[Vec<u8>; 4]) -> Result<Bytes> {
    let reading = state.meter().reading(source);
    let (captured, dropped) = state.mailbox.counts(source);
    let settings = state.live.settings();
    let about = &state.about;
    let status = Status {
        frame: shown,
        lengths: jpegs.each_ref().map(Vec::len),
        source,
        sources: &about.sources,
        model: &about.model,
        device: &about.device,
        patches: about.grid.len(),
        cannot_paint: about.cannot_paint.as_deref(),
        fixed: about.never.iter().map(ToString::to_string).collect(),
        never: settings.never[source].iter().map(ToString::to_string).collect(),
        visible: settings.budget.to_string(),
        budget: settings.budget.count(about.grid)?,
        frames_per_s: reading.frames_per_s,
        latency_ms: reading.took.latency.as_secs_f64() * 1e3,
        read_ms: reading.took.read.as_secs_f64() * 1e3,
        choose_ms: reading.took.choose.as_secs_f64() * 1e3,
        compute_ms: reading.took.compute.as_secs_f64() * 1e3,
        captured,
        dropped,
        silent_s: reading.silence.map(|silence| silence.as_secs_f64()),
        temperature_c: state.temperature_c(),
        viewers: state.viewers(),
    };
    let words = serde_json::to_vec(&status)?;
    let mut message = u32::try_from(words.len())?.to_le_bytes().to_vec();
    message.extend(words);
    for jpeg in jpegs {
        message.extend_from_slice(jpeg);
    }
    Ok(message.into())
}
