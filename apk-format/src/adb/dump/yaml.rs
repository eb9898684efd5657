//! The text for people.
//!
//! | value | written |
//! |---|---|
//! | array | `key: # N items`, then `- ` before each element |
//! | text of 80 bytes and more, or with a line break, `'`, or ` #`; scripts always | `\|`, then its lines; empty lines get lost |
//! | text that begins with an indicator, or holds `#` or `: ` | in `'` |
//! | number | decimal; modes in octal with a zero before |

use std::io::{self, Write};

use crate::adb::block::Schema;
use crate::adb::dump::Printer;

pub(super) struct Yaml<W> {
    output: W,
    /// For every object and array that was begun: whether it is an array.
    nest: Vec<bool>,
    indent: usize,
    line_started: bool,
    after_key: bool,
}

impl<W: Write> Yaml<W> {
    pub(super) fn new(output: W) -> Yaml<W> {
        Yaml {
            output,
            nest: Vec::new(),
            indent: 0,
            line_started: false,
            after_key: false,
        }
    }

    /// Begins a line, or goes on with the one that a key began.
    fn begin(&mut self, element: bool, same_line: bool) -> io::Result<()> {
        if !self.line_started {
            write!(self.output, "{:1$}", "", 2 * self.indent)?;
            if element && self.nest.last() == Some(&true) {
                self.output.write_all(b"- ")?;
            }
        } else if self.after_key && same_line {
            self.output.write_all(b" ")?;
        }
        self.line_started = true;
        Ok(())
    }

    fn nest(&mut self, array: bool) {
        if !self.nest.is_empty() {
            self.indent += 1;
        }
        self.nest.push(array);
    }

    fn newline(&mut self) -> io::Result<()> {
        self.line_started = false;
        self.after_key = false;
        self.output.write_all(b"\n")
    }
}

impl<W: Write> Printer for Yaml<W> {
    fn start_object(&mut self, schema: Option<Schema>) -> io::Result<()> {
        self.begin(true, false)?;
        self.nest(false);
        if let Some(schema) = schema.filter(|schema| schema.0 != 0) {
            write!(self.output, "#%SCHEMA: {:08X}", schema.0)?;
            self.newline()?;
        }
        Ok(())
    }

    fn start_array(&mut self, length: usize) -> io::Result<()> {
        self.begin(true, true)?;
        write!(self.output, "# {length} items")?;
        self.newline()?;
        self.nest(true);
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        if self.line_started {
            self.begin(false, true)?;
            self.output.write_all(b"# empty object")?;
            self.newline()?;
        }
        self.nest.pop();
        if !self.nest.is_empty() {
            self.indent -= 1;
        }
        Ok(())
    }

    fn comment(&mut self, text: &str) -> io::Result<()> {
        self.begin(false, true)?;
        write!(self.output, "# {text}")?;
        self.newline()
    }

    fn key(&mut self, name: &str) -> io::Result<()> {
        if self.after_key {
            self.newline()?;
        }
        self.begin(true, true)?;
        write!(self.output, "{name}:")?;
        self.after_key = true;
        Ok(())
    }

    fn text(&mut self, bytes: &[u8], multiline: bool) -> io::Result<()> {
        self.begin(true, true)?;
        match style(bytes, multiline) {
            Style::Plain => self.output.write_all(bytes)?,
            Style::Quoted => {
                self.output.write_all(b"'")?;
                self.output.write_all(bytes)?;
                self.output.write_all(b"'")?;
            }
            Style::Block => {
                self.output.write_all(b"|")?;
                self.newline()?;
                self.indent += 1;
                for line in bytes.split(|byte| *byte == b'\n') {
                    if !line.is_empty() {
                        self.begin(false, true)?;
                        self.output.write_all(line)?;
                        self.newline()?;
                    }
                }
                self.indent -= 1;
                return Ok(());
            }
        }
        self.newline()
    }

    fn number(&mut self, number: u64, octal: bool) -> io::Result<()> {
        self.begin(true, true)?;
        if octal && number != 0 {
            write!(self.output, "0{number:o}")?;
        } else {
            write!(self.output, "{number}")?;
        }
        self.newline()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Plain,
    Quoted,
    Block,
}

fn style(bytes: &[u8], multiline: bool) -> Style {
    let Some(first) = bytes.first() else {
        return Style::Plain;
    };
    if bytes.len() >= 80 || multiline {
        return Style::Block;
    }
    let mut style = if INDICATORS.contains(first) {
        Style::Quoted
    } else {
        Style::Plain
    };
    let mut previous = 0;
    for byte in bytes {
        match byte {
            b'\r' | b'\n' | b'\'' => return Style::Block,
            b'#' if previous == b' ' => return Style::Block,
            b'#' => style = Style::Quoted,
            b' ' if previous == b':' => style = Style::Quoted,
            _ => {}
        }
        previous = *byte;
    }
    style
}

/// What a plain text cannot begin with. apk looks the byte up in a C string, so the zero at its end is one too.
const INDICATORS: &[u8] = b"-?:,[]{}#&*!|>'\"%@`\0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_as_needed() {
        for (text, expected) in [
            ("", Style::Plain),
            ("a b", Style::Plain),
            ("!bad", Style::Quoted),
            ("a: b", Style::Quoted),
            ("a:b", Style::Plain),
            ("a#b", Style::Quoted),
            ("a #b", Style::Block),
            ("it's", Style::Block),
            (&"x".repeat(79), Style::Plain),
            (&"x".repeat(80), Style::Block),
        ] {
            assert_eq!(style(text.as_bytes(), false), expected, "{text:?}");
        }
    }
}
