//! The program `glimpse`.

use std::process::ExitCode;

fn main() -> ExitCode {
    glimpse_app::main()
}
