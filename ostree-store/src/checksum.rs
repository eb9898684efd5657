//! SHA-256 names of objects, and hashing while reading.
//!
//! Every object of a repository is named by a SHA-256 digest, written as 64 lower-case hex digits. Commits and
//! directory entries hold several such digests side by side, so each kind of object has an id type of its own
//! and mixing two of them does not compile.

use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use data_encoding::{BASE64_NOPAD, HEXLOWER};
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest, the name of every object in a repository.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Checksum([u8; 32]);

impl Checksum {
    /// Takes the 32 bytes of a digest.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Checksum(bytes)
    }

    /// Hashes `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Checksum(Sha256::digest(bytes).into())
    }

    /// The checksum as it stands in the paths of static deltas: base64 without padding, `_` in place of `/`.
    pub(crate) fn to_base64(self) -> String {
        BASE64_NOPAD.encode(&self.0).replace('/', "_")
    }

    /// What [`Checksum::to_base64`] writes.
    pub(crate) fn from_base64(text: &str) -> Option<Self> {
        let bytes = BASE64_NOPAD.decode(text.replace('_', "/").as_bytes());
        Some(Checksum(bytes.ok()?.try_into().ok()?))
    }

    /// The 32 bytes of the digest, as they stand inside other objects.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hex = [0; 64];
        HEXLOWER.encode_mut(&self.0, &mut hex);
        f.write_str(std::str::from_utf8(&hex).unwrap_or_default())
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not 64 lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a checksum of 64 lower-case hex digits")]
pub struct ChecksumError {
    text: String,
}

impl FromStr for Checksum {
    type Err = ChecksumError;

    /// Reads 64 lower-case hex digits; upper case is refused, as ostree does.
    fn from_str(text: &str) -> Result<Self, ChecksumError> {
        let refuse = || ChecksumError {
            text: text.chars().take(80).collect(),
        };
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| refuse())?;
        bytes.try_into().map(Checksum).map_err(|_| refuse())
    }
}

/// Declares the id of one kind of object.
macro_rules! object_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Checksum);

        impl $name {
            /// Says that `checksum` names an object of this kind.
            #[must_use]
            pub const fn new(checksum: Checksum) -> Self {
                $name(checksum)
            }

            /// The bare checksum.
            #[must_use]
            pub const fn checksum(&self) -> &Checksum {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

object_id!(
    /// Names a commit object.
    CommitId
);
object_id!(
    /// Names a dirtree object: what a directory holds.
    DirTreeId
);
object_id!(
    /// Names a dirmeta object: a directory's owner, mode and xattrs.
    DirMetaId
);
object_id!(
    /// Names a file object: a regular file or a symbolic link, with owner, mode and xattrs.
    FileId
);

/// A reader that hashes what passes through it and counts it.
pub(crate) struct HashingReader<R> {
    inner: R,
    hasher: Sha256,
    length: u64,
}

impl<R: Read> HashingReader<R> {
    /// Hashes `prefix`, then whatever is read from `inner`.
    pub(crate) fn new(prefix: &[u8], inner: R) -> Self {
        HashingReader {
            inner,
            hasher: Sha256::new_with_prefix(prefix),
            length: 0,
        }
    }

    /// What is read from, to go on without hashing.
    pub(crate) fn inner_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// The digest, and how many bytes were read (the prefix not counted).
    pub(crate) fn finish(self) -> (Checksum, u64) {
        (Checksum(self.hasher.finalize().into()), self.length)
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buf)?;
        self.hasher.update(buf.get(..count).unwrap_or_default());
        self.length += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_64_lower_case_digits() {
        let empty = Checksum::of(b"");
        let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(empty.to_string(), text);
        assert_eq!(text.parse(), Ok(empty));
        assert!(text.to_uppercase().parse::<Checksum>().is_err());
        assert!(text[1..].parse::<Checksum>().is_err());
        assert!("".parse::<Checksum>().is_err());
    }
}
