//! `diff` of directories on disk that hold what no repository can: compared with the real tool.

use crate::pair::Pair;
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

fn special(path: &Path, kind: FileType, minor: u32) {
    let mode = Mode::RUSR | Mode::WUSR;
    mknodat(CWD, path, kind, mode, makedev(1, minor)).unwrap();
}

/// In every relation to the other side that a name can have.
fn lay_out(dir: &Path, devices: bool) {
    let (a, b) = (dir.join("a"), dir.join("b"));
    for side in [&a, &b] {
        fs::create_dir_all(side.join("d")).unwrap();
        special(&side.join("d/same"), FileType::Fifo, 0);
        fs::write(side.join("d/file"), "same").unwrap();
        symlink("same", side.join("d/link")).unwrap();
    }
    for (path, kind) in [
        (a.join("only-a"), FileType::Socket),
        (b.join("only-b"), FileType::Fifo),
        (a.join("file"), FileType::Fifo),
        (b.join("link"), FileType::Socket),
        (a.join("dir"), FileType::Socket),
        (a.join("kind"), FileType::Socket),
        (b.join("kind"), FileType::Fifo),
        (a.join("mode"), FileType::Fifo),
    ] {
        special(&path, kind, 0);
    }
    fs::write(b.join("file"), "").unwrap();
    symlink("x", a.join("link")).unwrap();
    for dir in [b.join("dir"), b.join("new"), a.join("gone")] {
        fs::create_dir(&dir).unwrap();
        special(&dir.join("s"), FileType::Socket, 0);
    }
    mknodat(CWD, b.join("mode"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    if devices {
        special(&a.join("device"), FileType::CharacterDevice, 3);
        special(&b.join("device"), FileType::CharacterDevice, 5);
        special(&a.join("d/null"), FileType::CharacterDevice, 3);
        special(&b.join("d/null"), FileType::BlockDevice, 3);
        special(&b.join("zero"), FileType::CharacterDevice, 5);
    }
}

#[test]
fn special_files_are_entries_like_others() {
    let Some(pair) = Pair::new("diff-special") else {
        return;
    };
    let devices = rustix::process::geteuid().is_root();
    pair.in_both(|dir| {
        lay_out(dir, devices);
        fs::create_dir_all(dir.join("t/d")).unwrap();
        fs::write(dir.join("t/d/file"), "same").unwrap();
        fs::write(dir.join("t/only-a"), "a file here").unwrap();
        symlink("other", dir.join("t/d/link")).unwrap();
    });
    pair.same_success(&["init", "--repo=r", "--mode=archive"]);
    pair.unsynced("r");
    let time = "--timestamp=@1";
    pair.same_success(&["commit", "--repo=r", "-b", "main", time, "t"]);
    for (first, second) in [
        ("./a", "./b"),
        ("./b", "./a"),
        ("./a", "./a"),
        ("./a", "main"),
        ("main", "./b"),
        ("main", "./t"),
        ("./t", "main"),
    ] {
        // The real tool lists directories in the order in which the system does.
        pair.same_lines(&["diff", "--repo=r", first, second]);
        pair.same_lines(&["diff", "--repo=r", "--no-xattrs", first, second]);
        pair.same_lines(&["diff", "--repo=r", "--owner-uid=7", first, second]);
        pair.same_lines(&["diff", "--repo=r", "--owner-gid=7", first, second]);
    }
}
