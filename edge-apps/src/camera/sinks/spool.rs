//! Messages on the disk, in order, while nobody takes them: files of lines, with numbers.
//!
//! No crate that is kept well puts back at the front, which a connection that breaks asks for: what the other side has not
//! confirmed is older than all that waits.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::file::{check_left_over, create};

/// A file ends when it has so much in it.
const SEGMENT_BYTES: u64 = 256 << 10;
/// The first number leaves room before it.
const FIRST: u64 = 1 << 32;
const ENDING: &str = "jsonl";

/// Lines in files of a folder, oldest first; where there are too many, the oldest are given up.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    most_bytes: u64,
    segments: VecDeque<Segment>,
    /// The number of the next new segment: no segment that was taken has it.
    next: u64,
    /// The last segment's file, while it is written.
    open: Option<File>,
    /// Lines that were given up for newer ones, and were not asked for yet.
    given_up: u64,
    /// Held while this spool is: nobody else uses the folder.
    _lock: File,
}

#[derive(Debug, Clone, Copy)]
struct Segment {
    number: u64,
    bytes: u64,
    lines: u64,
}

/// What was taken from a spool, which keeps it until it is [removed](Spool::remove).
#[derive(Debug)]
pub struct Taken {
    pub lines: VecDeque<Vec<u8>>,
    segment: Segment,
}

impl Spool {
    /// Opens a folder, with what an earlier run left in it; makes it if it is not there.
    ///
    /// # Errors
    /// When it cannot be made or read, or another run has it.
    pub fn open(folder: &Path, most_bytes: u64) -> Result<Self> {
        let opening = || format!("opening the spool {}", folder.display());
        fs::create_dir_all(folder).with_context(opening)?;
        let lock = folder.join("lock");
        let lock = match create(&lock) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let lock = OpenOptions::new().write(true).open(&lock).with_context(opening)?;
                check_left_over(&lock, folder)?;
                lock
            }
            Err(error) => return Err(error).with_context(opening),
        };
        let mut segments = Vec::new();
        for entry in fs::read_dir(folder).with_context(opening)? {
            let path = entry?.path();
            let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
            if let Some(number) = number.filter(|_| path.extension().is_some_and(|ending| ending == ENDING)) {
                let text = fs::read(&path).with_context(opening)?;
                let lines =
                    text.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n")).count() as u64;
                segments.push(Segment { number, bytes: text.len() as u64, lines });
            }
        }
        segments.sort_by_key(|segment| segment.number);
        let next = segments.last().map_or(FIRST, |last: &Segment| last.number + 1);
        Ok(Self {
            folder: folder.to_owned(),
            most_bytes,
            segments: segments.into(),
            next,
            open: None,
            given_up: 0,
            _lock: lock,
        })
    }

    /// Lines that wait.
    pub fn len(&self) -> u64 {
        self.segments.iter().map(|segment| segment.lines).sum()
    }

    /// Lines that were given up for newer ones since this was asked for last.
    pub fn given_up(&mut self) -> u64 {
        std::mem::take(&mut self.given_up)
    }

    /// Adds a line behind all others, for which the oldest may be given up.
    ///
    /// # Errors
    /// When it cannot be written: it is not there then.
    pub fn add(&mut self, line: &[u8]) -> Result<()> {
        let record = [line, b"\n"].concat();
        self.make_room(record.len() as u64)?;
        let writing = || format!("writing to the spool {}", self.folder.display());
        if self.open.is_none() || self.segments.back().is_none_or(|last| last.bytes >= SEGMENT_BYTES) {
            let number = self.next;
            self.open = Some(File::create(self.path(number)).with_context(writing)?);
            self.segments.push_back(Segment { number, bytes: 0, lines: 0 });
            self.next += 1;
        }
        let (Some(file), Some(last)) = (&mut self.open, self.segments.back_mut()) else { return Ok(()) };
        if let Err(error) = file.write_all(&record) {
            // half of a line would spoil the next: where it cannot be taken back, that goes to a file of its own
            let whole = last.bytes;
            if file.set_len(whole).and_then(|()| file.seek(SeekFrom::Start(whole))).is_err() || whole == 0 {
                self.open = None;
            }
            if whole == 0
                && let Some(empty) = self.segments.pop_back()
            {
                // nothing is in it
                let _ = self.delete(empty);
            }
            return Err(error).with_context(|| format!("writing to the spool {}", self.folder.display()));
        }
        last.bytes += record.len() as u64;
        last.lines += 1;
        Ok(())
    }

    /// Gives up the oldest, for a line of so many bytes.
    fn make_room(&mut self, bytes: u64) -> Result<()> {
        while self.bytes() + bytes > self.most_bytes && self.segments.len() > 1 {
            let Some(&oldest) = self.segments.front() else { break };
            self.delete(oldest)?;
            self.segments.pop_front();
            self.given_up += oldest.lines;
        }
        Ok(())
    }

    /// The oldest lines, if there are some.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn take(&mut self) -> Result<Option<Taken>> {
        let Some(segment) = self.segments.pop_front() else { return Ok(None) };
        if self.segments.is_empty() {
            self.open = None;
        }
        let path = self.path(segment.number);
        let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        // the last one may have been stopped in the middle
        let lines = text.split_inclusive(|&byte| byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
        Ok(Some(Taken { lines: lines.map(<[u8]>::to_vec).collect(), segment }))
    }

    /// Removes what was taken.
    ///
    /// # Errors
    /// When that cannot be.
    pub fn remove(&self, taken: &Taken) -> Result<()> {
        self.delete(taken.segment)
    }

    /// Puts lines before all others, in the place of what was taken.
    ///
    /// # Errors
    /// When they cannot be written: what was taken is where it was.
    pub fn put_back<'a>(&mut self, taken: Option<&Taken>, lines: impl IntoIterator<Item = &'a [u8]>) -> Result<()> {
        let (mut text, mut count) = (Vec::new(), 0);
        for line in lines {
            text.extend_from_slice(line);
            text.push(b'\n');
            count += 1;
        }
        let before_all = || self.segments.front().map_or(self.next, |first| first.number) - 1;
        let number = taken.map_or_else(before_all, |taken| taken.segment.number);
        let path = self.path(number);
        let aside = path.with_extension("part");
        let write = || {
            let mut file = File::create(&aside)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&aside, &path)
        };
        if count > 0 {
            write().with_context(|| {
                // half of it takes space that is wanted
                let _ = fs::remove_file(&aside);
                format!("writing to the spool {}", self.folder.display())
            })?;
            self.segments.push_front(Segment { number, bytes: text.len() as u64, lines: count });
        } else if let Some(taken) = taken {
            self.remove(taken)?;
        }
        Ok(())
    }

    /// Brings what was added to the disk.
    ///
    /// # Errors
    /// When that cannot be.
    pub fn keep(&mut self) -> io::Result<()> {
        self.open.as_ref().map_or(Ok(()), File::sync_data)
    }

    fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:020}.{ENDING}"))
    }

    fn delete(&self, segment: Segment) -> Result<()> {
        let path = self.path(segment.number);
        match fs::remove_file(&path) {
            // somebody else did
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.with_context(|| format!("removing {}", path.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u64) -> Vec<u8> {
        format!("{number} {}", "x".repeat(10_000)).into_bytes()
    }

    /// The numbers of all lines, taken one file after another.
    fn drained(spool: &mut Spool) -> Vec<u64> {
        let mut numbers = Vec::new();
        while let Some(taken) = spool.take().unwrap() {
            for line in &taken.lines {
                numbers.push(String::from_utf8_lossy(line).split(' ').next().unwrap().parse().unwrap());
            }
            spool.remove(&taken).unwrap();
        }
        numbers
    }

    #[test]
    fn lines_come_in_order_by_this_run_and_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), 1 << 30).unwrap();
        for number in 0..100 {
            spool.add(&line(number)).unwrap();
        }
        assert_eq!(spool.given_up(), 0);
        let said = Spool::open(folder.path(), 1).unwrap_err().to_string();
        assert!(said.contains("another run"), "{said}");
        drop(spool);
        // a run that was killed in the middle of a line
        let last = folder.path().join(format!("{:020}.jsonl", FIRST + 3));
        let text = fs::read(&last).unwrap();
        fs::write(&last, &text[..text.len() - 5]).unwrap();
        let mut spool = Spool::open(folder.path(), 1 << 30).unwrap();
        assert_eq!(spool.len(), 99);
        spool.add(&line(100)).unwrap();
        let expected: Vec<u64> = (0..99).chain([100]).collect();
        assert_eq!(drained(&mut spool), expected);
        assert_eq!(spool.len(), 0);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_put_back_is_first_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), 1 << 30).unwrap();
        for number in 3..90 {
            spool.add(&line(number)).unwrap();
        }
        let taken = spool.take().unwrap().unwrap();
        // those before 10 were confirmed; 1 and 2 never were in a file
        let rest: Vec<&[u8]> = taken.lines.iter().skip(7).map(Vec::as_slice).collect();
        spool.put_back(Some(&taken), rest).unwrap();
        let older = [line(1), line(2)];
        spool.put_back(None, older.iter().map(Vec::as_slice)).unwrap();
        spool.put_back(None, []).unwrap();
        let expected: Vec<u64> = (1..3).chain(10..90).collect();
        assert_eq!(drained(&mut spool), expected);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_disk_that_is_full_costs_that_message_and_leaves_no_empty_files() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), 1 << 30).unwrap();
        for number in 0..20 {
            // a file that takes nothing
            std::os::unix::fs::symlink("/dev/full", folder.path().join(format!("{:020}.jsonl", FIRST + number)))
                .unwrap();
            assert!(spool.add(&line(number)).unwrap_err().to_string().contains("spool"));
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
        spool.add(&line(20)).unwrap();
        assert_eq!(drained(&mut spool), [20]);
    }

    #[test]
    fn too_much_costs_the_oldest() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), 1 << 20).unwrap();
        for number in 0..300 {
            spool.add(&line(number)).unwrap();
            assert!(spool.bytes() <= 1 << 20);
        }
        let lost = spool.given_up();
        let kept = drained(&mut spool);
        assert!(lost > 0 && kept.len() as u64 + lost == 300, "{lost}");
        assert_eq!(kept, (lost..300).collect::<Vec<_>>());
        // nothing is lost below the bound: as many files are given up as must be
        assert!(kept.len() as u64 * 10_005 + (SEGMENT_BYTES + 10_005) > 1 << 20, "{}", kept.len());
    }
}
