//! The program `glimpse`: masked autoencoders on cameras and small computers.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests unwrap freely"))]

mod bundles;
mod commands;
mod features;
mod in_order;
mod painting;
mod patches;
mod picture;
mod plan;
mod progress;
mod visible;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Masked autoencoders on cameras and small computers.
///
/// Exit status: 0 done; 1 a picture could not be classified; 2 used wrongly, or something is broken.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Inpaint(commands::inpaint::Args),
    Features(commands::features::Args),
    Classify(commands::classify::Args),
    Bench(commands::bench::Args),
    Info(commands::info::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Inpaint(args) => commands::inpaint::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Features(args) => commands::features::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Classify(args) => commands::classify::run(&args),
        Command::Bench(args) => commands::bench::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Info(args) => commands::info::run(&args).map(|()| ExitCode::SUCCESS),
    };
    match done {
        Ok(status) => status,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
