//! Whether a commit belongs to the ref by which it was asked for, and to the collection of the repository it is from.
//!
//! | metadata key | type | must, if |
//! |---|---|---|
//! | `ostree.ref-binding` | `as` | hold the ref, if there is the key and a ref was asked for; be there, if the repository has a collection id |
//! | `ostree.collection-binding` | `s` | be the repository's collection id, if it has one |

use crate::gvariant::{Type, Value};
use crate::object::Commit;

/// How a commit does not belong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// It does not say to which refs it belongs.
    #[error("Expected commit metadata to have ref binding information, found none")]
    NoRefs,
    /// It belongs to other refs.
    #[error(
        "Commit has no requested ref ‘{asked}’ in ref binding metadata ({})",
        quoted(bound)
    )]
    OtherRef {
        /// The ref that was asked for.
        asked: String,
        /// The refs to which it belongs.
        bound: Vec<String>,
    },
    /// It does not say to which collection it belongs.
    #[error("Expected commit metadata to have collection ID binding information, found none")]
    NoCollection,
    /// It belongs to another collection.
    #[error(
        "Commit has collection ID ‘{bound}’ in collection binding metadata, while the remote it came from has collection ID ‘{found}’"
    )]
    OtherCollection {
        /// The collection to which it belongs.
        bound: String,
        /// That of the repository.
        found: String,
    },
}

/// Checks a commit that was asked for as `name`, or by its checksum.
pub(super) fn verify(
    commit: &Commit,
    name: Option<&str>,
    collection: Option<&str>,
) -> Result<(), BindingError> {
    let Some(refs) = commit.metadata.get("ostree.ref-binding").and_then(texts) else {
        return match collection {
            None => Ok(()),
            Some(_) => Err(BindingError::NoRefs),
        };
    };
    if let Some(name) = name.filter(|name| !refs.iter().any(|bound| bound == name)) {
        return Err(BindingError::OtherRef {
            asked: name.to_owned(),
            bound: refs,
        });
    }
    let Some(found) = collection else {
        return Ok(());
    };
    let bound = commit.metadata.get("ostree.collection-binding");
    match bound.and_then(Value::as_str) {
        None => Err(BindingError::NoCollection),
        Some(bound) if bound == found => Ok(()),
        Some(bound) => Err(BindingError::OtherCollection {
            bound: bound.to_owned(),
            found: found.to_owned(),
        }),
    }
}

/// The elements of an `as`.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(Type::Basic(b's'), texts) => texts
            .iter()
            .map(|text| text.as_str().map(str::to_owned))
            .collect(),
        _ => None,
    }
}

fn quoted(refs: &[String]) -> String {
    if refs.is_empty() {
        return "no refs".to_owned();
    }
    let quoted: Vec<String> = refs.iter().map(|name| format!("‘{name}’")).collect();
    quoted.join(", ")
}
