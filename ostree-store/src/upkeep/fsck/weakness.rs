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
    /// A metadata object is not what everybody may read and only its owner may write. ostree makes it so whatever the
    /// umask is.
    #[error("the file has mode 0{actual:o} where metadata has 0{METADATA:o}, so that {}; `chmod {METADATA:o}` it", affected(*.actual))]
    MetadataMode {
        /// What the file has.
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
    /// Whether a checkout can come out wrong because of it, or strangers may change it.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        match self {
            Weakness::Mode { .. } => true,
            Weakness::MetadataMode { actual } => actual & OF_OTHERS != 0,
            Weakness::Owner { .. } => false,
        }
    }
}

/// The permissions of metadata objects.
const METADATA: u32 = 0o644;

/// The bits that let others write.
const OF_OTHERS: u32 = 0o022;

/// What a wrong mode of metadata does.
fn affected(mode: u32) -> &'static str {
    match mode {
        mode if mode & OF_OTHERS != 0 => "others may change every commit that needs it",
        mode if mode & METADATA != METADATA => "not everybody can read the commits that need it",
        _ => "it looks like a program",
    }
}

/// How the file of a sound metadata object is not as it should be. Who serves an archive may give its files other modes.
pub(super) fn of_metadata(repo: &Repo, kind: ObjectKind, name: &Checksum) -> Option<Weakness> {
    if repo.mode() == RepoMode::Archive {
        return None;
    }
    let found = fs::symlink_metadata(repo.object_path(kind, name)).ok()?;
    let actual = found.mode() & PERMISSIONS;
    if actual != METADATA {
        return Some(Weakness::MetadataMode { actual });
    }
    match repo.mode() {
        RepoMode::BareUser | RepoMode::BareUserOnly => of_owner(repo, found.uid()),
        _ => None,
    }
}

/// Whether a file is somebody else's than the repository.
fn of_owner(repo: &Repo, actual: u32) -> Option<Weakness> {
    let expected = fs::metadata(repo.path().join("objects")).ok()?.uid();
    (actual != expected).then_some(Weakness::Owner { expected, actual })
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
    of_owner(repo, found.uid())
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
