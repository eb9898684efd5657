//! One file object from repository to repository.

use super::{PullError, PullOptions};
use crate::checksum::FileId;
use crate::object::{Checksummer, FileHeader, ObjectKind, ObjectSink, WriteError};
use crate::repo::{AdoptError, Donor, ReadError, RepoMode, StoredFile, Transaction};

/// The mode bits that a regular file may have where `bare-user-only` is wanted.
const BARE_USER_ONLY_BITS: u32 = 0o775;

/// The bit that every file of `bare-user` has.
const OWNER_READS: u32 = 0o400;

/// Brings file objects.
pub(super) struct Importer<'a> {
    pub(super) donor: &'a Donor<'a>,
    pub(super) into: &'a Transaction<'a>,
    pub(super) options: &'a PullOptions,
}

impl Importer<'_> {
    /// Brings one file object; returns how many bytes of content had to be written.
    pub(super) fn file(&self, id: &FileId) -> Result<u64, PullError> {
        if self.may_be_taken_over(id)? {
            if self.options.untrusted {
                self.check(id)?;
            }
            match self.into.adopt(self.donor, ObjectKind::File, id.checksum()) {
                Ok(true) => return Ok(0),
                Ok(false) => {}
                Err(error) => return Err(not_adopted(error, ObjectKind::File, id.checksum())),
            }
        }
        self.convert(id)
    }

    /// Whether the file has the right form here too. Checks what has to be checked for that.
    fn may_be_taken_over(&self, id: &FileId) -> Result<bool, PullError> {
        let modes = (self.donor.repo().mode(), self.into.repo().mode());
        let becomes_bare_user_only = modes == (RepoMode::BareUser, RepoMode::BareUserOnly);
        let same = modes.0 == modes.1;
        if !self.options.bare_user_only_files && !becomes_bare_user_only {
            return Ok(same);
        }
        let header = self.open(id)?.header;
        if self.options.bare_user_only_files {
            check_bare_user_only_bits(id, &header)?;
        }
        if !becomes_bare_user_only {
            return Ok(same);
        }
        representable(id, &header, modes.1)?;
        // `bare-user` lets the owner read every file, so without this bit the file's mode is not the object's. ostree
        // links it all the same, and its own check then finds the object corrupt.
        Ok(!header.is_symlink() && header.mode & OWNER_READS != 0)
    }

    /// Reads the object and writes it in the form that it has here. What it hashes to shows whether it is sound.
    fn convert(&self, id: &FileId) -> Result<u64, PullError> {
        let mut stored = self.open(id)?;
        let (header, size) = (stored.header.clone(), stored.size);
        let mode = self.into.repo().mode();
        let mut write = || {
            representable(id, &header, mode)?;
            let actual = self.into.file(&header, size, &mut stored)?;
            same(id, &actual)?;
            Ok(size)
        };
        write().map_err(|error| PullError::Content(Box::new(error)))
    }

    /// Hashes an object that is then taken over.
    fn check(&self, id: &FileId) -> Result<(), PullError> {
        let check = || {
            let mut stored = self.open(id)?;
            let (header, size) = (stored.header.clone(), stored.size);
            same(id, &Checksummer.file(&header, size, &mut stored)?)
        };
        check().map_err(|error| PullError::Unsound {
            kind: ObjectKind::File,
            checksum: *id.checksum(),
            source: Box::new(error),
        })
    }

    fn open(&self, id: &FileId) -> Result<StoredFile, PullError> {
        self.donor.repo().file(id).map_err(|error| match error {
            ReadError::Missing { checksum, .. } => PullError::NoContent { checksum },
            error => error.into(),
        })
    }
}

/// From why a file was not taken over to why the pull failed.
pub(super) fn not_adopted(
    error: AdoptError,
    kind: ObjectKind,
    checksum: &crate::checksum::Checksum,
) -> PullError {
    match error {
        AdoptError::Missing => PullError::Missing {
            kind,
            checksum: *checksum,
        },
        AdoptError::Form(error) => error.into(),
        AdoptError::Space(error) => error.into(),
        AdoptError::Path(error) => error.into(),
    }
}

fn same(expected: &FileId, actual: &FileId) -> Result<(), PullError> {
    if expected == actual {
        return Ok(());
    }
    Err(PullError::Corrupted {
        kind: ObjectKind::File,
        expected: *expected.checksum(),
        actual: *actual.checksum(),
    })
}

fn check_bare_user_only_bits(id: &FileId, header: &FileHeader) -> Result<(), PullError> {
    let bits = header.mode & !BARE_USER_ONLY_BITS;
    if header.is_symlink() || bits == 0 {
        return Ok(());
    }
    Err(PullError::Write(WriteError::Mode {
        id: *id,
        st_mode: header.st_mode(),
        bits,
    }))
}

/// Refuses what the mode would lose: the object would be there under a name that is not its own.
fn representable(id: &FileId, header: &FileHeader, mode: RepoMode) -> Result<(), PullError> {
    let lost = |what: String| {
        Err(PullError::Unrepresentable {
            checksum: *id.checksum(),
            what,
            mode,
        })
    };
    if matches!(mode, RepoMode::Archive | RepoMode::BareUser) {
        return Ok(());
    }
    if header.is_symlink() && header.mode != 0o777 {
        return lost(format!("a symbolic link of mode 0{:o}", header.mode));
    }
    if mode == RepoMode::Bare {
        return Ok(());
    }
    check_bare_user_only_bits(id, header)?;
    if (header.uid, header.gid) != (0, 0) {
        return lost(format!("owner {}:{}", header.uid, header.gid));
    }
    if !header.xattrs.is_empty() {
        return lost("extended attributes".to_owned());
    }
    Ok(())
}
