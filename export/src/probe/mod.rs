//! What are a bundle's features worth? Classifiers on frozen features of a labelled set, beside pixels, their principal
//! components, and the same encoder before any training.
//!
//! | file | what it does |
//! | --- | --- |
//! | `extract.rs` | every picture → features of every encoder at every share of visible patches, and pixels |
//! | `pixels.rs` | what a picture is without a model |
//! | `random_encoder.rs` | the bundle's encoder before any training |
//! | `pca.rs` | principal components |
//! | `knn.rs` | the nearest neighbours' vote |
//! | `linear.rs`, `lbfgs.rs` | logistic regression, and what minimizes it |
//! | `measure.rs` | every encoder, share and classifier → a report |
//! | `report.rs` | Markdown, JSON and the manifest's numbers |

mod extract;
mod knn;
mod lbfgs;
mod linear;
mod measure;
mod pca;
mod pixels;
mod random_encoder;
mod report;

pub use measure::{Settings, probe};
pub use report::{Accuracy, Cell, DataReport, Definitions, Report, Row};

#[cfg(test)]
mod tests;
