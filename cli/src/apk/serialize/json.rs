//! JSON as apk lays it out: two spaces for each level, and no line break between objects of a list.
//!
//! Control characters other than newline and tab are escaped, which apk 3.0.6 forgets: its output is not JSON then.

use std::fmt::Write;

use super::{Field, Form};

/// Writes JSON.
#[derive(Debug, Default)]
pub(in crate::apk) struct Json {
    text: String,
    /// The brackets that close what is open.
    open: Vec<char>,
    after_key: bool,
    separator: bool,
    newline: bool,
}

impl Json {
    fn indent(&mut self, item: bool) {
        if std::mem::take(&mut self.after_key) {
            self.text.push(' ');
            return;
        }
        if item && self.separator {
            self.text.push(',');
        }
        if self.newline {
            let width = 2 * self.open.len();
            let _ = write!(self.text, "\n{:width$}", "");
        } else {
            self.text.push(' ');
        }
    }

    fn start(&mut self, bracket: char, closing: char) {
        if !self.open.is_empty() {
            self.indent(true);
        }
        self.text.push(bracket);
        self.open.push(closing);
        self.separator = false;
        self.newline = true;
    }

    fn quoted(&mut self, text: &str) {
        self.text.push('"');
        for character in text.chars() {
            match character {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\t' => self.text.push_str("\\t"),
                other if (other as u32) < 0x20 => {
                    let _ = write!(self.text, "\\u{:04x}", other as u32);
                }
                other => self.text.push(other),
            }
        }
        self.text.push('"');
    }
}

impl Form for Json {
    fn object(&mut self) {
        self.start('{', '}');
    }

    fn list(&mut self, _: Option<usize>) {
        self.start('[', ']');
    }

    fn end(&mut self) {
        let closing = self.open.pop();
        self.newline = true;
        self.indent(false);
        self.text.extend(closing);
        self.separator = true;
        self.newline = false;
        if self.open.is_empty() {
            self.text.push('\n');
        }
    }

    fn key(&mut self, field: Field) {
        self.newline = true;
        self.indent(true);
        self.quoted(field.key());
        self.text.push(':');
        self.after_key = true;
        self.separator = true;
    }

    fn string(&mut self, text: &str) {
        self.newline = true;
        self.indent(true);
        self.quoted(text);
        self.separator = true;
    }

    fn number(&mut self, number: u64) {
        self.newline = true;
        self.indent(true);
        let _ = write!(self.text, "{number}"); // writing to a String cannot fail
        self.separator = true;
    }

    fn finish(self: Box<Self>) -> String {
        self.text
    }
}
