//! What v3 packages recommend, as `apk query` tells it: beside the real apk, and as apk 3.0.6 told it.

use std::fs;

use crate::apk::{empty_root, our_apk, their_apk, words};

const PACKAGES: [&str; 2] = [
    "mkpkg -I name:with -I version:1 -I arch:x86_64 -I 'recommends:b>1 a !c so:x~2' -I 'tags:t u' -o x86_64/with-1.apk",
    "mkpkg -I name:a -I version:2 -I arch:x86_64 -I depends:with -o x86_64/a-2.apk",
];

/// With what apk 3.0.6 answers, where that is kept.
const QUERIES: [(&str, Option<&str>); 11] = [
    (
        "query --fields recommends with",
        Some("Recommends: a b>1 !c so:x~2\n"),
    ),
    (
        "query --fields name,recommends --format json with",
        Some(
            "[\n  {\n    \"name\": \"with\",\n    \"recommends\": [\n      \"a\",\n      \"b>1\",\n      \"!c\",\n      \"so:x~2\"\n    ]\n  }\n]\n",
        ),
    ),
    (
        "query --fields recommends --format yaml with",
        Some("# 1 items\n- recommends: # 4 items\n    - a\n    - b>1\n    - '!c'\n    - so:x~2\n"),
    ),
    ("query --fields all --format json with", None),
    ("query --fields recommends:name *", None),
    ("query --fields recommends,tags,depends *", None),
    (
        "query --match recommends --fields name a",
        Some("Name: with\n"),
    ),
    ("query --match recommends --fields package b>2 c so:x", None),
    ("query --summarize recommends *", Some("a\nb\nso:x\n")),
    ("query --recursive --fields package,recommends a", None),
    (
        "fetch --simulate --recursive with",
        Some("Downloading with-1\n"),
    ),
];

#[test]
fn queries_tell_what_is_recommended() {
    let dir = fixtures::scratch("recommends");
    let dir = dir.path();
    fs::create_dir(dir.join("x86_64")).unwrap();
    empty_root(&dir.join("root"));
    fs::write(dir.join("root/etc/apk/arch"), "x86_64\n").unwrap();
    for line in PACKAGES {
        assert_eq!(our_apk(dir, &words(line, dir)).code, Some(0));
    }
    let index = "mkndx --allow-untrusted -o x86_64/Packages.adb x86_64/with-1.apk x86_64/a-2.apk";
    assert_eq!(our_apk(dir, &words(index, dir)).code, Some(0));
    for (line, kept) in QUERIES {
        let line = format!("-p root --allow-untrusted -X DIR/x86_64/Packages.adb {line}");
        let ours = our_apk(dir, &words(&line, dir));
        assert_eq!((ours.code, &*ours.stderr), (Some(0), ""), "{line}");
        assert!(
            kept.is_none_or(|kept| kept == ours.stdout),
            "{line}: {}",
            ours.stdout
        );
        if let Some(theirs) = their_apk(dir, &words(&line, dir)) {
            assert_eq!(ours, theirs, "{line}");
        }
    }
}
