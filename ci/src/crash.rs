//! `cargo ci crash`: programs that are killed at any moment leave whole files alone, and are gone on with.

mod jobs;

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rand_pcg::Pcg32;
use rand_pcg::rand_core::{Rng as _, SeedableRng as _};

use crate::failures::Failures;
use crate::golden::program::ExportProgram;
use crate::process;
use crate::workspace::Workspace;

use jobs::Job;

/// What ends a program that is killed here.
const SIGKILL: i32 = 9;
/// The latest that a run is killed, of what an undisturbed one takes.
const LATEST: f64 = 1.1;
/// Runs after which a job that is killed each time is let go on to its end.
const MOST_KILLS_OF_A_JOB: u32 = 12;

/// Kills `train`, `quantize`, `inpaint` over a folder and `features` at random moments, looks at what they leave, and goes on
/// with them.
///
/// After each kill, whatever bears its final name is to be whole; at the end, all is to be as an undisturbed run makes it, byte
/// for byte.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How often each is killed
    #[arg(long, default_value_t = 25, value_name = "N")]
    kills: u32,
    /// Draws other moments
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
}

/// What became of a job.
#[derive(Debug, Default)]
struct Tally {
    kills: u32,
    finished: u32,
    failures: Vec<String>,
}

/// Kills and goes on, and prints a table.
///
/// # Errors
/// [`Failures`] when something was left by half, or did not come out the same; otherwise when a program is missing.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let workspace = Workspace::here()?;
    let export = ExportProgram::build(&workspace)?;
    let scratch = workspace.target_directory.join("crash");
    if scratch.exists() {
        fs::remove_dir_all(&scratch).with_context(|| format!("removing {}", scratch.display()))?;
    }
    fs::create_dir_all(&scratch).with_context(|| format!("making {}", scratch.display()))?;
    let mut random = Pcg32::seed_from_u64(args.seed);
    let mut failures = Vec::new();
    println!("| job | killed | came to its end | wrong |\n| --- | --- | --- | --- |");
    for job in jobs::all(&workspace, export.path(), &scratch)? {
        let tally = tally(&job, &scratch, args.kills, &mut random)?;
        println!("| {} | {} | {} | {} |", job.name, tally.kills, tally.finished, tally.failures.len());
        failures.extend(tally.failures.into_iter().map(|failure| format!("{}: {failure}", job.name)));
    }
    Failures::unless_empty(failures)
}

/// Kills a job so often.
fn tally(job: &Job, scratch: &Path, kills: u32, random: &mut Pcg32) -> anyhow::Result<Tally> {
    let whole = scratch.join(format!("{}-whole", job.name));
    prepare(job, &whole)?;
    let started = Instant::now();
    process::run(&mut (job.command)(&whole))?;
    let took = started.elapsed();
    let mut tally = Tally::default();
    while tally.kills < kills {
        let folder = scratch.join(format!("{}-killed", job.name));
        prepare(job, &folder)?;
        let mut kills_of_this = 0;
        loop {
            let share = f64::from(random.next_u32()) / f64::from(u32::MAX) * LATEST;
            let limit = (kills_of_this < MOST_KILLS_OF_A_JOB && tally.kills < kills).then(|| took.mul_f64(share));
            let ended = run_until(&mut (job.command)(&folder), limit)?;
            match ended {
                Ended::Killed => (kills_of_this, tally.kills) = (kills_of_this + 1, tally.kills + 1),
                Ended::Well => tally.finished += 1,
                Ended::Badly(said) => {
                    tally.failures.push(format!("what was killed cannot be gone on with: {said}"));
                    return Ok(tally);
                }
            }
            if let Err(error) = (job.check)(&folder, &whole) {
                tally.failures.push(format!("at {:.0}% of a run, kill {}: {error:#}", 100.0 * share, tally.kills));
                return Ok(tally);
            }
            if ended == Ended::Well {
                if let Err(error) = same(&job.results, &folder, &whole) {
                    tally.failures.push(format!("at its end: {error:#}"));
                }
                break;
            }
        }
    }
    Ok(tally)
}

fn prepare(job: &Job, folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    (job.prepare)(folder)
}

#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Well,
    Badly(String),
    Killed,
}

/// Runs a program to its end, or kills it.
fn run_until(command: &mut Command, limit: Option<Duration>) -> anyhow::Result<Ended> {
    let started = Instant::now();
    let mut killed = false;
    let mut child =
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().context("starting what is to be killed")?;
    loop {
        if limit.is_some_and(|limit| started.elapsed() >= limit) {
            child.kill()?;
            killed = true;
        }
        if child.try_wait()?.is_some() {
            break;
        }
        thread::sleep(Duration::from_millis(1));
    }
    let output = child.wait_with_output()?;
    Ok(match (output.status.code(), output.status.signal()) {
        (Some(0), _) => Ended::Well,
        // what another signal ended, or the system for want of memory, died by itself
        (None, Some(SIGKILL)) if killed => Ended::Killed,
        _ => Ended::Badly(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr))),
    })
}

/// Whether these files and folders are the same in both places.
fn same(results: &[&str], folder: &Path, whole: &Path) -> anyhow::Result<()> {
    for result in results {
        let [got, expected] = [folder, whole].map(|root| files(&root.join(result)));
        let (got, expected) = (got?, expected?);
        ensure!(!expected.is_empty(), "{result} is not there");
        ensure!(got == expected, "{result} has other files: {got:?} and not {expected:?}");
        for file in got {
            // a path that ends in a slash is no file's
            let name = if file.as_os_str().is_empty() { PathBuf::from(result) } else { Path::new(result).join(&file) };
            let [got, expected] = [folder, whole].map(|root| fs::read(root.join(&name)));
            ensure!(got? == expected?, "{} is another one", name.display());
        }
    }
    Ok(())
}

/// The files in a folder, or a file itself, by their paths there.
fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![PathBuf::new()]);
    }
    let mut found = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
            let entry = entry?.path();
            if entry.is_dir() {
                folders.push(entry);
            } else {
                found.push(entry.strip_prefix(path)?.to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_ends_or_is_killed() {
        let sleep = |seconds: &str| {
            let mut command = Command::new("sleep");
            command.arg(seconds);
            command
        };
        assert_eq!(run_until(&mut sleep("0"), None).unwrap(), Ended::Well);
        assert_eq!(run_until(&mut sleep("60"), Some(Duration::from_millis(20))).unwrap(), Ended::Killed);
        assert!(matches!(run_until(&mut sleep("word"), None).unwrap(), Ended::Badly(_)));
    }

    #[test]
    fn a_program_that_dies_by_itself_is_not_one_that_was_killed() {
        for (signal, number) in [("SEGV", 11), ("ABRT", 6), ("KILL", 9)] {
            let mut command = Command::new("sh");
            command.args(["-c", &format!("kill -{signal} $$")]);
            // long before it would be killed
            let ended = run_until(&mut command, Some(Duration::from_mins(1))).unwrap();
            let Ended::Badly(said) = ended else { panic!("{signal}: {ended:?}") };
            assert!(said.contains(&format!("signal: {number}")), "{said}");
        }
    }

    #[test]
    fn what_differs_is_said() {
        let root = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|name| root.path().join(name));
        for folder in [&one, &other] {
            fs::create_dir_all(folder.join("out/sub")).unwrap();
            fs::write(folder.join("out/sub/a"), "same").unwrap();
        }
        same(&["out"], &one, &other).unwrap();
        same(&["out/sub/a"], &one, &other).unwrap();
        fs::write(one.join("out/sub/a"), "half").unwrap();
        assert!(same(&["out"], &one, &other).unwrap_err().to_string().contains("another one"));
        fs::write(one.join("out/b"), "").unwrap();
        assert!(same(&["out"], &one, &other).unwrap_err().to_string().contains("other files"));
    }
}
