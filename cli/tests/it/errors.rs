//! What goes wrong, in the same words.

use crate::pair::Pair;
use fixtures::forge::tar::{Entry, Kind, Style, Tar};
use std::fs;
use std::path::Path;

fn pair() -> Option<Pair> {
    let pair = Pair::with_repository("errors", "archive")?;
    pair.in_both(material);
    pair.same_success(&["commit", "--repo=r", "-b", "main", "t"]);
    Some(pair)
}

/// Trees, archives and files that are none.
fn material(dir: &Path) {
    fs::create_dir_all(dir.join("t/d")).unwrap();
    fs::write(dir.join("t/f"), "hi\n").unwrap();
    fs::create_dir(dir.join("fifo")).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(
        rustix::fs::CWD,
        dir.join("fifo/p"),
        rustix::fs::FileType::Fifo,
        mode,
        0,
    )
    .unwrap();
    fs::write(dir.join("latin1"), b"\xff\n").unwrap();
    fs::write(dir.join("empty.tar"), "").unwrap();
    for (name, entries) in [
        ("no-root.tar", &[(Kind::File, "a")][..]),
        (
            "no-parent.tar",
            &[(Kind::Directory, "./"), (Kind::File, "usr/a")],
        ),
        ("up.tar", &[(Kind::Directory, "./"), (Kind::File, "../a")]),
        ("special.tar", &[(Kind::Directory, "./"), (Kind::Fifo, "p")]),
        (
            "over.tar",
            &[
                (Kind::Directory, "./"),
                (Kind::Directory, "a/"),
                (Kind::File, "a"),
            ],
        ),
        (
            "link.tar",
            &[(Kind::Directory, "./"), (Kind::HardLink, "a")],
        ),
    ] {
        let mut tar = Tar::new(Style::Posix);
        for (kind, path) in entries {
            let mut entry = if *kind == Kind::File {
                Entry::file(*path, "a")
            } else {
                Entry::new(*kind, *path)
            };
            if *kind == Kind::HardLink {
                entry.link = b"nope".to_vec();
            }
            tar.append(&entry);
        }
        fs::write(dir.join(name), tar.end(20)).unwrap();
    }
}

#[test]
fn commits_fail_in_the_same_words() {
    let Some(pair) = pair() else { return };
    for args in [
        &["t"][..],
        &[],
        &["-b", "x", "nope"],
        &["-b", "x", "t/f"],
        &["-b", "x", "--tree=foo"],
        &["-b", "x", "--tree=foo=bar"],
        &["-b", "x", "--tree=dir=nope"],
        &["-b", "x", "--tree=tar=nope"],
        &["-b", "x", "--tree=ref=nope"],
        &["-b", "x", "--base=nope", "t"],
        &["-b", "x", "--timestamp=foo", "t"],
        &["-b", "x", "--parent=abc", "t"],
        &["-b", "x", "--parent=main", "t"],
        &["-b", ".bad", "t"],
        &["-b", "a b", "t"],
        &["-b", "x:", "t"],
        &["-b", "x", "--fsync=maybe", "t"],
        &["-b", "x", "--add-metadata-string=foo", "t"],
        &["-b", "x", "--add-metadata-string==foo", "t"],
        &["-b", "x", "--keep-metadata=foo", "t"],
        &["-b", "main", "--keep-metadata=foo", "t"],
        &["-b", "x", "--owner-uid=abc", "t"],
        &["-b", "x", "--owner-uid=", "t"],
        &["-b", "x", "--owner-gid=4294967296", "t"],
        &["-b", "x", "--canonical-permissions", "--owner-uid=5", "t"],
        &["-b", "x", "--canonical-permissions", "--owner-gid=5", "t"],
        &["-b", "x", "-F", "nope", "t"],
        &["-b", "x", "-F", "latin1", "t"],
        &["-b", "x", "-F", "t", "t"],
        &["-b", "x", "fifo"],
        &["-b", "x", "--tree=tar=empty.tar"],
        &["-b", "x", "--tree=tar=no-root.tar"],
        &["-b", "x", "--tree=tar=no-parent.tar"],
        &["-b", "x", "--tree=tar=up.tar"],
        &["-b", "x", "--tree=tar=special.tar"],
        &["-b", "x", "--tree=tar=over.tar"],
        &["-b", "x", "--tree=tar=link.tar"],
        &["-b", "x", "--badopt", "t"],
        &["-b", "x", "t", "--tree"],
    ] {
        let answer = pair.same(&[&["commit", "--repo=r"], args].concat());
        assert_eq!(answer.code, Some(1), "{args:?}");
    }
    pair.same(&["refs", "--repo=r"]);
    for name in ["no-root.tar", "no-parent.tar", "empty.tar"] {
        let tree = format!("--tree=tar={name}");
        pair.same_success(&[
            "commit",
            "--repo=r",
            "-b",
            "made",
            "--tar-autocreate-parents",
            &tree,
        ]);
    }
}

#[test]
fn questions_fail_in_the_same_words() {
    let Some(pair) = pair() else { return };
    let nothing = "0".repeat(64);
    for args in [
        &["ls"][..],
        &["ls", "nope"],
        &["ls", &nothing],
        &["ls", "main", "/nope"],
        &["ls", "main", "/f/x"],
        &["ls", "main", "/nope/x"],
        &["ls", "main", "/d", "/nope"],
        &["ls", "main", "d/"],
        &["ls", "main", "//"],
        &["ls", "main", "./d"],
        &["ls", "main", "d/../f"],
        &["ls", "main", ""],
        &["ls", "main", "--", "-x"],
        &["cat"],
        &["cat", "main"],
        &["cat", "main", "/nope"],
        &["cat", "main", "/d"],
        &["cat", "main", "/"],
        &["cat", "main", "/f", "/nope"],
        &["cat", "main", "/f/x"],
        &["log"],
        &["log", "nope"],
        &["log", &nothing],
        &["show"],
        &["show", "nope"],
        &["show", &nothing],
        &["show", "--print-metadata-key=nope", "main"],
        &["show", "--print-detached-metadata-key=nope", "main"],
        &["diff"],
        &["diff", "main"],
        &["diff", "nope"],
        &["diff", "main", "nope"],
        &["diff", "--stats", "main", "./t"],
        &["rev-parse"],
        &["rev-parse", "main", "nope"],
        &["rev-parse", "nope^^"],
        &["rev-parse", "main^^"],
        &["rev-parse", "-S", "main"],
        &["checkout", "nope"],
        &["checkout", "main", "t"],
        &["checkout", "main", "no/where"],
        &["checkout", "--union", "--union-add", "main", "x"],
        &["checkout", "-H", "-C", "main", "x"],
        &["checkout", "--subpath=/nope", "main", "x"],
        &["checkout", "--subpath=/nope", "--allow-noent", "main", "x"],
        &["checkout", "--fsync=maybe", "main", "x"],
        &["refs", "--delete"],
    ] {
        pair.same(&[&["--repo=r"], args].concat());
    }
}

#[test]
fn repositories_fail_in_the_same_words() {
    let Some(pair) = pair() else { return };
    for args in [
        &["--repo=nope", "refs"][..],
        &["--repo=t/f", "refs"],
        &["--repo=no/where/here", "init"],
        &["--repo=bad", "init", "--mode=foo"],
        &["refs"],
        &["init"],
        &["refs", "--repo"],
        &["refs", "-Z"],
        &["refs", "--nope=x"],
        &["ls", "-RZ", "--repo=r", "main"],
        &["commit", "--repo=r", "t", "-b"],
        &["nope"],
        &["nope", "with", "arguments"],
        &[],
    ] {
        pair.same(args);
    }
    for (config, works) in [
        ("[core]\nmode=bare\n", false),
        ("[core]\nrepo_version=2\nmode=bare\n", false),
        ("[core]\nrepo_version=1\nmode=foo\n", false),
        ("[core]\nrepo_version=1\n", true),
    ] {
        pair.in_both(|dir| {
            for sub in ["objects", "tmp", "refs/heads", "refs/remotes"] {
                fs::create_dir_all(dir.join("c").join(sub)).unwrap();
            }
            fs::write(dir.join("c/config"), config).unwrap();
        });
        let answer = pair.same(&["--repo=c", "refs"]);
        assert_eq!(answer.code == Some(0), works, "{config}");
    }
}
