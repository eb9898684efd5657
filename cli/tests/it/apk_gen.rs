//! `apk adbgen`: what apk 3.0.6 printed of the samples becomes values again; beside the real apk, the same bytes.

use std::fs;
use std::path::Path;

use fixtures::peer;

use crate::apk::{VERSION, our_whole_apk, words};
use crate::pair::{Answer, apk_ostree};

/// An index whose packages, dependencies and fields are in no order.
const INDEX: &str = "\
#%SCHEMA: 78646E69
# a comment
packages: # 3 items
  - version: 2-r0
    name: b
    description: |
      several
      lines: # with signs
    depends:
      - z>1
      - a
      - '!conflict'
      - a
    hashes: ABCDEF
  - name: b
    version: 10-r0
    depends: one two=1 one
    build-time: 4294967296
  # another one
  - name: a
    version: 1
    tags:
      - x
      - a
    license: 'quoted: text'
description: said later
";

/// A package with files and scripts.
const PACKAGE: &str = "\
#%SCHEMA: 676B6370
info:
  name: p
  version: 1-r0
paths:
  - name: usr
    acl:
      mode: 0755
      user: root
      group: root
    files:
      - name: z
        acl:
          mode: 04755
        size: 300
        mtime: 1700000000
        hash: 00ff
      - name: a
        target: 0080
  - name: etc
scripts:
  post-install: |
    #!/bin/sh
      indented
    exit 0
triggers:
  - /usr/*
  - /a /b
replaces-priority: 3
";

fn generated(dir: &Path, file: &str) -> Vec<u8> {
    let mut command = apk_ostree(dir);
    command
        .args(["apk", "adbgen", file])
        .env("APK_CONFIG", "/dev/null");
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{file}: {stderr}");
    output.stdout
}

/// The text of a file of values, without comments and what is behind them.
fn dumped(dir: &Path, file: &str) -> String {
    let answer = our_whole_apk(dir, "/dev/null", &words(&format!("adbdump {file}"), dir));
    without_comments(&answer.success())
}

fn without_comments(text: &str) -> String {
    let kept = text.lines().filter(|line| !line.starts_with("# "));
    kept.map(|line| format!("{line}\n")).collect()
}

/// What apk makes of it, unless there is none. Attributes it writes with `=` for the zero, and cannot read again.
fn theirs(dir: &Path, file: &str) -> Option<Vec<u8>> {
    let apk = peer::apk3().filter(|apk| apk.version() == VERSION)?;
    let said = apk.run_in(dir, ["adbgen", file]);
    assert_eq!(said.code, Some(0), "{file}");
    let text = fs::read_to_string(dir.join(file)).unwrap();
    (!text.contains("xattrs:")).then_some(said.stdout)
}

#[test]
fn printed_values_become_the_same_again() {
    let recorded = fixtures::path("recorded/apk-3.0.6/adbdump");
    let mut count = 0;
    for entry in fs::read_dir(recorded).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "yaml") {
            continue;
        }
        let dir = fixtures::scratch("gen");
        let dir = dir.path();
        fs::copy(&path, dir.join("text")).unwrap();
        let bytes = generated(dir, "text");
        fs::write(dir.join("made.adb"), &bytes).unwrap();
        let text = without_comments(&fs::read_to_string(&path).unwrap());
        assert_eq!(dumped(dir, "made.adb"), text, "{}", path.display());
        if let Some(theirs) = theirs(dir, "text") {
            assert!(theirs == bytes, "{}", path.display());
        }
        count += 1;
    }
    assert!(count >= 5, "{count}");
}

#[test]
fn lists_are_put_in_order() {
    let dir = fixtures::scratch("gen");
    let dir = dir.path();
    for (name, text) in [("index", INDEX), ("package", PACKAGE)] {
        fs::write(dir.join(name), text).unwrap();
        let bytes = generated(dir, name);
        fs::write(dir.join("made.adb"), &bytes).unwrap();
        let text = dumped(dir, "made.adb");
        // Its own text makes the same values, in another place.
        fs::write(dir.join("again"), &text).unwrap();
        fs::write(dir.join("made.adb"), generated(dir, "again")).unwrap();
        assert_eq!(dumped(dir, "made.adb"), text);
        if let Some(theirs) = theirs(dir, name) {
            assert!(theirs == bytes, "{name}: {text}");
        }
    }
    let index = dumped(dir, "made.adb");
    assert!(index.contains("name: etc") && index.find("name: a\n") < index.find("name: z\n"));
}

/// apk 3.0.6 writes something in silence for most of these, or nothing.
#[test]
fn what_is_no_value_is_an_error_with_its_line() {
    let dir = fixtures::scratch("gen");
    let dir = dir.path();
    let deep = format!("#%SCHEMA: 676B6370\n{}x: 1\n", "  ".repeat(1_000_000));
    for (text, words, place) in [
        ("", "ADB schema error", "line 0"),
        ("info:\n", "ADB schema error", "line 1"),
        (
            "#%SCHEMA: 00626469\npackages:\n",
            "ADB schema error",
            "line 1",
        ),
        ("#%SCHEMA: zz\n", "ADB schema error", "line 1"),
        (
            "#%SCHEMA: 676B6370\nnothing: 1\n",
            "ADB schema error",
            "line 2: there is no field \"nothing\" here",
        ),
        (
            "#%SCHEMA: 676B6370\ninfo:\n  - name: a\n",
            "ADB schema error",
            "line 3: it does not belong here",
        ),
        (
            "#%SCHEMA: 676B6370\ninfo:\n  name: a\n      deeper: b\n",
            "ADB schema error",
            "line 4: it does not belong here",
        ),
        (
            "#%SCHEMA: 676B6370\njust words\n",
            "ADB schema error",
            "line 2: it does not belong here",
        ),
        (
            "#%SCHEMA: 676B6370\nreplaces-priority: many\n",
            "file format is invalid or inconsistent",
            "line 2: \"many\"",
        ),
        (
            "#%SCHEMA: 676B6370\ninfo:\n  hashes: 0g\n",
            "file format is invalid or inconsistent",
            "line 3: \"0g\"",
        ),
        (
            "#%SCHEMA: 676B6370\ninfo:\n  depends:\n    - a>\n",
            "file format is invalid or inconsistent",
            "line 4: \"a>\"",
        ),
        (
            "#%SCHEMA: 676B6370\ninfo: text\n",
            "file format is invalid or inconsistent",
            "line 2: \"text\"",
        ),
        (&deep, "ADB schema error", "line 2: it does not belong here"),
    ] {
        fs::write(dir.join("text"), text).unwrap();
        let said: Answer = our_whole_apk(dir, "/dev/null", &["adbgen".into(), "text".into()]);
        assert_eq!((said.code, &*said.stdout), (Some(99), ""), "{place}");
        assert!(
            said.stderr.starts_with(&format!("ERROR: text: {words}\n")),
            "{}",
            said.stderr
        );
        assert!(said.stderr.contains(place), "{place}: {}", said.stderr);
    }
    let missing = our_whole_apk(dir, "/dev/null", &["adbgen".into(), "missing".into()]);
    assert_eq!(
        missing.stderr,
        "ERROR: missing: No such file or directory\n"
    );
}
