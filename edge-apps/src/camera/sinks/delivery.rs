//! What is on its way to a broker: given to it and not confirmed yet, on the disk, and new.

use std::collections::VecDeque;
use std::path::Path;

use anyhow::Result;

use super::spool::{Spool, Taken};

/// Messages that a broker may have without having confirmed them.
pub const MOST_UNCONFIRMED: usize = 64;
/// New messages that may wait in memory while there is a connection.
const MOST_NEW: usize = 256;

/// Messages in order, the oldest first: `unconfirmed`, then the rest of `taken`, then the spool, then `new`.
#[derive(Debug)]
pub struct Delivery {
    unconfirmed: VecDeque<Unconfirmed>,
    taken: Option<Taken>,
    spool: Spool,
    new: VecDeque<Vec<u8>>,
    is_connected: bool,
}

/// A message that a broker has, or is about to have.
#[derive(Debug)]
struct Unconfirmed {
    message: Vec<u8>,
    /// The number that it has in the protocol, once it was sent.
    id: Option<u16>,
    is_confirmed: bool,
}

impl Delivery {
    /// With what an earlier run left in the spool's folder.
    ///
    /// # Errors
    /// When that cannot be opened.
    pub fn new(folder: &Path, most_bytes: u64) -> Result<Self> {
        let spool = Spool::open(folder, most_bytes)?;
        Ok(Self { unconfirmed: VecDeque::new(), taken: None, spool, new: VecDeque::new(), is_connected: false })
    }

    /// Messages that were not confirmed yet.
    pub fn len(&self) -> u64 {
        let taken = self.taken.as_ref().map_or(0, |taken| taken.lines.len());
        (self.unconfirmed.len() + taken + self.new.len()) as u64 + self.spool.len()
    }

    /// Adds a message: how many of the oldest were given up for it.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub fn add(&mut self, message: Vec<u8>) -> Result<u64> {
        self.new.push_back(message);
        if self.is_connected && self.new.len() <= MOST_NEW { Ok(0) } else { self.store() }
    }

    /// Puts what is new on the disk.
    fn store(&mut self) -> Result<u64> {
        let mut lost = 0;
        while let Some(message) = self.new.pop_front() {
            lost += self.spool.add(&message)?;
        }
        Ok(lost)
    }

    /// The next message to send, if the broker may have another one.
    ///
    /// # Errors
    /// When the spool cannot be read.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>> {
        if !self.is_connected || self.unconfirmed.len() >= MOST_UNCONFIRMED {
            return Ok(None);
        }
        if self.taken.as_ref().is_none_or(|taken| taken.lines.is_empty()) {
            // the file that was taken goes when all of it is confirmed, and then the next is
            if self.taken.is_some() && !self.unconfirmed.is_empty() {
                return Ok(None);
            }
            if let Some(done) = self.taken.take() {
                self.spool.remove(&done)?;
            }
            self.taken = self.spool.take()?;
        }
        let from_disk = self.taken.as_mut().and_then(|taken| taken.lines.pop_front());
        let message = if self.taken.is_some() { from_disk } else { self.new.pop_front() };
        if let Some(message) = &message {
            self.unconfirmed.push_back(Unconfirmed { message: message.clone(), id: None, is_confirmed: false });
        }
        Ok(message)
    }

    /// A message was sent, the first of those that were not, with this number.
    pub fn sent(&mut self, id: u16) {
        if let Some(message) = self.unconfirmed.iter_mut().find(|message| message.id.is_none()) {
            message.id = Some(id);
        }
    }

    /// The broker has the message with this number.
    pub fn confirmed(&mut self, id: u16) {
        let sent = |message: &&mut Unconfirmed| message.id == Some(id) && !message.is_confirmed;
        if let Some(message) = self.unconfirmed.iter_mut().find(sent) {
            message.is_confirmed = true;
        }
        while self.unconfirmed.front().is_some_and(|message| message.is_confirmed) {
            self.unconfirmed.pop_front();
        }
    }

    /// There is a connection.
    pub fn connected(&mut self) {
        self.is_connected = true;
    }

    /// There is none: what was not confirmed is sent again by the next one. How many of the oldest were given up.
    ///
    /// # Errors
    /// When that cannot be kept.
    pub fn disconnected(&mut self) -> Result<u64> {
        self.is_connected = false;
        let unconfirmed = self.unconfirmed.iter().filter(|message| !message.is_confirmed);
        let rest = self.taken.iter().flat_map(|taken| &taken.lines);
        let lines = unconfirmed.map(|message| &message.message).chain(rest).map(Vec::as_slice);
        if let Err(error) = self.spool.put_back(self.taken.as_ref(), lines) {
            // they wait in memory, and are sent again all the same
            let unconfirmed = self.unconfirmed.drain(..).rev().filter(|message| !message.is_confirmed);
            for Unconfirmed { message, .. } in unconfirmed {
                self.new.push_front(message);
            }
            return Err(error);
        }
        self.unconfirmed.clear();
        self.taken = None;
        self.store()
    }

    /// Brings what is to be kept to the disk.
    ///
    /// # Errors
    /// When that cannot be.
    pub fn keep(&mut self) -> std::io::Result<()> {
        self.spool.keep()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends all that may be sent, with numbers from this one.
    fn send(delivery: &mut Delivery, id: &mut u16) -> Vec<u64> {
        let mut sent = Vec::new();
        while let Some(message) = delivery.next().unwrap() {
            sent.push(String::from_utf8(message).unwrap().trim_end_matches('x').parse().unwrap());
            delivery.sent(*id);
            *id += 1;
        }
        sent
    }

    fn message(number: u64) -> Vec<u8> {
        format!("{number}{}", "x".repeat(3000)).into_bytes()
    }

    #[test]
    fn nothing_is_lost_and_all_is_in_order_whenever_the_connection_breaks() {
        for seed in 0..40 {
            let folder = tempfile::tempdir().unwrap();
            let mut delivery = Delivery::new(folder.path(), 1 << 30).unwrap();
            let (mut random, mut next, mut confirmed) = (seed, 0, Vec::<u64>::new());
            let (mut id, mut waiting) = (1, Vec::<(u16, u64)>::new());
            for _ in 0..400 {
                random = crate::camera::random::mixed(random);
                match random % 8 {
                    0 => {
                        delivery.disconnected().unwrap();
                        (id, waiting) = (1, Vec::new());
                    }
                    1 => {
                        delivery.connected();
                    }
                    // a run that was ended, and the next
                    2 if random.is_multiple_of(5) => {
                        delivery.disconnected().unwrap();
                        drop(delivery);
                        delivery = Delivery::new(folder.path(), 1 << 30).unwrap();
                        (id, waiting) = (1, Vec::new());
                    }
                    2..5 => {
                        for _ in 0..random % 90 {
                            assert_eq!(delivery.add(message(next)).unwrap(), 0);
                            next += 1;
                        }
                    }
                    _ => {
                        let first = id;
                        let sent = send(&mut delivery, &mut id);
                        waiting.extend((first..).zip(sent));
                        let some = waiting.len().min((random >> 8) as usize % 80);
                        for (id, number) in waiting.drain(..some) {
                            delivery.confirmed(id);
                            confirmed.push(number);
                        }
                    }
                }
            }
            assert_eq!(delivery.len(), next - confirmed.len() as u64);
            delivery.connected();
            loop {
                let first = id;
                let sent = send(&mut delivery, &mut id);
                if sent.is_empty() && waiting.is_empty() {
                    break;
                }
                waiting.extend((first..).zip(sent));
                for (id, number) in waiting.drain(..) {
                    delivery.confirmed(id);
                    confirmed.push(number);
                }
            }
            assert_eq!(confirmed, (0..next).collect::<Vec<_>>(), "seed {seed}");
            assert_eq!(delivery.len(), 0);
        }
    }

    #[test]
    fn what_the_disk_does_not_take_is_sent_again_from_memory() {
        let folder = tempfile::tempdir().unwrap();
        let spool = folder.path().join("spool");
        let mut delivery = Delivery::new(&spool, 1 << 30).unwrap();
        delivery.connected();
        for number in 0..4 {
            delivery.add(message(number)).unwrap();
        }
        let mut id = 1;
        assert_eq!(send(&mut delivery, &mut id), [0, 1, 2, 3]);
        delivery.confirmed(1);
        std::fs::remove_dir_all(&spool).unwrap();
        assert!(delivery.disconnected().is_err());
        delivery.connected();
        id = 1;
        assert_eq!(send(&mut delivery, &mut id), [1, 2, 3]);
    }

    #[test]
    fn a_broker_may_confirm_out_of_order() {
        let folder = tempfile::tempdir().unwrap();
        let mut delivery = Delivery::new(folder.path(), 1 << 30).unwrap();
        delivery.connected();
        for number in 0..4 {
            delivery.add(message(number)).unwrap();
        }
        let mut id = 1;
        assert_eq!(send(&mut delivery, &mut id), [0, 1, 2, 3]);
        delivery.confirmed(3);
        delivery.confirmed(1);
        assert_eq!(delivery.len(), 3);
        delivery.disconnected().unwrap();
        delivery.connected();
        id = 1;
        assert_eq!(send(&mut delivery, &mut id), [1, 3]);
    }
}
