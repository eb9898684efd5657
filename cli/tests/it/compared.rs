//! The same words to both commands, over the same trees, in every repository mode.

use crate::pair::{Pair, modes};
use fixtures::trees::{Shape, Tree};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Which trees are generated for a mode; the environment may ask for more.
fn seeds(mode: &str) -> std::ops::Range<u64> {
    let first = modes().position(|other| other == mode).unwrap() as u64;
    let exhaustive = std::env::var_os("APK_OSTREE_EXHAUSTIVE").is_some();
    first..first + if exhaustive { 8 } else { 1 }
}

/// A small tree at `dir/name`.
fn small(dir: &Path, name: &str) {
    let root = dir.join(name);
    fs::create_dir_all(root.join("d/e")).unwrap();
    fs::write(root.join("f"), "hi\n").unwrap();
    fs::write(root.join("empty"), "").unwrap();
    fs::write(root.join("d/x"), "x\n").unwrap();
    symlink("f", root.join("l")).unwrap();
}

/// A later version of it.
fn smaller(dir: &Path, name: &str) {
    small(dir, name);
    let root = dir.join(name);
    fs::remove_file(root.join("l")).unwrap();
    fs::write(root.join("f"), "changed\n").unwrap();
    fs::remove_file(root.join("empty")).unwrap();
    fs::create_dir_all(root.join("empty/now/a/directory")).unwrap();
    fs::create_dir_all(root.join("new")).unwrap();
    fs::write(root.join("new/a"), "").unwrap();
    fs::write(root.join("d/e/y"), "y\n").unwrap();
}

/// Questions about the ref `main`.
fn questions(pair: &Pair) {
    for args in [
        &["rev-parse", "--repo=r", "main"][..],
        &["show", "--repo=r", "main"],
        &["show", "--repo=r", "--raw", "main"],
        &[
            "show",
            "--repo=r",
            "--print-metadata-key=ostree.ref-binding",
            "main",
        ],
        &["log", "--repo=r", "main"],
        &["log", "--repo=r", "--raw", "main"],
        &["ls", "--repo=r", "main"],
        &["ls", "--repo=r", "-d", "main"],
        &["ls", "--repo=r", "-R", "main"],
        &["ls", "--repo=r", "-RCX", "main"],
        &["ls", "--repo=r", "-R", "--nul-filenames-only", "main"],
        &["ls", "-C", "--repo", "r", "main"],
        &["--repo=r", "ls", "-X", "main"],
        &["fsck", "--repo=r"],
        &["fsck", "--repo=r", "-q"],
        &["diff", "--repo=r", "main"],
    ] {
        pair.same(args);
    }
    // Sorted since 2023.1, and here.
    pair.same_lines(&["refs", "--repo=r"]);
}

/// Each tool reads the repository that the other one wrote, and finds nothing wrong with it.
fn exchanged(pair: &Pair) {
    for args in [
        &["fsck", "--repo"][..],
        &["ls", "-RCX", "main", "--repo"],
        &["log", "main", "--repo"],
    ] {
        let path = |dir: &Path| dir.join("r").display().to_string();
        let ours_of_theirs = pair.ask_us(&[args, &[path(&pair.theirs()).as_str()]].concat());
        let theirs_of_ours = pair.ask_them(&[args, &[path(&pair.ours()).as_str()]].concat());
        assert_eq!(
            ours_of_theirs, theirs_of_ours,
            "left is ours of their repository: {args:?}"
        );
        assert_eq!(
            ours_of_theirs.code,
            Some(0),
            "{args:?}: {}",
            ours_of_theirs.stderr
        );
    }
}

#[test]
fn directories_give_the_same_commits_in_every_mode() {
    for mode in modes() {
        for seed in seeds(mode) {
            let Some(pair) = Pair::with_repository("dirs", mode) else {
                return;
            };
            let shape = Shape::possible_in(&pair.ours()).unwrap();
            let tree = Tree::generate(seed, &shape);
            pair.in_both(|dir| {
                fs::create_dir(dir.join("t")).unwrap();
                tree.write_to(&dir.join("t")).unwrap();
            });
            pair.same_success(&["commit", "--repo=r", "-b", "main", "-s", "From a seed", "t"]);
            for args in [
                &[
                    "-b",
                    "owned",
                    "--owner-uid=1000",
                    "--owner-gid=7",
                    "--tree=dir=t",
                ][..],
                &["-b", "canonical", "--canonical-permissions", "--tree=dir=t"],
                &["-b", "plain", "--no-xattrs", "--tree=dir=t"],
                &["-b", "again", "--tree=ref=main"],
                &["-b", "remade", "--tree=ref=main", "--owner-uid=5"],
                &[
                    "-b",
                    "remade2",
                    "--tree=ref=main",
                    "--canonical-permissions",
                ],
                &["-b", "remade3", "--tree=ref=main", "--no-xattrs"],
                &["-b", "negative", "--owner-uid=-1", "--owner-gid", "-1", "t"],
                &["--orphan", "--no-bindings", "t"],
            ] {
                pair.same_success(&[&["commit", "--repo=r"], args].concat());
            }
            questions(&pair);
            exchanged(&pair);
        }
    }
}

#[test]
fn archives_give_the_same_commits_in_every_mode() {
    for mode in modes() {
        for seed in seeds(mode) {
            let Some(pair) = Pair::with_repository("tars", mode) else {
                return;
            };
            // ostree 2022.7 keeps the order of xattrs as they stand in the archive; later ones sort them, as we do.
            let unreadable = rustix::process::geteuid().is_root();
            let tree = Tree::generate(
                seed,
                &Shape {
                    xattrs: false,
                    unreadable,
                    ..Shape::full()
                },
            );
            pair.in_both(|dir| fs::write(dir.join("t.tar"), tree.tar()).unwrap());
            pair.same_success(&["commit", "--repo=r", "-b", "main", "--tree=tar=t.tar"]);
            for args in [
                &["-b", "owned", "--owner-uid=1000", "--owner-gid=7"][..],
                &["-b", "canonical", "--canonical-permissions"],
                &["-b", "made", "--tar-autocreate-parents"],
            ] {
                pair.same_success(&[&["commit", "--repo=r", "--tree=tar=t.tar"], args].concat());
            }
            questions(&pair);
            exchanged(&pair);
        }
    }
}

#[test]
fn checkouts_are_the_same_in_every_mode() {
    for mode in modes() {
        let Some(pair) = Pair::with_repository("checkout", mode) else {
            return;
        };
        let shape = Shape::possible_in(&pair.ours()).unwrap();
        let tree = Tree::generate(7, &shape);
        pair.in_both(|dir| {
            fs::create_dir(dir.join("t")).unwrap();
            tree.write_to(&dir.join("t")).unwrap();
            small(dir, "s");
        });
        pair.same_success(&["commit", "--repo=r", "-b", "main", "t"]);
        pair.same_success(&["commit", "--repo=r", "-b", "small", "s"]);
        let as_root = ["checkout", "--repo=r", "main", "as-root"];
        let checkouts: &[(&str, &[&str])] = &[
            ("as-root", &[]),
            ("as-user", &["-U"]),
            ("copied", &["-C"]),
            ("copied-user", &["-UC"]),
            ("nested", &["-U", "--subpath=/nested"]),
            ("one", &["-U", "--subpath=/size-1"]),
            ("dirs", &["-UM"]),
        ];
        for (name, options) in checkouts.iter().skip(usize::from(!shape.owners)) {
            pair.same_success(&[&["checkout", "--repo=r"], *options, &["main", *name]].concat());
            pair.same_tree(name, true);
        }
        for option in ["--union", "--union-add"] {
            pair.same_success(&["checkout", "--repo=r", "-U", option, "small", "as-user"]);
            pair.same_tree("as-user", true);
        }
        pair.same(&as_root);
        pair.same(&["checkout", "--repo=r", "-U", "-H", "small", "linked"]);
        pair.same(&["checkout", "--repo=r", "-H", "small", "linked2"]);
    }
}

#[test]
fn overlays_follow_the_same_rules() {
    let Some(pair) = Pair::with_repository("overlay", "archive") else {
        return;
    };
    pair.in_both(|dir| {
        small(dir, "a");
        smaller(dir, "b");
        small(dir, "c");
        fs::remove_file(dir.join("c/f")).unwrap();
        fs::create_dir(dir.join("c/f")).unwrap();
    });
    pair.same_success(&["commit", "--repo=r", "-b", "a", "a"]);
    let rest: &[&[&str]] = &[
        &["-b", "x", "--tree=dir=a", "--tree=dir=b"],
        &["-b", "y", "--tree=dir=b", "--tree=dir=a"],
        &["-b", "z", "--tree=ref=a", "--tree=dir=a", "--tree=ref=a"],
        &["-b", "z", "--tree=dir=c", "--tree=dir=a"],
        &["-b", "z", "--tree=dir=a", "--tree=dir=c"],
        &["-b", "z", "--base=a", "--tree=dir=b/d", "--owner-uid=3"],
        &["-b", "z", "--base=a", "--tree=dir=a", "--owner-uid=3"],
    ];
    for args in rest {
        pair.same(&[&["commit", "--repo=r"], *args].concat());
    }
    for name in ["a", "x", "y", "z"] {
        pair.same(&["ls", "--repo=r", "-RC", name]);
    }
}

#[test]
fn metadata_stands_in_the_same_order() {
    let Some(pair) = Pair::with_repository("metadata", "archive") else {
        return;
    };
    pair.in_both(|dir| {
        small(dir, "t");
        fs::write(dir.join("message"), "first\n\nlast\n").unwrap();
    });
    for args in [
        &[
            "-b",
            "main",
            "--add-metadata-string=version=1.0",
            "--add-metadata-string=a=b=c",
        ][..],
        &[
            "-b",
            "main",
            "--keep-metadata=version",
            "--keep-metadata=a",
            "--add-metadata-string=a=d",
        ],
        &[
            "-b",
            "main",
            "--bind-ref=z",
            "--bind-ref=a",
            "--bind-ref=main",
        ],
        &["-b", "main", "--no-bindings"],
        &["--orphan"],
        &["--orphan", "--bind-ref=x"],
        &["-b", "main", "--orphan"],
        &["-b", "main", "-s", "subject", "-m", "body\n\n  indented\n"],
        &["-b", "main", "-s", "two\nlines"],
        &["-b", "main", "-m", "only a body"],
        &["-b", "main", "-s", "s", "-F", "message"],
        &["-b", "main", "--body-file=message", "--subject=-dash"],
        &["-b", "main", "-s", "first", "-s", "last counts"],
        &[
            "-b",
            "main",
            "--add-metadata-string=version=",
            "--timestamp=@0",
        ],
        &[
            "-b",
            "main",
            "--timestamp=2023-11-14 22:15:00",
            "--parent=none",
        ],
        &["-b", "remote:branch", "-s", "for a remote"],
        &["-b", "main", "--skip-if-unchanged"],
        &["-b", "main", "--table-output", "-s", "table"],
        &["-b", "main", "--fsync=false", "-s", "unsynced"],
        &[
            "-b",
            "main",
            "--disable-fsync",
            "--owner-uid",
            "0",
            "-s",
            "unsynced too",
        ],
    ] {
        let answer = pair.same(&[&["commit", "--repo=r", "t"], args].concat());
        assert_eq!(answer.code, Some(0), "{args:?}: {}", answer.stderr);
        let commit = answer
            .stdout
            .lines()
            .next()
            .unwrap()
            .replace("Commit: ", "");
        pair.same(&["show", "--repo=r", &commit]);
        pair.same(&["show", "--repo=r", "--raw", &commit]);
        pair.same(&["log", "--repo=r", &commit]);
    }
    pair.same_success(&[
        "show",
        "--repo=r",
        "main^",
        "--print-metadata-key=ostree.ref-binding",
    ]);
    pair.same_lines(&["refs", "--repo=r"]);
    exchanged(&pair);
}

#[test]
fn differences_are_told_the_same() {
    for mode in modes() {
        let Some(pair) = Pair::with_repository("diff", mode) else {
            return;
        };
        pair.in_both(|dir| {
            small(dir, "a");
            smaller(dir, "b");
        });
        pair.same_success(&["commit", "--repo=r", "-b", "main", "a"]);
        pair.same_success(&["commit", "--repo=r", "-b", "main", "b"]);
        for args in [
            &["main"][..],
            &["main^", "main"],
            &["main", "main^"],
            &["main", "main"],
            &["--stats", "main^", "main"],
            &["--stats", "--fs-diff", "main"],
            &["--fs-diff", "main"],
            &["main", "./b"],
        ] {
            pair.same(&[&["diff", "--repo=r"], args].concat());
        }
        // ostree lists directories on disk in the order in which they happen to lie there.
        for args in [
            &["main^", "./b"][..],
            &["./a", "main"],
            &["./a", "./b"],
            &["--owner-uid=5", "main", "./b"],
        ] {
            pair.same_lines(&[&["diff", "--repo=r"], args].concat());
        }
    }
}

#[test]
fn refs_are_listed_made_and_deleted_the_same() {
    let Some(pair) = Pair::with_repository("refs", "archive") else {
        return;
    };
    pair.in_both(|dir| small(dir, "t"));
    for branch in ["main", "x/y/z", "x/q", "lone/one", "café", "a..b"] {
        pair.same_success(&["commit", "--repo=r", "-b", branch, "t"]);
    }
    for args in [
        &["--create=new", "main"][..],
        &["--create=new", "x/q"],
        &["--create=new", "--force", "x/q"],
        &["--create=origin:main", "main"],
        &["--create=origin:a/b", "main"],
        &["--create=lone", "main"],
        &["--create=main/below", "main"],
        &["--create=.bad", "main"],
        &["--create=a+b", "main"],
        &["--create=x:y:z", "main"],
        &["--create=nope", "nope"],
        &["--create=one"],
        &["--create=one", "main", "x/q"],
        &["--delete"],
        &["--delete", "nope"],
        &["--delete", "/bad"],
        &["x"],
        &["x/y"],
        &["--list", "x"],
        &["x/y/z"],
        &["main"],
        &["nope"],
        &["origin:"],
        &["origin:a"],
        &["origin:main"],
        &["--list", "origin:a"],
        &["x", "main"],
        &["x/"],
        &[""],
        &["/bad"],
        &["--delete", "x/y", "new"],
        &["--delete", "origin:a"],
        &[],
    ] {
        pair.same_lines(&[&["refs", "--repo=r"], args].concat());
        pair.same_lines(&["refs", "--repo=r"]);
    }
    for rev in [
        "main",
        "x/q",
        "origin:main",
        "origin/main",
        "nope",
        "main^",
        "",
        "^",
        "/",
        "café",
        "a b",
        "abc",
    ] {
        pair.same(&["rev-parse", "--repo=r", rev]);
    }
    let hex = pair.same_success(&["rev-parse", "--repo=r", "main"]);
    for length in [1, 2, 8, 63] {
        pair.same(&["rev-parse", "--repo=r", &hex[..length]]);
    }
    pair.same(&["rev-parse", "--repo=r", &hex.to_uppercase()]);
    pair.same(&["rev-parse", "--repo=r", "main", "nope", "x/q"]);
    pair.same(&["rev-parse", "--repo=r", "-S"]);
}

#[test]
fn objects_are_shown_the_same() {
    for mode in modes() {
        let Some(pair) = Pair::with_repository("objects", mode) else {
            return;
        };
        pair.in_both(|dir| small(dir, "t"));
        let commit = pair.same_success(&["commit", "--repo=r", "-b", "main", "t"]);
        let listing = pair.same(&["ls", "--repo=r", "-RC", "main"]).stdout;
        let mut objects: Vec<&str> = listing
            .split_whitespace()
            .filter(|word| word.len() == 64)
            .collect();
        objects.push(&commit);
        let nothing = "0".repeat(64);
        objects.push(&nothing);
        for object in objects {
            pair.same(&["show", "--repo=r", object]);
            pair.same(&["show", "--repo=r", "--raw", object]);
            // Of a commit ostree 2022.7 prints both forms when it is asked for both.
            if object != commit {
                pair.same(&["show", "--repo=r", "--raw", "-B", object]);
            }
        }
        for path in ["/f", "f", "/l", "/empty", "/d/x"] {
            pair.same(&["cat", "--repo=r", "main", path]);
        }
        pair.same(&["cat", "--repo=r", "main", "/f", "/d/x", "/nope", "/f"]);
    }
}
