//! Formats, and what files carry beside pixels.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests unwrap freely")]

mod common;

use std::fs::File;
use std::io::BufReader;

use common::{Place, assert_painted_inside_only, exif, open};
use image::codecs::jpeg::{JpegDecoder, JpegEncoder};
use image::codecs::png::{PngDecoder, PngEncoder};
use image::codecs::webp::{WebPDecoder, WebPEncoder};
use image::metadata::Orientation;
use image::{DynamicImage, GrayAlphaImage, GrayImage, ImageDecoder, ImageEncoder, Luma, Rgba, RgbaImage};

/// Writes a picture with EXIF data and a colour profile.
fn save(place: &Place, name: &str, picture: &DynamicImage, orientation: u8, profile: &[u8]) {
    let with = |mut encoder: Box<dyn Encoder>| {
        encoder.carry(exif(orientation), profile.to_vec());
        encoder.write(picture);
    };
    let file = File::create(place.path(name)).unwrap();
    match name.rsplit('.').next() {
        Some("jpg") => with(Box::new(JpegEncoder::new_with_quality(file, 90))),
        Some("webp") => with(Box::new(WebPEncoder::new_lossless(file))),
        _ => with(Box::new(PngEncoder::new(file))),
    }
}

/// `ImageEncoder`, which takes itself by value, in a box.
trait Encoder {
    fn carry(&mut self, exif: Vec<u8>, profile: Vec<u8>);
    fn write(self: Box<Self>, picture: &DynamicImage);
}

impl<E: ImageEncoder> Encoder for E {
    fn carry(&mut self, exif: Vec<u8>, profile: Vec<u8>) {
        self.set_exif_metadata(exif).unwrap();
        self.set_icc_profile(profile).unwrap();
    }

    fn write(self: Box<Self>, picture: &DynamicImage) {
        let (width, height, kind) = (picture.width(), picture.height(), picture.color().into());
        self.write_image(picture.as_bytes(), width, height, kind).unwrap();
    }
}

/// The EXIF orientation and the colour profile of a file.
fn carried(place: &Place, name: &str) -> (Option<Orientation>, Option<Vec<u8>>) {
    fn of(mut decoder: impl ImageDecoder) -> (Option<Orientation>, Option<Vec<u8>>) {
        let exif = decoder.exif_metadata().unwrap();
        (exif.and_then(|exif| Orientation::from_exif_chunk(&exif)), decoder.icc_profile().unwrap())
    }
    let file = BufReader::new(File::open(place.path(name)).unwrap());
    match name.rsplit('.').next() {
        Some("jpg") => of(JpegDecoder::new(file).unwrap()),
        Some("webp") => of(WebPDecoder::new(file).unwrap()),
        _ => of(PngDecoder::new(file).unwrap()),
    }
}

#[test]
fn grey_and_transparent_pictures_keep_their_kind() {
    let place = Place::new();
    let colours = DynamicImage::from(place.photograph("a.png", 90, 70));
    let mask = place.band("mask.png", 90, 70);
    let mut glass = colours.to_rgba8();
    glass.enumerate_pixels_mut().for_each(|(x, y, pixel)| pixel.0[3] = (x + y) as u8);
    let mut grey_glass: GrayAlphaImage = colours.to_luma_alpha8();
    grey_glass.enumerate_pixels_mut().for_each(|(x, _, pixel)| pixel.0[1] = 100 + x as u8);
    let kinds: [DynamicImage; 4] = [colours.to_luma8().into(), grey_glass.into(), colours, glass.into()];
    for picture in kinds {
        picture.save(place.path("kind.png")).unwrap();
        place.run("inpaint kind.png --mask mask.png -o out.png --force");
        let after = open(&place.path("out.png"));
        assert_painted_inside_only(&picture, &after, &mask);
        if let (Some(before), Some(after)) = (picture.as_rgba8(), after.as_rgba8()) {
            assert!(before.pixels().zip(after.pixels()).all(|(a, b)| a.0[3] == b.0[3]));
        }
    }
}

#[test]
fn a_grey_jpeg_stays_grey() {
    let place = Place::new();
    DynamicImage::from(place.photograph("a.png", 90, 70)).to_luma8().save(place.path("grey.jpg")).unwrap();
    place.run("inpaint grey.jpg --box 20,20,30,30 -o out.jpg");
    assert_eq!(open(&place.path("out.jpg")).color(), image::ColorType::L8);
}

#[test]
fn places_are_those_of_the_upright_picture() {
    let place = Place::new();
    let lying = DynamicImage::from(place.photograph("a.png", 90, 70));
    for number in 1..=8 {
        let orientation = Orientation::from_exif(number).unwrap();
        let mut upright = lying.clone();
        upright.apply_orientation(orientation);
        let mut mask = DynamicImage::from(GrayImage::from_fn(upright.width(), upright.height(), |x, y| {
            Luma([if (5..35).contains(&x) && (10..60).contains(&y) { 255 } else { 0 }])
        }));
        save(&place, "lying.png", &lying, number, b"profile");
        place.run("inpaint lying.png --box 5,10,30,50 -o upright.jpg --force");
        place.run("inpaint lying.png --box 5,10,30,50 -o lying-too.png --force");
        assert_eq!(carried(&place, "lying-too.png").0, Some(orientation));

        // Back to how the pixels lie in the file.
        mask.apply_orientation(match orientation {
            Orientation::Rotate90 => Orientation::Rotate270,
            Orientation::Rotate270 => Orientation::Rotate90,
            same => same,
        });
        assert_painted_inside_only(&lying, &open(&place.path("lying-too.png")), &mask.to_luma8());

        let (turned, _) = carried(&place, "upright.jpg");
        assert_eq!(turned, Some(Orientation::NoTransforms));
        let written = open(&place.path("upright.jpg"));
        assert_eq!((written.width(), written.height()), (upright.width(), upright.height()));
    }
}

#[test]
fn profile_and_exif_go_along_in_every_format() {
    let place = Place::new();
    let picture = DynamicImage::from(place.photograph("a.png", 90, 70));
    let profile: Vec<u8> = (0..150_000_u32).map(|i| (i % 997 * 7 % 251) as u8).collect();
    for from in ["in.jpg", "in.png", "in.webp"] {
        save(&place, from, &picture, 6, &profile);
        for to in ["out.jpg", "out.png", "out.webp"] {
            place.run(&format!("inpaint {from} --box 5,10,30,50 -o {to} --force"));
            let (orientation, carried_profile) = carried(&place, to);
            let same_format = from.rsplit('.').next() == to.rsplit('.').next();
            let kept = if same_format { Orientation::Rotate90 } else { Orientation::NoTransforms };
            assert_eq!(orientation, Some(kept), "{from} to {to}");
            assert!(carried_profile.as_ref() == Some(&profile), "{from} to {to}");
        }
    }
}

#[test]
fn a_sheet_of_a_grey_picture_has_no_profile_for_grey() {
    let place = Place::new();
    let grey = DynamicImage::from(DynamicImage::from(place.photograph("a.png", 90, 70)).to_luma8());
    save(&place, "grey.png", &grey, 1, b"a profile for grey");
    place.run("inpaint grey.png --box 5,10,30,50 -o painted.png");
    place.run("inpaint grey.png --box 5,10,30,50 --side-by-side -o sheet.png");
    assert_eq!(carried(&place, "painted.png").1.as_deref(), Some(&b"a profile for grey"[..]));
    assert_eq!(carried(&place, "sheet.png").1, None);
}

#[test]
fn nothing_is_painted_from_what_lies_beneath_transparency() {
    let place = Place::new();
    let cut_out = RgbaImage::from_fn(160, 120, |x, _| Rgba(if x < 100 { [200, 90, 40, 255] } else { [0; 4] }));
    cut_out.save(place.path("cut-out.png")).unwrap();
    for method in ["mae", "membrane", "telea", "ns"] {
        place.run(&format!("inpaint cut-out.png --box 60,30,60,60 --method {method} -o out.png --force"));
        let painted = open(&place.path("out.png")).to_rgba8();
        for (x, y, pixel) in painted.enumerate_pixels() {
            let [red, green, blue, alpha] = pixel.0;
            assert_eq!(alpha, cut_out.get_pixel(x, y).0[3]);
            let near = red.abs_diff(200) <= 8 && green.abs_diff(90) <= 8 && blue.abs_diff(40) <= 8;
            assert!(near || alpha == 0, "{method}: {pixel:?} at {x} {y}");
        }
    }
}

#[test]
fn a_jpeg_is_written_at_its_own_quality() {
    let place = Place::new();
    let picture = place.photograph("a.png", 240, 180);
    for quality in [30, 75, 95] {
        let file = File::create(place.path("in.jpg")).unwrap();
        JpegEncoder::new_with_quality(file, quality).encode_image(&picture).unwrap();
        place.run("inpaint in.jpg --box 5,10,20,20 -o out.jpg --force");
        let [before, after] = ["in.jpg", "out.jpg"].map(|name| quantization(&std::fs::read(place.path(name)).unwrap()));
        assert_eq!(before, after, "quality {quality}");
        let (before, after) = (open(&place.path("in.jpg")), open(&place.path("out.jpg")));
        let far = before.to_rgb8().enumerate_pixels().filter(|(x, _, _)| *x > 48).all(|(x, y, pixel)| {
            pixel.0.iter().zip(after.to_rgb8().get_pixel(x, y).0).all(|(a, b)| a.abs_diff(b) <= 12)
        });
        assert!(far, "quality {quality}: visible pixels are near what they were");
    }
}

/// The steps of all quantization tables of a JPEG file, by table.
fn quantization(file: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut tables = Vec::new();
    let mut at = 2;
    while file[at + 1] != 0xDA {
        let length = usize::from(file[at + 2]) << 8 | usize::from(file[at + 3]);
        if file[at + 1] == 0xDB {
            tables.extend(file[at + 4..at + 2 + length].chunks(65).map(|table| (table[0], table[1..].to_vec())));
        }
        at += 2 + length;
    }
    tables.sort();
    tables
}
