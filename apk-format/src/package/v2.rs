//! Reading a v2 package in one pass.

use std::io::{self, Read};

use sha1::{Digest as _, Sha1};

use crate::digest::Digest;
use crate::gzip::{Hashes, Members};
use crate::package::control::Control;
use crate::package::{Entry, EntryKind, Member, PackageError, PackageInfo, Script};
use crate::signature::{KeyRing, SignatureError, Trust};
use crate::ustar::{Archive, ArchiveError};

/// A v2 package being read.
pub(crate) struct Reader<R> {
    members: Members<R>,
    archive: Archive,
    control: Control,
    stage: Stage,
    content: Option<Content>,
}

impl<R: Read> Reader<R> {
    /// Reads the signature and control members, and nothing behind them.
    pub(crate) fn open(reader: R) -> Result<Reader<R>, PackageError> {
        let mut members = Members::new(reader);
        let mut archive = Archive::default();
        let control = Control::read(&mut members, &mut archive)?;
        Ok(Reader {
            members,
            archive,
            control,
            stage: Stage::Control,
            content: None,
        })
    }

    /// What the package says of itself.
    pub(crate) fn info(&self) -> &PackageInfo {
        &self.control.info
    }

    /// The text of `.PKGINFO`.
    pub(crate) fn info_text(&self) -> &str {
        &self.control.info_text
    }

    /// The SHA-1 of the compressed control member: the `C:` of indexes and databases.
    pub(crate) fn identity(&self) -> Digest {
        self.control.identity
    }

    /// The SHA-256 that the compressed data member must have.
    pub(crate) fn datahash(&self) -> Digest {
        self.control.datahash
    }

    /// The scripts, in the order of [`ScriptKind`](crate::ScriptKind).
    pub(crate) fn scripts(&self) -> &[Script] {
        &self.control.scripts
    }

    /// The signatures in the file, as `algorithm.key name`, verified or not.
    pub(crate) fn signature_names(&self) -> impl Iterator<Item = &str> {
        self.control.signatures.names()
    }

    /// Checks the package's own signature, as for a package that comes from no index.
    ///
    /// Gives the name of the key, or `None` where `trust` lets unsigned packages and unknown keys pass.
    pub(crate) fn verify_signature(
        &self,
        keys: &KeyRing,
        trust: Trust,
    ) -> Result<Option<String>, SignatureError> {
        self.control
            .signatures
            .verify(&self.control.hashes, keys, trust)
    }

    /// Goes on to the next file of the data member; `None` after the last.
    ///
    /// Content of the current entry that was not read is read and verified first. After an error the package
    /// gives nothing but errors.
    pub(crate) fn next_entry(&mut self) -> Result<Option<Entry>, PackageError> {
        let result = self.advance();
        if result.is_err() {
            self.stage = Stage::Failed;
        }
        result
    }

    /// Reads what is left and decides whether the package was what it claimed.
    ///
    /// Checks the contents of entries not read yet, the end of the archive, that nothing follows the data member,
    /// and the data hash.
    pub(crate) fn finish(mut self) -> Result<(), PackageError> {
        while self.next_entry()?.is_some() {}
        let offset = self.members.offset();
        if !self.members.at_end().map_err(|source| PackageError::Read {
            member: Member::Data,
            offset,
            source,
        })? {
            return Err(PackageError::Trailing { offset });
        }
        let (expected, found) = (
            self.control.datahash,
            Digest::Sha256(self.members.hashes().sha256()),
        );
        if found == expected {
            Ok(())
        } else {
            Err(PackageError::DataHash { expected, found })
        }
    }

    fn advance(&mut self) -> Result<Option<Entry>, PackageError> {
        match self.stage {
            Stage::Control => self.start_data()?,
            Stage::Data => self.drain()?,
            Stage::Ended => return Ok(None),
            Stage::Failed => return Err(PackageError::AlreadyFailed),
        }
        loop {
            let Some(header) = self
                .archive
                .next(&mut self.members)
                .map_err(|source| self.broken(None, source))?
            else {
                self.stage = Stage::Ended;
                return Ok(None);
            };
            if let Some(entry) = Entry::from_header(header)? {
                self.content = Content::of(&entry);
                self.verify_if_complete()?;
                return Ok(Some(entry));
            }
        }
    }

    fn start_data(&mut self) -> Result<(), PackageError> {
        let (member, offset) = (Member::Data, self.members.offset());
        let started = self.members.start_member(Hashes::sha256_only(), u64::MAX);
        if !started.map_err(|source| PackageError::Read {
            member,
            offset,
            source,
        })? {
            return Err(PackageError::NoData { offset });
        }
        self.stage = Stage::Data;
        Ok(())
    }

    /// Reads the rest of the current entry, so that it is verified.
    fn drain(&mut self) -> Result<(), PackageError> {
        let mut buffer = [0; 16 * 1024];
        while self.content.is_some() {
            self.read_content(&mut buffer)?;
        }
        Ok(())
    }

    fn read_content(&mut self, output: &mut [u8]) -> Result<usize, PackageError> {
        let Some(content) = &mut self.content else {
            return Ok(0);
        };
        let length = match self.archive.read(&mut self.members, output) {
            Ok(length) => length,
            Err(source) => {
                let path = content.path.clone();
                return Err(self.broken(Some(path), source));
            }
        };
        content
            .hash
            .update(output.get(..length).unwrap_or_default());
        content.left -= length as u64;
        self.verify_if_complete()?;
        Ok(length)
    }

    fn verify_if_complete(&mut self) -> Result<(), PackageError> {
        let Some(content) = self.content.take_if(|content| content.left == 0) else {
            return Ok(());
        };
        let (expected, found) = (
            content.expected,
            Digest::Sha1(content.hash.finalize().into()),
        );
        if found == expected {
            return Ok(());
        }
        Err(PackageError::Content {
            path: content.path,
            expected,
            found,
        })
    }

    fn broken(&self, entry: Option<String>, source: ArchiveError) -> PackageError {
        PackageError::archive(Member::Data, self.members.offset(), entry, source)
    }
}

impl<R: Read> Read for Reader<R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        if self.stage == Stage::Failed {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                PackageError::AlreadyFailed,
            ));
        }
        if output.is_empty() {
            return Ok(0);
        }
        self.read_content(output).map_err(|error| {
            self.stage = Stage::Failed;
            io::Error::new(io::ErrorKind::InvalidData, error)
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Control,
    Data,
    Ended,
    Failed,
}

/// What is still to be read of a file's content.
struct Content {
    path: String,
    left: u64,
    hash: Sha1,
    expected: Digest,
}

impl Content {
    fn of(entry: &Entry) -> Option<Content> {
        match (&entry.kind, entry.checksum) {
            (EntryKind::File { size }, Some(expected)) => Some(Content {
                path: entry.path.clone(),
                left: *size,
                hash: Sha1::new(),
                expected,
            }),
            _ => None,
        }
    }
}
