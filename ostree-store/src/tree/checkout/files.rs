//! One file of a checkout: a link to its object, a copy, or a symbolic link made new.
//!
//! | repository mode | owners as stored | owned by the user |
//! |---|---|---|
//! | `bare` | link | copy |
//! | `bare-user` | copy | link, which carries `user.ostreemeta` |
//! | `bare-user-only` | link | link |
//! | `archive` | copy | link to the cache of uncompressed objects if that is to be used, else copy |
//!
//! Empty files are always copies, and so are files that the user could not read. Symbolic links are links to their
//! objects only in `bare` with owners as stored. Where the file system allows no link, a copy is made.

use super::copy::in_copy;
use super::{Checkout, CheckoutError, OpenDir, Ownership, whiteouts};
use crate::checksum::FileId;
use crate::object::Name;
use crate::repo::{FileInfo, RepoMode, UncompressedCache};

/// How a file gets to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Link,
    CachedLink,
    Copy,
}

impl Checkout<'_> {
    /// Makes one file, or does what it stands for if it is a whiteout.
    pub(super) fn file(
        &self,
        dir: &OpenDir,
        name: &Name,
        id: &FileId,
    ) -> Result<(), CheckoutError> {
        let may_hide = self.options.passthrough_whiteouts;
        let info = self.repo.file_info(id, may_hide)?;
        if !info.header.is_symlink() && self.whiteout(dir, name, &info.header)? {
            return Ok(());
        }
        let name = name.as_str();
        let linked = match self.way(&info)? {
            Way::Link => match self.repo.linkable(id)? {
                Some((objects, object)) => self.link(dir, name, (objects, &object), id)?,
                None => false,
            },
            Way::CachedLink => self.link_to_cache(dir, name, id)?,
            Way::Copy => false,
        };
        if linked {
            return Ok(());
        }
        let mut stored = self.repo.file(id)?;
        self.copy(dir, name, id, &mut stored)
            .map_err(|cause| in_copy(*id, name, cause))
    }

    fn way(&self, stored: &FileInfo) -> Result<Way, CheckoutError> {
        let symlink = stored.header.is_symlink();
        let unreadable = self.ownership == Ownership::User && stored.header.mode & 0o400 == 0;
        if self.options.force_copy || (!symlink && (stored.size == 0 || unreadable)) {
            return Ok(Way::Copy);
        }
        let refuse = |mode, what| match self.options.require_hard_links {
            true => Err(CheckoutError::NoHardLink { mode, what }),
            false => Ok(Way::Copy),
        };
        match (self.repo.mode(), self.ownership) {
            (RepoMode::Bare, Ownership::AsStored) => Ok(Way::Link),
            (RepoMode::Archive, Ownership::User) if self.cache.is_some() => Ok(match symlink {
                true => Way::Copy,
                false => Way::CachedLink,
            }),
            // ostree has these words for all three.
            (RepoMode::Bare | RepoMode::BareSplitXattrs | RepoMode::Archive, _) => {
                refuse("Bare", "cannot hardlink in user checkout mode")
            }
            _ if symlink => Ok(Way::Copy),
            (RepoMode::BareUserOnly, _) | (RepoMode::BareUser, Ownership::User) => Ok(Way::Link),
            (RepoMode::BareUser, _) => refuse("User", "requires user checkout mode to hardlink"),
        }
    }

    /// Links to the plain copy of an object, which is made if it is not there. Says whether that could be done.
    fn link_to_cache(&self, dir: &OpenDir, name: &str, id: &FileId) -> Result<bool, CheckoutError> {
        let Some(cache) = &self.cache else {
            return Ok(false);
        };
        let object = UncompressedCache::name_of(id);
        if let Some(copies) = cache.dir()?
            && self.link(dir, name, (copies, &object), id)?
        {
            return Ok(true);
        }
        cache
            .fill(id, &mut self.repo.file(id)?)
            .map_err(|cause| CheckoutError::Unpack { id: *id, cause })?;
        let Some(copies) = cache.dir()? else {
            return Ok(false);
        };
        self.link(dir, name, (copies, &object), id)
            .map_err(|cause| CheckoutError::Cached {
                id: *id,
                name: name.to_owned(),
                cause: Box::new(cause),
            })
    }

    /// Does what a whiteout says; says whether the file was one.
    fn whiteout(
        &self,
        dir: &OpenDir,
        name: &Name,
        header: &crate::object::FileHeader,
    ) -> Result<bool, CheckoutError> {
        if self.options.whiteouts
            && let Some(hidden) = name.as_str().strip_prefix(whiteouts::PREFIX)
        {
            return self.remove_hidden(dir, name, hidden).map(|()| true);
        }
        if self.options.passthrough_whiteouts
            && let Some(hidden) = name.as_str().strip_prefix(whiteouts::OVERLAY_PREFIX)
        {
            return self.hide(dir, name, hidden, header).map(|()| true);
        }
        Ok(false)
    }
}
