//! Differences between trees. The expected lists are what ostree 2022.7 printed for the same two directories.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use ostree_store::checksum::DirTreeId;
use ostree_store::object::Checksummer;
use ostree_store::tree::diff::{Diff, DirTreesOnly, Side, diff};
use ostree_store::tree::import_dir::import_dir;
use ostree_store::tree::modify::Modifier;

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

fn root_of(path: &Path, trees: &DirTreesOnly) -> DirTreeId {
    import_dir(path, &Modifier::default(), trees)
        .unwrap()
        .write(trees)
        .unwrap()
        .0
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
    let trees = DirTreesOnly::default();
    let side = |path: &Path| Side {
        source: &trees,
        tree: root_of(path, &trees),
    };
    let (first, second) = (side(&a), side(&b));
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
    let side = Side {
        source: &Checksummer,
        tree,
    };
    assert_eq!(diff(side, side).unwrap(), Diff::default());
    let other = Side {
        source: &Checksummer,
        tree: DirTreeId::new(ostree_store::checksum::Checksum::of(b"")),
    };
    assert!(diff(side, other).is_err());
}
