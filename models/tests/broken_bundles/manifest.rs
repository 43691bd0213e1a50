//! Manifests that are wrong in themselves.

use std::fs::{self, File};

use glimpse_models::{Error, MANIFEST_FILE};

use crate::assert_broken;
use crate::folder::Folder;

#[test]
fn missing() {
    let folder = Folder::whole();
    fs::remove_file(folder.path(MANIFEST_FILE)).unwrap();
    assert_broken!(folder, Error::ManifestMissing { .. }, "tiny/manifest.toml");
    fs::remove_dir_all(folder.dir()).unwrap();
    assert_broken!(folder, Error::ManifestMissing { .. }, "tiny/manifest.toml");
    // The path of a file instead of its folder.
    fs::write(folder.dir(), "").unwrap();
    assert_broken!(folder, Error::ManifestMissing { .. }, "tiny/manifest.toml");
}

#[test]
fn a_folder() {
    let folder = Folder::whole();
    fs::remove_file(folder.path(MANIFEST_FILE)).unwrap();
    fs::create_dir(folder.path(MANIFEST_FILE)).unwrap();
    assert_broken!(folder, Error::ManifestMissing { .. }, "tiny/manifest.toml");
}

#[test]
fn a_terabyte_long() {
    let folder = Folder::whole();
    File::options().write(true).open(folder.path(MANIFEST_FILE)).unwrap().set_len(1 << 40).unwrap();
    assert_broken!(folder, Error::ManifestTooLarge { bytes: 0x100_0000_0000, .. }, "manifest.toml", "1099511627776");
}

#[test]
fn not_text() {
    let folder = Folder::whole();
    fs::write(folder.path(MANIFEST_FILE), b"name = \"\xff\"").unwrap();
    assert_broken!(folder, Error::NotText { .. }, "manifest.toml");
}

#[test]
fn not_toml() {
    let folder = Folder::whole().replace("name =", "name");
    assert_broken!(folder, Error::ManifestSyntax { .. }, "manifest.toml", "name");
}

#[test]
fn of_another_version() {
    let folder = Folder::whole().replace("format_version = 1", "format_version = 2\nheads_up = true");
    // What a newer version may have added is not held against it.
    assert_broken!(folder, Error::UnknownVersion { .. }, "manifest.toml", "`format_version` is 2");
    let folder = Folder::whole().replace("format_version = 1", "format_version = \"1\"");
    assert_broken!(folder, Error::UnknownVersion { .. }, "manifest.toml", "`format_version` is \"1\"");
    let folder = Folder::whole().replace("format_version = 1", "");
    assert_broken!(folder, Error::UnknownVersion { .. }, "manifest.toml", "`format_version` is missing");
}

#[test]
fn with_an_unknown_field() {
    let places = ["licence =", "family =", "width =", "bytes ="];
    for place in places {
        let folder = if place == "width =" {
            Folder::whole().edit_table(|table| {
                let encoder = table["spec"]["encoder"].as_table_mut().unwrap();
                encoder.insert("colour".to_owned(), true.into());
            })
        } else {
            Folder::whole().replace(place, &format!("colour = true\n{place}"))
        };
        assert_broken!(folder, Error::ManifestSyntax { .. }, "manifest.toml", "unknown field `colour`");
    }
    let folder = Folder::whole().replace("[training]", "[training]\ncolour = true");
    assert_broken!(folder, Error::ManifestSyntax { .. }, "manifest.toml", "unknown field `colour`");
}

#[test]
fn without_a_field() {
    for field in ["name", "licence", "spec", "files"] {
        let folder = Folder::whole().edit_table(|table| drop(table.remove(field)));
        assert_broken!(folder, Error::ManifestSyntax { .. }, "manifest.toml", &format!("missing field `{field}`"));
    }
}

#[test]
fn of_an_unknown_family() {
    let folder = Folder::whole().replace("\"mae\"", "\"gan\"");
    assert_broken!(folder, Error::ManifestSyntax { .. }, "manifest.toml", "family", "`gan`");
}

#[test]
fn with_a_name_that_is_none() {
    let long = "x".repeat(65);
    for name in ["", "Tiny", "../tiny", "a/b", "a b", ".hidden", "-o", "tiné", &long] {
        let folder = Folder::whole().replace("name = \"tiny\"", &format!("name = {name:?}"));
        assert_broken!(folder, Error::ManifestField { .. }, "manifest.toml", "`name` is", name);
    }
}

#[test]
fn without_a_licence() {
    let folder = Folder::whole().replace("licence = \"MIT OR Apache-2.0\"", "licence = \" \"");
    assert_broken!(folder, Error::ManifestField { .. }, "manifest.toml", "`licence`");
}

#[test]
fn with_a_number_out_of_range_in_the_spec() {
    let cases: &[(&[&str], &[&str])] = &[
        (&["image_side"], &["0", "4097", "5"]),
        (&["patch_side"], &["0", "257", "3"]),
        (&["encoder", "width"], &["0", "6", "8196"]),
        (&["encoder", "depth"], &["0", "257"]),
        (&["encoder", "heads"], &["0", "3"]),
        (&["decoder", "width"], &["0", "6", "8196"]),
        (&["decoder", "depth"], &["0", "257"]),
        (&["decoder", "heads"], &["0", "3"]),
        (&["mlp_ratio"], &["0", "17"]),
        (&["mean"], &["[0.5, -0.1, 0.5]", "[0.5, 0.5, 1.5]", "[nan, 0.5, 0.5]", "[-inf, 0.5, 0.5]"]),
        (&["std"], &["[0.5, 0.0, 0.5]", "[0.5, -1.0, 1.0]", "[1.0, 1.0, inf]", "[nan, 1.0, 1.0]"]),
        (&["layer_norm_epsilon"], &["0.0", "-1e-6", "1.0", "nan", "inf"]),
    ];
    for (path, values) in cases {
        for value in *values {
            let folder = Folder::whole().edit_table(|table| {
                let mut place = &mut table["spec"];
                for &key in *path {
                    place = &mut place[key];
                }
                *place = toml::from_str::<toml::Table>(&format!("value = {value}")).unwrap()["value"].clone();
            });
            // An image side that the patch side does not divide is told as the patch side's fault.
            let field = if *value == "5" { "patch_side".to_owned() } else { path.join(".") };
            let field = format!("`spec.{field}` is");
            assert_broken!(folder, Error::ManifestField { .. }, "manifest.toml", &field);
        }
    }
}

#[test]
fn with_a_classifier_that_is_none() {
    for classes in ["0", "65537"] {
        let folder = Folder::whole().replace("classes = 3", &format!("classes = {classes}"));
        assert_broken!(folder, Error::ManifestField { .. }, "manifest.toml", "`classifier.classes` is", classes);
    }
    let cases =
        [("\"cls\"", "\"max\"", "`max`"), ("\"encoder\"", "true", "norm"), ("classes = 3", "colour = 3", "`colour`")];
    for (old, new, word) in cases {
        assert_broken!(Folder::whole().replace(old, new), Error::ManifestSyntax { .. }, "manifest.toml", word);
    }
}

#[test]
fn with_a_number_of_the_wrong_kind_in_the_spec() {
    let cases = [
        ("image_side = 4", "image_side = -4", "image_side"),
        ("image_side = 4", "image_side = 4.5", "image_side"),
        ("norm_pix = false", "norm_pix = 0", "norm_pix"),
        ("patch_side = 2", "", "patch_side"),
    ];
    for (old, new, field) in cases {
        assert_broken!(Folder::whole().replace(old, new), Error::ManifestSyntax { .. }, "manifest.toml", field);
    }
    let folder = Folder::whole().edit_table(|table| table["spec"]["mean"] = vec![0.5, 0.5].into());
    assert_broken!(folder, Error::ManifestSyntax { .. }, "manifest.toml", "mean");
}

#[test]
fn whose_normalized_patches_are_added_to_something() {
    let folder = Folder::whole().replace("norm_pix = false", "norm_pix = true\nbase = \"membrane\"");
    assert_broken!(folder, Error::ManifestField { .. }, "manifest.toml", "`spec.base`", "zero");
    let folder = Folder::whole().replace("norm_pix = false", "norm_pix = false\nbase = \"ground\"");
    assert_broken!(folder, Error::ManifestSyntax { .. }, "manifest.toml", "base");
}

#[test]
fn whose_spec_asks_for_a_terabyte() {
    let folder = Folder::whole().edit_table(|table| {
        let encoder = table["spec"]["encoder"].as_table_mut().unwrap();
        encoder.insert("width".to_owned(), 8192.into());
        encoder.insert("depth".to_owned(), 256.into());
    });
    assert_broken!(folder, Error::ManifestField { .. }, "manifest.toml", "`spec.encoder`", "4294967296");
}

#[test]
fn with_a_measure_that_is_no_number() {
    let folder = Folder::whole().replace("[quality]", "[quality]\nspeed = nan");
    assert_broken!(folder, Error::ManifestField { .. }, "manifest.toml", "`quality.speed`");
    let folder = Folder::whole().replace("[quality]", "[quality]\npsnr_db = { small = inf }");
    assert_broken!(folder, Error::ManifestField { .. }, "manifest.toml", "`quality.psnr_db.small`");
    let folder = Folder::whole().replace("[quality]", "[quality]\nspeed = \"fast\"");
    assert_broken!(folder, Error::ManifestSyntax { .. }, "manifest.toml", "speed");
    let folder = Folder::whole().replace("[training]", "[training]\nduration_s = -1.0");
    assert_broken!(folder, Error::ManifestField { .. }, "manifest.toml", "`training.duration_s`");
}
