//! `.npy`: the matrix alone, and beside it a file that says what each row is of.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{About, Row, Sink};
use crate::features::{Keep, Recipe};

/// The header is padded, so that the numbers begin at a multiple of this.
const ALIGNMENT_BYTES: usize = 64;

/// Where the file lies that says what each row is of: `features.npy.rows.jsonl`.
pub fn companion(output: &Path) -> PathBuf {
    let mut name = output.file_name().unwrap_or_default().to_owned();
    name.push(".rows.jsonl");
    output.with_file_name(name)
}

pub struct Npy {
    matrix: BufWriter<File>,
    rows: BufWriter<File>,
    recipe: Recipe,
}

impl Npy {
    pub fn new(matrix: File, rows: File, recipe: &Recipe, pictures: usize) -> Result<Self> {
        let mut matrix = BufWriter::new(matrix);
        let shape = match recipe.pool {
            Keep::None => vec![pictures, recipe.rows(), recipe.width],
            Keep::Cls | Keep::Mean => vec![pictures, recipe.width],
        };
        matrix.write_all(&header(&shape))?;
        Ok(Self { matrix, rows: BufWriter::new(rows), recipe: recipe.clone() })
    }
}

impl Sink for Npy {
    fn add(&mut self, row: &Row) -> Result<()> {
        for value in row.values {
            self.matrix.write_all(&value.to_le_bytes())?;
        }
        serde_json::to_writer(&mut self.rows, &About::new(row, &self.recipe))?;
        self.rows.write_all(b"\n")?;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.matrix.into_inner()?.sync_all()?;
        self.rows.into_inner()?.sync_all()?;
        Ok(())
    }
}

/// What stands before the numbers: little-endian f32, the last axis fastest.
///
/// # Source
/// `NumPy`'s documentation, `numpy.lib.format`, version 1.0.
pub fn header(shape: &[usize]) -> Vec<u8> {
    const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";
    let lengths: Vec<String> = shape.iter().map(ToString::to_string).collect();
    let mut text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}", lengths.join(", "));
    let before = MAGIC.len() + size_of::<u16>() + 1;
    while !(before + text.len()).is_multiple_of(ALIGNMENT_BYTES) {
        text.push(' ');
    }
    text.push('\n');
    [MAGIC, &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat()
}

/// The shape that a header of ours tells.
pub fn shape_in(header: &[u8]) -> Option<Vec<usize>> {
    let text = String::from_utf8_lossy(header);
    let (lengths, _) = text.split_once("'shape': (")?.1.split_once(')')?;
    lengths.split(", ").map(|length| length.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_numpy_s_own() {
        // What NumPy writes: numpy.save("a.npy", numpy.zeros((3, 5), "<f4")).
        let header = header(&[3, 5]);
        assert_eq!(header.len(), 128);
        let text = "\u{1}\0\x76\0{'descr': '<f4', 'fortran_order': False, 'shape': (3, 5), }";
        assert_eq!(&header[..6], b"\x93NUMPY");
        assert!(header[6..].starts_with(text.as_bytes()), "{header:?}");
        assert!(header.ends_with(b" \n"));
    }

    #[test]
    fn numbers_begin_at_a_multiple_of_64_bytes() {
        for pictures in (0..20).map(|power| 10_usize.pow(power)) {
            for shape in [vec![pictures, 192], vec![pictures, 65, 192]] {
                assert_eq!(header(&shape).len() % ALIGNMENT_BYTES, 0);
                // and it can be written again when the number is known
                assert_eq!(header(&shape).len(), 128);
                assert_eq!(shape_in(&header(&shape)), Some(shape));
            }
        }
    }
}
