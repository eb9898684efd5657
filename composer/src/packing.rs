//! A directory as the entries of a package that is to be made.
//!
//! | danger | answer |
//! |---|---|
//! | a link in the way | never followed: everything is opened beneath the directory without links (`openat2`) |
//! | a fifo that nobody writes to, a device | only looked at, never opened |
//! | a file that changes meanwhile | found when its content is packed: the digest is another one |
//! | another order on another disk | names are sorted |
//!
//! Owners are named by the `etc/passwd` and `etc/group` of a root; who is not in there is `nobody`, or `root` for 0.
//! Of several names with one number the last line counts. Sockets are left out.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use apk_format::{Digest, Entry, EntryKind};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use sha2::{Digest as _, Sha256};

/// Names by number.
#[derive(Clone, Debug, Default)]
pub struct Names {
    users: HashMap<u32, String>,
    groups: HashMap<u32, String>,
}

impl Names {
    /// Reads an `etc/passwd` and an `etc/group`.
    #[must_use]
    pub fn read(passwd: &[u8], group: &[u8]) -> Names {
        Names {
            users: names(passwd),
            groups: names(group),
        }
    }
}

fn names(file: &[u8]) -> HashMap<u32, String> {
    let text = String::from_utf8_lossy(file);
    let name = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        Some((fields.nth(1)?.parse().ok()?, name))
    };
    text.lines().filter_map(name).collect()
}

fn name(names: &HashMap<u32, String>, number: u32) -> String {
    let unknown = if number == 0 { "root" } else { "nobody" };
    let name = names.get(&number).map(String::as_str);
    name.unwrap_or(unknown).to_owned()
}

/// A directory that is to be packed.
#[derive(Debug)]
pub struct Source {
    dir: OwnedFd,
    /// Whether extended attributes of files and directories are packed too.
    pub xattrs: bool,
    /// The time of every file, in Unix seconds, instead of its own.
    pub mtime: Option<u64>,
}

/// What a directory has.
#[derive(Debug, Default)]
pub struct Packing {
    /// Directories before what is in them, each in the order of names; the first is the directory itself.
    pub entries: Vec<Entry>,
    /// Sockets, which no package has.
    pub ignored: Vec<String>,
}

impl Source {
    /// An existing directory.
    pub fn open(path: &Path) -> io::Result<Source> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(Source {
            dir: rustix::fs::open(path, flags, Mode::empty())?,
            xattrs: true,
            mtime: None,
        })
    }

    /// Walks all of it; every regular file is read for its digest.
    pub fn walk(&self, names: &Names) -> Result<Packing, PackingError> {
        let mut walk = Walk {
            source: self,
            names,
            packing: Packing::default(),
            inodes: HashMap::new(),
        };
        let mut waiting = vec![String::new()];
        while let Some(path) = waiting.pop() {
            let below = walk.directory(&path).map_err(|error| error.at(&path))?;
            waiting.extend(below.into_iter().rev());
        }
        Ok(walk.packing)
    }

    /// Opens a file that was walked over, to read its content.
    pub fn content(&self, path: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW;
        self.open_at(path, flags).map(File::from)
    }

    fn open_at(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let path = if path.is_empty() { "." } else { path };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let flags = flags | OFlags::CLOEXEC;
        Ok(rustix::fs::openat2(
            &self.dir,
            path,
            flags,
            Mode::empty(),
            resolve,
        )?)
    }
}

struct Walk<'a> {
    source: &'a Source,
    names: &'a Names,
    packing: Packing,
    /// Of files with several names: the first one, by device and inode.
    inodes: HashMap<(u64, u64), String>,
}

impl Walk<'_> {
    /// Takes a directory and all in it that is none; gives the paths of those that are.
    fn directory(&mut self, path: &str) -> Result<Vec<String>, Problem> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let dir = self.source.open_at(path, flags)?;
        let stat = rustix::fs::fstat(&dir).map_err(io::Error::from)?;
        let mut entry = self.entry(path, EntryKind::Dir, &stat);
        entry.xattrs = self.xattrs(&dir)?;
        self.packing.entries.push(entry);
        let mut names = Vec::new();
        for found in Dir::read_from(&dir).map_err(io::Error::from)? {
            let found = found.map_err(io::Error::from)?;
            match found.file_name().to_str() {
                Ok("." | "..") => {}
                Ok(name) => names.push(name.to_owned()),
                Err(_) => {
                    let name = found.file_name().to_string_lossy().into_owned();
                    return Err(Problem::NotUtf8 { name });
                }
            }
        }
        names.sort_unstable();
        let mut below = Vec::new();
        for name in names {
            let path = match path {
                "" => name.clone(),
                path => format!("{path}/{name}"),
            };
            if self.inner(&dir, &name, &path)? {
                below.push(path);
            }
        }
        Ok(below)
    }

    /// Takes what is in a directory; `true` for another directory, which comes later.
    fn inner(&mut self, dir: &OwnedFd, name: &str, path: &str) -> Result<bool, Problem> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let stat = rustix::fs::statat(dir, name, flags).map_err(io::Error::from)?;
        let (major, minor) = device(&stat);
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => return Ok(true),
            FileType::RegularFile => {
                self.file(path)?;
                return Ok(false);
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(dir, name, Vec::new());
                let target = target.map_err(io::Error::from)?.into_string();
                let name = name.to_owned();
                EntryKind::Symlink {
                    target: target.map_err(|_| Problem::NotUtf8 { name })?,
                }
            }
            FileType::CharacterDevice => EntryKind::Char { major, minor },
            FileType::BlockDevice => EntryKind::Block { major, minor },
            FileType::Fifo => EntryKind::Fifo,
            _ => {
                self.packing.ignored.push(path.to_owned());
                return Ok(false);
            }
        };
        let entry = self.entry(path, kind, &stat);
        self.packing.entries.push(entry);
        Ok(false)
    }

    fn file(&mut self, path: &str) -> Result<(), Problem> {
        let file = self.source.content(path);
        let mut file = file.map_err(|source| Problem::Closed {
            path: path.to_owned(),
            source,
        })?;
        let stat = rustix::fs::fstat(&file).map_err(io::Error::from)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(io::Error::other("it changes while it is read").into());
        }
        let inode = (stat.st_dev, stat.st_ino);
        let several = stat.st_nlink > 1;
        let mut entry = match self.inodes.get(&inode).filter(|_| several) {
            Some(first) => {
                let target = first.clone();
                self.entry(path, EntryKind::HardLink { target }, &stat)
            }
            None => {
                let (size, digest) = hash(&mut file)?;
                let entry = self.entry(path, EntryKind::File { size }, &stat);
                Entry {
                    checksum: Some(digest),
                    ..entry
                }
            }
        };
        if several {
            let first = self.inodes.entry(inode);
            first.or_insert_with(|| path.to_owned());
        }
        entry.xattrs = self.xattrs(&file)?;
        self.packing.entries.push(entry);
        Ok(())
    }

    fn entry(&self, path: &str, kind: EntryKind, stat: &Stat) -> Entry {
        let own = u64::try_from(stat.st_mtime).unwrap_or_default();
        Entry {
            path: path.to_owned(),
            kind,
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            uname: name(&self.names.users, stat.st_uid),
            gname: name(&self.names.groups, stat.st_gid),
            mtime: self.source.mtime.unwrap_or(own),
            xattrs: BTreeMap::new(),
            checksum: None,
        }
    }

    fn xattrs(&self, file: &impl AsFd) -> Result<BTreeMap<String, Vec<u8>>, Problem> {
        if !self.source.xattrs {
            return Ok(BTreeMap::new());
        }
        let mut list = Vec::with_capacity(XATTRS);
        match rustix::fs::flistxattr(file, rustix::buffer::spare_capacity(&mut list)) {
            Ok(_) => {}
            Err(rustix::io::Errno::NOTSUP) => return Ok(BTreeMap::new()),
            Err(error) => return Err(io::Error::from(error).into()),
        }
        let mut xattrs = BTreeMap::new();
        for name in list
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty())
        {
            let mut value = Vec::with_capacity(XATTRS);
            rustix::fs::fgetxattr(file, name, rustix::buffer::spare_capacity(&mut value))
                .map_err(io::Error::from)?;
            let name = String::from_utf8_lossy(name).into_owned();
            xattrs.insert(name, value);
        }
        Ok(xattrs)
    }
}

fn hash(file: &mut File) -> io::Result<(u64, Digest)> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; BUFFER];
    let mut size = 0_u64;
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            return Ok((size, Digest::Sha256(hash.finalize().into())));
        }
        hash.update(buffer.get(..length).unwrap_or_default());
        size += u64::try_from(length).unwrap_or_default();
    }
}

fn device(stat: &Stat) -> (u32, u32) {
    let number = stat.st_rdev;
    (rustix::fs::major(number), rustix::fs::minor(number))
}

/// Why a directory cannot be packed.
#[derive(Debug, thiserror::Error)]
#[error("cannot pack {path:?}")]
pub struct PackingError {
    /// The directory in which it happened, from the one that is packed; empty for that.
    pub path: String,
    /// What happened.
    pub source: Problem,
}

/// What is wrong with something in a directory.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The system refuses.
    #[error(transparent)]
    System(#[from] io::Error),
    /// A file that cannot be opened.
    #[error("cannot open {path:?}")]
    Closed {
        /// From the directory that is packed.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A name, or the target of a link, that no package can have.
    #[error("the name or target of {name:?} is not UTF-8")]
    NotUtf8 {
        /// The name, as far as it can be read.
        name: String,
    },
}

impl Problem {
    fn at(self, path: &str) -> PackingError {
        PackingError {
            path: path.to_owned(),
            source: self,
        }
    }
}

/// Linux has no longer lists of attributes, and no longer values.
const XATTRS: usize = 64 << 10;

const BUFFER: usize = 128 << 10;
