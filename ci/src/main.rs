//! `cargo ci …`: every check of Glimpse is one command that a person can run too.
//!
//! This program only starts other programs and reads files. It exits with 0 when all is well, 1 when a check failed and
//! 2 when it was used wrongly or could not do its work.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests unwrap freely"))]

mod bench;
mod budget;
mod cache;
mod camera;
mod check;
mod crash;
mod cross;
mod deny;
mod failures;
mod fuzz;
mod golden;
mod parity;
mod process;
mod soak;
mod test;
mod tools;
mod venv;
mod workflows;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

use crate::failures::Failures;

/// Checks, tests and comparisons of Glimpse.
#[derive(Parser)]
#[command(name = "cargo ci", bin_name = "cargo ci", version)]
enum Command {
    Bench(bench::Args),
    Budget(budget::Args),
    Camera(camera::Args),
    Check(check::Args),
    Crash(crash::Args),
    Cross(cross::Args),
    Deny(deny::Args),
    Fuzz(fuzz::Args),
    Test(test::Args),
    Golden(golden::Args),
    Parity(parity::Args),
    Soak(soak::Args),
    Venv(venv::Args),
    Workflows(workflows::Args),
}

fn main() -> ExitCode {
    let result = match Command::parse() {
        Command::Bench(args) => bench::run(&args),
        Command::Budget(args) => budget::run(&args),
        Command::Camera(args) => camera::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Crash(args) => crash::run(&args),
        Command::Cross(args) => cross::run(&args),
        Command::Deny(args) => deny::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Golden(args) => golden::run(&args),
        Command::Parity(args) => parity::run(&args),
        Command::Soak(args) => soak::run(&args),
        Command::Venv(args) => venv::run(&args),
        Command::Workflows(args) => workflows::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Failures>() => {
            eprintln!("\n{error}");
            ExitCode::from(1)
        }
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::from(2)
        }
    }
}
