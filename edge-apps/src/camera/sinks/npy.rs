//! Features as a matrix of `NumPy`'s, and beside it a file that says what each row is of: `a.npy` and `a.npy.rows.jsonl`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use super::file::{aside, check_left_over, create, free};
use super::lines::{Features, Row};
use super::output::Output;
use super::rotate::Rotate;
use super::{Item, Sink};
use crate::features::npy::{companion, header, shape_in};

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

    fn end(&mut self) -> Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        let path = if self.rotate.is_some() { free(&self.path) } else { self.path.clone() };
        let writing = || format!("writing {}", path.display());
        open.write().with_context(writing)?;
        set_frames(&mut open.matrix, open.frames, &open.shape).with_context(writing)?;
        open.matrix.sync_all().with_context(writing)?;
        open.rows.sync_all().with_context(writing)?;
        name(&self.path, &path).with_context(writing)
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

    fn keep(&mut self) -> Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        open.write()?;
        open.matrix.sync_data()?;
        open.rows.sync_data()?;
        let written = bytes(open.frames, &open.shape) + open.line_bytes;
        if self.rotate.is_some_and(|rotate| rotate.is_due(written, open.begun.elapsed())) {
            self.end()?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>, _: bool) -> Result<()> {
        self.end()
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

/// The bytes of a matrix of so many frames, its header among them.
fn bytes(frames: u64, shape: &[usize]) -> u64 {
    header(&whole(frames, shape)).len() as u64 + frames * (shape.iter().product::<usize>() * size_of::<f32>()) as u64
}

fn whole(frames: u64, shape: &[usize]) -> Vec<usize> {
    [&[frames as usize], shape].concat()
}

/// Writes a header for so many frames, which is as long for any number of them.
fn set_frames(matrix: &mut File, frames: u64, shape: &[usize]) -> io::Result<()> {
    matrix.seek(SeekFrom::Start(0))?;
    matrix.write_all(&header(&whole(frames, shape)))
}

/// Gives both files their names: the matrix last, so that where it is, both are.
fn name(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(aside(&companion(from)), companion(to))?;
    fs::rename(aside(from), to)
}

/// Gives what a run that was killed left names of its own: as many rows as both files have.
fn save_left_over(path: &Path) -> Result<()> {
    let aside_path = aside(path);
    let saving = || format!("saving what an earlier run left in {}", aside_path.display());
    let mut matrix = match OpenOptions::new().read(true).write(true).open(&aside_path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        left => left.with_context(saving)?,
    };
    check_left_over(&matrix, path)?;
    let mut text = vec![0; header(&[0]).len()];
    let shape = matrix.read_exact(&mut text).ok().and_then(|()| shape_in(&text));
    let Some((_, shape)) = shape.as_deref().and_then(|shape| shape.split_first()) else {
        bail!("{} is not what an earlier run would leave; move it away", aside_path.display());
    };
    let rows = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(aside(&companion(path)));
    let rows = rows.with_context(saving)?;
    let row_bytes = (bytes(1, shape) - bytes(0, shape)).max(1);
    let in_matrix = matrix.metadata()?.len().saturating_sub(bytes(0, shape)) / row_bytes;
    let (mut frames, mut line_bytes, mut line) = (0, 0, Vec::new());
    let mut lines = BufReader::new(&rows);
    while frames < in_matrix && lines.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
        (frames, line_bytes) = (frames + 1, line_bytes + line.len() as u64);
        line.clear();
    }
    matrix.set_len(bytes(frames, shape)).with_context(saving)?;
    rows.set_len(line_bytes).with_context(saving)?;
    set_frames(&mut matrix, frames, shape).with_context(saving)?;
    let free = free(path);
    name(path, &free).with_context(saving)?;
    log::warn!("an earlier run was stopped while it wrote {}: what it wrote is in {}", path.display(), free.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn item(frame: u64, features: Features) -> Item {
        Item::Row(std::sync::Arc::new(Row {
            source: "test:0".to_owned(),
            frame,
            captured: SystemTime::now(),
            model_sha256: "a".to_owned(),
            preprocess_version: 1,
            patches: vec![1, 2],
            features,
        }))
    }

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
}
