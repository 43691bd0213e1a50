//! The kernels between a camera's frame and a picture, each against its twin.

use glimpse_models::{Base, Family, ModelSpec, PatchGrid, RawSpec, Transformer};
use ndarray::{Array2, Array3, Axis};

use super::contexts;
use super::run::{flat, run, run_for, values};
use crate::gpu::context::Context;
use crate::gpu::frames::Lines;
use crate::gpu::jobs::Job;
use crate::gpu::membrane::Membrane;
use crate::gpu::params;
use crate::gpu::parts::Parts;
use crate::gpu::weights::bytes;
use crate::preprocess::Resizing;
use crate::reference::{self, tolerance::PIXEL};
use crate::{ColourRange, Frame, Layout, Mask, Preprocessor};

/// A frame with edges, noise and flat parts.
fn frame(height: usize, width: usize, channels: usize) -> Array3<u8> {
    let noise = values(height * width, channels, 9);
    Array3::from_shape_fn((height, width, channels), |(y, x, channel)| {
        let noise = if (x / 16) % 2 == 0 { noise[[y * width + x, channel]] * 60.0 } else { 0.0 };
        let edges = if (y / 8 + x / 8) % 2 == 0 { 250.0 } else { 3.0 + channel as f32 };
        (edges + noise).clamp(0.0, 255.0) as u8
    })
}

/// As a kernel reads it, four bytes to a pixel.
fn words(image: &Array3<u8>) -> Vec<u8> {
    image.lanes(Axis(2)).into_iter().flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 255]).collect()
}

/// Red, green and blue of words.
fn pixels_of(words: &[u32], height: usize, width: usize) -> Array3<u8> {
    Array3::from_shape_fn((height, width, 3), |(y, x, channel)| words[y * width + x].to_le_bytes()[channel])
}

/// A model of so many pixels, in patches.
fn spec(side: usize, patch_side: usize) -> ModelSpec {
    ModelSpec::new(RawSpec {
        family: Family::Mae,
        image_side: side,
        patch_side,
        encoder: Transformer { width: 16, depth: 1, heads: 1 },
        decoder: None,
        mlp_ratio: 4,
        mean: [0.4, 0.5, 0.6],
        std: [0.2, 0.25, 0.3],
        norm_pix: false,
        base: Base::Zero,
        layer_norm_epsilon: 1e-6,
    })
    .unwrap()
}

/// Four bytes to a pixel, `[S, S]`, and patches, `[N, P·P·3]`: what two dispatches make of what a mask shows.
fn prepared(context: &Context, frame: &Frame, spec: &ModelSpec, mask: &Mask) -> (Vec<u32>, Vec<f32>) {
    let (grid, side) = (spec.grid(), spec.image_side());
    let resizing = Resizing::new(frame.shape(), side);
    let parts = Parts::new(&resizing, grid.cols(), grid.patch());
    // what is not to be seen is whatever it is
    let mut bytes = vec![0x5a; parts.len()];
    parts.each(frame.bytes(), mask, |at, part| bytes[at..at + part.len()].copy_from_slice(part));
    let Lines { entries, bytes: more, rows, patches } = Lines::new(&resizing, &parts, spec);
    let mut lines = bytemuck::cast_slice(&entries).to_vec();
    lines.resize(lines.len() + more as usize, 0);
    let lines: Vec<u32> = run_for(context, Job::ResizeRows(0, rows), 0, &[&bytes, &lines], 1);
    let positions: Vec<u32> = mask.visible().iter().map(|&index| index as u32).collect();
    let (visible, picture) = (positions.len(), vec![0u32; side * side]);
    let out = vec![0f32; visible * grid.patch_len()];
    let contents: [&[u8]; 4] = [
        bytemuck::cast_slice(&lines),
        bytemuck::cast_slice(&positions),
        bytemuck::cast_slice(&picture),
        bytemuck::cast_slice(&out),
    ];
    let job = Job::ResizePatches([0, 1], patches);
    (run_for(context, job, visible, &contents, 2), run_for(context, job, visible, &contents, 3))
}

#[test]
#[ignore = "needs a GPU"]
fn what_is_visible_is_prepared_with_the_bytes_that_the_cpu_gives() {
    use Layout::{Bgr, Grey, I420, I422, I444, Nv12, Rgb, Rgba, Uyvy, Yuyv};
    for context in contexts() {
        let mut layouts = [Rgb, Nv12, Yuyv, I420, Rgba, Uyvy, Bgr, I444, Grey, I422].into_iter().cycle();
        for (height, width, side, patch) in [
            (1, 1, 16, 8),
            (16, 16, 16, 16),
            (3, 200, 32, 8),
            (97, 131, 64, 16),
            (480, 640, 224, 16),
            (45, 31, 112, 14),
            (224, 300, 224, 32),
            (300, 500, 48, 1),
        ] {
            let (spec, mut preprocessor) = (spec(side, patch), Preprocessor::new(&spec(side, patch)));
            let grid = spec.grid();
            for (share, layout) in [0.0, 0.5, 0.75].into_iter().zip(layouts.by_ref()) {
                let mask = Mask::random(grid, share, 5).unwrap();
                let pixels = frame(layout.bytes(height, width), 1, 1);
                let pixels = pixels.into_raw_vec_and_offset().0;
                let range = if share == 0.5 { ColourRange::Full } else { ColourRange::Limited };
                let frame = Frame::new(layout, range, [height, width], pixels).unwrap();
                let mut expected = Array2::zeros((grid.len(), grid.patch_len()));
                preprocessor.visible_patches_from_frame(&frame, &mask, expected.view_mut()).unwrap();
                let (picture, patches) = prepared(&context, &frame, &spec, &mask);
                let picture = pixels_of(&picture, side, side);
                let masked = mask.masked_pixels();
                for ((y, x, channel), value) in picture.indexed_iter() {
                    let wanted = if masked[[y, x]] { 0 } else { preprocessor.resized()[[y, x, channel]] };
                    assert_eq!(*value, wanted, "{layout:?} {height}×{width} to {side}: {y}, {x}, {channel}");
                }
                for (row, &index) in patches.chunks(grid.patch_len()).zip(mask.visible()) {
                    assert!(row.iter().zip(expected.row(index)).all(|(got, wanted)| (got - wanted).abs() <= PIXEL));
                }
            }
        }
    }
}

#[test]
#[ignore = "needs a GPU"]
fn planes_and_composite() {
    let (start, scale) = ([100.0, 120.0, 140.0], [50.0, 60.0, 70.0]);
    for context in contexts() {
        for (side, patch) in [(32, 8), (112, 14), (128, 16)] {
            let grid = PatchGrid::new(side, side, patch).unwrap();
            let image = frame(side, side, 3);
            let mask = Mask::random(grid, 0.6, 5).unwrap();
            let order: Vec<u32> = mask.restore().iter().map(|&place| place as u32).collect();
            let hidden: Vec<bool> = order.iter().map(|&place| place == 0).collect();
            let (sides, padding) = ([side as u32, patch as u32], [0; 2]);
            let [side, patch_side] = sides;
            let four = |[r, g, b]: [f32; 3]| [r, g, b, 1.0];
            let job = Job::Planes(params::Planes { start: four(start), side, patch_side, padding });
            let planes = reference::planes(image.view(), &hidden, grid, start);
            let reads = [&words(&image), bytemuck::cast_slice(&order)];
            let got = run(&context, job, 0, &reads, &vec![0f32; planes.len()]);
            assert_eq!(got, planes.as_slice().unwrap());

            // far out of a byte's range, too
            let painted = values(grid.len(), grid.patch_len(), 3).mapv(|value| 4.0 * value);
            let expected = reference::composite(planes.view(), painted.view(), grid, scale);
            let job = Job::Composite(params::Composite { scale: four(scale), side, patch_side, padding });
            let reads = [bytes(planes.iter().copied()), flat(&painted)];
            let pixel_count = grid.height() * grid.width();
            let got = run(&context, job, 0, &[&reads[0], &reads[1]], &vec![0u32; pixel_count]);
            let got = pixels_of(&got, grid.height(), grid.width());
            assert!(got.iter().zip(&expected).all(|(got, expected)| got.abs_diff(*expected) <= 1));
            let same = got.iter().zip(&expected).filter(|(got, expected)| got == expected).count();
            assert!(same * 1000 >= got.len() * 999, "{same} of {}", got.len());
        }
    }
}

#[test]
fn coarse_grids_of_the_membrane_are_in_the_memory_of_a_workgroup_that_has_place_for_them() {
    let limits = |max_compute_workgroup_storage_size, max_compute_invocations_per_workgroup| wgpu::Limits {
        max_compute_workgroup_storage_size,
        max_compute_invocations_per_workgroup,
        max_compute_workgroup_size_x: max_compute_invocations_per_workgroup,
        ..wgpu::Limits::downlevel_defaults()
    };
    // the floor, lavapipe, NVIDIA
    let all = [limits(16_352, 256), limits(32_768, 1024), limits(49_152, 1024)];
    let cells = |side, patch| all.each_ref().map(|limits| Membrane::new(side, patch, limits).cells);
    let (fine, coarse) = (128 * 128 + 2 * (64 * 64 + 32 * 32), 2 * (16 * 16 + 8 * 8));
    let more = 2 * 32 * 32;
    assert_eq!(cells(128, 16), [[fine, coarse], [fine, coarse], [fine - more, coarse + more]]);
    // an odd patch has no coarser grid
    assert_eq!(cells(45, 9), [[45 * 45, 0]; 3]);
    // and there may be no place at all
    assert_eq!(Membrane::new(128, 16, &limits(1024, 256)).cells, [fine + coarse, 0]);
}

#[test]
#[ignore = "needs a GPU"]
fn membrane_is_the_one_that_the_cpu_spans() {
    for context in contexts() {
        let limits = context.device.limits();
        // larger ones of odd patches, or nearly, take more than the 65,535 turns after which lavapipe ends loops
        for (side, patch) in [(128, 16), (224, 16), (112, 14), (56, 14), (40, 8), (45, 9), (48, 3)] {
            let grid = PatchGrid::new(side, side, patch).unwrap();
            let alone = Mask::from_visible(grid, &[0]).unwrap();
            let random = [0.05, 0.3, 0.5, 0.75, 0.9].map(|ratio| Mask::random(grid, ratio, 2).unwrap());
            let blocks = Mask::blocks(grid, 0.5, 4).unwrap();
            for mask in random.into_iter().chain([alone, blocks, Mask::all_visible(grid)]) {
                let image = frame(side, side, 3);
                let order: Vec<bool> = mask.restore().iter().map(|&place| place == 0).collect();
                let planes = reference::planes(image.view(), &order, grid, [0.0, 128.0, 255.0]);
                let mut expected = image.mapv(f32::from);
                if !mask.masked().is_empty() {
                    let mut membrane = glimpse_kernels::Membrane::new(mask.masked_pixels().view());
                    for mut plane in expected.axis_iter_mut(Axis(2)) {
                        let mut values: Vec<f32> = plane.iter().copied().collect();
                        membrane.fill(&mut values);
                        plane.assign(&Array2::from_shape_vec((side, side), values).unwrap());
                    }
                }
                let membrane = Membrane::new(side as u32, patch as u32, &limits);
                let mut all: Vec<f32> = planes.iter().copied().collect();
                all.resize(4 * membrane.cells[0] as usize, f32::NAN);
                let masked: Vec<u32> = mask.masked().iter().map(|&index| index as u32).collect();
                let masked = if masked.is_empty() { vec![0] } else { masked };
                let job = membrane.job(grid.len() as u32);
                let got = run(&context, job, mask.visible().len(), &[bytemuck::cast_slice(&masked)], &all);
                let errors = expected
                    .indexed_iter()
                    .map(|((y, x, channel), &value)| (got[4 * (y * side + x) + channel] - value).abs());
                // NaN is the largest of all
                let largest = errors.max_by(f32::total_cmp).unwrap();
                // a tenth of a grey level each, and what a cycle's change leaves
                assert!(largest <= 0.25, "{side} {patch} {}: {largest}", mask.masked().len());
            }
        }
    }
}
