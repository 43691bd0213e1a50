//! How long a frame takes to become patches: what a mask shows of it, in its own layout, beside `yuv` and `fast_image_resize`, which
//! turn it into colours and resize it whole. In turns; our time over theirs, and the spread of the turns.
//!
//!     cargo run --release --package glimpse-runtime --no-default-features --example frames

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use glimpse_models::Bundle;
use glimpse_runtime::{ColourRange, Frame, Layout, Mask, Preprocessor};
use ndarray::{Array2, Array3, ArrayView3};
use yuv::{YuvBiPlanarImage, YuvConversionMode, YuvPackedImage, YuvRange, YuvStandardMatrix};

const TURNS: usize = 9;
/// Frames of a turn: more than a cache holds, since a camera's come from memory, each with a mask of its own.
const FRAMES: usize = 40;

fn main() -> Result<(), Box<dyn Error>> {
    let bundle = Bundle::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/glimpse-tiny"))?;
    let grid = bundle.spec().grid();
    println!("| frame | layout | 8 of 64 patches | 16 of 64 | 32 of 64 | all |\n| --- | --- | --- | --- | --- | --- |");
    for size in [[480, 640], [720, 1280], [1080, 1920]] {
        for layout in [Layout::Rgb, Layout::Nv12, Layout::Yuyv] {
            let [height, width] = size;
            let frame = |seed: usize| {
                let bytes =
                    (0..layout.bytes(height, width)).map(|at| (at % 251 + at / width % 97 + seed) as u8 / 2 + 40);
                Frame::new(layout, ColourRange::Limited, size, bytes.collect())
            };
            let frames = (0..FRAMES).map(frame).collect::<Result<Vec<_>, _>>()?;
            print!("| {width}×{height} | {layout:?} ");
            for visible in [8, 16, 32, 64] {
                let hidden = 1.0 - visible as f32 / grid.len() as f32;
                let masks =
                    (0..FRAMES as u64).map(|seed| Mask::random(grid, hidden, seed)).collect::<Result<Vec<_>, _>>()?;
                let mut preprocessor = Preprocessor::new(bundle.spec());
                let mut patches = Array2::zeros((grid.len(), grid.patch_len()));
                let mut ratios = Vec::new();
                for _ in 0..TURNS {
                    let began = Instant::now();
                    for (frame, mask) in frames.iter().zip(&masks) {
                        preprocessor.visible_patches_from_frame(black_box(frame), mask, patches.view_mut())?;
                    }
                    let ours = began.elapsed();
                    let began = Instant::now();
                    for frame in &frames {
                        let rgb = colours(black_box(frame))?;
                        let view = rgb.as_ref().map_or_else(
                            || ArrayView3::from_shape((height, width, 3), frame.bytes()),
                            |rgb| Ok(rgb.view()),
                        );
                        preprocessor.patches_from_frame(view?, patches.view_mut())?;
                    }
                    ratios.push(ours.as_secs_f64() / began.elapsed().as_secs_f64());
                }
                ratios.sort_by(f64::total_cmp);
                print!("| {:.2} ({:.2} to {:.2}) ", ratios[TURNS / 2], ratios[0], ratios[TURNS - 1]);
            }
            println!("|");
        }
    }
    Ok(())
}

/// Red, green and blue of a frame that has not got them: `[H, W, 3]`.
fn colours(frame: &Frame) -> Result<Option<Array3<u8>>, Box<dyn Error>> {
    let (width, height) = (frame.width() as u32, frame.height() as u32);
    let (range, matrix) = (YuvRange::Limited, YuvStandardMatrix::Bt601);
    let mut rgb = vec![0; 3 * frame.width() * frame.height()];
    match frame.layout() {
        Layout::Nv12 => {
            let (y_plane, uv_plane) = frame.bytes().split_at(frame.width() * frame.height());
            let planes = YuvBiPlanarImage { y_plane, y_stride: width, uv_plane, uv_stride: width, width, height };
            yuv::yuv_nv12_to_rgb(&planes, &mut rgb, 3 * width, range, matrix, YuvConversionMode::Balanced)?;
        }
        Layout::Yuyv => {
            let packed = YuvPackedImage { yuy: frame.bytes(), yuy_stride: 2 * width, width, height };
            yuv::yuyv422_to_rgb(&packed, &mut rgb, 3 * width, range, matrix)?;
        }
        _ => return Ok(None),
    }
    Ok(Some(Array3::from_shape_vec((frame.height(), frame.width(), 3), rgb)?))
}
