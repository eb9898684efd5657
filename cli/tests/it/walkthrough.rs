//! The commands of the text that this project began with, over a small root file system: a mini root is committed from
//! an archive, looked at, checked out and changed; a package gets a branch of its own; both are laid over each other.

use crate::pair::{Answer, Pair, our_ostree};
use fixtures::forge::gzip::{self, Deflate};
use fixtures::forge::tar::{Entry, Kind, Style, Tar};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

const BRANCH: &str = "alpine-v3.22.2-x86_64";

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The archive: directories, a few programs, links as in Alpine's own.
fn mini_root() -> Vec<u8> {
    let mut tar = Tar::new(Style::Posix);
    let mut add = |kind: Kind, name: &str, mode: u32, text: &str| {
        let mut entry = if kind == Kind::File {
            Entry::file(name, text)
        } else {
            Entry::new(kind, name)
        };
        entry.mode = mode;
        if kind == Kind::Symlink {
            entry.link = text.as_bytes().to_vec();
        }
        tar.append(&entry);
    };
    for dir in [
        "./",
        "./bin/",
        "./etc/",
        "./etc/apk/",
        "./lib/",
        "./lib/apk/",
        "./lib/apk/db/",
        "./usr/",
        "./usr/bin/",
    ] {
        add(Kind::Directory, dir, 0o755, "");
    }
    add(Kind::Directory, "./usr/lib/", 0o755, "");
    add(Kind::Directory, "./tmp/", 0o1777, "");
    add(Kind::File, "./bin/busybox", 0o755, "a box of tools");
    add(
        Kind::File,
        "./bin/bbsuid",
        0o4111,
        "a box of privileged tools",
    );
    add(Kind::Symlink, "./bin/sh", 0o777, "/bin/busybox");
    add(Kind::Symlink, "./usr/bin/awk", 0o777, "/bin/busybox");
    add(
        Kind::File,
        "./etc/apk/world",
        0o644,
        "alpine-baselayout\nbusybox\n",
    );
    add(
        Kind::File,
        "./etc/apk/repositories",
        0o644,
        "https://dl-cdn.alpinelinux.org/alpine/v3.22/main\n",
    );
    add(Kind::File, "./lib/apk/db/installed", 0o644, "P:busybox\n");
    add(
        Kind::File,
        "./usr/lib/os-release",
        0o644,
        "NAME=\"Alpine Linux\"\nVERSION_ID=3.22.2\n",
    );
    add(
        Kind::Symlink,
        "./etc/os-release",
        0o777,
        "../usr/lib/os-release",
    );
    tar.end(20)
}

/// What `apk add curl` would do to a root.
fn add_curl(root: &Path) {
    for dir in ["etc/apk", "usr/bin", "usr/lib", "lib/apk/db"] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    // A checkout may be hard links: apk replaces files, it never writes into them.
    for (path, text) in [
        ("etc/apk/world", "curl\n"),
        ("lib/apk/db/installed", "P:curl\n"),
    ] {
        fs::write(root.join(format!("{path}.new")), text).unwrap();
        fs::rename(root.join(format!("{path}.new")), root.join(path)).unwrap();
    }
    fs::write(root.join("usr/bin/curl"), "curl").unwrap();
    fs::write(root.join("usr/lib/libcurl.so.4.8.0"), "libcurl").unwrap();
    symlink("libcurl.so.4.8.0", root.join("usr/lib/libcurl.so.4")).unwrap();
}

fn walk(mode: &str) {
    let Some(mut pair) = Pair::new("walkthrough") else {
        return;
    };
    pair.env("SOURCE_DATE_EPOCH", "1700000000");
    pair.in_both(|dir| {
        fs::write(
            dir.join("mini.tar.gz"),
            gzip::member(&mini_root(), Deflate::Fixed),
        )
        .unwrap();
    });
    let repo = "--repo=alpine_repo";
    match mode {
        "bare" => pair.same_success(&[repo, "init"]),
        mode => pair.same_success(&[repo, "init", &format!("--mode={mode}")]),
    };
    pair.unsynced("alpine_repo");

    let branch = format!("--branch={BRANCH}");
    let subject = [
        "--subject",
        "Add minimal root file system for Alpine 3.22.1 (x86_64)",
    ];
    pair.same_success(
        &[
            &[repo, "commit", &branch, "--tree=tar=mini.tar.gz"],
            &subject[..],
        ]
        .concat(),
    );
    assert_eq!(pair.same_success(&[repo, "refs"]), BRANCH);
    pair.same_success(&[repo, "ls", BRANCH]);
    pair.same_success(&[repo, "cat", BRANCH, "/usr/lib/os-release"]);
    let mut through_link = our_ostree(&pair.ours());
    through_link.args([repo, "cat", BRANCH, "/etc/os-release"]);
    assert!(
        Answer::of(through_link).success().contains("Alpine Linux"),
        "which the real tool does not find"
    );
    // Only root can give files away.
    let checkout: &[&str] = if is_root() {
        &[repo, "checkout"]
    } else {
        &[repo, "checkout", "-U"]
    };
    pair.same_success(&[checkout, &[BRANCH, "tree-checkout"]].concat());
    pair.same_tree("tree-checkout", is_root() || mode != "archive");

    // First option: install into a checkout.
    pair.same_success(&[checkout, &[BRANCH, "staging-area"]].concat());
    pair.in_both(|dir| add_curl(&dir.join("staging-area")));
    pair.same_success(&[
        repo,
        "commit",
        &branch,
        "--tree=dir=staging-area",
        "--subject",
        "Adding curl.",
    ]);
    let changes = pair.same(&["diff", repo, BRANCH]).stdout;
    assert!(
        changes.contains("M    /etc/apk/world\n") && changes.contains("A    /usr/bin/curl\n"),
        "{changes}"
    );

    // Second option: the package as a branch of its own, laid over the base.
    pair.in_both(|dir| add_curl(&dir.join("pkg.curl")));
    let (base, curl) = (format!("{BRANCH}_base"), format!("{BRANCH}_curl"));
    pair.same_success(&[
        repo,
        "commit",
        "-b",
        &curl,
        "--tree=dir=pkg.curl",
        "--subject",
        "Adding curl.",
    ]);
    let first = pair.same_success(&[repo, "rev-parse", &format!("{BRANCH}^")]);
    pair.same_success(&[repo, "commit", "-b", &base, &format!("--tree=ref={first}")]);
    for layer in [&base, &curl] {
        pair.same_success(&[repo, "checkout", "-U", "--union", layer, "alpine-build"]);
        pair.same_tree("alpine-build", mode != "archive");
    }
    let speedup = ["--link-checkout-speedup", "alpine-build"];
    pair.same_success(&[&[repo, "commit", &branch], &speedup[..]].concat());
    let table = pair.same(
        &[
            &[repo, "commit", "-b", "table", "--table-output"],
            &speedup[..],
        ]
        .concat(),
    );
    assert_eq!(
        table.stdout.contains("Cache Hits: 0"),
        mode != "bare-user",
        "{}",
        table.stdout
    );
    for change in ["--owner-uid=77", "--no-xattrs", "--canonical-permissions"] {
        pair.same(
            &[
                &[repo, "commit", "-b", "changed", "--table-output", change],
                &speedup[..],
            ]
            .concat(),
        );
        pair.same_success(&[repo, "ls", "-RCX", "changed"]);
    }
    let programs = pair.same(&[repo, "ls", BRANCH, "/usr/bin"]).stdout;
    assert!(
        programs.contains("/usr/bin/awk") && programs.contains("/usr/bin/curl"),
        "{programs}"
    );
    assert_eq!(
        pair.same(&[repo, "cat", BRANCH, "/etc/apk/world"]).stdout,
        "curl\n",
        "a union forgets"
    );
    pair.same_success(&["log", repo, BRANCH]);
    pair.same_success(&["fsck", repo]);
}

#[test]
fn in_a_bare_repository() {
    if is_root() {
        walk("bare");
    }
}

#[test]
fn in_a_bare_user_repository() {
    walk("bare-user");
}

#[test]
fn in_an_archive() {
    walk("archive");
}

/// Hard links of a checkout as root are objects too, links to links included.
#[test]
fn a_bare_checkout_is_recognised() {
    if !is_root() {
        return;
    }
    let Some(mut pair) = Pair::new("recognised") else {
        return;
    };
    pair.env("SOURCE_DATE_EPOCH", "1700000000");
    pair.in_both(|dir| fs::write(dir.join("mini.tar"), mini_root()).unwrap());
    pair.same_success(&["init", "--repo=r", "--mode=bare"]);
    pair.same_success(&["commit", "--repo=r", "-b", "main", "--tree=tar=mini.tar"]);
    pair.same_success(&["checkout", "--repo=r", "main", "co"]);
    let table = pair.same(&[
        "commit",
        "--repo=r",
        "-b",
        "main",
        "--link-checkout-speedup",
        "--table-output",
        "co",
    ]);
    assert!(
        table.stdout.contains("Content Total: 0"),
        "{}",
        table.stdout
    );
}
