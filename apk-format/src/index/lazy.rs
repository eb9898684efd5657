//! Records that are read when somebody asks for one of their fields.
//!
//! Whoever looks for one package among 5,000 reads the fields of a few. That a paragraph of a v2 index, or a package of a
//! v3 index, *can* be read is known when the index was read: nothing is wrong with a record later.

use std::fmt;
use std::ops::{Deref, DerefMut, Range};
use std::sync::{Arc, LazyLock, OnceLock};

use bytes::Bytes;

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
pub struct Record {
    /// What an index lists, and where in it this is.
    listed: Option<(Arc<Listed>, u32)>,
    /// What counts instead of it.
    own: Option<Arc<Fields>>,
}

/// The records of one index.
struct Listed {
    source: Source,
    /// What those say that somebody asked for.
    read: Vec<OnceLock<Box<Fields>>>,
}

/// What can be read.
enum Source {
    /// A text, and where in it the lines of each record are.
    Lines(Shared, Vec<Range<u32>>),
    /// The values of a v3 index, and which of them the packages are.
    Stored(Bytes, Vec<Value>),
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

    /// The packages of a v3 index, which can be read.
    pub(super) fn stored(values: Bytes, packages: Vec<Value>) -> Vec<Record> {
        let count = packages.len();
        Listed::records(Source::Stored(values, packages), count)
    }

    /// The lines that are a record of a v2 index, if nobody has asked for a field or changed one.
    pub(super) fn lines(&self) -> Option<&str> {
        match (&self.listed, &self.own) {
            (Some((listed, at)), None) => listed.unread_lines(*at as usize),
            _ => None,
        }
    }
}

impl From<Fields> for Record {
    fn from(fields: Fields) -> Record {
        Record {
            listed: None,
            own: Some(Arc::new(fields)),
        }
    }
}

impl Listed {
    /// All of a source that has so many.
    fn records(source: Source, count: usize) -> Vec<Record> {
        let read = (0..count).map(|_| OnceLock::new()).collect();
        let listed = Arc::new(Listed { source, read });
        let record = |at| Record {
            listed: Some((Arc::clone(&listed), at)),
            own: None,
        };
        (0..).take(count).map(record).collect()
    }

    fn fields(&self, at: usize) -> &Fields {
        let read = || Box::new(self.source.read(at).unwrap_or_else(nobody));
        match self.read.get(at) {
            Some(cell) => cell.get_or_init(read),
            None => &NOBODY,
        }
    }

    fn unread_lines(&self, at: usize) -> Option<&str> {
        let unread = self.read.get(at)?.get().is_none();
        self.source.lines(at).filter(|_| unread)
    }
}

impl Source {
    /// The fields of what was looked at before.
    fn read(&self, at: usize) -> Option<Fields> {
        match self {
            Source::Lines(whole, _) => read_lines(whole, self.lines(at)?).ok(),
            Source::Stored(values, packages) => read_stored(values, *packages.get(at)?).ok(),
        }
    }

    fn lines(&self, at: usize) -> Option<&str> {
        let Source::Lines(whole, places) = self else {
            return None;
        };
        let place = places.get(at)?;
        whole.as_str().get(place.start as usize..place.end as usize)
    }
}

/// What never shows: all that is listed can be read.
static NOBODY: LazyLock<Fields> = LazyLock::new(nobody);

fn nobody() -> Fields {
    let identity = Digest::Sha1([0; 20]);
    Fields::new(identity, Text::default(), Version::lenient(""))
}

fn read_lines(whole: &Shared, text: &str) -> Result<Fields, RecordError> {
    let mut lines = Vec::with_capacity(TYPICAL_LINES);
    stanza::split(text).read_into(&mut lines)?;
    Fields::within(whole, &lines)
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
        match (&self.own, &self.listed) {
            (Some(own), _) => own,
            (None, Some((listed, at))) => listed.fields(*at as usize),
            (None, None) => &NOBODY,
        }
    }
}

impl DerefMut for Record {
    fn deref_mut(&mut self) -> &mut Fields {
        let own = self.own.take();
        let own = own.unwrap_or_else(|| Arc::new((**self).clone()));
        Arc::make_mut(self.own.insert(own))
    }
}

impl PartialEq for Record {
    fn eq(&self, other: &Record) -> bool {
        std::ptr::eq(&**self, &**other) || **self == **other
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
    let mut places = Vec::with_capacity(text.len() / super::TYPICAL_RECORD);
    let mut paragraph = Paragraph::default();
    let mut start = 0;
    let ends = memchr::memchr_iter(b'\n', text.as_bytes());
    for end in ends.chain((!text.ends_with('\n')).then_some(text.len())) {
        let line = text.as_bytes().get(start..end)?;
        if line.len() >= 2 {
            paragraph.add(line, text, start, end)?;
        } else if let Some(lines) = paragraph.end()? {
            if places.len() == record::PACKAGES_LIMIT {
                return None;
            }
            places.push(place(&lines)?);
        }
        start = end + 1;
    }
    if let Some(lines) = paragraph.end()? {
        places.push(place(&lines)?);
    }
    let count = places.len();
    Some(Listed::records(Source::Lines(whole.clone(), places), count))
}

/// The same in half the memory; `None` behind 4 GiB.
fn place(lines: &Range<usize>) -> Option<Range<u32>> {
    Some(lines.start.try_into().ok()?..lines.end.try_into().ok()?)
}

/// The lines between two empty ones.
#[derive(Default)]
struct Paragraph {
    lines: Option<Range<usize>>,
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
    fn end(&mut self) -> Option<Option<Range<usize>>> {
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
        assert!(records.iter().all(|record| record.lines().is_some()));
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
