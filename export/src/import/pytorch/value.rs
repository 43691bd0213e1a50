//! What a checkpoint's pickle is made of.

use std::rc::Rc;

use anyhow::{Context, bail};

use super::super::store::Number;

/// A Python object. What it holds lies in a [`Heap`], so that it is shared as in Python, and is cheap to copy and to drop
/// however deep a file nests it.
#[derive(Clone, Debug)]
pub enum Value {
    /// None, or an object whose contents do not matter here, such as a list.
    Nothing,
    Int(i64),
    Text(Rc<str>),
    Tuple(usize),
    Dict(usize),
    Class(Class),
    Storage(Storage),
    Tensor(Tensor),
}

/// What tuples and dictionaries hold, by their number.
#[derive(Debug, Default)]
pub struct Heap {
    tuples: Vec<Vec<Value>>,
    dicts: Vec<Vec<(Value, Value)>>,
}

/// A class or function that a pickle names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    /// A storage of these numbers, of so many bytes each.
    Storage(Number, usize),
    /// One that makes settings and counters, which are passed over.
    Harmless,
}

/// The numbers that tensors are views of.
#[derive(Clone, Debug)]
pub struct Storage {
    pub number: Number,
    pub bytes_each: usize,
    /// Its file in the archive.
    pub key: String,
    /// How many numbers.
    pub len: usize,
}

/// A view of a storage; offset and strides count numbers.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub storage: Storage,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// What stands beside weights in public files: settings of the command line, losses of numpy, element types, paths.
const HARMLESS: [(&str, &str); 14] = [
    ("argparse", "Namespace"),
    ("torch", "Size"),
    ("torch", "device"),
    ("torch", "float32"),
    ("torch", "float16"),
    ("torch", "bfloat16"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy", "dtype"),
    ("numpy.dtypes", "Float64DType"),
    ("_codecs", "encode"),
    ("pathlib", "PosixPath"),
    ("collections", "defaultdict"),
    ("builtins", "set"),
];

impl Class {
    /// The class that a pickle means by these names.
    ///
    /// # Errors
    /// When it is none that checkpoints are made of.
    pub fn named(module: &str, name: &str) -> anyhow::Result<Self> {
        let storage = |number, bytes| Ok(Self::Storage(number, bytes));
        match (module, name) {
            ("collections", "OrderedDict") => Ok(Self::OrderedDict),
            ("torch._utils", "_rebuild_tensor_v2") => Ok(Self::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Ok(Self::RebuildParameter),
            ("torch", "FloatStorage") => storage(Number::F32, 4),
            ("torch", "HalfStorage") => storage(Number::F16, 2),
            ("torch", "BFloat16Storage") => storage(Number::Bf16, 2),
            ("torch", "DoubleStorage") => storage(Number::F64, 8),
            ("torch", "LongStorage") => storage(Number::Other, 8),
            ("torch", "IntStorage") => storage(Number::Other, 4),
            ("torch", "ShortStorage") => storage(Number::Other, 2),
            ("torch", "CharStorage" | "ByteStorage" | "BoolStorage") => storage(Number::Other, 1),
            known if HARMLESS.contains(&known) => Ok(Self::Harmless),
            _ => bail!(
                "it asks Python for `{module}.{name}`, which no checkpoint of weights needs and which could do harm; nothing of \
                 it was run: take the weights from another place, or save their state_dict alone"
            ),
        }
    }

    /// What calling it with `arguments` makes.
    ///
    /// # Errors
    /// When they are not what it takes.
    pub fn make(self, arguments: &Value, heap: &mut Heap) -> anyhow::Result<Value> {
        match (self, heap.items(arguments)?) {
            (Self::Harmless, _) => Ok(Value::Nothing),
            (Self::OrderedDict, []) => Ok(heap.dict(Vec::new())),
            (Self::RebuildParameter, [data @ Value::Tensor(_), ..]) => Ok(data.clone()),
            (Self::RebuildTensor, [Value::Storage(storage), offset, shape, strides, ..]) => Ok(Value::Tensor(Tensor {
                storage: storage.clone(),
                offset: offset.count()?,
                shape: heap.counts(shape)?,
                strides: heap.counts(strides)?,
            })),
            _ => bail!(
                "it makes a tensor, or a dictionary, of what none is made of: it is damaged, or another program's"
            ),
        }
    }
}

impl Heap {
    #[must_use]
    pub fn tuple(&mut self, items: Vec<Value>) -> Value {
        self.tuples.push(items);
        Value::Tuple(self.tuples.len() - 1)
    }

    #[must_use]
    pub fn dict(&mut self, items: Vec<(Value, Value)>) -> Value {
        self.dicts.push(items);
        Value::Dict(self.dicts.len() - 1)
    }

    /// The keys and values of the dictionary of that number, to read and to fill.
    pub fn entries(&mut self, dict: usize) -> &mut Vec<(Value, Value)> {
        &mut self.dicts[dict]
    }

    /// The items of a tuple.
    ///
    /// # Errors
    /// When it is none.
    pub fn items(&self, tuple: &Value) -> anyhow::Result<&[Value]> {
        let Value::Tuple(number) = tuple else { bail!("a tuple was looked for: it is damaged, or another program's") };
        Ok(&self.tuples[*number])
    }

    /// How many there are of either.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tuples.len() + self.dicts.len()
    }

    fn counts(&self, tuple: &Value) -> anyhow::Result<Vec<usize>> {
        self.items(tuple)?.iter().map(Value::count).collect()
    }
}

impl Value {
    /// The storage of a persistent id: `("storage", class, key, device, len)`.
    ///
    /// # Errors
    /// When it is another id.
    pub fn storage(&self, heap: &Heap) -> anyhow::Result<Self> {
        match heap.items(self)? {
            [Self::Text(kind), Self::Class(Class::Storage(number, bytes)), Self::Text(key), _, len]
                if **kind == *"storage" =>
            {
                let (number, bytes_each, key) = (*number, *bytes, key.to_string());
                Ok(Self::Storage(Storage { number, bytes_each, key, len: len.count()? }))
            }
            _ => bail!("it refers to an object outside that is no storage of numbers"),
        }
    }

    fn count(&self) -> anyhow::Result<usize> {
        let Self::Int(count) = self else { bail!("a number was looked for") };
        usize::try_from(*count).context("a tensor counts below zero")
    }
}
