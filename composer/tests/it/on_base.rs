//! Packages added to and upgraded on a base that somebody has edited: the rules for configuration files, taken-over
//! and unowned files, directories of several packages, files that an upgrade drops.
//!
//! `recorded/apk-2.14.10/on-base.tsv` and `recorded/apk-3.0.6/on-base.tsv` are what the real apks made of the same base
//! and packages. Where one is at hand (`APK_OSTREE_APK2`, `APK_OSTREE_APK3`, as root) it is asked again, and must still
//! say the same.

use std::fs;
use std::path::Path;

use composer::Dialect;
use composer::event::Notice;
use fixtures::forge::{Forge, Key, Repository, Script};
use fixtures::peer::Peer;
use ostree_store::checksum::CommitId;
use ostree_store::repo::RepoMode;
use ostree_store::tree::checkout::{CheckoutOptions, checkout};

use crate::composed::{Scratch, content};

const WANTED: [&str; 2] = ["conf", "demo-tool>=1.2"];

/// The demo's base with edits on it.
fn base_manifest() -> String {
    let demo = fixtures::path("demo");
    format!(
        "[repositories]\nurls = [\"{0}/repo\"]\nkeys = [\"{0}/keys\"]\narch = [\"x86_64\"]\n\
         [branch.base]\nref = \"base\"\npackages = [\"demo-base\", \"demo-tool\"]\noverlays = [\"edits\"]\n",
        demo.display()
    )
}

fn more_manifest() -> String {
    let wanted = WANTED.map(|wish| format!("{wish:?}")).join(", ");
    format!(
        "[repositories]\nurls = [\"more\"]\nkeys = [\"{}/keys\"]\narch = [\"x86_64\"]\n\
         [branch.more]\nref = \"more\"\nfrom = {{ ref = \"base\" }}\npackages = [{wanted}]\n",
        fixtures::path("demo").display()
    )
}

fn write_edits(dir: &Path) {
    for (path, content) in [
        ("etc/motd", "edited\n"),
        ("etc/tool.conf", "edited too\n"),
        ("etc/local.conf", "of nobody\n"),
        ("etc/same.conf", "the same\n"),
        ("usr/bin/extra", "of nobody\n"),
    ] {
        let path = dir.join("edits").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

fn write_packages(dir: &Path) {
    let tool = Forge::package("demo-tool", "1.2-r0")
        .arch("x86_64")
        .depends("so:libc.demo-x86_64.so.1")
        .dir("etc")
        .file("etc/tool.conf", "new default\n")
        .file("etc/tool.d/new", "new\n")
        .file("usr/bin/tool", "newer\n")
        .mode(0o755)
        .file("usr/share/tool/data", "data\n")
        .owner("daemon", "nosuchgroup", 77, 78);
    let conf = Forge::package("conf", "1-r0")
        .arch("x86_64")
        .replaces("demo-baselayout")
        .triggers("/usr/bin /etc/*")
        .script(Script::PostInstall, "#!/bin/sh\nexit 0\n")
        .dir("etc")
        .file("etc/motd", "of conf\n")
        .file("etc/hosts", "of conf, not edited before\n")
        .file("etc/local.conf", "of conf\n")
        .file("etc/same.conf", "the same\n")
        .file("usr/bin/extra", "of conf\n")
        .mode(0o755)
        .dir("var/log")
        .mode(0o750)
        .dir("opt")
        .owner("daemon", "daemon", 2, 2);
    Repository::new("x86_64")
        .add(conf)
        .add(tool)
        .write(&dir.join("more"), &Key::demo())
        .unwrap();
}

#[test]
fn an_edited_base_comes_out_as_apk_2_leaves_it() {
    let apk = fixtures::peer::apk2();
    assert_as_recorded(Dialect::Apk2, "recorded/apk-2.14.10/on-base.tsv", apk);
}

#[test]
fn an_edited_base_comes_out_as_apk_3_leaves_it() {
    let apk = fixtures::peer::apk3();
    assert_as_recorded(Dialect::Apk3, "recorded/apk-3.0.6/on-base.tsv", apk);
}

fn assert_as_recorded(dialect: Dialect, recorded: &str, apk: Option<Peer>) {
    let scratch = Scratch::new(RepoMode::BareUser);
    write_edits(scratch.path());
    write_packages(scratch.path());
    let base = scratch
        .compose_as(dialect, &base_manifest(), scratch.path().to_owned())
        .unwrap();
    let more = scratch
        .compose(&more_manifest(), scratch.path().to_owned())
        .unwrap();
    assert_notices(&more[0].notices);
    if !rustix::process::geteuid().is_root() {
        eprintln!(
            "without root no tree can be checked out with its owners: not compared with {recorded}"
        );
        return;
    }
    let ours = scratch.path().join("ours");
    check_out(&scratch, more[0].commit.as_deref().unwrap(), &ours);
    let listing = fixtures::listing::of(&ours).unwrap();
    if let Some(apk) = apk {
        let theirs = scratch.path().join("theirs");
        check_out(&scratch, base[0].commit.as_deref().unwrap(), &theirs);
        let mut command = apk.command();
        command
            .arg("--root")
            .arg(&theirs)
            .arg("-X")
            .arg(scratch.path().join("more"));
        command.arg("--keys-dir").arg(fixtures::path("demo/keys"));
        command
            .args(["--no-network", "--no-cache", "add", "--no-scripts"])
            .args(WANTED);
        apk.finish(command).success();
        // What apk leaves for itself and no package has.
        for path in ["lib/apk/db/lock", "var/log/apk.log"] {
            let _ = fs::remove_file(theirs.join(path));
        }
        let _ = fs::remove_dir(theirs.join("var/cache/apk"));
        let theirs = fixtures::listing::of(&theirs).unwrap();
        if std::env::var_os("APK_OSTREE_RECORD").is_some() {
            fs::write(fixtures::path(recorded), &theirs).unwrap();
        }
        assert_eq!(
            theirs,
            fixtures::text(recorded),
            "the real apk no longer does what was recorded"
        );
    }
    let expected = fixtures::text(recorded);
    // The package `conf` now decides about these; apk 3.0.6 says so in its database, but not on the disk.
    let expected = match dialect {
        Dialect::Apk2 => expected,
        Dialect::Apk3 => expected
            .replace("\nopt\td\t755\t0\t0\t", "\nopt\td\t755\t2\t2\t")
            .replace("\nvar/log\td\t755\t", "\nvar/log\td\t750\t"),
    };
    crate::composed::assert_text(recorded, listing.as_bytes(), expected.as_bytes());
}

/// A directory of files that no package knows: what is below `etc` stays, the rest is overwritten and told.
#[test]
fn a_base_without_packages_is_not_overwritten_in_silence() {
    let scratch = Scratch::new(RepoMode::BareUser);
    write_packages(scratch.path());
    for (path, content) in [
        ("etc/motd", "mine\n"),
        ("usr/bin/extra", "mine\n"),
        ("srv/kept", "mine\n"),
    ] {
        let path = scratch.path().join("files").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let manifest = more_manifest()
        .replace("{ ref = \"base\" }", "{ dir = \"files\" }")
        .replace(", \"demo-tool>=1.2\"", "");
    let composed = scratch
        .compose(&manifest, scratch.path().to_owned())
        .unwrap();
    let tree = scratch.tree(composed[0].commit.as_deref().unwrap());
    assert_eq!(content(&tree, "etc/motd"), b"mine\n");
    assert_eq!(content(&tree, "etc/motd.apk-new"), b"of conf\n");
    assert_eq!(content(&tree, "usr/bin/extra"), b"of conf\n");
    assert_eq!(content(&tree, "srv/kept"), b"mine\n");
    let overwritten = Notice::Overwritten {
        path: "usr/bin/extra".into(),
        package: "conf-1-r0".into(),
    };
    assert!(composed[0].notices.contains(&overwritten));
}

/// A package that comes before the new version of another takes a file that only the old version has: in apk 3.0, not in
/// apk 2.14.
#[test]
fn a_package_that_is_upgraded_gives_its_files_away_in_apk_3() {
    for (dialect, apk) in [
        (Dialect::Apk2, fixtures::peer::apk2()),
        (Dialect::Apk3, fixtures::peer::apk3()),
    ] {
        let scratch = Scratch::new(RepoMode::BareUser);
        let package = |name, version| {
            let package = Forge::package(name, version).arch("x86_64");
            package.dir("usr/bin")
        };
        let old = package("holder", "1-r0").file("usr/bin/moved", "old\n");
        let new = package("holder", "2-r0").depends("heir");
        let heir = package("heir", "1-r0").file("usr/bin/moved", "new\n");
        for (name, packages) in [("first", vec![old]), ("second", vec![new, heir])] {
            let mut repository = Repository::new("x86_64");
            for package in packages {
                repository = repository.add(package);
            }
            repository
                .write(&scratch.path().join(name), &Key::demo())
                .unwrap();
        }
        let keys = fixtures::path("demo/keys");
        let manifest = |url: &str, name: &str, more: &str| {
            format!(
                "[repositories]\nurls = [\"{url}\"]\nkeys = [\"{}\"]\narch = [\"x86_64\"]\n\
                 [branch.{name}]\nref = \"{name}\"\n{more}\n",
                keys.display()
            )
        };
        let base = manifest("first", "base", "packages = [\"holder\"]");
        let place = || scratch.path().to_owned();
        let base = scratch.compose_as(dialect, &base, place()).unwrap();
        let more = "from = { ref = \"base\" }\npackages = [\"holder>=2\"]";
        let composed = scratch.compose(&manifest("second", "more", more), place());
        match dialect {
            Dialect::Apk2 => {
                let error = format!("{:?}", composed.unwrap_err());
                assert!(error.contains("Conflict"), "{error}");
                assert!(error.contains("usr/bin/moved"), "{error}");
            }
            Dialect::Apk3 => {
                let composed = composed.unwrap();
                let tree = scratch.tree(composed[0].commit.as_deref().unwrap());
                assert_eq!(content(&tree, "usr/bin/moved"), b"new\n");
            }
        }
        let (true, Some(apk)) = (rustix::process::geteuid().is_root(), apk) else {
            continue;
        };
        let root = scratch.path().join("theirs");
        check_out(&scratch, base[0].commit.as_deref().unwrap(), &root);
        fs::create_dir_all(root.join("var/cache/apk")).unwrap(); // apk 2.14 wants it
        let mut command = apk.command();
        command.arg("--root").arg(&root).arg("-X");
        command.arg(scratch.path().join("second"));
        command.arg("--keys-dir").arg(&keys);
        command.args([
            "--no-network",
            "--no-cache",
            "add",
            "--no-scripts",
            "holder>=2",
        ]);
        let output = apk.finish(command);
        let expected = match dialect {
            Dialect::Apk2 => (Some(1), "old\n"),
            Dialect::Apk3 => (Some(0), "new\n"),
        };
        // apk 2.14 deletes with the old version what it kept for it.
        let found = fs::read_to_string(root.join("usr/bin/moved")).unwrap_or("old\n".into());
        assert_eq!(
            (output.code, found.as_str()),
            expected,
            "{}",
            output.stderr_text()
        );
    }
}

fn check_out(scratch: &Scratch, commit: &str, to: &Path) {
    let commit = scratch
        .repo
        .commit(&CommitId::new(commit.parse().unwrap()))
        .unwrap();
    let options = CheckoutOptions::default();
    checkout(
        &scratch.repo,
        &commit.root_tree,
        &commit.root_meta,
        to,
        &options,
    )
    .unwrap();
}

fn assert_notices(notices: &[Notice]) {
    let kept = |path: &str, beside: Option<&str>| Notice::ConfigurationKept {
        path: path.into(),
        new_version: beside.map(str::to_owned),
        package: if path == "etc/tool.conf" {
            "demo-tool-1.2-r0"
        } else {
            "conf-1-r0"
        }
        .into(),
    };
    for expected in [
        kept("etc/motd", Some("etc/motd.apk-new")),
        kept("etc/local.conf", Some("etc/local.conf.apk-new")),
        kept("etc/same.conf", None),
        kept("etc/tool.conf", Some("etc/tool.conf.apk-new")),
        Notice::Overwritten {
            path: "usr/bin/extra".into(),
            package: "conf-1-r0".into(),
        },
    ] {
        assert!(
            notices.contains(&expected),
            "no {expected:?} in {notices:#?}"
        );
    }
}
