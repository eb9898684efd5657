//! Files that are copied into their places, as where a directory of the root is another mount: what is left is the same
//! as where they are renamed, and what a broken run leaves goes. Needs root; mounts it does not need.

use std::fs;
use std::path::Path;

use composer::Dialect;
use composer::install::Options;

use crate::install::{Site, listing, new_root};

#[test]
fn copied_files_are_as_renamed_ones() {
    if !fixtures::record::is_possible() {
        return;
    }
    for dialect in [Dialect::Apk2, Dialect::Apk3] {
        let scratch = fixtures::scratch("copies");
        let [renamed, copied] = ["renamed", "copied"].map(|name| {
            let root = scratch.path().join(name);
            let listings = life(&root, dialect, name == "copied");
            fs::remove_dir_all(root).unwrap();
            listings
        });
        for (renamed, copied) in renamed.iter().zip(&copied) {
            assert_eq!(crate::install::difference(copied, renamed), "", "{dialect}");
        }
    }
}

/// What a root is after each step.
fn life(root: &Path, dialect: Dialect, copies: bool) -> Vec<String> {
    let repositories = [fixtures::path("demo/repo")];
    let mut site = Site {
        root: root.to_owned(),
        repositories: &repositories,
        keys: &fixtures::path("demo/keys"),
        arch: "x86_64",
        options: Options {
            copies,
            ..new_root(dialect, "x86_64")
        },
    };
    let mut listings = Vec::new();
    let [(_, first), (_, second)] = fixtures::demo::BRANCHES;
    site.add(first);
    listings.push(listing(root, dialect));
    site.options.create = false;
    fs::write(root.join("etc/motd"), "edited").unwrap();
    // As if a run had been broken off while a file was on its way.
    let stage = root.join(".apk-ostree.stage");
    fs::create_dir(&stage).unwrap();
    fs::write(stage.join("copied"), "usr/bin\nno/such\n").unwrap();
    fs::write(root.join("usr/bin/.apk-ostree.copy"), "half of a f").unwrap();
    site.add(second);
    listings.push(listing(root, dialect));
    site.del(&["demo-tool", "demo-git"]);
    listings.push(listing(root, dialect));
    assert!(
        listings
            .iter()
            .all(|listed| !listed.contains(".apk-ostree")),
        "{listings:?}"
    );
    listings
}
