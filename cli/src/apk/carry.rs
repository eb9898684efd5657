//! Carrying a plan out: the lock, the refusal of scripts, and what happens in apk's words.
//!
//! Scripts, triggers and commit hooks are not run. Where there are some, `--no-scripts` has to say that they need not be:
//! scripts are recorded then, as apk records them. `--no-commit-hooks` alone passes over hooks, and tells which.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use apk_format::Dialect;
use composer::cache::{PackageCache, file_name};
use composer::changeset::{Changeset, Planned};
use composer::install::lock::Lock;
use composer::install::{
    self, Database, Event, Happened, Install, InstallError, Lost, Options, Owners, RecordError,
    StageError, Step,
};
use composer::inventory::{PackageId, local_path};
use composer::resolve::ChangeKind;
use composer::root::Root;
use rustix::process::geteuid;

use super::out::Out;
use super::phrases;
use super::session::{Code, FAILED, Session};
use super::trouble::Trouble;

/// Takes the lock before anything is read; a root that is to be made may have none.
pub(super) fn lock(session: &mut Session, root: &Root) -> Result<Lock, Code> {
    let wait = Duration::from_secs(session.globals.wait);
    let out = &mut session.out;
    let taken = Lock::take(root, wait, || out.notice("Waiting for repository lock"));
    let words = match taken {
        Ok(lock) if lock.is_held() || session.makes_database => return Ok(lock),
        Ok(_) => "No such file or directory".to_owned(),
        // apk is woken up by a signal when it has waited long enough, and says that.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock && !wait.is_zero() => {
            "Interrupted system call".to_owned()
        }
        Err(error) => phrases::system(&error),
    };
    session
        .out
        .error(format_args!("Unable to lock database: {words}"));
    session
        .out
        .error(format_args!("Failed to open apk database: {words}"));
    Err(FAILED)
}

/// Only an ordinary user makes a root that is an ordinary user's.
pub(super) fn check_user(session: &mut Session) -> Result<(), Code> {
    let usermode = wants_usermode(session);
    let words = match (geteuid().is_root(), usermode) {
        (true, true) => "--usermode not allowed as root",
        (false, false) => "Use --usermode to allow creating database as non-root",
        _ => return Ok(()),
    };
    session.out.error(words);
    Err(FAILED)
}

fn wants_usermode(session: &Session) -> bool {
    session.has("usermode") || session.has("no-chown")
}

/// Carries out a plan. Gives the number of errors.
pub(super) fn carry_out(session: &mut Session, changeset: &Changeset, told: &[Told]) -> Code {
    let Some(root) = session.root.take() else {
        return FAILED;
    };
    let code = match prepared(session, &root, changeset) {
        Ok((database, steps, options)) => {
            let hooks = skipped_hooks(session, &root);
            tell_hooks(session, &hooks, "pre-commit");
            let keys_from = session.keys_from();
            let kept = kept(session, changeset);
            let cache = session.inventory.cache.clone();
            let mut teller = Teller {
                kept: &kept,
                cache,
                failed: false,
                out: &mut session.out,
                keys_from: &keys_from,
                told,
            };
            teller.start();
            let world = &changeset.world;
            let done = install::carry_out(&root, database, &steps, world, &options, &mut teller);
            teller.finish();
            match done {
                Ok(outcome) => {
                    tell_hooks(session, &hooks, "post-commit");
                    sync(session);
                    self::told(session, outcome)
                }
                Err(error) => refused(session, &error),
            }
        }
        Err(code) => code,
    };
    session.root = Some(root);
    code
}

/// Of each effective change the file that is to be kept in the cache, and its name there.
fn kept(session: &Session, changeset: &Changeset) -> Vec<Option<(PathBuf, String)>> {
    let changes = changeset.effective();
    let files = changes.map(|change| {
        let package = change.new?;
        let name = kept_as(session, package)?;
        Some((session.inventory.file_of(package)?.to_owned(), name))
    });
    files.collect()
}

/// Everything that can be refused before anything changes.
fn prepared(
    session: &mut Session,
    root: &Root,
    changeset: &Changeset,
) -> Result<(Database, Vec<Step>, Options), Code> {
    let database = read_database(session, root)?;
    let steps: Vec<Step> = changeset
        .effective()
        .map(|change| step(session, change))
        .collect();
    if !session.no_scripts {
        refuse_scripts(session, root, &database, &steps, changeset)?;
    }
    let options = options(session, root, &database, &steps);
    session.settle(root, options.dialect)?;
    Ok((database, steps, options))
}

fn read_database(session: &mut Session, root: &Root) -> Result<Database, Code> {
    Database::read(root).map_err(|error| {
        let words = record_words(&error);
        session
            .out
            .error(format_args!("Unable to read database: {words}"));
        FAILED
    })
}

/// Sets right the owners and modes of all directories.
pub(super) fn fix_directories(session: &mut Session) -> Result<(), Code> {
    let Some(root) = session.root.take() else {
        return Err(FAILED);
    };
    let fixed = read_database(session, &root).map(|database| {
        let how = (dialect(&database, &[]), owners(session, &root));
        install::fix_directories(&root, &database, how, session.simulate)
    });
    session.root = Some(root);
    let (fixed, out) = (fixed?, &mut session.out);
    // apk 2.14 says nothing of them.
    if out.verbosity >= 2 && out.words == Dialect::Apk3 {
        let dirs = fixed.fixed.iter();
        dirs.for_each(|path| out.line(format_args!("fixing directory {path}")));
    }
    for (path, error) in &fixed.failed {
        let words = phrases::system(error);
        out.warning(format_args!("failed to update directory {path}: {words}"));
    }
    if fixed.failed.is_empty() {
        return Ok(());
    }
    out.error("Failed to fix directory permissions");
    Err(FAILED)
}

fn step(session: &Session, change: &Planned) -> Step {
    let inventory = &session.inventory;
    let name = |package: Option<PackageId>| {
        package.map_or(String::new(), |package| {
            inventory[package].record.name.to_string()
        })
    };
    let retag = |tag: &Option<String>| Step::Retag {
        name: name(change.new),
        tag: tag.clone(),
    };
    match (change.kind, change.new) {
        (ChangeKind::Purge, _) | (_, None) => Step::Remove {
            name: name(change.old),
        },
        (ChangeKind::Retag | ChangeKind::Keep, _) => retag(&change.tag),
        (ChangeKind::Reinstall, Some(new)) if !inventory.can_be_had(new) => retag(&change.tag),
        (_, Some(new)) => Step::Install(Box::new(Install {
            record: inventory[new].record.clone(),
            file: place(session, new),
            within: from_cache(session, new).map(|(cache, _)| cache.dir()),
            tag: change.tag.clone(),
        })),
    }
}

/// Where a package's file is; what cannot be found shows when it is opened.
fn place(session: &Session, package: PackageId) -> PathBuf {
    if let Some((_, name)) = from_cache(session, package) {
        return name.into();
    }
    if let Some(file) = session.inventory.file_of(package) {
        return file.to_owned();
    }
    let url = session.inventory.download_url(package);
    url.and_then(|url| local_path(&url)).unwrap_or_default()
}

/// The cache and the name in it of a package that it has.
fn from_cache(session: &Session, package: PackageId) -> Option<(&PackageCache, String)> {
    let inventory = &session.inventory;
    let cache = inventory.cache.as_ref()?;
    let name = file_name(&inventory[package].record)?;
    inventory.is_cached(package).then_some((cache, name))
}

/// The name under which a package that came as a file is kept, if there is a cache for it and no repository here.
fn kept_as(session: &Session, package: PackageId) -> Option<String> {
    let inventory = &session.inventory;
    inventory.cache.as_ref()?;
    let local = inventory.source(package).is_some_and(|source| source.local);
    let from_file = inventory.file_of(package).is_some() && !inventory.is_cached(package);
    file_name(&inventory[package].record).filter(|_| from_file && !local)
}

/// Names what would have to be run.
fn refuse_scripts(
    session: &mut Session,
    root: &Root,
    database: &Database,
    steps: &[Step],
    changeset: &Changeset,
) -> Result<(), Code> {
    let inventory = &session.inventory;
    let after = changeset.changes.iter().filter_map(|change| change.new);
    let order = after.map(|new| inventory[new].record.name.to_string());
    let order: Vec<String> = order.collect();
    let keys_from = session.keys_from();
    let scripts = install::scripts_of(database, steps, &order).map_err(|error| {
        let (package, trouble) = (&error.package, stage_trouble(&error.source));
        let out = &mut session.out;
        out.error(format_args!("{package}: {trouble}"));
        out.explain(package, &trouble, &keys_from);
        out.error(
            "apk-ostree runs no scripts yet, and cannot tell which ones this package has; \
             --no-scripts goes on without them",
        );
        FAILED
    })?;
    let scripts = scripts
        .into_iter()
        .map(|(package, kind)| format!("{package}.{kind}"));
    let mut found: Vec<String> = scripts.collect();
    if !session.no_commit_hooks {
        found.extend(hooks(root));
    }
    if found.is_empty() {
        return Ok(());
    }
    let found = found.join(", ");
    session.out.error(format_args!(
        "apk-ostree runs no scripts yet; --no-scripts records these and goes on without: {found}"
    ));
    Err(FAILED)
}

/// The commit hooks, in apk's order: by their names. One in `etc` stands for one of the same name in `lib`.
fn hooks(root: &Root) -> Vec<String> {
    let mut found = BTreeMap::new();
    for dir in ["etc/apk/commit_hooks.d", "lib/apk/commit_hooks.d"] {
        for name in root.list(dir).unwrap_or_default() {
            if !name.starts_with('.') {
                found.entry(name).or_insert(dir);
            }
        }
    }
    let paths = found.iter().map(|(name, dir)| format!("{dir}/{name}"));
    paths.collect()
}

/// Hooks that are passed over and talked about. With `--no-scripts` nobody asks for them.
fn skipped_hooks(session: &Session, root: &Root) -> Vec<String> {
    if session.no_commit_hooks && !session.no_scripts {
        hooks(root)
    } else {
        Vec::new()
    }
}

fn tell_hooks(session: &mut Session, hooks: &[String], kind: &str) {
    for hook in hooks {
        session.out.message(format_args!("Skipping: {hook} {kind}"));
    }
}

/// Waits until everything is on the disks, as apk does for the running system unless it is told otherwise.
fn sync(session: &mut Session) {
    if syncs(session) {
        let note = session.out.bar.note("syncing disks...");
        session.out.show(note);
        rustix::fs::sync();
    }
}

fn syncs(session: &Session) -> bool {
    let globals = &session.globals;
    let usual = || !globals.root_set && geteuid().is_root() && runs_on_host();
    globals.sync.unwrap_or_else(usual)
}

/// Whether this is no container: there the second process is another one.
fn runs_on_host() -> bool {
    let stat = std::fs::read("/proc/2/stat");
    stat.is_ok_and(|stat| stat.starts_with(b"2 (kthreadd) "))
}

fn options(session: &Session, root: &Root, database: &Database, steps: &[Step]) -> Options {
    let globals = &session.globals;
    let recorded = matches!(root.read("etc/apk/arch"), Ok(Some(_)));
    let writes_arch = globals.root_set && !globals.architectures.is_empty();
    let said = session.dialect.filter(|_| database.dialect.is_none());
    Options {
        dialect: said.unwrap_or_else(|| dialect(database, steps)),
        owners: owners(session, root),
        purge: globals.purge,
        clean_protected: session.clean_protected,
        force_overwrite: globals.force_overwrite,
        create: session.makes_database,
        copies: false,
        sync: syncs(session),
        cache: globals.cache && globals.cache_dir.is_none(),
        architectures: (writes_arch || !recorded).then(|| session.inventory.architectures.clone()),
    }
}

/// A database that is an ordinary user's is that of an ordinary user's root.
fn owners(session: &Session, root: &Root) -> Owners {
    let foreign = root.owner("lib/apk/db").is_some_and(|owner| owner != 0);
    match wants_usermode(session) || foreign {
        true => Owners::Caller,
        false => Owners::Package,
    }
}

/// The form that the database has, else that of the apk-tools that there will be, else that of the newer apk.
fn dialect(database: &Database, steps: &[Step]) -> Dialect {
    let coming = steps.iter().filter_map(|step| match step {
        Step::Install(install) => Some(&install.record),
        _ => None,
    });
    let there = database.installed.packages.iter().map(|one| &one.record);
    let tools = coming.chain(there).find(|one| one.name == "apk-tools");
    let of_tools = tools.map(|record| {
        let major = record.version.as_str().split('.').next().map(str::parse);
        match major {
            Some(Ok(0..3_u32)) => Dialect::Apk2,
            _ => Dialect::Apk3,
        }
    });
    database.dialect.or(of_tools).unwrap_or_default()
}

/// The last line.
fn told(session: &mut Session, outcome: install::Outcome) -> Code {
    super::changes::tell_total(
        &mut session.out,
        outcome.errors,
        (outcome.packages, outcome.bytes),
        (outcome.directories, outcome.files),
    );
    Code::try_from(outcome.errors).unwrap_or(FAILED)
}

fn refused(session: &mut Session, error: &InstallError) -> Code {
    session.out.error(phrases::chain(error));
    FAILED
}

fn record_words(error: &RecordError) -> String {
    match error {
        RecordError::Read { source, .. } | RecordError::Write { source, .. } => {
            phrases::system(source)
        }
        other => phrases::chain(other),
    }
}

/// A change as it is told.
#[derive(Debug)]
pub(super) struct Told {
    /// Its line.
    pub(super) line: String,
    /// How much it is for the progress bar, in bytes.
    pub(super) size: u64,
    /// Whether files come or go.
    pub(super) works: bool,
    /// Whether a package's file is read.
    pub(super) reads: bool,
}

/// Says what happens, as it happens.
pub(super) struct Teller<'a> {
    pub(super) out: &'a mut Out,
    /// From where keys are loaded, for hints.
    pub(super) keys_from: &'a str,
    pub(super) told: &'a [Told],
    /// What goes into the cache once it is installed.
    pub(super) kept: &'a [Option<(PathBuf, String)>],
    pub(super) cache: Option<PackageCache>,
    /// Whether the change that is under way has failed.
    pub(super) failed: bool,
}

impl Teller<'_> {
    pub(super) fn start(&mut self) {
        let bytes = self.told.iter().map(|told| told.size).sum();
        let packages = self.told.len() as u64;
        self.out.bar.start("install", bytes, packages);
    }

    pub(super) fn begin(&mut self, number: usize) {
        if let Some(told) = self.told.get(number) {
            self.out.message(&told.line);
            if told.works {
                let drawn = self.out.bar.begin(told.size);
                self.out.show(drawn);
            }
        }
    }

    pub(super) fn end(&mut self, number: usize) {
        if let Some(told) = self.told.get(number) {
            if told.works {
                let drawn = self.out.bar.end(told.reads);
                drawn
                    .into_iter()
                    .for_each(|drawn| self.out.show(Some(drawn)));
            }
            self.out.bar.count(told.size);
        }
    }

    fn keep(&mut self, number: usize) {
        let (Some(Some((file, name))), Some(cache)) = (self.kept.get(number), &self.cache) else {
            return;
        };
        if !self.failed && cache.keep(name, file).is_err() {
            let package = name.rsplitn(3, '.').nth(2).unwrap_or(name);
            self.out
                .warning(format_args!("{package}: unable to cache package"));
        }
    }

    pub(super) fn finish(&mut self) {
        let drawn = self.out.bar.finish();
        self.out.show(drawn);
    }
}

impl install::Watch for Teller<'_> {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Step(number) => {
                self.failed = false;
                self.begin(*number);
            }
            Event::Done(number) => {
                self.keep(*number);
                self.end(*number);
            }
            Event::Package(package, happened) => self.happened(package, happened),
            Event::Directory { path, error } => {
                let words = phrases::system(error);
                self.out
                    .warning(format_args!("failed to update directory {path}: {words}"));
            }
        }
    }
}

impl Teller<'_> {
    fn happened(&mut self, package: &str, happened: &Happened<'_>) {
        let out = &mut *self.out;
        if let (Dialect::Apk2, Happened::NotMade { path, error: why }) = (out.words, happened) {
            let words = phrases::system(why);
            if why.kind() != io::ErrorKind::NotADirectory {
                out.error(format_args!("Failed to create {path}: {words}"));
            }
            return; // that it cannot be put in its place is told, too
        }
        let words = out.words;
        let mut error = |words: &dyn Display| out.error(format_args!("{package}: {words}"));
        match happened {
            Happened::Failed(failed) => {
                self.failed = true;
                let trouble = stage_trouble(failed);
                error(&phrases::by(words, trouble.words()));
                out.explain(package, &trouble, self.keys_from);
            }
            Happened::Conflict {
                path,
                owner,
                forced: false,
            } => error(&format_args!(
                "trying to overwrite {path} owned by {owner}."
            )),
            Happened::Conflict { path, owner, .. } => out.warning(format_args!(
                "{package}: overwriting {path} owned by {owner}."
            )),
            Happened::NoDirectory(path) => error(&format_args!("{path}: no dirent in archive")),
            Happened::NoLinkTarget { path, target } => error(&format_args!(
                "{path}: no hard link target ({target}) in archive"
            )),
            Happened::NotMade { path, error: why } => {
                let words = phrases::system(why);
                error(&format_args!("failed to extract {path}: {words}"));
            }
            Happened::NotPlaced { path, error: why } => {
                let words = phrases::system(why);
                error(&format_args!("failed to commit {path}: {words}"));
            }
            Happened::Without { path, lost } => {
                let words = lost_words(*lost);
                out.warning(format_args!(
                    "{package}: failed to preserve {path}: {words}"
                ));
            }
            // apk 2.14 does so in silence.
            Happened::Beside(_) if out.words == Dialect::Apk2 => {}
            Happened::Beside(path) => out.message(format_args!("  Installing file to {path}")),
            Happened::Entry { .. } | Happened::Went { .. } if out.verbosity < 3 => {}
            Happened::Entry { path, dir: true } => out.line(format_args!("{path} (dir)")),
            Happened::Went { path, stays: true } if out.words == Dialect::Apk3 => {
                out.line(format_args!("{path} (not removing)"));
            }
            Happened::Entry { path, .. } | Happened::Went { path, .. } => out.line(path),
        }
    }
}

fn lost_words(lost: Lost) -> String {
    let parts = [
        (lost.owner, "owner"),
        (lost.permission, "permission"),
        (lost.mtime, "mtime"),
        (lost.xattrs, "xattrs"),
    ];
    let words = parts.iter().filter(|(lost, _)| *lost);
    words.map(|(_, word)| *word).collect::<Vec<_>>().join(" ")
}

fn stage_trouble(error: &StageError) -> Trouble {
    match error {
        StageError::Open { path, .. } if path == Path::new("") => "package not found".into(),
        StageError::Open { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            "package mentioned in index not found (try 'apk update')".into()
        }
        StageError::Open { source, .. } | StageError::Write { source, .. } => {
            phrases::system(source).into()
        }
        StageError::Package(error) => phrases::package(error),
        StageError::Content { source, .. } => phrases::stream(source),
        StageError::Digests | StageError::Entries { .. } => phrases::chain(error).into(),
    }
}
