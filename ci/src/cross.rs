//! `cargo ci cross`: programs and tests for other machines, under emulation.

mod count;
mod deb;
mod equal;
mod machine;
mod package;
mod tests_of;
mod tree;

use crate::failures::Failures;

/// Builds for ARM, and runs what was built under emulation: emulation shows whether code is right, never how fast it is.
///
/// Without a word more: packs the programs for 64-bit ARM, sees that they paint what this machine's do, and runs the tests as a
/// Raspberry Pi 4's core, a Raspberry Pi 5's and one that has all. Installs what is missing, on Debian and Ubuntu.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    what: Option<What>,
    /// Without a word more: build the program as tests are built, in minutes, in the place of what is released
    #[arg(long)]
    quick: bool,
}

#[derive(clap::Subcommand)]
enum What {
    Package(package::Args),
    Test(tests_of::Args),
    Count(count::Args),
}

/// Does what was asked for, or all but the counts.
///
/// # Errors
/// [`Failures`] when a check failed; otherwise when a program is missing.
pub fn run(args: &Args) -> anyhow::Result<()> {
    match &args.what {
        Some(What::Package(args)) => package::run(args),
        Some(What::Test(args)) => tests_of::run(args),
        Some(What::Count(args)) => count::run(args),
        None => {
            let mut failures = Vec::new();
            let pack: &dyn Fn() -> anyhow::Result<()> = &|| package::run(&package::Args::of_boards(args.quick));
            let test: &dyn Fn() -> anyhow::Result<()> = &|| tests_of::run(&tests_of::Args::of_all_cores(args.quick));
            for part in [pack, test] {
                match part() {
                    Err(error) if error.is::<Failures>() => failures.push(error.to_string()),
                    done => done?,
                }
            }
            Failures::unless_empty(failures)
        }
    }
}
