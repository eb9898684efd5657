//! `apk extract` with packages that mean harm, and with everything that only root can make.

use crate::pair::{Answer, apk_ostree, similar};
use fixtures::forge::package::Member;
use fixtures::forge::{Fault, Forge, Key};
use fixtures::peer;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// Extracts a package into `dir/out`, with nothing but the demo's key.
fn extract(dir: &Path, package: &Forge, options: &[&str]) -> Answer {
    fs::write(dir.join("p.apk"), package.build(&Key::demo())).unwrap();
    let keys = fixtures::path("demo/keys").display().to_string();
    let mut command = apk_ostree(dir);
    command.args([
        "apk",
        "--keys-dir",
        &keys,
        "extract",
        "--destination",
        "out",
    ]);
    command
        .args(options)
        .arg("p.apk")
        .env("APK_CONFIG", "/dev/null");
    Answer::of(command)
}

fn package() -> Forge {
    Forge::package("p", "1").arch("x86_64")
}

/// A directory with `out`, and `away` beside it that must stay as it is.
fn place() -> fixtures::Scratch {
    let dir = fixtures::scratch("extract");
    for name in ["out", "away"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    fs::write(dir.path().join("away/kept"), "kept\n").unwrap();
    dir
}

#[track_caller]
fn assert_untouched(dir: &Path) {
    let names: Vec<_> = fs::read_dir(dir.join("away"))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(names, ["kept"]);
    assert_eq!(fs::read_to_string(dir.join("away/kept")).unwrap(), "kept\n");
}

#[test]
fn links_of_the_package_are_not_followed() {
    for target in ["../away", "/tmp", "."] {
        let dir = place();
        let package = package()
            .symlink("way", target)
            .file("way/new", "x\n")
            .as_given();
        let answer = extract(dir.path(), &package, &[]);
        assert_eq!(answer.code, Some(99), "{target}");
        assert_eq!(
            answer.stderr,
            "ERROR: p.apk: Too many levels of symbolic links\n\
             detail: p.apk: cannot make \"way/new\": Too many levels of symbolic links\n"
        );
        assert_untouched(dir.path());
    }
}

#[test]
fn links_in_the_destination_are_not_followed() {
    let dir = place();
    symlink("../away", dir.path().join("out/etc")).unwrap();
    let answer = extract(
        dir.path(),
        &package().dir("etc").file("etc/kept", "x\n"),
        &["--force-overwrite"],
    );
    assert_eq!(
        answer.failure(),
        "ERROR: p.apk: File exists\ndetail: p.apk: cannot make \"etc\": File exists\n"
    );
    assert_untouched(dir.path());
    let answer = extract(
        dir.path(),
        &package().file("etc/kept", "x\n").as_given(),
        &["--force-overwrite"],
    );
    assert_eq!(answer.code, Some(99));
    assert_untouched(dir.path());
}

#[test]
fn a_link_in_the_place_of_a_file_is_replaced_not_written_through() {
    let dir = place();
    symlink("../away/kept", dir.path().join("out/f")).unwrap();
    let package = package().file("f", "new\n");
    assert_eq!(
        extract(dir.path(), &package, &[]).failure(),
        "ERROR: p.apk: File exists\ndetail: p.apk: cannot make \"f\": File exists\n"
    );
    let answer = extract(dir.path(), &package, &["--force-overwrite"]);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    assert_eq!(
        fs::read_to_string(dir.path().join("out/f")).unwrap(),
        "new\n"
    );
    assert_untouched(dir.path());
}

#[test]
fn hard_links_lead_to_files_of_the_destination_only() {
    let dir = place();
    symlink("../away", dir.path().join("out/way")).unwrap();
    let package = package().hardlink("stolen", "way/kept").as_given();
    assert_eq!(extract(dir.path(), &package, &[]).code, Some(99));
    assert!(!dir.path().join("out/stolen").exists());
    assert_untouched(dir.path());
}

#[test]
fn names_that_lead_out_are_refused() {
    for name in ["../away/new", "/tmp/new", "a/../../away/new", "a//b", "./a"] {
        let dir = place();
        let answer = extract(dir.path(), &package().file(name, "x\n").as_given(), &[]);
        assert_eq!(answer.code, Some(99), "{name}");
        assert_eq!(
            fs::read_dir(dir.path().join("out")).unwrap().count(),
            0,
            "{name}"
        );
        assert_untouched(dir.path());
    }
}

#[test]
fn a_package_that_turns_out_false_leaves_nothing() {
    let faults = [
        Fault::WrongDatahash,
        Fault::Trailing(b"more".to_vec()),
        Fault::Truncated(40),
        Fault::FlipByte {
            member: Member::Data,
            offset: 30,
        },
    ];
    for fault in faults {
        let dir = place();
        let package = package().file("a", "a\n").file("b", "b\n").fault(fault);
        assert_eq!(
            extract(dir.path(), &package, &["--allow-untrusted"]).code,
            Some(99)
        );
        assert_eq!(fs::read_dir(dir.path().join("out")).unwrap().count(), 0);
    }
}

#[test]
fn modes_do_not_depend_on_the_umask() {
    let dir = place();
    let package = package()
        .file("run", "x\n")
        .mode(0o4777)
        .dir("wide")
        .mode(0o1777);
    extract(dir.path(), &package, &["--no-chown"]).success();
    for (name, mode) in [("run", 0o4777), ("wide", 0o1777)] {
        let found = fs::metadata(dir.path().join("out").join(name)).unwrap();
        assert_eq!(found.permissions().mode() & 0o7777, mode, "{name}");
    }
}

/// As root: owners by the root's accounts, devices, attributes, like the real apk. (apk 3.0.6 loses the setgid bit of
/// directories, so there is none here.)
#[test]
fn root_gets_everything_as_the_real_apk_makes_it() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let Some(apk) = peer::apk3() else { return };
    let dir = place();
    fs::create_dir_all(dir.path().join("root/etc")).unwrap();
    fs::write(
        dir.path().join("root/etc/passwd"),
        "known:x:4242:1::/:/bin/sh\n",
    )
    .unwrap();
    fs::write(dir.path().join("root/etc/group"), "known:x:4343:\n").unwrap();
    let package = package()
        .dir("d")
        .mode(0o750)
        .owner("known", "unknown", 7, 8)
        .file("d/f", "f\n")
        .mode(0o4755)
        .owner("unknown", "known", 9, 10)
        .mtime(1_600_000_000)
        .xattr("user.k", "val")
        .xattr(
            "security.capability",
            hex("0100000200200000000000000000000000000000"),
        )
        .hardlink("d/h", "d/f")
        .symlink("l", "d/f")
        .owner("known", "known", 1, 1)
        .char_device("c", 1, 3)
        .mode(0o666)
        .block_device("b", 7, 0)
        .fifo("p")
        .mode(0o600);
    let words = ["--root", "root", "extract", "--destination", "out"];
    let ours = extract(dir.path(), &package, &["--root", "root"]);
    assert_eq!((ours.code, ours.stderr.as_str()), (Some(0), ""));
    fs::rename(dir.path().join("out"), dir.path().join("ours")).unwrap();
    fs::create_dir(dir.path().join("out")).unwrap();
    let keys = fixtures::path("demo/keys").display().to_string();
    let mut command = apk.command();
    command
        .current_dir(dir.path())
        .args(["--keys-dir", &keys])
        .args(words)
        .arg("p.apk");
    let theirs = Answer::of(command);
    assert_eq!(
        (ours.stdout, ours.code),
        (theirs.stdout, theirs.code),
        "{}",
        theirs.stderr
    );
    let listing = |name: &str| {
        let table = fixtures::listing::of(&dir.path().join(name)).unwrap();
        table
            .lines()
            .filter(|line| !line.starts_with(".\t"))
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    };
    similar(&listing("ours"), &listing("out"), "the extracted files");
    let time = |name: &str| {
        fs::metadata(dir.path().join(name).join("d/f"))
            .unwrap()
            .modified()
            .unwrap()
    };
    assert_eq!(time("ours"), time("out"));
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}
