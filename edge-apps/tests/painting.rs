//! What is painted, and what is left as it was.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests unwrap freely")]

mod common;

use common::{Place, assert_painted_inside_only, open, sample};
use image::{DynamicImage, GrayImage, Luma};

#[test]
fn visible_pixels_stay_byte_for_byte() {
    let place = Place::new();
    place.copy("sushi.jpg");
    place.copy("sushi.mask.png");
    let mask = open(&sample("sushi.mask.png")).to_luma8();
    for method in ["auto", "mae", "membrane", "telea", "ns"] {
        for output in ["out.png", "out.webp"] {
            place.run(&format!("inpaint sushi.jpg --mask sushi.mask.png -o {output} --method {method} --force"));
            assert_painted_inside_only(&open(&sample("sushi.jpg")), &open(&place.path(output)), &mask);
        }
    }
}

#[test]
fn boxes_are_holes_and_grow() {
    let place = Place::new();
    let before = place.photograph("a.png", 200, 150);
    place.run("inpaint a.png --box 20,30,40,50 --box 120,30,9,9 --grow 3 -o out.png");
    let inside = |x: u32, y: u32, left: i32, top: i32, width: i32, height: i32| {
        let away = |at: u32, start: i32, length: i32| (start - at as i32).max(at as i32 - (start + length - 1)).max(0);
        away(x, left, width).pow(2) + away(y, top, height).pow(2) <= 9
    };
    let mask = GrayImage::from_fn(200, 150, |x, y| {
        Luma([if inside(x, y, 20, 30, 40, 50) || inside(x, y, 120, 30, 9, 9) { 255 } else { 0 }])
    });
    assert_painted_inside_only(&before.into(), &open(&place.path("out.png")), &mask);
}

#[test]
fn the_same_line_gives_the_same_bytes_on_any_number_of_threads() {
    let place = Place::new();
    place.copy("stingray.jpg");
    for method in ["mae", "membrane", "telea", "ns"] {
        let paint = |output: &str, seed: u32, more: &str| {
            place.run(&format!(
                "inpaint stingray.jpg --random 0.4 --seed {seed} -o {output} --method {method} --force {more}"
            ));
            std::fs::read(place.path(output)).unwrap()
        };
        let first = paint("a.png", 5, "");
        for (output, more) in [("b.png", ""), ("c.png", "--threads 1"), ("d.png", "--threads 3")] {
            assert!(paint(output, 5, more) == first, "{method} {output}");
        }
        assert!(paint("e.png", 6, "") != first, "{method}");
    }
}

#[test]
fn auto_does_what_the_model_s_measurements_say() {
    let place = Place::new();
    place.photograph("a.png", 160, 120);
    place.copy_bundle("measured");
    let manifest = place.path("measured/manifest.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let unmeasured: String =
        text.split_inclusive("\n\n").filter(|table| !table.starts_with("[quality.inpaint_psnr_db")).collect();
    let line = "inpaint a.png --box 50,40,50,50 --model measured --force";
    let auto =
        || -> serde_json::Value { serde_json::from_str(&place.run(&format!("{line} --json -o auto.png"))).unwrap() };
    for (table, method) in [
        ("", "mae"),
        ("10-20 = { mae = 20.0, membrane = 19.0, ns = 3.0 }", "mae"),
        ("10-20 = { mae = 20.0, membrane = 21.0, ns = 3.0 }", "membrane"),
        ("10-20 = { mae = 20.0, telea = 20.5 }\n30-50 = { mae = 30.0, ns = 20.0 }", "telea"),
        ("2-10 = { mae = 30.0, ns = 20.0 }\n10-20 = { mae = 19.0, ns = 20.0 }", "ns"),
    ] {
        let measured = format!("[quality.inpaint_psnr_db]\n{table}\n\n");
        let (quality, files) = unmeasured.split_once("[files.").unwrap();
        let table = if table.is_empty() { "" } else { &measured };
        std::fs::write(&manifest, format!("{quality}{table}[files.{files}")).unwrap();
        let report = auto();
        assert_eq!((&report["method_asked"], &report["pictures"][0]["method"]), (&"auto".into(), &method.into()));
        place.run(&format!("{line} --method {method} -o asked.png"));
        assert!(std::fs::read(place.path("auto.png")).unwrap() == std::fs::read(place.path("asked.png")).unwrap());
    }
}

#[test]
fn a_method_is_said_in_words() {
    let place = Place::new();
    place.photograph("a.png", 100, 80);
    let line = "inpaint a.png --box 30,20,40,40 -o out.png --force";
    assert!(place.run(&format!("{line} --method telea")).contains("painted by telea in"));
    assert!(place.run(line).contains("(auto) in"));
    let help = place.run("inpaint --help");
    for words in ["auto:", "mae:", "membrane:", "telea:", "ns:"] {
        assert!(help.contains(words), "{words} is not in {help}");
    }
}

#[test]
fn a_mask_of_another_size_is_stretched_when_asked() {
    let place = Place::new();
    let before = place.photograph("a.png", 200, 150);
    let half = GrayImage::from_fn(100, 75, |x, _| Luma([if (40..60).contains(&x) { 255 } else { 0 }]));
    half.save(place.path("half.png")).unwrap();
    place.run("inpaint a.png --mask half.png --fit-mask -o out.png");
    let mask = GrayImage::from_fn(200, 150, |x, _| Luma([if (80..120).contains(&x) { 255 } else { 0 }]));
    assert_painted_inside_only(&before.into(), &open(&place.path("out.png")), &mask);
}

#[test]
fn transparent_pixels_are_painted_and_become_opaque() {
    let place = Place::new();
    let mut before = DynamicImage::from(place.photograph("a.png", 120, 90)).to_rgba8();
    let mask = GrayImage::from_fn(120, 90, |x, y| Luma([if x > 40 && x < 70 && y > 30 { 255 } else { 0 }]));
    for (x, y, pixel) in before.enumerate_pixels_mut() {
        pixel.0[3] = if mask.get_pixel(x, y).0[0] == 255 { 0 } else { 255 - (x as u8) };
    }
    before.save(place.path("cut.png")).unwrap();
    place.run("inpaint cut.png --alpha -o out.png");
    let after = open(&place.path("out.png"));
    assert_painted_inside_only(&before.into(), &after, &mask);
    assert!(after.to_rgba8().enumerate_pixels().all(|(x, y, p)| mask.get_pixel(x, y).0[0] == 0 || p.0[3] == 255));
}

#[test]
fn side_by_side_shows_masked_painted_and_original() {
    let place = Place::new();
    let before = place.photograph("a.png", 100, 80);
    place.run("inpaint a.png --box 30,20,40,40 --side-by-side -o sheet.png");
    let sheet = open(&place.path("sheet.png")).to_rgb8();
    assert_eq!(sheet.dimensions(), (300, 80));
    for (x, y, pixel) in before.enumerate_pixels() {
        let hidden = (30..70).contains(&x) && (20..60).contains(&y);
        assert_eq!(sheet.get_pixel(x + 200, y), pixel);
        assert!(hidden || sheet.get_pixel(x + 100, y) == pixel);
        assert_eq!(sheet.get_pixel(x, y) == &image::Rgb([128; 3]), hidden);
    }
}

#[test]
fn the_report_is_json_when_asked() {
    let place = Place::new();
    place.photograph("a.png", 100, 80);
    let report: serde_json::Value =
        serde_json::from_str(&place.run("inpaint a.png --box 30,20,40,40 -o out.png --json")).unwrap();
    let picture = &report["pictures"][0];
    assert_eq!((&picture["width_px"], &picture["height_px"]), (&100.into(), &80.into()));
    assert_eq!((&picture["hole_px"], &picture["hole_share"]), (&1600.into(), &0.2.into()));
    assert_eq!((&picture["input"], &picture["output"]), (&"a.png".into(), &"out.png".into()));
    assert!(picture["painting_ms"].as_f64().unwrap() > 0.0 && picture["psnr_masked_db"].is_null());

    let report: serde_json::Value =
        serde_json::from_str(&place.run("inpaint a.png --random 0.5 -o random.png --json")).unwrap();
    assert!(report["pictures"][0]["psnr_masked_db"].as_f64().unwrap() > 10.0);
}

#[test]
fn both_precisions_paint_nearly_the_same() {
    let place = Place::new();
    place.photograph("a.png", 160, 120);
    place.run("inpaint a.png --box 50,40,50,50 --method mae --precision f32 -o f32.png");
    place.run("inpaint a.png --box 50,40,50,50 --method mae --precision int8 -o int8.png");
    let (f32, int8) = (open(&place.path("f32.png")), open(&place.path("int8.png")));
    let apart = f32.as_bytes().iter().zip(int8.as_bytes()).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(apart < Some(24), "{apart:?}");
}

#[test]
fn info_shows_models_and_machine() {
    let place = Place::new();
    let text = place.run("info");
    for word in ["glimpse-tiny", "licence", "encoder", "threads"] {
        assert!(text.contains(word), "{text}");
    }
    let info: serde_json::Value = serde_json::from_str(&place.run("info --json")).unwrap();
    assert_eq!(info["models"][0]["name"], "glimpse-tiny");
    assert_eq!(info["models"][0]["can_paint"], true);
    assert!(info["machine"]["threads"].as_u64().unwrap() >= 1);
}
