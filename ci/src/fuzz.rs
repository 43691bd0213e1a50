//! `cargo ci fuzz`: bytes that nobody expects, for whatever reads bytes that come from elsewhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use crate::failures::Failures;
use crate::process;
use crate::tools;
use crate::workspace::Workspace;

/// Where the targets and their seeds are.
const FOLDER: &str = "ci/fuzz";
/// What an input may take before it counts as a crash.
const MOST_SECONDS: &str = "-timeout=20";
/// Slow inputs are left out of what it writes, until they are that slow.
const SLOW_SECONDS: &str = "-report_slow_units=20";
const MOST_MIB: &str = "-rss_limit_mb=3072";
/// An input of the repository's corpus is no longer than this.
const MOST_KEPT_BYTES: &str = "-max_len=8192";

/// Runs fuzzers (cargo-fuzz, libFuzzer) on bundles, manifests, ONNX graphs, pictures, masks, streams and configs.
///
/// Each begins with the seeds in ci/fuzz/corpus, and with what earlier runs found, in cargo's target folder. What crashes is
/// said with the file that does it, and is no more than an error when it has been mended: put it into the corpus, which
/// `cargo test` goes through.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Targets [default: all]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// How long each runs
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u32,
    /// Add what is new and short to the seeds in the repository, in as few files as say the same
    #[arg(long)]
    keep: bool,
}

/// Runs the fuzzers and prints a table.
///
/// # Errors
/// [`Failures`] when there is a crash; otherwise when a fuzzer does not build.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let workspace = Workspace::here()?;
    let all = targets(&workspace)?;
    for target in &args.targets {
        ensure!(all.contains(target), "there is no target `{target}`: {}", all.join(", "));
    }
    let chosen = if args.targets.is_empty() { &all } else { &args.targets };
    let fuzzers = Fuzzers { tool: tools::FUZZ.path(&workspace)?, workspace: &workspace };
    let mut failures = Vec::new();
    println!("| target | executions | found | crashes |\n| --- | --- | --- | --- |");
    for target in chosen {
        let ran = fuzzers.run(target, args.seconds)?;
        println!("| {target} | {} | {} | {} |", ran.executions, ran.found, ran.crashes.len());
        failures.extend(ran.crashes.iter().map(|crash| format!("{target}: {}", crash.display())));
        if args.keep {
            fuzzers.keep(target)?;
        }
    }
    Failures::unless_empty(failures)
}

/// The targets, by the files that they are in.
fn targets(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let folder = workspace.root.join(FOLDER).join("fuzz_targets");
    let entries = fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut names: Vec<String> =
        entries.filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_string_lossy().into_owned())).collect();
    names.sort();
    Ok(names)
}

struct Fuzzers<'a> {
    tool: PathBuf,
    workspace: &'a Workspace,
}

/// What a fuzzer did.
struct Ran {
    executions: u64,
    found: u64,
    crashes: Vec<PathBuf>,
}

impl Fuzzers<'_> {
    fn run(&self, target: &str, seconds: u32) -> anyhow::Result<Ran> {
        let artifacts = self.folder("artifacts", target)?;
        let before = files(&artifacts)?;
        let mut command = self.command(target, &[self.folder("found", target)?, self.seeds(target)]);
        command.args([
            &format!("-max_total_time={seconds}"),
            MOST_SECONDS,
            SLOW_SECONDS,
            MOST_MIB,
            "-print_final_stats=1",
        ]);
        command.arg(format!("-artifact_prefix={}/", artifacts.display()));
        eprintln!("fuzzing {target} for {seconds} s …");
        // a crash is no success of the fuzzer's, and is looked for in what it leaves
        let output = command.stdout(Stdio::null()).output().context("starting cargo-fuzz")?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let crashes: Vec<PathBuf> = files(&artifacts)?.into_iter().filter(|file| !before.contains(file)).collect();
        ensure!(output.status.success() || !crashes.is_empty(), "{target}: {}\n{said}", output.status);
        if !crashes.is_empty() {
            eprintln!("{said}");
        }
        let stat = |name: &str| {
            let line = said.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.trim().parse().ok()).unwrap_or(0)
        };
        Ok(Ran { executions: stat("stat::number_of_executed_units:"), found: stat("stat::new_units_added:"), crashes })
    }

    /// Adds the fewest of what was found to the seeds that go wherever all of it goes, however often.
    fn keep(&self, target: &str) -> anyhow::Result<()> {
        let mut command = self.command(target, &[self.seeds(target), self.folder("found", target)?]);
        process::run(command.args(["-set_cover_merge=1", "-use_counters=0", MOST_KEPT_BYTES]))
    }

    /// The fuzzer, with folders of inputs: what is new goes into the first.
    fn command(&self, target: &str, folders: &[PathBuf]) -> Command {
        let mut command = Command::new(&self.tool);
        command.current_dir(&self.workspace.root).args(["fuzz", "run", "--fuzz-dir", FOLDER, "--target-dir"]);
        command.arg(self.workspace.target_directory.join("fuzz")).arg(target).args(folders).arg("--");
        // coverage takes flags that a stable compiler has and does not offer
        command.env("RUSTC_BOOTSTRAP", "1");
        command
    }

    fn seeds(&self, target: &str) -> PathBuf {
        self.workspace.root.join(FOLDER).join("corpus").join(target)
    }

    /// A folder of cargo's target folder, that is there.
    fn folder(&self, kind: &str, target: &str) -> anyhow::Result<PathBuf> {
        let folder = self.workspace.target_directory.join("fuzz").join(kind).join(target);
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(folder)
    }
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
}
