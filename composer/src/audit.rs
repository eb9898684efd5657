//! A root compared with what its packages brought.
//!
//! | finding | |
//! |---|---|
//! | `A` | a file of no package |
//! | `D`, `d` | a directory of no package; `d` if its content is looked at too |
//! | `U` | other content, or another link target |
//! | `M`, `m` | another mode or owner of a file, of a directory |
//! | `x` | other extended attributes |
//! | `X` | a file that is missing, in a directory that was looked at |
//! | `e` | a file that cannot be read |
//!
//! No link is followed, and only regular files are opened: apk 3.0.6 waits for ever at a fifo.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use apk_format::database::{ProtectedPaths, Protection};
use apk_format::{Digest, InstalledDir, InstalledFile, xattr_hash};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use crate::inventory::{Inventory, PackageId};
use crate::root::Root;

/// What is looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// What an administrator changed where paths are protected: worth a backup.
    #[default]
    Backup,
    /// Changes to files of packages, but for protected ones.
    System,
    /// Everything that differs.
    Full,
}

/// How to look.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "apk's options are independent switches"
)]
pub struct Options {
    /// What is looked for.
    pub scope: Scope,
    /// What belongs to the administrator, seen from the root.
    pub protected: ProtectedPaths,
    /// Modes and owners count.
    pub check_permissions: bool,
    /// Directories of no package are looked into.
    pub recursive: bool,
    /// Digests of files of no package are wanted too.
    pub details: bool,
    /// Links to busybox that no package brought are passed over.
    pub ignore_busybox_links: bool,
}

/// Mode, owner and digest of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Permission bits.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Of its content or target.
    pub digest: Option<Digest>,
}

/// Something that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The letter of the table above.
    pub reason: char,
    /// Without a leading slash; with one at the end if it is a directory.
    pub path: String,
    /// Whose it is.
    pub package: Option<PackageId>,
    /// As the package has it.
    pub expected: Option<Access>,
    /// As it is.
    pub found: Option<Access>,
}

/// Compares everything below `start`, a path without slashes at its ends, with the packages of the inventory.
///
/// Files are visited in the order of their names, a directory before what is in it.
pub fn audit(
    root: &Root,
    inventory: &Inventory,
    options: &Options,
    start: &str,
) -> io::Result<Vec<Finding>> {
    let mut auditor = Auditor {
        root,
        options,
        owned: Owned::of(inventory),
        found: Vec::new(),
        visited: BTreeSet::new(),
    };
    let mut protected = options.protected.clone();
    for name in start.split('/').filter(|name| !name.is_empty()) {
        protected = protected.enter(name);
    }
    let mut way = vec![auditor.level(start, protected)?];
    while let Some(level) = way.last_mut() {
        let Some(name) = level.names.next() else {
            way.pop();
            continue;
        };
        if let Some(deeper) = auditor.visit(level, &name) {
            way.push(deeper);
        }
    }
    if options.scope != Scope::Backup {
        auditor.missing();
    }
    Ok(auditor.found)
}

/// What packages brought, by path.
struct Owned<'a> {
    files: BTreeMap<String, (PackageId, &'a InstalledFile)>,
    broken_xattrs: BTreeSet<PackageId>,
    /// Directories with whoever decides on them; those above one that a package names have nobody.
    dirs: HashMap<String, Option<Access>>,
}

impl<'a> Owned<'a> {
    fn of(inventory: &'a Inventory) -> Owned<'a> {
        let mut owned = Owned {
            files: BTreeMap::new(),
            broken_xattrs: BTreeSet::new(),
            dirs: HashMap::new(),
        };
        let mut deciding: HashMap<&str, (PackageId, &InstalledDir)> = HashMap::new();
        for package in inventory.packages() {
            let Some(installed) = &inventory[package].installed else {
                continue;
            };
            if installed.flags.broken_xattrs {
                owned.broken_xattrs.insert(package);
            }
            let files = installed.dirs.iter().flat_map(|dir| &dir.files);
            for (path, file) in installed.paths().zip(files) {
                owned.files.insert(path, (package, file));
            }
            for dir in &installed.dirs {
                deciding
                    .entry(&dir.path)
                    .and_modify(|(owner, decides)| {
                        if inventory.dir_owner(*owner, package) == package {
                            (*owner, *decides) = (package, dir);
                        }
                    })
                    .or_insert((package, dir));
                let mut above = dir.path.as_str();
                while let Some((parent, _)) = above.rsplit_once('/') {
                    owned.dirs.entry(parent.to_owned()).or_default();
                    above = parent;
                }
            }
        }
        for (path, (_, dir)) in deciding {
            let access = Access {
                mode: dir.mode,
                uid: dir.uid,
                gid: dir.gid,
                digest: None,
            };
            owned.dirs.insert(path.to_owned(), Some(access));
        }
        owned
    }
}

/// A directory being visited.
struct Level {
    dir: OwnedFd,
    path: String,
    protected: ProtectedPaths,
    names: std::vec::IntoIter<String>,
}

impl Level {
    fn join(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}/{name}", self.path)
        }
    }
}

struct Auditor<'a> {
    root: &'a Root,
    options: &'a Options,
    owned: Owned<'a>,
    found: Vec<Finding>,
    /// Directories in which a missing file would have shown, and files that were there.
    visited: BTreeSet<String>,
}

impl Auditor<'_> {
    fn level(&mut self, path: &str, protected: ProtectedPaths) -> io::Result<Level> {
        let dir = self
            .root
            .open_dir(if path.is_empty() { "." } else { path })?;
        let mut names = Vec::new();
        for entry in Dir::read_from(&dir)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        names.sort();
        self.visited.insert(path.to_owned());
        Ok(Level {
            dir,
            path: path.to_owned(),
            protected,
            names: names.into_iter(),
        })
    }

    /// Looks at one entry; gives the directory if what is in it is to be visited next.
    fn visit(&mut self, level: &Level, name: &str) -> Option<Level> {
        let path = level.join(name);
        let Ok(stat) = rustix::fs::statat(&level.dir, name, AtFlags::SYMLINK_NOFOLLOW) else {
            self.visited.insert(path.clone());
            self.report_file('e', path, None);
            return None;
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            self.file(level, name, path, &stat);
            return None;
        }
        let protected = level.protected.enter(name);
        let known = self.owned.dirs.get(&path).copied();
        let (compared, entered) = match self.options.scope {
            Scope::Backup => (!protected.here().is_none(), protected.has_below()),
            Scope::System if known.is_none() => return None,
            Scope::System => (true, true),
            Scope::Full => (protected.here() == Protection::None, true),
        };
        let reason = compared.then(|| self.directory(known, &stat)).flatten();
        if let Some(reason) = reason {
            let expected = known.flatten().filter(|_| reason == 'm');
            self.found.push(Finding {
                reason,
                path: format!("{path}/"),
                package: None,
                expected,
                found: Some(access(&stat, None)),
            });
        }
        if reason == Some('D') || !entered {
            return None;
        }
        let deeper = self.level(&path, protected).ok();
        if !compared {
            self.visited.remove(&path); // what is missing there is not told
        }
        deeper
    }

    /// What is to be said of a directory; `known` is what packages say, if they know it.
    fn directory(&self, known: Option<Option<Access>>, stat: &Stat) -> Option<char> {
        let Some(known) = known else {
            return Some(if self.options.recursive { 'd' } else { 'D' });
        };
        let wanted = known.filter(|_| self.options.check_permissions)?;
        (wanted != access(stat, None)).then_some('m')
    }

    fn file(&mut self, level: &Level, name: &str, path: String, stat: &Stat) {
        let is_link = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
        let owned = self.owned.files.get(&path).copied();
        self.visited.insert(path.clone());
        let mut reason = None;
        match (self.options.scope, level.protected.file(name)) {
            (Scope::Full, Protection::None) => {}
            (Scope::Full, Protection::SymlinksOnly) if !is_link => {}
            (Scope::Full, _) => return,
            (Scope::Backup, Protection::Changed) => {}
            (Scope::Backup, Protection::SymlinksOnly) if is_link => {}
            (Scope::Backup, Protection::All) => reason = Some('A'),
            (Scope::Backup, _) => return,
            (Scope::System, protection) if owned.is_none() || !protection.is_none() => return,
            (Scope::System, _) => {}
        }
        let aside = owned.is_none() || reason.is_some();
        if self.options.scope == Scope::Backup && aside && name.ends_with(".apk-new") {
            return;
        }
        if owned.is_none()
            && self.options.ignore_busybox_links
            && is_link
            && to_busybox(level, name)
        {
            return;
        }
        let mut found = access(stat, None);
        let reason = reason.or_else(|| self.compare(level, name, owned, stat, &mut found));
        if let Some(reason) = reason {
            self.report_file(reason, path, Some(found));
        }
    }

    fn compare(
        &self,
        level: &Level,
        name: &str,
        owned: Option<(PackageId, &InstalledFile)>,
        stat: &Stat,
        found: &mut Access,
    ) -> Option<char> {
        let Some((package, file)) = owned else {
            if self.options.details {
                match digest(level, name, stat, None) {
                    Ok(digest) => found.digest = digest,
                    Err(_) => return Some('e'),
                }
            }
            return Some('A');
        };
        match digest(level, name, stat, file.checksum) {
            Ok(digest) => found.digest = digest,
            Err(_) => return Some('e'),
        }
        if found.digest != file.checksum {
            return Some('U');
        }
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Symlink {
            return (file.checksum.is_none())
                .then_some('U')
                .or_else(|| self.moved(file, stat));
        }
        let ignore = self.owned.broken_xattrs.contains(&package) || kind != FileType::RegularFile;
        if !ignore && xattrs(level, name) != Ok(file.xattr_hash) {
            return Some('x');
        }
        self.moved(file, stat)
    }

    fn moved(&self, file: &InstalledFile, stat: &Stat) -> Option<char> {
        let as_it_is = access(stat, file.checksum);
        (self.options.check_permissions && expected(file) != as_it_is).then_some('M')
    }

    fn report_file(&mut self, reason: char, path: String, found: Option<Access>) {
        let owned = self.owned.files.get(&path);
        self.found.push(Finding {
            reason,
            package: owned.map(|(package, _)| *package),
            expected: owned.map(|(_, file)| expected(file)),
            path,
            found,
        });
    }

    /// Files of packages that were not there, in directories that were visited.
    fn missing(&mut self) {
        let mut missing = Vec::new();
        for path in self.owned.files.keys() {
            let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
            if self.visited.contains(path) || !self.visited.contains(dir) {
                continue;
            }
            let mut protected = self.options.protected.clone();
            for name in dir.split('/').filter(|name| !name.is_empty()) {
                protected = protected.enter(name);
            }
            if protected.file(name) != Protection::Ignore {
                missing.push(path.clone());
            }
        }
        for path in missing {
            self.report_file('X', path, None);
        }
    }
}

fn access(stat: &Stat, digest: Option<Digest>) -> Access {
    Access {
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        digest,
    }
}

fn expected(file: &InstalledFile) -> Access {
    Access {
        mode: file.mode & 0o7777,
        uid: file.uid,
        gid: file.gid,
        digest: file.checksum,
    }
}

fn to_busybox(level: &Level, name: &str) -> bool {
    const TARGETS: [&[u8]; 3] = [b"/bin/busybox", b"/bin/bbsuid", b"/bin/busybox-extras"];
    let target = rustix::fs::readlinkat(&level.dir, name, Vec::new());
    target.is_ok_and(|target| TARGETS.contains(&target.to_bytes()))
}

/// The digest of a file's content or a link's target, by the algorithm of `like`; SHA-256 without.
fn digest(
    level: &Level,
    name: &str,
    stat: &Stat,
    like: Option<Digest>,
) -> io::Result<Option<Digest>> {
    let sha1 = matches!(like, Some(Digest::Sha1(_)));
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(&level.dir, name, Vec::new())?;
            let target = target.to_bytes();
            Ok(Some(if sha1 {
                Digest::sha1(target)
            } else {
                Digest::sha256(target)
            }))
        }
        FileType::RegularFile => {
            let mut file = open(level, name)?;
            let digest = if sha1 {
                let mut hash = Sha1::new();
                read(&mut file, |bytes| hash.update(bytes))?;
                Digest::Sha1(hash.finalize().into())
            } else {
                let mut hash = Sha256::new();
                read(&mut file, |bytes| hash.update(bytes))?;
                Digest::Sha256(hash.finalize().into())
            };
            Ok(Some(digest))
        }
        _ => Ok(None),
    }
}

fn open(level: &Level, name: &str) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(&level.dir, name, flags, Mode::empty())?;
    Ok(File::from(fd))
}

fn read(file: &mut File, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; 128 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            length => take(buffer.get(..length).unwrap_or_default()),
        }
    }
}

/// The hash of a file's extended attributes, if it has any; the error says only that they cannot be read.
fn xattrs(level: &Level, name: &str) -> Result<Option<Digest>, ()> {
    let file = open(level, name).map_err(drop)?;
    let mut names = vec![0; 64 << 10];
    let length = match rustix::fs::flistxattr(&file, names.as_mut_slice()) {
        Ok(length) => length,
        Err(rustix::io::Errno::NOTSUP) => return Ok(None),
        Err(_) => return Err(()),
    };
    let mut found = BTreeMap::new();
    let list = names.get(..length).unwrap_or_default();
    for name in list
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        let mut value = vec![0; 64 << 10];
        let length = rustix::fs::fgetxattr(&file, name, value.as_mut_slice()).map_err(drop)?;
        value.truncate(length);
        found.insert(String::from_utf8_lossy(name).into_owned(), value);
    }
    Ok(xattr_hash(&found))
}
