//! Names for commits: one small file each, below `refs/`.
//!
//! | file | is |
//! |---|---|
//! | `refs/heads/NAME` | a ref of this repository |
//! | `refs/remotes/REMOTE/NAME` | `REMOTE:NAME`, what a remote had when it was last asked |
//! | `refs/mirrors/ID/NAME` | a ref of another collection |
//! | a symbolic link among them | an alias of another ref |
//!
//! The content is 64 hex digits and a line feed. What follows links stays inside `refs/`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::ref_list::first_below;
use super::ref_name::{is_name, refuse_checksum};
use super::{CollectionId, CollectionIdError, RefName, Repo, SummaryError, small_file};
use crate::checksum::CommitId;
use crate::path_error::{At, PathError, SystemError};

/// The longest content of a ref that is read, in bytes; a checksum has 64.
const MAX_CONTENT: u64 = 256;

/// Why a ref could not be read, written or listed.
#[derive(Debug, thiserror::Error)]
pub enum RefError {
    /// Not a valid name.
    #[error("Invalid refspec {text}")]
    Refspec {
        /// What was given.
        text: String,
    },
    /// Not a valid name in a collection.
    #[error("Invalid ref name {text}")]
    Name {
        /// What was given.
        text: String,
    },
    /// A name that would hide a commit.
    #[error("Rev name '{text}' looks like a checksum")]
    LooksLikeChecksum {
        /// What was given.
        text: String,
    },
    /// Not the name of a collection.
    #[error(transparent)]
    Collection(#[from] CollectionIdError),
    /// A directory of other refs stands where the ref's file must go.
    #[error("Conflict: {other} exists under {name} when attempting write")]
    Conflict {
        /// The ref being written.
        name: String,
        /// A ref below it, relative.
        other: String,
    },
    /// The content is not a checksum.
    #[error("Invalid rev {content}")]
    Content {
        /// What stands in the file, or how it begins.
        content: String,
    },
    /// The content is as long as a checksum, but is none.
    #[error("Invalid character '{code}' in rev '{content}'")]
    Character {
        /// The first byte that is no digit.
        code: u8,
        /// What stands in the file.
        content: String,
    },
    /// The content is not text.
    #[error("Invalid UTF-8")]
    NotUtf8,
    /// The way to the ref's file cannot be gone: a ref stands where a directory must be, an alias goes round in
    /// circles or to nothing.
    #[error("{call}({path}): {source}")]
    Way {
        /// What ostree would have asked the system for.
        call: &'static str,
        /// The ref's file, relative to `refs/` or to what is listed.
        path: String,
        /// What the system said.
        source: SystemError,
    },
    /// An alias, or a directory of refs, is a link to something that is no ref of this repository.
    #[error("{path} is a link that leads out of refs/")]
    Outside {
        /// The link, relative to the repository.
        path: String,
    },
    /// An alias of a ref that another repository owns.
    #[error("Cannot create alias to remote ref: {name}")]
    RemoteAlias {
        /// The remote, or the refspec.
        name: String,
    },
    /// The ref is as it should be, but the summary could not be written after it.
    #[error(transparent)]
    Summary(Box<SummaryError>),
    /// An alias of nothing.
    #[error("Cannot create alias to non-existent ref: {name}")]
    NoTarget {
        /// What it should be an alias of.
        name: String,
    },
    /// An alias that would lead to itself.
    #[error("Cannot create alias {name}: {target} leads to it")]
    Cycle {
        /// The alias.
        name: String,
        /// What it should be an alias of.
        target: String,
    },
    /// While listing.
    #[error("Listing refs: {0}")]
    Listing(Box<RefError>),
    /// The file system refused.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// What stands where a ref's file would.
pub(super) enum Found {
    Nothing,
    /// Other refs are below it.
    Directory,
    Text(String),
}

impl Repo {
    /// The ref of this name in a collection: one of the repository's own if the collection is its own.
    pub fn ref_in_collection(
        &self,
        collection: &CollectionId,
        name: &str,
    ) -> Result<RefName, RefError> {
        if !is_name(name) {
            return Err(RefError::Name {
                text: name.to_owned(),
            });
        }
        refuse_checksum(name)?;
        if self.collection_id() == Some(collection.as_str()) {
            return name.parse();
        }
        Ok(RefName::mirrored(collection, name))
    }

    /// The commit that a ref names, if there is such a ref. A directory of other refs is none.
    pub fn read_ref(&self, name: &RefName) -> Result<Option<CommitId>, RefError> {
        match self.find_ref(&name.path()) {
            Ok(Found::Text(text)) => parse_content(&text).map(Some),
            Ok(Found::Nothing | Found::Directory) => Ok(None),
            Err(RefError::Way { source, .. }) if source.is_not_a_directory() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What stands at a path below the repository.
    pub(super) fn find_ref(&self, relative: &Path) -> Result<Found, RefError> {
        let Some(real) = self.inside_refs(relative)? else {
            return Ok(Found::Nothing);
        };
        match read_content(&real) {
            Ok(text) => Ok(Found::Text(text)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
            Err(e) if e.kind() == io::ErrorKind::IsADirectory => Ok(Found::Directory),
            Err(e) => Err(unreadable(e, &real)),
        }
    }

    /// Where a path below the repository leads when all links are followed; nothing if it leads to nothing.
    pub(super) fn inside_refs(&self, relative: &Path) -> Result<Option<PathBuf>, RefError> {
        let refs = self.path().join("refs");
        let real = match self.path().join(relative).canonicalize() {
            Ok(real) => real,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(way("openat", relative, e)),
        };
        if !real.starts_with(refs.canonicalize().at("resolve", &refs)?) {
            return Err(RefError::Outside {
                path: relative.display().to_string(),
            });
        }
        Ok(Some(real))
    }

    /// Lets `name` mean `commit`, or mean nothing any more. The file is replaced at once or not at all; an alias of
    /// this name becomes a ref, or goes.
    pub fn write_ref(&self, name: &RefName, commit: Option<&CommitId>) -> Result<(), RefError> {
        self.write_ref_through(&self.path().join("tmp"), name, commit)?;
        self.refs_changed()
    }

    /// The same, with the new file first in the directory `temporaries`. [`Repo::refs_changed`] is to follow.
    pub(super) fn write_ref_through(
        &self,
        temporaries: &Path,
        name: &RefName,
        commit: Option<&CommitId>,
    ) -> Result<(), RefError> {
        match commit {
            Some(commit) => {
                let content = format!("{commit}\n");
                let (temporary, _held) = small_file::at_new_name(temporaries, |path| {
                    small_file::write_new(path, content.as_bytes(), self.fsync)
                })?;
                self.put_in_place(&temporary, name)?;
            }
            None => self.remove_ref(name)?,
        }
        Ok(())
    }

    /// Lets the world know: by the time of the directory, and by the summary if it is to follow every change.
    pub(super) fn refs_changed(&self) -> Result<(), RefError> {
        self.touch()?;
        self.update_summary_if_wanted()
            .map_err(|error| RefError::Summary(Box::new(error)))
    }

    fn remove_ref(&self, name: &RefName) -> Result<(), RefError> {
        let relative = name.path();
        let parent = match self.inside_refs(relative.parent().unwrap_or(&relative)) {
            Ok(Some(parent)) => parent,
            Ok(None) => return Ok(()),
            Err(RefError::Way { source, .. }) if source.is_not_a_directory() => return Ok(()),
            Err(error) => return Err(error),
        };
        let path = parent.join(relative.file_name().unwrap_or_default());
        match fs::remove_file(&path) {
            Err(e) if !is_absence(&e) => Ok(Err(e).at("remove", &path)?),
            _ => Ok(()),
        }
    }

    /// Renames a new file or link over a ref. It is removed if that fails.
    pub(super) fn put_in_place(&self, temporary: &Path, name: &RefName) -> Result<(), RefError> {
        let path = self.make_parents(name);
        let placed = path.and_then(|path| rename_over(temporary, &path, name));
        if placed.is_err() {
            let _ = fs::remove_file(temporary); // the error says more than a second one would
        }
        placed
    }

    /// Makes the directories of a ref and says where it lies. Links among them must stay inside `refs/`.
    fn make_parents(&self, name: &RefName) -> Result<PathBuf, RefError> {
        let relative = name.path();
        let mut dir = PathBuf::new();
        for part in relative.parent().into_iter().flat_map(Path::components) {
            dir.push(part);
            match fs::create_dir(self.path().join(&dir)) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(way("openat", &relative, e));
                }
                _ => {}
            }
            if dir.components().count() > 1 && self.inside_refs(&dir)?.is_none() {
                let gone = io::Error::from_raw_os_error(nix::libc::ENOENT);
                return Err(way("openat", &relative, gone));
            }
        }
        Ok(self.path().join(relative))
    }
}

/// The way to a ref cannot be gone.
pub(super) fn way(call: &'static str, path: &Path, error: io::Error) -> RefError {
    RefError::Way {
        call,
        path: path.display().to_string(),
        source: error.into(),
    }
}

/// The text of a ref's file, which is no link, or how it begins.
pub(super) fn read_content(path: &Path) -> io::Result<String> {
    let mut bytes = small_file::beginning(small_file::open_regular(path)?, MAX_CONTENT)?;
    match std::str::from_utf8(&bytes) {
        Ok(_) => {}
        // A character that the limit has cut.
        Err(e) if e.error_len().is_none() && bytes.len() as u64 == MAX_CONTENT => {
            bytes.truncate(e.valid_up_to());
        }
        Err(_) => return Err(io::ErrorKind::InvalidData.into()),
    }
    String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// What [`read_content`] says, as an error about a ref.
pub(super) fn unreadable(error: io::Error, path: &Path) -> RefError {
    match error.kind() {
        io::ErrorKind::InvalidData => RefError::NotUtf8,
        _ => PathError::new("read", path, error).into(),
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory
    )
}

/// The commit in a ref's file. White space behind it does not count.
pub(super) fn parse_content(text: &str) -> Result<CommitId, RefError> {
    let text = text.trim_end();
    if let Ok(checksum) = text.parse() {
        return Ok(CommitId::new(checksum));
    }
    let strange = |byte: &u8| !matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    match text.bytes().find(strange).filter(|_| text.len() == 64) {
        Some(code) => Err(RefError::Character {
            code,
            content: text.to_owned(),
        }),
        // ostree shows it so too.
        None => Err(RefError::Content {
            content: text.chars().take(64).collect::<String>().replace('\n', " "),
        }),
    }
}

/// Renames; where a directory without refs is in the way it goes first.
fn rename_over(from: &Path, to: &Path, name: &RefName) -> Result<(), RefError> {
    if fs::symlink_metadata(to).is_ok_and(|found| found.is_dir()) {
        if let Some(other) = first_below(to)? {
            return Err(RefError::Conflict {
                name: name.name().to_owned(),
                other,
            });
        }
        fs::remove_dir_all(to).at("remove", to)?;
    }
    fs::rename(from, to).map_err(|e| match e.kind() {
        io::ErrorKind::NotADirectory => way("openat", Path::new(&name.path_text()), e),
        _ => PathError::new("replace", to, e).into(),
    })
}
