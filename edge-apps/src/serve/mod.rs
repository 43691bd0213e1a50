//! `glimpse camera --serve`: a page to look at, because a board has no screen.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `args.rs` | what is typed, and what of it is refused |
//! | `page.rs` | what the camera's loop gives |
//! | `state.rs` | what is known: by the loop's thread, the painter's and the server's |
//! | `meter.rs` | counts and times, and as Prometheus reads them |
//! | `painter.rs` | a thread that makes pictures of what was seen, while somebody looks |
//! | `views.rs` | the pictures of a frame |
//! | `colours.rs` | features as colours |
//! | `message.rs` | what a viewer is sent |
//! | `server.rs` | a thread that answers, and its limits |
//! | `guard.rs` | who may ask |
//! | `routes.rs` | what can be asked for |
//! | `viewers.rs` | those who look |
//! | `page/` | the page itself |

mod args;
#[cfg(feature = "serve")]
mod colours;
#[cfg(feature = "serve")]
mod guard;
#[cfg(feature = "serve")]
mod message;
#[cfg(feature = "serve")]
mod meter;
#[cfg(not(feature = "serve"))]
mod none;
#[cfg(feature = "serve")]
mod page;
#[cfg(feature = "serve")]
mod painter;
#[cfg(feature = "serve")]
mod routes;
#[cfg(feature = "serve")]
mod server;
#[cfg(feature = "serve")]
mod state;
#[cfg(feature = "serve")]
mod viewers;
#[cfg(feature = "serve")]
mod views;

use glimpse_models::PatchGrid;

pub use args::PageArgs;
#[cfg(not(feature = "serve"))]
pub use none::Bound;
#[cfg(feature = "serve")]
pub use page::Bound;

use crate::painting::Area;

/// What does not change while a page is served.
#[cfg_attr(not(feature = "serve"), expect(dead_code, reason = "a page alone shows it"))]
#[derive(Debug)]
pub struct About {
    pub sources: Vec<String>,
    pub outputs: Vec<String>,
    pub model: String,
    pub device: String,
    pub grid: PatchGrid,
    /// What the command line never looks at.
    pub never: Vec<Area>,
    /// Patches that its mask hides.
    pub masked: Vec<usize>,
    /// Why there is no painted picture, where there is none.
    pub cannot_paint: Option<String>,
}
