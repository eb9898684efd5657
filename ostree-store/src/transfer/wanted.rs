//! From what the user names to commits.
//!
//! A source with a summary is asked through it, as ostree does even for a source on the same disk: a ref that was
//! made after the summary is not found, one that has moved still means what the summary says.

use std::collections::{BTreeMap, BTreeSet};

use super::PullError;
use crate::checksum::CommitId;
use crate::gvariant::Value;
use crate::repo::{RefName, Repo, Summary};

/// What is to be brought.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Refs by name, with their commits.
    pub(super) refs: BTreeMap<String, CommitId>,
    /// Commits asked for by checksum.
    pub(super) commits: BTreeSet<CommitId>,
    /// The source's summary says that deleted commits leave tombstones.
    pub(super) tombstones: bool,
}

impl Wanted {
    /// What `names` mean in `from`; without any, all refs.
    pub(super) fn resolve(from: &Repo, names: &[String]) -> Result<Wanted, PullError> {
        let all: Vec<String>;
        let names = if names.is_empty() {
            all = from.ref_texts()?.into_keys().collect();
            &all
        } else {
            names
        };
        let mut wanted = Wanted::default();
        let mut refs = BTreeSet::new();
        for name in names {
            match name.parse() {
                Ok(checksum) => drop(wanted.commits.insert(CommitId::new(checksum))),
                Err(_) => drop(refs.insert(checked(name)?)),
            }
        }
        if refs.is_empty() {
            return Ok(wanted);
        }
        let summary = summary(from)?;
        wanted.tombstones = summary.as_ref().is_some_and(has_tombstones);
        for name in refs {
            let commit = match &summary {
                Some(summary) => in_summary(summary, name)?,
                None => from.resolve(name)?,
            };
            wanted.refs.insert(name.to_owned(), commit);
        }
        Ok(wanted)
    }
}

/// A name without remote, in ostree's grammar.
fn checked(name: &str) -> Result<&str, PullError> {
    match name.parse::<RefName>() {
        Ok(parsed) if parsed.remote().is_none() => Ok(name),
        _ => Err(PullError::Name {
            text: name.to_owned(),
        }),
    }
}

fn summary(from: &Repo) -> Result<Option<Summary>, PullError> {
    let Some(bytes) = from.summary_bytes()? else {
        return Ok(None);
    };
    let summary = Summary::parse(&bytes).map_err(|error| PullError::Summary(error.into()))?;
    for entry in &summary.refs {
        checked(&entry.name)?;
    }
    Ok(Some(summary))
}

fn has_tombstones(summary: &Summary) -> bool {
    let said = summary.metadata.get("ostree.summary.tombstone-commits");
    said == Some(&Value::Bool(true))
}

fn in_summary(summary: &Summary, name: &str) -> Result<CommitId, PullError> {
    let found = summary.refs.iter().find(|entry| entry.name == name);
    found
        .map(|entry| entry.commit)
        .ok_or_else(|| PullError::NotInSummary {
            name: name.to_owned(),
        })
}
