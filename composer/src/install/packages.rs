//! Who has which path: the installed packages while a plan is carried out.

use std::collections::{BTreeMap, HashMap, HashSet};

use apk_format::database::ProtectedPaths;
use apk_format::{Dialect, InstalledDb, InstalledFile, InstalledPackage};

use super::{Outcome, Step};
use crate::directories::{Access, claims};

/// The installed packages.
#[derive(Debug)]
pub(super) struct Packages {
    pub(super) dialect: Dialect,
    /// In apk's order: those that were there first, then as installed. A package that has gone leaves a gap.
    list: Vec<Option<InstalledPackage>>,
    /// Where the package of a name stands.
    places: HashMap<String, usize>,
    /// Who has a file.
    owners: HashMap<String, usize>,
    /// How many entries of packages are at a directory or below.
    users: HashMap<String, usize>,
    /// Owners and modes of directories before the plan.
    pub(super) before: BTreeMap<String, Access>,
    /// Packages that will have gone or been replaced in the end.
    leaving: HashSet<usize>,
    /// Packages that came in this run: their failures are counted already.
    counted: HashSet<usize>,
}

impl Packages {
    pub(super) fn new(installed: InstalledDb, dialect: Dialect, steps: &[Step]) -> Packages {
        let before = claims(dialect, installed.packages.iter(), |_| true);
        let mut packages = Packages {
            dialect,
            list: Vec::new(),
            places: HashMap::new(),
            owners: HashMap::new(),
            users: HashMap::new(),
            before,
            leaving: HashSet::new(),
            counted: HashSet::new(),
        };
        for package in installed.packages {
            let index = packages.reserve();
            for path in files(&package) {
                packages.owners.insert(path, index);
            }
            packages.put(index, package);
        }
        packages.counted.clear();
        for step in steps {
            let (name, coming) = match step {
                Step::Install(install) => {
                    (install.record.name.as_str(), Some(&install.record.identity))
                }
                Step::Remove { name } => (name.as_str(), None),
                Step::Retag { .. } => continue,
            };
            if let Some((index, package)) = packages.find(name)
                && coming.is_none_or(|coming| !coming.same_identity(&package.record.identity))
            {
                packages.leaving.insert(index);
            }
        }
        packages
    }

    /// The packages, in apk's order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &InstalledPackage> {
        self.list.iter().flatten()
    }

    pub(super) fn get(&self, index: usize) -> Option<&InstalledPackage> {
        self.list.get(index)?.as_ref()
    }

    pub(super) fn find(&self, name: &str) -> Option<(usize, &InstalledPackage)> {
        let index = *self.places.get(name)?;
        Some((index, self.get(index)?))
    }

    pub(super) fn is_leaving(&self, index: usize) -> bool {
        self.leaving.contains(&index)
    }

    /// A place for a package whose record is not complete yet.
    pub(super) fn reserve(&mut self) -> usize {
        self.list.push(None);
        self.list.len() - 1
    }

    /// Fills a place. The package counts as that of its name from now on.
    pub(super) fn put(&mut self, index: usize, package: InstalledPackage) {
        self.places.insert(package.record.name.to_string(), index);
        for dir in &package.dirs {
            for above in above(&dir.path) {
                *self.users.entry(above.to_owned()).or_default() += 1;
            }
        }
        self.counted.insert(index);
        if let Some(place) = self.list.get_mut(index) {
            *place = Some(package);
        }
    }

    /// Empties a place. Directories that nobody has any more are given, what is deeper first.
    pub(super) fn take(&mut self, index: usize) -> Option<(InstalledPackage, Vec<String>)> {
        let package = self.list.get_mut(index)?.take()?;
        if self.places.get(package.record.name.as_str()) == Some(&index) {
            self.places.remove(package.record.name.as_str());
        }
        let mut unused = Vec::new();
        for path in package.dirs.iter().flat_map(|dir| above(&dir.path)) {
            if let Some(users) = self.users.get_mut(path) {
                *users -= 1;
                if *users == 0 {
                    self.users.remove(path);
                    unused.push(path.to_owned());
                }
            }
        }
        unused.sort_unstable_by(|a, b| b.cmp(a));
        Some((package, unused))
    }

    pub(super) fn owner(&self, path: &str) -> Option<usize> {
        self.owners.get(path).copied()
    }

    pub(super) fn own(&mut self, path: String, index: usize) {
        self.owners.insert(path, index);
    }

    /// The file is nobody's, if it was this package's.
    pub(super) fn release(&mut self, path: &str, index: usize) -> bool {
        let owned = self.owner(path) == Some(index);
        if owned {
            self.owners.remove(path);
        }
        owned
    }

    /// Takes a file out of the record of a package which another one has taken it from.
    pub(super) fn disown(&mut self, index: usize, dir: &str, name: &str) {
        if let Some(Some(package)) = self.list.get_mut(index) {
            for known in package.dirs.iter_mut().filter(|known| known.path == dir) {
                known.files.retain(|file| file.name != name);
            }
        }
    }

    pub(super) fn retag(&mut self, name: &str, tag: Option<&str>) {
        let place = self.places.get(name).copied();
        if let Some(Some(package)) = place.and_then(|place| self.list.get_mut(place)) {
            package.tag = tag.map(str::to_owned);
        }
    }

    /// A package failed to come in this run: that its older version is broken is not counted as well.
    pub(super) fn count_failed(&mut self, name: &str) {
        if let Some((index, _)) = self.find(name) {
            self.counted.insert(index);
        }
    }

    /// How many packages are broken since before this run; apk counts them every time.
    pub(super) fn broken(&self) -> usize {
        let packages = self.list.iter().enumerate();
        let broken = packages.filter(|(index, package)| {
            let flags = package.as_ref().map(|package| package.flags);
            !self.counted.contains(index)
                && flags.is_some_and(|flags| flags.broken_files || flags.broken_script)
        });
        broken.count()
    }

    pub(super) fn count(&self) -> Outcome {
        Outcome {
            errors: 0,
            packages: self.iter().count(),
            directories: self.users.len(),
            files: self.owners.len(),
            bytes: self.iter().map(|one| one.record.installed_size).sum(),
        }
    }
}

/// What a package has recorded of a file.
pub(super) fn recorded<'p>(
    package: &'p InstalledPackage,
    dir: &str,
    name: &str,
) -> Option<&'p InstalledFile> {
    let dir = package.dirs.iter().find(|known| known.path == dir)?;
    dir.files.iter().find(|file| file.name == name)
}

/// `dir/name`, or the name alone at the top.
pub(super) fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() {
        name.to_owned()
    } else {
        format!("{dir}/{name}")
    }
}

/// The paths of a package's files.
fn files(package: &InstalledPackage) -> impl Iterator<Item = String> {
    let dirs = package.dirs.iter();
    dirs.flat_map(|dir| dir.files.iter().map(|file| join(&dir.path, &file.name)))
}

/// A directory, and those above it: `a/b/c`, `a/b`, `a` and the root.
fn above(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| next_above(path))
}

fn next_above(path: &str) -> Option<&str> {
    match path.rsplit_once('/') {
        Some((above, _)) => Some(above),
        None => (!path.is_empty()).then_some(""),
    }
}

/// Directories whose changed files are kept.
#[derive(Debug)]
pub(super) struct Protected {
    top: ProtectedPaths,
    known: HashMap<String, bool>,
}

impl Protected {
    pub(super) fn new(top: ProtectedPaths) -> Protected {
        Protected {
            top,
            known: HashMap::new(),
        }
    }

    pub(super) fn covers(&mut self, dir: &str) -> bool {
        if let Some(known) = self.known.get(dir) {
            return *known;
        }
        let mut here = self.top.clone();
        for name in dir.split('/').filter(|name| !name.is_empty()) {
            here = here.enter(name);
        }
        let covered = !here.here().is_none();
        self.known.insert(dir.to_owned(), covered);
        covered
    }
}
