//! What the real tool said once, for machines that do not have it.
//!
//! The recordings are in `fixtures/recorded/ostree-2022.7/cli/`, one file for a session: each command line, its
//! output, its errors behind `! `, its exit code in brackets. Where the real tool is there, it is asked again, and
//! must still say the same; `APK_OSTREE_RECORD=1` writes down what it says.

use crate::pair::{Answer, Pair, our_ostree};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// The version that the recordings are of.
const VERSION: &str = "2022.7";

/// Owner and modes do not depend on who runs the test.
const COMMIT: &str = "commit --repo=r --owner-uid=0 --owner-gid=0 --no-xattrs";

/// A tree that every user can make: modes are set, not left to the umask.
fn material(dir: &Path) {
    let file = |path: &str, mode: u32, text: &str| {
        fs::write(dir.join(path), text).unwrap();
        fs::set_permissions(dir.join(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    for path in ["t", "t/d", "t/d/e", "u", "u/d", "u/new"] {
        fs::create_dir(dir.join(path)).unwrap();
        fs::set_permissions(dir.join(path), fs::Permissions::from_mode(0o755)).unwrap();
    }
    file("t/f", 0o644, "hi\n");
    file("t/empty", 0o600, "");
    file("t/d/run", 0o4755, "#!/bin/sh\n");
    symlink("f", dir.join("t/l")).unwrap();
    file("u/f", 0o644, "changed\n");
    file("u/d/run", 0o755, "#!/bin/sh\n");
    file("u/new/a", 0o644, "");
}

/// The sessions: name, command lines. `{main}` and the like are what `rev-parse` said.
fn sessions() -> Vec<(&'static str, Vec<String>)> {
    let lines = |text: &str| {
        text.lines()
            .map(|line| line.trim().replace("COMMIT", COMMIT))
            .collect()
    };
    vec![
        (
            "commit",
            lines(
                "COMMIT -b main -s Subject -m Body --add-metadata-string=version=1.0 t
                 COMMIT -b main --tree=dir=t --tree=dir=u --table-output
                 COMMIT -b main --skip-if-unchanged --tree=ref=main
                 COMMIT --orphan --no-bindings --timestamp=@0 u
                 COMMIT -b main --canonical-permissions t
                 COMMIT -b main --bind-ref=other --keep-metadata=version --parent=none t
                 COMMIT -b main --tree=dir=t --base=main --timestamp=2023-11-14T22:15:00Z
                 log --repo=r main
                 rev-parse --repo=r main main^ main^^
                 show --repo=r --raw main
                 show --repo=r --print-metadata-key=ostree.ref-binding main
                 refs --repo=r",
            ),
        ),
        (
            "look",
            lines(
                "COMMIT -b main t
                 COMMIT -b main u
                 ls --repo=r main^
                 ls --repo=r -R main^
                 ls --repo=r -RCX main^
                 ls --repo=r -d main /d
                 ls --repo=r -C main^ /l /f
                 ls --repo=r main /nope
                 ls --repo=r main /f/x
                 cat --repo=r main^ /f /l
                 cat --repo=r main /new
                 diff --repo=r main
                 diff --repo=r main main^
                 diff --repo=r --stats main
                 show --repo=r 446a0ef11b7cc167f3b603e585c7eeeeb675faa412d5ec73f62988eb0b6c5488
                 show --repo=r --raw 446a0ef11b7cc167f3b603e585c7eeeeb675faa412d5ec73f62988eb0b6c5488
                 show --repo=r fbf7cf77a1b50d9f074cb6e9ef6ddb65b6532ea89e4f4ca1b07a05b4cd1be259
                 fsck --repo=r
                 fsck --repo=r -q
                 checkout --repo=r main u
                 checkout --repo=r nope x",
            ),
        ),
        (
            "refs",
            lines(
                "COMMIT -b a/b/c t
                 refs --repo=r
                 refs --repo=r a
                 refs --repo=r --list a/b
                 refs --repo=r --create=a/b a/b/c
                 refs --repo=r --create=.x a/b/c
                 refs --repo=r --create=new nope
                 refs --repo=r --create=new a/b/c
                 refs --repo=r --create=new a/b/c
                 refs --repo=r --delete new
                 refs --repo=r --delete
                 rev-parse --repo=r a/b/c new
                 refs --repo=nope",
            ),
        ),
        (
            "errors",
            lines(
                "COMMIT t
                 COMMIT -b x nope
                 COMMIT -b x t/f
                 COMMIT -b x --tree=foo
                 COMMIT -b x --tree=foo=bar
                 COMMIT -b x --tree=ref=nope
                 COMMIT -b x --timestamp=foo t
                 COMMIT -b x --parent=abc t
                 COMMIT -b x --canonical-permissions --owner-uid=5 t
                 COMMIT -b x --fsync=maybe t
                 COMMIT -b x --add-metadata-string=foo t
                 COMMIT -b x --badopt t
                 ls --repo=r
                 cat --repo=r main
                 show --repo=r
                 rev-parse --repo=r
                 log --repo=r nope
                 nope",
            ),
        ),
    ]
}

/// A session as a recording has it.
fn transcript(lines: &[String], ask: impl Fn(&[&str]) -> Answer) -> String {
    let mut text = String::new();
    for line in lines {
        let answer = ask(&line.split_whitespace().collect::<Vec<_>>());
        let errors: String = answer
            .stderr
            .lines()
            .map(|line| format!("! {line}\n"))
            .collect();
        let code = answer.code.unwrap();
        text.push_str(&format!(
            "$ ostree {line}\n{}{errors}[{code}]\n",
            answer.stdout
        ));
    }
    text
}

fn path(name: &str) -> PathBuf {
    fixtures::root().join(format!("recorded/ostree-{VERSION}/cli/{name}.txt"))
}

/// Only the message: help is ours to word, and directories have other names each time.
fn plain(mut answer: Answer, dir: &Path) -> Answer {
    if let Some(at) = answer.stderr.find("error: ") {
        answer.stderr = answer.stderr.split_off(at);
    }
    answer.stderr = answer.stderr.replace(&dir.display().to_string(), "DIR");
    answer
}

fn ask_us<S: AsRef<OsStr>>(dir: &Path, args: &[S]) -> Answer {
    let mut command = our_ostree(dir);
    command.args(args).env("SOURCE_DATE_EPOCH", "1700000000");
    plain(Answer::of(command), dir)
}

#[test]
fn we_say_what_the_real_tool_said() {
    for (name, lines) in sessions() {
        let dir = fixtures::scratch("recorded");
        material(dir.path());
        ask_us(dir.path(), &["init", "--repo=r", "--mode=archive"]).success();
        let ours = transcript(&lines, |args| ask_us(dir.path(), args));
        crate::pair::similar(&ours, &fs::read_to_string(path(name)).unwrap(), name);
    }
}

#[test]
fn the_real_tool_still_says_it() {
    for (name, lines) in sessions() {
        let Some(mut pair) = Pair::new("record") else {
            return;
        };
        if pair.version() != VERSION {
            return;
        }
        pair.env("SOURCE_DATE_EPOCH", "1700000000");
        material(&pair.theirs());
        pair.ask_them(&["init", "--repo=r", "--mode=archive"])
            .success();
        let said = transcript(&lines, |args| plain(pair.ask_them(args), &pair.theirs()));
        if std::env::var_os("APK_OSTREE_RECORD").is_some() {
            fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            fs::write(path(name), &said).unwrap();
        }
        crate::pair::similar(&said, &fs::read_to_string(path(name)).unwrap(), name);
    }
}
