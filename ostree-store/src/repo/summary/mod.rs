//! The file `summary`: what a repository offers, `(a(s(taya{sv}))a{sv})`.
//!
//! | member | meaning |
//! |---|---|
//! | `a(s(taya{sv}))` | refs sorted by name: size of the commit object in bytes (as stored, not swapped), its checksum, metadata |
//! | `a{sv}` | about the repository, in the order of a GLib hash table |
//!
//! Remotes' refs are not offered. Refs of other collections stand in the metadata, under
//! `ostree.summary.collection-map`. Source: the specification, and files written by ostree 2022.7.

mod deltas;
mod generate;

use super::{Repo, small_file};
use crate::checksum::{Checksum, CommitId};
use crate::gvariant::{Dict, NotNormal, Span, TupleReader, TupleWriter, Type, Value};
use crate::path_error::PathError;

pub use generate::SummaryError;

/// The largest summary that is read, in MiB: what ostree takes of any metadata since 2023.4.
const MAX_SUMMARY: u64 = 128;

/// What a repository offers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// The refs of the repository's own collection, or all if it has none.
    pub refs: Vec<SummaryRef>,
    /// What is said about the repository.
    pub metadata: Dict,
}

/// A ref that is offered.
#[derive(Clone, Debug, PartialEq)]
pub struct SummaryRef {
    /// Its name.
    pub name: String,
    /// The commit that it names.
    pub commit: CommitId,
    /// Size of the commit object in bytes.
    pub size: u64,
    /// What is said about it.
    pub metadata: Dict,
}

impl Summary {
    /// Reads the bytes of a summary.
    pub fn parse(bytes: &[u8]) -> Result<Summary, NotNormal> {
        let mut tuple = TupleReader::new(Span::new(bytes), 8, 1, true)?;
        let refs = parse_refs(tuple.variable(8)?)?;
        let metadata = Dict::parse_span(tuple.rest(8)?)?;
        tuple.finish()?;
        Ok(Summary { refs, metadata })
    }

    /// The bytes that ostree would write.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut tuple = TupleWriter::new(8);
        tuple.variable(8, &refs_value(&self.refs).encode());
        tuple.variable(8, &self.metadata.encode());
        tuple.finish()
    }

    /// The whole as one value, for printing.
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::Tuple(vec![refs_value(&self.refs), self.metadata.to_value()])
    }

    /// The text under a key of the metadata.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).and_then(Value::as_str)
    }

    /// The refs of other collections: collection id and refs, in the order in which they stand.
    #[must_use]
    pub fn collections(&self) -> Vec<(String, Vec<SummaryRef>)> {
        let Some(Value::Array(_, entries)) = self.metadata.get("ostree.summary.collection-map")
        else {
            return Vec::new();
        };
        entries.iter().filter_map(collection).collect()
    }
}

impl Repo {
    /// The repository's summary, if it has one. The bytes may mean nothing: [`Summary::parse`].
    pub fn summary_bytes(&self) -> Result<Option<Vec<u8>>, PathError> {
        small_file::read(&self.path.join("summary"), MAX_SUMMARY)
    }
}

fn parse_refs(span: Span<'_>) -> Result<Vec<SummaryRef>, NotNormal> {
    let mut refs = Vec::new();
    for element in span.elements(8)? {
        let mut entry = TupleReader::new(element?, 8, 1, true)?;
        let name = entry.variable(1)?.string()?.to_owned();
        let mut target = TupleReader::new(entry.rest(8)?, 8, 1, true)?;
        entry.finish()?;
        let size = u64::from_le_bytes(target.fixed(8)?);
        let commit = target
            .variable(1)?
            .array("a checksum that has not 32 bytes")?;
        let metadata = Dict::parse_span(target.rest(8)?)?;
        target.finish()?;
        refs.push(SummaryRef {
            name,
            commit: CommitId::new(Checksum::from_bytes(commit)),
            size,
            metadata,
        });
    }
    Ok(refs)
}

/// `a(s(taya{sv}))`.
fn refs_value(refs: &[SummaryRef]) -> Value {
    let bytes = Type::Array(Box::new(Type::Basic(b'y')));
    let dict = Type::Array(Box::new(Type::Entry(Box::new((
        Type::Basic(b's'),
        Type::Basic(b'v'),
    )))));
    let target = Type::Tuple(vec![Type::Basic(b't'), bytes, dict]);
    let of = Type::Tuple(vec![Type::Basic(b's'), target]);
    let one = |entry: &SummaryRef| {
        Value::Tuple(vec![
            Value::Str(entry.name.clone()),
            Value::Tuple(vec![
                Value::Uint64(entry.size),
                Value::Bytes(entry.commit.checksum().as_bytes().to_vec()),
                entry.metadata.to_value(),
            ]),
        ])
    };
    Value::Array(of, refs.iter().map(one).collect())
}

/// One entry of the collection map; `None` if it is not `{sa(s(taya{sv}))}`.
fn collection(entry: &Value) -> Option<(String, Vec<SummaryRef>)> {
    let Value::Entry(pair) = entry else {
        return None;
    };
    let (Value::Str(id), refs) = pair.as_ref() else {
        return None;
    };
    // Values read once have one serialization, so reading its bytes again is the shortest way to their meaning.
    let refs = parse_refs(Span::new(&refs.encode())).ok()?;
    Some((id.clone(), refs))
}
