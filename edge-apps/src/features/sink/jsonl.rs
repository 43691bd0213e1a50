//! `.jsonl`: a line a picture.

use std::fs::File;
use std::io::{BufWriter, Write};

use anyhow::Result;
use serde::Serialize;

use super::{About, Row, Sink};
use crate::features::{Keep, Recipe};

pub struct Jsonl {
    file: BufWriter<File>,
    recipe: Recipe,
}

/// A line: what the row is of, and its numbers.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    about: About<'a>,
    features: Features<'a>,
}

/// One row, or one a token.
#[derive(Serialize)]
#[serde(untagged)]
enum Features<'a> {
    Row(&'a [f32]),
    Tokens(Vec<&'a [f32]>),
}

impl Jsonl {
    pub fn new(file: File, recipe: &Recipe) -> Self {
        Self { file: BufWriter::new(file), recipe: recipe.clone() }
    }
}

impl Sink for Jsonl {
    fn add(&mut self, row: &Row) -> Result<()> {
        let features = match self.recipe.pool {
            Keep::None => Features::Tokens(row.values.chunks_exact(self.recipe.width).collect()),
            Keep::Cls | Keep::Mean => Features::Row(row.values),
        };
        serde_json::to_writer(&mut self.file, &Line { about: About::new(row, &self.recipe), features })?;
        self.file.write_all(b"\n")?;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.file.into_inner()?.sync_all()?;
        Ok(())
    }
}
