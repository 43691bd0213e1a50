//! What a program says of V4L2 that is built without it.

use std::path::Path;

use super::Hopeless;

/// Why there is no such camera here, and what works in its place.
pub fn refusal(name: &Path) -> anyhow::Error {
    let device = match name.to_str() {
        Some(number) if !number.starts_with('/') => format!("/dev/video{number}"),
        _ => name.display().to_string(),
    };
    let said = if cfg!(target_os = "linux") {
        format!(
            "this program is built without V4L2. With it: apt install libclang-dev, then cargo install --path edge-apps --features \
             v4l2. Meanwhile, this works: --source 'exec:v4l2-ctl --device {device} \
             --set-fmt-video=width=640,height=480,pixelformat=YUYV --stream-mmap --stream-to=-' --format yuyv --size 640x480"
        )
    } else {
        "V4L2 is Linux's alone. Here, ffmpeg has cameras: --source 'exec:ffmpeg -loglevel error -f avfoundation -i 0 -f \
         yuv4mpegpipe -pix_fmt yuv420p -' on a Mac, -f dshow -i video=NAME on Windows"
            .to_owned()
    };
    Hopeless(said).into()
}
