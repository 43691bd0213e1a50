use super::machine::Machine;
use super::portable::Portable;
use super::*;

/// Bytes that depend on nothing but their number.
fn bytes(count: usize) -> Vec<u8> {
    (0..count as u32).map(|at| (at.wrapping_mul(0x9e37_79b9) >> 23) as u8).collect()
}

/// Taps of both signs, whose sums go beyond a byte on both sides.
fn taps(count: usize) -> Vec<i16> {
    (0..count).map(|k| [9_000, -7_500, 16_000, -1, 12_345, -3][k % 6] / (1 + count / 6) as i16).collect()
}

fn expected(values: impl Iterator<Item = u8>, taps: &[i16], shift: u32) -> u8 {
    let sum: i64 = values.zip(taps).map(|(value, tap)| i64::from(value) * i64::from(*tap)).sum();
    ((sum + (1 << (shift - 1))) >> shift).clamp(0, 255) as u8
}

fn is_its_formula(machine: impl Machine) {
    const ROW_LEN: usize = STRIP + 7;
    const SHIFT: u32 = 14;
    let mut seen = [false; 256];
    for count in [1, 2, 3, 4, 7, 60, 61] {
        let taps = taps(count);
        // no byte more than is to be read
        let lines = &bytes(count * ROW_LEN)[..(count - 1) * ROW_LEN + STRIP];
        let strip = machine.strip(lines, ROW_LEN, &taps, SHIFT);
        for (at, value) in strip.iter().enumerate() {
            let column = (0..count).map(|k| lines[k * ROW_LEN + at]);
            assert_eq!(*value, expected(column, &taps, SHIFT), "{count} taps, byte {at}");
        }
        for value in strip {
            seen[usize::from(value)] = true;
        }
        for step in 1..5 {
            let columns = bytes(((count - 1) * step + 1) * BLOCK_ROWS);
            let columns = columns.as_chunks().0;
            let column = machine.column(columns, step, &taps, SHIFT);
            for (row, value) in column.iter().enumerate() {
                let row = (0..count).map(|k| columns[k * step][row]);
                assert_eq!(*value, expected(row, &taps, SHIFT), "{count} taps, every {step}th");
            }
        }
    }
    assert!(seen[0] && seen[255], "nothing was cut off");
    let values = bytes(STRIP * BLOCK_ROWS);
    let tile: Tile = std::array::from_fn(|row| std::array::from_fn(|column| values[row * STRIP + column]));
    let turned = machine.turned(&tile);
    for (row, values) in tile.iter().enumerate() {
        for (column, value) in values.iter().enumerate() {
            assert_eq!(turned[column][row], *value, "row {row}, column {column}");
        }
    }
}

#[test]
fn each_machine_s_code_is_its_formula() {
    is_its_formula(Portable);
    #[cfg(target_arch = "x86_64")]
    if let Some(machine) = pulp::core_arch::x86::Sse2::try_new() {
        is_its_formula(machine);
    }
    #[cfg(target_arch = "x86_64")]
    if let Some(machine) = pulp::x86::V3::try_new() {
        is_its_formula(machine);
    }
    #[cfg(target_arch = "x86_64")]
    if let Some(machine) = pulp::x86::V4::try_new() {
        is_its_formula(machine);
    }
    #[cfg(target_arch = "aarch64")]
    if let Some(machine) = pulp::aarch64::Neon::try_new() {
        is_its_formula(machine);
    }
}

/// A block's pixels are their formula's, and no other pixel is touched: rows first, cut off to bytes, then columns.
#[test]
fn a_block_is_its_formula() {
    // (rows, bytes of a row) to pixels; rows shorter than a strip, and rows of a strip and a bit
    for (height, row_len, side) in [(1, 4, 4), (9, 21, 8), (40, 69, 20), (50, 300, 20)] {
        for step in [1, 3, 4] {
            let width = row_len / step;
            let frame = bytes(height * row_len);
            let scaled = |len: usize| -> (Vec<u32>, Vec<i16>) {
                let first = (0..side).map(|place| (place * len / side) as u32).collect();
                (first, taps(5).repeat(side))
            };
            let ((row_first, row_taps), (column_first, column_taps)) = (scaled(height), scaled(width));
            let rows = Side { first: &row_first, taps: &row_taps, count: 5, shift: 14, len: height };
            let columns = Side { first: &column_first, taps: &column_taps, count: 5, shift: 13, len: width };
            let channels = [0, 1].map(|to| Channel { offset: to % step, step, columns, to });
            let plane = Plane { bytes: &frame, row_len, rows, channels: &channels };
            let block = Block { top: side / 4, left: side / 2, height: side / 2, width: side / 4 };
            let mut out = vec![77; side * side * 3];
            resize_block(&plane, block, &mut Scratch::default(), &mut out, side);
            for (pixel, values) in out.as_chunks::<3>().0.iter().enumerate() {
                let (y, x) = (pixel / side, pixel % side);
                let is_inside = (block.top..block.top + block.height).contains(&y)
                    && (block.left..block.left + block.width).contains(&x);
                for (to, value) in values.iter().enumerate() {
                    let (top, left) = (row_first[y] as usize, column_first[x] as usize);
                    let row = (left..width.min(left + 5)).map(|x| {
                        let at = x * step + to % step;
                        expected((top..height.min(top + 5)).map(|y| frame[y * row_len + at]), &row_taps, 14)
                    });
                    let wanted = if is_inside && to < 2 { expected(row, &column_taps, 13) } else { 77 };
                    assert_eq!(*value, wanted, "{height}×{row_len} by {step} to {side}: {y}, {x}, {to}");
                }
            }
        }
    }
}
