//! `init`: a new, empty repository.

use std::io;
use std::path::Path;

use clap::Args;
use ostree_store::repo::{CollectionId, Repo, RepoMode};

use crate::failure::{Failure, Within};

/// Make an empty repository; one that is there already stays as it is
#[derive(Args, Debug)]
pub(crate) struct InitArgs {
    /// How files are stored: bare, bare-user, bare-user-only or archive
    #[arg(long, value_name = "MODE", default_value = "bare")]
    mode: String,
    /// Globally unique name of the collection to which the refs belong, such as org.example.Os
    #[arg(long, value_name = "COLLECTION-ID")]
    collection_id: Option<String>,
}

pub(crate) fn run(args: &InitArgs, path: &Path) -> Result<(), Failure> {
    let mode = RepoMode::named(&args.mode).ok_or_else(|| {
        Failure::new(format_args!(
            "Invalid mode '{}' in repository configuration",
            args.mode
        ))
    })?;
    let collection = args
        .collection_id
        .as_deref()
        .map(str::parse::<CollectionId>)
        .transpose()?;
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    if parent.is_some_and(|parent| !parent.exists()) {
        // ostree does not make the directories above either: a mistyped path would go unnoticed.
        return Err(Failure::from(io::Error::from_raw_os_error(2)).within("Creating repo: mkdirat"));
    }
    if !path.join("objects").exists() {
        Repo::create_in_collection(path, mode, collection.as_ref()).within("Creating repo")?;
    }
    Repo::open(path)?;
    Ok(())
}
