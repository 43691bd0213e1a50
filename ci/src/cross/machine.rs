//! The machines that Glimpse is built for, and what it takes to build for them here.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::process;
use crate::workspace::Workspace;

/// A kind of machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Machine {
    /// Raspberry Pi OS on 64 bits, a Jetson's Ubuntu
    Aarch64,
    /// Raspberry Pi OS on 32 bits
    Armv7,
    /// A PC
    #[value(name = "x86_64")]
    X86_64,
}

impl Machine {
    /// As archives call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aarch64 => "aarch64",
            Self::Armv7 => "armv7",
            Self::X86_64 => "x86_64",
        }
    }

    /// As Rust calls it.
    pub fn triple(self) -> &'static str {
        match self {
            Self::Aarch64 => "aarch64-unknown-linux-gnu",
            Self::Armv7 => "armv7-unknown-linux-gnueabihf",
            Self::X86_64 => "x86_64-unknown-linux-gnu",
        }
    }

    /// As GNU's tools call it.
    pub fn gnu(self) -> &'static str {
        match self {
            Self::Aarch64 => "aarch64-linux-gnu",
            Self::Armv7 => "arm-linux-gnueabihf",
            Self::X86_64 => "x86_64-linux-gnu",
        }
    }

    /// As Debian calls it.
    pub fn debian(self) -> &'static str {
        match self {
            Self::Aarch64 => "arm64",
            Self::Armv7 => "armhf",
            Self::X86_64 => "amd64",
        }
    }

    /// The emulator, and a core for it where none is named.
    fn emulator(self) -> [&'static str; 2] {
        match self {
            Self::Aarch64 => ["qemu-aarch64", "max"],
            Self::Armv7 => ["qemu-arm", "max"],
            Self::X86_64 => ["qemu-x86_64", "max"],
        }
    }

    /// Where Debian keeps the C library that emulated programs are to find.
    fn c_library(self) -> PathBuf {
        match self {
            Self::X86_64 => "/".into(),
            Self::Aarch64 | Self::Armv7 => Path::new("/usr").join(self.gnu()),
        }
    }

    fn is_this_one(self) -> bool {
        std::env::consts::OS == "linux" && self.triple().starts_with(std::env::consts::ARCH)
    }
}

/// What it takes to build for a machine, and to run what was built.
pub struct Cross {
    pub machine: Machine,
    /// The folder of another compiler than the one on the path, if there is need of one.
    compiler: Option<PathBuf>,
}

impl Cross {
    /// Installs what is missing, on Debian and Ubuntu.
    ///
    /// # Errors
    /// When that does not work.
    pub fn new(workspace: &Workspace, machine: Machine) -> anyhow::Result<Self> {
        if machine.is_this_one() {
            return Ok(Self { machine, compiler: None });
        }
        ensure!(machine != Machine::X86_64, "programs for x86_64 are built on x86_64");
        let mut setup = Command::new(workspace.root.join("ci/setup-arm"));
        let said = process::output(setup.arg(machine.name()))?;
        let folder = String::from_utf8(said).context("reading what ci/setup-arm says")?;
        let folder = folder.trim();
        Ok(Self { machine, compiler: (!folder.is_empty()).then(|| folder.into()) })
    }

    /// Where this builds: apart from what is built for this machine, maybe by another compiler.
    pub fn target_directory(&self, workspace: &Workspace) -> PathBuf {
        // a name that is older than the other machines
        let name = if self.machine == Machine::Aarch64 { "arm64" } else { self.machine.name() };
        workspace.target_directory.join(name)
    }

    /// `cargo` with the compiler for that machine.
    pub fn cargo(&self, workspace: &Workspace) -> Command {
        let mut command = process::cargo(&workspace.root);
        command.env("CARGO_TARGET_DIR", self.target_directory(workspace));
        if let Some(folder) = &self.compiler {
            command.env("RUSTC", folder.join("rustc")).env("RUSTDOC", folder.join("rustdoc"));
            command.env_remove("RUSTUP_TOOLCHAIN");
        }
        command
    }

    /// What the compiler calls itself.
    ///
    /// # Errors
    /// When there is none.
    pub fn compiler(&self, workspace: &Workspace) -> anyhow::Result<String> {
        let rustc = self.compiler.as_ref().map_or_else(|| "rustc".into(), |folder| folder.join("rustc"));
        let said = process::output(Command::new(rustc).current_dir(&workspace.root).arg("--version"))?;
        Ok(String::from_utf8_lossy(&said).trim().to_owned())
    }

    /// `cargo` that links with GNU's linker, and runs what it builds as that core.
    pub fn cargo_as(&self, workspace: &Workspace, cpu: &str) -> Command {
        let mut command = self.cargo(workspace);
        let (triple, gnu) = (self.machine.triple(), self.machine.gnu());
        let (lower, upper) = (triple.replace('-', "_"), triple.replace('-', "_").to_uppercase());
        command.env("CARGO_BUILD_TARGET", triple);
        command.env(format!("CARGO_TARGET_{upper}_LINKER"), format!("{gnu}-gcc"));
        command.env(format!("CC_{lower}"), format!("{gnu}-gcc")).env(format!("AR_{lower}"), format!("{gnu}-ar"));
        command.env(format!("CARGO_TARGET_{upper}_RUNNER"), self.runner(cpu).join(" "));
        command
    }

    /// The words before a program's that run it as that core.
    pub fn runner(&self, cpu: &str) -> Vec<String> {
        let library = self.machine.c_library().display().to_string();
        [self.machine.emulator()[0], "-cpu", cpu, "-L", &library].map(str::to_owned).into()
    }

    /// A program that was built, under emulation where it is another machine's.
    pub fn program(&self, program: &Path) -> Command {
        if self.machine.is_this_one() {
            return Command::new(program);
        }
        let words = self.runner(self.machine.emulator()[1]);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg(program);
        command
    }
}
