//! What a person sees of a run while it goes on.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::metrics::Row;

/// A bar on a terminal; lines in a log otherwise.
pub struct Progress {
    bar: ProgressBar,
    steps: u64,
}

impl Progress {
    /// Starts at `done` of `steps`.
    #[must_use]
    pub fn start(done: u64, steps: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
        let style = "{bar:30} {pos}/{len} steps  {msg}  {eta} left";
        bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_position(done);
        bar.reset_eta();
        Self { bar, steps }
    }

    /// One more step is done.
    pub fn step(&self) {
        self.bar.inc(1);
    }

    /// Shows the newest figures.
    pub fn show(&self, row: &Row) {
        let text = format!("loss {:.4}  {:.1} images/s", row.loss, row.images_per_s);
        let validation = match (row.validation_loss, row.validation_psnr_db) {
            (Some(loss), Some(psnr)) => format!("  validation {loss:.4} ({psnr:.2} dB)"),
            (Some(loss), None) => format!("  validation {loss:.4}"),
            _ => String::new(),
        };
        let line = format!("step {}/{}  {text}  waiting {:.1}%{validation}", row.step, self.steps, 100.0 * row.waiting);
        self.say(text, Some(&line));
    }

    /// Puts `text` beside the bar, or `line`, if there is one, into a log.
    pub fn say(&self, text: String, line: Option<&str>) {
        if !self.bar.is_hidden() {
            self.bar.set_message(text);
        } else if let Some(line) = line {
            eprintln!("{line}");
        }
    }

    /// Leaves a line above the bar, or in a log.
    pub fn leave(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
