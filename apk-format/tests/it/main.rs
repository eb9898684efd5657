//! The crate against the specification's vectors, against what the real apk wrote, and against packages built by
//! hand, also broken ones.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a panic is the report, and skipped checks are named on stderr"
)]

mod directory_order;
mod dump;
mod faults;
mod flipped_bits;
mod fuzz_corpus;
mod generated;
mod hostile_v2;
mod hostile_v3;
mod index;
mod making_v2;
mod making_v3;
mod package;
mod properties;
mod real;
mod recorded;
mod samples;
mod samples_v3;
mod signatures;
mod vectors;

use apk_format::KeyRing;

/// The key ring of a forged key.
fn ring(key: &fixtures::forge::Key) -> KeyRing {
    let mut ring = KeyRing::new();
    ring.add(key.name(), key.public_pem().as_bytes()).unwrap();
    ring
}

/// The file `APKINDEX.tar.gz` of a forged repository.
fn index_of(repository: &fixtures::forge::Repository) -> Vec<u8> {
    let files = repository.files(&fixtures::forge::Key::demo());
    files
        .into_iter()
        .find(|(name, _)| name == "APKINDEX.tar.gz")
        .unwrap()
        .1
}
