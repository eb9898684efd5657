//! What `fsck` says of repositories that are not what they should be.
//!
//! The lines of progress are left out where something is wrong: how far ostree got depends on the order of its hash
//! table.

use crate::pair::{Answer, Pair};
use std::fs;
use std::path::{Path, PathBuf};

/// A pair with two commits of a small tree, the second one with one file more.
fn pair(mode: &str) -> Option<Pair> {
    let mut pair = Pair::new("damage")?;
    pair.env("SOURCE_DATE_EPOCH", "1700000000");
    pair.same_success(&["init", "--repo=r", &format!("--mode={mode}")]);
    pair.unsynced("r");
    pair.in_both(|dir| {
        fs::create_dir_all(dir.join("t/d")).unwrap();
        fs::write(dir.join("t/f"), "hi\n").unwrap();
        fs::write(dir.join("t/d/x"), "x\n").unwrap();
    });
    pair.same_success(&["commit", "--repo=r", "-b", "main", "t"]);
    pair.in_both(|dir| fs::write(dir.join("t/g"), "more\n").unwrap());
    pair.same_success(&["commit", "--repo=r", "-b", "main", "t"]);
    Some(pair)
}

/// The checksum of a path of the branch; of a directory that of its dirtree.
fn checksum(pair: &Pair, path: &str) -> String {
    let line = pair.same_success(&["ls", "--repo=r", "-dC", "main", path]);
    line.split_whitespace()
        .find(|word| word.len() == 64)
        .unwrap()
        .to_owned()
}

fn object(dir: &Path, checksum: &str, extension: &str) -> PathBuf {
    dir.join("r/objects")
        .join(&checksum[..2])
        .join(format!("{}.{extension}", &checksum[2..]))
}

#[track_caller]
fn same_complaints(pair: &Pair, args: &[&str]) -> Answer {
    let without_progress = |mut answer: Answer| {
        answer.stdout = answer
            .stdout
            .lines()
            .filter(|line| !line.starts_with("fsck objects"))
            .collect::<Vec<_>>()
            .join("\n");
        answer
    };
    let args = [&["fsck", "--repo=r"], args].concat();
    let (ours, theirs) = (
        without_progress(pair.ask_us(&args)),
        without_progress(pair.ask_them(&args)),
    );
    assert_eq!(ours, theirs, "left is ours: {args:?}");
    ours
}

#[test]
fn missing_objects_make_commits_partial() {
    for (path, extension) in [("/d/x", "filez"), ("/f", "filez")] {
        let Some(pair) = pair("archive") else { return };
        let lost = checksum(&pair, path);
        pair.in_both(|dir| fs::remove_file(object(dir, &lost, extension)).unwrap());
        let answer = same_complaints(&pair, &[]);
        assert!(
            answer.stderr.contains("Marking commit as partial"),
            "{}",
            answer.stderr
        );
        pair.same(&["fsck", "--repo=r"]);
        pair.same(&["fsck", "--repo=r", "-q"]);
    }
}

#[test]
fn missing_directories_end_the_check() {
    let Some(pair) = pair("archive") else { return };
    let lost = checksum(&pair, "/d");
    pair.in_both(|dir| fs::remove_file(object(dir, &lost, "dirtree")).unwrap());
    same_complaints(&pair, &[]);
    same_complaints(&pair, &["-a"]);
}

#[test]
fn missing_metadata_makes_commits_partial() {
    let Some(pair) = pair("archive") else { return };
    let line = pair.same_success(&["ls", "--repo=r", "-dC", "main", "/"]);
    let lost = line
        .split_whitespace()
        .filter(|word| word.len() == 64)
        .nth(1)
        .unwrap()
        .to_owned();
    pair.in_both(|dir| fs::remove_file(object(dir, &lost, "dirmeta")).unwrap());
    same_complaints(&pair, &["-q"]);
    same_complaints(&pair, &[]);
}

#[test]
fn corrupt_objects_are_named() {
    type Damage = (&'static str, &'static str, &'static dyn Fn(&Path));
    let damages: [Damage; 3] = [
        ("bare-user", "file", &|path| {
            let text = fs::read(path).unwrap();
            fs::write(path, [text, b"!".to_vec()].concat()).unwrap();
        }),
        ("archive", "filez", &|path| {
            fs::OpenOptions::new()
                .write(true)
                .open(path)
                .unwrap()
                .set_len(10)
                .unwrap();
        }),
        ("bare-user-only", "file", &|path| {
            fs::write(path, "other").unwrap();
        }),
    ];
    for (mode, extension, damage) in damages {
        let Some(pair) = pair(mode) else { return };
        let hurt = checksum(&pair, "/d/x");
        pair.in_both(|dir| damage(&object(dir, &hurt, extension)));
        same_complaints(&pair, &[]);
        same_complaints(&pair, &["-a"]);
        same_complaints(&pair, &["-aq"]);
    }
}

#[test]
fn corrupt_metadata_is_named() {
    let Some(pair) = pair("archive") else { return };
    let line = pair.same_success(&["ls", "--repo=r", "-dC", "main", "/"]);
    let hurt = line
        .split_whitespace()
        .filter(|word| word.len() == 64)
        .nth(1)
        .unwrap()
        .to_owned();
    let other = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x41, 0xc0];
    pair.in_both(|dir| fs::write(object(dir, &hurt, "dirmeta"), other).unwrap());
    same_complaints(&pair, &[]);
    same_complaints(&pair, &["--all"]);
}

#[test]
fn corrupt_commits_are_named_with_their_refs() {
    for (hurt, other) in [("main", "main^"), ("main^", "main")] {
        let Some(pair) = pair("archive") else { return };
        let [hurt, other] =
            [hurt, other].map(|rev| pair.same_success(&["rev-parse", "--repo=r", rev]));
        pair.in_both(|dir| {
            fs::copy(object(dir, &other, "commit"), object(dir, &hurt, "commit")).unwrap();
        });
        same_complaints(&pair, &[]);
        same_complaints(&pair, &["-a"]);
    }
}

#[test]
fn refs_to_nothing_are_named() {
    let Some(pair) = pair("archive") else { return };
    let tip = pair.same_success(&["rev-parse", "--repo=r", "main"]);
    pair.in_both(|dir| fs::remove_file(object(dir, &tip, "commit")).unwrap());
    same_complaints(&pair, &[]);
    same_complaints(&pair, &["-q"]);
    pair.same(&["log", "--repo=r", "main"]);
    pair.same(&["ls", "--repo=r", "main"]);
}

#[test]
fn refs_that_hold_no_checksum_are_named() {
    let Some(pair) = pair("archive") else { return };
    pair.in_both(|dir| fs::write(dir.join("r/refs/heads/bad"), "garbage\n").unwrap());
    pair.same_lines(&["refs", "--repo=r"]);
    pair.same(&["rev-parse", "--repo=r", "bad"]);
    pair.same(&["refs", "--repo=r", "--create=bad", "main"]);
    same_complaints(&pair, &[]);
    pair.same(&["refs", "--repo=r", "--delete", "bad"]);
    pair.same(&["refs", "--repo=r"]);
}

#[test]
fn a_history_that_was_cut_off_is_no_damage() {
    let Some(pair) = pair("archive") else { return };
    let first = pair.same_success(&["rev-parse", "--repo=r", "main^"]);
    pair.in_both(|dir| {
        fs::write(
            dir.join("r/state").join(format!("{first}.commitpartial")),
            "",
        )
        .unwrap();
    });
    pair.same_success(&["fsck", "--repo=r"]);
    pair.in_both(|dir| fs::remove_file(object(dir, &first, "commit")).unwrap());
    pair.same_success(&["log", "--repo=r", "main"]);
    pair.same_success(&["log", "--repo=r", "--raw", "main"]);
}
