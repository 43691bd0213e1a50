//! What the program `glimpse` does: masked autoencoders on cameras and small computers.
//!
//! This is no library for others, which `glimpse-runtime` is: it has what starts the program, and what fuzzers call.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "tests unwrap freely"))]

mod bundles;
mod camera;
mod commands;
mod config;
mod device;
mod features;
#[doc(hidden)]
pub mod fuzzing;
mod in_order;
mod lock;
mod logs;
mod painting;
mod patches;
mod picture;
mod plan;
mod progress;
mod serve;
mod visible;

use std::panic::PanicHookInfo;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::camera::logins::{refusal_without_logins, without_logins};
use crate::logs::LogArgs;

/// Masked autoencoders on cameras and small computers.
///
/// Exit status: 0 done; 1 some picture could not be classified or painted; 2 used wrongly, or something is broken.
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
    Camera(Box<commands::camera::Args>),
    InstallService(commands::install_service::Args),
    Bench(commands::bench::Args),
    Info(commands::info::Args),
    Completions(commands::completions::Args),
    Man(commands::man::Args),
}

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    std::panic::set_hook(Box::new(broken_down));
    let words = match config::expanded(std::env::args_os().collect(), is_camera_option) {
        Ok(words) => words,
        Err(error) => {
            // what is no TOML is repeated, and passwords belong in such a file
            eprintln!("error: {}", without_logins(&format!("{error:#}")));
            return ExitCode::from(2);
        }
    };
    let command = match Cli::try_parse_from(words) {
        Ok(Cli { command }) => command,
        Err(refusal) => refusal_without_logins(refusal).exit(),
    };
    match &command {
        Command::Camera(args) => args.log.begin(),
        _ => LogArgs::WARNINGS.begin(),
    }
    let done = match command {
        Command::Inpaint(args) => commands::inpaint::run(&args),
        Command::Features(args) => commands::features::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Classify(args) => commands::classify::run(&args),
        Command::Camera(args) => commands::camera::run(&args).map(|()| ExitCode::SUCCESS),
        Command::InstallService(args) => commands::install_service::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Bench(args) => commands::bench::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Info(args) => commands::info::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Completions(args) => commands::completions::run(&args, Cli::command()).map(|()| ExitCode::SUCCESS),
        Command::Man(args) => commands::man::run(&args, Cli::command()).map(|()| ExitCode::SUCCESS),
    };
    match done {
        Ok(status) => status,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Says what nobody foresaw, and ends the program: whole files stay, and what starts a camera's program starts it again.
fn broken_down(panic: &PanicHookInfo<'_>) {
    use std::io::Write as _;

    let at = panic.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
    let said = panic.payload_as_str().unwrap_or("it does not say how");
    if said.starts_with("failed printing to stdout: Broken pipe") {
        // whoever reads has seen enough, as `head` has
        std::process::exit(0);
    }
    if let Some(why) = said.strip_prefix("failed printing to stdout: ") {
        let _ = writeln!(std::io::stderr(), "error: writing to standard output: {why}");
        std::process::exit(2);
    }
    // where nobody reads that, `eprintln!` would break down here again, which aborts
    let _ = writeln!(
        std::io::stderr(),
        "error: glimpse broke down{at}: {said}; if it was given a file that is not whole, give it another one, and otherwise please \
         report this at {}/issues",
        env!("CARGO_PKG_REPOSITORY")
    );
    std::process::exit(2);
}

/// Whether `glimpse camera` has an option of that name.
fn is_camera_option(name: &str) -> bool {
    let program = Cli::command();
    program
        .find_subcommand("camera")
        .is_some_and(|camera| camera.get_arguments().any(|option| option.get_long() == Some(name)))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
