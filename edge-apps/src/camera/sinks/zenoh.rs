//! Features to a key of Zenoh's, a sample a frame, to whoever listens then.

use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, anyhow};
use zenoh::bytes::Encoding;
use zenoh::pubsub::Publisher;
use zenoh::qos::CongestionControl;
use zenoh::{Config, Session, Wait};

use super::{Item, Sink};

/// How long frames wait for a session to begin, before they are lost.
const MOST_TO_BEGIN: Duration = Duration::from_secs(1);
/// Pauses before another session is tried.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long the last samples may take.
const MOST_TO_FINISH: Duration = Duration::from_millis(500);

/// A key, and the session that publishes there.
pub struct Zenoh {
    key: String,
    config: Config,
    state: State,
    /// Before the next session is tried, if this one fails.
    pause: Duration,
}

enum State {
    /// On a thread of its own: one that looks for a router waits longer than whoever wants to stop.
    Begins {
        begun: Receiver<Result<Open>>,
        /// How long frames wait for it, all of them together: whoever wants to stop does not wait as often as there are frames.
        until: Instant,
    },
    Open(Open),
    Failed {
        again: Instant,
    },
}

/// In this order: what publishes ends before its session does.
struct Open {
    publisher: Publisher<'static>,
    session: Session,
}

impl Zenoh {
    /// Begins a session.
    ///
    /// # Errors
    /// When the configuration cannot be read.
    pub fn new(key: &str, config: Option<&Path>) -> Result<Self> {
        let named = std::env::var_os(Config::DEFAULT_CONFIG_PATH_ENV);
        let config = match config.or(named.as_deref().map(Path::new)) {
            Some(path) => Config::from_file(path)
                .map_err(said)
                .with_context(|| format!("Zenoh's configuration {}", path.display()))?,
            None => Config::default(),
        };
        let state = State::begin(key, &config);
        Ok(Self { key: key.to_owned(), config, state, pause: FIRST_PAUSE })
    }

    /// The session, which is begun anew when it is time to.
    ///
    /// # Errors
    /// When there is none.
    fn open(&mut self) -> Result<&Open> {
        match &self.state {
            State::Failed { again } if Instant::now() >= *again => {
                self.state = State::begin(&self.key, &self.config);
            }
            State::Open(open) if open.session.is_closed() => self.state = State::begin(&self.key, &self.config),
            _ => {}
        }
        if let State::Begins { begun, until } = &self.state {
            let begun = match begun.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(begun) => begun,
                Err(RecvTimeoutError::Timeout) => return Err(anyhow!("nobody has answered yet")),
                Err(RecvTimeoutError::Disconnected) => Err(anyhow!("the session broke down")),
            };
            match begun {
                Ok(open) => (self.state, self.pause) = (State::Open(open), FIRST_PAUSE),
                Err(error) => {
                    self.state = State::Failed { again: Instant::now() + self.pause };
                    self.pause = (2 * self.pause).min(LONGEST_PAUSE);
                    return Err(error);
                }
            }
        }
        match &self.state {
            State::Open(open) => Ok(open),
            State::Begins { .. } | State::Failed { .. } => Err(anyhow!("there is no session")),
        }
    }
}

impl State {
    /// Begins a session.
    fn begin(key: &str, config: &Config) -> Self {
        Self::Begins { begun: begin(key, config), until: Instant::now() + MOST_TO_BEGIN }
    }
}

impl Sink for Zenoh {
    fn take(&mut self, item: &Item) -> Result<()> {
        let Item::Row(row) = item else { return Ok(()) };
        let sample = serde_json::to_vec(&**row)?;
        self.open()?.publisher.put(sample).wait().map_err(said)
    }

    fn keep(&mut self) -> Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>, _: bool) -> Result<()> {
        let State::Open(open) = self.state else { return Ok(()) };
        let (give, take) = mpsc::sync_channel(1);
        // on a thread of its own: a link that is full takes longer than whoever wants to stop waits
        std::thread::spawn(move || give.send(open.session.close().wait().map_err(said)));
        match take.recv_timeout(MOST_TO_FINISH) {
            Ok(closed) => closed.context("ending the session"),
            Err(_) => Err(anyhow!("the last samples were not taken")),
        }
    }
}

/// Begins a session: what comes of it.
fn begin(key: &str, config: &Config) -> Receiver<Result<Open>> {
    let (give, take) = mpsc::sync_channel(1);
    let (key, config) = (key.to_owned(), config.clone());
    std::thread::spawn(move || {
        let open = || -> Result<Open> {
            let session = zenoh::open(config).wait().map_err(said)?;
            // a link that is full makes this sink slow, which is counted, where Zenoh would drop samples and say nothing
            let publisher = session
                .declare_publisher(key)
                .congestion_control(CongestionControl::Block)
                .encoding(Encoding::APPLICATION_JSON)
                .wait()
                .map_err(said)?;
            Ok(Open { publisher, session })
        };
        // whoever asked may have ended
        let _ = give.send(open());
    });
    take
}

fn said(error: zenoh::Error) -> Error {
    anyhow!("{error}")
}

#[cfg(test)]
mod tests {
    use super::super::tests::item;
    use super::super::{Features, MOST_WAITING, run};
    use super::*;

    #[test]
    fn frames_that_wait_for_a_session_wait_together() {
        // one that never comes to be
        let (_give, begun) = mpsc::sync_channel(1);
        let state = State::Begins { begun, until: Instant::now() + MOST_TO_BEGIN };
        let sink = Zenoh { key: "a".to_owned(), config: Config::default(), state, pause: FIRST_PAUSE };
        let (give, items) = mpsc::sync_channel(MOST_WAITING);
        for frame in 0..MOST_WAITING as u64 {
            give.send(item(frame, Features::Row(vec![1.0]))).unwrap();
        }
        drop(give);
        let start = Instant::now();
        let (sink, lost) = run(Box::new(sink), &items, "zenoh:a");
        sink.finish(true).unwrap();
        assert_eq!(lost, MOST_WAITING as u64);
        assert!(start.elapsed() < 2 * MOST_TO_BEGIN, "{:?}", start.elapsed());
    }
}
