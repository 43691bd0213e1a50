//! What fuzzers found, again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests unwrap freely")]

use std::path::Path;

use glimpse_app::fuzzing::TARGETS;

#[test]
fn what_fuzzers_found_is_an_error_or_well() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ci/fuzz/corpus");
    for (name, run) in TARGETS {
        let mut files: Vec<_> =
            std::fs::read_dir(corpus.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{name} has no seeds");
        for file in files {
            eprintln!("{}", file.display());
            run(&std::fs::read(file).unwrap());
        }
    }
}
