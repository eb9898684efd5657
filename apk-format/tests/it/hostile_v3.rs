//! Broken and hostile ADB files: an error, soon, and without much memory.

use std::io::{self, Read};

use apk_format::adb::block::Schema;
use apk_format::adb::compression::Compression;
use apk_format::adb::dump::{Format, dump};
use apk_format::adb::file::{FileWriter, resign};
use apk_format::adb::value::Value;
use apk_format::adb::writer::ValueWriter;
use apk_format::{Index, IndexDraft, KeyRing, Package, PackageError, Trust, Uninstallable};
use proptest::prelude::*;

fn sample(name: &str) -> Vec<u8> {
    fixtures::bytes(format!("samples/v3/{name}"))
}

fn keys() -> KeyRing {
    let mut keys = KeyRing::new();
    for name in ["sample-rsa.key.pub", "sample-ec.key.pub"] {
        let pem = fixtures::bytes(format!("samples/keys/{name}"));
        keys.add(name, &pem).unwrap();
    }
    keys
}

/// Reads a whole package; the error is what a user would see first.
fn read(bytes: &[u8], keys: &KeyRing, trust: Trust) -> Result<usize, String> {
    let text = |error: &dyn std::error::Error| {
        let causes = std::iter::successors(Some(error), |error| error.source());
        causes
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(": ")
    };
    let mut package = Package::open(bytes).map_err(|error| text(&error))?;
    package
        .verify_signature(keys, trust)
        .map_err(|error| text(&error))?;
    let mut entries = 0;
    while package
        .next_entry()
        .map_err(|error| text(&error))?
        .is_some()
    {
        entries += 1;
        io::copy(&mut package, &mut io::sink()).map_err(|error| text(&error))?;
    }
    package.finish().map_err(|error| text(&error))?;
    Ok(entries)
}

/// Everything that is done with files of unknown origin. Nothing may panic.
fn everything(bytes: &[u8]) {
    let none = KeyRing::new();
    let _ = read(bytes, &none, Trust::AllowUntrusted);
    let _ = Index::read(bytes, &none, Trust::AllowUntrusted);
    for format in [Format::Yaml, Format::Json] {
        let _ = dump(bytes, io::sink(), format, &none);
    }
    let _ = resign(bytes, io::sink(), None, &[], true);
    if let Ok(package) = Package::open(bytes) {
        let _ = IndexDraft::new().add(&package, 1);
        let _ = apk_format::adb::unique_id(bytes);
    }
}

#[test]
fn a_file_that_ends_early_or_goes_on_is_an_error() {
    let (package, index, none) = (
        sample("tiny-unsigned.apk"),
        sample("x86_64/Packages.adb"),
        KeyRing::new(),
    );
    for length in 0..package.len() {
        let result = read(&package[..length], &none, Trust::AllowUntrusted);
        // Up to the end of the values it could be a package without files.
        assert!(result.is_err(), "{length}");
        everything(&package[..length]);
    }
    for more in [
        &b"\0"[..],
        &[0; 8],
        &[4, 0, 0, 0x40, 0, 0, 0, 0],
        &[12, 0, 0, 0x80, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
    ] {
        let longer = [&package, more].concat();
        assert!(
            read(&longer, &none, Trust::AllowUntrusted).is_err(),
            "{more:?}"
        );
    }
    let data = [
        &index[..],
        &[12, 0, 0, 0x80, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
    ]
    .concat();
    assert!(Index::read(&data[..], &none, Trust::AllowUntrusted).is_err());
    for name in ["x86_64/plain3-2.0-r1.apk", "hello-two-signatures-zstd.apk"] {
        let longer = [sample(name).as_slice(), b"x"].concat();
        let error = read(&longer, &none, Trust::AllowUntrusted).unwrap_err();
        assert!(
            error.ends_with("something follows the compressed stream"),
            "{name}: {error}"
        );
    }
}

/// Every word replaced by values of all kinds that point to themselves, to the first value and beyond the end.
#[test]
fn no_word_makes_a_reader_panic() {
    for name in [
        "tiny-unsigned.apk",
        "x86_64/hello-1.0-r0.apk",
        "x86_64/Packages.adb",
    ] {
        let bytes = sample(name);
        for at in (8..bytes.len().min(0x490) - 4).step_by(4) {
            let own = u32::try_from(at.saturating_sub(12)).unwrap();
            for kind in [2, 3, 8, 0xa, 0xd, 0xe, 0xf] {
                for place in [own, 8, 0x0fff_ffff] {
                    let mut changed = bytes.clone();
                    let word = kind << 28 | place & 0x0fff_ffff;
                    changed[at..at + 4].copy_from_slice(&word.to_le_bytes());
                    everything(&changed);
                }
            }
        }
    }
}

/// Lengths, counts and tags are single bytes in small files.
#[test]
fn no_byte_makes_a_reader_panic() {
    let bytes = sample("tiny-unsigned.apk");
    for at in 0..bytes.len() {
        for value in (0..=255).step_by(3) {
            let mut changed = bytes.clone();
            changed[at] = value;
            everything(&changed);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_bytes_make_a_reader_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        which in 0..4usize,
    ) {
        let name = ["x86_64/hello-1.0-r0.apk", "x86_64/Packages.adb", "hello-deflate6.apk", "hello-two-signatures-zstd.apk"][which];
        let mut bytes = sample(name);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        everything(&bytes);
    }
}

// --- packages that no program makes -----------------------------------------------------------------------------

fn file(
    schema: Schema,
    compression: Compression,
    values: impl FnOnce(&mut ValueWriter) -> Value,
) -> Vec<u8> {
    let mut writer = ValueWriter::new();
    let root = values(&mut writer);
    let values = writer.finish(root).unwrap();
    let file = FileWriter::start(Vec::new(), compression, schema, &values, &[]).unwrap();
    file.finish().unwrap()
}

/// A package of these values for its paths.
fn package(paths: impl FnOnce(&mut ValueWriter) -> Value) -> Vec<u8> {
    file(Schema::PACKAGE, Compression::None, |w| {
        let (name, version) = (w.blob(b"p"), w.blob(b"1"));
        let info = w.object(&[name, version]);
        let paths = paths(w);
        w.object(&[info, paths])
    })
}

fn acl(w: &mut ValueWriter) -> Value {
    let (mode, root) = (w.int(0o644), w.blob(b"root"));
    w.object(&[mode, root, root])
}

/// A package with one directory and one file in it.
fn one(dir: &str, name: &str, target: &[u8]) -> Vec<u8> {
    package(|w| {
        let acl = acl(w);
        let (name, target) = (w.blob(name.as_bytes()), w.blob(target));
        let size = w.int(0);
        let file = w.object(&[name, acl, size, Value::NULL, Value::NULL, target]);
        let files = w.array(&[file]);
        let dir = w.blob(dir.as_bytes());
        let dir = w.object(&[dir, acl, files]);
        w.array(&[dir])
    })
}

#[track_caller]
fn refused(bytes: &[u8], message: &str) {
    let error = read(bytes, &KeyRing::new(), Trust::AllowUntrusted).unwrap_err();
    assert_eq!(error, message);
    everything(bytes);
}

#[test]
fn names_stay_inside_and_are_one_component() {
    let link = b"\x00\xa0x";
    let component = "it has an empty, \".\" or \"..\" component";
    for (dir, name, path, reason) in [
        ("..", "x", "..", component),
        ("a/../b", "x", "a/../b", component),
        ("a/", "x", "a/", component),
        ("/a", "x", "/a", "it is absolute"),
        ("a", "..", "a/..", component),
        ("a", ".", "a/.", component),
        ("a", "b/c", "a/b/c", component),
        ("", "b/c", "b/c", component),
        ("", "/c", "/c", component),
        ("a", "b\nc", "a/b\nc", "it holds a control character"),
        ("a", "b\0", "a/b\0", "it holds a control character"),
    ] {
        refused(
            &one(dir, name, link),
            &format!("the entry {path:?} is refused: {reason}"),
        );
    }
    let long = "x".repeat(256);
    let bytes = one("a", &long, link);
    assert!(
        read(&bytes, &KeyRing::new(), Trust::AllowUntrusted)
            .unwrap_err()
            .contains("is longer than")
    );
    for hidden in [one("", ".profile", link), one(".config", "x", link)] {
        assert!(read(&hidden, &KeyRing::new(), Trust::AllowUntrusted).is_ok());
    }
}

#[test]
fn names_that_are_no_text_are_said() {
    let with = |dir: &'static [u8], name: &'static [u8]| {
        package(|w| {
            let (acl, name, target) = (acl(w), w.blob(name), w.blob(b"\x00\xa0x"));
            let file = w.object(&[name, acl, Value::NULL, Value::NULL, Value::NULL, target]);
            let (files, dir) = (w.array(&[file]), w.blob(dir));
            let dir = w.object(&[dir, acl, files]);
            w.array(&[dir])
        })
    };
    for (dir, name, path) in [
        (&b"a"[..], &b"b\xff"[..], "a/b\u{fffd}"),
        (b"", b"\xff", "\u{fffd}"),
        (b"a\xc0", b"b", "a\u{fffd}"),
    ] {
        let message = format!("the entry {path:?} is refused: it is not UTF-8");
        refused(&with(dir, name), &message);
    }
}

#[test]
fn targets_are_what_they_say() {
    let refused_target = "the entry \"a/b\" is refused: the target of the link is empty, too long, not UTF-8, or no path within the package";
    for target in [
        &b"\x00"[..],
        b"\x00\xa0",
        b"\x00\xa0\xff",
        b"\x00\xa0a\0b",
        b"\x00\x80",
        b"\x00\x80../x",
        b"\x00\x80/x",
        b"\x00\x80a/",
        b"\x00\x20\x01",
        b"\x00\x10\0\0\0\0\0\0\0\0\0",
    ] {
        refused(&one("a", "b", target), refused_target);
    }
    refused(
        &one("a", "b", b"\x00\xc0\0\0\0\0\0\0\0\0"),
        "the ADB block cannot be understood: the field target holds the file type 0xc000, which is none of a link, \
         device or pipe",
    );
    refused(
        &one("a", "b", b""),
        "the file \"a/b\" has no checksum, an obsolete form",
    );
}

#[test]
fn entries_are_sorted_and_come_once() {
    let link = b"\x00\xa0x";
    let with = |dirs: &[&str], names: &[&str]| {
        package(|w| {
            let acl = acl(w);
            let target = w.blob(link);
            let files: Vec<Value> = names
                .iter()
                .map(|name| {
                    let name = w.blob(name.as_bytes());
                    w.object(&[name, acl, Value::NULL, Value::NULL, Value::NULL, target])
                })
                .collect();
            let files = w.array(&files);
            let dirs: Vec<Value> = dirs
                .iter()
                .map(|dir| {
                    let dir = w.blob(dir.as_bytes());
                    w.object(&[dir, acl, files])
                })
                .collect();
            w.array(&dirs)
        })
    };
    assert_eq!(
        read(
            &with(&["", "a", "b"], &["x", "y"]),
            &KeyRing::new(),
            Trust::AllowUntrusted
        ),
        Ok(8)
    );
    for (dirs, names, field, text) in [
        (&["a", "a"][..], &["x"][..], "paths", "a"),
        (&["b", "a"], &["x"], "paths", "a"),
        (&["a", ""], &["x"], "paths", ""),
        (&["a"], &["x", "x"], "files", "x"),
        (&["a"], &["y", "x"], "files", "x"),
        (&["a"], &[""], "files", ""),
    ] {
        let message = format!(
            "the ADB block cannot be understood: the field {field} is not sorted, or names {text:?} twice"
        );
        refused(&with(dirs, names), &message);
    }
}

#[test]
fn texts_cannot_break_out_of_their_lines() {
    for slot in [0, 1, 4, 5, 6, 7, 8] {
        let bytes = file(Schema::PACKAGE, Compression::None, |w| {
            let (name, version, bad) = (w.blob(b"p"), w.blob(b"1"), w.blob(b"x\nF:etc"));
            let mut slots = [Value::NULL; 21];
            (slots[0], slots[1]) = (name, version);
            slots[slot] = bad;
            let info = w.object(&slots);
            w.object(&[info])
        });
        let error = read(&bytes, &KeyRing::new(), Trust::AllowUntrusted).unwrap_err();
        assert!(
            error.contains("a line break or a zero"),
            "slot {slot}: {error}"
        );
    }
    // A dependency that would be two, or another one, is kept aside.
    for name in ["a b", "a\nb", "!a", "a>1", "a=1", "a@tag", "a~"] {
        let bytes = file(Schema::PACKAGE, Compression::None, |w| {
            let (package, version, name) = (w.blob(b"p"), w.blob(b"1"), w.blob(name.as_bytes()));
            let atom = w.object(&[name]);
            let list = w.array(&[atom]);
            let mut slots = [Value::NULL; 21];
            (slots[0], slots[1], slots[14], slots[15]) = (package, version, list, list);
            let info = w.object(&slots);
            w.object(&[info])
        });
        let package = Package::open(&bytes[..]).unwrap();
        let info = package.info();
        assert!(
            info.depends.is_empty() && info.provides.is_empty(),
            "{name:?}"
        );
        assert_eq!(info.malformed.len(), 2);
        assert!(
            info.to_record(package.identity(), 1)
                .uninstallable
                .is_some()
        );
    }
}

/// `apk convndx` of 3.0.6 writes the number of an error where it cannot read a field: there are such indexes.
#[test]
fn lost_fields_cost_one_package_and_not_the_index() {
    let with = |slot: usize| {
        let bytes = file(Schema::INDEX, Compression::None, |w| {
            let (name, version, hash) = (w.blob(b"name"), w.blob(b"1"), w.blob(&[7; 20]));
            let mut slots = [Value::NULL; 21];
            (slots[0], slots[1], slots[2]) = (name, version, hash);
            slots[slot - 1] = Value::from_word(0xf000_0065);
            let package = w.object(&slots);
            let packages = w.array(&[package]);
            w.object(&[Value::NULL, packages])
        });
        Index::read(&bytes[..], &KeyRing::new(), Trust::AllowUntrusted)
    };
    for (slot, field) in [(2, "version"), (15, "depends")] {
        let record = &with(slot).unwrap().records[0];
        assert_eq!(record.uninstallable, Some(Uninstallable::Lost(field)));
    }
    assert_eq!(with(16).unwrap().records[0].ignored, ["p:"]);
    assert_eq!(with(4).unwrap().records[0].uninstallable, None);
    assert_eq!(
        with(1).unwrap_err().to_string(),
        "the ADB block cannot be understood"
    );
}

/// Small files whose values refer to each other so often that reading them all would never end.
#[test]
fn shared_values_do_not_multiply() {
    let many = 3000;
    let index = file(Schema::INDEX, Compression::Default, |w| {
        let (name, version) = (w.blob(b"name"), w.blob(b"1"));
        let hash = w.blob(&[7; 20]);
        let atom = w.object(&[name]);
        let list = w.array(&vec![atom; many]);
        let mut slots = [Value::NULL; 21];
        (slots[0], slots[1], slots[2]) = (name, version, hash);
        slots[14..19].fill(list);
        let package = w.object(&slots);
        let packages = w.array(&vec![package; many]);
        w.object(&[Value::NULL, packages])
    });
    let error = Index::read(&index[..], &KeyRing::new(), Trust::AllowUntrusted).unwrap_err();
    assert_eq!(error.to_string(), "the ADB block cannot be understood");
    everything(&index);

    // All files have one large attribute, and all directories the same files.
    let package = package(|w| {
        let (mode, xattr) = (
            w.int(0o644),
            w.blob(&[&b"user.x\0"[..], &[b'x'; 60_000]].concat()),
        );
        let xattrs = w.array(&[xattr]);
        let acl = w.object(&[mode, Value::NULL, Value::NULL, xattrs]);
        let target = w.blob(b"\x00\xa0x");
        let name = |number| format!("{number:05}").into_bytes();
        let files: Vec<Value> = (0..many)
            .map(|number| {
                let name = w.blob(&name(number));
                w.object(&[name, acl, Value::NULL, Value::NULL, Value::NULL, target])
            })
            .collect();
        let files = w.array(&files);
        let dirs: Vec<Value> = (0..many)
            .map(|number| {
                let name = w.blob(&name(number));
                w.object(&[name, acl, files])
            })
            .collect();
        w.array(&dirs)
    });
    let mut reader = Package::open(&package[..]).unwrap();
    let mut entries = 0_u32;
    let error = loop {
        match reader.next_entry() {
            Ok(Some(_)) => entries += 1,
            Ok(None) => panic!("all {entries} entries pass"),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(error, PackageError::Values(_)) && entries < 5000,
        "{entries}: {error}"
    );
}

#[test]
fn bombs_end_early() {
    // A block that says it has a gigabyte, of zeros that compress well.
    let mut bomb = b"ADB.pckg".to_vec();
    bomb.extend(((1_u32 << 30) - 8).to_le_bytes());
    let mut file = Compression::Default.start(Vec::new()).unwrap();
    io::copy(&mut bomb.chain(io::repeat(0).take(1 << 26)), &mut file).unwrap();
    let file = file.finish().unwrap();
    let error = read(&file, &KeyRing::new(), Trust::AllowUntrusted).unwrap_err();
    assert_eq!(
        error,
        "the ADB file is broken: the block at byte 12 is 1073741812 bytes long; 67108864 are the most that is read"
    );
}

/// The level in the header is for information only, and anything may stand there.
#[test]
fn levels_that_do_not_exist_do_no_harm() {
    for name in [
        "hello-deflate6.apk",
        #[cfg(feature = "zstd")]
        "hello-two-signatures-zstd.apk",
    ] {
        let mut bytes = sample(name);
        for level in [0, 1, 9, 10, 11, 23, 128, 255] {
            bytes[5] = level;
            let again = resign(&bytes[..], Vec::new(), None, &[], false).unwrap();
            assert_eq!(
                read(&again, &KeyRing::new(), Trust::AllowUntrusted),
                Ok(11),
                "{level}"
            );
        }
    }
}

#[test]
fn signatures_are_few_and_short() {
    let tiny = sample("tiny-unsigned.apk");
    let (values, data) = tiny.split_at(0x108);
    let signature = |length: usize| {
        let size = u32::try_from(length + 4).unwrap();
        let mut block = (1 << 30 | size).to_le_bytes().to_vec();
        block.resize(4 + length, 0);
        block.resize((4 + length).next_multiple_of(8), 0);
        block
    };
    let with = |signatures: &[u8]| [values, signatures, data].concat();
    assert_eq!(
        read(
            &with(&signature(0).repeat(64)),
            &keys(),
            Trust::AllowUntrusted
        ),
        Ok(1)
    );
    assert_eq!(
        read(
            &with(&signature(0).repeat(65)),
            &keys(),
            Trust::AllowUntrusted
        )
        .unwrap_err(),
        "the package has more than 64 signatures"
    );
    assert!(read(&with(&signature(2048)), &keys(), Trust::AllowUntrusted).is_ok());
    assert!(
        read(&with(&signature(2049)), &keys(), Trust::AllowUntrusted)
            .unwrap_err()
            .contains("2048")
    );
    let error = read(&with(&signature(20)), &keys(), Trust::Required).unwrap_err();
    assert!(
        error.contains("\"ADB.00000000000000000000000000000000\""),
        "{error}"
    );
}

#[test]
fn data_that_is_not_the_next_file_is_an_error() {
    let tiny = sample("tiny-unsigned.apk");
    let change = |at: usize, value: u8| {
        let mut bytes = tiny.clone();
        bytes[at] = value;
        read(&bytes, &KeyRing::new(), Trust::AllowUntrusted).unwrap_err()
    };
    let other = "but \"a\" comes next: file 1, path 1, 1 bytes";
    assert_eq!(
        change(0x10c, 2),
        format!("the data block before byte 276 is for file 1 of path 2 and 1 bytes long, {other}")
    );
    assert!(change(0x110, 0).contains("for file 0 of path 1"));
    assert!(change(0x108, 14).contains("2 bytes long"));
    assert!(change(0x114, b'y').starts_with("the content of \"a\" hashes to "));
    let none = read(&tiny[..0x108], &KeyRing::new(), Trust::AllowUntrusted).unwrap_err();
    assert_eq!(none, "there is no data block for \"a\"");
}

/// One package that a list names again and again, in four bytes each.
#[test]
fn an_index_that_names_one_package_often_is_refused_before_it_takes_memory() {
    let words = |list: &[u32]| {
        list.iter()
            .flat_map(|word| word.to_le_bytes())
            .collect::<Vec<u8>>()
    };
    let index = |count: u32| {
        // The name at 8, the version at 10, the hashes at 12; the package at 36, the list at 52.
        let mut values = words(&[0, 0xe000_0000 | (56 + 4 * count)]);
        values.extend(*b"\x01a\x011\x14hhhhhhhhhhhhhhhhhhhh\0\0\0");
        values.extend(words(&[
            4,
            0x8000_0008,
            0x8000_000a,
            0x8000_000c,
            count + 1,
        ]));
        values.extend(words(&vec![0xe000_0024; count as usize]));
        values.extend(words(&[3, 0, 0xd000_0034]));
        FileWriter::start(
            Vec::new(),
            Compression::Default,
            Schema::INDEX,
            &values,
            &[],
        )
        .unwrap()
        .finish()
        .unwrap()
    };
    let read = |count| Index::read(&index(count)[..], &KeyRing::new(), Trust::AllowUntrusted);
    assert_eq!(read(3).unwrap().records.len(), 3);
    let error = read(1_000_000).unwrap_err();
    let error = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        error.ends_with(
            "the field packages holds 1000000 packages; 150000 are the most that are read"
        ),
        "{error}"
    );
}
