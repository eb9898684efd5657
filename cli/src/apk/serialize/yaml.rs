//! YAML as apk writes it, comments with numbers of items included.
//!
//! | text | written |
//! |---|---|
//! | with a line break or `'`, with ` #`, or of 80 bytes and more | as a block after a bar, a line each |
//! | beginning with an indicator, with `#`, or with `: ` | in single quotes |
//! | any other | as it is |

use std::fmt::Write;

use super::{Field, Form};

/// Writes YAML.
#[derive(Debug, Default)]
pub(in crate::apk) struct Yaml {
    text: String,
    /// Whether what is open is a list.
    open: Vec<bool>,
    indent: usize,
    line_started: bool,
    after_key: bool,
}

enum Style {
    Bare,
    Quoted,
    Block,
}

impl Yaml {
    fn begin(&mut self, item: bool, same_line: bool) {
        if !self.line_started {
            let width = 2 * self.indent;
            let _ = write!(self.text, "{:width$}", ""); // writing to a String cannot fail
            if item && self.open.last() == Some(&true) {
                self.text.push_str("- ");
            }
        } else if self.after_key && same_line {
            self.text.push(' ');
        }
        self.line_started = true;
    }

    fn start(&mut self, list: bool) {
        self.indent += usize::from(!self.open.is_empty());
        self.open.push(list);
    }

    fn break_line(&mut self) {
        self.text.push('\n');
        self.line_started = false;
        self.after_key = false;
    }
}

fn style(text: &str) -> Style {
    if text.len() >= 80 || text.contains(['\r', '\n', '\'']) || text.contains(" #") {
        return Style::Block;
    }
    let indicator = text.starts_with(|c: char| "-?:,[]{}#&*!|>'\"%@`".contains(c));
    if indicator || text.contains('#') || text.contains(": ") {
        Style::Quoted
    } else {
        Style::Bare
    }
}

impl Form for Yaml {
    fn object(&mut self) {
        self.begin(true, false);
        self.start(false);
    }

    fn list(&mut self, count: Option<usize>) {
        if let Some(count) = count {
            self.begin(true, true);
            let _ = write!(self.text, "# {count} items");
        }
        self.break_line();
        self.start(true);
    }

    fn end(&mut self) {
        if self.line_started {
            self.begin(false, true);
            self.text.push_str("# empty object");
            self.break_line();
        }
        self.open.pop();
        self.indent -= usize::from(!self.open.is_empty());
    }

    fn key(&mut self, field: Field) {
        if self.after_key {
            self.break_line();
        }
        self.begin(true, true);
        self.text.push_str(field.key());
        self.text.push(':');
        self.after_key = true;
    }

    fn string(&mut self, text: &str) {
        self.begin(true, true);
        match style(text) {
            Style::Bare => self.text.push_str(text),
            Style::Quoted => {
                let _ = write!(self.text, "'{text}'");
            }
            Style::Block => {
                self.text.push('|');
                self.break_line();
                self.indent += 1;
                for line in text.split('\n').filter(|line| !line.is_empty()) {
                    self.begin(false, true);
                    self.text.push_str(line);
                    self.break_line();
                }
                self.indent -= 1;
                return;
            }
        }
        self.break_line();
    }

    fn number(&mut self, number: u64) {
        self.begin(true, true);
        let _ = write!(self.text, "{number}");
        self.break_line();
    }

    fn finish(self: Box<Self>) -> String {
        self.text
    }
}
