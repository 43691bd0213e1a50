//! `cargo ci golden`: one golden input, three programs, one answer.
//!
//! A bundle's `golden.safetensors` holds inputs and what burn made of them. tract (through the runtime) and ONNX
//! Runtime are given the same inputs, and every two of the three are compared.

mod compare;
pub mod measure;
pub mod program;
mod table;
pub mod tensors;

use std::fs;
use std::path::{self, Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::failures::Failures;
use crate::process;
use crate::venv;
use crate::workspace::Workspace;

use self::compare::Row;
use self::program::ExportProgram;
use self::tensors::Tensors;

const ONNXRUNTIME_SCRIPT: &str = "ci/src/onnxruntime_answers.py";
/// The forms that a bundle may hold, and the file that shows that it does.
const FORMS: [(&str, &str); 2] = [("f32", "encoder.onnx"), ("int8", "encoder.int8.onnx")];

/// Compares the answers of burn, tract and ONNX Runtime to the same golden input.
///
/// Relative error is max|a − b| / max|b|, where b is the first of the pair. The int8 forms are
/// compared with burn's f32 answer by the cosine of each row, of which the least is shown.
#[derive(clap::Args, Default)]
pub struct Args {
    /// Folders of bundles; without any: one made here, after a few steps of training, and those that are shipped
    #[arg(value_name = "BUNDLE")]
    bundles: Vec<PathBuf>,
    /// Print the comparisons as JSON
    #[arg(long)]
    json: bool,
}

/// The bundle that is made here: every form of a small model.
const TRAINING: &str = "--preset tiny --steps 4 --batch 4 --seed 1";

/// What the comparison of one bundle said.
#[derive(serde::Serialize)]
struct Report {
    bundle: String,
    rows: Vec<Row>,
}

/// Compares, prints the table and fails on each pair that is too far apart.
///
/// # Errors
/// [`Failures`] when a pair is too far apart, or a bundle could not be answered.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let workspace = Workspace::here()?;
    let program = ExportProgram::build(&workspace)?;
    let python = venv::python(&workspace, venv::CHECKS)?;
    let scratch = emptied(workspace.target_directory.join("golden"))?;
    let bundles = if args.bundles.is_empty() {
        let mut bundles = shipped(&workspace)?;
        let bundle = scratch.join("made-by-ci");
        program.make_bundle(&workspace, &scratch, &bundle, TRAINING)?;
        bundles.insert(0, bundle);
        bundles
    } else {
        args.bundles.clone()
    };

    let mut reports = Vec::new();
    let mut failures = Vec::new();
    for (index, bundle) in bundles.iter().enumerate() {
        let answers = emptied(scratch.join(format!("answers-{index}")))?;
        let name = bundle.strip_prefix(&workspace.root).unwrap_or(bundle);
        let name = name.display().to_string();
        match compared(&workspace, &program, &python, bundle, &answers) {
            Ok(rows) => {
                failures.extend(rows.iter().filter_map(Row::failure).map(|failure| format!("{name}: {failure}")));
                reports.push(Report { bundle: name, rows });
            }
            Err(error) => failures.push(format!("{name}: {error:#}")),
        }
    }

    if args.json {
        println!("{}", serde_json::to_string_pretty(&reports)?);
    } else {
        for report in &reports {
            println!("{}\n\n{}", report.bundle, table::markdown(&report.rows));
        }
    }
    Failures::unless_empty(failures)
}

fn compared(
    workspace: &Workspace,
    program: &ExportProgram,
    python: &Path,
    bundle: &Path,
    answers: &Path,
) -> anyhow::Result<Vec<Row>> {
    let bundle = path::absolute(bundle).context("finding the bundle")?;
    let golden = Tensors::read("burn", &bundle.join("golden.safetensors"))?;
    let forms: Vec<_> = FORMS.iter().filter(|(_, file)| bundle.join(file).is_file()).map(|(form, _)| *form).collect();
    ensure!(!forms.is_empty(), "no encoder.onnx and no encoder.int8.onnx: there is nothing to compare");

    let from_tract = answers.join("tract.safetensors");
    program.answer(&bundle, &from_tract)?;
    let from_onnxruntime = answers.join("onnxruntime.safetensors");
    process::run(Command::new(python).arg(workspace.root.join(ONNXRUNTIME_SCRIPT)).args([&bundle, &from_onnxruntime]))?;

    compare::rows(
        &forms,
        &golden,
        &Tensors::read("tract", &from_tract)?,
        &Tensors::read("ONNX Runtime", &from_onnxruntime)?,
    )
}

/// The bundles in the repository, in name order.
fn shipped(workspace: &Workspace) -> anyhow::Result<Vec<PathBuf>> {
    let folder = workspace.root.join("models");
    let mut bundles = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
        let bundle = entry?.path();
        if bundle.join("manifest.toml").is_file() {
            bundles.push(bundle);
        }
    }
    bundles.sort_unstable();
    Ok(bundles)
}

/// The folder, with nothing in it.
pub fn emptied(folder: PathBuf) -> anyhow::Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    Ok(folder)
}
