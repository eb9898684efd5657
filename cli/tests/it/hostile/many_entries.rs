//! More entries than memory holds: directories are written and forgotten, what cannot be forgotten has a limit, and
//! lists are told while they are made.

use super::{bounded, ended_well};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// A header of nothing but a name, a kind and a target.
fn header(name: &str, kind: u8, target: &str) -> [u8; 512] {
    let mut block = [0; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[100..108].copy_from_slice(b"0000755\0");
    block[124..136].copy_from_slice(b"00000000000\0");
    block[148..156].fill(b' ');
    block[156] = kind;
    block[157..157 + target.len()].copy_from_slice(target.as_bytes());
    block[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// The archive `name`, compressed: it is many times as large as what it takes on the disk.
fn archive(dir: &Path, name: &str, entries: impl FnOnce(&mut dyn FnMut(&str, u8, &str))) {
    let mut gzip = Command::new("gzip");
    let to = File::create(dir.join(name)).unwrap();
    let mut gzip = gzip
        .arg("-1")
        .stdin(Stdio::piped())
        .stdout(to)
        .spawn()
        .unwrap();
    let mut out = BufWriter::with_capacity(1 << 20, gzip.stdin.take().unwrap());
    out.write_all(&header("./", b'5', "")).unwrap();
    entries(&mut |name, kind, target| out.write_all(&header(name, kind, target)).unwrap());
    out.write_all(&[0; 1024]).unwrap();
    drop(out);
    assert!(gzip.wait().unwrap().success());
}

#[test]
fn directories_of_an_archive_are_forgotten() {
    let dir = fixtures::scratch("hostile-many-dirs");
    bounded(dir.path(), &["init", "--repo=r", "--mode=archive"]).success();
    // 200,000 directories, one in the other, of which each takes more than a kilobyte.
    archive(dir.path(), "dirs.tar.gz", |entry| {
        for top in 0..5000 {
            let mut name = format!("{top:04}/");
            entry(&name, b'5', "");
            for _ in 1..40 {
                name.push_str("d/");
                entry(&name, b'5', "");
            }
        }
    });
    let commit = ["commit", "--repo=r", "-b", "main", "--tree=tar=dirs.tar.gz"];
    bounded(dir.path(), &commit).success();
    let listed = bounded(dir.path(), &["ls", "--repo=r", "-d", "main", "/4999/d/d/d"]);
    listed.success();
    bounded(dir.path(), &["fsck", "--repo=r", "-q"]).success();
    let Some(ostree) = fixtures::peer::ostree() else {
        return;
    };
    let repo = format!("--repo={}", dir.path().join("r").display());
    ostree.run(["fsck", &repo, "-q"]).success();
    // The same tree as the real tool makes of it.
    let theirs = format!("--repo={}", dir.path().join("theirs").display());
    let tar = format!("--tree=tar={}", dir.path().join("dirs.tar.gz").display());
    ostree.run(["init", &theirs, "--mode=archive"]).success();
    let words = ["commit", &theirs, "-b", "main", "--fsync=false", &tar];
    ostree.run(words).success();
    let content = |repo: &str| {
        let shown = ostree.run(["show", repo, "main"]).success().stdout_text();
        let line = shown
            .lines()
            .find(|line| line.starts_with("ContentChecksum"));
        line.unwrap().to_owned()
    };
    assert_eq!(content(&repo), content(&theirs));
}

#[test]
fn links_of_an_archive_have_a_limit() {
    let dir = fixtures::scratch("hostile-many-links");
    bounded(dir.path(), &["init", "--repo=r", "--mode=archive"]).success();
    archive(dir.path(), "links.tar.gz", |entry| {
        entry("f", b'0', "");
        for link in 0..500_000 {
            entry(&format!("l{link:07}"), b'1', "f");
        }
    });
    let commit = [
        "commit",
        "--repo=r",
        "-b",
        "main",
        "--tree=tar=links.tar.gz",
    ];
    let answer = bounded(dir.path(), &commit);
    ended_well(&answer, "500,000 links", &commit);
    let words = "the archive's entries take more than 112 MiB of memory";
    assert!(answer.stderr.contains(words), "{}", answer.stderr);
}

#[test]
fn a_log_is_told_while_it_is_read() {
    let dir = fixtures::scratch("hostile-long-log");
    bounded(dir.path(), &["init", "--repo=r", "--mode=archive"]).success();
    fs::create_dir(dir.path().join("t")).unwrap();
    fs::write(
        dir.path().join("body"),
        "a line of the body\n".repeat(1_200_000),
    )
    .unwrap();
    let commit = [
        "commit",
        "--repo=r",
        "-b",
        "main",
        "--body-file=body",
        "--fsync=false",
        "t",
    ];
    for _ in 0..13 {
        bounded(dir.path(), &commit).success();
    }
    bounded(dir.path(), &["log", "--repo=r", "main", "--json"]).success();
}
