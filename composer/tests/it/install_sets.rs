//! Generated sets of packages that get in each other's way, installed, edited, upgraded and removed step by step, beside
//! the real apks: equal trees, databases, messages and exit codes after every step.
//!
//! A set is two repositories, the second with later versions of some packages. Its packages bring files to a few
//! directories under a few names, so that most of them meet; with owners, modes, attributes, hard links, symbolic
//! links, devices and configuration. Between the steps somebody edits what lies in the root.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use apk_format::InstalledDb;
use composer::Dialect;
use composer::directories::claims;
use composer::install::Options;
use composer::resolve::Operation;
use fixtures::forge::{Forge, Key, Repository};
use fixtures::peer::Peer;
use fixtures::seed::Random;

use crate::install::{Site, apks, difference, listing, new_root, theirs};

const ARCH: &str = "x86_64";
const NAMES: [&str; 7] = ["ants", "bees", "crabs", "deer", "eels", "Foxes", "geese"];
const DIRS: [&str; 8] = [
    "etc",
    "etc/conf.d",
    "etc/deep/er",
    "usr/bin",
    "usr/lib/x",
    "opt",
    "var/lib/y",
    "srv/z",
];
const FILES: [&str; 6] = ["a", "b", "c.conf", "d", ".keep_me", "e f"];

/// How many sets an ordinary run looks at; `APK_OSTREE_ROUNDS` says another number.
const SETS: u64 = 12;

fn accounts(random: &mut Random) -> Forge {
    let users = ["root:x:0:0::/:", "web:x:33:33::/:", "db:x:70:70::/:"];
    let mut passwd = users.join("\n");
    if random.chance(50) {
        passwd.push_str("\nlate:x:99:99::/:");
    }
    Forge::package("accounts", "1-r0")
        .file("etc/group", "root:x:0:\nweb:x:34:\nlate:x:98:\n")
        .file("etc/passwd", passwd + "\n")
}

fn package(random: &mut Random, name: &str, version: usize) -> Forge {
    let mut package = Forge::package(name, &format!("{version}-r0"));
    if random.chance(30) {
        package = package.origin(random.pick::<&str>(&["zoo", "farm"]));
    }
    if random.chance(35) {
        let other = random.pick(&NAMES);
        let atom = random.pick(&["", "<2", ">=1", "=1-r0"]);
        package = package.replaces(&format!("{other}{atom}"));
    }
    if random.chance(25) {
        package = package.replaces_priority(u32::try_from(random.below(3)).unwrap());
    }
    for _ in 0..random.below(4) {
        let dir = *random.pick(&DIRS);
        package = package
            .dir(dir)
            .mode(*random.pick(&[0o755, 0o750, 0o700, 0o1777, 0o775]));
        if random.chance(50) {
            package = owned(random, package);
        }
    }
    let mut taken = BTreeSet::new();
    for number in 0..1 + random.below(6) {
        let path = format!("{}/{}", random.pick(&DIRS), random.pick(&FILES));
        let path = match random.chance(70) {
            true => path,
            false => format!("{path}-{name}"),
        };
        if taken.insert(path.clone()) {
            package = file(random, package, &path, name, number);
        }
    }
    package
}

fn file(random: &mut Random, package: Forge, path: &str, name: &str, number: usize) -> Forge {
    match random.below(12) {
        0 => package.symlink(
            path,
            random.pick::<&str>(&["a", "../b", "/usr/bin/d", "nowhere"]),
        ),
        1 => package.char_device(path, 1, 3),
        // Both apks wait forever for a pipe in a protected directory.
        2 if !path.starts_with("etc") => package.fifo(path),
        3 => {
            let text = format!("{name} {number}");
            let package = owned(random, package.file(path, text).mode(0o4755));
            package.hardlink(&format!("{path}.link"), path)
        }
        4 => package.file(path, "kept").xattr("user.k", "v"),
        5 => package.file(path, "same everywhere"),
        _ => {
            let text = format!("{name} {number} {}\n", random.below(2));
            let package = package.file(path, text);
            let package = package.mode(*random.pick(&[0o644, 0o755, 0o600, 0o4711, 0o2755]));
            owned(random, package).mtime(1_600_000_000 + random.number() % 1000)
        }
    }
}

fn owned(random: &mut Random, package: Forge) -> Forge {
    match random.below(5) {
        0 => package.owner("web", "web", 1033, 1034),
        1 => package.owner("late", "late", 1099, 1098),
        2 => package.owner("nobody-knows", "db", 1007, 1008),
        _ => package,
    }
}

/// Two repositories.
fn repositories(seed: u64, dir: &Path) -> [PathBuf; 2] {
    let mut random = Random::new(seed);
    let (mut first, mut second) = (Repository::new(ARCH), Repository::new(ARCH));
    first = first.add(accounts(&mut random));
    for name in NAMES {
        first = first.add(package(&mut random, name, 1));
        if random.chance(60) {
            second = second.add(package(&mut random, name, 2));
        }
    }
    let places = [dir.join("first"), dir.join("second")];
    first.write(&places[0], &Key::demo()).unwrap();
    second.write(&places[1], &Key::demo()).unwrap();
    places
}

/// Somebody edits the root; both roots in the same way.
fn edit(seed: u64, roots: [&Path; 2]) {
    for root in roots {
        let mut random = Random::new(seed);
        for dir in DIRS {
            for name in FILES {
                let path = root.join(dir).join(name);
                let (choice, text) = (random.below(12), random.below(3));
                let there = path.symlink_metadata();
                let Ok(meta) = there else {
                    if choice == 0 && root.join(dir).is_dir() {
                        fs::write(&path, "same everywhere").unwrap();
                    }
                    let beside = root.join(dir).join(format!("{name}.apk-new"));
                    if choice == 1 && root.join(dir).is_dir() && beside.symlink_metadata().is_err()
                    {
                        fs::write(beside, "old").unwrap();
                    }
                    continue;
                };
                if meta.is_dir() {
                    continue;
                }
                match choice {
                    0 | 1 if meta.is_file() => fs::write(&path, format!("edited {text}")).unwrap(),
                    2 => fs::remove_file(&path).unwrap(),
                    3 => {
                        fs::remove_file(&path).unwrap();
                        symlink("elsewhere", &path).unwrap();
                    }
                    4 if text == 0 => {
                        fs::remove_file(&path).unwrap();
                        fs::create_dir(&path).unwrap();
                    }
                    _ => {}
                }
            }
            let choice = random.below(8);
            if root.join(dir).is_dir() && choice == 0 {
                fs::set_permissions(root.join(dir), fs::Permissions::from_mode(0o711)).unwrap();
            }
        }
    }
}

/// One step of a session.
enum Doing {
    Add(Vec<&'static str>),
    Delete(Vec<&'static str>),
    Upgrade,
}

impl Doing {
    fn words(&self) -> Vec<&str> {
        match self {
            Doing::Add(names) => [&["add"], &names[..]].concat(),
            Doing::Delete(names) => [&["del"], &names[..]].concat(),
            Doing::Upgrade => vec!["upgrade"],
        }
    }

    fn ours(&self, site: &Site<'_>) -> (usize, String) {
        let (outcome, told) = match self {
            Doing::Add(names) => site.add(names),
            Doing::Delete(names) => site.del(names),
            Doing::Upgrade => site.run(Operation::Upgrade {
                only: &[],
                ignore: &[],
                available: false,
                latest: false,
                prune: false,
            }),
        };
        (outcome.errors, told)
    }
}

fn session(seed: u64) -> Vec<Doing> {
    let mut random = Random::new(seed ^ 0x5e55);
    let mut some = |share: usize| {
        let mut names: Vec<&str> = Vec::new();
        for name in NAMES {
            if random.chance(share) {
                names.push(name);
            }
        }
        names
    };
    vec![
        Doing::Add([vec!["accounts"], some(50)].concat()),
        Doing::Add(some(50)),
        Doing::Upgrade,
        Doing::Delete(some(40)),
        Doing::Add(some(60)),
        Doing::Delete(NAMES.to_vec()),
    ]
}

/// What apk says that is about packages, in the words of 3.0.
fn said(apk: &Peer, output: &fixtures::peer::Output) -> String {
    let _ = apk;
    let mut said = String::new();
    for line in output
        .stdout_text()
        .lines()
        .chain(output.stderr_text().lines())
    {
        let line = line
            .strip_prefix("  ")
            .filter(|_| !line.starts_with("  Installing"))
            .unwrap_or(line);
        if line.starts_with("ERROR") || line.starts_with("WARNING") || line.starts_with("  Inst") {
            writeln!(said, "{line}").unwrap();
        }
    }
    said
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

/// apk 3.0 leaves a directory as it is when the package that decides about it comes or goes in a later run. Where ours is
/// as the databases say, which are equal, it is not compared from then on.
fn excuse(ours: &Path, listed: &[String; 2], excused: &mut BTreeSet<String>) {
    let installed = fs::read_to_string(ours.join("lib/apk/db/installed")).unwrap();
    let installed = InstalledDb::parse(&installed).unwrap();
    let decided = claims(Dialect::Apk3, installed.packages.iter(), |_| true);
    let theirs: BTreeSet<&str> = listed[1].lines().collect();
    for line in listed[0].lines().filter(|line| !theirs.contains(line)) {
        let columns: Vec<&str> = line.split('\t').collect();
        let Some((uid, gid, mode)) = decided.get(columns[0]) else {
            continue;
        };
        let decided = [
            format!("{:o}", mode & 0o1777),
            uid.to_string(),
            gid.to_string(),
        ];
        if columns[1] == "d" && columns[2..5] == decided {
            excused.insert(columns[0].to_owned());
        }
    }
}

fn without(listed: &str, excused: &BTreeSet<String>) -> String {
    let lines = listed.lines().filter(|line| {
        let mut columns = line.split('\t');
        let path = columns.next().unwrap();
        columns.next() != Some("d") || !excused.contains(path)
    });
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn sets_that_get_in_each_others_way_end_as_with_apk() {
    if !fixtures::record::is_possible() {
        return;
    }
    let rounds = std::env::var("APK_OSTREE_ROUNDS").ok();
    let rounds = rounds
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(SETS);
    let apks = apks();
    let mut steps = 0;
    for seed in 1..=rounds {
        for (apk, dialect) in &apks {
            steps += one_set(seed, apk, *dialect);
        }
    }
    eprintln!("{rounds} sets, {steps} steps");
}

fn one_set(seed: u64, apk: &Peer, dialect: Dialect) -> usize {
    let scratch = fixtures::scratch("sets");
    let places = repositories(seed, scratch.path());
    let keys = fixtures::path("demo/keys");
    let (ours, real) = (scratch.path().join("ours"), scratch.path().join("theirs"));
    let session = session(seed);
    let mut excused = BTreeSet::new();
    // As if other file systems were mounted in the root.
    let copies = seed.is_multiple_of(4);
    for (number, doing) in session.iter().enumerate() {
        let site = |root: &Path| Site {
            root: root.to_owned(),
            repositories: if number < 2 { &places[..1] } else { &places },
            keys: &keys,
            arch: ARCH,
            options: match number {
                0 => Options {
                    copies,
                    ..new_root(dialect, ARCH)
                },
                _ => Options {
                    dialect,
                    copies,
                    ..Options::default()
                },
            },
        };
        let (our_site, real_site) = (site(&ours), site(&real));
        let mut words = doing.words();
        words.push("--no-scripts");
        if number == 0 {
            words.push("--initdb");
        }
        let output = theirs(apk, dialect, &real_site, &words);
        let (errors, told) = doing.ours(&our_site);
        let context = format!("seed {seed}, {dialect}, step {number}: {words:?}");
        let listed = [&ours, &real].map(|root| listing(root, dialect));
        if dialect == Dialect::Apk3 {
            excuse(&ours, &listed, &mut excused);
        }
        let listed = listed.map(|listed| without(&listed, &excused));
        let difference = difference(&listed[0], &listed[1]);
        let installed =
            |root: &Path| fs::read_to_string(root.join("lib/apk/db/installed")).unwrap_or_default();
        assert!(
            difference.is_empty(),
            "{context}\n{difference}{}\n--- told\n{told}--- apk\n{}{}",
            crate::install::difference(&installed(&ours), &installed(&real)),
            output.stdout_text(),
            output.stderr_text()
        );
        assert_eq!(
            output.code,
            i32::try_from(errors.min(99)).ok(),
            "{context}\n{told}{}",
            output.stderr_text()
        );
        if dialect == Dialect::Apk3 {
            assert_eq!(sorted(&told), sorted(&said(apk, &output)), "{context}");
        }
        edit(
            seed.wrapping_mul(31).wrapping_add(number as u64),
            [&ours, &real],
        );
    }
    session.len()
}
