//! The classical fills beside OpenCV's own, which `opencv_fills.py` has written down.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests unwrap freely")]

use std::path::Path;

use glimpse_runtime::inpaint::{Fill, fill};
use ndarray::{Array2, Array3};
use safetensors::SafeTensors;

struct Case {
    /// `[H, W, 3]`
    picture: Array3<u8>,
    /// `[H, W]`
    hole: Array2<bool>,
    telea: Array3<u8>,
    ns: Array3<u8>,
}

impl Case {
    fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/opencv_fills.safetensors");
        let bytes = std::fs::read(path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let picture = |field: &str| {
            let tensor = file.tensor(&format!("{name}.{field}")).unwrap();
            let shape: [usize; 3] = tensor.shape().try_into().unwrap();
            Array3::from_shape_vec(shape, tensor.data().to_vec()).unwrap()
        };
        let hole = file.tensor(&format!("{name}.hole")).unwrap();
        let shape: [usize; 2] = hole.shape().try_into().unwrap();
        let hole = Array2::from_shape_vec(shape, hole.data().iter().map(|byte| *byte != 0).collect()).unwrap();
        Self { picture: picture("picture"), hole, telea: picture("telea"), ns: picture("ns") }
    }

    /// Mean and largest difference from OpenCV over the hole, in grey levels. Outside of it there must be none.
    fn differences(&self, method: Fill) -> (f64, u8) {
        let filled = fill(self.picture.view(), self.hole.view(), method, Some(2)).unwrap();
        let right = if method == Fill::Telea { &self.telea } else { &self.ns };
        let (mut sum, mut largest, mut count) = (0.0, 0, 0.0);
        for ((y, x, c), value) in filled.indexed_iter() {
            let apart = value.abs_diff(right[[y, x, c]]);
            assert!(self.hole[[y, x]] || apart == 0, "a known pixel was touched");
            if self.hole[[y, x]] {
                (sum, largest, count) = (sum + f64::from(apart), apart.max(largest), count + 1.0);
            }
        }
        (sum / count, largest)
    }
}

#[test]
fn inside_a_picture_every_byte_is_opencv_s() {
    for name in ["inside", "noise"] {
        for method in [Fill::Telea, Fill::NavierStokes] {
            let (mean, largest) = Case::read(name).differences(method);
            assert!((mean, largest) == (0.0, 0), "{method}, {name}: mean {mean}, largest {largest}");
        }
    }
}

/// Beyond a picture's edge OpenCV reads a rim of cells that it holds for known; here there is nothing.
#[test]
fn at_a_picture_s_edge_they_are_near() {
    for method in [Fill::Telea, Fill::NavierStokes] {
        let (mean, _) = Case::read("edges").differences(method);
        assert!(mean < 1.0, "{method}: mean {mean}");
    }
}

#[test]
fn any_number_of_threads_fills_the_same() {
    let case = Case::read("edges");
    for method in Fill::ALL {
        let filled = |threads| fill(case.picture.view(), case.hole.view(), method, threads).unwrap();
        assert!(filled(Some(1)) == filled(Some(3)) && filled(Some(1)) == filled(None), "{method}");
    }
}
