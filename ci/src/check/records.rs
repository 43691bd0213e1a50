//! The README's table of measurements is that of the records.

use super::Found;
use crate::bench::report;
use crate::workspace::Workspace;

pub fn check(workspace: &Workspace) -> Found {
    Ok(report::is_current(workspace)?.then(Vec::new).unwrap_or_else(|| {
        vec!["the README's table is not that of ci/records: run `cargo ci bench report`".to_owned()]
    }))
}
