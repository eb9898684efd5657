//! The scripts that a plan would have to run, in apk's order: what is refused, or only recorded.
//!
//! | a package | its scripts |
//! |---|---|
//! | comes for the first time | pre-install, post-install |
//! | comes in place of another version, or once more | pre-upgrade, post-upgrade: its own |
//! | goes | pre-deinstall, post-deinstall |
//! | says that it has no content | none; its file is not opened |
//!
//! Triggers come last, in the order of the plan. That of a package which came in this run is woken by every directory
//! there is; that of another one only by a directory that some package brought or lost. A package has a trigger if it
//! names directories and has the script.

use std::collections::{BTreeMap, BTreeSet};

use apk_format::glob::matches_path;
use apk_format::{Digest, EntryKind, Package, ScriptKind};

use super::record::Database;
use super::{Install, StageError, Step, open};
use crate::layer::title;

/// A package of which nobody can tell which scripts it has.
#[derive(Debug, thiserror::Error)]
#[error("{package}")]
pub struct UnreadableError {
    /// `name-version`
    pub package: String,
    /// Why.
    pub source: StageError,
}

/// The scripts that carrying out a plan would have to run, each with its package, in order. `order` has the names of the
/// packages that there will be, in the order of the plan.
pub fn scripts_of(
    database: &Database,
    steps: &[Step],
    order: &[String],
) -> Result<Vec<(String, ScriptKind)>, UnreadableError> {
    let mut found = Vec::new();
    let mut watchers = installed_watchers(database);
    for step in steps {
        match step {
            Step::Retag { .. } => {}
            Step::Remove { name } => {
                watchers.remove(name);
                database.scripts_of(name, |package, kind| {
                    if matches!(kind, ScriptKind::PreDeinstall | ScriptKind::PostDeinstall) {
                        found.push((package, kind));
                    }
                });
            }
            Step::Install(install) => {
                let name = install.record.name.as_str();
                watchers.remove(name);
                if install.record.installed_size == 0 {
                    continue;
                }
                let own = read(install, Own::read)?;
                let upgrade = database.has(name);
                found.extend(
                    own.wanted(upgrade)
                        .map(|kind| (title(&install.record), kind)),
                );
                if let Some(watcher) = own.watcher(install) {
                    watchers.insert(name.to_owned(), watcher);
                }
            }
        }
    }
    if !watchers.is_empty() {
        let dirs = Dirs::of(database, steps)?;
        let woken = order.iter().filter_map(|name| watchers.get(name));
        let woken = woken.filter(|watcher| watcher.wakes(&dirs));
        found.extend(woken.map(|watcher| (watcher.package.clone(), ScriptKind::Trigger)));
    }
    Ok(found)
}

fn read<T>(
    install: &Install,
    read: impl FnOnce(&Install) -> Result<T, StageError>,
) -> Result<T, UnreadableError> {
    read(install).map_err(|source| UnreadableError {
        package: title(&install.record),
        source,
    })
}

/// What a package that comes has itself.
struct Own {
    scripts: Vec<ScriptKind>,
    globs: Vec<String>,
}

impl Own {
    fn read(install: &Install) -> Result<Own, StageError> {
        let package = Package::open(open(install)?)?;
        package.check_identity(&install.record.identity)?;
        let mut scripts: Vec<_> = package.scripts().iter().map(|one| one.kind).collect();
        scripts.sort();
        Ok(Own {
            scripts,
            globs: package.info().triggers.clone(),
        })
    }

    /// Its scripts, but for the trigger.
    fn wanted(&self, upgrade: bool) -> impl Iterator<Item = ScriptKind> {
        let kinds = match upgrade {
            true => [ScriptKind::PreUpgrade, ScriptKind::PostUpgrade],
            false => [ScriptKind::PreInstall, ScriptKind::PostInstall],
        };
        let scripts = self.scripts.iter().copied();
        scripts.filter(move |kind| kinds.contains(kind))
    }

    fn watcher(self, install: &Install) -> Option<Watcher> {
        let has_script = self.scripts.contains(&ScriptKind::Trigger);
        (has_script && !self.globs.is_empty()).then(|| Watcher {
            package: title(&install.record),
            globs: self.globs,
            came: true,
        })
    }
}

/// A package that has a trigger.
struct Watcher {
    package: String,
    globs: Vec<String>,
    came: bool,
}

impl Watcher {
    fn wakes(&self, dirs: &Dirs) -> bool {
        dirs.all.iter().any(|(dir, changed)| {
            let path = format!("/{dir}");
            let mut globs = self.globs.iter();
            (self.came || *changed)
                && globs.any(|glob| {
                    let glob = glob.strip_prefix('+').unwrap_or(glob);
                    glob.starts_with('/') && matches_path(glob, &path)
                })
        })
    }
}

fn installed_watchers(database: &Database) -> BTreeMap<String, Watcher> {
    let globs = |identity: &Digest| {
        let mut entries = database.triggers.entries.iter();
        entries.find(|entry| entry.identity.same_identity(identity))
    };
    let mut found = BTreeMap::new();
    for package in &database.installed.packages {
        let record = &package.record;
        let Some(trigger) = globs(&record.identity) else {
            continue;
        };
        let mut scripts = database.scripts.entries.iter();
        let has_script = scripts.any(|entry| {
            entry.kind == ScriptKind::Trigger && entry.identity.same_identity(&record.identity)
        });
        if has_script {
            let watcher = Watcher {
                package: title(record),
                globs: trigger.globs.clone(),
                came: false,
            };
            found.insert(record.name.to_string(), watcher);
        }
    }
    found
}

/// The directories of all packages before and after, and of each whether some package brought or lost it.
#[derive(Default)]
struct Dirs {
    all: BTreeMap<String, bool>,
}

impl Dirs {
    fn of(database: &Database, steps: &[Step]) -> Result<Dirs, UnreadableError> {
        let mut dirs = Dirs::default();
        let mut gone = BTreeSet::new();
        for step in steps {
            match step {
                Step::Retag { .. } => {}
                Step::Remove { name } => drop(gone.insert(name.as_str())),
                Step::Install(install) => {
                    gone.insert(install.record.name.as_str());
                    if install.record.installed_size > 0 {
                        read(install, |install| dirs.read(install))?;
                    }
                }
            }
        }
        let mut kept = dirs.all.clone();
        for package in &database.installed.packages {
            let goes = gone.contains(package.record.name.as_str());
            for dir in &package.dirs {
                dirs.add(&dir.path, goes);
                if !goes {
                    add_above(&mut kept, &dir.path, false);
                }
            }
        }
        // A directory that nobody has any more goes, even if no package named it.
        for (dir, changed) in &mut dirs.all {
            *changed |= !dir.is_empty() && !kept.contains_key(dir);
        }
        Ok(dirs)
    }

    fn add(&mut self, path: &str, changed: bool) {
        add_above(&mut self.all, path, changed);
    }

    fn read(&mut self, install: &Install) -> Result<(), StageError> {
        let mut package = Package::open(open(install)?)?;
        package.check_identity(&install.record.identity)?;
        while let Some(entry) = package.next_entry()? {
            match entry.path.rsplit_once('/') {
                _ if entry.kind == EntryKind::Dir => self.add(&entry.path, true),
                None => self.add("", true),
                Some(_) => {}
            }
        }
        Ok(())
    }
}

/// Adds a directory, and those above it, which nobody has changed.
fn add_above(dirs: &mut BTreeMap<String, bool>, path: &str, changed: bool) {
    *dirs.entry(path.to_owned()).or_default() |= changed;
    let mut path = path;
    while !path.is_empty() {
        path = path.rsplit_once('/').map_or("", |(above, _)| above);
        dirs.entry(path.to_owned()).or_default();
    }
}
