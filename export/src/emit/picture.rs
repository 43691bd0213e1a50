//! A made-up picture: what golden files ask a model about, so that they need no photograph.
//!
//! Soft light, shapes with edges and a little noise, as eight-bit levels: patches of it have the means, contrasts and
//! correlated channels of a photograph's, where plain noise would lead a model out of what it knows.

use glimpse_models::ModelSpec;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

const WAVES: usize = 6;
const DISCS: usize = 5;
/// Largest noise, in levels of 0 to 1.
const NOISE: f64 = 0.02;

/// The patches of a picture, which is another one for each seed.
///
/// # Shapes
/// - returns `[L, P·P·3]`, channel last inside a patch, normalized by the spec's mean and standard deviation
#[must_use]
pub fn normalized_patches(spec: &ModelSpec, seed: u64) -> Vec<f32> {
    let (grid, mean, std) = (spec.grid(), spec.mean(), spec.std());
    let mut rng = Pcg64::seed_from_u64(seed);
    let scene = Scene::draw(&mut rng);
    let mut values = Vec::with_capacity(grid.len() * grid.patch_len());
    for index in 0..grid.len() {
        let (row, col) = grid.position(index);
        for y in row * grid.patch()..(row + 1) * grid.patch() {
            for x in col * grid.patch()..(col + 1) * grid.patch() {
                let colour = scene.colour(x as f64 / grid.width() as f64, y as f64 / grid.height() as f64);
                for channel in 0..3 {
                    let level = colour[channel] + rng.random_range(-NOISE..NOISE);
                    let level = (255.0 * level).round().clamp(0.0, 255.0) as f32 / 255.0;
                    values.push((level - mean[channel]) / std[channel]);
                }
            }
        }
    }
    values
}

/// A picture by formula; places run from 0 to 1, colours too.
struct Scene {
    light: [f64; 3],
    waves: Vec<Wave>,
    discs: Vec<Disc>,
}

struct Wave {
    /// Cycles over the picture's width and height.
    cycles: [f64; 2],
    phase: f64,
    amplitude: [f64; 3],
}

struct Disc {
    centre: [f64; 2],
    radius: f64,
    colour: [f64; 3],
}

impl Scene {
    fn draw(rng: &mut Pcg64) -> Self {
        let light = [(); 3].map(|()| rng.random_range(0.35..0.65));
        let waves = (0..WAVES).map(|_| Wave::draw(rng)).collect();
        let discs = (0..DISCS).map(|_| Disc::draw(rng)).collect();
        Self { light, waves, discs }
    }

    fn colour(&self, x: f64, y: f64) -> [f64; 3] {
        // The last disc drawn lies on top.
        if let Some(disc) = self.discs.iter().rev().find(|disc| disc.covers(x, y)) {
            return disc.colour;
        }
        let mut colour = self.light;
        for wave in &self.waves {
            let height = (std::f64::consts::TAU * (wave.cycles[0] * x + wave.cycles[1] * y) + wave.phase).cos();
            for (level, amplitude) in colour.iter_mut().zip(wave.amplitude) {
                *level += amplitude * height;
            }
        }
        colour
    }
}

impl Wave {
    fn draw(rng: &mut Pcg64) -> Self {
        let cycles: [f64; 2] = [(); 2].map(|()| rng.random_range(-4.0..4.0));
        // Fine waves are weak, as in photographs; a wave moves all channels alike, but not equally.
        let strength = 0.4 / (1.0 + cycles[0].abs() + cycles[1].abs());
        let amplitude = [(); 3].map(|()| strength * rng.random_range(0.7..1.3));
        Self { cycles, phase: rng.random_range(0.0..std::f64::consts::TAU), amplitude }
    }
}

impl Disc {
    fn draw(rng: &mut Pcg64) -> Self {
        Self {
            centre: [(); 2].map(|()| rng.random_range(0.0..1.0)),
            radius: rng.random_range(0.05..0.25),
            colour: [(); 3].map(|()| rng.random_range(0.05..0.95)),
        }
    }

    fn covers(&self, x: f64, y: f64) -> bool {
        (x - self.centre[0]).hypot(y - self.centre[1]) < self.radius
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emit::tests::small_spec;

    #[test]
    fn a_picture_has_the_statistics_of_normalized_pixels() {
        let spec = small_spec(true);
        let values = normalized_patches(&spec, 3);
        assert_eq!(values.len(), spec.grid().len() * spec.grid().patch_len());
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / values.len() as f32;
        assert!(mean.abs() < 1.0 && (0.1..4.0).contains(&variance), "mean {mean}, variance {variance}");
    }

    #[test]
    fn the_same_seed_gives_the_same_picture() {
        let spec = small_spec(true);
        assert_eq!(normalized_patches(&spec, 7), normalized_patches(&spec, 7));
        assert_ne!(normalized_patches(&spec, 7), normalized_patches(&spec, 8));
    }
}
