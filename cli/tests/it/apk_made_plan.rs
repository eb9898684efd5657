//! Generated material for the commands that make and check files, and generated command lines over it: see
//! [`crate::apk_made`]. All depends on the seed alone.
//!
//! | path | is |
//! |---|---|
//! | `tree` | directories, files, links with strange names |
//! | `names`, `roots` | who the owner of it is: `tester`, `root` |
//! | `keys`, `few`, `none` | all public keys, one, none |
//! | `demo.rsa`, `rsa.key`, `other.rsa` | private keys; of the last no public one is in `keys` |
//! | `v2-N.apk` | v2 packages: signed, unsigned, by the wrong key, damaged |
//! | `text.apk`, `zero.apk`, `dir.apk`, `lost.apk`, `link.apk`, `tiny.apk` | no packages, or behind links |
//! | `sc`, `empty` | scripts |

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use fixtures::forge::package::{Fault, Member, Script};
use fixtures::forge::{Forge, Key};
use fixtures::seed::{Random, noise};

/// What is done next, in both directories.
pub(crate) enum Step {
    /// Words for the program, and the file that is its standard input.
    Run(Vec<String>, Option<&'static str>),
    /// Makes `cut.apk` of the beginning of a v3 package.
    Cut(usize, usize),
}

/// Writes the material.
pub(crate) fn write(seed: u64, dir: &Path) {
    let mut random = Random::new(seed);
    tree(&mut random, &dir.join("tree"));
    owners(dir);
    keys(dir);
    for number in 0..V2 {
        let bytes = v2(&mut random, number);
        fs::write(dir.join(format!("v2-{number}.apk")), bytes).unwrap();
    }
    fs::write(dir.join("sc"), "#!/bin/sh\necho one\n").unwrap();
    fs::write(dir.join("empty"), "").unwrap();
    fs::write(dir.join("text.apk"), "just text\n").unwrap();
    fs::write(dir.join("zero.apk"), "").unwrap();
    fs::write(dir.join("tiny.apk"), "x").unwrap();
    for name in ["dir.apk", "out0", "out1", "out2"] {
        fs::create_dir(dir.join(name)).unwrap();
        mode(&dir.join(name), 0o755);
    }
    symlink("nowhere", dir.join("lost.apk")).unwrap();
    symlink("v2-0.apk", dir.join("link.apk")).unwrap();
}

const V2: usize = 5;

/// The first ones of them are not damaged.
const SOUND: usize = 3;

fn one<'a>(random: &mut Random, choices: &[&'a str]) -> &'a str {
    choices[random.below(choices.len())]
}

fn mode(path: &Path, bits: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(bits)).unwrap();
}

/// Modes are set, as they do not depend on the umask then.
fn tree(random: &mut Random, root: &Path) {
    fs::create_dir_all(root).unwrap();
    mode(root, *random.pick(&[0o755, 0o755, 0o700]));
    let long = "n".repeat(*random.pick(&[50, 200, 255]));
    let mut dirs = vec![String::new()];
    for _ in 0..random.below(7) {
        let names = [
            "usr", "bin", "a b", "x", "etc", ".hid", "über", "z-1", "Z", "usr.d", &long,
        ];
        let path = format!("{}/{}", random.pick(&dirs), one(random, &names));
        if path.len() < 900 && fs::create_dir(root.join(&path[1..])).is_ok() {
            mode(
                &root.join(&path[1..]),
                *random.pick(&[0o755, 0o755, 0o700, 0o1777]),
            );
            dirs.push(path);
        }
    }
    // Of hard links in the root itself apk 3.0.6 writes a name that it cannot install.
    let mut files: Vec<String> = Vec::new();
    for _ in 0..random.below(12) {
        let dir = random.pick(&dirs).clone();
        let path = format!("{dir}/{}", one(random, &NAMES))[1..].to_owned();
        let at = root.join(&path);
        if at.symlink_metadata().is_ok() {
            continue;
        }
        match random.below(10) {
            0..6 => {
                let size = *random.pick(&[0, 1, 7, 8, 255, 256, 4096, 70_000]);
                fs::write(&at, noise(random.number(), size)).unwrap();
                mode(&at, *random.pick(&[0o644, 0o755, 0o4755, 0o600, 0o444]));
                let time = 1_600_000_000 + random.number() % 9999;
                let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(time);
                fs::File::options()
                    .read(true)
                    .open(&at)
                    .unwrap()
                    .set_modified(time)
                    .unwrap();
                if !dir.is_empty() {
                    files.push(path);
                }
            }
            6..8 => {
                let targets = ["f", "/abs", "../..", "a b", "ü", &"x".repeat(300)];
                symlink(one(random, &targets), &at).unwrap();
            }
            _ if files.is_empty() || dir.is_empty() => {}
            _ => fs::hard_link(root.join(random.pick(&files)), &at).unwrap(),
        }
    }
}

const NAMES: [&str; 15] = [
    "f", "g", "h.txt", "a:b", "#c", "- d", "q'uote", "é", "k=v", "end ", "back\\x", "0", "y",
    "a\u{301}", "-",
];

/// Whoever runs the test is `tester`, or root.
fn owners(dir: &Path) {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    for (place, name) in [("names", "tester"), ("roots", "root")] {
        let etc = dir.join(place).join("etc");
        fs::create_dir_all(&etc).unwrap();
        fs::write(etc.join("passwd"), format!("{name}:x:{uid}:1::/:/bin/sh\n")).unwrap();
        fs::write(etc.join("group"), format!("{name}:x:{gid}:\n")).unwrap();
    }
}

fn keys(dir: &Path) {
    for sub in ["keys", "few", "none"] {
        fs::create_dir(dir.join(sub)).unwrap();
    }
    let demo = Key::demo();
    let copy = |from: &str, to: &str| fs::copy(fixtures::path(from), dir.join(to)).unwrap();
    fs::write(dir.join("keys").join(demo.name()), demo.public_pem()).unwrap();
    for name in ["sample-rsa.key.pub", "sample-ec.key.pub"] {
        copy(&format!("samples/keys/{name}"), &format!("keys/{name}"));
    }
    copy("samples/keys/sample-ec.key.pub", "few/sample-ec.key.pub");
    copy("samples/keys/sample-rsa.key", "rsa.key");
    copy("keys/apk-ostree-demo.rsa", "demo.rsa");
    copy("keys/apk-ostree-other.rsa", "other.rsa");
}

/// A v2 package, mostly a good one.
fn v2(random: &mut Random, number: usize) -> Vec<u8> {
    let mut forge = Forge::package(
        one(random, &["aa", "bb", "c-c", "py3-x"]),
        one(random, &["1-r0", "1.2-r3", "2_rc1"]),
    )
    .arch(one(random, &["x86_64", "noarch", "aarch64"]))
    .builddate(1_600_000_000);
    if random.chance(50) {
        forge = forge
            .description(one(random, &["text", "ü", "a: b", "long one. "]))
            .license("MIT");
    }
    if random.chance(50) {
        forge = forge
            .depends(one(random, &["a b>1 !c", "so:libc.so.1 a~2", "aa<3"]))
            .origin("src");
    }
    if random.chance(40) {
        forge = forge
            .provides(one(random, &["cmd:x=1 y", "so:libz.so.1=1.2"]))
            .provider_priority(7);
    }
    if random.chance(30) {
        forge = forge
            .install_if("a b=1")
            .replaces("old<2")
            .replaces_priority(3);
    }
    if random.chance(30) {
        forge = forge
            .script(Script::PostInstall, "#!/bin/sh\nexit 0\n")
            .triggers("/usr/bin /etc/*");
    }
    if random.chance(20) {
        forge = forge
            .info_line("unknown = 1")
            .commit("0123456789abcdef0123456789abcdef01234567");
    }
    for at in 0..random.below(5) {
        forge = match random.below(5) {
            0 => forge.dir(&format!("usr/d{at}")),
            1 => forge.symlink(&format!("usr/l{at}"), "f"),
            2 => forge
                .file(&format!("usr/s{at}"), noise(7, 300))
                .mode(0o4755),
            3 => forge.file(&format!("etc/ü{at}"), ""),
            _ => forge.file(&format!("usr/share/f{at}"), noise(9, 70_000)),
        };
    }
    let fault = match random.below(20) {
        _ if number < SOUND => (number > 0 && random.chance(10)).then_some(Fault::Unsigned),
        0 | 1 => Some(Fault::SignedBy(Box::new(Key::other()))),
        2 | 3 => Some(Fault::WrongDatahash),
        4 | 5 => Some(Fault::Trailing(b"trailing".to_vec())),
        6 | 7 => Some(Fault::FlipByte {
            member: Member::Data,
            offset: random.below(2000),
        }),
        8 | 9 => Some(Fault::FlipByte {
            member: Member::Control,
            offset: random.below(200),
        }),
        _ => None,
    };
    let key = if number == 0 || random.chance(80) {
        Key::demo()
    } else {
        Key::other()
    };
    match fault {
        Some(fault) => forge.fault(fault).build(&key),
        None => forge.build(&key),
    }
}

/// What is done with it.
pub(crate) fn steps(seed: u64) -> Vec<Step> {
    let mut random = Random::new(seed ^ 0x6d61_6465);
    let random = &mut random;
    let mut steps = Vec::new();
    let mut run = |words: Vec<String>| steps.push(Step::Run(words, None));
    for number in 0..3 {
        run(mkpkg(random, &format!("p{number}.apk"), number > 0));
    }
    for _ in 0..4 {
        run(mkpkg(random, "w.apk", true));
    }
    steps.push(Step::Cut(random.below(3), random.below(1 << 16)));
    for _ in 0..3 {
        let file = one(random, &["p0.apk", "v2-0.apk", "text.apk"]).to_owned();
        let stdin = [Some("p0.apk"), Some("v2-0.apk"), None][random.below(3)];
        let words = match random.below(4) {
            0 => vec!["verify".to_owned(), "-".to_owned(), file],
            1 => vec!["adbdump".to_owned(), "-".to_owned()],
            2 => vec!["manifest".to_owned(), "-".to_owned(), file],
            _ => vec![
                "mkndx".to_owned(),
                "-o".to_owned(),
                "-".to_owned(),
                "-".to_owned(),
            ],
        };
        steps.push(Step::Run(trust(random, words), stdin));
    }
    let mut run = |words: Vec<String>| steps.push(Step::Run(words, None));
    for kind in [
        "verify", "verify", "adbdump", "manifest", "mkndx", "mkndx", "index", "index", "adbsign",
        "adbsign", "extract", "extract", "extract", "convndx",
    ] {
        run(over_files(random, kind));
    }
    for made in ["i.adb", "i.tar.gz", "v.adb"] {
        let words = vec!["verify".to_owned(), made.to_owned()];
        run(trust(random, words));
    }
    run(trust(
        random,
        vec!["adbdump".to_owned(), "i.adb".to_owned()],
    ));
    run(trust(
        random,
        vec!["adbdump".to_owned(), "p1.apk".to_owned()],
    ));
    steps
}

/// Puts options about keys before or behind the words.
fn trust(random: &mut Random, words: Vec<String>) -> Vec<String> {
    let options = match random.below(8) {
        0..3 => vec!["--allow-untrusted"],
        3..6 => vec!["--keys-dir", "DIR/keys"],
        6 => vec!["--keys-dir", "DIR/few"],
        _ => vec!["--keys-dir", "DIR/none"],
    };
    let options = options.into_iter().map(str::to_owned);
    if random.chance(50) {
        options.chain(words).collect()
    } else {
        words.into_iter().chain(options).collect()
    }
}

/// A file for a command. Those that list packages find damage in files of v2 packages by chance alone, and apk others
/// than ours.
fn file(random: &mut Random, kind: &str) -> String {
    let v2 = if kind.contains("nd") { SOUND } else { V2 };
    let index = match kind {
        "verify" => one(random, &["i.adb", "i.tar.gz", "w.apk"]),
        "extract" | "index" | "mkndx" => one(random, &["i.adb", "w.apk"]),
        _ => one(random, &["i.adb", "w.apk"]),
    };
    match random.below(12) {
        0..4 => format!("p{}.apk", random.below(3)),
        4..9 => format!("v2-{}.apk", random.below(v2)),
        9 => index.to_owned(),
        // Of some of these apk prints nothing, and that all is well.
        10 if kind == "adbdump" => "missing.apk".to_owned(),
        10 => one(random, &["cut.apk", "missing.apk"]).to_owned(),
        _ => one(
            random,
            &[
                "text.apk", "zero.apk", "dir.apk", "lost.apk", "link.apk", "tiny.apk",
            ],
        )
        .to_owned(),
    }
}

/// A command line over some of the files.
fn over_files(random: &mut Random, kind: &str) -> Vec<String> {
    let mut words = vec![kind.to_owned()];
    let mut push = |random: &mut Random, percent: usize, more: &[&str]| {
        if random.chance(percent) {
            words.extend(more.iter().map(|word| (*word).to_owned()));
        }
    };
    let key = one(
        random,
        &[
            "demo.rsa",
            "rsa.key",
            "other.rsa",
            "missing.key",
            "text.apk",
        ],
    );
    match kind {
        "adbdump" => {
            let format = one(random, &["json", "yaml", "plain"]);
            push(random, 50, &["--format", format]);
        }
        "mkndx" => {
            push(random, 90, &["-o", "i.adb"]);
            push(random, 30, &["-d", "some: text"]);
            push(random, 30, &["-x", "i.adb"]);
            push(
                random,
                20,
                &["--pkgname-spec", "${arch}/${name}-${version}.apk"],
            );
            push(random, 20, &["--filter-spec", "${name}-${version}"]);
            let hash = one(random, &["sha256", "sha1", "sha512", "sha256-160", "x"]);
            push(random, 25, &["--hash", hash]);
            push(random, 40, &["-c", "none"]);
            push(random, 25, &["--sign-key", key]);
        }
        "index" => {
            push(random, 90, &["-o", "i.tar.gz"]);
            push(random, 30, &["-d", "some text"]);
            push(random, 30, &["-x", "i.tar.gz"]);
            push(random, 20, &["--merge"]);
            push(random, 20, &["--prune-origin"]);
            push(random, 15, &["--rewrite-arch", "x86_64"]);
            push(random, 20, &["--no-warnings"]);
        }
        "adbsign" => {
            push(random, 80, &["--sign-key", key]);
            push(random, 20, &["--reset-signatures"]);
            push(random, 40, &["-c", "none"]);
        }
        "extract" => {
            let to = one(random, &["out0", "out1", "out2", "missing", "text.apk"]);
            push(random, 95, &["--destination", to]);
            push(random, 30, &["--no-chown"]);
        }
        "convndx" => {
            push(random, 30, &["-c", "none"]);
            words.push(one(random, &["i.tar.gz", "i.tar.gz", "missing", "text.apk"]).to_owned());
            return trust(random, words);
        }
        _ => {}
    }
    let loud = one(random, &["-v", "-vv", "-vvv", "-q"]);
    push(random, 25, &[loud]);
    let count = match kind {
        "adbsign" => 1,
        "mkndx" => 1 + random.below(5), // apk cannot read an index of nothing
        "adbdump" | "extract" => random.below(2) + usize::from(random.chance(90)),
        _ => random.below(6),
    };
    words.extend((0..count).map(|_| file(random, kind)));
    if kind == "adbsign" {
        words.insert(0, "--allow-untrusted".to_owned()); // see its documentation
        return words;
    }
    trust(random, words)
}

/// A package; if it may be wild, one that perhaps cannot be.
fn mkpkg(random: &mut Random, output: &str, wild: bool) -> Vec<String> {
    let mut words: Vec<String> = vec![
        "-p".into(),
        (one(random, &["names", "roots"])).into(),
        "mkpkg".into(),
    ];
    let wilder = |random: &mut Random, percent| wild && random.chance(percent);
    let mut info =
        |key: &str, value: &str| words.extend(["-I".to_owned(), format!("{key}:{value}")]);
    if !wilder(random, 2) {
        let strange = ["b-c", "x.y", "a+b", "UP", "_u", "a b", "", "..", "a/b", "ü"];
        let name = if wilder(random, 25) {
            one(random, &strange)
        } else {
            "aa"
        };
        info("name", name);
    }
    if !wilder(random, 2) {
        let strange = ["1", "1.2-r3", "x", "", "1_rc1", "1..2", "1-r", "1-r0~x"];
        let version = if wilder(random, 25) {
            one(random, &strange)
        } else {
            "1-r0"
        };
        info("version", version);
    }
    if !wilder(random, 5) {
        info(
            "arch",
            one(random, &["x86_64", "x86_64", "noarch", "all", ""]),
        );
    }
    let percent = if wild { 9 } else { 4 };
    for (key, values) in INFOS {
        if random.chance(percent) {
            info(key, one(random, values));
        }
    }
    if wilder(random, 8) {
        info(
            "description",
            &"long ".repeat(*random.pick(&[20, 103, 800])),
        );
    }
    let key = one(random, &["demo.rsa", "rsa.key", "other.rsa", "missing.key"]);
    let script = format!(
        "{}:{}",
        one(random, &SCRIPTS),
        one(random, &["sc", "sc", "empty", "missing"])
    );
    let compression = one(
        random,
        &[
            "none",
            "deflate",
            "deflate:9",
            "zstd:1",
            "zstd",
            "bad",
            "deflate:77",
            "none:1",
        ],
    );
    let compat = one(
        random,
        &["3.0.0_pre1", "3.0.0_pre3", "3.0.0_rc9", "3.0.6", "2", "x"],
    );
    let trigger = one(random, &["/usr/*", "/a /b", "usr", "", "+/x"]);
    for (percent, more) in [
        (20, ["-t", trigger]),
        (30, ["-s", &script]),
        (25, ["--compat", compat]),
        (20, ["--sign-key", key]),
        (40, ["-c", compression]),
    ] {
        if wilder(random, percent) {
            words.extend(more.map(str::to_owned));
        }
    }
    for (percent, more) in [
        (10, "--rootnode=no"),
        (10, "--rootnode=yes"),
        (10, "--no-xattrs"),
        (5, "--rootnode=maybe"),
        (5, "operand"),
        (5, "-v"),
    ] {
        if wilder(random, percent) {
            words.push(more.to_owned());
        }
    }
    if !wild {
        words.extend(["-c", "none"].map(str::to_owned));
    }
    if random.chance(90) {
        let tree = if wilder(random, 8) {
            one(random, &["missing", "sc", "none", "tree/"])
        } else {
            "tree"
        };
        words.extend(["-F", tree].map(str::to_owned));
    }
    match random.below(20) {
        0 if wild => words.push("--stdout".to_owned()),
        1 if wild => words.extend(["-o", "none/x/y.apk"].map(str::to_owned)),
        2 if wild => {}
        _ => words.extend(["-o", output].map(str::to_owned)),
    }
    words
}

const SCRIPTS: [&str; 6] = [
    "post-install",
    "pre-install",
    "trigger",
    "bad",
    "post-upgrade",
    "pre-deinstall",
];

/// Left out is what the documentation of `mkpkg` names: a time of 0, dependencies that are none.
const INFOS: &[(&str, &[&str])] = &[
    ("license", &["MIT", ""]),
    (
        "description",
        &[
            "text",
            "two\nlines",
            "ü",
            "",
            "tail\n",
            "\n",
            "it's",
            "a #b",
            "-",
        ],
    ),
    ("url", &["http://x"]),
    ("origin", &["o", ""]),
    ("maintainer", &["me <x@y>"]),
    (
        "repo-commit",
        &[
            "0000000000000000000000000000000000000000",
            "zz",
            "ab",
            "abc",
        ],
    ),
    ("build-time", &["1600000000", "-1", "x", "4294967296"]),
    ("provider-priority", &["1", "x", "65535"]),
    (
        "depends",
        &[
            "a b>1 !c",
            "a>=",
            "so:libc.musl-x86_64.so.1",
            "",
            "b a a",
            "a><Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=",
            "a~1 b>~2 c=~3",
        ],
    ),
    ("provides", &["a=1 b", "cmd:x=1", "so:y=2 so:x=1"]),
    ("replaces", &["a b<2"]),
    ("install-if", &["a b=1"]),
    ("recommends", &["a", "b>1 a"]),
    ("layer", &["1", "2", "9"]),
    ("tags", &["a b", "x=y", "t:1", "b a", "a@b"]),
    ("replaces-priority", &["1", "x"]),
    ("installed-size", &["5", "x"]),
    ("file-size", &["5"]),
    ("hashes", &["0", "x"]),
    ("unknown", &["1"]),
    ("none", &[""]),
];
