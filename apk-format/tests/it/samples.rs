//! Packages and an index that both real programs call OK (`fixtures/samples`).

use std::io::Read;

use apk_format::{Digest, EntryKind, Index, KeyRing, Package, ScriptKind, SignatureError, Trust};

const NAMES: [&str; 5] = [
    "base-1.2.3_rc1-r4",
    "clash-1.0-r0",
    "dev-1.0-r0",
    "feat-1.0-r0",
    "meta-2-r0",
];

fn bytes(name: &str) -> Vec<u8> {
    fixtures::bytes(format!("samples/v2/x86_64/{name}"))
}

fn keys() -> KeyRing {
    let mut keys = KeyRing::new();
    keys.add(
        "sample-rsa.key.pub",
        &fixtures::bytes("samples/keys/sample-rsa.key.pub"),
    )
    .unwrap();
    keys
}

#[test]
fn the_index_lists_exactly_these_packages() {
    let index = Index::read(&bytes("APKINDEX.tar.gz")[..], &keys(), Trust::Required).unwrap();
    assert_eq!(index.description.as_deref(), Some("samples"));
    assert_eq!(index.records.len(), NAMES.len());
    for (record, name) in index.records.iter().zip(NAMES) {
        let file = bytes(&format!("{name}.apk"));
        let package = Package::open(&file[..]).unwrap();
        package.check_identity(&record.identity).unwrap();
        let made = package
            .info()
            .to_record(package.identity(), file.len() as u64);
        assert_eq!(made, *record);
        let (mut ours, mut theirs) = (String::new(), String::new());
        made.write_index(&mut ours);
        record.write_index(&mut theirs);
        assert_eq!(ours, theirs);
        package.finish().unwrap();
    }
}

#[test]
fn signatures_are_as_the_real_programs_say() {
    for name in NAMES {
        let file = bytes(&format!("{name}.apk"));
        let package = Package::open(&file[..]).unwrap();
        let result = package.verify_signature(&keys(), Trust::Required);
        if name == "dev-1.0-r0" {
            assert_eq!(result, Err(SignatureError::Unsigned));
        } else {
            assert_eq!(result, Ok(Some("sample-rsa.key.pub".to_owned())), "{name}");
        }
    }
}

#[test]
fn feat_has_everything() {
    let file = bytes("feat-1.0-r0.apk");
    let mut package = Package::open(&file[..]).unwrap();
    let kinds: Vec<ScriptKind> = package.scripts().iter().map(|script| script.kind).collect();
    assert_eq!(kinds, ScriptKind::ALL);
    let info = package.info();
    assert_eq!(
        info.replaces
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["old", "old2<3"]
    );
    assert_eq!((info.replaces_priority, info.provider_priority), (7, 5));
    assert_eq!(info.triggers, ["/usr/bin", "/usr/share/*"]);

    let mut seen = Vec::new();
    while let Some(entry) = package.next_entry().unwrap() {
        let mut content = Vec::new();
        package.read_to_end(&mut content).unwrap();
        match entry.path.as_str() {
            "usr/bin/feat" => assert_eq!(entry.mode, 0o4755),
            "usr/bin/feat2" => assert_eq!(
                entry.kind,
                EntryKind::HardLink {
                    target: "usr/bin/feat".into()
                }
            ),
            "usr/bin/featln" => assert_eq!(
                entry.kind,
                EntryKind::Symlink {
                    target: "feat".into()
                }
            ),
            "usr/share/empty" => assert_eq!(
                (entry.mode, entry.gid, &*entry.gname),
                (0o2775, 50, "nosuchgrp")
            ),
            "usr/share/xa" => assert_eq!(entry.xattrs["user.two"], b"a\0b"),
            "usr/share/xd" => assert_eq!(entry.xattrs["user.dir"], b"d"),
            _ => {}
        }
        if let EntryKind::File { size } = entry.kind {
            assert_eq!(content.len() as u64, size);
            assert_eq!(entry.checksum, Some(Digest::sha1(&content)));
        }
        seen.push(entry.path);
    }
    package.finish().unwrap();
    assert_eq!(seen.len(), 19);
    assert_eq!(seen.iter().map(String::len).max(), Some(208));
    assert!(seen.iter().all(|path| !path.ends_with('/')));
}

#[test]
fn devices_are_told_apart() {
    let file = bytes("dev-1.0-r0.apk");
    let mut package = Package::open(&file[..]).unwrap();
    let mut kinds = Vec::new();
    while let Some(entry) = package.next_entry().unwrap() {
        kinds.push(entry.kind);
    }
    assert_eq!(
        kinds,
        [
            EntryKind::Dir,
            EntryKind::Char { major: 1, minor: 3 },
            EntryKind::Block { major: 7, minor: 1 },
            EntryKind::Dir,
            EntryKind::Fifo
        ]
    );
}

#[test]
fn a_package_without_data_is_read_to_its_end() {
    let file = bytes("meta-2-r0.apk");
    let mut package = Package::open(&file[..]).unwrap();
    assert_eq!(package.info().installed_size, 0);
    assert!(package.next_entry().unwrap().is_none());
    package.finish().unwrap();
}
