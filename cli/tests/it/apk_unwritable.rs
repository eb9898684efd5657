//! Outputs that are there already, or whose place takes none: read-only, somebody else's, links, directories; as root and
//! as an ordinary user, with a umask that hides what is made. What is said, the exit code, and what lies there afterwards
//! are apk's; except that apk 3.0.6 leaves files under other names where it fails, empties what it cannot sign, and
//! crashes or says nothing where a directory takes no file.
//!
//! `recorded/apk-3.0.6/unwritable.txt` has what apk 3.0.6 said and left; with `APK_OSTREE_APK3` it is asked again, and
//! `APK_OSTREE_RECORD=1` writes the file.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use fixtures::forge::{Forge, Key, Repository};
use fixtures::peer;

use crate::apk::{VERSION, our_apk, words};
use crate::pair::Answer;

const NOBODY: u32 = 65534;

/// `PLACE` is a file of one of [`PLACES`].
const COMMANDS: &[&str] = &[
    "index -o PLACE repo/x86_64/one-1-r0.apk",
    "mkndx -o PLACE a.apk",
    "mkpkg -I name:a -I version:1 -F tree -o PLACE",
    "adbsign --sign-key k.rsa PLACE",
    "fetch -X repo --root r -o DIR one",
];

/// Directories: their names, owners and modes.
const PLACES: &[(&str, u32, u32)] = &[
    ("open", NOBODY, 0o755),
    ("shared", 0, 0o1777),
    ("shut", 0, 0o555),
    ("foreign", 0, 0o755),
];

/// What stands there: nothing, a file with its owner and mode, a link, a directory.
#[derive(Debug, Clone, Copy)]
enum There {
    Nothing,
    File(u32, u32),
    Link,
    Dangling,
    Directory,
}

const THERE: &[There] = &[
    There::Nothing,
    There::File(NOBODY, 0o444),
    There::File(NOBODY, 0o600),
    There::File(0, 0o644),
    There::File(0, 0o400),
    There::Link,
    There::Dangling,
    There::Directory,
];

fn material(dir: &Path) {
    let made = |line: &str| {
        let answer = our_apk(dir, &words(line, dir));
        assert_eq!(answer.code, Some(0), "{line}: {}", answer.stderr);
    };
    fs::create_dir_all(dir.join("tree")).unwrap();
    fs::write(dir.join("tree/f"), "x\n").unwrap();
    made("mkpkg -I name:a -I version:1 -I arch:x86_64 -F tree -o a.apk");
    made(&format!(
        "--root {}/r --arch x86_64 add --initdb",
        dir.display()
    ));
    let key = fs::read(fixtures::path("keys/apk-ostree-demo.rsa")).unwrap();
    fs::write(dir.join("k.rsa"), key).unwrap();
    let package = Forge::package("one", "1-r0").arch("x86_64");
    let repository = Repository::new("x86_64").add(package);
    repository.write(&dir.join("repo"), &Key::demo()).unwrap();
    for name in ["a.apk", "k.rsa"] {
        fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o644)).unwrap();
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Puts what is to stand there in its place.
fn put(dir: &Path, place: &Path, there: There) {
    match there {
        There::Nothing => {}
        There::File(owner, mode) => {
            fs::copy(dir.join("a.apk"), place).unwrap();
            fs::set_permissions(place, fs::Permissions::from_mode(mode)).unwrap();
            chown(place, Some(owner), Some(owner)).unwrap();
        }
        There::Link => {
            let target = place.with_file_name("target");
            put(dir, &target, There::File(NOBODY, 0o644));
            symlink("target", place).unwrap();
        }
        There::Dangling => symlink("missing", place).unwrap(),
        There::Directory => fs::create_dir(place).unwrap(),
    }
}

/// What lies in the directory: kind, owner, mode, whether it is what it was before.
fn left(dir: &Path, place: &Path) -> String {
    let before = fs::read(dir.join("a.apk")).unwrap();
    let paths = fs::read_dir(place).unwrap();
    let mut rows: Vec<String> = paths
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.to_string_lossy().contains(".tmp."))
        .map(|path| {
            let about = fs::symlink_metadata(&path).unwrap();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let (mode, owner) = (about.mode(), about.uid());
            let same = about.is_file() && fs::read(&path).unwrap() == before;
            format!("{name} {mode:o} {owner}{}", if same { " same" } else { "" })
        })
        .collect();
    rows.sort();
    rows.join(", ")
}

/// Every command over everything at every place: what it says, and what is left. The words are said without what ours says
/// beside apk's.
fn each(mut program: impl FnMut() -> Command) -> Vec<(String, String)> {
    let scratch = fixtures::scratch("unwritable");
    let dir = scratch.path();
    material(dir);
    let mut rows = Vec::new();
    for user in [0, NOBODY] {
        for command in COMMANDS {
            for (place, owner, mode) in PLACES {
                for there in THERE {
                    let parent = dir.join(place);
                    fs::create_dir(&parent).unwrap();
                    let file = if command.contains("DIR") {
                        "one-1-r0.apk"
                    } else {
                        "x"
                    };
                    put(dir, &parent.join(file), *there);
                    chown(&parent, Some(*owner), Some(*owner)).unwrap();
                    fs::set_permissions(&parent, fs::Permissions::from_mode(*mode)).unwrap();
                    let line = command
                        .replace("PLACE", &format!("{place}/{file}"))
                        .replace("DIR", place);
                    let said = said(dir, program(), &line, user);
                    let title = format!("{user} {there:?}: {line}");
                    rows.push((title, format!("{said} {{{}}}", left(dir, &parent))));
                    fs::remove_dir_all(&parent).unwrap();
                }
            }
        }
    }
    rows
}

fn said(dir: &Path, program: Command, line: &str, user: u32) -> String {
    let mut command = Command::new("sh");
    command.args(["-c", "umask 077; exec \"$@\"", "sh"]);
    command.arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.args(["--allow-untrusted", "--no-network", "--arch", "x86_64"]);
    command.args(line.split(' ')).current_dir(dir);
    command.env("APK_CONFIG", "/dev/null").stdin(Stdio::null());
    command.uid(user).gid(user); // further groups are left with them
    let answer = Answer::of(command);
    let code = answer
        .code
        .map_or("a signal".to_owned(), |code| code.to_string());
    let own = |line: &&str| line.starts_with("detail: ") || line.starts_with("hint: ");
    let stderr: Vec<&str> = answer.stderr.lines().filter(|line| !own(line)).collect();
    format!("[{code}] {:?} {stderr:?}", answer.stdout)
}

#[test]
fn what_stands_in_the_way_is_replaced_as_apk_replaces_it() {
    if !rustix::process::geteuid().is_root() {
        return; // nobody else can make files that belong to another
    }
    let place = fixtures::root().join(format!("recorded/apk-{VERSION}/unwritable.txt"));
    if let Some(apk) = peer::apk3().filter(|apk| apk.version() == VERSION) {
        let mut text = String::new();
        for (line, said) in each(|| apk.command()) {
            writeln!(text, "{line}\t{said}").unwrap();
        }
        if std::env::var_os("APK_OSTREE_RECORD").is_some() {
            fs::write(&place, &text).unwrap();
        }
        assert_eq!(fs::read_to_string(&place).unwrap(), text);
    }
    // Where nobody can reach it; another process copies it, since a file that is open for writing cannot be started.
    let reachable = fixtures::scratch("unwritable-program");
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
        if theirs.starts_with("[a signal]") || theirs.starts_with("[99] \"\" [] ") {
            // apk 3.0.6 crashes, or says nothing
            assert!(ours.contains("ERROR: "), "{line}: {ours}");
            assert!(
                ours.starts_with("[99]") || line.contains("adbsign"),
                "{line}: {ours}"
            );
        } else if line.contains("adbsign") && theirs.contains("ERROR: ") {
            let (said, left) = ours.split_once(" {").unwrap();
            assert_eq!(Some(said), theirs.split(" {").next(), "{line}");
            let file = line.contains("File");
            assert_eq!(
                file,
                left.contains("x 100") && left.contains(" same"),
                "{line}: {ours}"
            );
        } else if ours != theirs {
            writeln!(different, "{line}\n  ours {ours}\n  apk  {theirs}").unwrap();
        }
    }
    assert!(different.is_empty(), "{different}");
}
