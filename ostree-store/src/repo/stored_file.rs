//! File objects as they lie on the disk, each mode in its own form, and as they read: header and content.
//!
//! | mode | header | content |
//! |---|---|---|
//! | `archive` | at the beginning of the file | deflated behind it |
//! | `bare-user` | the attribute `user.ostreemeta` | the file; a link's target and a NUL |
//! | `bare` | the file's own owner, mode and xattrs | the file |
//! | `bare-split-xattrs` | the file's owner and mode; xattrs in a file beside it | the file |
//! | `bare-user-only` | the file's mode | the file |

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, BufReader, Read};

use flate2::bufread::DeflateDecoder;
use rustix::fs::{Mode, OFlags};

use super::file_xattrs::{get_xattr, read_link_xattrs, read_xattrs};
use super::object_dir::{ObjectDir, Opened, relative_path};
use super::{ReadError, RepoMode};
use crate::checksum::{Checksum, FileId};
use crate::gvariant::Span;
use crate::object::{FileHeader, FileKind, ObjectKind, PERMISSIONS, ParseError, Xattrs};
use crate::path_error::{At, PathError};

/// The largest header of a `.filez`, in bytes: a target of one page and the most xattrs a kernel allows fit well.
const MAX_HEADER: u32 = 16 << 20;

/// The longest link target that is read in `bare-user`, with its NUL, in bytes. No system takes more than 4 KiB, but
/// archives may bring one of 1 MiB.
const MAX_TARGET: u64 = (1 << 20) + 1;

/// The attribute that holds owner, mode and xattrs in `bare-user`.
pub(super) const BARE_USER_META: &CStr = c"user.ostreemeta";

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

impl ObjectDir {
    /// Opens a file object in the form that the mode gives it.
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

    fn archived(&self, checksum: &Checksum, mut file: File) -> Result<StoredFile, ReadError> {
        let path = || self.object_path(ObjectKind::File, checksum);
        let wrong = ReadError::parse(ObjectKind::File, checksum);
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
        let (header, size) = FileHeader::parse_archive(&header).map_err(&wrong)?;
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
            BareUserError::Parse(source) => ReadError::parse(ObjectKind::File, checksum)(source),
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
            xattrs.map_err(|e| ReadError::parse(ObjectKind::File, checksum)(e.into()))?
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
        let file = rustix::fs::openat(self.as_fd(), &relative, flags, Mode::empty());
        let file = File::from(file.at("open", &path)?);
        let mut bytes = Vec::new();
        file.take(u64::from(MAX_HEADER))
            .read_to_end(&mut bytes)
            .at("read", &path)?;
        Xattrs::parse(Span::new(&bytes)).map_err(ReadError::parse(ObjectKind::File, checksum))
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

enum BareUserError {
    Parse(ParseError),
    Path(PathError),
}

impl From<ParseError> for BareUserError {
    fn from(error: ParseError) -> Self {
        BareUserError::Parse(error)
    }
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
