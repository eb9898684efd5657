//! Repositories with a parent (`core.parent`), beside the real tool where that can read them.

use crate::pair::Pair;
use std::fs;

const MODES: [&str; 3] = ["archive", "bare-user", "bare-user-only"];

/// Two commits on `main` and `rem:x` in `p`, nothing in `c`, whose parent `p` is.
fn pair(parent: &str, child: &str) -> Option<Pair> {
    let pair = Pair::new("parent")?;
    for (repo, mode) in [("p", parent), ("c", child)] {
        let (repo, mode) = (format!("--repo={repo}"), format!("--mode={mode}"));
        pair.same_success(&["init", &repo, &mode]);
    }
    pair.unsynced("p");
    pair.unsynced("c");
    pair.in_both(|dir| {
        for tree in ["t/d", "u"] {
            fs::create_dir_all(dir.join(tree)).unwrap();
        }
        fs::write(dir.join("t/f"), "hi\n").unwrap();
        fs::write(dir.join("t/d/g"), "there\n").unwrap();
        std::os::unix::fs::symlink("f", dir.join("t/l")).unwrap();
        fs::write(dir.join("u/new"), "new\n").unwrap();
        let config = dir.join("c/config");
        let text = fs::read_to_string(&config).unwrap();
        let parent = dir.join("p").display().to_string();
        fs::write(&config, format!("{text}parent={parent}\n")).unwrap();
    });
    for time in ["--timestamp=@1", "--timestamp=@2"] {
        commit(&pair, "p", &["-b", "main", time, "t"]);
    }
    pair.same_success(&["--repo=p", "refs", "--create=rem:x", "main"]);
    let group = "--group=remote \"up\"";
    pair.same_success(&["--repo=p", "config", "set", group, "url", "http://p/"]);
    Some(pair)
}

#[track_caller]
fn commit(pair: &Pair, repo: &str, args: &[&str]) {
    let repo = format!("--repo={repo}");
    let canonical = "--canonical-permissions";
    pair.same_success(&[&["commit", &repo, canonical, "--no-xattrs"], args].concat());
}

fn objects(pair: &Pair, repo: &str) -> [usize; 2] {
    [pair.ours(), pair.theirs()].map(|dir| {
        let prefixes = fs::read_dir(dir.join(repo).join("objects")).unwrap();
        prefixes
            .map(|prefix| fs::read_dir(prefix.unwrap().path()).unwrap().count())
            .sum()
    })
}

#[test]
fn what_is_missing_comes_from_the_parent() {
    for mode in MODES {
        let Some(pair) = pair(mode, mode) else { return };
        for args in [
            &["refs"][..],
            &["rev-parse", "main", "main^", "rem:x", "x", "rem/x"],
            &["rev-parse", "nope"],
            &["rev-parse", "-S"],
            &["log", "main"],
            &["ls", "-RC", "main"],
            &["cat", "main", "/d/g"],
            &["diff", "main^", "main"],
            &["fsck"],
            &["reset", "main", "main^"],
            &["prune"],
            &["prune", "--refs-only"],
        ] {
            pair.same(&[&["--repo=c"], args].concat());
        }
        pair.same(&["--repo=c", "checkout", "-U", "main", "out"]);
        pair.same_tree("out", false);
    }
}

#[test]
fn what_is_written_goes_to_the_child() {
    for mode in MODES {
        let Some(pair) = pair(mode, mode) else { return };
        let before = objects(&pair, "p");
        commit(&pair, "c", &["-b", "main", "--timestamp=@3", "u"]);
        pair.same(&["--repo=c", "log", "main"]);
        // Objects that the parent has are written again.
        commit(&pair, "c", &["-b", "copy", "--timestamp=@3", "t"]);
        let [ours, theirs] = objects(&pair, "c");
        assert_eq!(ours, theirs, "{mode}");
        commit(
            &pair,
            "c",
            &["-b", "of-parent", "--timestamp=@3", "--tree=ref=rem:x"],
        );
        commit(
            &pair,
            "c",
            &[
                "-b",
                "both",
                "--timestamp=@3",
                "--tree=ref=rem:x",
                "--tree=dir=u",
            ],
        );
        pair.same_lines(&["--repo=c", "refs"]);
        pair.same(&["--repo=c", "refs", "--create=of", "main^"]);
        pair.same(&["--repo=c", "prune", "--refs-only"]);
        pair.same(&["--repo=c", "fsck", "-q"]);
        for rev in ["both", "of", "of-parent", "copy"] {
            pair.same(&["--repo=c", "checkout", "-U", rev, rev]);
            pair.same_tree(rev, false);
        }
        assert_eq!(objects(&pair, "p"), before, "{mode}");
        pair.same(&["--repo=p", "fsck", "-q"]);
    }
}

/// The real tool dies when a parent is in `archive` mode and the child is not, and the other way round.
#[test]
fn modes_may_differ() {
    for parent in MODES {
        for child in MODES {
            let Some(pair) = pair(parent, child) else {
                return;
            };
            let ours = |args: &[&str]| pair.ask_us(&[&["--repo=c"], args].concat()).success();
            assert_eq!(ours(&["cat", "main", "/f", "/d/g"]), "hi\nthere\n");
            assert!(ours(&["fsck"]).ends_with("no errors found.\n"));
            ours(&["checkout", "-U", "main", "out"]);
            assert_eq!(fs::read(pair.ours().join("out/d/g")).unwrap(), b"there\n");
            ours(&["checkout", "-U", "-C", "main", "copies"]);
            let (out, copies) = (pair.ours().join("out"), pair.ours().join("copies"));
            assert_eq!(
                fs::read_link(out.join("l")).unwrap(),
                fs::read_link(copies.join("l")).unwrap()
            );
        }
    }
}

#[test]
fn a_parent_that_is_none_is_an_error() {
    let Some(pair) = pair("archive", "archive") else {
        return;
    };
    for repo in ["c", "q"] {
        pair.damaged(repo, "its parent is not there");
    }
    for repo in ["x", "y", "z"] {
        pair.unjudged(
            repo,
            "it is its own parent: the real tool does not end well",
        );
    }
    pair.same(&["--repo=c", "config", "set", "core.parent", "/nowhere"]);
    pair.same(&["--repo=c", "refs"]);
    pair.in_both(|dir| fs::create_dir_all(dir.join("q/objects")).unwrap());
    pair.in_both(|dir| {
        let config = "[core]\nrepo_version=1\nmode=archive\nparent=/nowhere\n";
        fs::write(dir.join("q/config"), config).unwrap();
        let config = fs::read_to_string(dir.join("c/config")).unwrap();
        let parent = dir.join("q").display().to_string();
        fs::write(dir.join("c/config"), config.replace("/nowhere", &parent)).unwrap();
    });
    pair.same(&["--repo=c", "refs"]);
    // Chains that ostree follows until its stack or its descriptors are used up.
    let wanted =
        "the chain of parent repositories (core.parent) goes round in circles or is too long";
    let dir = pair.ours();
    let set_parent = |repo: &str, parent: &str| {
        fs::create_dir_all(dir.join(repo).join("objects")).unwrap();
        let parent = dir.join(parent).display().to_string();
        let config = format!("[core]\nrepo_version=1\nmode=archive\nparent={parent}\n");
        fs::write(dir.join(repo).join("config"), config).unwrap();
    };
    set_parent("x", "y");
    set_parent("y", "x");
    set_parent("z", "z");
    for number in 0..40 {
        pair.unjudged(
            &format!("n{number}"),
            "one of a chain of parents that is too long",
        );
        set_parent(&format!("n{number}"), &format!("n{}", number + 1));
    }
    for repo in ["--repo=x", "--repo=y", "--repo=z", "--repo=n0"] {
        assert_eq!(pair.ask_us(&[repo, "refs"]).failure(), wanted, "{repo}");
    }
}
