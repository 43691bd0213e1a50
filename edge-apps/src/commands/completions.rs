//! `glimpse completions`: what a shell completes.

use std::io::Write as _;

use anyhow::{Context, Result};
use clap_complete::Shell;

/// Print what a shell is to know to complete commands and options.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  glimpse completions bash > ~/.local/share/bash-completion/completions/glimpse
  glimpse completions fish > ~/.config/fish/completions/glimpse.fish")]
pub struct Args {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// Runs the command.
pub fn run(args: &Args, mut program: clap::Command) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut program, "glimpse", &mut text);
    std::io::stdout().write_all(&text).context("writing to standard output")
}
