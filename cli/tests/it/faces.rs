//! Names, exit codes, help: what scripts and shells see.

use crate::pair::{Answer, apk_ostree, our_ostree};
use fixtures::Scratch;
use std::fs;
use std::path::Path;
use std::process::Stdio;

/// A directory with a repository `r` that has the branch `main`.
fn made(label: &str) -> Scratch {
    let dir = fixtures::scratch(label);
    fs::create_dir_all(dir.path().join("t/etc")).unwrap();
    fs::create_dir_all(dir.path().join("t/usr/lib")).unwrap();
    fs::write(dir.path().join("t/usr/lib/os-release"), "NAME=here\n").unwrap();
    std::os::unix::fs::symlink("../usr/lib/os-release", dir.path().join("t/etc/os-release"))
        .unwrap();
    std::os::unix::fs::symlink("/etc/os-release", dir.path().join("t/again")).unwrap();
    std::os::unix::fs::symlink("loop", dir.path().join("t/loop")).unwrap();
    ask(dir.path(), &["init", "--repo", "r", "--mode=archive"]).success();
    ask(
        dir.path(),
        &[
            "commit",
            "--repo=r",
            "-b",
            "main",
            "--owner-uid=0",
            "--owner-gid=0",
            "t",
        ],
    )
    .success();
    dir
}

fn ask(dir: &Path, args: &[&str]) -> Answer {
    let mut command = apk_ostree(dir);
    command.args(args);
    Answer::of(command)
}

fn ask_as_ostree(dir: &Path, args: &[&str]) -> Answer {
    let mut command = our_ostree(dir);
    command.args(args);
    Answer::of(command)
}

#[test]
fn a_wrong_command_line_ends_with_2_or_as_ostree_with_1() {
    let dir = made("usage");
    for args in [
        &["ls", "--repo=r"][..],
        &["ls", "--repo=r", "--badopt", "main"],
        &["nope"],
        &[],
        &["commit", "--repo=r", "t"],
        &["refs"],
    ] {
        assert_eq!(ask(dir.path(), args).code, Some(2), "{args:?}");
        assert_eq!(ask_as_ostree(dir.path(), args).code, Some(1), "{args:?}");
        assert_eq!(
            ask(dir.path(), &[&["ostree"], args].concat()).code,
            Some(1),
            "ostree {args:?}"
        );
    }
    for args in [
        &["ls", "--repo=r", "nope"][..],
        &["refs", "--repo=nope"],
        &["cat", "--repo=r", "main", "/usr"],
    ] {
        assert_eq!(ask(dir.path(), args).code, Some(1), "{args:?}");
    }
}

#[test]
fn what_is_missing_is_named() {
    let dir = made("missing");
    for (args, words) in [
        (
            &["static-delta", "list"][..],
            "ostree's command 'static-delta' is not in apk-ostree",
        ),
        (
            &["commit", "--repo=r", "--gpg-sign=x", "t"],
            "the option --gpg-sign of ostree's commit is not in apk-ostree",
        ),
        (
            &["checkout", "--repo=r", "--selinux-policy=/", "main"],
            "the option --selinux-policy of ostree's checkout is not in apk-ostree",
        ),
        (&["ls", "--repo=r", "--nope"], "Unknown option --nope"),
        (&["nope"], "Unknown command 'nope'"),
    ] {
        for answer in [ask(dir.path(), args), ask_as_ostree(dir.path(), args)] {
            assert_eq!(answer.failure(), words);
        }
    }
}

#[test]
fn hints_are_for_our_own_face() {
    let dir = made("hints");
    let args = ["refs", "--repo=nope"];
    assert!(ask(dir.path(), &args).stderr.contains("\nhint: "));
    assert!(!ask_as_ostree(dir.path(), &args).stderr.contains("hint: "));
}

#[test]
fn links_are_followed_inside_the_commit() {
    let dir = made("links");
    for path in [
        "/etc/os-release",
        "etc/os-release",
        "/again",
        "/usr/../etc/os-release",
    ] {
        assert_eq!(
            ask(dir.path(), &["cat", "--repo=r", "main", path]).success(),
            "NAME=here\n"
        );
    }
    let answer = ask(dir.path(), &["cat", "--repo=r", "main", "/loop"]);
    assert_eq!(answer.failure(), "Too many levels of symbolic links: /loop");
}

#[test]
fn the_repository_is_found_as_ostree_finds_it() {
    let dir = made("place");
    let here = dir.path().join("r");
    assert_eq!(ask(&here, &["refs"]).success(), "main\n");
    let mut command = apk_ostree(dir.path());
    command.arg("refs").env("OSTREE_REPO", "r");
    assert_eq!(Answer::of(command).success(), "main\n");
    ask(dir.path(), &["init", "--repo=other"]).success();
    let mut command = apk_ostree(&here);
    command.arg("refs").env("OSTREE_REPO", "../other");
    assert_eq!(
        Answer::of(command).success(),
        "main\n",
        "the current directory comes first"
    );
    let mut command = apk_ostree(&here);
    command.args(["--repo=../other", "refs"]);
    assert_eq!(Answer::of(command).success(), "");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let dir = made("pipe");
    let mut command = apk_ostree(dir.path());
    command
        .args(["ls", "--repo=r", "-RCX", "main"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let answer = Answer::from(child.wait_with_output().unwrap());
    assert_eq!((answer.code, answer.stderr.as_str()), (Some(0), ""));
}

#[test]
fn every_shell_gets_completions() {
    let dir = fixtures::scratch("completions");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = ask(dir.path(), &["completions", shell]).success();
        assert!(
            script.contains("rev-parse") && script.contains("link-checkout-speedup"),
            "{shell}"
        );
    }
    assert_eq!(ask(dir.path(), &["completions", "nope"]).code, Some(2));
}

#[test]
fn every_command_gets_a_manual_page() {
    let dir = fixtures::scratch("man");
    ask(dir.path(), &["man", "pages/here"]).success();
    for name in [
        "apk-ostree",
        "apk-ostree-commit",
        "apk-ostree-rev-parse",
        "apk-ostree-completions",
        "apk-ostree-pull-local",
        "apk-ostree-remote-show-url",
        "apk-ostree-scripts",
        "apk-ostree-apk",
    ] {
        let page = fs::read_to_string(dir.path().join(format!("pages/here/{name}.1"))).unwrap();
        assert!(
            page.starts_with(".ie") && page.contains(".SH SYNOPSIS"),
            "{name}"
        );
    }
    let page = fs::read_to_string(dir.path().join("pages/here/apk-ostree-commit.1")).unwrap();
    assert!(page.contains("SOURCE_DATE_EPOCH"), "{page}");
}

#[test]
fn help_and_version_are_answers() {
    let dir = fixtures::scratch("help");
    let version = ask(dir.path(), &["--version"]).success();
    assert_eq!(
        version,
        format!("apk-ostree {}\n", env!("CARGO_PKG_VERSION"))
    );
    assert!(
        ask_as_ostree(dir.path(), &["--version"])
            .success()
            .contains("\n Version: '")
    );
    assert!(
        ask(dir.path(), &["--help"])
            .success()
            .contains("completions")
    );
    assert!(
        !ask_as_ostree(dir.path(), &["--help"])
            .success()
            .contains("completions")
    );
    assert!(
        ask_as_ostree(dir.path(), &["ls", "--help"])
            .success()
            .contains("Usage: ostree ls")
    );
}

#[test]
fn quiet_leaves_data_alone() {
    let dir = made("quiet");
    assert_eq!(
        ask(dir.path(), &["-q", "refs", "--repo=r"]).success(),
        "main\n"
    );
    assert_eq!(
        ask(dir.path(), &["refs", "-q", "--repo=r"]).success(),
        "main\n"
    );
    let answer = ask(dir.path(), &["ls", "-q", "--repo=r", "nope"]);
    assert_eq!(answer.failure(), "Refspec 'nope' not found");
}
