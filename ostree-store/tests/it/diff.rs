//! Differences between trees. The expected lists are what ostree 2022.7 printed for the same two directories.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use ostree_store::checksum::DirTreeId;
use ostree_store::object::Checksummer;
use ostree_store::tree::diff::{Diff, Side, diff};
use ostree_store::tree::on_disk::OnDisk;

/// Makes directories (ending in a slash), links (`name -> target`) and files (`name=content`).
fn lay_out(root: &Path, entries: &[&str]) {
    for entry in entries {
        if let Some((name, target)) = entry.split_once(" -> ") {
            symlink(target, root.join(name)).unwrap();
        } else if let Some((name, content)) = entry.split_once('=') {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::write(root.join(name), content).unwrap();
        } else {
            fs::create_dir_all(root.join(entry)).unwrap();
        }
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn differences_come_in_ostrees_order() {
    let dir = fixtures::scratch("diff");
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    lay_out(
        &a,
        &[
            "d/f=1",
            "d/s/",
            "k/",
            "x/y/y1=y",
            "t=t",
            "r=r",
            "same=same",
            "u/u1=u",
            "sl -> a",
        ],
    );
    let new = [
        "d/f=2",
        "d/s/new2=n",
        "d/new=n",
        "k/",
        "zz/q/q1=q",
        "zz/q0=q0",
        "aa/",
        "aaa=a",
        "zzz=z",
    ];
    lay_out(&b, &new);
    lay_out(&b, &["t/in=in", "same=same", "u=u", "sl -> b"]);
    fs::set_permissions(b.join("k"), Permissions::from_mode(0o700)).unwrap();
    let (a, b) = (OnDisk::new(&a), OnDisk::new(&b));
    let (first, second) = (Side::OnDisk(&a), Side::OnDisk(&b));
    let expected = Diff {
        modified: words("sl t d/f k u"),
        removed: words("r x"),
        added: words("d/s/new2 d/new aaa zzz aa zz zz/q0 zz/q zz/q/q1"),
    };
    assert_eq!(diff(first, second).unwrap(), expected);
    assert_eq!(diff(first, first).unwrap(), Diff::default());
}

/// A tree whose objects are nowhere is equal to itself: equal checksums need no look.
#[test]
fn equal_trees_are_not_read() {
    let tree = ostree_store::object::DirTree::default().id();
    let side = Side::Stored {
        source: &Checksummer,
        tree,
    };
    assert_eq!(diff(side, side).unwrap(), Diff::default());
    let other = Side::Stored {
        source: &Checksummer,
        tree: DirTreeId::new(ostree_store::checksum::Checksum::of(b"")),
    };
    assert!(diff(side, other).is_err());
}

/// What only one side has is not even opened: a file of 8 TiB would take hours.
#[test]
fn what_need_not_be_compared_is_not_read() {
    let dir = fixtures::scratch("diff-lazy");
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    lay_out(&a, &["same=same", "kind/"]);
    lay_out(&b, &["same=same", "gone/kept=k"]);
    for path in [b.join("new"), b.join("gone/new"), b.join("kind")] {
        fs::File::create(path).unwrap().set_len(1 << 43).unwrap();
    }
    let (a, b) = (OnDisk::new(&a), OnDisk::new(&b));
    let found = diff(Side::OnDisk(&a), Side::OnDisk(&b)).unwrap();
    assert_eq!(found.modified, words("kind"));
    assert_eq!(found.added, words("new gone gone/kept gone/new"));
    let back = diff(Side::OnDisk(&b), Side::OnDisk(&a)).unwrap();
    assert_eq!(back.removed, words("new gone"));
}
