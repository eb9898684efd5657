//! A plan carried out on a disk: what [`crate::union`] does to a tree of objects, done to a root.
//!
//! ```text
//! lock      nobody else changes the root            database read, plan made by whoever asks
//! stage     a package → files that wait in the area; several at once, each digest checked
//! place     in the order of the plan: directories, files renamed into place, .apk-new, owners as the root has them then
//! remove    what the old version leaves over, and packages that go
//! dirs      owner and mode of every directory that a package brought or lost
//! record    the database; each file beside the old one, and renamed
//! ```
//!
//! `disk` finds the places within the root, `packages` knows whose they are, `area` is where files wait. Where a place lies
//! on another file system than the area, `across` copies the file beside it first.
//!
//! | broken off | the root is |
//! |---|---|
//! | while packages are staged | as it was, but for the area |
//! | between the first file and the database | between both states; the world is the new one, the database the old one. The same command, `add` or `fix` does the rest: files of packages that are not recorded yet are put again |
//! | while the database is written | complete; the scripts come before the packages that have them |
//!
//! That is so when the program is killed. When the power fails, nothing was forced onto the disk unless
//! [`Options::sync`] asks for it, and a file system that writes names before contents may leave new files empty. With it,
//! all file systems are synced before the database is written, so that the database never tells of a file that is not
//! there; whoever calls syncs them once more at the end. apk 3.0 syncs once, at the end, and by itself only the running
//! system outside of containers (`--sync`); apk 2.14 never does.
//!
//! Nothing here prints, and no script is run: scripts and triggers are recorded. [`scripts_of`] tells which ones there
//! are, before anything is changed.
//!
//! What apk-tools does and this does not:
//!
//! | apk-tools | does | here |
//! |---|---|---|
//! | 2.14 | leaves a temporary file behind when a file cannot be put in its place | it goes with the area |
//! | 2.14 | mounts `proc` for scripts, and so cannot remove it | it goes with the package that has it |
//! | 2.14 | deletes a file of the new version under its old path, where a link makes both one file | it stays |
//! | 2.14 | has no checksum for a file that lost an attribute or its owner | it has one |
//! | 2.14 | records `replaces` once more whenever it installs a package again | each is recorded once |
//! | 2.14 | sets directories right when it only simulates, and counts the root directory as one that it could not | nothing is changed then, and the root directory is none of a package |
//! | 3.0 | notes the size of any file that it was given with the identity of an installed package, even of a damaged one | the size stays |
//! | 3.0 | crashes where a directory that is set right is in no package | it stays as it is |
//! | 3.0 | gives what a link leads to owner and mode, where packages have a directory | it stays as it is |
//! | 3.0 | has a file twice in a package that takes it back in the run in which another one took it, both being installed again, and fails to put it in its place a second time | it is put in its place once, and the package is whole |
//! | both | put files in place while they read a package, and take them away when it fails; directories may stay | nothing of it is seen |
//! | 3.0 | forgets a package whose repetition failed, and leaves its files | the package stays as it was |
//! | 3.0 | forgets setgid bits of directories, and leaves them alone when another package decides later | [`crate::directories`] |
//! | both | wait forever for a pipe in a protected directory | it is changed, and is not opened |
//! | both | install what else is in a package with a malicious name | the package is refused as a whole |

mod across;
mod area;
mod dirs;
mod disk;
pub mod lock;
mod packages;
mod place;
pub mod record;
mod remove;
mod scripts;
mod stage;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use apk_format::database::ProtectedPaths;
use apk_format::{Dependency, Dialect, Record};
use rustix::fs::{Mode, OFlags};

use crate::accounts::{Accounts, Lookup};
use crate::layer::title;
use crate::root::Root;

pub use dirs::{Fixed, fix_directories};
pub use record::{Database, RecordError, recorded_dialect};
pub use scripts::{UnreadableError, scripts_of};
pub use stage::StageError;

use area::Area;
use dirs::Touched;
use disk::Disk;
use packages::{Packages, Protected};
use record::Kept;
use stage::{Staged, Stager};

/// One change of the package set; a plan is a row of them.
#[derive(Clone, Debug)]
pub enum Step {
    /// A package comes: for the first time, in place of another version, or once more.
    Install(Box<Install>),
    /// A package stays, and is pinned to another repository tag, or to none.
    Retag {
        /// Its name.
        name: String,
        /// The tag, without `@`.
        tag: Option<String>,
    },
    /// A package goes.
    Remove {
        /// Its name.
        name: String,
    },
}

/// A package that comes.
#[derive(Clone, Debug)]
pub struct Install {
    /// What the index says of it, or its file if no index lists it.
    pub record: Record,
    /// Its file, which is not opened if the package says that it has no content.
    pub file: PathBuf,
    /// The directory from which the file's name counts, if that is not the usual one: a cache.
    pub within: Option<Arc<OwnedFd>>,
    /// The repository tag under which it was chosen, without `@`.
    pub tag: Option<String>,
}

/// Whom files belong to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Owners {
    /// Whom their packages say, as root only.
    #[default]
    Package,
    /// Whoever runs this; the database says whom they should belong to. There are no devices, and directories can be
    /// written to.
    Caller,
}

/// How a plan is carried out.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "apk's options are independent"
)]
pub struct Options {
    /// Whose rules hold, and how the database is written.
    pub dialect: Dialect,
    /// Whom files belong to.
    pub owners: Owners,
    /// Changed configuration files go with their packages.
    pub purge: bool,
    /// No `.apk-new` files.
    pub clean_protected: bool,
    /// A package takes files of others that nobody lets it have.
    pub force_overwrite: bool,
    /// There may be no database yet.
    pub create: bool,
    /// There may be a cache of indexes, in `var/cache/apk`.
    pub cache: bool,
    /// Files are on the disk before the database says that they are there.
    pub sync: bool,
    /// Files are copied into their directories, as where these lie on other file systems; for tests.
    pub copies: bool,
    /// What `etc/apk/arch` is to say; `None` leaves it alone.
    pub architectures: Option<Vec<String>>,
}

/// What happens while a plan is carried out.
#[derive(Debug)]
pub enum Event<'e> {
    /// A step begins: its number in the plan.
    Step(usize),
    /// A step is done: its number in the plan.
    Done(usize),
    /// Something about a package, `name-version`.
    Package(&'e str, &'e Happened<'e>),
    /// Owner or mode of a directory could not be set.
    Directory {
        /// Its path.
        path: &'e str,
        /// Why.
        error: &'e io::Error,
    },
}

/// What happens to a package.
#[derive(Debug)]
pub enum Happened<'e> {
    /// It was not installed.
    Failed(&'e StageError),
    /// A file is another package's, `name-version`. It was left there, unless `forced`.
    Conflict {
        /// The path.
        path: &'e str,
        /// Whose it is.
        owner: &'e str,
        /// Whether it was taken.
        forced: bool,
    },
    /// A file without an entry for its directory before it; it was left out.
    NoDirectory(&'e str),
    /// A hard link to what is not an earlier file of the package; it was left out.
    NoLinkTarget {
        /// The path.
        path: &'e str,
        /// What it names.
        target: &'e str,
    },
    /// A file could not be made.
    NotMade {
        /// The path.
        path: &'e str,
        /// Why.
        error: &'e io::Error,
    },
    /// Something of a file could not be kept.
    Without {
        /// The path.
        path: &'e str,
        /// What.
        lost: Lost,
    },
    /// A file could not be put in its place.
    NotPlaced {
        /// The path.
        path: &'e str,
        /// Why.
        error: &'e io::Error,
    },
    /// A file goes beside a changed one, under this path.
    Beside(&'e str),
    /// An entry of its archive has a place in the root.
    Entry {
        /// The path, that of a directory as the archive writes it.
        path: &'e str,
        /// Whether it is a directory.
        dir: bool,
    },
    /// A file that it had is not its any more.
    Went {
        /// The path.
        path: &'e str,
        /// Whether it is also one of its new version.
        stays: bool,
    },
}

/// What could not be kept of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each can fail on its own")]
pub struct Lost {
    /// Its owner or group.
    pub owner: bool,
    /// Its mode.
    pub permission: bool,
    /// The time of its last change.
    pub mtime: bool,
    /// Some attribute.
    pub xattrs: bool,
}

/// Somebody who wants to know.
pub trait Watch {
    /// Is told what happens, in the order of the plan.
    fn event(&mut self, event: &Event<'_>);
}

/// Nobody who wants to know.
impl Watch for () {
    fn event(&mut self, _: &Event<'_>) {}
}

/// What the root holds afterwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Packages that failed or are broken, and directories that could not be set right.
    pub errors: usize,
    /// Installed packages.
    pub packages: usize,
    /// Directories of theirs, with those above.
    pub directories: usize,
    /// Files of theirs.
    pub files: usize,
    /// What they say of their size, in bytes.
    pub bytes: u64,
}

/// Why a plan was not carried out, or not to its end. Failures of single packages are [`Event`]s.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// There is no place where files could wait.
    #[error("cannot use {} in the root", area::NAME)]
    Area(#[source] io::Error),
    /// The database could not be read or written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A directory that every root has could not be made.
    #[error("cannot make {path}")]
    Create {
        /// The path.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// Carries out a plan. `database` is what the root holds, read under the lock; `world` is what is asked for from now on.
pub fn carry_out(
    root: &Root,
    database: Database,
    steps: &[Step],
    world: &[Dependency],
    options: &Options,
    watch: &mut dyn Watch,
) -> Result<Outcome, InstallError> {
    let area = Area::open(root).map_err(InstallError::Area)?;
    let accounts = accounts(root).of_dialect(options.dialect);
    let stager = Stager {
        owners: options.owners,
        accounts: accounts.clone(),
        dialect: options.dialect,
    };
    let (packages, kept) = database.take_apart(options.dialect, steps);
    let mut run = Run {
        disk: Disk::new(root),
        touched: Touched::new(&area.left),
        area,
        packages,
        kept,
        lookup: Lookup::new(accounts, options.dialect),
        protected: Protected::new(protected_paths(root)),
        options,
        watch,
        errors: 0,
    };
    across::clean(&mut run.disk, run.area.copies.iter());
    run.prepare(world)?;
    run.steps(steps, &stager)?;
    run.finish(world)
}

/// A plan being carried out.
struct Run<'a> {
    disk: Disk<'a>,
    area: Area,
    packages: Packages,
    /// Scripts and triggers.
    kept: Kept,
    lookup: Lookup,
    protected: Protected,
    touched: Touched,
    options: &'a Options,
    watch: &'a mut dyn Watch,
    errors: usize,
}

impl Run<'_> {
    /// Packages are staged ahead, a few at a time; they are put in place one by one.
    fn steps(&mut self, steps: &[Step], stager: &Stager) -> Result<(), InstallError> {
        let ahead = 2 * rayon::current_num_threads() + 1;
        let mut coming = steps
            .iter()
            .enumerate()
            .filter_map(|(number, step)| match step {
                Step::Install(install) if install.record.installed_size > 0 => {
                    Some((number, install))
                }
                _ => None,
            });
        let mut waiting: VecDeque<Receiver<Result<Staged, StageError>>> = VecDeque::new();
        rayon::in_place_scope(|scope| {
            for (number, step) in steps.iter().enumerate() {
                while waiting.len() < ahead
                    && let Some((number, install)) = coming.next()
                {
                    let dir = self.area.package(number).map_err(InstallError::Area)?;
                    let (send, receive) = sync_channel(1);
                    scope.spawn(move |_| {
                        let staged = open(install).and_then(|archive| {
                            stager.stage(&install.record.identity, archive, dir)
                        });
                        let _ = send.send(staged); // nobody waits any more if the plan was given up
                    });
                    waiting.push_back(receive);
                }
                self.watch.event(&Event::Step(number));
                let staged = match step {
                    Step::Install(install) if install.record.installed_size > 0 => {
                        waiting.pop_front().and_then(|staged| staged.recv().ok())
                    }
                    _ => None,
                };
                self.step(number, step, staged)?;
                self.watch.event(&Event::Done(number));
            }
            Ok(())
        })
    }

    fn step(
        &mut self,
        number: usize,
        step: &Step,
        staged: Option<Result<Staged, StageError>>,
    ) -> Result<(), InstallError> {
        self.disk.forget();
        match step {
            Step::Remove { name } => self.remove(name),
            Step::Retag { name, tag } => self.packages.retag(name, tag.as_deref()),
            Step::Install(install) => {
                match staged {
                    Some(Ok(staged)) => self.install(install, &staged),
                    Some(Err(error)) => {
                        let failed = Happened::Failed(&error);
                        self.tell(&title(&install.record), &failed);
                        self.packages.count_failed(&install.record.name);
                        self.errors += 1;
                    }
                    None => self.install_nothing(install),
                }
                if install.record.installed_size > 0 {
                    self.area.drop_package(number).map_err(InstallError::Area)?;
                }
            }
        }
        Ok(())
    }

    fn tell(&mut self, package: &str, happened: &Happened<'_>) {
        self.watch.event(&Event::Package(package, happened));
    }

    /// Owners and modes of directories, then the database; then nothing waits any more.
    fn finish(mut self, world: &[Dependency]) -> Result<Outcome, InstallError> {
        self.disk.forget();
        self.finish_directories();
        self.errors += self.packages.broken();
        if self.options.sync {
            rustix::fs::sync();
        }
        self.write_database(world)?;
        self.area.close().map_err(InstallError::Area)?;
        let mut outcome = self.packages.count();
        outcome.errors = self.errors;
        Ok(outcome)
    }
}

/// Bytes read from a package at once.
const BUFFER: usize = 128 << 10;

fn open(install: &Install) -> Result<BufReader<File>, StageError> {
    let opened = match &install.within {
        None => File::open(&install.file),
        Some(dir) => {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let fd = rustix::fs::openat(dir, &install.file, flags, Mode::empty());
            fd.map(File::from).map_err(io::Error::from)
        }
    };
    match opened {
        Ok(file) => Ok(BufReader::with_capacity(BUFFER, file)),
        Err(source) => Err(StageError::Open {
            path: install.file.clone(),
            source,
        }),
    }
}

/// Makes a directory of the root, and every one above it that is missing, with mode 755.
pub fn make_dirs(root: &Root, path: &str) -> io::Result<()> {
    Disk::new(root).make_dirs(path)
}

/// Opens a log of the root, and makes it with the directories above it if there is none.
pub fn open_log(root: &Root, path: &str) -> io::Result<File> {
    if let Some((dir, _)) = path.rsplit_once('/') {
        make_dirs(root, dir)?;
    }
    root.append(path)
}

/// The accounts of a root as they are now.
fn accounts(root: &Root) -> Accounts {
    let mut accounts = Accounts::default();
    // What cannot be read names nobody, as in apk.
    if let Ok(Some(passwd)) = root.read("etc/passwd") {
        accounts.set_users(&passwd);
    }
    if let Ok(Some(group)) = root.read("etc/group") {
        accounts.set_groups(&group);
    }
    accounts
}

/// What is protected in a root: what always is, and what its files say.
#[must_use]
pub fn protected_paths(root: &Root) -> ProtectedPaths {
    const DIR: &str = "etc/apk/protected_paths.d";
    let mut protected = ProtectedPaths::new();
    protected.add(ProtectedPaths::USUAL);
    for name in root.list(DIR).unwrap_or_default() {
        if name.starts_with('.') || !name.ends_with(".list") {
            continue;
        }
        if let Ok(Some(text)) = root.read(&format!("{DIR}/{name}")) {
            protected.add(&String::from_utf8_lossy(&text));
        }
    }
    protected
}
