//! The package of Debian's, with a service for cameras.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::package::{DOCUMENTS, GLIBC, Packing};
use super::tree::{Tree, set_mode};
use crate::process;

const MAINTAINER: &str = "The Glimpse authors <glimpse@example.org>";
/// What dpkg runs when it installs, upgrades and removes.
const SCRIPTS: [(&str, &str); 3] = [
    ("postinst", include_str!("debian/postinst")),
    ("prerm", include_str!("debian/prerm")),
    ("postrm", include_str!("debian/postrm")),
];

/// Makes the package.
///
/// # Errors
/// When a file is missing, or dpkg-deb fails.
pub fn pack(packing: &Packing, program: &Path, extras: &Path, materials: &Path, out: &Path) -> anyhow::Result<PathBuf> {
    let tree = Tree(packing.scratch.join("deb"));
    tree.file(program, "usr/bin/glimpse", 0o755)?;
    tree.folder(&extras.join("man"), "usr/share/man/man1")?;
    for file in fs::read_dir(tree.0.join("usr/share/man/man1"))? {
        process::run(Command::new("gzip").args(["-9n"]).arg(file?.path()))?;
    }
    for (file, to) in [
        ("glimpse", "usr/share/bash-completion/completions/glimpse"),
        ("_glimpse", "usr/share/zsh/vendor-completions/_glimpse"),
        ("glimpse.fish", "usr/share/fish/vendor_completions.d/glimpse.fish"),
        ("glimpse@.service", "usr/lib/systemd/system/glimpse@.service"),
    ] {
        tree.file(&extras.join(file), to, 0o644)?;
    }
    for (file, to) in DOCUMENTS {
        tree.file(&packing.workspace.root.join(file), &format!("usr/share/doc/glimpse/{to}"), 0o644)?;
    }
    tree.file(&packing.workspace.root.join("CHANGELOG.md"), "usr/share/doc/glimpse/CHANGELOG.md", 0o644)?;
    tree.text(&changelog(packing)?, "usr/share/doc/glimpse/changelog")?;
    process::run(Command::new("gzip").arg("-9n").arg(tree.0.join("usr/share/doc/glimpse/changelog")))?;
    tree.file(materials, "usr/share/doc/glimpse/materials.cdx.json", 0o644)?;
    tree.text(&copyright(), "usr/share/doc/glimpse/copyright")?;
    let installed_kib = tree.bytes()?.div_ceil(1024);
    tree.text(&control(packing, installed_kib), "DEBIAN/control")?;
    for (script, text) in SCRIPTS {
        tree.text(text, &format!("DEBIAN/{script}"))?;
        set_mode(&tree.0.join("DEBIAN").join(script), 0o755)?;
    }
    let machine = packing.cross.machine;
    let deb = out.join(format!("glimpse_{}_{}.deb", packing.version, machine.debian()));
    // Ubuntu 20.04's dpkg reads xz, and not zstd
    let mut command = Command::new("dpkg-deb");
    command.args(["--build", "--root-owner-group", "-Zxz"]).arg(&tree.0).arg(&deb);
    process::run(command.env("SOURCE_DATE_EPOCH", &packing.epoch))?;
    Ok(deb)
}

/// What Debian's tools read of changes.
fn changelog(packing: &Packing) -> anyhow::Result<String> {
    let date =
        process::output(Command::new("date").args(["--utc", "--rfc-email", &format!("--date=@{}", packing.epoch)]))?;
    let (version, date) = (&packing.version, String::from_utf8(date)?);
    Ok(format!(
        "glimpse ({version}) unstable; urgency=medium\n\n  * CHANGELOG.md, beside this file, says what is new.\n\n \
         -- {MAINTAINER}  {date}"
    ))
}

fn control(packing: &Packing, installed_kib: u64) -> String {
    let [major, minor] = GLIBC;
    format!(
        "Package: glimpse\nVersion: {}\nArchitecture: {}\nMaintainer: {MAINTAINER}\nInstalled-Size: {installed_kib}\n\
         Depends: libc6 (>= {major}.{minor})\nRecommends: ca-certificates\nSuggests: ffmpeg, libvulkan1\nSection: graphics\n\
         Priority: optional\nHomepage: {}\nDescription: masked autoencoders on cameras and small computers\n \
         Features and reconstructions from camera frames, and what stands in\n front of a picture painted in, by a model that \
         reads only the patches\n that it is shown. The model is inside the program.\n",
        packing.version,
        packing.cross.machine.debian(),
        packing.repository,
    )
}

/// The unit for any config of `/etc/glimpse`.
pub fn service(template: &str) -> String {
    let unit = template
        .replace("{name}", "glimpse-%i")
        .replace("{repository}", "man:glimpse-camera(1)")
        .replace("{program}", "/usr/bin/glimpse")
        .replace("{config}", "/etc/glimpse/%i.toml")
        .replace("{render}", "");
    let rest = unit.split_once('\n').map_or("", |(_, rest)| rest);
    format!(
        "# systemctl enable --now glimpse@door runs `glimpse camera` with the options in /etc/glimpse/door.toml.\n{rest}"
    )
}

fn copyright() -> String {
    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: glimpse\n\n\
     Files: *\nCopyright: 2026 the Glimpse authors\nLicense: MIT or Apache-2.0\nComment: both texts lie beside this file. The libraries \
     in the program and their\n licences are listed in materials.cdx.json.\n\n\
     Files: the model inside the program\nCopyright: 2026 the Glimpse authors, and those of the photographs that it was trained on\n\
     License: CC-BY-SA-4.0\nComment: MODEL-CARD.md says what it was trained on.\n"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_has_no_gaps() {
        let template = include_str!("../../../edge-apps/src/commands/install_service/unit.service");
        let unit = service(template);
        assert!(
            !unit.contains('{') && unit.contains("ExecStart=/usr/bin/glimpse camera --config /etc/glimpse/%i.toml"),
            "{unit}"
        );
        assert!(unit.contains("StateDirectory=glimpse-%i") && !unit.contains("install-service"), "{unit}");
    }
}
