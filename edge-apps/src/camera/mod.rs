//! From cameras to what is made of their frames.
//!
//! | file | stage |
//! | --- | --- |
//! | `uri.rs` | what a source is called |
//! | `logins.rs` | names and passwords in addresses, and texts without them |
//! | `pixels.rs` | a frame's bytes as they come, and as red, green and blue |
//! | `sources/` | cameras, programs, files: frames as they come |
//! | `capture.rs` | a thread a source, that opens it again when it fails |
//! | `mailbox.rs` | the newest frame of each source |
//! | `random.rs` | numbers that follow from a seed |
//! | `budget.rs` | which patches of a frame are looked at |
//! | `rate.rs` | how many of them, to keep a rate |
//! | `live.rs` | what may be changed while frames come |
//! | `pulse.rs` | signs of life |
//! | `watch.rs` | frames through the model, as they come |
//! | `sinks/` | where features and painted frames go |

pub mod budget;
pub mod capture;
pub mod live;
pub mod logins;
pub mod mailbox;
pub mod pixels;
pub mod pulse;
pub mod random;
pub mod rate;
pub mod sinks;
pub mod sources;
pub mod uri;
pub mod watch;
