//! Generated sets of packages that get in each other's way, installed, edited, upgraded, mended and removed command by
//! command, by the face and by the real apks: equal words, exit codes, trees and databases after every command.

use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use apk_format::{Dialect, InstalledDb};
use composer::directories::claims;
use fixtures::peer::{self, Peer};
use fixtures::sets::{self, Step};

use crate::apk_seen::Seen;
use crate::apk_sets_v3;
use crate::pair::{Answer, apk_ostree};

/// Commands in a session.
pub(crate) const LENGTH: usize = 8;

/// Where the material of a set is, and a root.
pub(crate) struct Place<'a> {
    pub(crate) dir: &'a Path,
    pub(crate) root: PathBuf,
    pub(crate) dialect: Dialect,
    /// An ordinary user, and our program where he can reach it.
    pub(crate) user: Option<(u32, PathBuf)>,
}

impl Place<'_> {
    /// Gives a program the words of a step.
    pub(crate) fn run(&self, mut command: Command, words: &str, second: bool) -> Seen {
        let list = match second {
            false => "repos1",
            true if self.dir.join("repos3").exists() => "repos3",
            true => "repos2",
        };
        command.arg("--root").arg(&self.root);
        command.args(["--arch", sets::ARCH, "--no-progress", "--keys-dir"]);
        command.arg(fixtures::path("demo/keys"));
        command.arg("--repositories-file").arg(self.dir.join(list));
        if self.dialect == Dialect::Apk3 {
            command.args(["--no-cache", "--logfile=no"]);
        }
        let words = words.replace("DIR", self.dir.to_str().unwrap());
        command.args(words.split(' ')).current_dir(self.dir);
        if let Some((user, _)) = &self.user {
            command.uid(*user).gid(*user);
        }
        let answer = Answer::of(command);
        let places = [(&*self.root, "ROOT"), (self.dir, "DIR")];
        Seen::of(&answer, &self.root, self.dialect, &places)
    }

    /// Ours.
    pub(crate) fn ours(&self, words: &str, second: bool) -> Seen {
        let mut command = match &self.user {
            Some((_, program)) => Command::new(program),
            None => apk_ostree(Path::new("/")),
        };
        command.arg("apk");
        let said = match self.dialect {
            Dialect::Apk2 => "--dialect 2.14",
            Dialect::Apk3 => "--dialect 3.0",
        };
        self.run(command, &format!("{words} {said}"), second)
    }
}

/// Writes the material of a set. For apk 3.0 every other set has packages of the newer format.
pub(crate) fn material(seed: u64, dir: &Path, dialect: Dialect) {
    sets::write(seed, dir).unwrap();
    if dialect == Dialect::Apk3 && seed.is_multiple_of(2) {
        apk_sets_v3::write(dir);
    }
}

/// The real apks that there are.
pub(crate) fn apks() -> Vec<(Peer, Dialect)> {
    let two = peer::apk2().map(|apk| (apk, Dialect::Apk2));
    let three = peer::apk3().map(|apk| (apk, Dialect::Apk3));
    two.into_iter().chain(three).collect()
}

/// apk 3.0 leaves a directory as it is when the package that decides about it comes or goes in a later run. Where ours
/// is as the databases say, which are equal, it is not compared from then on.
#[derive(Default)]
pub(crate) struct Excused(BTreeSet<String>);

impl Excused {
    pub(crate) fn note(&mut self, ours: &Seen, theirs: &Seen) {
        let Ok(installed) = InstalledDb::parse(&ours.installed.concat()) else {
            return;
        };
        let decided = claims(Dialect::Apk3, installed.packages.iter(), |_| true);
        let known: BTreeSet<&str> = theirs.tree.lines().collect();
        for line in ours.tree.lines().filter(|line| !known.contains(line)) {
            let columns: Vec<&str> = line.split('\t').collect();
            if columns[0] == "var/moved" {
                // An edit has put a link to it where packages have a directory; ours does not follow it.
                self.0.insert(columns[0].to_owned());
            }
            let Some((uid, gid, mode)) = decided.get(columns[0]) else {
                continue;
            };
            let owned = [uid.to_string(), gid.to_string()];
            let nobodys = [NOBODY.to_string(), NOBODY.to_string()];
            let mode = match columns[3..5] == nobodys {
                true => mode | 0o300, // that of an ordinary user
                false => *mode,
            };
            let decided = columns[2] == format!("{:o}", mode & 0o1777);
            let owned = columns[3..5] == owned || columns[3..5] == nobodys;
            if columns[1] == "d" && decided && owned {
                self.0.insert(columns[0].to_owned());
            }
        }
    }

    pub(crate) fn leave_out(&self, seen: &mut Seen) {
        let lines = seen.tree.lines().filter(|line| {
            let mut columns = line.split('\t');
            let path = columns.next().unwrap();
            columns.next() != Some("d") || !self.0.contains(path)
        });
        seen.tree = lines.map(|line| format!("{line}\n")).collect();
    }
}

/// Compares what was seen after a command; tells in what it differs.
pub(crate) fn compare(
    mut ours: Seen,
    mut theirs: Seen,
    excused: &mut Excused,
    dialect: Dialect,
) -> String {
    if dialect == Dialect::Apk3 {
        excused.note(&ours, &theirs);
    }
    excused.leave_out(&mut ours);
    excused.leave_out(&mut theirs);
    ours.difference(&theirs)
}

/// What became of the session of a set.
enum Ended {
    /// As many commands came out the same.
    Same(usize),
    /// After as many, apk 2.14 chose other packages: packages are chosen as apk 3.0 does in both dialects.
    OtherChoice(usize),
    /// After as many, apk 3.0 put a file in its place twice.
    PutTwice(usize),
    /// A command that came out otherwise.
    Otherwise(String),
}

/// The lines that announce changes.
pub(crate) fn plan(seen: &Seen) -> Vec<&str> {
    let lines = seen.said.lines();
    lines.filter(|line| line.starts_with("> (")).collect()
}

/// Who does what with the two roots.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// Ours and the real apk, as root.
    Apart,
    /// The same, but every other command in the root of ours is the real apk's.
    ByTurns,
    /// Ours and the real apk, as an ordinary user, and nobody edits anything.
    Usermode,
}

/// An ordinary user.
const NOBODY: u32 = 65534;

/// One set with one apk.
fn one_set(seed: u64, apk: &Peer, dialect: Dialect, how: How) -> Ended {
    let scratch = fixtures::scratch("apk-sets");
    let dir = scratch.path();
    material(seed, dir, dialect);
    let place = |name: &str| Place {
        dir,
        root: dir.join(name),
        dialect,
        user: (how == How::Usermode).then(|| (NOBODY, dir.join("program"))),
    };
    let (ours, theirs) = (place("ours"), place("theirs"));
    for place in [&ours, &theirs] {
        fs::create_dir(&place.root).unwrap();
        if let Some((user, program)) = &place.user {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
            chown(&place.root, Some(*user), Some(*user)).unwrap();
            fs::copy(env!("CARGO_BIN_EXE_apk-ostree"), program).unwrap();
        }
    }
    let mut excused = Excused::default();
    let mut commands = 0;
    for step in sets::session(seed, LENGTH) {
        match step {
            Step::Edit(_) if how == How::Usermode => {}
            Step::Edit(seed) => {
                for place in [&ours, &theirs] {
                    sets::edit(seed, &place.root).unwrap();
                }
            }
            Step::Run(words, second) => {
                let words = match how {
                    How::Usermode => words.replace("--initdb", "--initdb --usermode"),
                    _ => words,
                };
                let real = theirs.run(apk.command(), &words, second);
                let seen = match how {
                    How::ByTurns if commands % 2 == 1 => ours.run(apk.command(), &words, second),
                    _ => ours.ours(&words, second),
                };
                if dialect == Dialect::Apk2 && plan(&seen) != plan(&real) {
                    return Ended::OtherChoice(commands);
                }
                let twice = dialect == Dialect::Apk3 && real.puts_twice();
                let told = compare(seen, real, &mut excused, dialect);
                if twice && !told.is_empty() && !told.contains("--- tree") {
                    return Ended::PutTwice(commands);
                }
                if !told.is_empty() {
                    return Ended::Otherwise(format!(
                        "seed {seed}, {dialect}, command {commands}: {words}\n{told}"
                    ));
                }
                commands += 1;
            }
        }
    }
    Ended::Same(commands)
}

/// `APK_OSTREE_ROUNDS` says over how many sets, `FIRST-LAST` over which.
fn rounds(usual: u64) -> RangeInclusive<u64> {
    let said = std::env::var("APK_OSTREE_ROUNDS").unwrap_or_default();
    match said.split_once('-') {
        Some((first, last)) => first.parse().unwrap()..=last.parse().unwrap(),
        None => 1..=said.parse().unwrap_or(usual),
    }
}

#[test]
fn sessions_over_generated_sets_come_out_as_with_apk() {
    compare_sets(How::Apart, &apks(), rounds(4));
}

#[test]
fn sessions_by_turns_come_out_as_with_apk_alone() {
    compare_sets(How::ByTurns, &apks(), rounds(2));
}

/// apk 2.14 knows no such root.
#[test]
fn sessions_of_an_ordinary_user_come_out_as_with_apk() {
    let apks: Vec<(Peer, Dialect)> = apks();
    let three = apks.iter().filter(|(_, dialect)| *dialect == Dialect::Apk3);
    compare_sets(
        How::Usermode,
        &three.cloned().collect::<Vec<_>>(),
        rounds(3),
    );
}

#[allow(clippy::print_stderr)]
fn compare_sets(how: How, apks: &[(Peer, Dialect)], rounds: RangeInclusive<u64>) {
    if !fixtures::record::is_possible() {
        return;
    }
    let mut differing = Vec::new();
    let (mut commands, mut others, mut twice) = (0, 0, 0);
    for (apk, dialect) in apks {
        for seed in rounds.clone() {
            match one_set(seed, apk, *dialect, how) {
                Ended::Same(number) => commands += number,
                Ended::OtherChoice(number) => {
                    commands += number;
                    others += 1;
                }
                Ended::PutTwice(number) => {
                    commands += number;
                    twice += 1;
                }
                Ended::Otherwise(told) => differing.push(told),
            }
        }
    }
    eprintln!(
        "sets {rounds:?}, {commands} commands; {others} other choices of apk 2.14, {twice} files put twice by apk 3.0"
    );
    let told: String = differing.iter().map(|one| format!("{one}\n")).collect();
    assert!(told.is_empty(), "{} sets differ\n{told}", differing.len());
}
