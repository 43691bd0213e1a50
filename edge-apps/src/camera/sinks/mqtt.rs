//! Features to an MQTT broker, a message a frame, each at least once and in order.
//!
//! A connection is an event loop of its own: rumqttc's would go on by itself, but throws away what was not confirmed where a
//! broker that was started anew does not know the session any more.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, Outgoing, Packet, QoS, TlsConfiguration, Transport,
};
use tokio::sync::{Notify, mpsc};

use super::broker::Broker;
use super::delivery::{Delivery, MOST_UNCONFIRMED};
use super::{Dropped, Item, Sink};
use crate::camera::random::mixed;

/// The most bytes that a message may have.
const MOST_BYTES: usize = 64 << 20;
/// Pauses before another connection is tried.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Why messages are given up.
const IS_FULL: &str = "the spool is full: the oldest messages are given up";
/// How long the last messages may take.
const MOST_TO_FINISH: Duration = Duration::from_millis(500);

/// A broker, and the thread that speaks with it.
pub struct Mqtt {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    delivery: Delivery,
    /// Set when nothing more comes: when it is to be over at the latest.
    finish_by: Option<Instant>,
}

impl Mqtt {
    /// Begins to connect; messages wait in the spool's folder meanwhile.
    ///
    /// # Errors
    /// When the spool cannot be opened.
    pub fn new(broker: &Broker, spool: &Path, most_bytes: u64) -> Result<Self> {
        let delivery = Delivery::new(spool, most_bytes)?;
        if delivery.len() > 0 {
            log::warn!("{broker}: {} messages of an earlier run are sent first", delivery.len());
        }
        let options = options(broker)?;
        let state = Mutex::new(State { delivery, finish_by: None });
        let shared = Arc::new(Shared { state, changed: Notify::new() });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let speaker = Speaker { broker: broker.clone(), options, shared: Arc::clone(&shared) };
        let thread = std::thread::spawn(move || runtime.block_on(speaker.run()));
        Ok(Self { shared, thread })
    }
}

impl Sink for Mqtt {
    fn take(&mut self, item: &Item) -> Result<()> {
        let Item::Row(row) = item else { return Ok(()) };
        let message = serde_json::to_vec(&**row)?;
        ensure!(message.len() <= MOST_BYTES, "a message of {} bytes is too large", message.len());
        let mut state = self.shared.lock();
        state.delivery.add(message)?;
        self.shared.changed.notify_one();
        // for this one, or before it, when a connection broke
        Dropped { count: state.delivery.given_up(), why: IS_FULL }.after(Ok(()))
    }

    fn keep(&mut self) -> Result<()> {
        Ok(self.shared.lock().delivery.keep()?)
    }

    fn finish(self: Box<Self>, _: bool) -> Result<()> {
        self.shared.lock().finish_by = Some(Instant::now() + MOST_TO_FINISH);
        self.shared.changed.notify_one();
        let joined = self.thread.join().map_err(|_| anyhow!("the connection broke down"));
        let delivery = &mut self.shared.lock().delivery;
        let stored = delivery.disconnected().and_then(|()| delivery.keep().context("writing the spool"));
        let in_memory = delivery.in_memory();
        let left = delivery.len() - in_memory;
        if left > 0 {
            log::warn!("{left} messages were not taken yet: they are in the spool, and the next run sends them first");
        }
        let why = if in_memory > 0 { "the spool does not take the last messages" } else { IS_FULL };
        Dropped { count: delivery.given_up() + in_memory, why }.after(joined.and(stored))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is to end now: when nothing more comes, and all is confirmed or it took too long.
    fn is_over(&self) -> bool {
        let state = self.lock();
        state.finish_by.is_some_and(|by| Instant::now() >= by || state.delivery.len() == 0)
    }

    /// Waits until something changed, but no longer than so, nor than what is to end may take.
    async fn wait(&self, limit: Duration) {
        let by = self.lock().finish_by;
        let limit = by.map_or(limit, |by| limit.min(by.saturating_duration_since(Instant::now())));
        // nobody may have changed anything
        let _ = tokio::time::timeout(limit, self.changed.notified()).await;
    }
}

struct Speaker {
    broker: Broker,
    options: MqttOptions,
    shared: Arc<Shared>,
}

impl Speaker {
    /// One connection after another, until it is to end.
    async fn run(&self) {
        let (mut pause, mut failed) = (FIRST_PAUSE, false);
        while !self.shared.is_over() {
            let (was_connected, ended) = self.connection(failed).await;
            let Err(error) = ended else { break };
            if was_connected || !failed {
                log::warn!("{}: {error:#}; messages are kept, and it is tried again", self.broker);
            }
            if let Err(error) = self.shared.lock().delivery.disconnected() {
                log::warn!("{}: {error:#}", self.broker);
            }
            (failed, pause) = (true, if was_connected { FIRST_PAUSE } else { (2 * pause).min(LONGEST_PAUSE) });
            let until = Instant::now() + pause;
            while Instant::now() < until && self.shared.lock().finish_by.is_none() {
                self.shared.wait(until.saturating_duration_since(Instant::now())).await;
            }
            if self.shared.lock().finish_by.is_some() {
                break;
            }
        }
    }

    /// A connection, until it breaks or is to end: whether there was one.
    async fn connection(&self, failed: bool) -> (bool, Result<()>) {
        let (client, events) = AsyncClient::new(self.options.clone(), MOST_UNCONFIRMED);
        let (give, mut take) = mpsc::unbounded_channel();
        // on its own: to wait for two things would stop it in the middle of one
        let polling = tokio::spawn(poll(events, give));
        let mut is_connected = false;
        let ended = loop {
            if self.shared.is_over() {
                break Ok(());
            }
            if let Err(error) = self.send(&client) {
                break Err(error);
            }
            tokio::select! {
                event = take.recv() => match event {
                    Some(Ok(Event::Incoming(Packet::ConnAck(_)))) => {
                        is_connected = true;
                        if failed {
                            log::warn!("{}: it is back", self.broker);
                        }
                        self.shared.lock().delivery.connected();
                    }
                    Some(Ok(Event::Incoming(Packet::PubAck(ack)))) => self.shared.lock().delivery.confirmed(ack.pkid),
                    Some(Ok(Event::Outgoing(Outgoing::Publish(id)))) => self.shared.lock().delivery.sent(id),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => break Err(said(error)),
                    None => break Err(anyhow!("the connection broke down")),
                },
                () = self.shared.wait(KEEP_ALIVE) => {}
            }
        };
        if ended.is_ok() && is_connected && client.try_disconnect().is_ok() {
            // so that the broker does not take it for a fault
            let _ = tokio::time::timeout(MOST_TO_FINISH / 5, async {
                while let Some(Ok(event)) = take.recv().await {
                    if event == Event::Outgoing(Outgoing::Disconnect) {
                        break;
                    }
                }
            })
            .await;
        }
        polling.abort();
        (is_connected, ended)
    }

    /// Gives the client all that the broker may have.
    fn send(&self, client: &AsyncClient) -> Result<()> {
        loop {
            let Some(message) = self.shared.lock().delivery.next()? else { return Ok(()) };
            client
                .try_publish(&self.broker.topic, QoS::AtLeastOnce, false, message)
                .map_err(|_| anyhow!("the client takes no more messages"))?;
        }
    }
}

/// Drives a connection, and gives what happens there, until it breaks.
async fn poll(mut events: EventLoop, give: mpsc::UnboundedSender<Result<Event, ConnectionError>>) {
    loop {
        let event = events.poll().await;
        let is_last = event.is_err();
        if give.send(event).is_err() || is_last {
            return;
        }
    }
}

/// What broke a connection.
fn said(error: ConnectionError) -> anyhow::Error {
    match error {
        ConnectionError::ConnectionRefused(code) => anyhow!("the broker refuses the connection: {code:?}"),
        ConnectionError::Io(error) => anyhow!("{error}"),
        // what it comes of is in its own words
        error => anyhow!("{error}"),
    }
}

fn options(broker: &Broker) -> Result<MqttOptions> {
    // a name that no other run has: a broker ends a connection whose name comes again
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let id = mixed(now.as_nanos() as u64 ^ (u64::from(std::process::id()) << 40));
    let mut options = MqttOptions::new(format!("glimpse-{id:016x}"), &broker.host, broker.port);
    options.set_keep_alive(KEEP_ALIVE).set_max_packet_size(1 << 20, MOST_BYTES + (1 << 17));
    options.set_inflight(MOST_UNCONFIRMED as u16);
    if let Some([user, password]) = &broker.login {
        options.set_credentials(user, password);
    }
    if broker.tls {
        // the system's certificates, or those that SSL_CERT_FILE names
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        ensure!(
            !roots.is_empty(),
            "no certificates to trust are there: install ca-certificates, or name some by SSL_CERT_FILE"
        );
        let tls = tls.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth();
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::new(tls))));
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::super::Features;
    use super::super::tests::item;
    use super::*;

    /// One whose broker is who the test plays.
    fn mqtt(spool: &Path, most_bytes: u64) -> Mqtt {
        let delivery = Delivery::new(spool, most_bytes).unwrap();
        let shared = Shared { state: Mutex::new(State { delivery, finish_by: None }), changed: Notify::new() };
        Mqtt { shared: Arc::new(shared), thread: std::thread::spawn(|| ()) }
    }

    fn frame(number: u64) -> Item {
        item(number, Features::Row(vec![0.5; 1000]))
    }

    #[test]
    fn what_a_connection_that_breaks_costs_is_counted_with_the_next_message_or_at_the_end() {
        for is_last in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let mut mqtt = mqtt(folder.path(), 400 << 10);
            mqtt.shared.lock().delivery.connected();
            for number in 0..200 {
                mqtt.take(&frame(number)).unwrap();
            }
            let shared = Arc::clone(&mqtt.shared);
            shared.lock().delivery.disconnected().unwrap();
            let (taken, told) =
                if is_last { (200, Box::new(mqtt).finish(true)) } else { (201, mqtt.take(&frame(200))) };
            let (left, error) = (shared.lock().delivery.len(), told.unwrap_err());
            assert_eq!(Dropped::count_in(&error), Some(taken - left), "{error:#}");
            assert!(error.to_string().contains("the spool is full"), "{error:#}");
        }
    }

    #[test]
    fn what_the_disk_does_not_take_at_the_end_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let spool = folder.path().join("spool");
        let mut mqtt = mqtt(&spool, 1 << 30);
        mqtt.shared.lock().delivery.connected();
        for number in 0..100 {
            mqtt.take(&frame(number)).unwrap();
        }
        while mqtt.shared.lock().delivery.next().unwrap().is_some() {}
        std::fs::remove_dir_all(&spool).unwrap();
        let error = Box::new(mqtt).finish(true).unwrap_err();
        assert_eq!(Dropped::count_in(&error), Some(100), "{error:#}");
        assert!(error.chain().len() > 1, "{error:#}");
    }
}
