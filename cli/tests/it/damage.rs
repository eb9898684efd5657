//! What `fsck` says of repositories that are not what they should be.
//!
//! The lines of progress are left out where something is wrong: how far ostree got depends on the order of its hash
//! table.

use crate::pair::{Answer, Pair};
use std::fs;
use std::path::{Path, PathBuf};

/// A pair with two commits of a small tree, the second one with one file more.
fn pair(mode: &str) -> Option<Pair> {
    let pair = Pair::with_repository("damage", mode)?;
    pair.in_both(|dir| {
        fs::create_dir_all(dir.join("t/d")).unwrap();
        fs::write(dir.join("t/f"), "hi\n").unwrap();
        fs::write(dir.join("t/d/x"), "x\n").unwrap();
    });
    pair.same_success(&["commit", "--repo=r", "-b", "main", "t"]);
    pair.in_both(|dir| fs::write(dir.join("t/g"), "more\n").unwrap());
    pair.same_success(&["commit", "--repo=r", "-b", "main", "t"]);
    Some(pair)
}

/// The checksum of a path of the branch; of a directory that of its dirtree.
fn checksum(pair: &Pair, path: &str) -> String {
    let line = pair.same_success(&["ls", "--repo=r", "-dC", "main", path]);
    line.split_whitespace()
        .find(|word| word.len() == 64)
        .unwrap()
        .to_owned()
}

fn object(dir: &Path, checksum: &str, extension: &str) -> PathBuf {
    dir.join("r/objects")
        .join(&checksum[..2])
        .join(format!("{}.{extension}", &checksum[2..]))
}

/// A line with the checksums of its list `commits A, B` in order.
fn sorted_commits(line: &str) -> String {
    let Some((before, rest)) = line.split_once("n commits ") else {
        return line.to_owned();
    };
    let (list, after) = rest.split_once(':').unwrap();
    let mut commits: Vec<&str> = list.split(", ").collect();
    commits.sort();
    format!("{before}n commits {}:{after}", commits.join(", "))
}

#[track_caller]
fn same_complaints(pair: &Pair, args: &[&str]) -> Answer {
    let without_progress = |mut answer: Answer| {
        answer.stdout = answer
            .stdout
            .lines()
            .filter(|line| !line.starts_with("fsck objects"))
            .collect::<Vec<_>>()
            .join("\n");
        answer
    };
    // ostree names commits in the order of a hash table.
    let sorted = |mut answer: Answer| {
        let mut lines: Vec<String> = answer.stderr.lines().map(sorted_commits).collect();
        let marks = |line: &String| line.starts_with("Marking ");
        if let Some(first) = lines.iter().position(marks) {
            let count = lines[first..].iter().take_while(|line| marks(line)).count();
            lines[first..first + count].sort();
        }
        answer.stderr = lines.join("\n");
        answer
    };
    let args = [&["fsck", "--repo=r"], args].concat();
    let (ours, theirs) = (
        sorted(without_progress(pair.ask_us(&args))),
        sorted(without_progress(pair.ask_them(&args))),
    );
    assert_eq!(ours, theirs, "left is ours: {args:?}");
    ours
}

#[test]
fn missing_objects_make_commits_partial() {
    for (path, extension) in [("/d/x", "filez"), ("/f", "filez")] {
        let Some(pair) = pair("archive") else { return };
        let lost = checksum(&pair, path);
        pair.in_both(|dir| fs::remove_file(object(dir, &lost, extension)).unwrap());
        let answer = same_complaints(&pair, &[]);
        assert!(
            answer.stderr.contains("Marking commit as partial"),
            "{}",
            answer.stderr
        );
        pair.same(&["fsck", "--repo=r"]);
        pair.same(&["fsck", "--repo=r", "-q"]);
    }
}

#[test]
fn missing_directories_end_the_check() {
    let Some(pair) = pair("archive") else { return };
    let lost = checksum(&pair, "/d");
    pair.in_both(|dir| fs::remove_file(object(dir, &lost, "dirtree")).unwrap());
    same_complaints(&pair, &[]);
    same_complaints(&pair, &["-a"]);
}

#[test]
fn missing_metadata_makes_commits_partial() {
    let Some(pair) = pair("archive") else { return };
    let line = pair.same_success(&["ls", "--repo=r", "-dC", "main", "/"]);
    let lost = line
        .split_whitespace()
        .filter(|word| word.len() == 64)
        .nth(1)
        .unwrap()
        .to_owned();
    pair.in_both(|dir| fs::remove_file(object(dir, &lost, "dirmeta")).unwrap());
    same_complaints(&pair, &["-q"]);
    same_complaints(&pair, &[]);
}

#[test]
fn corrupt_objects_are_named() {
    type Damage = (&'static str, &'static str, &'static dyn Fn(&Path));
    let damages: [Damage; 3] = [
        ("bare-user", "file", &|path| {
            let text = fs::read(path).unwrap();
            fs::write(path, [text, b"!".to_vec()].concat()).unwrap();
        }),
        ("archive", "filez", &|path| {
            fs::OpenOptions::new()
                .write(true)
                .open(path)
                .unwrap()
                .set_len(10)
                .unwrap();
        }),
        ("bare-user-only", "file", &|path| {
            fs::write(path, "other").unwrap();
        }),
    ];
    for (mode, extension, damage) in damages {
        let Some(pair) = pair(mode) else { return };
        let hurt = checksum(&pair, "/d/x");
        pair.in_both(|dir| damage(&object(dir, &hurt, extension)));
        same_complaints(&pair, &[]);
        same_complaints(&pair, &["-a"]);
        same_complaints(&pair, &["-aq"]);
    }
}

#[test]
fn corrupt_metadata_is_named() {
    let Some(pair) = pair("archive") else { return };
    let line = pair.same_success(&["ls", "--repo=r", "-dC", "main", "/"]);
    let hurt = line
        .split_whitespace()
        .filter(|word| word.len() == 64)
        .nth(1)
        .unwrap()
        .to_owned();
    let other = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x41, 0xc0];
    pair.in_both(|dir| fs::write(object(dir, &hurt, "dirmeta"), other).unwrap());
    same_complaints(&pair, &[]);
    same_complaints(&pair, &["--all"]);
}

#[test]
fn corrupt_commits_are_named_with_their_refs() {
    for (hurt, other) in [("main", "main^"), ("main^", "main")] {
        let Some(pair) = pair("archive") else { return };
        let [hurt, other] =
            [hurt, other].map(|rev| pair.same_success(&["rev-parse", "--repo=r", rev]));
        pair.in_both(|dir| {
            fs::copy(object(dir, &other, "commit"), object(dir, &hurt, "commit")).unwrap();
        });
        same_complaints(&pair, &[]);
        same_complaints(&pair, &["-a"]);
    }
}

#[test]
fn refs_to_nothing_are_named() {
    let Some(pair) = pair("archive") else { return };
    let tip = pair.same_success(&["rev-parse", "--repo=r", "main"]);
    pair.in_both(|dir| fs::remove_file(object(dir, &tip, "commit")).unwrap());
    same_complaints(&pair, &[]);
    same_complaints(&pair, &["-q"]);
    pair.same(&["log", "--repo=r", "main"]);
    pair.same(&["ls", "--repo=r", "main"]);
}

#[test]
fn refs_that_hold_no_checksum_are_named() {
    let Some(pair) = pair("archive") else { return };
    pair.in_both(|dir| fs::write(dir.join("r/refs/heads/bad"), "garbage\n").unwrap());
    pair.same_lines(&["refs", "--repo=r"]);
    pair.same(&["rev-parse", "--repo=r", "bad"]);
    pair.same(&["refs", "--repo=r", "--create=bad", "main"]);
    same_complaints(&pair, &[]);
    pair.same(&["refs", "--repo=r", "--delete", "bad"]);
    pair.same(&["refs", "--repo=r"]);
}

#[test]
fn a_history_that_was_cut_off_is_no_damage() {
    let Some(pair) = pair("archive") else { return };
    let first = pair.same_success(&["rev-parse", "--repo=r", "main^"]);
    pair.in_both(|dir| {
        fs::write(
            dir.join("r/state").join(format!("{first}.commitpartial")),
            "",
        )
        .unwrap();
    });
    pair.same_success(&["fsck", "--repo=r"]);
    pair.in_both(|dir| fs::remove_file(object(dir, &first, "commit")).unwrap());
    pair.same_success(&["log", "--repo=r", "main"]);
    pair.same_success(&["log", "--repo=r", "--raw", "main"]);
}

/// A tool that was asked to delete what is corrupt leaves the same files behind.
#[test]
fn corrupt_objects_are_deleted_on_demand() {
    type Damage = fn(&Path);
    let cut: Damage = |path| {
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(fs::metadata(path).unwrap().len() - 2).unwrap();
    };
    let append: Damage = |path| {
        fs::write(path, [fs::read(path).unwrap(), b"more".to_vec()].concat()).unwrap();
    };
    let flip: Damage = |path| {
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).unwrap();
    };
    let cases = [
        ("archive", "/d/x", 0, "filez", flip),
        ("bare-user", "/f", 0, "file", flip),
        ("bare", "/f", 0, "file", cut),
        ("bare-user-only", "/d/x", 0, "file", cut),
        ("archive", "/d", 0, "dirtree", append),
        ("bare-user", "/d", 1, "dirmeta", flip),
    ];
    for (mode, path, column, extension, damage) in cases {
        for args in [&["--delete"][..], &["-a", "--delete", "-q"]] {
            let Some(pair) = pair(mode) else { return };
            let line = pair.same_success(&["ls", "--repo=r", "-dC", "main", path]);
            let mut sums = line.split_whitespace().filter(|word| word.len() == 64);
            let hurt = sums.nth(column).unwrap().to_owned();
            pair.in_both(|dir| damage(&object(dir, &hurt, extension)));
            same_complaints(&pair, args);
            same_complaints(&pair, &[]);
            for dir in [pair.ours(), pair.theirs()] {
                assert!(!object(&dir, &hurt, extension).exists(), "{mode} {path}");
                let marks = fs::read_dir(dir.join("r/state")).unwrap();
                for mark in marks {
                    assert_eq!(fs::read(mark.unwrap().path()).unwrap(), b"f");
                }
            }
        }
    }
}

#[test]
fn corrupt_commits_are_deleted_on_demand() {
    for (hurt, other) in [("main", "main^"), ("main^", "main")] {
        let Some(pair) = pair("archive") else { return };
        let [hurt, other] =
            [hurt, other].map(|rev| pair.same_success(&["rev-parse", "--repo=r", rev]));
        pair.in_both(|dir| {
            fs::copy(object(dir, &other, "commit"), object(dir, &hurt, "commit")).unwrap();
        });
        same_complaints(&pair, &["--delete"]);
        same_complaints(&pair, &["--delete"]);
    }
}

/// What cannot be read this time, and what would come back the same, is told and stays.
#[test]
fn only_worthless_objects_are_deleted() {
    let Some(pair) = pair("archive") else { return };
    pair.damaged("r", "a directory stands where an object was");
    let line = pair.same_success(&["ls", "--repo=r", "-dC", "main", "/d"]);
    let lost = line
        .split_whitespace()
        .find(|word| word.len() == 64)
        .unwrap()
        .to_owned();
    let path = object(&pair.ours(), &lost, "dirtree");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(
        pair.ask_us(&["fsck", "--repo=r", "-a", "--delete"]).code,
        Some(1)
    );
    assert!(path.is_dir());
}

#[test]
fn partial_commits_are_counted_alike() {
    let Some(pair) = pair("archive") else { return };
    let [tip, first] =
        ["main", "main^"].map(|rev| pair.same_success(&["rev-parse", "--repo=r", rev]));
    let mark = |commit: &str, content: &str| {
        pair.in_both(|dir| {
            let mark = dir.join("r/state").join(format!("{commit}.commitpartial"));
            fs::write(mark, content).unwrap();
        });
    };
    mark(&"0".repeat(64), "f"); // of a commit that is not there
    pair.same_success(&["fsck", "--repo=r"]);
    mark(&first, "");
    pair.same_success(&["fsck", "--repo=r"]);
    mark(&tip, "f");
    for args in [&[][..], &["-q"], &["--delete"], &["--verify-bindings"]] {
        same_complaints(&pair, args);
    }
}

#[test]
fn bindings_are_verified() {
    let Some(pair) = pair("archive") else { return };
    let verify = |more: &[&str]| {
        same_complaints(&pair, &[&["--verify-bindings"], more].concat());
        same_complaints(&pair, &[&["--verify-back-refs"], more].concat());
        same_complaints(
            &pair,
            &[&["--verify-bindings", "--verify-back-refs"], more].concat(),
        )
    };
    pair.in_both(|dir| fs::create_dir_all(dir.join("u")).unwrap());
    pair.same_success(&["refs", "--repo=r", "--delete", "main"]);
    pair.same_success(&["prune", "--repo=r", "--refs-only"]);
    pair.same_success(&["commit", "--repo=r", "-b", "one", "u"]);
    assert_eq!(verify(&[]).code, Some(0));
    pair.same_success(&["refs", "--repo=r", "--create=two", "one"]);
    assert_eq!(verify(&[]).code, Some(1));
    pair.same_success(&["refs", "--repo=r", "--delete", "one"]);
    verify(&["-q"]);
    verify(&["-a"]);
    pair.same_success(&["refs", "--repo=r", "--delete", "two"]);
    verify(&[]);
    pair.same_success(&["commit", "--repo=r", "-b", "three", "--no-bindings", "u"]);
    pair.same_success(&["prune", "--repo=r", "--refs-only"]);
    assert_eq!(verify(&[]).code, Some(0));
}

#[test]
fn bindings_to_collections_are_verified() {
    let Some(pair) = pair("archive") else { return };
    let tip = pair.same_success(&["rev-parse", "--repo=r", "main"]);
    pair.same_success(&["prune", "--repo=r", "--refs-only", "--depth=0"]);
    let verify = || {
        for args in [
            &["--verify-bindings"][..],
            &["--verify-back-refs", "-q"],
            &[],
        ] {
            same_complaints(&pair, args);
        }
    };
    let mirror = |collection: &str, name: &str, content: &str| {
        pair.in_both(|dir| {
            let mirror = dir.join("r/refs/mirrors").join(collection);
            fs::create_dir_all(&mirror).unwrap();
            fs::write(mirror.join(name), content).unwrap();
        });
    };
    mirror("org.example.A", "gone", &"0".repeat(64));
    verify();
    pair.in_both(|dir| fs::remove_dir_all(dir.join("r/refs/mirrors/org.example.A")).unwrap());
    mirror("org.example.A", "main", &tip); // no collection binding
    verify();
    pair.in_both(|dir| fs::remove_dir_all(dir.join("r/refs/mirrors/org.example.A")).unwrap());
    pair.in_both(|dir| {
        let config = dir.join("r/config");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, text + "collection-id=org.example.Own\n").unwrap();
    });
    verify();
    pair.same_success(&["commit", "--repo=r", "--orphan", "--no-bindings", "t"]);
    verify();
}

/// ostree deletes a commit whose parent is not there although a ref names it, which then names nothing.
#[test]
fn tombstones_are_added_where_history_was_cut_off() {
    let Some(pair) = pair("archive") else { return };
    same_complaints(&pair, &["--add-tombstones"]);
    let [tip, first] =
        ["main", "main^"].map(|rev| pair.same_success(&["rev-parse", "--repo=r", rev]));
    pair.in_both(|dir| fs::remove_file(object(dir, &first, "commit")).unwrap());
    let refused = pair
        .ask_us(&["fsck", "--repo=r", "--add-tombstones"])
        .failure();
    assert_eq!(refused, format!("Commit '{tip}' is referenced by 'main'"));
    pair.same_success(&["fsck", "--repo=r"]);
    pair.same_success(&["refs", "--repo=r", "--delete", "main"]);
    let answer = same_complaints(&pair, &["--add-tombstones"]);
    assert!(
        answer.stdout.contains("Adding tombstone"),
        "{}",
        answer.stdout
    );
    for dir in [pair.ours(), pair.theirs()] {
        assert!(object(&dir, &tip, "tombstone-commit").exists());
        assert!(!object(&dir, &tip, "commit").exists());
    }
    let config = |dir: PathBuf| fs::read_to_string(dir.join("r/config")).unwrap();
    assert_eq!(config(pair.ours()), config(pair.theirs()));
    same_complaints(&pair, &[]);
    same_complaints(&pair, &["more", "words"]);
}

/// What our own name says beyond ostree, and that ostree's name stays silent about it.
#[test]
fn our_own_name_says_more() {
    let Some(pair) = pair("bare-user") else {
        return;
    };
    pair.damaged("r", "an object is changed, and then deleted");
    let ask = |args: &[&str]| {
        let mut command = crate::pair::apk_ostree(&pair.ours());
        command.arg("fsck").arg("--repo=r").args(args);
        Answer::of(command)
    };
    let answer = ask(&[]);
    assert_eq!((answer.code, &*answer.stderr), (Some(0), ""));
    let file = object(&pair.ours(), &checksum(&pair, "/d/x"), "file");
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    for name in ["zz", "00.file"] {
        fs::write(pair.ours().join("r/objects").join(name), "").unwrap();
    }
    let answer = pair.ask_us(&["fsck", "--repo=r"]);
    assert_eq!((answer.code, &*answer.stderr), (Some(0), ""));
    let answer = ask(&[]);
    assert_eq!(answer.code, Some(1));
    assert!(
        answer
            .stderr
            .contains("the file has mode 0600 where the object asks for 0644"),
        "{answer:?}"
    );
    assert!(
        answer
            .stderr
            .contains("note: objects/zz: not a directory of objects"),
        "{answer:?}"
    );
    let json: serde_json::Value = serde_json::from_str(&ask(&["--json"]).stdout).unwrap();
    assert_eq!(
        (&json["ok"], &json["weaknesses"][0]["fault"]),
        (&false.into(), &true.into())
    );
    assert_eq!(json["strays"].as_array().unwrap().len(), 2);

    fs::write(&file, "other").unwrap();
    let answer = ask(&[]);
    let tip = pair.same_success(&["rev-parse", "--repo=r", "main"]);
    assert!(
        answer.stderr.contains(&format!("  as /d/x in {tip}")),
        "{answer:?}"
    );
    assert!(answer.stderr.contains("hint: "), "{answer:?}");
    let json: serde_json::Value =
        serde_json::from_str(&ask(&["--json", "--delete"]).stdout).unwrap();
    assert_eq!(json["problems"][0]["paths"][0]["path"], "/d/x");
    assert_eq!(json["deleted"].as_array().unwrap().len(), 1);
    assert!(!file.exists());
}
