//! IDX files: the format of MNIST and its kin.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use flate2::read::MultiGzDecoder;

/// The most bytes that a file may unpack to: a small file can claim any size.
const MOST_BYTES: u64 = 1 << 30;
/// What a gzip file begins with.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// The type of unsigned bytes, the only one that the data sets use.
const UNSIGNED_BYTE: u8 = 8;

/// An array of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idx {
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Values, the last axis fastest.
    pub values: Vec<u8>,
}

impl Idx {
    /// Reads a file, packed with gzip or not.
    ///
    /// # Errors
    /// Names the file when it cannot be read, is no IDX file of bytes, or is longer or shorter than it says.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let reading = || format!("reading {}", path.display());
        let mut bytes = Vec::new();
        File::open(path).with_context(reading)?.take(MOST_BYTES).read_to_end(&mut bytes).with_context(reading)?;
        if bytes.starts_with(&GZIP) {
            let mut unpacked = Vec::new();
            MultiGzDecoder::new(bytes.as_slice())
                .take(MOST_BYTES)
                .read_to_end(&mut unpacked)
                .with_context(|| format!("unpacking {}: the file is broken; fetch it again", path.display()))?;
            bytes = unpacked;
        }
        Self::parse(&bytes).with_context(reading)
    }

    /// Reads the bytes of a file that is not packed.
    ///
    /// # Errors
    /// When they are no IDX file of bytes, or more or fewer than they say.
    ///
    /// # Source
    /// `LeCun`, Cortes and Burges, the MNIST database, "File formats".
    pub fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        let Some(([0, 0, kind, axes], rest)) = bytes.split_first_chunk::<4>() else {
            bail!("this is no IDX file: it does not begin with two zeros, a type and a number of axes");
        };
        ensure!(
            *kind == UNSIGNED_BYTE,
            "the values are of type {kind:#04x}; only bytes, {UNSIGNED_BYTE:#04x}, are read"
        );
        let header_bytes = usize::from(*axes) * size_of::<u32>();
        let Some((lengths, values)) = rest.split_at_checked(header_bytes) else {
            bail!("the file ends within its header; fetch it again");
        };
        let shape: Vec<usize> =
            lengths.as_chunks().0.iter().map(|length| u32::from_be_bytes(*length) as usize).collect();
        let count = shape.iter().try_fold(1_usize, |count, length| count.checked_mul(*length));
        ensure!(
            count == Some(values.len()),
            "the header says {shape:?} bytes and {} follow: the file is broken; fetch it again",
            values.len()
        );
        Ok(Self { shape, values: values.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    const SMALL: [u8; 18] = [0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6];

    #[test]
    fn a_file_is_read_packed_or_not() {
        let dir = tempfile::tempdir().unwrap();
        let (plain, packed) = (dir.path().join("plain"), dir.path().join("packed.gz"));
        std::fs::write(&plain, SMALL).unwrap();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&SMALL).unwrap();
        let gzip = encoder.finish().unwrap();
        std::fs::write(&packed, &gzip).unwrap();
        let right = Idx { shape: vec![2, 3], values: vec![1, 2, 3, 4, 5, 6] };
        assert_eq!(Idx::read(&plain).unwrap(), right);
        assert_eq!(Idx::read(&packed).unwrap(), right);

        std::fs::write(&packed, &gzip[..gzip.len() - 9]).unwrap();
        let error = format!("{:#}", Idx::read(&packed).unwrap_err());
        assert!(error.contains("packed.gz") && error.contains("broken"), "{error}");
    }

    #[test]
    fn broken_files_are_told_apart() {
        let huge = [0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1];
        for (bytes, said) in [
            (&SMALL[..0], "no IDX file"),
            (b"PNG!....", "no IDX file"),
            (&SMALL[..9], "within its header"),
            (&SMALL[..17], "5 follow"),
            (&[&SMALL[..], &[7]].concat(), "7 follow"),
            (&[0, 0, 13, 0, 0], "0x0d"),
            (&huge, "1 follow"),
        ] {
            let error = Idx::parse(bytes).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
