//! The dirtree object: `(a(say)a(sayay))` = files with their checksums, then directories with two checksums each.

use std::collections::BTreeMap;

use super::{Name, ParseError};
use crate::checksum::{Checksum, DirMetaId, DirTreeId, FileId};
use crate::gvariant::{ArrayWriter, NotNormal, Span, TupleReader, TupleWriter};

/// What a directory holds: its files, and its subdirectories with their metadata.
///
/// A name stands in only one of the two maps; [`DirTree::parse`] refuses anything else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirTree {
    /// Regular files and symbolic links.
    pub files: BTreeMap<Name, FileId>,
    /// Subdirectories.
    pub dirs: BTreeMap<Name, (DirTreeId, DirMetaId)>,
}

impl DirTree {
    /// Reads a `(a(say)a(sayay))` variant; names must be valid and in order.
    pub fn parse(bytes: &[u8]) -> Result<DirTree, ParseError> {
        let mut tuple = TupleReader::new(Span::new(bytes), 1, 1, true)?;
        let files = tuple.variable(1)?;
        let dirs = tuple.rest(1)?;
        tuple.finish()?;
        let tree = DirTree {
            files: parse_files(files)?,
            dirs: parse_dirs(dirs)?,
        };
        match tree.dirs.keys().find(|name| tree.files.contains_key(*name)) {
            Some(name) => Err(ParseError::NameOrder {
                name: name.to_string(),
            }),
            None => Ok(tree),
        }
    }

    /// The bytes that ostree would write: normal form, no trailing bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut files = ArrayWriter::new(1);
        for (name, file) in &self.files {
            let mut entry = TupleWriter::new(1);
            entry.string(name.as_str());
            entry.variable(1, file.checksum().as_bytes());
            files.element(&entry.finish());
        }
        let mut dirs = ArrayWriter::new(1);
        for (name, (tree, meta)) in &self.dirs {
            let mut entry = TupleWriter::new(1);
            entry.string(name.as_str());
            entry.variable(1, tree.checksum().as_bytes());
            entry.variable(1, meta.checksum().as_bytes());
            dirs.element(&entry.finish());
        }
        let mut tuple = TupleWriter::new(1);
        tuple.variable(1, &files.finish());
        tuple.variable(1, &dirs.finish());
        tuple.finish()
    }

    /// The name under which these bytes are stored.
    #[must_use]
    pub fn id(&self) -> DirTreeId {
        DirTreeId::new(Checksum::of(&self.encode()))
    }
}

// A map made of a sorted list at once takes half the memory of one that grows.

fn parse_files(span: Span<'_>) -> Result<BTreeMap<Name, FileId>, ParseError> {
    let mut files = Vec::new();
    for element in span.elements(1)? {
        let mut entry = TupleReader::new(element?, 1, 1, true)?;
        let name = Name::new(entry.variable(1)?.string()?)?;
        let file = checksum(entry.rest(1)?)?;
        entry.finish()?;
        push_in_order(&mut files, name, FileId::new(file))?;
    }
    Ok(files.into_iter().collect())
}

fn parse_dirs(span: Span<'_>) -> Result<BTreeMap<Name, (DirTreeId, DirMetaId)>, ParseError> {
    let mut dirs = Vec::new();
    for element in span.elements(1)? {
        let mut entry = TupleReader::new(element?, 1, 2, true)?;
        let name = Name::new(entry.variable(1)?.string()?)?;
        let tree = DirTreeId::new(checksum(entry.variable(1)?)?);
        let meta = DirMetaId::new(checksum(entry.rest(1)?)?);
        entry.finish()?;
        push_in_order(&mut dirs, name, (tree, meta))?;
    }
    Ok(dirs.into_iter().collect())
}

fn checksum(span: Span<'_>) -> Result<Checksum, NotNormal> {
    span.array("a checksum that has not 32 bytes")
        .map(Checksum::from_bytes)
}

fn push_in_order<T>(list: &mut Vec<(Name, T)>, name: Name, value: T) -> Result<(), ParseError> {
    if list.last().is_some_and(|(last, _)| *last >= name) {
        return Err(ParseError::NameOrder {
            name: name.to_string(),
        });
    }
    list.push((name, value));
    Ok(())
}
