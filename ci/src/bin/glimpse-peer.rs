//! How long rten and plain tract take for a bundle's model: what `peers.py` is to engines with a Python face, with the
//! same arguments and the same answer.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests unwrap freely"))]

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Parser;
use serde::{Deserialize, Serialize};
use tract_linalg::multithread::Executor;
use tract_onnx::prelude::{DatumExt as _, Framework as _, InferenceModelExt as _, RunOptions, TValue, Tensor, tvec};

/// Times engines written in Rust.
#[derive(Parser)]
enum Command {
    Time(Args),
}

/// Runs a form of a graph on its case and prints the milliseconds of each run, and how far the answer is off.
#[derive(clap::Args)]
struct Args {
    engine: Engine,
    /// The folder of a bundle's forms
    folder: PathBuf,
    /// The file of the graph's folder, less its ending
    form: String,
    /// The graph: encoder or decoder
    part: String,
    /// Tokens of the case, the class token among them
    tokens: usize,
    threads: usize,
    /// Runs that are timed, after a tenth as many that are not
    runs: usize,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Engine {
    Rten,
    /// tract as it comes: its own optimized plan, without our operators.
    Tract,
}

/// A graph's inputs, and the answer that ONNX Runtime gave to them in f32.
#[derive(Deserialize)]
struct Case {
    /// `[rows, columns]`
    #[serde(alias = "patches", alias = "tokens")]
    rows: Vec<Vec<f32>>,
    #[serde(alias = "positions", alias = "restore")]
    places: Vec<i64>,
    /// `[rows, columns]`
    answer: Vec<Vec<f32>>,
}

/// What is printed.
#[derive(Serialize)]
struct Said {
    times_ms: Vec<f64>,
    error: f64,
}

/// Runs a graph once; the answer's values, row by row.
type Run = Box<dyn FnMut() -> anyhow::Result<Vec<f32>>>;

fn main() -> anyhow::Result<()> {
    let Command::Time(args) = Command::parse();
    let graphs = args.folder.join(&args.part);
    let case = graphs.join(format!("{}.json", args.tokens));
    let file = File::open(&case).with_context(|| format!("opening {}", case.display()))?;
    let case: Case =
        serde_json::from_reader(BufReader::new(file)).with_context(|| format!("reading {}", case.display()))?;
    let model = graphs.join(format!("{}.onnx", args.form));
    let mut run = match args.engine {
        Engine::Rten => rten(&model, &case, args.threads),
        Engine::Tract => tract(&model, &case, args.threads),
    }
    .with_context(|| format!("loading {}", model.display()))?;
    println!("{}", serde_json::to_string(&timed(&mut run, &case.answer.concat(), args.runs)?)?);
    Ok(())
}

/// rten with a pool of so many threads.
fn rten(model: &Path, case: &Case, threads: usize) -> anyhow::Result<Run> {
    let model = rten::ModelOptions::with_all_ops().prepack_weights(true).load_file(model)?;
    let &[first, second] = model.input_ids() else { anyhow::bail!("a graph has two inputs") };
    let &[answer] = model.output_ids() else { anyhow::bail!("a graph has one output") };
    let rows = rten::Value::from_shape(case.shape(), case.rows.concat())?;
    // rten has no 64 bits: what a file says is i64 is i32 there
    let places: Vec<i32> = case.places.iter().map(|&place| i32::try_from(place)).collect::<Result<_, _>>()?;
    let places = rten::Value::from_shape([places.len()], places)?;
    let pool = Arc::new(rten::ThreadPool::with_num_threads(threads));
    Ok(Box::new(move || {
        let inputs = vec![(first, (&rows).into()), (second, (&places).into())];
        let options = rten::RunOptions::default().with_thread_pool(Some(Arc::clone(&pool)));
        let [answer] = model.run_n(inputs, [answer], Some(options))?;
        let (_shape, values) = answer.into_shape_vec::<f32, 2>()?;
        Ok(values)
    }))
}

/// tract with a plan for this very number of tokens.
fn tract(model: &Path, case: &Case, threads: usize) -> anyhow::Result<Run> {
    let executor = if threads == 1 { Executor::SingleThread } else { Executor::multithread(threads) };
    let plan = tract_onnx::onnx()
        // a file's shapes have a symbol where this plan has a number
        .with_ignore_output_shapes(true)
        .with_ignore_value_info(true)
        .model_for_path(model)?
        .with_input_fact(0, f32::fact(case.shape()).into())?
        .with_input_fact(1, i64::fact([case.places.len()]).into())?
        .into_optimized()?
        .into_runnable_with_options(&RunOptions { executor: Some(executor), ..RunOptions::default() })?;
    let mut state = plan.spawn()?;
    let rows: TValue = Tensor::from_shape(&case.shape(), &case.rows.concat())?.into();
    let places: TValue = Tensor::from_shape(&[case.places.len()], &case.places)?.into();
    Ok(Box::new(move || {
        let answers = state.run(tvec![rows.clone(), places.clone()])?;
        Ok(answers[0].try_as_plain_ram()?.as_slice::<f32>()?.to_vec())
    }))
}

/// Times the runs, and holds the last answer against the one that is known.
fn timed(run: &mut Run, known: &[f32], runs: usize) -> anyhow::Result<Said> {
    let warm_up = runs.div_ceil(10);
    for _ in 0..warm_up {
        run()?;
    }
    let mut times_ms = Vec::with_capacity(runs);
    let mut answer = Vec::new();
    for _ in 0..runs {
        let start = Instant::now();
        answer = run()?;
        times_ms.push(1e3 * start.elapsed().as_secs_f64());
    }
    ensure!(answer.len() == known.len(), "the answer has {} values and not {}", answer.len(), known.len());
    Ok(Said { times_ms, error: relative_error(&answer, known) })
}

/// The norm of what an answer is off by, over that of the one that is known.
fn relative_error(answer: &[f32], known: &[f32]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let off = norm(&mut answer.iter().zip(known).map(|(&a, &b)| f64::from(a) - f64::from(b)));
    off / norm(&mut known.iter().map(|&value| f64::from(value)))
}

impl Case {
    fn shape(&self) -> [usize; 2] {
        [self.rows.len(), self.rows.first().map_or(0, Vec::len)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_relative_to_what_is_known() {
        assert!((relative_error(&[3.0, 4.5], &[3.0, 4.0]) - 0.1).abs() < 1e-12);
        assert!(relative_error(&[f32::NAN], &[1.0]).is_nan());
    }
}
