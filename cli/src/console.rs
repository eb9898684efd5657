//! Where words go: stdout is data that another program could read, stderr is talk.
//!
//! A reader that closes the pipe has seen enough; that is success ([`Failure::stdout`]).

use std::fmt::{Arguments, Display};
use std::io::{self, BufWriter, IsTerminal, Read, Stdout, Write};

use serde::Serialize;

use crate::face::Face;
use crate::failure::Failure;

/// Buffered stdout, and stderr as far as the user wants it.
#[derive(Debug)]
pub(crate) struct Console {
    out: BufWriter<Stdout>,
    quiet: bool,
    verbose: bool,
    face: Face,
}

impl Console {
    /// A console that says less if `quiet`, more if `verbose`.
    pub(crate) fn new(quiet: bool, verbose: bool, face: Face) -> Console {
        Console {
            out: BufWriter::with_capacity(64 << 10, io::stdout()),
            quiet,
            verbose: verbose && !quiet,
            face,
        }
    }

    /// Under which name the program was started.
    pub(crate) fn face(&self) -> Face {
        self.face
    }

    /// Whether only results and errors are wanted.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether somebody watches who may like to see progress.
    pub(crate) fn shows_progress(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// Writes one line of data.
    pub(crate) fn line(&mut self, line: impl Display) -> Result<(), Failure> {
        self.data(format_args!("{line}\n"))
    }

    /// Writes data as it stands.
    pub(crate) fn data(&mut self, text: Arguments<'_>) -> Result<(), Failure> {
        self.out.write_fmt(text).map_err(Failure::stdout)
    }

    /// Copies content to stdout. `what` names it in case it cannot be read.
    pub(crate) fn content(&mut self, content: &mut dyn Read, what: &str) -> Result<(), Failure> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match content.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    let bytes = buffer.get(..count).unwrap_or_default();
                    self.out.write_all(bytes).map_err(Failure::stdout)?;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Failure::from(e).within(format_args!("cannot read {what}"))),
            }
        }
    }

    /// Writes one JSON document and a newline.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer_pretty(&mut self.out, value)
            .map_err(|e| Failure::stdout(e.into()))?;
        self.line("")
    }

    /// Says something to the user, unless silence was asked for. Data written before appears before it.
    pub(crate) fn say(&mut self, words: impl Display) -> Result<(), Failure> {
        if self.quiet {
            Ok(())
        } else {
            self.complain(words)
        }
    }

    /// Says that something is wrong, which silence does not cover.
    pub(crate) fn complain(&mut self, words: impl Display) -> Result<(), Failure> {
        self.flush()?;
        let _ = writeln!(io::stderr(), "{words}"); // talk nobody hears is no reason to stop
        Ok(())
    }

    /// Says something that only curious users want to know.
    pub(crate) fn detail(&mut self, words: impl Display) -> Result<(), Failure> {
        if self.verbose {
            self.say(words)
        } else {
            Ok(())
        }
    }

    /// Hands everything written so far to whoever reads it.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(Failure::stdout)
    }
}
