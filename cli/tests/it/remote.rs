//! `remote` beside the real tool: the same answers, and the same bytes in `config`.

use crate::pair::Pair;
use std::fs;

fn pair() -> Option<Pair> {
    let pair = Pair::new("remote")?;
    pair.same_success(&["init", "--repo=r", "--mode=archive"]);
    Some(pair)
}

/// Runs commands one after the other; after each, the settings must be the same.
#[track_caller]
fn same(pair: &Pair, commands: &[&[&str]]) {
    for args in commands {
        pair.same(&[&["--repo=r", "remote"], *args].concat());
        let read = |dir: std::path::PathBuf| fs::read_to_string(dir.join("r/config")).unwrap();
        assert_eq!(
            read(pair.ours()),
            read(pair.theirs()),
            "left is ours: {args:?}"
        );
    }
}

#[test]
fn settings_of_remotes_are_written_as_by_ostree() {
    let Some(pair) = pair() else { return };
    let all = [
        "add",
        "all",
        "http://a/",
        "b1",
        "b;2",
        "--set=k=v",
        "--set=gpg-verify=true",
        "--set",
        "url=http://set/",
        "--no-gpg-verify",
        "--no-sign-verify",
        "--contenturl=http://c/",
        "--collection-id=org.a.B",
        "--custom-backend=foo",
    ];
    same(
        &pair,
        &[
            &["list"],
            &["list", "-u"],
            &["add", "o", "http://o/"],
            &all,
            &["add", "two", "http://b/", "main", "x/y"],
            &["add", "o", "http://b"],
            &["add", "--if-not-exists", "o", "http://b"],
            &["add", "--if-not-exists", "--force", "o", "http://b"],
            &[
                "add",
                "--if-not-exists",
                "p",
                "http://p/",
                "--no-gpg-verify",
            ],
            &["add", "--force", "o", "http://forced/", "--no-sign-verify"],
            &["add", "--force", "new", "http://new/"],
            &["list"],
            &["list", "-u"],
            &["list", "--show-urls", "extra"],
            &["add", "bad name", "u"],
            &["add", ".x", "u"],
            &["add", "a/b", "u"],
            &["add", "", "u"],
            &["add", "ü", "u"],
            &["add", "q", "u", "--set=foo"],
            &["add", "q", "u", "--set=foo="],
            &["add", "q2", "u", "--set=a b=c d="],
            &["add", "q3", " u ", "--collection-id=bad"],
            &["add", "q4", "mirrorlist=http://m/"],
            &["show-url", "q3"],
            &["show-url", "o", "x"],
            &["show-url", "nope"],
            &["show-url", "file:///x"],
            &["show-url"],
            &["list", "-u"],
            &["delete", "o"],
            &["delete", "o"],
            &["delete", "--if-exists", "o"],
            &["delete", ".x"],
            &["delete", "--if-exists", ".x"],
            &["delete"],
            &["delete", "all", "two"],
            &["add", "meta", "metalink=http://m/"],
            &["add", "back", "--custom-backend=zz"],
            &["add", "--custom-backend=zz"],
            &["add", "x"],
            &["add"],
            &["add", "--nope", "x", "y"],
            &["show-url", "meta"],
            &["show-url", "back"],
            &["list", "-u"],
            &["list"],
        ],
    );
    for args in [&["remote", "foo"][..], &["remote", "--nope"], &["remote"]] {
        pair.same(args);
    }
    pair.same(&["remote", "list", "--repo=r"]);
    pair.same(&["remote", "--repo=nope", "list"]);
    pair.same(&["--repo=nope", "remote", "add", "x", "y"]);
    pair.same(&["--repo=r", "config", "get", "--group=remote \"q2\"", "a b"]);
}

#[test]
fn the_keys_of_a_remote_go_with_it() {
    let Some(pair) = pair() else { return };
    pair.same(&["--repo=r", "remote", "add", "o", "http://o/"]);
    pair.in_both(|dir| fs::write(dir.join("r/o.trustedkeys.gpg"), "x").unwrap());
    pair.same(&["--repo=r", "remote", "delete", "o"]);
    for dir in [pair.ours(), pair.theirs()] {
        assert!(!dir.join("r/o.trustedkeys.gpg").exists());
    }
}

#[test]
fn remotes_of_the_parent_are_remotes_too() {
    let Some(pair) = pair() else { return };
    pair.same_success(&["init", "--repo=p", "--mode=archive"]);
    for (name, repo) in [("up", "p"), ("both", "p"), ("both", "r"), ("own", "r")] {
        let repo = format!("--repo={repo}");
        let url = format!("http://{name}-{repo}/");
        pair.same_success(&[&repo, "remote", "add", name, &url]);
    }
    pair.in_both(|dir| {
        let path = dir.join("r/config");
        let text = fs::read_to_string(&path).unwrap();
        let parent = format!("[core]\nparent={}", dir.join("p").display());
        fs::write(&path, text.replace("[core]", &parent)).unwrap();
    });
    for args in [
        &["list", "-u"][..],
        &["show-url", "up"],
        &["show-url", "both"],
        &["delete", "up"],
        &["delete", "both"],
        &["show-url", "both"],
        &["add", "up", "http://mine/"],
        &["list", "-u"],
    ] {
        pair.same(&[&["--repo=r", "remote"], args].concat());
    }
}

#[test]
fn what_is_left_out_is_named() {
    let Some(pair) = pair() else { return };
    for (args, wanted) in [
        (
            &["refs", "o"][..],
            "ostree's command 'remote refs' is not in apk-ostree",
        ),
        (
            &["gpg-import"],
            "ostree's command 'remote gpg-import' is not in apk-ostree",
        ),
        (
            &["add", "o", "u", "--gpg-import=f"],
            "the option --gpg-import of ostree's remote is not in apk-ostree",
        ),
        (
            &["add", "o", "u", "--sign-verify=ed25519=inline:x"],
            "the option --sign-verify of ostree's remote is not in apk-ostree",
        ),
    ] {
        let answer = pair.ask_us(&[&["--repo=r", "remote"], args].concat());
        assert_eq!(answer.failure(), wanted);
    }
}
