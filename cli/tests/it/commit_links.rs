//! Files that are objects already, or become objects: `--link-checkout-speedup`, `--devino-canonical`, `--consume`,
//! compared with the real tool in every mode.

use crate::pair::{Pair, modes};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

fn pair(label: &str, mode: &str) -> Option<Pair> {
    let pair = Pair::with_repository(label, mode)?;
    pair.in_both(|dir| small(&dir.join("t")));
    Some(pair)
}

fn small(root: &Path) {
    fs::create_dir_all(root.join("d/e")).unwrap();
    for (name, mode) in [
        ("f", 0o644),
        ("x", 0o775),
        ("s", 0o4755),
        ("d/g", 0o666),
        ("d/same", 0o644),
    ] {
        fs::write(root.join(name), "content").unwrap();
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::write(root.join("d/e/large"), "0123456789".repeat(200_000)).unwrap();
    symlink("f", root.join("l")).unwrap();
}

#[test]
fn checkouts_are_recognised_in_every_mode() {
    for mode in modes() {
        let Some(pair) = pair("recognised", mode) else {
            return;
        };
        pair.same_success(&["commit", "--repo=r", "-b", "main", "--owner-uid=3", "t"]);
        pair.same_success(&["checkout", "--repo=r", "main", "plain"]);
        pair.same_success(&["checkout", "--repo=r", "-U", "main", "user"]);
        pair.in_both(|dir| {
            for checkout in ["plain", "user"] {
                fs::write(dir.join(checkout).join("new"), "new").unwrap();
                fs::remove_file(dir.join(checkout).join("x")).unwrap();
                fs::write(dir.join(checkout).join("x"), "changed").unwrap();
            }
            fs::write(dir.join("list"), "/f\n").unwrap();
            fs::write(dir.join("rules"), "2048 /d/g\n=511 /d/same\n").unwrap();
        });
        for checkout in ["plain", "user"] {
            for flag in ["--link-checkout-speedup", "-I"] {
                for more in [
                    &[][..],
                    &["--owner-uid=3"],
                    &["--owner-uid=0", "--owner-gid=0"],
                    &["--no-xattrs"],
                    &["--canonical-permissions"],
                    &["--mode-ro-executables"],
                    &["--statoverride=rules"],
                    &["--skip-list=list"],
                ] {
                    let args = [
                        "commit",
                        "--repo=r",
                        "-b",
                        "again",
                        flag,
                        "--table-output",
                        checkout,
                    ];
                    // The table names the commit, and thereby the whole tree.
                    pair.same(&[&args[..], more].concat());
                }
            }
        }
        let long = [
            "commit",
            "--repo=r",
            "-b",
            "long",
            "--devino-canonical",
            "user",
        ];
        pair.same_success(&long);
        pair.same_success(&["fsck", "--repo=r"]);
    }
}

#[test]
fn what_is_consumed_is_gone_and_committed_in_every_mode() {
    for mode in modes() {
        // Two modes take files over, two read them; the rest of the matrix would only take long.
        let count = if ["bare", "archive"].contains(&mode) {
            12
        } else {
            3
        };
        for args in [
            &["t"][..],
            &["--canonical-permissions", "t"],
            &["--owner-uid=0", "--owner-gid=0", "t"],
            &["--owner-uid=4", "t"],
            &["--no-xattrs", "t"],
            &["--tree=dir=t", "--tree=dir=u"],
            &["--tree=dir=t", "--tree=dir=t"],
            &["--tree=dir=t", "--tree=dir=t/d"],
            &["--tree=dir=t/d", "--tree=dir=t"],
            &["--skip-list=list", "t"],
            &["--skip-if-unchanged", "t"],
            &["-I", "t"],
        ]
        .into_iter()
        .take(count)
        {
            let Some(pair) = pair("consumed", mode) else {
                return;
            };
            pair.in_both(|dir| {
                fs::create_dir(dir.join("u")).unwrap();
                fs::write(dir.join("u/f"), "other").unwrap();
                fs::write(dir.join("list"), "/d/e\n/x\n").unwrap();
            });
            pair.same_success(&["commit", "--repo=r", "-b", "main", "u"]);
            let words = [
                &[
                    "commit",
                    "--repo=r",
                    "-b",
                    "main",
                    "--consume",
                    "--table-output",
                ],
                args,
            ]
            .concat();
            let answer = pair.same(&words);
            if answer.code == Some(0) {
                pair.in_both(|dir| assert!(!dir.join("t").exists(), "{mode} {args:?}"));
            }
            pair.same_success(&["fsck", "--repo=r"]);
        }
    }
}

/// In these modes a file becomes the object itself.
#[test]
fn files_become_objects() {
    for mode in modes().filter(|mode| ["bare", "bare-user-only"].contains(mode)) {
        let Some(pair) = pair("become", mode) else {
            return;
        };
        pair.in_both(|dir| fs::write(dir.join("t/unique"), "unique").unwrap());
        let inode = |path: &Path| fs::metadata(path).unwrap().ino();
        let before = (
            inode(&pair.ours().join("t/unique")),
            inode(&pair.theirs().join("t/unique")),
        );
        pair.same_success(&["commit", "--repo=r", "-b", "main", "--consume", "t"]);
        let line = pair
            .same(&["ls", "--repo=r", "-C", "main", "/unique"])
            .stdout;
        let checksum = line.split_whitespace().nth(4).unwrap().to_owned();
        let (prefix, rest) = checksum.split_at(2);
        let object = |dir: &Path| inode(&dir.join(format!("r/objects/{prefix}/{rest}.file")));
        assert_eq!(
            (object(&pair.ours()), object(&pair.theirs())),
            before,
            "{mode}"
        );
    }
}

/// A file with other names is copied: ostree makes it the object, which whoever writes to the other name then destroys.
#[test]
fn files_with_other_names_are_copied() {
    for mode in modes() {
        let Some(pair) = pair("linked", mode) else {
            return;
        };
        pair.in_both(|dir| {
            fs::hard_link(dir.join("t/d/e/large"), dir.join("t/d/linked")).unwrap();
            fs::hard_link(dir.join("t/f"), dir.join("outside")).unwrap();
        });
        pair.same_success(&["commit", "--repo=r", "-b", "main", "--consume", "t"]);
        fs::write(pair.ours().join("outside"), "changed").unwrap();
        pair.ask_us(&["fsck", "--repo=r"]).success();
    }
}

/// The current directory itself stays, and what came in meanwhile, too.
#[test]
fn the_current_directory_is_emptied() {
    let Some(pair) = pair("current", "archive") else {
        return;
    };
    let commit = |pair: &Pair, ours: bool| {
        let (dir, mut command) = match ours {
            true => (pair.ours(), crate::pair::our_ostree(&pair.ours().join("t"))),
            false => (pair.theirs(), std::process::Command::new("ostree")),
        };
        command.current_dir(dir.join("t")).args([
            "commit",
            "--repo=../r",
            "-b",
            "main",
            "--consume",
        ]);
        command.env("SOURCE_DATE_EPOCH", "1700000000");
        let answer = crate::pair::Answer::of(command).success();
        assert_eq!(fs::read_dir(dir.join("t")).unwrap().count(), 0);
        answer
    };
    assert_eq!(commit(&pair, true), commit(&pair, false));
    pair.same_success(&["fsck", "--repo=r"]);
}

/// Unlike ostree we delete nothing unless the commit is made.
#[test]
fn a_commit_that_fails_consumes_nothing() {
    for mode in modes() {
        let Some(pair) = pair("fails", mode) else {
            return;
        };
        let listing = fixtures::listing::of(&pair.ours().join("t")).unwrap();
        for args in [
            &["--bootable", "t"][..],
            &["--tree=dir=t", "--tree=dir=nope"],
            &["--skip-list=list", "t"],
        ] {
            fs::write(pair.ours().join("list"), "/nope\n").unwrap();
            let words = [&["commit", "--repo=r", "-b", "main", "--consume"], args].concat();
            pair.ask_us(&words).failure();
            assert_eq!(
                fixtures::listing::of(&pair.ours().join("t")).unwrap(),
                listing
            );
        }
        pair.ask_us(&["fsck", "--repo=r"]).success();
    }
}
