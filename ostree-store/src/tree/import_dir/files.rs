//! The objects of the files that were met: read by many threads, the largest first so that none of them is left over
//! at the end.

use std::fs::File;
use std::sync::Arc;

use rayon::prelude::*;
use rustix::fs::{FileType, OFlags, Stat};

use super::walk::WalkedFile;
use super::{Import, ImportDirError, header, rule_path};
use crate::checksum::FileId;
use crate::object::{FileHeader, FileKind, WriteError};
use crate::path_error::At;
use crate::repo::{Location, RepoMode};
use crate::tree::modify::{Origin, Pass};

impl Import<'_> {
    /// Writes the objects of all files, in any order, and gives their names in the order of the list; nothing for
    /// those that a rule leaves out.
    pub(super) fn files(
        &self,
        files: &[WalkedFile],
    ) -> Result<Vec<Option<FileId>>, ImportDirError> {
        let mut largest_first: Vec<_> = files.iter().enumerate().collect();
        largest_first.sort_by_key(|(_, file)| std::cmp::Reverse(file.size));
        let written = largest_first.into_par_iter().with_max_len(1);
        let mut written: Vec<_> = written
            .map(|(index, file)| (index, self.file(file)))
            .collect();
        written.sort_unstable_by_key(|(index, _)| *index);
        written.into_iter().map(|(_, id)| id).collect()
    }

    fn file(&self, file: &WalkedFile) -> Result<Option<FileId>, ImportDirError> {
        let made = self.made(file)?;
        if let Some(watch) = self.options.watch {
            watch(file.size);
        }
        Ok(made)
    }

    fn made(&self, file: &WalkedFile) -> Result<Option<FileId>, ImportDirError> {
        if let (Some(inodes), Some(id)) = (self.options.inodes, file.object)
            && !inodes.believes_files()
        {
            let path = || rule_path(&file.path);
            let made = inodes.reuse(id, path, self.modifier, self.sink);
            return made.map_err(|source| ImportDirError::Reuse {
                path: self.path.join(&file.path),
                source,
            });
        }
        let Some(own) = &file.symlink else {
            return self.regular_file(file);
        };
        let Some(header) = self.filtered(own.clone(), file)? else {
            return Ok(None);
        };
        if let Some(id) = self.unchanged_object(file, own, &header) {
            return Ok(Some(id));
        }
        let written = self.sink.file(&header, 0, &mut std::io::empty());
        written.map(Some).map_err(|source| ImportDirError::Write {
            path: self.path.join(&file.path),
            source,
        })
    }

    /// The object that the file is, if the modifier leaves the file as it is.
    fn unchanged_object(
        &self,
        walked: &WalkedFile,
        own: &FileHeader,
        header: &FileHeader,
    ) -> Option<FileId> {
        let (inodes, id) = (self.options.inodes?, walked.object?);
        let unchanged = own == header && !self.modifier.drops_xattrs(Origin::Tree);
        unchanged.then(|| inodes.hit(id))
    }

    fn regular_file(&self, walked: &WalkedFile) -> Result<Option<FileId>, ImportDirError> {
        let path = self.path.join(&walked.path);
        // A fifo put there meanwhile must not make us wait.
        let mut file = self.open(&walked.path, OFlags::NONBLOCK)?;
        let before = rustix::fs::fstat(&file).at("stat", &path)?;
        if FileType::from_raw_mode(before.st_mode) != FileType::RegularFile {
            return Err(ImportDirError::Changed { path });
        }
        let own = header(&before, FileKind::Regular, self.xattrs(&file, &path)?);
        let Some(header) = self.filtered(own.clone(), walked)? else {
            return Ok(None);
        };
        if let Some(id) = self.unchanged_object(walked, &own, &header) {
            return Ok(Some(id));
        }
        if let Some(taken) = self.taken(walked, &before, &own, &header, &file)? {
            return Ok(Some(taken));
        }
        let size = u64::try_from(before.st_size).unwrap_or(0);
        let id = match self.sink.file(&header, size, &mut file) {
            Err(WriteError::Size { .. }) => return Err(ImportDirError::Changed { path }),
            written => written.map_err(|source| ImportDirError::Write {
                path: path.clone(),
                source,
            })?,
        };
        let after = rustix::fs::fstat(&file).at("stat", &path)?;
        if version(&before) != version(&after) {
            return Err(ImportDirError::Changed { path });
        }
        Ok(Some(id))
    }

    /// The object that the file is going to be itself, where it is consumed and the mode lets it.
    fn taken(
        &self,
        walked: &WalkedFile,
        stat: &Stat,
        own: &FileHeader,
        header: &FileHeader,
        file: &File,
    ) -> Result<Option<FileId>, ImportDirError> {
        let Some(consume) = self.options.consume else {
            return Ok(None);
        };
        let transaction = consume.transaction;
        let unchanged = own == header && !self.modifier.drops_xattrs(Origin::Tree);
        let as_it_is = unchanged || transaction.repo().mode() == RepoMode::BareUserOnly;
        if !as_it_is || !transaction.takes_from(stat) {
            return Ok(None);
        }
        let path = self.path.join(&walked.path);
        let location = Location {
            root: Arc::clone(&self.root),
            relative: walked.path.clone(),
            path: path.clone(),
        };
        match transaction.take(header, file, location) {
            Ok(Some(id)) => Ok(Some(id)),
            Ok(None) => Err(ImportDirError::Changed { path }),
            Err(source) => Err(ImportDirError::Write { path, source }),
        }
    }

    /// The header as the modifier leaves it; nothing if the file is left out.
    fn filtered(
        &self,
        mut header: FileHeader,
        walked: &WalkedFile,
    ) -> Result<Option<FileHeader>, ImportDirError> {
        let path = || rule_path(&walked.path);
        let pass = self.modifier.apply_file(path, &mut header, Origin::Tree);
        let pass = pass.map_err(|cause| ImportDirError::Mode {
            path: self.path.join(&walked.path),
            cause,
        })?;
        Ok(Some(header).filter(|_| pass == Pass::Kept))
    }
}

/// What changes when somebody writes to a file. Not the time of the last change of status: a new hard link sets it.
fn version(stat: &Stat) -> impl PartialEq {
    (
        stat.st_size,
        stat.st_mtime,
        stat.st_mtime_nsec,
        stat.st_mode,
        stat.st_uid,
        stat.st_gid,
    )
}
