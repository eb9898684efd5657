//! A tar archive laid into a tree, without unpacking it anywhere.
//!
//! Each entry becomes an object while it is read. The rules are those of `ostree commit --tree=tar=`:
//!
//! - Names are relative to the root of the tree, however they are written, and never lead out of it (`names`).
//! - A directory must come before what it holds, unless missing parents are to be made
//!   ([`TarOptions::autocreate_parents`]).
//! - The last of several entries with the same name wins; a file never replaces a directory or the reverse.
//! - Hard links take the object of their target, wherever that stands in the archive (`links`).
//! - Symbolic links keep the mode of their header. Devices, fifos and files with holes are errors.
//! - Xattrs come from extended headers (`pax`) and are sorted; times and the names of owners are not kept.
//!
//! | step | module |
//! |---|---|
//! | compressed bytes → bytes | `decompress` |
//! | blocks → entries | `entries`, `header`, `pax` |
//! | entries → objects in the tree | here, `names`, `links` |

mod decompress;
mod entries;
mod header;
mod links;
mod names;
mod pax;

use std::io::{self, Read};

use self::entries::{Entries, Entry, Kind, shown};
use self::links::Links;
use self::names::{components, joined};
use super::modify::{Modifier, Origin};
use super::{DirTreeSource, Tree, TreeError, set_meta};
use crate::checksum::FileId;
use crate::object::{
    DirMeta, FileHeader, FileKind, Name, NameError, ObjectSink, WriteError, Xattrs, XattrsError,
};

pub use self::links::{LinkError, NotFound};

/// The mode of directories that no entry brings.
const PARENT_MODE: u32 = 0o755;

/// How many directories that no entry brings are made. One name of an entry can ask for two thousand of them, and each
/// takes more than a kilobyte of memory.
const MAX_MADE: usize = 100_000;

/// After the end of an archive at most this many bytes are read on, to check the end of its compression. Archives
/// are filled up to whole records, by default of 10 KiB, so this is plenty.
const TRAILER: u64 = 16 << 20;

/// How an archive is imported.
#[derive(Clone, Debug, Default)]
pub struct TarOptions {
    /// Changes to every entry.
    pub modifier: Modifier,
    /// Makes directories that no entry brings, instead of failing: mode 0755, owned like the entry that needs
    /// them. As in ostree, directories above them that are already there are made so, too, the root included; an
    /// archive that says nothing of the root gets one of root's.
    pub autocreate_parents: bool,
}

/// Why an archive could not be imported. Offsets count uncompressed bytes.
#[derive(Debug, thiserror::Error)]
pub enum ImportTarError {
    /// The archive cannot be read, or ends too early.
    #[error("cannot read the archive at byte {offset}")]
    Read {
        /// Where.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// A header that is none.
    #[error("no valid tar header at byte {offset}: {what}")]
    Header {
        /// Where.
        offset: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A compression that is recognised, but not supported.
    #[error(
        "the archive is compressed with {name}, which is not supported (gzip, xz and zstd are)"
    )]
    Compression {
        /// Its name.
        name: &'static str,
    },
    /// A name that leads upwards.
    #[error("While making relative path \"{path}\":Invalid uplink '..' in path {path}")]
    Uplink {
        /// The name without leading slashes.
        path: String,
    },
    /// A name too long to be used anywhere.
    #[error("a name of {length} bytes where {limit} are allowed")]
    LongName {
        /// How long it is, in bytes.
        length: usize,
        /// The longest allowed, in bytes.
        limit: usize,
    },
    /// A component that cannot be a name.
    #[error("entry {entry:?}: {cause}")]
    Name {
        /// The entry.
        entry: String,
        /// Why.
        cause: NameError,
    },
    /// The directory that should hold the entry is not there.
    #[error("{cause}")]
    Parent {
        /// The entry.
        entry: String,
        /// What is missing.
        cause: NotFound,
    },
    /// Too many directories that would have to be made.
    #[error("more than {MAX_MADE} directories have no entry of their own")]
    Parents,
    /// A device, fifo, or a root that is no directory.
    #[error("Unsupported file type for path \"{entry}\"")]
    Unsupported {
        /// The entry.
        entry: String,
    },
    /// A file with holes.
    #[error(
        "entry {entry:?} is stored with holes, which is not supported (tar without --sparse stores it plainly)"
    )]
    Sparse {
        /// The entry.
        entry: String,
    },
    /// A symbolic link that leads nowhere, or to bytes that are not UTF-8.
    #[error("entry {entry:?}: the target of the symbolic link is empty or not UTF-8")]
    Target {
        /// The entry.
        entry: String,
    },
    /// Impossible xattrs.
    #[error("entry {entry:?}: {cause}")]
    Xattrs {
        /// The entry.
        entry: String,
        /// Why.
        cause: XattrsError,
    },
    /// A file that cannot go where its name says.
    #[error("ostree-tar: Failed to handle file: ostree-tar: Failed to import file: {cause}")]
    File {
        /// The entry.
        entry: String,
        /// Why.
        cause: TreeError,
    },
    /// A directory that cannot go where its name says.
    #[error("ostree-tar: Failed to handle directory: {cause}")]
    Directory {
        /// The entry.
        entry: String,
        /// Why.
        cause: TreeError,
    },
    /// A hard link to nothing, to a directory, or over a directory.
    #[error("ostree-tar: Processing deferred hardlink {target}: {cause}")]
    HardLink {
        /// The link.
        entry: String,
        /// What it should be.
        target: String,
        /// Why.
        cause: Box<LinkError>,
    },
    /// An object could not be written.
    #[error("cannot import {entry:?}")]
    Write {
        /// The entry.
        entry: String,
        /// Why.
        source: WriteError,
    },
}

/// Lays the entries of an archive over `tree`.
///
/// The archive may be compressed with gzip, xz or zstd. Contents go to `sink` as they are read; nothing larger than
/// an extended header is kept in memory. After an error the tree holds some of the entries.
pub fn import_tar(
    tree: &mut Tree,
    archive: impl Read,
    options: &TarOptions,
    sink: &dyn ObjectSink,
    source: &dyn DirTreeSource,
) -> Result<(), ImportTarError> {
    let mut entries = Entries::new(decompress::decompress(archive)?);
    let mut import = Import {
        tree,
        options,
        sink,
        source,
        links: Links::default(),
        made: 0,
    };
    while let Some(entry) = entries.next()? {
        import.entry(&entry, &mut entries)?;
    }
    entries.finish(TRAILER)?;
    let Import { links, .. } = import;
    links.resolve(tree, source)?;
    if options.autocreate_parents && tree.meta.is_none() {
        let mut meta = DirMeta::root_owned(PARENT_MODE);
        options.modifier.apply_dir(&mut meta, Origin::Tar);
        set_meta(tree, &meta, sink).map_err(|source| ImportTarError::Write {
            entry: "/".to_owned(),
            source,
        })?;
    }
    Ok(())
}

struct Import<'a> {
    tree: &'a mut Tree,
    options: &'a TarOptions,
    sink: &'a dyn ObjectSink,
    source: &'a dyn DirTreeSource,
    links: Links,
    /// Directories that no entry brought.
    made: usize,
}

impl Import<'_> {
    fn entry<R: Read>(
        &mut self,
        entry: &Entry,
        entries: &mut Entries<R>,
    ) -> Result<(), ImportTarError> {
        let path = components(&entry.name)?;
        if let Some((_, parent)) = path.split_last() {
            self.ensure_parent(parent, entry)?;
        }
        match (entry.kind, path.split_last()) {
            (Kind::Directory, _) => self.directory(&path, entry),
            (Kind::Special, _) | (_, None) => Err(ImportTarError::Unsupported {
                entry: joined(&path),
            }),
            (Kind::HardLink, Some(_)) => self.hard_link(path, entry, entries),
            (Kind::File, Some(_)) => {
                let file = self.regular_file(entry, entries)?;
                self.put(&path, file, entry)
            }
            (Kind::Symlink, Some(_)) => {
                let file = self.symlink(entry)?;
                self.put(&path, file, entry)
            }
        }
    }

    /// The directory of an entry must be there, or is made.
    fn ensure_parent(&mut self, parent: &[Name], entry: &Entry) -> Result<(), ImportTarError> {
        match links::existing(self.tree, parent, self.source) {
            Ok(_) => Ok(()),
            Err(NotFound::Missing { .. }) if self.options.autocreate_parents => {
                self.make_parents(parent, entry)
            }
            Err(cause) => Err(ImportTarError::Parent {
                entry: shown(&entry.name),
                cause,
            }),
        }
    }

    /// Gives all directories from the root down to `parent` the same metadata, made or not.
    fn make_parents(&mut self, parent: &[Name], entry: &Entry) -> Result<(), ImportTarError> {
        let mut meta = DirMeta {
            uid: entry.uid,
            gid: entry.gid,
            mode: PARENT_MODE,
            xattrs: Xattrs::NONE,
        };
        self.options.modifier.apply_dir(&mut meta, Origin::Tar);
        let id = self
            .sink
            .dirmeta(&meta)
            .map_err(|source| not_written(entry, source))?;
        let mut dir = &mut *self.tree;
        dir.meta = Some(id);
        for name in parent {
            self.made += usize::from(!dir.dirs.contains_key(name));
            if self.made > MAX_MADE {
                return Err(ImportTarError::Parents);
            }
            let opened = dir.open_dir(self.source, name);
            dir = opened.map_err(|cause| ImportTarError::Directory {
                entry: shown(&entry.name),
                cause,
            })?;
            dir.meta = Some(id);
        }
        Ok(())
    }

    fn directory(&mut self, path: &[Name], entry: &Entry) -> Result<(), ImportTarError> {
        let mut meta = DirMeta {
            uid: entry.uid,
            gid: entry.gid,
            mode: entry.mode,
            xattrs: xattrs_of(entry)?,
        };
        self.options.modifier.apply_dir(&mut meta, Origin::Tar);
        let dir = self.tree.descend(path, self.source);
        let dir = dir.map_err(|cause| ImportTarError::Directory {
            entry: shown(&entry.name),
            cause,
        })?;
        set_meta(dir, &meta, self.sink).map_err(|source| not_written(entry, source))
    }

    fn regular_file<R: Read>(
        &self,
        entry: &Entry,
        entries: &mut Entries<R>,
    ) -> Result<FileId, ImportTarError> {
        let header = self.header(entry, FileKind::Regular)?;
        let written = self.sink.file(&header, entry.size, &mut entries.content());
        written.map_err(|error| match error {
            WriteError::Content(source) => ImportTarError::Read {
                offset: entries.offset(),
                source,
            },
            source => not_written(entry, source),
        })
    }

    fn symlink(&self, entry: &Entry) -> Result<FileId, ImportTarError> {
        let target = std::str::from_utf8(&entry.link)
            .ok()
            .filter(|target| !target.is_empty());
        let target = target.ok_or_else(|| ImportTarError::Target {
            entry: shown(&entry.name),
        })?;
        let header = self.header(entry, FileKind::Symlink(target.to_owned()))?;
        self.sink
            .file(&header, 0, &mut io::empty())
            .map_err(|source| not_written(entry, source))
    }

    /// Sets the link aside. One that brings content (cpio does so) gives it to its target first.
    fn hard_link<R: Read>(
        &mut self,
        path: Vec<Name>,
        entry: &Entry,
        entries: &mut Entries<R>,
    ) -> Result<(), ImportTarError> {
        let target = components(&entry.link)?;
        if entry.size > 0 {
            let file = self.regular_file(entry, entries)?;
            let parent = target.split_last().map_or(&[][..], |(_, parent)| parent);
            links::existing(self.tree, parent, self.source).map_err(|cause| {
                ImportTarError::Parent {
                    entry: shown(&entry.name),
                    cause,
                }
            })?;
            self.put(&target, file, entry)?;
        }
        self.links.add(path, target);
        Ok(())
    }

    fn header(&self, entry: &Entry, kind: FileKind) -> Result<FileHeader, ImportTarError> {
        let xattrs = xattrs_of(entry)?;
        let mut header = FileHeader {
            uid: entry.uid,
            gid: entry.gid,
            mode: entry.mode,
            kind,
            xattrs,
        };
        self.options.modifier.apply_file(&mut header, Origin::Tar);
        Ok(header)
    }

    fn put(&mut self, path: &[Name], file: FileId, entry: &Entry) -> Result<(), ImportTarError> {
        let Some((name, parent)) = path.split_last() else {
            return Err(ImportTarError::Unsupported {
                entry: joined(path),
            });
        };
        let placed = self
            .tree
            .descend(parent, self.source)
            .and_then(|dir| dir.put_file(name.clone(), file));
        placed.map_err(|cause| ImportTarError::File {
            entry: shown(&entry.name),
            cause,
        })
    }
}

fn xattrs_of(entry: &Entry) -> Result<Xattrs, ImportTarError> {
    Xattrs::new(entry.xattrs.iter().cloned()).map_err(|cause| ImportTarError::Xattrs {
        entry: shown(&entry.name),
        cause,
    })
}

fn not_written(entry: &Entry, source: WriteError) -> ImportTarError {
    ImportTarError::Write {
        entry: shown(&entry.name),
        source,
    }
}
