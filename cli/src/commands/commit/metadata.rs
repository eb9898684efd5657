//! The metadata of a new commit, in ostree's order.
//!
//! | order | keys | from |
//! |---|---|---|
//! | 1 | any, as text | `--add-metadata-string`, in the order of the command line |
//! | 2 | any | `--keep-metadata`, from the parent |
//! | 3 | `ostree.ref-binding` | `--branch` and `--bind-ref`, sorted |
//! | 4 | `ostree.collection-binding` | `core.collection-id` of the repository |
//!
//! A key given twice stands there twice. The order is part of the commit's checksum.

use ostree_store::checksum::CommitId;
use ostree_store::gvariant::{Dict, Value};
use ostree_store::repo::Repo;

use super::CommitArgs;
use crate::failure::Failure;

/// The refs for which a commit was made.
const REF_BINDING: &str = "ostree.ref-binding";

/// The collection of repositories for which it was made.
const COLLECTION_BINDING: &str = "ostree.collection-binding";

/// Keys with text values, from `KEY=VALUE`.
pub(super) fn strings(given: &[String]) -> Result<Dict, Failure> {
    let mut metadata = Dict::default();
    for pair in given {
        let (key, value) = pair.split_once('=').ok_or_else(|| {
            Failure::usage(format_args!("Missing '=' in KEY=VALUE metadata '{pair}'"))
        })?;
        if key.is_empty() {
            return Err(Failure::usage("Empty metadata key"));
        }
        metadata.push(key, value);
    }
    Ok(metadata)
}

/// Keys taken over from the parent.
pub(super) fn kept(
    keys: &[String],
    parent: Option<CommitId>,
    repo: &Repo,
) -> Result<Dict, Failure> {
    let mut metadata = Dict::default();
    if keys.is_empty() {
        return Ok(metadata);
    }
    let parent = parent.ok_or_else(|| {
        Failure::usage("Either --branch or --parent must be specified when using --keep-metadata")
    })?;
    let before = repo.commit(&parent)?;
    for key in keys {
        let value = before.metadata.get(key).ok_or_else(|| {
            Failure::new(format_args!(
                "Missing metadata key '{key}' from commit '{parent}'"
            ))
        })?;
        metadata.push(key, value.clone());
    }
    Ok(metadata)
}

/// All of it.
pub(super) fn complete(own: Dict, kept: Dict, args: &CommitArgs, repo: &Repo) -> Dict {
    let mut metadata = own;
    for (key, value) in kept.iter() {
        metadata.push(key, value.clone());
    }
    if args.no_bindings {
        return metadata;
    }
    let mut refs: Vec<&str> = args
        .branch
        .iter()
        .chain(&args.bind_ref)
        .map(String::as_str)
        .collect();
    refs.sort_unstable();
    metadata.push(REF_BINDING, Value::strings(refs));
    if let Some(collection) = repo.config().get("core", "collection-id")
        && metadata.get(COLLECTION_BINDING).is_none()
    {
        metadata.push(COLLECTION_BINDING, collection);
    }
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_keep_their_order_and_their_doubles() {
        let given = ["b=1", "a=x=y", "b="].map(str::to_owned);
        let metadata = strings(&given).unwrap();
        assert_eq!(
            metadata.to_value().to_string(),
            "{'b': <'1'>, 'a': <'x=y'>, 'b': <''>}"
        );
        assert!(strings(&["bad".to_owned()]).is_err());
        assert!(strings(&["=x".to_owned()]).is_err());
    }
}
