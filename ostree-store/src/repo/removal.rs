//! Objects taken out of a repository. Whoever does so holds [`Repo::lock_exclusive`](super::Repo::lock_exclusive).

use rustix::fs::AtFlags;

use super::object_dir::relative_path;
use super::{Repo, RepoError};
use crate::checksum::{Checksum, CommitId};
use crate::object::ObjectKind;
use crate::path_error::{At, PathError};

impl Repo {
    /// Removes an object of this repository; one that is not there is fine.
    ///
    /// Of a commit its detached metadata, its mark as partial and, where `core.tombstone-commits` is on, a tombstone
    /// in its place are part of that ([`Repo::remove_commit`]).
    pub fn remove_object(&self, kind: ObjectKind, checksum: &Checksum) -> Result<(), RepoError> {
        if kind == ObjectKind::Commit {
            return self.remove_commit(&CommitId::new(*checksum), self.keeps_tombstones()?);
        }
        Ok(self.unlink_object(checksum, self.mode.extension(kind))?)
    }

    /// Removes a commit object and what belongs to it; the objects it reaches stay.
    ///
    /// The order bears being broken off anywhere: the tombstone is there before the commit is gone, and the commit is
    /// gone before it stops counting as partial. ostree does both the other way round.
    pub fn remove_commit(&self, commit: &CommitId, tombstone: bool) -> Result<(), RepoError> {
        let checksum = commit.checksum();
        if tombstone && self.objects.has(ObjectKind::Commit, checksum)? {
            self.write_tombstone(commit)?;
        }
        self.unlink_object(checksum, "commitmeta")?;
        self.unlink_object(checksum, self.mode.extension(ObjectKind::Commit))?;
        Ok(self.clear_partial(commit)?)
    }

    /// Removes a file `objects/XX/REST.EXT`; one that is not there is fine.
    pub(crate) fn unlink_object(
        &self,
        checksum: &Checksum,
        extension: &str,
    ) -> Result<(), PathError> {
        let relative = relative_path(checksum, extension);
        match rustix::fs::unlinkat(self.objects.as_fd(), &relative, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(e) => Err(e).at("remove", self.path.join("objects").join(relative)),
        }
    }
}
