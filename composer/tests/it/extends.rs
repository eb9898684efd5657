//! Branches that extend others: the same builds, the wants of both, the parent's commit in the metadata.

use std::fs;

use fixtures::forge::{Forge, Key, Repository};
use ostree_store::checksum::CommitId;
use ostree_store::gvariant::Value;
use ostree_store::repo::RepoMode;

use crate::composed::Scratch;

/// Two versions of `lib`: what is wanted beside it decides which is chosen.
fn material() -> Scratch {
    let scratch = Scratch::new(RepoMode::BareUser);
    let key = Key::demo();
    let keys = scratch.path().join("keys");
    fs::create_dir(&keys).unwrap();
    fs::write(keys.join(key.name()), key.public_pem()).unwrap();
    let package = |name: &str, version: &str| {
        let path = format!("usr/{name}");
        Forge::package(name, version)
            .arch("x86_64")
            .dir("usr")
            .file(&path, format!("{version}\n"))
    };
    Repository::new("x86_64")
        .add(package("app", "1-r0").depends("lib<2"))
        .add(package("extra", "1-r0").depends("lib"))
        .add(package("lib", "1-r0"))
        .add(package("lib", "2-r0"))
        .add(package("modern", "1-r0").depends("lib>=2"))
        .write(&scratch.path().join("packages"), &key)
        .unwrap();
    fs::create_dir_all(scratch.path().join("over/etc")).unwrap();
    fs::write(scratch.path().join("over/etc/said"), "by the parent\n").unwrap();
    scratch
}

fn manifest(branches: &str) -> String {
    format!(
        "[repositories]\nurls = [\"packages\"]\nkeys = [\"keys\"]\narch = [\"x86_64\"]\n{branches}"
    )
}

const BASE: &str = "[branch.z-base]\nref = \"base\"\npackages = [\"app\"]\noverlays = [\"over\"]\n";

#[test]
fn a_child_has_the_builds_of_its_parent() {
    let scratch = material();
    let text = manifest(&format!(
        "{BASE}[branch.a-alone]\nref = \"alone\"\npackages = [\"extra\"]\n\
         [branch.b-child]\nref = \"child\"\nextends = \"z-base\"\npackages = [\"extra\"]\n\
         [branch.c-grandchild]\nref = \"grandchild\"\nextends = \"b-child\"\n"
    ));
    let composed = scratch.compose(&text, scratch.path().to_owned()).unwrap();
    let names: Vec<&str> = composed.iter().map(|one| one.branch.as_str()).collect();
    assert_eq!(names, ["a-alone", "b-child", "c-grandchild", "z-base"]);
    let packages = |at: usize| -> Vec<String> {
        let packages = composed[at].packages.iter();
        packages
            .map(|one| format!("{}-{}", one.name, one.version))
            .collect()
    };
    assert_eq!(packages(0), ["extra-1-r0", "lib-2-r0"]);
    assert_eq!(packages(1), ["app-1-r0", "extra-1-r0", "lib-1-r0"]);
    assert_eq!(packages(2), packages(1));
    let commit = |at: usize| composed[at].commit.clone().unwrap();
    assert!(scratch.tree(&commit(1)).contains_key("etc/said"));
    assert!(!scratch.tree(&commit(0)).contains_key("etc/said"));
    let id = CommitId::new(commit(1).parse().unwrap());
    let metadata = scratch.repo.commit(&id).unwrap().metadata;
    let parent = Value::strings(["base", &*commit(3)]);
    assert_eq!(metadata.get("apk-ostree.extends"), Some(&parent));
    let again = scratch.compose(&text, scratch.path().to_owned()).unwrap();
    assert!(again.iter().all(|one| one.unchanged));
}

#[test]
fn order_in_the_manifest_means_nothing() {
    let (first, second) = (material(), material());
    let child = "[branch.b-child]\nref = \"child\"\nextends = \"z-base\"\npackages = [\"extra\", \"lib\"]\n";
    let swapped = "[branch.b-child]\npackages = [\"lib\", \"extra\"]\nextends = \"z-base\"\nref = \"child\"\n";
    let commits = |scratch: &Scratch, text: &str| -> Vec<Option<String>> {
        let composed = scratch
            .compose(&manifest(text), scratch.path().to_owned())
            .unwrap();
        composed.into_iter().map(|one| one.commit).collect()
    };
    assert_eq!(
        commits(&first, &format!("{BASE}{child}")),
        commits(&second, &format!("{swapped}{BASE}"))
    );
}

#[test]
fn what_the_parent_rules_out_is_told() {
    let scratch = material();
    let text = manifest(&format!(
        "{BASE}[branch.child]\nref = \"child\"\nextends = \"z-base\"\npackages = [\"modern\"]\n"
    ));
    let error = scratch
        .compose(&text, scratch.path().to_owned())
        .unwrap_err();
    let told = error.to_string();
    assert!(told.contains("branch \"child\""), "{told}");
    for words in [
        "modern-1-r0 needs lib>=2",
        "these wants cannot hold together:",
        "lib-2-r0 cannot be installed: the parent has lib-1-r0",
    ] {
        assert!(told.contains(words), "{told}");
    }
    assert_eq!(error.hint().unwrap(), "leave out modern");
}

/// A child may word a want of its parent anew, and still has the parent's build.
#[test]
fn a_choice_of_the_parent_stands_whatever_the_child_wants() {
    let scratch = material();
    let branches = |packages: &str| {
        manifest(&format!(
            "[branch.base]\nref = \"base\"\npackages = [\"lib<2\"]\n\
             [branch.child]\nref = \"child\"\nextends = \"base\"\npackages = [{packages}]\n"
        ))
    };
    let dir = || scratch.path().to_owned();
    let composed = scratch.compose(&branches("\"lib\""), dir()).unwrap();
    assert_eq!(composed[1].packages[0].version, "1-r0");
    let error = scratch
        .compose(&branches("\"lib\", \"modern\""), dir())
        .unwrap_err();
    let told = error.to_string();
    assert!(
        told.contains("lib-2-r0 cannot be installed: the parent has lib-1-r0"),
        "{told}"
    );
}
