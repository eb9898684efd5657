//! Objects of another repository taken over as they are.
//!
//! | from and to | a file of the object |
//! |---|---|
//! | same owner and file system | becomes one with ours: a hard link |
//! | otherwise metadata, and content from `archive` to `archive` | is copied (by reference where the system can) |
//! | otherwise | cannot be taken over; the content is read and written anew |
//!
//! These are ostree's own rules. The bytes are not looked at here; that the file is a file is.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::object_dir::relative_path;
use super::object_file::{create, set_mode};
use super::stage::Place;
use super::{ReadError, Repo, RepoMode, Transaction};
use crate::checksum::Checksum;
use crate::object::{ObjectKind, WriteError};
use crate::path_error::{At, PathError};

/// A repository whose objects a transaction takes over.
#[derive(Debug)]
pub(crate) struct Donor<'r> {
    repo: &'r Repo,
    /// Owner and file system are those of the repository written to.
    linkable: bool,
}

/// Why a file could not be taken over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdoptError {
    /// The other repository has no such object.
    #[error("linkat: No such file or directory")]
    Missing,
    /// What lies there is no object.
    #[error(transparent)]
    Form(ReadError),
    /// The disk is too full.
    #[error(transparent)]
    Space(WriteError),
    /// The file system refused.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl<'r> Donor<'r> {
    /// The repository as one that gives objects to `into`.
    pub(crate) fn new(repo: &'r Repo, into: &Repo) -> Result<Donor<'r>, PathError> {
        let found = |repo: &Repo| {
            let found = rustix::fs::fstat(repo.objects.as_fd()).at("stat", &repo.path)?;
            Ok((found.st_uid, found.st_dev))
        };
        Ok(Donor {
            repo,
            linkable: found(repo)? == found(into)?,
        })
    }

    /// The repository itself.
    pub(crate) fn repo(&self) -> &'r Repo {
        self.repo
    }
}

impl Transaction<'_> {
    /// Whether the object is there, staged or published before. Staged commits are not counted.
    pub(crate) fn has(&self, kind: ObjectKind, checksum: &Checksum) -> Result<bool, PathError> {
        Ok(self.staged.has(kind, checksum)? || self.repo().has(kind, checksum)?)
    }

    /// Stages the object's file of another repository. `false` if it must be written anew instead.
    pub(crate) fn adopt(
        &self,
        donor: &Donor<'_>,
        kind: ObjectKind,
        checksum: &Checksum,
    ) -> Result<bool, AdoptError> {
        if kind == ObjectKind::File && self.repo().mode() == RepoMode::BareSplitXattrs {
            return Ok(false); // which is refused when it is written
        }
        let extension = self.repo().mode().extension(kind);
        let place = match kind {
            ObjectKind::Commit => self.stage.commit_place(checksum)?,
            _ => self.stage.place(checksum, extension)?,
        };
        let relative = relative_path(checksum, extension);
        if donor.linkable && self.link(donor, &relative, &place, kind, checksum)? {
            return Ok(true);
        }
        if kind == ObjectKind::File && self.repo().mode() != RepoMode::Archive {
            return Ok(false);
        }
        self.copy(donor, &relative, &place, kind, checksum)?;
        Ok(true)
    }

    /// Makes a hard link; `false` if the file system does not want another one.
    fn link(
        &self,
        donor: &Donor<'_>,
        relative: &str,
        place: &Place<'_>,
        kind: ObjectKind,
        checksum: &Checksum,
    ) -> Result<bool, AdoptError> {
        let objects = donor.repo.objects.as_fd();
        let name = place.name.as_str();
        match rustix::fs::linkat(objects, relative, place.dir, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(Errno::MLINK | Errno::XDEV | Errno::PERM) => return Ok(false),
            Err(Errno::NOENT) => return Err(AdoptError::Missing),
            Err(e) => return Err(e).at("link", donor.repo.object_path(kind, checksum))?,
        }
        let found = rustix::fs::statat(place.dir, name, AtFlags::SYMLINK_NOFOLLOW)
            .at("stat an object in", self.stage.path())?;
        let links = matches!(self.repo().mode(), RepoMode::Bare | RepoMode::BareUserOnly);
        match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => Ok(true),
            FileType::Symlink if links && kind == ObjectKind::File => Ok(true),
            _ => Err(no_object(kind, checksum)),
        }
    }

    fn copy(
        &self,
        donor: &Donor<'_>,
        relative: &str,
        place: &Place<'_>,
        kind: ObjectKind,
        checksum: &Checksum,
    ) -> Result<(), AdoptError> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let opened: rustix::io::Result<OwnedFd> =
            rustix::fs::openat(donor.repo.objects.as_fd(), relative, flags, Mode::empty());
        let mut from = match opened {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT) => return Err(AdoptError::Missing),
            Err(Errno::LOOP) => return Err(no_object(kind, checksum)),
            Err(e) => return Err(e).at("open", donor.repo.object_path(kind, checksum))?,
        };
        let found = from
            .metadata()
            .at("stat", donor.repo.object_path(kind, checksum))?;
        if !found.is_file() {
            return Err(no_object(kind, checksum));
        }
        if kind == ObjectKind::File {
            self.space.take(found.len()).map_err(AdoptError::Space)?;
        }
        let in_stage = self.stage.path();
        if let Some(mut file) = create(place).at("create an object in", in_stage)? {
            let written = io::copy(&mut from, &mut file).and_then(|_| set_mode(&file, 0o644));
            self.whole(written).at("write an object in", in_stage)?;
        }
        Ok(())
    }
}

fn no_object(kind: ObjectKind, checksum: &Checksum) -> AdoptError {
    AdoptError::Form(ReadError::Form {
        kind,
        checksum: *checksum,
        what: "not a regular file",
    })
}
