//! `cargo ci cross package`: programs to install, as archives and as packages of Debian's.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use super::deb;
use super::equal;
use super::machine::{Cross, Machine};
use super::tree::Tree;
use crate::failures::Failures;
use crate::process;
use crate::tools;
use crate::venv;
use crate::workspace::{Package, Workspace};

/// The C library that a program may ask for: that of Ubuntu 20.04, which the oldest Jetsons that are looked after have.
pub const GLIBC: [u32; 2] = [2, 31];
/// What a board's program is to be no larger than, its model in it; a PC's has more kernels, and more room.
const MOST_BYTES: u64 = 25_000_000;
/// Cameras are on in what is released.
const FEATURES: &str = "v4l2";

/// Builds what people install: for each machine an archive, a Debian package, a bill of materials, and checksums of all.
///
/// A program is linked with zig's copy of the C library's symbols, so that it runs from glibc 2.31 on (Ubuntu 20.04, Raspberry Pi
/// OS 11), and holds its model; nothing is fetched when it runs. The Debian package has the manual's pages, what shells complete,
/// and glimpse@.service besides. Installs what is missing, on Debian and Ubuntu.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Machines to build for
    #[arg(long = "machine", value_enum, value_name = "MACHINE", default_values_t = [Machine::Aarch64])]
    machines: Vec<Machine>,
    /// Where to [default: dist in cargo's target folder, or quick]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Pack nothing unless this is the version's tag: v0.1.0
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Build the program as tests are built, in minutes: to try a package, and none to give away
    #[arg(long)]
    quick: bool,
}

impl Args {
    /// What is packed when nothing else is asked for.
    pub fn of_boards(quick: bool) -> Self {
        Self { machines: vec![Machine::Aarch64], out: None, tag: None, quick }
    }
}

/// How a program is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// Small, and for the oldest C library: what people install.
    Released,
    /// As tests are, for this machine's C library.
    Quick,
}

impl Build {
    pub fn of(quick: bool) -> Self {
        if quick { Self::Quick } else { Self::Released }
    }

    /// What cargo calls the folder.
    fn folder(self) -> &'static str {
        match self {
            Self::Released => "dist",
            Self::Quick => "debug",
        }
    }
}

/// What was packed of a machine.
pub struct Packed {
    pub machine: Machine,
    pub cross: Cross,
    pub archive: PathBuf,
    pub deb: PathBuf,
    pub program_bytes: u64,
}

/// Packs each machine's and prints a table.
///
/// # Errors
/// [`Failures`] when a program is too large or asks for too new a C library; otherwise when something does not build.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let workspace = Workspace::here()?;
    if let Some(tag) = &args.tag {
        let version = &workspace.package("glimpse")?.version;
        ensure!(
            tag.strip_prefix('v') == Some(version),
            "the tag {tag} is not version {version}'s, which would be v{version}: set the version in Cargo.toml, or tag another commit"
        );
    }
    let build = Build::of(args.quick);
    let folder = if args.quick { "quick" } else { "dist" };
    let out = args.out.clone().unwrap_or_else(|| workspace.target_directory.join(folder));
    fs::create_dir_all(&out).with_context(|| format!("making {}", out.display()))?;
    let mut all = Vec::new();
    let mut failures = Vec::new();
    for &machine in &args.machines {
        let packed = Packing::new(&workspace, machine)?.pack(build, &out, &mut failures)?;
        failures.extend(equal::failures(&workspace, &packed)?);
        all.push(packed);
    }
    println!("| machine | program | archive | Debian package |\n| --- | --- | --- | --- |");
    let mb = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    for Packed { machine, archive, deb, program_bytes, .. } in &all {
        let [archive, deb] = [archive, deb].map(|path| fs::metadata(path).map_or(0, |file| file.len()));
        println!("| {} | {} | {} | {} |", machine.name(), mb(*program_bytes), mb(archive), mb(deb));
    }
    println!("{}", out.display());
    Failures::unless_empty(failures)
}

/// What is packed for a machine.
pub struct Packing<'a> {
    pub workspace: &'a Workspace,
    pub cross: Cross,
    pub version: String,
    pub repository: String,
    /// Seconds since 1970, of what is packed: the same sources make the same files.
    pub epoch: String,
    /// Where files lie as they are packed.
    pub scratch: PathBuf,
}

impl<'a> Packing<'a> {
    fn new(workspace: &'a Workspace, machine: Machine) -> anyhow::Result<Self> {
        let cross = Cross::new(workspace, machine)?;
        let Package { version, repository, .. } = workspace.package("glimpse")?;
        let (version, repository) = (version.clone(), repository.clone().unwrap_or_default());
        let epoch =
            process::output(Command::new("git").current_dir(&workspace.root).args(["log", "-1", "--format=%ct"]))?;
        let epoch = String::from_utf8(epoch)?.trim().to_owned();
        let scratch = cross.target_directory(workspace).join("package");
        if scratch.exists() {
            fs::remove_dir_all(&scratch).with_context(|| format!("removing {}", scratch.display()))?;
        }
        fs::create_dir_all(&scratch).with_context(|| format!("making {}", scratch.display()))?;
        Ok(Self { workspace, cross, version, repository, epoch, scratch })
    }

    fn pack(self, build: Build, out: &Path, failures: &mut Vec<String>) -> anyhow::Result<Packed> {
        let program = program(self.workspace, &self.cross, build)?;
        let machine = self.cross.machine;
        let program_bytes = fs::metadata(&program).with_context(|| format!("finding {}", program.display()))?.len();
        if build == Build::Released {
            self.look_at(&program, program_bytes, failures)?;
        }
        let materials = self.bill_of_materials(out)?;
        let extras = self.extras(&program)?;
        let archive = self.archive(&program, &extras, &materials, out)?;
        let deb = deb::pack(&self, &program, &extras, &materials, out)?;
        sums(out, &[&archive, &deb, &materials], machine)?;
        Ok(Packed { machine, cross: self.cross, archive, deb, program_bytes })
    }

    /// Says what keeps a program from being released.
    fn look_at(&self, program: &Path, program_bytes: u64, failures: &mut Vec<String>) -> anyhow::Result<()> {
        let machine = self.cross.machine;
        if machine != Machine::X86_64 && program_bytes > MOST_BYTES {
            failures
                .push(format!("{}: the program has {program_bytes} bytes; {MOST_BYTES} are the most", machine.name()));
        }
        let needs = glibc_needed(program)?;
        eprintln!("{} asks for glibc {}.{}", program.display(), needs[0], needs[1]);
        if needs > GLIBC {
            let [major, minor] = needs;
            failures.push(format!("{}: the program asks for glibc {major}.{minor}", machine.name()));
        }
        let bytes = fs::read(program).with_context(|| format!("reading {}", program.display()))?;
        for (place, _) in places(self.workspace, &self.cross) {
            let named = place.as_os_str().as_encoded_bytes();
            if bytes.windows(named.len()).any(|window| window == named) {
                failures.push(format!("{}: the program names {}, of this machine", machine.name(), place.display()));
            }
        }
        Ok(())
    }

    /// What the program is made of, as `CycloneDX`.
    fn bill_of_materials(&self, out: &Path) -> anyhow::Result<PathBuf> {
        let tool = tools::CYCLONEDX.path(self.workspace)?;
        let name = format!("glimpse-{}-{}.cdx", self.version, self.cross.machine.name());
        let mut command = Command::new(tool);
        command.args([
            "cyclonedx",
            "--manifest-path",
            "edge-apps/Cargo.toml",
            "--format",
            "json",
            "--features",
            FEATURES,
        ]);
        command.args(["--target", self.cross.machine.triple(), "--override-filename", &name, "--quiet"]);
        command.current_dir(&self.workspace.root).env("SOURCE_DATE_EPOCH", &self.epoch);
        process::run(&mut command)?;
        // it writes beside each manifest of the workspace, and where that is on this machine is nobody's business
        let file = format!("{name}.json");
        let (to, root) = (out.join(&file), self.workspace.root.display().to_string());
        let written = self.workspace.root.join("edge-apps").join(&file);
        let text = fs::read_to_string(&written).with_context(|| format!("reading {}", written.display()))?;
        fs::write(&to, text.replace(&root, "")).with_context(|| format!("writing {}", to.display()))?;
        for left in self.workspace.packages.iter().map(|package| package.manifest_path.with_file_name(&file)) {
            if left.exists() {
                fs::remove_file(&left).with_context(|| format!("removing {}", left.display()))?;
            }
        }
        Ok(to)
    }

    /// Makes what the program says of itself: manual, completions, service.
    fn extras(&self, program: &Path) -> anyhow::Result<PathBuf> {
        let folder = self.scratch.join("extras");
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        process::run(self.cross.program(program).arg("man").arg(folder.join("man")))?;
        for (shell, file) in [("bash", "glimpse"), ("zsh", "_glimpse"), ("fish", "glimpse.fish")] {
            let text = process::output(self.cross.program(program).args(["completions", shell]))?;
            fs::write(folder.join(file), text).with_context(|| format!("writing {file}"))?;
        }
        let template = self.workspace.read("edge-apps/src/commands/install_service/unit.service")?;
        fs::write(folder.join("glimpse@.service"), deb::service(&String::from_utf8(template)?))
            .context("writing the unit")?;
        Ok(folder)
    }

    fn archive(&self, program: &Path, extras: &Path, materials: &Path, out: &Path) -> anyhow::Result<PathBuf> {
        let name = format!("glimpse-{}-{}-linux", self.version, self.cross.machine.name());
        let tree = Tree(self.scratch.join("archive").join(&name));
        tree.file(program, "glimpse", 0o755)?;
        tree.folder(&extras.join("man"), "man")?;
        for file in ["glimpse", "_glimpse", "glimpse.fish"] {
            tree.file(&extras.join(file), &format!("completions/{file}"), 0o644)?;
        }
        tree.file(&extras.join("glimpse@.service"), "glimpse@.service", 0o644)?;
        for (file, to) in DOCUMENTS {
            tree.file(&self.workspace.root.join(file), to, 0o644)?;
        }
        tree.file(materials, "materials.cdx.json", 0o644)?;
        let archive = out.join(format!("{name}.tar.gz"));
        let mut command = Command::new("tar");
        command.args([
            "--create",
            "--use-compress-program=gzip -n9",
            "--sort=name",
            "--owner=0",
            "--group=0",
            "--numeric-owner",
        ]);
        command.arg(format!("--mtime=@{}", self.epoch)).arg("--file").arg(&archive);
        process::run(command.arg("--directory").arg(self.scratch.join("archive")).arg(&name))?;
        Ok(archive)
    }
}

/// Builds the program that is packed for a machine.
///
/// # Errors
/// When it does not build.
pub fn program(workspace: &Workspace, cross: &Cross, build: Build) -> anyhow::Result<PathBuf> {
    let triple = cross.machine.triple();
    let mut command = match build {
        Build::Released => {
            let mut command = cross.cargo(workspace);
            let [major, minor] = GLIBC;
            command.args(["zigbuild", "--profile", "dist", "--target", &format!("{triple}.{major}.{minor}")]);
            command.env("PATH", path_with_zig(workspace)?);
            command.env("CARGO_ENCODED_RUSTFLAGS", flags(workspace, cross).join("\u{1f}"));
            command
        }
        Build::Quick => {
            // with the tests' linker: what they have in common is built once
            let mut command = cross.cargo_as(workspace, "max");
            command.args(["build", "--target", triple]);
            command
        }
    };
    process::run(command.args(["--locked", "--package", "glimpse", "--features", FEATURES]))?;
    Ok(cross.target_directory(workspace).join(triple).join(build.folder()).join("glimpse"))
}

/// Where programs are looked for, cargo-zigbuild first.
fn path_with_zig(workspace: &Workspace) -> anyhow::Result<String> {
    let python = venv::python(workspace, venv::CROSS)?;
    let tools = python.parent().context("finding the folder of Python's programs")?;
    Ok(format!("{}:{}", tools.display(), env::var("PATH").unwrap_or_default()))
}

/// Folders of this machine that a program could name, and what stands in their place there; of several that fit, the last counts.
fn places(workspace: &Workspace, cross: &Cross) -> Vec<(PathBuf, &'static str)> {
    let cargo = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cargo")));
    let mut places = vec![(workspace.root.clone(), "/glimpse"), (cross.target_directory(workspace), "/built")];
    places.extend(cargo.map(|cargo| (cargo.join("registry/src"), "/crates")));
    places
}

/// What the compiler is told of a program that is packed.
fn flags(workspace: &Workspace, cross: &Cross) -> Vec<String> {
    // a panic ends the program: nobody unwinds its stack
    let mut flags = vec!["-Cforce-unwind-tables=no".to_owned()];
    // what a panic says names a place in the sources, and not where they lay
    let places = places(workspace, cross).into_iter();
    flags.extend(places.map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display())));
    flags
}

/// What is read by people, and what it is called where it is installed.
pub const DOCUMENTS: [(&str, &str); 4] = [
    ("README.md", "README.md"),
    ("LICENSE-MIT", "LICENSE-MIT"),
    ("LICENSE-APACHE", "LICENSE-APACHE"),
    ("models/glimpse-tiny/CARD.md", "MODEL-CARD.md"),
];

/// The newest version of glibc's symbols that a program asks for.
fn glibc_needed(program: &Path) -> anyhow::Result<[u32; 2]> {
    let said = process::output(Command::new("readelf").args(["--version-info", "--wide"]).arg(program))?;
    let said = String::from_utf8_lossy(&said);
    let newest = glibc_in(&said);
    ensure!(newest.is_some(), "{} asks for no glibc: is it linked with it?", program.display());
    Ok(newest.unwrap_or_default())
}

fn glibc_in(said: &str) -> Option<[u32; 2]> {
    said.split(|letter: char| letter.is_whitespace() || letter == '@')
        .filter_map(|word| word.strip_prefix("GLIBC_")?.split_once('.'))
        .filter_map(|(major, rest)| Some([major.parse().ok()?, rest.split('.').next()?.parse().ok()?]))
        .max()
}

/// Writes checksums of what was packed for a machine, as `sha256sum --check` reads them.
fn sums(out: &Path, files: &[&Path; 3], machine: Machine) -> anyhow::Result<()> {
    let names = files.iter().map(|file| file.file_name().unwrap_or_default());
    let text = process::output(Command::new("sha256sum").current_dir(out).args(names))?;
    let to = out.join(format!("SHA256SUMS.{}", machine.name()));
    fs::write(&to, text).with_context(|| format!("writing {}", to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_is_the_largest_number() {
        let said = "  0x0010:   Name: GLIBC_2.9  Flags: none\n  0x0020:   Name: GLIBC_2.28  Flags\n x@GLIBC_2.3.4";
        assert_eq!(glibc_in(said), Some([2, 28]));
        assert_eq!(glibc_in("nothing"), None);
    }
}
