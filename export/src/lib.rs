//! From photographs to a bundle that the runtime can load.
//!
//! The flow, stage by stage:
//!
//! | module | what happens there |
//! | --- | --- |
//! | [`data`] | a folder of pictures → crops, masks, batches |
//! | [`model`] | the masked autoencoder on burn |
//! | [`ops`] | its operations on the CPU, forward and back in one pass each |
//! | [`train`] | batches → checkpoints, metrics, contact sheets |
//! | [`finetune`] | a trained encoder and labelled pictures → a model that tells classes apart |
//! | [`speed`] | how fast that goes, beside what the machine could do |
//! | [`import`] | public weights → a bundle |
//! | [`emit`] | a checkpoint → a bundle: ONNX files, golden answers, a card |
//! | [`quantize`] | a bundle's linear weights → int8, and what that costs |
//! | [`verify`] | a bundle beside burn, and its painting beside classical fills |
//! | [`probe`] | what a bundle's features of labelled pictures are worth |
//! | [`weights`] | named tensors, in and out of files |
//! | [`device`] | where the numbers are crunched |
//! | [`sheet`] | pictures side by side |

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::float_cmp,
        reason = "tests unwrap freely, and what is to be the same is compared as the same"
    )
)]

pub mod data;
pub mod device;
pub mod emit;
pub mod finetune;
pub mod import;
pub mod model;
pub mod ops;
pub mod probe;
pub mod quantize;
pub mod sheet;
pub mod speed;
pub mod train;
pub mod verify;
pub mod weights;
