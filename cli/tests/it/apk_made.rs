//! Generated packages, made, checked, listed, signed, unpacked by the commands of the face and by those of apk 3.0.6: equal
//! words, exit codes and files after every command.
//!
//! `recorded/apk-3.0.6/made.tsv` has a digest of what apk said and left after each command of the first seeds, so that ours
//! are compared everywhere. What ours does otherwise on purpose ([`crate::apk_apart`]) does not come up. With `APK_OSTREE_APK3` more seeds are done beside it; `APK_OSTREE_SEEDS=FIRST-LAST` says which.

use std::fmt::Write as _;
use std::fs;
use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use apk_format::Digest;
use fixtures::peer::{self, Peer};

use crate::apk::{VERSION, our_apk};
use crate::apk_made_plan::{Step, steps, write};
use crate::pair::{Answer, apk_ostree};

/// The seeds that are recorded.
const RECORDED: RangeInclusive<u64> = 1..=8;

/// The seeds that are done beside the real apk.
const LIVE: RangeInclusive<u64> = 9..=16;

/// Runs a step in a directory; what was said and is there now.
fn seen(
    dir: &Path,
    words: &[String],
    stdin: Option<&str>,
    mut command: Command,
) -> Option<(String, String)> {
    let own = dir.display().to_string();
    command.args(words.iter().map(|word| word.replace("DIR", &own)));
    command.current_dir(dir);
    command
        .env("APK_CONFIG", "/dev/null")
        .env("SOURCE_DATE_EPOCH", "1700000000");
    let stdin = stdin.and_then(|name| fs::File::open(dir.join(name)).ok());
    command.stdin(stdin.map_or_else(Stdio::null, Stdio::from));
    let answer = Answer::of(command);
    let code = answer.code?;
    let ours_alone = |line: &&str| line.starts_with("detail: ") || line.starts_with("hint: ");
    let stderr = answer
        .stderr
        .split_inclusive('\n')
        .filter(|line| !ours_alone(line));
    let stderr: String = stderr.collect();
    let said = format!("[{code}]\n{}! {stderr}", answer.stdout);
    let said = cut_off(&said).replace(&own, "DIR");
    let said = match words.iter().any(|word| word == "extract") && said.contains("! ERROR") {
        true => without_listing(&said),
        false => said,
    };
    Some((said, files(dir)))
}

/// apk 3.0.6 has many words for a file that is cut off, which depend on where.
fn cut_off(said: &str) -> String {
    let short = |line: &str| match line.split_once("cut.apk: ") {
        Some((before, words)) if words != "OK" => format!("{before}cut.apk: is cut off\n"),
        _ => format!("{line}\n"),
    };
    said.lines().map(short).collect()
}

/// Of what cannot be extracted: the code, which package it was, and why. apk 3.0.6 tells what came before the damage.
fn without_listing(said: &str) -> String {
    let kept = |line: &&str| {
        ["[", "Extracting", "!"]
            .iter()
            .any(|begin| line.starts_with(begin))
    };
    said.split_inclusive('\n').filter(kept).collect()
}

/// What is in the directory, but for the material that no command changes: of files that are compressed, what they hold.
fn files(dir: &Path) -> String {
    let table = fixtures::listing::of(dir).unwrap();
    let mut text = String::new();
    for line in table.lines().skip(2) {
        let mut columns: Vec<&str> = line.split('\t').collect();
        let path = columns[0].to_owned();
        let material = ["tree", "names", "roots"];
        if material.iter().any(|sub| path.starts_with(sub)) {
            continue;
        }
        (columns[3], columns[4]) = ("", ""); // whoever runs the test
        if !path.starts_with("out") {
            columns[2] = ""; // the umask
        }
        let place = dir.join(&path);
        let content;
        if columns[1] == "f" && !path.contains('\\') {
            content = contained(dir, &place, &path);
            columns[5] = content.as_deref().unwrap_or(columns[5]);
            if path.starts_with("out") {
                let time = place.metadata().unwrap().mtime();
                write!(text, "{time} ").unwrap();
            }
        }
        writeln!(text, "{}", columns.join(" ")).unwrap();
    }
    text
}

/// The text of a compressed v3 file: its bytes depend on the library.
fn contained(dir: &Path, place: &Path, path: &str) -> Option<String> {
    let bytes = fs::read(place).unwrap();
    if !bytes.starts_with(b"ADBd") && !bytes.starts_with(b"ADBc") {
        return None;
    }
    let answer = our_apk(dir, &["adbdump".to_owned(), path.to_owned()]);
    Some(Digest::sha256(answer.stdout.as_bytes()).to_hex())
}

fn cut(dir: &Path, number: usize, at: usize) {
    if let Ok(bytes) = fs::read(dir.join(format!("p{number}.apk"))) {
        fs::write(dir.join("cut.apk"), &bytes[..at % bytes.len()]).unwrap();
    }
}

/// Does everything of a seed with one program or two; `each` gets the words, and what was seen.
fn session(seed: u64, apk: Option<&Peer>, mut each: impl FnMut(&[String], &str, Option<&str>)) {
    let scratch = fixtures::scratch("apk-made");
    let [ours, theirs] = ["ours", "theirs"].map(|name| scratch.path().join(name));
    for dir in [&ours, &theirs] {
        fs::create_dir(dir).unwrap();
        write(seed, dir);
    }
    for step in steps(seed) {
        let (words, stdin) = match step {
            Step::Run(words, stdin) => (words, stdin),
            Step::Cut(number, at) => {
                cut(&ours, number, at);
                cut(&theirs, number, at);
                continue;
            }
        };
        let mut command = apk_ostree(&ours);
        command.arg("apk");
        let our = seen(&ours, &words, stdin, command).expect("ours is not killed");
        let Some(apk) = apk else {
            each(&words, &(our.0 + &our.1), None);
            continue;
        };
        let mut their = seen(&theirs, &words, stdin, apk.command());
        let killed = their.is_none();
        // What apk 3.0.6 cannot sign is an empty file then; what it extracts before it finds the damage stays.
        let spoils = |said: &str| {
            let kinds = ["adbsign", "extract"];
            words.iter().any(|word| kinds.contains(&&**word)) && said.contains("! ERROR")
        };
        if let Some((_, left)) = their.as_mut().filter(|(said, _)| spoils(said)) {
            again(&theirs, &ours, true);
            *left = files(&theirs);
        }
        let same = their.as_ref() == Some(&our);
        each(
            &words,
            &(our.0 + &our.1),
            their.map(|(said, left)| said + &left).as_deref(),
        );
        if !same {
            again(&theirs, &ours, killed);
        }
    }
    open(&ours);
    open(&theirs);
}

/// Makes two directories equal again: as apk left its own, unless it was killed.
fn again(theirs: &Path, ours: &Path, killed: bool) {
    let (from, to) = if killed {
        (ours, theirs)
    } else {
        (theirs, ours)
    };
    open(to);
    fs::remove_dir_all(to).unwrap();
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.unwrap().success());
}

/// Lets directories that nobody may write to be removed.
fn open(dir: &Path) {
    let _ = Command::new("chmod")
        .args(["-R", "u+rwX"])
        .arg(dir)
        .output();
}

fn recorded() -> PathBuf {
    fixtures::root().join(format!("recorded/apk-{VERSION}/made.tsv"))
}

fn row(seed: u64, words: &[String], seen: &str) -> String {
    let digest = Digest::sha256(seen.as_bytes()).to_hex();
    let words = words.join(" ").escape_debug().to_string();
    format!("{seed}\t{words}\t{}\n", &digest[..16])
}

#[test]
fn made_as_apk_made_it() {
    let mut rows = String::new();
    for seed in RECORDED {
        session(seed, None, |words, ours, _| rows += &row(seed, words, ours));
    }
    let known = fs::read_to_string(recorded()).unwrap_or_default();
    let known: Vec<&str> = known.lines().skip(1).collect();
    let rows: Vec<&str> = rows.lines().collect();
    for (ours, theirs) in rows.iter().zip(&known) {
        assert!(ours == theirs || theirs.ends_with('-'), "{ours}\n{theirs}");
    }
    assert_eq!(rows.len(), known.len());
}

#[test]
fn made_beside_apk() {
    let Some(apk) = peer::apk3().filter(|apk| apk.version() == VERSION) else {
        return;
    };
    if !rustix::process::geteuid().is_root() {
        return eprintln!("what apk extracts for an ordinary user has no setuid bits");
    }
    let record = std::env::var_os("APK_OSTREE_RECORD").is_some();
    let seeds = match std::env::var("APK_OSTREE_SEEDS") {
        Ok(text) => {
            let (first, last) = text.split_once('-').unwrap();
            first.parse().unwrap()..=last.parse().unwrap()
        }
        Err(_) if record => RECORDED,
        Err(_) => LIVE,
    };
    let (mut count, mut killed, mut different) = (0, 0, Vec::new());
    let mut rows = "seed\tcommand\tanswer\n".to_owned();
    for seed in seeds {
        session(seed, Some(&apk), |words, ours, theirs| {
            count += 1;
            match theirs {
                None => {
                    killed += 1;
                    writeln!(rows, "{seed}\t{}\t-", words.join(" ").escape_debug()).unwrap();
                }
                Some(theirs) => {
                    rows += &row(seed, words, theirs);
                    if ours != theirs {
                        different.push(report(seed, words, ours, theirs));
                    }
                }
            }
        });
    }
    if record {
        fs::write(recorded(), rows).unwrap();
    }
    eprintln!("{count} command lines, apk was killed {killed} times");
    assert!(
        different.is_empty(),
        "{} of {count} differ\n{}",
        different.len(),
        different.concat()
    );
}

fn report(seed: u64, words: &[String], ours: &str, theirs: &str) -> String {
    let mut text = format!("seed {seed}: {}\n", words.join(" ").escape_debug());
    for line in theirs
        .lines()
        .filter(|line| !ours.lines().any(|other| other == *line))
        .take(12)
    {
        writeln!(text, "  theirs {line}").unwrap();
    }
    for line in ours
        .lines()
        .filter(|line| !theirs.lines().any(|other| other == *line))
        .take(12)
    {
        writeln!(text, "  ours   {line}").unwrap();
    }
    text
}
