//! How far work has got, on stderr if that is a terminal and the work takes long.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::console::Console;

/// How long work may take before somebody wants to see that it goes on.
const PATIENCE: Duration = Duration::from_millis(500);

/// How much is redrawn at a time.
const STRIDE: u64 = 256;

/// Counts where nobody knows how much there is to do.
#[derive(Debug)]
pub(crate) struct Counter {
    bar: ProgressBar,
    started: Instant,
    count: u64,
}

impl Counter {
    /// A counter of things with this name, such as `entries`.
    pub(crate) fn new(console: &Console, what: &str) -> Counter {
        Counter {
            bar: spinner(console, &format!("{{spinner}} {{pos}} {what}")),
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

/// Shows how much of the work is done, or what is. May be told from many threads.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    started: Instant,
}

impl Progress {
    /// A bar, for work of which the amount is known.
    pub(crate) fn bar(console: &Console) -> Progress {
        Progress {
            bar: hidden_unless_watched(console),
            started: Instant::now(),
        }
    }

    /// Words that change.
    pub(crate) fn words(console: &Console) -> Progress {
        Progress {
            bar: spinner(console, "{spinner} {msg}"),
            started: Instant::now(),
        }
    }

    /// So much of all is done.
    pub(crate) fn show(&self, done: u64, all: u64) {
        if self.started.elapsed() > PATIENCE {
            self.bar.set_length(all);
            self.bar.set_position(done);
        }
    }

    /// Shows words, which are made only if somebody is to see them.
    pub(crate) fn say(&self, words: impl FnOnce() -> String) {
        if self.started.elapsed() > PATIENCE {
            self.bar.set_message(words());
            self.bar.tick();
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(self) {
        self.bar.finish_and_clear();
    }
}

fn spinner(console: &Console, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template);
    let bar = hidden_unless_watched(console);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar
}

fn hidden_unless_watched(console: &Console) -> ProgressBar {
    match console.shows_progress() {
        true => ProgressBar::no_length(),
        false => ProgressBar::hidden(),
    }
}
