//! One object: whether its bytes are what its name says, and mean something.

use std::io;

use super::weakness::{self, Weakness};
use super::{Checksum, Object, ReadError};
use crate::checksum::FileId;
use crate::object::{
    Checksummer, Commit, DirMeta, DirTree, ObjectKind, ObjectSink, ParseError, WriteError,
};
use crate::repo::Repo;
use crate::upkeep::reach::{Corrupt, Unsound, sound};

/// What can be wrong with an object.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// It is not there.
    #[error("the object is missing")]
    Missing,
    /// Its bytes hash to another name.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// Its bytes hash to its name, but mean nothing.
    #[error(transparent)]
    Meaningless(ParseError),
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(ReadError),
    /// Its content cannot be read, for instance because the compressed bytes are broken.
    #[error("the content cannot be read: {0}")]
    Content(io::Error),
    /// Its content is not as long as its header says.
    #[error("the content has {actual} bytes where the header says {expected}")]
    Size {
        /// Bytes announced.
        expected: u64,
        /// Bytes found; of a longer content not all.
        actual: u64,
    },
}

impl Problem {
    /// Whether the object is worth nothing, so that deleting it loses nothing: its bytes are not those of its name.
    /// One that could not be read this time may be whole, and one that was made badly would come back the same.
    #[must_use]
    pub fn is_worthless(&self) -> bool {
        match self {
            Problem::Corrupt(_) | Problem::Size { .. } => true,
            Problem::Unreadable(ReadError::Form { .. }) => true,
            Problem::Unreadable(ReadError::Parse { source, .. }) => {
                !matches!(source, ParseError::Xattrs(_) | ParseError::NameOrder { .. })
            }
            Problem::Content(error) => matches!(
                error.kind(),
                io::ErrorKind::InvalidData
                    | io::ErrorKind::InvalidInput
                    | io::ErrorKind::UnexpectedEof
            ),
            Problem::Missing | Problem::Meaningless(_) | Problem::Unreadable(_) => false,
        }
    }
}

/// Checks an object; a sound one may still lie badly, which is looked for if `weaknesses`.
pub(super) fn check(
    repo: &Repo,
    (kind, name): Object,
    weaknesses: bool,
) -> Result<Option<Weakness>, Problem> {
    if kind == ObjectKind::File {
        return check_file(repo, name, weaknesses);
    }
    let object = (kind, name);
    let meaning = match kind {
        ObjectKind::Commit => sound(repo, object, Commit::parse).map(drop),
        ObjectKind::DirTree => sound(repo, object, DirTree::parse).map(drop),
        ObjectKind::DirMeta => sound(repo, object, DirMeta::parse).map(drop),
        ObjectKind::File => Ok(()),
    };
    let weakness = |()| match weaknesses {
        true => weakness::of_metadata(repo, kind, &name),
        false => None,
    };
    meaning.map(weakness).map_err(|unsound| match unsound {
        Unsound::Corrupt(corrupt) => corrupt.into(),
        // Parsed are only bytes that hash to the name.
        Unsound::Read(ReadError::Parse { source, .. }) => Problem::Meaningless(source),
        Unsound::Read(error) => not_read(error),
    })
}

fn check_file(repo: &Repo, name: Checksum, weaknesses: bool) -> Result<Option<Weakness>, Problem> {
    let mut stored = repo.file(&FileId::new(name)).map_err(not_read)?;
    let (header, size) = (stored.header.clone(), stored.size);
    match Checksummer.file(&header, size, &mut stored) {
        Ok(actual) if *actual.checksum() == name => Ok(match weaknesses {
            true => weakness::of_file(repo, &name, &header),
            false => None,
        }),
        Ok(actual) => Err(Problem::Corrupt(Corrupt {
            kind: ObjectKind::File,
            expected: name,
            actual: *actual.checksum(),
        })),
        Err(WriteError::Size { expected, actual }) => Err(Problem::Size { expected, actual }),
        Err(WriteError::Content(error)) => Err(Problem::Content(error)),
        Err(error) => Err(Problem::Content(io::Error::other(error))),
    }
}

fn not_read(error: ReadError) -> Problem {
    match error {
        ReadError::Missing { .. } => Problem::Missing,
        error => Problem::Unreadable(error),
    }
}
