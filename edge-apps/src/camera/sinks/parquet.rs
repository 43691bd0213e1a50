//! Features as Parquet: a row a frame, or a row a token.
//!
//! Columns: `source`, `frame`, `captured` (microseconds, UTC); for tokens `token`, counted from 0, the class token, and
//! `patch`, its place in the grid, null for the class token; for frames `patches`, the places that were looked at; `features`,
//! a list of fixed length; `model_sha256`; `preprocess_version`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, UNIX_EPOCH};

use anyhow::{Context, Result};
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
use super::{Item, Sink};

/// Rows that are held until they are written.
const MOST_ROWS: usize = 4096;

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

    fn end(&mut self) -> Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        let path = if self.rotate.is_some() { free(&self.path) } else { self.path.clone() };
        let writing = || format!("writing {}", path.display());
        open.write().with_context(writing)?;
        open.writer.into_inner().with_context(writing)?.sync_all().with_context(writing)?;
        fs::rename(aside(&self.path), &path).with_context(writing)
    }
}

impl Open {
    /// Begins a file with the columns of a row.
    fn new(path: &Path, row: &Row) -> Result<Self> {
        let mut rows = Rows::new(row);
        let schema = rows.batch()?.schema();
        let properties = WriterProperties::builder().set_compression(Compression::UNCOMPRESSED).build();
        // of a file that could not be ended, if there is one
        put_left_over_aside(path)?;
        let file = create(&aside(path))?;
        Ok(Self { writer: ArrowWriter::try_new(file, schema, Some(properties))?, begun: Instant::now(), rows })
    }

    /// Gives the rows to the writer.
    fn write(&mut self) -> Result<()> {
        if self.rows.count > 0 {
            self.writer.write(&self.rows.batch()?)?;
        }
        Ok(())
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
        if open.rows.count >= MOST_ROWS { open.write() } else { Ok(()) }
    }

    fn keep(&mut self) -> Result<()> {
        let is_due = self.open.as_ref().zip(self.rotate).is_some_and(|(open, rotate)| {
            let bytes = open.writer.bytes_written() + open.writer.in_progress_size() + open.rows.count;
            rotate.is_due(bytes as u64, open.begun.elapsed())
        });
        if is_due { self.end() } else { Ok(()) }
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
