//! `apk audit` of a root that somebody has edited, as root: apk 3.0.6 audits nothing of another user's.
//!
//! Recorded as the other sessions are (see `apk`), but with the findings sorted: apk visits directories in the order of
//! the file system, we in that of names.

use crate::apk::{VERSION, lines, our_apk, recording, root, words};
use crate::pair::{Answer, similar};
use fixtures::peer;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

/// The demo's root with its files, and edits of every kind.
fn edited(dir: &Path) {
    root(dir);
    let installed = fs::read_to_string(dir.join("root/lib/apk/db/installed")).unwrap();
    let mut extract = words("-p root extract --force-overwrite --destination root", dir);
    for paragraph in installed.split("\n\n") {
        let field = |key: &str| paragraph.lines().find_map(|line| line.strip_prefix(key));
        if let (Some(name), Some(version), Some(size)) = (field("P:"), field("V:"), field("I:"))
            && size != "0"
        {
            extract.push(format!("repo/x86_64/{name}-{version}.apk"));
        }
    }
    assert_eq!(our_apk(dir, &extract).code, Some(0));
    let root = dir.join("root");
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("etc/motd", "edited\n");
    write("etc/new/file", "new\n");
    write("etc/conf.apk-new", "new\n");
    write("etc/init.d/service", "new\n");
    write("new/deep/file", "new\n");
    write("usr/new/file", "new\n");
    write("usr/bin/extra", "new\n");
    write("bin/busybox", "edited\n");
    symlink("x", root.join("etc/init.d/link")).unwrap();
    fs::remove_file(root.join("bin/sh")).unwrap();
    symlink("elsewhere", root.join("bin/sh")).unwrap();
    fs::remove_file(root.join("etc/hosts")).unwrap();
    let mode = |path: &str, mode| {
        fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    for path in [
        "bin",
        "etc",
        "etc/apk",
        "etc/apk/keys",
        "etc/apk/repositories.d",
        "lib",
        "lib/apk",
        "lib/apk/db",
        "usr",
    ] {
        mode(path, 0o755);
    }
    mode("usr/bin", 0o700);
    mode("etc/passwd", 0o600);
    for path in ["new", "new/deep", "usr/new", "etc/new", "etc/init.d"] {
        mode(path, 0o755);
    }
    for path in [
        "new/deep/file",
        "usr/new/file",
        "usr/bin/extra",
        "etc/new/file",
        "etc/conf.apk-new",
    ] {
        mode(path, 0o644);
    }
    chown(root.join("etc/group"), Some(5), Some(6)).unwrap();
    fs::write(
        dir.join("protected"),
        "# x\n-etc/apk\n+usr/*\n!bin\n@etc/*.d\nlib/apk*\n",
    )
    .unwrap();
}

/// A session with the findings of each answer sorted, each with the lines of details before it.
fn transcript(dir: &Path, ask: impl Fn(&[String]) -> Answer) -> String {
    let mut said = String::new();
    for line in lines(include_str!("apk/audit.txt")) {
        let answer = ask(&[words("-p root", dir), words(line, dir)].concat());
        let mut findings = Vec::new();
        let mut finding = String::new();
        for line in answer.stdout.lines() {
            finding.push_str(line);
            finding.push('\n');
            if !line.starts_with("- ") && !line.starts_with("+ ") {
                findings.push(std::mem::take(&mut finding));
            }
        }
        findings.sort();
        let code = answer.code.unwrap();
        said.push_str(&format!(
            "$ apk {line}\n{}{}[{code}]\n",
            findings.concat(),
            answer.stderr
        ));
    }
    said
}

#[test]
fn it_finds_what_apk_finds() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let dir = fixtures::scratch("audit");
    edited(dir.path());
    // Times and the names of temporary directories do not show; nothing here writes.
    if let Some(apk) = peer::apk3().filter(|apk| apk.version() == VERSION) {
        let said = transcript(dir.path(), |words| {
            let mut command = apk.command();
            command
                .current_dir(dir.path())
                .args(words)
                .env("APK_CONFIG", "/dev/null");
            Answer::of(command)
        });
        if std::env::var_os("APK_OSTREE_RECORD").is_some() {
            fs::write(recording("audit"), &said).unwrap();
        }
        similar(
            &said,
            &fs::read_to_string(recording("audit")).unwrap(),
            "apk",
        );
    }
    let ours = transcript(dir.path(), |words| our_apk(dir.path(), words));
    similar(
        &ours,
        &fs::read_to_string(recording("audit")).unwrap(),
        "audit",
    );
}

/// apk 3.0.6 would wait for somebody to write into the fifo.
#[test]
fn a_fifo_keeps_nobody_waiting() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let dir = fixtures::scratch("audit");
    root(dir.path());
    fs::remove_dir_all(dir.path().join("root/etc/apk/repositories.d")).unwrap();
    let fifo = dir.path().join("root/etc/motd");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let answer = our_apk(dir.path(), &words("-p root audit", dir.path()));
    assert!(answer.stdout.contains("U etc/motd\n"), "{}", answer.stdout);
}
