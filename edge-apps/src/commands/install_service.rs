//! `glimpse install-service`: cameras that are looked at from the board's start on, by systemd.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;

use super::camera;
use crate::camera::logins::{refusal_without_logins, without_logins};
use crate::config;

/// Where systemd looks for what an administrator adds.
const UNITS: &str = "/etc/systemd/system";
const UNIT: &str = include_str!("install_service/unit.service");
/// Lists the groups of a system.
const GROUPS: &str = "/etc/group";

/// Write a systemd unit that runs `glimpse camera --config FILE` from the board's start on.
///
/// It has a user of its own who may open cameras, and little else; it is started again when it ends or does not answer for 30
/// seconds. Outputs whose paths are not absolute lie in /var/lib/NAME. To be run as root, unless --print is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo glimpse install-service --config /etc/glimpse/door.toml --name door
  glimpse install-service --config door.toml --print")]
pub struct Args {
    /// The options of `glimpse camera`, as TOML; it is checked first
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// What the service is called
    #[arg(long, value_name = "NAME", default_value = "glimpse")]
    name: String,

    /// Print the unit, and write nothing
    #[arg(long)]
    print: bool,

    /// Replace a unit that exists
    #[arg(long)]
    force: bool,

    /// Write it to this folder
    #[arg(long, value_name = "FOLDER", default_value = UNITS)]
    units: PathBuf,
}

/// `glimpse camera`, to see whether its options are sound.
#[derive(Debug, Parser)]
struct Camera {
    #[command(flatten)]
    args: camera::Args,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<()> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    let is_name =
        args.name.chars().all(is_plain) && args.name.starts_with(|letter: char| letter.is_ascii_alphanumeric());
    ensure!(is_name, "`{}` is no name for a service: letters, digits, - and _ it may have", args.name);
    let absolute = |path: &Path| fs::canonicalize(path).with_context(|| format!("finding {}", path.display()));
    let config = absolute(&args.config)?;
    check(&config)?;
    let program = std::env::current_exe().context("finding this program")?;
    let groups = fs::read_to_string(GROUPS).unwrap_or_default();
    let unit = unit(&args.name, &program, &config, groups.lines().any(|line| line.starts_with("render:")))?;
    if args.print {
        print!("{unit}");
        return Ok(());
    }
    if !args.units.is_dir() {
        bail!(
            "{} is no folder: this system has no systemd; start `glimpse camera --config` by what it has",
            args.units.display()
        );
    }
    let path = args.units.join(format!("{}.service", args.name));
    ensure!(
        args.force || !path.exists(),
        "{} exists already; give another --name, or replace it with --force",
        path.display()
    );
    write(&path, unit.as_bytes()).with_context(|| format!("writing {}; is this run as root?", path.display()))?;
    println!("{}", path.display());
    eprintln!("start it, now and with the board: systemctl daemon-reload && systemctl enable --now {}", args.name);
    eprintln!("see what it says: journalctl --unit {} --follow", args.name);
    Ok(())
}

/// Writes a file that all may read, whole or not at all.
fn write(path: &Path, text: &[u8]) -> Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(text)?;
    #[cfg(unix)]
    file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Sees whether `glimpse camera` would take these options.
fn check(config: &Path) -> Result<()> {
    let words = ["glimpse", "camera", "--config"].map(Into::into).into_iter().chain([config.into()]).collect();
    // what is no TOML is repeated, and passwords belong in such a file
    let said = |error: anyhow::Error| anyhow::anyhow!("{}", without_logins(&format!("{error:#}")));
    let mut words = config::expanded(words, crate::is_camera_option).map_err(said)?;
    words.remove(1);
    let camera = Camera::try_parse_from(words).map_err(|refusal| {
        let said = refusal_without_logins(refusal).to_string();
        let reason: Vec<&str> = said.lines().take_while(|line| !line.starts_with("Usage")).map(str::trim).collect();
        anyhow::anyhow!("{}: {}", config.display(), reason.join(" ").trim_start_matches("error: ").trim_end())
    })?;
    camera::check_service(&camera.args).with_context(|| config.display().to_string())
}

/// The unit's text.
fn unit(name: &str, program: &Path, config: &Path, has_render: bool) -> Result<String> {
    Ok(UNIT
        .replace("{name}", name)
        .replace("{repository}", env!("CARGO_PKG_REPOSITORY"))
        .replace("{program}", &quoted(program)?)
        .replace("{config}", &quoted(config)?)
        .replace("{render}", if has_render { " render" } else { "" }))
}

/// A path as a word of a unit's command line.
///
/// # Source
/// systemd.service(5), "Command lines", and systemd.unit(5), "Specifiers".
fn quoted(path: &Path) -> Result<String> {
    let text = path.to_str().with_context(|| format!("{} is no text that a unit may hold", path.display()))?;
    ensure!(!text.contains(char::is_control), "{text:?} is no text that a unit may hold");
    let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    Ok(if text.contains([' ', '"', '\\', '\'', ';']) { format!("\"{text}\"") } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_word_whatever_is_in_it() {
        let quoted = |path: &str| quoted(Path::new(path)).unwrap();
        assert_eq!(quoted("/etc/glimpse/door.toml"), "/etc/glimpse/door.toml");
        assert_eq!(quoted("/a b/100%.toml"), "\"/a b/100%%.toml\"");
        assert_eq!(quoted("/a/\"$x\".toml"), "\"/a/\\\"$$x\\\".toml\"");
    }

    #[test]
    fn the_unit_has_no_gaps() {
        let unit = unit("door", Path::new("/usr/bin/glimpse"), Path::new("/etc/door.toml"), true).unwrap();
        assert!(unit.contains("ExecStart=/usr/bin/glimpse camera --config /etc/door.toml"));
        assert!(unit.contains("SupplementaryGroups=video render\n") && !unit.contains(['{', '}']));
    }
}
