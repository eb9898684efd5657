//! Reading packages and indexes by the whole process, beside the real apk and the least work.
//!
//! Our process is the benchmark itself, started again with a command and a file; it does what a program does that
//! links the library: reads the file, verifies it and sees everything in it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use apk_format::adb::block::Schema;
use apk_format::adb::compression::{Compression, Decompressor};
use apk_format::adb::file::FileWriter;
use apk_format::{
    Algorithm, Digest as Identity, Directories, Draft, Entry, EntryKind, Index, IndexDraft,
    KeyRing, Package, PrivateKey, Trust,
};
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
    package(&settings)?;
    packages_v3(&settings)
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
        // The same for v3: SHA-256 of every content; in what is no content there are a few hundred bytes.
        "floor-v3" => {
            let mut hash = Sha256::new();
            io::copy(
                &mut Decompressor::new(File::open(file)?)?,
                &mut Hash(&mut hash),
            )?;
        }
        // What a signed v3 index cannot do without, beside one signature.
        "floor-index-v3" => {
            let mut inside = Vec::new();
            Decompressor::new(File::open(file)?)?.read_to_end(&mut inside)?;
            let digest = sha2::Sha512::digest(&inside);
            (!digest.is_empty()).then_some(()).ok_or("no digest")?;
        }
        "decompress" => {
            io::copy(&mut Decompressor::new(File::open(file)?)?, &mut io::sink())?;
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
        let ours = |name, command| ours(name, command, size, &path, &keys);
        let mut jobs = vec![
            ours("ours: read, verify, find every record", "index"),
            ours("the same, and every list looked at", "index-all"),
            ours("a process that does nothing", "nothing"),
        ];
        jobs.push(if file.ends_with("gz") {
            ours("floor: inflate", "inflate")
        } else {
            ours("floor: inflate, SHA-512", "floor-index-v3")
        });
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
    let peers = [peer::apk3(), peer::apk2()].into_iter().flatten();
    jobs.extend(peers.map(|apk| verify(&apk, &file, &keys, bytes)));
    measure(title, jobs, settings)?;
    Ok(())
}

/// The same files as v3 packages, compressed in each way.
fn packages_v3(settings: &Settings) -> Result<(), Failure> {
    let ways = [
        ("none", Compression::None),
        ("deflate", Compression::Deflate(0)),
        ("zstd", Compression::Zstd(0)),
    ];
    let title =
        |way: &str| format!("one v3 package of 100 MB, {way}, read to its end and verified");
    if !ways.iter().any(|(way, _)| settings.wants(&title(way))) {
        return Ok(());
    }
    let packages = Packages::single(100)?;
    let (draft, contents) = draft(&packages.archives().join("bench-single-1.0-r0.apk"))?;
    let dir = tempfile::tempdir()?;
    let keys = dir.path().join("keys");
    fs::create_dir(&keys)?;
    let sample = |name: &str| fixtures::bytes(format!("samples/keys/{name}"));
    fs::write(
        keys.join("sample-rsa.key.pub"),
        sample("sample-rsa.key.pub"),
    )?;
    let key = PrivateKey::from_pem("sample-rsa.key", &sample("sample-rsa.key"))?;
    for (way, compression) in ways {
        if !settings.wants(&title(way)) {
            continue;
        }
        let file = dir.path().join(format!("{way}.apk"));
        let mut contents = |entry: &Entry| -> io::Result<Box<dyn Read + '_>> {
            let content = contents.get(&entry.path).map_or(&[][..], Vec::as_slice);
            Ok(Box::new(content))
        };
        let output = io::BufWriter::new(File::create(&file)?);
        let output = draft.write_v3(
            output,
            compression,
            std::slice::from_ref(&key),
            &mut contents,
        )?;
        output.into_inner().map_err(|error| error.to_string())?;
        let bytes = 100_000_000;
        let mut jobs = vec![
            ours("ours", "package", bytes, &file, &keys),
            ours(
                "floor: decompress, SHA-256",
                "floor-v3",
                bytes,
                &file,
                &keys,
            ),
            ours("floor: decompress", "decompress", bytes, &file, &keys),
        ];
        jobs.extend(peer::apk3().map(|apk| verify(&apk, &file, &keys, bytes)));
        measure(&title(way), jobs, settings)?;
    }
    Ok(())
}

/// What a v2 package holds, as it can be packed again.
fn draft(package: &Path) -> Result<(Draft, BTreeMap<String, Vec<u8>>), Failure> {
    let mut package = Package::open(File::open(package)?)?;
    let mut draft = Draft {
        info: package.info().clone(),
        scripts: Vec::new(),
        entries: Vec::new(),
        directories: Directories::All,
    };
    let mut contents = BTreeMap::new();
    while let Some(mut entry) = package.next_entry()? {
        if let EntryKind::File { .. } = entry.kind {
            let mut content = Vec::new();
            package.read_to_end(&mut content)?;
            entry.checksum = Some(Identity::sha256(&content));
            contents.insert(entry.path.clone(), content);
        }
        draft.entries.push(entry);
    }
    Ok((draft, contents))
}

fn verify<'j>(apk: &Peer, file: &Path, keys: &Path, bytes: u64) -> Job<'j> {
    let (apk, file, keys) = (apk.clone(), file.to_owned(), keys.to_owned());
    Job::new(
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
    )
}
