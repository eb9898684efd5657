//! Where the commands that make and check packages do something else than apk 3.0.6, on purpose: what ours does, and that
//! apk still does otherwise.

use std::fs;
use std::path::Path;

use crate::apk::{empty_root, our_apk, their_apk, words};
use crate::pair::Answer;

const PACK: &str = "mkpkg -I name:x -I version:1 -I arch:x86_64 -c none -o made.apk";

fn ours(dir: &Path, line: &str) -> Answer {
    our_apk(dir, &words(line, dir))
}

fn theirs(dir: &Path, line: &str) -> Option<Answer> {
    their_apk(dir, &words(line, dir))
}

/// What is refused, what it is called, and that apk takes it.
#[test]
fn what_nobody_could_install_is_not_packed() {
    let dir = fixtures::scratch("apart");
    let dir = dir.path();
    for (info, words) in [
        ("depends:a><Q1x", "dependency format is invalid"),
        ("provides:!z", "dependency format is invalid"),
        ("provider-priority:65536", "65536 is more than 65535"),
        ("replaces-priority:70000", "70000 is more than 65535"),
    ] {
        let line = format!("{PACK} -I {info}");
        let refused = ours(dir, &line);
        let ending = format!("ERROR: failed to create package: {words}\n");
        assert!(refused.stderr.ends_with(&ending), "{}", refused.stderr);
        assert!(!dir.join("made.apk").exists(), "{info}");
        if let Some(made) = theirs(dir, &line) {
            assert_eq!(made.code, Some(0), "{info}");
            // What apk makes of it is read and listed nevertheless.
            for line in [
                "--allow-untrusted verify made.apk",
                "adbdump made.apk",
                "mkndx --allow-untrusted -c none -o made.adb made.apk",
                "adbdump made.adb",
            ] {
                assert_eq!(Some(ours(dir, line)), theirs(dir, line), "{info}: {line}");
            }
            fs::remove_file(dir.join("made.apk")).unwrap();
        }
    }
}

#[test]
fn names_with_control_characters_are_not_packed() {
    let dir = fixtures::scratch("apart");
    let dir = dir.path();
    fs::create_dir(dir.join("tree")).unwrap();
    fs::write(dir.join("tree/tab\there"), "").unwrap();
    let line = format!("{PACK} -F tree");
    let refused = ours(dir, &line);
    assert_eq!(refused.code, Some(99));
    assert!(
        refused.stderr.contains("it holds a control character"),
        "{}",
        refused.stderr
    );
    if let Some(made) = theirs(dir, &line) {
        assert_eq!(made.code, Some(0));
        assert_eq!(ours(dir, "--allow-untrusted verify made.apk").code, Some(1));
    }
}

/// They mean the same, as if they were not said.
#[test]
fn numbers_of_0_are_left_out() {
    let dir = fixtures::scratch("apart");
    let dir = dir.path();
    assert_eq!(ours(dir, PACK).code, Some(0));
    let plain = fs::read(dir.join("made.apk")).unwrap();
    for info in [
        "build-time",
        "layer",
        "provider-priority",
        "replaces-priority",
    ] {
        let line = format!("{PACK} -I {info}:0");
        assert_eq!(ours(dir, &line).code, Some(0));
        assert_eq!(fs::read(dir.join("made.apk")).unwrap(), plain);
        if let Some(made) = theirs(dir, &line) {
            assert_eq!(made.code, Some(0));
            let text = ours(dir, "adbdump made.apk");
            assert!(text.stdout.contains(&format!("{info}: 0")), "{text:?}");
            assert_eq!(Some(text), theirs(dir, "adbdump made.apk"));
        }
    }
}

/// apk 3.0.6 says of a hard link in the root that its target is not in the archive, and installs without it.
#[test]
fn hard_links_in_the_root_can_be_installed() {
    let dir = fixtures::scratch("apart");
    let dir = dir.path();
    fs::create_dir(dir.join("tree")).unwrap();
    fs::write(dir.join("tree/one"), "one\n").unwrap();
    fs::hard_link(dir.join("tree/one"), dir.join("tree/two")).unwrap();
    let line = format!("{PACK} -F tree");
    let install = |root: &str| {
        empty_root(&dir.join(root));
        format!(
            "-p {root} --arch x86_64 --allow-untrusted --no-network --force-non-repository add made.apk"
        )
    };
    assert_eq!(ours(dir, &line).code, Some(0));
    if !rustix::process::geteuid().is_root() {
        return;
    }
    if let Some(added) = theirs(dir, &install("by-apk")) {
        assert_eq!(added.code, Some(0), "{}", added.stderr);
        assert!(dir.join("by-apk/two").exists());
        assert_eq!(theirs(dir, &line).unwrap().code, Some(0));
        let added = theirs(dir, &install("lost")).unwrap();
        assert!(added.stderr.contains("no hard link target (./one)"));
        let added = ours(dir, &install("found"));
        assert_eq!(added.code, Some(0), "{}", added.stderr);
        assert!(dir.join("found/two").exists());
    }
}

#[test]
fn directories_keep_setgid_when_extracted() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = fixtures::scratch("apart");
    let dir = dir.path();
    for sub in ["tree/sub", "ours", "theirs"] {
        fs::create_dir_all(dir.join(sub)).unwrap();
    }
    let mode = |path: &str| fs::metadata(dir.join(path)).unwrap().permissions().mode() & 0o7777;
    let bits = fs::Permissions::from_mode(0o2755);
    fs::set_permissions(dir.join("tree/sub"), bits).unwrap();
    assert_eq!(ours(dir, &format!("{PACK} -F tree")).code, Some(0));
    let line = "--allow-untrusted extract --destination ours made.apk";
    assert_eq!(ours(dir, line).code, Some(0));
    assert_eq!(mode("ours/sub"), 0o2755);
    if let Some(done) = theirs(dir, &line.replace("ours", "theirs")) {
        assert_eq!((done.code, mode("theirs/sub")), (Some(0), 0o755));
    }
}

/// apk 3.0.6 leaves an empty file, or what compresses to one.
#[test]
fn what_cannot_be_signed_stays_as_it_is() {
    let dir = fixtures::scratch("apart");
    let dir = dir.path();
    fs::write(dir.join("text.apk"), "no package\n").unwrap();
    let line = "--allow-untrusted adbsign text.apk";
    let refused = ours(dir, line);
    assert_eq!(fs::read(dir.join("text.apk")).unwrap(), b"no package\n");
    if let Some(theirs) = theirs(dir, line) {
        assert_eq!(refused, theirs);
        assert_ne!(fs::read(dir.join("text.apk")).unwrap(), b"no package\n");
    }
}

/// apk 3.0.6 makes one and refuses it.
#[test]
fn an_index_of_nothing_can_be_read() {
    let dir = fixtures::scratch("apart");
    let dir = dir.path();
    let make = "mkndx -c none -o none.adb";
    assert_eq!(ours(dir, make).code, Some(0));
    let bytes = fs::read(dir.join("none.adb")).unwrap();
    let verify = "--allow-untrusted verify none.adb";
    assert_eq!(ours(dir, verify).stdout, "none.adb: OK\n");
    if let Some(made) = theirs(dir, make) {
        assert_eq!(made.code, Some(0));
        assert_eq!(fs::read(dir.join("none.adb")).unwrap(), bytes);
        let said = theirs(dir, verify).unwrap().stdout;
        assert_eq!(said, "none.adb: ADB block error\n");
    }
}
