//! Files that cannot be read, as an ordinary user finds them: without permission, a directory, below a file, missing. The
//! words and the exit code of every command that reads or makes packages are apk's.
//!
//! `recorded/apk-3.0.6/unreadable.txt` has what apk 3.0.6 said; with `APK_OSTREE_APK3` it is asked again, and
//! `APK_OSTREE_RECORD=1` writes the file. Where apk 3.0.6 crashes ([`CRASHES`]) ours says what is wrong.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use fixtures::peer;

use crate::apk::{VERSION, our_apk, words};
use crate::pair::Answer;

const NOBODY: u32 = 65534;

const FILES: &[&str] = &[
    "no.apk",
    "dir.apk",
    "dir",
    "missing.apk",
    "none/x",
    "a.apk/x.apk",
];

/// With a file behind each.
const COMMANDS: &[&str] = &[
    "add --simulate --force-non-repository --root r",
    "adbdump",
    "adbsign --sign-key k.rsa",
    "extract --destination out",
    "fetch --simulate --root r",
    "index -o made.gz",
    "info -L --root r",
    "manifest --root r",
    "mkndx -o made.adb",
    "query --root r",
    "verify",
];

/// With the place that cannot be used in the middle.
const LINES: &[&str] = &[
    "adbsign --sign-key no.rsa a.apk",
    "adbsign --sign-key dir a.apk",
    "adbsign --sign-key missing a.apk",
    "extract --destination none a.apk",
    "extract --destination missing a.apk",
    "extract --destination a.apk a.apk",
    "index -x no.apk a.apk",
    "index -x dir a.apk",
    "mkndx -x no.apk a.apk",
    "mkndx -x dir a.apk",
    "mkndx -x missing a.apk",
    "mkndx -o dir a.apk",
    "mkpkg -I name:a -I version:1 -F unreadable -o made.apk",
    "mkpkg -I name:a -I version:1 -F closed -o made.apk",
    "mkpkg -I name:a -I version:1 -F none -o made.apk",
    "mkpkg -I name:a -I version:1 -F missing -o made.apk",
    "mkpkg -I name:a -I version:1 -F a.apk -o made.apk",
    "mkpkg -I name:a -I version:1 -F tree -o dir",
    "mkpkg -I name:a -I version:1 -F tree -o none/x",
    "mkpkg -I name:a -I version:1 -F tree -o missing/x",
    "mkpkg -I name:a -I version:1 -F tree -s post-install:no.apk",
    "mkpkg -I name:a -I version:1 -F tree -s post-install:missing",
];

/// Where apk 3.0.6 ends by a signal.
const CRASHES: &[&str] = &[
    "adbsign --sign-key k.rsa none/x",
    "adbsign --sign-key k.rsa a.apk/x.apk",
];

/// All is made by root, and belongs to nobody; `no…`, `none` and what is in them cannot be read.
fn material(dir: &Path) {
    for sub in [
        "tree",
        "dir",
        "dir.apk",
        "none",
        "out",
        "unreadable",
        "closed/sub",
        "r",
    ] {
        fs::create_dir_all(dir.join(sub)).unwrap();
    }
    for file in ["tree/f", "unreadable/f", "closed/f", "none/x"] {
        fs::write(dir.join(file), "x\n").unwrap();
    }
    let made = |line: &str| {
        let answer = our_apk(dir, &words(line, dir));
        assert_eq!(answer.code, Some(0), "{line}: {}", answer.stderr);
    };
    made("mkpkg -I name:a -I version:1 -I arch:x86_64 -F tree -o a.apk");
    made(&format!(
        "--root {}/r --arch x86_64 add --initdb",
        dir.display()
    ));
    fs::copy(dir.join("a.apk"), dir.join("no.apk")).unwrap();
    let key = fs::read(fixtures::path("keys/apk-ostree-demo.rsa")).unwrap();
    for name in ["k.rsa", "no.rsa"] {
        fs::write(dir.join(name), &key).unwrap();
    }
    give(dir);
    for name in ["no.apk", "no.rsa", "none", "unreadable/f", "closed/sub"] {
        fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o000)).unwrap();
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
}

fn give(place: &Path) {
    chown(place, Some(NOBODY), Some(NOBODY)).unwrap();
    if place.is_dir() {
        for inner in fs::read_dir(place).unwrap() {
            give(&inner.unwrap().path());
        }
    }
}

fn lines() -> Vec<String> {
    let with = |command| FILES.iter().map(move |file| format!("{command} {file}"));
    let mut lines: Vec<String> = COMMANDS.iter().copied().flat_map(with).collect();
    lines.extend(LINES.iter().map(|line| (*line).to_owned()));
    lines
}

/// What a command says to an ordinary user, without what ours says beside apk's words.
fn said(dir: &Path, mut command: Command, line: &str) -> String {
    command.args(["--allow-untrusted", "--no-network", "--arch", "x86_64"]);
    command.args(line.split(' ')).current_dir(dir);
    command.env("APK_CONFIG", "/dev/null").stdin(Stdio::null());
    command.uid(NOBODY).gid(NOBODY); // further groups are left with them
    let answer = Answer::of(command);
    let code = answer
        .code
        .map_or("a signal".to_owned(), |code| code.to_string());
    let own = |line: &&str| line.starts_with("detail: ") || line.starts_with("hint: ");
    let stderr: Vec<&str> = answer.stderr.lines().filter(|line| !own(line)).collect();
    format!("[{code}] {:?} {stderr:?}", answer.stdout)
}

/// Every line with a material of its own where it may leave something behind.
fn each(mut program: impl FnMut() -> Command) -> Vec<(String, String)> {
    let said = |line: String| {
        let scratch = fixtures::scratch("unreadable");
        material(scratch.path());
        let said = said(scratch.path(), program(), &line);
        (line, said)
    };
    lines().into_iter().map(said).collect()
}

#[test]
fn what_cannot_be_read_is_told_as_apk_tells_it() {
    if !rustix::process::geteuid().is_root() {
        return; // nobody else can make files that belong to another
    }
    let place = fixtures::root().join(format!("recorded/apk-{VERSION}/unreadable.txt"));
    if let Some(apk) = peer::apk3().filter(|apk| apk.version() == VERSION) {
        let theirs = each(|| apk.command());
        let mut text = String::new();
        for (line, said) in &theirs {
            writeln!(text, "{line}\t{said}").unwrap();
        }
        if std::env::var_os("APK_OSTREE_RECORD").is_some() {
            fs::write(&place, &text).unwrap();
        }
        assert_eq!(fs::read_to_string(&place).unwrap(), text);
    }
    // Where nobody can reach it; another process copies it, since a file that is open for writing cannot be started.
    let reachable = fixtures::scratch("unreadable-program");
    fs::set_permissions(reachable.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = reachable.path().join("apk-ostree");
    let mut copy = Command::new("cp");
    copy.arg(env!("CARGO_BIN_EXE_apk-ostree")).arg(&program);
    assert!(copy.status().unwrap().success());
    let ours = each(|| {
        let mut command = Command::new(&program);
        command.arg("apk");
        command
    });
    let known = fs::read_to_string(&place).unwrap();
    let known: Vec<_> = known
        .lines()
        .map(|row| row.split_once('\t').unwrap())
        .collect();
    assert_eq!(ours.len(), known.len());
    let mut different = String::new();
    for ((line, ours), (known_line, theirs)) in ours.iter().zip(known) {
        assert_eq!(line, known_line);
        if CRASHES.contains(&line.as_str()) {
            assert!(theirs.starts_with("[a signal]"), "{line}: {theirs}");
            assert!(ours.contains("ERROR: "), "{line}: {ours}");
        } else if ours != theirs {
            writeln!(different, "{line}\n  ours {ours}\n  apk  {theirs}").unwrap();
        }
    }
    assert!(different.is_empty(), "{different}");
}
