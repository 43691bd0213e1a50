//! Parameters of a module in and out, by checkpoint key.

use anyhow::{bail, ensure};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Tensor, TensorData};

use crate::weights::Weights;

/// Moves `weights` into `module`, every tensor of both, and gives each parameter an id that follows from its place in
/// the model, so that an optimizer's state finds its parameters again in another process.
///
/// # Errors
/// Lists every key that is missing, surplus or of another shape.
pub fn load<M: Module>(module: M, weights: Weights) -> anyhow::Result<M> {
    let mut loader = Loader { path: Path::default(), weights, next_id: 1, faults: Vec::new() };
    let module = module.map(&mut loader);
    loader.faults.extend(loader.weights.iter().map(|(key, _)| format!("surplus: {key}")));
    if !loader.faults.is_empty() {
        bail!("the weights do not fit the spec:\n  {}", loader.faults.join("\n  "));
    }
    Ok(module)
}

/// All parameters of `module`, by key.
///
/// # Errors
/// When a tensor cannot be read back from the device.
pub fn read<M: Module>(module: &M) -> anyhow::Result<Weights> {
    let mut reader = Reader { path: Path::default(), weights: Weights::default(), faults: Vec::new() };
    module.visit(&mut reader);
    ensure!(reader.faults.is_empty(), "cannot read back {}", reader.faults.join(", "));
    Ok(reader.weights)
}

/// Keys and shapes of all parameters of `module`, in the module's own order.
#[must_use]
pub fn shapes<M: Module>(module: &M) -> Vec<(String, Vec<usize>)> {
    let mut lister = Lister::default();
    module.visit(&mut lister);
    lister.found
}

/// Ids of the parameters with two axes or more: those that weight decay is for. Biases, norms and the two learned
/// tokens are left alone.
#[must_use]
pub fn decayed<M: Module>(module: &M) -> Vec<ParamId> {
    let mut lister = Lister::default();
    module.visit(&mut lister);
    let matrix = |(key, _): &(String, Vec<usize>)| key.ends_with(".weight");
    let many = |(_, shape): &(String, Vec<usize>)| shape.len() > 1;
    lister.found.iter().zip(lister.ids).filter(|(row, _)| matrix(row) && many(row)).map(|(_, id)| id).collect()
}

/// Keys and ids of all parameters of `module`, in the module's own order.
#[must_use]
pub fn ids<M: Module>(module: &M) -> Vec<(String, ParamId)> {
    let mut lister = Lister::default();
    module.visit(&mut lister);
    lister.found.into_iter().map(|(key, _)| key).zip(lister.ids).collect()
}

/// Gives each parameter of a module that was put together from others an id that follows from its place in it.
#[must_use]
pub fn numbered<M: Module>(module: M) -> M {
    module.map(&mut Numberer { next_id: 1 })
}

/// The way down to a parameter.
#[derive(Default)]
struct Path(Vec<String>);

impl Path {
    fn key(&self) -> String {
        self.0.join(".")
    }
}

struct Loader {
    path: Path,
    weights: Weights,
    next_id: u64,
    faults: Vec<String>,
}

impl ModuleMapper for Loader {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.0.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.0.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let key = self.path.key();
        let (_, blank, mapper) = param.consume();
        let id = ParamId::from(self.next_id);
        self.next_id += 1;
        let mut value = blank.clone();
        match self.weights.take(&key) {
            Err(_) => self.faults.push(format!("missing: {key}")),
            Ok(weight) if weight.shape != blank.dims() => {
                self.faults.push(format!(
                    "misshapen: {key} is {:?}, the spec asks for {:?}",
                    weight.shape,
                    blank.dims()
                ));
            }
            Ok(weight) => {
                let data = TensorData::new(weight.values, weight.shape);
                value = Tensor::from_data(data, &blank.device()).set_require_grad(blank.is_require_grad());
            }
        }
        Param::from_mapped_value(id, value, mapper)
    }
}

struct Numberer {
    next_id: u64,
}

impl ModuleMapper for Numberer {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (_, value, mapper) = param.consume();
        let id = ParamId::from(self.next_id);
        self.next_id += 1;
        Param::from_mapped_value(id, value, mapper)
    }
}

struct Reader {
    path: Path,
    weights: Weights,
    faults: Vec<String>,
}

impl ModuleVisitor for Reader {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.0.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.0.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let key = self.path.key();
        let value = param.val();
        let shape = value.dims().to_vec();
        match value.into_data().convert::<f32>().try_into_vec::<f32>() {
            Ok(values) => self.weights.insert(key, shape, values),
            Err(_) => self.faults.push(key),
        }
    }
}

#[derive(Default)]
struct Lister {
    path: Path,
    found: Vec<(String, Vec<usize>)>,
    ids: Vec<ParamId>,
}

impl ModuleVisitor for Lister {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.0.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.0.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found.push((self.path.key(), param.lazy_shape().to_vec()));
        self.ids.push(param.id);
    }
}
