//! Any CPU: loops that a compiler makes into whatever vectors there are.

use super::{Dot, Layout};
use crate::int8::linear::{self, Job, Scratch};

pub struct Portable;

const COLUMNS: usize = 16;

impl Dot for Portable {
    type Value = u8;
    const LAYOUT: Layout = Layout { rows: 1, columns: COLUMNS, group: 1 };
    const SHIFT: i32 = 0;

    #[inline(always)]
    fn value(byte: u8) -> u8 {
        byte
    }

    fn take(scratch: &mut Scratch) -> Vec<u8> {
        std::mem::take(&mut scratch.bytes)
    }

    fn give_back(scratch: &mut Scratch, values: Vec<u8>) {
        scratch.bytes = values;
    }

    fn dot(_: usize, rows: &[u8], _: usize, panel: &[i8], sums: &mut [i32]) {
        let mut found = [0i32; COLUMNS];
        for (&x, weights) in rows.iter().zip(panel.as_chunks::<COLUMNS>().0) {
            for (sum, &weight) in found.iter_mut().zip(weights) {
                *sum += i32::from(x) * i32::from(weight);
            }
        }
        sums[..COLUMNS].copy_from_slice(&found);
    }
}

pub fn run(job: Job) {
    linear::walk::<Portable>(job);
}
