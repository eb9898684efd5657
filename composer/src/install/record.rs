//! The package database of a root: read before a plan is made, written when it was carried out.
//!
//! | order of writing | because |
//! |---|---|
//! | `etc/apk/world`, before anything changes | what was asked for is known to the next run, even if this one is broken off |
//! | directories and files of a new root | apk 2.14 makes them first, apk 3.0 last |
//! | scripts, triggers | whoever reads `installed` finds them |
//! | `installed` | last |

use std::collections::HashMap;
use std::io;

use apk_format::{
    Dependency, Dialect, Digest, InstalledDb, InstalledError, Record, ScriptArchive,
    ScriptArchiveError, ScriptEntry, ScriptKind, Trigger, Triggers, TriggersError, World,
};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::disk::set_mode;
use super::packages::Packages;
use super::stage::Staged;
use super::{InstallError, Owners, Run, Step};
use crate::root::Root;

/// What a root holds.
#[derive(Clone, Debug, Default)]
pub struct Database {
    /// `installed`
    pub installed: InstalledDb,
    /// `scripts.tar` or `scripts.tar.gz`
    pub scripts: ScriptArchive,
    /// `triggers`
    pub triggers: Triggers,
    /// What its files show of its form.
    pub dialect: Option<Dialect>,
}

/// Why the database could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A file could not be read.
    #[error("cannot read {path}")]
    Read {
        /// Which, relative to the root.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A file is no text.
    #[error("{path} is not UTF-8")]
    Text {
        /// Which, relative to the root.
        path: String,
    },
    /// The installed database is broken.
    #[error("lib/apk/db/installed is broken")]
    Installed(#[from] InstalledError),
    /// The triggers are broken.
    #[error("lib/apk/db/triggers is broken")]
    Triggers(#[from] TriggersError),
    /// The scripts are broken.
    #[error("the scripts in lib/apk/db are broken")]
    Scripts(#[from] ScriptArchiveError),
    /// A file could not be written.
    #[error("cannot write {path}")]
    Write {
        /// Which, relative to the root.
        path: String,
        /// Why.
        source: io::Error,
    },
}

const DIR: &str = "lib/apk/db";

/// The form of a root's database, as its files show it; `None` if there is none yet.
#[must_use]
pub fn recorded_dialect(root: &Root) -> Option<Dialect> {
    // Where there are both, the older form counts, as below.
    let dialects = [Dialect::Apk2, Dialect::Apk3];
    dialects.into_iter().find(|dialect| {
        let path = format!("{DIR}/{}", dialect.scripts_file());
        root.open_at(&path, OFlags::PATH).is_ok()
    })
}

impl Database {
    /// Reads the database; what is missing is empty.
    pub fn read(root: &Root) -> Result<Database, RecordError> {
        let mut database = Database::default();
        if let Some(text) = text(root, "installed")? {
            database.installed = InstalledDb::parse(&text)?;
        }
        if let Some(text) = text(root, "triggers")? {
            database.triggers = Triggers::parse(&text)?;
        }
        // Where there are both, apk 3 too goes by the uncompressed one.
        for dialect in [Dialect::Apk3, Dialect::Apk2] {
            if let Some(bytes) = bytes(root, dialect.scripts_file())? {
                database.scripts = ScriptArchive::parse(&bytes)?;
                database.dialect = Some(dialect);
            }
        }
        Ok(database)
    }

    /// Whether a package of this name is installed.
    pub(super) fn has(&self, name: &str) -> bool {
        self.installed
            .packages
            .iter()
            .any(|one| one.record.name == name)
    }

    /// The scripts of an installed package.
    pub(super) fn scripts_of(&self, name: &str, mut found: impl FnMut(String, ScriptKind)) {
        let packages = self.installed.packages.iter();
        for package in packages.filter(|one| one.record.name == name) {
            for entry in &self.scripts.entries {
                if entry.identity.same_identity(&package.record.identity) {
                    found(entry.package.clone(), entry.kind);
                }
            }
        }
    }

    pub(super) fn take_apart(self, dialect: Dialect, steps: &[Step]) -> (Packages, Kept) {
        let mut kept = Kept::default();
        for entry in self.scripts.entries {
            let scripts = kept.scripts.entry(entry.identity.first_20().to_vec());
            scripts.or_default().push(entry);
        }
        for trigger in self.triggers.entries {
            kept.keep_trigger(trigger);
        }
        (Packages::new(self.installed, dialect, steps), kept)
    }
}

/// Scripts and triggers, by the identities of their packages.
#[derive(Debug, Default)]
pub(super) struct Kept {
    scripts: HashMap<Vec<u8>, Vec<ScriptEntry>>,
    triggers: HashMap<Vec<u8>, Trigger>,
    /// Identities with triggers, in the order in which they were read or came.
    order: Vec<Vec<u8>>,
}

impl Kept {
    /// Those of a package that came.
    pub(super) fn take_in(&mut self, record: &Record, staged: &Staged) {
        self.forget(&record.identity);
        let scripts = staged.scripts.iter().map(|script| {
            let version = record.version.as_str();
            ScriptEntry::new(
                &record.name,
                version,
                record.identity,
                record.build_time,
                script,
            )
        });
        let key = record.identity.first_20().to_vec();
        self.scripts.insert(key, scripts.collect());
        if !staged.info.triggers.is_empty() {
            self.keep_trigger(Trigger {
                identity: record.identity,
                globs: staged.info.triggers.clone(),
            });
        }
    }

    fn keep_trigger(&mut self, trigger: Trigger) {
        let key = trigger.identity.first_20().to_vec();
        self.order.retain(|known| *known != key);
        self.order.push(key.clone());
        self.triggers.insert(key, trigger);
    }

    pub(super) fn forget(&mut self, identity: &Digest) {
        self.scripts.remove(identity.first_20());
        self.triggers.remove(identity.first_20());
    }

    /// Those of the packages, in the order of the packages; apk 2.14 keeps the triggers that it has read where they were.
    fn of(&mut self, packages: &InstalledDb, dialect: Dialect) -> (ScriptArchive, Triggers) {
        let (mut scripts, mut triggers) = (ScriptArchive::default(), Triggers::default());
        for package in &packages.packages {
            let identity = package.record.identity.first_20();
            scripts
                .entries
                .extend(self.scripts.remove(identity).unwrap_or_default());
            triggers.entries.extend(self.triggers.remove(identity));
        }
        if dialect == Dialect::Apk2 {
            let place = |trigger: &Trigger| {
                let identity = trigger.identity.first_20();
                self.order.iter().position(|known| known == identity)
            };
            triggers.entries.sort_by_cached_key(place);
        }
        (scripts, triggers)
    }
}

impl Run<'_> {
    /// Before anything changes: what is asked for, and in apk 2.14 the directories of a new root.
    pub(super) fn prepare(&mut self, world: &[Dependency]) -> Result<(), InstallError> {
        match self.options.dialect {
            _ if !self.options.create => {}
            Dialect::Apk3 if self.options.cache => {
                self.create_dir("var/cache/apk")?;
                self.make_ahead(&["etc", "etc/apk"])?;
            }
            Dialect::Apk2 => {
                self.create_root()?;
                self.create_dir("etc/apk")?;
                self.create_dir(DIR)?;
                self.create_lock()?;
            }
            // apk 3.0 makes it at the end, if no package has: so packages decide about owner and mode.
            Dialect::Apk3 => self.make_ahead(&["etc", "etc/apk"])?,
        }
        self.write_world(world)?;
        self.disk.forget();
        Ok(())
    }

    /// apk 2.14 locks a new root too.
    fn create_lock(&mut self) -> Result<(), InstallError> {
        let made = self.disk.dir(DIR).and_then(|dir| {
            let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            Ok(rustix::fs::openat(
                dir,
                "lock",
                flags,
                Mode::RUSR | Mode::WUSR,
            )?)
        });
        made.map(drop).map_err(|source| InstallError::Create {
            path: format!("{DIR}/lock"),
            source,
        })
    }

    fn make_ahead(&mut self, paths: &[&str]) -> Result<(), InstallError> {
        for path in paths {
            if matches!(self.disk.stat(path), Ok(None)) {
                self.area.remember(path).map_err(InstallError::Area)?;
                self.create_dir(path)?;
                self.touched.left.insert((*path).to_owned());
            }
        }
        Ok(())
    }

    /// What apk 2.14 makes in a new root.
    fn create_root(&mut self) -> Result<(), InstallError> {
        for (path, mode) in [
            ("tmp", 0o1777),
            ("dev", 0o755),
            ("etc", 0o755),
            ("proc", 0o555),
            ("var", 0o755),
            ("var/cache", 0o755),
            ("var/cache/apk", 0o755),
            ("var/cache/misc", 0o755),
        ] {
            // What is there already stays as it is.
            match self.disk.make_dir(path, (0, 0, mode), false) {
                Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                    let path = path.to_owned();
                    return Err(InstallError::Create { path, source });
                }
                _ => {}
            }
        }
        if self.options.owners == Owners::Package {
            for (path, major, minor, mode) in DEVICES {
                self.create_device(path, rustix::fs::makedev(major, minor), mode)?;
            }
        }
        Ok(())
    }

    fn create_device(&mut self, name: &str, device: u64, mode: u32) -> Result<(), InstallError> {
        let failed = |source| InstallError::Create {
            path: format!("dev/{name}"),
            source,
        };
        let dir = self.disk.dir("dev").map_err(failed)?;
        let mode = Mode::from_raw_mode(mode);
        match rustix::fs::mknodat(&dir, name, FileType::CharacterDevice, mode, device) {
            Ok(()) => {}
            // In a container nobody may make devices; apk goes on without.
            Err(Errno::EXIST | Errno::PERM) => return Ok(()),
            Err(error) => return Err(failed(error.into())),
        }
        // Where there is no /proc, the umask has its way.
        match set_mode(&dir, name, mode) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(()),
        }
    }

    fn create_dir(&mut self, path: &str) -> Result<(), InstallError> {
        let made = self.disk.make_dirs(path);
        made.map_err(|source| InstallError::Create {
            path: path.to_owned(),
            source,
        })
    }

    fn write_world(&mut self, world: &[Dependency]) -> Result<(), InstallError> {
        let world = World {
            dependencies: world.to_vec(),
        };
        self.write("etc/apk/world", world.write().as_bytes())
    }

    /// Everything else, when all files are in their places.
    pub(super) fn write_database(&mut self, world: &[Dependency]) -> Result<(), InstallError> {
        if self.options.create {
            self.create_dir(DIR)?;
            self.create_dir("etc/apk")?;
        }
        if let Some(architectures) = &self.options.architectures {
            let lines: String = architectures.iter().map(|one| format!("{one}\n")).collect();
            self.write("etc/apk/arch", lines.as_bytes())?;
        }
        let dialect = self.options.dialect;
        let mut installed = InstalledDb {
            packages: self.packages.iter().cloned().collect(),
        };
        if dialect == Dialect::Apk3 {
            installed.sort();
        }
        let (scripts, triggers) = self.kept.of(&installed, dialect);
        installed.sort();
        let scripts_file = format!("{DIR}/{}", dialect.scripts_file());
        self.write(&scripts_file, &scripts.write(dialect))?;
        self.write(&format!("{DIR}/triggers"), triggers.write().as_bytes())?;
        self.write(&format!("{DIR}/installed"), installed.write().as_bytes())?;
        // A package may have brought a file of this name.
        self.write_world(world)
    }

    fn write(&mut self, path: &str, content: &[u8]) -> Result<(), InstallError> {
        let written = self.disk.write(path, content);
        Ok(written.map_err(|source| RecordError::Write {
            path: path.to_owned(),
            source,
        })?)
    }
}

/// Name, major and minor number, mode.
const DEVICES: [(&str, u32, u32, u32); 5] = [
    ("null", 1, 3, 0o666),
    ("zero", 1, 5, 0o666),
    ("random", 1, 8, 0o666),
    ("urandom", 1, 9, 0o666),
    ("console", 5, 1, 0o600),
];

fn bytes(root: &Root, name: &str) -> Result<Option<Vec<u8>>, RecordError> {
    let path = format!("{DIR}/{name}");
    match root.read(&path) {
        Ok(bytes) => Ok(bytes),
        Err(source) => Err(RecordError::Read { path, source }),
    }
}

fn text(root: &Root, name: &str) -> Result<Option<String>, RecordError> {
    let bytes = bytes(root, name)?;
    let text = bytes.map(String::from_utf8).transpose();
    text.map_err(|_| RecordError::Text {
        path: format!("{DIR}/{name}"),
    })
}
