//! `lib/apk/db/scripts.tar` and `scripts.tar.gz`: the scripts of all installed packages.
//!
//! A tar archive without directories, one entry for each script, named `<name>-<version>.<identity>.<kind>`; in apk 2's
//! form the identity may hold `/`, `+` and `=`. The package is found by its identity alone.
//!
//! | header field | value |
//! |---|---|
//! | mode; uid, gid | `0000755`; `0000000`, each with NUL |
//! | size, mtime | 12 octal digits without NUL; mtime is the build time of the package |
//! | checksum | 6 octal digits, NUL, space |
//! | type, magic | `0`; `ustar`, two spaces, NUL |
//! | uname, gname | `root` |
//!
//! Content is padded to 512 bytes; two zero blocks end the file. A name of more than 99 bytes is written as a GNU
//! long name before its entry, as apk 3 does; apk 2 would cut it and lose the script.
//!
//! apk 3 compresses the archive with zlib at level 9, under a gzip header without name and time.
//!
//! ```
//! use apk_format::{Dialect, Digest, Script, ScriptArchive, ScriptEntry, ScriptKind};
//!
//! let script = Script { kind: ScriptKind::Trigger, body: b"#!/bin/sh\n".to_vec() };
//! let entry = ScriptEntry::new("busybox", "1.36.1-r29", Digest::sha1(b""), 1_718_003_463, &script);
//! let archive = ScriptArchive { entries: vec![entry] };
//! for dialect in [Dialect::Apk2, Dialect::Apk3] {
//!     assert_eq!(ScriptArchive::parse(&archive.write(dialect))?, archive);
//! }
//! # Ok::<(), apk_format::ScriptArchiveError>(())
//! ```

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Read};

use flate2::bufread::GzDecoder;

use super::{Dialect, InstalledDb};
use crate::digest::Digest;
use crate::gzip;
use crate::package::{Script, ScriptKind};
use crate::ustar::{Archive, ArchiveError, BLOCK};

/// All scripts, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptArchive {
    /// Of one package: by [`ScriptKind`]; the packages as they were installed (apk 2) or sorted (apk 3).
    pub entries: Vec<ScriptEntry>,
}

/// One script of one package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptEntry {
    /// `<name>-<version>`
    pub package: String,
    /// Of the package.
    pub identity: Digest,
    /// When it runs.
    pub kind: ScriptKind,
    /// Unix seconds; the build time of the package.
    pub mtime: u64,
    /// The program.
    pub body: Vec<u8>,
}

impl ScriptEntry {
    /// The entry for a script of a package.
    pub fn new(
        name: &str,
        version: &str,
        identity: Digest,
        build_time: u64,
        script: &Script,
    ) -> ScriptEntry {
        ScriptEntry {
            package: format!("{name}-{version}"),
            identity,
            kind: script.kind,
            mtime: build_time,
            body: script.body.clone(),
        }
    }

    /// The name in the archive.
    pub fn file_name(&self, dialect: Dialect) -> String {
        let identity = match dialect {
            Dialect::Apk2 => self.identity.to_q1(),
            Dialect::Apk3 => self.identity.to_x1(),
        };
        format!("{}.{identity}.{}", self.package, self.kind)
    }
}

impl ScriptArchive {
    /// Reads the whole file, compressed or not.
    pub fn parse(bytes: &[u8]) -> Result<ScriptArchive, ScriptArchiveError> {
        let bytes = unpacked(bytes)?;
        let mut input = &*bytes;
        let mut archive = Archive::default();
        let mut entries = Vec::new();
        while let Some(header) = archive.next(&mut input)? {
            let name = header.lossy_name();
            let unknown = || ScriptArchiveError::Name { name: name.clone() };
            let (package, identity, kind) = split_name(&name).ok_or_else(unknown)?;
            let body = archive.content(&mut input)?;
            entries.push(ScriptEntry {
                package: package.to_owned(),
                identity,
                kind,
                mtime: header.mtime,
                body,
            });
        }
        Ok(ScriptArchive { entries })
    }

    /// Brings the entries into the order of `installed`, as apk 3 has them; those of packages that are not installed
    /// come last.
    pub fn sort_as(&mut self, installed: &InstalledDb) {
        let places: HashMap<Digest, usize> = installed.places();
        self.entries.sort_by_key(|entry| {
            let place = places.get(&entry.identity);
            place.copied().unwrap_or(usize::MAX)
        });
    }

    /// The whole file.
    pub fn write(&self, dialect: Dialect) -> Vec<u8> {
        let archive = self.archive(dialect);
        match dialect {
            Dialect::Apk2 => archive,
            Dialect::Apk3 => gzip::member(&archive),
        }
    }

    fn archive(&self, dialect: Dialect) -> Vec<u8> {
        let mut out = Vec::new();
        for entry in &self.entries {
            let name = entry.file_name(dialect);
            if name.len() > NAME_LIMIT {
                let long = [name.as_bytes(), b"\0"].concat();
                write_file(
                    &mut out,
                    b"././@LongLink",
                    b'L',
                    SCRIPT_MODE,
                    entry.mtime,
                    &long,
                );
            }
            let name = name.as_bytes();
            write_file(
                &mut out,
                name.get(..NAME_LIMIT).unwrap_or(name),
                b'0',
                SCRIPT_MODE,
                entry.mtime,
                &entry.body,
            );
        }
        out.extend([0; 2 * BLOCK]);
        out
    }
}

/// Why a script archive could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ScriptArchiveError {
    /// It cannot be decompressed, or not within its limit.
    #[error("the script archive cannot be decompressed")]
    Compressed(#[source] io::Error),
    /// It is no archive.
    #[error("the script archive is broken")]
    Archive(#[from] ArchiveError),
    /// An entry that is no script of a package.
    #[error("the entry {name:?} is not named <name>-<version>.<identity>.<script>")]
    Name {
        /// Its name.
        name: String,
    },
}

/// The archive without its compression.
fn unpacked(bytes: &[u8]) -> Result<Cow<'_, [u8]>, ScriptArchiveError> {
    if !bytes.starts_with(&GZIP_MAGIC) {
        return Ok(Cow::Borrowed(bytes));
    }
    let mut archive = Vec::new();
    let read = GzDecoder::new(bytes)
        .take(MAX_ARCHIVE + 1)
        .read_to_end(&mut archive);
    read.map_err(ScriptArchiveError::Compressed)?;
    if archive.len() as u64 > MAX_ARCHIVE {
        let error = io::Error::other("more than 64 MiB of scripts");
        return Err(ScriptArchiveError::Compressed(error));
    }
    Ok(Cow::Owned(archive))
}

/// Splits at the last two dots.
fn split_name(name: &str) -> Option<(&str, Digest, ScriptKind)> {
    let (rest, kind) = name.rsplit_once('.')?;
    let (package, identity) = rest.rsplit_once('.')?;
    Some((
        package,
        Digest::parse(identity).ok()?,
        ScriptKind::from_name(kind)?,
    ))
}

/// Appends an entry as apk writes those of its own archives.
pub(crate) fn write_file(
    out: &mut Vec<u8>,
    name: &[u8],
    kind: u8,
    mode: u32,
    mtime: u64,
    content: &[u8],
) {
    let before_checksum = [
        padded(name, 100),
        format!("{mode:07o}\x000000000\x000000000\x00").into_bytes(),
        octal_12(content.len() as u64),
        octal_12(mtime),
    ]
    .concat();
    let names = [padded(b"root", 32), padded(b"root", 32)].concat();
    let after_checksum = [
        vec![kind],
        vec![0; 100],
        b"ustar  \0".to_vec(),
        padded(&names, 247),
    ]
    .concat();
    let sum = [&before_checksum, &b" ".repeat(8), &after_checksum]
        .iter()
        .flat_map(|part| part.iter())
        .fold(0_u32, |sum, byte| sum + u32::from(*byte));
    out.extend(before_checksum);
    out.extend(format!("{sum:06o}\0 ").bytes());
    out.extend(after_checksum);
    out.extend(content);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
}

/// The largest number of 12 octal digits is far beyond any time or size here.
fn octal_12(value: u64) -> Vec<u8> {
    format!("{:012o}", value.min(0o777_777_777_777)).into_bytes()
}

fn padded(text: &[u8], length: usize) -> Vec<u8> {
    let mut field = text.to_vec();
    field.resize(length, 0);
    field
}

/// Of every script, whatever its package says.
const SCRIPT_MODE: u32 = 0o755;

/// Longer names do not fit the header with a NUL.
const NAME_LIMIT: usize = 99;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The largest archive that is decompressed, in bytes. A script has some hundred bytes.
const MAX_ARCHIVE: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_at_the_last_two_dots() {
        let digest = Digest::sha1(b"");
        let name = format!("a.b-1.2-r3.{}.post-install", digest.to_q1());
        assert_eq!(
            split_name(&name),
            Some(("a.b-1.2-r3", digest, ScriptKind::PostInstall))
        );
        assert_eq!(split_name(&name.replace("post-install", "sometimes")), None);
        assert_eq!(split_name("a.trigger"), None);
    }

    #[test]
    fn long_names_survive() {
        let script = Script {
            kind: ScriptKind::PreUpgrade,
            body: vec![b'x'; 700],
        };
        let entry = ScriptEntry::new(&"n".repeat(120), "1", Digest::sha1(b""), 5, &script);
        let archive = ScriptArchive {
            entries: vec![entry],
        };
        let bytes = archive.write(Dialect::Apk2);
        assert_eq!(bytes.len(), 512 + 512 + 512 + 1024 + 1024);
        assert_eq!(ScriptArchive::parse(&bytes).unwrap(), archive);
    }

    #[test]
    fn foreign_entries_are_named() {
        let mut bytes = Vec::new();
        write_file(&mut bytes, b"x", b'0', SCRIPT_MODE, 0, b"");
        assert_eq!(
            ScriptArchive::parse(&bytes).unwrap_err().to_string(),
            r#"the entry "x" is not named <name>-<version>.<identity>.<script>"#
        );
    }
}
