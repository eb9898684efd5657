//! Refs: names for commits, each a small file below `refs/`.
//!
//! | refspec | file |
//! |---|---|
//! | `main` | `refs/heads/main` |
//! | `origin:main` | `refs/remotes/origin/main` |
//!
//! The content is the commit's checksum and a newline. A name consists of fragments joined by `/`; a fragment
//! begins with a letter, digit or `_` and goes on with these, `-` and `.`.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::Repo;
use crate::checksum::{Checksum, CommitId};
use crate::path_error::{At, PathError};

/// The longest content of a ref that is read, in bytes; a checksum has 64.
const MAX_CONTENT: u64 = 4096;

/// A valid refspec: `[remote:]name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefName {
    remote: Option<String>,
    name: String,
}

/// Why a ref could not be read, written or listed.
#[derive(Debug, thiserror::Error)]
pub enum RefError {
    /// Not a valid name.
    #[error("Invalid refspec {text}")]
    Refspec {
        /// What was given.
        text: String,
    },
    /// A name that would hide a commit.
    #[error("Rev name '{text}' looks like a checksum")]
    LooksLikeChecksum {
        /// What was given.
        text: String,
    },
    /// A directory of other refs stands where the ref's file must go.
    #[error("Conflict: {other} exists under {name} when attempting write")]
    Conflict {
        /// The ref being written.
        name: String,
        /// A ref below it, relative.
        other: String,
    },
    /// Another ref stands where a directory must be.
    #[error("openat({path}): Not a directory")]
    BelowRef {
        /// The ref's file, relative to the repository.
        path: String,
    },
    /// The content is not a checksum.
    #[error("Invalid rev {content}")]
    Content {
        /// What stands in the file.
        content: String,
    },
    /// The file system refused.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl RefName {
    /// The remote, if any.
    #[must_use]
    pub fn remote(&self) -> Option<&str> {
        self.remote.as_deref()
    }

    /// The name without the remote.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The ref's file, relative to the repository.
    fn path(&self) -> PathBuf {
        match &self.remote {
            None => Path::new("refs/heads").join(&self.name),
            Some(remote) => Path::new("refs/remotes").join(remote).join(&self.name),
        }
    }
}

impl FromStr for RefName {
    type Err = RefError;

    fn from_str(text: &str) -> Result<Self, RefError> {
        let (remote, name) = match text.split_once(':') {
            Some((remote, name)) => (Some(remote), name),
            None => (None, text),
        };
        if remote.is_some_and(|remote| !is_fragment(remote)) || !name.split('/').all(is_fragment) {
            return Err(RefError::Refspec {
                text: text.to_owned(),
            });
        }
        if name.parse::<Checksum>().is_ok() {
            return Err(RefError::LooksLikeChecksum {
                text: name.to_owned(),
            });
        }
        Ok(RefName {
            remote: remote.map(str::to_owned),
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.remote {
            Some(remote) => write!(f, "{remote}:{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

fn is_fragment(text: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    text.starts_with(word) && text.chars().all(|c| word(c) || c == '-' || c == '.')
}

impl Repo {
    /// The commit that a ref names, if there is such a ref.
    pub fn read_ref(&self, name: &RefName) -> Result<Option<CommitId>, RefError> {
        let path = self.path().join(name.path());
        match read_content(&path) {
            Ok(text) => parse_content(&text).map(Some),
            Err(e) if is_absence(&e) => Ok(None),
            Err(e) => Err(e).at("read", &path)?,
        }
    }

    /// Every ref of this repository and of its remotes, by refspec.
    pub fn refs(&self) -> Result<BTreeMap<String, CommitId>, RefError> {
        self.ref_texts()?
            .into_iter()
            .map(|(name, content)| Ok((name, parse_content(&content)?)))
            .collect()
    }

    /// The content of every ref's file by refspec, whether it is a checksum or not.
    pub fn ref_texts(&self) -> Result<BTreeMap<String, String>, RefError> {
        let mut refs = BTreeMap::new();
        collect(&self.path().join("refs/heads"), "", &mut refs)?;
        let remotes = self.path().join("refs/remotes");
        for remote in list(&remotes)? {
            let path = remotes.join(&remote);
            if path.is_dir() {
                let mut of_remote = BTreeMap::new();
                collect(&path, "", &mut of_remote)?;
                refs.extend(
                    of_remote
                        .into_iter()
                        .map(|(name, id)| (format!("{remote}:{name}"), id)),
                );
            }
        }
        Ok(refs)
    }

    /// The refs of other collections, which stand in `refs/mirrors`: collection, name, commit.
    pub(crate) fn mirrored_refs(&self) -> Result<Vec<(String, String, CommitId)>, RefError> {
        let mirrors = self.path().join("refs/mirrors");
        let mut refs = Vec::new();
        for collection in list(&mirrors)? {
            let mut texts = BTreeMap::new();
            if mirrors.join(&collection).is_dir() {
                collect(&mirrors.join(&collection), "", &mut texts)?;
            }
            for (name, text) in texts {
                refs.push((collection.clone(), name, parse_content(&text)?));
            }
        }
        Ok(refs)
    }

    /// Lets `name` mean `commit`, or mean nothing any more. The file is replaced at once or not at all.
    pub fn write_ref(&self, name: &RefName, commit: Option<&CommitId>) -> Result<(), RefError> {
        let path = self.path().join(name.path());
        match commit {
            Some(commit) => replace(&path, name, &format!("{commit}\n"), self.fsync)?,
            None => match fs::remove_file(&path) {
                Err(e) if !is_absence(&e) => Err(e).at("remove", &path)?,
                _ => {}
            },
        }
        self.touch()?;
        Ok(())
    }
}

/// The text of a ref's file. Whoever can write to the repository could put a device or a fifo there, which never ends
/// or never begins.
fn read_content(path: &Path) -> io::Result<String> {
    let mut options = File::options();
    options.read(true).custom_flags(nix::libc::O_NONBLOCK);
    let file = options.open(path)?;
    let kind = file.metadata()?.file_type();
    if !kind.is_file() {
        let kind = if kind.is_dir() {
            io::ErrorKind::IsADirectory
        } else {
            io::ErrorKind::InvalidData
        };
        return Err(io::Error::new(kind, "not a regular file"));
    }
    let mut text = String::new();
    file.take(MAX_CONTENT).read_to_string(&mut text)?;
    Ok(text)
}

fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory
    )
}

fn parse_content(text: &str) -> Result<CommitId, RefError> {
    let text = text.trim_end();
    text.parse()
        .map(CommitId::new)
        .map_err(|_| RefError::Content {
            content: text.to_owned(),
        })
}

/// The valid names in a directory, sorted; none if it is not there.
fn list(dir: &Path) -> Result<Vec<String>, PathError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e).at("list", dir),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.at("list", dir)?;
        names.extend(
            entry
                .file_name()
                .into_string()
                .ok()
                .filter(|name| is_fragment(name)),
        );
    }
    names.sort();
    Ok(names)
}

/// Adds the content of every ref file below `dir`, named relative to it.
fn collect(dir: &Path, prefix: &str, refs: &mut BTreeMap<String, String>) -> Result<(), PathError> {
    let mut dirs = vec![(dir.to_owned(), prefix.to_owned())];
    while let Some((dir, prefix)) = dirs.pop() {
        for name in list(&dir)? {
            let path = dir.join(&name);
            let full = format!("{prefix}{name}");
            let kind = fs::symlink_metadata(&path).at("stat", &path)?.file_type();
            if kind.is_dir() {
                dirs.push((path, format!("{full}/")));
                continue;
            }
            match read_content(&path) {
                Ok(text) => drop(refs.insert(full, text)),
                // An alias of a ref that is gone.
                Err(e) if kind.is_symlink() && is_absence(&e) => {}
                Err(e) => return Err(e).at("read", &path),
            }
        }
    }
    Ok(())
}

/// Writes beside the ref, then renames over it.
fn replace(path: &Path, name: &RefName, content: &str, fsync: bool) -> Result<(), RefError> {
    let dir = path.parent().unwrap_or(path);
    match fs::create_dir_all(dir) {
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists
            ) =>
        {
            return Err(RefError::BelowRef {
                path: name.path().display().to_string(),
            });
        }
        made => made.at("create", dir)?,
    }
    // A name that no ref can have, and that no other process uses at the same time.
    let temporary = dir.join(format!(
        ".{}.{}",
        path.file_name().unwrap_or_default().display(),
        std::process::id()
    ));
    let written = write_synced(&temporary, content, fsync)
        .at("write", path)
        .and_then(|()| rename_over(&temporary, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&temporary); // the error says more than a second one would
        if path.is_dir()
            && let Some(other) = first_below(path)?
        {
            return Err(RefError::Conflict {
                name: name.name().to_owned(),
                other,
            });
        }
        return Err(error.into());
    }
    Ok(())
}

fn write_synced(path: &Path, content: &str, fsync: bool) -> io::Result<()> {
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content.as_bytes())?;
    file.set_permissions(fs::Permissions::from_mode(0o644))?;
    if fsync { file.sync_data() } else { Ok(()) }
}

/// Renames; where a directory without refs is in the way it goes first.
fn rename_over(from: &Path, to: &Path) -> Result<(), PathError> {
    if fs::symlink_metadata(to).is_ok_and(|found| found.is_dir()) && first_below(to)?.is_none() {
        fs::remove_dir_all(to).at("remove", to)?;
    }
    fs::rename(from, to).at("replace", to)
}

/// The first ref below a directory, relative to it.
fn first_below(dir: &Path) -> Result<Option<String>, PathError> {
    let mut found = BTreeMap::new();
    collect(dir, "", &mut found)?;
    Ok(found.into_keys().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lists are those of the ostree specification, tried on the real tool.
    #[test]
    fn names_are_those_of_ostree() {
        for good in [
            "a..b",
            "a.",
            "café",
            "Ü/x86_64",
            "1",
            "origin:main",
            "a-b_c/d",
        ] {
            assert_eq!(good.parse::<RefName>().unwrap().to_string(), good);
        }
        for bad in [
            "-a", ".a", "/a", "a/", "a//b", "a+b", "a@b", "a~", "a b", "", ":a", "a:", "x/y:a",
        ] {
            assert!(bad.parse::<RefName>().is_err(), "{bad:?}");
        }
        let hex = "0".repeat(64);
        assert_eq!(
            hex.parse::<RefName>().unwrap_err().to_string(),
            format!("Rev name '{hex}' looks like a checksum")
        );
    }
}
