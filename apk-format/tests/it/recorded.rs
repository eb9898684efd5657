//! What the real apk wrote for the demo repository (`fixtures/recorded`), read and made again.

use std::collections::BTreeMap;
use std::io::Read;

use apk_format::database::InstalledPackage;
use apk_format::{
    Dialect, Digest, Entry, EntryKind, Index, InstalledDb, InstalledDir, InstalledFile, Package,
    ScriptArchive, ScriptEntry, Triggers, Trust, World, xattr_hash,
};
use fixtures::forge::Key;

const SYSTEMS: [&str; 4] = [
    "demo-base-x86_64",
    "demo-base-aarch64",
    "demo-server-x86_64",
    "demo-server-aarch64",
];

fn recorded(apk: &str, system: &str, name: &str) -> Vec<u8> {
    fixtures::bytes(format!("recorded/{apk}/{system}/{name}"))
}

fn text(apk: &str, system: &str, name: &str) -> String {
    String::from_utf8(recorded(apk, system, name)).unwrap()
}

#[test]
fn databases_come_back_byte_for_byte() {
    for apk in ["apk-2.14.10", "apk-3.0.6"] {
        for system in SYSTEMS {
            let installed = text(apk, system, "installed");
            let mut database = InstalledDb::parse(&installed).unwrap();
            assert_eq!(database.write(), installed, "{apk} {system}");
            database.sort();
            assert_eq!(database.write(), installed, "{apk} {system}");
            let triggers = text(apk, system, "triggers");
            assert_eq!(Triggers::parse(&triggers).unwrap().write(), triggers);
            let world = text(apk, system, "world");
            assert_eq!(World::parse(&world).unwrap().write(), world);
        }
    }
}

const DIALECTS: [(Dialect, &str); 2] =
    [(Dialect::Apk2, "apk-2.14.10"), (Dialect::Apk3, "apk-3.0.6")];

#[test]
fn script_archives_come_back_byte_for_byte() {
    for (dialect, apk) in DIALECTS {
        for system in SYSTEMS {
            let scripts = recorded(apk, system, dialect.scripts_file());
            let archive = ScriptArchive::parse(&scripts).unwrap();
            assert_eq!(archive.write(dialect), scripts, "{apk} {system}");
        }
    }
}

/// The same installation by both versions: what one wrote becomes what the other wrote.
#[test]
fn a_database_goes_over_to_the_other_dialect() {
    for system in SYSTEMS {
        let installed = InstalledDb::parse(&text("apk-2.14.10", system, "installed")).unwrap();
        let mut scripts =
            ScriptArchive::parse(&recorded("apk-2.14.10", system, "scripts.tar")).unwrap();
        scripts.sort_as(&installed);
        assert_eq!(
            scripts.write(Dialect::Apk3),
            recorded("apk-3.0.6", system, "scripts.tar.gz"),
            "{system}"
        );
        let mut triggers = Triggers::parse(&text("apk-2.14.10", system, "triggers")).unwrap();
        triggers.sort_as(&installed);
        assert_eq!(triggers.write(), text("apk-3.0.6", system, "triggers"));
    }
}

#[test]
fn a_script_archive_that_inflates_without_end_is_refused() {
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::copy(&mut std::io::repeat(0).take(65 << 20), &mut bomb).unwrap();
    let error = ScriptArchive::parse(&bomb.finish().unwrap()).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap();
    assert_eq!(
        format!("{error}: {cause}"),
        "the script archive cannot be decompressed: more than 64 MiB of scripts"
    );
}

/// Records from the index, files from the packages: all of `installed` but the numbers of owners, which need the
/// accounts of the whole system.
#[test]
fn installed_packages_are_made_of_index_and_package() {
    for system in SYSTEMS {
        let arch = system.rsplit('-').next().unwrap();
        let index = fixtures::bytes(format!("demo/repo/{arch}/APKINDEX.tar.gz"));
        let index = Index::read(&index[..], &crate::ring(&Key::demo()), Trust::Required).unwrap();
        let database = InstalledDb::parse(&text("apk-2.14.10", system, "installed")).unwrap();
        let mut scripts = BTreeMap::new();
        for theirs in &database.packages {
            let record = index
                .records
                .iter()
                .find(|record| record.identity == theirs.record.identity)
                .unwrap();
            let file = fixtures::bytes(format!(
                "demo/repo/{arch}/{}-{}.apk",
                record.name, record.version
            ));
            let mut package = Package::open(&file[..]).unwrap();
            package.check_identity(&record.identity).unwrap();
            for script in package.scripts() {
                let entry = ScriptEntry::new(
                    &record.name,
                    record.version.as_str(),
                    record.identity,
                    record.build_time,
                    script,
                );
                scripts.insert(entry.file_name(Dialect::Apk2), entry);
            }
            let mut ours =
                InstalledPackage::new(record.clone(), package.info(), package.file_digests());
            ours.dirs = if record.installed_size == 0 {
                Vec::new()
            } else {
                dirs(&mut package)
            };
            assert_eq!(written(&ours, theirs), written(theirs, theirs), "{system}");
            package.finish().unwrap();
        }
        let theirs = ScriptArchive::parse(&recorded("apk-2.14.10", system, "scripts.tar")).unwrap();
        for entry in &theirs.entries {
            assert_eq!(scripts.get(&entry.file_name(Dialect::Apk2)), Some(entry));
        }
        assert_eq!(theirs.entries.len(), scripts.len());
    }
}

/// The paragraph without files that `kept` lost to other packages, and with no owners.
fn written(package: &InstalledPackage, kept: &InstalledPackage) -> String {
    let mut package = package.clone();
    for (dir, kept) in package.dirs.iter_mut().zip(&kept.dirs) {
        (dir.uid, dir.gid) = (0, 0);
        dir.files
            .retain(|file| kept.files.iter().any(|kept| kept.name == file.name));
        for file in &mut dir.files {
            (file.uid, file.gid) = (0, 0);
        }
    }
    let mut text = String::new();
    package.write(&mut text);
    text
}

fn dirs(package: &mut Package<&[u8]>) -> Vec<InstalledDir> {
    let mut dirs: Vec<InstalledDir> = Vec::new();
    let mut sums: BTreeMap<String, Option<Digest>> = BTreeMap::new();
    while let Some(entry) = package.next_entry().unwrap() {
        if entry.kind == EntryKind::Dir {
            let mut dir = InstalledDir::new(&entry.path);
            (dir.mode, dir.xattr_hash) = (entry.mode, xattr_hash(&entry.xattrs));
            dirs.push(dir);
            continue;
        }
        let checksum = match &entry.kind {
            EntryKind::HardLink { target } => sums[target],
            _ => entry.checksum,
        };
        sums.insert(entry.path.clone(), checksum);
        let (parent, name) = entry.path.rsplit_once('/').unwrap_or(("", &entry.path));
        let file = installed_file(&entry, name, checksum);
        match dirs.iter_mut().find(|dir| dir.path == parent) {
            Some(dir) => dir.files.push(file),
            None => dirs.push(InstalledDir {
                files: vec![file],
                ..InstalledDir::new(parent)
            }),
        }
    }
    dirs
}

fn installed_file(entry: &Entry, name: &str, checksum: Option<Digest>) -> InstalledFile {
    InstalledFile {
        mode: entry.mode,
        xattr_hash: xattr_hash(&entry.xattrs),
        checksum,
        ..InstalledFile::new(name)
    }
}
