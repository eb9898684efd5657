//! Carrying a plan out: the lock, the refusal of scripts, and what happens in apk's words.
//!
//! Scripts, triggers and commit hooks are not run. Where there are some, `--no-scripts` has to say that they need not be:
//! they are recorded then, as apk records them.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use apk_format::Dialect;
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

/// Carries out a plan; `lines` are those that announce its effective changes. Gives the number of errors.
pub(super) fn carry_out(session: &mut Session, changeset: &Changeset, lines: &[String]) -> Code {
    let Some(root) = session.root.take() else {
        return FAILED;
    };
    let code = match prepared(session, &root, changeset) {
        Ok((database, steps, options)) => {
            let keys_from = session.keys_from();
            let mut teller = Teller {
                out: &mut session.out,
                keys_from: &keys_from,
                lines,
            };
            let world = &changeset.world;
            let done = install::carry_out(&root, database, &steps, world, &options, &mut teller);
            match done {
                Ok(outcome) => told(session, outcome),
                Err(error) => refused(session, &error),
            }
        }
        Err(code) => code,
    };
    session.root = Some(root);
    code
}

/// Everything that can be refused before anything changes.
fn prepared(
    session: &mut Session,
    root: &Root,
    changeset: &Changeset,
) -> Result<(Database, Vec<Step>, Options), Code> {
    let database = Database::read(root).map_err(|error| {
        let words = record_words(&error);
        session
            .out
            .error(format_args!("Unable to read database: {words}"));
        FAILED
    })?;
    let steps: Vec<Step> = changeset
        .effective()
        .map(|change| step(session, change))
        .collect();
    if !session.no_scripts {
        refuse_scripts(session, root, &database, &steps)?;
    }
    let options = options(session, root, &database, &steps);
    Ok((database, steps, options))
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
            tag: change.tag.clone(),
        })),
    }
}

/// Where a package's file is; what cannot be found shows when it is opened.
fn place(session: &Session, package: PackageId) -> PathBuf {
    if let Some(file) = session.inventory.file_of(package) {
        return file.to_owned();
    }
    let url = session.inventory.download_url(package);
    url.and_then(|url| local_path(&url)).unwrap_or_default()
}

/// Names what would have to be run.
fn refuse_scripts(
    session: &mut Session,
    root: &Root,
    database: &Database,
    steps: &[Step],
) -> Result<(), Code> {
    let mut found: Vec<String> = match install::scripts_of(database, steps) {
        Ok(scripts) => scripts
            .into_iter()
            .map(|(package, kind)| format!("{package}.{kind}"))
            .collect(),
        // What is wrong with a package is told when its turn comes, and nothing of it is run then.
        Err(_) => Vec::new(),
    };
    if !session.no_commit_hooks {
        for dir in ["etc/apk/commit_hooks.d", "lib/apk/commit_hooks.d"] {
            let names = root.list(dir).unwrap_or_default();
            let hooks = names.iter().filter(|name| !name.starts_with('.'));
            found.extend(hooks.map(|name| format!("{dir}/{name}")));
        }
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

fn options(session: &Session, root: &Root, database: &Database, steps: &[Step]) -> Options {
    let globals = &session.globals;
    let recorded = matches!(root.read("etc/apk/arch"), Ok(Some(_)));
    let writes_arch = globals.root_set && !globals.architectures.is_empty();
    let foreign = root.owner("lib/apk/db").is_some_and(|owner| owner != 0);
    let said = session.dialect.filter(|_| database.dialect.is_none());
    Options {
        dialect: said.unwrap_or_else(|| dialect(database, steps)),
        owners: match wants_usermode(session) || foreign {
            true => Owners::Caller,
            false => Owners::Package,
        },
        purge: globals.purge,
        clean_protected: session.clean_protected,
        force_overwrite: globals.force_overwrite,
        create: session.makes_database,
        copies: false,
        cache: globals.cache && globals.cache_dir.is_none(),
        architectures: (writes_arch || !recorded).then(|| session.inventory.architectures.clone()),
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

/// Says what happens, as it happens.
struct Teller<'a> {
    out: &'a mut Out,
    keys_from: &'a str,
    lines: &'a [String],
}

impl install::Watch for Teller<'_> {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Step(number) => {
                if let Some(line) = self.lines.get(*number) {
                    self.out.message(line);
                }
            }
            Event::Done(_) => {}
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
        StageError::Digests => phrases::chain(error).into(),
    }
}
