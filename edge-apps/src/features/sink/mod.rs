//! All rows to a file, whose ending says its kind.

mod jsonl;
pub mod npy;
mod parquet;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use glimpse_models::PatchGrid;
use serde::Serialize;

use super::{Input, Keep, Part, Recipe};

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Npy,
    Parquet,
    Jsonl,
}

/// A picture that could be read.
struct Row<'a> {
    path: &'a str,
    /// The visible patches' places in the grid, if the picture has a row for each token.
    patches: Option<Vec<usize>>,
    /// `[rows, C]`, one after another.
    values: &'a [f32],
}

/// Something that rows go into.
trait Sink {
    fn add(&mut self, row: &Row) -> Result<()>;
    /// Writes what is left, down to the disk.
    fn finish(self: Box<Self>) -> Result<()>;
}

impl Kind {
    /// The kind that a file name's ending asks for.
    pub fn from_path(path: &Path) -> Result<Self> {
        match path.extension().unwrap_or_default().to_string_lossy().to_lowercase().as_str() {
            "npy" => Ok(Self::Npy),
            "parquet" => Ok(Self::Parquet),
            "jsonl" => Ok(Self::Jsonl),
            _ => bail!("{} names no kind of file; let it end in .npy, .parquet or .jsonl", path.display()),
        }
    }

    /// The files that are written for an output, the output itself last: where it is, all are.
    pub fn outputs(self, output: &Path) -> Vec<PathBuf> {
        match self {
            Self::Npy => vec![npy::companion(output), output.to_owned()],
            Self::Parquet | Self::Jsonl => vec![output.to_owned()],
        }
    }

    /// Writes the rows of a part that is done, whole or not at all, and removes the part.
    pub fn write(self, mut part: Part, inputs: &[Input], grid: PatchGrid, output: &Path) -> Result<()> {
        let (recipe, pictures) = (part.recipe().clone(), part.whole());
        let writing = || format!("writing {}", output.display());
        // Written in the part's folder and moved: a file in its place is whole, and one stopped half-way leaves no trace
        // but the part, from which it is written again.
        let staged = |name: &str| part.folder().join(name);
        let create = |name: &str| File::create(staged(name)).with_context(writing);
        let mut sink: Box<dyn Sink> = match self {
            Self::Npy => Box::new(npy::Npy::new(create("output")?, create("rows")?, &recipe, pictures)?),
            Self::Parquet => Box::new(parquet::Parquet::new(create("output")?, &recipe)?),
            Self::Jsonl => Box::new(jsonl::Jsonl::new(create("output")?, &recipe)),
        };
        let mut moves = vec![(staged("output"), output.to_owned())];
        if self == Self::Npy {
            moves.insert(0, (staged("rows"), npy::companion(output)));
        }
        part.for_each_row(|number, values| {
            let input = &inputs[number];
            let tokens = recipe.pool == Keep::None;
            let patches = if tokens { Some(recipe.mask(grid, &input.name)?.visible().to_vec()) } else { None };
            sink.add(&Row { path: &input.path.to_string_lossy(), patches, values }).with_context(writing)
        })?;
        sink.finish().with_context(writing)?;
        for (from, to) in &moves {
            fs::rename(from, to).with_context(|| format!("writing {}", to.display()))?;
        }
        part.remove()
    }
}

/// What a reader must know of a row beside its numbers. The order of the fields is that of the file.
#[derive(Debug, Serialize)]
struct About<'a> {
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    patches: Option<&'a [usize]>,
    model_sha256: &'a str,
    preprocess_version: u32,
}

impl<'a> About<'a> {
    fn new(row: &'a Row, recipe: &'a Recipe) -> Self {
        Self {
            path: row.path,
            patches: row.patches.as_deref(),
            model_sha256: &recipe.model_sha256,
            preprocess_version: recipe.preprocess_version,
        }
    }
}
