//! Every single bit of signed files turned, one after the other.
//!
//! Each must be an error, but for those bits of a compressed stream that no checksum covers, because the stream is the
//! same with and without them: they change no byte of what is compressed.
//!
//! | file | such bits |
//! |---|---|
//! | v2, gzip header of the signature member | "probably text", time, level, operating system: 49 bits |
//! | v2, deflate stream of the signature member | a few: up to the next full byte at its end, codes that nothing uses |
//! | v2, all that is behind the signature member | none |
//! | v3, not compressed | none |
//! | v3, compressed | a few: level and size of the window, and in a deflate stream as above |

use std::io::Read;

use apk_format::adb::compression::Compression;
use apk_format::adb::file::resign;
use apk_format::{Digest, Index, KeyRing, Package, Trust};

fn keys() -> KeyRing {
    let mut keys = KeyRing::new();
    for name in ["sample-rsa.key.pub", "sample-ec.key.pub"] {
        let pem = fixtures::bytes(format!("samples/keys/{name}"));
        keys.add(name, &pem).unwrap();
    }
    keys
}

/// All that a package says, and who signed it.
fn package(bytes: &[u8], keys: &KeyRing) -> Option<String> {
    let mut package = Package::open(bytes).ok()?;
    let signer = package.verify_signature(keys, Trust::Required).ok()?;
    let mut said = format!("{signer:?} {:?} {:?}", package, package.scripts());
    while let Some(entry) = package.next_entry().ok()? {
        let mut content = Vec::new();
        package.read_to_end(&mut content).ok()?;
        said += &format!("{entry:?} {}", Digest::sha256(&content));
    }
    package.finish().ok()?;
    Some(said)
}

/// All that an index says.
fn index(bytes: &[u8], keys: &KeyRing) -> Option<String> {
    let index = Index::read(bytes, keys, Trust::Required).ok()?;
    Some(format!("{index:?}"))
}

/// The numbers of the bits (byte times 8, plus the bit) that can be turned without an error. What is read then is the
/// same.
fn unnoticed(bytes: &[u8], read: impl Fn(&[u8], &KeyRing) -> Option<String>) -> Vec<usize> {
    let keys = keys();
    let good = read(bytes, &keys).expect("the file as it is");
    let mut changed = bytes.to_vec();
    let mut unnoticed = Vec::new();
    for bit in 0..bytes.len() * 8 {
        changed[bit / 8] ^= 1 << (bit % 8);
        if let Some(said) = read(&changed, &keys) {
            assert_eq!(said, good, "bit {} of byte {}", bit % 8, bit / 8);
            unnoticed.push(bit);
        }
        changed[bit / 8] ^= 1 << (bit % 8);
    }
    unnoticed
}
/// Where the signature member ends, and what it holds.
fn signature_member(bytes: &[u8]) -> (usize, Vec<u8>) {
    let mut content = Vec::new();
    let mut member = flate2::bufread::GzDecoder::new(bytes);
    member.read_to_end(&mut content).unwrap();
    (bytes.len() - member.into_inner().len(), content)
}

#[test]
fn v2_bits_are_found_but_for_the_compression_of_the_signature() {
    for (name, read) in [
        ("base-1.2.3_rc1-r4.apk", package as fn(&[u8], &KeyRing) -> _),
        ("meta-2-r0.apk", package),
        ("APKINDEX.tar.gz", index),
    ] {
        let bytes = fixtures::bytes(format!("samples/v2/x86_64/{name}"));
        let signature = signature_member(&bytes);
        let unnoticed = unnoticed(&bytes, read);
        let header: Vec<usize> = std::iter::once(3 * 8).chain(4 * 8..10 * 8).collect();
        let (in_header, others) = unnoticed.split_at(header.len());
        assert_eq!(in_header, header, "{name}");
        for bit in others {
            assert!(bit / 8 < signature.0, "{name}: byte {}", bit / 8);
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(signature_member(&changed), signature, "{name}");
        }
        assert!(others.len() <= 16, "{name}: {others:?}");
    }
}

#[test]
fn v3_bits_are_found_if_nothing_is_compressed() {
    let sample = |name: &str| fixtures::bytes(format!("samples/v3/{name}"));
    assert_eq!(unnoticed(&sample("x86_64/Packages.adb"), index), []);
    assert_eq!(unnoticed(&sample("x86_64/hello-1.0-r0.apk"), package), []);
}

#[test]
fn v3_bits_are_found_or_change_nothing_if_it_is_compressed() {
    let sample = |name: &str| fixtures::bytes(format!("samples/v3/{name}"));
    let plain =
        |bytes: &[u8]| resign(bytes, Vec::new(), Some(Compression::None), &[], false).unwrap();
    let again = |bytes: &[u8], how| resign(bytes, Vec::new(), Some(how), &[], false).unwrap();
    let (small, spec) = (
        sample("x86_64/plain3-2.0-r1.apk"),
        sample("Packages-spec.adb"),
    );
    for (bytes, read) in [
        (
            again(&small, Compression::Deflate(6)),
            package as fn(&[u8], &KeyRing) -> _,
        ),
        (again(&small, Compression::Zstd(3)), package),
        (again(&spec, Compression::Zstd(3)), index),
        (small, package),
        (spec, index),
    ] {
        let original = plain(&bytes);
        let unnoticed = unnoticed(&bytes, read);
        for bit in &unnoticed {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(plain(&changed) == original, "byte {}", bit / 8);
        }
        assert!(unnoticed.len() <= 40, "{unnoticed:?}");
    }
}
