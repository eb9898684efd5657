//! What ostree never notices: sound objects that lie badly, and files that are no objects.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::checksum::Checksum;
use crate::object::{FileHeader, ObjectKind, PERMISSIONS};
use crate::path_error::{At, PathError};
use crate::repo::{Repo, RepoMode};

/// A sound object whose file is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// Its permissions are not those that follow from its metadata, so that hard links to it have wrong ones.
    #[error("the file has mode 0{actual:o} where the object asks for 0{expected:o}")]
    Mode {
        /// What the file should have.
        expected: u32,
        /// What it has.
        actual: u32,
    },
    /// It belongs to somebody else than the repository does.
    #[error("the file belongs to user {actual}, the repository to user {expected}")]
    Owner {
        /// Who owns the directory `objects`.
        expected: u32,
        /// Who owns the file.
        actual: u32,
    },
}

impl Weakness {
    /// Whether a checkout can come out wrong because of it.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        matches!(self, Weakness::Mode { .. })
    }
}

/// How the file of a sound object is not as it should be, in the modes in which the checksum does not cover that.
pub(super) fn of_file(repo: &Repo, name: &Checksum, header: &FileHeader) -> Option<Weakness> {
    if !matches!(repo.mode(), RepoMode::BareUser | RepoMode::BareUserOnly) {
        return None;
    }
    let found = fs::symlink_metadata(repo.object_path(ObjectKind::File, name)).ok()?;
    let expected = match header.is_symlink() {
        true => 0o644,
        false => (header.mode & 0o775) | 0o400,
    };
    let actual = found.mode() & PERMISSIONS;
    if repo.mode() == RepoMode::BareUser && actual != expected {
        return Some(Weakness::Mode { expected, actual });
    }
    let owner = fs::metadata(repo.path().join("objects")).ok()?.uid();
    (found.uid() != owner).then(|| Weakness::Owner {
        expected: owner,
        actual: found.uid(),
    })
}

/// A file below `objects/` that is no object, and that nothing looks at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stray {
    /// Relative to the repository.
    pub path: PathBuf,
    /// What it looks like.
    pub what: &'static str,
}

/// Files that are no objects, sorted.
pub fn strays(repo: &Repo) -> Result<Vec<Stray>, PathError> {
    let objects = repo.path().join("objects");
    let commits: HashSet<Checksum> = repo
        .objects()?
        .into_iter()
        .filter(|(kind, _)| *kind == ObjectKind::Commit)
        .map(|(_, name)| name)
        .collect();
    let mut strays = Vec::new();
    for entry in fs::read_dir(&objects).at("list", &objects)? {
        let entry = entry.at("list", &objects)?;
        let dir = entry.path();
        let prefix = entry.file_name().into_string().unwrap_or_default();
        let is_prefix = prefix.len() == 2 && prefix.bytes().all(is_digit);
        if !is_prefix || !entry.file_type().at("stat", &dir)?.is_dir() {
            strays.push(stray(repo, &dir, "not a directory of objects"));
            continue;
        }
        for entry in fs::read_dir(&dir).at("list", &dir)? {
            let path = entry.at("list", &dir)?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let found = name.map_or(Some("not a name of an object"), |name| {
                what_is_odd(repo.mode(), &prefix, name, &commits)
            });
            strays.extend(found.map(|what| stray(repo, &path, what)));
        }
    }
    strays.sort();
    Ok(strays)
}

fn stray(repo: &Repo, path: &Path, what: &'static str) -> Stray {
    Stray {
        path: path.strip_prefix(repo.path()).unwrap_or(path).to_owned(),
        what,
    }
}

fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn what_is_odd(
    mode: RepoMode,
    prefix: &str,
    name: &str,
    commits: &HashSet<Checksum>,
) -> Option<&'static str> {
    let Some((rest, extension)) = name.split_once('.') else {
        return Some("not a name of an object");
    };
    let Ok(checksum) = format!("{prefix}{rest}").parse::<Checksum>() else {
        return Some("not a name of an object");
    };
    match extension {
        "commitmeta" if !commits.contains(&checksum) => {
            Some("metadata of a commit that is not there")
        }
        "commit" | "dirtree" | "dirmeta" | "commitmeta" | "tombstone-commit" | "payload-link"
        | "file-xattrs" | "file-xattrs-link" => None,
        _ if extension == mode.extension(ObjectKind::File) => None,
        "file" | "filez" => Some("a file object of another mode"),
        _ => Some("not a kind of object"),
    }
}
