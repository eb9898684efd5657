//! A directory of 2,400,000 names: larger than any command takes, and refused before it takes memory; one of 600,000,
//! which is taken.

use super::forged::{self, Forged, Raw};
use super::{bounded, ended_well};
use fixtures::Scratch;
use std::fs;

/// A repository `r` with this many names in the root, and an empty one, `r2`.
fn forge(names: u32) -> Scratch {
    let dir = fixtures::scratch("hostile-huge");
    fs::create_dir_all(dir.path().join("victim")).unwrap();
    dir.unjudged(
        "r",
        "forged larger than anybody makes: the real tool has no bound",
    );
    let forged = Forged::new(dir.path(), "archive");
    let f = forged.file(b"hi\n");
    let names: Vec<String> = (0..names).map(|n| format!("{n:07}")).collect();
    let files: Vec<(&[u8], Raw)> = names.iter().map(|name| (name.as_bytes(), f)).collect();
    let d = forged.put("dirtree", &forged::dirtree(&files, &[]));
    forged.commit(forged.tree(&[(b"f", f)], &[(b"d", d)]));
    bounded(dir.path(), &["init", "--repo=r2", "--mode=archive"]).success();
    dir
}

const COMMANDS: &[&[&str]] = &[
    &["pull-local", "--repo=r2", "r"],
    &["pull-local", "--repo=r2", "--untrusted", "r", "main"],
    &["ls", "--repo=r", "main", "/d"],
    &["fsck", "--repo=r"],
    &["diff", "--repo=r", "./victim", "main"],
    &["diff", "--repo=r", "--stats", "main", "main"],
    &["prune", "--repo=r", "--refs-only"],
];

#[test]
fn what_is_too_large_is_refused() {
    let dir = forge(2_400_000);
    let checkout: &[&str] = &["checkout", "-U", "--repo=r", "main", "out"];
    for args in COMMANDS.iter().copied().chain([checkout]) {
        let answer = bounded(dir.path(), args);
        ended_well(&answer, "2,400,000 names", args);
        assert_eq!(answer.code, Some(1), "{args:?}: {}", answer.stderr);
        assert!(
            answer.stderr.contains("32 MiB"),
            "{args:?}: {}",
            answer.stderr
        );
    }
}

#[test]
fn what_is_large_is_taken() {
    let dir = forge(600_000);
    for args in COMMANDS {
        let answer = bounded(dir.path(), args);
        ended_well(&answer, "600,000 names", args);
        assert_eq!(answer.code, Some(0), "{args:?}: {}", answer.stderr);
    }
}
