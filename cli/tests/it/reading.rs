//! `ls`, `cat`, `log` and `diff` beside the real ones: every flag, every form of a path, and their errors.

use crate::pair::{Pair, modes};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

/// A tree with names, links and modes that readers stumble over.
fn tree(dir: &Path) {
    let root = dir.join("a");
    fs::create_dir_all(root.join("d/e/empty")).unwrap();
    fs::create_dir(root.join("z")).unwrap();
    for (name, content) in [
        ("f", "hi\n"),
        ("empty", ""),
        ("a b", "s"),
        ("-dash", "d"),
        ("new\nline", "n"),
        ("tab\t", "t"),
        ("näive", "u"),
        ("e\u{301}", "v"),
        ("d/x", "x\n"),
        ("d/e/y", "y\n"),
    ] {
        fs::write(root.join(name), content).unwrap();
    }
    fs::write(root.join("z/big"), "b".repeat(3_000_000)).unwrap();
    for (target, name) in [
        ("f", "l"),
        ("/f", "abs"),
        ("d", "ld"),
        ("nope", "dangling"),
        ("l", "l2"),
        ("x", "d/lx"),
        ("/d/x", "d/absx"),
    ] {
        symlink(target, root.join(name)).unwrap();
    }
    for (name, mode) in [("f", 0o4755), ("z", 0o1777), ("a b", 0o400)] {
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    if rustix::process::geteuid().is_root() {
        chown(root.join("d/x"), Some(1000), Some(4_294_967_294)).unwrap();
        chown(root.join("d/e"), Some(123_456), Some(1)).unwrap();
    }
}

/// Another version of it: files become directories and the reverse, things come and go.
fn changed(dir: &Path) {
    tree(dir);
    let root = dir.join("a");
    fs::remove_file(root.join("l")).unwrap();
    fs::create_dir_all(root.join("l/now")).unwrap();
    fs::write(root.join("d/x"), "changed").unwrap();
    fs::remove_dir_all(root.join("d/e")).unwrap();
    fs::write(root.join("d/e"), "file").unwrap();
    fs::set_permissions(root.join("z"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(root.join("z/big")).unwrap();
    fs::create_dir_all(root.join("new/dir/s")).unwrap();
    fs::write(root.join("new/g"), "g").unwrap();
    fs::remove_file(root.join("abs")).unwrap();
    symlink("/g", root.join("abs")).unwrap();
}

/// Two versions in `main`, a history with odd times in `late`, and both trees beside the repository as `a` and `b`.
fn pair(label: &str, mode: &str) -> Option<Pair> {
    let pair = Pair::with_repository(label, mode)?;
    pair.in_both(|dir| {
        changed(dir);
        fs::rename(dir.join("a"), dir.join("b")).unwrap();
        tree(dir);
    });
    let commit = |args: &[&str]| {
        pair.same_success(&[&["commit", "--repo=r"], args].concat());
    };
    commit(&["-b", "main", "-s", "one", "a"]);
    commit(&[
        "-b",
        "main",
        "-s",
        "two",
        "-m",
        "body\n\nmore\n",
        "--add-metadata-string=version=2",
        "b",
    ]);
    commit(&["-b", "single", "a"]);
    commit(&["-b", "late", "--timestamp=@99999999999999", "a"]);
    commit(&["-b", "late", "--timestamp=@1", "b"]);
    commit(&["-b", "early", "--timestamp=@-5", "b"]);
    Some(pair)
}

#[test]
fn paths_are_listed_and_read_the_same() {
    let sets: [&[&str]; 4] = [&["-C"], &["-d"], &["-RX"], &["-R", "--nul-filenames-only"]];
    let mut turn = sets.into_iter().cycle();
    for mode in modes() {
        let Some(pair) = pair("paths", mode) else {
            return;
        };
        for rev in ["main", "main^", "main^^", "nope", "", "late^"] {
            for flags in [
                "",
                "-d",
                "-R",
                "-C",
                "-X",
                "-RCX",
                "-dCX",
                "-dR",
                "--nul-filenames-only",
            ] {
                let flags = Some(flags).filter(|flags| !flags.is_empty());
                let args: Vec<&str> = ["ls", "--repo=r", rev].into_iter().chain(flags).collect();
                pair.same(&args);
            }
        }
        for path in [
            "/",
            "//",
            "",
            ".",
            "..",
            "f",
            "/f",
            "f/",
            "f/x",
            "d",
            "d/",
            "/d",
            "d/x",
            "l",
            "ld",
            "ld/x",
            "dangling",
            "nope",
            "d/nope",
            "/d/e",
            "a b",
            "new\nline",
            "näive",
            "e\u{301}",
            "é",
            "/d/../f",
        ] {
            // Every path with one set of flags, and every set in turn.
            let flags = turn.next().unwrap_or_default();
            pair.same(&[&["ls", "--repo=r"], flags, &["main^", path]].concat());
        }
        for path in [
            "f", "/f", "f/", "f/x", "d", "/", "d/x", "l", "l2", "ld", "dangling", "nope", "d/nope",
            "a b", "abs", "d/lx", "d/absx", "empty", "e\u{301}", "z/big",
        ] {
            pair.same(&["cat", "--repo=r", "main^", path]);
        }
        for args in [
            &["ls", "main", "f", "d", "f"][..],
            &["ls", "main", "f", "nope", "d"],
            &["cat", "main", "f", "nope", "f"],
            &["cat", "main", "f", "d"],
            &["cat", "main", "f", "f", "d/x"],
            &["ls"],
            &["cat"],
            &["cat", "main"],
            &["ls", "--bad", "main"],
        ] {
            pair.same(&[args, &["--repo=r"]].concat());
        }
    }
}

#[test]
fn histories_are_told_the_same() {
    for mode in modes() {
        let Some(pair) = pair("log", mode) else {
            return;
        };
        let first = pair.same_success(&["rev-parse", "--repo=r", "main^"]);
        for rev in [
            "main",
            "main^",
            "nope",
            "late",
            "late^",
            "early",
            "single",
            &first,
            &first[..9],
            &"0".repeat(64),
        ] {
            let ask = |side: &dyn Fn(&[&str]) -> crate::pair::Answer| {
                let mut answer = side(&["log", "--repo=r", rev]);
                // Of a time that no calendar has ostree complains under its name.
                answer.stderr = answer.stderr.replace("ostree: ", "error: ");
                answer
            };
            assert_eq!(
                ask(&|args| pair.ask_us(args)),
                ask(&|args| pair.ask_them(args)),
                "{rev}"
            );
            pair.same(&["log", "--repo=r", "--raw", rev]);
        }
        pair.same(&["log", "--repo=r"]);
        // A history that ends where it was not fetched.
        pair.in_both(|dir| {
            let (prefix, rest) = first.split_at(2);
            fs::remove_file(dir.join(format!("r/objects/{prefix}/{rest}.commit"))).unwrap();
        });
        for rev in ["main", "main^", &first] {
            pair.same(&["log", "--repo=r", rev]);
            pair.same(&["log", "--repo=r", "--raw", rev]);
            pair.same(&["diff", "--repo=r", rev]);
        }
    }
}

#[test]
fn differences_of_commits_and_directories_are_the_same() {
    let options: [&[&str]; 8] = [
        &[],
        &["--no-xattrs"],
        &["--owner-uid=5"],
        &["--owner-uid=0", "--owner-gid=0"],
        &["--owner-gid=0", "--no-xattrs"],
        &["--owner-uid=-1"],
        &["--stats"],
        &["--stats", "--fs-diff"],
    ];
    for mode in modes() {
        let Some(pair) = pair("diff", mode) else {
            return;
        };
        for option in options {
            for revs in [
                &["main"][..],
                &["main", "main^"],
                &["main^", "main"],
                &["main", "main"],
                &["main", "single"],
                &["main", "nope"],
                &["nope", "main"],
                &["single"],
            ] {
                pair.same(&[&["diff", "--repo=r"], option, revs].concat());
            }
        }
        // ostree lists directories on disk in the order in which they happen to lie there.
        for (number, sides) in [
            ["main", "./b"],
            ["main^", "./b"],
            ["./a", "main"],
            ["./b", "main"],
            ["./a", "./b"],
            ["./b", "./a"],
            ["./a", "./a"],
            ["main", "./a/."],
            ["main", "./a/../b"],
            ["main", "a"],
            ["main", "./nope"],
            ["./nope", "main"],
            ["./a", "./nope"],
            ["./a/f", "main"],
        ]
        .into_iter()
        .enumerate()
        {
            // All options with every pair of sides is much; each pair meets some, and each option every kind of pair.
            for option in options.iter().skip(number % 3).step_by(3) {
                pair.same_lines(&[&["diff", "--repo=r"], *option, &sides].concat());
            }
        }
    }
}

/// As an ordinary user: what can be told of objects that he cannot open, and what not.
#[test]
fn closed_objects_are_told_of_the_same() {
    for mode in ["bare-user", "bare-user-only"] {
        let Some(mut pair) = Pair::new("closed") else {
            return;
        };
        pair.env("SOURCE_DATE_EPOCH", "1700000000");
        pair.in_both(|dir| {
            fs::create_dir(dir.join("t")).unwrap();
            fs::write(dir.join("t/closed"), "closed").unwrap();
            fs::write(dir.join("t/open"), "open").unwrap();
        });
        pair.same_success(&["init", "--repo=r", &format!("--mode={mode}")]);
        pair.same_success(&["commit", "--repo=r", "-b", "main", "t"]);
        let listing = pair
            .same(&["ls", "--repo=r", "-C", "main", "closed"])
            .stdout;
        let object = listing
            .split_whitespace()
            .find(|word| word.len() == 64)
            .unwrap();
        let (prefix, rest) = object.split_at(2);
        pair.in_both(|dir| {
            let path = dir.join(format!("r/objects/{prefix}/{rest}.file"));
            fs::set_permissions(path, fs::Permissions::from_mode(0o0)).unwrap();
        });
        for args in [
            &["ls", "main"][..],
            &["ls", "-RCX", "main"],
            &["ls", "main", "closed"],
            &["cat", "main", "closed"],
            &["checkout", "-U", "main", "out"],
            &["checkout", "-UC", "main", "copy"],
            &["export", "main", "-o", "/dev/null"],
        ] {
            pair.same(&[args, &["--repo=r"]].concat());
        }
    }
}
