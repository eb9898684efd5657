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

    /// Begins a JSON array whose elements are written as they are found.
    pub(crate) fn array(&mut self) -> Array<'_> {
        Array {
            console: self,
            count: 0,
        }
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

/// A JSON array on its way out, laid out as [`Console::json`] does. What could not be finished is no JSON.
pub(crate) struct Array<'c> {
    console: &'c mut Console,
    count: u64,
}

impl Array<'_> {
    /// Writes the next element.
    pub(crate) fn push(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let before = if self.count == 0 { "[" } else { "," };
        self.count += 1;
        self.console.data(format_args!("{before}\n  "))?;
        let out = Indented(&mut self.console.out);
        serde_json::to_writer_pretty(out, value).map_err(|e| Failure::stdout(e.into()))
    }

    /// Ends the array.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        match self.count {
            0 => self.console.line("[]"),
            _ => self.console.line("\n]"),
        }
    }
}

/// Two spaces behind every line break. Those within texts are written in another way, so each one is between elements.
struct Indented<W>(W);

impl<W: Write> Write for Indented<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.0.write_all(line)?;
            if line.ends_with(b"\n") {
                self.0.write_all(b"  ")?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_laid_out_as_in_a_whole_array() {
        let value = serde_json::json!([{"a": ["x\ny", {}], "b": null}]);
        let mut text = b"[\n  ".to_vec();
        serde_json::to_writer_pretty(Indented(&mut text), &value[0]).unwrap();
        text.extend(b"\n]");
        assert_eq!(
            String::from_utf8(text).unwrap(),
            serde_json::to_string_pretty(&value).unwrap()
        );
    }
}
