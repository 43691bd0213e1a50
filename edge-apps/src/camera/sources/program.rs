//! A program's output: cameras and films of other programs.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, ErrorKind};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use super::stream::frames_of;
use super::{Hopeless, Next, Source, Wanted};
use crate::camera::logins::without_logins;
use crate::camera::pixels::RawFrame;
use crate::camera::uri::SourceUri;

/// Bytes of a pipe that are read at once.
const PIPE_BYTES: usize = 1 << 20;
/// How long a program that is told to stop may take.
const MOST_TO_STOP: Duration = Duration::from_millis(300);

/// Frames a second of a board's own camera, if none are asked for.
const FPS: f64 = 30.0;
/// What reads films and network cameras.
const FFMPEG: &str = "ffmpeg";
/// How often a line of what it complains about is told.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// A program that writes frames.
#[derive(Debug)]
pub struct Program {
    child: Child,
    frames: Receiver<Result<RawFrame>>,
    /// Whether it is a camera's, which has no end.
    is_camera: bool,
}

impl Program {
    /// Starts the program of a source.
    ///
    /// # Errors
    /// [`Hopeless`] when it is not there; says which it is, and how to get it.
    pub fn start(uri: &SourceUri, wanted: &Wanted) -> Result<Self> {
        let (program, words) = command_line(uri, wanted);
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::null()).stdout(Stdio::piped());
        // it repeats addresses, with their passwords; and its lines are none of a log's
        if program == FFMPEG {
            command.stderr(Stdio::piped());
        }
        // so that what it starts itself can be stopped with it, and a terminal's Ctrl-C is for us alone
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                Hopeless(format!("the program {program} is not there: {}", how_to_get(program))).into()
            }
            _ => anyhow!("the program {program} cannot be started: {error}"),
        })?;
        if let Some(errors) = child.stderr.take() {
            let name = uri.to_string();
            std::thread::spawn(move || tell(BufReader::new(errors), |line| log::warn!("{name}: {FFMPEG}: {line}")));
        }
        let wanted = if matches!(uri, SourceUri::Exec(_)) { *wanted } else { Wanted { format: None, ..*wanted } };
        let output = child.stdout.take().context("its program has no output")?;
        let frames = frames_of(BufReader::with_capacity(PIPE_BYTES, output), wanted);
        let is_camera = matches!(uri, SourceUri::CsiPi | SourceUri::CsiJetson | SourceUri::Rtsp(_));
        Ok(Self { child, frames, is_camera })
    }
}

impl Source for Program {
    fn next(&mut self, limit: Duration) -> Result<Next> {
        match self.frames.recv_timeout(limit) {
            Ok(frame) => Ok(Next::Frame(frame?)),
            Err(RecvTimeoutError::Timeout) => Ok(Next::Nothing),
            Err(RecvTimeoutError::Disconnected) => {
                let status = wait(&mut self.child, limit)?;
                match status {
                    Some(status) if status.success() && self.is_camera => bail!("the camera gives no more frames"),
                    Some(status) if status.success() => Ok(Next::End),
                    Some(status) => bail!("its program ended with {status}"),
                    None => bail!("its program writes no more, and does not end"),
                }
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

/// Tells what a program complains about, without logins: the first line of each second, and how many it left out.
fn tell(errors: impl BufRead, mut say: impl FnMut(&str)) {
    let (mut told, mut left_out) = (None, 0_u64);
    for line in errors.split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        if told.is_some_and(|told: Instant| told.elapsed() < TOLD_EVERY) {
            left_out += 1;
            continue;
        }
        told = Some(Instant::now());
        match std::mem::take(&mut left_out) {
            0 => say(&without_logins(line)),
            left_out => say(&format!("{} ({left_out} lines before it are left out)", without_logins(line))),
        }
    }
    if left_out > 0 {
        say(&format!("({left_out} more lines are left out)"));
    }
}

/// Waits for a program's end, but no longer than so.
fn wait(child: &mut Child, limit: Duration) -> std::io::Result<Option<std::process::ExitStatus>> {
    let start = Instant::now();
    loop {
        let status = child.try_wait()?;
        if status.is_some() || start.elapsed() >= limit {
            return Ok(status);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Stops a program and what it has started: politely first.
fn stop(child: &mut Child) {
    #[cfg(unix)]
    {
        use rustix::process::{Pid, Signal, kill_process_group};
        let Some(group) = Pid::from_raw(child.id().cast_signed()) else { return };
        // who is gone already needs no telling
        let _ = kill_process_group(group, Signal::TERM);
        let ended = wait(child, MOST_TO_STOP);
        let _ = kill_process_group(group, Signal::KILL);
        if !matches!(ended, Ok(Some(_))) {
            let _ = child.wait();
        }
    }
    #[cfg(not(unix))]
    {
        let _ = child.kill();
        let _ = wait(child, MOST_TO_STOP);
    }
}

/// A source's command line: the program, and the words behind it.
fn command_line(uri: &SourceUri, wanted: &Wanted) -> (&'static str, Vec<OsString>) {
    let [width, height] = wanted.size();
    let fps = wanted.fps.unwrap_or(FPS);
    let (program, line) = match uri {
        SourceUri::CsiPi => (
            "rpicam-vid",
            format!(
                "--nopreview --timeout 0 --codec mjpeg --width {width} --height {height} --framerate {fps} --output -"
            ),
        ),
        SourceUri::CsiJetson => (
            "gst-launch-1.0",
            format!(
                "--quiet nvarguscamerasrc ! \
                 video/x-raw(memory:NVMM),width={width},height={height},framerate={}/1 ! nvvidconv ! video/x-raw,format=I420 ! \
                 y4menc ! fdsink fd=1",
                fps.round()
            ),
        ),
        SourceUri::Exec(command) => {
            let (shell, option) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
            return (shell, vec![option.into(), command.into()]);
        }
        _ => (FFMPEG, "-hide_banner -loglevel error -nostdin".to_owned()),
    };
    let mut words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    let input = match uri {
        SourceUri::File(path) => {
            // at the film's own pace, unless each frame is to be seen
            words.extend((!wanted.every).then(|| "-re".into()));
            // else what stands before a colon in its name is taken for a protocol
            let mut input = OsString::from("file:");
            input.push(path);
            input
        }
        SourceUri::Rtsp(address) => {
            // the newest frame is wanted, and none that a decoder's threads still hold
            words.extend(["-rtsp_transport", "tcp", "-fflags", "nobuffer", "-flags", "low_delay"].map(OsString::from));
            address.into()
        }
        _ => return (program, words),
    };
    words.extend(["-i".into(), input]);
    words.extend(wanted.size.iter().flat_map(|[width, height]| ["-s".into(), format!("{width}x{height}").into()]));
    words.extend(wanted.fps.iter().flat_map(|fps| ["-r".into(), fps.to_string().into()]));
    words.extend("-an -f yuv4mpegpipe -pix_fmt yuv420p -strict -1 -".split(' ').map(OsString::from));
    (program, words)
}

/// Where a program comes from.
fn how_to_get(program: &str) -> &'static str {
    match program {
        FFMPEG => "install ffmpeg (Debian and its kin: apt install ffmpeg)",
        "rpicam-vid" => "it is part of Raspberry Pi OS (apt install rpicam-apps)",
        "gst-launch-1.0" => "it is part of JetPack (apt install gstreamer1.0-tools gstreamer1.0-plugins-good)",
        _ => "check the name",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_complains_about_is_told_without_logins_and_once_a_second() {
        let mut told = Vec::new();
        let errors = "rtsp://user:secret@a.example.org/live: 401\n\nagain\nagain\n".as_bytes();
        tell(errors, |line| told.push(line.to_owned()));
        assert_eq!(told, ["rtsp://…@a.example.org/live: 401", "(2 more lines are left out)"]);
    }

    #[test]
    #[cfg(unix)]
    fn a_film_s_name_reaches_ffmpeg_as_it_is() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

        for name in [b"2024-05-01T12:30:00.mp4".as_slice(), b"-\xff film.mp4"] {
            let uri = SourceUri::File(OsStr::from_bytes(name).into());
            let (program, words) = command_line(&uri, &Wanted::default());
            let input = words.iter().position(|word| word == "-i").and_then(|at| words.get(at + 1)).unwrap();
            assert_eq!((program, input.clone().into_vec()), (FFMPEG, [b"file:", name].concat()));
        }
    }
}
