//! The face of apk with v3 repositories and a root of v3 packages, with packages that do not go together, and with
//! options of a file: as [`crate::apk`] does it.

use std::fs;
use std::path::Path;

use fixtures::forge::{Forge, Key, Repository};

use crate::apk::{Session, compare_ours, compare_theirs, copy_dir, our_apk, root, words};

const SESSIONS: &[Session] = &[
    (
        "v3",
        "-p root --repository-config 'v3 DIR/v3repo'",
        include_str!("apk/v3.txt"),
    ),
    ("v3-root", "-p root3", include_str!("apk/v3-root.txt")),
    (
        "gather",
        "-p bare -X gather",
        include_str!("apk/gather.txt"),
    ),
];

#[test]
fn we_say_what_apk_said() {
    compare_ours(SESSIONS, material);
}

#[test]
fn apk_still_says_it() {
    compare_theirs(SESSIONS, material);
}

fn material(dir: &Path) {
    root(dir);
    copy_dir(&fixtures::path("samples/v3"), &dir.join("v3"));
    copy_dir(&fixtures::path("samples/keys"), &dir.join("keys"));
    for number in 1..=6 {
        fs::create_dir(dir.join(format!("out{number}"))).unwrap();
    }
    v3_repository(dir);
    v3_root(&dir.join("root3"));
    gather(dir);
    let write = |name: &str, text: &str| fs::write(dir.join(name), text).unwrap();
    write(
        "options",
        "# usual\nquiet\nno-network # none\narch x86_64\n\nprogress auto",
    );
    write(
        "all-wrong",
        "help\ncache maybe\nnonsense x\ncache-d foo\ncac\narch\nprint-arch\nquiet x\n leading\nstdout\n\
         sign-key nowhere\ncompression nonsense\nverbose\n",
    );
    write("json", "format json\nfields name,version\n");
}

/// A root with the database that apk 3.0.6 has written for v3 packages.
fn v3_root(root: &Path) {
    let recorded = fixtures::path("recorded/apk-3.0.6/v3-first");
    for sub in ["lib/apk/db", "etc/apk/keys", "usr/bin"] {
        fs::create_dir_all(root.join(sub)).unwrap();
    }
    for (from, to) in [
        ("installed", "lib/apk/db/installed"),
        ("triggers", "lib/apk/db/triggers"),
        ("scripts.tar.gz", "lib/apk/db/scripts.tar.gz"),
        ("world", "etc/apk/world"),
    ] {
        fs::copy(recorded.join(from), root.join(to)).unwrap();
    }
    fs::write(root.join("etc/apk/arch"), "x86_64\n").unwrap();
    let key = "apk-ostree-demo.rsa.pub";
    let keys = fixtures::path("demo/keys");
    fs::copy(keys.join(key), root.join("etc/apk/keys").join(key)).unwrap();
    std::os::unix::fs::symlink("/usr/bin/rich", root.join("usr/bin/link")).unwrap();
}

/// Packages made by our `mkpkg` of files without owners or attributes: the bytes are those of apk, as another session
/// shows.
fn v3_repository(dir: &Path) {
    let repo = dir.join("v3repo/x86_64");
    fs::create_dir_all(&repo).unwrap();
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    fs::create_dir_all(dir.join("names/etc")).unwrap();
    let passwd = format!("root:x:{uid}:0::/:/bin/sh\n");
    fs::write(dir.join("names/etc/passwd"), passwd).unwrap();
    fs::write(dir.join("names/etc/group"), format!("root:x:{gid}:\n")).unwrap();
    for (path, content) in [
        ("extra/etc/extra.conf", "a = 1\n"),
        ("extra/usr/bin/extra", "#!/bin/sh\n"),
        ("extra/usr/share/text", &"line\n".repeat(500)),
        ("tool/usr/bin/tool", "the newest\n"),
        ("script", "#!/bin/sh\nexit 0\n"),
    ] {
        let path = dir.join("files").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    std::os::unix::fs::symlink("extra", dir.join("files/extra/usr/bin/soft")).unwrap();
    let extra = dir.join("files/extra/usr/bin");
    fs::hard_link(extra.join("extra"), extra.join("again")).unwrap();
    let run = |line: &str| {
        let answer = our_apk(dir, &words(&format!("-p names {line}"), dir));
        assert_eq!(answer.code, Some(0), "{line}: {}", answer.stderr);
    };
    fix_modes(&dir.join("files"));
    run(
        "mkpkg -I name:demo-tool -I version:2.0-r0 -I arch:x86_64 -I license:MIT -I origin:source \
        -I 'description:the newest tool' -I 'depends:so:libc.demo-x86_64.so.1 demo-zlib' \
        -I 'provides:cmd:tool=2.0-r0 tool-abi=7' -I recommends:demo-extra -I layer:1 -I build-time:1700000001 \
        -I 'url:https://example.org/?a=b#c' -F files/tool -o v3repo/x86_64/demo-tool-2.0-r0.apk",
    );
    run(
        "mkpkg -I name:demo-extra -I version:1-r0 -I arch:noarch -I 'license:MIT AND BSD' -I origin:source \
        -I 'maintainer:Ä Umlaut <a@example.org>' -I 'description:an extra, with an Umlaut' \
        -I 'depends:demo-tool>=2 !sample' -I 'install-if:demo-tool=2.0-r0 demo-zlib' -I 'replaces:demo-tool<1' \
        -I replaces-priority:5 -I provider-priority:9 -I 'tags:one two:three' \
        -I repo-commit:0123456789abcdef0123456789abcdef01234567 -s post-install:files/script -s trigger:files/script \
        -t /usr/bin -t '+/usr/lib/*' -F files/extra -o v3repo/x86_64/demo-extra-1-r0.apk",
    );
    run(
        "mkpkg -I name:demo-nothing -I version:1 -I arch:x86_64 -I 'provides:editor' -I 'depends:demo-extra' \
        -o v3repo/x86_64/demo-nothing-1.apk",
    );
    let noarch = dir.join("v3repo/noarch");
    fs::create_dir(&noarch).unwrap();
    fs::rename(
        repo.join("demo-extra-1-r0.apk"),
        noarch.join("demo-extra-1-r0.apk"),
    )
    .unwrap();
    fs::copy(
        noarch.join("demo-extra-1-r0.apk"),
        repo.join("demo-extra-1-r0.apk"),
    )
    .unwrap();
    let sample = Forge::package("sample", "1.0-r0")
        .arch("x86_64")
        .file("etc/conf", "conf\n");
    fs::write(repo.join("sample-1.0-r0.apk"), sample.build(&Key::demo())).unwrap();
    let key = fixtures::path("keys/apk-ostree-demo.rsa");
    run(&format!(
        "mkndx --allow-untrusted -d 'three \"and\" more' --sign-key {} -o v3repo/x86_64/Packages.adb \
         v3repo/x86_64/demo-tool-2.0-r0.apk v3repo/x86_64/demo-extra-1-r0.apk v3repo/x86_64/demo-nothing-1.apk \
         v3repo/x86_64/sample-1.0-r0.apk",
        key.display()
    ));
}

/// Modes do not depend on the umask.
fn fix_modes(dir: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(dir, 0o755);
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.symlink_metadata().unwrap() {
            meta if meta.is_dir() => fix_modes(&path),
            meta if meta.is_file() => mode(&path, 0o644),
            _ => {}
        }
    }
}

/// Packages that conflict, provide the same, or cannot be had together, and roots without packages.
fn gather(dir: &Path) {
    let package = |name, version| {
        Forge::package(name, version)
            .arch("x86_64")
            .builddate(1_700_000_000)
    };
    let file = |forge: Forge, path: &'static str| forge.file(path, "x\n");
    Repository::new("x86_64")
        .add(file(package("champion", "1-r0"), "a").provides("tool=1"))
        .add(file(package("champion", "2-r0"), "a").provides("tool=2"))
        .add(
            file(package("rival", "1-r0"), "b")
                .depends("!champion")
                .provides("tool=1"),
        )
        .add(file(package("old-user", "1-r0"), "c").depends("champion<2"))
        .add(file(package("new-user", "1-r0"), "d").depends("champion>=2"))
        .add(file(package("two-tools", "1-r0"), "e").depends("rival champion"))
        .add(file(package("picky", "1-r0"), "f").depends("!picky !tool rival"))
        .add(
            file(package("follower", "1-r0"), "g")
                .install_if("champion")
                .depends("rival"),
        )
        .add(file(package("self", "1-r0"), "h").depends("!self>9 tool"))
        .add(file(package("missing", "1-r0"), "i").depends("nowhere"))
        .write(&dir.join("gather"), &Key::demo())
        .unwrap();
    bare(&dir.join("bare"), "champion<2\n");
    bare(&dir.join("tagged"), "champion@nowhere absent@nowhere\n");
}

/// A root without packages.
fn bare(root: &Path, world: &str) {
    fs::create_dir_all(root.join("etc/apk/keys")).unwrap();
    fs::create_dir_all(root.join("lib/apk/db")).unwrap();
    let key = "apk-ostree-demo.rsa.pub";
    let keys = fixtures::path("demo/keys");
    fs::copy(keys.join(key), root.join("etc/apk/keys").join(key)).unwrap();
    for (path, text) in [
        ("etc/apk/arch", "x86_64\n"),
        ("etc/apk/world", world),
        ("lib/apk/db/installed", ""),
        ("lib/apk/db/triggers", ""),
    ] {
        fs::write(root.join(path), text).unwrap();
    }
}

/// apk 3.0.6 takes away what it has just fetched, too.
#[test]
fn purging_leaves_what_was_asked_for() {
    let dir = fixtures::scratch("purge");
    let dir = dir.path();
    root(dir);
    gather(dir);
    let out = dir.join("out");
    fs::create_dir_all(out.join("directory")).unwrap();
    for name in ["champion-1-r0.apk", "junk", ".hidden"] {
        fs::write(out.join(name), "x").unwrap();
    }
    std::os::unix::fs::symlink("/etc/passwd", out.join("link")).unwrap();
    let run = |line: &str| our_apk(dir, &words(&format!("-p bare -X gather {line}"), dir));
    let simulated = run("fetch --simulate --purge -o out champion rival");
    let purged = "Purging champion-1-r0.apk\nPurging junk\nPurging link\n";
    assert!(simulated.stdout.ends_with(purged), "{}", simulated.stdout);
    let listing = || {
        let names = fs::read_dir(&out).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    };
    assert_eq!(listing().len(), 5);
    // A package that cannot be had keeps everything as it is.
    assert_eq!(run("fetch --purge -o out champion nosuch").code, Some(1));
    assert_eq!(listing().len(), 5);
    let done = run("fetch --purge -o out champion rival");
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stdout.ends_with(purged), "{}", done.stdout);
    let left = [
        ".hidden",
        "champion-2-r0.apk",
        "directory",
        "rival-1-r0.apk",
    ];
    assert_eq!(listing(), left);
    assert!(Path::new("/etc/passwd").exists());
}
