//! `prune` beside the real tool: the same words, and the same files left in the repository.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::pair::{Pair, apk_ostree};

const MODES: [&str; 4] = ["bare", "bare-user", "bare-user-only", "archive"];

/// A pair with five commits on `main`, two on `side` and one on the remote's `origin:far`, and one without a ref.
/// Every commit has a file that no other one has.
fn pair(mode: &str) -> Option<Pair> {
    let pair = Pair::new("prune")?;
    pair.same_success(&["init", "--repo=r", &format!("--mode={mode}")]);
    pair.unsynced("r");
    pair.in_both(|dir| fs::create_dir_all(dir.join("t/d")).unwrap());
    for (number, branch) in (1..).zip([
        "main",
        "main",
        "side",
        "main",
        "side",
        "main",
        "main",
        "origin:far",
    ]) {
        commit(&pair, number, &["-b", branch]);
    }
    commit(&pair, 9, &["--orphan"]);
    Some(pair)
}

/// Commits a tree with a file of this number, as of the second of this number.
fn commit(pair: &Pair, number: i64, to: &[&str]) -> String {
    pair.in_both(|dir| {
        fs::write(dir.join("t/d/name"), format!("{number}\n")).unwrap();
        fs::write(dir.join("t/same"), "same\n").unwrap();
    });
    let time = format!("--timestamp=@{}", 1_700_000_000 + number);
    let words = [
        "commit",
        "--repo=r",
        &time,
        "--owner-uid=0",
        "--owner-gid=0",
    ];
    pair.same_success(&[&words[..], to, &["t"]].concat())
}

fn copy(from: &Path, to: &Path) {
    let mut command = std::process::Command::new("cp");
    assert!(
        command
            .arg("-a")
            .args([from, to])
            .status()
            .unwrap()
            .success()
    );
}

/// Every file of a repository that a prune may touch, and what is in it if that is not an object's content.
fn files(repo: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut dirs = vec![repo.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path
                .strip_prefix(repo)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            if path.is_dir() && !path.is_symlink() {
                dirs.push(path);
            } else if !name.starts_with("tmp/staging") {
                let content = fs::read(&path).unwrap_or_default();
                let content = if name.ends_with(".filez") {
                    Vec::new()
                } else {
                    content
                };
                files.insert(name, content);
            }
        }
    }
    files
}

#[track_caller]
fn same_files(pair: &Pair) {
    let (ours, theirs) = (
        files(&pair.ours().join("r")),
        files(&pair.theirs().join("r")),
    );
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&ours), names(&theirs), "left is ours");
    assert_eq!(ours, theirs, "left is ours");
}

/// The command, then a look at the files, then both checks.
#[track_caller]
fn same_prune(pair: &Pair, args: &[&str]) {
    pair.same(&[&["prune", "--repo=r"], args].concat());
    same_files(pair);
    pair.same_success(&["fsck", "--repo=r"]);
}

#[test]
fn every_rule_keeps_what_ostree_keeps() {
    let rules: [&[&str]; 16] = [
        &[],
        &["--depth=1"],
        &["--refs-only"],
        &["--refs-only", "--depth=0"],
        &["--refs-only", "--depth=2"],
        &["--refs-only", "--depth=-2"],
        &["--keep-younger-than=@1700000004"],
        &["--keep-younger-than=2100-01-01"],
        &["--only-branch=main", "--depth=1"],
        &[
            "--only-branch=origin:far",
            "--only-branch=side",
            "--depth=0",
        ],
        &["--retain-branch-depth=main=1", "--depth=0"],
        &["--retain-branch-depth=main=0", "--depth=2"],
        &[
            "--retain-branch-depth=side=-1",
            "--keep-younger-than=@1700000006",
        ],
        &["--commit-only"],
        &["--commit-only", "--refs-only", "--depth=1"],
        &["--commit-only", "--keep-younger-than=@1700000004"],
    ];
    let pairs = MODES.map(pair);
    for pair in pairs.iter().flatten() {
        pair.in_both(|dir| fs::rename(dir.join("r"), dir.join("template")).unwrap());
    }
    for (number, rule) in rules.iter().enumerate() {
        let Some(pair) = &pairs[number % MODES.len()] else {
            return;
        };
        pair.remove("r");
        pair.in_both(|dir| copy(&dir.join("template"), &dir.join("r")));
        pair.same(&[&["prune", "--repo=r", "--no-prune"], *rule].concat());
        same_files(pair);
        same_prune(pair, rule);
        same_prune(pair, &[]);
    }
}

#[test]
fn objects_without_commits_go_in_every_mode() {
    for mode in MODES {
        let Some(pair) = pair(mode) else { return };
        same_prune(
            &pair,
            &["--refs-only", "--no-prune", "some", "more", "words"],
        );
        same_prune(&pair, &["--refs-only", "--depth=1"]);
        same_prune(&pair, &["--refs-only", "--depth=1"]);
        pair.same_success(&["refs", "--repo=r", "--delete", "side"]);
        same_prune(&pair, &["--refs-only"]);
        pair.same_lines(&["refs", "--repo=r"]);
    }
}

#[test]
fn a_deleted_commit_leaves_a_tombstone_until_it_is_written_again() {
    let Some(pair) = pair("archive") else { return };
    let [tip, first] =
        ["main", "main^^^^"].map(|rev| pair.same_success(&["rev-parse", "--repo=r", rev]));
    for refused in [&tip, "main", "", "abc", &"0".repeat(64)] {
        pair.same(&["prune", "--repo=r", &format!("--delete-commit={refused}")]);
    }
    pair.same(&["prune", "--repo=r", "--delete-commit", &first, "--no-prune"]);
    pair.same(&["prune", "--repo=r", "--static-deltas-only"]);
    same_prune(&pair, &["--delete-commit", &first]);
    let tombstone = format!("objects/{}/{}.tombstone-commit", &first[..2], &first[2..]);
    assert!(files(&pair.ours().join("r")).contains_key(&tombstone));
    for command in ["log", "show", "ls"] {
        pair.same(&[command, "--repo=r", &first]);
        pair.same(&[command, "--repo=r", "main"]);
    }
    pair.same(&["prune", "--repo=r", "--delete-commit", &first]);
    same_prune(&pair, &["--refs-only", "--depth=0"]);

    let again = commit(&pair, 1, &["-b", "other"]);
    pair.same_success(&["refs", "--repo=r", "--delete", "other"]);
    same_prune(&pair, &["--delete-commit", &again]);
    assert_eq!(commit(&pair, 1, &["-b", "other"]), again);
    same_files(&pair);
    let tombstone = format!("objects/{}/{}.tombstone-commit", &again[..2], &again[2..]);
    assert!(!files(&pair.ours().join("r")).contains_key(&tombstone));
    pair.same_lines(&["refs", "--repo=r"]);
}

/// The mark of a partial commit goes with it; ostree leaves it, so that the commit counts as partial when it is back.
#[test]
fn a_deleted_commit_is_not_partial_when_it_is_back() {
    let Some(pair) = pair("archive") else { return };
    let orphan = commit(&pair, 30, &["--orphan"]);
    let mark = pair.ours().join(format!("r/state/{orphan}.commitpartial"));
    fs::write(&mark, "f").unwrap();
    pair.ask_us(&["prune", "--repo=r", "--delete-commit", &orphan])
        .success();
    assert!(!mark.exists());
    fs::write(&mark, "").unwrap();
    pair.ask_us(&["prune", "--repo=r"]).success();
    assert!(
        !mark.exists(),
        "what a prune that was broken off has left goes too"
    );
}

/// A setting that is there already keeps its place; comments of the user stay (ostree drops them).
#[test]
fn tombstones_are_turned_on_in_the_configuration() {
    let Some(pair) = pair("bare-user") else {
        return;
    };
    pair.in_both(|dir| {
        let config = dir.join("r/config");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(
            &config,
            text + "\n[remote \"origin\"]\nurl=http://localhost/\n",
        )
        .unwrap();
    });
    let orphan = commit(&pair, 20, &["--orphan"]);
    same_prune(&pair, &["--delete-commit", &orphan]);
    let orphan = commit(&pair, 21, &["--orphan"]);
    same_prune(&pair, &["--delete-commit", &orphan]);
}

#[test]
fn what_belongs_to_a_commit_goes_with_it() {
    let Some(pair) = pair("archive") else { return };
    let [first, second, tip] = ["main^^^^", "main^^^", "main"]
        .map(|rev| pair.same_success(&["rev-parse", "--repo=r", rev]));
    pair.in_both(|dir| {
        let repo = dir.join("r");
        for commit in [&first, &tip] {
            let meta = format!("objects/{}/{}.commitmeta", &commit[..2], &commit[2..]);
            fs::write(repo.join(meta), "").unwrap();
        }
        fs::write(repo.join(format!("state/{first}.commitpartial")), "").unwrap();
        fs::create_dir_all(repo.join("tmp/cache/summaries")).unwrap();
        for name in ["gone", "gone.sig"] {
            fs::write(repo.join("tmp/cache/summaries").join(name), "").unwrap();
        }
    });
    for delta in [
        &[][..],
        &["--from", &first, "--to", &tip],
        &["--empty", "--to", &first],
        &["--from", &first, "--to", &second],
    ] {
        // Only the real tool makes deltas.
        let mut args = vec!["static-delta", "generate", "--repo=r"];
        args.extend(if delta.is_empty() {
            &["main"][..]
        } else {
            delta
        });
        let answer = pair.ask_them(&args);
        assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    }
    let (ours, theirs) = (pair.ours().join("r/deltas"), pair.theirs().join("r/deltas"));
    copy(&theirs, &ours);
    fs::copy(pair.theirs().join("r/config"), pair.ours().join("r/config")).unwrap();
    same_prune(&pair, &["--static-deltas-only", "--delete-commit", &second]);
    same_prune(&pair, &["--refs-only", "--depth=0"]);
}

/// `--no-prune` deletes nothing at all; in ostree deltas to commits that are gone go all the same.
#[test]
fn a_dry_run_changes_nothing() {
    let Some(pair) = pair("archive") else { return };
    pair.in_both(|dir| {
        let delta = dir.join("r/deltas/hq/MyATpG9L3MgsoaUtxo+xO_Q3p_8YZuJ2hTHeYIXFc");
        fs::create_dir_all(&delta).unwrap();
        fs::write(delta.join("superblock"), "").unwrap();
    });
    let before = files(&pair.ours().join("r"));
    pair.same_success(&[
        "prune",
        "--repo=r",
        "--no-prune",
        "--refs-only",
        "--depth=0",
    ]);
    assert_eq!(files(&pair.ours().join("r")), before);
    same_prune(&pair, &["--refs-only", "--depth=0"]);
}

#[test]
fn wrong_words_are_refused_alike() {
    let Some(pair) = pair("archive") else { return };
    for words in [
        &["--depth=x"][..],
        &["--keep-younger-than=nonsense"],
        &["--retain-branch-depth=main"],
        &["--retain-branch-depth=main="],
        &["--retain-branch-depth=main=x"],
        &["--retain-branch-depth=main=1x", "--no-prune"],
        &["--only-branch=nope"],
        &["--badopt"],
    ] {
        let answer = pair.same(&[&["prune", "--repo=r"], words].concat());
        assert!(
            answer.code == Some(1) || answer.stderr.is_empty(),
            "{words:?}"
        );
    }
    same_files(&pair);
}

/// A commit whose objects are not all there stays; one that should have all of them ends the prune.
#[test]
fn missing_directories_end_a_prune_unless_the_commit_is_partial() {
    let Some(pair) = pair("archive") else { return };
    let line = pair.same_success(&["ls", "--repo=r", "-dC", "side", "/d"]);
    let lost = line
        .split_whitespace()
        .find(|word| word.len() == 64)
        .unwrap()
        .to_owned();
    let tip = pair.same_success(&["rev-parse", "--repo=r", "side"]);
    pair.in_both(|dir| {
        let object = format!("r/objects/{}/{}.dirtree", &lost[..2], &lost[2..]);
        fs::remove_file(dir.join(object)).unwrap();
    });
    let answer = pair.same(&["prune", "--repo=r"]);
    assert_eq!(answer.code, Some(1));
    pair.in_both(|dir| {
        fs::write(dir.join("r/state").join(format!("{tip}.commitpartial")), "").unwrap();
    });
    same_prune(&pair, &[]);
    same_prune(&pair, &["--refs-only", "--depth=0"]);
}

/// A ref that cannot be read may keep anything: ostree passes over it and deletes its history.
#[test]
fn refs_that_cannot_be_read_end_a_prune() {
    let Some(pair) = pair("archive") else { return };
    pair.damaged("r", "a ref has no content");
    fs::write(pair.ours().join("r/refs/heads/main"), "").unwrap();
    let before = files(&pair.ours().join("r"));
    let failure = pair.ask_us(&["prune", "--repo=r", "--refs-only"]).failure();
    assert!(failure.starts_with("Invalid rev"), "{failure}");
    assert_eq!(files(&pair.ours().join("r")), before);
}

/// A commit that two refs reach is kept as the one says that keeps more; refs of other collections count too.
#[test]
fn no_ref_loses_what_it_keeps() {
    let Some(pair) = pair("archive") else { return };
    let ours = pair.ours().join("r");
    pair.ask_us(&["refs", "--repo=r", "--create=older", "main^^"])
        .success();
    let mirrored = pair
        .ask_us(&["rev-parse", "--repo=r", "main^^^^"])
        .success();
    fs::create_dir_all(ours.join("refs/mirrors/org.example.A")).unwrap();
    fs::write(ours.join("refs/mirrors/org.example.A/first"), &mirrored).unwrap();
    pair.ask_us(&["prune", "--repo=r", "--only-branch=main", "--depth=0"])
        .success();
    let log = pair.ask_us(&["log", "--repo=r", "older"]).success();
    assert_eq!(log.matches("ContentChecksum").count(), 3, "{log}");
    pair.ask_us(&["prune", "--repo=r", "--keep-younger-than=2100-01-01"])
        .success();
    pair.ask_us(&["log", "--repo=r", mirrored.trim()]).success();
    pair.ask_us(&["fsck", "--repo=r"]).success();
}

/// Our own option: what is young stays, with all it needs, and goes when it is old.
#[test]
fn young_objects_can_be_spared() {
    let Some(pair) = pair("archive") else { return };
    let ours = pair.ours();
    let ask = |args: &[&str]| {
        let mut command = apk_ostree(&ours);
        command.args(args);
        crate::pair::Answer::of(command)
    };
    let before = files(&ours.join("r"));
    let answer = ask(&[
        "prune",
        "--repo=r",
        "--refs-only",
        "--depth=0",
        "--min-age=1h",
    ]);
    assert!(
        answer.stderr.starts_with("kept ") && answer.code == Some(0),
        "{answer:?}"
    );
    assert_eq!(files(&ours.join("r")), before);
    let answer = ask(&[
        "prune",
        "--repo=r",
        "--refs-only",
        "--depth=0",
        "--min-age=1h",
        "--json",
    ])
    .success();
    let json: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(json["deleted"], 0);
    assert!(json["young"].as_u64().unwrap() > 0, "{json}");
    assert_eq!(ask(&["prune", "--repo=r", "--min-age=soon"]).code, Some(2));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let answer = ask(&[
        "prune",
        "--repo=r",
        "--refs-only",
        "--depth=0",
        "--min-age=0",
    ]);
    assert_eq!(answer.code, Some(0));
    assert!(files(&ours.join("r")).len() < before.len());
    pair.ask_us(&["fsck", "--repo=r"]).success();
}
