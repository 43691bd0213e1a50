//! Features as a matrix of `NumPy`'s, and beside it a file that says what each row is of: `a.npy` and `a.npy.rows.jsonl`.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::file::{aside, create};
use super::lines::{Features, Row};
use super::output::Output;
use super::pair::{bytes, free_for_both, name, save_left_over, set_frames};
use super::rotate::Rotate;
use super::{Dropped, Item, Sink};
use crate::features::npy::companion;

/// How many bytes wait to be written at most.
const MOST_WAITING: usize = 1 << 16;

/// A matrix, and what its rows are of.
pub struct Npy {
    path: PathBuf,
    rotate: Option<Rotate>,
    /// None until there is a row, whose shape all others then have.
    open: Option<Open>,
}

struct Open {
    matrix: File,
    rows: File,
    /// Of a frame: `[C]`, or `[N+1, C]`.
    shape: Vec<usize>,
    begun: Instant,
    /// What is in the files: frames, and bytes of the lines.
    frames: u64,
    line_bytes: u64,
    /// Something that is not whole may stand after it.
    is_torn: bool,
    waiting: Waiting,
}

#[derive(Default)]
struct Waiting {
    frames: u64,
    numbers: Vec<u8>,
    lines: Vec<u8>,
}

/// A row's line: all but the numbers.
#[derive(Serialize)]
struct About<'a> {
    source: &'a str,
    frame: u64,
    #[serde(serialize_with = "super::lines::seconds")]
    captured: std::time::SystemTime,
    model_sha256: &'a str,
    preprocess_version: u32,
    patches: &'a [usize],
}

impl Npy {
    /// # Errors
    /// When what a run that was killed left cannot be saved.
    pub fn new(output: &Output, rotate: Option<Rotate>) -> Result<Self> {
        let path = output.path().context("a matrix cannot be written to standard output: name a file")?.to_owned();
        save_left_over(&path)?;
        Ok(Self { path, rotate, open: None })
    }

    /// # Errors
    /// When that cannot be: it goes on being written.
    fn end(&mut self) -> Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let path = if self.rotate.is_some() { free_for_both(&self.path) } else { self.path.clone() };
        let writing = || format!("writing {}", path.display());
        open.end().with_context(writing)?;
        name(&self.path, &path).with_context(writing)?;
        self.open = None;
        Ok(())
    }
}

impl Open {
    fn new(path: &Path, shape: Vec<usize>) -> Result<Self> {
        save_left_over(path)?;
        let begin = |path: &Path| create(&aside(path)).with_context(|| format!("writing {}", path.display()));
        let (mut matrix, rows) = (begin(path)?, begin(&companion(path))?);
        set_frames(&mut matrix, 0, &shape)?;
        Ok(Self {
            matrix,
            rows,
            shape,
            begun: Instant::now(),
            frames: 0,
            line_bytes: 0,
            is_torn: false,
            waiting: Waiting::default(),
        })
    }

    fn write(&mut self) -> io::Result<()> {
        if self.waiting.frames == 0 {
            return Ok(());
        }
        if self.is_torn {
            for (file, bytes) in
                [(&mut self.matrix, bytes(self.frames, &self.shape)), (&mut self.rows, self.line_bytes)]
            {
                file.set_len(bytes)?;
                file.seek(SeekFrom::Start(bytes))?;
            }
        }
        self.is_torn = true;
        self.matrix.write_all(&self.waiting.numbers)?;
        self.rows.write_all(&self.waiting.lines)?;
        self.is_torn = false;
        self.frames += self.waiting.frames;
        self.line_bytes += self.waiting.lines.len() as u64;
        self.waiting.frames = 0;
        self.waiting.numbers.clear();
        self.waiting.lines.clear();
        Ok(())
    }

    /// Writes all of it, and how much it is.
    fn end(&mut self) -> io::Result<()> {
        self.write()?;
        // the header is not where more rows would go
        self.is_torn = true;
        set_frames(&mut self.matrix, self.frames, &self.shape)?;
        self.matrix.sync_all()?;
        self.rows.sync_all()
    }
}

impl Sink for Npy {
    fn take(&mut self, item: &Item) -> Result<()> {
        let Item::Row(row) = item else { return Ok(()) };
        let shape = row.features.shape();
        if self.open.is_none() {
            self.open = Some(Open::new(&self.path, shape.clone())?);
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        ensure!(
            shape == open.shape,
            "a frame has features of {shape:?} where the file's have {:?}: a matrix has one shape; write .jsonl or .parquet",
            open.shape
        );
        if open.waiting.numbers.len() >= MOST_WAITING {
            open.write()?;
        }
        open.waiting.numbers.extend(row.features.values().flat_map(f32::to_le_bytes));
        serde_json::to_writer(&mut open.waiting.lines, &About::new(row))?;
        open.waiting.lines.push(b'\n');
        open.waiting.frames += 1;
        Ok(())
    }

    fn is_due(&self) -> bool {
        self.open.as_ref().zip(self.rotate).is_some_and(|(open, rotate)| {
            let frames = open.frames + open.waiting.frames;
            let bytes = bytes(frames, &open.shape) + open.line_bytes + open.waiting.lines.len() as u64;
            rotate.is_due(bytes, open.begun.elapsed())
        })
    }

    fn keep(&mut self) -> Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        open.write()?;
        open.matrix.sync_data()?;
        open.rows.sync_data()?;
        if self.is_due() { self.end() } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>, _: bool) -> Result<()> {
        let ended = self.end();
        // the rest is there under its other name
        let lost = self.open.map_or(0, |open| open.waiting.frames);
        Dropped { count: lost, why: "writing the last of it" }.after(ended)
    }
}

impl<'a> About<'a> {
    fn new(row: &'a Row) -> Self {
        let Row { source, frame, captured, model_sha256, preprocess_version, patches, features: _ } = row;
        Self {
            source,
            frame: *frame,
            captured: *captured,
            model_sha256,
            preprocess_version: *preprocess_version,
            patches,
        }
    }
}

impl Features {
    fn shape(&self) -> Vec<usize> {
        match self {
            Self::Row(values) => vec![values.len()],
            Self::Tokens(tokens) => vec![tokens.len(), tokens.first().map_or(0, Vec::len)],
        }
    }

    fn values(&self) -> Box<dyn Iterator<Item = f32> + '_> {
        match self {
            Self::Row(values) => Box::new(values.iter().copied()),
            Self::Tokens(tokens) => Box::new(tokens.iter().flatten().copied()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::time::Duration;

    use super::super::tests::item;
    use super::*;
    use crate::features::npy::shape_in;

    #[test]
    fn what_a_killed_run_left_has_the_rows_that_both_files_have() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let output: Output = path.display().to_string().parse().unwrap();
        let mut npy = Npy::new(&output, None).unwrap();
        for frame in 0..9 {
            npy.take(&item(frame, Features::Row(vec![frame as f32; 5]))).unwrap();
        }
        let other = npy.take(&item(9, Features::Row(vec![1.0; 4]))).unwrap_err();
        assert!(other.to_string().contains("one shape"), "{other}");
        npy.keep().unwrap();
        // killed: the locks are gone with the files, and the last row and line are torn
        drop(npy);
        let cut = |name: &str, bytes: u64| {
            let file = OpenOptions::new().write(true).open(folder.path().join(name)).unwrap();
            file.set_len(file.metadata().unwrap().len() - bytes).unwrap();
        };
        cut("a.npy.part", 3);
        cut("a.npy.rows.jsonl.part", 200);
        Box::new(Npy::new(&output, None).unwrap()).finish(true).unwrap();
        let saved = fs::read(folder.path().join("a.1.npy")).unwrap();
        let lines = fs::read_to_string(folder.path().join("a.1.npy.rows.jsonl")).unwrap();
        let rows = lines.lines().count();
        assert!((6..9).contains(&rows) && lines.ends_with('\n'), "{rows}");
        assert_eq!(shape_in(&saved), Some(vec![rows, 5]));
        assert_eq!(saved.len() as u64, bytes(rows as u64, &[5]));
        assert_eq!(saved[saved.len() - 4..], ((rows - 1) as f32).to_le_bytes());
        assert!(!path.exists());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn rows_that_a_full_disk_does_not_take_at_the_end_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let output: Output = folder.path().join("a.npy").display().to_string().parse().unwrap();
        let mut npy = Npy::new(&output, None).unwrap();
        let frame = |frame: u64| item(frame, Features::Row(vec![frame as f32; 5]));
        npy.take(&frame(0)).unwrap();
        npy.keep().unwrap();
        for number in 1..4 {
            npy.take(&frame(number)).unwrap();
        }
        npy.open.as_mut().unwrap().matrix = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let error = Box::new(npy).finish(true).unwrap_err();
        // the first is in the file
        assert_eq!(Dropped::count_in(&error), Some(3), "{error:#}");
        assert!(format!("{error:#}").contains("No space left"), "{error:#}");
    }

    #[test]
    fn a_file_that_cannot_be_ended_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let output: Output = path.display().to_string().parse().unwrap();
        let mut npy = Npy::new(&output, Some(Rotate::Time(Duration::ZERO))).unwrap();
        let frame = |frame: u64| item(frame, Features::Row(vec![frame as f32; 5]));
        npy.take(&frame(0)).unwrap();
        // no lines that could have their name
        let (lines, away) = (aside(&companion(&path)), folder.path().join("away"));
        fs::rename(&lines, &away).unwrap();
        npy.keep().unwrap_err();
        fs::rename(&away, &lines).unwrap();
        npy.take(&frame(1)).unwrap();
        npy.keep().unwrap();
        assert!(npy.open.is_none());
        let saved = fs::read(folder.path().join("a.1.npy")).unwrap();
        assert_eq!((shape_in(&saved), saved.len() as u64), (Some(vec![2, 5]), bytes(2, &[5])));
        assert_eq!(
            saved[saved.len() - 40..],
            [0.0_f32.to_le_bytes().repeat(5), 1.0_f32.to_le_bytes().repeat(5)].concat()
        );
    }

    #[test]
    fn a_row_after_one_that_found_no_space_to_begin_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let output: Output = path.display().to_string().parse().unwrap();
        let mut npy = Npy::new(&output, None).unwrap();
        // as it is left where there is no space for a header
        drop(create(&aside(&path)).unwrap());
        drop(create(&aside(&companion(&path))).unwrap());
        npy.take(&item(0, Features::Row(vec![1.0; 5]))).unwrap();
        Box::new(npy).finish(true).unwrap();
        assert_eq!(shape_in(&fs::read(&path).unwrap()), Some(vec![1, 5]));
    }
}
