//! Paths with slashes too many and words behind `--`, as the real tool takes them; modes of metadata objects.

use crate::pair::{Answer, Pair, apk_ostree};
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn pair(label: &str, mode: &str) -> Option<Pair> {
    let mut pair = Pair::new(label)?;
    pair.env("SOURCE_DATE_EPOCH", "1700000000");
    pair.same_success(&["init", "--repo=r", &format!("--mode={mode}")]);
    pair.in_both(|dir| {
        fs::create_dir_all(dir.join("t/d")).unwrap();
        fs::write(dir.join("t/f"), "f").unwrap();
        fs::write(dir.join("t/d/g"), "g").unwrap();
    });
    pair.same_success(&["commit", "--repo=r", "-b", "main", "--fsync=false", "t"]);
    Some(pair)
}

#[test]
fn slashes_are_taken_as_they_are() {
    let Some(pair) = pair("odd-slashes", "archive") else {
        return;
    };
    for path in [
        "/", "//", "///", "////", "f", "/f/", "/f//", "/f///", "/d/", "/d//", "/d//f", "/d//g",
        "//d", "//f", "/d/g//f", "/no//f", "/no//", "/f/x", "/f//x", "d//d//g", "/d///f",
        "/d//d/g", "/d////f", "/d/////f", "/////", "//////",
    ] {
        pair.same(&["ls", "--repo=r", "main", path]);
        pair.same(&["ls", "--repo=r", "-R", "main", path]);
        let subpath = format!("--subpath={path}");
        let checkout = [
            "checkout", "--repo=r", "-U", "--union", &subpath, "main", "out",
        ];
        pair.same(&checkout);
    }
}

/// What the real tool does not find, such as `/d/./g`, ours may, because it follows links.
#[test]
fn contents_are_found_where_ostree_finds_them() {
    let Some(pair) = pair("odd-cat", "bare-user") else {
        return;
    };
    for path in [
        "/f", "f", "/d//f", "d//f", "/no//f", "/d/g//f", "/f//", "/d//", "/", "/d/", "/f/", "/no",
        "/d///f",
    ] {
        pair.same(&["cat", "--repo=r", "main", path]);
    }
}

#[test]
fn commands_of_remote_see_nothing_behind_two_dashes() {
    let Some(pair) = pair("odd-dashes", "archive") else {
        return;
    };
    for words in [
        &[
            "remote",
            "add",
            "--repo=r",
            "o",
            "http://x/",
            "--",
            "y",
            "z",
        ][..],
        &["remote", "list", "--repo=r", "--", "a", "b"],
        &["remote", "show-url", "--repo=r", "o", "--", "p"],
        &[
            "remote",
            "--repo=r",
            "add",
            "a",
            "http://a/",
            "br",
            "--",
            "br2",
        ],
        &["remote", "list", "--repo=r", "-u"],
        &[
            "config",
            "--repo=r",
            "get",
            "--group=remote \"a\"",
            "branches",
        ],
        &["remote", "--repo=r", "delete", "o", "--", "q"],
        &["remote", "list", "--repo=r"],
    ] {
        pair.same_success(words);
    }
    for words in [
        &["remote", "show-url", "--repo=r", "--", "a"][..],
        &["remote", "add", "--repo=r", "o3", "--", "http://y/"],
        &["remote", "delete", "--repo=r", "--", "a"],
    ] {
        let last = |answer: Answer| answer.failure();
        assert_eq!(
            last(pair.ask_us(words)),
            last(pair.ask_them(words)),
            "{words:?}"
        );
    }
}

#[test]
fn a_stored_tree_that_nothing_changes_is_not_counted() {
    let Some(pair) = pair("odd-counts", "archive") else {
        return;
    };
    pair.in_both(|dir| {
        fs::create_dir(dir.join("e")).unwrap();
        fs::set_permissions(dir.join("e"), fs::Permissions::from_mode(0o755)).unwrap();
    });
    let commit = [
        "commit",
        "--repo=r",
        "-b",
        "b2",
        "--fsync=false",
        "--table-output",
    ];
    for trees in [
        &["--tree=ref=main"][..],
        &["--tree=ref=main", "--owner-uid=7"],
        &["--tree=ref=main", "--tree=ref=main"],
        &["--base=main", "--tree=ref=main"],
        &["--base=main", "--tree=dir=e"],
        &["--tree=ref=main", "--tree=dir=e"],
        &["--tree=dir=e", "--tree=ref=main"],
        &["--base=main", "--tree=dir=t"],
    ] {
        pair.same_success(&[&commit, trees].concat());
    }
}

#[test]
fn modes_of_metadata_are_looked_at() {
    for mode in ["bare-user", "bare-user-only"] {
        let Some(pair) = pair("metadata-modes", mode) else {
            return;
        };
        let ask = |dir: &std::path::Path| {
            let mut command = apk_ostree(dir);
            command.args(["fsck", "--repo=r"]);
            Answer::of(command)
        };
        // Nothing is wrong with what either tool writes.
        for dir in [pair.ours(), pair.theirs()] {
            ask(&dir).success();
        }
        let tip = pair.same_success(&["rev-parse", "--repo=r", "main"]);
        let (prefix, rest) = tip.trim().split_at(2);
        let commit = pair
            .ours()
            .join(format!("r/objects/{prefix}/{rest}.commit"));
        for (bits, code, words) in [
            (0o666, 1, "others may change every commit"),
            (0o600, 0, "not everybody can read"),
            (0o755, 0, "it looks like a program"),
        ] {
            fs::set_permissions(&commit, fs::Permissions::from_mode(bits)).unwrap();
            let answer = ask(&pair.ours());
            assert_eq!(answer.code, Some(code), "{answer:?}");
            let whole =
                format!("the file has mode 0{bits:o} where metadata has 0644, so that {words}");
            assert!(answer.stderr.contains(&whole), "{answer:?}");
        }
        fs::set_permissions(&commit, fs::Permissions::from_mode(0o644)).unwrap();
    }
}
