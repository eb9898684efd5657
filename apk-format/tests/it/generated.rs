//! Packages and indexes from a seed, made and signed here: what the real programs say to them.
//!
//! `recorded/generated.tsv` has a row for each package and program: the digests of the package and of the index that
//! lists it, the exit codes of `verify` for both and of `add` into an empty root, and the digest of the database that the
//! program then wrote. Equal digests of the files mean that what was said then still holds; where a program is at hand
//! (`APK_OSTREE_APK2`, `APK_OSTREE_APK3`, as root) it is asked again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Cursor;
use std::path::Path;

use apk_format::adb::compression::Compression;
use apk_format::{
    Algorithm, Digest, Directories, Draft, Entry, EntryKind, Index, IndexDraft, KeyRing, Package,
    PackageInfo, PrivateKey, Provide, Script, ScriptKind, Trust, Version,
};
use fixtures::peer::Peer;
use fixtures::seed::Random;

const RECORDED: &str = "recorded/generated.tsv";
const HEADER: &str =
    "format\tseed\tpackage\tindex\tprogram\tverify\tverify-index\tadd\tinstalled\n";
const SEEDS: std::ops::Range<usize> = 1..13;
const EPOCH: u64 = 1_700_000_000;

/// A package, the index of it, and where they belong in a repository.
struct Made {
    format: &'static str,
    seed: usize,
    package: Vec<u8>,
    index: Vec<u8>,
}

impl Made {
    /// The columns that say which files these are.
    fn begin(&self) -> String {
        let [package, index] =
            [&self.package, &self.index].map(|bytes| Digest::sha256(bytes).to_hex());
        format!("{}\t{}\t{package}\t{index}", self.format, self.seed)
    }
}

fn all() -> Vec<Made> {
    let mut made: Vec<Made> = SEEDS.map(v2).collect();
    made.extend(SEEDS.map(v3));
    made
}

fn key(name: &str) -> PrivateKey {
    let pem = fixtures::bytes(format!("samples/keys/{name}"));
    PrivateKey::from_pem(&format!("{name}.pub"), &pem).unwrap()
}

fn v2(seed: usize) -> Made {
    let (draft, contents) = draft(seed, Digest::sha1);
    let key = key("sample-rsa.key");
    let algorithms = [Algorithm::Rsa, Algorithm::Rsa256, Algorithm::Rsa512];
    let algorithm = algorithms[seed % 3];
    let spool = Cursor::new(Vec::new());
    let mut content = |entry: &Entry| -> std::io::Result<Box<dyn std::io::Read>> {
        Ok(Box::new(Cursor::new(contents[&entry.path].clone())))
    };
    let package = draft
        .write_v2(Vec::new(), spool, Some((&key, algorithm)), &mut content)
        .unwrap();
    let opened = Package::open(&package[..]).unwrap();
    let record = opened
        .info()
        .to_record(opened.identity(), package.len() as u64);
    let index = Index {
        records: vec![record],
        ..Index::default()
    };
    let index = index.write_v2(EPOCH, Some((&key, algorithm))).unwrap();
    Made {
        format: "v2",
        seed,
        package,
        index,
    }
}

fn v3(seed: usize) -> Made {
    let (mut draft, contents) = draft(seed, Digest::sha256);
    draft.directories = [Directories::All, Directories::NoRoot, Directories::Needed][seed % 3];
    let keys = [key(["sample-rsa.key", "sample-ec.key"][seed % 2])];
    let compression = [Compression::Default, Compression::None][seed / 2 % 2];
    let mut content = |entry: &Entry| -> std::io::Result<Box<dyn std::io::Read>> {
        Ok(Box::new(Cursor::new(contents[&entry.path].clone())))
    };
    let package = draft
        .write_v3(Vec::new(), compression, &keys, &mut content)
        .unwrap();
    let mut index = IndexDraft::new();
    let opened = Package::open(&package[..]).unwrap();
    index.add(&opened, package.len() as u64).unwrap();
    let index = index.write(Vec::new(), compression, &keys).unwrap();
    Made {
        format: "v3",
        seed,
        package,
        index,
    }
}

/// A package of some directories and files of every kind.
fn draft(seed: usize, digest: fn(&[u8]) -> Digest) -> (Draft, BTreeMap<String, Vec<u8>>) {
    let mut seed = Random::new(seed as u64);
    let mut info = PackageInfo::unopened("generated", Version::parse("1.0-r0").unwrap());
    info.arch = Some("x86_64".to_owned());
    info.license = "MIT".to_owned();
    info.description = format!("number {}", seed.below(1000));
    info.build_time = EPOCH + seed.below(1000) as u64;
    info.provides = (0..seed.below(4))
        .map(|n| Provide::parse(&format!("cmd:tool{n}=1.{n}")).unwrap())
        .collect();
    if seed.below(2) == 0 {
        info.triggers = vec!["/usr/bin".to_owned(), "/etc/*".to_owned()];
    }
    let scripts = ScriptKind::ALL.into_iter().filter(|_| seed.below(3) == 0);
    let scripts = scripts.map(|kind| Script {
        kind,
        body: format!("#!/bin/sh\n# {kind}\n").into_bytes(),
    });
    let scripts = scripts.collect();
    let mut tree = Generated {
        entries: vec![],
        contents: BTreeMap::new(),
        digest,
    };
    let mut dirs = vec!["usr".to_owned()];
    for number in 0..2 + seed.below(8) {
        let parent = dirs[seed.below(dirs.len())].clone();
        dirs.push(format!("{parent}/dir{number}"));
    }
    for dir in &dirs {
        let mode = [0o755, 0o755, 0o700, 0o1777][seed.below(4)];
        tree.add(&mut seed, dir, EntryKind::Dir, mode);
    }
    let mut files: Vec<String> = Vec::new();
    for number in 0..5 + seed.below(30) {
        let dir = &dirs[seed.below(dirs.len())];
        let path = format!("{dir}/file{number}");
        match seed.below(9) {
            0 => {
                let target = "../".repeat(seed.below(5)) + "somewhere";
                tree.add(&mut seed, &path, EntryKind::Symlink { target }, 0o777);
            }
            1 => tree.add(&mut seed, &path, EntryKind::Fifo, 0o600),
            2 => tree.add(
                &mut seed,
                &path,
                EntryKind::Char { major: 1, minor: 3 },
                0o666,
            ),
            3 if !files.is_empty() => {
                let target = files[seed.below(files.len())].clone();
                tree.add(&mut seed, &path, EntryKind::HardLink { target }, 0o644);
            }
            _ => {
                let length = [0, 1, 100, 5000][seed.below(4)];
                let content: Vec<u8> = (0..length).map(|_| b"abcdefg"[seed.below(7)]).collect();
                tree.file(&mut seed, &path, content);
                files.push(path);
            }
        }
    }
    tree.share_access();
    let draft = Draft {
        info,
        scripts,
        entries: tree.entries,
        directories: Directories::All,
    };
    (draft, tree.contents)
}

struct Generated {
    entries: Vec<Entry>,
    contents: BTreeMap<String, Vec<u8>>,
    digest: fn(&[u8]) -> Digest,
}

impl Generated {
    fn add(&mut self, seed: &mut Random, path: &str, kind: EntryKind, mode: u32) {
        let (user, uid) = [("root", 0), ("root", 0), ("ghost", 4321)][seed.below(3)];
        let is_file = matches!(kind, EntryKind::File { .. });
        let mut xattrs = BTreeMap::new();
        if is_file && seed.below(4) == 0 {
            xattrs.insert("user.generated".to_owned(), vec![0, b'\n', 255]);
        }
        self.entries.push(Entry {
            path: path.to_owned(),
            kind,
            mode,
            uid,
            gid: uid,
            uname: user.to_owned(),
            gname: user.to_owned(),
            mtime: EPOCH + seed.below(1000) as u64,
            xattrs,
            checksum: None,
        });
    }

    fn file(&mut self, seed: &mut Random, path: &str, content: Vec<u8>) {
        let size = content.len() as u64;
        let mode = [0o644, 0o600, 0o4755, 0o2755][seed.below(4)];
        self.add(seed, path, EntryKind::File { size }, mode);
        self.entries.last_mut().unwrap().checksum = Some((self.digest)(&content));
        self.contents.insert(path.to_owned(), content);
    }

    /// All names of a file are one file.
    fn share_access(&mut self) {
        let known: BTreeMap<String, Entry> = self
            .entries
            .iter()
            .map(|entry| (entry.path.clone(), entry.clone()))
            .collect();
        for entry in &mut self.entries {
            if let EntryKind::HardLink { target } = &entry.kind {
                let file = known[target].clone();
                (entry.mode, entry.uid, entry.gid) = (file.mode, file.uid, file.gid);
                (entry.uname, entry.gname, entry.mtime) = (file.uname, file.gname, file.mtime);
            }
        }
    }
}

/// What a program says: the columns behind those of [`Made::begin`].
fn said(peer: &Peer, made: &Made) -> String {
    let dir = fixtures::scratch("generated");
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    for name in ["sample-rsa.key.pub", "sample-ec.key.pub"] {
        let pem = fixtures::bytes(format!("samples/keys/{name}"));
        write(&format!("root/etc/apk/keys/{name}"), &pem);
    }
    let index = match made.format {
        "v2" => "repo/x86_64/APKINDEX.tar.gz",
        _ => "repo/x86_64/Packages.adb",
    };
    let package = "repo/x86_64/generated-1.0-r0.apk";
    write(package, &made.package);
    write(index, &made.index);
    let run = |words: &[&str]| {
        let all = ["--root", "root", "--arch", "x86_64", "--no-cache"];
        peer.run_in(dir.path(), all.iter().chain(words))
    };
    let code = |words: &[&str]| {
        let answer = run(words);
        assert_eq!(
            answer.code,
            Some(0),
            "{words:?} {}: {}{}",
            made.begin(),
            answer.stdout_text(),
            answer.stderr_text()
        );
        0
    };
    let verified = [package, index].map(|file| code(&["verify", file]));
    let repository = dir.path().join("repo").display().to_string();
    let line = format!("v3 {repository}");
    let from: [&str; 2] = match made.format {
        "v2" => ["-X", &repository],
        _ => ["--repository-config", &line],
    };
    let added = code(&[&from[..], &["add", "--initdb", "--no-scripts", "generated"]].concat());
    let installed = fs::read(dir.path().join("root/lib/apk/db/installed")).unwrap();
    check_files(&dir.path().join("root"), made);
    let [package, index] = verified;
    let installed = Digest::sha256(&installed).to_hex();
    format!(
        "{}\t{package}\t{index}\t{added}\t{installed}",
        peer.version()
    )
}

/// What was installed has the contents that were packed.
fn check_files(root: &Path, made: &Made) {
    let mut package = Package::open(&made.package[..]).unwrap();
    let mut count = 0;
    while let Some(entry) = package.next_entry().unwrap() {
        let path = root.join(&entry.path);
        let meta = path.symlink_metadata().unwrap();
        if let EntryKind::File { .. } = entry.kind {
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut package, &mut content).unwrap();
            assert!(fs::read(&path).unwrap() == content, "{}", entry.path);
            count += 1;
        }
        assert_eq!(
            meta.is_dir(),
            entry.kind == EntryKind::Dir,
            "{}",
            entry.path
        );
    }
    package.finish().unwrap();
    assert!(count > 0);
}

#[test]
fn the_real_programs_take_what_is_generated() {
    let recorded = fixtures::root().join(RECORDED);
    let peers = [fixtures::peer::apk2(), fixtures::peer::apk3()];
    let asked = rustix_is_root().then(|| peers.iter().flatten().collect::<Vec<_>>());
    let made = all();
    let mut table = HEADER.to_owned();
    for one in &made {
        for peer in asked.iter().flatten() {
            if one.format == "v2" || peer.version().starts_with('3') {
                let _ = writeln!(table, "{}\t{}", one.begin(), said(peer, one));
            }
        }
    }
    if std::env::var_os("APK_OSTREE_RECORD").is_some() {
        fs::write(&recorded, &table).unwrap();
    }
    let recorded = fixtures::text(RECORDED);
    assert_eq!(recorded.lines().count(), 1 + 36);
    for line in table.lines() {
        assert!(recorded.contains(line), "no longer: {line}");
    }
    let programs = |format| if format == "v2" { 2 } else { 1 };
    for one in &made {
        let begin = one.begin() + "\t";
        let rows = recorded.lines().filter(|line| line.starts_with(&begin));
        assert_eq!(rows.count(), programs(one.format), "other bytes: {begin}");
    }
}

/// Whether owners and devices can be made.
fn rustix_is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}

/// They are read back as they were made, and the keys vouch for them.
#[test]
fn what_is_generated_reads_back() {
    let mut ring = KeyRing::new();
    for name in ["sample-rsa.key.pub", "sample-ec.key.pub"] {
        let pem = fixtures::bytes(format!("samples/keys/{name}"));
        ring.add(name, &pem).unwrap();
    }
    for made in all() {
        let package = Package::open(&made.package[..]).unwrap();
        let verified = package.verify_signature(&ring, Trust::Required).unwrap();
        assert!(verified.is_some());
        let identity = package.identity();
        package.finish().unwrap();
        let index = Index::read(&made.index[..], &ring, Trust::Required).unwrap();
        assert!(index.records[0].identity.same_identity(&identity));
    }
}
