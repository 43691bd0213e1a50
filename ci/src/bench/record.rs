//! `cargo ci bench record`: what this board does, as records.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use super::records::Record;
use crate::process;
use crate::workspace::Workspace;

/// Where records are kept.
pub const FOLDER: &str = "ci/records";
/// Seconds of one frame after another, in each turn but the first.
const SHORT_SECONDS: u32 = 20;
const PRECISIONS: [&str; 2] = ["int8", "f32"];
/// Visible patches: all, and a quarter of the shipped model's.
const VISIBLE: [&str; 2] = ["all", "16"];

/// Measures each model in int8 and f32, with all patches and a quarter, in turns, and keeps a record of each run under the
/// board's name.
///
/// Builds glimpse in release, or takes --program as it is. A row's first run goes on for five minutes, to see what a warm board
/// does. Leave the machine alone while it runs.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where records are kept, in a folder for each board
    #[arg(long, value_name = "FOLDER", default_value = FOLDER)]
    out: PathBuf,
    /// Models inside the program, or folders of bundles
    #[arg(long = "model", value_name = "NAME|PATH", default_values = ["glimpse-tiny"])]
    models: Vec<String>,
    /// How often each row is measured
    #[arg(long, default_value_t = 3, value_name = "N")]
    turns: u32,
    /// Frames of a run whose stages are timed
    #[arg(long, default_value_t = 500, value_name = "N")]
    runs: u32,
    /// Seconds of one frame after another, in the first turn
    #[arg(long, default_value_t = 300, value_name = "N")]
    seconds: u32,
    /// Threads [default: one a core]
    #[arg(long, value_name = "N")]
    threads: Option<u32>,
    /// A program that is built already
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// What --program was built from, such as a commit: it is said in the records [default: nothing is said]
    #[arg(long, value_name = "NAME", requires = "program")]
    commit: Option<String>,
}

/// Runs the program and prints the records' paths.
///
/// # Errors
/// When it does not build, fails, or computes wrong.
pub fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(args.turns > 0, "nothing to measure: give at least 1 turn");
    let workspace = Workspace::here()?;
    let program = workspace.glimpse(args.program.as_deref())?;
    // a program that is built already may be of any commit
    let commit = if args.program.is_some() { args.commit.clone() } else { Some(checked_out(&workspace.root)?) };
    let scratch = workspace.target_directory.join("records");
    if scratch.exists() {
        fs::remove_dir_all(&scratch).with_context(|| format!("removing {}", scratch.display()))?;
    }
    for turn in 0..args.turns {
        let seconds = if turn == 0 { args.seconds } else { args.seconds.min(SHORT_SECONDS) };
        for model in &args.models {
            for (precision, visible) in
                PRECISIONS.iter().flat_map(|precision| VISIBLE.map(|visible| (precision, visible)))
            {
                let mut command = Command::new(&program);
                command.args(["bench", "--model", model, "--precision", precision, "--visible", visible]);
                command.args(["--runs", &args.runs.to_string(), "--sustain", &seconds.to_string()]);
                if let Some(commit) = &commit {
                    command.args(["--commit", commit]);
                }
                if let Some(threads) = args.threads {
                    command.args(["--threads", &threads.to_string()]);
                }
                process::run(command.arg("--record").arg(&scratch))?;
            }
        }
    }
    for file in fs::read_dir(&scratch).with_context(|| format!("reading {}", scratch.display()))? {
        println!("{}", kept(&file?.path(), &args.out)?.display());
    }
    Ok(())
}

/// The commit that a folder has, and `-dirty` where files of it were changed.
fn checked_out(folder: &Path) -> anyhow::Result<String> {
    // no tag, which would take the commit's place
    let describe = ["describe", "--always", "--abbrev=40", "--dirty", "--exclude", "*"];
    let commit = process::output(Command::new("git").current_dir(folder).args(describe))?;
    Ok(String::from_utf8(commit).context("what git says of the commit is not UTF-8")?.trim().to_owned())
}

/// Puts a record into its board's folder.
fn kept(file: &Path, out: &Path) -> anyhow::Result<PathBuf> {
    let records = Record::all(file)?;
    let Some(Record::Run(run)) = records.first() else { anyhow::bail!("{} is no record of a run", file.display()) };
    let folder = out.join(slug(&run.board.name));
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let to = folder.join(file.file_name().unwrap_or_default());
    // whole or not at all, from one file system to another too
    let aside = folder.join("record.part");
    fs::copy(file, &aside)
        .and_then(|_| fs::rename(&aside, &to))
        .with_context(|| format!("writing {}", to.display()))?;
    Ok(to)
}

/// A name as a folder's.
fn slug(name: &str) -> String {
    let words = name.to_lowercase();
    let words = words.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_since_a_commit_is_said_and_tags_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let git = |words: &[&str]| {
            let mut command = Command::new("git");
            command.current_dir(folder.path()).args(["-c", "user.name=n", "-c", "user.email=n@localhost"]).args(words);
            String::from_utf8(process::output(&mut command).unwrap()).unwrap().trim().to_owned()
        };
        git(&["init", "--quiet"]);
        fs::write(folder.path().join("a"), "1").unwrap();
        git(&["add", "a"]);
        git(&["commit", "--quiet", "--no-gpg-sign", "--message", "one"]);
        git(&["tag", "--no-sign", "--annotate", "v1", "--message", "one"]);
        let commit = git(&["rev-parse", "HEAD"]);
        assert_eq!(checked_out(folder.path()).unwrap(), commit);
        fs::write(folder.path().join("a"), "22").unwrap();
        assert_eq!(checked_out(folder.path()).unwrap(), commit + "-dirty");
    }

    #[test]
    fn a_board_s_folder_has_its_name() {
        assert_eq!(slug("Raspberry Pi 5 Model B Rev 1.0"), "raspberry-pi-5-model-b-rev-1-0");
        assert_eq!(slug("AMD EPYC™ (x)"), "amd-epyc-x");
    }
}
