//! A repository made out of a real root file system: the composed tree is what apk installs.
//!
//! The real apks are asked where `APK_OSTREE_APK2` and `APK_OSTREE_APK3` name them; the database inside the root file system, written by
//! apk 2.14, is compared with everywhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use apk_format::Digest;
use composer::Dialect;
use ostree_store::object::FileKind;
use ostree_store::repo::RepoMode;

use crate::composed::{Found, Scratch, assert_text, content};

const ARCHES: [&str; 2] = ["x86_64", "aarch64"];

/// Rebuilds the repository of a root file system; `None` where the material or the tools are not there.
pub(crate) fn repack(shared: &Path, arch: &str, out: &Path) -> Option<PathBuf> {
    for tool in ["python3", "openssl"] {
        if Command::new(tool).arg("--version").output().is_err() {
            eprintln!("{tool} is not here: the real root file systems are not composed");
            return None;
        }
    }
    let repository = out.join(format!("repack-{arch}"));
    let status = Command::new("python3")
        .arg(shared.join("tools/repack-minirootfs.py"))
        .arg(tarball(shared, arch))
        .arg(&repository)
        .arg("--key")
        .arg(out.join("test.rsa"))
        .arg("--make-key")
        .output()
        .unwrap();
    assert!(
        status.status.success(),
        "{}",
        String::from_utf8_lossy(&status.stderr)
    );
    Some(repository)
}

fn tarball(shared: &Path, arch: &str) -> PathBuf {
    shared.join(format!("data/alpine-minirootfs-3.20.3-{arch}.tar.gz"))
}

fn manifest(repository: &Path, arch: &str, packages: &str) -> String {
    let packages: Vec<String> = packages
        .split_whitespace()
        .map(|name| format!("{name:?}"))
        .collect();
    let place = repository.display();
    format!(
        "[repositories]\nurls = [\"{place}\"]\nkeys = [\"{place}/keys\"]\narch = [\"{arch}\"]\n\
         [branch.base]\nref = \"alpine/{arch}\"\npackages = [{}]\n",
        packages.join(", ")
    )
}

#[test]
fn real_packages_compose_to_what_apk_installs() {
    let Some(shared) = fixtures::shared() else {
        return;
    };
    for arch in ARCHES {
        let scratch = Scratch::new(RepoMode::BareUser);
        let Some(repository) = repack(&shared, arch, scratch.path()) else {
            return;
        };
        let world = std::fs::read_to_string(repository.join("world")).unwrap();
        let composed = scratch
            .compose(&manifest(&repository, arch, &world), PathBuf::new())
            .unwrap();
        let tree = scratch.tree(composed[0].commit.as_deref().unwrap());
        assert_owned_paths(
            &tree,
            &std::fs::read_to_string(repository.join("expected.tsv")).unwrap(),
        );
        // The world has apk-tools 2.14, so the database is in its dialect, unless another is asked for.
        assert_real_database(&tree, &shared, arch);
        if let Some(apk) = fixtures::peer::apk2() {
            assert_as_apk_installs(Dialect::Apk2, &tree, &apk, &repository, arch, &world);
        }
        if let Some(apk) = fixtures::peer::apk3() {
            let scratch = Scratch::new(RepoMode::BareUser);
            let manifest = manifest(&repository, arch, &world);
            let composed = scratch.compose_as(Dialect::Apk3, &manifest, PathBuf::new());
            let tree = scratch.tree(composed.unwrap()[0].commit.as_deref().unwrap());
            assert_as_apk_installs(Dialect::Apk3, &tree, &apk, &repository, arch, &world);
        }
    }
}

/// Every path of the package database: type, mode, owner, content or target.
fn assert_owned_paths(tree: &BTreeMap<String, Found>, expected: &str) {
    let mut compared = 0;
    for row in expected
        .lines()
        .skip(1)
        .map(|line| line.split('\t').collect::<Vec<_>>())
    {
        let &[path, kind, mode, uid, gid, _package, checksum] = row.as_slice() else {
            panic!("{row:?}")
        };
        let found = tree
            .get(path)
            .unwrap_or_else(|| panic!("{path} is missing"));
        let ours = match found {
            Found::Dir { uid, gid, mode } => ("d", *uid, *gid, *mode, "-".to_owned()),
            Found::File { header, content } => match &header.kind {
                FileKind::Symlink(target) => (
                    "l",
                    header.uid,
                    header.gid,
                    header.mode,
                    Digest::sha1(target.as_bytes()).to_q1(),
                ),
                FileKind::Regular => (
                    "f",
                    header.uid,
                    header.gid,
                    header.mode,
                    Digest::sha1(content).to_q1(),
                ),
            },
        };
        let mode = u32::from_str_radix(mode, 8).unwrap();
        let theirs = (
            kind,
            uid.parse().unwrap(),
            gid.parse().unwrap(),
            mode,
            checksum.to_owned(),
        );
        assert_eq!(ours, theirs, "{path}");
        compared += 1;
    }
    assert!(compared > 200, "only {compared} paths compared");
}

/// The database in the root file system was written by the real apk; the rebuilt packages have other identities and
/// sizes, everything else must be equal.
fn assert_real_database(tree: &BTreeMap<String, Found>, shared: &Path, arch: &str) {
    let real = |path: &str| {
        let output = Command::new("tar")
            .arg("xzOf")
            .arg(tarball(shared, arch))
            .arg(format!("./{path}"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{path}");
        output.stdout
    };
    let comparable = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let lines = text
            .lines()
            .filter(|line| !line.starts_with("C:") && !line.starts_with("S:"));
        lines.collect::<Vec<_>>().join("\n").into_bytes()
    };
    let path = "lib/apk/db/installed";
    assert_text(
        path,
        &comparable(content(tree, path)),
        &comparable(&real(path)),
    );
    for path in ["etc/apk/world", "etc/apk/arch"] {
        assert_text(path, content(tree, path), &real(path));
    }
}

fn assert_as_apk_installs(
    dialect: Dialect,
    tree: &BTreeMap<String, Found>,
    apk: &fixtures::peer::Peer,
    repository: &Path,
    arch: &str,
    world: &str,
) {
    let root = fixtures::scratch("apk-root");
    let mut command = apk.command();
    command
        .args(["--arch", arch, "--root"])
        .arg(root.path())
        .arg("-X")
        .arg(repository);
    command.arg("--keys-dir").arg(repository.join("keys"));
    command
        .args(["add", "--initdb", "--no-scripts"])
        .args(world.split_whitespace());
    apk.finish(command).success();
    for path in [
        "lib/apk/db/installed",
        &format!("lib/apk/db/{}", dialect.scripts_file()),
        "lib/apk/db/triggers",
        "etc/apk/world",
        "etc/apk/arch",
    ] {
        assert_text(
            path,
            content(tree, path),
            &std::fs::read(root.path().join(path)).unwrap(),
        );
    }
}

/// The walk of the article: the tarball is the base, a package comes on top, and the world keeps what it had.
#[test]
fn a_package_on_top_of_a_real_base() {
    let Some(shared) = fixtures::shared() else {
        return;
    };
    let scratch = Scratch::new(RepoMode::BareUser);
    let tarball = tarball(&shared, "x86_64");
    let manifest = format!(
        "[repositories]\nurls = [\"repo\"]\nkeys = [\"keys\"]\narch = [\"x86_64\"]\n\
         [branch.more]\nref = \"more\"\nfrom = {{ tar = \"{}\" }}\npackages = [\"demo-tzdata\"]\n",
        tarball.display()
    );
    let composed = scratch.compose(&manifest, fixtures::path("demo")).unwrap();
    let tree = scratch.tree(composed[0].commit.as_deref().unwrap());
    let world = String::from_utf8_lossy(content(&tree, "etc/apk/world")).into_owned();
    assert_eq!(
        world,
        "alpine-baselayout\nalpine-keys\napk-tools\nbusybox\ndemo-tzdata\nlibc-utils\n"
    );
    let installed = String::from_utf8_lossy(content(&tree, "lib/apk/db/installed")).into_owned();
    assert_eq!(
        installed.matches("\nP:").count() + usize::from(installed.starts_with("P:")),
        15
    );
    assert!(content(&tree, "lib/apk/db/scripts.tar").len() > 1024);
    assert!(tree.contains_key("bin/busybox"));
}
