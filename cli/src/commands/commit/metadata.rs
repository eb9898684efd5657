//! The metadata of a new commit, in ostree's order.
//!
//! | order | keys | from |
//! |---|---|---|
//! | 1 | any, as text | `--add-metadata-string`, in the order of the command line |
//! | 2 | any, with values in GVariant's text form | `--add-metadata` |
//! | 3 | any | `--keep-metadata`, from the parent |
//! | 4 | `ostree.ref-binding` | `--branch` and `--bind-ref`, sorted |
//! | 5 | `ostree.collection-binding` | `core.collection-id` of the repository |
//! | 6 | `ostree.sizes` | `--generate-sizes` |
//!
//! A key given twice stands there twice. The order is part of the commit's checksum.

use std::collections::BTreeMap;

use ostree_store::checksum::{Checksum, CommitId};
use ostree_store::gvariant::{Dict, Value};
use ostree_store::object::sizes::{self, ObjectSize};
use ostree_store::repo::Repo;

use super::CommitArgs;
use crate::failure::{Failure, Within};

/// The refs for which a commit was made.
const REF_BINDING: &str = "ostree.ref-binding";

/// The collection of repositories for which it was made.
const COLLECTION_BINDING: &str = "ostree.collection-binding";

/// Adds keys with text values, from `KEY=VALUE`.
fn add_strings(metadata: &mut Dict, given: &[String]) -> Result<(), Failure> {
    for pair in given {
        let (key, value) = split(pair)?;
        metadata.push(key, value);
    }
    Ok(())
}

/// Adds keys with values of any type, from `KEY=VALUE` with the value in GVariant's text form.
fn add_variants(metadata: &mut Dict, given: &[String]) -> Result<(), Failure> {
    for pair in given {
        let (key, value) = split(pair)?;
        let value = Value::parse_text(value).within(format_args!("Parsing {pair}"))?;
        metadata.push(key, value);
    }
    // ostree writes values that nest deeper than it reads them, and shows `()` in their place.
    let whole = Value::Tuple(vec![metadata.to_value()]);
    Value::parse(&whole.type_of(), &whole.encode()).within("--add-metadata")?;
    Ok(())
}

fn split(pair: &str) -> Result<(&str, &str), Failure> {
    let words = || format!("Missing '=' in KEY=VALUE metadata '{pair}'");
    let found = pair.split_once('=');
    found.ok_or_else(|| Failure::usage(words()))
}

/// Adds keys taken over from the parent.
fn keep(
    metadata: &mut Dict,
    keys: &[String],
    parent: Option<CommitId>,
    repo: &Repo,
) -> Result<(), Failure> {
    let Some(parent) = parent.filter(|_| !keys.is_empty()) else {
        return Ok(());
    };
    let before = repo.commit(&parent)?;
    for key in keys {
        let value = before.metadata.get(key).ok_or_else(|| {
            Failure::new(format_args!(
                "Missing metadata key '{key}' from commit '{parent}'"
            ))
        })?;
        metadata.push(key, value.clone());
    }
    Ok(())
}

/// What the command line gives and the parent passes on.
pub(super) fn own(
    args: &CommitArgs,
    parent: Option<CommitId>,
    repo: &Repo,
) -> Result<Dict, Failure> {
    if parent.is_none() && !args.keep_metadata.is_empty() {
        return Err(Failure::usage(
            "Either --branch or --parent must be specified when using --keep-metadata",
        ));
    }
    let mut metadata = Dict::default();
    add_strings(&mut metadata, &args.add_metadata_string)?;
    add_variants(&mut metadata, &args.add_metadata)?;
    keep(&mut metadata, &args.keep_metadata, parent, repo)?;
    if metadata.iter().any(|(key, _)| key.is_empty()) {
        return Err(Failure::usage("Empty metadata key"));
    }
    Ok(metadata)
}

/// What goes beside the commit.
pub(super) fn detached(args: &CommitArgs) -> Result<Option<Dict>, Failure> {
    let mut metadata = Dict::default();
    add_strings(&mut metadata, &args.add_detached_metadata_string)?;
    Ok(Some(metadata).filter(|metadata| !metadata.is_empty()))
}

/// All of it.
pub(super) fn complete(mut metadata: Dict, args: &CommitArgs, repo: &Repo) -> Dict {
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

/// The sizes of the objects in the tree, if there are any.
pub(super) fn add_sizes(metadata: &mut Dict, all: &BTreeMap<Checksum, ObjectSize>) {
    if !all.is_empty() {
        metadata.push(sizes::SIZES_KEY, sizes::encode(all));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_keep_their_order_and_their_doubles() {
        let mut metadata = Dict::default();
        add_strings(&mut metadata, &["b=1", "a=x=y", "b="].map(str::to_owned)).unwrap();
        add_variants(&mut metadata, &["a=5".to_owned()]).unwrap();
        assert_eq!(
            metadata.to_value().to_string(),
            "{'b': <'1'>, 'a': <'x=y'>, 'b': <''>, 'a': <5>}"
        );
        assert!(add_strings(&mut metadata, &["bad".to_owned()]).is_err());
    }
}
