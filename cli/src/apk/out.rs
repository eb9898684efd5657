//! Where the words of the apk face go: stdout for answers, stderr for trouble.
//!
//! | | from verbosity | to |
//! |---|---|---|
//! | answers | – | stdout |
//! | messages | 1, the usual one | stdout |
//! | warnings | 0 | stderr, after `WARNING: ` |
//! | errors | – | stderr, after `ERROR: ` |
//! | details, hints | 1 | stderr, after `detail: `, `hint: ` ([`trouble`](super::trouble)) |
//!
//! Messages, warnings and errors go to the log too, where there is one, and the progress bar is drawn again below them.
//!
//! A reader that closes the pipe has seen enough. Any other trouble with stdout is told at the end.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

use super::log::Log;
use super::progress::Bar;

use apk_format::Dialect;

use super::trouble::Trouble;

/// Stdout and stderr.
#[derive(Debug)]
pub(super) struct Out {
    stdout: BufWriter<Stdout>,
    failed: Option<io::Error>,
    /// Hints that were given.
    hints: Vec<String>,
    /// How much is said: 0 after `-q`, 1, one more for each `-v`.
    pub(super) verbosity: u32,
    pub(super) log: Log,
    pub(super) bar: Bar,
    terminal: bool,
    /// Whose words are used where those of apk 2.14 are others.
    pub(super) words: Dialect,
}

impl Out {
    pub(super) fn new() -> Out {
        Out {
            stdout: BufWriter::with_capacity(64 << 10, io::stdout()),
            failed: None,
            hints: Vec::new(),
            verbosity: 1,
            log: Log::Off,
            bar: Bar::default(),
            terminal: io::stdout().is_terminal(),
            words: Dialect::Apk3,
        }
    }

    /// An answer, as it stands.
    pub(super) fn text(&mut self, text: impl Display) {
        if self.failed.is_none() {
            self.failed = write!(self.stdout, "{text}").err();
        }
    }

    /// Bytes of an answer.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.failed = self.stdout.write_all(bytes).err();
        }
    }

    /// A line of an answer.
    pub(super) fn line(&mut self, line: impl Display) {
        match self.log {
            Log::Off => self.text(format_args!("{line}\n")),
            _ => {
                let line = line.to_string();
                self.text(format_args!("{line}\n"));
                self.log.line(&line);
            }
        }
        let drawn = self.bar.draw(true);
        self.show(drawn);
        if self.terminal {
            self.flush();
        }
    }

    /// Shows what the bar has drawn: the cursor goes back to where it was, and the next message takes its place.
    pub(super) fn show(&mut self, drawn: Option<String>) {
        if let Some(drawn) = drawn {
            self.text(drawn);
            self.flush();
            self.text("\x1b8\x1b[0K");
        }
    }

    /// Asks on stdout; nothing of it is logged.
    pub(super) fn ask(&mut self, question: &str) {
        self.text(question);
        self.flush();
    }

    pub(super) fn flush(&mut self) {
        if self.failed.is_none() {
            self.failed = self.stdout.flush().err();
        }
    }

    /// A line that quiet users do not want.
    pub(super) fn message(&mut self, line: impl Display) {
        if self.verbosity >= 1 {
            self.line(line);
        }
    }

    /// A line beside the answers that quiet users do not want.
    pub(super) fn notice(&mut self, line: impl Display) {
        if self.verbosity >= 1 {
            self.trouble(line);
        }
    }

    pub(super) fn warning(&mut self, words: impl Display) {
        if self.words == Dialect::Apk2 && self.verbosity == 0 {
            return;
        }
        self.trouble(format_args!("WARNING: {words}"));
    }

    pub(super) fn error(&mut self, words: impl Display) {
        self.trouble(format_args!("ERROR: {words}"));
    }

    /// What only we can say of an error, behind apk's words for it; each hint once.
    pub(super) fn explain(&mut self, about: &str, trouble: &Trouble, keys_from: &str) {
        if let Some(detail) = trouble.detail(about) {
            self.notice(detail);
        }
        if let Some(hint) = trouble.hint(keys_from)
            && !self.hints.contains(&hint)
        {
            self.notice(&hint);
            self.hints.push(hint);
        }
    }

    fn trouble(&mut self, words: impl Display) {
        self.flush();
        let words = words.to_string();
        let _ = writeln!(io::stderr(), "{words}"); // the exit code still tells
        self.log.line(&words);
        let drawn = self.bar.draw(true);
        self.show(drawn);
    }

    /// Ends the output; gives whether all of it was written, as far as somebody reads it.
    pub(super) fn finish(mut self) -> bool {
        let failed = self.failed.take().or_else(|| self.stdout.flush().err());
        match failed {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let _ = writeln!(io::stderr(), "ERROR: cannot write to stdout: {error}");
                false
            }
            _ => true,
        }
    }
}
