//! Which repository is meant.
//!
//! In this order, as ostree does: `--repo`; the current directory if it is a repository; `OSTREE_REPO`. There is no
//! repository of the running system here.

use std::path::{Path, PathBuf};

use ostree_store::repo::Repo;

use crate::failure::Failure;

/// The path that the user means.
pub(crate) fn path(given: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(path) = given {
        return Ok(path.to_owned());
    }
    let here = Path::new(".");
    if here.join("objects").is_dir() && here.join("config").is_file() {
        return Ok(here.to_owned());
    }
    let named = std::env::var_os("OSTREE_REPO").filter(|path| !path.is_empty());
    named.map(PathBuf::from).ok_or_else(|| {
        Failure::usage("Command requires a --repo argument")
            .hint("give --repo PATH, set OSTREE_REPO, or run in the directory of a repository")
    })
}

/// Opens the repository that the user means.
pub(crate) fn open(given: Option<&Path>) -> Result<Repo, Failure> {
    let path = path(given)?;
    Repo::open(&path).map_err(|error| {
        let failure = Failure::from(error);
        if path.join("config").exists() {
            failure
        } else {
            failure.hint(format!(
                "`apk-ostree init --repo {}` makes a repository",
                path.display()
            ))
        }
    })
}
