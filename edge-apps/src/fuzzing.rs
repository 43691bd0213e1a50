//! Whatever reads bytes that come from elsewhere, as fuzzers call it: an error is well, a panic is not, and nor is memory
//! without end.

use std::panic::{self, PanicHookInfo};
use std::path::Path;
use std::sync::Arc;

use clap::Parser as _;
use glimpse_models::onnx::Bytes;
use glimpse_models::{Base, Bundle, BundleFile, Family, Files, Manifest, ModelSpec, RawSpec, Transformer};
use glimpse_runtime::{Frame, Graph, Model, MotionBudget, Options, Preprocessor};
use ndarray::Array2;

use crate::camera::pixels::{PixelFormat, rgb_of};
use crate::camera::sources::{Wanted, read_frames};
use crate::commands::camera;
use crate::config;
use crate::picture::Picture;

/// Frames of a stream that are looked at.
const MOST_FRAMES: usize = 4;

/// A target: what fuzzers call it, and what they call.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 7] = [
    ("bundle", bundle),
    ("manifest", manifest),
    ("graph", graph),
    ("picture", picture),
    ("mask", mask),
    ("stream", stream),
    ("config", config),
];

/// A whole bundle, whose hashes are made to fit: the manifest, then the name and the bytes of each file; each with its length
/// in four bytes before it.
pub fn bundle(bytes: &[u8]) {
    let _ = parts(bytes);
}

fn parts(bytes: &[u8]) -> Option<()> {
    let mut rest = bytes;
    let mut part = || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (part, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        rest = after;
        Some(part)
    };
    let manifest = Manifest::from_toml(std::str::from_utf8(part()?).ok()?, Path::new("manifest.toml")).ok()?;
    let mut files = Files::new();
    while let Some(name) = part() {
        let file = BundleFile::from_name(std::str::from_utf8(name).ok()?)?;
        files.insert(file, Bytes::from(part()?.to_vec()));
    }
    let bundle = Bundle::from_parts("fuzzed", &manifest, &files).ok()?;
    let _watch = Watch::begin();
    let options = Options { threads: Some(1), ..Options::default() };
    let _ = Model::load(&bundle, &options);
    Some(())
}

/// The text of a manifest.
pub fn manifest(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(manifest) = Manifest::from_toml(text, Path::new("manifest.toml")) else { return };
    // what was read can be written, and says the same then
    if let Ok(text) = manifest.to_toml() {
        let again = Manifest::from_toml(&text, Path::new("manifest.toml"));
        assert!(again.is_ok_and(|again| again.to_toml().is_ok_and(|again| again == text)), "{text}");
    }
}

/// An ONNX file.
pub fn graph(bytes: &[u8]) {
    let _watch = Watch::begin();
    let _ = Graph::load(&Bytes::from(bytes.to_vec()), &Options { threads: Some(1), ..Options::default() });
}

/// A picture to paint.
pub fn picture(bytes: &[u8]) {
    if let Ok(picture) = Picture::from_bytes(bytes, Path::new("picture")) {
        let _ = (picture.alpha(), picture.to_rgb());
    }
}

/// A picture that says what to paint.
pub fn mask(bytes: &[u8]) {
    if let Ok(picture) = Picture::from_bytes(bytes, Path::new("mask")) {
        let _ = picture.into_grey();
    }
}

/// What a program writes: Y4M, MJPEG or, by the first byte, raw frames.
pub fn stream(bytes: &[u8]) {
    let Some((&kind, bytes)) = bytes.split_first() else { return };
    let format = match kind {
        b'a' => Some(PixelFormat::Yuyv),
        b'b' => Some(PixelFormat::Nv12),
        b'c' => Some(PixelFormat::Rgb),
        b'd' => Some(PixelFormat::Grey),
        b'e' => Some(PixelFormat::I420),
        b'f' => Some(PixelFormat::Mjpeg),
        _ => None,
    };
    let wanted = Wanted { size: format.map(|_| [6, 4]), format, ..Wanted::default() };
    let mut frames = 0;
    let _ = read_frames(bytes, &wanted, |frame| {
        frames += 1;
        let _ = frame.into_frame().and_then(|frame| {
            rgb_of(&frame)?;
            looked_at(&frame)
        });
        frames < MOST_FRAMES
    });
}

/// A frame on its way to a small model.
fn looked_at(frame: &Frame) -> anyhow::Result<()> {
    let spec = ModelSpec::new(RawSpec {
        family: Family::Mae,
        image_side: 32,
        patch_side: 8,
        encoder: Transformer { width: 4, depth: 1, heads: 1 },
        decoder: None,
        mlp_ratio: 4,
        mean: [0.5; 3],
        std: [0.25; 3],
        norm_pix: false,
        base: Base::Zero,
        layer_norm_epsilon: 1e-6,
    })?;
    let mask = MotionBudget::new(spec.grid()).mask(frame, 5, &[1])?;
    let mut patches = Array2::zeros((spec.grid().len(), spec.grid().patch_len()));
    Preprocessor::new(&spec).visible_patches_from_frame(frame, &mask, patches.view_mut())?;
    Ok(())
}

/// Options of `glimpse camera` from a file.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(words) = config::options(text, Path::new("camera.toml"), |_| false, crate::is_camera_option) else { return };
    let words = std::iter::once("glimpse".into()).chain(words);
    let _ = Camera::try_parse_from(words);
}

#[derive(Debug, clap::Parser)]
struct Camera {
    #[command(flatten)]
    _args: camera::Args,
}

/// While it lasts, a panic of tract's is no crash: the runtime makes an error of it.
struct Watch(Arc<Hook>);

type Hook = dyn Fn(&PanicHookInfo<'_>) + Send + Sync;

impl Watch {
    fn begin() -> Self {
        let before: Arc<Hook> = panic::take_hook().into();
        let others = Arc::clone(&before);
        panic::set_hook(Box::new(move |info| {
            if !info.location().is_some_and(|at| at.file().contains("/tract-")) {
                others(info);
            }
        }));
        Self(before)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let before = Arc::clone(&self.0);
            panic::set_hook(Box::new(move |info| before(info)));
        }
    }
}
