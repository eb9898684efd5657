//! Objects of a repository found, read and listed.
//!
//! An object is the file `objects/XX/REST.EXT`, where XX are the first two of its checksum's 64 hex digits.

use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use flate2::bufread::DeflateDecoder;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};

use super::{Repo, RepoMode};
use crate::checksum::{Checksum, CommitId, DirMetaId, DirTreeId, FileId};
use crate::object::{
    Commit, DirMeta, DirTree, FileHeader, FileKind, ObjectKind, PERMISSIONS, ParseError, Xattrs,
    XattrsError,
};
use crate::path_error::{At, PathError, SystemError};
use crate::tree::DirTreeSource;

/// The largest metadata object that is read or written, in bytes: a directory of 600,000 files. What it means takes
/// three times as much memory. (ostree itself takes up to 128 MiB from other repositories since 2023.4, before that
/// 10 MiB.)
pub(super) const MAX_METADATA: u64 = 32 << 20;

/// The largest header of a `.filez`, in bytes: a target of one page and the most xattrs a kernel allows fit well.
const MAX_HEADER: u32 = 16 << 20;

/// The longest link target that is read in `bare-user`, with its NUL, in bytes. No system takes more than 4 KiB, but
/// archives may bring one of 1 MiB.
const MAX_TARGET: u64 = (1 << 20) + 1;

/// The attribute that holds owner, mode and xattrs in `bare-user`.
pub(super) const BARE_USER_META: &CStr = c"user.ostreemeta";

/// Why an object could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such object.
    #[error("No such {} object {checksum}.{extension}", if *.kind == ObjectKind::File { "file" } else { "metadata" })]
    Missing {
        /// What was looked for.
        kind: ObjectKind,
        /// Its name.
        checksum: Checksum,
        /// The extension under which it was looked for.
        extension: &'static str,
    },
    /// The bytes mean nothing.
    #[error("corrupted {} object {checksum}", .kind.name())]
    Parse {
        /// What it should be.
        kind: ObjectKind,
        /// Its name.
        checksum: Checksum,
        /// What is wrong.
        source: ParseError,
    },
    /// The file is not one that can be an object of this mode.
    #[error("{} object {checksum}: {what}", .kind.name())]
    Form {
        /// What it should be.
        kind: ObjectKind,
        /// Its name.
        checksum: Checksum,
        /// What is wrong.
        what: &'static str,
    },
    /// A file object is there, but cannot be opened.
    #[error("Opening content object {checksum}: openat: {cause}")]
    Open {
        /// Its name.
        checksum: Checksum,
        /// What the system said.
        cause: SystemError,
    },
    /// The file system refused.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl ReadError {
    /// The error for a dirtree that is not there.
    #[must_use]
    pub fn missing_dirtree(id: &DirTreeId) -> ReadError {
        ReadError::Missing {
            kind: ObjectKind::DirTree,
            checksum: *id.checksum(),
            extension: "dirtree",
        }
    }
}

/// A file object opened for reading; reading gives its content, nothing for a symbolic link.
#[derive(Debug)]
pub struct StoredFile {
    /// Owner, mode, kind and xattrs.
    pub header: FileHeader,
    /// Size of the content in bytes.
    pub size: u64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Empty,
    Plain(File),
    Deflated(Box<Exactly<DeflateDecoder<BufReader<File>>>>),
}

impl Read for StoredFile {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.content {
            Content::Empty => Ok(0),
            Content::Plain(file) => file.read(buf),
            Content::Deflated(stream) => stream.read(buf),
        }
    }
}

/// A reader that fails unless its stream gives as many bytes as were announced. A reader that just stopped there
/// would see another file than one that goes on to the end of the stream.
#[derive(Debug)]
struct Exactly<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        if self.left == 0 {
            return match self.inner.read(&mut [0])? {
                0 => Ok(0),
                _ => Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "more content than the header says",
                )),
            };
        }
        let length = buf
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.inner.read(buf.get_mut(..length).unwrap_or_default())?;
        if count == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "less content than the header says",
            ));
        }
        self.left -= count as u64;
        Ok(count)
    }
}

impl StoredFile {
    /// The object's own file, if that holds the content and nothing else (not in `archive`).
    #[must_use]
    pub fn as_file(&self) -> Option<&File> {
        match &self.content {
            Content::Plain(file) => Some(file),
            _ => None,
        }
    }
}

impl Repo {
    /// Where an object lies, or would lie.
    #[must_use]
    pub fn object_path(&self, kind: ObjectKind, checksum: &Checksum) -> PathBuf {
        let holder = match self.parent {
            None => self,
            Some(_) => self.holder(kind, checksum).ok().flatten().unwrap_or(self),
        };
        holder.objects.object_path(kind, checksum)
    }

    /// Whether the object is there, or in a parent repository.
    pub fn has(&self, kind: ObjectKind, checksum: &Checksum) -> Result<bool, PathError> {
        Ok(self.holder(kind, checksum)?.is_some())
    }

    /// Whether the repository itself has the object.
    pub fn has_own(&self, kind: ObjectKind, checksum: &Checksum) -> Result<bool, PathError> {
        self.objects.has(kind, checksum)
    }

    /// The repository that has the object: this one or a parent, whose mode may be another.
    pub fn holder(
        &self,
        kind: ObjectKind,
        checksum: &Checksum,
    ) -> Result<Option<&Repo>, PathError> {
        for repo in self.with_parents() {
            if repo.objects.has(kind, checksum)? {
                return Ok(Some(repo));
            }
        }
        Ok(None)
    }

    /// Reads a commit.
    pub fn commit(&self, id: &CommitId) -> Result<Commit, ReadError> {
        self.first(|objects| objects.metadata(ObjectKind::Commit, id.checksum(), Commit::parse))
    }

    /// Reads a dirmeta.
    pub fn dirmeta(&self, id: &DirMetaId) -> Result<DirMeta, ReadError> {
        self.first(|objects| objects.metadata(ObjectKind::DirMeta, id.checksum(), DirMeta::parse))
    }

    /// The bytes of a dirtree, dirmeta or commit, as they are stored.
    pub fn metadata_bytes(
        &self,
        kind: ObjectKind,
        checksum: &Checksum,
    ) -> Result<Vec<u8>, ReadError> {
        self.first(|objects| objects.metadata_bytes(kind, checksum))
    }

    /// Opens a file object.
    pub fn file(&self, id: &FileId) -> Result<StoredFile, ReadError> {
        self.first(|objects| objects.file(id))
    }

    /// The directory `objects`, and where in it a file object lies, for a link to the object itself. None where only a
    /// parent repository of another mode has it.
    pub(crate) fn linkable(
        &self,
        id: &FileId,
    ) -> Result<Option<(BorrowedFd<'_>, String)>, PathError> {
        let holder = match self.parent() {
            None => Some(self),
            Some(_) => self.holder(ObjectKind::File, id.checksum())?,
        };
        let Some(holder) = holder.filter(|holder| holder.mode == self.mode) else {
            return Ok(None);
        };
        let path = relative_path(id.checksum(), self.mode.extension(ObjectKind::File));
        Ok(Some((holder.objects.as_fd(), path)))
    }

    /// Every loose object of this repository itself, sorted by name. Strange files in `objects/` are passed over, as
    /// ostree does.
    pub fn objects(&self) -> Result<Vec<(ObjectKind, Checksum)>, PathError> {
        self.objects.list()
    }

    /// Reads from the first repository that has the object.
    pub(super) fn first<T>(
        &self,
        read: impl Fn(&ObjectDir) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let missing = match read(&self.objects) {
            Err(error @ ReadError::Missing { .. }) => error,
            result => return result,
        };
        for parent in self.with_parents().skip(1) {
            match read(&parent.objects) {
                Err(ReadError::Missing { .. }) => {}
                result => return result,
            }
        }
        Err(missing)
    }
}

/// A directory of objects: that of a repository, or that of a transaction's staging directory.
#[derive(Debug)]
pub(super) struct ObjectDir {
    path: PathBuf,
    dir: OwnedFd,
    mode: RepoMode,
    /// Whether xattrs of files in `bare` do not count (`core.disable-xattrs`).
    no_xattrs: bool,
}

impl ObjectDir {
    pub(super) fn open(path: PathBuf, mode: RepoMode) -> Result<ObjectDir, PathError> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        let dir = rustix::fs::open(&path, flags, Mode::empty()).at("open", &path)?;
        Ok(ObjectDir {
            path,
            dir,
            mode,
            no_xattrs: false,
        })
    }

    /// Takes objects in `bare` to have no xattrs, if `disabled`.
    pub(super) fn without_xattrs(mut self, disabled: bool) -> ObjectDir {
        self.no_xattrs = disabled;
        self
    }

    /// The directory's descriptor.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// How file objects lie in it.
    pub(super) fn mode(&self) -> RepoMode {
        self.mode
    }

    /// Where an object lies, or would lie.
    pub(super) fn object_path(&self, kind: ObjectKind, checksum: &Checksum) -> PathBuf {
        self.path
            .join(relative_path(checksum, self.mode.extension(kind)))
    }

    /// Whether the object is there.
    pub(super) fn has(&self, kind: ObjectKind, checksum: &Checksum) -> Result<bool, PathError> {
        let relative = relative_path(checksum, self.mode.extension(kind));
        match rustix::fs::statat(&self.dir, &relative, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(rustix::io::Errno::NOENT) => Ok(false),
            Err(e) => Err(e).at("stat", self.object_path(kind, checksum)),
        }
    }

    /// Reads and parses a metadata object.
    pub(super) fn metadata<T>(
        &self,
        kind: ObjectKind,
        checksum: &Checksum,
        parse: impl FnOnce(&[u8]) -> Result<T, ParseError>,
    ) -> Result<T, ReadError> {
        let bytes = self.metadata_bytes(kind, checksum)?;
        parse(&bytes).map_err(|source| ReadError::Parse {
            kind,
            checksum: *checksum,
            source,
        })
    }

    /// The bytes of a dirtree, dirmeta or commit, as they are stored.
    pub(super) fn metadata_bytes(
        &self,
        kind: ObjectKind,
        checksum: &Checksum,
    ) -> Result<Vec<u8>, ReadError> {
        let Opened::Regular(file) = self.open_object(kind, checksum)? else {
            return Err(ReadError::Form {
                kind,
                checksum: *checksum,
                what: "a symbolic link, not a file",
            });
        };
        let path = || self.object_path(kind, checksum);
        let size = file.metadata().at("stat", path())?.len();
        if size > MAX_METADATA {
            return Err(ReadError::Form {
                kind,
                checksum: *checksum,
                what: "larger than 32 MiB",
            });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        let read = file.take(size).read_to_end(&mut bytes);
        read.at("read", path())?;
        Ok(bytes)
    }

    /// Opens a file object.
    pub(super) fn file(&self, id: &FileId) -> Result<StoredFile, ReadError> {
        let checksum = id.checksum();
        match self.open_object(ObjectKind::File, checksum)? {
            Opened::Link(target) => self.bare_symlink(checksum, target),
            Opened::Regular(file) => match self.mode {
                RepoMode::Archive => self.archived(checksum, file),
                RepoMode::BareUser => self.bare_user(checksum, file),
                RepoMode::Bare | RepoMode::BareSplitXattrs => self.bare(checksum, file),
                RepoMode::BareUserOnly => self.bare_user_only(checksum, file),
            },
        }
    }

    /// Every loose object, sorted by name. Strange files in `objects/` are passed over, as ostree does.
    pub(super) fn list(&self) -> Result<Vec<(ObjectKind, Checksum)>, PathError> {
        let root = &self.path;
        let mut objects = Vec::new();
        for entry in fs::read_dir(root).at("list", root)? {
            let entry = entry.at("list", root)?;
            let prefix = entry.file_name().into_string().unwrap_or_default();
            if prefix.len() != 2 || !entry.file_type().at("stat", entry.path())?.is_dir() {
                continue;
            }
            let dir = entry.path();
            for entry in fs::read_dir(&dir).at("list", &dir)? {
                let name = entry
                    .at("list", &dir)?
                    .file_name()
                    .into_string()
                    .unwrap_or_default();
                objects.extend(self.object_named(&prefix, &name));
            }
        }
        objects.sort_unstable_by_key(|(kind, checksum)| (*checksum, *kind));
        Ok(objects)
    }

    /// The commits whose checksums begin with these digits, in no order.
    pub(super) fn commits(&self, digits: &str) -> Result<Vec<CommitId>, PathError> {
        let mut commits = Vec::new();
        for entry in fs::read_dir(&self.path).at("list", &self.path)? {
            let prefix = entry.at("list", &self.path)?.file_name();
            let prefix = prefix.to_str().unwrap_or_default();
            let common = digits.len().min(2);
            if prefix.len() != 2 || prefix.get(..common) != digits.get(..common) {
                continue;
            }
            let dir = self.path.join(prefix);
            let entries = match fs::read_dir(&dir) {
                Err(e) if e.kind() == io::ErrorKind::NotADirectory => continue,
                entries => entries.at("list", &dir)?,
            };
            for entry in entries {
                let name = entry.at("list", &dir)?.file_name();
                let name = name.to_str().unwrap_or_default();
                if let Some((ObjectKind::Commit, checksum)) = self.object_named(prefix, name)
                    && checksum.to_string().starts_with(digits)
                {
                    commits.push(CommitId::new(checksum));
                }
            }
        }
        Ok(commits)
    }

    fn object_named(&self, prefix: &str, name: &str) -> Option<(ObjectKind, Checksum)> {
        let (rest, extension) = name.split_once('.')?;
        let kinds = [
            ObjectKind::File,
            ObjectKind::DirTree,
            ObjectKind::DirMeta,
            ObjectKind::Commit,
        ];
        let kind = kinds
            .into_iter()
            .find(|kind| self.mode.extension(*kind) == extension)?;
        Some((kind, format!("{prefix}{rest}").parse().ok()?))
    }

    /// Opens the object's file without following a link and without waiting for a fifo.
    fn open_object(&self, kind: ObjectKind, checksum: &Checksum) -> Result<Opened, ReadError> {
        let extension = self.mode.extension(kind);
        let relative = relative_path(checksum, extension);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = match rustix::fs::openat(&self.dir, &relative, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(rustix::io::Errno::NOENT) => {
                return Err(ReadError::Missing {
                    kind,
                    checksum: *checksum,
                    extension,
                });
            }
            Err(rustix::io::Errno::LOOP) if kind == ObjectKind::File => {
                let target = rustix::fs::readlinkat(&self.dir, &relative, Vec::new());
                return Ok(Opened::Link(
                    target.at("read", self.object_path(kind, checksum))?,
                ));
            }
            Err(e) if kind == ObjectKind::File => {
                return Err(ReadError::Open {
                    checksum: *checksum,
                    cause: io::Error::from(e).into(),
                });
            }
            Err(e) => return Err(e).at("open", self.object_path(kind, checksum))?,
        };
        let found = rustix::fs::fstat(&file).at("stat", self.object_path(kind, checksum))?;
        match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => Ok(Opened::Regular(file)),
            _ => Err(ReadError::Form {
                kind,
                checksum: *checksum,
                what: "not a regular file",
            }),
        }
    }

    fn archived(&self, checksum: &Checksum, mut file: File) -> Result<StoredFile, ReadError> {
        let path = || self.object_path(ObjectKind::File, checksum);
        let wrong = |source| ReadError::Parse {
            kind: ObjectKind::File,
            checksum: *checksum,
            source,
        };
        let mut frame = [0; 8];
        file.read_exact(&mut frame).at("read", path())?;
        let [a, b, c, d, rest @ ..] = frame;
        let length = u32::from_be_bytes([a, b, c, d]);
        let object = file.metadata().at("stat", path())?.len();
        if u64::from(length) > object || length > MAX_HEADER {
            return Err(wrong(ParseError::HeaderSize {
                header: u64::from(length),
                object,
            }));
        }
        if rest != [0; 4] {
            return Err(wrong(ParseError::HeaderPadding));
        }
        let mut header = Vec::new();
        (&mut file)
            .take(u64::from(length))
            .read_to_end(&mut header)
            .at("read", path())?;
        let (header, size) = FileHeader::parse_archive(&header).map_err(wrong)?;
        let (size, content) = match header.kind {
            // As in ostree, whatever size the header gives it.
            FileKind::Symlink(_) => (0, Content::Empty),
            FileKind::Regular => {
                let inner = DeflateDecoder::new(BufReader::new(file));
                let content = Exactly { inner, left: size };
                (size, Content::Deflated(Box::new(content)))
            }
        };
        Ok(StoredFile {
            header,
            size,
            content,
        })
    }

    fn bare_user(&self, checksum: &Checksum, mut file: File) -> Result<StoredFile, ReadError> {
        let path = || self.object_path(ObjectKind::File, checksum);
        let meta = get_xattr(&file, BARE_USER_META).at("read user.ostreemeta of", path())?;
        let size = file.metadata().at("stat", path())?.len();
        let target = || {
            read_target(&mut file)
                .at("read", path())
                .map_err(BareUserError::Path)
        };
        let header = FileHeader::parse_bare_user(&meta, target).map_err(|error| match error {
            BareUserError::Parse(source) => ReadError::Parse {
                kind: ObjectKind::File,
                checksum: *checksum,
                source,
            },
            BareUserError::Path(error) => ReadError::Path(error),
        })?;
        if header.is_symlink() {
            return Ok(StoredFile {
                header,
                size: 0,
                content: Content::Empty,
            });
        }
        Ok(StoredFile {
            header,
            size,
            content: Content::Plain(file),
        })
    }

    fn bare(&self, checksum: &Checksum, file: File) -> Result<StoredFile, ReadError> {
        let path = || self.object_path(ObjectKind::File, checksum);
        let found = rustix::fs::fstat(&file).at("stat", path())?;
        let xattrs = if self.mode == RepoMode::BareSplitXattrs {
            self.split_xattrs(checksum)?
        } else if self.no_xattrs {
            Xattrs::NONE
        } else {
            let xattrs = read_xattrs(&file).at("read the xattrs of", path())?;
            xattrs.map_err(|e| ReadError::Parse {
                kind: ObjectKind::File,
                checksum: *checksum,
                source: e.into(),
            })?
        };
        let mode = found.st_mode & PERMISSIONS;
        let header = FileHeader {
            uid: found.st_uid,
            gid: found.st_gid,
            mode,
            kind: FileKind::Regular,
            xattrs,
        };
        Ok(StoredFile {
            header,
            size: u64::try_from(found.st_size).unwrap_or(0),
            content: Content::Plain(file),
        })
    }

    fn bare_user_only(&self, checksum: &Checksum, file: File) -> Result<StoredFile, ReadError> {
        let path = || self.object_path(ObjectKind::File, checksum);
        let found = rustix::fs::fstat(&file).at("stat", path())?;
        let header = FileHeader::root_owned(found.st_mode & PERMISSIONS);
        Ok(StoredFile {
            header,
            size: u64::try_from(found.st_size).unwrap_or(0),
            content: Content::Plain(file),
        })
    }

    /// The xattrs of an object in `bare-split-xattrs`: the file `XX/REST.file-xattrs-link`, which is `a(ayay)`.
    fn split_xattrs(&self, checksum: &Checksum) -> Result<Xattrs, ReadError> {
        let relative = relative_path(checksum, "file-xattrs-link");
        let path = self.path.join(&relative);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = rustix::fs::openat(&self.dir, &relative, flags, Mode::empty());
        let file = File::from(file.at("open", &path)?);
        let mut bytes = Vec::new();
        file.take(u64::from(MAX_HEADER))
            .read_to_end(&mut bytes)
            .at("read", &path)?;
        Xattrs::parse(crate::gvariant::Span::new(&bytes)).map_err(|source| ReadError::Parse {
            kind: ObjectKind::File,
            checksum: *checksum,
            source,
        })
    }

    fn bare_symlink(&self, checksum: &Checksum, target: CString) -> Result<StoredFile, ReadError> {
        let form = |what| ReadError::Form {
            kind: ObjectKind::File,
            checksum: *checksum,
            what,
        };
        let target = target
            .into_string()
            .map_err(|_| form("a link whose target is not UTF-8"))?;
        let mut header = FileHeader::symlink(target);
        match self.mode {
            RepoMode::BareUserOnly => {}
            RepoMode::Bare | RepoMode::BareSplitXattrs => {
                let path = self.object_path(ObjectKind::File, checksum);
                let found = rustix::fs::lstat(&path).at("stat", &path)?;
                (header.uid, header.gid) = (found.st_uid, found.st_gid);
                if self.mode == RepoMode::BareSplitXattrs {
                    header.xattrs = self.split_xattrs(checksum)?;
                } else if !self.no_xattrs {
                    let xattrs = read_link_xattrs(&path).at("read the xattrs of", &path)?;
                    header.xattrs = xattrs.map_err(|_| form("a link with impossible xattrs"))?;
                }
            }
            RepoMode::Archive | RepoMode::BareUser => {
                return Err(form("a symbolic link, not a file"));
            }
        }
        Ok(StoredFile {
            header,
            size: 0,
            content: Content::Empty,
        })
    }
}

impl DirTreeSource for Repo {
    fn dirtree(&self, id: &DirTreeId) -> Result<DirTree, ReadError> {
        self.first(|objects| objects.metadata(ObjectKind::DirTree, id.checksum(), DirTree::parse))
    }
}

/// An object's file: in some modes a symbolic link.
enum Opened {
    Regular(File),
    Link(CString),
}

enum BareUserError {
    Parse(ParseError),
    Path(PathError),
}

impl From<ParseError> for BareUserError {
    fn from(error: ParseError) -> Self {
        BareUserError::Parse(error)
    }
}

/// `XX/REST.EXT`.
pub(super) fn relative_path(checksum: &Checksum, extension: &str) -> String {
    let hex = checksum.to_string();
    let (prefix, rest) = hex.split_at(2);
    format!("{prefix}/{rest}.{extension}")
}

/// The target that a `bare-user` symbolic link has as its content.
fn read_target(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(MAX_TARGET + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_TARGET {
        return Err(io::Error::other("the link target is too long"));
    }
    if bytes.last() == Some(&0) {
        bytes.pop();
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("the link target is not UTF-8"))
}

/// The value of one xattr of an open file.
fn get_xattr(file: &File, name: &CStr) -> rustix::io::Result<Vec<u8>> {
    sized(|buffer| rustix::fs::fgetxattr(file, name, buffer))
}

/// Calls again with a larger buffer until the value fits.
fn sized(read: impl Fn(&mut [u8]) -> rustix::io::Result<usize>) -> rustix::io::Result<Vec<u8>> {
    let mut buffer = vec![0; 256];
    loop {
        match read(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer);
            }
            // The kernel's limit for names and values is 64 KiB.
            Err(rustix::io::Errno::RANGE) if buffer.len() <= 64 << 10 => {
                buffer.resize(buffer.len() * 16, 0);
            }
            Err(e) => return Err(e),
        }
    }
}

/// All xattrs of an open file; none where the file system has none. Empty values are dropped, as ostree does.
pub(crate) fn read_xattrs(file: &File) -> rustix::io::Result<Result<Xattrs, XattrsError>> {
    let names = names_or_none(sized(|buffer| rustix::fs::flistxattr(file, buffer)))?;
    collect_xattrs(&names, |name| {
        sized(|buffer| rustix::fs::fgetxattr(file, name, buffer))
    })
}

/// The same for the path itself, also when it is a symbolic link.
pub(crate) fn read_link_xattrs(path: &Path) -> rustix::io::Result<Result<Xattrs, XattrsError>> {
    let names = names_or_none(sized(|buffer| rustix::fs::llistxattr(path, buffer)))?;
    collect_xattrs(&names, |name| {
        sized(|buffer| rustix::fs::lgetxattr(path, name, buffer))
    })
}

fn names_or_none(names: rustix::io::Result<Vec<u8>>) -> rustix::io::Result<Vec<u8>> {
    match names {
        Err(rustix::io::Errno::OPNOTSUPP) => Ok(Vec::new()),
        names => names,
    }
}

fn collect_xattrs(
    names: &[u8],
    value: impl Fn(&CStr) -> rustix::io::Result<Vec<u8>>,
) -> rustix::io::Result<Result<Xattrs, XattrsError>> {
    let mut pairs = Vec::new();
    for name in names.split_inclusive(|byte| *byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else {
            continue;
        };
        match value(name) {
            Ok(value) if value.is_empty() => {}
            Ok(value) => pairs.push((name.to_bytes().to_vec(), value)),
            Err(rustix::io::Errno::NODATA) => {} // removed in the meantime
            Err(e) => return Err(e),
        }
    }
    Ok(Xattrs::new(pairs))
}
