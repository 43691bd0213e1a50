//! How fast the encoder answers one picture.

use std::time::Instant;

use anyhow::{Context, ensure};
use burn::tensor::{Device, Tensor, TensorData};
use glimpse_models::ModelSpec;

use crate::model::{Mae, Products, random_weights};

/// Relative errors that are allowed: sums in another order, and products of numbers with eleven bits or eight.
const F32_ERROR: f64 = 1e-3;
const HALF_ERROR: f64 = 5e-2;

/// Milliseconds from a picture's visible patches to their tokens, with what goes to the device and comes back: of so many runs,
/// after a tenth as many that are not timed.
///
/// # Errors
/// When more patches are to be visible than there are, or none, and when the device's tokens are not the CPU's.
pub fn encode_times_ms(
    spec: &ModelSpec,
    products: Products,
    visible: usize,
    runs: usize,
    device: &Device,
) -> anyhow::Result<Vec<f64>> {
    let grid = spec.grid();
    ensure!((1..=grid.len()).contains(&visible), "{visible} of {} patches cannot be visible", grid.len());
    ensure!(runs > 0, "no runs: give at least 1");
    let weights = random_weights(spec, 0)?;
    let patches: Vec<f32> = (0..visible * grid.patch_len()).map(|i| (i % 97) as f32 / 40.0 - 1.2).collect();
    let positions: Vec<i64> = (0..visible as i64).collect();
    let on = |device: &Device, products: Products| -> anyhow::Result<_> {
        let device = device.clone().without_autodiff();
        let model = Mae::from_weights(spec, &weights, &device)?.with_products(products);
        let (patches, positions) = (&patches, &positions);
        Ok(move || -> anyhow::Result<Vec<f32>> {
            let data = TensorData::new(patches.clone(), [1, visible, grid.patch_len()]);
            let tokens = model.encode(Tensor::<3>::from_data(data, &device), positions);
            tokens.into_data().try_into_vec::<f32>().ok().context("reading the tokens back")
        })
    };
    let encode = on(device, products)?;
    let (found, expected) = (encode()?, on(&Device::flex(), Products::F32)?()?);
    let square = |values: &mut dyn Iterator<Item = f32>| values.map(|value| f64::from(value).powi(2)).sum::<f64>();
    let difference = square(&mut found.iter().zip(&expected).map(|(found, expected)| found - expected));
    let error = (difference / square(&mut expected.iter().copied())).sqrt();
    let most = if products == Products::F32 { F32_ERROR } else { HALF_ERROR };
    ensure!(
        error <= most,
        "the device computes wrong: its tokens are {error:.1e} off the CPU's, {most:.0e} is the most"
    );
    let mut times = Vec::with_capacity(runs);
    let warm_up = runs.div_ceil(10);
    for run in 0..warm_up + runs {
        let started = Instant::now();
        encode()?;
        if run >= warm_up {
            times.push(1e3 * started.elapsed().as_secs_f64());
        }
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emit::tests::small_spec;

    #[test]
    fn each_run_takes_its_time_and_nonsense_is_refused() {
        let (spec, cpu) = (small_spec(true), Device::flex());
        let times = |visible, runs| encode_times_ms(&spec, Products::F32, visible, runs, &cpu);
        let found = times(2, 3).unwrap();
        assert!(found.len() == 3 && found.iter().all(|&ms| ms > 0.0), "{found:?}");
        assert!(times(0, 3).is_err() && times(spec.grid().len() + 1, 3).is_err() && times(2, 0).is_err());
    }
}
