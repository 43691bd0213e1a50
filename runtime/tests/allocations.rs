//! What a steady frame allocates.
#![allow(clippy::unwrap_used, reason = "tests unwrap freely")]

mod common;

use allocation_counter::measure;
use glimpse_models::{Part, Precision};
use glimpse_runtime::Mask;
use ndarray::Array2;

use common::{bundle, model};

#[test]
fn a_steady_frame_allocates_no_answer_of_ours() {
    let bundle = bundle();
    let grid = bundle.spec().grid();
    let patches = Array2::from_elem((grid.len(), grid.patch_len()), 0.5);
    let mask = Mask::random(grid, 0.25, 1).unwrap();
    let answer_bytes = (4 * (mask.visible().len() + 1) * bundle.spec().encoder().width) as u64;
    for precision in [Precision::Int8, Precision::F32] {
        let mut model = model(&bundle, precision, 1);
        let (ours, tracts): (Vec<_>, Vec<_>) =
            model.steps(Part::Encoder).to_vec().into_iter().partition(|step| !step.fused.is_empty());
        let mut frame = || {
            measure(|| {
                model.encode(patches.view(), &mask).unwrap();
            })
            .bytes_total
        };
        let first = frame();
        frame();
        let steady = frame();
        // tract's own operators make their answers anew, none of which is larger than the tokens; ours do not
        assert!(steady <= (tracts.len() as u64 + 1) * answer_bytes, "{precision}: {steady} bytes");
        assert!(ours.len() > 4 * tracts.len() && first > steady + answer_bytes, "{precision}: {first} bytes at first");
    }
}
