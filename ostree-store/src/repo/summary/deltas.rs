//! The static deltas that a repository offers, and the indexes that say so for each commit.
//!
//! | path | what |
//! |---|---|
//! | `deltas/XX/REST[-TO]/superblock` | one delta: from nothing to a commit, or from one commit to another |
//! | `delta-indexes/XX/REST.index` | `a{sv}`: all deltas to one commit |
//!
//! A checksum in these paths is base64 with `_` in place of `/` and no padding, 43 characters.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::SummaryError;
use crate::checksum::{Checksum, HashingReader};
use crate::gvariant::{Dict, Value};
use crate::path_error::{At, PathError};
use crate::repo::{Repo, small_file};

/// The key of the deltas in a summary and in an index.
pub(super) const STATIC_DELTAS: &str = "ostree.static-deltas";

/// How many characters of a checksum name the directory.
const PREFIX: usize = 2;

/// A delta: from which commit, if any, and to which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Delta {
    from: Option<Checksum>,
    to: Checksum,
}

impl Delta {
    /// `FROM-TO`, or `TO`.
    fn name(&self) -> String {
        match self.from {
            Some(from) => format!("{from}-{}", self.to),
            None => self.to.to_string(),
        }
    }

    /// What the directories `XX` and `REST[-TO]` mean together.
    fn parse(name: &str) -> Option<Delta> {
        match name.split_once('-') {
            Some((from, to)) => Some(Delta {
                from: Some(Checksum::from_base64(from)?),
                to: Checksum::from_base64(to)?,
            }),
            None => Some(Delta {
                from: None,
                to: Checksum::from_base64(name)?,
            }),
        }
    }
}

/// Every delta with the checksum of its superblock, sorted. Directories with other names are passed over; ostree takes
/// those for deltas between commits of nonsense names.
pub(super) fn list(repo: &Repo) -> Result<BTreeMap<Delta, Checksum>, PathError> {
    let root = repo.path().join("deltas");
    let mut deltas = BTreeMap::new();
    for prefix in names(&root)? {
        for rest in names(&root.join(&prefix))? {
            let superblock = root.join(&prefix).join(&rest).join("superblock");
            let Some(delta) = Delta::parse(&format!("{prefix}{rest}")) else {
                continue;
            };
            if let Some(digest) = digest(&superblock)? {
                deltas.insert(delta, digest);
            }
        }
    }
    Ok(deltas)
}

/// `a{sv}` of names and digests.
pub(super) fn to_value<'a>(deltas: impl Iterator<Item = (&'a Delta, &'a Checksum)>) -> Value {
    let mut dict = Dict::default();
    for (delta, digest) in deltas {
        dict.push(delta.name(), Value::Bytes(digest.as_bytes().to_vec()));
    }
    dict.in_hash_order().to_value()
}

/// Writes the index of each commit to which there is a delta, and removes the others.
pub(super) fn reindex(repo: &Repo, deltas: &BTreeMap<Delta, Checksum>) -> Result<(), SummaryError> {
    let root = repo.path().join("delta-indexes");
    let mut wanted: BTreeMap<PathBuf, Vec<(&Delta, &Checksum)>> = BTreeMap::new();
    for (delta, digest) in deltas {
        let path = root.join(index_path(&delta.to));
        wanted.entry(path).or_default().push((delta, digest));
    }
    for prefix in names(&root)? {
        for name in names(&root.join(&prefix))? {
            let path = root.join(&prefix).join(&name);
            if is_index(&prefix, &name) && !wanted.contains_key(&path) {
                fs::remove_file(&path).at("remove", &path)?;
            }
        }
    }
    for (path, deltas) in wanted {
        let mut index = Dict::default();
        index.push(STATIC_DELTAS, to_value(deltas.into_iter()));
        let bytes = index.encode();
        if stands(&path, &bytes) {
            continue;
        }
        let dir = path.parent().unwrap_or(&root);
        fs::create_dir_all(dir).at("create", dir)?;
        small_file::replace(repo.path(), &path, &bytes, repo.waits_for_disk())?;
    }
    Ok(())
}

/// `XX/REST.index`.
fn index_path(to: &Checksum) -> String {
    let text = to.to_base64();
    let (prefix, rest) = text.split_at_checked(PREFIX).unwrap_or((&text, ""));
    format!("{prefix}/{rest}.index")
}

fn is_index(prefix: &str, name: &str) -> bool {
    let rest = name.strip_suffix(".index");
    rest.is_some_and(|rest| {
        prefix.len() == PREFIX && Checksum::from_base64(&format!("{prefix}{rest}")).is_some()
    })
}

/// The names in a directory, sorted; none if it is not there or no directory.
fn names(dir: &Path) -> Result<Vec<String>, PathError> {
    let entries = match fs::read_dir(dir) {
        Err(e) if is_absence(&e) => return Ok(Vec::new()),
        entries => entries.at("list", dir)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.at("list", dir)?.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}

/// The checksum of a superblock, if there is one.
fn digest(path: &Path) -> Result<Option<Checksum>, PathError> {
    let file = match small_file::open(path) {
        Err(e) if is_absence(&e) => return Ok(None),
        file => file.at("read", path)?,
    };
    let mut hashing = HashingReader::new(&[], file);
    io::copy(&mut hashing.by_ref(), &mut io::sink()).at("read", path)?;
    Ok(Some(hashing.finish().0))
}

/// Whether a file has exactly this content.
fn stands(path: &Path, bytes: &[u8]) -> bool {
    let found =
        small_file::open(path).and_then(|file| small_file::beginning(file, bytes.len() as u64 + 1));
    found.is_ok_and(|found| found == bytes)
}

fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Paths and names are those of the ostree specification.
    #[test]
    fn checksums_in_paths_are_base64() {
        let from = "56f116c4e9b7a3ef6889764caa5c02eeecf4ce2836dcedb8fc8a514d2d2cb668";
        let to = "86a332013a46f4bdcc82ca1a52dc68fb13bf437a7ff1866e2768531de6085c57";
        let between = "VvEWxOm3o+9oiXZMqlwC7uz0zig23O24_IpRTS0stmg-hqMyATpG9L3MgsoaUtxo+xO_Q3p_8YZuJ2hTHeYIXFc";
        assert_eq!(
            Delta::parse(between).unwrap().name(),
            format!("{from}-{to}")
        );
        let scratch = "hqMyATpG9L3MgsoaUtxo+xO_Q3p_8YZuJ2hTHeYIXFc";
        assert_eq!(Delta::parse(scratch).unwrap().name(), to);
        let to: Checksum = to.parse().unwrap();
        let index = "hq/MyATpG9L3MgsoaUtxo+xO_Q3p_8YZuJ2hTHeYIXFc.index";
        assert_eq!(index_path(&to), index);
        let (prefix, name) = index.split_once('/').unwrap();
        assert!(is_index(prefix, name));
        for bad in ["", "hq", "x-y", "!!"] {
            assert_eq!(Delta::parse(bad), None);
        }
    }
}
