//! `cargo ci deny`: licences, sources and known faults of the libraries.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

use crate::failures::Failures;
use crate::process;
use crate::tools;
use crate::workspace::Workspace;

/// Holds the libraries to ci/deny.toml (cargo-deny): their licences, where they come from, and with --advisories the faults
/// that are known of them.
///
/// Those are fetched from the `RustSec` database on GitHub, unless --database names a folder that has it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Look for known faults, too
    #[arg(long)]
    advisories: bool,
    /// A folder with a clone of the database in a folder of the name that cargo-deny gives it (it says which, where it is
    /// missing), so that nothing is fetched
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
    let mut config = workspace.root.join("ci/deny.toml");
    if let Some(database) = &args.database {
        let folder = fs::canonicalize(database).with_context(|| format!("finding {}", database.display()))?;
        let text = String::from_utf8(workspace.read("ci/deny.toml")?)?;
        let (folder, line) = (folder.display(), "[advisories]\n");
        config = workspace.target_directory.join("deny.toml");
        fs::write(&config, text.replace(line, &format!("{line}db-path = \"{folder}\"\n")))
            .with_context(|| format!("writing {}", config.display()))?;
    }
    command.current_dir(&workspace.root).arg("--locked").arg("--config").arg(config);
    if args.database.is_some() {
        command.arg("--offline");
    }
    command.arg("check");
    command.args(["--hide-inclusion-graph", "bans", "licenses", "sources"]);
    if args.advisories {
        command.arg("advisories");
    }
    let found = process::run(&mut command).err().map(|error| format!("{error:#}"));
    Failures::unless_empty(found.into_iter().collect())
}
