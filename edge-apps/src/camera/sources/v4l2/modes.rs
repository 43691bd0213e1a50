//! What a camera has, and what of it is nearest to what is wanted.

use std::fmt;

use clap::ValueEnum as _;
use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::video::Capture as _;
use v4l::{Device, FourCC, Fraction};

use crate::camera::pixels::PixelFormat;
use crate::camera::sources::Wanted;

/// What is read here, and what V4L2 calls it. The first is preferred: it costs least to be made colours of, and has most of them.
const FORMATS: [(PixelFormat, &[u8; 4]); 9] = [
    (PixelFormat::Yuyv, b"YUYV"),
    (PixelFormat::Uyvy, b"UYVY"),
    (PixelFormat::Nv12, b"NV12"),
    (PixelFormat::I420, b"YU12"),
    (PixelFormat::Rgb, b"RGB3"),
    (PixelFormat::Bgr, b"BGR3"),
    (PixelFormat::Mjpeg, b"MJPG"),
    (PixelFormat::Mjpeg, b"JPEG"),
    (PixelFormat::Grey, b"GREY"),
];
/// Frames a second, if none are asked for.
const FPS: f64 = 30.0;

/// The format that V4L2 calls so, if it is read here.
pub fn format_of(fourcc: FourCC) -> Option<PixelFormat> {
    FORMATS.iter().find(|(_, name)| **name == fourcc.repr).map(|(format, _)| *format)
}

/// One way to be filmed by a camera.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mode {
    pub format: PixelFormat,
    pub fourcc: [u8; 4],
    pub size: [u32; 2],
    /// Seconds from frame to frame, as a fraction; none if the camera does not say.
    pub interval: Option<[u32; 2]>,
}

impl Mode {
    /// Frames a second.
    pub fn fps(&self) -> Option<f64> {
        self.interval.map(|[numerator, denominator]| f64::from(denominator) / f64::from(numerator))
    }

    /// Whether it has all that was asked for.
    pub fn is_as_asked(&self, wanted: &Wanted) -> bool {
        wanted.size.is_none_or(|size| size == self.size)
            && wanted.format.is_none_or(|format| format == self.format)
            && wanted.fps.is_none_or(|fps| self.fps().is_none_or(|has| (has - fps).abs() < 0.02 * fps))
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [width, height] = self.size;
        write!(f, "{width}x{height} in {}", name(self.format))?;
        self.fps().map_or(Ok(()), |fps| write!(f, " at {} a second", rounded(fps)))
    }
}

/// What was asked for, in words.
pub fn asked(wanted: &Wanted) -> String {
    let size = wanted.size.map(|[width, height]| format!("{width}x{height}"));
    let format = wanted.format.map(|format| format!("in {}", name(format)));
    let fps = wanted.fps.map(|fps| format!("at {} a second", rounded(fps)));
    [size, format, fps].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// What `--format` calls it.
pub fn name(format: PixelFormat) -> String {
    format.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn rounded(fps: f64) -> f64 {
    (fps * 100.0).round() / 100.0
}

/// The modes of a camera; of a range of sizes or rates, the one that is nearest to what is wanted.
#[derive(Debug, Default)]
pub struct Modes {
    pub all: Vec<Mode>,
    /// All sizes and rates are listed one by one, as a webcam has them.
    pub is_list: bool,
    /// What V4L2 calls the formats that are not read here.
    pub others: Vec<String>,
}

impl Modes {
    pub fn of(device: &Device, wanted: &Wanted) -> std::io::Result<Self> {
        let mut found = Self { is_list: true, ..Self::default() };
        for fourcc in device.enum_formats()?.into_iter().map(|format| format.fourcc) {
            let Some(format) = format_of(fourcc) else {
                found.others.push(String::from_utf8_lossy(&fourcc.repr).trim().to_owned());
                continue;
            };
            // who does not say which sizes there are takes what is asked for, or something near it
            let sizes = device.enum_framesizes(fourcc).unwrap_or_default();
            found.is_list &= !sizes.is_empty();
            let mut add = |size: [u32; 2]| {
                let intervals = device.enum_frameintervals(fourcc, size[0], size[1]).unwrap_or_default();
                let mode = |interval| Mode { format, fourcc: fourcc.repr, size, interval };
                found.is_list &= !intervals.is_empty();
                if intervals.is_empty() {
                    found.all.push(mode(None));
                }
                for interval in intervals {
                    let fraction = match interval.interval {
                        FrameIntervalEnum::Discrete(interval) => interval,
                        FrameIntervalEnum::Stepwise(range) => {
                            found.is_list = false;
                            nearest_interval(range.min, range.max, wanted.fps.unwrap_or(FPS))
                        }
                    };
                    let fraction = [fraction.numerator, fraction.denominator];
                    found.all.push(mode((!fraction.contains(&0)).then_some(fraction)));
                }
            };
            if sizes.is_empty() {
                add(wanted.size());
                continue;
            }
            let mut is_range = false;
            for size in sizes {
                add(match size.size {
                    FrameSizeEnum::Discrete(size) => [size.width, size.height],
                    FrameSizeEnum::Stepwise(range) => {
                        is_range = true;
                        let [width, height] = wanted.size();
                        [
                            nearest_step(range.min_width, range.max_width, range.step_width, width),
                            nearest_step(range.min_height, range.max_height, range.step_height, height),
                        ]
                    }
                });
            }
            found.is_list &= !is_range;
        }
        Ok(found)
    }

    /// The mode that is nearest to what is wanted: in its format, then in its size, then in its rate.
    pub fn nearest(&self, wanted: &Wanted) -> Option<Mode> {
        let [width, height] = wanted.size();
        let fps = wanted.fps.unwrap_or(FPS);
        let distance = |mode: &Mode| {
            let is_other = wanted.format.is_some_and(|format| format != mode.format);
            let in_size = u64::from(mode.size[0].abs_diff(width)) + u64::from(mode.size[1].abs_diff(height));
            // 29.97 is 30
            let in_percent = mode.fps().map_or(0.0, |has| (100.0 * (has - fps).abs() / fps).round());
            let rank = FORMATS.iter().position(|(_, name)| **name == mode.fourcc);
            (is_other, in_size, in_percent as u64, rank)
        };
        self.all.iter().min_by_key(|mode| distance(mode)).copied()
    }
}

/// The value of a range that is nearest to one.
fn nearest_step(least: u32, most: u32, step: u32, wanted: u32) -> u32 {
    let (most, step) = (most.max(least), step.max(1));
    let steps = (f64::from(wanted.clamp(least, most) - least) / f64::from(step)).round() as u32;
    (least + steps * step).min(most)
}

/// The seconds from frame to frame within a range that are nearest to a rate.
fn nearest_interval(least: Fraction, most: Fraction, fps: f64) -> Fraction {
    let seconds = |fraction: Fraction| f64::from(fraction.numerator) / f64::from(fraction.denominator.max(1));
    if 1.0 / fps <= seconds(least) {
        least
    } else if 1.0 / fps >= seconds(most) {
        most
    } else if fps.fract() == 0.0 {
        Fraction::new(1, fps as u32)
    } else {
        Fraction::new(1000, (1000.0 * fps).round() as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webcam() -> Modes {
        let mode = |(format, fourcc): (PixelFormat, &[u8; 4]), size, interval| Mode {
            format,
            fourcc: *fourcc,
            size,
            interval: Some(interval),
        };
        let modes = vec![
            mode(FORMATS[6], [640, 480], [1, 30]),
            mode(FORMATS[6], [1280, 720], [1, 30]),
            mode(FORMATS[0], [640, 480], [1001, 30_000]),
            mode(FORMATS[0], [640, 480], [1, 15]),
            mode(FORMATS[0], [1280, 720], [1, 10]),
        ];
        Modes { all: modes, is_list: true, others: Vec::new() }
    }

    #[test]
    fn the_nearest_mode_is_taken_and_what_differs_is_known() {
        for (size, fps, format, expected, is_as_asked) in [
            (None, None, None, "640x480 in yuyv at 29.97 a second", true),
            (Some([1280, 720]), None, None, "1280x720 in mjpeg at 30 a second", true),
            (Some([1280, 720]), Some(10.0), None, "1280x720 in yuyv at 10 a second", true),
            (Some([1000, 700]), Some(30.0), None, "1280x720 in mjpeg at 30 a second", false),
            (None, Some(14.0), None, "640x480 in yuyv at 15 a second", false),
            (Some([1280, 720]), Some(30.0), Some(PixelFormat::Yuyv), "1280x720 in yuyv at 10 a second", false),
            (Some([640, 480]), None, Some(PixelFormat::Grey), "640x480 in yuyv at 29.97 a second", false),
        ] {
            let wanted = Wanted { size, fps, format, ..Wanted::default() };
            let mode = webcam().nearest(&wanted).unwrap();
            assert_eq!((mode.to_string().as_str(), mode.is_as_asked(&wanted)), (expected, is_as_asked));
        }
        assert_eq!(Modes::default().nearest(&Wanted::default()), None);
    }

    #[test]
    fn ranges_have_a_nearest_value_too() {
        for (wanted, nearest) in [(1, 16), (640, 640), (643, 644), (641, 640), (9000, 4096)] {
            assert_eq!(nearest_step(16, 4096, 4, wanted), nearest);
        }
        assert_eq!(nearest_step(7, 7, 0, 640), 7);
        for (fps, nearest) in [(1e4, [1, 120]), (30.0, [1, 30]), (7.5, [1000, 7500]), (0.1, [1, 1])] {
            let found = nearest_interval(Fraction::new(1, 120), Fraction::new(1, 1), fps);
            assert_eq!([found.numerator, found.denominator], nearest);
        }
    }
}
