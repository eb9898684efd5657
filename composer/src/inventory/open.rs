//! An inventory out of a root and its repositories.
//!
//! | read | from | wanted by |
//! |---|---|---|
//! | architectures | what is given, else `etc/apk/arch`, else that of this machine | – |
//! | world, installed, triggers, scripts | `etc/apk/world`, `lib/apk/db/*` | [`Opening::state`] |
//! | repositories | those given, then `etc/apk/repositories` and `{etc,lib}/apk/repositories.d/*.list` | [`Opening::lists`] |
//! | keys | `etc/apk/keys` and `lib/apk/keys`, or a directory that is given | – |
//!
//! What is wrong with a repository is a [`Warning`], as in apk: the others can still be used. There is no network yet:
//! the index of a remote repository is read from the root's cache, if it is there.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufReader, Read};
use std::path::PathBuf;

use apk_format::database::{ListedRepository, RepositoryLineError, RepositoryReader};
use apk_format::{
    Index, IndexError, InstalledDb, InstalledError, KeyRing, ScriptArchive, ScriptArchiveError,
    Triggers, TriggersError, Trust, World, WorldError,
};

use super::{Inventory, Repository, field, local_path};
use crate::cache::{PackageCache, index_name};
use crate::root::Root;

/// What to open, and how.
#[derive(Clone, Debug)]
pub struct Opening<'a> {
    /// The architectures that were given, the first being the system's own.
    pub architectures: &'a [String],
    /// The architecture where none is given or recorded.
    pub machine: &'a str,
    /// Which parts of the database.
    pub state: State,
    /// Where repositories are listed.
    pub lists: Lists<'a>,
    /// The keys directory instead of the root's own, relative to the root unless it is absolute.
    pub keys_dir: Option<&'a str>,
    /// Whether unsigned indexes can be used.
    pub trust: Trust,
    /// Whether remote packages count as reachable.
    pub network: bool,
    /// Where indexes of remote repositories are cached, relative to the root; `None` if the cache may not be used.
    pub cache: Option<Cache<'a>>,
    /// Whether a cache that is there for indexes keeps packages too; `None` if packages of caches do not matter.
    pub cache_packages: Option<bool>,
}

/// Which cache is used.
#[derive(Clone, Copy, Debug)]
pub enum Cache<'a> {
    /// `etc/apk/cache` if it is there, else `var/cache/apk`.
    Usual,
    /// This one.
    At(&'a str),
}

/// Which parts of the database are read.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// `installed` and `triggers`.
    pub installed: bool,
    /// `scripts.tar` or `scripts.tar.gz`.
    pub scripts: bool,
    /// `etc/apk/world`.
    pub world: bool,
}

/// Where repositories are listed, in the order of reading.
#[derive(Clone, Debug, Default)]
pub struct Lists<'a> {
    /// Lines of the command line: without keywords, and with any path.
    pub lines: &'a [String],
    /// Texts of the command line with lines as in a file.
    pub texts: &'a [String],
    /// The files.
    pub files: ListFiles<'a>,
}

/// The files that list repositories.
#[derive(Clone, Debug, Default)]
pub enum ListFiles<'a> {
    /// None.
    #[default]
    None,
    /// Those of the root.
    Root,
    /// This one, outside the root.
    At(&'a str),
}

/// Why a root cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file of the database could not be read, or is missing.
    #[error("cannot read {path}")]
    Read {
        /// Which, relative to the root.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A file of the database is no text.
    #[error("{path} is not UTF-8")]
    Text {
        /// Which, relative to the root.
        path: String,
    },
    /// The world is broken.
    #[error("etc/apk/world is broken")]
    World(#[from] WorldError),
    /// The installed database is broken.
    #[error("lib/apk/db/installed is broken")]
    Installed(#[from] InstalledError),
    /// The triggers are broken.
    #[error("lib/apk/db/triggers is broken")]
    Triggers(#[from] TriggersError),
    /// The scripts are broken.
    #[error("the scripts in lib/apk/db are broken")]
    Scripts(#[from] ScriptArchiveError),
    /// The cache that was asked for is not there.
    #[error("there is no cache directory {0:?}")]
    Cache(String),
}

/// What is wrong with a repository, or with the file that lists it.
#[derive(Debug)]
pub enum Warning {
    /// A line of a list names no repository.
    Line {
        /// The name of the file.
        file: String,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        error: RepositoryLineError,
    },
    /// A list that was asked for could not be read to its end.
    File {
        /// The name of the file.
        file: String,
        /// Why.
        error: ListError,
    },
    /// A repository could not be opened.
    Repository {
        /// What was tried.
        action: Action,
        /// The URL of its index, without a password.
        url: String,
        /// Why.
        error: RepositoryError,
    },
}

/// Why a list could not be read to its end.
#[derive(Debug)]
pub enum ListError {
    /// It could not be read.
    Read(io::Error),
    /// It has a line that names no repository.
    Line(RepositoryLineError),
}

/// What was tried with an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To open it where it is.
    Open,
    /// To open the copy in the cache.
    OpenFromCache,
    /// To get it.
    Fetch,
}

/// Why a repository could not be opened.
#[derive(Debug)]
pub enum RepositoryError {
    /// The index could not be opened.
    Read(io::Error),
    /// The index is not what it should be.
    Index(IndexError),
    /// It is on another machine, and there is no network yet.
    Remote,
}

/// Opens everything.
pub fn open(root: &Root, opening: &Opening<'_>) -> Result<(Inventory, Vec<Warning>), OpenError> {
    let architectures = architectures(root, opening)?;
    let machine = architectures.first().cloned().unwrap_or_default();
    let cache = cache_dir(root, opening)?;
    let mut inventory = state(root, opening, architectures)?;
    let mut lists = ListReader {
        reader: RepositoryReader::new(&machine),
        listed: Vec::new(),
        warnings: Vec::new(),
    };
    lists.read_all(root, &opening.lists);
    let opener = Opener {
        root,
        opening,
        keys: keys(root, opening.keys_dir),
        machine: &machine,
        cache,
    };
    let mut warnings = lists.warnings;
    for (listed, tags) in merge(lists.listed) {
        let (repository, warning) = opener.open(listed, tags);
        inventory.add_repository(repository);
        warnings.extend(warning);
    }
    inventory.link();
    if let (Some(dir), Some(usual)) = (&opener.cache, opening.cache_packages)
        && (usual || dir != USUAL_CACHE)
        && let Ok(cache) = PackageCache::open(root, dir)
    {
        inventory.use_cache(cache);
    }
    Ok((inventory, warnings))
}

/// The keys that are trusted. Files that hold no usable key are passed over, as apk does.
#[must_use]
pub fn keys(root: &Root, keys_dir: Option<&str>) -> KeyRing {
    let mut found: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut add = |name: String, pem: Option<Vec<u8>>| {
        if let Some(pem) = pem.filter(|_| !name.starts_with('.')) {
            found.entry(name).or_insert(pem);
        }
    };
    match keys_dir {
        Some(dir) if dir.starts_with('/') => {
            for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                add(name, small_file(&entry.path()).ok());
            }
        }
        given => {
            let usual = ["etc/apk/keys", "lib/apk/keys"];
            let dirs = given.map_or(usual.to_vec(), |dir| vec![dir]);
            for dir in dirs {
                for name in root.list(dir).unwrap_or_default() {
                    let pem = root.read(&format!("{dir}/{name}"));
                    add(name, pem.ok().flatten());
                }
            }
        }
    }
    let mut ring = KeyRing::new();
    for (name, pem) in &found {
        let _ = ring.add(name, pem); // what is no key verifies nothing
    }
    ring
}

/// A key is less than 1 KiB; more than 64 KiB is none.
fn small_file(path: &std::path::Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if fs::metadata(path)?.is_file() {
        fs::File::open(path)?
            .take(64 << 10)
            .read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn architectures(root: &Root, opening: &Opening<'_>) -> Result<Vec<String>, OpenError> {
    let recorded = if opening.architectures.is_empty() {
        text(root, "etc/apk/arch")?.unwrap_or_default()
    } else {
        String::new()
    };
    let given = opening.architectures.iter().map(String::as_str);
    let mut found: Vec<String> = Vec::new();
    for arch in given.chain(recorded.split('\n')).map(str::trim) {
        if !arch.is_empty() && !found.iter().any(|known| known == arch) {
            found.push(arch.to_owned());
        }
    }
    if found.is_empty() {
        found.push(opening.machine.to_owned());
    }
    Ok(found)
}

fn cache_dir(root: &Root, opening: &Opening<'_>) -> Result<Option<String>, OpenError> {
    let has = |dir: &str| {
        if dir.starts_with('/') {
            return Ok(std::path::Path::new(dir).is_dir());
        }
        root.has_dir(dir).map_err(|source| OpenError::Read {
            path: dir.to_owned(),
            source,
        })
    };
    match opening.cache {
        None => Ok(None),
        Some(Cache::At(dir)) if has(dir)? => Ok(Some(dir.to_owned())),
        Some(Cache::At(dir)) => Err(OpenError::Cache(dir.to_owned())),
        Some(Cache::Usual) if has(PACKAGE_CACHE)? => Ok(Some(PACKAGE_CACHE.into())),
        Some(Cache::Usual) => Ok(Some(USUAL_CACHE.into())),
    }
}

/// Whether a root has a cache that was made to keep packages.
#[must_use]
pub fn has_cache(root: &Root) -> bool {
    root.has_dir(PACKAGE_CACHE).unwrap_or(false)
}

/// The cache that is there for indexes where no other is.
pub const USUAL_CACHE: &str = "var/cache/apk";
/// The cache that keeps packages, where there is one.
pub const PACKAGE_CACHE: &str = "etc/apk/cache";

/// World and installed packages.
fn state(
    root: &Root,
    opening: &Opening<'_>,
    architectures: Vec<String>,
) -> Result<Inventory, OpenError> {
    let State {
        installed,
        scripts,
        world,
    } = opening.state;
    if !(installed || scripts || world) {
        return Ok(Inventory::new(Vec::new(), architectures));
    }
    if !root.has_dir(DATABASE).map_err(|source| OpenError::Read {
        path: DATABASE.into(),
        source,
    })? {
        return Err(missing(DATABASE));
    }
    let mut wanted = World::default();
    if world {
        let path = "etc/apk/world";
        let text = text(root, path)?.ok_or_else(|| missing(path))?;
        wanted = World::parse(text.trim())?;
    }
    let mut inventory = Inventory::new(wanted.dependencies, architectures);
    if installed {
        if let Some(text) = text(root, &format!("{DATABASE}/installed"))? {
            let packages = InstalledDb::parse(&text)?.packages;
            packages
                .into_iter()
                .for_each(|one| inventory.add_installed(one));
        }
        if let Some(text) = text(root, &format!("{DATABASE}/triggers"))? {
            for entry in Triggers::parse(&text)?.entries {
                inventory.amend(&entry.identity, |known| known.triggers = entry.globs);
            }
        }
    }
    if scripts {
        for entry in read_scripts(root)?.entries {
            let kind = entry.kind;
            inventory.amend(&entry.identity, |known| {
                known.scripts.push(kind);
                known.scripts.sort();
                known.scripts.dedup();
            });
        }
    }
    Ok(inventory)
}

fn read_scripts(root: &Root) -> Result<ScriptArchive, OpenError> {
    for name in ["scripts.tar", "scripts.tar.gz"] {
        let path = format!("{DATABASE}/{name}");
        let wrong = |source| OpenError::Read {
            path: path.clone(),
            source,
        };
        if let Some(bytes) = root.read(&path).map_err(wrong)? {
            return Ok(ScriptArchive::parse(&bytes)?);
        }
    }
    Ok(ScriptArchive::default())
}

fn text(root: &Root, path: &str) -> Result<Option<String>, OpenError> {
    let bytes = root.read(path).map_err(|source| OpenError::Read {
        path: path.to_owned(),
        source,
    })?;
    let text = bytes.map(String::from_utf8).transpose();
    text.map_err(|_| OpenError::Text {
        path: path.to_owned(),
    })
}

fn missing(path: &str) -> OpenError {
    OpenError::Read {
        path: path.to_owned(),
        source: io::Error::from_raw_os_error(rustix::io::Errno::NOENT.raw_os_error()),
    }
}

/// Reads the lists, and keeps what is wrong with them.
struct ListReader {
    reader: RepositoryReader,
    listed: Vec<ListedRepository>,
    warnings: Vec<Warning>,
}

impl ListReader {
    fn read_all(&mut self, root: &Root, lists: &Lists<'_>) {
        for (at, line) in lists.lines.iter().enumerate() {
            let _ = self.line(COMMAND_LINE, at + 1, line, false); // the warning is kept; the next line counts
        }
        let mut number = lists.lines.len();
        for line in lists.texts.iter().flat_map(|text| text.split('\n')) {
            number += 1;
            let _ = self.line(COMMAND_LINE, number, line, true);
        }
        match lists.files {
            ListFiles::None => {}
            ListFiles::Root => {
                self.root_file(root, "etc/apk/repositories", "etc/apk/repositories");
                let mut files = BTreeMap::new();
                for dir in ["etc/apk/repositories.d", "lib/apk/repositories.d"] {
                    for name in root.list(dir).unwrap_or_default() {
                        if !name.starts_with('.') && name.ends_with(".list") {
                            files.entry(name).or_insert(dir);
                        }
                    }
                }
                for (name, dir) in files {
                    self.root_file(root, &format!("{dir}/{name}"), &name);
                }
            }
            ListFiles::At(path) => {
                let read = fs::read_to_string(path).map_err(ListError::Read);
                let done = read.and_then(|text| self.file(path, &text).map_err(ListError::Line));
                if let Err(error) = done {
                    self.warnings.push(Warning::File {
                        file: path.to_owned(),
                        error,
                    });
                }
            }
        }
    }

    /// A file of the root. That it is missing is nothing to talk about.
    fn root_file(&mut self, root: &Root, path: &str, name: &str) {
        let read = root.read(path).ok().flatten();
        if let Some(text) = read.and_then(|bytes| String::from_utf8(bytes).ok()) {
            let _ = self.file(name, &text); // the warning is kept
        }
    }

    /// Reads a file up to the first line that names no repository.
    fn file(&mut self, name: &str, text: &str) -> Result<(), RepositoryLineError> {
        for (at, line) in text.split('\n').enumerate() {
            self.line(name, at + 1, line, true)?;
        }
        Ok(())
    }

    fn line(
        &mut self,
        file: &str,
        line: usize,
        text: &str,
        in_file: bool,
    ) -> Result<(), RepositoryLineError> {
        match self.reader.read_line(text, in_file) {
            Ok(listed) => {
                self.listed.extend(listed);
                Ok(())
            }
            Err(error) => {
                self.warnings.push(Warning::Line {
                    file: file.to_owned(),
                    line,
                    error: error.clone(),
                });
                Err(error)
            }
        }
    }
}

/// Each repository once, with all its tags.
fn merge(listed: Vec<ListedRepository>) -> Vec<(ListedRepository, Vec<Option<String>>)> {
    let mut merged: Vec<(ListedRepository, Vec<Option<String>>)> = Vec::new();
    for one in listed {
        let tag = one.tag.clone();
        let known = merged
            .iter_mut()
            .find(|(known, _)| known.url == one.url && known.index == one.index);
        match known {
            Some((_, tags)) if tags.contains(&tag) => {}
            Some((_, tags)) => tags.push(tag),
            None => merged.push((one, vec![tag])),
        }
    }
    merged
}

/// Opens repositories.
struct Opener<'a> {
    root: &'a Root,
    opening: &'a Opening<'a>,
    keys: KeyRing,
    machine: &'a str,
    cache: Option<String>,
}

impl Opener<'_> {
    fn open(
        &self,
        listed: ListedRepository,
        tags: Vec<Option<String>>,
    ) -> (Repository, Option<Warning>) {
        let url = listed.index_url(self.machine);
        let path = local_path(&url);
        let local = path.is_some();
        let (action, index) = match (path, &self.cache) {
            (Some(path), _) => (Action::Open, self.read(path)),
            (None, Some(cache)) => (Action::OpenFromCache, self.read_cached(cache, &url)),
            (None, None) => (Action::Fetch, Err(RepositoryError::Remote)),
        };
        let mut repository = Repository {
            listed,
            tags,
            description: String::new(),
            pkgname_spec: None,
            available: false,
            reachable: false,
            local,
            records: Vec::new(),
        };
        match index {
            Ok(index) => {
                repository.description = index.description.unwrap_or_default();
                repository.records = index.records;
                repository.pkgname_spec = index.pkgname_spec;
                repository.available = true;
                repository.reachable = local || self.opening.network;
                (repository, None)
            }
            Err(error) => {
                let url = field::printable(&url);
                (repository, Some(Warning::Repository { action, url, error }))
            }
        }
    }

    fn read(&self, path: PathBuf) -> Result<Index, RepositoryError> {
        let file = fs::File::open(path).map_err(RepositoryError::Read)?;
        self.index(BufReader::new(file))
    }

    fn read_cached(&self, dir: &str, url: &str) -> Result<Index, RepositoryError> {
        let path = format!("{dir}/{}", index_name(url));
        if dir.starts_with('/') {
            return self.read(path.into());
        }
        let bytes = self.root.read(&path).map_err(RepositoryError::Read)?;
        let absent = || RepositoryError::Read(io::Error::from_raw_os_error(2));
        self.index(bytes.ok_or_else(absent)?.as_slice())
    }

    fn index(&self, reader: impl Read) -> Result<Index, RepositoryError> {
        Index::read(reader, &self.keys, self.opening.trust).map_err(RepositoryError::Index)
    }
}

const DATABASE: &str = "lib/apk/db";
const COMMAND_LINE: &str = "<command line>";
