//! What must be in what a machine with cameras says.

/// A case: where it begins in what is said, and what is wrong with it.
pub struct Case {
    pub what: &'static str,
    section: &'static str,
    wrong: fn(&str) -> Option<String>,
}

impl Case {
    /// What is wrong, with what was said.
    pub fn failure(&self, said: &str) -> Option<String> {
        let heading = format!("== {}", self.section);
        let lines =
            said.lines().skip_while(|line| *line != heading).skip(1).take_while(|line| !line.starts_with("== "));
        let section = lines.collect::<Vec<_>>().join("\n");
        let wrong = if section.is_empty() { Some("nothing was said".to_owned()) } else { (self.wrong)(&section) };
        wrong.map(|wrong| format!("{}: {wrong}\n{section}", self.what))
    }
}

pub const SINGLE: &[Case] = &[
    Case { what: "colours in YUYV", section: "colours yuyv", wrong: bars },
    Case { what: "colours in UYVY", section: "colours uyvy", wrong: bars },
    Case { what: "colours in NV12", section: "colours nv12", wrong: bars },
    Case { what: "colours in I420", section: "colours i420", wrong: bars },
    Case { what: "colours in RGB", section: "colours rgb", wrong: bars },
    Case { what: "colours in BGR", section: "colours bgr", wrong: bars },
    Case {
        what: "the nearest mode is taken and said",
        section: "nearest",
        wrong: |said| {
            lacks(
                said,
                &["1000x700 in mjpeg at 7 a second was asked for; the camera gives 1280x720 in ", "1 frames in"],
            )
        },
    },
    Case {
        what: "two cameras in one run",
        section: "two",
        wrong: |said| lacks(said, &["\"source\":\"v4l2:0\"", "\"source\":\"v4l2:/dev/video1\""]),
    },
    Case { what: "info lists cameras", section: "info", wrong: |said| lacks(said, &["v4l2:0 ", "v4l2:1 ", "yuyv"]) },
    Case {
        what: "what is no camera is refused",
        section: "null",
        wrong: |said| lacks(said, &["/dev/null is no video device", "status 2"]),
    },
    Case {
        what: "a camera that is not there is waited for",
        section: "missing",
        wrong: |said| lacks(said, &["there is no /dev/video7", "v4l2:0 (vivid", "tried again", "0 frames in"]),
    },
    Case {
        what: "a camera that is busy is said to be",
        section: "busy and stopped",
        // the program has to start first, which takes most of that where all is emulated
        wrong: |said| longer(said, "a second one", "/dev/video0 is busy", 10.0),
    },
    Case {
        what: "a signal ends a run in order",
        section: "busy and stopped",
        wrong: |said| lacks(said, &["status 0"]).or_else(|| longer(said, "stopped", "status 0", 2.0)),
    },
    Case {
        what: "an unplugged camera is said within two seconds",
        section: "unplugged",
        wrong: |said| longer(said, "unplugged", "it was unplugged", 2.0),
    },
    Case {
        what: "and taken up again",
        section: "unplugged",
        wrong: |said| longer(said, "it was unplugged", "it is back", 8.0),
    },
    Case {
        what: "a silent camera is said within two seconds of its last frame",
        section: "stalled",
        wrong: |said| longer(said, "stalled", "no frame for", 4.0).or_else(|| silence(said)),
    },
    Case {
        what: "and taken up again, when it is not any longer",
        section: "stalled",
        wrong: |said| longer(said, "again", "it is back", 4.0),
    },
    Case {
        what: "a signal ends a run while the camera is silent",
        section: "stalled",
        wrong: |said| lacks(said, &["status 0"]).or_else(|| longer(said, "stopped", "status 0", 2.0)),
    },
];

pub const MULTI: &[Case] = &[
    Case {
        what: "a multi-planar camera is refused with a line that works",
        section: "refused",
        wrong: |said| lacks(said, &["multi-planar", "exec:v4l2-ctl --device /dev/video0", "--format nv12"]),
    },
    Case {
        what: "and the line works",
        section: "the line that it names",
        wrong: |said| lacks(said, &["2 frames in", "2 works.jsonl"]),
    },
];

fn lacks(said: &str, expected: &[&str]) -> Option<String> {
    expected.iter().find(|text| !said.contains(**text)).map(|text| format!("no `{text}` in"))
}

/// Whether it takes longer from one line, by its time in brackets, to the next with the other text.
fn longer(said: &str, from: &str, to: &str, most_s: f64) -> Option<String> {
    let mut lines = said.lines().filter_map(|line| {
        let (time, text) = line.strip_prefix('[')?.split_once("] ")?;
        Some((time.parse::<f64>().ok()?, text))
    });
    let Some((begun, _)) = lines.find(|(_, text)| text.contains(from)) else { return Some(format!("no `{from}` in")) };
    let Some((ended, _)) = lines.find(|(_, text)| text.contains(to)) else {
        return Some(format!("no `{to}` after it in"));
    };
    let seconds = ended - begun;
    (seconds > most_s).then(|| format!("{seconds:.2} s from `{from}` to `{to}`; {most_s} s is the most"))
}

/// Whether the program, by its own clock, waited for a frame for more than two seconds before it said so. Beside that, the emulated
/// machine has frames on their way when it stops the camera, and is slow.
fn silence(said: &str) -> Option<String> {
    let words = said.split_once("no frame for ").and_then(|(_, rest)| rest.split_once(" s;"));
    let Some(seconds) = words.and_then(|(number, _)| number.parse::<f64>().ok()) else {
        return Some("how long there was no frame is not said in".to_owned());
    };
    (seconds > 2.0).then(|| format!("no frame for {seconds} s; 2 s is the most"))
}

/// vivid's bars from left to right: which of red, green and blue are bright.
const BARS: [[bool; 3]; 8] = [
    [true, true, true],
    [true, true, false],
    [false, true, true],
    [false, true, false],
    [true, false, true],
    [true, false, false],
    [false, false, true],
    [false, false, false],
];
/// Between dark and what a bar of three quarters of full light has.
const BRIGHT: f64 = 96.0;

/// What is wrong with the colours of a row of 4:2:0, JPEG's: a line each of Y, U and V.
fn bars(said: &str) -> Option<String> {
    let numbers = |line: &str| line.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>().ok();
    let rows: Vec<Vec<f64>> = said.lines().filter_map(numbers).filter(|row| row.len() > 1).collect();
    let [y, u, v] = &rows[..] else { return Some("no row of Y, U and V in".to_owned()) };
    if y.len() != 2 * u.len() || u.len() != v.len() {
        return Some(format!("{} of Y, {} of U and {} of V in", y.len(), u.len(), v.len()));
    }
    for (bar, expected) in BARS.iter().enumerate() {
        let at = (2 * bar + 1) * u.len() / 16;
        let (y, u, v) = (1.164 * (y[2 * at] - 16.0), u[at] - 128.0, v[at] - 128.0);
        let rgb = [y + 1.596 * v, y - 0.392 * u - 0.813 * v, y + 2.017 * u];
        if rgb.map(|value| value > BRIGHT) != *expected {
            return Some(format!("bar {bar} has {rgb:.0?} in red, green and blue in"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_looks_at_its_own_lines() {
        let case = |wrong| Case { what: "a", section: "one", wrong };
        let said = "noise\n== one\nb\n== two\nc\n== end\n";
        assert_eq!(case(|said| lacks(said, &["b"])).failure(said), None);
        assert!(case(|said| lacks(said, &["c"])).failure(said).unwrap().contains("no `c`"));
        assert!(case(|_| None).failure("== two\nc\n").unwrap().contains("nothing was said"));
    }

    #[test]
    fn times_are_told_apart() {
        let said = "[1.00] x\nnoise\n[2.50] from\n[4.00] x\n[4.25] to";
        assert_eq!(longer(said, "from", "to", 2.0), None);
        for (from, to, most_s) in [("from", "to", 1.0), ("from", "gone", 9.0), ("to", "from", 9.0)] {
            assert!(longer(said, from, to, most_s).is_some());
        }
    }

    #[test]
    fn a_long_silence_is_seen() {
        assert_eq!(silence("warning: v4l2:0: no frame for 1.2 s; it is tried again"), None);
        assert!(silence("warning: v4l2:0: no frame for 2.1 s; it is tried again").unwrap().contains("2.1 s"));
        assert!(silence("warning: v4l2:0: gone").is_some());
    }

    #[test]
    fn swapped_colours_are_seen() {
        let mut rows = [Vec::new(), Vec::new(), Vec::new()];
        for bar in BARS {
            let [r, g, b] = bar.map(|is_bright| if is_bright { 0.75 } else { 0.0 });
            let y = 16.0 + 65.481 * r + 128.553 * g + 24.966 * b;
            let u = 128.0 - 37.797 * r - 74.203 * g + 112.0 * b;
            let v = 128.0 + 112.0 * r - 93.786 * g - 18.214 * b;
            for (row, (value, count)) in rows.iter_mut().zip([(y, 40), (u, 20), (v, 20)]) {
                row.extend(vec![format!("{value:.0}"); count]);
            }
        }
        let [y, u, v] = rows.map(|row| row.join(" "));
        assert_eq!(bars(&format!("2 frames in 1 s\n{y}\n{u}\n{v}")), None);
        assert!(bars(&format!("{y}\n{v}\n{u}")).unwrap().contains("bar 1"));
        assert!(bars("nothing").is_some());
    }
}
