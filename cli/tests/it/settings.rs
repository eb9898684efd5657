//! Settings that change what commands do, and the mode that can only be read, beside the real tool.

use crate::pair::{Pair, similar};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

fn pair(mode: &str) -> Option<Pair> {
    filled(Pair::new("settings")?, mode)
}

/// The pair with a repository `r` of this mode and two trees.
fn filled(pair: Pair, mode: &str) -> Option<Pair> {
    let mode = format!("--mode={mode}");
    pair.same_success(&["init", "--repo=r", &mode]);
    pair.in_both(|dir| {
        for tree in ["t/d", "empty"] {
            fs::create_dir_all(dir.join(tree)).unwrap();
        }
        fs::write(dir.join("t/f"), "hi\n").unwrap();
        fs::write(dir.join("t/big"), "0123456789".repeat(300)).unwrap();
        fs::write(dir.join("t/none"), "").unwrap();
        fs::write(dir.join("t/d/g"), "there\n").unwrap();
        symlink("f", dir.join("t/l")).unwrap();
    });
    Some(pair)
}

const COMMIT: [&str; 4] = ["--repo=r", "commit", "--timestamp=@1", "-b"];

impl Pair {
    /// Replaces the settings of `r` behind its mode.
    fn set(&self, lines: &str) {
        self.in_both(|dir| {
            let path = dir.join("r/config");
            let text = fs::read_to_string(&path).unwrap();
            let kept: Vec<&str> = text.lines().take(3).collect();
            fs::write(&path, format!("{}\n{lines}\n", kept.join("\n"))).unwrap();
        });
    }

    fn fsck(&self) {
        self.same_success(&["--repo=r", "fsck"]);
    }
}

#[test]
fn too_little_free_space_is_noticed() {
    // Memory may be free to more than 99 %.
    let on_disk = Pair::within("settings", &std::env::temp_dir());
    let Some(pair) = on_disk.and_then(|pair| filled(pair, "archive")) else {
        return;
    };
    for (lines, works) in [
        ("min-free-space-percent=99", false),
        ("min-free-space-size=8388607TB", false),
        ("min-free-space-size=999TB\nmin-free-space-percent=0", false),
        ("min-free-space-size=1048576GB", false),
        ("min-free-space-size=0MB\nmin-free-space-percent=99", false),
        ("min-free-space-size=0MB", true),
        ("min-free-space-percent=0", true),
    ] {
        pair.set(lines);
        for tree in ["t", "empty"] {
            let args = [&COMMIT[..], &[tree, "--canonical-permissions", tree]].concat();
            let answer = pair.same(&args);
            assert_eq!(answer.code == Some(0), works || tree == "empty", "{lines}");
        }
    }
    pair.fsck();
}

/// Each of them is honoured: the objects are there in the end, and the lock file only where locks are taken.
#[test]
fn settings_of_writing_are_honoured() {
    for (number, lines) in [
        "fsync=false",
        "per-object-fsync=true",
        "fsync=false\nper-object-fsync=true",
        "locking=false",
        "lock-timeout-secs=-1",
        "lock-timeout-secs=0",
        "disable-xattrs=true",
        "enable-uncompressed-cache=false",
        "tmp-expiry-secs=1",
        "default-repo-finders=config;lan",
        "add-remotes-config-dir=true",
        "[archive]\nzlib-level=1",
        "[archive]\nzlib-level=-1",
        "[archive]\nzlib-level=nonsense",
    ]
    .iter()
    .enumerate()
    {
        let Some(pair) = pair("archive") else { return };
        pair.set(lines);
        let branch = format!("b{number}");
        pair.same_success(&[&COMMIT[..], &[&branch, "--canonical-permissions", "t"]].concat());
        pair.fsck();
        let objects = |dir: &Path| fixtures::listing::of(&dir.join("r/objects")).unwrap();
        let sizes = |dir: &Path| {
            let lines = objects(dir);
            let path = |line: &str| line.split('\t').next().unwrap_or_default().to_owned();
            lines.lines().map(path).collect::<Vec<_>>().join("\n")
        };
        similar(&sizes(&pair.ours()), &sizes(&pair.theirs()), lines);
        let locked = [pair.ours(), pair.theirs()].map(|dir| dir.join("r/.lock").exists());
        assert_eq!(locked[0], locked[1], "{lines}");
    }
}

#[test]
fn what_others_left_long_ago_goes() {
    for (setting, seconds) in [("", 86400), ("tmp-expiry-secs=500", 500)] {
        let Some(pair) = pair("archive") else { return };
        pair.set(setting);
        let now = std::time::SystemTime::now();
        let old = now - std::time::Duration::from_secs(seconds + 100);
        let young = now - std::time::Duration::from_secs(seconds.saturating_sub(100));
        pair.in_both(|dir| {
            let tmp = dir.join("r/tmp");
            fs::create_dir_all(tmp.join("old-dir/sub")).unwrap();
            fs::create_dir_all(tmp.join("cache/old")).unwrap();
            symlink("nowhere", tmp.join("link")).unwrap();
            let future = now + std::time::Duration::from_secs(1000);
            for (name, time) in [
                ("old", old),
                ("young", young),
                ("future", future),
                ("old-dir/f", old),
            ] {
                fs::write(tmp.join(name), "x").unwrap();
                let file = fs::File::options()
                    .write(true)
                    .open(tmp.join(name))
                    .unwrap();
                file.set_modified(time).unwrap();
            }
            for name in ["old-dir", "cache/old"] {
                fs::File::open(tmp.join(name))
                    .unwrap()
                    .set_modified(old)
                    .unwrap();
            }
        });
        pair.same_success(&[&COMMIT[..], &["main", "--canonical-permissions", "t"]].concat());
        let left = [pair.ours(), pair.theirs()].map(|dir| {
            let names = fs::read_dir(dir.join("r/tmp")).unwrap();
            let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        });
        assert_eq!(left[0], left[1], "left is ours: {setting}");
        assert!(left[0].len() < 6, "{left:?}");
    }
}

/// A repository in `bare-split-xattrs`, made of the objects of an archive: neither tool writes this mode.
fn split(dir: &Path) {
    for place in [
        "state",
        "tmp",
        "extensions",
        "refs/remotes",
        "refs/mirrors",
        "refs/heads",
    ] {
        fs::create_dir_all(dir.join("s").join(place)).unwrap();
    }
    let config = "[core]\nrepo_version=1\nmode=bare-split-xattrs\n";
    fs::write(dir.join("s/config"), config).unwrap();
    fs::copy(dir.join("r/refs/heads/main"), dir.join("s/refs/heads/main")).unwrap();
    let archive = ostree_store::repo::Repo::open(&dir.join("r")).unwrap();
    for (kind, name) in archive.objects().unwrap() {
        let from = archive.object_path(kind, &name);
        let to = dir
            .join("s")
            .join(from.strip_prefix(dir.join("r")).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        if kind != ostree_store::object::ObjectKind::File {
            fs::copy(from, to).unwrap();
            continue;
        }
        let id = ostree_store::checksum::FileId::new(name);
        let mut stored = archive.file(&id).unwrap();
        let file = to.with_extension("file");
        let mut xattrs = Vec::new();
        if stored.header.is_symlink() {
            symlink(stored.header.target(), &file).unwrap();
        } else {
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut stored, &mut content).unwrap();
            // `a(ayay)` of the one pair `user.foo`, `bar`: each offset is the end of what stands before it.
            if content == b"hi\n" {
                xattrs = b"user.foo\0bar\x09\x0d".to_vec();
            }
            fs::write(&file, content).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(stored.header.mode);
            fs::set_permissions(&file, mode).unwrap();
        }
        let (uid, gid) = (stored.header.uid, stored.header.gid);
        std::os::unix::fs::lchown(&file, Some(uid), Some(gid)).unwrap();
        fs::write(file.with_extension("file-xattrs-link"), xattrs).unwrap();
    }
}

#[test]
fn split_xattrs_can_be_read() {
    let Some(pair) = pair("archive") else { return };
    let set = |dir: &Path| {
        let place = dir.join("t/f");
        let none = rustix::fs::XattrFlags::empty();
        rustix::fs::lsetxattr(place, "user.foo", b"bar", none).is_ok()
    };
    if !set(&pair.ours()) || !set(&pair.theirs()) {
        eprintln!("no user xattrs here: this check is skipped");
        return;
    }
    pair.same_success(&[&COMMIT[..], &["main", "t"]].concat());
    pair.in_both(split);
    for args in [
        &["fsck"][..],
        &["fsck", "-q"],
        &["refs"],
        &["log", "main"],
        &["ls", "-RCX", "main"],
        &["cat", "main", "/f", "/d/g"],
        &["checkout", "main", "out"],
        &["checkout", "-U", "main", "user"],
        &["checkout", "-C", "main", "copies"],
        &["checkout", "-UC", "main", "user-copies"],
        &["checkout", "-H", "main", "links"],
        &["checkout", "-UH", "main", "user-links"],
        &["commit", "-b", "x", "t"],
        &["commit", "-b", "x", "--timestamp=@5", "empty"],
        &["commit", "-b", "y", "--timestamp=@6", "--tree=ref=main"],
        &["diff", "main", "x"],
        &["diff", "y", "main"],
        &["rev-parse", "x", "y"],
        &["refs", "--delete", "x"],
        &["prune", "--refs-only"],
        &["fsck"],
    ] {
        pair.same(&[&["--repo=s"], args].concat());
    }
    for tree in ["out", "user", "copies", "user-copies"] {
        pair.same_tree(tree, true);
    }
    // A file whose xattrs are missing is not whole.
    pair.damaged("s", "files have lost their xattrs");
    pair.in_both(|dir| {
        let repo = ostree_store::repo::Repo::open(&dir.join("s")).unwrap();
        for (kind, name) in repo.objects().unwrap() {
            let path = repo.object_path(kind, &name);
            drop(fs::remove_file(path.with_extension("file-xattrs-link")));
        }
    });
    let answers = [
        pair.ask_us(&["--repo=s", "fsck"]),
        pair.ask_them(&["--repo=s", "fsck"]),
    ];
    assert_eq!(answers.map(|answer| answer.code), [Some(1), Some(1)]);
}

#[test]
fn a_new_repository_may_have_the_mode_that_can_only_be_read() {
    let Some(pair) = pair("bare-split-xattrs") else {
        return;
    };
    pair.same(&[&COMMIT[..], &["main", "t"]].concat());
    pair.same(&[&COMMIT[..], &["main", "empty"]].concat());
    pair.fsck();
}
