//! A count of what is done, for work of which nobody knows how much there is.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::console::Console;

/// How long work may take before somebody wants to see that it goes on.
const PATIENCE: Duration = Duration::from_millis(500);

/// How much is redrawn at a time.
const STRIDE: u64 = 256;

/// Counts, and shows it on stderr if that is a terminal and the work takes long.
#[derive(Debug)]
pub(crate) struct Counter {
    bar: ProgressBar,
    started: Instant,
    count: u64,
}

impl Counter {
    /// A counter of things with this name, such as `entries`.
    pub(crate) fn new(console: &Console, what: &str) -> Counter {
        let bar = match console.shows_progress() {
            true => ProgressBar::no_length(),
            false => ProgressBar::hidden(),
        };
        let style = ProgressStyle::with_template(&format!("{{spinner}} {{pos}} {what}"));
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        Counter {
            bar,
            started: Instant::now(),
            count: 0,
        }
    }

    /// One more is done.
    pub(crate) fn step(&mut self) {
        self.count += 1;
        if self.count.is_multiple_of(STRIDE) && self.started.elapsed() > PATIENCE {
            self.bar.set_position(self.count);
        }
    }

    /// Takes the count away.
    pub(crate) fn finish(self) {
        self.bar.finish_and_clear();
    }
}
