//! What is on its way to a broker: given to it and not confirmed yet, on the disk, and new.

use std::collections::VecDeque;
use std::path::Path;

use anyhow::Result;

use super::spool::{Spool, Taken};

/// Messages that a broker may have without having confirmed them.
pub const MOST_UNCONFIRMED: usize = 64;
/// New messages that may wait in memory while there is a connection.
const MOST_NEW: usize = 256;

/// Messages in order, the oldest first: `unconfirmed`, `again`, then the rest of `taken`, then the spool, then `new`.
#[derive(Debug)]
pub struct Delivery {
    unconfirmed: VecDeque<Unconfirmed>,
    /// Those of a connection that broke, where the spool did not take them: they wait in memory.
    again: VecDeque<Unconfirmed>,
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
    /// Whether the file that was taken has it, and with it the next run.
    is_on_disk: bool,
}

impl Unconfirmed {
    fn new(message: Vec<u8>, is_on_disk: bool) -> Self {
        Self { message, id: None, is_confirmed: false, is_on_disk }
    }
}

impl Delivery {
    /// With what an earlier run left in the spool's folder.
    ///
    /// # Errors
    /// When that cannot be opened.
    pub fn new(folder: &Path, most_bytes: u64) -> Result<Self> {
        let spool = Spool::open(folder, most_bytes)?;
        let (unconfirmed, again, new) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        Ok(Self { unconfirmed, again, taken: None, spool, new, is_connected: false })
    }

    /// Messages that were not confirmed yet.
    pub fn len(&self) -> u64 {
        let taken = self.taken.as_ref().map_or(0, |taken| taken.lines.len());
        (self.unconfirmed.len() + self.again.len() + taken + self.new.len()) as u64 + self.spool.len()
    }

    /// Those of them that end with this run: nothing but its memory has them.
    pub fn in_memory(&self) -> u64 {
        let sent = self.unconfirmed.iter().chain(&self.again);
        let sent = sent.filter(|message| !message.is_confirmed && !message.is_on_disk).count();
        (sent + self.new.len()) as u64
    }

    /// Messages that were given up for newer ones since this was asked for last.
    pub fn given_up(&mut self) -> u64 {
        self.spool.given_up()
    }

    /// Adds a message, for which the oldest may be given up.
    ///
    /// # Errors
    /// When it cannot be kept: it is lost, and no other.
    pub fn add(&mut self, message: Vec<u8>) -> Result<()> {
        self.new.push_back(message);
        if self.is_connected && self.new.len() <= MOST_NEW {
            return Ok(());
        }
        self.store().inspect_err(|_| {
            // as many wait as before, or they would be more with each
            self.new.pop_back();
        })
    }

    /// Puts what is new on the disk, as far as that takes it.
    fn store(&mut self) -> Result<()> {
        while let Some(message) = self.new.pop_front() {
            if let Err(error) = self.spool.add(&message) {
                self.new.push_front(message);
                return Err(error);
            }
        }
        Ok(())
    }

    /// The next message to send, if the broker may have another one.
    ///
    /// # Errors
    /// When the spool cannot be read.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>> {
        if !self.is_connected || self.unconfirmed.len() >= MOST_UNCONFIRMED {
            return Ok(None);
        }
        let next = match self.again.pop_front() {
            Some(again) => Some(again),
            None => self.next_unsent()?,
        };
        let message = next.as_ref().map(|next| next.message.clone());
        self.unconfirmed.extend(next);
        Ok(message)
    }

    /// The oldest message that no connection had yet.
    fn next_unsent(&mut self) -> Result<Option<Unconfirmed>> {
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
        Ok(match &mut self.taken {
            Some(taken) => taken.lines.pop_front().map(|message| Unconfirmed::new(message, true)),
            None => self.new.pop_front().map(|message| Unconfirmed::new(message, false)),
        })
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

    /// There is none: what was not confirmed is sent again by the next one. The oldest may be given up for it.
    ///
    /// # Errors
    /// When the disk does not take all that is to be sent: the rest waits in memory, and is sent all the same.
    pub fn disconnected(&mut self) -> Result<()> {
        self.is_connected = false;
        let unconfirmed = self.unconfirmed.drain(..).filter(|message| !message.is_confirmed);
        let again = unconfirmed.map(|sent| Unconfirmed { id: None, ..sent }).chain(self.again.drain(..)).collect();
        self.again = again;
        let rest = self.taken.iter().flat_map(|taken| &taken.lines);
        let lines = self.again.iter().map(|message| &message.message).chain(rest).map(Vec::as_slice);
        self.spool.put_back(self.taken.as_ref(), lines)?;
        self.again.clear();
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
                            delivery.add(message(next)).unwrap();
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
            assert_eq!((delivery.len(), delivery.given_up()), (next - confirmed.len() as u64, 0));
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
        // once more while none of it was sent again
        for _ in 0..2 {
            assert!(delivery.disconnected().is_err());
            assert_eq!((delivery.in_memory(), delivery.len()), (3, 3));
        }
        delivery.connected();
        id = 1;
        assert_eq!(send(&mut delivery, &mut id), [1, 2, 3]);
    }

    #[test]
    fn what_the_disk_does_not_take_back_is_sent_before_what_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let spool = folder.path().join("spool");
        let mut delivery = Delivery::new(&spool, 1 << 30).unwrap();
        delivery.connected();
        for number in 0..2 {
            delivery.add(message(number)).unwrap();
        }
        let mut id = 1;
        assert_eq!(send(&mut delivery, &mut id), [0, 1]);
        // more than may wait in memory: all of it goes to the disk
        let last = 2 + MOST_NEW as u64;
        for number in 2..=last {
            delivery.add(message(number)).unwrap();
        }
        let sent = send(&mut delivery, &mut id);
        assert_eq!(sent, (2..MOST_UNCONFIRMED as u64).collect::<Vec<_>>());
        let files = std::fs::read_dir(&spool).unwrap().map(|file| file.unwrap().path());
        let taken = files.filter(|file| file.extension().is_some_and(|ending| ending == "jsonl")).min().unwrap();
        // where it would be written anew is something else
        std::fs::create_dir(taken.with_extension("part")).unwrap();
        delivery.disconnected().unwrap_err();
        // the file that was taken is where it was
        assert_eq!((delivery.in_memory(), delivery.len()), (2, last + 1));
        delivery.connected();
        let mut all = Vec::new();
        while all.len() as u64 <= last {
            id = 1;
            let sent = send(&mut delivery, &mut id);
            assert!(!sent.is_empty(), "{all:?}");
            all.extend(sent);
            (1..id).for_each(|id| delivery.confirmed(id));
        }
        assert_eq!((all, delivery.len()), ((0..=last).collect(), 0));
    }

    #[test]
    fn what_is_given_up_is_counted_whatever_comes_after() {
        let folder = tempfile::tempdir().unwrap();
        let spool = folder.path().join("spool");
        let mut delivery = Delivery::new(&spool, 700 << 10).unwrap();
        for number in 0..200 {
            delivery.add(message(number)).unwrap();
        }
        assert_eq!((delivery.len(), delivery.given_up()), (200, 0));
        delivery.connected();
        for number in 200..450 {
            delivery.add(message(number)).unwrap();
        }
        // the file that is written takes some more, and none can be begun
        std::fs::remove_dir_all(&spool).unwrap();
        delivery.disconnected().unwrap_err();
        let given_up = delivery.given_up();
        assert!(given_up > 0 && delivery.in_memory() > 0);
        assert_eq!(given_up + delivery.len(), 450);
        assert_eq!(delivery.given_up(), 0);
        // and one that is new then is lost alone
        let before = delivery.len();
        delivery.add(message(450)).unwrap_err();
        assert_eq!((delivery.given_up(), delivery.len()), (0, before));
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
