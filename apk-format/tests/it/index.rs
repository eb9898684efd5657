//! Forged indexes, also broken ones.

use apk_format::{Index, IndexError, KeyRing, SignatureError, Trust};
use fixtures::forge::tar::{Entry, Style, Tar};
use fixtures::forge::{Forge, Key, Repository, gzip};

use crate::ring;

fn repository() -> Repository {
    Repository::new("x86_64")
        .description("two")
        .add(Forge::package("a", "1-r0").arch("x86_64").depends("b>=1"))
        .add(Forge::package("b", "2-r0").arch("x86_64").provides("v=1"))
}

fn index() -> Vec<u8> {
    crate::index_of(&repository())
}

/// An unsigned index of these files.
fn made_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = Tar::new(Style::Apk);
    for (name, content) in files {
        tar.append(&Entry::file(*name, *content));
    }
    gzip::member(&tar.end(1), gzip::Deflate::Fixed)
}

fn untrusted(bytes: &[u8]) -> Result<Index, IndexError> {
    Index::read(bytes, &KeyRing::new(), Trust::AllowUntrusted)
}

#[test]
fn a_signed_index_is_read() {
    let index = Index::read(&index()[..], &ring(&Key::demo()), Trust::Required).unwrap();
    assert_eq!(index.description.as_deref(), Some("two"));
    assert_eq!(
        index
            .records
            .iter()
            .map(|record| record.name.as_str())
            .collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert_eq!(index.records[0].depends[0].to_string(), "b>=1");
}

#[test]
fn signatures_decide_before_records() {
    let foreign = Index::read(&index()[..], &ring(&Key::other()), Trust::Required).unwrap_err();
    assert!(
        matches!(
            foreign,
            IndexError::Signature(SignatureError::UnknownKey { .. })
        ),
        "{foreign}"
    );
    assert!(Index::read(&index()[..], &ring(&Key::other()), Trust::AllowUntrusted).is_ok());
    let wrong = ring(&Key::other().named(Key::demo().name()));
    let bad = Index::read(&index()[..], &wrong, Trust::AllowUntrusted).unwrap_err();
    assert!(
        matches!(bad, IndexError::Signature(SignatureError::Bad { .. })),
        "{bad}"
    );
    let unsigned = Index::read(
        &made_of(&[("APKINDEX", b"nonsense\n")])[..],
        &KeyRing::new(),
        Trust::Required,
    );
    assert!(matches!(
        unsigned,
        Err(IndexError::Signature(SignatureError::Unsigned))
    ));
}

#[test]
fn every_turned_byte_is_noticed() {
    let good = index();
    let keys = ring(&Key::demo());
    let signature = repository_signature_length(&good);
    for at in signature..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        assert!(
            Index::read(&bytes[..], &keys, Trust::Required).is_err(),
            "byte {at}"
        );
    }
    for length in 0..good.len() {
        assert!(
            Index::read(&good[..length], &keys, Trust::Required).is_err(),
            "{length} bytes"
        );
    }
    let longer = [&good[..], b"x"].concat();
    assert!(Index::read(&longer[..], &keys, Trust::Required).is_err());
}

/// Where the second gzip member begins.
fn repository_signature_length(index: &[u8]) -> usize {
    let magic = &index[..10];
    index
        .windows(10)
        .enumerate()
        .skip(1)
        .find(|(_, window)| *window == magic)
        .unwrap()
        .0
}

#[test]
fn order_and_descriptions_do_not_matter() {
    let record = b"C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\nP:a\nV:1\n";
    let index = untrusted(&made_of(&[
        ("APKINDEX", record),
        ("other", b"x"),
        ("DESCRIPTION", b"d"),
    ]))
    .unwrap();
    assert_eq!(
        (index.records.len(), index.description.as_deref()),
        (1, Some("d"))
    );
    let long = untrusted(&made_of(&[
        ("DESCRIPTION", &[b'x'; 161]),
        ("APKINDEX", record),
    ]))
    .unwrap();
    assert_eq!(long.description, None);
    let halves = made_of(&[("APKINDEX", record)]);
    let split = [gzip::member(&[], gzip::Deflate::Fixed), halves].concat();
    assert_eq!(untrusted(&split).unwrap().records.len(), 1);
}

#[test]
fn errors_say_what_is_wrong() {
    let text = |result: Result<Index, IndexError>| result.unwrap_err().to_string();
    assert_eq!(text(untrusted(b"ADBd")), "the ADB file is broken");
    assert_eq!(
        text(untrusted(b"")),
        "the index archive holds no file APKINDEX"
    );
    assert_eq!(
        text(untrusted(&made_of(&[("DESCRIPTION", b"")]))),
        "the index archive holds no file APKINDEX"
    );
    assert_eq!(
        text(untrusted(&made_of(&[("APKINDEX", b"P:\xff\n")]))),
        "APKINDEX is not UTF-8 at byte 2"
    );
    assert!(text(untrusted(b"plain text")).starts_with("the index is broken at byte "));
    let error = untrusted(&made_of(&[("APKINDEX", b"P:a\n")])).unwrap_err();
    assert!(
        matches!(&error, IndexError::Record(record) if record.line == 1),
        "{error}"
    );
}

#[test]
fn sorting_is_by_name_then_version() {
    let head = "C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\n";
    let text = ["B", "a", "b", "a"]
        .map(|name| format!("{head}P:{name}\nV:1\n\n"))
        .concat();
    let mut records = Index::parse_records(&text).unwrap();
    records[1].version = apk_format::Version::lenient("2");
    let mut index = Index {
        records,
        ..Index::default()
    };
    index.sort();
    let names: Vec<String> = index
        .records
        .iter()
        .map(|record| format!("{}-{}", record.name, record.version))
        .collect();
    assert_eq!(names, ["a-1", "a-2", "B-1", "b-1"]);
}

#[test]
fn more_packages_than_anybody_offers_are_refused() {
    let record = "C:Q1n8275elAD0fjkGLhLTSWUQH7Mvc=\nP:a\nV:1\n\n";
    let many = record.repeat(150_001);
    let whole = many.strip_suffix(record).unwrap();
    assert_eq!(Index::parse_records(whole).unwrap().len(), 150_000);
    let error = Index::parse_records(&many).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 600001: it lists more than 150000 packages, which is more than is read"
    );
}
