//! A program's output: cameras and films of other programs.

use std::io::{BufReader, ErrorKind};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};

use super::stream::read_frames;
use super::{Hopeless, Next, Source, Wanted};
use crate::camera::pixels::RawFrame;
use crate::camera::uri::SourceUri;

/// Bytes of a pipe that are read at once.
const PIPE_BYTES: usize = 1 << 20;
/// How long a program that is told to stop may take.
const MOST_TO_STOP: Duration = Duration::from_millis(300);

/// A program that writes frames.
#[derive(Debug)]
pub struct Program {
    child: Child,
    frames: Receiver<Result<RawFrame>>,
}

impl Program {
    /// Starts the program of a source.
    ///
    /// # Errors
    /// [`Hopeless`] when it is not there; says which it is, and how to get it.
    pub fn start(uri: &SourceUri, wanted: &Wanted) -> Result<Self> {
        if let SourceUri::File(path) = uri
            && !path.is_file()
        {
            return Err(Hopeless(format!("{} is no file; check the path", path.display())).into());
        }
        let words = words(uri, wanted);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::piped());
        // so that what it starts itself can be stopped with it, and a terminal's Ctrl-C is for us alone
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                Hopeless(format!("the program {} is not there: {}", words[0], how_to_get(&words[0]))).into()
            }
            _ => anyhow!("the program {} cannot be started: {error}", words[0]),
        })?;
        let (give, frames) = mpsc::sync_channel(1);
        let wanted = if matches!(uri, SourceUri::Exec(_)) { *wanted } else { Wanted { format: None, ..*wanted } };
        if let Some(output) = child.stdout.take() {
            std::thread::spawn(move || {
                let stream = BufReader::with_capacity(PIPE_BYTES, output);
                if let Err(error) = read_frames(stream, &wanted, |frame| give.send(Ok(frame)).is_ok()) {
                    // nobody may be there any more to hear it
                    let _ = give.send(Err(error));
                }
            });
        }
        Ok(Self { child, frames })
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

/// The words of a source's command line.
fn words(uri: &SourceUri, wanted: &Wanted) -> Vec<String> {
    let fps = wanted.fps.map_or_else(|| "30".to_owned(), |fps| fps.to_string());
    let [width, height] = wanted.size();
    let line = match uri {
        SourceUri::CsiPi => format!(
            "rpicam-vid --nopreview --timeout 0 --codec mjpeg --width {width} --height {height} --framerate {fps} --output -"
        ),
        SourceUri::CsiJetson => format!(
            "gst-launch-1.0 --quiet nvarguscamerasrc ! \
             video/x-raw(memory:NVMM),width={width},height={height},framerate={}/1 ! nvvidconv ! video/x-raw,format=I420 ! \
             y4menc ! fdsink fd=1",
            wanted.fps.unwrap_or(30.0).round()
        ),
        SourceUri::Exec(command) => {
            let shell = if cfg!(windows) { ["cmd", "/C"] } else { ["sh", "-c"] };
            return shell.into_iter().map(str::to_owned).chain([command.clone()]).collect();
        }
        _ => "ffmpeg -hide_banner -loglevel error -nostdin".to_owned(),
    };
    let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let input = match uri {
        SourceUri::File(path) => {
            // at the film's own pace, unless each frame is to be seen
            words.extend((!wanted.every).then(|| "-re".to_owned()));
            path.display().to_string()
        }
        SourceUri::Rtsp(address) => {
            words.extend(["-rtsp_transport", "tcp"].map(str::to_owned));
            address.clone()
        }
        _ => return words,
    };
    words.extend(["-i".to_owned(), input]);
    words.extend(wanted.size.iter().flat_map(|[width, height]| ["-s".to_owned(), format!("{width}x{height}")]));
    words.extend(wanted.fps.iter().flat_map(|fps| ["-r".to_owned(), fps.to_string()]));
    words.extend("-an -f yuv4mpegpipe -pix_fmt yuv420p -strict -1 -".split(' ').map(str::to_owned));
    words
}

/// Where a program comes from.
fn how_to_get(program: &str) -> &'static str {
    match program {
        "ffmpeg" => "install ffmpeg (Debian and its kin: apt install ffmpeg)",
        "rpicam-vid" => "it is part of Raspberry Pi OS (apt install rpicam-apps)",
        "gst-launch-1.0" => "it is part of JetPack (apt install gstreamer1.0-tools gstreamer1.0-plugins-good)",
        _ => "check the name",
    }
}
