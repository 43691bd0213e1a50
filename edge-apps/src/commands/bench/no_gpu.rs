//! A program without the engine on the GPU.

use anyhow::Result;
use glimpse_runtime::Frame;
use serde::Serialize;

use super::{Args, Bench};

/// What is measured of a frame that is on a GPU all the way: there is none.
#[derive(Debug, Serialize)]
pub(super) enum OnGpu {}

impl OnGpu {
    #[expect(clippy::unnecessary_wraps, reason = "with a GPU, it may fail")]
    pub(super) fn measure(_: Bench, _: &Frame, _: &Args) -> Result<Option<Self>> {
        Ok(None)
    }

    pub(super) fn print(&self) {
        match *self {}
    }
}
