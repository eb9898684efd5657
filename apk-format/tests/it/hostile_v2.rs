//! v2 packages and indexes that no program makes: bounded memory, and an error that says what is wrong.

use std::io::{self, Read, Write};

use apk_format::{
    ArchiveError, EntryKind, Index, IndexError, KeyRing, Package, PackageError, PathError, Trust,
};
use fixtures::forge::gzip;
use fixtures::forge::tar::{Entry, Kind, Style, Tar};

use crate::package::around;

fn data(entries: &[Entry]) -> Vec<u8> {
    let mut tar = Tar::new(Style::Posix);
    entries.iter().for_each(|entry| tar.append(entry));
    around(&tar.end(1))
}

/// Paths with the targets of hard links, up to the end or the first error.
fn read(bytes: &[u8]) -> Result<Vec<(String, Option<String>)>, PackageError> {
    let mut package = Package::open(bytes)?;
    let mut entries = Vec::new();
    while let Some(entry) = package.next_entry()? {
        let target = match entry.kind {
            EntryKind::HardLink { target } => Some(target),
            _ => None,
        };
        entries.push((entry.path, target));
    }
    package.finish()?;
    Ok(entries)
}

fn link(name: &str, target: &str) -> Entry {
    let mut entry = Entry::new(Kind::HardLink, name);
    entry.link = target.into();
    entry
}

#[test]
fn many_tiny_entries_are_passed_on_one_by_one() {
    let count = 20_000;
    let mut tar = Tar::new(Style::Posix);
    for number in 0..count {
        tar.append(&Entry::new(Kind::Fifo, format!("d/{number}")));
    }
    let bytes = around(&tar.end(1));
    let mut package = Package::open(&bytes[..]).unwrap();
    let mut seen = 0;
    while let Some(entry) = package.next_entry().unwrap() {
        assert_eq!(entry.path, format!("d/{seen}"));
        seen += 1;
    }
    package.finish().unwrap();
    assert_eq!(seen, count);
}

/// What they mean is decided where they are unpacked: a reader in one pass remembers no entries.
#[test]
fn duplicates_and_circles_of_links_are_passed_on_as_they_stand() {
    let chain = [
        Entry::new(Kind::Fifo, "a"),
        Entry::new(Kind::Fifo, "a"),
        link("b", "b"),
        link("c", "d"),
        link("d", "c"),
    ];
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        read(&data(&chain)).unwrap(),
        [
            ("a".into(), None),
            ("a".into(), None),
            ("b".into(), some("b")),
            ("c".into(), some("d")),
            ("d".into(), some("c"))
        ]
    );
}

/// A NUL ends a name in the header; in a pax record it is part of it. Neither may cut a path short unseen.
#[test]
fn names_that_are_no_text_are_refused() {
    for (name, expected) in [
        (&b"a\xffb"[..], PathError::NotUtf8),
        (b"a/\xc3", PathError::NotUtf8),
        (b"a\0b", PathError::Control),
    ] {
        let mut entry = Entry::new(Kind::Directory, "x");
        entry.record("path", name);
        let error = read(&data(&[entry])).unwrap_err();
        assert!(
            matches!(&error, PackageError::Path { reason, .. } if *reason == expected),
            "{error:?}"
        );
    }
    for target in [&b"\xff"[..], b"a\0b"] {
        for kind in [Kind::HardLink, Kind::Symlink] {
            let mut entry = Entry::new(kind, "x");
            entry.record("linkpath", target);
            assert!(read(&data(&[entry])).is_err(), "{target:?}");
        }
    }
}

// --- bombs ------------------------------------------------------------------------------------------------------

/// An index that inflates to this text followed by zeros or letters, in members of 64 MiB.
fn bomb(beginning: &str, filling: u8, mebibytes: u64) -> Vec<u8> {
    let mut tar = Tar::new(Style::Posix);
    let mut entry = Entry::file("APKINDEX", "");
    entry.claimed_size = Some((beginning.len() as u64) + (mebibytes << 20));
    tar.append(&entry);
    let mut bytes = gzip::member(&tar.cut(), gzip::Deflate::Fixed);
    let mut left = mebibytes << 20;
    let mut first = beginning.as_bytes();
    while left > 0 {
        let part = left.min(64 << 20);
        let mut member = flate2::write::GzEncoder::new(&mut bytes, flate2::Compression::fast());
        member.write_all(std::mem::take(&mut first)).unwrap();
        io::copy(&mut io::repeat(filling).take(part), &mut member).unwrap();
        member.finish().unwrap();
        left -= part;
    }
    bytes
}

fn index(bytes: &[u8]) -> IndexError {
    Index::read(bytes, &KeyRing::new(), Trust::AllowUntrusted).unwrap_err()
}

/// The limit is that of all members together.
#[test]
fn an_index_of_many_members_inflates_no_further_than_one() {
    let error = index(&bomb("", b'x', 192));
    let IndexError::Archive {
        source: ArchiveError::Read(source),
        ..
    } = &error
    else {
        panic!("{error:?}");
    };
    let text = "it decompresses to more than 67108864 bytes";
    assert_eq!(source.to_string(), text);
}

#[test]
fn an_index_of_nothing_but_atoms_ends_early() {
    let line = format!(
        "C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\nP:a\nV:1\nD:{}\n\n",
        "a ".repeat(500_000)
    );
    let text = line.repeat(9);
    let error = Index::parse_records(&text).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 39: with this line the index has more than the 4000000 dependencies and provides allowed"
    );
    let text = line.repeat(2);
    assert_eq!(Index::parse_records(&text).unwrap().len(), 2);
}
