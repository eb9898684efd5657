//! How far a run has come: apk's bar below its messages, and the same numbers as lines for another program.
//!
//! | option | |
//! |---|---|
//! | `--progress` | a bar: always, never, or (usually) on a terminal other than a dumb one |
//! | `--progress-fd N` | a line `DONE/ALL STAGE` whenever that changes, into an open file |
//!
//! A package weighs what its file has in bytes, and 64 KiB. `$APK_PROGRESS_CHAR` is what the bar is made of.

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Write};

/// What each package weighs beyond its file, in bytes.
const PACKAGE: u64 = 64 << 10;

/// So many bytes of a file are read at once.
const PIECE: u64 = 128 << 10;

/// Columns where the terminal does not say how many it has.
const COLUMNS: u64 = 50;

/// The bar, whether it is shown or not.
#[derive(Debug, Default)]
pub(super) struct Bar {
    /// What it is made of; `None` if it is not shown.
    stuff: Option<String>,
    fd: Option<File>,
    columns: u64,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    stage: &'static str,
    all: u64,
    done: u64,
    /// Filled columns and per cent as they were drawn last.
    drawn: Option<(u64, u64)>,
    bytes: u64,
    packages: u64,
    item: u64,
}

impl Bar {
    /// As the options have it; `shown` is `None` if that depends on the terminal.
    pub(super) fn new(shown: Option<bool>, fd: u32) -> Bar {
        let variable = |name| std::env::var(name).ok();
        let shown = shown.unwrap_or_else(|| {
            std::io::stdout().is_terminal() && variable("TERM").as_deref() != Some("dumb")
        });
        let usual = || match variable("LANG") {
            Some(lang) if lang.contains("UTF-8") => "\u{2588}".to_owned(),
            _ => "#".to_owned(),
        };
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
        let columns = size.map(|size| u64::from(size.ws_col));
        Bar {
            stuff: shown.then(|| variable("APK_PROGRESS_CHAR").unwrap_or_else(usual)),
            fd: (fd != 0).then(|| open(fd)).flatten(),
            columns: columns.filter(|columns| *columns > 25).unwrap_or(COLUMNS),
            running: None,
        }
    }

    /// A stage begins: so many bytes in so many packages.
    pub(super) fn start(&mut self, stage: &'static str, bytes: u64, packages: u64) {
        self.running = Some(Running {
            stage,
            all: weight(bytes, packages),
            done: 0,
            drawn: None,
            bytes: 0,
            packages: 0,
            item: 0,
        });
    }

    /// A package of so many bytes begins. What is to be drawn is given.
    pub(super) fn begin(&mut self, bytes: u64) -> Option<String> {
        let running = self.running.as_mut()?;
        running.item = bytes;
        let base = weight(running.bytes, running.packages);
        self.set(base)
    }

    /// It is done. If its file was `read`, that was done piece by piece, and each piece is told.
    pub(super) fn end(&mut self, read: bool) -> Vec<String> {
        let Some(running) = &self.running else {
            return Vec::new();
        };
        let base = weight(running.bytes, running.packages);
        let item = running.item;
        let pieces = if read {
            item.saturating_sub(1) / PIECE
        } else {
            0
        };
        let steps = (1..=pieces).map(|piece| piece * PIECE).chain([item]);
        steps.filter_map(|done| self.set(base + done)).collect()
    }

    /// A package of so many bytes counts from now on.
    pub(super) fn count(&mut self, bytes: u64) {
        if let Some(running) = &mut self.running {
            running.bytes += bytes;
            running.packages += 1;
        }
    }

    /// The stage is over.
    pub(super) fn finish(&mut self) -> Option<String> {
        let all = self.running.as_ref()?.all;
        let drawn = self.set(all);
        self.running = None;
        drawn
    }

    fn set(&mut self, done: u64) -> Option<String> {
        let running = self.running.as_mut()?;
        if running.done == done {
            return None;
        }
        running.done = done;
        let line = format!("{done}/{} {}\n", running.all, running.stage);
        let told = self.fd.as_mut().map(|fd| fd.write_all(line.as_bytes()));
        if told.is_some_and(|told| told.is_err()) {
            self.fd = None;
        }
        self.draw(false)
    }

    /// The bar as it is now; `None` if it is not shown, or the same as before unless `again`.
    pub(super) fn draw(&mut self, again: bool) -> Option<String> {
        let (stuff, running) = (self.stuff.as_ref()?, self.running.as_mut()?);
        let width = self.columns - 6;
        let part = |of: u64| {
            let parts = u128::from(of) * u128::from(running.done);
            let part = parts.checked_div(u128::from(running.all)).unwrap_or(0);
            u64::try_from(part).unwrap_or(of)
        };
        let now = (part(width), part(100));
        if !again && running.drawn == Some(now) {
            return None;
        }
        running.drawn = Some(now);
        let filled = usize::try_from(now.0).unwrap_or(0);
        let free = usize::try_from(width).unwrap_or(0).saturating_sub(filled);
        Some(format!(
            "\x1b7{:>3}% {}{:free$}",
            now.1,
            stuff.repeat(filled),
            ""
        ))
    }

    /// A word about something that takes time.
    pub(super) fn note(&self, words: &str) -> Option<String> {
        self.stuff.as_ref().map(|_| format!("\x1b7[{words}]"))
    }
}

fn weight(bytes: u64, packages: u64) -> u64 {
    bytes.saturating_add(packages.saturating_mul(PACKAGE))
}

/// An open file by its number. Where it is a regular one, lines are added at its end.
fn open(fd: u32) -> Option<File> {
    let path = format!("/proc/self/fd/{fd}");
    OpenOptions::new().append(true).open(path).ok()
}
