//! What is killed, and what it is to leave.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use crate::process;
use crate::workspace::Workspace;

/// Pictures of a folder: so many that a run over them is killed in its middle.
const PICTURES: usize = 24;
const SAMPLES: [&str; 2] = ["stingray.jpg", "sushi.jpg"];
/// A model that takes steps of milliseconds.
const TRAINING: &str = "--image-side 32 --patch-side 8 --width 32 --depth 2 --heads 2 --decoder-width 32 --decoder-depth 1 --decoder-heads 2 \
                        --steps 60 --batch 8 --workers 1 --log-every 10 --checkpoint-every 10 --preview-every 60 --device cpu";

type Start = Box<dyn Fn(&Path) -> Command>;
type Prepare = Box<dyn Fn(&Path) -> anyhow::Result<()>>;
type Check = Box<dyn Fn(&Path, &Path) -> anyhow::Result<()>>;

/// Something that a program does in a folder.
pub struct Job {
    pub name: &'static str,
    /// Puts into the folder what it begins with.
    pub prepare: Prepare,
    /// Starts it there, or goes on with it.
    pub command: Start,
    /// Whether what bears its final name in the first folder is whole; the second one has what an undisturbed run made.
    pub check: Check,
    /// What it makes.
    pub results: Vec<&'static str>,
}

/// All of them.
///
/// # Errors
/// When what they begin with cannot be made.
pub fn all(workspace: &Workspace, export: &Path, scratch: &Path) -> anyhow::Result<Vec<Job>> {
    let export = export.to_owned();
    let glimpse = export.with_file_name("glimpse");
    let pictures = scratch.join("pictures");
    fs::create_dir_all(&pictures).with_context(|| format!("making {}", pictures.display()))?;
    for number in 0..PICTURES {
        let sample = workspace.root.join("edge-apps/samples").join(SAMPLES[number % SAMPLES.len()]);
        fs::copy(&sample, pictures.join(format!("{number:02}.jpg")))
            .with_context(|| format!("copying {}", sample.display()))?;
    }
    let bundle = scratch.join("bundle");
    let run = scratch.join("run");
    process::run(&mut train(&export, &pictures, &run, false))?;
    process::run(Command::new(&export).arg("emit").arg(&run).arg("--out").arg(&bundle))?;
    Ok(vec![
        training(&export, &glimpse, &pictures),
        quantizing(&export, &glimpse, &bundle),
        painting(&glimpse, &pictures),
        features(&glimpse, &pictures),
    ])
}

fn train(export: &Path, pictures: &Path, run: &Path, resume: bool) -> Command {
    let mut command = Command::new(export);
    command.arg("train").arg(pictures).arg("--out").arg(run).args(TRAINING.split_whitespace());
    if resume {
        command.arg("--resume");
    }
    command
}

/// A run of training: its checkpoint can be made a bundle of at any time.
fn training(export: &Path, glimpse: &Path, pictures: &Path) -> Job {
    let (export, glimpse, pictures) = (export.to_owned(), glimpse.to_owned(), pictures.to_owned());
    let start = export.clone();
    Job {
        name: "train",
        prepare: Box::new(|_| Ok(())),
        command: Box::new(move |folder| {
            let run = folder.join("run");
            train(&start, &pictures, &run, has_checkpoint(&run))
        }),
        check: Box::new(move |folder, _| {
            let run = folder.join("run");
            if !has_checkpoint(&run) {
                return Ok(());
            }
            let bundle = folder.join("bundle");
            quietly(Command::new(&export).arg("emit").arg(&run).arg("--force").arg("--out").arg(&bundle))?;
            quietly(Command::new(&glimpse).args(["info", "--model"]).arg(&bundle))
        }),
        results: vec!["run/step-000000060/model.safetensors"],
    }
}

/// Whether a run can be gone on with; one that was killed before is begun again.
fn has_checkpoint(run: &Path) -> bool {
    let names = fs::read_dir(run).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.into_iter().any(|name| name.to_string_lossy().starts_with("step-"))
}

/// A bundle that gets its int8 form, in its place: before or after, never between.
fn quantizing(export: &Path, glimpse: &Path, bundle: &Path) -> Job {
    let (export, glimpse, bundle) = (export.to_owned(), glimpse.to_owned(), bundle.to_owned());
    Job {
        name: "quantize",
        prepare: Box::new(move |folder| copy(&bundle, &folder.join("bundle"))),
        command: Box::new(move |folder| {
            let mut command = Command::new(&export);
            command.arg("quantize").arg(folder.join("bundle"));
            command
        }),
        check: Box::new(move |folder, _| {
            quietly(Command::new(&glimpse).args(["info", "--model"]).arg(folder.join("bundle")))
        }),
        results: vec!["bundle"],
    }
}

/// Pictures into pictures.
fn painting(glimpse: &Path, pictures: &Path) -> Job {
    let (glimpse, pictures) = (glimpse.to_owned(), pictures.to_owned());
    Job {
        name: "inpaint",
        prepare: Box::new(|_| Ok(())),
        command: Box::new(move |folder| {
            let mut command = Command::new(&glimpse);
            command
                .arg("inpaint")
                .arg(&pictures)
                .args(["--box", "60,60,90,90", "--resume", "-o"])
                .arg(folder.join("painted"));
            command
        }),
        check: Box::new(|folder, whole| {
            for entry in fs::read_dir(folder.join("painted")).into_iter().flatten() {
                let name = entry?.file_name();
                // what is being written has no name yet
                if !name.to_string_lossy().starts_with(".glimpse-") {
                    is_same(&folder.join("painted").join(&name), &whole.join("painted").join(&name))?;
                }
            }
            Ok(())
        }),
        results: vec!["painted"],
    }
}

/// Pictures into a matrix.
fn features(glimpse: &Path, pictures: &Path) -> Job {
    let (glimpse, pictures) = (glimpse.to_owned(), pictures.to_owned());
    let names = ["rows.npy", "rows.npy.rows.jsonl"];
    Job {
        name: "features",
        prepare: Box::new(|_| Ok(())),
        command: Box::new(move |folder| {
            let mut command = Command::new(&glimpse);
            let out = folder.join("rows.npy");
            // a run that came to its end has nothing to be gone on with
            let again = if out.exists() { "--force" } else { "--resume" };
            command.arg("features").arg(&pictures).args([again, "-o"]).arg(out);
            command
        }),
        check: Box::new(move |folder, whole| {
            for name in names {
                if folder.join(name).exists() {
                    is_same(&folder.join(name), &whole.join(name))?;
                }
            }
            Ok(())
        }),
        results: names.to_vec(),
    }
}

fn is_same(got: &Path, expected: &Path) -> anyhow::Result<()> {
    ensure!(fs::read(got)? == fs::read(expected)?, "{} is not whole", got.display());
    Ok(())
}

fn quietly(command: &mut Command) -> anyhow::Result<()> {
    let output = command.stdin(Stdio::null()).output().context("starting what looks at it")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to).with_context(|| format!("making {}", to.display()))?;
    let files: Vec<PathBuf> = super::files(from)?;
    for file in files {
        fs::copy(from.join(&file), to.join(&file)).with_context(|| format!("copying {}", file.display()))?;
    }
    Ok(())
}
