//! Refs and the commits they name, and what commits say about the refs they are for.
//!
//! | key in a commit's metadata | type | says |
//! |---|---|---|
//! | `ostree.ref-binding` | `as` | the refs that may name it |
//! | `ostree.collection-binding` | `s` | the collection that they belong to |

use std::collections::{BTreeMap, BTreeSet};

use super::{Checks, RefFinding};
use crate::checksum::CommitId;
use crate::gvariant::Value;
use crate::object::{Commit, ObjectKind};
use crate::path_error::PathError;
use crate::repo::{RefError, Repo};
use crate::upkeep::reach::sound;

/// A ref that a commit is bound to and that does not name it.
#[derive(Debug, thiserror::Error)]
pub enum BackRefFinding {
    /// There is no such ref.
    #[error("{name} in bindings for commit {commit} does not exist")]
    Missing {
        /// The ref in ostree's words: `Ref ‘main’`, `Collection–ref (org.example.A, main)`.
        name: String,
        /// The commit.
        commit: CommitId,
    },
    /// The ref names another commit.
    #[error("{name} in bindings for commit {commit} does not resolve to that commit")]
    Elsewhere {
        /// The ref, as above.
        name: String,
        /// The commit.
        commit: CommitId,
    },
}

/// Checks that refs name commits, and are what these are bound to: first refs of heads and remotes, then those of
/// collections.
pub(super) fn check_refs(
    repo: &Repo,
    checks: Checks,
) -> Result<(Vec<RefFinding>, Vec<RefFinding>), PathError> {
    let mut own = Vec::new();
    let mut collected = Vec::new();
    match repo.ref_texts() {
        Ok(texts) => {
            for (refspec, text) in texts {
                let name = refspec.split_once(':').map_or(&*refspec, |(_, name)| name);
                let wanted = Wanted {
                    collection: None,
                    name,
                    checks,
                };
                own.extend(check_ref(repo, &refspec, &text, wanted)?);
            }
        }
        Err(error) => own.push(unreadable(error)?),
    }
    match collection_texts(repo) {
        Ok(texts) => {
            for ((collection, name), text) in texts {
                let refspec = format!("({collection}, {name})");
                let wanted = Wanted {
                    collection: Some(&collection),
                    name: &name,
                    checks,
                };
                collected.extend(check_ref(repo, &refspec, &text, wanted)?);
            }
        }
        Err(error) => collected.push(unreadable(error)?),
    }
    Ok((own, collected))
}

/// The bindings that a ref's commit should have.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    collection: Option<&'a str>,
    name: &'a str,
    checks: Checks,
}

fn unreadable(error: RefError) -> Result<RefFinding, PathError> {
    match error {
        RefError::Path(error) => Err(error),
        error => Ok(RefFinding::Unreadable(error)),
    }
}

fn check_ref(
    repo: &Repo,
    refspec: &str,
    text: &str,
    wanted: Wanted<'_>,
) -> Result<Option<RefFinding>, PathError> {
    let refspec = refspec.to_owned();
    let text = text.trim_end();
    let Ok(commit) = text.parse().map(CommitId::new) else {
        let content = text.to_owned();
        return Ok(Some(RefFinding::Garbage { refspec, content }));
    };
    if !repo.has(ObjectKind::Commit, commit.checksum())? {
        // The ref may have moved on, and the commit been pruned, in the meantime.
        let now = repo.ref_texts().ok();
        let has_moved = wanted.collection.is_none()
            && now.is_some_and(|refs| refs.get(&refspec).is_none_or(|now| now.trim_end() != text));
        return Ok((!has_moved).then_some(RefFinding::Missing { refspec, commit }));
    }
    if !wanted.checks.bindings {
        return Ok(None);
    }
    let object = (ObjectKind::Commit, *commit.checksum());
    // What is wrong with the commit itself is told with the other objects.
    let Ok(parsed) = sound(repo, object, Commit::parse) else {
        return Ok(None);
    };
    let words = what_is_unbound(&parsed, wanted.collection, wanted.name);
    Ok(words.map(|words| RefFinding::Binding {
        refspec,
        commit,
        words,
    }))
}

/// Why a commit is not bound to a ref, in ostree's words. Without a collection no binding at all is fine too.
fn what_is_unbound(commit: &Commit, collection: Option<&str>, name: &str) -> Option<String> {
    let Some(refs) = bound_refs(commit) else {
        return collection.map(|_| {
            "Expected commit metadata to have ref binding information, found none".to_owned()
        });
    };
    if !refs.contains(&name) {
        let bound = match refs.is_empty() {
            true => "no refs".to_owned(),
            false => refs
                .iter()
                .map(|name| format!("‘{name}’"))
                .collect::<Vec<_>>()
                .join(", "),
        };
        return Some(format!(
            "Commit has no requested ref ‘{name}’ in ref binding metadata ({bound})"
        ));
    }
    let collection = collection?;
    match bound_collection(commit) {
        None => Some(
            "Expected commit metadata to have collection ID binding information, found none"
                .to_owned(),
        ),
        Some(bound) if bound == collection => None,
        Some(bound) => Some(format!(
            "Commit has collection ID ‘{bound}’ in collection binding metadata, while the remote it came from has \
             collection ID ‘{collection}’"
        )),
    }
}

fn bound_refs(commit: &Commit) -> Option<Vec<&str>> {
    match commit.metadata.get("ostree.ref-binding")? {
        Value::Array(_, refs) => refs.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

fn bound_collection(commit: &Commit) -> Option<&str> {
    commit.metadata.get("ostree.collection-binding")?.as_str()
}

/// Checks for every commit that the refs it is bound to name it. The commits before the one that a ref names are
/// bound to that ref as well, so any history has findings, as in ostree.
pub(super) fn check_back_refs(
    repo: &Repo,
    commits: &BTreeSet<CommitId>,
) -> Result<Vec<BackRefFinding>, PathError> {
    let collected = repo.collection_ref_texts(None).unwrap_or_default();
    let mut findings = Vec::new();
    for id in commits {
        let object = (ObjectKind::Commit, *id.checksum());
        let Ok(commit) = sound(repo, object, Commit::parse) else {
            continue;
        };
        let collection = bound_collection(&commit);
        for bound in bound_refs(&commit).unwrap_or_default() {
            let (name, found) = match collection {
                Some(collection) => {
                    let id = collection.parse().ok();
                    let text = id.and_then(|id| collected.get(&(id, bound.to_owned())));
                    let text = text.map(|text| text.trim_end().to_owned());
                    (format!("Collection–ref ({collection}, {bound})"), text)
                }
                None => {
                    let found = repo.resolve_if_any(bound).ok().flatten();
                    (format!("Ref ‘{bound}’"), found.map(|id| id.to_string()))
                }
            };
            let commit = *id;
            match found {
                None => findings.push(BackRefFinding::Missing { name, commit }),
                Some(text) if text == id.to_string() => {}
                Some(_) => findings.push(BackRefFinding::Elsewhere { name, commit }),
            }
        }
    }
    Ok(findings)
}

/// The content of every ref that belongs to a collection, by collection and name: mirrored ones, and those of the
/// repository itself where it has a collection.
fn collection_texts(repo: &Repo) -> Result<BTreeMap<(String, String), String>, RefError> {
    let mut texts = BTreeMap::new();
    for (collection, name, commit) in repo.mirrored_refs()? {
        texts.insert((collection, name), commit.to_string());
    }
    if let Some(own) = repo.config().get("core", "collection-id") {
        for (name, text) in repo.ref_texts()? {
            if !name.contains(':') {
                texts.insert((own.to_owned(), name), text);
            }
        }
    }
    Ok(texts)
}
