//! Packages that are wrong in one way each, and the error that says so.

use std::io::{self, Read};

use apk_format::{ArchiveError, Digest, InfoError, Member, Package, PackageError, PathError};
use fixtures::forge::tar::{Entry, Kind, Style, Tar};
use fixtures::forge::{Fault, Forge, Key, gzip, package};

use crate::package::around;

fn forge() -> Forge {
    Forge::package("p", "1-r0")
        .file("etc/a", "content")
        .file("etc/b", "more")
        .symlink("etc/c", "a")
}

/// The first error on the way through a whole package, content unread.
fn failure(bytes: &[u8]) -> PackageError {
    match Package::open(bytes) {
        Err(error) => error,
        Ok(package) => package.finish().unwrap_err(),
    }
}

fn of(forge: &Forge) -> PackageError {
    failure(&forge.build(&Key::demo()))
}

#[track_caller]
fn assert_error(error: &PackageError, fits: bool) {
    assert!(fits, "{error}: {error:?}");
}

#[test]
fn every_fault_of_the_file_is_found() {
    let error = of(&forge().fault(Fault::WrongDatahash));
    assert_error(&error, matches!(error, PackageError::DataHash { .. }));
    let error = of(&forge().fault(Fault::NoDatahash));
    assert_error(&error, matches!(error, PackageError::NoDataHash));
    let error = of(&forge().fault(Fault::EndedControl));
    let source = |error: &PackageError| match error {
        PackageError::Archive { member, source, .. } => format!("{member}: {source}"),
        other => other.to_string(),
    };
    assert_eq!(
        source(&error),
        "control: the archive ends here, but further members belong to it"
    );
    let error = of(&forge().fault(Fault::JoinedMembers));
    assert_error(
        &error,
        matches!(&error, PackageError::NotControl { path, vouched: true } if path.starts_with("etc")),
    );
    let error = of(&forge().fault(Fault::Trailing(b"x".to_vec())));
    assert_error(&error, matches!(error, PackageError::Trailing { .. }));
    let fourth = gzip::member(b"", gzip::Deflate::Fixed);
    let error = of(&forge().fault(Fault::Trailing(fourth)));
    assert_error(&error, matches!(error, PackageError::Trailing { .. }));
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = forge().build(&Key::demo());
    for length in 0..bytes.len() {
        failure(&bytes[..length]);
    }
    assert!(Package::open(&bytes[..]).unwrap().finish().is_ok());
}

/// Bytes of the gzip header that nobody looks at (time, level, system) may differ only outside the data member,
/// where the data hash covers them; the identity covers them in the control member.
#[test]
fn every_turned_bit_of_control_and_data_is_noticed() {
    let forged = forge().forge(&Key::demo());
    let good = forged.bytes();
    for at in forged.member(package::Member::Signature).len()..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        let result = Package::open(&bytes[..]).and_then(|package| {
            package.check_identity(&Digest::Sha1(forged.identity()))?;
            package.finish()
        });
        assert!(result.is_err(), "byte {at}");
    }
}

#[test]
fn contents_are_verified_read_or_not() {
    let claimed = forge()
        .file("etc/d", "x")
        .claiming_checksum([1; 20])
        .file("etc/e", "")
        .claiming_checksum([2; 20]);
    let bytes = claimed.build(&Key::demo());
    let error = failure(&bytes);
    let expected = Digest::Sha1([1; 20]);
    let found = Digest::sha1(b"x");
    assert_error(
        &error,
        matches!(&error, PackageError::Content { path, expected: e, found: f }
            if path == "etc/d" && *e == expected && *f == found),
    );
    assert_eq!(
        error.to_string(),
        format!(
            "the content of \"etc/d\" hashes to {}, its header says {}",
            found.to_hex(),
            expected.to_hex()
        )
    );

    let mut package = Package::open(&bytes[..]).unwrap();
    while package.next_entry().unwrap().unwrap().path != "etc/d" {}
    let error = io::copy(&mut package, &mut io::sink()).unwrap_err();
    assert!(
        error
            .get_ref()
            .unwrap()
            .downcast_ref::<PackageError>()
            .is_some()
    );
    assert!(package.read(&mut [0; 1]).is_err());
    assert!(matches!(
        package.next_entry(),
        Err(PackageError::AlreadyFailed)
    ));
    assert!(package.finish().is_err());

    let empty = forge().file("etc/e", "").claiming_checksum([2; 20]);
    let error = of(&empty);
    assert_error(
        &error,
        matches!(&error, PackageError::Content { path, .. } if path == "etc/e"),
    );
    let link = forge().symlink("etc/l", "a").claiming_checksum([3; 20]);
    let error = of(&link);
    assert_error(
        &error,
        matches!(&error, PackageError::Content { path, .. } if path == "etc/l"),
    );
    let error = of(&forge().file("etc/e", "").without_checksum());
    assert_error(
        &error,
        matches!(&error, PackageError::NoChecksum { path } if path == "etc/e"),
    );
    let error = of(&forge()
        .file("etc/e", "")
        .without_checksum()
        .pax("APK-TOOLS.checksum.SHA1", "abc"));
    assert_error(
        &error,
        matches!(&error, PackageError::Checksum { path, text } if path == "etc/e" && text == "abc"),
    );
    let none = forge().symlink("etc/l", "a").without_checksum();
    assert!(
        Package::open(&none.build(&Key::demo())[..])
            .unwrap()
            .finish()
            .is_ok()
    );
}

#[test]
fn a_size_beyond_the_archive_is_truncation() {
    let error = of(&forge().file("z", "x").claiming_size(1 << 30).blocking(1));
    assert_error(
        &error,
        matches!(&error, PackageError::Archive { member: Member::Data, entry: Some(path), source: ArchiveError::Truncated, .. }
            if path == "z"),
    );
}

#[test]
fn bad_names_are_refused() {
    let data = |entry: Entry| {
        let mut tar = Tar::new(Style::Posix);
        tar.append(&entry);
        around(&tar.end(1))
    };
    for (name, reason) in [
        ("/etc", PathError::Absolute),
        ("./etc", PathError::Component),
        ("../etc", PathError::Component),
        ("a/../../etc", PathError::Component),
        ("a\nb", PathError::Control),
        ("a\u{1b}[31m", PathError::Control),
    ] {
        let error = failure(&data(Entry::new(Kind::Directory, name)));
        assert_error(
            &error,
            matches!(&error, PackageError::Path { reason: r, path } if *r == reason && path == name),
        );
    }
    for (kind, target) in [
        (Kind::HardLink, "../x"),
        (Kind::HardLink, "/x"),
        (Kind::HardLink, ""),
        (Kind::Symlink, ""),
    ] {
        let mut entry = Entry::new(kind, "link");
        entry.link = target.into();
        let error = failure(&data(entry));
        assert_error(
            &error,
            matches!(
                &error,
                PackageError::Path {
                    reason: PathError::Target,
                    ..
                }
            ),
        );
    }
}

#[test]
fn the_archive_itself_may_be_wrong() {
    let archive_error = |data: &[u8]| match failure(&around(data)) {
        PackageError::Archive {
            member: Member::Data,
            source,
            ..
        } => source,
        other => panic!("{other:?}"),
    };
    assert!(matches!(archive_error(&[b'x'; 512]), ArchiveError::Magic));
    assert!(matches!(archive_error(&[0; 100]), ArchiveError::Truncated));
    let after = [vec![0; 1024], vec![1; 512]].concat();
    assert!(matches!(archive_error(&after), ArchiveError::AfterEnd));

    let pax = |size: usize, content: &[u8]| {
        let mut entry = Entry::file("x", content);
        entry.kind = Kind::Other(b'x');
        entry.claimed_size = Some(size as u64);
        let mut tar = Tar::new(Style::Posix);
        tar.append(&entry);
        tar.end(1)
    };
    assert!(matches!(
        archive_error(&pax(7, b"9 a=b\nx")),
        ArchiveError::Pax { at: 0 }
    ));
    let error = archive_error(&pax((1 << 20) + 1, b""));
    assert!(matches!(
        error,
        ArchiveError::ExtendedTooLarge {
            size: 1_048_577,
            limit: 1_048_576
        }
    ));

    let mut tar = Tar::new(Style::Posix);
    tar.append(&Entry::new(Kind::Directory, "a"));
    let mut bytes = tar.end(1);
    bytes[124] = 0x80;
    assert!(matches!(
        archive_error(&bytes),
        ArchiveError::Number { field: "size", .. }
    ));
}

#[test]
fn control_members_have_rules() {
    let control = |entries: &[Entry]| {
        let mut tar = Tar::new(Style::Posix);
        entries.iter().for_each(|entry| tar.append(entry));
        gzip::member(&tar.cut(), gzip::Deflate::Library(1))
    };
    let info = || {
        Entry::file(
            ".PKGINFO",
            format!("pkgname = p\npkgver = 1\ndatahash = {}\n", "0".repeat(64)),
        )
    };
    let error = failure(&control(&[Entry::file(".other", "")]));
    assert_error(&error, matches!(error, PackageError::NoInfo));
    let error = failure(&control(&[info(), info()]));
    assert_error(
        &error,
        matches!(&error, PackageError::Twice { path } if path == ".PKGINFO"),
    );
    let error = failure(&control(&[info(), Entry::file(".INSTALL", "")]));
    assert_error(&error, matches!(error, PackageError::Obsolete));
    let error = failure(&control(&[Entry::file(".PKGINFO", "pkgname = p\n")]));
    assert_error(
        &error,
        matches!(
            error,
            PackageError::Info(InfoError::Missing { key: "pkgver" })
        ),
    );
    let error = failure(&control(&[Entry::file(".PKGINFO", *b"\xff")]));
    assert_error(
        &error,
        matches!(error, PackageError::Info(InfoError::NotUtf8 { offset: 0 })),
    );
    let error = failure(&control(&[Entry::file(".SIGN.RSA.key", "x"), info()]));
    assert_eq!(
        io::Error::other(source(error)).to_string(),
        "the entry \".PKGINFO\" stands in one gzip member with a signature"
    );
    let error = failure(&control(&[info(), Entry::file(".bomb", vec![0; 17 << 20])]));
    assert_eq!(
        io::Error::other(source(error)).to_string(),
        "cannot decompress"
    );
}

fn source(error: PackageError) -> ArchiveError {
    match error {
        PackageError::Archive { source, .. } => source,
        other => panic!("{other:?}"),
    }
}

#[test]
fn other_files_are_told_apart() {
    let error = failure(b"ADB.\0\0\0\0");
    assert_error(&error, matches!(error, PackageError::Schema { .. }));
    let error = failure(b"");
    assert_error(
        &error,
        matches!(error, PackageError::NoControl { offset: 0 }),
    );
    let error = failure(b"#!/bin/sh\n");
    assert_error(
        &error,
        matches!(
            error,
            PackageError::Archive {
                member: Member::Signature,
                ..
            }
        ),
    );
    let error = failure(&around(b"")[..8]);
    assert_eq!(
        error.to_string(),
        "the signature member is broken at byte 8"
    );
}

#[test]
fn another_package_is_named() {
    let bytes = forge().build(&Key::demo());
    let package = Package::open(&bytes[..]).unwrap();
    let error = package.check_identity(&Digest::Sha1([0; 20])).unwrap_err();
    let found = package.identity();
    assert_eq!(
        error.to_string(),
        format!(
            "package \"p\" has the identity {found}, but Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA= was wanted"
        )
    );
}
