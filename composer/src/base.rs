//! The tree to start from, and what apk says of it.

use std::io::{self, Read};
use std::path::Path;

use apk_format::{
    Dialect, InstalledDb, InstalledError, ScriptArchive, ScriptArchiveError, Triggers,
    TriggersError, World, WorldError,
};
use ostree_store::checksum::FileId;
use ostree_store::object::{FileKind, Name};
use ostree_store::repo::{ReadError, Transaction};
use ostree_store::tree::import_tar::TarOptions;
use ostree_store::tree::modify::Modifier;
use ostree_store::tree::{Tree, TreeError};

use crate::accounts::Accounts;
use crate::foreign::{self, ForeignError};
use crate::manifest::From;

/// The largest file of the tree that is read into memory, in bytes: a database of 100,000 files has about 10 MB.
const MAX_FILE: u64 = 256 << 20;

/// A tree, and the package database in it.
#[derive(Debug, Default)]
pub struct Base {
    /// Its files.
    pub tree: Tree,
    /// `lib/apk/db/installed`.
    pub installed: InstalledDb,
    /// `etc/apk/world`.
    pub world: World,
    /// The dialect of the database, as far as its files show it.
    pub dialect: Option<Dialect>,
    /// `lib/apk/db/scripts.tar` or `scripts.tar.gz`.
    pub scripts: ScriptArchive,
    /// `lib/apk/db/triggers`.
    pub triggers: Triggers,
    /// `etc/passwd` and `etc/group`.
    pub accounts: Accounts,
    /// The lines of `etc/apk/repositories` that name a repository.
    pub repositories: Vec<String>,
    /// The keys in `etc/apk/keys`, name and PEM.
    pub keys: Vec<(String, Vec<u8>)>,
}

/// Why a base cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    /// The tree could not be had.
    #[error(transparent)]
    Foreign(#[from] ForeignError),
    /// An object could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The tree could not be opened.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A file of the tree could not be read.
    #[error("cannot read {path} of the base")]
    Content {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A text file that is not text.
    #[error("{path} of the base is not UTF-8")]
    Text {
        /// Which.
        path: String,
    },
    /// The package database is broken.
    #[error("{path} of the base")]
    Installed {
        /// Which file.
        path: String,
        /// What is wrong.
        source: InstalledError,
    },
    /// The world is broken.
    #[error("{path} of the base")]
    World {
        /// Which file.
        path: String,
        /// What is wrong.
        source: WorldError,
    },
    /// The script archive is broken.
    #[error("{path} of the base")]
    Scripts {
        /// Which file.
        path: String,
        /// What is wrong.
        source: ScriptArchiveError,
    },
    /// The triggers are broken.
    #[error("{path} of the base")]
    Triggers {
        /// Which file.
        path: String,
        /// What is wrong.
        source: TriggersError,
    },
}

/// Opens the base of a branch; paths are relative to `dir`. Without `from` it is empty.
pub fn open(
    from: Option<&From>,
    arch: &str,
    dir: &Path,
    objects: &Transaction<'_>,
) -> Result<Base, BaseError> {
    let named = |text: &str| text.replace("{arch}", arch);
    let tree = match from {
        None => return Ok(Base::default()),
        Some(From::Ref(name)) => foreign::commit(&named(name), objects)?,
        Some(From::Tar(path)) => {
            foreign::tar(&dir.join(named(path)), &TarOptions::default(), objects)?
        }
        Some(From::Dir(path)) => {
            foreign::dir(&dir.join(named(path)), &Modifier::default(), objects)?
        }
    };
    Base::read(tree, objects)
}

/// Where apk keeps its database: on a system with a merged `/usr`, `lib` is a link.
#[must_use]
pub fn database_dir(tree: &Tree) -> &'static str {
    if tree.files.contains_key("lib") {
        "usr/lib/apk/db"
    } else {
        "lib/apk/db"
    }
}

impl Base {
    /// Reads what the tree says of itself.
    fn read(mut tree: Tree, objects: &Transaction<'_>) -> Result<Base, BaseError> {
        let dir = database_dir(&tree);
        let mut base = Base::default();
        if let Some((path, text)) = text(&mut tree, &format!("{dir}/installed"), objects)? {
            base.installed = InstalledDb::parse(&text)
                .map_err(|source| BaseError::Installed { path, source })?;
        }
        if let Some((path, text)) = text(&mut tree, "etc/apk/world", objects)? {
            base.world = World::parse(&text).map_err(|source| BaseError::World { path, source })?;
        }
        // Where there are both, apk 3 too goes by the uncompressed one.
        for dialect in [Dialect::Apk3, Dialect::Apk2] {
            let path = format!("{dir}/{}", dialect.scripts_file());
            if let Some((path, bytes)) = content(&mut tree, &path, objects)? {
                base.dialect = Some(dialect);
                base.scripts = ScriptArchive::parse(&bytes)
                    .map_err(|source| BaseError::Scripts { path, source })?;
            }
        }
        if let Some((path, text)) = text(&mut tree, &format!("{dir}/triggers"), objects)? {
            base.triggers =
                Triggers::parse(&text).map_err(|source| BaseError::Triggers { path, source })?;
        }
        if let Some((_, passwd)) = content(&mut tree, "etc/passwd", objects)? {
            base.accounts.set_users(&passwd);
        }
        if let Some((_, group)) = content(&mut tree, "etc/group", objects)? {
            base.accounts.set_groups(&group);
        }
        if let Some((_, text)) = text(&mut tree, "etc/apk/repositories", objects)? {
            let lines = text
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty() && !line.starts_with('#'));
            base.repositories = lines.map(str::to_owned).collect();
        }
        base.keys = keys(&mut tree, objects)?;
        base.tree = tree;
        Ok(base)
    }
}

fn keys(tree: &mut Tree, objects: &Transaction<'_>) -> Result<Vec<(String, Vec<u8>)>, BaseError> {
    let mut names = Vec::new();
    if let Some(dir) = find_dir(tree, "etc/apk/keys", objects)? {
        names.extend(
            dir.files
                .keys()
                .map(ToString::to_string)
                .filter(|name| !name.starts_with('.')),
        );
    }
    let mut keys = Vec::new();
    for name in names {
        if let Some((_, pem)) = content(tree, &format!("etc/apk/keys/{name}"), objects)? {
            keys.push((name, pem));
        }
    }
    Ok(keys)
}

/// The directory at a path, opened; `None` if there is none.
fn find_dir<'t>(
    tree: &'t mut Tree,
    path: &str,
    objects: &Transaction<'_>,
) -> Result<Option<&'t mut Tree>, BaseError> {
    let mut dir = tree;
    for name in path.split('/') {
        dir = match dir.dirs.get_mut(name) {
            Some(subtree) => subtree.open(objects)?,
            None => return Ok(None),
        };
    }
    Ok(Some(dir))
}

/// The file at a path; `None` if there is none. Links are not followed.
pub fn find(
    tree: &mut Tree,
    path: &str,
    objects: &Transaction<'_>,
) -> Result<Option<FileId>, BaseError> {
    let (dir, name) = match path.rsplit_once('/') {
        Some((dir, name)) => (find_dir(tree, dir, objects)?, name),
        None => (Some(tree), path),
    };
    Ok(dir.and_then(|dir| dir.files.get(name).copied()))
}

/// Path and content of a regular file; `None` if there is none.
fn content(
    tree: &mut Tree,
    path: &str,
    objects: &Transaction<'_>,
) -> Result<Option<(String, Vec<u8>)>, BaseError> {
    let Some(id) = find(tree, path, objects)? else {
        return Ok(None);
    };
    let file = objects.read_file(&id)?;
    if file.header.kind != FileKind::Regular {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let wrong = |source| BaseError::Content {
        path: path.to_owned(),
        source,
    };
    file.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(wrong)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(wrong(io::Error::other("larger than 256 MiB")));
    }
    Ok(Some((path.to_owned(), bytes)))
}

fn text(
    tree: &mut Tree,
    path: &str,
    objects: &Transaction<'_>,
) -> Result<Option<(String, String)>, BaseError> {
    let Some((path, bytes)) = content(tree, path, objects)? else {
        return Ok(None);
    };
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some((path, text))),
        Err(_) => Err(BaseError::Text { path }),
    }
}

/// The components of a path that an archive or database has already checked.
pub fn names(path: &str) -> Result<Vec<Name>, ostree_store::object::NameError> {
    path.split('/')
        .filter(|part| !part.is_empty())
        .map(Name::new)
        .collect()
}
