//! `export` beside the real one: the same bytes, and a way back to the same commit.

use crate::pair::{Pair, modes, our_ostree};
use fixtures::trees::{Content, Shape, Tree};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

fn pair(label: &str, mode: &str) -> Option<Pair> {
    let mut pair = Pair::new(label)?;
    pair.env("LC_ALL", "C.UTF-8"); // the real tool writes no other names than those of the locale
    pair.same_success(&["init", "--repo=r", &format!("--mode={mode}")]);
    pair.unsynced("r");
    Some(pair)
}

/// A tree in which all letters are composed: the real tool changes the names of the others.
fn composed(seed: u64, shape: &Shape) -> Tree {
    let mut tree = Tree::generate(seed, shape);
    tree.nodes.retain(|path, node| {
        let target = match &node.content {
            Content::HardLink(target) => target,
            _ => path,
        };
        !path.contains('\u{301}') && !target.contains('\u{301}')
    });
    tree
}

/// Both archives, which must be the same file.
#[track_caller]
fn same_archive(pair: &Pair, args: &[&str]) -> Vec<u8> {
    pair.same_success(&[&["export", "--repo=r", "-o", "x.tar"], args].concat());
    let [ours, theirs] =
        [pair.ours(), pair.theirs()].map(|dir| fs::read(dir.join("x.tar")).unwrap());
    same_bytes(&ours, &theirs, args);
    ours
}

#[track_caller]
fn same_bytes(ours: &[u8], theirs: &[u8], what: &[&str]) {
    let differs = ours
        .iter()
        .zip(theirs)
        .position(|(ours, theirs)| ours != theirs);
    if let Some(at) = differs {
        let block = at / 512 * 512;
        let shown = |bytes: &[u8]| {
            String::from_utf8_lossy(&bytes[block..(block + 512).min(bytes.len())]).into_owned()
        };
        panic!(
            "{what:?}: byte {at} differs\n{:?}\n{:?}",
            shown(ours),
            shown(theirs)
        );
    }
    assert_eq!(ours.len(), theirs.len(), "{what:?}");
}

/// Names and links at the lengths where the format changes its mind.
fn long(dir: &Path) {
    let root = dir.join("long");
    fs::create_dir(&root).unwrap();
    for length in [98, 99, 100, 101, 150, 255] {
        fs::write(root.join("f".repeat(length)), length.to_string()).unwrap();
        symlink("t".repeat(length), root.join("l".repeat(length))).unwrap();
    }
    symlink("t/".repeat(2000), root.join("far")).unwrap();
    for length in [97, 98, 99, 100, 200] {
        let name = "d".repeat(length);
        fs::create_dir_all(root.join(&name).join(&name)).unwrap();
        fs::write(root.join(&name).join("x"), "x").unwrap();
    }
    for length in [0, 1, 511, 512, 513, 8191, 8192, 8193, 200_000] {
        fs::write(root.join(length.to_string()), vec![b'x'; length]).unwrap();
    }
    fs::write(root.join("mode"), "").unwrap();
    fs::set_permissions(root.join("mode"), fs::Permissions::from_mode(0o6711)).unwrap();
    if rustix::process::geteuid().is_root() {
        for (number, name) in [(2_097_151, "98"), (2_097_152, "99"), (3_000_000_000, "0")] {
            let name = root.join(match name {
                "0" => "0".to_owned(),
                length => "f".repeat(length.parse().unwrap()),
            });
            chown(&name, Some(number), Some(number - 1)).unwrap();
        }
        lchown(root.join("far"), Some(7), Some(4_000_000_000)).unwrap();
    }
}

#[test]
fn archives_are_the_same_bytes_in_every_mode() {
    for mode in modes() {
        let Some(pair) = pair("export", mode) else {
            return;
        };
        let shape = Shape::possible_in(&pair.ours()).unwrap();
        pair.in_both(long);
        for seed in 20..23 {
            let tree = composed(seed, &shape);
            pair.in_both(|dir| {
                let root = dir.join(format!("t{seed}"));
                fs::create_dir(&root).unwrap();
                tree.write_to(&root).unwrap();
            });
        }
        for (name, time) in [
            ("t20", "1700000000"),
            ("t21", "0"),
            ("t22", "-5"),
            ("long", "8589934591"),
            ("long", "8589934592"),
        ] {
            let time = format!("--timestamp=@{time}");
            pair.same_success(&["commit", "--repo=r", "-b", "main", &time, name]);
            let archive = same_archive(&pair, &["main"]);
            assert!(archive.len() > 10_000);
        }
        for options in [
            &["--no-xattrs"][..],
            &["--prefix=foo"],
            &["--prefix=foo/"],
            &["--prefix=/"],
            &["--prefix=./"],
            &["--prefix="],
            &["--prefix=naïve/", "--subpath=/"],
            &["--subpath", &"d".repeat(100)],
        ] {
            same_archive(&pair, &[options, &["main"]].concat());
        }
        same_archive(&pair, &["--prefix", &"p".repeat(99), "main"]);
        same_archive(
            &pair,
            &["--subpath=nested/empty", "--prefix=x/", "main^^^^"],
        );
    }
}

/// On a pipe and on standard output the archive has whole records.
#[test]
fn standard_output_is_the_same() {
    let Some(pair) = pair("stdout", "archive") else {
        return;
    };
    pair.in_both(long);
    pair.same_success(&["commit", "--repo=r", "-b", "main", "--timestamp=@1", "long"]);
    let peer = fixtures::peer::ostree().unwrap();
    let run = |mut command: Command, dir: &Path, args: &[&str]| {
        command.current_dir(dir).env("LC_ALL", "C.UTF-8").args(args);
        let output = command.output().unwrap();
        assert!(output.status.success());
        output.stdout
    };
    for args in [
        &["export", "--repo=r", "main"][..],
        &["export", "--repo=r", "main", "-o", "/dev/stdout"],
    ] {
        let ours = run(our_ostree(&pair.ours()), &pair.ours(), args);
        let theirs = run(peer.command(), &pair.theirs(), args);
        assert_eq!(ours.len() % 10_240, 0);
        same_bytes(&ours, &theirs, args);
    }
}

#[test]
fn what_cannot_be_exported_is_told_the_same() {
    let Some(pair) = pair("errors", "bare-user") else {
        return;
    };
    pair.in_both(|dir| {
        fs::create_dir_all(dir.join("t/d")).unwrap();
        fs::write(dir.join("t/f"), "f").unwrap();
    });
    pair.same_success(&["commit", "--repo=r", "-b", "main", "--timestamp=@1", "t"]);
    for args in [
        &[][..],
        &["nope"],
        &["main", "--subpath=/d/"],
        &["main", "--subpath="],
        &["main", "--subpath=."],
        &["main", "--subpath=//"],
        &["main", "--subpath=nope"],
        &["main", "--subpath=f/x"],
        &["main", "--bad"],
    ] {
        let stdout = &["export", "--repo=r", "-o", "out.tar"];
        pair.same(&[&stdout[..], args].concat());
    }
    let failed = |args: &[&str]| {
        let (ours, theirs) = (pair.ask_us(args), pair.ask_them(args));
        assert_eq!(ours.code, theirs.code);
        (ours.failure(), theirs.failure())
    };
    for path in ["none/x.tar", "t"] {
        let (ours, theirs) = failed(&["export", "--repo=r", "main", "-o", path]);
        assert!(ours.starts_with(&theirs), "{ours}");
    }
    failed(&["export", "--repo=r", "main", "-o", "/dev/full"]);
    // The real tool aborts.
    let file = pair.ask_us(&["export", "--repo=r", "main", "--subpath=f"]);
    assert_eq!(file.failure(), "Not a directory: f");
}

/// Through a pipe into `commit --tree=tar=-` everything but xattrs comes back.
#[test]
fn what_is_exported_can_be_committed() {
    for mode in modes().filter(|mode| *mode != "bare-user-only") {
        let Some(pair) = pair("back", mode) else {
            return;
        };
        let shape = Shape {
            xattrs: false,
            ..Shape::possible_in(&pair.ours()).unwrap()
        };
        let tree = composed(31, &shape);
        pair.in_both(|dir| {
            fs::create_dir(dir.join("t")).unwrap();
            tree.write_to(&dir.join("t")).unwrap();
            long(dir);
        });
        for name in ["t", "long"] {
            pair.same_success(&["commit", "--repo=r", "-b", name, "--timestamp=@1", name]);
            let mut export = our_ostree(&pair.ours());
            export
                .args(["export", "--repo=r", name])
                .stdout(Stdio::piped());
            let mut export = export.spawn().unwrap();
            let mut commit = our_ostree(&pair.ours());
            commit.args([
                "commit",
                "--repo=r",
                "-b",
                "back",
                "--timestamp=@1",
                "--tree=tar=-",
            ]);
            commit.stdin(export.stdout.take().unwrap());
            let output = commit.output().unwrap();
            assert!(output.status.success(), "{output:?}");
            assert!(export.wait().unwrap().success());
            assert_eq!(
                pair.ask_us(&["diff", "--repo=r", name, "back"]).success(),
                ""
            );
            let root = |rev: &str| pair.ask_us(&["ls", "--repo=r", "-dC", rev]).success();
            assert_eq!(root(name), root("back"));
            pair.ask_us(&["fsck", "--repo=r", "-q"]).success();
            let theirs = pair.ask_them(&[
                "fsck",
                "-q",
                &format!("--repo={}", pair.ours().join("r").display()),
            ]);
            assert_eq!((theirs.code, &*theirs.stderr), (Some(0), ""));
            // GNU tar understands it, too.
            let out = pair.ours().join("unpacked");
            fs::create_dir(&out).unwrap();
            let tar = same_archive(&pair, &[name]);
            fs::write(pair.ours().join("x.tar"), tar).unwrap();
            let mut unpack = Command::new("tar");
            unpack
                .env("LC_ALL", "C.UTF-8")
                .arg("-C")
                .arg(&out)
                .arg("-xpf")
                .arg(pair.ours().join("x.tar"));
            // Owners beyond what the file system knows only root can set, and only some.
            if shape.owners && name == "t" {
                assert!(unpack.status().unwrap().success());
                pair.ask_us(&["checkout", "--repo=r", name, "checked-out"])
                    .success();
                let listed = |name: &str| {
                    without_links(&fixtures::listing::of(&pair.ours().join(name)).unwrap())
                };
                assert_eq!(listed("unpacked"), listed("checked-out"));
            }
            fs::remove_dir_all(out).unwrap();
        }
    }
}

fn without_links(table: &str) -> Vec<String> {
    let line = |line: &str| {
        let mut columns: Vec<&str> = line.split('\t').collect();
        columns.truncate(columns.len() - 2);
        columns.join("\t")
    };
    table.lines().map(line).collect()
}

/// A reader that has seen enough, such as `head`, is no error.
#[test]
fn a_closed_pipe_is_no_failure() {
    let dir = fixtures::scratch("pipe");
    fs::create_dir(dir.path().join("t")).unwrap();
    fs::write(dir.path().join("t/f"), vec![1; 2 << 20]).unwrap();
    for args in [
        &["init", "--repo=r", "--mode=archive"][..],
        &["commit", "--repo=r", "-b", "main", "t"],
    ] {
        assert!(
            our_ostree(dir.path())
                .args(args)
                .output()
                .unwrap()
                .status
                .success()
        );
    }
    let mut command = our_ostree(dir.path());
    command
        .args(["export", "--repo=r", "main"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), &b""[..])
    );
}

/// Two names that a reader sees as one, but no file system, stay two.
#[test]
fn letters_stay_as_they_are() {
    let dir = fixtures::scratch("letters");
    fs::create_dir(dir.path().join("t")).unwrap();
    for name in ["e\u{301}", "\u{e9}"] {
        fs::write(dir.path().join("t").join(name), name).unwrap();
    }
    for args in [
        &["init", "--repo=r", "--mode=archive"][..],
        &["commit", "--repo=r", "-b", "main", "t"],
        &["export", "--repo=r", "main", "-o", "x.tar"],
        &["commit", "--repo=r", "-b", "back", "--tree=tar=x.tar"],
        &["diff", "--repo=r", "main", "back"],
    ] {
        let output = our_ostree(dir.path()).args(args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(args[0] != "diff" || output.stdout.is_empty(), "{output:?}");
    }
}
