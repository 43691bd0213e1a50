//! Is a bundle right, and how well does it paint?
//!
//! | file | what it does |
//! | --- | --- |
//! | `parity.rs` | the runtime's answers to the golden inputs beside burn's |
//! | `holes.rs` | seeded holes of known sizes |
//! | `trial.rs` | a picture and its holes, at the photograph's size and at the model's own |
//! | `fills.rs` | mean fill, and OpenCV's Telea and Navier–Stokes |
//! | `painter.rs` | the runtime's painting, by each of its methods, and the model's bare answer |
//! | `metrics.rs`, `ssim.rs` | PSNR and SSIM over hole pixels |
//! | `quality.rs` | every picture, hole and method → tables and a contact sheet |
//! | `report.rs` | Markdown and JSON |

mod fills;
mod holes;
mod metrics;
mod painter;
mod parity;
mod quality;
mod report;
mod ssim;
mod trial;

pub use fills::OpenCv;
pub use metrics::Estimate;
pub(crate) use metrics::psnr_db;
pub use parity::{Comparison, Differences, Limit, Output, Parity, parity};
pub use quality::{Quality, Settings, quality};
pub use report::{Definitions, MethodQuality, Painting, Report, Row, Table};

/// A bundle was measured and found wanting; the report says where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the runtime's answers differ from burn's by more than their limits")]
pub struct CheckFailed;

#[cfg(test)]
mod tests;
