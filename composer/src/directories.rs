//! What a directory has that several packages bring.
//!
//! | | owner and group | mode |
//! |---|---|---|
//! | apk 2.14 | the smallest, whoever brings it | what all packages with that owner allow |
//! | apk 3.0 | those of one package | the mode of that package |
//!
//! In apk 3.0 the package with the highest `replaces_priority` decides, of several the one that is named as the origin
//! they share, else the first by name. apk 3.0.6 leaves a directory as it is when the deciding package comes in a later
//! run, and loses setgid bits of directories that it makes; we follow neither, because its own record says otherwise.

use std::collections::BTreeMap;

use apk_format::{Dialect, InstalledDir, InstalledPackage};

/// Owner, group and mode of a directory as packages have it.
pub type Access = (u32, u32, u32);

/// What packages say of directories, of those that are asked for only.
pub fn claims<'p>(
    dialect: Dialect,
    packages: impl Iterator<Item = &'p InstalledPackage>,
    asked: impl Fn(&str) -> bool,
) -> BTreeMap<String, Access> {
    let dirs = packages.flat_map(|package| package.dirs.iter().map(move |dir| (package, dir)));
    let dirs = dirs.filter(|(_, dir)| asked(&dir.path));
    match dialect {
        Dialect::Apk2 => smallest_owners(dirs.map(|(_, dir)| dir)),
        Dialect::Apk3 => deciding_packages(dirs),
    }
}

/// Of all packages that have a directory, the smallest owner and group; of those with that, the common mode bits.
fn smallest_owners<'p>(dirs: impl Iterator<Item = &'p InstalledDir>) -> BTreeMap<String, Access> {
    let mut claims: BTreeMap<String, Access> = BTreeMap::new();
    for dir in dirs {
        let new = access(dir);
        let old = claims.entry(dir.path.clone()).or_insert(new);
        if (new.0, new.1) < (old.0, old.1) {
            *old = new;
        } else if (new.0, new.1) == (old.0, old.1) {
            old.2 &= new.2;
        }
    }
    claims
}

fn deciding_packages<'p>(
    dirs: impl Iterator<Item = (&'p InstalledPackage, &'p InstalledDir)>,
) -> BTreeMap<String, Access> {
    let mut claims: BTreeMap<String, (&InstalledPackage, Access)> = BTreeMap::new();
    for (package, dir) in dirs {
        let new = (package, access(dir));
        let decides = claims.entry(dir.path.clone()).or_insert(new);
        if takes_directory(decides.0, package) {
            *decides = new;
        }
    }
    claims
        .into_iter()
        .map(|(path, (_, access))| (path, access))
        .collect()
}

/// Whether apk 3.0 takes the word of `newcomer` for a directory over that of `holder`.
fn takes_directory(holder: &InstalledPackage, newcomer: &InstalledPackage) -> bool {
    if holder.replaces_priority != newcomer.replaces_priority {
        return holder.replaces_priority < newcomer.replaces_priority;
    }
    let (a, b) = (&holder.record, &newcomer.record);
    if let (Some(origin), Some(other)) = (&a.origin, &b.origin)
        && origin == other
    {
        if *origin == a.name {
            return false;
        }
        if *origin == b.name {
            return true;
        }
    }
    b.name < a.name
}

fn access(dir: &InstalledDir) -> Access {
    (dir.uid, dir.gid, dir.mode)
}
