//! A program without the page.

use std::net::TcpListener;
use std::sync::Arc;

use anyhow::{Result, bail};

use super::About;
use crate::camera::live::Live;
use crate::camera::mailbox::Mailbox;
use crate::camera::sinks::Row;
use crate::camera::watch::Seen;

/// An address that is taken: there is none.
#[derive(Debug)]
pub enum Bound {}

/// A page: there is none.
#[derive(Debug)]
pub enum Page {}

impl Bound {
    pub fn new(_: TcpListener, _: Option<String>) -> Result<Self> {
        bail!("this program was built without the page")
    }

    pub fn serve(self, _: About, _: Arc<Live>, _: Arc<Mailbox>) -> Result<Page> {
        match self {}
    }
}

impl Page {
    pub fn give(&self, _: &Seen, _: Arc<Row>) {
        match *self {}
    }

    pub fn missed(&self, _: usize, _: u64) {
        match *self {}
    }

    pub fn stop(self) {
        match self {}
    }
}
