//! `lib/apk/db/installed`: every installed package with its files.
//!
//! A paragraph begins with the fields of the index record (its `C`, `S` and `A` are those of the index that the
//! package was chosen from), and goes on with:
//!
//! | line | holds | written |
//! |---|---|---|
//! | `g:` | tags of the package, with spaces between (apk 3) | if there are any |
//! | `r:` | replaces: atoms | if there are any |
//! | `q:` | replaces_priority | if not 0 |
//! | `s:` | repository tag the package is pinned to, without `@` | if pinned |
//! | `f:` | flags: `f` files broken, `s` a script failed, `x` xattrs failed, `S` hashes are cut SHA-256 (apk 3) | if any |
//! | `F:` | a directory, without outer slashes; the root is empty | |
//! | `M:` | its `uid:gid:mode[:xattr hash]` | if not `0:0:755` without xattrs |
//! | `R:` | a file in the directory of the last `F` | |
//! | `a:` | its `uid:gid:mode[:xattr hash]` | if not `0:0:644` without xattrs |
//! | `Z:` | its checksum: SHA-1 of the content, or of a symlink's target | not for devices and fifos |
//!
//! Modes are octal without a leading zero. apk sorts the packages by name; the directories stand in the order of
//! their first appearance in the package, and so do the files within a directory (apk 2). apk 3 sorts more, see
//! [`Dialect`].

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use sha1::{Digest as _, Sha1};

use super::DirectoryOrder;
use crate::dependency::{Dependency, name_order};
use crate::digest::{Digest, DigestKind};
use crate::index::{Record, RecordError, atoms, low_16_bits, number};
use crate::package::PackageInfo;
use crate::stanza::{self, Field};

/// The installed packages, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstalledDb {
    /// One for each name, as apk keeps it.
    pub packages: Vec<InstalledPackage>,
}

/// An installed package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstalledPackage {
    /// What the index said of it.
    pub record: Record,
    /// `g`: tags given to the package by its maker (apk 3).
    pub labels: Vec<String>,
    /// `r`: packages whose files it may take over.
    pub replaces: Vec<Dependency>,
    /// `q`: who wins when two packages replace each other.
    pub replaces_priority: u16,
    /// `s`: the repository tag it was installed from, without `@`.
    pub tag: Option<String>,
    /// `f`: what went wrong during its installation.
    pub flags: Flags,
    /// Its directories, each with its files.
    pub dirs: Vec<InstalledDir>,
}

/// A directory of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstalledDir {
    /// Without a slash at either end; empty for the root.
    pub path: String,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// With setuid, setgid and sticky bits.
    pub mode: u32,
    /// See [`xattr_hash`].
    pub xattr_hash: Option<Digest>,
    /// In the order of the file.
    pub files: Vec<InstalledFile>,
}

/// A file, symlink, device or fifo of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstalledFile {
    /// Without its directory.
    pub name: String,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// With setuid, setgid and sticky bits; `0o777` for symlinks.
    pub mode: u32,
    /// See [`xattr_hash`].
    pub xattr_hash: Option<Digest>,
    /// SHA-1 of the content, or of the target of a symlink.
    pub checksum: Option<Digest>,
}

/// What went wrong, and how hashes are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `f`: some files could not be installed.
    pub broken_files: bool,
    /// `s`: a script failed.
    pub broken_script: bool,
    /// `x`: some extended attributes could not be set.
    pub broken_xattrs: bool,
    /// `S`: the checksums are SHA-256, cut to 20 bytes (apk 3).
    pub sha256: bool,
}

impl InstalledDb {
    /// Reads the whole file.
    pub fn parse(text: &str) -> Result<InstalledDb, InstalledError> {
        let packages = stanza::split(text).map(|fields| {
            let fields = fields.map_err(RecordError::from)?;
            InstalledPackage::from_fields(&fields)
        });
        Ok(InstalledDb {
            packages: packages.collect::<Result<_, _>>()?,
        })
    }

    /// The whole file: all packages, in their order.
    pub fn write(&self) -> String {
        let mut text = String::new();
        for package in &self.packages {
            package.write(&mut text);
        }
        text
    }

    /// Sorts the packages by name as apk does; directories and files keep their order.
    pub fn sort(&mut self) {
        self.packages
            .sort_by(|a, b| name_order(&a.record.name, &b.record.name));
    }

    /// Where each package stands, by its identity.
    pub(super) fn places(&self) -> HashMap<Digest, usize> {
        let packages = self.packages.iter().enumerate();
        packages
            .map(|(place, package)| (package.record.identity, place))
            .collect()
    }
}

impl InstalledPackage {
    /// A package chosen from an index, without files yet.
    ///
    /// apk records what the index said; only what no index lists comes from the package itself. `files` is how the
    /// package knows its files.
    pub fn new(record: Record, info: &PackageInfo, files: DigestKind) -> InstalledPackage {
        let flags = Flags {
            sha256: files == DigestKind::Sha256,
            ..Flags::default()
        };
        InstalledPackage {
            flags,
            labels: record.tags.clone(),
            replaces: info.replaces.clone(),
            replaces_priority: info.replaces_priority,
            ..InstalledPackage::bare(record)
        }
    }

    /// Appends the paragraph, with the empty line that ends it.
    pub fn write(&self, text: &mut String) {
        self.record.write_fields(text);
        let mut line = |key: char, value: &str| {
            if !value.is_empty() {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{key}:{value}");
            }
        };
        line('g', &self.labels.join(" "));
        line('r', &atoms(&self.replaces));
        if self.replaces_priority != 0 {
            line('q', &self.replaces_priority.to_string());
        }
        line('s', self.tag.as_deref().unwrap_or_default());
        line('f', &self.flags.letters());
        for dir in &self.dirs {
            dir.write(text);
        }
        text.push('\n');
    }

    /// Brings directories and files into the order of apk 3, where `order` has seen the package's entries. apk 2
    /// leaves them as they came in the package.
    pub fn arrange(&mut self, order: DirectoryOrder<'_>) {
        for dir in &mut self.dirs {
            dir.files.sort_by(|a, b| a.name.cmp(&b.name));
        }
        let order = order.finish();
        let places: HashMap<&str, usize> = order
            .into_iter()
            .enumerate()
            .map(|(place, path)| (path, place))
            .collect();
        self.dirs
            .sort_by_key(|dir| places.get(dir.path.as_str()).copied());
    }

    fn bare(record: Record) -> InstalledPackage {
        InstalledPackage {
            record,
            labels: Vec::new(),
            replaces: Vec::new(),
            replaces_priority: 0,
            tag: None,
            flags: Flags::default(),
            dirs: Vec::new(),
        }
    }

    fn from_fields(fields: &[Field<'_>]) -> Result<InstalledPackage, InstalledError> {
        let mut package = InstalledPackage::bare(Record::from_fields(fields)?);
        for field in fields {
            package.set(field)?;
        }
        Ok(package)
    }

    fn set(&mut self, field: &Field<'_>) -> Result<(), InstalledError> {
        match field.key {
            'g' => self.labels = words(field.value),
            'r' => {
                let (good, malformed) = Dependency::parse_list(field.value);
                self.replaces.extend(good);
                self.record
                    .ignored
                    .extend(malformed.iter().map(|atom| format!("r:{atom}")));
            }
            'q' => self.replaces_priority = low_16_bits(number(field)?),
            's' => self.tag = words(field.value).pop(),
            'f' => self.flags = Flags::from_letters(field.value).ok_or_else(|| malformed(field))?,
            'F' => self.dirs.push(InstalledDir::new(field.value)),
            'M' => {
                let dir = self.dirs.last_mut().ok_or_else(|| misplaced(field))?;
                (dir.uid, dir.gid, dir.mode, dir.xattr_hash) = access(field)?;
            }
            'R' => {
                if field.value.is_empty() || field.value.contains('/') {
                    return Err(malformed(field));
                }
                let dir = self.dirs.last_mut().ok_or_else(|| misplaced(field))?;
                dir.files.push(InstalledFile::new(field.value));
            }
            'a' => {
                let file = self.last_file().ok_or_else(|| misplaced(field))?;
                (file.uid, file.gid, file.mode, file.xattr_hash) = access(field)?;
            }
            'Z' => {
                let file = self.last_file().ok_or_else(|| misplaced(field))?;
                file.checksum = Some(Digest::parse(field.value).map_err(|_| malformed(field))?);
            }
            _ => {}
        }
        Ok(())
    }

    fn last_file(&mut self) -> Option<&mut InstalledFile> {
        self.dirs.last_mut()?.files.last_mut()
    }
}

impl InstalledDir {
    /// A directory of root's with mode 755 and without files.
    pub fn new(path: &str) -> InstalledDir {
        InstalledDir {
            path: path.to_owned(),
            uid: 0,
            gid: 0,
            mode: DIR_MODE,
            xattr_hash: None,
            files: Vec::new(),
        }
    }

    fn write(&self, text: &mut String) {
        let _ = writeln!(text, "F:{}", self.path);
        if (self.uid, self.gid, self.mode, self.xattr_hash) != (0, 0, DIR_MODE, None) {
            write_access(text, 'M', (self.uid, self.gid, self.mode, self.xattr_hash));
        }
        for file in &self.files {
            file.write(text);
        }
    }
}

impl InstalledFile {
    /// A file of root's with mode 644 and without a checksum.
    pub fn new(name: &str) -> InstalledFile {
        InstalledFile {
            name: name.to_owned(),
            uid: 0,
            gid: 0,
            mode: FILE_MODE,
            xattr_hash: None,
            checksum: None,
        }
    }

    fn write(&self, text: &mut String) {
        let _ = writeln!(text, "R:{}", self.name);
        if (self.uid, self.gid, self.mode, self.xattr_hash) != (0, 0, FILE_MODE, None) {
            write_access(text, 'a', (self.uid, self.gid, self.mode, self.xattr_hash));
        }
        if let Some(checksum) = &self.checksum {
            let _ = writeln!(text, "Z:{}", checksum.to_q1());
        }
    }
}

impl Flags {
    /// The letters of the flags that are set.
    pub fn letters(self) -> String {
        let letters = [
            (self.broken_files, 'f'),
            (self.broken_script, 's'),
            (self.broken_xattrs, 'x'),
            (self.sha256, 'S'),
        ];
        letters
            .iter()
            .filter(|(set, _)| *set)
            .map(|(_, letter)| *letter)
            .collect()
    }

    fn from_letters(letters: &str) -> Option<Flags> {
        letters
            .chars()
            .try_fold(Flags::default(), |mut flags, letter| {
                match letter {
                    'f' => flags.broken_files = true,
                    's' => flags.broken_script = true,
                    'x' => flags.broken_xattrs = true,
                    'S' => flags.sha256 = true,
                    _ => return None,
                }
                Some(flags)
            })
    }
}

/// The hash apk keeps of extended attributes; `None` if there are none.
///
/// SHA-1 over each attribute, sorted by name: length of the name (32 bits, big-endian), name, length of the value,
/// value. Names are complete, such as `user.k`.
pub fn xattr_hash(xattrs: &BTreeMap<String, Vec<u8>>) -> Option<Digest> {
    if xattrs.is_empty() {
        return None;
    }
    let mut hash = Sha1::new();
    for (name, value) in xattrs {
        for part in [name.as_bytes(), value] {
            // Linux allows 255 bytes of name and 64 KiB of value; a pax header, 1 MiB of both.
            hash.update(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            hash.update(part);
        }
    }
    Some(Digest::Sha1(hash.finalize().into()))
}

/// Why an installed database could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstalledError {
    /// A paragraph is no record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A value that cannot be read.
    #[error("line {line}: {text:?} cannot be read as field {key}")]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// The letter of the field.
        key: char,
        /// Its value.
        text: String,
    },
    /// A field of a directory or file before there is one.
    #[error("line {line}: field {key} without a directory or file before it")]
    Misplaced {
        /// Counted from 1.
        line: usize,
        /// The letter of the field.
        key: char,
    },
}

const DIR_MODE: u32 = 0o755;
const FILE_MODE: u32 = 0o644;

type Access = (u32, u32, u32, Option<Digest>);

fn write_access(text: &mut String, key: char, (uid, gid, mode, hash): Access) {
    let _ = write!(text, "{key}:{uid}:{gid}:{mode:o}");
    if let Some(hash) = hash {
        let _ = write!(text, ":{}", hash.to_q1());
    }
    text.push('\n');
}

/// Reads `uid:gid:mode[:xattr hash]`.
fn access(field: &Field<'_>) -> Result<Access, InstalledError> {
    let parts: Vec<&str> = field.value.splitn(4, ':').collect();
    let read = |uid: &str, gid: &str, mode: &str, hash: Option<&str>| {
        let mode = u32::from_str_radix(mode, 8)
            .ok()
            .filter(|mode| *mode <= 0o7777)?;
        let hash = hash.map(Digest::parse).transpose().ok()?;
        Some((uid.parse().ok()?, gid.parse().ok()?, mode, hash))
    };
    match parts.as_slice() {
        [uid, gid, mode] => read(uid, gid, mode, None),
        [uid, gid, mode, hash] => read(uid, gid, mode, Some(hash)),
        _ => None,
    }
    .ok_or_else(|| malformed(field))
}

fn words(text: &str) -> Vec<String> {
    text.split(' ')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn malformed(field: &Field<'_>) -> InstalledError {
    InstalledError::Malformed {
        line: field.line,
        key: field.key,
        text: field.value.to_owned(),
    }
}

fn misplaced(field: &Field<'_>) -> InstalledError {
    InstalledError::Misplaced {
        line: field.line,
        key: field.key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\nP:a\nV:1\nS:0\nI:0\nT:\nU:\nL:\n";

    #[test]
    fn every_line_comes_back() {
        let hash = "Q1jsntIK/s+tjDr/aOKMOCoSWzBzw=";
        let text = format!(
            "{HEAD}g:x y\nr:b c<2\nq:7\ns:edge\nf:fsxS\nF:\nR:dev\na:0:5:4755:{hash}\nF:etc\nM:1:2:1777:{hash}\nR:f\nZ:{hash}\n\n"
        );
        assert_eq!(InstalledDb::parse(&text).unwrap().write(), text);
    }

    #[test]
    fn the_hash_of_one_xattr() {
        let xattrs = BTreeMap::from([("user.k".to_owned(), b"val".to_vec())]);
        assert_eq!(
            xattr_hash(&xattrs).unwrap().to_q1(),
            "Q1jsntIK/s+tjDr/aOKMOCoSWzBzw="
        );
        assert_eq!(xattr_hash(&BTreeMap::new()), None);
    }

    #[test]
    fn errors_name_line_and_field() {
        for (text, message) in [
            (
                "M:0:0:755\n",
                "line 9: field M without a directory or file before it",
            ),
            (
                "F:x\na:0:0:755\n",
                "line 10: field a without a directory or file before it",
            ),
            (
                "R:x\n",
                "line 9: field R without a directory or file before it",
            ),
            (
                "F:x\nR:a/b\n",
                r#"line 10: "a/b" cannot be read as field R"#,
            ),
            (
                "F:x\nM:0:0:888\n",
                r#"line 10: "0:0:888" cannot be read as field M"#,
            ),
            (
                "F:x\nM:0:0\n",
                r#"line 10: "0:0" cannot be read as field M"#,
            ),
            (
                "F:x\nR:y\nZ:Q1\n",
                r#"line 11: "Q1" cannot be read as field Z"#,
            ),
            ("f:q\n", r#"line 9: "q" cannot be read as field f"#),
            (
                "q:x\n",
                r#"line 9: "x" in field q is not a number, or too large"#,
            ),
        ] {
            assert_eq!(
                InstalledDb::parse(&format!("{HEAD}{text}"))
                    .unwrap_err()
                    .to_string(),
                message
            );
        }
    }
}
