//! A camera's frames, whole on a GPU, beside the same frames on the CPU.

use std::time::Duration;

use glimpse_models::{Bundle, Precision};
use ndarray::{Array2, Array3};

use super::model::TINY;
use super::relative_error;
use crate::gpu::GpuError;
use crate::reference::tolerance::GPU_F32;
use crate::{ColourRange, Device, Frame, Give, Layout, Mask, Model, Options, Stream};

/// Features and a picture.
type Both = (Array2<f32>, Array3<u8>);

fn stream(device: Device, give: Give) -> Stream {
    let options = Options { precision: Precision::F32, device, threads: Some(1), ..Options::default() };
    Stream::new(Model::load(&Bundle::open(TINY).unwrap(), &options).unwrap(), give).unwrap()
}

/// Frames of several shapes and layouts, seen through several masks.
fn frames(stream: &Stream) -> Vec<(Frame, Mask)> {
    let grid = stream.model().grid();
    let shapes = [
        (Layout::Rgb, [96, 130]),
        (Layout::Rgb, [96, 130]),
        (Layout::Rgba, [61, 45]),
        (Layout::Nv12, [128, 128]),
        (Layout::Yuyv, [200, 31]),
        (Layout::Yuyv, [200, 31]),
        // a shape that was there before, and one that is told by its layout alone
        (Layout::Rgb, [96, 130]),
        (Layout::Bgr, [96, 130]),
    ];
    let ratios = [0.0, 0.5, 0.9, 0.25, 0.25, 0.0, 0.6, 0.6];
    let frame = |(at, (layout, size)): (usize, (Layout, [usize; 2]))| {
        let bytes = (0..layout.bytes(size[0], size[1])).map(|place| {
            let (y, x) = (place / (3 * size[1]), place % (3 * size[1]));
            (x * (place % 3 + 1) / 3 + y * (at + 1) + (x / 27 + y / 7) % 2 * 70) as u8
        });
        Frame::new(layout, ColourRange::Limited, size, bytes.collect()).unwrap()
    };
    let masks = ratios.into_iter().map(|ratio| Mask::random(grid, ratio, 3).unwrap());
    shapes.into_iter().enumerate().map(frame).zip(masks).collect()
}

/// Everything that a stream says, as many frames under way as may be.
fn seen(stream: &mut Stream, frames: &[(Frame, Mask)]) -> Vec<Both> {
    let mut all = Vec::new();
    let mut waiting = frames.iter();
    loop {
        while stream.under_way() < Stream::MOST {
            let Some((frame, mask)) = waiting.next() else { break };
            stream.submit(frame.clone(), mask.clone()).unwrap();
        }
        let Some(answer) = stream.receive().unwrap() else { return all };
        let (frame, mask) = &frames[all.len()];
        assert!(answer.frame == *frame && answer.mask == *mask);
        all.push((answer.tokens.to_owned(), answer.picture.to_owned()));
    }
}

fn assert_same(got: &Both, expected: &Both) {
    assert_eq!((got.0.dim(), got.1.dim()), (expected.0.dim(), expected.1.dim()));
    let error = relative_error(got.0.as_slice().unwrap(), expected.0.as_slice().unwrap());
    assert!(error <= GPU_F32, "{error:e}");
    let most = got.1.iter().zip(&expected.1).map(|(got, expected)| got.abs_diff(*expected)).max();
    assert!(most.unwrap_or_default() <= 1, "{most:?}");
}

#[test]
#[ignore = "needs a GPU"]
fn a_gpu_sees_and_paints_what_the_cpu_does() {
    for give in [Give::Both, Give::Tokens, Give::Picture] {
        let [mut gpu, mut cpu] = [Device::Gpu(None), Device::Cpu].map(|device| stream(device, give));
        assert!(gpu.model().gpu().is_some());
        let frames = frames(&cpu);
        let (got, expected) = (seen(&mut gpu, &frames), seen(&mut cpu, &frames));
        assert!(gpu.model().gpu().is_some());
        for ((got, expected), (_, mask)) in got.iter().zip(&expected).zip(&frames) {
            assert_eq!(got.0.nrows(), if give.tokens() { mask.visible().len() + 1 } else { 0 });
            assert_eq!(!got.1.is_empty(), give.picture());
            assert_same(got, expected);
        }
    }
}

#[test]
#[ignore = "needs a GPU"]
fn what_is_asked_of_a_gpu_may_change_with_frames_under_way() {
    let [mut gpu, mut cpu] = [Device::Gpu(None), Device::Cpu].map(|device| stream(device, Give::Both));
    let gives = [Give::Tokens, Give::Both, Give::Picture, Give::Tokens];
    for (pair, frames) in gives.windows(2).zip(frames(&cpu).chunks(2)) {
        for stream in [&mut gpu, &mut cpu] {
            for (give, (frame, mask)) in pair.iter().zip(frames) {
                stream.set_give(*give).unwrap();
                stream.submit(frame.clone(), mask.clone()).unwrap();
            }
        }
        for give in pair {
            let [got, expected] = [&mut gpu, &mut cpu].map(|stream| {
                let answer = stream.receive().unwrap().unwrap();
                (answer.tokens.to_owned(), answer.picture.to_owned())
            });
            assert_eq!((got.0.is_empty(), got.1.is_empty()), (!give.tokens(), !give.picture()));
            assert_same(&got, &expected);
        }
    }
    assert!(gpu.model().gpu().is_some());
}

#[test]
#[ignore = "needs a GPU"]
fn a_frame_that_is_too_large_for_a_buffer_is_made_smaller_first() {
    let options =
        Options { precision: Precision::F32, device: Device::Gpu(None), threads: Some(1), ..Options::default() };
    let mut model = Model::load(&Bundle::open(TINY).unwrap(), &options).unwrap();
    model.gpu_mut().unwrap().engine.set_most_frame_bytes(3 * 128 * 128);
    let [mut gpu, mut cpu] = [Stream::new(model, Give::Both).unwrap(), stream(Device::Cpu, Give::Both)];
    let frames = frames(&cpu);
    for (got, expected) in seen(&mut gpu, &frames).iter().zip(&seen(&mut cpu, &frames)) {
        assert_same(got, expected);
    }
    assert!(gpu.model().gpu().is_some());
}

#[test]
#[ignore = "needs a GPU"]
fn frames_that_were_under_way_are_computed_though_the_gpu_is_lost() {
    let [mut gpu, mut cpu] = [Device::Gpu(None), Device::Cpu].map(|device| stream(device, Give::Both));
    let frames = frames(&cpu);
    let expected = seen(&mut cpu, &frames);
    let given = |stream: &mut Stream, at: usize| stream.submit(frames[at].0.clone(), frames[at].1.clone()).unwrap();
    given(&mut gpu, 0);
    given(&mut gpu, 1);
    gpu.model().lose_gpu();
    for (at, expected) in expected.iter().enumerate() {
        let answer = gpu.receive().unwrap().unwrap();
        // what was under way may have come to its end
        assert_same(&(answer.tokens.to_owned(), answer.picture.to_owned()), expected);
        if at + 2 < frames.len() {
            given(&mut gpu, at + 2);
        }
    }
    assert!(matches!(gpu.model().fallback(), Some(GpuError::Lost { .. })), "{:?}", gpu.model().fallback());
    assert!(gpu.receive().unwrap().is_none());
}

#[test]
#[ignore = "needs a GPU"]
fn a_gpu_that_does_not_come_to_an_end_in_the_made_up_frame_is_not_taken() {
    let options =
        Options { precision: Precision::F32, device: Device::Gpu(None), threads: Some(1), ..Options::default() };
    let mut model = Model::load(&Bundle::open(TINY).unwrap(), &options).unwrap();
    model.set_gpu_limit(Duration::ZERO);
    let stream = Stream::new(model, Give::Both).unwrap();
    assert!(matches!(stream.model().fallback(), Some(GpuError::TimedOut { .. })), "{:?}", stream.model().fallback());
}
