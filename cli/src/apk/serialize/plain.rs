//! apk's own form: `Title: value`, an empty line between objects.
//!
//! Items of a list follow the title, and go on in the next line once 80 columns are full; those of `contents` and
//! `repositories` have a line each.

use std::fmt::Write;

use super::{Field, Form};

/// How the items of what is open stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    /// A line each.
    Lines,
    /// A line each, indented.
    Indented,
    /// One after the other.
    Row,
}

/// What was written last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Last {
    #[default]
    Nothing,
    Key,
    Value,
}

/// Writes apk's own form.
#[derive(Debug, Default)]
pub(in crate::apk) struct Plain {
    text: String,
    open: Vec<Level>,
    indent: usize,
    column: usize,
    last: Last,
    lines_follow: bool,
    second: bool,
}

impl Plain {
    fn write(&mut self, text: &str) {
        self.text.push_str(text);
        self.column += text.len();
    }

    fn break_line(&mut self) {
        self.text.push('\n');
        self.column = 0;
    }

    fn start(&mut self, level: Level) {
        if self.open.len() == 1 && std::mem::replace(&mut self.second, true) {
            self.break_line();
        }
        self.indent += usize::from(level == Level::Indented);
        self.open.push(level);
        self.lines_follow = false;
    }

    fn item(&mut self) {
        let in_row = self.open.last() == Some(&Level::Row);
        match self.last {
            Last::Nothing => {}
            Last::Key => self.text.push(' '), // apk does not count this column
            Last::Value if in_row && self.column < WIDTH => self.write(" "),
            Last::Value if in_row => {
                self.text.push_str("\n  ");
                self.column = 2;
            }
            Last::Value => self.break_line(),
        }
    }
}

const WIDTH: usize = 80;

impl Form for Plain {
    fn object(&mut self) {
        self.start(Level::Lines);
    }

    fn list(&mut self, _: Option<usize>) {
        let level = match self.last {
            _ if self.lines_follow => Level::Indented,
            Last::Key => Level::Row,
            _ => Level::Lines,
        };
        self.start(level);
    }

    fn end(&mut self) {
        let level = self.open.pop();
        self.indent -= usize::from(level == Some(Level::Indented));
        if level == Some(Level::Row) || self.last != Last::Nothing {
            self.break_line();
            self.last = Last::Nothing;
        }
        self.lines_follow = false;
    }

    fn key(&mut self, field: Field) {
        self.item();
        self.write(&field.title());
        self.write(":");
        self.last = Last::Key;
        self.lines_follow = matches!(field, Field::Contents | Field::Repositories);
        if self.lines_follow {
            self.break_line();
            self.last = Last::Nothing;
        }
    }

    fn string(&mut self, text: &str) {
        self.item();
        let width = 2 * self.indent;
        self.write(&format!("{:width$}{text}", ""));
        self.last = Last::Value;
    }

    fn number(&mut self, number: u64) {
        self.item();
        let _ = write!(self.text, "{number}"); // writing to a String cannot fail
        self.last = Last::Value;
    }

    fn finish(self: Box<Self>) -> String {
        self.text
    }
}
