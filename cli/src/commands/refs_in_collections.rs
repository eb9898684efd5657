//! `refs --collections`: refs with the collections to which they belong.

use ostree_store::repo::{CollectionId, CollectionRef, Repo};
use serde::Serialize;

use super::refs::{RefsArgs, already_exists, prefixes};
use crate::console::Console;
use crate::failure::{Failure, Within};

/// What `--json` tells of a ref.
#[derive(Debug, Serialize)]
struct Record {
    collection: String,
    r#ref: String,
    commit: String,
}

pub(super) fn run(args: &RefsArgs, repo: &Repo, console: &mut Console) -> Result<(), Failure> {
    match (&args.create, args.prefixes.as_slice()) {
        (Some(new), [rev]) => create(args, new, rev, repo),
        _ => {
            for prefix in prefixes(args) {
                let collection = prefix.map(str::parse::<CollectionId>).transpose();
                let collection = collection.within("Listing refs")?;
                if args.delete {
                    delete(repo, collection.as_ref())?;
                } else {
                    list(args, repo, collection.as_ref(), console)?;
                }
            }
            Ok(())
        }
    }
}

/// As ostree does, this looks whether there is a ref of a *remote* with the collection's name.
fn create(args: &RefsArgs, new: &str, rev: &str, repo: &Repo) -> Result<(), Failure> {
    repo.collection_ref_texts(None)?;
    if repo.resolve_local_if_any(new)?.is_some() && !args.force {
        return Err(already_exists(new));
    }
    let commit = repo.resolve(rev)?;
    let (collection, name) = new.split_once(':').unwrap_or((new, ""));
    let name = repo.ref_in_collection(&collection.parse()?, name)?;
    Ok(repo.write_ref(&name, Some(&commit))?)
}

/// Refs of remotes stay, although they are listed.
fn delete(repo: &Repo, collection: Option<&CollectionId>) -> Result<(), Failure> {
    for (collection, name) in repo.collection_ref_texts(collection)?.into_keys() {
        let name = repo.ref_in_collection(&collection, &name)?;
        repo.write_ref(&name, None)?;
    }
    Ok(())
}

fn list(
    args: &RefsArgs,
    repo: &Repo,
    collection: Option<&CollectionId>,
    console: &mut Console,
) -> Result<(), Failure> {
    let refs = repo.collection_ref_texts(collection)?;
    if args.json {
        let record = |((collection, name), text): (CollectionRef, String)| Record {
            collection: collection.to_string(),
            r#ref: name,
            commit: text.trim_end().to_owned(),
        };
        return console.json(&refs.into_iter().map(record).collect::<Vec<_>>());
    }
    for ((collection, name), text) in refs {
        match args.revision {
            true => console.line(format_args!("({collection}, {name})\t{}", text.trim_end()))?,
            false => console.line(format_args!("({collection}, {name})"))?,
        }
    }
    Ok(())
}
