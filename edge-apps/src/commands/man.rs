//! `glimpse man`: the manual's pages.

use std::path::PathBuf;

use anyhow::{Context, Result};

/// Write the manual's pages, one a command, into a folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  glimpse man pages && man -l pages/glimpse-camera.1")]
pub struct Args {
    /// The folder; pages of these names that are there are replaced
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// Runs the command.
pub fn run(args: &Args, program: clap::Command) -> Result<()> {
    let writing = || format!("writing the manual's pages into {}", args.folder.display());
    std::fs::create_dir_all(&args.folder).with_context(writing)?;
    clap_mangen::generate_to(program.disable_help_subcommand(true), &args.folder).with_context(writing)
}
