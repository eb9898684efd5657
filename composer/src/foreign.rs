//! Trees that no package brought: a commit, an archive, a directory.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use ostree_store::repo::{ReadError, RevError, Transaction};
use ostree_store::tree::Tree;
use ostree_store::tree::import_dir::{ImportDirError, import_dir};
use ostree_store::tree::import_tar::{ImportTarError, TarOptions, import_tar};
use ostree_store::tree::modify::Modifier;

/// Why a foreign tree cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ForeignError {
    /// The archive could not be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// Where it should be.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The archive is not what it should be.
    #[error("{}", path.display())]
    Tar {
        /// The archive.
        path: PathBuf,
        /// Why.
        source: Box<ImportTarError>,
    },
    /// The directory could not be read.
    #[error("{}", path.display())]
    Dir {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: Box<ImportDirError>,
    },
    /// There is no such commit.
    #[error(transparent)]
    Revision(#[from] RevError),
    /// An object could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// The tree of a commit of the repository composed into; its directories stay unopened.
pub fn commit(rev: &str, objects: &Transaction<'_>) -> Result<Tree, ForeignError> {
    let commit = objects.repo().commit(&objects.repo().resolve(rev)?)?;
    Ok(Tree::load(objects, &commit.root_tree, commit.root_meta)?)
}

/// An archive as it is.
pub fn tar(
    path: &Path,
    options: &TarOptions,
    objects: &Transaction<'_>,
) -> Result<Tree, ForeignError> {
    let archive = File::open(path).map_err(|source| ForeignError::Open {
        path: path.to_owned(),
        source,
    })?;
    let mut tree = Tree::default();
    import_tar(&mut tree, archive, options, objects, objects).map_err(|source| {
        ForeignError::Tar {
            path: path.to_owned(),
            source: Box::new(source),
        }
    })?;
    Ok(tree)
}

/// A directory, changed by the modifier.
pub fn dir(
    path: &Path,
    modifier: &Modifier,
    objects: &Transaction<'_>,
) -> Result<Tree, ForeignError> {
    import_dir(path, modifier, objects).map_err(|source| ForeignError::Dir {
        path: path.to_owned(),
        source: Box::new(source),
    })
}
