//! `cargo ci bench`: how fast Glimpse is beside its peers.

mod train;

/// Measures Glimpse beside its peers, in turns, on this machine. Numbers, not a check: nothing passes or fails.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Train(train::Args),
}

/// Runs the benchmark that was asked for.
///
/// # Errors
/// When a program is missing, or fails.
pub fn run(args: &Args) -> anyhow::Result<()> {
    match &args.what {
        What::Train(args) => train::run(args),
    }
}
