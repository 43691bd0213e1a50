//! `glimpse-export`: trains masked autoencoders and turns them into bundles for the Glimpse runtime.

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
    Train(command::train::Args),
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
    let result = match Cli::parse().command {
        Command::Train(args) => command::train::run(&args),
        Command::Emit(args) => command::emit::run(&args),
        Command::Quantize(args) => command::quantize::run(&args),
        Command::Probe(args) => command::probe::run(&args),
        Command::Verify(args) => command::verify::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("glimpse-export: {error:#}");
            ExitCode::from(if error.is::<CheckFailed>() { 1 } else { 2 })
        }
    }
}
