//! The face of apk, beside what apk-tools 3.0.6 said, and beside itself where it is there.
//!
//! The recordings are in `fixtures/recorded/apk-3.0.6/cli/`, one file for a session: each command line, its output, its
//! errors behind `! `, its exit code in brackets. With `APK_OSTREE_APK3` the real apk is asked again, and must still say
//! the same; `APK_OSTREE_RECORD=1` writes down what it says.

use crate::pair::{Answer, apk_ostree, similar};
use fixtures::forge::package::Member;
use fixtures::forge::{Fault, Forge, Key, Repository};
use fixtures::peer;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version that the recordings are of.
pub(crate) const VERSION: &str = "3.0.6";

/// A root with the demo's packages, repositories with newer and stranger ones, single package files.
fn material(dir: &Path) {
    root(dir);
    more(dir);
    broken(dir);
    packages(dir);
    fs::write(
        dir.join("lists"),
        format!(
            "# a comment\nset base={0}\n\n${{base}}/repo\n@edge ${{base}}/more\nv2 ${{base}} more\n",
            dir.display()
        ),
    )
    .unwrap();
    for number in 1..=10 {
        fs::create_dir(dir.join(format!("out{number}"))).unwrap();
    }
    tampered(dir);
    making(dir);
    fs::write(dir.join("wrong-list"), "nonsense /x\n/y\n").unwrap();
    fs::write(dir.join("wrong-variable"), "/x/${none}\n").unwrap();
}

/// The root that apk 2.14.10 made of the demo.
pub(crate) fn root(dir: &Path) {
    let recorded = fixtures::path("recorded/apk-2.14.10/demo-server-x86_64");
    let root = dir.join("root");
    for sub in [
        "lib/apk/db",
        "etc/apk/keys",
        "etc/apk/repositories.d",
        "bin",
        "usr/bin",
    ] {
        fs::create_dir_all(root.join(sub)).unwrap();
    }
    for (from, to) in [
        ("installed", "lib/apk/db/installed"),
        ("triggers", "lib/apk/db/triggers"),
        ("scripts.tar", "lib/apk/db/scripts.tar"),
        ("world", "etc/apk/world"),
        ("arch", "etc/apk/arch"),
    ] {
        fs::copy(recorded.join(from), root.join(to)).unwrap();
    }
    let key = "apk-ostree-demo.rsa.pub";
    fs::copy(
        fixtures::path("demo/keys").join(key),
        root.join("etc/apk/keys").join(key),
    )
    .unwrap();
    std::os::unix::fs::symlink("/bin/busybox", root.join("bin/cat")).unwrap();
    std::os::unix::fs::symlink("nowhere", root.join("bin/lost")).unwrap();
    copy_dir(&fixtures::path("demo/repo"), &dir.join("repo"));
    let list = format!("{}/repo\n", dir.display());
    fs::write(root.join("etc/apk/repositories.d/demo.list"), list).unwrap();
    fs::write(root.join("etc/apk/repositories.d/ignored"), "/nowhere\n").unwrap();
}

pub(crate) fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A repository with newer versions, virtual names, texts that need quoting, cycles.
fn more(dir: &Path) {
    let package = |name, version| {
        Forge::package(name, version)
            .arch("x86_64")
            .builddate(1_700_000_000)
    };
    Repository::new("x86_64")
        .description("more \"of it\"")
        .add(
            package("demo-tool", "1.2-r0")
                .description("a newer tool: # better")
                .provides("cmd:tool=1.2-r0 tool-abi=5")
                .depends("so:libc.demo-x86_64.so.1>=1 demo-zlib<9 !nothing")
                .file("usr/bin/tool", "newer\n"),
        )
        .add(package("demo-zlib", "1.3.1-r0").description("the same version, another build").file("lib/z", "z\n"))
        .add(package("demo-zlib", "1.3.1_p1-r0").file("lib/z", "zz\n"))
        .add(
            package("Upper-Case", "2~abc-r1")
                .description("- it's \\ \"quoted\": ' #\ttab, and long enough to go beyond the eightieth column of a line")
                .license("MIT AND (BSD-2-Clause OR Zlib)")
                .url("https://example.org/?a=b#c")
                .maintainer("Ä Umlaut <a@example.org>")
                .origin("upper")
                .commit("0123456789abcdef0123456789abcdef01234567")
                .provider_priority(7)
                .replaces("demo-tool<2")
                .replaces_priority(3)
                .triggers("/usr/bin")
                .provides("lower:case tool-abi=6 editor")
                .file("usr/x", "x\n"),
        )
        .add(package("cycle-a", "1").depends("cycle-b").file("a", "a\n"))
        .add(package("cycle-b", "1").depends("cycle-c missing-thing").file("b", "b\n"))
        .add(package("cycle-c", "1").depends("cycle-a cycle-b demo-libc").file("c", "c\n"))
        .add(package("follower", "1-r0").install_if("demo-tool>=1 demo-zlib").depends("demo-tool").file("f", "f\n"))
        .add(package("invalid-version", "1.x").file("i", "i\n"))
        .add(package("many-deps", "3").depends(&(1..40).map(|n| format!("dependency-number-{n}")).collect::<Vec<_>>().join(" ")).file("m", "m\n"))
        .add(Forge::package("plain", "1.0-r0").arch("noarch").file("p", "p\n"))
        .add(Forge::package("foreign", "1.0-r0").arch("s390x").file("p", "p\n"))
        .write(&dir.join("more"), &Key::demo())
        .unwrap();
}

/// Repositories that cannot be used, or not as they are.
fn broken(dir: &Path) {
    let empty = || Repository::new("x86_64");
    let good = || empty().add(Forge::package("x", "1").arch("x86_64").file("x", "x\n"));
    good().write(&dir.join("other-key"), &Key::other()).unwrap();
    let index = |name: &str, text: &str| {
        let to = dir.join(name).join("x86_64");
        fs::create_dir_all(&to).unwrap();
        fs::write(
            to.join("APKINDEX.tar.gz"),
            empty().index(text, Some(&Key::demo())),
        )
        .unwrap();
    };
    let record = |rest: &str| {
        format!("C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\nP:odd\nV:1\nS:1\nI:2\nT:\nU:\nL:MIT\n{rest}\n")
    };
    index("bad-depends", &record("D:good bad= worse\n"));
    index("bad-provides", &record("p:good !bad\n"));
    index("unknown-lower", &record("z:1\n"));
    index("unknown-upper", &record("X:1\n"));
    index("no-colon", &record("nonsense\n"));
    fs::create_dir_all(dir.join("garbage/x86_64")).unwrap();
    fs::write(dir.join("garbage/x86_64/APKINDEX.tar.gz"), "no index").unwrap();
}

/// A repository whose index lists other packages than it has.
fn tampered(dir: &Path) {
    let package = |text: &str| {
        Forge::package("tampered", "1")
            .arch("x86_64")
            .file("t", text)
    };
    let repository = Repository::new("x86_64").add(package("listed\n")).add(
        Forge::package("absent", "1")
            .arch("x86_64")
            .file("a", "a\n"),
    );
    repository
        .write(&dir.join("tampered"), &Key::demo())
        .unwrap();
    let files = dir.join("tampered/x86_64");
    fs::write(
        files.join("tampered-1.apk"),
        package("another\n").build(&Key::demo()),
    )
    .unwrap();
    fs::remove_file(files.join("absent-1.apk")).unwrap();
}

/// What packages and indexes are made of: v3 files, keys, an older index.
fn making(dir: &Path) {
    copy_dir(&fixtures::path("samples/v3"), &dir.join("v3"));
    copy_dir(&fixtures::path("samples/keys"), &dir.join("keys"));
    for number in 11..=20 {
        fs::create_dir(dir.join(format!("out{number}"))).unwrap();
    }
    let twice = Forge::package("twice", "1").info_line("pkgdesc = once more");
    fs::write(dir.join("twice.apk"), twice.build(&Key::demo())).unwrap();
    // Whoever runs the test has one name.
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    fs::create_dir_all(dir.join("names/etc")).unwrap();
    let passwd = format!("first:x:{uid}:1::/:/bin/sh\ntester:x:{uid}:1::/:/bin/sh\n");
    fs::write(dir.join("names/etc/passwd"), passwd).unwrap();
    fs::write(dir.join("names/etc/group"), format!("testers:x:{gid}:\n")).unwrap();
    // As root is named root, directories of its are the ones that need not be listed.
    fs::create_dir_all(dir.join("roots/etc")).unwrap();
    let passwd = format!("root:x:{uid}:0::/:/bin/sh\n");
    fs::write(dir.join("roots/etc/passwd"), passwd).unwrap();
    fs::write(dir.join("roots/etc/group"), format!("root:x:{gid}:\n")).unwrap();
    for path in ["tree", "no-files", "bare/usr/share", "linked"] {
        fs::create_dir_all(dir.join(path)).unwrap();
    }
    pack_tree(&dir.join("tree"));
    let linked = dir.join("linked");
    fs::write(linked.join("one"), "one\n").unwrap();
    fs::hard_link(linked.join("one"), linked.join("two")).unwrap();
    fs::write(dir.join("script"), "#!/bin/sh\nexit 0\n").unwrap();
    fs::write(dir.join("script2"), "#!/bin/sh\necho two\n").unwrap();
    fs::write(dir.join("empty-script"), "").unwrap();
    for path in [
        "tree",
        "tree/usr",
        "tree/usr/bin",
        "tree/etc",
        "tree/empty",
        "tree/usr-local",
        "no-files",
        "bare",
        "bare/usr",
        "bare/usr/share",
        "linked",
    ] {
        mode(&dir.join(path), 0o755);
    }
    mode(&dir.join("tree/usr/bin/run"), 0o4755);
    mode(&dir.join("tree/usr/lib"), 0o2750);
}

fn mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A directory with one of everything that needs no privilege.
fn pack_tree(root: &Path) {
    for path in ["usr/bin", "usr/lib", "usr-local", "etc", "empty"] {
        fs::create_dir_all(root.join(path)).unwrap();
    }
    for (path, content) in [
        ("etc/conf", "a = 1\n"),
        ("etc/empty", ""),
        ("usr/bin/run", "#!/bin/sh\n"),
        ("usr/lib/large", &"line after line\n".repeat(9000)),
        ("usr-local/file", "sorted before usr/\n"),
    ] {
        fs::write(root.join(path), content).unwrap();
        mode(&root.join(path), 0o644);
    }
    fs::hard_link(root.join("usr/bin/run"), root.join("usr/bin/also")).unwrap();
    fs::hard_link(root.join("usr/bin/run"), root.join("etc/run")).unwrap();
    std::os::unix::fs::symlink("run", root.join("usr/bin/link")).unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all", root.join("top")).unwrap();
    drop(std::os::unix::net::UnixListener::bind(root.join("etc/socket")).unwrap());
}

/// Package files, good and faulty.
fn packages(dir: &Path) {
    let good = || {
        Forge::package("sample", "1.0-r0")
            .arch("x86_64")
            .dir("etc")
            .file("etc/conf", "conf\n")
            .file("usr/bin/run", "#!/bin/sh\n")
            .mode(0o4755)
            .symlink("usr/bin/link", "run")
            .hardlink("usr/bin/hard", "usr/bin/run")
    };
    let write = |name: &str, forge: Forge, key: &Key| {
        fs::write(dir.join(name), forge.build(key)).unwrap();
    };
    write("good.apk", good(), &Key::demo());
    write("other.apk", good(), &Key::other());
    let flip = |member, offset| Fault::FlipByte { member, offset };
    for (name, fault) in [
        ("unsigned.apk", Fault::Unsigned),
        ("wrong-key.apk", Fault::SignedBy(Key::other().into())),
        ("wrong-datahash.apk", Fault::WrongDatahash),
        ("no-datahash.apk", Fault::NoDatahash),
        ("cut.apk", Fault::Truncated(60)),
        ("trailing.apk", Fault::Trailing(b"more".to_vec())),
        ("bad-signature.apk", flip(Member::Signature, 700)),
    ] {
        write(name, good().fault(fault), &Key::demo());
    }
    fs::write(dir.join("empty.apk"), "").unwrap();
    fs::write(dir.join("text.apk"), "no package\n").unwrap();
}

/// The sessions.
const SESSIONS: &[Session] = &[
    ("options", "-p root", include_str!("apk/options.txt")),
    ("list", "-p root -X more", include_str!("apk/list.txt")),
    ("search", "-p root -X more", include_str!("apk/search.txt")),
    ("info", "-p root -X more", include_str!("apk/info.txt")),
    ("query", "-p root -X more", include_str!("apk/query.txt")),
    (
        "version",
        "-p root -X more",
        include_str!("apk/version.txt"),
    ),
    ("dot", "-p root -X more", include_str!("apk/dot.txt")),
    ("files", "-p root -X more", include_str!("apk/files.txt")),
    ("extract", "-p root", include_str!("apk/extract.txt")),
    ("fetch", "-p root -X more", include_str!("apk/fetch.txt")),
    ("index", "-p root", include_str!("apk/index.txt")),
    ("mkndx", "-p root", include_str!("apk/mkndx.txt")),
    ("mkpkg", "-p names", include_str!("apk/mkpkg.txt")),
    ("adbsign", "-p root", include_str!("apk/adbsign.txt")),
    (
        "changes",
        "-p root -X more",
        include_str!("apk/changes.txt"),
    ),
    ("convndx", "-p root", include_str!("apk/convndx.txt")),
    (
        "repositories",
        "-p root",
        include_str!("apk/repositories.txt"),
    ),
];

pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The words of a line: separated by spaces, unless single quotes hold them together; `DIR` is the directory.
pub(crate) fn words(line: &str, dir: &Path) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('\'').enumerate() {
        if at % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(
                part.split(' ')
                    .filter(|word| !word.is_empty())
                    .map(str::to_owned),
            );
        }
    }
    let dir = dir.display().to_string();
    words
        .into_iter()
        .map(|word| word.replace("DIR", &dir))
        .collect()
}

/// A session as a recording has it. The real apk and ours have the same way with words and variables.
pub(crate) fn transcript(
    dir: &Path,
    begin: &str,
    text: &str,
    ask: impl Fn(&str, &[String]) -> Answer,
) -> String {
    let mut said = String::new();
    for line in lines(text) {
        if let Some(name) = line.strip_prefix("tree ") {
            said.push_str(&format!("$ {line}\n{}", tree(&dir.join(name))));
            continue;
        }
        let (config, rest) = match line.strip_prefix("config=") {
            Some(rest) => rest.split_once(' ').unwrap(),
            None => ("/dev/null", line),
        };
        let config = config.replace("DIR", &dir.display().to_string());
        let asked = [words(begin, dir), words(rest, dir)].concat();
        let mut answer = ask(&config, &asked);
        for text in [&mut answer.stdout, &mut answer.stderr] {
            *text = text.replace(&dir.display().to_string(), "DIR");
        }
        let errors: String = answer
            .stderr
            .lines()
            .map(|line| format!("! {line}\n"))
            .collect();
        let code = answer.code.unwrap_or_else(|| panic!("{line}: killed"));
        said.push_str(&format!(
            "$ apk {line}\n{}{errors}[{code}]\n",
            answer.stdout
        ));
    }
    said
}

/// What is in a directory, but for owners, which depend on who runs the test, and hard links: apk 3.0.6 copies where it
/// should link (`fetch --link`).
fn tree(dir: &Path) -> String {
    let table = fixtures::listing::of(dir).unwrap();
    let without_owner = |line: &str| {
        let columns: Vec<&str> = line.split('\t').collect();
        let kept = columns.iter().enumerate();
        let kept = kept.filter(|(at, _)| ![3, 4, 6].contains(at));
        let kept: Vec<&str> = kept.map(|(_, column)| *column).collect();
        kept.join("\t") + "\n"
    };
    let below = table.lines().filter(|line| !line.starts_with(".\t"));
    below.map(without_owner).collect()
}

pub(crate) fn recording(name: &str) -> PathBuf {
    fixtures::root().join(format!("recorded/apk-{VERSION}/cli/{name}.txt"))
}

/// What we say, but for the lines that apk has not: see [`crate::apk_trouble`].
pub(crate) fn our_apk(dir: &Path, words: &[String]) -> Answer {
    our_apk_with(dir, "/dev/null", words)
}

fn our_apk_with(dir: &Path, config: &str, words: &[String]) -> Answer {
    let mut answer = our_whole_apk(dir, config, words);
    let ours_alone = |line: &&str| line.starts_with("detail: ") || line.starts_with("hint: ");
    let lines = answer.stderr.split_inclusive('\n');
    answer.stderr = lines.filter(|line| !ours_alone(line)).collect();
    answer
}

/// All that we say.
pub(crate) fn our_whole_apk(dir: &Path, config: &str, words: &[String]) -> Answer {
    let mut command = apk_ostree(dir);
    command.arg("apk");
    ask(command, dir, config, words)
}

/// What the real apk of [`VERSION`] says; `None` without it.
pub(crate) fn their_apk(dir: &Path, words: &[String]) -> Option<Answer> {
    let apk = peer::apk3().filter(|apk| apk.version() == VERSION)?;
    Some(ask(apk.command(), dir, "/dev/null", words))
}

fn ask(mut command: Command, dir: &Path, config: &str, words: &[String]) -> Answer {
    command.args(words).current_dir(dir);
    command.env("APK_CONFIG", config);
    command.env("SOURCE_DATE_EPOCH", "1700000000");
    Answer::of(command)
}

/// A root without packages, architecture and keys.
pub(crate) fn empty_root(root: &Path) {
    for sub in ["etc/apk", "lib/apk/db"] {
        fs::create_dir_all(root.join(sub)).unwrap();
    }
    for file in [
        "etc/apk/world",
        "lib/apk/db/installed",
        "lib/apk/db/triggers",
    ] {
        fs::write(root.join(file), "").unwrap();
    }
}

/// A name, what each line begins with, lines.
pub(crate) type Session = (&'static str, &'static str, &'static str);

#[test]
fn we_say_what_apk_said() {
    compare_ours(SESSIONS, material);
}

#[test]
fn apk_still_says_it() {
    compare_theirs(SESSIONS, material);
}

/// Compares what we say with the recordings.
pub(crate) fn compare_ours(sessions: &[Session], material: impl Fn(&Path)) {
    let dir = fixtures::scratch("apk");
    material(dir.path());
    for (name, begin, text) in sessions {
        let ours = transcript(dir.path(), begin, text, |config, words| {
            our_apk_with(dir.path(), config, words)
        });
        similar(&ours, &fs::read_to_string(recording(name)).unwrap(), name);
    }
}

/// Compares what the real apk says with the recordings, or records it.
pub(crate) fn compare_theirs(sessions: &[Session], material: impl Fn(&Path)) {
    let Some(apk) = peer::apk3() else { return };
    if apk.version() != VERSION {
        return;
    }
    let dir = fixtures::scratch("apk");
    material(dir.path());
    for (name, begin, text) in sessions {
        let said = transcript(dir.path(), begin, text, |config, words| {
            ask(apk.command(), dir.path(), config, words)
        });
        if std::env::var_os("APK_OSTREE_RECORD").is_some() {
            fs::create_dir_all(recording(name).parent().unwrap()).unwrap();
            fs::write(recording(name), &said).unwrap();
        }
        similar(&said, &fs::read_to_string(recording(name)).unwrap(), name);
    }
}
