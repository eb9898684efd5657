//! Reading packages and indexes by the whole process, beside the real apk and the least work.
//!
//! Our process is the benchmark itself, started again with a command and a file; it does what a program does that
//! links the library: reads the file, verifies it and sees everything in it.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use apk_format::adb::block::Schema;
use apk_format::adb::compression::Compression;
use apk_format::adb::file::FileWriter;
use apk_format::{Algorithm, Index, IndexDraft, KeyRing, Package, PrivateKey, Trust};
use benches::Failure;
use benches::packages::{self, Packages};
use benches::rounds::{Job, Settings, measure};
use fixtures::peer::{self, Peer};
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    if let [_, command, file, keys] = args.as_slice()
        && let Some(command) = command.strip_prefix("do-")
    {
        return work(command, Path::new(file), Path::new(keys));
    }
    let settings = Settings::from_args()?;
    indexes(&settings)?;
    package(&settings)
}

/// What our processes do.
fn work(command: &str, file: &Path, keys: &Path) -> Result<(), Failure> {
    match command {
        "index" => {
            let index = Index::read(File::open(file)?, &ring(keys)?, Trust::Required)?;
            (!index.records.is_empty())
                .then_some(())
                .ok_or("no packages")?;
        }
        "nothing" => {}
        // Everything that can be asked of a record, the lists that are otherwise read when they are wanted, too.
        "index-all" => {
            let index = Index::read(File::open(file)?, &ring(keys)?, Trust::Required)?;
            let lists = index.records.iter().map(|record| {
                record.depends.len() + record.provides.len() + record.install_if.len()
            });
            (lists.sum::<usize>() > 0).then_some(()).ok_or("no lists")?;
        }
        "package" => {
            let mut package = Package::open(File::open(file)?)?;
            package.verify_signature(&ring(keys)?, Trust::Required)?;
            while package.next_entry()?.is_some() {}
            package.finish()?;
        }
        "inflate" => {
            let file = BufReader::with_capacity(128 << 10, File::open(file)?);
            io::copy(&mut MultiGzDecoder::new(file), &mut io::sink())?;
        }
        // What a package promises: SHA-256 of its packed bytes, and a digest of every content (SHA-1 in v2).
        "floor" => {
            let mut hash = Sha256::new();
            io::copy(&mut File::open(file)?, &mut Hash(&mut hash))?;
            let file = BufReader::with_capacity(128 << 10, File::open(file)?);
            let mut inside = sha1::Sha1::new();
            let mut inflated = MultiGzDecoder::new(file);
            let mut buffer = vec![0; 128 << 10];
            loop {
                let count = inflated.read(&mut buffer)?;
                if count == 0 {
                    break;
                }
                sha1::Digest::update(&mut inside, buffer.get(..count).unwrap_or_default());
            }
        }
        other => return Err(format!("no command {other}").into()),
    }
    Ok(())
}

struct Hash<'a>(&'a mut Sha256);

impl io::Write for Hash<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn ring(dir: &Path) -> Result<KeyRing, Failure> {
    let mut keys = KeyRing::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        keys.add(&name, &fs::read(entry.path())?)?;
    }
    Ok(keys)
}

fn ours<'j>(name: &str, command: &'static str, bytes: u64, file: &Path, keys: &Path) -> Job<'j> {
    let (file, keys) = (file.to_owned(), keys.to_owned());
    Job::new(name, bytes, move |_, meter| {
        let mut process = Command::new(std::env::current_exe()?);
        process.arg(format!("do-{command}")).arg(&file).arg(&keys);
        meter.child(&mut process)
    })
}

/// The index of 5,004 packages where it is there, else the generated one; as v2 and as v3, both signed anew.
fn indexes(settings: &Settings) -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    let real =
        fixtures::shared().map(|shared| shared.join("data/APKINDEX-3.17-main-aarch64.tar.gz"));
    let bytes = match real.filter(|path| path.is_file()) {
        Some(path) => fs::read(path)?,
        None => packages::index(),
    };
    let index = Index::read(&bytes[..], &KeyRing::new(), Trust::AllowUntrusted)?;
    let wanted = index
        .records
        .first()
        .map(|record| record.name.clone())
        .unwrap_or_default();
    let arch = "aarch64";
    let keys = dir.path().join("keys");
    fs::create_dir(&keys)?;
    let place = dir.path().join(arch);
    fs::create_dir(&place)?;
    let mut draft = IndexDraft::new();
    draft.add_apkindex(&index.write_records())?;
    let sample = |name: &str| fixtures::bytes(format!("samples/keys/{name}"));
    fs::write(
        keys.join("sample-rsa.key.pub"),
        sample("sample-rsa.key.pub"),
    )?;
    let private = PrivateKey::from_pem("sample-rsa.key.pub", &sample("sample-rsa.key"))?;
    let v2 = index.write_v2(0, Some((&private, Algorithm::Rsa)))?;
    fs::write(place.join("APKINDEX.tar.gz"), v2)?;
    let v3 = FileWriter::start(
        Vec::new(),
        Compression::Default,
        Schema::INDEX,
        &draft.into_values()?,
        &[private],
    )?;
    fs::write(place.join("Packages.adb"), v3.finish()?)?;
    for file in ["APKINDEX.tar.gz", "Packages.adb"] {
        let path = place.join(file);
        let size = fs::metadata(&path)?.len();
        let title = format!("{file} of {} packages, {size} bytes", index.records.len());
        if !settings.wants(&title) {
            continue;
        }
        let mut jobs = vec![ours(
            "ours: read, verify, parse",
            "index",
            size,
            &path,
            &keys,
        )];
        if file.ends_with("gz") {
            jobs.push(ours("floor: inflate", "inflate", size, &path, &keys));
        }
        for apk in [peer::apk3(), peer::apk2()].into_iter().flatten() {
            let is_2 = apk.version().starts_with("apk-tools 2") || apk.version().starts_with('2');
            if is_2 && !file.ends_with("gz") {
                continue;
            }
            let of = if file.ends_with("gz") {
                dir.path().to_owned()
            } else {
                path.clone()
            };
            jobs.push(search(&apk, of, &wanted, &keys, size));
        }
        measure(&title, jobs, settings)?;
    }
    Ok(())
}

/// `apk search` for one name, which reads the index and the databases of an empty root.
fn search<'j>(apk: &Peer, repository: PathBuf, wanted: &str, keys: &Path, bytes: u64) -> Job<'j> {
    let (apk, keys, wanted) = (apk.clone(), keys.to_owned(), wanted.to_owned());
    Job::new(
        format!("{} search", apk.version()),
        bytes,
        move |dir, meter| {
            fs::create_dir_all(dir.join("lib/apk/db"))?;
            fs::create_dir_all(dir.join("etc/apk"))?;
            for file in [
                "lib/apk/db/installed",
                "lib/apk/db/triggers",
                "etc/apk/world",
            ] {
                fs::write(dir.join(file), "")?;
            }
            let mut command = apk.command();
            command
                .arg("--root")
                .arg(dir)
                .args(["--arch", "aarch64", "--no-cache"]);
            command
                .arg("--keys-dir")
                .arg(&keys)
                .args(["--repositories-file", "/dev/null"]);
            command.arg("-X").arg(&repository);
            command.args(["search", "-x", &wanted]);
            meter.child(&mut command)
        },
    )
}

/// One package of 100 MB, half of it one file.
fn package(settings: &Settings) -> Result<(), Failure> {
    let title = "one package of 100 MB, read to its end and verified";
    if !settings.wants(title) {
        return Ok(());
    }
    let packages = Packages::single(100)?;
    let file = packages.archives().join("bench-single-1.0-r0.apk");
    let keys = packages.dir.join("keys");
    let bytes = 100_000_000;
    let mut jobs = vec![
        ours("ours", "package", bytes, &file, &keys),
        ours(
            "floor: inflate, SHA-256, SHA-1",
            "floor",
            bytes,
            &file,
            &keys,
        ),
        ours("floor: inflate", "inflate", bytes, &file, &keys),
    ];
    for apk in [peer::apk3(), peer::apk2()].into_iter().flatten() {
        let (file, keys) = (file.clone(), keys.clone());
        jobs.push(Job::new(
            format!("{} verify", apk.version()),
            bytes,
            move |_, meter| {
                let mut command = apk.command();
                command
                    .arg("--keys-dir")
                    .arg(&keys)
                    .arg("verify")
                    .arg(&file);
                meter.child(&mut command)
            },
        ));
    }
    measure(title, jobs, settings)?;
    Ok(())
}
