//! Arrows between crates run one way, and a library that weighs something is named in one place alone.
//!
//! models ← runtime ← { export, edge-apps }; ci stands apart.

use super::Found;
use crate::workspace::{Package, Workspace, has_extension};

/// Each crate of the workspace, and the crates of the workspace that it may use.
const ARROWS: &[(&str, &[&str])] = &[
    ("glimpse-models", &[]),
    ("glimpse-kernels", &[]),
    ("glimpse-runtime", &["glimpse-kernels", "glimpse-models"]),
    ("glimpse-export", &["glimpse-export-kernels", "glimpse-kernels", "glimpse-models", "glimpse-runtime"]),
    ("glimpse-export-kernels", &["glimpse-kernels"]),
    ("glimpse", &["glimpse-models", "glimpse-runtime"]),
    ("glimpse-ci", &[]),
];

/// A family of libraries that stays in one place: `name` and every `name-…`.
struct Fence {
    name: &'static str,
    /// The crates that may depend on it.
    crates: &'static [&'static str],
    /// What the paths of the sources that may name it begin with.
    sources: &'static [&'static str],
}

const FENCES: &[Fence] = &[
    Fence { name: "burn", crates: &["glimpse-export"], sources: &["export/"] },
    Fence { name: "wgpu", crates: &["glimpse-runtime"], sources: &["runtime/src/gpu", "runtime/tests/"] },
    Fence { name: "nokhwa", crates: &["glimpse"], sources: &["edge-apps/src/camera/sources/v4l2"] },
    Fence { name: "v4l", crates: &["glimpse"], sources: &["edge-apps/src/camera/sources/v4l2"] },
    // The contract speaks of shapes and files: it needs no tensor library.
    Fence {
        name: "ndarray",
        crates: &["glimpse-kernels", "glimpse-runtime", "glimpse-export", "glimpse"],
        sources: &["runtime/", "export/", "edge-apps/"],
    },
    // Training and export stand on burn alone: two commands ask the runtime, because what they measure is a finished
    // bundle as it will be run.
    Fence {
        name: "glimpse_runtime",
        crates: &[],
        sources: &[
            "runtime/",
            "edge-apps/",
            "export/src/verify",
            "export/src/command/verify.rs",
            "export/src/command/blend.rs",
            // the membrane that a model is trained upon
            "export/src/data/batch.rs",
            // what the process has held
            "export/src/speed",
            "export/src/probe",
            "export/src/command/probe.rs",
            "export/tests/",
        ],
    },
    Fence {
        name: "tract",
        crates: &["glimpse-kernels", "glimpse-runtime", "glimpse-export", "glimpse-ci"],
        sources: &["runtime/", "export/", "ci/src/bin/glimpse-peer.rs"],
    },
    // A peer of benchmarks.
    Fence {
        name: "rten",
        crates: &["glimpse-kernels", "glimpse-ci"],
        sources: &["runtime/kernels/examples/", "ci/src/bin/glimpse-peer.rs"],
    },
];

pub fn check(workspace: &Workspace) -> Found {
    let mut found = wrong_dependencies(&workspace.packages);
    for path in workspace.files()? {
        if has_extension(&path, "rs") {
            let source = String::from_utf8_lossy(&workspace.read(&path)?).into_owned();
            found.extend(wrong_names(&path, &source));
        }
    }
    Ok(found)
}

fn wrong_dependencies(packages: &[Package]) -> Vec<String> {
    packages.iter().flat_map(wrong_dependencies_of).collect()
}

fn wrong_dependencies_of(package: &Package) -> Vec<String> {
    let name = package.name.as_str();
    let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| *known == name) else {
        return vec![format!("{name} is not among the crates whose arrows are known: add it to {}", file!())];
    };
    let mut found = Vec::new();
    for dependency in &package.dependencies {
        let used = dependency.name.as_str();
        let is_ours = ARROWS.iter().any(|(ours, _)| *ours == used);
        if is_ours && !allowed.contains(&used) {
            found.push(format!("{name} must not depend on {used}"));
        }
        for fence in FENCES {
            if fence.is_of_family(used, '-') && !fence.crates.contains(&name) {
                found.push(format!("{name} must not depend on {used}: only {} may", fence.crates.join(", ")));
            }
        }
    }
    found
}

fn wrong_names(path: &str, source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for fence in FENCES {
        if fence.sources.iter().any(|place| path.starts_with(place)) {
            continue;
        }
        let lines = source.lines().enumerate();
        found.extend(lines.filter(|(_, line)| fence.is_named_in(line)).map(|(index, _)| {
            format!("{path}:{} names {}, which belongs in {}", index + 1, fence.name, fence.sources.join(", "))
        }));
    }
    found
}

impl Fence {
    fn is_of_family(&self, name: &str, separator: char) -> bool {
        name.strip_prefix(self.name).is_some_and(|rest| rest.is_empty() || rest.starts_with(separator))
    }

    /// Whether a line of Rust has a path that begins with a crate of the family; comments do not count.
    fn is_named_in(&self, line: &str) -> bool {
        let code = line.split_once("//").map_or(line, |(code, _)| code);
        code.match_indices(self.name).any(|(start, _)| {
            let (before, rest) = code.split_at(start);
            let end = rest.find(|c| !is_of_identifier(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            let begins_a_path = !before.ends_with(|c| is_of_identifier(c) || c == ':');
            let leads_on = after.starts_with("::");
            let is_imported = ["use ", "crate "].iter().any(|keyword| before.ends_with(keyword));
            begins_a_path && self.is_of_family(word, '_') && (leads_on || is_imported)
        })
    }
}

fn is_of_identifier(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::workspace::Dependency;

    fn package(name: &str, dependencies: &[&str]) -> Package {
        Package {
            version: String::new(),
            repository: None,
            manifest_path: PathBuf::new(),
            name: name.to_owned(),
            dependencies: dependencies.iter().map(|&name| Dependency { name: name.to_owned() }).collect(),
            targets: Vec::new(),
        }
    }

    #[test]
    fn arrows_of_the_design_are_fine() {
        let packages = [
            package("glimpse-models", &["serde", "thiserror"]),
            package("glimpse-runtime", &["glimpse-models", "tract-onnx", "wgpu"]),
            package("glimpse-export", &["glimpse-models", "glimpse-runtime", "burn"]),
            package("glimpse", &["glimpse-models", "glimpse-runtime", "nokhwa"]),
            package("glimpse-ci", &["clap", "rten", "tract-onnx"]),
        ];
        assert_eq!(wrong_dependencies(&packages), Vec::<String>::new());
    }

    #[test]
    fn each_wrong_arrow_is_found() {
        for (name, used) in [
            ("glimpse-models", "glimpse-runtime"),
            ("glimpse-runtime", "glimpse-export"),
            ("glimpse", "glimpse-export"),
            ("glimpse-ci", "glimpse-models"),
            ("glimpse-runtime", "burn"),
            ("glimpse-runtime", "burn-tensor"),
            ("glimpse", "wgpu"),
            ("glimpse-runtime", "nokhwa"),
            ("glimpse-models", "ndarray"),
            ("glimpse-models", "tract-onnx"),
            ("glimpse-runtime", "rten-gemm"),
        ] {
            let found = wrong_dependencies(&[package(name, &["serde", used])]);
            assert_eq!(found.len(), 1, "{name} -> {used}: {found:?}");
            assert!(found[0].contains(name) && found[0].contains(used));
        }
    }

    #[test]
    fn a_library_that_only_sounds_alike_is_fine() {
        assert!(wrong_dependencies(&[package("glimpse-models", &["burnish"])]).is_empty());
    }

    #[test]
    fn a_crate_that_nobody_drew_an_arrow_for_is_found() {
        assert_eq!(wrong_dependencies(&[package("glimpse-new", &[])]).len(), 1);
    }

    #[test]
    fn a_fenced_library_is_found_wherever_code_names_it() {
        for fence in FENCES {
            let name = fence.name;
            let lines = [
                format!("use {name}::Thing;"),
                format!("use {name};"),
                format!("pub use {name}_core::Thing;"),
                format!("extern crate {name};"),
                format!("    let x = &{name}::thing();"),
            ];
            for line in &lines {
                let found = wrong_names("ci/src/a.rs", &format!("fn a() {{}}\n{line}\n"));
                assert_eq!(found.len(), 1, "{line}");
                assert!(found[0].starts_with("ci/src/a.rs:2 names"), "{}", found[0]);
                assert!(wrong_names(&format!("{}/a.rs", fence.sources[0]), line).is_empty());
            }
        }
    }

    #[test]
    fn words_and_comments_are_no_names() {
        for line in [
            "//! answers of burn::Tensor",
            "let x = 1; // as burn::Tensor does",
            "let burn = 3;",
            "use export::burn::Thing;",
            "use burnish::Thing;",
            "the program heartburn::x",
        ] {
            assert_eq!(wrong_names("ci/src/a.rs", line), Vec::<String>::new(), "{line}");
        }
    }
}
