//! Reading a v2 package in one pass.

use std::fmt;
use std::io::{self, Read};

use sha1::{Digest as _, Sha1};

use crate::digest::Digest;
use crate::gzip::{Hashes, Members};
use crate::package::control::Control;
use crate::package::{Entry, EntryKind, InfoError, PackageInfo, PathError, Script};
use crate::signature::{KeyRing, SignatureError, Trust};
use crate::ustar::{Archive, ArchiveError};

/// A package being read.
///
/// [`Read`] gives the content of the current entry. Its SHA-1 is verified with the last byte; a mismatch is an
/// error of that read, whose source is a [`PackageError`].
pub struct Package<R> {
    members: Members<R>,
    archive: Archive,
    control: Control,
    stage: Stage,
    content: Option<Content>,
}

impl<R: Read> Package<R> {
    /// Reads the signature and control members, and nothing behind them.
    ///
    /// The reader need not be buffered. Neither identity nor signature has been looked at yet.
    pub fn open(reader: R) -> Result<Package<R>, PackageError> {
        let mut members = Members::new(reader);
        let beginning = members.peek(3);
        let read = |source| PackageError::Read {
            member: Member::Signature,
            offset: 0,
            source,
        };
        if beginning.map_err(read)? == b"ADB" {
            return Err(PackageError::Version3);
        }
        let mut archive = Archive::default();
        let control = Control::read(&mut members, &mut archive)?;
        Ok(Package {
            members,
            archive,
            control,
            stage: Stage::Control,
            content: None,
        })
    }

    /// What the package says of itself.
    pub fn info(&self) -> &PackageInfo {
        &self.control.info
    }

    /// The SHA-1 of the compressed control member: the `C:` of indexes and databases.
    pub fn identity(&self) -> Digest {
        self.control.identity
    }

    /// The SHA-256 that the compressed data member must have.
    pub fn datahash(&self) -> Digest {
        self.control.datahash
    }

    /// The scripts, in the order of [`ScriptKind`](crate::ScriptKind).
    pub fn scripts(&self) -> &[Script] {
        &self.control.scripts
    }

    /// The signatures in the file, as `algorithm.key name`, verified or not.
    pub fn signature_names(&self) -> impl Iterator<Item = &str> {
        self.control.signatures.names()
    }

    /// Checks that this is the very package an index listed with `expected`.
    pub fn check_identity(&self, expected: &Digest) -> Result<(), PackageError> {
        let found = self.identity();
        if found == *expected {
            return Ok(());
        }
        Err(PackageError::Identity {
            name: self.control.info.name.clone(),
            expected: *expected,
            found,
        })
    }

    /// Checks the package's own signature, as for a package that comes from no index.
    ///
    /// Gives the name of the key, or `None` where `trust` lets unsigned packages and unknown keys pass.
    pub fn verify_signature(
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
    pub fn next_entry(&mut self) -> Result<Option<Entry>, PackageError> {
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
    pub fn finish(mut self) -> Result<(), PackageError> {
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

impl<R: Read> Read for Package<R> {
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

impl<R> fmt::Debug for Package<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Package")
            .field("control", &self.control)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

/// Why a package could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The package is in the format of apk 3.
    #[error("the package is in the v3 (ADB) format, which is not supported yet")]
    Version3,
    /// Reading the file failed.
    #[error("cannot read the {member} member at byte {offset}")]
    Read {
        /// Where.
        member: Member,
        /// In the compressed file.
        offset: u64,
        /// What went wrong.
        source: io::Error,
    },
    /// A member is broken.
    #[error("the {member} member is broken at byte {offset}{}", in_entry(.entry.as_deref()))]
    Archive {
        /// Which one.
        member: Member,
        /// In the compressed file.
        offset: u64,
        /// The entry that was being read.
        entry: Option<String>,
        /// What is wrong.
        source: ArchiveError,
    },
    /// The file ends before a control member.
    #[error("no control member before the end, at byte {offset}")]
    NoControl {
        /// The length of the file.
        offset: u64,
    },
    /// The file ends with the control member.
    #[error("no data member before the end, at byte {offset}")]
    NoData {
        /// The length of the file.
        offset: u64,
    },
    /// A file to be installed in the control member.
    #[error("the entry {path:?} stands in the control member, where names begin with a dot")]
    NotControl {
        /// Its name.
        path: String,
    },
    /// The same control file twice.
    #[error("the control member holds {path:?} twice")]
    Twice {
        /// Its name.
        path: String,
    },
    /// The control member says nothing.
    #[error("the control member holds no .PKGINFO")]
    NoInfo,
    /// A format that even apk 2 warned about.
    #[error("the control member holds an .INSTALL script, an obsolete form")]
    Obsolete,
    /// The control member says something unreadable.
    #[error("the control member cannot be understood")]
    Info(#[from] InfoError),
    /// Nothing vouches for the data.
    #[error(".PKGINFO has no datahash, so nothing vouches for the data")]
    NoDataHash,
    /// Another package than the one meant.
    #[error("package {name:?} has the identity {found}, but {expected} was wanted")]
    Identity {
        /// As `.PKGINFO` says.
        name: String,
        /// What the index listed.
        expected: Digest,
        /// What the file has.
        found: Digest,
    },
    /// A name that must not be installed.
    #[error("the entry {path:?} is refused: {reason}")]
    Path {
        /// Its name.
        path: String,
        /// What is wrong with it.
        reason: PathError,
    },
    /// A file that nothing vouches for.
    #[error("the file {path:?} has no checksum, an obsolete form")]
    NoChecksum {
        /// Its path.
        path: String,
    },
    /// A checksum that is none.
    #[error("the entry {path:?} has the checksum {text:?}, which is not 40 hex digits")]
    Checksum {
        /// Its path.
        path: String,
        /// What is there instead.
        text: String,
    },
    /// The content of a file, or the target of a symlink, is not what its checksum says.
    #[error("the content of {path:?} hashes to {}, its header says {}", .found.to_hex(), .expected.to_hex())]
    Content {
        /// Its path.
        path: String,
        /// SHA-1 in the header.
        expected: Digest,
        /// SHA-1 of what was read.
        found: Digest,
    },
    /// Something follows the data member.
    #[error("something follows the data member at byte {offset}")]
    Trailing {
        /// Where the data member ends.
        offset: u64,
    },
    /// The data member is not the one the control member belongs to.
    #[error("the data member hashes to {}, .PKGINFO says {}", .found.to_hex(), .expected.to_hex())]
    DataHash {
        /// SHA-256 in `.PKGINFO`.
        expected: Digest,
        /// SHA-256 of the compressed member.
        found: Digest,
    },
    /// An error was given before, and the caller went on.
    #[error("the package was found broken before")]
    AlreadyFailed,
}

impl PackageError {
    pub(crate) fn archive(
        member: Member,
        offset: u64,
        entry: Option<String>,
        source: ArchiveError,
    ) -> PackageError {
        PackageError::Archive {
            member,
            offset,
            entry,
            source,
        }
    }
}

/// One of the parts of a package file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    /// Signatures, or what comes where they may be.
    Signature,
    /// `.PKGINFO` and scripts.
    Control,
    /// The files.
    Data,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Member::Signature => "signature",
            Member::Control => "control",
            Member::Data => "data",
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

fn in_entry(entry: Option<&str>) -> String {
    entry
        .map(|path| format!(", in {path:?}"))
        .unwrap_or_default()
}
