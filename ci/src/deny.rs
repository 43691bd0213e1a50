//! `cargo ci deny`: licences, sources and known faults of the libraries.

use std::path::PathBuf;
use std::process::Command;

use crate::failures::Failures;
use crate::process;
use crate::tools;
use crate::workspace::Workspace;

/// Holds the libraries to ci/deny.toml (cargo-deny): their licences, where they come from, and with --advisories the faults that are known
/// of them.
///
/// Those are fetched from the `RustSec` database on GitHub, unless --database names a folder that has it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Look for known faults, too
    #[arg(long)]
    advisories: bool,
    /// A folder with a clone of the database, so that nothing is fetched
    #[arg(long, value_name = "FOLDER", requires = "advisories")]
    database: Option<PathBuf>,
}

/// Runs cargo-deny.
///
/// # Errors
/// [`Failures`] when a library is not to be used; otherwise when cargo-deny cannot be built.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let workspace = Workspace::here()?;
    let mut command = Command::new(tools::DENY.path(&workspace)?);
    command.current_dir(&workspace.root).args(["--locked", "check", "--config", "ci/deny.toml"]);
    let mut checks = vec!["bans", "licenses", "sources"];
    if args.advisories {
        checks.push("advisories");
    }
    let configured;
    if let Some(database) = &args.database {
        configured = workspace.target_directory.join("deny.toml");
        let text = String::from_utf8(workspace.read("ci/deny.toml")?)?;
        let folder = std::fs::canonicalize(database)?;
        let (folder, line) = (folder.display(), "[advisories]\n");
        std::fs::write(&configured, text.replace(line, &format!("{line}db-path = \"{folder}\"\n")))?;
        command.args(["--config", &configured.display().to_string(), "--disable-fetch"]);
    }
    let found = process::run(command.args(checks)).err().map(|error| format!("{error:#}"));
    Failures::unless_empty(found.into_iter().collect())
}
