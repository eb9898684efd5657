//! `--owners-from-db`: the owners and modes that a root's package database has.
//!
//! `apk add --usermode` makes a root as an ordinary user, who can give nothing away and must be able to write to his
//! directories. The database says what root would have made; with it the commit is the same.

use std::path::Path;
use std::sync::Arc;

use composer::directories::claims;
use composer::install::Database;
use composer::ownership::NEW_SUFFIX;
use composer::root::Root;
use ostree_store::tree::modify::Modifier;
use ostree_store::tree::recorded::Recorded;

use crate::failure::Failure;

/// The modifier for one directory.
pub(super) fn of(path: &Path, modifier: &Modifier) -> Result<Modifier, Failure> {
    let root = Root::open(path)?;
    let database = Database::read(&root)?;
    let packages = &database.installed.packages;
    if packages.is_empty() {
        let words = format!("{} has no package database with owners", path.display());
        return Err(Failure::new(words).hint("--owners-from-db is for roots made by apk"));
    }
    let mut recorded = Recorded::default();
    for package in packages {
        for dir in &package.dirs {
            for file in &dir.files {
                let path = match dir.path.as_str() {
                    "" => file.name.clone(),
                    dir => format!("{dir}/{}", file.name),
                };
                let access = (file.uid, file.gid, file.mode);
                recorded.files.insert(format!("{path}{NEW_SUFFIX}"), access);
                recorded.files.insert(path, access);
            }
        }
    }
    let dialect = database.dialect.unwrap_or_default();
    recorded
        .dirs
        .extend(claims(dialect, packages.iter(), |_| true));
    Ok(Modifier {
        recorded: Some(Arc::new(recorded)),
        ..modifier.clone()
    })
}
