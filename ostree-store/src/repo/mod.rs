//! One repository on disk.
//!
//! | path | what |
//! |---|---|
//! | `config` | mode and settings, [`Config`] |
//! | `objects/XX/REST.EXT` | the objects |
//! | `refs/heads`, `refs/remotes` | names for commits, [`RefName`] |
//! | `tmp/staging-…` | objects of transactions not yet published, [`Transaction`] |
//! | `.lock` | shared by transactions, exclusive while objects are deleted |
//! | `state/COMMIT.commitpartial` | a commit whose objects are not all there |
//!
//! An object becomes visible by one rename and never changes afterwards; a ref moves only when everything it
//! reaches is in place. Whatever the moment at which a process ends, the repository stays consistent.

mod config;
mod lock;
mod mode;
mod object_file;
mod objects;
mod refs;
mod revision;
mod space;
mod stage;
mod transaction;

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};

use crate::checksum::CommitId;
use crate::path_error::{At, PathError};

pub use config::{Config, ConfigError, MinFreeSpace};
pub use lock::LockError;
pub use mode::RepoMode;
use objects::ObjectDir;
pub use objects::{ReadError, StoredFile};
pub(crate) use objects::{read_link_xattrs, read_xattrs};
pub use refs::{RefError, RefName};
pub use revision::RevError;
pub use transaction::{Statistics, Transaction};

/// The directories of a new repository.
const SKELETON: [&str; 8] = [
    "extensions",
    "objects",
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
/// let dir = tempfile::tempdir()?;
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
    objects: ObjectDir,
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
    /// The file system refused.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl Repo {
    /// Makes a repository, and the directory itself if it is not there. An existing one stays as it is.
    pub fn create(path: &Path, mode: RepoMode) -> Result<Repo, RepoError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o775);
        for dir in SKELETON {
            let dir = path.join(dir);
            builder.create(&dir).at("create", &dir)?;
        }
        let config = path.join("config");
        if !config.exists() {
            let text = Config::initial(mode);
            let temporary = path.join(format!("tmp/config-{}", std::process::id()));
            fs::write(&temporary, text).at("write", &temporary)?;
            fs::rename(&temporary, &config).at("write", &config)?;
        }
        Repo::open(path)
    }

    /// Opens a repository.
    pub fn open(path: &Path) -> Result<Repo, RepoError> {
        let absolute = std::path::absolute(path).at("resolve", path)?;
        let open_error = |source: io::Error| RepoError::Open {
            path: absolute.clone(),
            source: source.into(),
        };
        fs::read_dir(&absolute).map_err(open_error)?;
        let config_path = absolute.join("config");
        let text = fs::read_to_string(&config_path).at("read", &config_path)?;
        let config = Config::parse(&text)?;
        let mode = config.mode()?;
        let fsync = config.flag("fsync", true)?;
        let objects = ObjectDir::open(absolute.join("objects"), mode)?;
        Ok(Repo {
            path: absolute,
            config,
            mode,
            fsync,
            objects,
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

    /// Whether transactions wait until their objects are on the disk (`core.fsync`).
    pub fn set_fsync(&mut self, fsync: bool) {
        self.fsync = fsync;
    }

    /// Begins to write objects. Several transactions may run at once, in this and in other processes.
    pub fn transaction(&self) -> Result<Transaction<'_>, RepoError> {
        Transaction::begin(self)
    }

    /// The commits that are known not to have all their objects, and whether fsck said so.
    pub fn partial_commits(&self) -> Result<Vec<(CommitId, bool)>, PathError> {
        let state = self.path.join("state");
        let mut partial = Vec::new();
        let entries = match fs::read_dir(&state) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(partial),
            entries => entries.at("list", &state)?,
        };
        for entry in entries {
            let entry = entry.at("list", &state)?;
            let name = entry.file_name().into_string().unwrap_or_default();
            let Some(Ok(checksum)) = name.strip_suffix(".commitpartial").map(str::parse) else {
                continue;
            };
            let by_fsck = fs::read(entry.path()).at("read", entry.path())? == b"f";
            partial.push((CommitId::new(checksum), by_fsck));
        }
        partial.sort_unstable();
        Ok(partial)
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
