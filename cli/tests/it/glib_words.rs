//! Command lines in every form that GLib's option parser takes or refuses, given to both tools.

use crate::pair::{Answer, Pair};
use std::fs;

/// Both with a repository `r` that has the branch `main`, a tree `t` and a file `f`.
fn pair(label: &str) -> Option<Pair> {
    let pair = Pair::new(label)?;
    pair.in_both(|dir| {
        fs::create_dir_all(dir.join("t/a")).unwrap();
        fs::write(dir.join("t/a/x"), "x\n").unwrap();
        fs::write(dir.join("f"), "f\n").unwrap();
    });
    pair.same_success(&["init", "--repo=r", "--mode=archive"]);
    pair.unsynced("r");
    let commit = "commit --repo=r -b main -s first --timestamp=@1 --canonical-permissions t";
    pair.same_success(&words(commit));
    Some(pair)
}

/// A line cut at spaces; `''` is an empty word.
fn words(line: &str) -> Vec<&str> {
    line.split_whitespace()
        .map(|word| if word == "''" { "" } else { word })
        .collect()
}

#[track_caller]
fn all_same(pair: &Pair, lines: &[&str]) {
    let different: Vec<String> = lines
        .iter()
        .filter_map(|line| {
            let ours = without_clock(pair.ask_us(&words(line)));
            let theirs = without_clock(pair.ask_them(&words(line)));
            (ours != theirs).then(|| format!("{line}\n  ours {ours:?}\n  real {theirs:?}\n"))
        })
        .collect();
    assert!(different.is_empty(), "{}", different.concat());
}

/// Without the second in which a summary was made, which may be another one for each tool.
fn without_clock(mut answer: Answer) -> Answer {
    let lines = answer.stdout.lines();
    let kept = lines.filter(|line| !line.starts_with("Last-Modified "));
    answer.stdout = kept.map(|line| format!("{line}\n")).collect();
    answer
}

#[test]
fn options_are_read_alike() {
    let Some(pair) = pair("words-options") else {
        return;
    };
    all_same(
        &pair,
        &[
            "ls --repo=r -RCX main",
            "ls --repo=r -RC -X main",
            "ls --repo=r -X main -RC",
            "ls --repo=r main -RCX /a",
            "ls --repo=r -RCQ main",
            "ls --repo=r -QRC main",
            "ls --repo=r -d- main",
            "ls --repo=r -R=C main",
            "ls --repo=r --recursive=false main",
            "ls --repo=r --recursive= main",
            "ls --repo=r --recursive --recursive main",
            "ls --repo=r --recurs main",
            "ls --repo=r --recursive-more main",
            "ls --repo=r ---recursive main",
            "ls --repo=r --=x main",
            "ls --repo=r -RR main",
            "ls --repo r main",
            "ls --rep=r main",
            "ls --repo=nope --repo=r main",
            "ls --repo=r --repo nope main",
            "ls main --repo",
            "ls main --repo --recursive",
            "refs --repo=r --create",
            "refs --repo=r --create --list",
            "refs --repo=r --nope --create",
            "refs --repo=r --create --nope --nope",
            "show --repo=r --print-metadata-key --raw main",
            "show --repo=r --print-metadata-key=--raw main",
            "show --repo=r --print-metadata-key= main",
            "show --repo=r -BB main --raw",
            "show --repo=r --raw=1 main",
            "rev-parse --repo=r -S main",
            "rev-parse --repo=r -S=x",
            "summary --repo=r -u",
            "summary --repo=r -mu x=1",
            "summary --repo=r -mux=1",
            "summary --repo=r -um a=1",
            "pull-local --repo=r --depth x r",
            "pull-local --repo=r --depth=1x r",
            "pull-local --repo=r --depth= r",
            "pull-local --repo=r --depth=99999999999 r",
            "prune --repo=r --depth=0x10 --no-prune",
            "prune --repo=r --depth 010 --no-prune",
            "prune --repo=r --depth",
            "prune --repo=r --depth=-9999999999",
            "log --repo=r -x main",
            "log -",
            "fsck --repo=r -qa",
            "fsck --repo=r -aqz",
        ],
    );
}

#[test]
fn values_of_commit_are_read_alike() {
    let Some(pair) = pair("words-commit") else {
        return;
    };
    let fixed = "--timestamp=@7 --canonical-permissions t";
    let lines = [
        "-bmain",
        "-bI main",
        "-Ib main",
        "-Ibs main",
        "-bs main subject",
        "-b main -s --orphan",
        "-b main -s -I",
        "-b --branch",
        "-b main --subject --",
        "-b other -b main --subject=a=b",
        "-b main --owner-uid=0x10 --owner-gid 010",
        "-b main --owner-uid=08",
        "-b main --owner-uid x",
        "-b main --owner-uid=4294967296",
        "-b main --owner-uid -1",
        "-b main --add-metadata-string a=1 --add-metadata-string=b=2=3",
        "-b main --add-metadata-string=--a=1",
        "-b main --orphan=no",
        "-b main -Q --owner-uid=x",
        "--parent -b main",
    ]
    .map(|line| format!("commit --repo=r {line} {fixed}"));
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    all_same(&pair, &lines);
    pair.same(&["log", "--repo=r", "main"]);
    pair.same(&["refs", "--repo=r"]);
    let behind = [
        "commit --repo=r --timestamp=@8 --canonical-permissions t -b",
        "commit --repo=r --timestamp=@8 --canonical-permissions t -bmain",
        "commit --repo=r --timestamp=@8 --canonical-permissions t -Ib",
        "commit --repo=r --timestamp=@8 --canonical-permissions -b x -- t --orphan",
    ];
    all_same(&pair, &behind);
}

#[test]
fn commands_are_found_alike() {
    let Some(pair) = pair("words-commands") else {
        return;
    };
    all_same(
        &pair,
        &[
            "",
            "-v",
            "-x",
            "--nope",
            "''",
            "-",
            "nope",
            "nope --nope",
            "nope --repo=r",
            "-- nope",
            "--repo=r refs",
            "--repo r refs",
            "-- refs --repo=r",
            "refs -- --repo=r",
            "- refs --repo=r",
            "refs --repo=r - main",
            "refs --repo=r --",
            "refs --repo=r -- main",
            "refs --repo=r -- -- main",
            "-R ls --repo=r main",
            "ls --repo=r main -- /a",
            "ls --repo=r main -- -a",
            "ls --repo=r -- main --",
            "ls --repo=r main -",
            "ls --repo=r main ''",
            "cat --repo=r main /a/x -- /a/x",
            "-u remote list --repo=r",
            "--repo=r remote add o http://h/p",
            "remote",
            "remote --repo=r",
            "remote nope",
            "remote nope --nope",
            "remote add --repo=r --nope",
            "remote list --repo=r -u",
            "remote -u list --repo=r",
            "remote list -u --repo=r -x",
            "remote show-url --repo=r o",
        ],
    );
    pair.same_lines(&["remote", "list", "--repo=r", "-u"]);
}

#[test]
fn words_that_no_command_looks_at_are_treated_alike() {
    let Some(pair) = pair("words-more") else {
        return;
    };
    pair.same_success(&words("remote add --repo=r o http://h/p"));
    all_same(
        &pair,
        &[
            "fsck --repo=r more words",
            "prune --repo=r more words",
            "summary --repo=r -u more words",
            "summary --repo=r -v more",
            "init --repo=r2 more words",
            "log --repo=r main more words",
            "show --repo=r main more words",
            "export --repo=r -o e.tar main more",
            "diff --repo=r main t more words",
            "checkout --repo=r -U main out more words",
            "checkout --repo=r -U main",
            "checksum f more words",
            "config --repo=r get core.mode more",
            "config --repo=r set core.mode archive more",
            "config --repo=r unset core.nope more",
            "config --repo=r get --group core mode more",
            "reset --repo=r main main more",
            "reset --repo=r main",
            "remote delete --repo=r o more",
            "remote list --repo=r more",
            "remote add --repo=r q http://h/q more words",
            "remote show-url --repo=r q more",
            "rev-parse --repo=r main main",
            "rev-parse --repo=r -S more",
            "refs --repo=r --create=n main more",
            "refs --repo=r main more",
            "commit --repo=r -b main --timestamp=@9 --canonical-permissions t more words",
            "pull-local --repo=r2 r main more",
        ],
    );
    pair.same(&["log", "--repo=r", "main"]);
    pair.in_both(|dir| assert!(dir.join("e.tar").exists() && dir.join("out/a/x").exists()));
}

#[test]
fn help_comes_before_all_else_and_the_version_before_operands() {
    let Some(pair) = pair("words-help") else {
        return;
    };
    for line in [
        "--help",
        "-h",
        "-?",
        "--help-all",
        "nope --help",
        "--help nope",
        "-hv refs",
        "refs --help --nope",
        "refs --help --create",
        "ls -RCh",
        "ls -R?Q",
        "remote --help",
        "remote add -h",
        "remote nope -h",
        "--version",
        "--version nope",
        "ls --version",
        "--version refs --repo=nope",
        "remote --version",
    ] {
        let (ours, theirs) = (pair.ask_us(&words(line)), pair.ask_them(&words(line)));
        assert_eq!((ours.code, theirs.code), (Some(0), Some(0)), "{line}");
        let start = |text: &str| text.split_whitespace().next().unwrap_or("").len() > 1;
        assert!(start(&ours.stdout) && ours.stderr.is_empty(), "{line}");
    }
    all_same(
        &pair,
        &[
            "refs --nope --help",
            "--version --nope",
            "ls --version=1 --nope",
            "refs --help-nope",
            "refs --help=1",
            "ls -RQh",
        ],
    );
}
