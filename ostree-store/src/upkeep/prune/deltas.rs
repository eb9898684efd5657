//! Static deltas to commits that are gone, and cached summaries of remotes that are gone.
//!
//! A delta is the directory `deltas/XX/REST` with the file `superblock` in it. XXREST is `TO` or `FROM-TO`, each the
//! checksum of a commit in base64 without padding, `_` in place of `/`.

use std::fs::{self, DirEntry};
use std::path::Path;

use crate::checksum::{Checksum, CommitId};
use crate::path_error::{At, PathError, UnlessAbsent};
use crate::repo::Repo;

/// Removes the deltas to commits of which `unwanted` says so. As in ostree, the commit they start from does not matter.
pub(super) fn remove(
    repo: &Repo,
    unwanted: &dyn Fn(&CommitId) -> Result<bool, PathError>,
) -> Result<(), PathError> {
    for prefix in entries(&repo.path().join("deltas"))? {
        if !is_dir(&prefix)? {
            continue;
        }
        for delta in entries(&prefix.path())? {
            let name = [prefix.file_name(), delta.file_name()]
                .map(|name| name.into_string().unwrap_or_default())
                .concat();
            let path = delta.path();
            let is_delta = is_dir(&delta)? && path.join("superblock").exists();
            if let Some(to) = target(&name).filter(|_| is_delta)
                && unwanted(&to)?
            {
                fs::remove_dir_all(&path).at("remove", &path)?;
            }
        }
    }
    Ok(())
}

/// Removes what `tmp/cache/summaries` holds of remotes that are not configured any more.
pub(super) fn remove_cached_summaries(repo: &Repo) -> Result<(), PathError> {
    for entry in entries(&repo.path().join("tmp/cache/summaries"))? {
        let name = entry.file_name().into_string().unwrap_or_default();
        let remote = name.strip_suffix(".sig").unwrap_or(&name);
        if !is_dir(&entry)? && !repo.config().remotes().any(|known| known == remote) {
            fs::remove_file(entry.path()).at("remove", entry.path())?;
        }
    }
    Ok(())
}

/// The commit that a delta leads to.
fn target(name: &str) -> Option<CommitId> {
    let to = name.split_once('-').map_or(name, |(_, to)| to);
    Checksum::from_base64(to).map(CommitId::new)
}

/// What is in a directory; nothing if it is not there, or is a link to somewhere else.
fn entries(dir: &Path) -> Result<Vec<DirEntry>, PathError> {
    let found = fs::symlink_metadata(dir).unless_absent().at("stat", dir)?;
    if !found.is_some_and(|found| found.is_dir()) {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(dir).at("list", dir)?;
    entries.map(|entry| entry.at("list", dir)).collect()
}

fn is_dir(entry: &DirEntry) -> Result<bool, PathError> {
    let kind = entry.file_type().at("stat", entry.path())?;
    Ok(kind.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and checksums are those of a real delta.
    #[test]
    fn names_of_deltas_are_read() {
        let to = "86a332013a46f4bdcc82ca1a52dc68fb13bf437a7ff1866e2768531de6085c57";
        let from_scratch = "hqMyATpG9L3MgsoaUtxo+xO_Q3p_8YZuJ2hTHeYIXFc";
        let from_another = format!("VvEWxOm3o+9oiXZMqlwC7uz0zig23O24_IpRTS0stmg-{from_scratch}");
        for name in [from_scratch, &from_another] {
            assert_eq!(target(name).unwrap().to_string(), to);
        }
        assert_eq!(target("hqMy"), None);
        assert_eq!(target("no base64!"), None);
    }
}
