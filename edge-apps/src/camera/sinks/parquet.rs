//! Features as Parquet: a row a frame, or a row a token.
//!
//! Columns: `source`, `frame`, `captured` (microseconds, UTC); for tokens `token`, counted from 0, the class token, and
//! `patch`, its place in the grid, null for the class token; for frames `patches`, the places that were looked at; `features`,
//! a list of fixed length; `model_sha256`; `preprocess_version`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, UNIX_EPOCH};

use anyhow::{Context, Error, Result};
use arrow_array::builder::{
    FixedSizeListBuilder, Float32Builder, Int32Builder, Int64Builder, ListBuilder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::file::{aside, check_left_over, create, free};
use super::lines::{Features, Row};
use super::output::Output;
use super::rotate::Rotate;
use super::{Dropped, Item, Sink};

/// Rows that are held until they are written.
const MOST_ROWS: usize = 4096;
/// How much of a file is held in memory: a group of rows goes to the disk when it has about so much in it.
const MOST_GROUP_BYTES: usize = 8 << 20;

/// A file, and the rows that wait for it.
pub struct Parquet {
    path: PathBuf,
    rotate: Option<Rotate>,
    /// None until there is a row, whose columns the file then has.
    open: Option<Open>,
}

struct Open {
    writer: ArrowWriter<File>,
    begun: Instant,
    rows: Rows,
    /// All that went into it: none can be read before it has its end.
    frames: u64,
}

/// Rows, column by column.
struct Rows {
    count: usize,
    source: StringBuilder,
    frame: Int64Builder,
    captured: TimestampMicrosecondBuilder,
    places: Places,
    features: FixedSizeListBuilder<Float32Builder>,
    model: StringBuilder,
    preprocess: Int32Builder,
}

/// Where in the grid a row is from.
enum Places {
    Frame(ListBuilder<Int32Builder>),
    Token { token: Int32Builder, patch: Int32Builder },
}

impl Parquet {
    /// # Errors
    /// When what a run that was killed left cannot be put aside.
    pub fn new(output: &Output, rotate: Option<Rotate>) -> Result<Self> {
        let path =
            output.path().map(Path::to_owned).context("Parquet cannot be written to standard output: name a file")?;
        put_left_over_aside(&path)?;
        Ok(Self { path, rotate, open: None })
    }

    /// # Errors
    /// When that cannot be, which is [`Dropped`], unless it is whole and cannot have its name.
    fn end(&mut self) -> Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let path = if self.rotate.is_some() { free(&self.path) } else { self.path.clone() };
        let writing = || format!("writing {}", path.display());
        let frames = open.frames;
        open.end().map_err(|error| self.give_up(frames, error.context(writing())))?;
        fs::rename(aside(&self.path), &path).with_context(writing)
    }

    /// Removes a file whose writer failed: it can have no end any more, and the space is wanted.
    fn give_up(&self, frames: u64, error: Error) -> Error {
        // one that cannot be removed is put aside when the next begins
        let _ = fs::remove_file(aside(&self.path));
        error.context(Dropped { count: frames, why: "all rows of a Parquet file that cannot be ended are given up" })
    }
}

impl Open {
    /// Begins a file with the columns of a row.
    fn new(path: &Path, row: &Row) -> Result<Self> {
        // of a file that could not be ended, if there is one
        put_left_over_aside(path)?;
        Self::begin(create(&aside(path))?, row)
    }

    fn begin(file: File, row: &Row) -> Result<Self> {
        let mut rows = Rows::new(row);
        let schema = rows.batch()?.schema();
        let properties = WriterProperties::builder()
            .set_compression(Compression::UNCOMPRESSED)
            .set_max_row_group_bytes(Some(MOST_GROUP_BYTES))
            .build();
        let writer = ArrowWriter::try_new(file, schema, Some(properties))?;
        Ok(Self { writer, begun: Instant::now(), rows, frames: 0 })
    }

    /// Gives the rows to the writer.
    fn write(&mut self) -> Result<()> {
        if self.rows.count > 0 {
            self.writer.write(&self.rows.batch()?)?;
        }
        Ok(())
    }

    fn end(mut self) -> Result<()> {
        self.write()?;
        Ok(self.writer.into_inner()?.sync_all()?)
    }
}

impl Rows {
    /// None yet, for rows such as this one.
    fn new(row: &Row) -> Self {
        let (width, places) = match &row.features {
            Features::Row(values) => (values.len(), Places::Frame(ListBuilder::new(Int32Builder::new()))),
            Features::Tokens(tokens) => (
                tokens.first().map_or(0, Vec::len),
                Places::Token { token: Int32Builder::new(), patch: Int32Builder::new() },
            ),
        };
        Self {
            count: 0,
            source: StringBuilder::new(),
            frame: Int64Builder::new(),
            captured: TimestampMicrosecondBuilder::new().with_timezone("UTC"),
            places,
            features: FixedSizeListBuilder::new(Float32Builder::new(), width as i32),
            model: StringBuilder::new(),
            preprocess: Int32Builder::new(),
        }
    }

    fn add(&mut self, row: &Row) {
        let one = [match &row.features {
            Features::Row(values) => values.as_slice(),
            Features::Tokens(_) => &[],
        }];
        let tokens: Vec<&[f32]> = match &row.features {
            Features::Row(_) => one.to_vec(),
            Features::Tokens(tokens) => tokens.iter().map(Vec::as_slice).collect(),
        };
        let since = row.captured.duration_since(UNIX_EPOCH).unwrap_or_default();
        for (number, values) in tokens.into_iter().enumerate() {
            self.count += 1;
            self.source.append_value(&row.source);
            self.frame.append_value(row.frame as i64);
            self.captured.append_value(since.as_micros() as i64);
            match &mut self.places {
                Places::Frame(patches) => {
                    patches.append_value(row.patches.iter().map(|&patch| Some(patch as i32)));
                }
                Places::Token { token, patch } => {
                    token.append_value(number as i32);
                    let place = number.checked_sub(1).and_then(|number| row.patches.get(number));
                    patch.append_option(place.map(|&place| place as i32));
                }
            }
            self.features.values().append_slice(values);
            self.features.append(true);
            self.model.append_value(&row.model_sha256);
            self.preprocess.append_value(row.preprocess_version as i32);
        }
    }

    /// The rows, which are none afterwards.
    fn batch(&mut self) -> Result<RecordBatch> {
        self.count = 0;
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("source", Arc::new(self.source.finish())),
            ("frame", Arc::new(self.frame.finish())),
            ("captured", Arc::new(self.captured.finish())),
        ];
        match &mut self.places {
            Places::Frame(patches) => columns.push(("patches", Arc::new(patches.finish()))),
            Places::Token { token, patch } => {
                columns.push(("token", Arc::new(token.finish())));
                columns.push(("patch", Arc::new(patch.finish())));
            }
        }
        columns.push(("features", Arc::new(self.features.finish())));
        columns.push(("model_sha256", Arc::new(self.model.finish())));
        columns.push(("preprocess_version", Arc::new(self.preprocess.finish())));
        let columns = columns.into_iter().map(|(name, column)| (name, column, name == "patch"));
        Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
    }
}

impl Sink for Parquet {
    fn take(&mut self, item: &Item) -> Result<()> {
        let Item::Row(row) = item else { return Ok(()) };
        let open = match self.open.take() {
            Some(open) => open,
            None => Open::new(&self.path, row).with_context(|| format!("writing {}", self.path.display()))?,
        };
        let open = self.open.insert(open);
        open.rows.add(row);
        open.frames += 1;
        if open.rows.count < MOST_ROWS {
            return Ok(());
        }
        open.write().map_err(|error| {
            let frames = self.open.take().map_or(0, |open| open.frames);
            self.give_up(frames, error)
        })
    }

    fn is_due(&self) -> bool {
        self.open.as_ref().zip(self.rotate).is_some_and(|(open, rotate)| {
            let bytes = open.writer.bytes_written() + open.writer.in_progress_size() + open.rows.count;
            rotate.is_due(bytes as u64, open.begun.elapsed())
        })
    }

    fn keep(&mut self) -> Result<()> {
        if self.is_due() { self.end() } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>, _: bool) -> Result<()> {
        self.end()
    }
}

/// Parquet ends with what it takes to read it: what a run that was killed left cannot be read here, and is not thrown away.
fn put_left_over_aside(path: &Path) -> Result<()> {
    let left = aside(path);
    if !left.exists() {
        return Ok(());
    }
    check_left_over(&File::open(&left)?, path)?;
    let broken = free(&left);
    fs::rename(&left, &broken).with_context(|| format!("putting {} aside", left.display()))?;
    log::warn!(
        "an earlier run was stopped while it wrote {}: what is in {} has no end",
        path.display(),
        broken.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader as _, SerializedFileReader};

    use super::super::tests::item;
    use super::*;

    /// A frame's worth of numbers that repeat nowhere.
    fn tokens(frame: u64, count: usize, width: usize) -> Item {
        let number = |at: usize| (frame as usize * count * width + at) as f32;
        let rows = (0..count).map(|token| (0..width).map(|at| number(token * width + at)).collect());
        item(frame, Features::Tokens(rows.collect()))
    }

    fn sink(folder: &tempfile::TempDir) -> Parquet {
        let output: Output = folder.path().join("a.parquet").display().to_string().parse().unwrap();
        Parquet::new(&output, None).unwrap()
    }

    #[test]
    fn no_more_than_a_group_of_rows_is_held_in_memory() {
        let folder = tempfile::tempdir().unwrap();
        let mut parquet = sink(&folder);
        let (frames, count, width) = (100, 256, 256);
        for frame in 0..frames {
            parquet.take(&tokens(frame, count, width)).unwrap();
            let held = parquet.open.as_ref().unwrap().writer.memory_size();
            assert!(held < 2 * MOST_GROUP_BYTES, "{held}");
        }
        let written = fs::metadata(folder.path().join("a.parquet.part")).unwrap().len();
        assert!(written > 2 * MOST_GROUP_BYTES as u64, "{written}");
        Box::new(parquet).finish(true).unwrap();
        let reader = SerializedFileReader::new(File::open(folder.path().join("a.parquet")).unwrap()).unwrap();
        assert_eq!(reader.metadata().file_metadata().num_rows() as usize, frames as usize * count);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn rows_of_a_file_that_cannot_be_written_are_counted_and_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let mut parquet = sink(&folder);
        let full = |first: &Item| {
            let Item::Row(row) = first else { panic!("a row") };
            create(&folder.path().join("a.parquet.part")).unwrap();
            Open::begin(fs::OpenOptions::new().write(true).open("/dev/full").unwrap(), row).unwrap()
        };
        let is_empty = || fs::read_dir(folder.path()).unwrap().count() == 0;
        // in the middle, when there is a group of rows to write
        parquet.open = Some(full(&tokens(0, 256, 256)));
        let mut taken = (0..100).map(|frame| (frame, parquet.take(&tokens(frame, 256, 256))));
        let (frame, refused) = taken.find(|(_, taken)| taken.is_err()).unwrap();
        let error = refused.unwrap_err();
        assert_eq!(Dropped::count_in(&error), Some(frame + 1), "{error:#}");
        assert!(format!("{error:#}").contains("No space left"), "{error:#}");
        assert!(parquet.open.is_none() && is_empty());
        // at the end
        parquet.open = Some(full(&tokens(0, 2, 3)));
        for frame in 0..5 {
            parquet.take(&tokens(frame, 2, 3)).unwrap();
        }
        let error = Box::new(parquet).finish(true).unwrap_err();
        assert_eq!(Dropped::count_in(&error), Some(5), "{error:#}");
        assert!(is_empty());
    }

    #[test]
    fn a_whole_file_that_cannot_have_its_name_is_not_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let mut parquet = sink(&folder);
        parquet.take(&tokens(0, 2, 3)).unwrap();
        // a file does not take the place of a folder
        fs::create_dir(folder.path().join("a.parquet")).unwrap();
        let error = Box::new(parquet).finish(true).unwrap_err();
        assert_eq!(Dropped::count_in(&error), None, "{error:#}");
        let reader = SerializedFileReader::new(File::open(folder.path().join("a.parquet.part")).unwrap()).unwrap();
        assert_eq!(reader.metadata().file_metadata().num_rows(), 2);
    }
}
