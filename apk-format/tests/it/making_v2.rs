//! Making v2 packages and indexes: accepted by both real programs, and read back.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::Path;

use apk_format::index::sign_v2;
use apk_format::{
    Algorithm, Dependency, Digest, Directories, Draft, DraftError, Entry, EntryKind, Index,
    KeyRing, Package, PackageInfo, PrivateKey, Provide, Script, ScriptKind, SigningError, Trust,
    Version,
};
use fixtures::peer::Peer;

fn entry(path: &str, kind: EntryKind, mode: u32) -> Entry {
    Entry {
        path: path.to_owned(),
        kind,
        mode,
        uid: 0,
        gid: 0,
        uname: "root".to_owned(),
        gname: "root".to_owned(),
        mtime: 1_700_000_000,
        xattrs: BTreeMap::new(),
        checksum: None,
    }
}

/// A draft without dependencies that could not be met, and the contents of its files.
fn everything() -> (Draft, BTreeMap<String, Vec<u8>>) {
    let mut info = PackageInfo::unopened("all", Version::parse("1.2_rc3-r4").unwrap());
    info.description = "all of it".to_owned();
    info.url = "https://example.org/".to_owned();
    info.license = "MIT".to_owned();
    info.arch = Some("x86_64".to_owned());
    info.origin = Some("all-source".to_owned());
    info.maintainer = Some("Me <me@example.org>".to_owned());
    info.commit = Some("0123456789abcdef0123456789abcdef01234567".to_owned());
    info.build_time = 1_700_000_001;
    (info.provider_priority, info.replaces_priority) = (300, 7);
    info.depends = vec![Dependency::parse("!bad<3").unwrap()];
    info.provides = ["cmd:all=1", "virt"]
        .map(|text| Provide::parse(text).unwrap())
        .to_vec();
    info.replaces = ["old<2", "older"]
        .map(|text| Dependency::parse(text).unwrap())
        .to_vec();
    info.triggers = vec!["/usr/*".into(), "/etc".into()];
    let scripts = [ScriptKind::Trigger, ScriptKind::PreInstall]
        .map(|kind| Script {
            kind,
            body: b"#!/bin/sh\nexit 0\n".to_vec(),
        })
        .to_vec();
    let long = "x".repeat(120);
    let mut contents = BTreeMap::new();
    let mut entries = Vec::new();
    for (path, content, mode) in [
        ("top", &b"top\n"[..], 0o600),
        ("etc/zero", b"", 0o644),
        ("usr/bin/z", b"tool", 0o4755),
        ("usr/bin/big", &[7; 700_000], 0o755),
        (&*format!("usr/{long}/{long}"), b"deep", 0o644),
    ] {
        let size = content.len() as u64;
        let checksum = Some(Digest::sha1(content));
        entries.push(Entry {
            checksum,
            ..entry(path, EntryKind::File { size }, mode)
        });
        contents.insert(path.to_owned(), content.to_vec());
    }
    for (path, target) in [("usr/bin/a", "usr/bin/z"), ("usr/more", "usr/bin/z")] {
        let target = target.to_owned();
        entries.push(entry(path, EntryKind::HardLink { target }, 0o4755));
    }
    let target = "../x".repeat(40);
    entries.push(entry("usr/link", EntryKind::Symlink { target }, 0o777));
    entries.push(entry("usr/games", EntryKind::Dir, 0o2770));
    entries[1].xattrs = [("user.a".to_owned(), b"1\0\n".to_vec())].into();
    let draft = Draft {
        info,
        scripts,
        entries,
        directories: Directories::All,
    };
    (draft, contents)
}

fn write(key: Option<Algorithm>) -> Vec<u8> {
    let (draft, contents) = everything();
    let private = private();
    let key = key.map(|algorithm| (&private, algorithm));
    let spool = Cursor::new(Vec::new());
    draft
        .write_v2(Vec::new(), spool, key, &mut |entry| {
            Ok(Box::new(Cursor::new(&contents[&entry.path])))
        })
        .unwrap()
}

fn private() -> PrivateKey {
    let pem = fixtures::bytes("samples/keys/sample-rsa.key");
    PrivateKey::from_pem("sample-rsa.key.pub", &pem).unwrap()
}

fn ring() -> KeyRing {
    let mut ring = KeyRing::new();
    let private = private();
    ring.add(private.name(), private.public_pem().unwrap().as_bytes())
        .unwrap();
    ring
}

const ALGORITHMS: [Algorithm; 3] = [Algorithm::Rsa, Algorithm::Rsa256, Algorithm::Rsa512];

#[test]
fn everything_reads_back() {
    let bytes = write(Some(Algorithm::Rsa));
    assert!(
        bytes == write(Some(Algorithm::Rsa)),
        "made twice, the bytes differ"
    );
    let mut package = Package::open(&bytes[..]).unwrap();
    let verified = package.verify_signature(&ring(), Trust::Required);
    assert_eq!(verified, Ok(Some("sample-rsa.key.pub".to_owned())));
    let (draft, contents) = everything();
    let mut info = draft.info;
    info.installed_size = 4 + 4 + 700_000 + 4;
    info.datahash = package.datahash();
    assert_eq!(*package.info(), info);
    let kinds: Vec<ScriptKind> = package.scripts().iter().map(|script| script.kind).collect();
    assert_eq!(kinds, [ScriptKind::PreInstall, ScriptKind::Trigger]);
    let mut entries = BTreeMap::new();
    let mut order = Vec::new();
    while let Some(entry) = package.next_entry().unwrap() {
        let mut content = Vec::new();
        package.read_to_end(&mut content).unwrap();
        order.push(entry.path.clone());
        entries.insert(entry.path.clone(), (entry, content));
    }
    package.finish().unwrap();
    assert_eq!(
        order[..6],
        ["etc", "etc/zero", "top", "usr", "usr/bin", "usr/bin/a"]
    );
    let link = |target: &str| EntryKind::HardLink {
        target: target.to_owned(),
    };
    assert_eq!(entries["usr/bin/a"].0.kind, EntryKind::File { size: 4 });
    assert_eq!(entries["usr/bin/z"].0.kind, link("usr/bin/a"));
    assert_eq!(entries["usr/more"].0.kind, link("usr/bin/a"));
    assert_eq!(entries["usr/bin/a"].1, b"tool");
    assert_eq!(entries["usr/bin/big"].1, contents["usr/bin/big"]);
    assert_eq!(entries["etc/zero"].0.xattrs["user.a"], b"1\0\n");
    assert_eq!(entries["usr/games"].0.mode, 0o2770);
    assert!(
        matches!(&entries["usr/link"].0.kind, EntryKind::Symlink { target } if target.len() == 160)
    );
}

#[test]
fn what_cannot_be_made_is_refused() {
    let refused = |change: &dyn Fn(&mut Draft)| {
        let (mut draft, contents) = everything();
        change(&mut draft);
        let content = |entry: &Entry| contents.get(&entry.path).cloned().unwrap_or_default();
        let spool = Cursor::new(Vec::new());
        let made = draft.write_v2(Vec::new(), spool, None, &mut |entry| {
            Ok(Box::new(Cursor::new(content(entry))))
        });
        made.unwrap_err()
    };
    let error = refused(&|draft| draft.info.description = "a\nb".into());
    assert_eq!(error.to_string(), "the field pkgdesc cannot be \"a\\nb\"");
    let error = refused(&|draft| draft.entries[0].checksum = Some(Digest::sha256(b"top\n")));
    assert_eq!(error.to_string(), "\"top\" has no SHA-1 digest");
    let error = refused(&|draft| draft.entries[0].checksum = Some(Digest::sha1(b"other")));
    assert!(matches!(error, DraftError::Content { path, .. } if path == "top"));
    let error = refused(&|draft| draft.entries[0].kind = EntryKind::File { size: 3 });
    assert!(matches!(error, DraftError::Content { path, .. } if path == "top"));
    let error = refused(&|draft| draft.entries.retain(|entry| entry.path != "usr/bin/z"));
    assert!(matches!(error, DraftError::Link { target, .. } if target == "usr/bin/z"));
    for (path, reason) in [
        ("../x", "it has an empty, \".\" or \"..\" component"),
        ("/x", "it is absolute"),
        ("x/", "it has an empty, \".\" or \"..\" component"),
        (
            ".x",
            "it begins with a dot, as only what belongs to a v2 package itself does",
        ),
    ] {
        let error = refused(&|draft| draft.entries[0].path = path.to_owned());
        assert_eq!(
            error.to_string(),
            format!("the entry {path:?} is refused: {reason}")
        );
    }
    let ec = fixtures::bytes("samples/keys/sample-ec.key");
    let ec = PrivateKey::from_pem("ec.pub", &ec).unwrap();
    assert!(matches!(
        ec.sign(Algorithm::Rsa, b""),
        Err(SigningError::NotRsa { .. })
    ));
}

#[test]
fn keys_in_every_form_are_the_same_key() {
    let private = private();
    let again = PrivateKey::from_pem("x", private.private_pem().unwrap().as_bytes()).unwrap();
    assert_eq!(again.id(), private.id());
    assert_eq!(private.id().to_string(), "9fcf0debcbf3d50a442fc5bad205e099");
    assert_eq!(
        private.public_pem().unwrap(),
        fixtures::text("samples/keys/sample-rsa.key.pub")
    );
    let pem = fixtures::bytes("samples/keys/sample-ec.key");
    let ec = PrivateKey::from_pem("ec", &pem).unwrap();
    assert_eq!(
        ec.public_pem().unwrap(),
        fixtures::text("samples/keys/sample-ec.key.pub")
    );
    let again = PrivateKey::from_pem("ec", ec.private_pem().unwrap().as_bytes()).unwrap();
    assert_eq!(again.id(), ec.id());
    assert!(PrivateKey::from_pem("x", b"nonsense").is_err());
    assert_eq!(format!("{ec:?}"), "PrivateKey(\"ec\")");
}

#[test]
fn new_keys_sign() {
    let mut random = apk_format::signature::rand_core::OsRng;
    let key = PrivateKey::generate_rsa("new.rsa.pub", 1024, &mut random).unwrap();
    let mut ring = KeyRing::new();
    ring.add(key.name(), key.public_pem().unwrap().as_bytes())
        .unwrap();
    let index = Index::default()
        .write_v2(0, Some((&key, Algorithm::Rsa)))
        .unwrap();
    assert!(Index::read(&index[..], &ring, Trust::Required).is_ok());
    assert_eq!(ring.id("new.rsa.pub"), Some(key.id()));
}

// --- with the real programs -------------------------------------------------------------------------------------

fn peers() -> impl Iterator<Item = Peer> {
    [fixtures::peer::apk2(), fixtures::peer::apk3()]
        .into_iter()
        .flatten()
}

fn root(files: &[(&str, &[u8])]) -> fixtures::Scratch {
    let dir = fixtures::scratch("v2");
    let keys = dir.path().join("etc/apk/keys");
    std::fs::create_dir_all(&keys).unwrap();
    std::fs::copy(
        fixtures::path("samples/keys/sample-rsa.key.pub"),
        keys.join("sample-rsa.key.pub"),
    )
    .unwrap();
    for (name, bytes) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    dir
}

fn apk(peer: &Peer, root: &Path, words: &[&str]) -> fixtures::peer::Output {
    let words = ["--root", "."].iter().chain(words);
    peer.run_in(root, words)
}

#[test]
fn the_real_programs_accept_what_is_made() {
    for peer in peers() {
        for algorithm in ALGORITHMS {
            let root = root(&[("p.apk", &write(Some(algorithm)))]);
            let verified = apk(&peer, root.path(), &["verify", "p.apk"]);
            assert!(
                verified.success().stdout_text().contains("OK"),
                "{algorithm}"
            );
        }
        let root = root(&[("p.apk", &write(None))]);
        assert_eq!(apk(&peer, root.path(), &["verify", "p.apk"]).code, Some(1));
    }
}

#[test]
fn the_real_programs_install_from_what_is_made() {
    for peer in peers() {
        let bytes = write(None);
        let package = Package::open(&bytes[..]).unwrap();
        let record = package
            .info()
            .to_record(package.identity(), bytes.len() as u64);
        let index = Index {
            description: Some("made".into()),
            records: vec![record],
            ..Index::default()
        };
        let key = private();
        let index = index
            .write_v2(1_700_000_000, Some((&key, Algorithm::Rsa)))
            .unwrap();
        let read = Index::read(&index[..], &ring(), Trust::Required).unwrap();
        assert_eq!(read.records.len(), 1);
        let root = root(&[
            ("repo/x86_64/all-1.2_rc3-r4.apk", &bytes),
            ("repo/x86_64/APKINDEX.tar.gz", &index),
        ]);
        let repository = root.path().join("repo");
        let words = [
            "--arch",
            "x86_64",
            "-X",
            repository.to_str().unwrap(),
            "add",
            "--initdb",
            "--no-scripts",
            "all",
        ];
        apk(&peer, root.path(), &words).success();
        assert_eq!(
            std::fs::read(root.path().join("usr/more")).unwrap(),
            b"tool"
        );
        let installed = std::fs::read_to_string(root.path().join("lib/apk/db/installed")).unwrap();
        assert!(installed.contains(&format!("C:{}\n", package.identity().to_q1())));
    }
}

/// The whole archive, compressed, of the demo's packages.
#[test]
fn the_real_programs_write_the_same_index() {
    for peer in peers() {
        let dir = fixtures::scratch("index");
        let repository = fixtures::path("demo/repo/x86_64");
        let mut packages: Vec<_> = std::fs::read_dir(repository)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "apk"))
            .collect();
        packages.sort();
        let out = dir.path().join("out");
        let mut command = peer.command();
        command.env("SOURCE_DATE_EPOCH", "1700000000");
        command
            .args(["--allow-untrusted", "index", "-d", "demo", "-o"])
            .arg(&out)
            .args(&packages);
        peer.finish(command).success();
        let theirs = std::fs::read(&out).unwrap();
        let mut index = Index {
            description: Some("demo".into()),
            ..Index::default()
        };
        for path in packages {
            let bytes = std::fs::read(path).unwrap();
            let package = Package::open(&bytes[..]).unwrap();
            index.records.push(
                package
                    .info()
                    .to_record(package.identity(), bytes.len() as u64),
            );
        }
        index.sort();
        let ours = index.write_v2(1_700_000_000, None).unwrap();
        assert!(ours == theirs, "{} and {} bytes", ours.len(), theirs.len());
        let key = private();
        let signed = sign_v2(&theirs, &key, Algorithm::Rsa256).unwrap();
        assert_eq!(
            signed,
            index
                .write_v2(1_700_000_000, Some((&key, Algorithm::Rsa256)))
                .unwrap()
        );
        let root = root(&[("APKINDEX.tar.gz", &signed)]);
        assert!(
            apk(&peer, root.path(), &["verify", "APKINDEX.tar.gz"])
                .success()
                .stdout_text()
                .contains("OK")
        );
    }
}
