//! Compressed archives that are neither package nor index, in front of every command that reads some: what is said, the
//! exit code and what is unpacked are apk's.
//!
//! `recorded/apk-3.0.6/plain.txt` has what apk 3.0.6 said; with `APK_OSTREE_APK3` it is asked again, and
//! `APK_OSTREE_RECORD=1` writes the file.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use fixtures::forge::gzip::{Deflate, member};
use fixtures::forge::tar::{Entry, Style, Tar};

use crate::apk::{VERSION, empty_root, our_apk, their_apk, words};
use crate::pair::Answer;

/// Each with the names of its files; `|` begins another member.
const ARCHIVES: &[&str] = &[
    "f",
    "f g",
    "f | g",
    "usr/ usr/f",
    "./f",
    "DESCRIPTION f",
    "f APKINDEX",
    "f .PKGINFO",
    "f .pre-install",
    "f .INSTALL",
    "APKINDEX .other",
    ".pre-install",
    ".pre-install f",
    ".INSTALL",
    ".other",
    ".PKGINFO f",
    ".PKGINFO APKINDEX",
    "",
];

const COMMANDS: &[&str] = &[
    "verify",
    "extract --destination out",
    "manifest",
    "info -L",
    "query",
    "add --root root --simulate --force-non-repository",
    "index -o made.gz",
    "mkndx -o made.adb",
    "adbdump",
    "adbsign",
];

fn archive(files: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in files.split('|') {
        let mut tar = Tar::new(Style::Posix);
        for name in part.split_whitespace() {
            let content = match name {
                ".PKGINFO" => format!("pkgname = a\npkgver = 1\ndatahash = {:064}\n", 0),
                _ => "\n".to_owned(),
            };
            tar.append(&Entry::file(name, content));
        }
        bytes.extend(member(&tar.end(20), Deflate::Fixed));
    }
    bytes
}

/// Every command with every archive, with and without trust; `ask` gives nothing if there is nobody to ask.
fn each(ask: impl Fn(&Path, &[String]) -> Option<Answer>) -> Option<String> {
    let mut text = String::new();
    for trust in ["", "--allow-untrusted "] {
        for command in COMMANDS {
            for files in ARCHIVES {
                let scratch = fixtures::scratch("plain");
                let dir = scratch.path();
                for sub in ["out", "keys"] {
                    fs::create_dir(dir.join(sub)).unwrap();
                }
                empty_root(&dir.join("root"));
                fs::write(dir.join("x.apk"), archive(files)).unwrap();
                let line = format!("--keys-dir keys --arch x86_64 {trust}{command} x.apk");
                let answer = ask(dir, &words(&line, dir))?;
                let left = fs::read_dir(dir.join("out")).unwrap().count();
                let made = dir.join("made.gz").exists() || dir.join("made.adb").exists();
                writeln!(
                    text,
                    "{trust}{command} ({files})\t{:?} {:?} {:?} {left} {made}",
                    answer.code, answer.stdout, answer.stderr
                )
                .unwrap();
            }
        }
    }
    Some(text)
}

#[test]
fn what_is_neither_package_nor_index_is_told_as_apk_tells_it() {
    let place = fixtures::root().join(format!("recorded/apk-{VERSION}/plain.txt"));
    if let Some(theirs) = each(their_apk) {
        if std::env::var_os("APK_OSTREE_RECORD").is_some() {
            fs::write(&place, &theirs).unwrap();
        }
        assert_eq!(fs::read_to_string(&place).unwrap(), theirs);
    }
    let ours = each(|dir, words| Some(our_apk(dir, words))).unwrap();
    let theirs = fs::read_to_string(&place).unwrap();
    assert_eq!(ours.lines().count(), theirs.lines().count());
    let mut different = String::new();
    for (ours, theirs) in ours.lines().zip(theirs.lines()) {
        if ours != theirs {
            writeln!(different, "ours {ours}\napk  {theirs}").unwrap();
        }
    }
    assert!(different.is_empty(), "{different}");
}
