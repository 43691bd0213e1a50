//! Starting other programs: what is run is said before it runs, and a program that is missing is named with the way to
//! get it.

use std::env;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};

/// How often a process is asked for its memory: often enough to see it grow to its most.
const WATCH_EVERY: Duration = Duration::from_millis(20);

/// `cargo` in the folder `root`, as a person would have started it there.
///
/// `cargo run` describes this very crate in variables that build scripts of other crates look at. Handed on, they would
/// make cargo take crates for changed that are not, and build them anew.
pub fn cargo(root: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root);
    for (name, _) in env::vars_os() {
        let described =
            name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"));
        if described {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs `command` to its end. All that it prints goes to standard error, which leaves standard output to results.
///
/// # Errors
/// When it cannot be started or does not end with success.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    eprintln!("$ {}", shown(command));
    let status = command.stdout(Stdio::from(io::stderr())).status().with_context(|| cannot_start(command))?;
    if !status.success() {
        bail!("`{}`: {status}", shown(command));
    }
    Ok(())
}

/// Runs `command` to its end like [`run`], and returns the most bytes of memory that it had at a time, which Linux tells.
///
/// # Errors
/// When it cannot be started or does not end with success.
pub fn run_watched(command: &mut Command) -> anyhow::Result<Option<u64>> {
    eprintln!("$ {}", shown(command));
    let mut child = command.stdout(Stdio::from(io::stderr())).spawn().with_context(|| cannot_start(command))?;
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak_bytes = None;
    loop {
        // The file says nothing of a process that has ended: what was said before is kept.
        peak_bytes = fs::read_to_string(&status_file).ok().and_then(|text| peak_bytes_in(&text)).or(peak_bytes);
        if let Some(status) = child.try_wait()? {
            return if status.success() { Ok(peak_bytes) } else { bail!("`{}`: {status}", shown(command)) };
        }
        thread::sleep(WATCH_EVERY);
    }
}

/// The line `VmHWM:    1234 kB` of a process's status.
fn peak_bytes_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

/// Runs `command` to its end and returns its standard output.
///
/// # Errors
/// When it cannot be started or does not end with success.
pub fn output(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| cannot_start(command))?;
    if !output.status.success() {
        bail!("`{}`: {}", shown(command), output.status);
    }
    Ok(output.stdout)
}

/// Makes sure that cargo knows the subcommand `name`, which rustup installs as `component`.
///
/// # Errors
/// When it is missing; the error says how to get it.
pub fn require_component(root: &Path, name: &str, component: &str) -> anyhow::Result<()> {
    let found = cargo(root)
        .args([name, "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        bail!("{component} is missing: `rustup component add {component}`");
    }
    Ok(())
}

/// `73.25 s` as `1 min 13 s`, and less than a minute as `4.2 s`.
pub fn shown_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {} s", seconds / 60, seconds % 60)
    }
}

fn shown(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| {
        let value = value?;
        Some(format!("{}='{}'", name.display(), value.display()))
    });
    let words = std::iter::once(command.get_program()).chain(command.get_args()).map(|word| word.display().to_string());
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

fn cannot_start(command: &Command) -> String {
    let program = command.get_program();
    let remedy = match program.to_str() {
        Some("cargo") => ": install Rust from https://rustup.rs",
        Some("git") => ": `apt install git`",
        Some("strip") => ": `apt install binutils`",
        Some("python3") => ": `apt install python3-venv`",
        _ => "",
    };
    format!("cannot start `{}`{remedy}", program.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        let mut command = Command::new("cargo");
        command.args(["doc", "--no-deps"]).env("FLAGS", "-D x");
        assert_eq!(shown(&command), "FLAGS='-D x' cargo doc --no-deps");
    }

    #[test]
    fn a_missing_program_is_named_and_how_to_get_it_said() {
        assert_eq!(cannot_start(&Command::new("git")), "cannot start `git`: `apt install git`");
        let error = run(&mut Command::new("no-such-program-anywhere")).unwrap_err();
        assert!(error.to_string().contains("no-such-program-anywhere"));
    }

    #[test]
    fn a_program_that_fails_is_an_error() {
        let error = output(Command::new("git").arg("no-such-subcommand")).unwrap_err();
        assert!(error.to_string().contains("git no-such-subcommand"));
    }

    #[test]
    fn a_watched_program_tells_its_memory_and_its_failure() {
        assert_eq!(peak_bytes_in("Name:\tx\nVmHWM:\t    1234 kB\n"), Some(1234 << 10));
        assert_eq!(peak_bytes_in("Name:\tx\n"), None);
        let peak_bytes = run_watched(Command::new("sleep").arg("0.2")).unwrap();
        assert_eq!(peak_bytes.is_some(), cfg!(target_os = "linux"));
        assert!(run_watched(Command::new("git").arg("no-such-subcommand")).is_err());
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(shown_duration(Duration::from_millis(4_230)), "4.2 s");
        assert_eq!(shown_duration(Duration::from_secs(73)), "1 min 13 s");
    }
}
