//! What is done with any bytes, one function for each parser; a panic is a finding.
//!
//! The fuzz targets and the test that replays the corpus share these functions. Beside "no panic" each one states a
//! law: what is accepted is written and read again as the same value, or has the form that it promises.

use std::cmp::Ordering;
use std::io::{self, Read, Write};

use apk_format::adb::dump::{Format, dump};
use apk_format::adb::file::resign;
use apk_format::database::{ProtectedPaths, RepositoryReader, local_path};
use apk_format::dependency::{split, split_name_version};
use apk_format::glob::{is_glob, matches, matches_case, matches_path};
use apk_format::{
    Algorithm, Dependency, Dialect, EntryKind, Index, IndexDraft, InstalledDb, KeyRing, Package,
    PackageInfo, PrivateKey, Provide, ScriptArchive, Triggers, Trust, Version, World,
};

/// A target: its name, which is that of its corpus, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("adb", adb),
    ("archive", archive),
    ("dependency", dependency),
    ("glob", glob),
    ("index", index),
    ("installed", installed),
    ("keys", keys),
    ("package", package),
    ("pkginfo", pkginfo),
    ("protected", protected),
    ("records", records),
    ("repositories", repositories),
    ("scripts", scripts),
    ("triggers", triggers),
    ("version", version),
    ("world", world),
];

/// A package of either format: no entry leaves the destination, and no content is longer than was said.
pub fn package(bytes: &[u8]) {
    let Ok(mut package) = Package::open(bytes) else {
        return;
    };
    let _ = package.verify_signature(&KeyRing::new(), Trust::Required);
    let record = package
        .info()
        .to_record(package.identity(), bytes.len() as u64);
    let _ = IndexDraft::new().add(&package, 1);
    while let Ok(Some(entry)) = package.next_entry() {
        let inside = |path: &str| {
            path.split('/')
                .all(|part| !matches!(part, "" | "." | "..") && !part.contains('\0'))
        };
        assert!(inside(&entry.path), "{:?}", entry.path);
        if let EntryKind::HardLink { target } = &entry.kind {
            assert!(inside(target), "{target:?}");
        }
        let EntryKind::File { size } = entry.kind else {
            continue;
        };
        let limit = 1 << 20;
        if let Ok(read) = io::copy(&mut (&mut package).take(limit), &mut io::sink()) {
            assert_eq!(read, size.min(limit), "{:?}", entry.path);
        }
    }
    if package.finish().is_ok() {
        let mut text = String::new();
        record.write_index(&mut text);
        let _ = Index::parse_records(&text);
    }
}

/// A tar archive as the data member (first byte 0), the control member (1) or the content of an index (else). The
/// compression around it is right, and so is the data hash, or no change of a file would get further than to these.
pub fn archive(bytes: &[u8]) {
    let Some((place, tar)) = bytes.split_first() else {
        return;
    };
    match place {
        0 => {
            let data = member(tar);
            let hash = apk_format::Digest::sha256(&data).to_hex();
            let info = format!("pkgname = p\npkgver = 1\ndatahash = {hash}\n");
            let mut header = [0; 512];
            header[..8].copy_from_slice(b".PKGINFO");
            header[124..135].copy_from_slice(format!("{:011o}", info.len()).as_bytes());
            header[156] = b'0';
            header[257..262].copy_from_slice(b"ustar");
            let mut control = [&header[..], info.as_bytes()].concat();
            control.resize(control.len().next_multiple_of(512), 0);
            package(&[member(&control), data].concat());
        }
        1 => package(&[member(tar), member(&[0; 1024])].concat()),
        _ => index(&member(tar)),
    }
}

fn member(content: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    gzip.write_all(content).expect("memory");
    gzip.finish().expect("memory")
}

/// The text of a `.PKGINFO`.
pub fn pkginfo(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    if let Ok(info) = PackageInfo::parse(text) {
        let identity = apk_format::Digest::Sha1([7; 20]);
        let mut record = info.to_record(identity, 1);
        (record.tags, record.uninstallable) = (Vec::new(), None);
        let mut written = String::new();
        record.write_index(&mut written);
        // Lists of atoms that nobody could write are empty names: apk reads them, too.
        if let Ok([again]) = Index::parse_records(&written).as_deref() {
            assert_eq!((&again.name, &again.url), (&record.name, &record.url));
        }
    }
}

/// An index of either format: its records are written and read again as the same ones.
pub fn index(bytes: &[u8]) {
    if let Ok(index) = Index::read(bytes, &KeyRing::new(), Trust::AllowUntrusted) {
        for record in &index.records {
            let _ = index.pkgname_spec.as_ref().map(|spec| record.place(spec));
        }
        again(&index.write_records());
    }
}

/// The text within a v2 index.
pub fn records(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes) {
        again(text);
        let _ = IndexDraft::new().add_apkindex(text);
    }
}

/// What is read of a text, written and read again is the same.
fn again(text: &str) {
    let Ok(records) = Index::parse_records(text) else {
        return;
    };
    let index = Index {
        records,
        ..Index::default()
    };
    let written = index.write_records();
    let again = Index::parse_records(&written).expect("what was written");
    let again = Index {
        records: again,
        ..Index::default()
    };
    assert_eq!(again.write_records(), written);
    assert_eq!(again.records.len(), index.records.len());
}

/// An ADB file of any schema: printed in both forms, and signed again, which keeps its values.
pub fn adb(bytes: &[u8]) {
    let none = KeyRing::new();
    let print = |bytes: &[u8], format| {
        let mut text = Vec::new();
        dump(bytes, &mut text, format, &none)
            .is_ok()
            .then_some(text)
    };
    let text = print(bytes, Format::Json);
    let _ = print(bytes, Format::Yaml);
    if let Ok(signed) = resign(bytes, Vec::new(), None, &[], true) {
        assert_eq!(print(&signed, Format::Json), text);
    }
    let _ = apk_format::adb::unique_id(bytes);
    if bytes.starts_with(b"ADB") {
        package(bytes);
        index(bytes);
    }
}

/// An installed database is written as it is read again.
pub fn installed(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    if let Ok(installed) = InstalledDb::parse(text) {
        let written = installed.write();
        let again = InstalledDb::parse(&written).expect("what was written");
        assert_eq!(again.write(), written);
    }
}

/// `scripts.tar` and `.tar.gz`: what is written of it is read again as the same scripts.
pub fn scripts(bytes: &[u8]) {
    if let Ok(archive) = ScriptArchive::parse(bytes) {
        for dialect in [Dialect::Apk2, Dialect::Apk3] {
            let written = archive.write(dialect);
            let again = ScriptArchive::parse(&written).expect("what was written");
            assert_eq!(again.write(dialect), written);
        }
    }
}

/// Triggers; the first line is a path, too.
pub fn triggers(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let path = text.lines().next().unwrap_or_default();
    if let Ok(triggers) = Triggers::parse(text) {
        for entry in &triggers.entries {
            let _ = entry.matches(path);
            let _ = entry.globs.iter().any(|glob| entry.matches(glob));
        }
        let written = triggers.write();
        let again = Triggers::parse(&written).expect("what was written");
        assert_eq!(again.write(), written);
    }
}

/// The world is written as it is read again.
pub fn world(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    if let Ok(world) = World::parse(text) {
        let written = world.write();
        if let Ok(again) = World::parse(&written) {
            assert_eq!(again.write(), written);
        }
    }
}

/// Lines of `etc/apk/repositories`, all of them in a file and all of them as arguments.
pub fn repositories(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    for in_file in [true, false] {
        let mut reader = RepositoryReader::new("x86_64");
        for line in text.lines().take(100) {
            for repository in reader.read_line(line, in_file).unwrap_or_default() {
                let _ = repository.index_url("x86_64");
                let _ = repository.package_url("name", "1", "x86_64");
                let _ = local_path(&repository.url);
            }
        }
    }
}

/// Protected paths: a path and, after the first line break, the list.
pub fn protected(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let (path, list) = text.split_once('\n').unwrap_or((text, ""));
    let mut here = ProtectedPaths::new();
    here.add(list);
    for part in path.split('/').take(50) {
        let _ = (here.file(part), here.has_below());
        here = here.enter(part);
    }
    let _ = here.here();
}

/// Two versions: compared both ways, and each with itself.
pub fn version(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let (a, b) = text.split_once('\n').unwrap_or((text, ""));
    assert_eq!(Version::parse(a).is_ok(), Version::lenient(a).is_valid());
    let (a, b) = (Version::lenient(a), Version::lenient(b));
    assert_eq!(a.cmp(&a), Ordering::Equal);
    assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
    if a == b {
        assert_eq!(a.cmp_fuzzy(&b), Ordering::Equal);
    }
    let _ = a.cmp_fuzzy(&b);
}

/// One atom: what is read is written as the same.
pub fn dependency(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    if let Ok(dependency) = Dependency::parse(text) {
        let written = dependency.to_string();
        if !written.is_empty() {
            assert_eq!(Dependency::parse(&written).as_ref(), Ok(&dependency));
        }
        let _ = dependency.satisfied_by_version(Some(&Version::lenient("1.2")));
    }
    if let Ok(provide) = Provide::parse(text) {
        let written = provide.to_string();
        if !written.is_empty() {
            assert_eq!(Provide::parse(&written).as_ref(), Ok(&provide));
        }
    }
    let _ = (split(text), split_name_version(text));
    let _ = Dependency::parse_list(text);
}

/// Public and private keys in PEM, and DER that is put into PEM here: a public key that is taken has an id, and a
/// private one signs what its public half verifies.
pub fn keys(bytes: &[u8]) {
    let mut ring = KeyRing::new();
    for label in [
        "PUBLIC KEY",
        "PRIVATE KEY",
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
    ] {
        let pem = match bytes.strip_prefix(b"-----") {
            Some(_) => bytes.to_vec(),
            None => armour(label, bytes),
        };
        if ring.add("k", &pem).is_ok() {
            assert!(ring.id("k").is_some());
        }
        if let Ok(key) = PrivateKey::from_pem("k", &pem) {
            let _ = key.sign(Algorithm::Rsa, b"text");
        }
    }
}

/// Lines of 64 characters of base64 between two that say what it is.
fn armour(label: &str, der: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = format!("-----BEGIN {label}-----\n").into_bytes();
    for line in der.chunks(48) {
        for three in line.chunks(3) {
            let word = three
                .iter()
                .fold(0, |word, byte| word << 8 | usize::from(*byte));
            let word = word << (8 * (3 - three.len()));
            let digits = (0..4).map(|at| match at <= three.len() {
                true => DIGITS[word >> (18 - 6 * at) & 63],
                false => b'=',
            });
            text.extend(digits);
        }
        text.push(b'\n');
    }
    text.extend(format!("-----END {label}-----\n").into_bytes());
    text
}

/// A glob and, after the first line break, a text. What has no special character matches itself alone.
pub fn glob(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let (glob, text) = text.split_once('\n').unwrap_or((text, text));
    let plain = !is_glob(glob) && !glob.contains(['[', '\\']);
    if matches_case(glob, text) {
        // A set that is turned round is the smaller one without regard to case.
        assert!(matches(glob, text) || glob.contains('['));
        assert!(!plain || glob == text);
    }
    let _ = matches_path(glob, text);
}
