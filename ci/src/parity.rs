//! `cargo ci parity`: public layouts of weights, imported, beside the libraries that they are for.
//!
//! Random weights are drawn in timm, Hugging Face's transformers and the original's layout at ViT-B's real size, saved the
//! way that public ones are, and imported. Then the library and the runtime are asked the same questions.

mod rows;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::failures::Failures;
use crate::golden::emptied;
use crate::golden::program::ExportProgram;
use crate::golden::tensors::Tensors;
use crate::process;
use crate::venv;
use crate::workspace::Workspace;

use self::rows::{Memory, Row};

const SCRIPT: &str = "ci/src/public_weights.py";
const SIZE: &str = "base";

/// The cases of the script, and how many bytes of f32 weights each byte of the file stands for.
const CASES: [(&str, u64); 10] = [
    ("original-encoder", 1),
    ("original-decoder", 1),
    ("original-finetuned", 1),
    ("timm-encoder", 1),
    ("timm-head", 1),
    ("hf-whole", 1),
    ("hf-sharded", 1),
    ("hf-published", 1),
    ("hf-bf16", 2),
    ("hf-classifier", 1),
];

/// Imports random weights of every public layout, at their real size, and compares with the libraries that they are for.
///
/// Relative error is max|a − b| / max|b|, where b is the library's answer; int8 is compared by the least cosine of a row.
/// Memory is the most that the import had at a time. The libraries are gigabytes, and are downloaded once.
#[derive(clap::Args)]
pub struct Args {
    /// Which cases; without any: all of them
    #[arg(value_name = "CASE", value_parser = CASES.map(|(case, _)| case))]
    cases: Vec<String>,
    /// Print the comparisons as JSON
    #[arg(long)]
    json: bool,
}

/// What was found of one case.
#[derive(serde::Serialize)]
struct Report {
    case: &'static str,
    rows: Vec<Row>,
    memory: Option<Memory>,
}

/// Imports, compares, prints the table and fails on each answer that is too far off.
///
/// # Errors
/// [`Failures`] when one is too far off, or a case could not be imported or answered.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let workspace = Workspace::here()?;
    let program = ExportProgram::build(&workspace)?;
    let python = venv::python(&workspace, venv::PARITY)?;
    let scratch = workspace.target_directory.join("parity");
    let chosen = |case: &str| args.cases.is_empty() || args.cases.iter().any(|chosen| chosen == case);

    let mut reports = Vec::new();
    let mut failures = Vec::new();
    for (case, widening) in CASES.into_iter().filter(|(case, _)| chosen(case)) {
        // Each is half a gigabyte, several times: one at a time.
        let scratch = emptied(scratch.clone())?;
        let script = workspace.root.join(SCRIPT);
        match compared(&program, &python, &script, &scratch, case, widening) {
            Ok(report) => {
                let memory = report.memory.iter().filter_map(Memory::failure);
                let found = report.rows.iter().filter_map(Row::failure).chain(memory);
                failures.extend(found.map(|failure| format!("{case}: {failure}")));
                // ten cases take long: what is known is said at once
                eprint!("{}", rows::markdown([(report.case, &report.rows[..], report.memory.as_ref())].into_iter()));
                reports.push(report);
            }
            Err(error) => failures.push(format!("{case}: {error:#}")),
        }
    }
    if scratch.exists() {
        fs::remove_dir_all(&scratch).with_context(|| format!("removing {}", scratch.display()))?;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&reports)?);
    } else {
        print!(
            "{}",
            rows::markdown(reports.iter().map(|report| (report.case, &report.rows[..], report.memory.as_ref())))
        );
    }
    Failures::unless_empty(failures)
}

fn compared(
    program: &ExportProgram,
    python: &Path,
    script: &Path,
    scratch: &Path,
    case: &'static str,
    widening: u64,
) -> anyhow::Result<Report> {
    let written = process::output(Command::new(python).arg(script).arg("write").arg(scratch).args([case, SIZE]))?;
    let source = PathBuf::from(String::from_utf8_lossy(&written).trim().lines().last().unwrap_or_default());
    let (bundle, answers, right) =
        (scratch.join("bundle"), scratch.join("runtime.safetensors"), scratch.join("library.safetensors"));
    let peak_bytes = program.import(&source, &bundle)?;
    program.answer(&bundle, &answers)?;
    let golden = bundle.join("golden.safetensors");
    process::run(Command::new(python).arg(script).arg("answer").arg(scratch).arg(case).args([&golden, &right]))?;
    let rows = rows::rows(&Tensors::read("the library", &right)?, &Tensors::read("the runtime", &answers)?)?;
    let weights_bytes = widening * bytes(&source)?;
    let memory = peak_bytes.map(|peak_bytes| Memory { weights_bytes, peak_bytes });
    Ok(Report { case, rows, memory })
}

/// The size of a file, or of all files of a folder together.
fn bytes(source: &Path) -> anyhow::Result<u64> {
    let size = |path: &Path| fs::metadata(path).with_context(|| format!("looking at {}", path.display()));
    let metadata = size(source)?;
    if metadata.is_file() {
        return Ok(metadata.len());
    }
    let mut bytes = 0;
    for entry in fs::read_dir(source).with_context(|| format!("reading {}", source.display()))? {
        bytes += size(&entry?.path())?.len();
    }
    if bytes == 0 {
        bail!("{} is empty", source.display())
    }
    Ok(bytes)
}
