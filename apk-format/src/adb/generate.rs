//! The values of an ADB file out of the text that [`dump`](super::dump) prints, as `apk adbgen` of 3.0.6 makes them.
//!
//! | in the text | is |
//! |---|---|
//! | `#%SCHEMA: 676B6370`, the first line | what the values mean |
//! | `key: value`, `key:` and deeper lines | a field; two spaces for each level |
//! | `- ` | an element of a list |
//! | `\|` and deeper lines | a text of several lines |
//! | `'…'` | a text, without the quotes |
//! | ` #`, or `#` at the beginning of a line | a comment to the end of the line |
//!
//! Values are laid out in the order of the text, lists are objects in the order that their schema wants. Where apk 3.0.6 writes
//! something else in silence there is an error here: unknown keys, numbers and dependencies that are none, no first line.
//! It also writes attributes that cannot be read again. Installed databases are not generated.

use std::cmp::Ordering;

use crate::adb::atoms::{Atom, sorted};
use crate::adb::block::Schema;
use crate::adb::shape::{Field, INDEX, PACKAGE, Shape};
use crate::adb::value::Value;
use crate::adb::writer::{TooLarge, ValueWriter, merge_sort};
use crate::dependency::Dependency;
use crate::version;

/// Reads a text, and gives what its values mean and the payload of their block.
pub fn generate(text: &str) -> Result<(Schema, Vec<u8>), GenerateError> {
    let mut lines = Lines {
        lines: text.lines().collect(),
        at: 0,
    };
    let first = lines.next().and_then(|line| line.strip_prefix(MARK));
    let schema = first.and_then(|number| u32::from_str_radix(number.trim_end(), 16).ok());
    let schema = Schema(schema.ok_or_else(|| lines.wrong(Problem::Schema))?);
    let Shape::Object(fields) = (match schema {
        Schema::PACKAGE => &PACKAGE,
        Schema::INDEX => &INDEX,
        _ => return Err(lines.wrong(Problem::Schema)),
    }) else {
        return Err(lines.wrong(Problem::Schema));
    };
    let mut writer = ValueWriter::new();
    let root = lines.object(&mut writer, 0, fields, None)?;
    match lines.peek() {
        None => Ok((schema, writer.finish(root.value)?)),
        Some(_) => {
            lines.at += 1;
            Err(lines.wrong(Problem::Place))
        }
    }
}

/// Why a text is none of values.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// A line cannot be understood.
    #[error("line {line}: {problem}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// Why not.
        problem: Problem,
    },
    /// There is too much of it.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The first line does not name a package or an index.
    #[error("no schema of a package or an index")]
    Schema,
    /// A field that there is not.
    #[error("there is no field {0:?} here")]
    Key(String),
    /// Neither a field nor an element.
    #[error("it does not belong here")]
    Place,
    /// A value that its field cannot have.
    #[error("{0:?} is not what this field holds")]
    Value(String),
}

const MARK: &str = "#%SCHEMA: ";

/// The lines of the text that are left.
struct Lines<'a> {
    lines: Vec<&'a str>,
    at: usize,
}

/// A value, and by what it is sorted.
struct Made {
    value: Value,
    name: Vec<u8>,
    version: String,
    hashes: Vec<u8>,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let line = self.lines.get(self.at).copied();
        self.at += usize::from(line.is_some());
        line
    }

    /// The depth and the text of the next line that says something.
    fn peek(&mut self) -> Option<(usize, &'a str)> {
        loop {
            let (depth, text) = deep(self.lines.get(self.at)?, usize::MAX);
            if !(text.is_empty() || text.starts_with('#')) {
                return Some((depth, text));
            }
            self.at += 1;
        }
    }

    /// What is wrong with the line that was read last.
    fn wrong(&self, problem: Problem) -> GenerateError {
        let line = self.at;
        GenerateError::Line { line, problem }
    }

    /// The fields of an object at a depth; the first one may stand behind the mark of an element.
    fn object(
        &mut self,
        writer: &mut ValueWriter,
        depth: usize,
        fields: &'static [Field],
        first: Option<&'a str>,
    ) -> Result<Made, GenerateError> {
        let mut slots = vec![Value::NULL; fields.len()];
        let mut made = Made {
            value: Value::NULL,
            name: Vec::new(),
            version: String::new(),
            hashes: Vec::new(),
        };
        let mut line = first.or_else(|| self.take(depth, false));
        while let Some(text) = line {
            let (key, rest) = field(text).ok_or_else(|| self.wrong(Problem::Place))?;
            let slot = fields.iter().position(|field| field.name == key);
            let slot = slot.ok_or_else(|| self.wrong(Problem::Key(key.to_owned())))?;
            let (Some(field), Some(place)) = (fields.get(slot), slots.get_mut(slot)) else {
                break;
            };
            *place = self.value(writer, depth, field.shape, rest)?;
            match key {
                "name" => made.name = rest.as_bytes().to_vec(),
                "version" => made.version = rest.to_owned(),
                "hashes" => made.hashes = rest.as_bytes().to_vec(),
                _ => {}
            }
            line = self.take(depth, false);
        }
        made.value = writer.object(&slots);
        Ok(made)
    }

    /// The next line, if it is at this depth, and an element or a field.
    fn take(&mut self, depth: usize, element: bool) -> Option<&'a str> {
        let (found, text) = self.peek()?;
        let rest = text.strip_prefix("- ");
        if found != depth || rest.is_some() != element {
            return None;
        }
        self.at += 1;
        Some(rest.unwrap_or(text))
    }

    /// What a field holds, whose line is at this depth.
    fn value(
        &mut self,
        writer: &mut ValueWriter,
        depth: usize,
        shape: &'static Shape,
        rest: &str,
    ) -> Result<Value, GenerateError> {
        match shape {
            Shape::Object(fields) if rest.is_empty() => {
                Ok(self.object(writer, depth + 1, fields, None)?.value)
            }
            Shape::Array(element) if rest.is_empty() => self.array(writer, depth + 1, element),
            Shape::Array(Shape::Dependency) => {
                let atoms = rest.split(' ').filter(|word| !word.is_empty());
                let atoms = atoms.map(|word| self.atom(writer, word));
                let atoms = sorted(atoms.collect::<Result<_, _>>()?);
                Ok(writer.object(&atoms))
            }
            shape => self.scalar(writer, depth, shape, rest),
        }
    }

    fn array(
        &mut self,
        writer: &mut ValueWriter,
        depth: usize,
        element: &'static Shape,
    ) -> Result<Value, GenerateError> {
        let mut all = Vec::new();
        let mut atoms = Vec::new();
        while let Some(rest) = self.take(depth, true) {
            match element {
                Shape::Dependency => atoms.push(self.atom(writer, unquoted(rest))?),
                Shape::Object(fields) => {
                    all.push(self.object(writer, depth + 1, fields, Some(rest))?);
                }
                shape => all.push(Made {
                    value: self.scalar(writer, depth, shape, without_comment(rest))?,
                    name: rest.as_bytes().to_vec(),
                    version: String::new(),
                    hashes: Vec::new(),
                }),
            }
        }
        let mut values = sorted(atoms);
        if matches!(element, Shape::Object(_) | Shape::Xattr) {
            all = merge_sort(all, &Made::compare);
        }
        values.extend(all.into_iter().map(|one| one.value));
        Ok(writer.object(&values))
    }

    fn atom(&self, writer: &mut ValueWriter, text: &str) -> Result<(Value, Atom), GenerateError> {
        let dependency = Dependency::parse_untagged(text);
        let dependency = dependency.map_err(|_| self.wrong(Problem::Value(text.to_owned())))?;
        let atom = Atom::of_dependency(&dependency);
        Ok((atom.write(writer), atom))
    }

    fn scalar(
        &mut self,
        writer: &mut ValueWriter,
        depth: usize,
        shape: &Shape,
        rest: &str,
    ) -> Result<Value, GenerateError> {
        let text = match rest {
            "|" => self.block(depth + 1),
            rest => unquoted(rest).to_owned(),
        };
        let value = match shape {
            Shape::Text { .. } => Some(writer.blob(text.as_bytes())),
            Shape::Number { octal } => {
                let radix = if *octal { 8 } else { 10 };
                let number = u64::from_str_radix(&text, radix).ok();
                number.map(|number| writer.int(number))
            }
            Shape::Hex => bytes(&text).map(|bytes| writer.blob(&bytes)),
            Shape::Xattr => text.rsplit_once('=').and_then(|(name, hex)| {
                let name = [name.as_bytes(), b"\0"].concat();
                Some(writer.blob_of(&[&name, &bytes(hex)?]))
            }),
            _ => None,
        };
        value.ok_or_else(|| self.wrong(Problem::Value(text)))
    }

    /// Lines at this depth and deeper, as they are.
    fn block(&mut self, depth: usize) -> String {
        let mut all = Vec::new();
        while let Some(line) = self.lines.get(self.at) {
            let (found, text) = deep(line, depth);
            if found < depth && !line.is_empty() {
                break;
            }
            all.push(text);
            self.at += 1;
        }
        all.join("\n")
    }
}

impl Made {
    fn compare(&self, other: &Made) -> Ordering {
        let versions = || version::compare(&self.version, &other.version, false);
        let names = self.name.cmp(&other.name);
        names
            .then_with(versions)
            .then_with(|| self.hashes.cmp(&other.hashes))
    }
}

/// How deep a line is, at most so deep, and what stands there.
fn deep(line: &str, most: usize) -> (usize, &str) {
    let (mut depth, mut text) = (0, line);
    while let Some(rest) = text.strip_prefix("  ").filter(|_| depth < most) {
        (depth, text) = (depth + 1, rest);
    }
    (depth, text)
}

fn without_comment(text: &str) -> &str {
    text.split_once(" #").map_or(text, |(text, _)| text)
}

/// The key and the value, which is empty where deeper lines have it.
fn field(text: &str) -> Option<(&str, &str)> {
    let text = without_comment(text);
    text.split_once(": ")
        .or_else(|| text.strip_suffix(':').map(|key| (key, "")))
}

fn unquoted(text: &str) -> &str {
    let inner = text
        .strip_prefix('\'')
        .and_then(|text| text.strip_suffix('\''));
    inner.unwrap_or(text)
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    data_encoding::HEXLOWER_PERMISSIVE
        .decode(hex.as_bytes())
        .ok()
}
