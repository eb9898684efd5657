//! Reading and verifying a package index, beside inflating it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use apk_format::{Index, KeyRing, Trust};
use benches::rounds::{Job, Settings, measure};
use benches::{Failure, packages};
use fixtures::forge::Key;
use flate2::read::{GzDecoder, MultiGzDecoder};
use sha2::{Digest, Sha256};

/// One reading takes milliseconds; so many together are one run.
const TIMES: u64 = 20;

/// Does something with an index once.
type Work = fn(&[u8], &KeyRing) -> Result<u64, Failure>;

fn main() -> Result<(), Failure> {
    let settings = Settings::from_args()?;
    if let Some(shared) = fixtures::shared() {
        let data = shared.join("data");
        let bytes = fs::read(data.join("APKINDEX-3.17-main-aarch64.tar.gz"))?;
        let keys = keys_of(&data.join("alpine-minirootfs-3.20.3-aarch64.tar.gz"))?;
        compare(
            "the real index of 3.17 main aarch64",
            &bytes,
            &keys,
            &settings,
        )?;
    }
    let (key, mut keys) = (Key::demo(), KeyRing::new());
    keys.add(key.name(), key.public_pem().as_bytes())?;
    compare("a generated index", &packages::index(), &keys, &settings)
}

fn compare(what: &str, bytes: &[u8], keys: &KeyRing, settings: &Settings) -> Result<(), Failure> {
    let records = Index::read(bytes, keys, Trust::Required)?.records.len();
    let inflated = inflate(bytes)?;
    let title = format!(
        "{what}: {records} packages, {} bytes, read {TIMES} times",
        bytes.len()
    );
    if !settings.wants(&title) {
        return Ok(());
    }
    let job = |name: &str, bytes_once: u64, work: Work| {
        Job::new(name, bytes_once * TIMES, move |_, meter| {
            meter.here(|| (0..TIMES).try_for_each(|_| work(bytes, keys).map(drop)))?
        })
    };
    let jobs = vec![
        job("read, verify, parse", inflated, |bytes, keys| {
            Ok(Index::read(bytes, keys, Trust::Required)?.records.len() as u64)
        }),
        job("floor: inflate", inflated, |bytes, _| inflate(bytes)),
        job(
            "floor: SHA-256 of the packed bytes",
            bytes.len() as u64,
            |bytes, _| Ok(u64::from(*Sha256::digest(bytes).first().unwrap_or(&0))),
        ),
    ];
    measure(&title, jobs, settings)?;
    Ok(())
}

fn inflate(bytes: &[u8]) -> Result<u64, Failure> {
    Ok(io::copy(&mut MultiGzDecoder::new(bytes), &mut io::sink())?)
}

/// All keys in the root file system: those in use, and those kept for other architectures.
fn keys_of(tarball: &Path) -> Result<KeyRing, Failure> {
    let mut keys = KeyRing::new();
    let mut archive = tar::Archive::new(GzDecoder::new(File::open(tarball)?));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if entry.header().entry_type().is_file() && name.ends_with(".rsa.pub") {
            let mut pem = Vec::new();
            entry.read_to_end(&mut pem)?;
            keys.add(name, &pem)?;
        }
    }
    Ok(keys)
}
