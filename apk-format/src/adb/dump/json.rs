//! The text for programs.
//!
//! Only `"`, `\`, line breaks and tabs are escaped, as apk does: other control characters, and bytes that are no
//! UTF-8, make it something that other programs refuse.

use std::io::{self, Write};

use crate::adb::block::Schema;
use crate::adb::dump::Printer;

pub(super) struct Json<W> {
    output: W,
    /// How every object and array that was begun ends.
    nest: Vec<u8>,
    after_key: bool,
    needs_comma: bool,
    needs_newline: bool,
}

impl<W: Write> Json<W> {
    pub(super) fn new(output: W) -> Json<W> {
        Json {
            output,
            nest: Vec::new(),
            after_key: false,
            needs_comma: false,
            needs_newline: false,
        }
    }

    fn begin(&mut self, element: bool) -> io::Result<()> {
        if self.after_key {
            self.output.write_all(b" ")?;
        } else {
            if element && self.needs_comma {
                self.output.write_all(b",")?;
            }
            if self.needs_newline {
                write!(self.output, "\n{:1$}", "", 2 * self.nest.len())?;
            } else {
                self.output.write_all(b" ")?;
            }
        }
        self.after_key = false;
        Ok(())
    }

    fn start(&mut self, open: u8, close: u8) -> io::Result<()> {
        if !self.nest.is_empty() {
            self.begin(true)?;
        }
        self.output.write_all(&[open])?;
        self.nest.push(close);
        self.needs_comma = false;
        self.needs_newline = true;
        Ok(())
    }
}

impl<W: Write> Printer for Json<W> {
    fn start_object(&mut self, _: Option<Schema>) -> io::Result<()> {
        self.start(b'{', b'}')
    }

    fn start_array(&mut self, _: usize) -> io::Result<()> {
        self.start(b'[', b']')
    }

    fn end(&mut self) -> io::Result<()> {
        let close = self.nest.pop().unwrap_or(b'}');
        self.needs_newline = true;
        self.begin(false)?;
        self.output.write_all(&[close])?;
        self.needs_comma = true;
        self.needs_newline = false;
        if self.nest.is_empty() {
            self.output.write_all(b"\n")?;
        }
        Ok(())
    }

    fn comment(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn key(&mut self, name: &str) -> io::Result<()> {
        self.needs_newline = true;
        self.begin(true)?;
        write!(self.output, "\"{name}\":")?;
        self.after_key = true;
        self.needs_comma = true;
        Ok(())
    }

    fn text(&mut self, bytes: &[u8], _: bool) -> io::Result<()> {
        self.needs_newline = true;
        self.begin(true)?;
        self.output.write_all(b"\"")?;
        for byte in bytes {
            match byte {
                b'"' => self.output.write_all(b"\\\"")?,
                b'\\' => self.output.write_all(b"\\\\")?,
                b'\n' => self.output.write_all(b"\\n")?,
                b'\t' => self.output.write_all(b"\\t")?,
                other => self.output.write_all(&[*other])?,
            }
        }
        self.output.write_all(b"\"")?;
        self.needs_comma = true;
        Ok(())
    }

    fn number(&mut self, number: u64, _: bool) -> io::Result<()> {
        self.needs_newline = true;
        self.begin(true)?;
        write!(self.output, "{number}")?;
        self.needs_comma = true;
        Ok(())
    }
}
