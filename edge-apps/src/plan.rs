//! What runs in a model, operator by operator.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use glimpse_models::onnx::Bytes;
use glimpse_models::{Part, Precision};
use glimpse_runtime::{Graph, Model, Options, Step};
use serde_json::{Value, json};

use crate::bundles;

/// A graph's name and what runs in it.
type Graphs = Vec<(String, Vec<Step>)>;

/// Prints what runs in a model, or in an ONNX file.
///
/// # Errors
/// When it cannot be read, or the engine refuses it.
pub fn show_plan(model: &str, precision: Option<Precision>, json: bool) -> Result<()> {
    let (graphs, precision) = if Path::new(model).is_file() {
        let precision = precision.unwrap_or(Precision::Int8);
        (of_file(model, precision)?, precision)
    } else {
        of_bundle(model, precision)?
    };
    if json {
        let graphs: serde_json::Map<String, Value> =
            graphs.iter().map(|(name, steps)| (name.clone(), steps.iter().map(as_json).collect())).collect();
        println!("{}", serde_json::to_string_pretty(&json!({"precision": precision, "graphs": graphs}))?);
        return Ok(());
    }
    for (name, steps) in &graphs {
        let fused = steps.iter().filter(|step| !step.fused.is_empty()).count();
        println!("{name} ({precision}): {fused} operators of Glimpse's, {} of tract's", steps.len() - fused);
        steps.iter().for_each(print);
        println!();
    }
    Ok(())
}

fn of_file(path: &str, precision: Precision) -> Result<Graphs> {
    let file = fs::read(path).with_context(|| format!("reading {path}"))?;
    let graph = Graph::load(&Bytes::from(file), &Options { precision, threads: Some(1), ..Options::default() })
        .with_context(|| format!("{path}: is it an ONNX file?"))?;
    Ok(vec![(path.to_owned(), graph.steps().to_vec())])
}

fn of_bundle(model: &str, precision: Option<Precision>) -> Result<(Graphs, Precision)> {
    let bundle = bundles::open(model)?;
    let precision = bundles::precision(&bundle, precision);
    let model = Model::load(&bundle, &Options { precision, threads: Some(1), ..Options::default() })?;
    let parts = Part::ALL.into_iter().map(|part| (part.to_string(), model.steps(part).to_vec()));
    Ok((parts.filter(|(_, steps)| !steps.is_empty()).collect(), precision))
}

fn as_json(step: &Step) -> Value {
    json!({"name": step.name, "operator": step.operator, "detail": step.detail, "fused": step.fused})
}

fn print(step: &Step) {
    let Step { name, operator, detail, fused } = step;
    if fused.is_empty() {
        println!("  {operator:<18} {name}  (tract)");
    } else {
        println!("  {operator:<18} {name}  {detail}  ← {}", fused.join(" "));
    }
}
