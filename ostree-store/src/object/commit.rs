//! The commit object: `(a{sv}aya(say)sstayay)`.
//!
//! | member | meaning |
//! |---|---|
//! | `a{sv}` | metadata, order kept |
//! | `ay` | parent commit, empty if none |
//! | `a(say)` | related objects, always written empty by ostree |
//! | `s` `s` | subject, body |
//! | `t` | seconds since 1970, big-endian; times before 1970 in two's complement |
//! | `ay` `ay` | dirtree and dirmeta of the root |

use super::ParseError;
use crate::checksum::{Checksum, CommitId, DirMetaId, DirTreeId};
use crate::gvariant::{ArrayWriter, Dict, NotNormal, Span, TupleReader, TupleWriter};

/// One version of a tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    /// Metadata in the order in which it was given.
    pub metadata: Dict,
    /// The commit before this one.
    pub parent: Option<CommitId>,
    /// Related objects; ostree reads them but never writes any.
    pub related: Vec<(String, Checksum)>,
    /// One line that says what this version is.
    pub subject: String,
    /// More about it.
    pub body: String,
    /// Seconds since 1970, UTC.
    pub timestamp: i64,
    /// What the root directory holds.
    pub root_tree: DirTreeId,
    /// Owner, mode and xattrs of the root directory.
    pub root_meta: DirMetaId,
}

impl Commit {
    /// Reads a `(a{sv}aya(say)sstayay)` variant.
    pub fn parse(bytes: &[u8]) -> Result<Commit, ParseError> {
        let mut tuple = TupleReader::new(Span::new(bytes), 8, 6, true)?;
        let metadata = Dict::parse_span(tuple.variable(8)?)?;
        if metadata.iter().any(|(key, _)| key.is_empty()) {
            return Err(ParseError::EmptyMetadataKey);
        }
        let parent = tuple.variable(1)?;
        let parent = if parent.bytes().is_empty() {
            None
        } else {
            Some(CommitId::new(checksum(parent)?))
        };
        let commit = Commit {
            metadata,
            parent,
            related: parse_related(tuple.variable(1)?)?,
            subject: tuple.variable(1)?.string()?.to_owned(),
            body: tuple.variable(1)?.string()?.to_owned(),
            timestamp: i64::from_be_bytes(tuple.fixed(8)?),
            root_tree: DirTreeId::new(checksum(tuple.variable(1)?)?),
            root_meta: DirMetaId::new(checksum(tuple.rest(1)?)?),
        };
        tuple.finish()?;
        Ok(commit)
    }

    /// The bytes that ostree would write.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut related = ArrayWriter::new(1);
        for (name, object) in &self.related {
            let mut entry = TupleWriter::new(1);
            entry.string(name);
            entry.variable(1, object.as_bytes());
            related.element(&entry.finish());
        }
        let mut tuple = TupleWriter::new(8);
        tuple.variable(8, &self.metadata.encode());
        tuple.variable(
            1,
            self.parent
                .as_ref()
                .map_or(&[][..], |parent| parent.checksum().as_bytes()),
        );
        tuple.variable(1, &related.finish());
        tuple.string(&self.subject);
        tuple.string(&self.body);
        tuple.fixed(8, &self.timestamp.to_be_bytes());
        tuple.variable(1, self.root_tree.checksum().as_bytes());
        tuple.variable(1, self.root_meta.checksum().as_bytes());
        tuple.finish()
    }

    /// The name under which these bytes are stored.
    #[must_use]
    pub fn id(&self) -> CommitId {
        CommitId::new(Checksum::of(&self.encode()))
    }

    /// The checksum of the tree alone, equal for commits of equal trees: `ContentChecksum` in ostree's output.
    #[must_use]
    pub fn content_checksum(&self) -> Checksum {
        let both = [
            &self.root_tree.checksum().as_bytes()[..],
            &self.root_meta.checksum().as_bytes()[..],
        ];
        Checksum::of(&both.concat())
    }

    /// The text under the metadata key `version`.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.metadata
            .get("version")
            .and_then(|value| value.as_str())
    }
}

fn parse_related(span: Span<'_>) -> Result<Vec<(String, Checksum)>, NotNormal> {
    let mut related = Vec::new();
    for element in span.elements(1)? {
        let mut entry = TupleReader::new(element?, 1, 1, true)?;
        let name = entry.variable(1)?.string()?.to_owned();
        related.push((name, checksum(entry.rest(1)?)?));
        entry.finish()?;
    }
    Ok(related)
}

fn checksum(span: Span<'_>) -> Result<Checksum, NotNormal> {
    span.array("a checksum that has not 32 bytes")
        .map(Checksum::from_bytes)
}
