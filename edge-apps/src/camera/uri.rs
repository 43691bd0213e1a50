//! What a source is called.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::logins::{without_login, without_logins};

/// Where frames come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceUri {
    /// What a program writes, started by the shell.
    Exec(String),
    /// A camera by V4L2: the number of a `/dev/videoN`, or a path.
    V4l2(PathBuf),
    /// A Raspberry Pi's own camera, by rpicam-vid.
    CsiPi,
    /// A Jetson's own camera, by `gst-launch`.
    CsiJetson,
    /// A network camera, by ffmpeg.
    Rtsp(String),
    /// A film: Y4M and motion JPEG as they are, and any other by ffmpeg.
    File(PathBuf),
    /// Pictures of a folder, in the order of their names.
    Dir(PathBuf),
    /// One picture, again and again.
    Image(PathBuf),
    /// A pattern that moves, made up here from a seed.
    Test(u64),
}

impl SourceUri {
    /// Whether it ends by itself, and each of its frames is to be seen.
    pub fn is_finite(&self) -> bool {
        matches!(self, Self::Dir(_))
    }
}

impl FromStr for SourceUri {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{}` is no source: it is v4l2:N, v4l2:/dev/…, exec:COMMAND, csi:pi, csi:jetson, rtsp://…, file:FILM, dir:FOLDER, \
                 image:PICTURE, or test:SEED",
                without_login(text)
            )
        };
        let (kind, rest) = text.split_once(':').ok_or_else(wrong)?;
        match (kind, rest) {
            ("test", "") => Ok(Self::Test(0)),
            ("test", seed) => seed.parse().map(Self::Test).map_err(|_| wrong()),
            (_, "") => Err(wrong()),
            ("exec", command) => Ok(Self::Exec(command.to_owned())),
            ("v4l2", name) if name.starts_with('/') || name.parse::<u16>().is_ok() => Ok(Self::V4l2(name.into())),
            ("csi", "pi") => Ok(Self::CsiPi),
            ("csi", "jetson") => Ok(Self::CsiJetson),
            ("rtsp" | "rtsps", _) => Ok(Self::Rtsp(text.to_owned())),
            ("file", path) => Ok(Self::File(path.into())),
            ("dir", path) => Ok(Self::Dir(path.into())),
            ("image", path) => Ok(Self::Image(path.into())),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for SourceUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exec(command) => write!(f, "exec:{}", without_logins(command)),
            Self::V4l2(name) => write!(f, "v4l2:{}", name.display()),
            Self::CsiPi => f.write_str("csi:pi"),
            Self::CsiJetson => f.write_str("csi:jetson"),
            Self::Rtsp(address) => f.write_str(&without_login(address)),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Dir(path) => write!(f, "dir:{}", path.display()),
            Self::Image(path) => write!(f, "image:{}", path.display()),
            Self::Test(seed) => write!(f, "test:{seed}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_reads_as_it_is_written() {
        for text in [
            "exec:rpicam-vid -t 0 -o - | cat",
            "v4l2:0",
            "v4l2:/dev/v4l/by-id/usb-a:b-index0",
            "csi:pi",
            "csi:jetson",
            "rtsp://camera.example.org:554/a",
            "file:a film.mp4",
            "dir:pictures",
            "image:a:b.png",
            "test:7",
        ] {
            assert_eq!(text.parse::<SourceUri>().unwrap().to_string(), text);
        }
        assert_eq!("test:".parse(), Ok(SourceUri::Test(0)));
        for text in [
            "",
            "camera",
            "exec:",
            "csi:",
            "csi:nano",
            "v4l2:",
            "v4l2:front",
            "v4l2:-1",
            "test:x",
            "dir:",
            "http://example.org",
        ] {
            let refused = text.parse::<SourceUri>().unwrap_err();
            assert!(refused.contains("exec:COMMAND"), "{refused}");
        }
    }

    #[test]
    fn a_password_is_not_said() {
        for (text, shown) in [
            ("rtsp://user:secret@camera.example.org/stream", "rtsp://…@camera.example.org/stream"),
            ("rtsp://user.example.org:se/cr@t@camera.example.org/", "rtsp://…@camera.example.org/"),
            ("rtsp://user.example.org:it's my \"secret\"@camera.example.org/", "rtsp://…@camera.example.org/"),
            ("rtsp:/user:secret@camera.example.org/", "rtsp:…@camera.example.org/"),
            ("rtsp://camera.example.org/?user=me&password=x", "rtsp://camera.example.org/?user=…&password=…"),
            (
                "exec:curl 'http://user:secret@a.example.org/x' | tee a@b && ffmpeg -i rtsp://u:p@c.example.org -",
                "exec:curl 'http://…@a.example.org/x' | tee a@b && ffmpeg -i rtsp://…@c.example.org -",
            ),
        ] {
            assert_eq!(text.parse::<SourceUri>().unwrap().to_string(), shown);
        }
        for text in ["rtps://user:it's@camera.example.org/", "me:it's@camera.example.org"] {
            let refused = text.parse::<SourceUri>().unwrap_err();
            assert!(refused.contains("…@camera.example.org") && !refused.contains("it's"), "{refused}");
        }
    }
}
