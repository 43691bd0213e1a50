//! Matrix products of libraries beside ours, at ViT-Base's shapes, on one core: which are worth building on.
//!
//!     cargo run --release --package glimpse-kernels --features peers --example products
//!
//! Prints billions of multiplications with an addition a second, the median of interleaved turns, and the spread of the
//! others' time over ours. Ours are whole layers, rows quantized and answers scaled; the others are bare products, their
//! weights packed before.
#![expect(unsafe_code, reason = "gemm and tract-linalg are called so")]

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use glimpse_kernels::{Family, Finish, Rows, int8, linear};
use ndarray::Array2;
use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions};
use rten_tensor::NdTensorView;
use tract_data::internal::{DatumType, Tensor};
use tract_linalg::MmmDispatch;
use tract_linalg::mmm::{AsInputValue, FusedSpec};

/// Inputs and outputs of the layers of a block.
const LAYERS: [[usize; 2]; 4] = [[768, 2304], [768, 768], [768, 3072], [3072, 768]];
const TOKENS: [usize; 2] = [197, 50];
const TURNS: usize = 15;

type Run<'a> = Box<dyn FnMut() + 'a>;
type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    // the libraries' own threads stay asleep
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    println!("kernels: {}", Family::best().name());
    for tokens in TOKENS {
        for [inputs, outputs] in LAYERS {
            compare(tokens, inputs, outputs)?;
        }
    }
    Ok(())
}

fn compare(m: usize, k: usize, n: usize) -> Result<()> {
    let x: Vec<f32> = (0..m * k).map(|at| (at as f32 * 0.731).sin()).collect();
    let bytes: Vec<u8> = (0..m * k).map(|at| (at * 7 % 128) as u8).collect();
    let weights: Vec<i8> = (0..k * n).map(|at| (at * 13 % 251) as u8 as i8).collect();
    let floats: Vec<f32> = weights.iter().map(|weight| f32::from(*weight)).collect();
    println!("{m}×{k}→{n}");
    turns(
        "int8",
        m * k * n,
        vec![
            ("Glimpse", ours_int8(&x, &weights, [m, k, n])?),
            ("rten-gemm", rten_int8(&bytes, &weights, [m, k, n])),
            ("tract-linalg", tract(DatumType::I8, DatumType::I32, [m, k, n])?),
        ],
    );
    turns(
        "f32",
        m * k * n,
        vec![
            ("Glimpse", ours_f32(&x, &floats, [m, k, n])?),
            ("rten-gemm", rten_f32(&x, &floats, [m, k, n])),
            ("gemm", gemm_f32(&x, &floats, [m, k, n])),
            ("tract-linalg", tract(DatumType::F32, DatumType::F32, [m, k, n])?),
        ],
    );
    Ok(())
}

/// Runs all in turns; the first is ours.
fn turns(what: &str, multiplications: usize, mut runs: Vec<(&str, Run<'_>)>) {
    let mut times = vec![Vec::with_capacity(TURNS); runs.len()];
    for turn in 0..=TURNS {
        for ((_, run), times) in runs.iter_mut().zip(&mut times) {
            let start = Instant::now();
            run();
            // the first turn warms up
            if turn > 0 {
                times.push(start.elapsed().as_secs_f64());
            }
        }
    }
    let sorted = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values
    };
    for ((name, _), other) in runs.iter().zip(&times) {
        let ratios = sorted(other.iter().zip(&times[0]).map(|(other, ours)| other / ours).collect());
        let rate = multiplications as f64 / sorted(other.clone())[TURNS / 2] / 1e9;
        let [least, median, most] = [0, TURNS / 2, TURNS - 1].map(|at| ratios[at]);
        println!("  {what} {name:<12} {rate:>6.1} G/s, time over ours {median:.2} ({least:.2} to {most:.2})");
    }
}

fn ours_int8<'a>(x: &'a [f32], weights: &[i8], [m, k, n]: [usize; 3]) -> Result<Run<'a>> {
    let weights = int8::Weights::pack(Family::best(), k, weights, &[0.01], &[]).ok_or("no weights")?;
    let (mut scratch, mut out) = (int8::Scratch::default(), Array2::zeros((m, n)));
    Ok(Box::new(move || {
        let rows = Rows::new(black_box(x), k);
        int8::linear(rows, &weights, 0, Finish::default(), &mut scratch, out.view_mut());
    }))
}

fn ours_f32<'a>(x: &'a [f32], weights: &[f32], [m, k, n]: [usize; 3]) -> Result<Run<'a>> {
    let weights = linear::Weights::pack(k, weights, &[]).ok_or("no weights")?;
    let (mut scratch, mut out) = (linear::Scratch::default(), Array2::zeros((m, n)));
    Ok(Box::new(move || {
        let rows = Rows::new(black_box(x), k);
        linear::linear(rows, &weights, 0, Finish::default(), &mut scratch, out.view_mut());
    }))
}

fn rten_int8<'a>(x: &'a [u8], weights: &[i8], [m, k, n]: [usize; 3]) -> Run<'a> {
    let gemm = GemmExecutor::<u8, i8, i32>::default();
    let packed = gemm.prepack_b(NdTensorView::from_data([k, n], weights));
    let mut out = vec![0; m * n];
    Box::new(move || {
        let a = GemmInputA::Unpacked(NdTensorView::from_data([m, k], black_box(x)));
        let done = gemm.gemm(&mut out, a, GemmInputB::Packed(&packed), GemmOptions::default());
        black_box(done.is_ok());
    })
}

fn rten_f32<'a>(x: &'a [f32], weights: &[f32], [m, k, n]: [usize; 3]) -> Run<'a> {
    let gemm = GemmExecutor::<f32>::default();
    let packed = gemm.prepack_b(NdTensorView::from_data([k, n], weights));
    let mut out = vec![0.0; m * n];
    Box::new(move || {
        let a = GemmInputA::Unpacked(NdTensorView::from_data([m, k], black_box(x)));
        let done = gemm.gemm(&mut out, a, GemmInputB::Packed(&packed), GemmOptions::default());
        black_box(done.is_ok());
    })
}

fn gemm_f32<'a>(x: &'a [f32], weights: &'a [f32], [m, k, n]: [usize; 3]) -> Run<'a> {
    let mut out = vec![0.0f32; m * n];
    Box::new(move || {
        let (columns, rows) = (1, n as isize);
        // SAFETY: `out` is `[m, n]`, `x` `[m, k]` and `weights` `[k, n]`, all row by row, as the strides say.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                out.as_mut_ptr(),
                columns,
                rows,
                false,
                black_box(x).as_ptr(),
                columns,
                k as isize,
                weights.as_ptr(),
                columns,
                rows,
                0.0,
                1.0,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
        black_box(&out);
    })
}

/// tract-linalg's preferred kernel; its matrices hold zeros, which take as long as others.
fn tract<'a>(factors: DatumType, sums: DatumType, [m, k, n]: [usize; 3]) -> Result<Run<'a>> {
    let kernel = MmmDispatch::native().preferred_kernel(sums, Some(m), Some(k), Some(n)).ok_or("no kernel")?;
    let index = kernel.packings().iter().position(|(a, b)| {
        let reads = |format: &dyn tract_linalg::mmm::MMMInputFormat| format.precursor().as_dt() == Some(factors);
        reads(&**a) && reads(&**b)
    });
    let index = index.ok_or("no packing")?;
    let packing = &kernel.packings()[index];
    let a = packing.0.prepare_one(&Tensor::zero_dt(factors, &[m, k])?, 1, 0)?;
    let b = packing.1.prepare_one(&Tensor::zero_dt(factors, &[k, n])?, 0, 1)?;
    let mut c = Tensor::zero_dt(sums, &[m, n])?;
    Ok(Box::new(move || {
        // SAFETY: `a`, `b` and `c` are of the shapes that are said here, packed by this kernel's own packing.
        let done = unsafe {
            let store = FusedSpec::Store(kernel.c_view(Some(0), Some(1)).wrap(&c.view_mut()));
            let (a, b) = (AsInputValue::Borrowed(&*a), AsInputValue::Borrowed(&*b));
            kernel.run(m, n, &[FusedSpec::AddMatMul { a, b, packing: index }, store])
        };
        black_box(done.is_ok());
    }))
}
