//! Packages that are to be made.
//!
//! A [`Draft`] says what a package shall hold, apart from the contents of its files: these are asked for when the
//! package is written, so that none is kept in memory. Equal drafts give equal bytes.

mod v2;
mod v3;

use std::collections::BTreeMap;
use std::io::{self, Read};

use crate::adb::file::FileError;
use crate::adb::writer::TooLarge;
use crate::digest::Digest;
use crate::package::entry::check_path;
use crate::package::{Entry, EntryKind, PackageInfo, PathError, Script};

pub(crate) use v2::signature_member;

/// A package to be made: what it shall hold, apart from the contents of its files, which are asked for when it is
/// written.
///
/// ```
/// use apk_format::adb::compression::Compression;
/// use apk_format::{Digest, Directories, Draft, Entry, EntryKind, Package, PackageInfo, Version};
///
/// let content = b"hello\n";
/// let file = Entry {
///     path: "usr/share/hello".to_owned(),
///     kind: EntryKind::File { size: 6 },
///     mode: 0o644,
///     uid: 0,
///     gid: 0,
///     uname: "root".to_owned(),
///     gname: "root".to_owned(),
///     mtime: 1_700_000_000,
///     xattrs: Default::default(),
///     checksum: Some(Digest::sha256(content)),
/// };
/// let draft = Draft {
///     info: PackageInfo::unopened("hello", Version::parse("1.0-r0")?),
///     scripts: Vec::new(),
///     entries: vec![file],
///     directories: Directories::Needed,
/// };
/// let made = draft.write_v3(Vec::new(), Compression::Default, &[], &mut |_| Ok(Box::new(&content[..])))?;
/// assert_eq!(Package::open(&made[..])?.info().installed_size, 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Draft {
    /// What it shall say of itself. The installed size and the data hash are computed, atoms that are malformed and
    /// keys that mean nothing are left out.
    pub info: PackageInfo,
    /// What it shall run.
    pub scripts: Vec<Script>,
    /// Its files and directories, in any order. Files need the digest of their content. The root itself has an empty
    /// path.
    pub entries: Vec<Entry>,
    /// Which directories a v3 package shall list.
    pub directories: Directories,
}

/// Which directories a v3 package lists. All others are made as needed, with mode 755, by root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Directories {
    /// All, and the root: `--compat 3.0.0_pre1`, the default of apk.
    #[default]
    All,
    /// Not the root, if it is as it would be made and holds no file: `3.0.0_pre3`.
    NoRoot,
    /// Nor any other directory that is as it would be made and holds directories only: `3.0.0_rc9`.
    Needed,
}

/// Gives the content of a file that is to be packed.
pub type Contents<'a> = dyn FnMut(&Entry) -> io::Result<Box<dyn Read + 'a>> + 'a;

/// Why a package cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// A field of the information that is needed, or not as it must be.
    #[error("the field {field} cannot be {text:?}")]
    Field {
        /// Its name.
        field: &'static str,
        /// What it holds.
        text: String,
    },
    /// A name that no package can have.
    #[error("the entry {path:?} is refused: {reason}")]
    Path {
        /// The name.
        path: String,
        /// What is wrong with it.
        reason: PathError,
    },
    /// Two entries of one path.
    #[error("{path:?} is there twice")]
    Twice {
        /// The path.
        path: String,
    },
    /// A hard link to something that is no file of the package.
    #[error("{path:?} is a hard link to {target:?}, which is no file of the package")]
    Link {
        /// The link.
        path: String,
        /// Where it goes.
        target: String,
    },
    /// A file without the digest that the format needs.
    #[error("{path:?} has no {wanted} digest")]
    Digest {
        /// The file.
        path: String,
        /// Which digest.
        wanted: &'static str,
    },
    /// A script of a kind that is there already.
    #[error("there are two scripts {name}")]
    Script {
        /// Its kind.
        name: &'static str,
    },
    /// The content of a file cannot be had, or is not what it was.
    #[error("cannot pack the content of {path:?}")]
    Content {
        /// The file.
        path: String,
        /// What went wrong.
        source: FileError,
    },
    /// More files than a package can have.
    #[error("the package is too large")]
    TooLarge(#[from] TooLarge),
    /// The package cannot be written.
    #[error("cannot write the package")]
    File(#[from] FileError),
}

/// A content that is checked to be the one which was announced.
struct Checked<'a> {
    content: Box<dyn Read + 'a>,
    hash: sha2::Sha256,
}

impl Read for Checked<'_> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        use sha2::Digest as _;
        let length = self.content.read(output)?;
        self.hash.update(output.get(..length).unwrap_or_default());
        Ok(length)
    }
}

/// The files of a draft by directory; both are sorted, and `""` is the root.
struct Layout<'a> {
    dirs: BTreeMap<&'a str, Dir<'a>>,
    /// For the first name of every file with several names, in the order of the package: the entry that is no link.
    carriers: BTreeMap<&'a str, &'a Entry>,
    /// For every other name: the first one.
    links: BTreeMap<&'a str, &'a str>,
}

#[derive(Default)]
struct Dir<'a> {
    entry: Option<&'a Entry>,
    /// Everything in it that is no directory, by name.
    files: BTreeMap<&'a str, &'a Entry>,
    has_dirs: bool,
}

impl<'a> Layout<'a> {
    fn of(draft: &'a Draft) -> Result<Layout<'a>, DraftError> {
        let mut layout = Layout {
            dirs: BTreeMap::new(),
            carriers: BTreeMap::new(),
            links: BTreeMap::new(),
        };
        for entry in &draft.entries {
            layout.place(entry)?;
        }
        layout.link(draft)?;
        Ok(layout)
    }

    fn place(&mut self, entry: &'a Entry) -> Result<(), DraftError> {
        let twice = || DraftError::Twice {
            path: entry.path.clone(),
        };
        let (parent, name) = split(&entry.path);
        if entry.kind == EntryKind::Dir {
            let dir = self.dirs.entry(&entry.path).or_default();
            if dir.entry.replace(entry).is_some() {
                return Err(twice());
            }
        }
        // Every directory above it, listed or not.
        let mut above = parent;
        while !entry.path.is_empty() {
            let dir = self.dirs.entry(above).or_default();
            if above != parent || entry.kind == EntryKind::Dir {
                dir.has_dirs = true;
            } else if dir.files.insert(name, entry).is_some() {
                return Err(twice());
            }
            if above.is_empty() {
                break;
            }
            above = split(above).0;
        }
        Ok(())
    }

    /// Finds the first name of every file that has several.
    fn link(&mut self, draft: &'a Draft) -> Result<(), DraftError> {
        let mut names: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
        for entry in &draft.entries {
            if let EntryKind::HardLink { target } = &entry.kind {
                names.entry(target).or_default().push(entry);
            }
        }
        for (target, mut entries) in names {
            let (dir, name) = split(target);
            let file = self.dirs.get(dir).and_then(|dir| dir.files.get(name));
            let file = file.filter(|file| matches!(file.kind, EntryKind::File { .. }));
            let Some(file) = file.copied() else {
                let path = entries
                    .first()
                    .map_or(String::new(), |entry| entry.path.clone());
                let target = target.to_owned();
                return Err(DraftError::Link { path, target });
            };
            entries.push(file);
            entries.sort_by_key(|entry| split(&entry.path));
            if let Some((first, others)) = entries.split_first() {
                self.carriers.insert(&first.path, file);
                self.links
                    .extend(others.iter().map(|other| (&*other.path, &*first.path)));
            }
        }
        Ok(())
    }
}

/// The directory that something is in, and its name there.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// The SHA-256 of a file's content.
fn sha256(entry: &Entry) -> Result<[u8; 32], DraftError> {
    match entry.checksum {
        Some(Digest::Sha256(digest)) => Ok(digest),
        _ => Err(DraftError::Digest {
            path: entry.path.clone(),
            wanted: "SHA-256",
        }),
    }
}

/// What apk refuses to make, too, and names that no reader takes.
fn check(draft: &Draft) -> Result<(), DraftError> {
    let entries = draft.entries.iter().filter(|entry| !entry.path.is_empty());
    for Entry { path, .. } in entries {
        let checked = match check_path(path.as_bytes()) {
            Ok(_) if path.ends_with('/') => Err(PathError::Component),
            other => other,
        };
        checked.map_err(|reason| DraftError::Path {
            path: path.clone(),
            reason,
        })?;
    }
    check_info(&draft.info)
}

fn check_info(info: &PackageInfo) -> Result<(), DraftError> {
    let refused = |field, text: &str| {
        let text = text.to_owned();
        Err(DraftError::Field { field, text })
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte);
    let begins = info
        .name
        .starts_with(|first: char| first.is_ascii_alphanumeric());
    if !begins || !info.name.bytes().all(is_name) {
        return refused("name", &info.name);
    }
    if !info.version.is_valid() {
        return refused("version", info.version.as_str());
    }
    let is_tag = |byte: u8| byte.is_ascii_alphanumeric() || b"_+,-./:=[]".contains(&byte);
    match info
        .tags
        .iter()
        .find(|tag| tag.is_empty() || !tag.bytes().all(is_tag))
    {
        Some(tag) => refused("tags", tag),
        None => Ok(()),
    }
}
