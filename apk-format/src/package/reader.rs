//! A package of either format, seen alike.

use std::fmt;
use std::io::{self, Cursor, Read};

use crate::adb;
use crate::digest::{Digest, DigestKind};
use crate::package::{Entry, Member, PackageError, PackageInfo, Script, v2, v3};
use crate::signature::{KeyRing, SignatureError, Trust};

/// A package being read.
///
/// [`Read`] gives the content of the current entry. Its digest is verified with the last byte; a mismatch is an
/// error of that read, whose source is a [`PackageError`].
pub struct Package<R: Read>(Format<R>);

enum Format<R: Read> {
    V2(Box<v2::Reader<Whole<R>>>),
    V3(Box<v3::Reader<Whole<R>>>),
}

/// A reader, and before it the bytes that were read to know the format.
type Whole<R> = io::Chain<Cursor<Vec<u8>>, R>;

/// What vouches for a package, in the form that its format has.
pub(crate) enum Metadata<'a> {
    /// The text of `.PKGINFO`.
    V2(&'a str),
    /// The payload of the ADB block.
    V3(&'a [u8]),
}

impl<R: Read> Package<R> {
    /// Reads what comes before the files, and nothing behind it.
    ///
    /// The reader need not be buffered. Neither identity nor signature has been looked at yet.
    pub fn open(mut reader: R) -> Result<Package<R>, PackageError> {
        let failed = |source| PackageError::Read {
            member: Member::Signature,
            offset: 0,
            source,
        };
        let mut magic = Vec::new();
        let read = reader.by_ref().take(4).read_to_end(&mut magic);
        if matches!(read.map_err(failed)?, 1..4) {
            return Err(failed(io::ErrorKind::UnexpectedEof.into()));
        }
        let is_v3 = magic.starts_with(b"ADB");
        let whole = Cursor::new(magic).chain(reader);
        Ok(Package(if is_v3 {
            Format::V3(Box::new(v3::Reader::open(whole)?))
        } else {
            Format::V2(Box::new(v2::Reader::open(whole)?))
        }))
    }

    /// What the package says of itself.
    pub fn info(&self) -> &PackageInfo {
        match &self.0 {
            Format::V2(package) => package.info(),
            Format::V3(package) => package.info(),
        }
    }

    /// What the `C:` of indexes and databases says: the SHA-1 of the compressed control member of a v2 package, the
    /// SHA-256 of the values of a v3 package.
    pub fn identity(&self) -> Digest {
        match &self.0 {
            Format::V2(package) => package.identity(),
            Format::V3(package) => package.identity(),
        }
    }

    /// What a v3 package calls itself, in 20 bytes: the identity that apk gives to one which is installed from a
    /// file and not from an index. It is [`adb::unique_id`](crate::adb::unique_id) where apk made the package.
    pub fn unique_id(&self) -> Option<Digest> {
        match &self.0 {
            Format::V2(_) => None,
            Format::V3(package) => package.unique_id(),
        }
    }

    /// The SHA-256 that the compressed data member of a v2 package must have.
    pub fn datahash(&self) -> Option<Digest> {
        match &self.0 {
            Format::V2(package) => Some(package.datahash()),
            Format::V3(_) => None,
        }
    }

    /// How the package knows its files; an installed database says it with the flag `S`.
    pub fn file_digests(&self) -> DigestKind {
        match &self.0 {
            Format::V2(_) => DigestKind::Sha1,
            Format::V3(_) => DigestKind::Sha256,
        }
    }

    /// The scripts, in the order of [`ScriptKind`](crate::ScriptKind).
    pub fn scripts(&self) -> &[Script] {
        match &self.0 {
            Format::V2(package) => package.scripts(),
            Format::V3(package) => package.scripts(),
        }
    }

    /// The signatures in the file, as `algorithm.key name` or `ADB.key id`, verified or not.
    pub fn signature_names(&self) -> Vec<String> {
        match &self.0 {
            Format::V2(package) => package.signature_names().map(str::to_owned).collect(),
            Format::V3(package) => package.signature_names().collect(),
        }
    }

    /// Checks that this is the very package an index listed with `expected`.
    ///
    /// An index may list a v3 package with the first 20 bytes of its identity, or with its unique id.
    pub fn check_identity(&self, expected: &Digest) -> Result<(), PackageError> {
        let found = self.identity();
        let same = match (expected, found) {
            (Digest::Sha1(cut), Digest::Sha256(whole)) if whole.starts_with(cut) => true,
            (Digest::Sha1(_), Digest::Sha256(_)) => self.computed_unique_id() == Some(*expected),
            (expected, found) => *expected == found,
        };
        if same {
            return Ok(());
        }
        Err(PackageError::Identity {
            name: self.info().name.clone(),
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
        match &self.0 {
            Format::V2(package) => package.verify_signature(keys, trust),
            Format::V3(package) => package.verify_signature(keys, trust),
        }
    }

    /// Goes on to the next file; `None` after the last.
    ///
    /// Content of the current entry that was not read is read and verified first. After an error the package
    /// gives nothing but errors.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, PackageError> {
        match &mut self.0 {
            Format::V2(package) => package.next_entry(),
            Format::V3(package) => package.next_entry(),
        }
    }

    /// Reads what is left and decides whether the package was what it claimed.
    ///
    /// Checks the contents of entries not read yet, that the file ends where it should, and the data hash if there
    /// is one.
    pub fn finish(self) -> Result<(), PackageError> {
        match self.0 {
            Format::V2(package) => package.finish(),
            Format::V3(package) => package.finish(),
        }
    }

    /// The unique id that the values of a v3 package have, whatever they say.
    fn computed_unique_id(&self) -> Option<Digest> {
        match &self.0 {
            Format::V2(_) => None,
            Format::V3(package) => adb::unique_id(package.values()).ok().flatten(),
        }
    }

    /// What an index is made of.
    pub(crate) fn metadata(&self) -> Metadata<'_> {
        match &self.0 {
            Format::V2(package) => Metadata::V2(package.info_text()),
            Format::V3(package) => Metadata::V3(package.values()),
        }
    }
}

impl<R: Read> Read for Package<R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Format::V2(package) => package.read(output),
            Format::V3(package) => package.read(output),
        }
    }
}

impl<R: Read> fmt::Debug for Package<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Package")
            .field("identity", &self.identity())
            .field("info", self.info())
            .finish_non_exhaustive()
    }
}
