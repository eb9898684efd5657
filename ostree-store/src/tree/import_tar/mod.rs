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
mod held;
mod links;
mod names;
mod pax;
mod rename;

use std::io::{self, Read};

use self::entries::{Entries, Entry, Kind, shown};
use self::held::Held;
use self::links::Links;
use self::names::{Place, joined};
use super::modify::{ModeError, Modifier, Origin, Pass};
use super::{DirTreeSource, Tree, TreeError, set_meta, weight};
use crate::checksum::FileId;
use crate::object::{
    DirMeta, FileHeader, FileKind, Name, NameError, ObjectSink, WriteError, Xattrs, XattrsError,
};

pub use self::links::{LinkError, NotFound};
pub use self::rename::Renamer;

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
    /// Gives entries and the targets of hard links other names.
    pub renamer: Option<Renamer>,
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
    #[error("{}Invalid uplink '..' in path {path}", if *.renamed { String::new() } else { format!("While making relative path \"{path}\":") })]
    Uplink {
        /// The name without leading slashes.
        path: String,
        /// It is not that of the archive, but what was made of it.
        renamed: bool,
    },
    /// No other name could be found for it.
    #[error("entry {entry:?}: {cause}")]
    Rename {
        /// The entry.
        entry: String,
        /// Why.
        cause: String,
    },
    /// A rule makes a mode that the entry cannot have.
    #[error(transparent)]
    Mode(#[from] ModeError),
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
    /// More entries than are held at once.
    #[error("the archive's entries take more than {} MiB of memory", .limit >> 20)]
    TooLarge {
        /// How much they may take, in bytes.
        limit: usize,
    },
    /// An order of entries that would make directories be written over and over.
    #[error("the archive comes back to too many large directories")]
    Order,
    /// A directory could not be written to make room for others.
    #[error("cannot write a directory of the archive")]
    Fold(#[source] TreeError),
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
        held: Held::default(),
        made: 0,
    };
    import.held.charge(import.tree.weight());
    while let Some(entry) = entries.next()? {
        import.entry(&entry, &mut entries)?;
    }
    entries.finish(TRAILER)?;
    let Import { links, held, .. } = import;
    links.resolve(tree, held, sink, source)?;
    if options.autocreate_parents && tree.meta.is_none() {
        let mut meta = DirMeta::root_owned(PARENT_MODE);
        // A rule that leaves the root out does not leave this one out.
        let _ = options
            .modifier
            .apply_dir(|| "/".to_owned(), &mut meta, Origin::Tar)?;
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
    held: Held,
    /// Directories that no entry brought.
    made: usize,
}

impl Import<'_> {
    fn entry<R: Read>(
        &mut self,
        entry: &Entry,
        entries: &mut Entries<R>,
    ) -> Result<(), ImportTarError> {
        let place = Place::new(&entry.name, self.options.renamer.as_ref())?;
        let Some(attributes) = self.filtered(&place, entry)? else {
            return Ok(());
        };
        let path = place.names;
        self.held
            .check(self.tree, &path, &self.links, self.sink, self.source)?;
        if let Some((_, parent)) = path.split_last() {
            self.ensure_parent(parent, entry)?;
        }
        match (attributes, path.split_last()) {
            (Attributes::Directory(meta), _) => self.directory(&path, &meta, entry),
            (Attributes::Special, _) | (_, None) => Err(ImportTarError::Unsupported {
                entry: joined(&path),
            }),
            (Attributes::File(header), Some(_)) if entry.kind == Kind::HardLink => {
                self.hard_link(path, &header, entry, entries)
            }
            (Attributes::File(header), Some(_)) => {
                let file = match &header.kind {
                    FileKind::Regular => self.regular_file(&header, entry, entries)?,
                    FileKind::Symlink(_) => self.symlink(&header, entry)?,
                };
                self.put(&path, file, entry)
            }
        }
    }

    /// What the entry brings, as the modifier leaves it; nothing if it is to be left out. ostree aborts where canonical
    /// permissions meet a device.
    fn filtered(&self, place: &Place, entry: &Entry) -> Result<Option<Attributes>, ImportTarError> {
        let (modifier, path) = (&self.options.modifier, || place.rule_path());
        let mut attributes = match entry.kind {
            Kind::Directory => Attributes::Directory(DirMeta {
                uid: entry.uid,
                gid: entry.gid,
                mode: entry.mode,
                xattrs: xattrs_of(entry)?,
            }),
            Kind::Special => Attributes::Special,
            Kind::File | Kind::HardLink => Attributes::File(header(entry, FileKind::Regular)?),
            Kind::Symlink => {
                let target = FileKind::Symlink(shown(&entry.link));
                Attributes::File(header(entry, target)?)
            }
        };
        let pass = match &mut attributes {
            Attributes::Directory(meta) => modifier.apply_dir(path, meta, Origin::Tar)?,
            Attributes::File(header) => modifier.apply_file(path, header, Origin::Tar)?,
            Attributes::Special => modifier.announce(path),
        };
        if pass == Pass::Skipped {
            return Ok(None);
        }
        if entry.kind == Kind::Symlink {
            check_target(entry)?;
        }
        Ok(Some(attributes))
    }

    /// The directory of an entry must be there, or is made.
    fn ensure_parent(&mut self, parent: &[Name], entry: &Entry) -> Result<(), ImportTarError> {
        match links::existing(self.tree, parent, self.source, &mut self.held) {
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

    /// Gives all directories from the root down to `parent` the same metadata, made or not. As in ostree no modifier
    /// changes it.
    fn make_parents(&mut self, parent: &[Name], entry: &Entry) -> Result<(), ImportTarError> {
        let meta = DirMeta {
            uid: entry.uid,
            gid: entry.gid,
            mode: PARENT_MODE,
            xattrs: Xattrs::NONE,
        };
        let id = self
            .sink
            .dirmeta(&meta)
            .map_err(|source| not_written(entry, source))?;
        let mut dir = &mut *self.tree;
        dir.meta = Some(id);
        for name in parent {
            self.made += usize::from(!dir.dirs.contains_key(name));
            self.held.charge(weight::DIRECTORY + name.as_str().len());
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

    fn directory(
        &mut self,
        path: &[Name],
        meta: &DirMeta,
        entry: &Entry,
    ) -> Result<(), ImportTarError> {
        // One that was written already is read again.
        let _ = links::existing(self.tree, path, self.source, &mut self.held);
        let name = path.last().map_or(0, |name| name.as_str().len());
        self.held.charge(weight::DIRECTORY + name);
        let dir = self.tree.descend(path, self.source);
        let dir = dir.map_err(|cause| ImportTarError::Directory {
            entry: shown(&entry.name),
            cause,
        })?;
        set_meta(dir, meta, self.sink).map_err(|source| not_written(entry, source))
    }

    fn regular_file<R: Read>(
        &self,
        header: &FileHeader,
        entry: &Entry,
        entries: &mut Entries<R>,
    ) -> Result<FileId, ImportTarError> {
        let written = self.sink.file(header, entry.size, &mut entries.content());
        written.map_err(|error| match error {
            WriteError::Content(source) => ImportTarError::Read {
                offset: entries.offset(),
                source,
            },
            source => not_written(entry, source),
        })
    }

    fn symlink(&self, header: &FileHeader, entry: &Entry) -> Result<FileId, ImportTarError> {
        self.sink
            .file(header, 0, &mut io::empty())
            .map_err(|source| not_written(entry, source))
    }

    /// Sets the link aside. One that brings content (cpio does so) gives it to its target first.
    fn hard_link<R: Read>(
        &mut self,
        path: Vec<Name>,
        header: &FileHeader,
        entry: &Entry,
        entries: &mut Entries<R>,
    ) -> Result<(), ImportTarError> {
        let target = Place::new(&entry.link, self.options.renamer.as_ref())?.names;
        if entry.size > 0 {
            let file = self.regular_file(header, entry, entries)?;
            let parent = target.split_last().map_or(&[][..], |(_, parent)| parent);
            let existing = links::existing(self.tree, parent, self.source, &mut self.held);
            existing.map_err(|cause| ImportTarError::Parent {
                entry: shown(&entry.name),
                cause,
            })?;
            self.put(&target, file, entry)?;
        }
        self.held.charge(self.links.add(&path, &target));
        Ok(())
    }

    fn put(&mut self, path: &[Name], file: FileId, entry: &Entry) -> Result<(), ImportTarError> {
        let Some((name, parent)) = path.split_last() else {
            return Err(ImportTarError::Unsupported {
                entry: joined(path),
            });
        };
        self.held.charge(weight::FILE + name.as_str().len());
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

/// What an entry brings beside its content.
enum Attributes {
    Directory(DirMeta),
    File(FileHeader),
    /// A device or fifo, which nothing can hold.
    Special,
}

/// A link must lead somewhere.
fn check_target(entry: &Entry) -> Result<(), ImportTarError> {
    match std::str::from_utf8(&entry.link) {
        Ok(target) if !target.is_empty() => Ok(()),
        _ => Err(ImportTarError::Target {
            entry: shown(&entry.name),
        }),
    }
}

fn header(entry: &Entry, kind: FileKind) -> Result<FileHeader, ImportTarError> {
    Ok(FileHeader {
        uid: entry.uid,
        gid: entry.gid,
        mode: entry.mode,
        kind,
        xattrs: xattrs_of(entry)?,
    })
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
