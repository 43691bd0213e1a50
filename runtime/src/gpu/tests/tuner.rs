//! What the tuner tries.

use std::cell::RefCell;

use glimpse_models::{Bundle, Precision};

use super::model::TINY;
use crate::gpu::engine::{Engine, Settings};
use crate::gpu::kernels::{Form, Tile};
use crate::gpu::plan::Choice;
use crate::gpu::tuner;
use crate::gpu::weights::Product;

#[test]
#[ignore = "needs a GPU"]
fn whole_blocks_are_tried_in_each_product_and_nothing_is_tried_twice() {
    let bundle = Bundle::open(TINY).unwrap();
    let wide = Product::Wide(Form::Int8);
    for (precision, half, blocks) in [
        (Precision::Int8, false, vec![wide, Product::Bytes]),
        (Precision::F32, false, vec![wide]),
        (Precision::F32, true, vec![Product::Wide(Form::F16)]),
    ] {
        let choice = Choice { product: wide, tile: Tile { side: 8, split: 1 }, subgroups: false, blocks: false };
        let settings = Settings { folder: None, choice: Some(choice), ..Settings::new(None, precision, half) };
        let engine = Engine::new(&bundle, Precision::Int8, &settings).unwrap();
        let (prepared, tried) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
        let prepare = |choices: &[Choice]| prepared.borrow_mut().extend(choices.to_vec());
        let make = |choice| {
            tried.borrow_mut().push(choice);
            engine.twin()
        };
        tuner::fastest(&bundle, Precision::Int8, engine.context(), &settings, prepare, make).unwrap();
        let (prepared, tried) = (prepared.into_inner(), tried.into_inner());
        for (at, choice) in tried.iter().enumerate() {
            assert!(!tried[..at].contains(choice), "{choice}");
        }
        let tried_blocks: Vec<Product> =
            tried.iter().filter(|choice| choice.blocks).map(|choice| choice.product).collect();
        assert_eq!(tried_blocks, blocks);
        // whichever tiles will be best: each other product, and all blocks, are compiled ahead
        let kind = |choice: &Choice| (choice.product, choice.blocks);
        for choice in tried.iter().filter(|choice| kind(choice) != kind(&tried[0])) {
            assert!(prepared.iter().any(|one| kind(one) == kind(choice)), "{choice}");
        }
    }
}
