//! `.parquet`: a row a picture, or a row a token.
//!
//! Columns: `path`; for tokens `token`, counted from 0, the class token, and `patch`, its place in the grid, null for the
//! class token; `features`, a list of fixed length; `model_sha256`; `preprocess_version`. The file's own `glimpse` entry
//! holds the recipe as JSON.

use std::fs::File;
use std::sync::Arc;

use anyhow::Result;
use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, Int32Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, FieldRef, Schema};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::{Row, Sink};
use crate::features::{Keep, Recipe};

/// Numbers that are handed to the writer at a time.
const BATCH_VALUES: usize = 1 << 20;
/// A group of rows is held in memory until it is written.
const GROUP_BYTES: usize = 64 << 20;

pub struct Parquet {
    writer: ArrowWriter<File>,
    schema: Arc<Schema>,
    recipe: Recipe,
    paths: Vec<String>,
    patches: Vec<Option<i32>>,
    values: Vec<f32>,
}

impl Parquet {
    pub fn new(file: File, recipe: &Recipe) -> Result<Self> {
        let mut fields = vec![Field::new("path", DataType::Utf8, false)];
        if recipe.pool == Keep::None {
            fields.push(Field::new("token", DataType::Int32, false));
            fields.push(Field::new("patch", DataType::Int32, true));
        }
        fields.push(Field::new("features", DataType::FixedSizeList(item(), recipe.width as i32), false));
        fields.push(Field::new("model_sha256", DataType::Utf8, false));
        fields.push(Field::new("preprocess_version", DataType::Int32, false));
        let schema = Arc::new(Schema::new(fields));
        let about = KeyValue::new("glimpse".to_owned(), serde_json::to_string(recipe)?);
        let numbers = ColumnPath::from(vec!["features".to_owned(), "list".to_owned(), "item".to_owned()]);
        let properties = WriterProperties::builder()
            .set_max_row_group_bytes(Some(GROUP_BYTES))
            // Hardly any two numbers are the same, and nobody asks for the least of them.
            .set_column_dictionary_enabled(numbers.clone(), false)
            .set_column_statistics_enabled(numbers, EnabledStatistics::None)
            .set_key_value_metadata(Some(vec![about]))
            .build();
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties))?;
        let recipe = recipe.clone();
        Ok(Self { writer, schema, recipe, paths: Vec::new(), patches: Vec::new(), values: Vec::new() })
    }

    fn write_batch(&mut self) -> Result<()> {
        let rows = self.paths.len();
        let values = Arc::new(Float32Array::from(std::mem::take(&mut self.values)));
        let features = FixedSizeListArray::try_new(item(), self.recipe.width as i32, values, None)?;
        let model = std::iter::repeat_n(&self.recipe.model_sha256, rows);
        let mut columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from_iter_values(self.paths.drain(..)))];
        if self.recipe.pool == Keep::None {
            let tokens = self.recipe.rows() as i32;
            columns.push(Arc::new(Int32Array::from_iter_values((0..rows as i32).map(|row| row % tokens))));
            columns.push(Arc::new(Int32Array::from(std::mem::take(&mut self.patches))));
        }
        columns.push(Arc::new(features));
        columns.push(Arc::new(StringArray::from_iter_values(model)));
        columns.push(Arc::new(Int32Array::from(vec![self.recipe.preprocess_version as i32; rows])));
        self.writer.write(&RecordBatch::try_new(Arc::clone(&self.schema), columns)?)?;
        Ok(())
    }
}

impl Sink for Parquet {
    fn add(&mut self, row: &Row) -> Result<()> {
        let rows = self.recipe.rows();
        self.paths.extend(std::iter::repeat_n(row.path.to_owned(), rows));
        if let Some(patches) = &row.patches {
            self.patches.push(None);
            self.patches.extend(patches.iter().map(|patch| Some(*patch as i32)));
        }
        self.values.extend_from_slice(row.values);
        if self.values.len() >= BATCH_VALUES {
            self.write_batch()?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        if !self.paths.is_empty() {
            self.write_batch()?;
        }
        self.writer.into_inner()?.sync_all()?;
        Ok(())
    }
}

fn item() -> FieldRef {
    Arc::new(Field::new("item", DataType::Float32, false))
}
