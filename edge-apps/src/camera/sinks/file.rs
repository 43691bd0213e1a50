//! A file that is whole or is not there, and what a run that was killed left.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::Dropped;
use super::rotate::Rotate;
use crate::lock;

/// How many bytes wait to be written at most.
const MOST_WAITING: usize = 1 << 16;
/// How much of what a run that was killed left is looked at at a time.
const BLOCK: u64 = 1 << 16;

/// What of a file is whole after a run that was killed.
#[derive(Debug, Clone, Copy)]
pub enum Whole {
    /// As far as the last line that has its end.
    Lines,
    All,
}

/// Where records go: a file under another name until it ends, or standard output.
#[derive(Debug)]
pub enum Records {
    Stdout(io::Stdout),
    File(Box<RecordFile>),
}

/// A file that is written aside.
#[derive(Debug)]
pub struct RecordFile {
    path: PathBuf,
    aside: PathBuf,
    file: File,
    /// Bytes of whole records in the file.
    len: u64,
    /// Something that is not whole may stand after them.
    is_torn: bool,
    waiting: Vec<u8>,
    records_waiting: u64,
    begun: Instant,
    rotate: Option<Rotate>,
}

impl Records {
    /// Begins a file, or standard output; one that is to end when it is long enough has a number instead of its own name. What
    /// a run that was killed left beside the file gets a name of its own.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn new(path: Option<&Path>, rotate: Option<Rotate>, whole: Whole) -> Result<Self> {
        let Some(path) = path else { return Ok(Self::Stdout(io::stdout())) };
        let aside = aside(path);
        save_left_over(&aside, path, whole)?;
        let writing = || format!("writing {}", aside.display());
        let file = create(&aside).with_context(writing)?;
        Ok(Self::File(Box::new(RecordFile {
            path: path.to_owned(),
            aside,
            file,
            len: 0,
            is_torn: false,
            waiting: Vec::new(),
            records_waiting: 0,
            begun: Instant::now(),
            rotate,
        })))
    }

    /// Adds a record.
    ///
    /// # Errors
    /// When it cannot be written: it is not there then, not by half either.
    pub fn add(&mut self, record: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout(out) => {
                let mut out = out.lock();
                out.write_all(record)?;
                out.flush()
            }
            Self::File(file) => {
                // what waits is not given up: where it cannot be written, nothing is added to it
                if file.waiting.len() >= MOST_WAITING {
                    file.write()?;
                }
                file.waiting.extend_from_slice(record);
                file.records_waiting += 1;
                Ok(())
            }
        }
    }

    /// Brings what was added to the disk.
    ///
    /// # Errors
    /// When that cannot be.
    pub fn keep(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(_) => Ok(()),
            Self::File(file) => {
                file.write()?;
                file.file.sync_data()
            }
        }
    }

    /// Whether it is long enough for another one to begin.
    pub fn is_due(&self) -> bool {
        let Self::File(file) = self else { return false };
        let bytes = file.len + file.waiting.len() as u64;
        file.rotate.is_some_and(|rotate| rotate.is_due(bytes, file.begun.elapsed()))
    }

    /// Gives the file its name with the next number, and begins another one.
    ///
    /// # Errors
    /// When that cannot be: it goes on being written.
    pub fn rotate(&mut self) -> Result<()> {
        self.keep().context("writing the last of it")?;
        let Self::File(file) = self else { return Ok(()) };
        file.file.sync_all()?;
        let number = free(&file.path);
        let rotating = || format!("going on after {}", number.display());
        fs::rename(&file.aside, &number).with_context(rotating)?;
        file.file = match create(&file.aside) {
            Ok(next) => next,
            Err(error) => {
                // it goes on as it was
                fs::rename(&number, &file.aside).with_context(rotating)?;
                return Err(error).with_context(rotating);
            }
        };
        (file.len, file.is_torn, file.begun) = (0, false, Instant::now());
        Ok(())
    }

    /// Gives the file its name. What would be empty is not left behind by a run that failed.
    ///
    /// # Errors
    /// When the last of it cannot be written, which is [`Dropped`] then; the rest is there under its other name.
    pub fn finish(mut self, succeeded: bool) -> Result<()> {
        let kept = self.keep();
        if let (Err(error), Self::File(file)) = (kept, &self) {
            return Err(error).context(Dropped { count: file.records_waiting, why: "writing the last of it" });
        }
        if let Self::File(file) = self {
            if file.len == 0 && (!succeeded || file.rotate.is_some()) {
                return fs::remove_file(&file.aside).with_context(|| format!("removing {}", file.aside.display()));
            }
            file.file.sync_all()?;
            let path = if file.rotate.is_some() { free(&file.path) } else { file.path };
            fs::rename(&file.aside, &path).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }
}

impl RecordFile {
    fn write(&mut self) -> io::Result<()> {
        if self.is_torn {
            // half of a record would spoil those after it
            self.file.set_len(self.len)?;
            self.file.seek(SeekFrom::Start(self.len))?;
            self.is_torn = false;
        }
        let written = self.file.write_all(&self.waiting);
        if written.is_ok() {
            self.len += self.waiting.len() as u64;
            self.waiting.clear();
            self.records_waiting = 0;
        } else {
            self.is_torn = true;
        }
        written
    }
}

/// The name of a file that is not whole yet.
pub fn aside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    path.with_file_name(name)
}

/// The name with the first number that is free: `a.1.jsonl`.
pub fn free(path: &Path) -> PathBuf {
    free_where(path, |path| !path.exists())
}

/// The name with the first number that this says is free.
pub fn free_where(path: &Path, is_free: impl Fn(&Path) -> bool) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let ending = path.extension().map_or_else(String::new, |ending| format!(".{}", ending.to_string_lossy()));
    let name = |number: u32| path.with_file_name(format!("{stem}.{number}{ending}"));
    let mut number = 1;
    while !is_free(&name(number)) {
        number += 1;
    }
    name(number)
}

/// A new file, which nobody else takes for one that was left over while it is written.
pub fn create(aside: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create_new(true).write(true).open(aside)?;
    // some file systems have no locks; they are no reason not to write
    let _ = file.try_lock();
    Ok(file)
}

/// # Errors
/// When another run is writing there.
pub fn check_left_over(left: &File, path: &Path) -> Result<()> {
    if lock::is_taken(left) {
        bail!("another run is writing {}; name another output", path.display());
    }
    Ok(())
}

/// Gives what a run that was killed left a name of its own, less the record that it was stopped in.
fn save_left_over(aside: &Path, path: &Path, whole: Whole) -> Result<()> {
    let saving = || format!("saving what an earlier run left in {}", aside.display());
    let mut left = match OpenOptions::new().read(true).write(true).open(aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        left => left.with_context(saving)?,
    };
    check_left_over(&left, path)?;
    if let Whole::Lines = whole {
        let end = end_of_lines(&mut left).with_context(saving)?;
        left.set_len(end).with_context(saving)?;
    }
    let free = free(path);
    fs::rename(aside, &free).with_context(saving)?;
    log::warn!("an earlier run was stopped while it wrote {}: what it wrote is in {}", path.display(), free.display());
    Ok(())
}

/// Where the last line ends that has an end, looked for from the file's end: it may be longer than there is memory.
fn end_of_lines(file: &mut File) -> io::Result<u64> {
    let mut block = vec![0; BLOCK as usize];
    let mut end = file.metadata()?.len();
    while end > 0 {
        let begin = end.saturating_sub(BLOCK);
        let block = &mut block[..(end - begin) as usize];
        file.seek(SeekFrom::Start(begin))?;
        file.read_exact(block)?;
        if let Some(last) = block.iter().rposition(|&byte| byte == b'\n') {
            return Ok(begin + last as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_when_it_is_whole_and_an_old_one_is_not_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let records = || Records::new(Some(&path), None, Whole::Lines);
        let mut file = records().unwrap();
        file.add(b"one\n").unwrap();
        file.keep().unwrap();
        assert!(!path.exists());
        file.finish(true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one\n");
        let mut file = records().unwrap();
        file.add(b"two\n").unwrap();
        file.finish(true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two\n");
    }

    #[test]
    fn what_a_killed_run_left_is_kept_less_its_last_half() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        for number in 1..3 {
            fs::write(folder.path().join("a.jsonl.part"), format!("{number}\nhal")).unwrap();
            Records::new(Some(&path), None, Whole::Lines).unwrap().finish(true).unwrap();
            fs::remove_file(&path).unwrap();
            let saved = folder.path().join(format!("a.{number}.jsonl"));
            assert_eq!(fs::read_to_string(saved).unwrap(), format!("{number}\n"));
        }
    }

    #[test]
    fn the_end_of_the_last_line_is_found_wherever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let block = BLOCK as usize;
        for (lines, half) in
            [(0, 0), (0, 1), (1, 0), (5, block - 1), (5, block), (5, block + 1), (block, 3 * block), (3 * block, 1)]
        {
            let mut text = vec![b'x'; lines + half];
            if lines > 0 {
                text[lines - 1] = b'\n';
            }
            fs::write(&path, text).unwrap();
            assert_eq!(end_of_lines(&mut File::open(&path).unwrap()).unwrap(), lines as u64, "{lines} {half}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_a_killed_run_left_may_be_longer_than_there_is_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        // a hole of a tebibyte
        let hole = 1 << 40;
        for (whole, kept) in [(Whole::Lines, hole + 1), (Whole::All, hole + 4)] {
            let mut left = File::create(folder.path().join("a.jsonl.part")).unwrap();
            left.seek(SeekFrom::Start(hole)).unwrap();
            left.write_all(b"\nhal").unwrap();
            drop(left);
            Records::new(Some(&path), None, whole).unwrap().finish(false).unwrap();
            let saved = folder.path().join("a.1.jsonl");
            assert_eq!(fs::metadata(&saved).unwrap().len(), kept, "{whole:?}");
            fs::remove_file(saved).unwrap();
        }
    }

    #[test]
    fn a_file_that_another_run_writes_is_let_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let mut first = Records::new(Some(&path), Some(Rotate::Bytes(1)), Whole::Lines).unwrap();
        for number in 0..2 {
            first.add(b"one\n").unwrap();
            let refused = Records::new(Some(&path), None, Whole::Lines).unwrap_err();
            assert!(refused.to_string().contains("another run"), "{number}: {refused}");
            first.rotate().unwrap();
        }
        first.finish(true).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("a.2.jsonl")).unwrap(), "one\n");
    }

    #[test]
    fn what_cannot_be_written_leaves_no_half() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.part");
        fs::write(&path, "one\nha").unwrap();
        // as after a write that failed in the middle
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let at = |file, is_torn| RecordFile {
            path: PathBuf::new(),
            aside: path.clone(),
            file,
            len: 4,
            is_torn,
            waiting: b"two\n".to_vec(),
            records_waiting: 0,
            begun: Instant::now(),
            rotate: None,
        };
        at(file, true).write().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        // a file that takes nothing
        let mut refusing = at(File::open(&path).unwrap(), false);
        assert!(refusing.write().is_err());
        assert!(refusing.is_torn && refusing.waiting == b"two\n" && refusing.len == 4);
        // what waits is kept, and so much of it that no more is taken
        refusing.waiting = vec![b'x'; MOST_WAITING];
        let mut records = Records::File(Box::new(refusing));
        assert!(records.add(b"three\n").is_err());
        let Records::File(refusing) = records else { panic!("a file") };
        assert_eq!(refusing.waiting.len(), MOST_WAITING);
    }
}
