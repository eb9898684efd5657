//! `apk extract` and `apk verify` with packages that mean harm, in both formats, within a bound on memory.
//!
//! | | v2 | v3 |
//! |---|---|---|
//! | path tricks, zeros, names that are no text | tar names and pax records | names of directories and files |
//! | lying sizes | tar header | size of the file, count of an array, length of a blob |
//! | bombs | `.PKGINFO` | values, values that share |
//! | many entries, entries twice | 50,000 times one directory | refused, as nothing sorted has doubles |
//! | hard links in circles, and to elsewhere | link entries | targets |
//!
//! Each is an error that names the package, but for a directory that comes again in v2; and nothing beside the
//! destination is touched. The library's own tests say which error it is, and turn every word and offset of ADB.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use apk_format::adb::block::Schema;
use apk_format::adb::compression::Compression;
use apk_format::adb::file::FileWriter;
use apk_format::adb::value::Value;
use apk_format::adb::writer::ValueWriter;
use fixtures::forge::tar::{Entry, Kind};
use fixtures::forge::{Forge, Key};

use crate::pair::Answer;

/// 256 MiB of memory and a minute.
const BOUNDS: &str =
    "ulimit -d 262144; ulimit -v 1048576; ulimit -c 0; exec timeout -s KILL 60 \"$0\" apk \"$@\"";

/// Runs a command of the face on `p.apk`.
fn bounded(dir: &Path, words: &[&str]) -> Answer {
    let mut command = Command::new("sh");
    command.current_dir(dir).env("APK_CONFIG", "/dev/null");
    command
        .args(["-c", BOUNDS, env!("CARGO_BIN_EXE_apk-ostree")])
        .arg("--allow-untrusted")
        .args(words)
        .arg("p.apk")
        .stdin(Stdio::null());
    Answer::of(command)
}

/// Both commands end by themselves, and leave alone what is beside the destination; gives whether they refused.
#[track_caller]
fn refused(what: &str, package: &[u8]) -> bool {
    let dir = fixtures::scratch("extract-hostile");
    fs::create_dir(dir.path().join("out")).unwrap();
    fs::write(dir.path().join("kept"), "kept\n").unwrap();
    fs::write(dir.path().join("p.apk"), package).unwrap();
    let mut codes = Vec::new();
    for words in [&["extract", "--destination", "out"][..], &["verify"]] {
        let answer = bounded(dir.path(), words);
        let said: String = answer.stderr.chars().take(500).collect();
        assert!(
            matches!(answer.code, Some(0..=99)),
            "{what}: {words:?} ended with {:?}: {said}",
            answer.code
        );
        assert!(!answer.stderr.contains("panicked"), "{what}: {said}");
        if answer.code != Some(0) && words[0] == "extract" {
            assert!(said.contains("p.apk"), "{what}: {said}");
        }
        codes.push(answer.code != Some(0));
    }
    let mut names: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["kept", "out", "p.apk"], "{what}");
    assert_eq!(
        fs::read(dir.path().join("kept")).unwrap(),
        b"kept\n",
        "{what}"
    );
    codes[0]
}

fn v2() -> Forge {
    Forge::package("p", "1").arch("x86_64")
}

#[test]
fn v2_packages_are_refused() {
    let key = Key::demo();
    let named = |name: &[u8]| {
        let mut entry = Entry::file("a", "x");
        entry.record("path", name);
        v2().entry(entry)
    };
    let link = |name: &str, target: &str| {
        let mut entry = Entry::new(Kind::HardLink, name);
        entry.link = target.into();
        entry
    };
    for (what, package) in [
        ("up", named(b"../kept")),
        ("up inside", named(b"a/../../kept")),
        ("absolute", named(b"/tmp/kept")),
        ("a zero", named(b"a\0b")),
        ("no text", named(b"a\xff")),
        ("a line break", named(b"a\nF:etc")),
        ("a long size", v2().file("a", "x").claiming_size(1 << 30)),
        (
            "the longest size",
            v2().file("a", "x").claiming_size((1 << 33) - 1),
        ),
        (
            "a wrong checksum",
            v2().file("a", "x").claiming_checksum([1; 20]),
        ),
        ("a circle", v2().entry(link("a", "b")).entry(link("b", "a"))),
        ("itself", v2().entry(link("a", "a"))),
        ("a link out", v2().entry(link("a", "../kept"))),
        (
            "a bomb",
            v2().info_line(&"x".repeat(17 << 20)).file("a", "x"),
        ),
    ] {
        assert!(refused(what, &package.build(&key)), "{what} passed");
    }
}

#[test]
fn v2_doubles_stay_within_the_bounds() {
    let key = Key::demo();
    let twice = v2().file("a", "one").file("a", "two");
    assert!(refused("a file twice", &twice.build(&key)));
    let many = (0..50_000).fold(v2(), |package, _| package.dir("a"));
    assert!(!refused("a directory 50,000 times", &many.build(&key)));
}

// --- v3 --------------------------------------------------------------------------------------------------------------

fn v3(compression: Compression, paths: impl FnOnce(&mut ValueWriter) -> Value) -> Vec<u8> {
    let mut writer = ValueWriter::new();
    let (name, version) = (writer.blob(b"p"), writer.blob(b"1"));
    let info = writer.object(&[name, version]);
    let paths = paths(&mut writer);
    let root = writer.object(&[info, paths]);
    let values = writer.finish(root).unwrap();
    let file = FileWriter::start(Vec::new(), compression, Schema::PACKAGE, &values, &[]).unwrap();
    file.finish().unwrap()
}

/// One directory, and the files in it.
fn files(dir: &[u8], files: &[(&[u8], u64, &[u8])]) -> Vec<u8> {
    v3(Compression::None, |w| {
        let (mode, root) = (w.int(0o644), w.blob(b"root"));
        let acl = w.object(&[mode, root, root]);
        let files: Vec<Value> = files
            .iter()
            .map(|(name, size, target)| {
                let (name, size, target) = (w.blob(name), w.int(*size), w.blob(target));
                let hash = w.blob(&[7; 32]);
                w.object(&[name, acl, size, Value::NULL, hash, target])
            })
            .collect();
        let (dir, files) = (w.blob(dir), w.array(&files));
        let dir = w.object(&[dir, acl, files]);
        w.array(&[dir])
    })
}

#[test]
fn v3_packages_are_refused() {
    let one = |dir: &str, name: &[u8], target: &[u8]| files(dir.as_bytes(), &[(name, 0, target)]);
    let link = b"\x00\xa0x";
    for (what, package) in [
        ("up", one("..", b"kept", link)),
        ("up inside", one("a/../..", b"kept", link)),
        ("absolute", one("/tmp", b"kept", link)),
        ("a slash", one("", b"../kept", link)),
        ("a zero", one("", b"a\0b", link)),
        ("no text", one("", b"a\xff", link)),
        ("a line break", one("", b"a\nF:etc", link)),
        ("a link out", one("", b"a", b"\x00\x80../kept")),
        ("itself", one("", b"a", b"\x00\x80a")),
        (
            "a circle",
            files(b"", &[(b"a", 0, b"\x00\x80b"), (b"b", 0, b"\x00\x80a")]),
        ),
        ("twice", files(b"", &[(b"a", 0, link), (b"a", 0, link)])),
        (
            "a size without content",
            files(b"", &[(b"a", 1 << 40, b"")]),
        ),
        ("the longest size", files(b"", &[(b"a", u64::MAX, b"")])),
    ] {
        assert!(refused(what, &package), "{what} passed");
    }
}

#[test]
fn v3_bombs_and_lying_counts_are_refused() {
    let zeros = v3(Compression::Deflate(1), |w| {
        let blob = w.blob(&vec![0; 100 << 20]);
        w.array(&[blob])
    });
    assert!(refused("100 MB of zeros", &zeros));
    let shared = v3(Compression::Deflate(1), |w| {
        let (mode, root) = (w.int(0o644), w.blob(b"root"));
        let acl = w.object(&[mode, root, root]);
        let files: Vec<Value> = (0..10_000)
            .map(|n| {
                let (name, target) = (w.blob(format!("{n:05}").as_bytes()), w.blob(b"\x00\xa0x"));
                w.object(&[name, acl, Value::NULL, Value::NULL, Value::NULL, target])
            })
            .collect();
        let files = w.array(&files);
        let dirs: Vec<Value> = (0..10_000)
            .map(|n| {
                let dir = w.blob(format!("d{n:05}").as_bytes());
                w.object(&[dir, acl, files])
            })
            .collect();
        w.array(&dirs)
    });
    assert!(refused("10,000 directories share 10,000 files", &shared));
    // The values begin at byte 12; the last of them is the object that is the root.
    let mut count = files(b"", &[(b"a", 0, b"\x00\xa0x")]);
    let root = u32::from_le_bytes(count[16..20].try_into().unwrap()) & 0x0fff_ffff;
    let at = 12 + usize::try_from(root).unwrap();
    count[at..at + 4].copy_from_slice(&0x0fff_ffff_u32.to_le_bytes());
    assert!(refused("268 million slots", &count));
    let mut block = files(b"", &[]);
    block[8..12].copy_from_slice(&0x3fff_ffff_u32.to_le_bytes());
    assert!(refused("a block of 1 GiB", &block));
}
