//! What the camera's loop gives.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context, Result};

use super::About;
use super::guard::Guard;
use super::painter::{self, Glance};
use super::server;
use super::state::State;
use crate::camera::live::Live;
use crate::camera::mailbox::Mailbox;
use crate::camera::sinks::Row;
use crate::camera::watch::Seen;

/// An address that is taken.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    guard: Guard,
}

impl Bound {
    /// # Errors
    /// When the address has no name.
    pub fn new(listener: TcpListener, token: Option<String>) -> Result<Self> {
        let address = listener.local_addr().context("asking where the page is")?;
        Ok(Self { listener, address, guard: Guard::new(address, token.as_deref()) })
    }

    /// Serves the page from now on.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub fn serve(self, about: About, live: Arc<Live>, mailbox: Arc<Mailbox>) -> Result<Page> {
        let how = if self.guard.wants_token() { "?token=… with your token" } else { "" };
        let state = Arc::new(State::new(about, live, mailbox));
        let painter = painter::start(Arc::clone(&state)).context("starting the page's painter")?;
        let server =
            server::start(self.listener, self.guard, Arc::clone(&state)).context("starting the page's server")?;
        eprintln!("the page is on http://{}/{how}", self.address);
        Ok(Page { state, threads: [painter, server] })
    }
}

/// A page that is served.
#[derive(Debug)]
pub struct Page {
    state: Arc<State>,
    threads: [JoinHandle<()>; 2],
}

impl Page {
    /// Takes what was seen of a frame. It never waits for those who look.
    pub fn give(&self, seen: &Seen, row: Arc<Row>) {
        self.state.meter().frame(seen.source, seen.took, seen.visible.len());
        self.state.set_row(seen.source, row, [seen.frame.height(), seen.frame.width()]);
        if self.state.live.is_looked_at(seen.source) {
            self.state.glances.put(Glance {
                source: seen.source,
                number: seen.number,
                frame: Arc::clone(&seen.frame),
                visible: seen.visible.to_vec(),
                tokens: seen.tokens.to_owned(),
                picture: (!seen.picture.is_empty()).then(|| seen.picture.to_owned()),
            });
        }
    }

    /// Says how many rows an output has missed.
    pub fn missed(&self, output: usize, missed: u64) {
        self.state.meter().missed(output, missed);
    }

    /// Ends it: whoever looks is let go.
    pub fn stop(self) {
        self.state.stop();
        for thread in self.threads {
            // one that broke down has said so
            let _ = thread.join();
        }
    }
}
