//! The kernels between a camera's frame and a picture, each against its twin.

use glimpse_models::PatchGrid;
use ndarray::{Array2, Array3, Axis, s};

use super::contexts;
use super::run::{flat, run, values};
use crate::gpu::context::Context;
use crate::gpu::jobs::Job;
use crate::gpu::membrane::Membrane;
use crate::gpu::params;
use crate::gpu::weights::bytes;
use crate::preprocess::Taps;
use crate::reference::{self, tolerance::PIXEL};
use crate::{Mask, resize};

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
fn pixels(words: &[u32], height: usize, width: usize) -> Array3<u8> {
    Array3::from_shape_fn((height, width, 3), |(y, x, channel)| words[y * width + x].to_le_bytes()[channel])
}

fn resized(context: &Context, frame: &Array3<u8>, side: usize) -> Array3<u8> {
    let (height, width, channels) = frame.dim();
    let mut bytes = frame.as_slice().unwrap().to_vec();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    for (along_rows, source, width, to, channels) in [(0, height, width, width, channels), (1, width, width, side, 4)] {
        let taps = Taps::new(source, side);
        let job = Job::Resize(params::Resize {
            width: to as u32,
            height: side as u32,
            source_width: width as u32,
            source: source as u32,
            along_rows,
            taps: taps.count as u32,
            shift: taps.shift,
            channels: channels as u32,
        });
        let made = run(context, job, 0, &[&bytes, bytemuck::cast_slice(&taps.table())], &vec![0u32; side * to]);
        bytes = bytemuck::cast_slice(&made).to_vec();
    }
    pixels(bytemuck::cast_slice(&bytes), side, side)
}

#[test]
#[ignore = "needs a GPU"]
fn resize_gives_the_bytes_that_the_cpu_gives() {
    for context in contexts() {
        for (height, width, side) in
            [(1, 1, 16), (16, 16, 16), (3, 200, 32), (97, 131, 64), (480, 640, 224), (45, 31, 128), (224, 300, 224)]
        {
            for channels in [3, 4] {
                let frame = frame(height, width, channels);
                let expected = resize(frame.slice(s![.., .., ..3]), side, side).unwrap();
                let got = resized(&context, &frame, side);
                let wrong = got.iter().zip(&expected).filter(|(got, expected)| got != expected).count();
                assert_eq!(wrong, 0, "{height}×{width}×{channels} to {side}");
            }
        }
    }
}

#[test]
#[ignore = "needs a GPU"]
fn patchify() {
    let (mean, std) = ([0.4, 0.5, 0.6], [0.2, 0.25, 0.3]);
    for context in contexts() {
        for (side, patch) in [(32, 8), (112, 14), (48, 48)] {
            let grid = PatchGrid::new(side, side, patch).unwrap();
            let image = frame(side, side, 3);
            let mask = Mask::random(grid, 0.4, 5).unwrap();
            let positions: Vec<u32> = mask.visible().iter().map(|&index| index as u32).collect();
            let normalized =
                image.map_axis(Axis(2), |pixel| [0, 1, 2].map(|c| reference::normalize(pixel[c], mean[c], std[c])));
            let normalized: Vec<f32> = (0..3).flat_map(|c| normalized.iter().map(move |pixel| pixel[c])).collect();
            let patches = reference::patchify(&normalized, grid);
            let job = Job::Patchify(params::Patchify {
                scale: [0, 1, 2, 0].map(|c| 1.0 / (255.0 * std[c])),
                offset: [0, 1, 2, 0].map(|c| -mean[c] / std[c]),
                side: side as u32,
                patch_side: patch as u32,
                padding: [0; 2],
            });
            let visible = positions.len();
            let reads = [&words(&image), bytemuck::cast_slice(&positions)];
            let got = run(&context, job, visible, &reads, &vec![0f32; visible * grid.patch_len()]);
            for (row, &index) in got.chunks(grid.patch_len()).zip(mask.visible()) {
                let expected = &patches[index * grid.patch_len()..][..grid.patch_len()];
                assert!(row.iter().zip(expected).all(|(got, expected)| (got - expected).abs() <= PIXEL));
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
            let got = pixels(&got, grid.height(), grid.width());
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
