//! Options that cannot be, or would do nothing.

use anyhow::{Result, ensure};

use super::Args;
use crate::camera::budget::Budget;
use crate::camera::pixels::PixelFormat;
use crate::camera::sinks::{Destination, Output};
use crate::camera::uri::SourceUri;

/// Refuses what cannot be before anything is opened.
pub fn check(args: &Args) -> Result<()> {
    ensure!(
        !args.outputs.is_empty() || args.page.serve.is_some(),
        "nothing is to be done with the frames: say where features go with --out, such as --out features.jsonl, or show them on a page \
         with --serve 127.0.0.1:4912"
    );
    let to_stdout = args.outputs.iter().filter(|output| output.is_stdout()).count();
    ensure!(to_stdout <= 1, "two outputs cannot share standard output: name a file for one of them");
    ensure!(
        !(args.json && to_stdout > 0),
        "--json prints to standard output, and so does --out -: name a file for one of them"
    );
    for (at, output) in args.outputs.iter().enumerate() {
        let is_twice = !output.is_stdout() && args.outputs[..at].iter().any(|other| other.to == output.to);
        ensure!(!is_twice, "{output} is named twice");
    }
    let is_rotated = args.outputs.iter().any(|output| output.path().is_some());
    ensure!(args.rotate.is_none() || is_rotated, "--rotate is for files; here it would do nothing");
    let is_messages = args.outputs.iter().any(|output| matches!(output.to, Destination::Mqtt(_)));
    ensure!(
        is_messages || (args.spool.is_none() && args.spool_size.is_none()),
        "--spool and --spool-size are for mqtt:// outputs; here they would do nothing"
    );
    let is_zenoh = args.outputs.iter().any(|output| matches!(output.to, Destination::Zenoh(_)));
    ensure!(is_zenoh || args.zenoh_config.is_none(), "--zenoh-config is for zenoh: outputs; here it would do nothing");
    let never_ends = args.rotate.is_none() && args.frames.is_none() && args.duration.is_none();
    for output in &args.outputs {
        ensure!(
            !output.is_stdout() || output.kind.is_stream(),
            "{} cannot be written to standard output: name a file",
            output.kind
        );
        ensure!(
            output.kind.is_stream() || !never_ends,
            "{output}: {} can be read when it has ended: end it with --rotate, such as --rotate 1h, or with --frames or --duration",
            output.kind
        );
    }
    let has_command = args.sources.iter().any(|source| matches!(source, SourceUri::Exec(_)));
    let is_raw = has_command && args.format.is_some_and(|format| format != PixelFormat::Mjpeg);
    ensure!(
        !is_raw || args.size.is_some(),
        "raw frames have no size of their own: say it with --size, such as 640x480"
    );
    let has_size = |source: &SourceUri| match source {
        SourceUri::Dir(_) | SourceUri::Image(_) => false,
        SourceUri::Exec(_) => is_raw,
        _ => true,
    };
    ensure!(
        args.size.is_none() || args.sources.iter().any(has_size),
        "--size is for cameras, films and test:, and for exec: with raw frames, which --format says; the others say themselves how large \
         their frames are, so it would do nothing"
    );
    let has_rate = |source: &SourceUri| !matches!(source, SourceUri::Dir(_) | SourceUri::Exec(_));
    ensure!(
        args.fps.is_none() || args.sources.iter().any(has_rate),
        "--fps is for sources that are asked for a rate; a command's frames come as it gives them, and each picture of a dir: is \
         looked at in its turn, so it would do nothing"
    );
    let ends = |source: &SourceUri| matches!(source, SourceUri::File(_) | SourceUri::Dir(_) | SourceUri::Exec(_));
    ensure!(
        !args.again || args.sources.iter().any(ends),
        "--loop is for sources that end: file:, dir: and exec:; here it would do nothing"
    );
    let has_camera = args.sources.iter().any(|source| matches!(source, SourceUri::V4l2(_)));
    ensure!(
        args.format.is_none() || has_command || has_camera,
        "--format is for exec: and v4l2: sources; the others say themselves how their pixels lie, so it would do nothing"
    );
    let draws = matches!(args.visible, Budget::Count(_) | Budget::Share(_)) || args.page.serve.is_some();
    ensure!(
        draws || args.seed.is_none(),
        "--seed draws the patches of --visible N or a share; with --visible {} it would do nothing",
        args.visible
    );
    Ok(())
}

/// Refuses to write over what is there.
pub fn check_new(args: &Args) -> Result<()> {
    for output in &args.outputs {
        // one with numbers takes the next that is free
        let is_there = args.rotate.is_none() && output.files().iter().any(|path| path.exists());
        ensure!(args.force || !is_there, "{output} exists already; name another output, or replace it with --force");
    }
    Ok(())
}

/// Refuses what a service cannot do that is started again whenever it ends.
pub fn check_service(args: &Args) -> Result<()> {
    check(args)?;
    let has_files = args.outputs.iter().any(|output| output.path().is_some());
    ensure!(
        args.rotate.is_some() || !has_files,
        "a service is started again and again, and each time its files would be there already: number them with rotate, such as \
         rotate = \"1h\""
    );
    ensure!(
        !args.outputs.iter().any(Output::is_stdout),
        "nobody reads a service's standard output: name a file or a broker"
    );
    ensure!(
        args.frames.is_none() && args.duration.is_none(),
        "a service goes on until it is stopped: leave out frames and duration"
    );
    Ok(())
}
