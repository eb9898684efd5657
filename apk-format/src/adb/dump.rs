//! The text of an ADB file, as `apk adbdump` of 3.0.6 prints it.
//!
//! | form | is |
//! |---|---|
//! | [`Format::Yaml`] | fields in the order of the slots, nulls left out; blocks and signatures as comments |
//! | [`Format::Json`] | the same fields, without comments |
//!
//! As there, what cannot be read is printed as nothing or 0, and text goes out before an error ends it. Bytes that are
//! no UTF-8 go out as they are, so the output need not be text. Where apk stops with a failed assertion there is an
//! error here: when values are shared without end.

mod json;
mod yaml;

use std::io::{self, Read, Write};

use crate::adb::block::{BlockError, BlockKind, Blocks, Schema};
use crate::adb::shape::{INDEX, INSTALLED, PACKAGE, Shape};
use crate::adb::value::{Adb, Budget, Slots, Value, ValueError};
use crate::dependency::Op;
use crate::signature::KeyRing;
use crate::signature::adb::{Outcome, check};

/// Which text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people, and for `apk adbgen`.
    #[default]
    Yaml,
    /// For programs.
    Json,
}

/// Prints a file.
///
/// `keys` decides only what is said of signatures: `OK` or `UNTRUSTED signature`.
pub fn dump(
    input: impl Read,
    output: impl Write,
    format: Format,
    keys: &KeyRing,
) -> Result<(), DumpError> {
    let mut blocks = Blocks::open(input)?;
    let mut output = io::BufWriter::new(output);
    let result = match format {
        Format::Yaml => walk(&mut blocks, &mut yaml::Yaml::new(&mut output), keys),
        Format::Json => walk(&mut blocks, &mut json::Json::new(&mut output), keys),
    };
    output.flush()?;
    result
}

/// Why a file cannot be printed to its end.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// The frame is broken.
    #[error("the ADB file is broken")]
    Block(#[from] BlockError),
    /// The block of values has no header that can be read, or shares without end.
    #[error("the ADB block cannot be understood")]
    Value(#[from] ValueError),
    /// The text cannot be written.
    #[error("cannot write")]
    Write(#[from] io::Error),
}

/// What a text is made of, in order.
trait Printer {
    /// Begins an object; the outermost one names its schema.
    fn start_object(&mut self, schema: Option<Schema>) -> io::Result<()>;
    /// Begins an array of that many elements.
    fn start_array(&mut self, length: usize) -> io::Result<()>;
    /// Ends an object or array.
    fn end(&mut self) -> io::Result<()>;
    fn comment(&mut self, text: &str) -> io::Result<()>;
    /// Comes before the value of a field.
    fn key(&mut self, name: &str) -> io::Result<()>;
    fn text(&mut self, bytes: &[u8], multiline: bool) -> io::Result<()>;
    fn number(&mut self, number: u64, octal: bool) -> io::Result<()>;
}

fn walk<R: Read>(
    blocks: &mut Blocks<R>,
    printer: &mut dyn Printer,
    keys: &KeyRing,
) -> Result<(), DumpError> {
    let schema = blocks.schema();
    let mut values = Vec::new();
    while let Some(block) = blocks.next_block()? {
        match block.kind {
            BlockKind::Adb => {
                values = blocks.payload(VALUES_LIMIT)?;
                print_values(&values, schema, printer)?;
            }
            BlockKind::Signature => {
                let payload = blocks.payload(SIGNATURE_LIMIT)?;
                printer.comment(&signature(&payload, schema, &values, keys))?;
            }
            BlockKind::Data => {
                printer.comment(&format!("data block, size: {}", block.length))?;
            }
        }
    }
    Ok(())
}

fn print_values(bytes: &[u8], schema: Schema, printer: &mut dyn Printer) -> Result<(), DumpError> {
    let adb = Adb::new(bytes)?;
    let mut walk = Walk {
        adb,
        printer,
        budget: Budget::for_text(bytes.len()),
    };
    walk.root(schema)
}

/// What is said of a signature: its first bytes, and whether it is good.
fn signature(payload: &[u8], schema: Schema, values: &[u8], keys: &KeyRing) -> String {
    let (version, digest) = match payload {
        [version, digest, ..] => (*version, *digest),
        _ => (0, 0),
    };
    let hex = data_encoding::HEXLOWER.encode(payload.get(2..).unwrap_or_default());
    let shown = match hex.get(..SIGNATURE_DIGITS) {
        Some(cut) => format!("{cut}.."),
        None => hex,
    };
    let verdict = match check(payload, schema, values, keys) {
        _ if version != 0 || payload.len() < 18 => "ADB signature block error",
        Outcome::Good(_) => "OK",
        _ => "UNTRUSTED signature",
    };
    format!("sig v{version:02x} h{digest:02x} {shown}: {verdict}")
}

struct Walk<'a, 'p> {
    adb: Adb<'a>,
    printer: &'p mut dyn Printer,
    budget: Budget,
}

impl<'a> Walk<'a, '_> {
    /// One block of values, as an object of its own.
    fn root(&mut self, schema: Schema) -> Result<(), DumpError> {
        self.printer.start_object(Some(schema))?;
        let version = self.adb.bytes().get(1).copied().unwrap_or_default();
        self.printer.comment(&format!(
            "ADB block, size: {}, compat: 0, ver: {version}",
            self.adb.bytes().len()
        ))?;
        let shape = match schema {
            Schema::PACKAGE => Some(&PACKAGE),
            Schema::INDEX => Some(&INDEX),
            Schema::INSTALLED => Some(&INSTALLED),
            _ => None,
        };
        if let Some(shape) = shape {
            self.object(shape, self.adb.root())?;
        }
        Ok(self.printer.end()?)
    }

    /// The fields of an object, or the one text that stands for it.
    fn object(&mut self, shape: &Shape, value: Value) -> Result<(), DumpError> {
        let slots = self.slots(value);
        let Shape::Object(fields) = shape else {
            return self.dependency(slots);
        };
        for (value, field) in slots.iter().zip(fields.iter()) {
            if !value.is_null() {
                self.printer.key(field.name)?;
                self.item(field.shape, value)?;
            }
        }
        Ok(())
    }

    fn item(&mut self, shape: &Shape, value: Value) -> Result<(), DumpError> {
        self.budget.spend(1)?;
        match shape {
            Shape::Object(_) => {
                self.printer.start_object(None)?;
                self.object(shape, value)?;
                self.printer.end()?;
            }
            Shape::Dependency => self.object(shape, value)?,
            Shape::Array(element) => {
                let slots = self.slots(value);
                self.printer.start_array(slots.len())?;
                for value in slots.iter().filter(|value| !value.is_null()) {
                    self.item(element, value)?;
                }
                self.printer.end()?;
            }
            Shape::Package => self.package(value)?,
            Shape::Number { octal } => {
                let number = self.adb.int(value).unwrap_or_default();
                self.printer.number(number, *octal)?;
            }
            Shape::Text { multiline } => {
                let text = self.blob(value)?;
                self.printer.text(text, *multiline)?;
            }
            Shape::Hex => {
                let bytes = self.blob(value)?;
                let text = data_encoding::HEXLOWER.encode(bytes);
                let text = if text.len() <= BUFFER {
                    text
                } else {
                    format!("({} bytes)", bytes.len())
                };
                self.printer.text(text.as_bytes(), false)?;
            }
            Shape::Xattr => {
                let text = xattr(self.blob(value)?);
                self.printer.text(&text, false)?;
            }
        }
        Ok(())
    }

    /// A whole package within an installed database: blocks without the header of a file.
    fn package(&mut self, value: Value) -> Result<(), DumpError> {
        let blob = self.blob(value)?;
        let header = [b"ADB.".as_slice(), &Schema::PACKAGE.0.to_le_bytes()].concat();
        let Ok(mut blocks) = Blocks::open(header.as_slice().chain(blob)) else {
            return Ok(());
        };
        // Signatures are not looked at, and whatever is broken ends this package alone.
        while let Ok(Some(block)) = blocks.next_block() {
            if block.kind != BlockKind::Adb {
                continue;
            }
            let Ok(values) = blocks.payload(VALUES_LIMIT) else {
                return Ok(());
            };
            let Ok(adb) = Adb::new(&values) else {
                return Ok(());
            };
            let mut walk = Walk {
                adb,
                printer: self.printer,
                budget: self.budget,
            };
            walk.root(Schema::PACKAGE)?;
            self.budget = walk.budget;
        }
        Ok(())
    }

    /// `name`, `!name`, or `name`, operator and version.
    fn dependency(&mut self, slots: Slots<'a>) -> Result<(), DumpError> {
        let name = self.blob(slots.get(1))?;
        let version = self.blob(slots.get(2))?;
        let matching = match self.adb.int(slots.get(3)).unwrap_or_default() {
            0 => 1,
            other => other,
        };
        let conflict: &[u8] = if matching & 16 != 0 { b"!" } else { b"" };
        let text = if version.is_empty() {
            [conflict, name].concat()
        } else {
            let op = operator(matching);
            [conflict, name, op.as_bytes(), version].concat()
        };
        // What does not fit into apk's buffer is printed as nothing; a bare name is not copied there.
        let fits = text.len() < BUFFER || text == name;
        let text = if name.is_empty() || !fits {
            Vec::new()
        } else {
            text
        };
        Ok(self.printer.text(&text, false)?)
    }

    fn blob(&mut self, value: Value) -> Result<&'a [u8], DumpError> {
        let blob = self.adb.blob(value).unwrap_or_default();
        self.budget.spend(blob.len())?;
        Ok(blob)
    }

    fn slots(&self, value: Value) -> Slots<'a> {
        self.adb.slots(value).unwrap_or_default()
    }
}

/// The operator for a set of outcomes; a set that has none is written as `?`.
fn operator(matching: u64) -> String {
    match matching & 15 {
        15 => "?".to_owned(),
        outcomes => Op::from_matches(outcomes).to_string(),
    }
}

/// Name, `=` and the value in hex.
fn xattr(blob: &[u8]) -> Vec<u8> {
    let Some(end) = blob.iter().position(|byte| *byte == 0) else {
        return Vec::new();
    };
    let name = blob.get(..end).unwrap_or_default();
    let value = blob.get(end + 1..).unwrap_or_default();
    let hex = data_encoding::HEXLOWER.encode(value);
    if name.len() + 1 + hex.len() <= BUFFER {
        return [name, b"=", hex.as_bytes()].concat();
    }
    let text = format!("=({} bytes)", value.len());
    let text = [name, text.as_bytes()].concat();
    if text.len() < BUFFER {
        text
    } else {
        Vec::new()
    }
}

/// How long a text can be that apk puts together.
const BUFFER: usize = 256;

/// How much of a signature is shown: what fits into 160 bytes beside the rest of the line.
const SIGNATURE_DIGITS: usize = 108;

/// How many bytes of values are read: they are kept in memory.
const VALUES_LIMIT: u64 = 64 << 20;

/// What apk reads of a signature.
const SIGNATURE_LIMIT: u64 = 64 << 10;
