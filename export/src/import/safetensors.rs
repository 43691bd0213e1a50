//! The tensors of a safetensors file, from its header alone.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context, ensure};
use safetensors::tensor::{Dtype, Metadata};

use super::store::{Entry, Number, Place};

/// The longest header that the format allows.
const MAX_HEADER_BYTES: u64 = 100_000_000;
/// The header's length comes first, as an integer of eight bytes.
const LENGTH_BYTES: u64 = 8;

/// Lists the tensors of the file `path`.
///
/// # Errors
/// When the header is none, or a tensor does not lie within the file.
///
/// # Source
/// <https://github.com/huggingface/safetensors#format>
pub fn entries(path: &Path) -> anyhow::Result<BTreeMap<String, Entry>> {
    let mut file = File::open(path)?;
    let file_bytes = file.metadata()?.len();
    let mut length = [0; LENGTH_BYTES as usize];
    file.read_exact(&mut length).context("it is too short for a safetensors file")?;
    let length = u64::from_le_bytes(length);
    ensure!(
        length <= MAX_HEADER_BYTES && length + LENGTH_BYTES <= file_bytes,
        "its header is longer than the file: it is no safetensors file, or cut short; fetch it again"
    );
    let mut header = vec![0; usize::try_from(length)?];
    file.read_exact(&mut header)?;
    let metadata: Metadata = serde_json::from_slice(&header).context("its header is not that of a safetensors file")?;
    let data = LENGTH_BYTES + length;
    let entry = |(name, info): (String, &safetensors::tensor::TensorInfo)| {
        let (from, to) = (info.data_offsets.0 as u64, info.data_offsets.1 as u64);
        let bits = info.shape.iter().try_fold(info.dtype.bitsize(), |bits, &length| bits.checked_mul(length));
        ensure!(
            from <= to && bits.is_some_and(|bits| bits as u64 == 8 * (to - from)),
            "the tensor `{name}` has {} bytes, its shape asks for another number: fetch the file again",
            to.saturating_sub(from)
        );
        ensure!(data + to <= file_bytes, "the file ends before the tensor `{name}`: fetch it again");
        let number = match info.dtype {
            Dtype::F16 => Number::F16,
            Dtype::BF16 => Number::Bf16,
            Dtype::F32 => Number::F32,
            Dtype::F64 => Number::F64,
            _ => Number::Other,
        };
        let place = Place { file: path.to_owned(), start: data + from, len: to - from, strides: None };
        Ok((name, Entry { shape: info.shape.clone(), number, place }))
    };
    metadata.tensors().into_iter().map(entry).collect()
}
