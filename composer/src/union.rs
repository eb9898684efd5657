//! Layers → one tree, in which every path has one owner.
//!
//! Packages are laid into the tree in the order of installation. [`crate::ownership`] decides about a path that is
//! there already:
//!
//! | the path belongs to | then |
//! |---|---|
//! | another package | what the rules say; where they say nothing, an error that names both |
//! | the base, below `etc/`, changed or of no package | the base's stays, the package's goes beside it as `.apk-new` |
//! | no package, elsewhere | the package takes it |
//! | one is a directory and the other is not | an error that names both |
//!
//! What a directory has that several packages bring: [`crate::directories`].

use std::collections::{BTreeSet, HashMap};
use std::io::Read;

use apk_format::database::DirectoryOrder;
use apk_format::{Dialect, Digest, DigestKind, InstalledDir, InstalledFile, InstalledPackage};
use ostree_store::checksum::{DirMetaId, FileId};
use ostree_store::object::{DirMeta, FileKind, Name, NameError, ObjectSink, WriteError};
use ostree_store::repo::{ReadError, Transaction};
use ostree_store::tree::{Subtree, Tree, TreeError};
use sha1::Sha1;
use sha2::Sha256;

use crate::base::{Base, BaseError, find, names};
use crate::directories::{Access, claims};
use crate::event::Notice;
use crate::layer::{Layer, LayerEntry, LayerObject, title};
use crate::ownership::{
    NEW_SUFFIX, Newcomer, Placing, Ruling, digests_of, only_keeps_directory, placing, rule,
};

/// Directory in which changed files of the base are kept, and everything below it.
const PROTECTED: &str = "etc/";

/// Why packages cannot be in one tree.
#[derive(Debug, thiserror::Error)]
pub enum UnionError {
    /// Two packages own one file.
    #[error("{path} belongs to {owner}, and {package} brings it too")]
    Conflict {
        /// The path.
        path: String,
        /// Who has it.
        owner: String,
        /// Who brings it too.
        package: String,
    },
    /// A file where a directory is.
    #[error("{path} is a directory, and {package} has a file of that name")]
    FileOverDirectory {
        /// The path.
        path: String,
        /// Who brings the file.
        package: String,
    },
    /// A directory where a file is.
    #[error("{path} is a file or link of {owner}, and {package} has it as a directory")]
    DirectoryOverFile {
        /// The path.
        path: String,
        /// Who has the file.
        owner: String,
        /// Who brings the directory.
        package: String,
    },
    /// A file that an archive has twice.
    #[error("{package} has the file {path} twice")]
    Twice {
        /// The path.
        path: String,
        /// The package.
        package: String,
    },
    /// A package whose files the database cannot record.
    #[error(
        "{package} is a v3 package, and the package database of apk 2.14 cannot record its files"
    )]
    Digests {
        /// The package.
        package: String,
    },
    /// A file without its directory, which apk would not install.
    #[error("{package} has the file {path} without an entry for its directory before it")]
    NoDirectory {
        /// The path.
        path: String,
        /// The package.
        package: String,
    },
    /// A path that no tree can have.
    #[error("{package} has an impossible path {path:?}")]
    Name {
        /// The path.
        path: String,
        /// The package.
        package: String,
        /// Why.
        source: NameError,
    },
    /// The tree could not be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A file of the tree could not be read.
    #[error(transparent)]
    Base(#[from] BaseError),
    /// An object could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The content of an object could not be read.
    #[error("cannot read {path} of the base")]
    Content {
        /// The path.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// An object could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl UnionError {
    /// What would help.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            UnionError::Conflict { owner, package, .. } => Some(format!(
                "leave one of them out, or let one say `replaces` the other in its package: {owner}, {package}"
            )),
            UnionError::Digests { .. } => Some(
                "say `dialect = \"3.0\"` for the branch, or use the package of a v2 repository"
                    .into(),
            ),
            _ => None,
        }
    }
}

/// The tree while packages are laid into it.
#[derive(Debug)]
pub struct Union<'t> {
    /// The files so far.
    pub tree: Tree,
    /// What was not done as a package asked.
    pub notices: Vec<Notice>,
    /// Whose rules hold.
    pub dialect: Dialect,
    objects: &'t Transaction<'t>,
    /// In apk's order: those of the base first, then as installed. A removed package leaves a gap.
    packages: Vec<Option<InstalledPackage>>,
    /// Who owns which file.
    owners: HashMap<String, usize>,
    /// Whether there were files before the first package came.
    on_base: bool,
    /// How many of `packages` came with the base.
    from_base: usize,
    /// Those that came with the base, as they were.
    packages_before: Vec<InstalledPackage>,
    /// Directories of packages that came or went.
    touched: BTreeSet<String>,
    dirmetas: HashMap<Access, DirMetaId>,
    /// Names of packages of the base that will have gone in the end, as they are now.
    leaving: BTreeSet<String>,
}

impl<'t> Union<'t> {
    /// Begins with a base, whose packages of the names `leaving` will be removed or replaced by other versions.
    pub fn new(
        base: Base,
        dialect: Dialect,
        leaving: BTreeSet<String>,
        objects: &'t Transaction<'t>,
    ) -> Result<Self, WriteError> {
        let packages_before = base.installed.packages;
        let packages: Vec<Option<InstalledPackage>> =
            packages_before.iter().cloned().map(Some).collect();
        let mut owners = HashMap::new();
        for (index, package) in packages.iter().enumerate() {
            for path in package.iter().flat_map(files_of) {
                owners.insert(path.0, index);
            }
        }
        let mut union = Union {
            on_base: !(base.tree.files.is_empty() && base.tree.dirs.is_empty()),
            tree: base.tree,
            notices: Vec::new(),
            dialect,
            leaving,
            objects,
            from_base: packages.len(),
            packages_before,
            touched: BTreeSet::new(),
            packages,
            owners,
            dirmetas: HashMap::new(),
        };
        if union.tree.meta.is_none() {
            union.tree.meta = Some(union.dirmeta((0, 0, 0o755))?);
        }
        Ok(union)
    }

    /// The packages in the tree, in apk's order.
    pub fn packages(&self) -> impl Iterator<Item = &InstalledPackage> {
        self.packages.iter().flatten()
    }

    /// Lays a package into the tree; one of the same name goes.
    /// `tag` is the repository tag under which it was chosen.
    pub fn install(&mut self, layer: &Layer, tag: Option<&str>) -> Result<(), UnionError> {
        if layer.file_digests == DigestKind::Sha256 && self.dialect == Dialect::Apk2 {
            return Err(UnionError::Digests {
                package: layer.title(),
            });
        }
        let previous = self.position(&layer.record.name);
        let mut incoming = Incoming::new(layer, self.packages.len(), tag, self.dialect);
        self.packages.push(None); // keeps the place until the record is complete
        for entry in &layer.entries {
            match entry.object {
                LayerObject::Dir => self.place_dir(&mut incoming, entry)?,
                _ => self.place_file(&mut incoming, entry)?,
            }
        }
        if let Some(place) = self.packages.get_mut(incoming.index) {
            *place = Some(incoming.finish());
        }
        if let Some(previous) = previous {
            self.remove_at(previous)?;
        }
        Ok(())
    }

    /// Takes a package and what only it had out of the tree.
    pub fn remove(&mut self, name: &str) -> Result<(), UnionError> {
        match self.position(name) {
            Some(index) => self.remove_at(index),
            None => Ok(()),
        }
    }

    /// Gives every directory that a package brought or lost in this run the owner and mode that all its packages
    /// together say.
    pub fn finish_directories(&mut self) -> Result<(), UnionError> {
        let touched = std::mem::take(&mut self.touched);
        let before = claims(self.dialect, self.packages_before.iter(), |path| {
            touched.contains(path)
        });
        let after = claims(self.dialect, self.packages.iter().flatten(), |path| {
            touched.contains(path)
        });
        for (path, access) in after {
            let wanted = self.dirmeta(access)?;
            let expected = before
                .get(&path)
                .map(|access| self.dirmeta(*access))
                .transpose()?;
            if let Some(dir) = self.existing_dir(&path)? {
                // A directory that somebody gave another owner or mode keeps it.
                if expected.is_none_or(|expected| dir.meta == Some(expected)) {
                    dir.meta = Some(wanted);
                }
            }
        }
        Ok(())
    }

    /// The directory at a path; the root for the empty one.
    fn existing_dir(&mut self, path: &str) -> Result<Option<&mut Tree>, UnionError> {
        if path.is_empty() {
            return Ok(Some(&mut self.tree));
        }
        let objects = self.objects;
        let Some((parent, name)) = self.parent(path)? else {
            return Ok(None);
        };
        Ok(parent
            .dirs
            .get_mut(&name)
            .map(|subtree| subtree.open(objects))
            .transpose()?)
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.packages.iter().position(|package| {
            package
                .as_ref()
                .is_some_and(|package| package.record.name == name)
        })
    }

    fn place_dir(
        &mut self,
        incoming: &mut Incoming<'_>,
        entry: &LayerEntry,
    ) -> Result<(), UnionError> {
        self.ensure_dir(&entry.path, incoming.layer)?;
        self.touched.insert(entry.path.to_string());
        if let Some(dir) = incoming.dir(&entry.path) {
            (dir.uid, dir.gid, dir.mode) = (entry.uid, entry.gid, entry.mode);
            dir.xattr_hash = entry.xattr_hash.as_deref().copied();
        }
        Ok(())
    }

    fn place_file(
        &mut self,
        incoming: &mut Incoming<'_>,
        entry: &LayerEntry,
    ) -> Result<(), UnionError> {
        let (path, layer) = (&*entry.path, incoming.layer);
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        if !dir.is_empty() && !incoming.places.contains_key(dir) {
            return Err(UnionError::NoDirectory {
                path: path.to_owned(),
                package: layer.title(),
            });
        }
        if only_keeps_directory(self.dialect, name) {
            return Ok(());
        }
        let previous = self.owners.get(path).copied();
        if previous == Some(incoming.index) {
            return Err(UnionError::Twice {
                path: path.to_owned(),
                package: layer.title(),
            });
        }
        if let Some(owner) = previous
            && !self.takes_over(layer, owner, path)?
        {
            return Ok(());
        }
        let checksum = self.put_object(layer, entry, previous)?;
        if let Some(owner) = previous {
            self.disown(owner, dir, name, &layer.record.name);
        }
        self.owners.insert(path.to_owned(), incoming.index);
        if let Some(dir) = incoming.dir(dir) {
            let xattr_hash = entry.xattr_hash.as_deref().copied();
            let (uid, gid, mode) = (entry.uid, entry.gid, entry.mode);
            dir.files.push(InstalledFile {
                name: name.to_owned(),
                uid,
                gid,
                mode,
                xattr_hash,
                checksum,
            });
        }
        Ok(())
    }

    /// Puts what an entry has become into the tree; returns the checksum that apk records.
    fn put_object(
        &mut self,
        layer: &Layer,
        entry: &LayerEntry,
        previous: Option<usize>,
    ) -> Result<Option<Digest>, UnionError> {
        match entry.object {
            LayerObject::File(id, checksum) => {
                self.put(layer, &entry.path, previous, id, checksum)?;
                Ok(checksum)
            }
            LayerObject::NotRepresentable(kind) => {
                let (path, package, kind) =
                    (entry.path.to_string(), layer.title(), kind.to_owned());
                self.notices.push(Notice::NotRepresentable {
                    path,
                    package,
                    kind,
                });
                Ok(None)
            }
            LayerObject::Dir => Ok(None),
        }
    }

    /// Whether the new package gets a path that another package has.
    fn takes_over(&mut self, layer: &Layer, owner: usize, path: &str) -> Result<bool, UnionError> {
        let Some(Some(holder)) = self.packages.get(owner) else {
            return Ok(true);
        };
        let leaving = owner < self.from_base && self.leaving.contains(holder.record.name.as_str());
        let newcomer = Newcomer {
            record: &layer.record,
            replaces: &layer.info.replaces,
            priority: layer.info.replaces_priority,
        };
        let (path, package, previous) = (path.to_owned(), layer.title(), title(&holder.record));
        match rule(self.dialect, holder, leaving, &newcomer) {
            Ruling::Takes => Ok(true),
            Ruling::Replaces => {
                self.notices.push(Notice::Replaced {
                    path,
                    package,
                    previous,
                });
                Ok(true)
            }
            Ruling::Keeps => {
                self.notices.push(Notice::Left {
                    path,
                    package,
                    owner: previous,
                });
                Ok(false)
            }
            Ruling::Conflict => Err(UnionError::Conflict {
                path,
                owner: previous,
                package,
            }),
        }
    }

    /// Puts a file into the tree, or beside the one that the base has.
    fn put(
        &mut self,
        layer: &Layer,
        path: &str,
        previous: Option<usize>,
        id: FileId,
        checksum: Option<Digest>,
    ) -> Result<(), UnionError> {
        let existing = if self.on_base {
            find(&mut self.tree, path, self.objects)?
        } else {
            None
        };
        let Some(existing) = existing else {
            return self.put_at(layer, path, id);
        };
        let changed = path.starts_with(PROTECTED) && self.is_changed(path, previous, existing)?;
        let same = changed && self.is_content(path, existing, checksum, layer.file_digests)?;
        let placing = placing(changed, same, false);
        if placing != Placing::Put {
            let new_version = (placing == Placing::Beside).then(|| format!("{path}{NEW_SUFFIX}"));
            if let Some(beside) = &new_version {
                self.put_at(layer, beside, id)?;
            }
            let (path, package) = (path.to_owned(), layer.title());
            self.notices.push(Notice::ConfigurationKept {
                path,
                new_version,
                package,
            });
            return Ok(());
        }
        if previous.is_none() {
            self.notices.push(Notice::Overwritten {
                path: path.to_owned(),
                package: layer.title(),
            });
        }
        self.put_at(layer, path, id)
    }

    fn put_at(&mut self, layer: &Layer, path: &str, id: FileId) -> Result<(), UnionError> {
        let mut components =
            names(path).map_err(|source| impossible(path, &layer.title(), source))?;
        let Some(name) = components.pop() else {
            return Ok(());
        };
        let dir = self.tree.descend(&components, self.objects)?;
        dir.put_file(name, id).map_err(|error| match error {
            TreeError::FileOverDirectory { .. } => UnionError::FileOverDirectory {
                path: path.to_owned(),
                package: layer.title(),
            },
            other => other.into(),
        })
    }

    /// Whether the file in the tree is not what its package brought.
    fn is_changed(
        &self,
        path: &str,
        owner: Option<usize>,
        existing: FileId,
    ) -> Result<bool, UnionError> {
        let Some(owner) = owner else { return Ok(true) };
        if owner >= self.from_base {
            return Ok(false); // laid into the tree by this run
        }
        let Some(Some(package)) = self.packages.get(owner) else {
            return Ok(true);
        };
        let recorded = files_of(package)
            .find(|(found, _)| found == path)
            .and_then(|(_, file)| file.checksum);
        Ok(!self.is_content(path, existing, recorded, digests_of(package))?)
    }

    /// Whether a file's content or a link's target is what a package has recorded; databases keep 20 bytes of it.
    fn is_content(
        &self,
        path: &str,
        id: FileId,
        recorded: Option<Digest>,
        kind: DigestKind,
    ) -> Result<bool, UnionError> {
        let Some(recorded) = recorded else {
            return Ok(false);
        };
        let found = match kind {
            DigestKind::Sha1 => Digest::Sha1(self.content_hash::<Sha1>(path, id)?.into()),
            DigestKind::Sha256 => Digest::Sha256(self.content_hash::<Sha256>(path, id)?.into()),
        };
        Ok(found.first_20() == recorded.first_20())
    }

    /// The hash of a file's content or of a link's target.
    fn content_hash<H: sha1::Digest>(
        &self,
        path: &str,
        id: FileId,
    ) -> Result<sha1::digest::Output<H>, UnionError> {
        let mut file = self.objects.read_file(&id)?;
        let mut hash = H::new();
        if let FileKind::Symlink(target) = &file.header.kind {
            hash.update(target.as_bytes());
        }
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = file
                .read(&mut buffer)
                .map_err(|source| UnionError::Content {
                    path: path.to_owned(),
                    source,
                })?;
            if count == 0 {
                return Ok(hash.finalize());
            }
            hash.update(buffer.get(..count).unwrap_or_default());
        }
    }

    /// The line of the file goes from its old owner's record, unless that whole record goes because `newcomer` is
    /// another version of the same package.
    fn disown(&mut self, owner: usize, dir: &str, name: &str, newcomer: &str) {
        let Some(Some(package)) = self.packages.get_mut(owner) else {
            return;
        };
        if package.record.name == newcomer {
            return;
        }
        for candidate in package
            .dirs
            .iter_mut()
            .filter(|candidate| candidate.path == dir)
        {
            candidate.files.retain(|file| file.name != name);
        }
    }

    /// Makes the directory and those above it where they are missing.
    fn ensure_dir(&mut self, path: &str, layer: &Layer) -> Result<(), UnionError> {
        let plain = self.dirmeta((0, 0, 0o755))?;
        let mut dir = &mut self.tree;
        let mut so_far = String::new();
        for name in names(path).map_err(|source| impossible(path, &layer.title(), source))? {
            so_far = if so_far.is_empty() {
                name.to_string()
            } else {
                format!("{so_far}/{name}")
            };
            dir = match dir.open_dir(self.objects, &name) {
                Err(TreeError::DirectoryOverFile { .. }) => {
                    let holder = self
                        .owners
                        .get(&so_far)
                        .and_then(|owner| self.packages.get(*owner)?.as_ref());
                    let owner =
                        holder.map_or("no package".to_owned(), |holder| title(&holder.record));
                    return Err(UnionError::DirectoryOverFile {
                        path: so_far,
                        owner,
                        package: layer.title(),
                    });
                }
                dir => dir?,
            };
            dir.meta.get_or_insert(plain);
        }
        Ok(())
    }

    fn remove_at(&mut self, index: usize) -> Result<(), UnionError> {
        let Some(package) = self.packages.get_mut(index).and_then(Option::take) else {
            return Ok(());
        };
        for (path, file) in files_of(&package) {
            if self.owners.get(&path) == Some(&index) {
                self.owners.remove(&path);
                self.remove_file(&path, file.checksum, digests_of(&package))?;
            }
        }
        self.touched
            .extend(package.dirs.iter().map(|dir| dir.path.clone()));
        let mut dirs: Vec<&str> = package.dirs.iter().map(|dir| dir.path.as_str()).collect();
        dirs.sort_unstable_by(|a, b| b.cmp(a)); // what is deeper first
        for path in dirs {
            self.remove_dir_if_unused(path)?;
        }
        Ok(())
    }

    /// Removes a file unless it is a changed configuration file.
    fn remove_file(
        &mut self,
        path: &str,
        recorded: Option<Digest>,
        kind: DigestKind,
    ) -> Result<(), UnionError> {
        let Some(existing) = find(&mut self.tree, path, self.objects)? else {
            return Ok(());
        };
        if path.starts_with(PROTECTED) && !self.is_content(path, existing, recorded, kind)? {
            return Ok(());
        }
        if let Some((dir, name)) = self.parent(path)? {
            dir.files.remove(name.as_str());
        }
        Ok(())
    }

    fn remove_dir_if_unused(&mut self, path: &str) -> Result<(), UnionError> {
        if path.is_empty()
            || self
                .packages()
                .any(|package| package.dirs.iter().any(|dir| dir.path == path))
        {
            return Ok(());
        }
        let objects = self.objects;
        if let Some((dir, name)) = self.parent(path)?
            && let Some(subtree) = dir.dirs.get_mut(&name)
        {
            let found = subtree.open(objects)?;
            if found.files.is_empty() && found.dirs.is_empty() {
                dir.dirs.remove(&name);
            }
        }
        Ok(())
    }

    /// The directory a path is in, if that is there, and the path's last name.
    fn parent(&mut self, path: &str) -> Result<Option<(&mut Tree, Name)>, UnionError> {
        let mut components =
            names(path).map_err(|source| impossible(path, "the database", source))?;
        let Some(last) = components.pop() else {
            return Ok(None);
        };
        let mut dir = &mut self.tree;
        for name in &components {
            dir = match dir.dirs.get_mut(name) {
                Some(Subtree::Open(tree)) => tree,
                Some(stored) => stored.open(self.objects)?,
                None => return Ok(None),
            };
        }
        Ok(Some((dir, last)))
    }

    fn dirmeta(&mut self, access: Access) -> Result<DirMetaId, WriteError> {
        if let Some(id) = self.dirmetas.get(&access) {
            return Ok(*id);
        }
        let (uid, gid, mode) = access;
        let id = self.objects.dirmeta(&DirMeta {
            uid,
            gid,
            ..DirMeta::root_owned(mode)
        })?;
        self.dirmetas.insert(access, id);
        Ok(id)
    }
}

/// A package on its way into the tree.
struct Incoming<'l> {
    layer: &'l Layer,
    /// Its place among the packages.
    index: usize,
    /// What the installed database will say of it.
    record: InstalledPackage,
    /// Where in the record a directory stands.
    places: HashMap<String, usize>,
    dialect: Dialect,
}

impl<'l> Incoming<'l> {
    fn new(layer: &'l Layer, index: usize, tag: Option<&str>, dialect: Dialect) -> Self {
        let mut record =
            InstalledPackage::new(layer.record.clone(), &layer.info, layer.file_digests);
        record.tag = tag.map(str::to_owned);
        Incoming {
            layer,
            index,
            record,
            places: HashMap::new(),
            dialect,
        }
    }

    /// The record, in the order of the database.
    fn finish(mut self) -> InstalledPackage {
        if self.dialect == Dialect::Apk3 {
            let mut order = DirectoryOrder::default();
            for entry in &self.layer.entries {
                match &entry.object {
                    LayerObject::Dir => order.enter(&entry.path),
                    _ => order.enter(entry.path.rsplit_once('/').map_or("", |(dir, _)| dir)),
                }
            }
            self.record.arrange(order);
        }
        self.record
    }

    /// The directory in the record, added at its end if it is new: apk keeps the order of first appearance.
    fn dir(&mut self, path: &str) -> Option<&mut InstalledDir> {
        let dirs = &mut self.record.dirs;
        let position = *self.places.entry(path.to_owned()).or_insert_with(|| {
            dirs.push(InstalledDir::new(path));
            dirs.len() - 1
        });
        dirs.get_mut(position)
    }
}

/// The paths of a package's files, and their records.
fn files_of(package: &InstalledPackage) -> impl Iterator<Item = (String, &InstalledFile)> {
    package.dirs.iter().flat_map(|dir| {
        let prefix = if dir.path.is_empty() {
            String::new()
        } else {
            format!("{}/", dir.path)
        };
        dir.files
            .iter()
            .map(move |file| (format!("{prefix}{}", file.name), file))
    })
}

fn impossible(path: &str, package: &str, source: NameError) -> UnionError {
    UnionError::Name {
        path: path.to_owned(),
        package: package.to_owned(),
        source,
    }
}
