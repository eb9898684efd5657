//! `pull-local` beside the real one: every pair of modes, every option, every complaint.

use crate::pair::{Answer, Pair, modes, our_ostree, similar};
use fixtures::trees::{Shape, Tree};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// A pair in which every commit has the same time.
fn pair() -> Option<Pair> {
    let mut pair = Pair::new("pull-local")?;
    pair.env("SOURCE_DATE_EPOCH", "1700000000");
    Some(pair)
}

fn init(pair: &Pair, repo: &str, mode: &str) {
    let (repo_arg, mode) = (format!("--repo={repo}"), format!("--mode={mode}"));
    pair.same_success(&["init", &repo_arg, &mode]);
    pair.unsynced(repo);
}

/// A repository `name` with the branch `main` (three commits) and `other`.
fn source(pair: &Pair, name: &str, mode: &str) {
    init(pair, name, mode);
    let repo = format!("--repo={name}");
    for (number, content) in ["one\n", "two\n", "three\n"].into_iter().enumerate() {
        pair.in_both(|dir| {
            let root = dir.join("t");
            fs::create_dir_all(root.join("d/e")).unwrap();
            fs::write(root.join("f"), content).unwrap();
            fs::write(root.join(format!("f{number}")), content.repeat(number)).unwrap();
            fs::write(root.join("d/x"), "x\n").unwrap();
            fs::write(root.join("d/exec"), "exec\n").unwrap();
            fs::set_permissions(root.join("d/exec"), fs::Permissions::from_mode(0o755)).unwrap();
            let _ = symlink("f", root.join("l"));
        });
        pair.same_success(&["commit", &repo, "-b", "main", "-s", content, "t"]);
    }
    pair.same_success(&["commit", &repo, "-b", "other", "-s", "other", "t/d"]);
}

/// What a pull can change in a repository: objects, refs and marks, each with type, mode and number of names. The
/// sizes of compressed files are not compared, because they depend on the version of the library.
fn inventory(repo: &Path) -> String {
    let mut lines = Vec::new();
    let mut ahead: Vec<PathBuf> = ["objects", "refs", "state"]
        .map(|dir| repo.join(dir))
        .into();
    while let Some(path) = ahead.pop() {
        let found = fs::symlink_metadata(&path).unwrap();
        if found.is_dir() {
            ahead.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            continue;
        }
        let name = path.strip_prefix(repo).unwrap().display().to_string();
        if is_stray(repo, &name) {
            continue;
        }
        let size = if name.ends_with(".filez") {
            0
        } else {
            found.len()
        };
        let content = if name.starts_with("refs") {
            fs::read_to_string(&path).unwrap()
        } else {
            String::new()
        };
        lines.push(format!(
            "{name} {:o} {} {size} {content}",
            found.mode(),
            found.nlink()
        ));
    }
    lines.sort();
    lines.join("\n")
}

/// The mark of a commit that is not there: ostree leaves one behind when a pull fails.
fn is_stray(repo: &Path, name: &str) -> bool {
    let mark = name.strip_prefix("state/");
    mark.and_then(|mark| mark.strip_suffix(".commitpartial"))
        .is_some_and(|commit| {
            let (prefix, rest) = commit.split_at(2);
            let object = format!("objects/{prefix}/{rest}.commit");
            !repo.join(object).exists()
        })
}

/// The same where a pull of ostree's has failed before: it leaves further names of objects in `tmp`.
#[track_caller]
fn same_names(pair: &Pair, repo: &str) {
    let names = |dir: PathBuf| {
        let listed = inventory(&dir.join(repo));
        let names = listed.lines().filter_map(|line| line.split(' ').next());
        names.map(|name| format!("{name}\n")).collect::<String>()
    };
    similar(&names(pair.ours()), &names(pair.theirs()), repo);
}

#[track_caller]
fn same_inventory(pair: &Pair, repo: &str) {
    let (ours, theirs) = (pair.ours().join(repo), pair.theirs().join(repo));
    similar(&inventory(&ours), &inventory(&theirs), repo);
}

/// Our repository satisfies both checks.
#[track_caller]
fn sound(pair: &Pair, repo: &str) {
    pair.ask_us(&["fsck", "-q", &format!("--repo={repo}")])
        .success();
    let theirs = fixtures::peer::ostree().unwrap();
    let path = pair.ours().join(repo).display().to_string();
    theirs
        .run(["fsck", "-q", &format!("--repo={path}")])
        .success();
}

/// Both answers to the words after `pull-local --repo=REPO`, without the seconds.
#[track_caller]
fn same_pull(pair: &Pair, repo: &str, args: &[&str]) -> Answer {
    let repo = format!("--repo={repo}");
    let words: Vec<&str> = ["pull-local", &repo]
        .into_iter()
        .chain(args.iter().copied())
        .collect();
    let plain = |mut answer: Answer| {
        if let Some((front, rest)) = answer.stdout.split_once(" transferred in ") {
            let rest = rest.split_once(';').unwrap().1;
            answer.stdout = format!("{front} transferred;{rest}");
        }
        answer
    };
    let (ours, theirs) = (plain(pair.ask_us(&words)), plain(pair.ask_them(&words)));
    assert_eq!(ours, theirs, "left is ours: {words:?}");
    ours
}

#[test]
fn every_mode_into_every_mode() {
    let Some(pair) = pair() else { return };
    for from in modes() {
        source(&pair, from, from);
        for into in modes() {
            let repo = format!("{from}-{into}");
            init(&pair, &repo, into);
            assert_eq!(same_pull(&pair, &repo, &[from, "main"]).code, Some(0));
            same_inventory(&pair, &repo);
            assert_eq!(same_pull(&pair, &repo, &["--depth=-1", from]).code, Some(0));
            same_inventory(&pair, &repo);
            sound(&pair, &repo);
            // Nothing is left to do.
            let answer = same_pull(&pair, &repo, &["--depth=-1", from]);
            assert!(
                answer.stdout.starts_with("0 metadata, 0 content"),
                "{answer:?}"
            );
        }
        same_inventory(&pair, from);
    }
}

/// Generated trees with every kind of file, owner and attribute; canonical ones where a mode cannot keep more.
#[test]
fn generated_trees_arrive_whole() {
    let Some(pair) = pair() else { return };
    let shape = Shape {
        entries: 50,
        ..Shape::possible_in(&pair.ours()).unwrap()
    };
    for seed in 0..2 {
        let tree = Tree::generate(seed, &shape);
        pair.in_both(|dir| {
            let root = dir.join(format!("tree{seed}"));
            fs::create_dir(&root).unwrap();
            tree.write_to(&root).unwrap();
        });
    }
    for from in modes() {
        init(&pair, from, from);
        let repo = format!("--repo={from}");
        for seed in 0..2 {
            let name = format!("tree{seed}");
            let canonical = format!("canonical{seed}");
            pair.same_success(&["commit", &repo, "-b", &name, &name]);
            let args = ["commit", &repo, "--canonical-permissions", "--no-xattrs"];
            pair.same_success(&[&args[..], &["-b", &canonical, &name]].concat());
        }
        for into in modes() {
            let repo = format!("{from}-{into}");
            init(&pair, &repo, into);
            // ostree loses what bare-user-only cannot keep, and links files of bare-user with a wrong mode there.
            let keeps_all = into != "bare-user-only" || from == into;
            let equal = (from, into) != ("bare-user", "bare-user-only");
            for seed in 0..2 {
                let canonical = format!("canonical{seed}");
                if equal {
                    assert_eq!(same_pull(&pair, &repo, &[from, &canonical]).code, Some(0));
                } else {
                    let asked = format!("--repo={repo}");
                    let words = ["pull-local", &asked, from, &canonical];
                    pair.ask_us(&words).success();
                    pair.ask_them(&words);
                }
                if keeps_all {
                    let name = format!("tree{seed}");
                    assert_eq!(same_pull(&pair, &repo, &[from, &name]).code, Some(0));
                }
            }
            if equal {
                same_inventory(&pair, &repo);
            }
            sound(&pair, &repo);
        }
    }
}

#[test]
fn untrusted_sources_are_hashed() {
    let Some(pair) = pair() else { return };
    for from in modes() {
        source(&pair, from, from);
        for into in modes() {
            let repo = format!("{from}-{into}");
            init(&pair, &repo, into);
            assert_eq!(
                same_pull(&pair, &repo, &["--untrusted", from]).code,
                Some(0)
            );
            same_inventory(&pair, &repo);
            sound(&pair, &repo);
        }
    }
}

#[test]
fn names_and_their_refusal() {
    let Some(pair) = pair() else { return };
    source(&pair, "s", "archive");
    init(&pair, "refusing", "archive");
    let commit = pair.same_success(&["rev-parse", "--repo=s", "main"]);
    let parent = pair.same_success(&["rev-parse", "--repo=s", "main^"]);
    let absent = "0".repeat(64);
    for args in [
        &["s", "nope"][..],
        &["s", "main", "nope"],
        &["s", "main^"],
        &["s", "origin:main"],
        &["s", ".x"],
        &["s", "a b"],
        &["s", &commit[..7]],
        &["s", &absent],
        &["s", &commit.to_uppercase()],
        &["nope"],
        &["nope", "main"],
        &[],
        &["--remote=.x", "s", "main"],
        &["--remote=a/b", "s", "main"],
        &["--depth=x", "s"],
        &["--badopt", "s"],
        &["--subpath=/d", "s"],
    ] {
        assert_eq!(same_pull(&pair, "refusing", args).code, Some(1), "{args:?}");
    }
    // A pull of ostree's that failed leaves objects behind which the next one finds.
    init(&pair, "d", "bare-user");
    assert_eq!(same_pull(&pair, "d", &["s", &parent]).code, Some(0));
    assert_eq!(
        same_pull(&pair, "d", &["s", "main", "main", &commit]).code,
        Some(0)
    );
    assert_eq!(
        same_pull(&pair, "d", &["--remote=r", "s", "other"]).code,
        Some(0)
    );
    same_names(&pair, "d");
    // A remote's refs are not passed on.
    init(&pair, "e", "archive");
    same_pull(&pair, "d", &["--remote=r", "s"]);
    for args in [&["d", "r:main"][..], &["d", "r/main"], &["d"]] {
        let (ours, theirs) = (
            pair.ask_us(&[&["pull-local", "--repo=e"], args].concat()),
            pair.ask_them(&[&["pull-local", "--repo=e"], args].concat()),
        );
        assert_eq!((ours.code, theirs.code), (Some(1), Some(1)), "{args:?}");
    }
    assert_eq!(same_pull(&pair, "e", &["d", "main"]).code, Some(0));
    same_names(&pair, "e");
    // Which of several such refs is told depends on ostree's hash table.
    let answer = pair.ask_us(&["pull-local", "--repo=e", "d"]);
    assert_eq!(answer.failure(), "Invalid ref name r:main");
}

/// ostree does not write a ref whose name already leads to the commit, also if it leads to a remote's.
#[test]
fn a_remotes_ref_of_the_same_name_and_value() {
    let Some(pair) = pair() else { return };
    source(&pair, "s", "archive");
    init(&pair, "d", "archive");
    pair.in_both(|dir| {
        let config = dir.join("d/config");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, text + "[remote \"r\"]\nurl=http://nowhere\n").unwrap();
    });
    same_pull(&pair, "d", &["--remote=r", "s", "main"]);
    same_pull(&pair, "d", &["s", "main"]);
    same_inventory(&pair, "d");
}

#[test]
fn history_is_brought_as_deep_as_wanted() {
    let Some(pair) = pair() else { return };
    source(&pair, "s", "bare-user");
    for depth in ["0", "1", "2", "5", "-1"] {
        let repo = format!("d{depth}");
        init(&pair, &repo, "archive");
        let depth = format!("--depth={depth}");
        assert_eq!(
            same_pull(&pair, &repo, &[&depth, "s", "main"]).code,
            Some(0)
        );
        same_inventory(&pair, &repo);
        pair.same(&["log", &format!("--repo={repo}"), "main"]);
    }
    // Later more of it, and from a source whose history ends early.
    assert_eq!(
        same_pull(&pair, "d0", &["--depth=1", "s", "main"]).code,
        Some(0)
    );
    assert_eq!(
        same_pull(&pair, "d0", &["--depth=-1", "s", "main"]).code,
        Some(0)
    );
    same_inventory(&pair, "d0");
    init(&pair, "e", "archive");
    assert_eq!(
        same_pull(&pair, "e", &["--depth=-1", "d1", "main"]).code,
        Some(0)
    );
    same_inventory(&pair, "e");
    sound(&pair, "e");
    // ostree aborts.
    let answer = pair.ask_us(&["pull-local", "--repo=e", "--depth=-2", "s"]);
    assert_eq!(answer.code, Some(1));
}

#[test]
fn commits_without_their_trees() {
    let Some(pair) = pair() else { return };
    source(&pair, "s", "archive");
    init(&pair, "d", "archive");
    let args = ["--commit-metadata-only", "--depth=1", "s", "main"];
    assert_eq!(same_pull(&pair, "d", &args).code, Some(0));
    same_inventory(&pair, "d");
    pair.same_success(&["fsck", "-q", "--repo=d"]);
    // It cannot be passed on, and nothing of it is seen.
    init(&pair, "e", "archive");
    let answer = same_pull(&pair, "e", &["d", "main"]);
    assert!(
        answer.failure().contains("linkat: No such file"),
        "{args:?}"
    );
    assert_eq!(inventory(&pair.ours().join("e")), "");
    // Only the newest commit becomes whole, then all.
    assert_eq!(same_pull(&pair, "d", &["s", "main"]).code, Some(0));
    same_names(&pair, "d");
    assert_eq!(
        same_pull(&pair, "d", &["--depth=-1", "s", "main"]).code,
        Some(0)
    );
    same_names(&pair, "d");
    sound(&pair, "d");
    // What is whole is not marked again.
    assert_eq!(same_pull(&pair, "d", &args).code, Some(0));
    same_names(&pair, "d");
}

/// A commit that fsck found incomplete is made whole by a pull.
#[test]
fn a_pull_repairs() {
    let Some(pair) = pair() else { return };
    for kind in ["dirtree", "dirmeta", "filez"] {
        let (from, into) = (format!("s-{kind}"), format!("d-{kind}"));
        source(&pair, &from, "archive");
        init(&pair, &into, "archive");
        same_pull(&pair, &into, &[&from, "main"]);
        pair.in_both(|dir| {
            let root = dir.join(&into);
            fs::remove_file(first(&root, kind)).unwrap();
            let commit = fs::read_to_string(root.join("refs/heads/main")).unwrap();
            let mark = format!("state/{}.commitpartial", commit.trim());
            fs::write(root.join(mark), "f").unwrap();
        });
        assert_eq!(same_pull(&pair, &into, &[&from, "main"]).code, Some(0));
        same_inventory(&pair, &into);
        sound(&pair, &into);
    }
}

/// The first object of a kind, by name.
fn first(repo: &Path, extension: &str) -> PathBuf {
    let mut found = Vec::new();
    for dir in fs::read_dir(repo.join("objects")).unwrap() {
        let dir = fs::read_dir(dir.unwrap().path()).unwrap();
        found.extend(
            dir.map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|found| found == extension)),
        );
    }
    found.sort();
    found.into_iter().next().unwrap()
}

#[test]
fn what_the_source_lacks_is_named() {
    let Some(pair) = pair() else { return };
    for kind in ["dirtree", "dirmeta", "file"] {
        let from = format!("s-{kind}");
        source(&pair, &from, "bare-user");
        pair.in_both(|dir| fs::remove_file(first(&dir.join(&from), kind)).unwrap());
        for into in ["bare-user", "archive", "bare-user-only"] {
            let repo = format!("{kind}-{into}");
            init(&pair, &repo, into);
            for args in [
                &["--depth=-1", &from][..],
                &["--depth=-1", "--untrusted", &from],
            ] {
                assert_eq!(same_pull(&pair, &repo, args).code, Some(1), "{args:?}");
                assert_eq!(inventory(&pair.ours().join(&repo)), "");
            }
        }
    }
}

/// ostree passes these on unless told not to trust the source; we only what is linked unread.
#[test]
fn corrupt_objects_do_not_spread() {
    let Some(pair) = pair() else { return };
    for (kind, linked_is_hashed) in [("dirmeta", true), ("file", false)] {
        let from = format!("s-{kind}");
        source(&pair, &from, "bare-user");
        pair.in_both(|dir| {
            let path = match kind {
                "file" => large(&dir.join(&from)),
                _ => first(&dir.join(&from), kind),
            };
            let mut bytes = fs::read(&path).unwrap();
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            fs::write(&path, bytes).unwrap();
        });
        pair.damaged(&from, "an object is changed");
        for into in ["bare-user", "archive"] {
            let repo = format!("{kind}-{into}");
            init(&pair, &repo, into);
            if (kind, into) == ("file", "bare-user") {
                pair.damaged(&repo, "it has a link to the changed object");
            }
            let asked = format!("--repo={repo}");
            let answer = same_pull(&pair, &repo, &["--untrusted", &from, "main"]);
            assert!(answer.failure().contains("checksum expected="), "{repo}");
            let answer = pair.ask_us(&["pull-local", &asked, &from, "main"]);
            let notices = into == "archive" || linked_is_hashed;
            assert_eq!(answer.code, Some(i32::from(notices)), "{repo}");
            if notices {
                assert_eq!(inventory(&pair.ours().join(&repo)), "");
            }
        }
    }
}

/// The file object `three\n`.
fn large(repo: &Path) -> PathBuf {
    let mut found = Vec::new();
    for dir in fs::read_dir(repo.join("objects")).unwrap() {
        let dir = fs::read_dir(dir.unwrap().path()).unwrap();
        found.extend(
            dir.map(|entry| entry.unwrap().path())
                .filter(|path| path.extension().is_some_and(|found| found == "file"))
                .filter(|path| fs::read(path).unwrap() == b"three\n"),
        );
    }
    found.into_iter().next().unwrap()
}

#[test]
fn modes_that_bare_user_only_cannot_keep() {
    let Some(pair) = pair() else { return };
    for from in ["archive", "bare-user"] {
        init(&pair, from, from);
        pair.in_both(|dir| {
            fs::create_dir_all(dir.join("suid")).unwrap();
            fs::write(dir.join("suid/s"), "s\n").unwrap();
            let mode = fs::Permissions::from_mode(0o4755);
            fs::set_permissions(dir.join("suid/s"), mode).unwrap();
        });
        pair.same_success(&["commit", &format!("--repo={from}"), "-b", "suid", "suid"]);
        for into in ["archive", "bare-user", "bare-user-only"] {
            let repo = format!("{from}-{into}");
            init(&pair, &repo, into);
            let args = ["--bareuseronly-files", from, "suid"];
            let answer = same_pull(&pair, &repo, &args);
            assert!(
                answer
                    .failure()
                    .contains("invalid mode 0104755 with bits 04000")
            );
        }
    }
    let answer = same_pull(&pair, "archive-bare-user-only", &["archive", "suid"]);
    assert_eq!(answer.code, Some(1));
    // ostree links this one, and its own check then finds it corrupt.
    let ours = pair.ask_us(&[
        "pull-local",
        "--repo=bare-user-bare-user-only",
        "bare-user",
        "suid",
    ]);
    assert!(
        ours.failure()
            .contains("invalid mode 0104755 with bits 04000")
    );
}

/// Owners, attributes and links' modes that the mode would lose: ostree writes objects that its own check finds corrupt.
#[test]
fn what_a_mode_would_lose_is_refused() {
    let Some(pair) = pair() else { return };
    for from in ["archive", "bare-user"] {
        init(&pair, from, from);
        let repo = format!("--repo={from}");
        pair.in_both(|dir| {
            fs::create_dir_all(dir.join("t")).unwrap();
            fs::write(dir.join("t/f"), "f\n").unwrap();
        });
        let owner = [
            "commit",
            &repo,
            "--owner-uid=7",
            "--owner-gid=8",
            "-b",
            "owned",
            "t",
        ];
        pair.same_success(&owner);
        let into = format!("{from}-into");
        init(&pair, &into, "bare-user-only");
        let asked = format!("--repo={into}");
        let answer = pair.ask_us(&["pull-local", &asked, from, "owned"]);
        assert!(
            answer.failure().contains("owner 7:8 cannot be kept"),
            "{from}"
        );
        assert_eq!(inventory(&pair.ours().join(&into)), "");
        let theirs = pair.ask_them(&["pull-local", &asked, from, "owned"]);
        assert_eq!(theirs.code, Some(0));
        assert_eq!(pair.ask_them(&["fsck", &asked]).code, Some(1));
    }
}

#[test]
fn detached_metadata_comes_along_and_is_fetched_again() {
    let Some(pair) = pair() else { return };
    source(&pair, "s", "archive");
    let theirs = fixtures::peer::ostree().unwrap();
    for dir in [pair.ours(), pair.theirs()] {
        let mut command = theirs.command();
        command
            .current_dir(dir)
            .env("SOURCE_DATE_EPOCH", "1700000000");
        command.args(["commit", "--repo=s", "-b", "main", "-s", "with", "t/d"]);
        command.arg("--add-detached-metadata-string=foo=bar");
        theirs.finish(command).success();
    }
    let commit = pair.same_success(&["rev-parse", "--repo=s", "main"]);
    let path = |repo: &str| {
        let (prefix, rest) = commit.split_at(2);
        format!("{repo}/objects/{prefix}/{rest}.commitmeta")
    };
    let bytes = fs::read(pair.ours().join(path("s"))).unwrap();
    init(&pair, "d", "bare-user");
    let answer = same_pull(&pair, "d", &["s", "main"]);
    assert!(!answer.stdout.contains("transferred"), "{answer:?}");
    same_inventory(&pair, "d");
    let answer = same_pull(&pair, "d", &["--depth=1", "s", "main"]);
    assert!(answer.stdout.contains("; 16 B transferred;"), "{answer:?}");
    pair.in_both(|dir| {
        assert_eq!(fs::read(dir.join(path("d"))).unwrap(), bytes);
        fs::write(dir.join(path("s")), b"").unwrap();
    });
    same_pull(&pair, "d", &["s", "main"]);
    same_inventory(&pair, "d");
    sound(&pair, "d");
    // What is no metadata does not arrive; ostree takes it for empty.
    pair.in_both(|dir| fs::write(dir.join(path("s")), b"nonsense").unwrap());
    let answer = pair.ask_us(&["pull-local", "--repo=d", "s", "main"]);
    assert!(answer.failure().contains("detached metadata"));
}

#[test]
fn bindings_are_verified() {
    let Some(pair) = pair() else { return };
    source(&pair, "s", "archive");
    let commit = pair.same_success(&["rev-parse", "--repo=s", "main"]);
    pair.same_success(&["refs", "--repo=s", "--create=renamed", "main"]);
    let in_s = ["commit", "--repo=s", "--tree=dir=t"];
    pair.same_success(&[&in_s[..], &["-b", "unbound", "--no-bindings"]].concat());
    pair.same_success(&[&in_s[..], &["--orphan", "-s", "orphan"]].concat());
    for (number, args) in [
        &["s", "renamed"][..],
        &["--disable-verify-bindings", "s", "renamed"],
        &["s", "unbound"],
        &["s", &commit],
    ]
    .into_iter()
    .enumerate()
    {
        let repo = format!("d{number}");
        init(&pair, &repo, "archive");
        same_pull(&pair, &repo, args);
        same_names(&pair, &repo);
    }
    // From now on the source belongs to a collection.
    pair.in_both(|dir| {
        let config = dir.join("s/config");
        let text = fs::read_to_string(&config).unwrap();
        let text = text.replace("[core]\n", "[core]\ncollection-id=org.example.A\n");
        fs::write(&config, text).unwrap();
    });
    for (number, args) in [
        &["s", "main"][..],
        &["s", "unbound"],
        &["s", &commit],
        &["--disable-verify-bindings", "s", "main"],
    ]
    .into_iter()
    .enumerate()
    {
        let repo = format!("e{number}");
        init(&pair, &repo, "archive");
        same_pull(&pair, &repo, args);
        same_names(&pair, &repo);
    }
}

/// With a summary the source's refs mean what that says, also on the same disk.
#[test]
fn a_source_with_a_summary_is_asked_through_it() {
    let Some(pair) = pair() else { return };
    source(&pair, "s", "archive");
    let theirs = fixtures::peer::ostree().unwrap();
    for dir in [pair.ours(), pair.theirs()] {
        theirs.run_in(&dir, ["summary", "-u", "--repo=s"]).success();
    }
    pair.same_success(&["commit", "--repo=s", "-b", "main", "-s", "later", "t/d"]);
    pair.same_success(&["commit", "--repo=s", "-b", "new", "-s", "new", "t/d"]);
    init(&pair, "d", "archive");
    for args in [
        &["s", "main"][..],
        &["s", "new"],
        &["s", "nope"],
        &["s", "other"],
    ] {
        same_pull(&pair, "d", args);
        same_inventory(&pair, "d");
    }
    assert_eq!(
        same_pull(&pair, "d", &["s"]).failure(),
        "No such branch 'new' in repository summary"
    );
    pair.in_both(|dir| fs::write(dir.join("s/summary"), "nonsense").unwrap());
    let (ours, theirs) = (
        pair.ask_us(&["pull-local", "--repo=d", "s", "main"]),
        pair.ask_them(&["pull-local", "--repo=d", "s", "main"]),
    );
    assert_eq!((ours.code, theirs.code), (Some(1), Some(1)));
}

#[test]
fn options_without_effect_and_options_refused() {
    let Some(pair) = pair() else { return };
    source(&pair, "s", "archive");
    init(&pair, "d", "bare-user");
    let args = ["--disable-fsync", "--per-object-fsync", "s"];
    assert_eq!(same_pull(&pair, "d", &args).code, Some(0));
    same_inventory(&pair, "d");
    for option in [
        "--gpg-verify",
        "--gpg-verify-summary",
        "--require-static-deltas",
    ] {
        let answer = pair.ask_us(&["pull-local", "--repo=d", option, "s"]);
        assert!(answer.failure().contains(option), "{option}");
    }
    // ostree has this one since 2023.7.
    let answer = pair.ask_us(&["pull-local", "--repo=d", "--disable-static-deltas", "s"]);
    assert_eq!(answer.code, Some(0));
    let answer = pair.ask_us(&["pull-local", "--repo=d", "--json", "s", "main"]);
    let answer: serde_json::Value = serde_json::from_str(&answer.success()).unwrap();
    assert_eq!(answer["metadata"], 0);
    assert_eq!(answer["refs"][0]["ref"], "main");
    assert_eq!(answer["refs"][0]["commit"], answer["refs"][0]["previous"]);
}

#[test]
fn the_size_of_content_is_written_as_glib_writes_it() {
    let Some(pair) = pair() else { return };
    init(&pair, "s", "bare-user");
    for size in [0, 1, 999, 1000, 1249, 1250, 1350, 5_000_000] {
        let name = format!("size{size}");
        pair.in_both(|dir| {
            fs::create_dir_all(dir.join(&name)).unwrap();
            fs::write(dir.join(&name).join("f"), vec![b'x'; size]).unwrap();
        });
        pair.same_success(&["commit", "--repo=s", "-b", &name, &name]);
        init(&pair, &name, "archive");
        assert_eq!(same_pull(&pair, &name, &["s", &name]).code, Some(0));
    }
}

/// Another user's repository is not linked with ours.
#[test]
fn other_owners_are_copied() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("without root nothing can belong to others: skipped");
        return;
    }
    let Some(pair) = pair() else { return };
    for mode in modes() {
        source(&pair, mode, mode);
        pair.in_both(|dir| {
            std::os::unix::fs::chown(dir.join(mode).join("objects"), Some(77), Some(77)).unwrap();
        });
        for (options, name) in [(&[][..], "trusted"), (&["--untrusted"][..], "untrusted")] {
            let repo = format!("{mode}-{name}");
            init(&pair, &repo, mode);
            let args = [options, &[mode]].concat();
            let repo_arg = format!("--repo={repo}");
            let words = [&["pull-local", &repo_arg][..], &args].concat();
            let (ours, theirs) = (pair.ask_us(&words), pair.ask_them(&words));
            // What counts as written differs: ostree's copies do not, and it copies where we read and hash.
            assert_eq!(
                (ours.code, theirs.code),
                (Some(0), Some(0)),
                "{ours:?} {theirs:?}"
            );
            same_inventory(&pair, &repo);
            sound(&pair, &repo);
        }
    }
}

/// Our face under its own name helps.
#[test]
fn the_command_is_there_under_both_names() {
    let dir = fixtures::scratch("pull-local");
    let mut command = our_ostree(dir.path());
    command.args(["pull-local", "--help"]);
    assert!(Answer::of(command).success().contains("--untrusted"));
}

/// A source that leaves tombstones says so in its summary; they come along in place of deleted commits.
#[test]
fn tombstones_come_along() {
    let Some(pair) = pair() else { return };
    source(&pair, "s", "archive");
    let first = pair.same_success(&["rev-parse", "--repo=s", "main^^"]);
    for dir in [pair.ours(), pair.theirs()] {
        let theirs = fixtures::peer::ostree().unwrap();
        let delete = format!("--delete-commit={first}");
        theirs
            .run_in(&dir, ["prune", "--repo=s", &delete])
            .success();
        theirs.run_in(&dir, ["summary", "--repo=s", "-u"]).success();
    }
    init(&pair, "d", "archive");
    assert_eq!(
        same_pull(&pair, "d", &["--depth=-1", "s", "main"]).code,
        Some(0)
    );
    same_names(&pair, "d");
    let (prefix, rest) = first.split_at(2);
    let tombstone = format!("d/objects/{prefix}/{rest}.tombstone-commit");
    assert!(pair.ours().join(&tombstone).exists());
    sound(&pair, "d");
    // One that is gone is an error.
    pair.in_both(|dir| {
        fs::remove_file(dir.join(format!("s/objects/{prefix}/{rest}.tombstone-commit"))).unwrap();
    });
    init(&pair, "e", "archive");
    assert_eq!(
        same_pull(&pair, "e", &["--depth=-1", "s", "main"]).code,
        Some(1)
    );
}
