//! The shipped bundle, the way a user opens it.

use std::path::Path;

use glimpse_models::{Bundle, Precision};
use glimpse_runtime::{Model, Options};

pub fn bundle() -> Bundle {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/glimpse-tiny");
    Bundle::open(models).unwrap()
}

pub fn model(bundle: &Bundle, precision: Precision, threads: usize) -> Model {
    Model::load(bundle, &Options { precision, threads: Some(threads), ..Options::default() }).unwrap()
}
