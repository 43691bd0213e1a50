//! The tensors of a PyTorch file, of any age. Its pickle is parsed as data: nothing in it is ever called.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{anyhow, bail};
use pytorch_reader::{DType, PickleValue, PytorchReader};

use super::store::{Entry, Number, Place};

/// Python objects that checkpoints keep beside their tensors: settings, counters, element types. They are passed over.
const HARMLESS: [&str; 6] =
    ["torch.", "numpy.", "collections.OrderedDict", "collections.defaultdict", "argparse.Namespace", "pathlib."];

/// Lists the tensors of the file `path`, those within dictionaries under dotted names.
///
/// # Errors
/// When it is no PyTorch file, or holds an object that no checkpoint needs.
pub fn entries(path: &Path) -> anyhow::Result<BTreeMap<String, Entry>> {
    let unreadable = |error| {
        anyhow!(
            "{error}; a file that is read is one of `torch.save` or a safetensors file, and holds a dictionary of tensors"
        )
    };
    let reader = PytorchReader::new(path).map_err(unreadable)?;
    if let Some(name) = foreign(&PytorchReader::read_pickle_data(path, None).map_err(unreadable)?) {
        bail!(
            "it holds an object of `{name}`, which no checkpoint needs and which could run code in Python (nothing of it was \
             run here): take the weights from another place"
        );
    }
    let entry = |(name, tensor): (String, pytorch_reader::Tensor)| {
        let number = match tensor.dtype() {
            DType::F16 => Number::F16,
            DType::BF16 => Number::Bf16,
            DType::F32 => Number::F32,
            DType::F64 => Number::F64,
            _ => Number::Other,
        };
        (name, Entry { shape: tensor.shape().to_vec(), number, place: Place::Pytorch(tensor) })
    };
    Ok(reader.into_tensors().into_iter().map(entry).collect())
}

/// The first object, in no particular order, that is not known to be harmless.
fn foreign(value: &PickleValue) -> Option<&str> {
    match value {
        PickleValue::Unsupported(name) => (!HARMLESS.iter().any(|known| name.starts_with(known))).then_some(name),
        PickleValue::List(items) => items.iter().find_map(foreign),
        PickleValue::Dict(items) => items.values().find_map(foreign),
        _ => None,
    }
}
