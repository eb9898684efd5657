//! Plans carried out on a disk, beside the real apks.
//!
//! Where the real tools are not, the recorded trees of the demo are the expected values. All of this needs root.

use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use apk_format::{Dependency, Record, World};
use composer::catalog::{self, Repository, Source};
use composer::install::lock::Lock;
use composer::install::{self, Database, Event, Happened, Install, Options, Outcome, Step};
use composer::resolve::{
    self, ChangeKind, Installed, Operation, Preference, Request, RequestOptions, Universe,
};
use composer::root::Root;
use composer::{Dialect, acquire};
use fixtures::peer::{self, Peer};

use crate::minirootfs::repack;

/// A root that we change, and what we need for it.
pub(crate) struct Site<'a> {
    pub(crate) root: PathBuf,
    pub(crate) repositories: &'a [PathBuf],
    pub(crate) keys: &'a Path,
    pub(crate) arch: &'a str,
    pub(crate) options: Options,
}

impl Site<'_> {
    /// Carries out an operation, which is given the world as it is; what happened, line by line.
    pub(crate) fn run(&self, operation: Operation<'_>) -> (Outcome, String) {
        let keys = catalog::key_ring(&catalog::read_keys(&[self.keys.to_owned()]).unwrap());
        let keys = keys.unwrap();
        let load = |path: &PathBuf| {
            let source = Source::parse(path.to_str().unwrap(), Path::new("/")).unwrap();
            catalog::load(&source, self.arch, &keys, &()).unwrap()
        };
        let repositories: Vec<Repository> = self.repositories.iter().map(load).collect();
        std::fs::create_dir_all(&self.root).unwrap();
        let root = Root::open(&self.root).unwrap();
        let _lock = Lock::take(&root, Duration::ZERO, || ()).unwrap();
        let database = Database::read(&root).unwrap();
        let world = root.read("etc/apk/world").unwrap().unwrap_or_default();
        let world = World::parse(std::str::from_utf8(&world).unwrap().trim()).unwrap();
        let (world, steps) = self.plan(&repositories, &database, &world, operation);
        let mut told = String::new();
        let outcome = install::carry_out(
            &root,
            database,
            &steps,
            &world,
            &self.options,
            &mut Told(&mut told),
        );
        (outcome.unwrap(), told)
    }

    fn plan(
        &self,
        repositories: &[Repository],
        database: &Database,
        world: &World,
        operation: Operation<'_>,
    ) -> (Vec<Dependency>, Vec<Step>) {
        let universe = Universe {
            repositories: repositories
                .iter()
                .map(|one| resolve::Repository {
                    tag: None,
                    records: &one.records,
                    ..resolve::Repository::default()
                })
                .collect(),
            installed: database
                .installed
                .packages
                .iter()
                .map(|one| Installed {
                    record: &one.record,
                    tag: one.tag.as_deref(),
                    replaces: &one.replaces,
                })
                .collect(),
            architectures: vec![self.arch],
            ..Universe::default()
        };
        let request = Request {
            world: &world.dependencies,
            operation,
            options: RequestOptions::default(),
        };
        let solution = resolve::resolve(&universe, &request).unwrap();
        let changes = solution.changes.iter();
        let steps = changes.filter_map(|change| match (change.kind(), &change.old, &change.new) {
            (ChangeKind::Keep | ChangeKind::Retag, ..) => None,
            (_, Some(old), None) => Some(Step::Remove {
                name: old.record.name.to_string(),
            }),
            (_, _, Some(new)) => {
                let offer = new.offer.unwrap();
                let repository = &repositories[offer.repository];
                let record: &Record = &repository.records[offer.record];
                Some(Step::Install(Box::new(Install {
                    record: record.clone(),
                    file: acquire::place(record, repository, self.arch).unwrap(),
                    within: None,
                    tag: None,
                })))
            }
            _ => None,
        });
        let steps = steps.collect();
        (solution.world, steps)
    }

    pub(crate) fn add(&self, atoms: &[&str]) -> (Outcome, String) {
        let wanted: Vec<Dependency> = atoms
            .iter()
            .map(|atom| Dependency::parse(atom).unwrap())
            .collect();
        self.run(Operation::Add {
            wanted: &wanted,
            preference: Preference::Installed,
        })
    }

    pub(crate) fn del(&self, names: &[&str]) -> (Outcome, String) {
        self.run(Operation::Delete {
            names,
            with_dependants: false,
        })
    }
}

/// Keeps what is told, in apk 3's words as far as these are about packages.
struct Told<'t>(&'t mut String);

impl install::Watch for Told<'_> {
    fn event(&mut self, event: &Event<'_>) {
        let told = &mut *self.0;
        match event {
            Event::Step(_) | Event::Done(_) => Ok(()),
            Event::Directory { path, error } => writeln!(told, "directory {path}: {error}"),
            Event::Package(package, happened) => match happened {
                Happened::Failed(error) => writeln!(told, "ERROR: {package}: {error}"),
                Happened::Conflict {
                    path,
                    owner,
                    forced,
                } => {
                    let (level, verb) = if *forced {
                        ("WARNING", "overwriting")
                    } else {
                        ("ERROR", "trying to overwrite")
                    };
                    writeln!(told, "{level}: {package}: {verb} {path} owned by {owner}.")
                }
                Happened::NoDirectory(path) => {
                    writeln!(told, "ERROR: {package}: {path}: no dirent in archive")
                }
                Happened::NoLinkTarget { path, target } => {
                    let why = format!("no hard link target ({target}) in archive");
                    writeln!(told, "ERROR: {package}: {path}: {why}")
                }
                Happened::NotMade { path, error } => {
                    writeln!(
                        told,
                        "ERROR: {package}: failed to extract {path}: {}",
                        words(error)
                    )
                }
                Happened::Without { path, lost } => {
                    writeln!(
                        told,
                        "WARNING: {package}: failed to preserve {path}: {lost:?}"
                    )
                }
                Happened::NotPlaced { path, error } => {
                    writeln!(
                        told,
                        "ERROR: {package}: failed to commit {path}: {}",
                        words(error)
                    )
                }
                Happened::Entry { .. } | Happened::Went { .. } => Ok(()),
                Happened::Beside(path) => writeln!(told, "  Installing file to {path}"),
            },
        }
        .unwrap();
    }
}

/// The system's words without the number.
fn words(error: &std::io::Error) -> String {
    let words = error.to_string();
    words.split(" (os error").next().unwrap().to_owned()
}

/// Everything below a root, with the times of what keeps one, but for what we do better on purpose:
///
/// | | |
/// |---|---|
/// | apk 3.0 makes directories without setuid and setgid bits, whatever it records | the bits are not shown |
/// | apk 2.14 leaves what it could not put in its place | it is not shown |
/// | apk 2.14 mounts `proc`, so that it cannot remove it | it is not shown |
pub(crate) fn listing(root: &Path, dialect: Dialect) -> String {
    let listing = fixtures::listing::of(root).unwrap();
    let mut listed = String::new();
    for line in listing.lines() {
        let path = line.split('\t').next().unwrap();
        let place = root.join(path);
        let kind = line.split('\t').nth(1).unwrap();
        let name = path.rsplit('/').next().unwrap();
        let left = name.starts_with(".apk.") && name.len() == 53;
        if dialect == Dialect::Apk2 && (path == "proc" || left) {
            continue;
        }
        let alone;
        let line = if dialect == Dialect::Apk2 && line.contains("/.apk.") {
            // A hard link to what was left is one to nothing else.
            let columns: Vec<&str> = line.split('\t').collect();
            alone = [&columns[..6], &["-"], &columns[7..]].concat().join("\t");
            &alone
        } else {
            line
        };
        let line = match kind {
            "d" if dialect == Dialect::Apk3 => without_set_ids(line),
            _ => line.to_owned(),
        };
        let time = match place.symlink_metadata() {
            // What was made just now has the time of the run.
            Ok(meta) if matches!(kind, "f" | "c" | "b" | "p") && meta.mtime() < RECENT => {
                meta.mtime().to_string()
            }
            _ => "-".to_owned(),
        };
        writeln!(listed, "{line}\t{time}").unwrap();
    }
    listed
}

/// Later than any file of a package, in seconds since 1970: October 2025.
const RECENT: i64 = 1_760_000_000;

fn without_set_ids(line: &str) -> String {
    let mut columns: Vec<String> = line.split('\t').map(str::to_owned).collect();
    let mode = u32::from_str_radix(&columns[2], 8).unwrap();
    columns[2] = format!("{:o}", mode & 0o1777);
    columns.join("\t")
}

/// Lines that only one of two texts has, for a message.
pub(crate) fn difference(ours: &str, theirs: &str) -> String {
    let only = |a: &str, b: &str, sign: char| {
        let b: std::collections::BTreeSet<&str> = b.lines().collect();
        let lines = a.lines().filter(|line| !b.contains(line));
        lines
            .map(|line| format!("{sign} {line}\n"))
            .collect::<String>()
    };
    only(ours, theirs, '+') + &only(theirs, ours, '-')
}

/// A real apk, and the dialect it writes.
pub(crate) fn apks() -> Vec<(Peer, Dialect)> {
    let two = peer::apk2().map(|apk| (apk, Dialect::Apk2));
    let three = peer::apk3().map(|apk| (apk, Dialect::Apk3));
    two.into_iter().chain(three).collect()
}

/// What the real apk makes of the same words.
pub(crate) fn theirs(
    apk: &Peer,
    dialect: Dialect,
    site: &Site<'_>,
    words: &[&str],
) -> peer::Output {
    std::fs::create_dir_all(&site.root).unwrap();
    let mut command = apk.command();
    command
        .arg("--root")
        .arg(&site.root)
        .args(["--arch", site.arch]);
    for repository in site.repositories {
        command.arg("-X").arg(repository);
    }
    command
        .arg("--keys-dir")
        .arg(site.keys)
        .arg("--no-progress");
    if dialect == Dialect::Apk3 {
        command.args(["--no-cache", "--logfile=no"]);
    }
    command.args(words);
    apk.finish(command)
}

pub(crate) fn new_root(dialect: Dialect, arch: &str) -> Options {
    Options {
        dialect,
        create: true,
        architectures: Some(vec![arch.to_owned()]),
        ..Options::default()
    }
}

fn compare_world(repository: &Path, keys: &Path, arch: &str, world: &[&str]) {
    for (apk, dialect) in apks() {
        let scratch = fixtures::scratch("install");
        let repositories = [repository.to_owned()];
        let site = |name: &str| Site {
            root: scratch.path().join(name),
            repositories: &repositories,
            keys,
            arch,
            options: new_root(dialect, arch),
        };
        let (ours, real) = (site("ours"), site("theirs"));
        let (outcome, told) = ours.add(world);
        let words = [&["add", "--initdb", "--no-scripts"], world].concat();
        theirs(&apk, dialect, &real, &words).success();
        assert_eq!((outcome.errors, told.as_str()), (0, ""));
        let difference = difference(&listing(&ours.root, dialect), &listing(&real.root, dialect));
        assert_eq!(difference, "", "{dialect} {arch} {world:?}");
        for question in [
            &["audit"][..],
            &["fix", "--simulate"],
            &["add", "--simulate"],
        ] {
            let answers = [&ours, &real].map(|site| {
                let answer = theirs(&apk, dialect, site, question);
                // apk visits directories in the order of the file system.
                let mut lines: Vec<String> =
                    answer.stdout_text().lines().map(str::to_owned).collect();
                lines.sort();
                (lines, answer.stderr_text(), answer.code)
            });
            assert_eq!(answers[0], answers[1], "{dialect} {question:?}");
        }
    }
}

#[test]
fn the_demo_is_installed_as_apk_installs_it() {
    if !fixtures::record::is_possible() {
        return;
    }
    let (repository, keys) = (fixtures::path("demo/repo"), fixtures::path("demo/keys"));
    for (_, world) in fixtures::demo::BRANCHES {
        for arch in fixtures::demo::ARCHES {
            compare_world(&repository, &keys, arch, world);
        }
    }
}

#[test]
fn real_packages_are_installed_as_apk_installs_them() {
    let (true, Some(shared)) = (fixtures::record::is_possible(), fixtures::shared()) else {
        return;
    };
    let scratch = fixtures::scratch("repacked");
    for arch in ["x86_64", "aarch64"] {
        let Some(repository) = repack(&shared, arch, scratch.path()) else {
            return;
        };
        let world = std::fs::read_to_string(repository.join("world")).unwrap();
        let world: Vec<&str> = world.split_whitespace().collect();
        compare_world(&repository, &repository.join("keys"), arch, &world);
    }
}

/// apk goes on from our roots, and we from apk's.
#[test]
fn both_go_on_from_each_others_roots() {
    if !fixtures::record::is_possible() {
        return;
    }
    let (repository, keys) = (fixtures::path("demo/repo"), fixtures::path("demo/keys"));
    let repositories = [repository];
    let [(_, first), (_, second)] = fixtures::demo::BRANCHES;
    for (apk, dialect) in apks() {
        let scratch = fixtures::scratch("onwards");
        let sites = ["both", "other", "theirs"].map(|name| Site {
            root: scratch.path().join(name),
            repositories: &repositories,
            keys: &keys,
            arch: "x86_64",
            options: new_root(dialect, "x86_64"),
        });
        let [both, other, real] = sites;
        both.add(first);
        theirs(
            &apk,
            dialect,
            &both,
            &[&["add", "--no-scripts"], second].concat(),
        )
        .success();
        for site in [&other, &real] {
            theirs(
                &apk,
                dialect,
                site,
                &[&["add", "--initdb", "--no-scripts"], first].concat(),
            )
            .success();
        }
        let other = Site {
            options: Options {
                create: false,
                ..other.options.clone()
            },
            ..other
        };
        other.add(second);
        theirs(
            &apk,
            dialect,
            &real,
            &[&["add", "--no-scripts"], second].concat(),
        )
        .success();
        let expected = listing(&real.root, dialect);
        assert_eq!(
            difference(&listing(&both.root, dialect), &expected),
            "",
            "{dialect}"
        );
        assert_eq!(
            difference(&listing(&other.root, dialect), &expected),
            "",
            "{dialect}"
        );
        // And all of it goes again.
        let names: Vec<&str> = second
            .iter()
            .map(|atom| atom.split('<').next().unwrap())
            .collect();
        other.del(&names);
        theirs(
            &apk,
            dialect,
            &real,
            &[&["del", "--no-scripts"], &names[..]].concat(),
        )
        .success();
        let expected = listing(&real.root, dialect);
        assert_eq!(
            difference(&listing(&other.root, dialect), &expected),
            "",
            "{dialect} del"
        );
    }
}
