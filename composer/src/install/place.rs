//! Files that wait are put in their places, and the package is recorded.
//!
//! First every entry is looked at in the order of the package: directories are made, and each file gets its place or is
//! left out. Then the files are renamed, in the order of the record. So a file that cannot be put in its place does not
//! keep the others from theirs, and the record says what the package is meant to have.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::OwnedFd;

use apk_format::database::DirectoryOrder;
use apk_format::{Dialect, DigestKind, InstalledDir, InstalledFile, InstalledPackage, PackageInfo};

use super::across::{Across, First, Inode};
use super::disk::{self, split};
use super::packages::{join, recorded};
use super::stage::{Made, Staged, StagedEntry, StagedKind};
use super::{Happened, Install, Lost, Owners, Run};
use crate::accounts::Accounts;
use crate::layer::title;
use crate::ownership::{
    NEW_SUFFIX, Newcomer, Placing, Ruling, digests_of, only_keeps_directory, placing, rule,
};

/// Files by device and inode.
pub(super) type Inodes = HashSet<(u64, u64)>;

impl Run<'_> {
    /// A package that says it has no content is recorded; its file is not opened.
    pub(super) fn install_nothing(&mut self, install: &Install) {
        let record = &install.record;
        let info = PackageInfo::unopened(record.name.as_str(), record.version.clone());
        let mut package = InstalledPackage::new(record.clone(), &info, DigestKind::Sha1);
        package.tag.clone_from(&install.tag);
        let previous = self.packages.find(&record.name).map(|(index, _)| index);
        let index = self.packages.reserve();
        self.packages.put(index, package);
        self.kept.forget(&record.identity);
        if let Some(previous) = previous {
            self.remove_at(previous, &Inodes::new());
        }
    }

    /// Puts a package in place of whatever the root has of it.
    pub(super) fn install(&mut self, install: &Install, staged: &Staged) {
        let owners = staged.entries.iter().map(|entry| &*entry.named);
        let accounts = self.lookup.next_package(owners);
        let found = self.packages.find(&install.record.name);
        let previous = found.map(|(index, _)| index);
        let again = found
            .map(|(_, package)| package)
            .filter(|known| {
                known
                    .record
                    .identity
                    .same_identity(&install.record.identity)
            })
            .cloned();
        let index = match previous.filter(|_| again.is_some()) {
            Some(index) => index,
            None => self.packages.reserve(),
        };
        let mut incoming = Incoming {
            title: title(&install.record),
            staged,
            accounts,
            index,
            places: HashMap::new(),
            accepted: HashMap::new(),
            doubles: Vec::new(),
            copied: HashMap::new(),
            without_room: HashSet::new(),
            record: new_record(install, staged, again.as_ref()),
            again: again.is_some(),
        };
        incoming.note_places();
        for (number, entry) in staged.entries.iter().enumerate() {
            match entry.kind {
                StagedKind::Dir => self.accept_dir(&mut incoming, entry),
                _ => self.accept_file(&mut incoming, number, entry),
            }
        }
        incoming.arrange(self.packages.dialect, again.as_ref());
        let upgrade = previous.is_some_and(|previous| previous != index);
        let fresh = self.settle(&mut incoming, upgrade);
        if again.is_some() {
            self.packages.take(index);
        }
        if incoming.record.flags.broken_files {
            self.errors += 1;
            if again.is_none() && self.packages.dialect == Dialect::Apk2 {
                incoming.record.tag = None; // apk 2.14 pins what is whole
            }
        }
        self.packages.put(index, incoming.record);
        self.kept.take_in(&install.record, staged);
        if let Some(previous) = previous.filter(|_| upgrade) {
            self.remove_at(previous, &fresh);
        }
    }

    fn accept_dir(&mut self, incoming: &mut Incoming<'_>, entry: &StagedEntry) {
        let slash = match incoming.staged.digests {
            DigestKind::Sha1 => "/",
            DigestKind::Sha256 => "",
        };
        let path = &format!("{}{slash}", entry.path);
        self.tell(&incoming.title, &Happened::Entry { path, dir: true });
        let (uid, gid) = incoming.accounts.numbers(&entry.named);
        self.bring_dir(&entry.path, (uid, gid, entry.mode));
        if let Some(dir) = incoming.dir(&entry.path) {
            (dir.uid, dir.gid, dir.mode) = (uid, gid, entry.mode);
            dir.xattr_hash = entry.xattr_hash.as_deref().copied();
        }
    }

    /// Looks for the place of a file; what has none is told and left out.
    fn accept_file(&mut self, incoming: &mut Incoming<'_>, number: usize, entry: &StagedEntry) {
        let path = &*entry.path;
        let (dir, name) = split(path);
        if only_keeps_directory(self.packages.dialect, name) {
            return;
        }
        if !dir.is_empty() && !incoming.places.contains_key(dir) {
            incoming.record.flags.broken_files = true;
            self.tell(&incoming.title, &Happened::NoDirectory(path));
            return;
        }
        let mut checksum = entry.checksum;
        if let StagedKind::HardLink(target) = &entry.kind {
            let first = incoming.accepted.get(&**target).copied();
            let Some(first) = first.and_then(|first| incoming.staged.entries.get(first)) else {
                incoming.record.flags.broken_files = true;
                self.tell(&incoming.title, &Happened::NoLinkTarget { path, target });
                return;
            };
            checksum = first.checksum;
        }
        if !self.may_have(incoming, path) {
            return;
        }
        self.tell(&incoming.title, &Happened::Entry { path, dir: false });
        let waits = self.is_waiting(incoming, path, &entry.made) && self.has_room(incoming, path);
        let (uid, gid) = incoming.accounts.numbers(&entry.named);
        let file = InstalledFile {
            name: name.to_owned(),
            uid,
            gid,
            mode: entry.mode,
            xattr_hash: entry.xattr_hash.as_deref().copied(),
            checksum: checksum.filter(|_| waits),
        };
        incoming.add_file(dir, file, waits);
        if incoming.accepted.insert(path.to_owned(), number).is_some() {
            incoming.doubles.push(path.to_owned());
        }
    }

    /// Whether the package gets a path, or another one keeps it.
    fn may_have(&mut self, incoming: &mut Incoming<'_>, path: &str) -> bool {
        let Some(holder) = self.packages.owner(path).filter(|o| *o != incoming.index) else {
            return true;
        };
        let Some(package) = self.packages.get(holder) else {
            return true;
        };
        let newcomer = Newcomer {
            record: &incoming.record.record,
            replaces: &incoming.record.replaces,
            priority: incoming.record.replaces_priority,
        };
        let leaving = self.packages.is_leaving(holder);
        match rule(self.packages.dialect, package, leaving, &newcomer) {
            Ruling::Takes | Ruling::Replaces => true,
            Ruling::Keeps => false,
            Ruling::Conflict => {
                let forced = self.options.force_overwrite;
                let owner = title(&package.record);
                incoming.record.flags.broken_files |= !forced;
                let owner = owner.as_str();
                let conflict = Happened::Conflict {
                    path,
                    owner,
                    forced,
                };
                self.tell(&incoming.title, &conflict);
                forced
            }
        }
    }

    /// Whether a file waits to be put in its place; tells what went wrong with it.
    fn is_waiting(&mut self, incoming: &mut Incoming<'_>, path: &str, made: &Made) -> bool {
        match made {
            Made::Whole => true,
            Made::Skipped => false,
            Made::Without(lost) => {
                incoming.without(*lost);
                let lost = *lost;
                self.tell(&incoming.title, &Happened::Without { path, lost });
                true
            }
            Made::Failed(error) => {
                incoming.record.flags.broken_files = true;
                self.tell(&incoming.title, &Happened::NotMade { path, error });
                false
            }
        }
    }

    /// Whether there is a directory for a file; what stands there may be a file, or a link to nothing.
    fn has_room(&mut self, incoming: &mut Incoming<'_>, path: &str) -> bool {
        let Err(ref error) = self.disk.dir(split(path).0) else {
            return true;
        };
        incoming.record.flags.broken_files = true;
        incoming.without_room.insert(path.to_owned());
        self.tell(&incoming.title, &Happened::NotMade { path, error });
        false
    }

    /// Puts the accepted files in their places. For an upgrade, gives those that were at no path before.
    fn settle(&mut self, incoming: &mut Incoming<'_>, upgrade: bool) -> Inodes {
        let mut fresh = Inodes::new();
        let mut accounts_changed = false;
        let dirs = std::mem::take(&mut incoming.record.dirs);
        for dir in &dirs {
            for file in &dir.files {
                let path = join(&dir.path, &file.name);
                let Some(number) = incoming.accepted.get(&path).copied() else {
                    continue; // of an earlier installation of the same package
                };
                let holder = self.packages.owner(&path);
                let placed = self.put(incoming, number, &path, file);
                accounts_changed |= placed && matches!(&*path, "etc/passwd" | "etc/group");
                if upgrade && holder.is_none() {
                    fresh.extend(self.inode(&path));
                }
                self.claim(incoming, holder, path);
            }
        }
        incoming.record.dirs = dirs;
        for path in std::mem::take(&mut incoming.doubles) {
            // It has gone to its place already: apk looks for what waits once more.
            let error = &rustix::io::Errno::NOENT.into();
            self.tell(&incoming.title, &Happened::NotPlaced { path: &path, error });
            incoming.record.flags.broken_files = true;
        }
        if accounts_changed {
            let read = |path| self.disk.root.read(path).ok().flatten();
            let (passwd, group) = (read("etc/passwd"), read("etc/group"));
            self.lookup.installed(passwd.as_deref(), group.as_deref());
        }
        fresh
    }

    /// The path is the package's from now on.
    fn claim(&mut self, incoming: &Incoming<'_>, holder: Option<usize>, path: String) {
        let name = &incoming.record.record.name;
        if let Some(holder) = holder.filter(|holder| *holder != incoming.index)
            && self
                .packages
                .get(holder)
                .is_some_and(|other| other.record.name != *name)
        {
            let (dir, name) = split(&path);
            self.packages.disown(holder, dir, name);
        }
        self.packages.own(path, incoming.index);
    }

    fn inode(&mut self, path: &str) -> Option<(u64, u64)> {
        let stat = self.disk.stat(path).ok()??;
        Some((stat.st_dev, stat.st_ino))
    }

    /// Puts one file in its place, beside it, or nowhere; gives whether it went to its place.
    fn put(
        &mut self,
        incoming: &mut Incoming<'_>,
        number: usize,
        path: &str,
        file: &InstalledFile,
    ) -> bool {
        let staged = incoming.staged;
        let (Some(entry), Some(waiting)) = (staged.entries.get(number), &staged.dir) else {
            return false;
        };
        let failed = matches!(entry.made, Made::Failed(_)) || incoming.without_room.contains(path);
        if failed && self.packages.dialect == Dialect::Apk2 {
            // apk 2.14 tries all the same.
            let error = &io::ErrorKind::NotFound.into();
            self.tell(&incoming.title, &Happened::NotPlaced { path, error });
        }
        if failed || !entry.waits() {
            return false;
        }
        let done = self
            .placing(path, file, staged.digests)
            .and_then(|placing| {
                self.correct_owner(incoming, entry, waiting, number, (file.uid, file.gid));
                self.rename(incoming, waiting, number, path, placing)?;
                Ok(placing)
            });
        match done {
            Ok(Placing::Beside) => {
                let beside = format!("{path}{NEW_SUFFIX}");
                self.tell(&incoming.title, &Happened::Beside(&beside));
            }
            Ok(_) => {}
            Err(ref error) => {
                incoming.record.flags.broken_files = true;
                self.tell(&incoming.title, &Happened::NotPlaced { path, error });
            }
        }
        matches!(done, Ok(Placing::Put))
    }

    fn placing(
        &mut self,
        path: &str,
        file: &InstalledFile,
        digests: DigestKind,
    ) -> io::Result<Placing> {
        let (dir, name) = split(path);
        if !self.protected.covers(dir) || self.disk.stat(path)?.is_none() {
            return Ok(Placing::Put);
        }
        let holder = self.packages.owner(path);
        let holder = holder.and_then(|holder| self.packages.get(holder));
        let known = holder
            .and_then(|holder| Some((recorded(holder, dir, name)?.checksum, digests_of(holder))));
        let (expected, algorithm) = known.unwrap_or((None, digests));
        let changed = !self.disk.has_content(path, expected.as_ref(), algorithm)?;
        let same = changed
            && self
                .disk
                .has_content(path, file.checksum.as_ref(), digests)?;
        Ok(placing(changed, same, self.options.clean_protected))
    }

    /// The accounts may have changed since the file was made.
    fn correct_owner(
        &mut self,
        incoming: &mut Incoming<'_>,
        entry: &StagedEntry,
        waiting: &OwnedFd,
        number: usize,
        owner: (u32, u32),
    ) {
        if self.options.owners == Owners::Caller || owner == entry.given {
            return;
        }
        let lost = entry.give(waiting, &number.to_string(), owner);
        if lost != Lost::default() {
            incoming.without(lost);
            let path = &*entry.path;
            self.tell(&incoming.title, &Happened::Without { path, lost });
        }
    }

    fn rename(
        &mut self,
        incoming: &mut Incoming<'_>,
        waiting: &OwnedFd,
        number: usize,
        path: &str,
        placing: Placing,
    ) -> io::Result<()> {
        let (dir, name) = split(path);
        let beside = format!("{name}{NEW_SUFFIX}");
        let name = match placing {
            Placing::Put => name,
            Placing::Beside => &beside,
            Placing::Leave => return Ok(()),
        };
        let to = self.disk.dir(dir)?;
        if !self.options.copies {
            match disk::rename(waiting, &number.to_string(), &to, name) {
                Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {}
                other => return other,
            }
        }
        self.copy(incoming, number, &to, (dir, name))
    }

    /// Copies a file that waits into a directory on another file system.
    fn copy(
        &mut self,
        incoming: &mut Incoming<'_>,
        number: usize,
        to: &OwnedFd,
        (dir, name): (&str, &str),
    ) -> io::Result<()> {
        let staged = incoming.staged;
        let (Some(entry), Some(waiting)) = (staged.entries.get(number), &staged.dir) else {
            return Ok(());
        };
        let across = Across {
            entry,
            waiting,
            name: &number.to_string(),
            owned: self.options.owners == Owners::Package,
        };
        self.area.remember_copy(dir)?;
        let shared = across.shared();
        let first = shared.and_then(|shared| incoming.copied.get(&shared));
        let first_dir = first.and_then(|(dir, ..)| self.disk.dir(dir).ok());
        let first = first.zip(first_dir.as_deref());
        let first = first.map(|((_, name, inode), dir)| First {
            dir,
            name,
            inode: *inode,
        });
        let inode = across.put(to, name, first.as_ref())?;
        if let Some(shared) = shared {
            let place = (dir.to_owned(), name.to_owned(), inode);
            incoming.copied.insert(shared, place);
        }
        Ok(())
    }
}

/// A package on its way into the root.
struct Incoming<'s> {
    /// `name-version`
    title: String,
    staged: &'s Staged,
    /// What the names of owners mean at this moment.
    accounts: Accounts,
    /// Its place among the packages.
    index: usize,
    /// Where in the record a directory stands.
    places: HashMap<String, usize>,
    /// The entries that go into the root, by path.
    accepted: HashMap<String, usize>,
    /// Paths that came again.
    doubles: Vec<String>,
    /// Where files with several names were copied to: directory and name there.
    copied: HashMap<Inode, (String, String, Inode)>,
    /// Those of them whose directory is none.
    without_room: HashSet<String>,
    record: InstalledPackage,
    /// Whether the record began with that of an earlier installation.
    again: bool,
}

impl Incoming<'_> {
    fn note_places(&mut self) {
        let dirs = self.record.dirs.iter().enumerate();
        self.places = dirs.map(|(place, dir)| (dir.path.clone(), place)).collect();
    }

    /// The directory in the record, added at its end if it is new.
    fn dir(&mut self, path: &str) -> Option<&mut InstalledDir> {
        let dirs = &mut self.record.dirs;
        let place = match self.places.get(path) {
            Some(place) => *place,
            None => {
                dirs.push(InstalledDir::new(path));
                self.places.insert(path.to_owned(), dirs.len() - 1);
                dirs.len() - 1
            }
        };
        dirs.get_mut(place)
    }

    /// A file that does not wait to be put in its place keeps the checksum of an earlier installation.
    fn add_file(&mut self, dir: &str, file: InstalledFile, waits: bool) {
        let again = self.again || self.accepted.contains_key(&join(dir, &file.name));
        let Some(dir) = self.dir(dir) else {
            return;
        };
        let known = again
            .then(|| dir.files.iter_mut().find(|known| known.name == file.name))
            .flatten();
        match known {
            Some(known) => {
                let earlier = known.checksum.filter(|_| !waits);
                *known = file;
                known.checksum = known.checksum.or(earlier);
            }
            None => dir.files.push(file),
        }
    }

    /// Brings the record into the order of the database.
    fn arrange(&mut self, dialect: Dialect, again: Option<&InstalledPackage>) {
        if dialect == Dialect::Apk2 || again.is_some_and(|old| same_places(old, &self.record)) {
            return;
        }
        let mut order = DirectoryOrder::default();
        for entry in &self.staged.entries {
            match &entry.kind {
                StagedKind::Dir => order.enter(&entry.path),
                _ => order.enter(split(&entry.path).0),
            }
        }
        self.record.arrange(order);
    }

    fn without(&mut self, lost: Lost) {
        let flags = &mut self.record.flags;
        let only_xattrs = Lost {
            xattrs: true,
            ..Lost::default()
        };
        if lost == only_xattrs {
            flags.broken_xattrs = true;
        } else {
            flags.broken_files = true;
        }
    }
}

/// A record without files; of the same package once more, with those it has.
fn new_record(
    install: &Install,
    staged: &Staged,
    again: Option<&InstalledPackage>,
) -> InstalledPackage {
    let mut record = InstalledPackage::new(install.record.clone(), &staged.info, staged.digests);
    record.tag.clone_from(&install.tag);
    if let Some(again) = again {
        record.dirs.clone_from(&again.dirs);
    }
    record
}

/// Whether two records have the same paths in the same order.
fn same_places(a: &InstalledPackage, b: &InstalledPackage) -> bool {
    a.dirs.len() == b.dirs.len()
        && a.dirs.iter().zip(&b.dirs).all(|(a, b)| {
            let names = a.files.iter().zip(&b.files);
            a.path == b.path
                && a.files.len() == b.files.len()
                && names.into_iter().all(|(a, b)| a.name == b.name)
        })
}

impl StagedEntry {
    /// Whether there is a file to be put in place.
    fn waits(&self) -> bool {
        matches!(self.made, Made::Whole | Made::Without(_))
    }
}
