//! Alpine's own files, where the shared material lies beside the source tree.

use std::path::PathBuf;
use std::process::Command;

use apk_format::{Dialect, Index, InstalledDb, KeyRing, ScriptArchive, Triggers, Trust, World};

/// The shared data, or the word that a check was skipped.
fn data(name: &str) -> Option<PathBuf> {
    let path = fixtures::root().join("../../shared/data").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!(
        "skipped: {} is not there; the project's own fixtures are checked elsewhere",
        path.display()
    );
    None
}

/// One file of a gzipped tar archive, by the `tar` program.
fn extract(archive: &PathBuf, member: &str) -> Vec<u8> {
    let output = Command::new("tar")
        .arg("-xzOf")
        .arg(archive)
        .arg(member)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{member}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

fn text(archive: &PathBuf, member: &str) -> String {
    String::from_utf8(extract(archive, member)).unwrap()
}

#[test]
fn databases_of_real_systems_come_back_byte_for_byte() {
    for arch in ["x86_64", "aarch64"] {
        let Some(archive) = data(&format!("alpine-minirootfs-3.20.3-{arch}.tar.gz")) else {
            return;
        };
        let installed = text(&archive, "./lib/apk/db/installed");
        let database = InstalledDb::parse(&installed).unwrap();
        assert_eq!(database.packages.len(), 14);
        assert_eq!(database.write(), installed);
        let triggers = text(&archive, "./lib/apk/db/triggers");
        assert_eq!(Triggers::parse(&triggers).unwrap().write(), triggers);
        let world = text(&archive, "./etc/apk/world");
        assert_eq!(World::parse(&world).unwrap().write(), world);
        // tar blocked the file to 10240 bytes when the image was made; apk itself writes two zero blocks.
        let scripts = extract(&archive, "./lib/apk/db/scripts.tar");
        let parsed = ScriptArchive::parse(&scripts).unwrap();
        assert_eq!(parsed.entries.len(), 7);
        assert_eq!(
            without_end(&parsed.write(Dialect::Apk2)),
            without_end(&scripts)
        );
    }
}

fn without_end(archive: &[u8]) -> &[u8] {
    let length = archive.len() - archive.iter().rev().take_while(|byte| **byte == 0).count();
    &archive[..length]
}

#[test]
fn a_real_index_verifies_and_comes_back() {
    let (Some(path), Some(rootfs)) = (
        data("APKINDEX-3.17-main-aarch64.tar.gz"),
        data("alpine-minirootfs-3.20.3-aarch64.tar.gz"),
    ) else {
        return;
    };
    let bytes = std::fs::read(&path).unwrap();
    let mut keys = KeyRing::new();
    let untrusted = Index::read(&bytes[..], &keys, Trust::Required).unwrap_err();
    let apk_format::IndexError::Signature(apk_format::SignatureError::UnknownKey {
        signed_with,
        ..
    }) = untrusted
    else {
        panic!("{untrusted}");
    };
    let name = signed_with[0].strip_prefix("RSA.").unwrap();
    keys.add(
        name,
        &extract(&rootfs, &format!("./usr/share/apk/keys/{name}")),
    )
    .unwrap();
    let index = Index::read(&bytes[..], &keys, Trust::Required).unwrap();
    assert_eq!(index.records.len(), 5004);
    assert!(index.records.iter().all(|record| record.ignored.is_empty()));
    assert_eq!(index.write_records(), text(&path, "APKINDEX"));
}
