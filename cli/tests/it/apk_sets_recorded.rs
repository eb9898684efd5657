//! The sessions of `apk_sets` without the real apks: what they said and left is in `recorded/apk-VERSION/sets.txt`.
//!
//! | line | is |
//! |---|---|
//! | `= 1` | the set of seed 1 begins |
//! | `$ words` | a command; what follows was seen after it |
//! | `[0]` | its exit code |
//! | `> `, `! ` | a line of standard output, of standard error |
//! | `t-`, `t+` | a path that is not there any more as it was after the command before, or is as it was not |
//! | `i=` | a package that is recorded as before |
//! | `i ` | a line of the record of a package, in place of what was there of it |
//! | `d ` | a line about the other files of the database |
//!
//! An ignored test makes them again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use apk_format::Dialect;
use fixtures::sets::{self, Step};

use crate::apk_seen::Seen;
use crate::apk_sets::{Excused, LENGTH, Place, apks, compare, material, plan};

/// The seeds of the recorded sets.
const RECORDED: std::ops::RangeInclusive<u64> = 1..=16;

fn file(dialect: Dialect) -> PathBuf {
    let version = match dialect {
        Dialect::Apk2 => "2.14.10",
        Dialect::Apk3 => crate::apk::VERSION,
    };
    fixtures::root().join(format!("recorded/apk-{version}/sets.txt"))
}

/// Does everything in a session of a set; `seen` gets each command, and says whether to go on.
fn session(seed: u64, dialect: Dialect, mut seen: impl FnMut(&Place<'_>, &str, bool) -> bool) {
    let scratch = fixtures::scratch("apk-sets");
    let dir = scratch.path();
    material(seed, dir, dialect);
    let place = Place {
        dir,
        root: dir.join("root"),
        dialect,
        user: None,
    };
    fs::create_dir(&place.root).unwrap();
    for step in sets::session(seed, LENGTH) {
        match step {
            Step::Edit(seed) => sets::edit(seed, &place.root).unwrap(),
            Step::Run(words, second) => {
                if !seen(&place, &words, second) {
                    return;
                }
            }
        }
    }
}

/// What was seen, as a recording has it behind what was seen before.
fn write(now: &Seen, before: &Seen) -> String {
    let mut text = format!("[{}]\n{}", now.code, now.said);
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) =
        (before.tree.lines().collect(), now.tree.lines().collect());
    for line in old.difference(&new) {
        writeln!(text, "t-{line}").unwrap();
    }
    for line in new.difference(&old) {
        writeln!(text, "t+{line}").unwrap();
    }
    for stanza in &now.installed {
        if before.installed.contains(stanza) {
            writeln!(text, "i={}", name(stanza)).unwrap();
        } else {
            for line in stanza.lines() {
                writeln!(text, "i {line}").unwrap();
            }
        }
    }
    for line in now.rest.lines() {
        writeln!(text, "d {line}").unwrap();
    }
    text
}

/// What a recording says was seen.
fn read(text: &str, before: &Seen) -> Seen {
    let mut seen = Seen::default();
    let mut tree: BTreeSet<&str> = before.tree.lines().collect();
    let known: BTreeMap<&str, &String> = before
        .installed
        .iter()
        .map(|one| (name(one), one))
        .collect();
    let mut stanza = String::new();
    for line in text.lines() {
        match line.get(..2).unwrap_or_default() {
            "t-" => assert!(tree.remove(&line[2..]), "{line}"),
            "t+" => assert!(tree.insert(&line[2..]), "{line}"),
            "i=" => seen.installed.push(known[&line[2..]].clone()),
            "i " => {
                stanza += &line[2..];
                stanza.push('\n');
                if line.len() == 2 {
                    seen.installed.push(std::mem::take(&mut stanza));
                }
            }
            "d " => writeln!(seen.rest, "{}", &line[2..]).unwrap(),
            "> " | "! " => writeln!(seen.said, "{line}").unwrap(),
            _ => seen.code = line.trim_matches(['[', ']']).parse().unwrap(),
        }
    }
    seen.tree = tree.iter().map(|line| format!("{line}\n")).collect();
    seen
}

/// The name of the package of a record.
fn name(stanza: &str) -> &str {
    let line = stanza.lines().find_map(|line| line.strip_prefix("P:"));
    line.unwrap()
}

/// The tree in the order of its lines.
fn sorted(mut seen: Seen) -> Seen {
    let lines: BTreeSet<&str> = seen.tree.lines().collect();
    seen.tree = lines.iter().map(|line| format!("{line}\n")).collect();
    seen
}

#[allow(clippy::print_stderr)]
fn compare_with_recorded(dialect: Dialect) {
    if !fixtures::record::is_possible() {
        return;
    }
    let text = fs::read_to_string(file(dialect)).unwrap();
    let (mut commands, mut differing) = (0, Vec::new());
    let sets: Vec<&str> = text.strip_prefix("= ").unwrap().split("\n= ").collect();
    assert_eq!(sets.len(), RECORDED.count());
    for set in &sets {
        let mut recorded = set.split("\n$ ");
        let seed = recorded.next().unwrap();
        let (mut before, mut excused) = (Seen::default(), Excused::default());
        session(seed.parse().unwrap(), dialect, |place, words, second| {
            let Some((asked, text)) = recorded.next().and_then(|one| one.split_once('\n')) else {
                return false;
            };
            assert_eq!(asked, words, "set {seed} is not the one that was recorded");
            let theirs = read(text, &before);
            let ours = sorted(place.ours(words, second));
            before = theirs.clone();
            let told = compare(ours, theirs, &mut excused, dialect);
            if !told.is_empty() {
                differing.push(format!("set {seed}, {dialect}: {words}\n{told}"));
            }
            commands += 1;
            told.is_empty()
        });
    }
    eprintln!("{} sets, {commands} commands", sets.len());
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn recorded_sessions_of_apk_2_come_out_the_same() {
    compare_with_recorded(Dialect::Apk2);
}

#[test]
fn recorded_sessions_of_apk_3_come_out_the_same() {
    compare_with_recorded(Dialect::Apk3);
}

/// A command of which another choice of packages came is the first that is not recorded.
#[test]
#[ignore = "records what both apks do, as root"]
fn sessions_of_apk_are_recorded() {
    for (apk, dialect) in apks() {
        let mut text = String::new();
        for seed in RECORDED {
            writeln!(text, "= {seed}").unwrap();
            let mut before = Seen::default();
            let mut choices = Vec::new();
            if dialect == Dialect::Apk2 {
                session(seed, dialect, |place, words, second| {
                    let seen = place.ours(words, second);
                    choices.push(plan(&seen).join("\n"));
                    true
                });
            }
            let mut choices = choices.into_iter();
            session(seed, dialect, |place, words, second| {
                let seen = sorted(place.run(apk.command(), words, second));
                let ours = choices.next();
                if ours.is_some_and(|ours| ours != plan(&seen).join("\n")) {
                    return false;
                }
                write!(text, "$ {words}\n{}", write_checked(&seen, &before)).unwrap();
                before = seen;
                true
            });
        }
        fs::write(file(dialect), text).unwrap();
    }
}

/// What was seen, in the form of a recording that says just that.
fn write_checked(now: &Seen, before: &Seen) -> String {
    let text = write(now, before);
    assert_eq!(read(&text, before), *now);
    text
}
