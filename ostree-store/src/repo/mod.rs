//! One repository on disk.
//!
//! | path | what |
//! |---|---|
//! | `config` | mode and settings, [`Config`] |
//! | `objects/XX/REST.EXT` | the objects |
//! | `refs/heads`, `refs/remotes` | names for commits, [`RefName`] |
//! | `tmp/staging-…` | objects of transactions not yet published, [`Transaction`] |
//! | `.lock` | shared by transactions, exclusive while objects are deleted |
//! | `uncompressed-objects-cache/` | copies for checkouts to link to, in `archive` |
//! | `state/COMMIT.commitpartial` | a commit whose objects are not all there |
//!
//! An object becomes visible by one rename and never changes afterwards; a ref moves only when everything it
//! reaches is in place. Whatever the moment at which a process ends, the repository stays consistent.

mod adopt;
mod alias;
mod arrivals;
mod collection;
mod config;
mod content;
mod detached;
mod file_info;
mod file_xattrs;
mod key_file;
mod leftovers;
mod lock;
mod mode;
mod object_dir;
mod object_file;
mod objects;
mod parent;
mod partial;
mod payload;
mod ref_list;
mod ref_name;
mod refs;
mod remote;
mod removal;
mod revision;
mod settings;
mod small_file;
mod space;
mod stage;
mod stored_file;
mod summary;
mod taken;
mod tombstone;
mod transaction;
mod uncompressed;
mod written_sizes;

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};

use crate::path_error::{At, PathError};

pub(crate) use adopt::{AdoptError, Donor};
pub use collection::{CollectionId, CollectionIdError};
pub use config::{Config, ConfigError};
pub use detached::DetachedError;
pub use file_info::FileInfo;
pub(crate) use file_xattrs::{read_link_xattrs, read_xattrs};
pub use key_file::SyntaxError;
use lock::{Lock, LockKind};
pub use lock::{LockError, RepoLock};
pub use mode::RepoMode;
use object_dir::ObjectDir;
pub(crate) use objects::MAX_METADATA;
pub use objects::ReadError;
pub use partial::Partial;
pub use ref_list::CollectionRef;
pub use ref_name::RefName;
pub use refs::RefError;
pub use remote::{IfRemoteExists, RemoteError, RemoteOption};
pub use revision::RevError;
pub use settings::MinFreeSpace;
pub use stored_file::StoredFile;
pub use summary::{Summary, SummaryError, SummaryRef};
pub(crate) use taken::{Location, open_below, parent_below};
pub use transaction::{Statistics, Transaction};
pub(crate) use uncompressed::UncompressedCache;

/// The directories of a new repository.
const SKELETON: [&str; 7] = [
    "extensions",
    "refs/heads",
    "refs/mirrors",
    "refs/remotes",
    "state",
    "tmp",
    "tmp/cache",
];

/// An OSTree repository.
///
/// ```
/// use ostree_store::repo::{Repo, RepoMode};
///
/// # let dir = fixtures::scratch("example");
/// let repo = Repo::create(&dir.path().join("repo"), RepoMode::BareUser)?;
/// assert_eq!(repo.mode(), RepoMode::BareUser);
/// assert!(repo.refs()?.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Repo {
    path: PathBuf,
    config: Config,
    mode: RepoMode,
    fsync: bool,
    per_object_fsync: bool,
    objects: ObjectDir,
    parent: Option<Box<Repo>>,
}

/// Why a repository cannot be made, opened or written to.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// There is no repository there.
    #[error("opening repo: opendir({}): {source}", path.display())]
    Open {
        /// Where one was looked for.
        path: PathBuf,
        /// What the system said.
        source: crate::path_error::SystemError,
    },
    /// There is no configuration.
    #[error("opening repo: openat(config): {source}")]
    NoConfig {
        /// What the system said.
        source: crate::path_error::SystemError,
    },
    /// The configuration cannot be used.
    #[error("opening repo: {0}")]
    Config(#[from] ConfigError),
    /// Another process holds the lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// An object could not be written earlier, so the transaction cannot be published.
    #[error("the transaction has an object that could not be written")]
    Broken,
    /// A ref cannot be written.
    #[error(transparent)]
    Ref(#[from] RefError),
    /// The parent repository cannot be opened.
    #[error("opening repo: While checking parent repository '{}': {source}", path.display())]
    Parent {
        /// Where it is.
        path: PathBuf,
        /// Why not.
        source: Box<RepoError>,
    },
    /// A repository is a parent of itself, or has too many above it.
    #[error("the chain of parent repositories (core.parent) goes round in circles or is too long")]
    ParentChain,
    /// The file system refused.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl Repo {
    /// Makes a repository, and the directory itself if it is not there. An existing one stays as it is.
    pub fn create(path: &Path, mode: RepoMode) -> Result<Repo, RepoError> {
        Repo::create_in_collection(path, mode, None)
    }

    /// The same for a repository whose refs belong to a collection, which its config names.
    pub fn create_in_collection(
        path: &Path,
        mode: RepoMode,
        collection_id: Option<&CollectionId>,
    ) -> Result<Repo, RepoError> {
        let objects = path.join("objects");
        if objects.exists() {
            return Repo::open(path);
        }
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o775);
        for dir in SKELETON {
            let dir = path.join(dir);
            builder.create(&dir).at("create", &dir)?;
        }
        let config = path.join("config");
        if !config.exists() {
            replace_config(path, &Config::initial(mode, collection_id))?;
        }
        // Last, because it makes a directory a repository: one that was left half made is completed.
        builder.create(&objects).at("create", &objects)?;
        Repo::open(path)
    }

    /// Opens a repository, and the parent repositories that its settings name.
    pub fn open(path: &Path) -> Result<Repo, RepoError> {
        Repo::open_for(path, &mut Vec::new())
    }

    /// Opens a repository that others, which are being opened, have as their parent.
    fn open_for(path: &Path, children: &mut Vec<(u64, u64)>) -> Result<Repo, RepoError> {
        let absolute = std::path::absolute(path).at("resolve", path)?;
        let open_error = |source: io::Error| RepoError::Open {
            path: absolute.clone(),
            source: source.into(),
        };
        fs::read_dir(&absolute).map_err(open_error)?;
        let objects = absolute.join("objects");
        let config = read_config(&absolute)?;
        let settings = config.settings()?;
        let parent = match &settings.parent {
            Some(parent) => Some(Box::new(Repo::open_parent(parent, &absolute, children)?)),
            None => None,
        };
        Ok(Repo {
            path: absolute,
            config,
            mode: settings.mode,
            fsync: settings.fsync,
            per_object_fsync: settings.per_object_fsync,
            objects: ObjectDir::open(objects, settings.mode)?
                .without_xattrs(settings.disable_xattrs),
            parent,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How it stores files.
    #[must_use]
    pub fn mode(&self) -> RepoMode {
        self.mode
    }

    /// Its settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The collection to which its own refs belong (`core.collection-id`).
    #[must_use]
    pub fn collection_id(&self) -> Option<&str> {
        self.config.get("core", "collection-id")
    }

    /// Puts `config` in place of the settings, on the disk first; the file is replaced at once or not at all.
    ///
    /// As in ostree, values are not looked at: those that make no sense are refused when the repository is opened.
    /// What this value was opened with, such as the mode, stays.
    pub fn write_config(&mut self, config: Config) -> Result<(), PathError> {
        replace_config(&self.path, &config.to_string())?;
        self.config = config;
        Ok(())
    }

    /// Takes the lock that the settings ask for; it is held until it is dropped.
    pub(crate) fn lock(&self, kind: LockKind) -> Result<Lock, RepoError> {
        let timeout = self.config.lock_timeout()?;
        Ok(Lock::acquire(&self.path.join(".lock"), kind, timeout)?)
    }

    /// Whether transactions wait until their objects are on the disk (`core.fsync`).
    pub fn set_fsync(&mut self, fsync: bool) {
        self.fsync = fsync;
    }

    /// Whether changes are waited for until they are on the disk.
    pub(crate) fn waits_for_disk(&self) -> bool {
        self.fsync
    }

    /// Whether transactions wait for each object they write (`core.per-object-fsync`). Objects that are taken over from
    /// another repository as they are wait with the rest.
    pub fn set_per_object_fsync(&mut self, fsync: bool) {
        self.per_object_fsync = fsync;
    }

    /// Begins to write objects. Several transactions may run at once, in this and in other processes.
    pub fn transaction(&self) -> Result<Transaction<'_>, RepoError> {
        Transaction::begin(self)
    }

    /// Waits until what was made, moved or removed in these directories is on the disk, if that is wanted at all.
    pub(crate) fn sync_dirs<'d>(
        &self,
        dirs: impl IntoIterator<Item = &'d PathBuf>,
    ) -> Result<(), PathError> {
        for dir in dirs.into_iter().filter(|_| self.fsync) {
            let synced = File::open(dir).and_then(|dir| dir.sync_all());
            synced.at("sync", dir)?;
        }
        Ok(())
    }

    /// Tells watchers of the directory's time that a ref has changed.
    fn touch(&self) -> Result<(), PathError> {
        let unchanged = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        };
        let times = Timestamps {
            last_access: unchanged,
            last_modification: Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_NOW,
            },
        };
        rustix::fs::utimensat(CWD, &self.path, &times, AtFlags::empty()).at("touch", &self.path)
    }
}

/// The settings as they stand on the disk now.
fn read_config(repo: &Path) -> Result<Config, RepoError> {
    let path = repo.join("config");
    let file = small_file::open(&path).map_err(|source| RepoError::NoConfig {
        source: source.into(),
    })?;
    let bytes = small_file::beginning(file, config::MAX_CONFIG + 1).at("read", &path)?;
    Ok(Config::parse_bytes(&bytes)?)
}

/// Puts a text in place of a repository's settings. Once this has returned it is on the disk.
fn replace_config(repo: &Path, text: &str) -> Result<(), PathError> {
    small_file::replace(repo, &repo.join("config"), text.as_bytes(), true)
}
