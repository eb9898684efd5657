//! Records that are read when somebody asks for one of their fields.
//!
//! Whoever looks for one package among 5,000 reads the fields of a few. That a paragraph of a v2 index, or a package of a
//! v3 index, *can* be read is known when the index was read: nothing is wrong with a record later.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, OnceLock};

use crate::adb::schema::SchemaError;
use crate::adb::value::{Adb, Budget, Value};
use crate::digest::Digest;
use crate::index::record::{self, Fields, RecordError, decimal};
use crate::index::text::{Shared, Text};
use crate::index::{IndexError, listed};
use crate::stanza::{self, Field};
use crate::version::Version;

/// What an index says of one package: see [`Fields`], which it is seen as.
///
/// A copy costs nothing, and shares what was read. Whoever changes a field gets fields of his own.
///
/// Equality compares versions as [`Version`] does.
#[derive(Clone)]
pub struct Record(Arc<Kept>);

#[derive(Clone)]
struct Kept {
    /// What can be read.
    source: Source,
    /// What it says.
    read: OnceLock<Box<Fields>>,
    /// What counts instead of them.
    own: Option<Box<Fields>>,
}

#[derive(Clone)]
enum Source {
    /// The lines of a paragraph.
    Lines(Text),
    /// The values of a v3 index, and which of them is the package.
    Stored(Arc<Vec<u8>>, Value),
}

impl Record {
    /// A record with an identity, a name and a version, and nothing else.
    pub fn new(identity: Digest, name: &str, version: Version) -> Record {
        Record::from(Fields::new(identity, Text::from(name), version))
    }

    /// Reads one paragraph.
    ///
    /// Fails without identity, name or version, and on a number or identity that cannot be read.
    pub fn from_fields(fields: &[Field<'_>]) -> Result<Record, RecordError> {
        Ok(Fields::within(&Shared::default(), fields)?.into())
    }

    /// A package of a v3 index, which can be read.
    pub(super) fn stored(values: &Arc<Vec<u8>>, package: Value) -> Record {
        Record::later(Source::Stored(Arc::clone(values), package))
    }

    fn later(source: Source) -> Record {
        Record(Arc::new(Kept {
            source,
            read: OnceLock::new(),
            own: None,
        }))
    }

    /// The lines that are a record of a v2 index, if nobody has asked for a field or changed one.
    pub(super) fn lines(&self) -> Option<&str> {
        match &self.0.source {
            Source::Lines(text) if self.0.own.is_none() && self.0.read.get().is_none() => {
                Some(text.as_str())
            }
            _ => None,
        }
    }
}

impl From<Fields> for Record {
    fn from(fields: Fields) -> Record {
        Record(Arc::new(Kept {
            source: Source::Lines(Text::default()),
            read: OnceLock::new(),
            own: Some(Box::new(fields)),
        }))
    }
}

impl Source {
    /// The fields of what was looked at before.
    fn read(&self) -> Fields {
        let read = match self {
            Source::Lines(text) => read_lines(text).ok(),
            Source::Stored(values, package) => read_stored(values, *package).ok(),
        };
        read.unwrap_or_else(|| {
            let nobody = Digest::Sha1([0; 20]);
            Fields::new(nobody, Text::default(), Version::lenient(""))
        })
    }
}

fn read_lines(text: &Text) -> Result<Fields, RecordError> {
    let mut lines = Vec::with_capacity(TYPICAL_LINES);
    stanza::split(text.as_str()).read_into(&mut lines)?;
    Fields::within(&text.whole(), &lines)
}

fn read_stored(values: &[u8], package: Value) -> Result<Fields, IndexError> {
    let adb = Adb::new(values).map_err(|source| SchemaError::value("index", source))?;
    listed::fields(adb, package, &mut Budget::for_payload(values.len()))
}

/// How many lines most records have room in.
const TYPICAL_LINES: usize = 20;

impl Deref for Record {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        let read = || self.0.read.get_or_init(|| Box::new(self.0.source.read()));
        self.0.own.as_ref().unwrap_or_else(read)
    }
}

impl DerefMut for Record {
    fn deref_mut(&mut self) -> &mut Fields {
        let kept = Arc::make_mut(&mut self.0);
        let fields = kept.own.take().or_else(|| kept.read.take());
        let fields = fields.unwrap_or_else(|| Box::new(kept.source.read()));
        kept.own.insert(fields)
    }
}

impl PartialEq for Record {
    fn eq(&self, other: &Record) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || **self == **other
    }
}

impl Eq for Record {}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Finds the records of a text without reading them; `None` if not all of them can be read, or if it must be counted how
/// many atoms there are.
pub(super) fn find(whole: &Shared) -> Option<Vec<Record>> {
    let text = whole.as_str();
    // An atom has two bytes at least, and so has a letter that nobody knows.
    if text.len() / 2 > record::ATOMS_LIMIT {
        return None;
    }
    let mut records = Vec::with_capacity(text.len() / super::TYPICAL_RECORD);
    let mut paragraph = Paragraph::default();
    let mut start = 0;
    let ends = memchr::memchr_iter(b'\n', text.as_bytes());
    for end in ends.chain((!text.ends_with('\n')).then_some(text.len())) {
        let line = text.as_bytes().get(start..end)?;
        if line.len() >= 2 {
            paragraph.add(line, text, start, end)?;
        } else if let Some(lines) = paragraph.end()? {
            if records.len() == record::PACKAGES_LIMIT {
                return None;
            }
            let lines = whole.part(text.get(lines)?);
            records.push(Record::later(Source::Lines(lines)));
        }
        start = end + 1;
    }
    if let Some(lines) = paragraph.end()? {
        let lines = whole.part(text.get(lines)?);
        records.push(Record::later(Source::Lines(lines)));
    }
    Some(records)
}

/// The lines between two empty ones.
#[derive(Default)]
struct Paragraph {
    lines: Option<std::ops::Range<usize>>,
    identity: bool,
    name: bool,
    version: bool,
}

impl Paragraph {
    /// Looks at a line; `None` if it cannot be read.
    fn add(&mut self, line: &[u8], text: &str, start: usize, end: usize) -> Option<()> {
        let ([key, b':'], value) = line.split_first_chunk()? else {
            return None;
        };
        match key {
            b'C' => {
                Digest::parse(text.get(start + 2..end)?).ok()?;
                self.identity = true;
            }
            b'P' => self.name = true,
            b'V' => self.version = true,
            b'S' | b'I' | b't' | b'k' if !is_number(value) => return None,
            _ => {}
        }
        self.lines.get_or_insert(start..end).end = end;
        Some(())
    }

    /// Where the lines of a whole record are, if there were any; `None` if it is not whole.
    fn end(&mut self) -> Option<Option<std::ops::Range<usize>>> {
        let ended = std::mem::take(self);
        match ended.lines {
            Some(_) if !(ended.identity && ended.name && ended.version) => None,
            lines => Some(lines),
        }
    }
}

/// Whether a field can be read as [`decimal`] reads it.
fn is_number(value: &[u8]) -> bool {
    const ALWAYS_FITS: usize = 19;
    let digits = value.iter().all(u8::is_ascii_digit) && !value.is_empty();
    let text = || std::str::from_utf8(value).ok().and_then(decimal);
    digits && (value.len() <= ALWAYS_FITS || text().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Index;

    const HEAD: &str = "C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\nP:a\nV:1\n";

    fn found(text: &str) -> Option<Vec<Record>> {
        find(&Shared::new(text.to_owned()))
    }

    #[test]
    fn fields_are_those_that_the_parser_reads() {
        let text = format!("\n{HEAD}D:b c=bad\nX:1\n\n\n{HEAD}T:two\nx\n{HEAD}T:end");
        let records = found(&text).unwrap();
        assert!(records.iter().all(|record| record.0.read.get().is_none()));
        let paragraphs = stanza::split(&text).map(|lines| {
            let lines = lines.unwrap();
            Record::from_fields(&lines).unwrap()
        });
        assert_eq!(records, paragraphs.collect::<Vec<_>>());
        assert_eq!(records[2].description, "end");
    }

    #[test]
    fn what_the_parser_refuses_is_not_found() {
        for rest in [
            "S:",
            "S:x",
            "S:-1",
            "I:18446744073709551616",
            "t:1 ",
            "k:\u{e9}",
            "no",
            "\u{e9}:1",
        ] {
            let text = format!("{HEAD}\n{HEAD}{rest}\n");
            assert!(found(&text).is_none(), "{rest}");
            assert!(Index::parse_records(&text).is_err(), "{rest}");
        }
        for text in [
            "P:a\nV:1\n",
            "C:x\nP:a\nV:1\n",
            "C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\nP:a",
        ] {
            assert!(found(text).is_none(), "{text}");
        }
        assert!(found(&format!("{HEAD}S:18446744073709551615\n")).is_some());
        assert_eq!(found("\n\nx\n"), Some(Vec::new()));
    }

    #[test]
    fn copies_change_alone() {
        let records = found(HEAD).unwrap();
        let mut copy = records[0].clone();
        copy.size = 7;
        assert_eq!((records[0].size, copy.size), (0, 7));
        assert_eq!(copy.name, records[0].name);
        assert_ne!(copy, records[0]);
    }
}
