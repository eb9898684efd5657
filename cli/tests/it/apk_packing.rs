//! What `mkpkg` makes of files that only root can have: devices, foreign owners, capabilities and access lists; and of
//! packages too long for one window, or with very many files. As [`crate::apk`] does it; the recorded digests of the
//! packages are those of apk 3.0.6.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;

use rustix::fs::{CWD, FileType, XattrFlags, lsetxattr, makedev, mknodat};

use crate::apk::{Session, compare_ours, compare_theirs, our_apk, their_apk, words};
use crate::pair::Answer;

const SESSIONS: &[Session] = &[(
    "mkpkg-root",
    "-p names --keys-dir nowhere",
    include_str!("apk/mkpkg-root.txt"),
)];

#[test]
fn root_packs_what_apk_packed() {
    if rustix::process::geteuid().is_root() {
        compare_ours(SESSIONS, material);
    } else {
        eprintln!("without root there are no devices and foreign owners to be packed");
    }
}

#[test]
fn apk_still_packs_it() {
    if rustix::process::geteuid().is_root() {
        compare_theirs(SESSIONS, material);
    }
}

fn material(dir: &Path) {
    for sub in ["out1", "names/etc", "nobody/etc"] {
        fs::create_dir_all(dir.join(sub)).unwrap();
    }
    fs::write(
        dir.join("names/etc/passwd"),
        "root:x:0:0::/:/bin/sh\nweb:x:88:77::/:/bin/sh\nother:x:88:1::/:/bin/sh\n",
    )
    .unwrap();
    fs::write(dir.join("names/etc/group"), "root:x:0:\nweb:x:77:\n").unwrap();
    fs::write(dir.join("script"), "#!/bin/sh\nexit 0\n").unwrap();
    fs::copy(
        fixtures::path("samples/keys/sample-rsa.key"),
        dir.join("sample-rsa.key"),
    )
    .unwrap();
    everything(&dir.join("tree"));
    fs::create_dir_all(dir.join("strange-root/usr/share")).unwrap();
    fs::write(dir.join("strange-root/at-the-top"), "x").unwrap();
    chown(dir.join("strange-root"), Some(88), Some(77)).unwrap();
    large(&dir.join("large"));
    for number in 0..3000 {
        let sub = dir.join(format!("wide/{}", number % 70));
        fs::create_dir_all(&sub).unwrap();
        fs::write(
            sub.join(format!("file-{number}")),
            format!("{}\n", number % 9),
        )
        .unwrap();
    }
    fix_modes(dir);
    special_modes(&dir.join("tree"));
}

/// One of everything.
fn everything(root: &Path) {
    for sub in [
        "dev",
        "etc/private",
        "usr/bin",
        "usr/share/doc",
        "var/tmp",
        "srv",
    ] {
        fs::create_dir_all(root.join(sub)).unwrap();
    }
    for (path, content) in [
        ("etc/conf", "a = 1\n"),
        ("etc/private/secret", "s\n"),
        ("etc/empty", ""),
        ("usr/bin/ping", "ping\n"),
        ("usr/bin/su", "su\n"),
        ("usr/share/überall", "not ASCII\n"),
        ("usr/share/with space", "x\n"),
        ("usr/share/-dash", "x\n"),
        ("usr/share/back\\slash 'quote\"", "x\n"),
        ("srv/page", "<p>\n"),
        ("srv/ghost", "boo\n"),
        (".hidden", "at the top\n"),
        ("usr/.hidden", "below\n"),
    ] {
        fs::write(root.join(path), content).unwrap();
    }
    for (from, to) in [
        ("usr/bin/su", "usr/bin/linked"),
        ("usr/bin/su", "etc/first"),
        ("usr/bin/su", "var/last"),
        ("srv/page", "srv/copy"),
    ] {
        fs::hard_link(root.join(from), root.join(to)).unwrap();
    }
    let links = [
        ("usr/bin/link", "su"),
        ("usr/share/away", "/no/where"),
        ("srv/link", "page"),
    ];
    for (path, target) in links {
        std::os::unix::fs::symlink(target, root.join(path)).unwrap();
    }
    for (path, kind, device) in [
        ("dev/null", FileType::CharacterDevice, makedev(1, 3)),
        ("dev/loop0", FileType::BlockDevice, makedev(7, 0)),
        ("dev/large", FileType::BlockDevice, makedev(259, 300_000)),
    ] {
        mknodat(CWD, root.join(path), kind, 0o644.into(), device).unwrap();
    }
    let set = |path: &str, name: &str, value: &[u8]| {
        lsetxattr(root.join(path), name, value, XattrFlags::empty()).unwrap();
    };
    set("etc/conf", "user.a", b"some\0with\xffbytes");
    set("etc/empty", "user.empty", b"");
    set(
        "usr/bin/ping",
        "security.capability",
        &hex("0100000200200000000000000000000000000000"),
    );
    set("usr/share/doc", "user.dir", b"of a directory");
    set("etc", "user.k", b"val");
    set("usr/bin/link", "trusted.of-a-link", b"l");
    // Access lists: user 88 may read; new files inherit it.
    let acl = hex(
        "02000000 01000600ffffffff 0200040058000000 04000400ffffffff 10000400ffffffff 20000400ffffffff",
    );
    set("etc/private/secret", "system.posix_acl_access", &acl);
    set("etc/private", "system.posix_acl_default", &acl);
    for (path, uid, gid) in [
        ("srv", 88, 77),
        ("srv/page", 88, 0),
        ("srv/ghost", 4321, 1234),
        ("srv/link", 88, 77),
        ("etc/private", 0, 77),
        ("var/tmp", 4321, 0),
    ] {
        std::os::unix::fs::lchown(root.join(path), Some(uid), Some(gid)).unwrap();
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits = text.replace(' ', "");
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// Six megabytes: text, noise that is stored as it is, runs of one byte.
fn large(root: &Path) {
    fs::create_dir_all(root).unwrap();
    let text: String = (0..120_000)
        .map(|n: u64| format!("line {n} of {}\n", n * n % 977))
        .collect();
    fs::write(root.join("text"), text).unwrap();
    let mut state = 1_u64;
    let noise = (0..1_500_000).map(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    });
    fs::write(root.join("noise"), noise.collect::<Vec<u8>>()).unwrap();
    fs::write(root.join("zeros"), vec![0; 2_000_000]).unwrap();
}

fn mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Modes do not depend on the umask.
fn fix_modes(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let meta = path.symlink_metadata().unwrap();
        if meta.is_dir() {
            mode(&path, 0o755);
            fix_modes(&path);
        } else if !meta.is_symlink() {
            mode(&path, 0o644);
        }
    }
}

fn special_modes(root: &Path) {
    for (path, bits) in [
        ("usr/bin/ping", 0o755),
        ("usr/bin/su", 0o6755),
        ("etc/private", 0o2750),
        ("etc/private/secret", 0o640),
        ("var/tmp", 0o1777),
        ("usr/share/-dash", 0),
        ("dev/null", 0o666),
    ] {
        mode(&root.join(path), bits);
    }
}

/// apk 3.0.6 writes several attributes of a file as the file system lists them, so that its bytes depend on that.
#[test]
fn attributes_are_packed_in_the_order_of_their_names() {
    let dir = fixtures::scratch("packing");
    let dir = dir.path();
    fs::create_dir(dir.join("tree")).unwrap();
    fs::write(dir.join("tree/file"), "x").unwrap();
    for (name, value) in [("user.c", "3"), ("user.a", "1"), ("user.b", "2")] {
        let flags = XattrFlags::empty();
        lsetxattr(dir.join("tree/file"), name, value.as_bytes(), flags).unwrap();
    }
    let pack = "mkpkg -I name:x -I version:1 -I arch:x86_64 -F tree -c none -o made.apk";
    let dump = |ask: &dyn Fn(&[String]) -> Answer| {
        assert_eq!(ask(&words(pack, dir)).code, Some(0));
        let text = ask(&words("adbdump made.apk", dir)).stdout;
        let lines = text.lines().filter(|line| !line.contains("hashes: "));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    let ours = dump(&|words| our_apk(dir, words));
    let [a, b, c] = ["user.a=31", "user.b=32", "user.c=33"].map(|text| ours.find(text).unwrap());
    assert!(a < b && b < c, "{ours}");
    if their_apk(dir, &["--version".to_owned()]).is_some() {
        assert_eq!(ours, dump(&|words| their_apk(dir, words).unwrap()));
    }
}

/// apk 3.0.6 packs names that are no UTF-8, and nobody can install them here.
#[test]
fn names_that_are_no_text_are_refused() {
    use std::os::unix::ffi::OsStrExt as _;
    let dir = fixtures::scratch("packing");
    let dir = dir.path();
    fs::create_dir_all(dir.join("tree/etc")).unwrap();
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9");
    fs::write(dir.join("tree/etc").join(name), "x").unwrap();
    let pack = "mkpkg -I name:x -I version:1 -F tree -o made.apk";
    let answer = our_apk(dir, &words(pack, dir));
    assert_eq!(answer.code, Some(99));
    assert!(
        answer.stderr.contains("etc") && answer.stderr.contains("caf"),
        "{}",
        answer.stderr
    );
    assert!(!dir.join("made.apk").exists());
}
