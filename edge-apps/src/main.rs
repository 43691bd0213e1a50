//! The program `glimpse`: masked autoencoders on cameras and small computers.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests unwrap freely"))]

mod bundles;
mod camera;
mod commands;
mod device;
mod features;
mod in_order;
mod painting;
mod patches;
mod picture;
mod plan;
mod progress;
mod visible;

use std::io::Write as _;
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
    Camera(commands::camera::Args),
    Bench(commands::bench::Args),
    Info(commands::info::Args),
}

fn main() -> ExitCode {
    warn_on_stderr();
    let done = match Cli::parse().command {
        Command::Inpaint(args) => commands::inpaint::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Features(args) => commands::features::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Classify(args) => commands::classify::run(&args),
        Command::Camera(args) => commands::camera::run(&args).map(|()| ExitCode::SUCCESS),
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

/// Has warnings of the runtime shown: of a GPU that failed, say.
fn warn_on_stderr() {
    env_logger::Builder::new()
        .filter(Some("glimpse"), log::LevelFilter::Warn)
        .format(|line, record| writeln!(line, "warning: {}", record.args()))
        .init();
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
