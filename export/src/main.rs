//! `glimpse-export`: trains masked autoencoders and turns them into bundles for the Glimpse runtime.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests unwrap freely"))]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use glimpse_export::verify::CheckFailed;

mod command;

/// burn allocates a buffer for each operation; this allocator gives freed ones back to the next step instead of to the
/// system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Trains masked autoencoders on photographs and turns them into bundles for the Glimpse runtime.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Photographs into a checkpoint.
    Train(Box<command::train::Args>),
    Finetune(Box<command::finetune::Args>),
    /// How fast a model trains here.
    Speed(command::speed::Args),
    /// Whether a device trains as the CPU does.
    TryDevice(command::try_device::Args),
    /// Public weights into a bundle.
    Import(command::import::Args),
    /// A checkpoint into a bundle.
    Emit(command::emit::Args),
    /// The int8 form into a bundle.
    Quantize(command::quantize::Args),
    /// What classifiers make of a bundle's features of labelled pictures.
    Probe(command::probe::Args),
    /// A bundle beside burn, and its painting beside classical fills.
    Verify(command::verify::Args),
}

fn main() -> ExitCode {
    let result = command::recipe::expanded(std::env::args_os().collect()).and_then(|words| run(Cli::parse_from(words)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("glimpse-export: {error:#}");
            ExitCode::from(if error.is::<CheckFailed>() { 1 } else { 2 })
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Train(args) => command::train::run(&args),
        Command::Finetune(args) => command::finetune::run(&args),
        Command::Speed(args) => command::speed::run(&args),
        Command::TryDevice(args) => command::try_device::run(&args),
        Command::Import(args) => command::import::run(&args),
        Command::Emit(args) => command::emit::run(&args),
        Command::Quantize(args) => command::quantize::run(&args),
        Command::Probe(args) => command::probe::run(&args),
        Command::Verify(args) => command::verify::run(&args),
    }
}
