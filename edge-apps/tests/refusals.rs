//! What is refused: with a sentence, exit status 2, and nothing written.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests unwrap freely")]

mod common;

use common::Place;
use image::{GrayImage, ImageBuffer, Luma, Rgb, RgbaImage};

#[test]
fn files_that_are_missing_or_no_pictures() {
    let place = Place::new();
    place.photograph("a.png", 60, 40);
    std::fs::write(place.path("words.png"), "no picture").unwrap();
    std::fs::create_dir(place.path("empty")).unwrap();
    place.refuses("inpaint gone.png --box 1,1,5,5 -o out.png", &["gone.png", "check the path"]);
    place.refuses("inpaint words.png --box 1,1,5,5 -o out.png", &["words.png", "not a JPEG, PNG or WebP"]);
    place.refuses("inpaint a.png --mask gone.png -o out.png", &["no mask gone.png", "check the path"]);
    place.refuses("inpaint a.png --mask words.png -o out.png", &["words.png", "convert it"]);
    place.refuses("inpaint empty --box 1,1,5,5 -o out", &["empty holds no picture"]);
}

#[test]
fn broken_pictures() {
    let place = Place::new();
    place.photograph("whole.png", 60, 40);
    place.copy("sushi.jpg");
    for (whole, broken, share, said) in [
        ("whole.png", "half.png", 2, "broken"),
        ("sushi.jpg", "head.jpg", 200, "breaks off"),
        ("sushi.jpg", "half.jpg", 2, "breaks off"),
    ] {
        let bytes = std::fs::read(place.path(whole)).unwrap();
        std::fs::write(place.path(broken), &bytes[..bytes.len() / share]).unwrap();
        place.refuses(&format!("inpaint {broken} --box 1,1,5,5 -o out.png"), &[broken, said]);
    }
}

#[test]
fn pictures_of_a_kind_that_is_not_painted() {
    let place = Place::new();
    let deep = ImageBuffer::from_fn(30, 20, |x, y| Rgb([x as u16 * 900, y as u16 * 900, 7_u16]));
    deep.save(place.path("deep.png")).unwrap();
    place.refuses("inpaint deep.png --box 1,1,5,5 -o out.png", &["deep.png has 16 bits a channel", "save it with 8"]);
}

#[test]
fn a_picture_that_claims_to_be_enormous() {
    let place = Place::new();
    place.photograph("a.png", 60, 40);
    let mut bytes = std::fs::read(place.path("a.png")).unwrap();
    bytes[16..24].copy_from_slice(&[0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60]);
    let crc = crc32(&bytes[12..29]).to_be_bytes();
    bytes[29..33].copy_from_slice(&crc);
    std::fs::write(place.path("bomb.png"), bytes).unwrap();
    place.refuses("inpaint bomb.png --box 1,1,5,5 -o out.png", &["60000×60000 pixels", "make it smaller"]);
    place.photograph("a.jpg", 60, 40);
    let mut bytes = std::fs::read(place.path("a.jpg")).unwrap();
    // the frame header: 9984×9984 pixels
    let header = bytes.windows(2).position(|bytes| bytes == [0xff, 0xc0]).unwrap();
    bytes[header + 5..header + 9].copy_from_slice(&[0x27, 0, 0x27, 0]);
    std::fs::write(place.path("bomb.jpg"), bytes).unwrap();
    place.refuses("inpaint bomb.jpg --box 1,1,5,5 -o out.png", &["bomb.jpg", "claims 9984×9984 pixels"]);
}

#[test]
fn masks_that_do_not_fit() {
    let place = Place::new();
    place.photograph("a.png", 60, 40);
    place.band("other.png", 61, 40);
    GrayImage::new(60, 40).save(place.path("black.png")).unwrap();
    GrayImage::from_pixel(60, 40, Luma([255])).save(place.path("white.png")).unwrap();
    GrayImage::from_pixel(60, 40, Luma([127])).save(place.path("grey.png")).unwrap();
    place.refuses("inpaint a.png --mask other.png -o out.png", &["61×40", "60×40", "--fit-mask"]);
    place.refuses("inpaint a.png --mask black.png -o out.png", &["black.png is empty", "paint white"]);
    place.refuses("inpaint a.png --mask grey.png -o out.png", &["grey.png is empty"]);
    place.refuses("inpaint a.png --mask white.png -o out.png", &["everything is masked"]);
    place.refuses("inpaint a.png --box 5,5,30,30 --grow 90 -o out.png", &["everything is masked", "grown by 90 px"]);
    place.refuses("inpaint a.png --random 0.001 -o out.png", &["hides no patch"]);
}

#[test]
fn boxes_outside_the_picture() {
    let place = Place::new();
    place.photograph("a.png", 60, 40);
    for area in ["50,10,11,5", "0,36,5,5", "60,0,1,1", "1,1,18446744073709551615,1"] {
        place.refuses(&format!("inpaint a.png --box {area} -o out.png"), &[area, "outside a.png", "60×40"]);
    }
    place.refuses("inpaint a.png --box 1,2,3 -o out.png", &["not a box", "x,y,width,height"]);
    place.refuses("inpaint a.png --box 1,2,0,3 -o out.png", &["empty"]);
}

#[test]
fn outputs_that_exist_or_cannot_be() {
    let place = Place::new();
    place.photograph("a.png", 60, 40);
    place.photograph("b.png", 60, 40);
    std::fs::write(place.path("there.png"), "precious").unwrap();
    place.refuses("inpaint a.png --box 1,1,5,5 -o there.png", &["there.png exists", "--force"]);
    place.refuses("inpaint a.png --box 1,1,5,5 -o out.gif", &["out.gif", ".jpg, .png or .webp"]);
    place.refuses("inpaint a.png b.png --box 1,1,5,5 -o there.png", &["there.png is a file", "folder"]);
    place.refuses("inpaint a.png a.png --box 1,1,5,5 -o out/", &["both become"]);
    place.run("inpaint a.png --box 1,1,5,5 -o there.png --force");
    assert_eq!(common::open(&place.path("there.png")).width(), 60);
}

#[test]
fn transparency_that_is_missing_or_in_the_way() {
    let place = Place::new();
    place.photograph("a.png", 60, 40);
    RgbaImage::from_pixel(60, 40, image::Rgba([9, 9, 9, 255])).save(place.path("opaque.png")).unwrap();
    RgbaImage::from_pixel(60, 40, image::Rgba([9, 9, 9, 200])).save(place.path("glass.png")).unwrap();
    place.refuses("inpaint a.png --alpha -o out.png", &["a.png has no transparency", "--mask"]);
    place.refuses("inpaint opaque.png --alpha -o out.png", &["no pixel is transparent"]);
    place.refuses("inpaint glass.png --box 1,1,5,5 -o out.jpg", &["glass.png", "JPEG file cannot hold", ".png"]);
}

#[test]
fn models_that_are_unknown_or_cannot_paint() {
    let place = Place::new();
    place.photograph("a.png", 60, 40);
    let paint = "inpaint a.png --box 1,1,5,5 -o out.png --model";
    place.refuses(&format!("{paint} nobody"), &["no model `nobody`", "glimpse info"]);
    place.refuses(&format!("{paint} ."), &["loading the bundle", "manifest.toml"]);

    place.copy_bundle("features");
    let manifest = place.path("features/manifest.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let predicts = "norm_pix = false\nbase = \"membrane\"";
    assert!(text.contains(predicts));
    std::fs::write(&manifest, text.replace(predicts, "norm_pix = true")).unwrap();
    place.refuses(&format!("{paint} features"), &["cannot paint", "mean and variance"]);
    place.refuses(&format!("{paint} features --method mae"), &["cannot paint", "mean and variance"]);
    // What paints without a model does not ask whether it could.
    place.run(&format!("{paint} features --method ns"));
    place.refuses("info --model nobody", &["no model `nobody`"]);
}

#[test]
fn one_way_to_say_what_to_paint() {
    let place = Place::new();
    place.photograph("a.png", 60, 40);
    place.refuses("inpaint a.png -o out.png", &["--mask", "--box", "--alpha", "--random"]);
    place.refuses("inpaint a.png -o out.png --alpha --box 1,1,2,2", &["cannot be used with"]);
    place.refuses("inpaint a.png -o out.png --random 1.0", &["a share of the patches"]);
    place.refuses("inpaint a.png -o out.png --box 1,1,2,2 --fit-mask", &["--fit-mask"]);
    place.refuses("inpaint a.png -o out.png --box 1,1,2,2 --seed 3", &["--seed"]);
    place.refuses("inpaint a.png -o out.png --box 1,1,2,2 --threads 0", &["--threads"]);
}

#[test]
fn what_is_said_of_a_model_that_does_not_paint() {
    let place = Place::new();
    place.photograph("a.png", 60, 40);
    for method in ["membrane", "telea", "ns"] {
        for option in ["--precision int8", "--feather 4"] {
            let name = option.split(' ').next().unwrap();
            let line = format!("inpaint a.png --box 1,1,5,5 -o out.png --method {method} {option}");
            place.refuses(&line, &[name, method, "--method mae"]);
        }
    }
    place.refuses("inpaint a.png --box 1,1,5,5 -o out.png --method magic", &["magic", "auto", "telea"]);
}

#[test]
fn no_password_is_repeated() {
    let place = Place::new();
    for (name, line) in [
        ("value", "out = \"mqtt://me.example.org:it's@host.example.org/a/#\""),
        ("toml", "out = mqtt://me.example.org:it's@host.example.org/t"),
        ("token", "token = it's"),
    ] {
        let config = format!("source = \"test:\"\nrotate = \"1h\"\n{line}\n");
        std::fs::write(place.path(&format!("{name}.toml")), config).unwrap();
    }
    for (line, said) in [
        (
            "camera --source test: --out mqtt://me.example.org:it's@host.example.org",
            "'mqtt://…@host.example.org' for '--out <OUTPUT>': no topic",
        ),
        (
            "camera --source test: --out mqtt://me.example.org:it's@host.example.org/a/#",
            "'mqtt://…@host.example.org/a/#' for '--out <OUTPUT>'",
        ),
        (
            "camera --source test: --out=mqtt//me.example.org:it's@host.example.org/t",
            "`mqtt//me.example.org:…@host.example.org/t` says not what to write",
        ),
        (
            "camera --source rtps://me.example.org:it's@host.example.org/1 --out -",
            "`rtps://…@host.example.org/1` is no source",
        ),
        (
            "camera --source rtps://host.example.org/?password=it's --out -",
            "`rtps://host.example.org/?password=…` is no source",
        ),
        ("camera rtsp://me.example.org:it's@host.example.org/1 --out -", "'rtsp://…@host.example.org/1'"),
        ("rtsp://me.example.org:it's@host.example.org/1", "'rtsp://…@host.example.org/1'"),
        ("camera --config value.toml", "'mqtt://…@host.example.org/a/#' for '--out <OUTPUT>'"),
        ("camera --config toml.toml", "mqtt://…@host.example.org/t"),
        ("camera --config token.toml", "token = …"),
        ("install-service --print --config value.toml", "'mqtt://…@host.example.org/a/#' for '--out <OUTPUT>'"),
        ("install-service --print --config toml.toml", "mqtt://…@host.example.org/t"),
    ] {
        let output = place.glimpse(line).assert().code(2).get_output().clone();
        let refusal = String::from_utf8(output.stderr).unwrap();
        assert!(refusal.contains(said) && !refusal.contains("it's"), "{line}: {refusal}");
    }
}

#[test]
fn sizes_that_a_format_does_not_hold() {
    let place = Place::new();
    GrayImage::new(65_536, 4).save(place.path("long.png")).unwrap();
    place.refuses("inpaint long.png --box 1,1,2,2 -o out.jpg", &["long.png", "65536×4", "JPEG", "65535", ".png"]);
    place.refuses("inpaint long.png --box 1,1,2,2 -o out.webp", &["long.png", "WebP", "16384", ".png"]);
    // three side by side are longer than each, which is seen before the first is painted
    std::fs::create_dir(place.path("in")).unwrap();
    place.photograph("in/a.webp", 60, 40);
    let wide = image::DynamicImage::from(GrayImage::new(5500, 8)).to_rgb8();
    wide.save(place.path("in/b.webp")).unwrap();
    let sheets = "inpaint in --box 1,1,4,4 --method membrane --side-by-side -o out";
    place.refuses(sheets, &["b.webp", "16500×8", "16384"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_standard_output_that_is_full_is_said_and_is_a_failure() {
    let place = Place::new();
    for (words, said) in [
        ("info", "writing to standard output"),
        ("camera --source test: --frames 3 --out -", "3 frames could not be written"),
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = std::process::Command::new(common::program());
        let output = command.current_dir(place.path("")).args(words.split(' ')).stdout(full).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && err.contains(said) && !err.contains("broke down"), "{words}: {err}");
    }
}

#[test]
#[cfg(unix)]
fn what_breaks_down_where_nobody_reads_ends_with_its_status() {
    let place = Place::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = std::process::Command::new(common::program());
    command.current_dir(place.path("")).args(["info", "--model", "nobody"]).stderr(writer);
    assert_eq!(command.status().unwrap().code(), Some(2));
}

/// The checksum of a PNG chunk.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { 0xEDB8_8320 ^ (crc >> 1) } else { crc >> 1 })
    })
}

#[test]
#[cfg(unix)]
fn whoever_reads_the_words_may_have_seen_enough() {
    let place = Place::new();
    for command in ["info", "completions bash"] {
        let line = format!("'{}' {command} | head -n 1", common::program().display());
        let mut shell = std::process::Command::new("sh");
        // without one, Mesa's driver has a line of its own to say
        shell.args(["-c", &line]).current_dir(place.path("")).env("XDG_RUNTIME_DIR", place.path(""));
        let output = shell.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{command}");
    }
}
