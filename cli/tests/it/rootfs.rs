//! Alpine's own root file system, where it is at hand: from the archive and from a directory, in every mode, both
//! tools give the same commits, and each finds nothing wrong with the other's repository.

use crate::pair::Pair;
use std::path::PathBuf;
use std::process::Command;

const MODES: [&str; 4] = ["bare", "bare-user", "bare-user-only", "archive"];

fn archives() -> Vec<PathBuf> {
    let Some(shared) = fixtures::shared() else {
        return Vec::new();
    };
    let names =
        ["x86_64", "aarch64"].map(|arch| format!("data/alpine-minirootfs-3.20.3-{arch}.tar.gz"));
    names
        .into_iter()
        .map(|name| shared.join(name))
        .filter(|path| path.exists())
        .collect()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn compare(archive: &std::path::Path, mode: &str) {
    let Some(mut pair) = Pair::new("rootfs") else {
        return;
    };
    pair.env("SOURCE_DATE_EPOCH", "1700000000");
    pair.same_success(&["init", "--repo=r", &format!("--mode={mode}")]);
    pair.unsynced("r");
    let tar = format!("--tree=tar={}", archive.display());
    let commit = pair.same_success(&[
        "commit",
        "--repo=r",
        "-b",
        "tar",
        "-s",
        "From the archive",
        &tar,
    ]);
    pair.same_success(&[
        "commit",
        "--repo=r",
        "-b",
        "canonical",
        "--canonical-permissions",
        &tar,
    ]);
    for rev in ["tar", "canonical"] {
        pair.same_success(&["ls", "--repo=r", "-RCX", rev]);
    }
    let options: &[&str] = if is_root() { &[] } else { &["-U"] };
    pair.same_success(&[&["checkout", "--repo=r"], options, &["tar", "checkout"]].concat());
    pair.same_tree("checkout", is_root() || mode != "archive");
    pair.same_success(&["checkout", "--repo=r", "-U", "tar", "as-user"]);
    pair.same_tree("as-user", mode != "archive");
    if is_root() {
        pair.in_both(|dir| {
            let root = dir.join("root");
            std::fs::create_dir(&root).unwrap();
            let mut tar = Command::new("tar");
            tar.arg("-xpzf")
                .arg(archive)
                .arg("-C")
                .arg(&root)
                .args(["--numeric-owner", "--same-owner"]);
            assert!(tar.status().unwrap().success());
        });
        pair.same_success(&["commit", "--repo=r", "-b", "dir", "--tree=dir=root"]);
        let trees = ["tar", "dir"].map(|rev| pair.same(&["ls", "--repo=r", "-dC", rev]).stdout);
        assert_eq!(
            trees[0], trees[1],
            "the archive and the directory hold the same tree"
        );
        pair.same(&["diff", "--repo=r", "tar", "dir"]);
        pair.same(&["diff", "--repo=r", "tar", "canonical"]);
    }
    pair.same_success(&["fsck", "--repo=r"]);
    exchange(&pair, &commit);
}

/// Each tool over the other's repository.
fn exchange(pair: &Pair, commit: &str) {
    let [ours, theirs] =
        [pair.ours(), pair.theirs()].map(|dir| format!("--repo={}", dir.join("r").display()));
    for args in [&["fsck"][..], &["ls", "-RCX", commit], &["log", "tar"]] {
        let ours_of_theirs = pair.ask_us(&[args, &[theirs.as_str()]].concat());
        let theirs_of_ours = pair.ask_them(&[args, &[ours.as_str()]].concat());
        assert_eq!(
            ours_of_theirs, theirs_of_ours,
            "left is ours of their repository: {args:?}"
        );
        assert_eq!(ours_of_theirs.code, Some(0), "{}", ours_of_theirs.stderr);
    }
    let option = if is_root() { "-C" } else { "-UC" };
    pair.ask_us(&["checkout", theirs.as_str(), option, "tar", "crossed"])
        .success();
    pair.ask_them(&["checkout", ours.as_str(), option, "tar", "crossed"])
        .success();
    pair.same_tree("crossed", true);
}

#[test]
fn both_tools_agree_about_alpine() {
    for archive in archives() {
        for mode in MODES.into_iter().skip(usize::from(!is_root())) {
            compare(&archive, mode);
        }
    }
}
