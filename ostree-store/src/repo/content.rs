//! Writing the content of files: small ones through memory, large ones through a file.

use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::Ordering;

use rustix::fs::AtFlags;

use super::object_file::{BARE_USER_ONLY_BITS, copy_content, create, rename};
use super::stage::Place;
use super::{RepoMode, Transaction};
use crate::checksum::{Checksum, FileId, HashingReader};
use crate::object::{FileHeader, ObjectKind, WriteError};
use crate::path_error::At;

/// Contents up to this many bytes are read once into memory, hashed, looked up and written from there. Larger ones
/// go through a file. The limit times the number of threads bounds the memory of a transaction.
const IN_MEMORY: u64 = 1 << 20;

impl Transaction<'_> {
    /// Writes a file object, through memory or through a file.
    pub(super) fn content(
        &self,
        header: &FileHeader,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<FileId, WriteError> {
        if size > IN_MEMORY {
            return self.large(header, size, content);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        content
            .take(size + 1)
            .read_to_end(&mut bytes)
            .map_err(WriteError::Content)?;
        if bytes.len() as u64 != size {
            return Err(WriteError::Size {
                expected: size,
                actual: bytes.len() as u64,
            });
        }
        self.small(header, &bytes)
    }

    /// The whole content is in memory: one name is made, or none if the object is there.
    fn small(&self, header: &FileHeader, content: &[u8]) -> Result<FileId, WriteError> {
        let mut reader = HashingReader::new(&header.checksum_frame(), content);
        io::copy(&mut reader, &mut io::sink()).map_err(WriteError::Content)?;
        let id = FileId::new(reader.finish().0);
        let checksum = id.checksum();
        let size = content.len() as u64;
        let payload = self
            .has_payload_link(header, size)
            .then(|| Checksum::of(content));
        if self.is_known(header, checksum, size)? {
            return self.with_payload_link(id, payload);
        }
        if self.write_small(header, content, (checksum, payload.as_ref()))? {
            self.count_written(size);
        }
        self.with_payload_link(id, payload)
    }

    /// Makes the object of a content in memory, and says whether it is new.
    fn write_small(
        &self,
        header: &FileHeader,
        mut content: &[u8],
        (checksum, payload): (&Checksum, Option<&Checksum>),
    ) -> Result<bool, WriteError> {
        let (in_stage, size) = (self.stage.path(), content.len() as u64);
        let extension = self.repo().mode.extension(ObjectKind::File);
        let place = self.stage.place(checksum, extension)?;
        if self.writer.is_link(header) {
            return self.whole(self.writer.link(header, &place, in_stage));
        }
        let Some(mut file) = create(&place).at("create an object in", in_stage)? else {
            return Ok(false);
        };
        let cloned = payload.is_some_and(|it| self.clone_payload(it, size, &mut file));
        let written = match cloned {
            true => {
                let finished = self.writer.finish(&file, header);
                finished
                    .at("write an object in", in_stage)
                    .map_err(WriteError::from)
            }
            false => self
                .writer
                .fill(&mut file, header, size, &mut content, in_stage),
        };
        self.whole(written)?;
        Ok(true)
    }

    /// Makes the payload link of an object that is there.
    fn with_payload_link(
        &self,
        id: FileId,
        payload: Option<Checksum>,
    ) -> Result<FileId, WriteError> {
        if let Some(payload) = payload {
            self.link_payload(&payload, &id)?;
        }
        Ok(id)
    }

    /// The content goes through a file of the staging directory, which becomes the object where the mode lets it.
    fn large(
        &self,
        header: &FileHeader,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<FileId, WriteError> {
        let spool = self.stage.temporary();
        let remove =
            || rustix::fs::unlinkat(spool.dir, &spool.name, AtFlags::empty()).unwrap_or_default();
        let id = self.spooled(&spool, header, size, content);
        if id.is_err() {
            remove();
        }
        let (id, consumed) = id?;
        if !consumed {
            remove();
        }
        Ok(id)
    }

    /// Returns the object's name, and whether the spool file has become the object.
    fn spooled(
        &self,
        spool: &Place<'_>,
        header: &FileHeader,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<(FileId, bool), WriteError> {
        let in_stage = self.stage.path();
        self.space.take(size)?;
        let Some(mut file) = create(spool).at("create a file in", in_stage)? else {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists))
                .at("create a file in", in_stage)?;
        };
        let mut alone = HashingReader::new(&[], content);
        let payload_wanted = self.has_payload_link(header, size);
        let content: &mut dyn Read = match payload_wanted {
            true => &mut alone,
            false => alone.inner_mut(),
        };
        let mut hashing = HashingReader::new(&header.checksum_frame(), content);
        copy_content(
            &mut (&mut hashing).take(size.saturating_add(1)),
            &mut file,
            in_stage,
            size,
        )?;
        let (checksum, actual) = hashing.finish();
        if actual != size {
            return Err(WriteError::Size {
                expected: size,
                actual,
            });
        }
        let payload = payload_wanted.then(|| alone.finish().0);
        let id = FileId::new(checksum);
        if self.is_known(header, &checksum, 0)? {
            return Ok((self.with_payload_link(id, payload)?, false));
        }
        let (created, consumed) =
            self.spool_to_object(spool, &mut file, header, size, (checksum, payload))?;
        if created {
            self.count_written(size);
        }
        Ok((self.with_payload_link(id, payload)?, consumed))
    }

    /// Makes the object out of a spool file; says whether the object is new, and whether the file has become it.
    fn spool_to_object(
        &self,
        spool: &Place<'_>,
        file: &mut File,
        header: &FileHeader,
        size: u64,
        (checksum, payload): (Checksum, Option<Checksum>),
    ) -> Result<(bool, bool), WriteError> {
        let in_stage = self.stage.path();
        let extension = self.repo().mode.extension(ObjectKind::File);
        let place = self.stage.place(&checksum, extension)?;
        if let Some(payload) = &payload
            && self.cloned(payload, header, size, &place)?
        {
            return Ok((true, false));
        }
        if self.repo().mode != RepoMode::Archive {
            let finished = self.writer.finish(file, header);
            finished.at("write an object in", in_stage)?;
            let consumed = rename(spool, &place).at("write an object in", in_stage)?;
            return Ok((consumed, consumed));
        }
        let Some(mut object) = create(&place).at("create an object in", in_stage)? else {
            return Ok((false, false));
        };
        io::Seek::rewind(file).at("read a file in", in_stage)?;
        let filled = self.writer.fill(&mut object, header, size, file, in_stage);
        self.whole(filled)?;
        Ok((true, false))
    }

    /// Makes the object by cloning equal content, and says whether that was possible and it was new.
    fn cloned(
        &self,
        payload: &Checksum,
        header: &FileHeader,
        size: u64,
        place: &Place<'_>,
    ) -> Result<bool, WriteError> {
        let in_stage = self.stage.path();
        let clone = self.stage.temporary();
        let Some(mut file) = create(&clone).at("create a file in", in_stage)? else {
            return Ok(false);
        };
        if self.clone_payload(payload, size, &mut file) {
            self.writer
                .finish(&file, header)
                .at("write an object in", in_stage)?;
            if rename(&clone, place).at("write an object in", in_stage)? {
                return Ok(true);
            }
        }
        let _ = rustix::fs::unlinkat(clone.dir, &clone.name, AtFlags::empty()); // goes with the directory at last
        Ok(false)
    }

    /// Whether nothing needs to be written; otherwise checks that it may be.
    fn is_known(
        &self,
        header: &FileHeader,
        checksum: &Checksum,
        size: u64,
    ) -> Result<bool, WriteError> {
        if self.repo().has_own(ObjectKind::File, checksum)? {
            return Ok(true);
        }
        let bits = header.mode & !BARE_USER_ONLY_BITS;
        if self.repo().mode == RepoMode::BareUserOnly && !header.is_symlink() && bits != 0 {
            let id = FileId::new(*checksum);
            return Err(WriteError::Mode {
                id,
                st_mode: header.st_mode(),
                bits,
            });
        }
        self.space.take(size)?;
        Ok(false)
    }

    fn count_written(&self, size: u64) {
        self.counters
            .content_written
            .fetch_add(1, Ordering::Relaxed);
        self.counters
            .content_bytes_written
            .fetch_add(size, Ordering::Relaxed);
    }
}
