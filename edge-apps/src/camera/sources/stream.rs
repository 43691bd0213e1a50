//! A stream of bytes into frames: Y4M, MJPEG, or raw.

use std::io::{BufRead, ErrorKind, Read};
use std::sync::mpsc::{self, Receiver};

use anyhow::{Context, Result, bail, ensure};
use glimpse_runtime::ColourRange;

use super::Wanted;
use crate::camera::pixels::{MOST_SIDE, PixelFormat, RawFrame};
use crate::picture::read_jpeg;

const Y4M: &[u8] = b"YUV4MPEG2";
const FRAME: &[u8] = b"FRAME";
/// How ffmpeg says, behind an X, that black is 0 and white 255.
const FULL: &str = "COLORRANGE=FULL";
/// Frames a second of a film that does not say it, as ffmpeg has it.
const UNSAID_FPS: f64 = 25.0;
/// What a film may say: anything else is taken for unsaid.
const FPS_MIN: f64 = 0.01;
const FPS_MAX: f64 = 1000.0;
/// How many bytes of a frame there is room for before a whole one has come: a header may claim any size.
const UNSEEN_BYTES: usize = 1 << 20;
/// The most bytes that a line of Y4M may have.
const MOST_LINE_BYTES: u64 = 1024;

/// Gives each frame of a stream, until it ends or nobody wants another: what the stream is, it says itself, unless it is raw.
///
/// # Errors
/// When it is no stream of frames, or ends within one.
pub fn read_frames(mut stream: impl BufRead, wanted: &Wanted, mut give: impl FnMut(RawFrame) -> bool) -> Result<()> {
    if let Some(format) = wanted.format.filter(|&format| format != PixelFormat::Mjpeg) {
        let [width, height] = wanted.size.context("raw frames have no size of their own; say it with --size")?;
        return raw_frames(stream, format, [width, height], &mut give);
    }
    let mut start = Vec::new();
    stream.by_ref().take(Y4M.len() as u64).read_to_end(&mut start)?;
    match start.as_slice() {
        [] => Ok(()),
        Y4M => y4m_frames(stream, &mut give),
        [0xff, 0xd8, ..] | [b'-', b'-', ..] => jpeg_frames(start.chain(stream), &mut give),
        _ if wanted.format.is_some() => jpeg_frames(start.chain(stream), &mut give),
        _ => bail!("it is neither Y4M nor MJPEG; if its frames are raw, say --format and --size"),
    }
}

/// Reads a stream in a thread of its own, which is one frame ahead; an error is the last that comes.
pub fn frames_of(stream: impl BufRead + Send + 'static, wanted: Wanted) -> Receiver<Result<RawFrame>> {
    let (give, frames) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        if let Err(error) = read_frames(stream, &wanted, |frame| give.send(Ok(frame)).is_ok()) {
            // nobody may be there any more to hear it
            let _ = give.send(Err(error));
        }
    });
    frames
}

/// How many frames a second a film has, from its first bytes, if it is one that is read here: MJPEG says none and has 25.
pub fn film_fps(start: &[u8]) -> Option<f64> {
    if start.starts_with(&[0xff, 0xd8]) {
        return Some(UNSAID_FPS);
    }
    let header = start.strip_prefix(Y4M)?.split(|&byte| byte == b'\n').next()?;
    Some(y4m_header(header).ok()?.fps.unwrap_or(UNSAID_FPS))
}

fn jpeg_frames(mut stream: impl BufRead, give: &mut impl FnMut(RawFrame) -> bool) -> Result<()> {
    let mut jpeg = Vec::new();
    while read_jpeg(&mut stream, &mut jpeg).map_err(in_the_middle)? {
        let capacity = jpeg.len();
        let bytes = std::mem::replace(&mut jpeg, Vec::with_capacity(capacity));
        if !give(RawFrame::now(PixelFormat::Mjpeg, 0, 0, bytes)) {
            break;
        }
    }
    Ok(())
}

fn raw_frames(
    mut stream: impl BufRead,
    format: PixelFormat,
    [width, height]: [u32; 2],
    give: &mut impl FnMut(RawFrame) -> bool,
) -> Result<()> {
    let bytes = format.bytes(width, height).context("frames that have no size of their own")?;
    let mut room = bytes.min(UNSEEN_BYTES);
    while !stream.fill_buf()?.is_empty() {
        let frame = whole(&mut stream, bytes, room)?;
        room = bytes;
        if !give(RawFrame::now(format, width, height, frame)) {
            break;
        }
    }
    Ok(())
}

/// # Source
/// The format's manual page, yuv4mpeg(5); what ffmpeg adds to it, yuv4mpegenc.c.
fn y4m_frames(mut stream: impl BufRead, give: &mut impl FnMut(RawFrame) -> bool) -> Result<()> {
    let Y4m { size: [width, height], format, range, fps } = y4m_header(&line(&mut stream)?)?;
    let bytes = format.bytes(width, height).unwrap_or_default();
    let mut room = bytes.min(UNSEEN_BYTES);
    while !stream.fill_buf()?.is_empty() {
        ensure!(line(&mut stream)?.starts_with(FRAME), "a Y4M stream with something else where a frame should begin");
        let frame = whole(&mut stream, bytes, room)?;
        room = bytes;
        if !give(RawFrame::now(format, width, height, frame).in_range(range).at(fps)) {
            break;
        }
    }
    Ok(())
}

/// A frame of so many bytes.
fn whole(stream: &mut impl BufRead, bytes: usize, room: usize) -> Result<Vec<u8>> {
    let mut frame = Vec::with_capacity(room);
    stream.take(bytes as u64).read_to_end(&mut frame)?;
    if frame.len() < bytes {
        return Err(in_the_middle(ErrorKind::UnexpectedEof.into()));
    }
    Ok(frame)
}

/// What the first line of a Y4M stream says.
struct Y4m {
    size: [u32; 2],
    format: PixelFormat,
    range: ColourRange,
    fps: Option<f64>,
}

fn y4m_header(header: &[u8]) -> Result<Y4m> {
    let (mut size, mut format, mut range, mut fps) = ([0; 2], PixelFormat::I420, ColourRange::Limited, None);
    for word in header.split(|&byte| byte == b' ').filter(|word| !word.is_empty()) {
        let value = std::str::from_utf8(&word[1..]).context("a Y4M header that is no text")?;
        match word[0] {
            b'W' => size[0] = value.parse().with_context(|| format!("a Y4M header with the width {value}"))?,
            b'H' => size[1] = value.parse().with_context(|| format!("a Y4M header with the height {value}"))?,
            b'C' => {
                format = match value {
                    "420" | "420jpeg" | "420paldv" | "420mpeg2" => PixelFormat::I420,
                    "422" => PixelFormat::I422,
                    "444" => PixelFormat::I444,
                    "mono" => PixelFormat::Grey,
                    _ => bail!("Y4M frames in {value}, which Glimpse does not read; 420, 422, 444 and mono it does"),
                }
            }
            b'X' if value == FULL => range = ColourRange::Full,
            // a rate of 0:0 is one that nobody knows
            b'F' => {
                let ratio =
                    value.split_once(':').and_then(|(n, d)| Some(n.parse::<f64>().ok()? / d.parse::<f64>().ok()?));
                fps = ratio.filter(|fps| (FPS_MIN..=FPS_MAX).contains(fps));
            }
            _ => {}
        }
    }
    let [width, height] = size;
    let sides = 1..=MOST_SIDE;
    ensure!(sides.contains(&width) && sides.contains(&height), "a Y4M header with frames of {width}×{height} pixels");
    Ok(Y4m { size, format, range, fps })
}

/// A line of Y4M.
fn line(stream: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut line = Vec::new();
    stream.by_ref().take(MOST_LINE_BYTES).read_until(b'\n', &mut line)?;
    ensure!(line.pop() == Some(b'\n'), "a Y4M stream with something else where a line should be");
    Ok(line)
}

fn in_the_middle(error: std::io::Error) -> anyhow::Error {
    if error.kind() == ErrorKind::UnexpectedEof {
        return anyhow::anyhow!("it ended in the middle of a frame");
    }
    error.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::pixels::rgb_of;

    fn read(stream: &[u8], wanted: &Wanted) -> (Vec<RawFrame>, Option<String>) {
        let mut frames = Vec::new();
        let give = |frame| {
            frames.push(frame);
            true
        };
        let error = read_frames(stream, wanted, give).err().map(|error| format!("{error:#}"));
        (frames, error)
    }

    fn y4m(header: &str, frame: &[u8], count: usize) -> Vec<u8> {
        let frames = [b"FRAME Ip\n", frame].concat().repeat(count);
        [header.as_bytes(), b"\n", &frames].concat()
    }

    #[test]
    fn y4m_says_itself_what_it_is() {
        for (colour, format, bytes) in [
            ("", PixelFormat::I420, 15 + 2 * 6),
            (" C420jpeg", PixelFormat::I420, 15 + 2 * 6),
            (" C422", PixelFormat::I422, 15 + 2 * 9),
            (" C444", PixelFormat::I444, 45),
            (" Cmono", PixelFormat::Grey, 15),
        ] {
            let stream = y4m(&format!("YUV4MPEG2 W5 H3 F30:1 Ip A1:1{colour}"), &vec![7; bytes], 3);
            let (frames, error) = read(&stream, &Wanted::default());
            assert_eq!(error, None);
            let shapes: Vec<_> = frames.iter().map(|frame| (frame.format, frame.width, frame.height)).collect();
            assert_eq!(shapes, [(format, 5, 3); 3]);
            assert!(frames.iter().all(|frame| frame.clone().into_frame().is_ok()));
            let (frames, error) = read(&stream[..stream.len() - 1], &Wanted::default());
            assert_eq!((frames.len(), error.unwrap().as_str()), (2, "it ended in the middle of a frame"));
        }
    }

    #[test]
    fn y4m_s_white_is_what_its_range_says() {
        let white = |header: &str, luma: u8| {
            let frame = [[luma; 15].as_slice(), &[128; 12]].concat();
            let (frames, _) = read(&y4m(header, &frame, 1), &Wanted::default());
            rgb_of(&frames[0].clone().into_frame().unwrap()).unwrap().iter().all(|&value| value == 255)
        };
        for header in ["YUV4MPEG2 W5 H3", "YUV4MPEG2 W5 H3 C420jpeg XYSCSS=420JPEG XCOLORRANGE=LIMITED"] {
            assert!(white(header, 235), "{header}");
        }
        let full = "YUV4MPEG2 W5 H3 F25:1 Ip A1:1 C420jpeg XYSCSS=420JPEG XCOLORRANGE=FULL";
        assert!(white(full, 255) && !white(full, 235));
    }

    #[test]
    fn what_is_no_stream_of_frames_is_said() {
        let long = format!("YUV4MPEG2 W5 H3 X{}", "a".repeat(2000));
        let broken = [y4m("YUV4MPEG2 W5 H3 Cmono", &[7; 15], 1), b"FRAMX\n".to_vec()].concat();
        for (stream, said) in [
            (&b"some text, not a film"[..], "neither Y4M nor MJPEG"),
            (b"YUV4MPEG2 W5 H3 C420p10\n", "420p10"),
            (b"YUV4MPEG2 W99999999999 H3\n", "width 99999999999"),
            (b"YUV4MPEG2 W4000000000 H4000000000\n", "4000000000×4000000000"),
            (b"YUV4MPEG2 W5\n", "5×0"),
            (long.as_bytes(), "where a line should be"),
            (broken.as_slice(), "where a frame should begin"),
        ] {
            let error = read(stream, &Wanted::default()).1.unwrap();
            assert!(error.contains(said), "{error}");
        }
        assert!(read(b"", &Wanted::default()).1.is_none());
    }

    #[test]
    fn a_film_s_rate_is_what_it_says_and_others_are_no_film_of_ours() {
        for (start, fps) in [
            (&b"YUV4MPEG2 W5 H3 F30:1\nFRAME\n"[..], Some(30.0)),
            (b"YUV4MPEG2 W5 H3 F0:0\n", Some(25.0)),
            (b"YUV4MPEG2 W5 H3\n", Some(25.0)),
            (b"YUV4MPEG2 W5 H3 F1:1000000\n", Some(25.0)),
            (&[0xff, 0xd8, 0xff], Some(25.0)),
            (b"YUV4MPEG2 W5 H3 F30:1 C420p10\n", None),
            (b"RIFF", None),
            (b"", None),
        ] {
            assert_eq!(film_fps(start), fps, "{}", String::from_utf8_lossy(start));
        }
    }

    #[test]
    fn raw_frames_are_cut_by_their_size() {
        let wanted = Wanted { format: Some(PixelFormat::Rgb), size: Some([4, 2]), ..Wanted::default() };
        let (frames, error) = read(&[9; 24 * 3 + 5], &wanted);
        assert_eq!((frames.len(), error.unwrap().as_str()), (3, "it ended in the middle of a frame"));
        let (_, error) = read(&[9; 24], &Wanted { size: None, ..wanted });
        assert!(error.unwrap().contains("--size"));
    }
}
