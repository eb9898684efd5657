//! Forged packages that are in order.

use std::io::Read;

use apk_format::{Digest, Entry, EntryKind, Package, ScriptKind, Trust};
use fixtures::forge::tar::{Entry as TarEntry, Kind, Style, Tar};
use fixtures::forge::{Forge, Key, Script, gzip};

fn read_all(bytes: &[u8]) -> Vec<(Entry, Vec<u8>)> {
    let mut package = Package::open(bytes).unwrap();
    let mut entries = Vec::new();
    while let Some(entry) = package.next_entry().unwrap() {
        let mut content = Vec::new();
        package.read_to_end(&mut content).unwrap();
        entries.push((entry, content));
    }
    package.finish().unwrap();
    entries
}

#[test]
fn every_kind_of_entry_comes_back() {
    let long = format!("usr/share/{}/{}", "d".repeat(120), "f".repeat(120));
    let package = Forge::package("kinds", "1-r0")
        .file("bin/su", vec![7; 100_000])
        .mode(0o4755)
        .owner("root", "wheel", 0, 10)
        .mtime(1_600_000_000)
        .xattr("security.capability", vec![1, 0, 0, 2])
        .xattr("user.a", "x=y\n")
        .hardlink("bin/su2", "bin/su")
        .symlink("bin/sh", "/bin/su")
        .char_device("dev/null", 1, 3)
        .block_device("dev/loop0", 7, 0)
        .fifo("run/pipe")
        .file(&long, "")
        .build(&Key::demo());
    let entries = read_all(&package);
    let find = |path: &str| {
        entries
            .iter()
            .find(|(entry, _)| entry.path == path)
            .unwrap()
    };
    let (su, content) = find("bin/su");
    assert_eq!(su.kind, EntryKind::File { size: 100_000 });
    assert_eq!(*content, vec![7; 100_000]);
    assert_eq!(
        (su.mode, su.uid, su.gid, su.mtime),
        (0o4755, 0, 10, 1_600_000_000)
    );
    assert_eq!((su.uname.as_str(), su.gname.as_str()), ("root", "wheel"));
    assert_eq!(su.xattrs["security.capability"], [1, 0, 0, 2]);
    assert_eq!(su.xattrs["user.a"], b"x=y\n");
    assert_eq!(su.checksum, Some(Digest::sha1(content)));
    let kind = |path: &str| find(path).0.kind.clone();
    assert_eq!(
        kind("bin/su2"),
        EntryKind::HardLink {
            target: "bin/su".into()
        }
    );
    assert_eq!(
        kind("bin/sh"),
        EntryKind::Symlink {
            target: "/bin/su".into()
        }
    );
    assert_eq!(kind("dev/null"), EntryKind::Char { major: 1, minor: 3 });
    assert_eq!(kind("dev/loop0"), EntryKind::Block { major: 7, minor: 0 });
    assert_eq!(kind("run/pipe"), EntryKind::Fifo);
    assert_eq!(kind("run"), EntryKind::Dir);
    assert_eq!(kind(&long), EntryKind::File { size: 0 });
}

#[test]
fn scripts_are_sorted_and_nothing_else_counts() {
    let package = Forge::package("scripts", "1-r0")
        .script(Script::Trigger, "t")
        .script(Script::PreInstall, "a")
        .triggers("/a /b")
        .info_line("packager = me")
        .build(&Key::demo());
    let package = Package::open(&package[..]).unwrap();
    let kinds: Vec<_> = package.scripts().iter().map(|script| script.kind).collect();
    assert_eq!(kinds, [ScriptKind::PreInstall, ScriptKind::Trigger]);
    assert_eq!(package.scripts()[1].body, b"t");
    assert_eq!(package.info().triggers, ["/a", "/b"]);
    assert_eq!(
        package.info().other,
        [("packager".to_owned(), "me".to_owned())]
    );
}

#[test]
fn unread_entries_are_skipped_and_one_byte_reads_work() {
    struct OneByte<R>(R);
    impl<R: Read> Read for OneByte<R> {
        fn read(&mut self, output: &mut [u8]) -> std::io::Result<usize> {
            let wanted = output.len().min(1);
            self.0.read(&mut output[..wanted])
        }
    }
    let forged = Forge::package("p", "1")
        .file("a", vec![1; 70_000])
        .file("b", "b")
        .forge(&Key::demo());
    let bytes = forged.bytes();
    let mut package = Package::open(OneByte(&bytes[..])).unwrap();
    assert_eq!(package.identity(), Digest::Sha1(forged.identity()));
    assert_eq!(package.next_entry().unwrap().unwrap().path, "a");
    package.read_exact(&mut [0; 10]).unwrap();
    assert_eq!(package.next_entry().unwrap().unwrap().path, "b");
    let mut text = String::new();
    package.read_to_string(&mut text).unwrap();
    assert_eq!(text, "b");
    package.finish().unwrap();
}

#[test]
fn hidden_entries_are_skipped() {
    let package = Forge::package("p", "1")
        .entry(TarEntry::file(".MTREE", "hidden"))
        .entry(TarEntry::file(".dir/x", "hidden"))
        .file("a/.keep", "")
        .as_given()
        .build(&Key::demo());
    let paths: Vec<String> = read_all(&package)
        .into_iter()
        .map(|(entry, _)| entry.path)
        .collect();
    assert_eq!(paths, ["a/.keep"]);
}

#[test]
fn opening_reads_no_data() {
    let forged = Forge::package("p", "1").file("a", "x").forge(&Key::demo());
    let bytes = forged.bytes();
    let data = forged.member(fixtures::forge::package::Member::Data).len();
    let package = Package::open(&bytes[..bytes.len() - data]).unwrap();
    assert_eq!(package.info().name, "p");
    package
        .verify_signature(&crate::ring(&Key::demo()), Trust::Required)
        .unwrap();
    let error = package.finish().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "no data member before the end, at byte {}",
            bytes.len() - data
        )
    );
}

/// Ends that the real programs accept: no, one or many zero blocks, or nothing at all.
#[test]
fn the_end_of_the_archive_may_be_missing() {
    let entry = || {
        let mut entry = TarEntry::file("a", "x");
        entry.record("APK-TOOLS.checksum.SHA1", Digest::sha1(b"x").to_hex());
        let mut tar = Tar::new(Style::Posix);
        tar.append(&entry);
        tar.cut()
    };
    for (content, entries) in [
        (entry(), 1),
        ([entry(), vec![0; 512]].concat(), 1),
        ([entry(), vec![0; 512 * 40]].concat(), 1),
        (Vec::new(), 0),
        (vec![0; 1024], 0),
    ] {
        let package = around(&content);
        assert_eq!(read_all(&package).len(), entries, "{} bytes", content.len());
    }
}

#[test]
fn old_long_names_and_prefixes_are_joined() {
    let mut tar = Tar::new(Style::Posix);
    tar.append(&TarEntry {
        data: b"very/long\0".to_vec(),
        ..TarEntry::new(Kind::Other(b'L'), "././@LongLink")
    });
    tar.append(&TarEntry::new(Kind::Directory, "short"));
    let mut prefixed = TarEntry::new(Kind::Directory, "name/");
    prefixed.prefix = b"pre/fix".to_vec();
    tar.append(&prefixed);
    tar.append(&TarEntry::file("ignored", "x".repeat(600)).with_kind(b'g'));
    tar.append(&TarEntry::file("ignored", "old style").with_kind(0));
    let paths: Vec<String> = read_all(&around(&tar.end(1)))
        .into_iter()
        .map(|(entry, _)| entry.path)
        .collect();
    assert_eq!(paths, ["very/long", "pre/fix/name"]);
}

trait WithKind {
    fn with_kind(self, kind: u8) -> Self;
}

impl WithKind for TarEntry {
    fn with_kind(mut self, kind: u8) -> Self {
        self.kind = Kind::Other(kind);
        self
    }
}

/// An unsigned package around a data archive.
pub(crate) fn around(data: &[u8]) -> Vec<u8> {
    let data = gzip::member(data, gzip::Deflate::Fixed);
    let info = format!(
        "pkgname = p\npkgver = 1\nsize = 1\ndatahash = {}\n",
        fixtures::forge::sha256_hex(&data)
    );
    let mut tar = Tar::new(Style::Posix);
    tar.append(&TarEntry::file(".PKGINFO", info));
    [gzip::member(&tar.cut(), gzip::Deflate::Fixed), data].concat()
}
