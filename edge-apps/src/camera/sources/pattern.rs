//! A pattern that moves: the same frames from the same seed.

use std::time::Duration;

use anyhow::Result;

use super::{Next, Pace, Source, Wanted};
use crate::camera::pixels::{PixelFormat, RawFrame};
use crate::camera::random::mixed;

/// Frames a second, if none are asked for.
const FPS: f64 = 30.0;
/// Things that move.
const THINGS: u64 = 5;

/// Things of one colour that cross a ground that does not move, and bounce.
#[derive(Debug)]
pub struct Pattern {
    seed: u64,
    size: [u32; 2],
    pace: Pace,
    number: u64,
}

impl Pattern {
    pub fn new(seed: u64, wanted: &Wanted) -> Self {
        let fps = if wanted.every { wanted.fps } else { Some(wanted.fps.unwrap_or(FPS)) };
        Self { seed, size: wanted.size(), pace: Pace::new(fps), number: 0 }
    }

    /// `[H, W, 3]`
    fn draw(&self) -> Vec<u8> {
        let [width, height] = self.size.map(u64::from);
        let mut rgb = Vec::with_capacity((3 * width * height) as usize);
        for y in 0..height {
            for x in 0..width {
                let tile = (x * 12 / width + y * 9 / height + self.seed) % 7;
                rgb.extend([x * 160 / width, y * 160 / height, tile * 24].map(|value| value as u8));
            }
        }
        for thing in 0..THINGS {
            let random = mixed(self.seed.wrapping_mul(THINGS).wrapping_add(thing));
            let side = (width.min(height) / 8).max(1) * (1 + random % 2);
            let bounce = |span: u64, start: u64, speed: u64| {
                let way = span.saturating_sub(side).max(1);
                let at = (start + speed * self.number) % (2 * way);
                at.min(2 * way - at)
            };
            let left = bounce(width, random >> 8 & 0xffff, 1 + (random >> 24) % 7);
            let top = bounce(height, random >> 32 & 0xffff, 1 + (random >> 48) % 5);
            let colour = [random >> 3, random >> 11, random >> 19].map(|value| value as u8 | 0x40);
            for y in top..(top + side).min(height) {
                for x in left..(left + side).min(width) {
                    let place = (3 * (y * width + x)) as usize;
                    rgb[place..place + 3].copy_from_slice(&colour);
                }
            }
        }
        rgb
    }
}

impl Source for Pattern {
    fn next(&mut self, limit: Duration) -> Result<Next> {
        if !self.pace.wait(limit) {
            return Ok(Next::Nothing);
        }
        let rgb = self.draw();
        self.number += 1;
        let [width, height] = self.size;
        Ok(Next::Frame(RawFrame::now(PixelFormat::Rgb, width, height, rgb)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(seed: u64, size: [u32; 2]) -> Vec<Vec<u8>> {
        let mut pattern = Pattern::new(seed, &Wanted { size: Some(size), every: true, ..Wanted::default() });
        let next = |_| match pattern.next(Duration::ZERO).unwrap() {
            Next::Frame(frame) => frame.bytes,
            other => panic!("{other:?}"),
        };
        (0..20).map(next).collect()
    }

    #[test]
    fn the_same_seed_moves_the_same_way_and_another_another() {
        let (a, b) = (frames(1, [64, 48]), frames(2, [64, 48]));
        assert_eq!(a, frames(1, [64, 48]));
        assert_ne!(a, b);
        assert!(a.windows(2).all(|pair| pair[0] != pair[1]));
        // most of the ground stands still
        let same = a[0].iter().zip(&a[19]).filter(|(a, b)| a == b).count();
        assert!(same > a[0].len() / 3, "{same}");
        assert_eq!(frames(3, [1, 1])[0].len(), 3);
    }

    #[test]
    fn frames_come_at_their_rate_and_the_wait_has_an_end() {
        let mut pattern = Pattern::new(0, &Wanted { fps: Some(1.0), ..Wanted::default() });
        assert!(matches!(pattern.next(Duration::ZERO).unwrap(), Next::Frame(_)));
        assert!(matches!(pattern.next(Duration::from_millis(1)).unwrap(), Next::Nothing));
    }
}
