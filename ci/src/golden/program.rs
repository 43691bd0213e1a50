//! glimpse-export, the program that trains, emits and answers: built once, as the tests build it, then started.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use serde::Deserialize;

use crate::process;
use crate::workspace::Workspace;

/// A few photographs to train on; what is learned does not matter, only that weights are not as they were drawn.
const PHOTOGRAPHS: &str = "edge-apps/samples";

/// A built glimpse-export.
pub struct ExportProgram {
    path: PathBuf,
}

/// A line of what `cargo build --message-format=json` prints, as far as we ask.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

impl ExportProgram {
    /// Builds it together with the tests of the workspace, which gives every crate the features that it has in
    /// `cargo test --workspace`: burn is compiled once for both.
    ///
    /// # Errors
    /// When it does not build.
    pub fn build(workspace: &Workspace) -> anyhow::Result<Self> {
        let mut command = process::cargo(&workspace.root);
        command.args(["build", "--workspace", "--features", Workspace::FEATURES, "--bins", "--tests"]);
        command.arg("--message-format=json-render-diagnostics");
        eprintln!("building glimpse-export …");
        let messages = process::output(&mut command)?;
        let path = executable(&String::from_utf8_lossy(&messages), "glimpse-export")
            .context("cargo built no program glimpse-export")?;
        Ok(Self { path })
    }

    /// Where it is; the program glimpse, which is built with it, lies beside it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// One that is built already.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Trains for a few steps on photographs and makes a bundle with every form of it.
    ///
    /// # Errors
    /// When a step of the way fails.
    pub fn make_bundle(
        &self,
        workspace: &Workspace,
        scratch: &Path,
        bundle: &Path,
        training: &str,
    ) -> anyhow::Result<()> {
        let run = scratch.join("run");
        process::run(
            self.command("train")
                .arg(workspace.root.join(PHOTOGRAPHS))
                .arg("--out")
                .arg(&run)
                .args(training.split(' '))
                .args(["--device", "cpu"]),
        )?;
        process::run(self.command("emit").arg(&run).arg("--out").arg(bundle))?;
        process::run(self.command("quantize").arg(bundle))
    }

    /// Writes into the new file `answers` what tract makes of the bundle's golden input, in each form of the bundle.
    ///
    /// `verify` has limits of its own and fails past them, after it has written the answers: whether they are near
    /// enough is for the comparison to say.
    ///
    /// # Errors
    /// When the program gave no answers.
    pub fn answer(&self, bundle: &Path, answers: &Path) -> anyhow::Result<()> {
        let mut command = self.command("verify");
        command.arg(bundle).arg("--answers").arg(answers);
        process::run(&mut command).or_else(|error| if answers.is_file() { Ok(()) } else { Err(error) })
    }

    /// Imports the weights at `source` as the bundle `bundle`; the most memory that this took, where the system tells.
    ///
    /// # Errors
    /// When they cannot be imported.
    pub fn import(&self, source: &Path, bundle: &Path) -> anyhow::Result<Option<u64>> {
        process::run_watched(self.command("import").arg(source).arg("--out").arg(bundle))
    }

    fn command(&self, subcommand: &str) -> Command {
        let mut command = Command::new(&self.path);
        command.arg(subcommand);
        command
    }
}

/// The program `name`, and not its unit tests of the same name, among the messages of a build.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .find(|message| {
            message.target.as_ref().is_some_and(|target| target.name == name)
                && message.profile.as_ref().is_some_and(|profile| !profile.test)
                && message.executable.is_some()
        })?
        .executable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_among_the_messages_of_a_build() {
        let message = |name: &str, test: bool, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","target":{{"name":"{name}"}},"profile":{{"test":{test}}},"executable":{executable}}}"#
            )
        };
        let messages = [
            message("glimpse-export", false, "null"),
            message("glimpse-export", true, r#""/t/deps/glimpse_export-1""#),
            message("glimpse", false, r#""/t/glimpse""#),
            message("glimpse-export", false, r#""/t/glimpse-export""#),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
        ]
        .join("\n");
        let path = executable(&messages, "glimpse-export");
        assert_eq!(path.unwrap(), Path::new("/t/glimpse-export"));
        assert_eq!(executable(&messages, "absent"), None);
    }
}
