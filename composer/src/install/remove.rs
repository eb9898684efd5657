//! What goes: the files of a package, or those that its new version leaves over.
//!
//! | a file of the package | goes |
//! |---|---|
//! | taken over by another package, or by the new version | no |
//! | one file with a new one of the new version, under another path | no |
//! | changed, in a protected directory | with `purge` only |
//! | any other | yes |
//!
//! In apk 3.0 the `.apk-new` beside a file in a protected directory goes with it. Directories go when they are empty and
//! no package has them, also those above that no package names.

use apk_format::{Dialect, DigestKind, InstalledFile};

use super::packages::join;
use super::place::Inodes;
use super::{Happened, Run};
use crate::layer::title;
use crate::ownership::{NEW_SUFFIX, digests_of};

impl Run<'_> {
    /// A package goes; without effect if it is not there.
    pub(super) fn remove(&mut self, name: &str) {
        if let Some((index, _)) = self.packages.find(name) {
            self.remove_at(index, &Inodes::new());
        }
    }

    /// The package of a place goes; files that are also among `fresh` ones stay.
    pub(super) fn remove_at(&mut self, index: usize, fresh: &Inodes) {
        let Some((package, unused)) = self.packages.take(index) else {
            return;
        };
        let name = title(&package.record);
        for dir in &package.dirs {
            self.touch_dir(&dir.path);
            let protected = self.protected.covers(&dir.path);
            for file in &dir.files {
                let path = join(&dir.path, &file.name);
                if !self.packages.release(&path, index) {
                    continue;
                }
                let stays = self.is_fresh(&path, fresh);
                if !(stays || protected && self.is_kept(&path, file, digests_of(&package))) {
                    // That it cannot be removed is no error to apk either: it is nobody's from now on.
                    let _ = self.disk.remove_file(&path);
                }
                if protected && self.packages.dialect == Dialect::Apk3 {
                    let _ = self.disk.remove_file(&format!("{path}{NEW_SUFFIX}"));
                }
                let path = path.as_str();
                self.tell(&name, &Happened::Went { path, stays });
            }
        }
        for dir in unused.iter().filter(|dir| !dir.is_empty()) {
            self.disk.remove_dir(dir);
            // If it stays because it is not empty, it is somebody else's to whoever brings it next.
            self.touched.forget(dir);
            self.packages.before.remove(dir);
        }
        if self
            .packages
            .find(&package.record.name)
            .is_none_or(|(_, now)| now.record.identity != package.record.identity)
        {
            self.kept.forget(&package.record.identity);
        }
    }

    fn is_fresh(&mut self, path: &str, fresh: &Inodes) -> bool {
        if fresh.is_empty() {
            return false;
        }
        let stat = self.disk.stat(path).ok().flatten();
        stat.is_some_and(|stat| fresh.contains(&(stat.st_dev, stat.st_ino)))
    }

    /// Whether a file in a protected directory is the administrator's; one that cannot be read may be.
    fn is_kept(&mut self, path: &str, file: &InstalledFile, digests: DigestKind) -> bool {
        let unchanged = self.disk.has_content(path, file.checksum.as_ref(), digests);
        !self.options.purge && !unchanged.unwrap_or(false)
    }
}
