//! What can be seen after a command that changed a root: what it said, and all that it left.
//!
//! What differs from the real apks on purpose is taken out here, for them as for us:
//!
//! | what | |
//! |---|---|
//! | apk 3.0 makes directories without setuid and setgid bits, whatever it records | the bits are not shown |
//! | apk 2.14 leaves what it could not put in its place | it is not shown |
//! | apk 2.14 mounts `proc`, so that it cannot remove it | it is not shown |
//! | apk 2.14 tells the temporary name of a file that it could not rename, and not why | neither is shown |
//! | apk 2.14 writes `replaces` of a package once more whenever it installs it again | each is shown once |
//! | both put files of a package in their places before they have read all of it, and take them away again | what they say of it before they say that it failed is not shown |
//! | ours tells more behind apk's words: `detail:`, `hint:` | neither is shown |
//! | a link stands where packages have a directory: apk 3.0 gives what it leads to their owner and mode | not compared (`apk_sets`) |
//! | a package that only holds others together has an identity made of the number of the process | it is not shown |
//! | two packages that may replace each other are installed again in one run: apk 3.0 puts a file that the second takes back in its place twice, and the second time there is none | the session ends there ([`Seen::puts_twice`]) |

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use apk_format::{Dialect, ScriptArchive};
use fixtures::forge::sha256_hex;

use crate::pair::Answer;

/// What can be seen after a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The exit code.
    pub(crate) code: i32,
    /// Standard output, each line after `> `, then standard error, after `! `.
    pub(crate) said: String,
    /// The root, a line for each path.
    pub(crate) tree: String,
    /// `installed`, package by package.
    pub(crate) installed: Vec<String>,
    /// The other files of the database.
    pub(crate) rest: String,
}

/// Later than any file of a package, in seconds since 1970: October 2025.
const RECENT: i64 = 1_760_000_000;

impl Seen {
    /// What an answer and a root show; `places` are names for what differs from run to run.
    pub(crate) fn of(
        answer: &Answer,
        root: &Path,
        dialect: Dialect,
        places: &[(&Path, &str)],
    ) -> Seen {
        let mut said = String::new();
        for (sign, text) in [('>', &answer.stdout), ('!', &answer.stderr)] {
            let named = places.iter().fold(text.clone(), |text, (path, name)| {
                text.replace(path.to_str().unwrap(), name)
            });
            for line in named.lines() {
                let line = match dialect {
                    Dialect::Apk2 => not_placed(line),
                    Dialect::Apk3 => line.to_owned(),
                };
                if !line.starts_with("detail: ") && !line.starts_with("hint: ") {
                    writeln!(said, "{sign} {line}").unwrap();
                }
            }
        }
        Seen {
            code: answer.code.expect("killed"),
            said: without_failed(&said),
            tree: tree(root, dialect),
            installed: installed(root, dialect),
            rest: rest(root),
        }
    }

    /// Whether a file could not be put in its place because it was not there, and is in its place.
    pub(crate) fn puts_twice(&self) -> bool {
        self.said.lines().any(|line| {
            let missing = line.strip_suffix(": No such file or directory");
            let told = missing.and_then(|line| line.split_once(": failed to commit "));
            told.is_some_and(|(_, path)| {
                self.tree.lines().any(|one| {
                    let mut columns = one.split('\t');
                    columns.next() == Some(path) && columns.next() == Some("f")
                })
            })
        })
    }

    /// Everything in which two differ, signed: `+` is ours, `-` theirs.
    pub(crate) fn difference(&self, theirs: &Seen) -> String {
        let mut told = String::new();
        if self.code != theirs.code {
            writeln!(
                told,
                "exit code: ours {}, theirs {}",
                self.code, theirs.code
            )
            .unwrap();
        }
        let (ours_db, theirs_db) = (self.installed.concat(), theirs.installed.concat());
        for (what, ours, theirs) in [
            ("said", &self.said, &theirs.said),
            ("tree", &self.tree, &theirs.tree),
            ("installed", &ours_db, &theirs_db),
            ("database", &self.rest, &theirs.rest),
        ] {
            if ours != theirs {
                let lines = lines_of_one(ours, theirs);
                let order = if lines.is_empty() {
                    format!("the order: ours\n{ours}theirs\n{theirs}")
                } else {
                    String::new()
                };
                write!(told, "--- {what}\n{lines}{order}").unwrap();
            }
        }
        told
    }
}

/// What was said, without what concerns files of packages that failed as a whole.
fn without_failed(said: &str) -> String {
    const WHY: [&str; 6] = [
        "unexpected end of file",
        "v2 package integrity error",
        "file format is invalid or inconsistent",
        "BAD archive",
        "BAD signature",
        "IO ERROR",
    ];
    let failed = said.lines().filter_map(|line| {
        let (package, why) = line.strip_prefix("! ERROR: ")?.split_once(": ")?;
        WHY.contains(&why).then_some(package)
    });
    let failed: Vec<&str> = failed.collect();
    if failed.is_empty() {
        return said.to_owned();
    }
    let concerns = |line: &&str| {
        let Some(line) = line.strip_prefix("! ") else {
            let path = line.strip_prefix("> ").unwrap_or_default();
            return TOP.iter().any(|top| path.starts_with(top));
        };
        // What apk 2.14 makes of a file that ends too early.
        if line.ends_with(": Software caused connection abort") {
            return true;
        }
        let told = line
            .split_once(": ")
            .and_then(|(_, line)| line.split_once(": "));
        told.is_some_and(|(package, why)| failed.contains(&package) && !WHY.contains(&why))
    };
    let lines = said.lines().filter(|line| !concerns(line));
    lines.map(|line| format!("{line}\n")).collect()
}

/// How paths begin that are told at the highest verbosity.
const TOP: [&str; 5] = ["etc/", "opt/", "srv/", "usr/", "var/"];

/// A file that could not be put in its place: `PACKAGE: failed to commit PATH`.
fn not_placed(line: &str) -> String {
    if let Some((package, what)) = line.split_once(": failed to rename ") {
        let path = what.split_once(" to ").unwrap().1.trim_end_matches('.');
        let path = path.trim_end_matches(".apk-new");
        return format!("{package}: failed to commit {path}");
    }
    match line.split_once(": failed to commit ") {
        Some((package, what)) => {
            let path = what.rsplit_once(": ").unwrap().0;
            format!("{package}: failed to commit {path}")
        }
        None => line.to_owned(),
    }
}

/// Lines that only one of two texts has.
fn lines_of_one(ours: &str, theirs: &str) -> String {
    let only = |a: &str, b: &str, sign: char| {
        let b: std::collections::BTreeSet<&str> = b.lines().collect();
        let lines = a.lines().filter(|line| !b.contains(line));
        lines
            .map(|line| format!("{sign} {line}\n"))
            .collect::<String>()
    };
    only(ours, theirs, '+') + &only(theirs, ours, '-')
}

/// Path, type, mode, owner, value, first link, attributes, and the time of what keeps one; digests are cut.
fn tree(root: &Path, dialect: Dialect) -> String {
    let listing = fixtures::listing::of(root).unwrap();
    let mut listed = String::new();
    for line in listing.lines().skip(1) {
        let mut columns: Vec<String> = line.split('\t').map(str::to_owned).collect();
        let name = columns[0].rsplit('/').next().unwrap();
        let left = name.starts_with(".apk.") && name.len() == 53;
        // The lock is there after every run but the first of apk 3.0; whoever looks at it does not know which this is.
        if columns[0] == "lib/apk/db/lock"
            || dialect == Dialect::Apk2 && (columns[0] == "proc" || left)
        {
            continue;
        }
        if dialect == Dialect::Apk2 && columns[6].contains("/.apk.") {
            "-".clone_into(&mut columns[6]); // a hard link to what was left is one to nothing else
        }
        if dialect == Dialect::Apk3 && columns[1] == "d" {
            let mode = u32::from_str_radix(&columns[2], 8).unwrap();
            columns[2] = format!("{:o}", mode & 0o1777);
        }
        if columns[1] == "f" {
            columns[5].truncate(12);
        }
        let time = match root.join(&columns[0]).symlink_metadata() {
            // What was made just now has the time of the run.
            Ok(meta) if columns[1] != "d" && columns[1] != "l" && meta.mtime() < RECENT => {
                meta.mtime().to_string()
            }
            _ => "-".to_owned(),
        };
        if columns[0].starts_with("lib/apk/db/") || columns[0] == "etc/apk/world" {
            "*".clone_into(&mut columns[5]); // shown as what it is
        }
        writeln!(listed, "{}\t{time}", columns.join("\t")).unwrap();
    }
    listed
}

fn installed(root: &Path, dialect: Dialect) -> Vec<String> {
    let text = fs::read_to_string(root.join("lib/apk/db/installed")).unwrap_or_default();
    let stanzas = text.split_inclusive("\n\n");
    let stanzas = stanzas.map(|stanza| {
        let once;
        let stanza = match dialect {
            Dialect::Apk2 => {
                once = replaces_once(stanza);
                &once
            }
            Dialect::Apk3 => stanza,
        };
        if !stanza.contains("\nT:virtual meta package\n") {
            return stanza.to_owned();
        }
        let (identity, more) = stanza.split_once('\n').unwrap();
        assert!(identity.starts_with("C:Q1"), "{identity}");
        format!("C:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\n{more}")
    });
    stanzas.collect()
}

/// A record whose `r:` has every word once.
fn replaces_once(stanza: &str) -> String {
    let lines = stanza.split_inclusive('\n').map(|line| {
        let Some(words) = line.strip_prefix("r:") else {
            return line.to_owned();
        };
        let mut known: Vec<&str> = Vec::new();
        for word in words.split_whitespace() {
            if !known.contains(&word) {
                known.push(word);
            }
        }
        format!("r:{}\n", known.join(" "))
    });
    lines.collect()
}

fn rest(root: &Path) -> String {
    let mut told = String::new();
    for name in ["etc/apk/world", "etc/apk/arch", "lib/apk/db/triggers"] {
        if let Ok(text) = fs::read_to_string(root.join(name)) {
            for line in text.lines() {
                writeln!(told, "{name}: {line}").unwrap();
            }
        }
    }
    for name in ["lib/apk/db/scripts.tar", "lib/apk/db/scripts.tar.gz"] {
        if let Ok(bytes) = fs::read(root.join(name)) {
            let plain = ScriptArchive::parse(&bytes).unwrap().write(Dialect::Apk2);
            writeln!(told, "{name}: {}", &sha256_hex(&plain)[..12]).unwrap();
        }
    }
    told
}
