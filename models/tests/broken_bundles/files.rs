//! Files that are not there, not what the manifest says, or not to be listed.

use std::fs::{self, File};

use glimpse_models::{BundleFile, Error};

use crate::assert_broken;
use crate::folder::Folder;

fn field(file: BundleFile) -> String {
    format!("`files.\"{file}\"")
}

#[test]
fn missing() {
    for file in BundleFile::ALL {
        let folder = Folder::whole();
        fs::remove_file(folder.path(file.name())).unwrap();
        let path = format!("tiny/{file} is missing");
        assert_broken!(folder, Error::FileMissing { .. }, &path, &field(file));
    }
}

#[test]
fn a_folder_instead() {
    for file in BundleFile::ALL {
        let folder = Folder::whole();
        fs::remove_file(folder.path(file.name())).unwrap();
        fs::create_dir(folder.path(file.name())).unwrap();
        assert_broken!(folder, Error::NotAFile { .. }, &format!("tiny/{file}"), &field(file));
    }
}

#[test]
fn altered() {
    for file in BundleFile::ALL {
        let folder = Folder::whole();
        let path = folder.path(file.name());
        let mut contents = fs::read(&path).unwrap();
        *contents.last_mut().unwrap() ^= 1;
        fs::write(&path, contents).unwrap();
        let field = format!("files.\"{file}\".sha256");
        assert_broken!(folder, Error::FileAltered { .. }, &format!("tiny/{file}"), &field);
    }
}

#[test]
fn longer_or_shorter_than_listed() {
    for file in BundleFile::ALL {
        let folder = Folder::whole();
        let path = folder.path(file.name());
        let bytes = fs::metadata(&path).unwrap().len();
        let field = format!("files.\"{file}\".bytes` = {bytes}");
        for wrong in [0, bytes - 1, bytes + 1, 1 << 40] {
            // The file has a terabyte of nothing in the last case: it must not be read.
            File::options().write(true).open(&path).unwrap().set_len(wrong).unwrap();
            assert_broken!(folder, Error::FileSize { .. }, &format!("tiny/{file} has {wrong} bytes"), &field);
        }
    }
}

#[test]
fn listed_with_a_size_that_is_a_lie() {
    for (bytes, name) in [(3_i64 << 30, "encoder.onnx"), (0, "golden.safetensors"), (1, "CARD.md")] {
        let folder = Folder::whole().edit_table(|table| table["files"][name]["bytes"] = bytes.into());
        let expected = format!("`files.\"{name}\".bytes` = {bytes}");
        assert_broken!(folder, Error::FileSize { .. }, &format!("tiny/{name}"), &expected);
    }
}

#[test]
fn listed_as_a_terabyte() {
    for file in BundleFile::ALL {
        let folder = Folder::whole().edit_table(|table| table["files"][file.name()]["bytes"] = (1_i64 << 40).into());
        let field = format!("`files.\"{file}\".bytes`");
        assert_broken!(folder, Error::FileTooLarge { .. }, "manifest.toml", &field, "1099511627776");
    }
    let folder = Folder::whole().edit_table(|table| table["files"]["CARD.md"]["bytes"] = (-1).into());
    assert_broken!(folder, Error::ManifestSyntax { .. }, "manifest.toml", "bytes");
}

#[test]
fn listed_with_a_hash_that_is_none() {
    for hash in [String::new(), "0".repeat(63), "A".repeat(64), "é".repeat(32)] {
        let folder = Folder::whole().edit_table(|table| table["files"]["encoder.onnx"]["sha256"] = hash.into());
        assert_broken!(folder, Error::ManifestField { .. }, "manifest.toml", "`files.\"encoder.onnx\".sha256`");
    }
}

#[test]
fn of_a_name_that_no_bundle_has() {
    for name in ["weights.bin", "../encoder.onnx", "/etc/passwd", "manifest.toml", ""] {
        let folder = Folder::whole().edit_table(|table| {
            let files = table["files"].as_table_mut().unwrap();
            let entry = files["CARD.md"].clone();
            files.insert(name.to_owned(), entry);
        });
        assert_broken!(folder, Error::UnknownFile { .. }, "manifest.toml", &format!("`files.\"{name}\"`"));
    }
}

#[test]
fn not_listed() {
    for name in ["golden.safetensors", "CARD.md"] {
        let folder = Folder::whole().unlist(name);
        assert_broken!(folder, Error::NotListed { .. }, "manifest.toml", &format!("`files.\"{name}\"`"));
    }
}

#[test]
fn half_a_form() {
    for name in ["encoder.onnx", "decoder.onnx", "encoder.int8.onnx", "decoder.int8.onnx"] {
        let folder = Folder::whole().unlist(name);
        assert_broken!(folder, Error::HalfForm { .. }, "manifest.toml", &format!("`files.\"{name}\"`"));
    }
}

#[test]
fn no_form() {
    let folder = Folder::whole().edit_table(|table| {
        table["files"].as_table_mut().unwrap().retain(|name, _| !name.contains(".onnx"));
    });
    assert_broken!(folder, Error::NoForm { .. }, "manifest.toml", "`files`", "encoder.onnx");
}

#[test]
fn a_decoder_that_the_spec_has_not() {
    let folder = Folder::whole().edit_table(|table| {
        table["spec"].as_table_mut().unwrap().remove("decoder").unwrap();
    });
    assert_broken!(
        folder,
        Error::DecoderWithoutSpec { .. },
        "manifest.toml",
        "`files.\"decoder.onnx\"`",
        "`spec.decoder`"
    );
}

#[test]
fn a_classifier_that_the_manifest_does_not_describe() {
    for name in ["classifier.onnx", "labels.txt"] {
        let other = if name == "labels.txt" { "classifier.onnx" } else { "labels.txt" };
        let folder = Folder::whole().unlist(other).edit_table(|table| drop(table.remove("classifier").unwrap()));
        let field = format!("`files.\"{name}\"`");
        assert_broken!(folder, Error::ClassifierWithoutTable { .. }, "manifest.toml", &field, "`classifier`");
    }
}

#[test]
fn a_classifier_without_its_graph() {
    let folder = Folder::whole().unlist("classifier.onnx");
    assert_broken!(folder, Error::ClassifierNotListed { .. }, "manifest.toml", "`files.\"classifier.onnx\"`");
}

#[test]
fn labels_that_are_not_one_line_a_class() {
    for (text, found) in [("cat\ndog\n", 2), ("cat\ndog\nfish\nbird\n", 4), ("", 0), ("cat\ndog\nfish\n\n", 4)] {
        let folder = Folder::whole().put("labels.txt", text.as_bytes());
        let lines = format!("has {found} lines");
        assert_broken!(folder, Error::Labels { .. }, "tiny/labels.txt", &lines, "`classifier.classes` = 3");
    }
    let folder = Folder::whole().put("labels.txt", b"cat\n \nfish");
    assert_broken!(folder, Error::LabelEmpty { .. }, "tiny/labels.txt", "line 2");
    let folder = Folder::whole().put("labels.txt", b"cat\n\xff\nfish\n");
    assert_broken!(folder, Error::NotText { .. }, "tiny/labels.txt");
}

#[test]
fn a_card_that_is_not_text() {
    let folder = Folder::whole().put("CARD.md", b"# \xff");
    assert_broken!(folder, Error::NotText { .. }, "tiny/CARD.md");
}
