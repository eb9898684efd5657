//! Directories, tars and commits laid over the packages.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use composer::event::Notice;
use fixtures::forge::tar::{Entry, Kind, Style, Tar};
use ostree_store::repo::RepoMode;

use crate::composed::{Found, Scratch, content};

fn manifest(overlays: &str) -> String {
    let demo = fixtures::path("demo");
    format!(
        "[repositories]\nurls = [\"{0}/repo\"]\nkeys = [\"{0}/keys\"]\narch = [\"x86_64\"]\n\
         [branch.base]\nref = \"base\"\npackages = [\"demo-base\"]\noverlays = [{overlays}]\n",
        demo.display()
    )
}

#[test]
fn the_last_one_wins_and_says_so() {
    let scratch = Scratch::new(RepoMode::BareUser);
    let dir = scratch.path().join("over");
    fs::create_dir_all(dir.join("etc/new.d")).unwrap();
    fs::create_dir_all(dir.join("tmp")).unwrap();
    fs::write(dir.join("etc/motd"), "from the directory\n").unwrap();
    fs::write(dir.join("etc/issue"), "from the directory\n").unwrap();
    fs::set_permissions(dir.join("etc/motd"), fs::Permissions::from_mode(0o4666)).unwrap();
    fs::set_permissions(dir.join("etc"), fs::Permissions::from_mode(0o700)).unwrap();
    let mut tar = Tar::new(Style::Posix);
    let mut issue = Entry::file("./etc/issue", "from the tar\n");
    (issue.uid, issue.gid, issue.mode) = (3, 4, 0o640);
    tar.append(&Entry {
        kind: Kind::Directory,
        mode: 0o755,
        ..Entry::file("./", "")
    });
    tar.append(&Entry {
        kind: Kind::Directory,
        mode: 0o755,
        ..Entry::file("./etc", "")
    });
    tar.append(&issue);
    fs::write(scratch.path().join("over.tar"), tar.end(1)).unwrap();

    let composed = scratch
        .compose(
            &manifest("\"over\", \"over.tar\""),
            scratch.path().to_owned(),
        )
        .unwrap();
    let tree = scratch.tree(composed[0].commit.as_deref().unwrap());
    assert_eq!(content(&tree, "etc/motd"), b"from the directory\n");
    assert_eq!(content(&tree, "etc/issue"), b"from the tar\n");
    // A directory brings contents, not owners; what the packages say of their directories stays.
    let Found::File { header, .. } = &tree["etc/motd"] else {
        panic!()
    };
    assert_eq!((header.uid, header.gid, header.mode), (0, 0, 0o644));
    assert_eq!(
        tree["etc"],
        Found::Dir {
            uid: 0,
            gid: 0,
            mode: 0o755
        }
    );
    assert_eq!(
        tree["tmp"],
        Found::Dir {
            uid: 0,
            gid: 0,
            mode: 0o1777
        }
    );
    assert_eq!(
        tree["etc/new.d"],
        Found::Dir {
            uid: 0,
            gid: 0,
            mode: 0o755
        }
    );
    let Found::File { header, .. } = &tree["etc/issue"] else {
        panic!()
    };
    assert_eq!((header.uid, header.gid, header.mode), (3, 4, 0o640));
    let told: Vec<&Notice> = composed[0]
        .notices
        .iter()
        .filter(|notice| matches!(notice, Notice::Overlaid { .. }))
        .collect();
    assert_eq!(told.len(), 3, "{told:?}");

    // A composed commit has a package database of its own, which is not merged by laying it over another.
    let other = manifest("\"ref:base\"").replace("ref = \"base\"", "ref = \"other\"");
    let refused = scratch
        .compose(&other, scratch.path().to_owned())
        .unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("ref:base has lib/apk/db/installed"),
        "{refused}"
    );
}
