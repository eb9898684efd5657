//! `apk extract`, `verify`, `add` and `manifest` with packages that mean harm, in both formats, within a bound on memory.
//!
//! | | v2 | v3 |
//! |---|---|---|
//! | path tricks, zeros, names that are no text | tar names and pax records | names of directories and files |
//! | lying sizes | tar header | size of the file, count of an array, length of a blob |
//! | bombs | `.PKGINFO` | values, values that share |
//! | many entries, entries twice | 50,000 times one directory | refused, as nothing sorted has doubles |
//! | hard links in circles, and to elsewhere | link entries | targets |
//!
//! Each is an error that names the package and the place in it, but for a directory that comes again in v2; and nothing
//! beside the destination is touched. What a command takes all the same, as `verify` does with links that lead to nothing,
//! apk 3.0.6 takes too. The library's own tests say which error it is, and turn every word and offset of ADB.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use apk_format::Digest;
use apk_format::adb::block::Schema;
use apk_format::adb::compression::Compression;
use apk_format::adb::file::FileWriter;
use apk_format::adb::unique_id;
use apk_format::adb::value::Value;
use apk_format::adb::writer::ValueWriter;
use fixtures::forge::tar::{Entry, Kind};
use fixtures::forge::{Forge, Key};
use fixtures::peer;

use crate::pair::Answer;

/// 256 MiB of memory and a minute.
const BOUNDS: &str =
    "ulimit -d 262144; ulimit -v 1048576; ulimit -c 0; exec timeout -s KILL 60 \"$0\" apk \"$@\"";

/// Runs a command of the face on `p.apk`.
fn bounded(dir: &Path, words: &[&str]) -> Answer {
    within(BOUNDS, dir, words)
}

fn within(bounds: &str, dir: &Path, words: &[&str]) -> Answer {
    let mut command = Command::new("sh");
    command.current_dir(dir).env("APK_CONFIG", "/dev/null");
    command
        .args(["-c", bounds, env!("CARGO_BIN_EXE_apk-ostree")])
        .arg("--allow-untrusted")
        .args(words)
        .arg("p.apk")
        .stdin(Stdio::null());
    Answer::of(command)
}

const EXTRACT: &[&str] = &["extract", "--destination", "out"];
const VERIFY: &[&str] = &["verify"];
const ADD: &[&str] = &[
    "--root",
    "root",
    "--arch",
    "x86_64",
    "--no-network",
    "--force-non-repository",
    "add",
];
const MANIFEST: &[&str] = &["--root", "root", "manifest"];

/// A package, a directory to extract into, a root, and what nobody may touch.
fn place(package: &[u8]) -> fixtures::Scratch {
    let dir = fixtures::scratch("extract-hostile");
    let path = dir.path();
    fs::create_dir(path.join("out")).unwrap();
    fs::create_dir_all(path.join("root/lib/apk/db")).unwrap();
    fs::create_dir_all(path.join("root/etc/apk")).unwrap();
    for file in [
        "lib/apk/db/installed",
        "lib/apk/db/triggers",
        "etc/apk/world",
    ] {
        fs::write(path.join("root").join(file), "").unwrap();
    }
    fs::write(path.join("root/etc/kept"), "kept\n").unwrap();
    fs::write(path.join("kept"), "kept\n").unwrap();
    fs::write(path.join("p.apk"), package).unwrap();
    dir
}

/// All commands end by themselves, and leave alone what is beside the destination; gives which of them refused.
#[track_caller]
fn refused(what: &str, at: &str, package: &[u8]) -> [bool; 4] {
    let dir = place(package);
    [EXTRACT, VERIFY, ADD, MANIFEST].map(|words| {
        let answer = bounded(dir.path(), words);
        let said: String = answer.stderr.chars().take(1000).collect();
        assert!(
            matches!(answer.code, Some(0..=99)),
            "{what}: {words:?} ended with {:?}: {said}",
            answer.code
        );
        assert!(!said.contains("panicked"), "{what}: {said}");
        let kept = |name: &str| fs::read(dir.path().join(name)).unwrap();
        assert_eq!(kept("kept"), b"kept\n", "{what}");
        assert_eq!(kept("root/etc/kept"), b"kept\n", "{what}");
        let mut names: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["kept", "out", "p.apk", "root"], "{what}");
        // `manifest` ends well whatever it was told, as apk's does.
        let refused = answer.code != Some(0) || (words == MANIFEST && !said.is_empty());
        if refused {
            let named = (said.contains("p.apk") || said.contains("p-1")) && said.contains(at);
            assert!(named, "{what}: {words:?}: {at:?} is not in {said}");
        } else {
            taken_by_apk(what, words, package);
        }
        refused
    })
}

/// What we take is not more than the real apk takes.
#[track_caller]
fn taken_by_apk(what: &str, words: &[&str], package: &[u8]) {
    let Some(apk) = peer::apk3() else { return };
    let dir = place(package);
    let mut command = apk.command();
    command
        .current_dir(dir.path())
        .env("APK_CONFIG", "/dev/null");
    command.arg("--allow-untrusted").args(words).arg("p.apk");
    let answer = apk.finish(command);
    assert!(
        answer.code == Some(0),
        "{what}: {words:?}: {}",
        answer.stderr_text()
    );
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
    let size = |bytes| v2().file("a", "x").claiming_size(bytes);
    let bomb = "x".repeat(17 << 20);
    for (what, at, package) in [
        ("up", "../kept", named(b"../kept")),
        ("up inside", "a/../../kept", named(b"a/../../kept")),
        ("absolute", "/tmp/kept", named(b"/tmp/kept")),
        ("a zero", r#""a\0b""#, named(b"a\0b")),
        ("no text", "\"a\u{fffd}\"", named(b"a\xff")),
        ("a line break", r#""a\nF:etc""#, named(b"a\nF:etc")),
        ("a long size", r#"in "a""#, size(1 << 30)),
        ("the longest size", r#"in "a""#, size((1 << 33) - 1)),
        (
            "a wrong checksum",
            r#"the content of "a""#,
            v2().file("a", "x").claiming_checksum([1; 20]),
        ),
        ("a link out", r#""a""#, v2().entry(link("a", "../kept"))),
        ("a bomb", ".PKGINFO", v2().info_line(&bomb).file("a", "x")),
    ] {
        assert_eq!(refused(what, at, &package.build(&key)), [true; 4], "{what}");
    }
    for (what, package) in [
        ("itself", v2().entry(link("a", "a"))),
        ("a circle", v2().entry(link("a", "b")).entry(link("b", "a"))),
        ("a link to nothing", v2().entry(link("a", "b"))),
    ] {
        let [extract, ..] = refused(what, "a", &package.build(&key));
        assert!(extract, "{what} passed");
    }
}

#[test]
fn v2_doubles_stay_within_the_bounds() {
    let key = Key::demo();
    let twice = v2().file("a", "one").file("b", "x").file("a", "two");
    let passed = refused("a file twice", "a", &twice.build(&key));
    assert_eq!(passed, [true, false, true, false]);
    let many = (0..50_000).fold(v2(), |package, _| package.dir("a"));
    let passed = refused("a directory 50,000 times", "", &many.build(&key));
    assert_eq!(passed, [false; 4]);
}

// --- v3 --------------------------------------------------------------------------------------------------------------

fn v3(compression: Compression, paths: impl FnOnce(&mut ValueWriter) -> Value) -> Vec<u8> {
    let mut writer = ValueWriter::new();
    let (name, version) = (writer.blob(b"p"), writer.blob(b"1"));
    let (id, arch) = (writer.blob(&[7; 20]), writer.blob(b"x86_64"));
    // What has no size has nothing to install.
    let mut info = [Value::NULL; 12];
    (info[0], info[1], info[2]) = (name, version, id);
    (info[4], info[11]) = (arch, writer.int(1));
    let info = writer.object(&info);
    let paths = paths(&mut writer);
    let root = writer.object(&[info, paths]);
    let mut values = writer.finish(root).unwrap();
    let digest = unique_id(&values).unwrap().unwrap();
    let at = values.windows(20).position(|bytes| bytes == [7; 20]);
    let at = at.unwrap();
    values[at..at + 20].copy_from_slice(digest.as_bytes());
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
    let size = |bytes| files(b"", &[(b"a", bytes, b"")]);
    for (what, at, package) in [
        ("up", r#""..""#, one("..", b"kept", link)),
        ("up inside", "a/../..", one("a/../..", b"kept", link)),
        ("absolute", "/tmp", one("/tmp", b"kept", link)),
        ("a slash", "../kept", one("", b"../kept", link)),
        ("a zero", r#""a\0b""#, one("", b"a\0b", link)),
        ("no text", "\"d/a\u{fffd}\"", one("d", b"a\xff", link)),
        ("a line break", r#""a\nF:etc""#, one("", b"a\nF:etc", link)),
        ("a link out", r#""a""#, one("", b"a", b"\x00\x80../kept")),
        (
            "twice",
            r#""a" twice"#,
            files(b"", &[(b"a", 0, link), (b"a", 0, link)]),
        ),
        ("a size without content", r#"for "a""#, size(1 << 40)),
        ("the longest size", r#"for "a""#, size(u64::MAX)),
    ] {
        assert_eq!(refused(what, at, &package), [true; 4], "{what}");
    }
    for (what, package) in [
        ("itself", one("", b"a", b"\x00\x80a")),
        (
            "a circle",
            files(b"", &[(b"a", 0, b"\x00\x80b"), (b"b", 0, b"\x00\x80a")]),
        ),
        ("a link to nothing", one("", b"a", b"\x00\x80b")),
    ] {
        let [extract, ..] = refused(what, "a", &package);
        assert!(extract, "{what} passed");
    }
}

/// 200,000 files are 8 MB of values, and nothing else is kept of them.
#[test]
fn v3_packages_of_many_files_need_little_memory() {
    let empty = Digest::sha256(b"");
    let many = v3(Compression::None, |w| {
        let (mode, root, hash) = (w.int(0o644), w.blob(b"root"), w.blob(empty.as_bytes()));
        let acl = w.object(&[mode, root, root]);
        let files: Vec<Value> = (0..200_000)
            .map(|n| {
                let name = w.blob(format!("{n:06}").as_bytes());
                w.object(&[name, acl, Value::NULL, Value::NULL, hash])
            })
            .collect();
        let (dir, files) = (w.blob(b"d"), w.array(&files));
        let dir = w.object(&[dir, acl, files]);
        w.array(&[dir])
    });
    let dir = place(&many);
    let bounds = BOUNDS.replace("262144", "40960");
    for (words, lines) in [(VERIFY, 0), (MANIFEST, 200_000)] {
        let answer = within(&bounds, dir.path(), words);
        assert_eq!(answer.code, Some(0), "{words:?}: {}", answer.stderr);
        assert!(answer.stdout.lines().count() >= lines, "{words:?}");
    }
}

#[test]
fn v3_bombs_and_lying_counts_are_refused() {
    let zeros = v3(Compression::Deflate(1), |w| {
        let blob = w.blob(&vec![0; 100 << 20]);
        w.array(&[blob])
    });
    assert_eq!(refused("100 MB of zeros", "at byte 12", &zeros), [true; 4]);
    let shared = v3(Compression::Deflate(1), |w| {
        let (mode, root) = (w.int(0o644), w.blob(b"root"));
        let acl = w.object(&[mode, root, root]);
        let files: Vec<Value> = (0..5_000)
            .map(|n| {
                let (name, target) = (w.blob(format!("{n:05}").as_bytes()), w.blob(b"\x00\xa0x"));
                w.object(&[name, acl, Value::NULL, Value::NULL, Value::NULL, target])
            })
            .collect();
        let files = w.array(&files);
        let dirs: Vec<Value> = (0..5_000)
            .map(|n| {
                let dir = w.blob(format!("d{n:05}").as_bytes());
                w.object(&[dir, acl, files])
            })
            .collect();
        w.array(&dirs)
    });
    let what = "5,000 directories share 5,000 files";
    assert_eq!(refused(what, "the field paths", &shared), [true; 4]);
    // The values begin at byte 12; the last of them is the object that is the root.
    let mut count = files(b"", &[(b"a", 0, b"\x00\xa0x")]);
    let root = u32::from_le_bytes(count[16..20].try_into().unwrap()) & 0x0fff_ffff;
    let at = 12 + usize::try_from(root).unwrap();
    count[at..at + 4].copy_from_slice(&0x0fff_ffff_u32.to_le_bytes());
    assert_eq!(refused("268 million slots", "at offset", &count), [true; 4]);
    let mut block = files(b"", &[]);
    block[8..12].copy_from_slice(&0x3fff_ffff_u32.to_le_bytes());
    assert_eq!(refused("a block of 1 GiB", "at byte 12", &block), [true; 4]);
}
