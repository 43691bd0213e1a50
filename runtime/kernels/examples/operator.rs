//! Runs one operator some times, at a size of ViT-Base's with 50 tokens: for those who count its instructions, or profile it.
//!
//!     cargo run --release --package glimpse-kernels --example operator -- int8-linear 100
//!
//! Prints the kernels that it ran on, and the multiplications with an addition of one run.

use std::env::args;
use std::hint::black_box;
use std::process::ExitCode;

use glimpse_kernels::resize::{BLOCK_ROWS, Block, Channel, Plane, Scratch, Side, resize_block};
use glimpse_kernels::{Family, Finish, Membrane, Rows, attention, int8, layer_norm, linear};
use ndarray::{Array2, s};

const TOKENS: usize = 50;
const WIDTH: usize = 768;
const HIDDEN: usize = 4 * WIDTH;
const HEAD: usize = 64;
/// Side of a plane that a membrane is solved on, a quarter of it unknown.
const SIDE: usize = 128;

/// What is run.
struct Operator {
    /// What it takes at the least.
    multiplications: usize,
    run: Box<dyn FnMut()>,
}

fn main() -> ExitCode {
    let typed: Vec<String> = args().skip(1).collect();
    let [name, runs] = typed.as_slice() else { return usage() };
    let (Some(mut operator), Ok(runs)) = (operator(name), runs.parse::<usize>()) else { return usage() };
    for _ in 0..runs {
        (operator.run)();
    }
    println!("{} {}", Family::best().name(), operator.multiplications);
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: operator int8-linear|int8-gelu|f32-linear|attention|layer-norm|membrane|resize RUNS");
    ExitCode::from(2)
}

fn operator(name: &str) -> Option<Operator> {
    match name {
        "int8-linear" => int8_linear(WIDTH, Finish::default()),
        "int8-gelu" => int8_linear(HIDDEN, Finish { gelu: true, residual: None }),
        "f32-linear" => f32_linear(),
        "attention" => attention(),
        "layer-norm" => Some(layer_norm()),
        "membrane" => Some(membrane()),
        "resize" => Some(resize()),
        _ => None,
    }
}

/// Numbers that look random.
fn values(len: usize) -> Vec<f32> {
    (0..len).map(|at| (at as f32 * 0.731).sin() * 2.0).collect()
}

fn int8_linear(outputs: usize, finish: Finish<'static>) -> Option<Operator> {
    let bytes: Vec<i8> = (0..WIDTH * outputs).map(|at| (at * 13 % 251) as i8).collect();
    let weights = int8::Weights::pack(Family::best(), WIDTH, &bytes, &[0.01], &values(outputs))?;
    let (x, mut out) = (values(TOKENS * WIDTH), Array2::zeros((TOKENS, outputs)));
    let mut scratch = int8::Scratch::default();
    let run = move || int8::linear(Rows::new(black_box(&x), WIDTH), &weights, 0, finish, &mut scratch, out.view_mut());
    Some(Operator { multiplications: TOKENS * WIDTH * outputs, run: Box::new(run) })
}

fn f32_linear() -> Option<Operator> {
    let weights = linear::Weights::pack(WIDTH, &values(WIDTH * WIDTH), &values(WIDTH))?;
    let (x, mut out) = (values(TOKENS * WIDTH), Array2::zeros((TOKENS, WIDTH)));
    let mut scratch = linear::Scratch::default();
    let run = move || {
        linear::linear(Rows::new(black_box(&x), WIDTH), &weights, 0, Finish::default(), &mut scratch, out.view_mut());
    };
    Some(Operator { multiplications: TOKENS * WIDTH * WIDTH, run: Box::new(run) })
}

fn attention() -> Option<Operator> {
    let qkv = values(TOKENS * 3 * WIDTH);
    let count = WIDTH / HEAD;
    attention::Heads::side_by_side(&qkv, WIDTH, count)?;
    let mut out = Array2::zeros((TOKENS, WIDTH));
    let mut scratch = attention::Scratch::default();
    let run = move || {
        let Some(heads) = attention::Heads::side_by_side(black_box(&qkv), WIDTH, count) else { return };
        for head in 0..count {
            let out = out.slice_mut(s![.., head * HEAD..(head + 1) * HEAD]);
            attention::attend(heads, head, 0, 0.125, &mut scratch, out);
        }
    };
    Some(Operator { multiplications: 2 * TOKENS * TOKENS * WIDTH, run: Box::new(run) })
}

fn layer_norm() -> Operator {
    let (x, mut out) = (values(TOKENS * WIDTH), vec![0.0; TOKENS * WIDTH]);
    let (weight, bias) = (values(WIDTH), values(WIDTH));
    let run = move || layer_norm::layer_norm(black_box(&x), &weight, &bias, 1e-6, &mut out);
    Operator { multiplications: 2 * TOKENS * WIDTH, run: Box::new(run) }
}

fn membrane() -> Operator {
    let unknown = Array2::from_shape_fn((SIDE, SIDE), |(y, x)| (32..96).contains(&y) && (48..112).contains(&x));
    let mut membrane = Membrane::new(unknown.view());
    let plane: Vec<f32> = values(SIDE * SIDE).iter().map(|value| 60.0 * value).collect();
    let run = move || membrane.fill(black_box(&mut plane.clone()));
    Operator { multiplications: SIDE * SIDE / 4, run: Box::new(run) }
}

/// A patch of 16×16 of a frame of 1280×720 that becomes one of 128×128: 22 rows and 40 columns to a pixel.
fn resize() -> Operator {
    const FRAME: [usize; 2] = [720, 1280];
    const TAPS: [usize; 2] = [22, 40];
    let bytes: Vec<u8> = (0..3 * FRAME[0] * FRAME[1]).map(|at| (at * 13 % 251) as u8).collect();
    let first = FRAME.map(|len| (0..BLOCK_ROWS).map(|place| (place * len / SIDE) as u32).collect::<Vec<_>>());
    let taps = TAPS.map(|count| vec![(16_384 / count) as i16; BLOCK_ROWS * count]);
    let (mut scratch, mut out) = (Scratch::default(), vec![0; 3 * BLOCK_ROWS * BLOCK_ROWS]);
    let run = move || {
        let side = |at: usize| Side { first: &first[at], taps: &taps[at], count: TAPS[at], shift: 14, len: FRAME[at] };
        let channels = [0, 1, 2].map(|to| Channel { offset: to, step: 3, columns: side(1), to });
        let plane = Plane { bytes: black_box(&bytes), row_len: 3 * FRAME[1], rows: side(0), channels: &channels };
        let block = Block { top: 0, left: 0, height: BLOCK_ROWS, width: BLOCK_ROWS };
        resize_block(&plane, block, &mut scratch, &mut out, BLOCK_ROWS);
    };
    let columns = (BLOCK_ROWS - 1) * FRAME[1] / SIDE + TAPS[1];
    Operator { multiplications: 3 * BLOCK_ROWS * (columns * TAPS[0] + BLOCK_ROWS * TAPS[1]), run: Box::new(run) }
}
