//! The edge cases of commits that the specification lists in its section 11, by the number of their row.

use crate::pair::Pair;
use fixtures::forge::tar::{Entry, Kind, Style, Tar};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

fn pair(label: &str) -> Option<Pair> {
    let pair = Pair::with_repository(label, "bare-user")?;
    pair.in_both(|dir| fs::create_dir(dir.join("t")).unwrap());
    Some(pair)
}

fn archive(pair: &Pair, name: &str, entries: &[Entry]) {
    let mut tar = Tar::new(Style::Posix);
    entries.iter().for_each(|entry| tar.append(entry));
    let bytes = tar.end(20);
    pair.in_both(|dir| fs::write(dir.join(name), &bytes).unwrap());
}

fn root() -> Entry {
    Entry::new(Kind::Directory, "./")
}

#[track_caller]
fn commit(pair: &Pair, args: &[&str]) {
    pair.same(&[&["commit", "--repo=r", "-b", "main"], args].concat());
    pair.same(&["ls", "--repo=r", "-RC", "main"]);
}

#[test]
fn rows_1_and_2_directories() {
    let Some(pair) = pair("edge-directories") else {
        return;
    };
    commit(&pair, &["t"]);
    pair.in_both(|dir| {
        let fifo = std::process::Command::new("mkfifo")
            .arg(dir.join("t/fifo"))
            .status();
        assert!(fifo.unwrap().success());
        fs::write(dir.join("list"), "/fifo\n").unwrap();
    });
    commit(&pair, &["t"]);
    commit(&pair, &["t", "--skip-list=list"]);
}

#[test]
fn rows_3_and_7_to_15_archives() {
    let Some(pair) = pair("edge-archives") else {
        return;
    };
    let file = |name: &str| Entry::file(name, name.as_bytes());
    let link = |name: &str, to: &str| {
        let mut link = Entry::new(Kind::HardLink, name);
        link.link = to.as_bytes().to_vec();
        link.mode = 0o600;
        link
    };
    let mut strange = file("strange");
    (strange.uid, strange.gid) = (0o777_7777, 5);
    let directory = |name: &str| Entry::new(Kind::Directory, name);
    for (name, entries) in [
        (
            "device",
            &[root(), Entry::new(Kind::CharDevice, "null")][..],
        ),
        ("no-root", &[file("f")]),
        (
            "no-parent",
            &[root(), file("a/b/f"), directory("a/"), file("a/g")],
        ),
        ("up", &[root(), file("usr/../x")]),
        ("up-first", &[root(), file("../x")]),
        (
            "fine",
            &[
                root(),
                file("/../x"),
                file("//y"),
                directory("usr/"),
                file("usr/./z"),
            ],
        ),
        ("early-link", &[root(), link("l", "f"), file("f")]),
        (
            "twice",
            &[
                root(),
                file("f"),
                Entry::file("f", "second"),
                directory("d/"),
                directory("d"),
            ],
        ),
        ("over-directory", &[root(), directory("a/"), file("a")]),
        ("no-target", &[root(), link("l", "nope")]),
        ("to-directory", &[root(), directory("d/"), link("l", "d")]),
        ("empty", &[]),
        (
            "whiteouts",
            &[root(), file(".wh.gone"), file(".wh..wh..opq")],
        ),
        ("owner", &[root(), strange]),
    ] {
        archive(&pair, name, entries);
        let tree = format!("--tree=tar={name}");
        commit(&pair, &[&tree]);
        commit(&pair, &[&tree, "--tar-autocreate-parents"]);
    }
    // Row 13: the real tool aborts.
    archive(&pair, "over-file", &[root(), file("a"), directory("a/")]);
    let args = ["commit", "--repo=r", "-b", "main", "--tree=tar=over-file"];
    let words = pair.ask_us(&args).failure();
    assert!(
        words.contains("Can't replace file with directory: a"),
        "{words}"
    );
    // Row 15: the real tool takes a text for a list of files.
    pair.in_both(|dir| fs::write(dir.join("text"), "no archive at all\n".repeat(100)).unwrap());
    pair.ask_us(&["commit", "--repo=r", "-b", "main", "--tree=tar=text"])
        .failure();
    pair.same_success(&["fsck", "--repo=r"]);
}

#[test]
fn rows_18_to_21_and_25_words() {
    let Some(pair) = pair("edge-words") else {
        return;
    };
    pair.in_both(|dir| fs::write(dir.join("t/f"), "f").unwrap());
    pair.same_success(&["commit", "--repo=r", "-b", "main", "t"]);
    pair.same_lines(&["refs", "--repo=r"]);
    commit(
        &pair,
        &[
            "--tree=dir=t",
            "--parent=none",
            "--subject=Subject",
            "--body=Body",
        ],
    );
    commit(&pair, &["t", &format!("--parent={}", "ab".repeat(32))]);
    commit(&pair, &["t", "--timestamp=@-5"]);
    commit(
        &pair,
        &[
            "t",
            "--add-metadata-string=a=1",
            "--add-metadata-string=a=2",
        ],
    );
    commit(&pair, &["t", "--skip-if-unchanged"]);
    pair.same(&["show", "--repo=r", "main"]);
}

#[test]
fn row_22_names_that_are_not_utf8() {
    let Some(pair) = pair("edge-names") else {
        return;
    };
    let bytes = OsStr::from_bytes(b"\xff");
    symlink(bytes, pair.ours().join("t/link")).unwrap();
    let args = ["commit", "--repo=r", "-b", "main", "t"];
    // The real tool writes another target, `[Invalid UTF-8]`.
    assert!(pair.ask_us(&args).failure().contains("is not UTF-8"));
    fs::remove_file(pair.ours().join("t/link")).unwrap();
    fs::write(pair.ours().join("t").join(bytes), "").unwrap();
    assert!(pair.ask_us(&args).failure().contains("UTF-8"));
}
