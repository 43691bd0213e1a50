//! Which cameras there are.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use v4l::Device;
use v4l::video::Capture as _;

use super::modes::{Modes, name};
use crate::camera::sources::Wanted;

/// Where Linux lists them. nokhwa's own list breaks off at a file of `/dev` whose name begins with `video` and has no number.
const NODES: &str = "/sys/class/video4linux";

/// A video device: `/dev/videoN`.
#[derive(Debug)]
pub struct Node {
    pub number: u32,
    /// None if it is no text.
    pub name: Option<String>,
}

impl Node {
    fn path(&self) -> PathBuf {
        format!("/dev/video{}", self.number).into()
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v4l2:{}", self.number)?;
        self.name.as_ref().map_or(Ok(()), |name| write!(f, " ({name})"))
    }
}

/// All video devices, by their numbers.
pub fn nodes() -> Vec<Node> {
    let entries = fs::read_dir(NODES).into_iter().flatten().flatten();
    let numbers: BTreeSet<u32> = entries.filter_map(|entry| number_in(&entry.path())).collect();
    let name =
        |number| fs::read_to_string(format!("{NODES}/video{number}/name")).ok().map(|name| name.trim().to_owned());
    numbers.into_iter().map(|number| Node { number, name: name(number) }).collect()
}

/// The device behind a path, which may be a link such as those in `/dev/v4l/by-id`.
pub fn node_of(path: &Path) -> Option<Node> {
    let number = number_in(&fs::canonicalize(path).ok()?)?;
    nodes().into_iter().find(|node| node.number == number)
}

fn number_in(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.strip_prefix("video")?.parse().ok()
}

/// A camera, as `glimpse info` shows it.
#[derive(Debug, Serialize)]
pub struct Listed {
    pub source: String,
    pub path: PathBuf,
    pub name: Option<String>,
    /// What `--format` calls them.
    pub formats: Vec<String>,
    /// Width and height, in pixels.
    pub largest: Option<[u32; 2]>,
}

/// The cameras whose frames can be read; nothing is asked of them but what they have.
pub fn cameras() -> Vec<Listed> {
    let listed = |node: Node| {
        let device = Device::with_path(node.path()).ok()?;
        device.format().ok()?;
        // the largest of a range, too
        let all = Wanted { size: Some([u32::MAX; 2]), ..Wanted::default() };
        let modes = Modes::of(&device, &all).ok()?.all;
        let mut formats = Vec::new();
        for mode in &modes {
            let name = name(mode.format);
            if !formats.contains(&name) {
                formats.push(name);
            }
        }
        let largest = modes
            .iter()
            .map(|mode| mode.size)
            // a camera that does not say which sizes it has
            .filter(|size| *size != [u32::MAX; 2])
            .max_by_key(|[width, height]| u64::from(*width) * u64::from(*height));
        Some(Listed { source: format!("v4l2:{}", node.number), path: node.path(), name: node.name, formats, largest })
    };
    nodes().into_iter().filter_map(listed).collect()
}
