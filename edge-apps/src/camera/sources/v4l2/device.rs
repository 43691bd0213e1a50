//! Opening a camera and asking it for what is wanted; why it cannot be, and what would work.

use std::fs;
use std::io::{Error, ErrorKind};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use anyhow::{Result, anyhow};
use glimpse_runtime::ColourRange;
use nokhwa::Camera;
use nokhwa::utils::{CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType, Resolution};
use rustix::io::Errno;
use v4l::capability::Flags;
use v4l::format::{Colorspace, Quantization};
use v4l::video::Capture as _;
use v4l::video::capture::Parameters;
use v4l::{Device, Format, FourCC, Fraction};

use super::list;
use super::modes::{Mode, Modes, format_of, name};
use crate::camera::pixels::PixelFormat;
use crate::camera::sources::{Hopeless, Wanted};

/// What the driver gives.
#[derive(Debug, Clone, Copy)]
pub struct Given {
    pub mode: Mode,
    pub range: ColourRange,
    /// Bytes from row to row.
    pub stride: u32,
}

/// Opens what is a camera.
///
/// # Errors
/// [`Hopeless`] when it is none, or one whose frames V4L2 gives in several planes; says what to do.
pub fn open(path: &Path, wanted: &Wanted) -> Result<Device> {
    let shown = path.display();
    let metadata = fs::metadata(path).map_err(|error| explained(error, path))?;
    if !metadata.file_type().is_char_device() {
        return Err(no_video_device(path));
    }
    let device = Device::with_path(path).map_err(|error| explained(error, path))?;
    let Err(error) = device.format() else { return Ok(device) };
    // what films in another way, or not at all, says either
    if !matches!(Errno::from_io_error(&error), Some(Errno::NOTTY | Errno::INVAL)) {
        return Err(explained(error, path));
    }
    let Ok(has) = device.query_caps() else { return Err(no_video_device(path)) };
    if !has.capabilities.intersects(Flags::VIDEO_CAPTURE_MPLANE | Flags::VIDEO_M2M_MPLANE) {
        return Err(Hopeless(format!("{shown} films nothing; a camera may have several such files{}", others())).into());
    }
    let line = by_v4l2_ctl(path, wanted.size());
    Err(Hopeless(format!(
        "the driver of {shown} gives frames in V4L2's multi-planar way, which nokhwa cannot read; this works: {line} (if the \
         camera has NV12: `v4l2-ctl --device {shown} --list-formats` says)"
    ))
    .into())
}

/// Options that film by v4l2-ctl.
fn by_v4l2_ctl(path: &Path, [width, height]: [u32; 2]) -> String {
    format!(
        "--source 'exec:v4l2-ctl --device {} --set-fmt-video=width={width},height={height},pixelformat=NV12 --stream-mmap \
         --stream-to=-' --format nv12 --size {width}x{height}",
        path.display()
    )
}

fn no_video_device(path: &Path) -> anyhow::Error {
    Hopeless(format!("{} is no video device; check the path{}", path.display(), others())).into()
}

/// The cameras that there are, to choose from.
fn others() -> String {
    let names: Vec<String> = list::nodes().into_iter().map(|node| node.to_string()).collect();
    if names.is_empty() {
        " (this machine has no video device)".to_owned()
    } else {
        format!("; there are {}", names.join(", "))
    }
}

/// What the system says, in words.
pub fn explained(error: Error, path: &Path) -> anyhow::Error {
    let shown = path.display();
    match (Errno::from_io_error(&error), error.kind()) {
        (_, ErrorKind::NotFound) => anyhow!("there is no {shown}: plug the camera in, or check the number{}", others()),
        (Some(Errno::NODEV | Errno::NXIO), _) => anyhow!("{shown} is gone: it was unplugged"),
        (_, ErrorKind::PermissionDenied) => {
            anyhow!("{shown} may not be opened by this user: join its group (usermod --append --groups video USER)")
        }
        (Some(Errno::BUSY), _) => {
            anyhow!("{shown} is busy: end the other program that films (fuser {shown} says which)")
        }
        (_, ErrorKind::TimedOut) => anyhow!("{shown} gives no frame"),
        _ => anyhow::Error::new(error).context(format!("{shown} fails")),
    }
}

/// Asks a camera for the mode that is nearest to what is wanted.
///
/// # Errors
/// When it has none that is read here, or takes none.
pub fn ask(device: &Device, path: &Path, wanted: &Wanted) -> Result<Given> {
    let failed = |error| explained(error, path);
    let modes = Modes::of(device, wanted).map_err(failed)?;
    let Some(mode) = modes.nearest(wanted) else {
        return Err(Hopeless(format!(
            "{0} has frames in {1}, which Glimpse does not read; ffmpeg may: --source 'exec:ffmpeg -loglevel error -f v4l2 -i {0} \
             -f yuv4mpegpipe -pix_fmt yuv420p -'",
            path.display(),
            modes.others.join(", ")
        ))
        .into());
    };
    // nokhwa refuses what is not taken to the letter; V4L2 itself gives what is nearest
    if !(modes.is_list && asked_by_nokhwa(path, &mode)) {
        let [width, height] = mode.size;
        device.set_format(&Format::new(width, height, FourCC::new(&mode.fourcc))).map_err(failed)?;
        if let Some([numerator, denominator]) = mode.interval {
            // who cannot change the rate films at the one there is
            let _ = device.set_params(&Parameters::new(Fraction::new(numerator, denominator)));
        }
    }
    let has = device.format().map_err(failed)?;
    let format = format_of(has.fourcc).ok_or_else(|| {
        anyhow!(
            "{} was asked for {}, and gives {}, which Glimpse does not read",
            path.display(),
            name(mode.format),
            has.fourcc
        )
    })?;
    let interval = device.params().ok().map(|has| [has.interval.numerator, has.interval.denominator]);
    let interval = interval.filter(|interval| !interval.contains(&0));
    let mode = Mode { format, fourcc: has.fourcc.repr, size: [has.width, has.height], interval };
    Ok(Given { mode, range: range_of(&has), stride: has.stride })
}

/// The range of a format's YUV.
///
/// # Source
/// The kernel's videodev2.h, `V4L2_MAP_QUANTIZATION_DEFAULT`.
fn range_of(format: &Format) -> ColourRange {
    match (format.quantization, format.colorspace) {
        (Quantization::FullRange, _) | (Quantization::Default, Colorspace::JPEG) => ColourRange::Full,
        _ => ColourRange::Limited,
    }
}

/// Has nokhwa open the camera and ask it for exactly that: whether it could.
///
/// Only a camera that lists sizes and rates is for nokhwa, which runs through ranges step by step; only one of a name that is
/// text, as nokhwa breaks off at another one; and only formats and rates that it knows.
fn asked_by_nokhwa(path: &Path, mode: &Mode) -> bool {
    let format = match mode.format {
        PixelFormat::Yuyv => FrameFormat::YUYV,
        PixelFormat::Nv12 => FrameFormat::NV12,
        PixelFormat::Mjpeg if mode.fourcc == *b"MJPG" => FrameFormat::MJPEG,
        PixelFormat::Rgb => FrameFormat::RAWRGB,
        PixelFormat::Bgr => FrameFormat::RAWBGR,
        _ => return false,
    };
    let Some([1, fps]) = mode.interval else { return false };
    let Some(node) = list::node_of(path).filter(|node| node.name.is_some()) else { return false };
    let [width, height] = mode.size;
    let exact = RequestedFormatType::Exact(CameraFormat::new(Resolution::new(width, height), format, fps));
    let asked = Camera::new(CameraIndex::Index(node.number), RequestedFormat::with_formats(exact, &[format]));
    match &asked {
        Ok(_) => log::debug!("{}: nokhwa has set {mode}", path.display()),
        Err(error) => log::debug!("{}: nokhwa cannot have {mode}: {error}", path.display()),
    }
    asked.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_what_the_driver_says_or_what_its_colours_have() {
        let range = |quantization, colorspace| {
            range_of(&Format { quantization, colorspace, ..Format::new(64, 48, FourCC::new(b"YUYV")) })
        };
        assert_eq!(range(Quantization::Default, Colorspace::SRGB), ColourRange::Limited);
        assert_eq!(range(Quantization::Default, Colorspace::JPEG), ColourRange::Full);
        assert_eq!(range(Quantization::FullRange, Colorspace::SRGB), ColourRange::Full);
        assert_eq!(range(Quantization::LimitedRange, Colorspace::JPEG), ColourRange::Limited);
    }
}
