//! What the face of apk says behind apk's own words: which key, which digest, which entry, and what would help. Every
//! command that reads something signed, with a key that is missing, with another key under the same name, without a
//! signature, with a package that the index does not mean.

use std::fs;
use std::path::Path;

use fixtures::forge::{Forge, Key, Repository};

use crate::apk::{our_apk, our_whole_apk, root, their_apk, words};
use crate::pair::{Answer, apk_ostree};

/// A signed repository of two packages, an unsigned index, keys that do not fit.
fn material(dir: &Path) {
    root(dir);
    let repository = Repository::new("x86_64")
        .add(
            Forge::package("one", "1-r0")
                .arch("x86_64")
                .file("one", "one\n"),
        )
        .add(
            Forge::package("two", "2-r0")
                .arch("x86_64")
                .file("two", "two\n"),
        );
    repository.write(&dir.join("signed"), &Key::demo()).unwrap();
    let other = Repository::new("x86_64")
        .add(
            Forge::package("one", "1-r0")
                .arch("x86_64")
                .file("one", "eno\n"),
        )
        .add(
            Forge::package("two", "2-r0")
                .arch("x86_64")
                .file("two", "two\n"),
        );
    other.write(&dir.join("false"), &Key::demo()).unwrap();
    fs::copy(
        dir.join("signed/x86_64/APKINDEX.tar.gz"),
        dir.join("false/x86_64/APKINDEX.tar.gz"),
    )
    .unwrap();
    for keys in ["none", "good", "same-name", "out"] {
        fs::create_dir(dir.join(keys)).unwrap();
    }
    let key = Key::demo();
    fs::write(dir.join("good").join(key.name()), key.public_pem()).unwrap();
    let other = Key::other();
    fs::write(dir.join("same-name").join(key.name()), other.public_pem()).unwrap();
    crate::apk::copy_dir(&fixtures::path("samples/v3"), &dir.join("v3"));
}

fn said(dir: &Path, line: &str) -> Answer {
    our_whole_apk(dir, "/dev/null", &words(line, dir))
}

/// Every command that opens repositories, each with an index that cannot be trusted.
const REPOSITORIES: &[&str] = &[
    "list -a",
    "search one",
    "info one",
    "policy one",
    "version -a",
    "fetch -o out one",
    "dot",
    "query --available one",
    "manifest one",
    "audit",
    "update",
    "add --simulate one",
    "upgrade --simulate",
    "fix --simulate",
];

#[test]
fn an_index_says_which_key_is_wanted_and_which_are_loaded() {
    let dir = fixtures::scratch("trouble-index");
    let dir = dir.path();
    material(dir);
    let key = Key::demo();
    let wanted = key.name();
    for line in REPOSITORIES {
        let begin = "-p root --arch x86_64 --keys-dir";
        let missing = said(dir, &format!("{begin} DIR/none -X signed {line}"));
        if line.starts_with("audit")
            || line.starts_with("manifest") && !missing.stderr.contains("UNTRUSTED")
        {
            continue; // reads no repository
        }
        let lines = [
            format!("it is signed with \"RSA.{wanted}\", but the keys loaded are none"),
            format!("hint: keys are loaded from {}/none;", dir.display()),
        ];
        for wanted in lines {
            assert!(
                missing.stderr.contains(&wanted),
                "{line}: {}",
                missing.stderr
            );
        }
        let other = said(dir, &format!("{begin} DIR/same-name -X signed {line}"));
        let lines = [
            format!("the RSA signature by \"{wanted}\" is bad"),
            format!(
                "hint: get it again; or the key of that name in {}/same-name",
                dir.display()
            ),
        ];
        for wanted in lines {
            assert!(other.stderr.contains(&wanted), "{line}: {}", other.stderr);
        }
        let quiet = said(dir, &format!("-q {begin} DIR/none -X signed {line}"));
        assert!(
            !quiet.stderr.contains("detail: "),
            "{line}: {}",
            quiet.stderr
        );
    }
}

/// Every command that reads package files or indexes by their names.
const FILES: &[&str] = &[
    "verify FILE",
    "extract --destination out FILE",
    "manifest FILE",
    "index -o out.tar.gz FILE",
    "mkndx -o out.adb FILE",
    "add --simulate FILE",
];

#[test]
fn a_file_says_which_key_is_wanted_and_which_are_loaded() {
    let dir = fixtures::scratch("trouble-file");
    let dir = dir.path();
    material(dir);
    let v2 = "./signed/x86_64/one-1-r0.apk";
    let v3 = "./v3/hello-deflate6.apk";
    for line in FILES {
        for (file, wanted) in [
            (v2, "signed with \"RSA."),
            (v3, "signed with \"ADB.3a8149bf9e3b333fd4377504f73e035a\""),
        ] {
            if line.starts_with("index") && file == v3 {
                continue; // such an index has no v3 packages
            }
            let line = line.replace("FILE", file);
            let answer = said(
                dir,
                &format!("-p root --arch x86_64 --force-non-repository --keys-dir DIR/none {line}"),
            );
            let hint = format!("hint: keys are loaded from {}/none;", dir.display());
            for wanted in [wanted, "the keys loaded are none", &hint] {
                assert!(answer.stderr.contains(wanted), "{line}: {}", answer.stderr);
            }
            assert!(
                answer.code != Some(0) || line.starts_with("manifest"),
                "{line}"
            ); // apk's is 0
        }
        let line = line.replace("FILE", v2);
        let answer = said(
            dir,
            &format!(
                "-p root --arch x86_64 --force-non-repository --keys-dir DIR/same-name {line}"
            ),
        );
        assert!(
            answer.stderr.contains("\" is bad: the bytes were changed"),
            "{line}: {}",
            answer.stderr
        );
    }
    // Indexes by their names.
    let index = "./signed/x86_64/APKINDEX.tar.gz";
    for line in [
        "verify FILE",
        "index --index FILE -o out.tar.gz",
        "convndx FILE",
    ] {
        let line = line.replace("FILE", index);
        let answer = said(dir, &format!("--keys-dir DIR/none {line}"));
        assert!(
            answer.stderr.contains("but the keys loaded are none"),
            "{line}: {}",
            answer.stderr
        );
    }
    let packages = "./v3/Packages-spec.adb";
    for line in [
        "verify FILE",
        "mkndx --index FILE -o out.adb",
        "adbsign FILE",
    ] {
        let line = line.replace("FILE", packages);
        let answer = said(dir, &format!("--keys-dir DIR/none {line}"));
        assert!(
            answer.stderr.contains("detail: "),
            "{line}: {}",
            answer.stderr
        );
        assert!(
            answer.stderr.contains("hint: "),
            "{line}: {}",
            answer.stderr
        );
    }
}

#[test]
fn a_package_that_the_index_does_not_mean_says_both_digests() {
    let dir = fixtures::scratch("trouble-identity");
    let dir = dir.path();
    material(dir);
    let begin = "-p root --arch x86_64 --keys-dir DIR/good -X false";
    let files = Repository::new("x86_64").add(
        Forge::package("one", "1-r0")
            .arch("x86_64")
            .file("one", "one\n"),
    );
    let [forged] = &files.forged(&Key::demo())[..] else {
        panic!()
    };
    let wanted = apk_format::Digest::Sha1(forged.identity());
    for line in [
        "fetch -o out one",
        "add --usermode --initdb --no-scripts one",
    ] {
        let root = if line.starts_with("add") {
            "-p DIR/fresh "
        } else {
            ""
        };
        fs::create_dir_all(dir.join("fresh")).unwrap();
        let line = if rustix::process::geteuid().is_root() {
            line.replace("--usermode ", "")
        } else {
            line.to_owned()
        };
        let answer = said(dir, &format!("{begin} {root}{line}"));
        let detail = format!("but {wanted} was wanted");
        for wanted in [
            detail.as_str(),
            "package \"one\" has the identity ",
            "hint: the index and the package are not of the same time",
        ] {
            assert!(answer.stderr.contains(wanted), "{line}: {}", answer.stderr);
        }
        assert!(
            answer.stderr.contains("v2 package integrity error"),
            "{line}: {}",
            answer.stderr
        );
        assert!(
            answer.code != Some(0) || line.starts_with("manifest"),
            "{line}"
        ); // apk's is 0
    }
}

#[test]
fn damage_says_which_member_and_entry_and_byte() {
    let dir = fixtures::scratch("trouble-damage");
    let dir = dir.path();
    material(dir);
    let of = |file: Forge| file.arch("x86_64").build(&Key::demo());
    let wrong = |path: &str, forge: Forge| fs::write(dir.join(path), of(forge)).unwrap();
    let base = || Forge::package("bad", "1-r0").file("etc/ok", "fine\n");
    wrong(
        "content.apk",
        base().file("etc/liar", "text\n").claiming_checksum([7; 20]),
    );
    wrong("path.apk", base().file("../outside", "text\n").as_given());
    wrong(
        "none.apk",
        base().file("etc/bare", "text\n").without_checksum(),
    );
    wrong(
        "size.apk",
        base().file("etc/short", "text\n").claiming_size(1 << 30),
    );
    let mut cut = of(base());
    cut.truncate(cut.len() - 60);
    fs::write(dir.join("cut.apk"), cut).unwrap();
    for (file, wanted) in [
        ("content.apk", "the content of \"etc/liar\" hashes to "),
        (
            "content.apk",
            "its header says 0707070707070707070707070707070707070707",
        ),
        ("path.apk", "the entry \"../outside\" is refused"),
        ("none.apk", "the file \"etc/bare\" has no checksum"),
        ("size.apk", "the data member is broken at byte "),
        ("size.apk", "in \"etc/short\""),
        ("cut.apk", "the data member is broken at byte "),
    ] {
        for line in [
            "verify FILE",
            "extract --destination out FILE",
            "manifest ./FILE",
        ] {
            let line = line.replace("FILE", file);
            let answer = said(dir, &format!("-p root --keys-dir DIR/good {line}"));
            assert!(answer.stderr.contains(wanted), "{line}: {}", answer.stderr);
            assert!(
                answer.code != Some(0) || line.starts_with("manifest"),
                "{line}"
            ); // apk's is 0
        }
    }
    assert_eq!(fs::read_dir(dir.join("out")).unwrap().count(), 0);
    assert!(!dir.join("outside").exists());
}

/// `solve` and `why` read indexes by keys of their own.
#[test]
fn solve_says_what_would_help() {
    let dir = fixtures::scratch("trouble-solve");
    let dir = dir.path();
    material(dir);
    for (keys, wanted) in [
        (
            "same-name",
            "hint: copy or make the index again; if another key has this name",
        ),
        (
            "other",
            "hint: name the file or directory of that public key with --keys; keys are read from other",
        ),
    ] {
        fs::create_dir_all(dir.join("other")).unwrap();
        let other = Key::other();
        fs::write(dir.join("other").join(other.name()), other.public_pem()).unwrap();
        for command in ["solve", "why"] {
            let mut asked = apk_ostree(dir);
            asked.args([
                command, "--arch", "x86_64", "-X", "signed", "--keys", keys, "one",
            ]);
            let answer = Answer::of(asked);
            assert!(
                answer.stderr.contains(wanted),
                "{command}: {}",
                answer.stderr
            );
            assert_eq!(answer.code, Some(1));
        }
    }
}

/// Whether it is trusted is asked before what it is.
#[test]
fn an_index_in_the_place_of_a_package_is_untrusted_first() {
    let dir = fixtures::scratch("trouble-no-package");
    let dir = dir.path();
    material(dir);
    let index = "signed/x86_64/APKINDEX.tar.gz";
    for command in [
        "add --force-non-repository --simulate --root DIR/root",
        "extract --destination DIR/out",
        "index -o DIR/made.tar.gz",
    ] {
        let command = command.replace("DIR", &dir.display().to_string());
        for (trust, expected) in [
            ("--keys-dir none", "UNTRUSTED signature"),
            (
                "--keys-dir same-name",
                "file format not supported (in this applet)",
            ),
            (
                "--allow-untrusted --keys-dir none",
                "file format not supported (in this applet)",
            ),
        ] {
            let keys = trust.replace("-dir ", &format!("-dir {}/", dir.display()));
            let line = format!("{command} {keys} {index}");
            let ours = our_apk(dir, &words(&line, dir));
            let wanted = format!("ERROR: {index}: {expected}\n");
            assert!(ours.stderr.contains(&wanted), "{line}: {}", ours.stderr);
            if let Some(theirs) = their_apk(dir, &words(&line, dir)) {
                assert_eq!(ours, theirs, "{line}");
            }
        }
    }
}
