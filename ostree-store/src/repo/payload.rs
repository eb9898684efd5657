//! Payload links: equal contents under different owners, modes or xattrs share their blocks on the disk.
//!
//! `objects/XX/REST.payload-link` is a symbolic link to the file object `../YY/REST.file`; XX… is the checksum of the
//! content alone. With `core.payload-link-threshold` a new object whose content is at least that large is made by
//! cloning the blocks of such a file, in `bare` and `bare-user`, where the file system can clone.
//! ostree makes no links in `bare-user-only`, nor when xattrs are left out of a commit; here the latter do not matter.
//! The clone is read once more before it counts: what a link leads to is only a hint here.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Seek};
use std::os::fd::BorrowedFd;
use std::sync::OnceLock;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::object_dir::relative_path;
use super::object_file::create;
use super::{Config, RepoMode, Transaction};
use crate::checksum::{Checksum, FileId, HashingReader};
use crate::object::{FileHeader, WriteError};
use crate::path_error::At;

const EXTENSION: &str = "payload-link";

/// What a transaction knows about payload links.
#[derive(Debug)]
pub(super) struct Payloads {
    /// The least size of a content that gets a link, in bytes.
    threshold: u64,
    can_clone: OnceLock<bool>,
}

impl Payloads {
    pub(super) fn new(config: &Config) -> Payloads {
        Payloads {
            threshold: config.unsigned("core", "payload-link-threshold", u64::MAX),
            can_clone: OnceLock::new(),
        }
    }
}

impl Transaction<'_> {
    /// Whether the content of this object gets a link, and is to be looked for behind one.
    pub(super) fn has_payload_link(&self, header: &FileHeader, size: u64) -> bool {
        matches!(self.repo().mode, RepoMode::Bare | RepoMode::BareUser)
            && !header.is_symlink()
            && size >= self.payloads.threshold
            && *self.payloads.can_clone.get_or_init(|| self.try_to_clone())
    }

    /// Lets a new, empty file share the blocks of a file that is there and has this content. Says whether it now has
    /// the content; otherwise it is empty.
    pub(super) fn clone_payload(&self, payload: &Checksum, size: u64, file: &mut File) -> bool {
        let published = self.repo().with_parents().map(|repo| repo.objects.as_fd());
        std::iter::once(self.staged.as_fd())
            .chain(published)
            .any(|dir| {
                source(dir, payload, size).is_some_and(|from| is_cloned(file, &from, payload))
            })
    }

    /// Makes the link from a content to an object that has it.
    pub(super) fn link_payload(&self, payload: &Checksum, id: &FileId) -> Result<(), WriteError> {
        let published = relative_path(payload, EXTENSION);
        let objects = self.repo().objects.as_fd();
        if rustix::fs::statat(objects, published, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Ok(());
        }
        let place = self.stage.place(payload, EXTENSION)?;
        let target = format!("../{}", relative_path(id.checksum(), "file"));
        match rustix::fs::symlinkat(target, place.dir, &place.name) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(e) => Ok(Err(e).at("create a link in", self.stage.path())?),
        }
    }

    /// Clones one byte.
    fn try_to_clone(&self) -> bool {
        let (from, to) = (self.stage.temporary(), self.stage.temporary());
        let cloned = (|| {
            let (Some(mut from), Some(to)) = (create(&from)?, create(&to)?) else {
                return Ok(false);
            };
            io::Write::write_all(&mut from, &[0])?;
            rustix::fs::ioctl_ficlone(&to, &from)?;
            Ok::<bool, io::Error>(true)
        })();
        for place in [from, to] {
            let _ = rustix::fs::unlinkat(place.dir, place.name, AtFlags::empty()); // goes with the directory at last
        }
        cloned.unwrap_or(false)
    }
}

/// The file behind a payload link, if it has the size of the content.
fn source(objects: BorrowedFd<'_>, payload: &Checksum, size: u64) -> Option<File> {
    let link = relative_path(payload, EXTENSION);
    let target = rustix::fs::readlinkat(objects, link, Vec::new()).ok()?;
    let relative = object_named(&target)?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::openat(objects, relative, flags, Mode::empty()).ok()?);
    let found = file.metadata().ok()?;
    (found.is_file() && found.len() == size).then_some(file)
}

/// The path of the file object in `../XX/REST.file`, and of nothing else.
fn object_named(target: &CString) -> Option<String> {
    let (prefix, rest) = target.to_str().ok()?.strip_prefix("../")?.split_once('/')?;
    let checksum = format!("{prefix}{}", rest.strip_suffix(".file")?);
    Some(relative_path(&checksum.parse().ok()?, "file"))
}

/// Clones and reads what has come of it; a file that is not the content becomes empty again.
fn is_cloned(file: &mut File, from: &File, payload: &Checksum) -> bool {
    if rustix::fs::ioctl_ficlone(&*file, from).is_err() {
        return false;
    }
    let mut reader = HashingReader::new(&[], &mut *file);
    let read = io::copy(&mut reader, &mut io::sink());
    if read.is_ok() && reader.finish().0 == *payload {
        return true;
    }
    // If this fails too, so does writing the content.
    let _ = file.rewind().and_then(|()| file.set_len(0));
    false
}
