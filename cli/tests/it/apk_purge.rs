//! `apk fetch --purge` beside the real apk 3.0.6, which never marks what it has fetched, and so removes that, too: equal
//! words, exit codes and files but for those.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use fixtures::forge::{Forge, Key, Repository};
use fixtures::peer;

use crate::apk::{VERSION, words};
use crate::pair::{Answer, apk_ostree};

/// What is fetched by the lines, if nothing goes wrong.
const FETCHED: [(&str, &str); 2] = [("one", "1-r0"), ("two", "2-r0")];

/// A repository, a root with a cache, and a directory with good and bad files in it.
fn material(dir: &Path) {
    let package = |name: &str, version: &str| {
        let forge = Forge::package(name, version).arch("x86_64");
        forge.file(&format!("usr/{name}"), format!("{name}\n"))
    };
    let (one, two) = (
        package("one", "1-r0"),
        package("two", "2-r0").depends("one"),
    );
    let files: Vec<_> = [&one, &two].map(|forge| forge.forge(&Key::demo())).into();
    Repository::new("x86_64")
        .add(one)
        .add(two)
        .add(package("three", "3-r0"))
        .write(&dir.join("repo"), &Key::demo())
        .unwrap();
    for sub in [
        "root/etc/apk/keys",
        "root/etc/apk/cache",
        "root/lib/apk/db",
        "out/sub",
        "link",
    ] {
        fs::create_dir_all(dir.join(sub)).unwrap();
    }
    let key = "apk-ostree-demo.rsa.pub";
    let keys = fixtures::path("demo/keys");
    fs::copy(keys.join(key), dir.join("root/etc/apk/keys").join(key)).unwrap();
    for (path, text) in [
        ("root/etc/apk/arch", "x86_64\n"),
        ("root/etc/apk/world", "two\n"),
        ("root/lib/apk/db/installed", ""),
        ("root/lib/apk/db/triggers", ""),
        ("out/two-2-r0.apk", "of another size"),
        ("out/three-3-r0.apk", "not asked for"),
        ("out/junk", "x"),
        ("out/.hidden", "x"),
        ("link/old", "x"),
    ] {
        fs::write(dir.join(path), text).unwrap();
    }
    // One is there and in the cache already.
    fs::write(dir.join("out/one-1-r0.apk"), files[0].bytes()).unwrap();
    let identity = files[0].identity();
    let hash: String = identity[..4]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let cached = format!("root/etc/apk/cache/one-1-r0.{hash}.apk");
    fs::write(dir.join(cached), files[0].bytes()).unwrap();
    fs::write(dir.join("root/etc/apk/cache/junk"), "x").unwrap();
}

fn say(dir: &Path, mut command: Command, line: &str) -> Answer {
    let line = format!("-p root -X repo --no-network {line}");
    command.args(words(&line, dir)).current_dir(dir);
    command.env("APK_CONFIG", "/dev/null");
    let mut answer = Answer::of(command);
    let lines = answer.stderr.split_inclusive('\n');
    answer.stderr = lines
        .filter(|line| !line.starts_with("detail: ") && !line.starts_with("hint: "))
        .collect();
    answer
}

/// Files below a directory, with the number of their names.
fn files(dir: &Path) -> BTreeSet<String> {
    let table = fixtures::listing::of(dir).unwrap();
    let paths = table
        .lines()
        .skip(2)
        .map(|line| line.split('\t').next().unwrap());
    paths
        .map(|path| {
            let links = dir.join(path).symlink_metadata().unwrap().nlink();
            let is_package = path.ends_with(".apk") && !path.starts_with("repo");
            format!("{path} {}", if is_package { links } else { 0 })
        })
        .collect()
}

const LINES: [&str; 10] = [
    "fetch --purge -o out two one",
    "fetch --purge --simulate -o out two one",
    "fetch --purge --recursive -o out two",
    "fetch --purge --world --recursive -o out",
    "fetch --purge --link -o link two one",
    "fetch --purge --stdout two one",
    "fetch --purge --stdout -o out two one",
    "fetch --purge -o out two one missing",
    "fetch --purge -o out --url two one",
    "fetch --purge --pkgname-spec ${name}_${version}.apk -o out two one",
];

#[test]
fn only_what_was_just_fetched_stays_beyond_apk() {
    let peer = peer::apk3().filter(|apk| apk.version() == VERSION);
    for line in LINES {
        let scratch = fixtures::scratch("apk-purge");
        let [our_dir, their_dir] = ["ours", "theirs"].map(|name| scratch.path().join(name));
        material(&our_dir);
        let mut command = apk_ostree(&our_dir);
        command.arg("apk");
        let ours = say(&our_dir, command, line);
        assert!(our_dir.join("root/etc/apk/cache/junk").exists(), "{line}");
        let Some(apk) = &peer else { continue };
        material(&their_dir);
        let mut theirs = say(&their_dir, apk.command(), line);
        let mut left = files(&our_dir);
        let mut missed = BTreeSet::new();
        let between = if line.contains("--pkgname-spec") {
            '_'
        } else {
            '-'
        };
        let fetched = FETCHED.map(|(name, version)| format!("{name}{between}{version}.apk"));
        // Nor does apk remove the directory of which it says so, and files come in any order.
        theirs.stdout = sorted(&theirs.stdout, |text| {
            let name = text.strip_prefix("Purging ").unwrap_or_default();
            let fetched = fetched.contains(&name.to_owned());
            if fetched {
                missed.insert(name.to_owned());
            }
            !fetched && name != "sub"
        });
        if !line.contains("--simulate") {
            let place = line
                .split(" -o ")
                .last()
                .unwrap()
                .split(' ')
                .next()
                .unwrap();
            let gone = |name: &String| {
                left.remove(&format!("{place}/{name} 1"))
                    || left.remove(&format!("{place}/{name} 2"))
            };
            assert!(missed.iter().all(gone), "{line} {missed:?} {place}");
        }
        let ours = Answer {
            stdout: sorted(&ours.stdout, |_| true),
            ..ours
        };
        assert_eq!(ours, theirs, "{line}");
        assert_eq!(left, files(&their_dir), "{line}");
    }
}

fn sorted(text: &str, mut keep: impl FnMut(&str) -> bool) -> String {
    let mut lines: Vec<&str> = text
        .split_inclusive('\n')
        .filter(|line| keep(line.trim_end()))
        .collect();
    lines.sort_unstable();
    lines.concat()
}

/// What ours leaves, wherever the tests run.
#[test]
fn what_was_fetched_is_all_that_stays() {
    let scratch = fixtures::scratch("apk-purge");
    let dir = scratch.path().join("ours");
    for (line, place, stays) in [
        (
            "fetch --purge -o out two one",
            "out",
            &[".hidden", "one-1-r0.apk", "sub", "two-2-r0.apk"][..],
        ),
        (
            "fetch --purge --link -o link two one",
            "link",
            &["one-1-r0.apk", "two-2-r0.apk"],
        ),
        (
            "fetch --purge --stdout -o out two one",
            "out",
            &[
                ".hidden",
                "junk",
                "one-1-r0.apk",
                "sub",
                "three-3-r0.apk",
                "two-2-r0.apk",
            ],
        ),
    ] {
        material(&dir);
        let mut command = apk_ostree(&dir);
        command.arg("apk");
        assert_eq!(say(&dir, command, line).code, Some(0), "{line}");
        let left = fs::read_dir(dir.join(place)).unwrap();
        let left: BTreeSet<String> = left
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(
            left.iter().map(String::as_str).collect::<Vec<_>>(),
            stays,
            "{line}"
        );
        fs::remove_dir_all(&dir).unwrap();
    }
}
