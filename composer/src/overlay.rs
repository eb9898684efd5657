//! Trees laid over the packages, last wins, said aloud.
//!
//! A directory brings contents, not owners: everything in it belongs to root, modes keep only the bits 0755, and
//! directories that the packages have keep theirs. So the result does not depend on who checked the directory out.
//! A tar or a commit is laid over as it is.

use std::path::Path;

use ostree_store::object::Name;
use ostree_store::repo::Transaction;
use ostree_store::tree::import_tar::TarOptions;
use ostree_store::tree::modify::Modifier;
use ostree_store::tree::{Subtree, Tree, TreeError};

use crate::base::database_dir;
use crate::event::Notice;
use crate::foreign::{self, ForeignError};

/// Why an overlay cannot be laid over the tree.
#[derive(Debug, thiserror::Error)]
pub enum OverlayError {
    /// The overlay could not be had.
    #[error("cannot use the overlay {overlay}")]
    Foreign {
        /// The overlay.
        overlay: String,
        /// Why.
        source: ForeignError,
    },
    /// Two trees that do not fit.
    #[error("the overlay {overlay} does not fit the packages")]
    Tree {
        /// The overlay.
        overlay: String,
        /// Why.
        source: TreeError,
    },
    /// A file that is derived from the packages.
    #[error("the overlay {overlay} has {path}, which is made from the package set")]
    Database {
        /// The overlay.
        overlay: String,
        /// The file.
        path: String,
    },
}

/// Lays one overlay of the manifest over the tree; paths are relative to `dir`.
pub fn lay(
    tree: &mut Tree,
    overlay: &str,
    dir: &Path,
    objects: &Transaction<'_>,
    notices: &mut Vec<Notice>,
) -> Result<(), OverlayError> {
    let unusable = |source| OverlayError::Foreign {
        overlay: overlay.to_owned(),
        source,
    };
    let (mut upper, keep_access) = open(overlay, dir, objects).map_err(unusable)?;
    let wrong = |source| OverlayError::Tree {
        overlay: overlay.to_owned(),
        source,
    };
    let mut pairs = Pairs {
        keep_access,
        overlay,
        objects,
        notices,
    };
    pairs.compare(tree, &mut upper).map_err(wrong)?;
    refuse_database(&mut upper, database_dir(tree), overlay, objects)?;
    tree.overlay(upper, objects).map_err(wrong)
}

/// The overlay as a tree, and whether directories that are there keep owner and mode.
fn open(
    overlay: &str,
    dir: &Path,
    objects: &Transaction<'_>,
) -> Result<(Tree, bool), ForeignError> {
    if let Some(rev) = overlay.strip_prefix("ref:") {
        return Ok((foreign::commit(rev, objects)?, false));
    }
    let path = dir.join(overlay);
    if path.is_dir() {
        let ours = Modifier {
            canonical_permissions: true,
            no_xattrs: true,
            ..Modifier::default()
        };
        return Ok((foreign::dir(&path, &ours, objects)?, true));
    }
    let options = TarOptions {
        autocreate_parents: true,
        ..TarOptions::default()
    };
    Ok((foreign::tar(&path, &options, objects)?, false))
}

/// Both trees walked side by side, before one is laid over the other.
struct Pairs<'a> {
    keep_access: bool,
    overlay: &'a str,
    objects: &'a Transaction<'a>,
    notices: &'a mut Vec<Notice>,
}

impl Pairs<'_> {
    fn compare(&mut self, lower: &mut Tree, upper: &mut Tree) -> Result<(), TreeError> {
        // Only directories that both have are visited, so the depth is that of the packages' own paths.
        let mut shared: Vec<Vec<Name>> = vec![Vec::new()];
        while let Some(path) = shared.pop() {
            let (below, above) = (
                lower.descend(&path, self.objects)?,
                upper.descend(&path, self.objects)?,
            );
            if self.keep_access {
                above.meta = None;
            }
            for name in above
                .files
                .keys()
                .filter(|name| below.files.contains_key(*name))
            {
                let names = path
                    .iter()
                    .chain([name])
                    .map(Name::as_str)
                    .collect::<Vec<_>>();
                self.notices.push(Notice::Overlaid {
                    path: names.join("/"),
                    overlay: self.overlay.to_owned(),
                });
            }
            for (name, subtree) in &above.dirs {
                let unchanged =
                    matches!(subtree, Subtree::Stored(..)) && below.dirs.get(name) == Some(subtree);
                if below.dirs.contains_key(name) && !unchanged {
                    shared.push([path.as_slice(), std::slice::from_ref(name)].concat());
                }
            }
        }
        Ok(())
    }
}

fn refuse_database(
    upper: &mut Tree,
    database: &str,
    overlay: &str,
    objects: &Transaction<'_>,
) -> Result<(), OverlayError> {
    let derived = ["installed", "scripts.tar", "triggers"].map(|name| format!("{database}/{name}"));
    for path in derived
        .into_iter()
        .chain(["etc/apk/world".to_owned(), "etc/apk/arch".to_owned()])
    {
        if let Ok(Some(_)) = crate::base::find(upper, &path, objects) {
            return Err(OverlayError::Database {
                overlay: overlay.to_owned(),
                path,
            });
        }
    }
    Ok(())
}
