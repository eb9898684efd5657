//! Making v3 packages and indexes: the same bytes as apk's, accepted by it, and read back.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use apk_format::adb::compression::Compression;
use apk_format::adb::file::resign;
use apk_format::{
    Dependency, Digest, Directories, Draft, DraftError, Entry, EntryKind, Index, IndexDraft,
    KeyRing, Package, PackageInfo, PrivateKey, Provide, Script, ScriptKind, SignatureError, Trust,
    Version,
};
use fixtures::peer::Peer;

/// A draft, and the contents of its files.
struct Made {
    draft: Draft,
    contents: BTreeMap<String, Vec<u8>>,
}

impl Made {
    fn write(&self, compression: Compression, keys: &[PrivateKey]) -> Vec<u8> {
        self.draft
            .write_v3(Vec::new(), compression, keys, &mut |entry| {
                Ok(Box::new(Cursor::new(&self.contents[&entry.path])))
            })
            .unwrap()
    }
}

fn entry(path: &str, kind: EntryKind, mode: u32) -> Entry {
    Entry {
        path: path.to_owned(),
        kind,
        mode,
        uid: 0,
        gid: 0,
        uname: "root".to_owned(),
        gname: "root".to_owned(),
        mtime: 1_700_000_000,
        xattrs: BTreeMap::new(),
        checksum: None,
    }
}

fn dir(path: &str) -> Entry {
    entry(path, EntryKind::Dir, 0o755)
}

fn file(path: &str, content: &[u8], mode: u32) -> Entry {
    let size = content.len() as u64;
    let checksum = Some(Digest::sha256(content));
    let entry = entry(path, EntryKind::File { size }, mode);
    Entry { checksum, ..entry }
}

/// Reads a package into the draft it could have been made from; the root is what `mkpkg` lists by default.
fn draft_of(bytes: &[u8]) -> Made {
    let mut package = Package::open(bytes).unwrap();
    let (info, scripts) = (package.info().clone(), package.scripts().to_vec());
    let (mut entries, mut contents) = (vec![dir("")], BTreeMap::new());
    while let Some(entry) = package.next_entry().unwrap() {
        let mut content = Vec::new();
        package.read_to_end(&mut content).unwrap();
        contents.insert(entry.path.clone(), content);
        entries.push(entry);
    }
    package.finish().unwrap();
    let directories = Directories::All;
    let draft = Draft {
        info,
        scripts,
        entries,
        directories,
    };
    Made { draft, contents }
}

/// Says where two files differ, not what is in them.
#[track_caller]
fn same_bytes(ours: &[u8], theirs: &[u8], what: &str) {
    let first = ours.iter().zip(theirs).position(|(a, b)| a != b);
    let lengths = (ours.len(), theirs.len());
    assert!(
        ours == theirs,
        "{what}: differ at {first:?}, lengths {lengths:?}"
    );
}

fn unsigned(bytes: &[u8]) -> Vec<u8> {
    resign(bytes, Vec::new(), Some(Compression::None), &[], true).unwrap()
}

fn key(name: &str) -> PrivateKey {
    let pem = fixtures::bytes(format!("samples/keys/{name}"));
    PrivateKey::from_pem(&format!("{name}.pub"), &pem).unwrap()
}

fn ring(names: &[&str]) -> KeyRing {
    let mut ring = KeyRing::new();
    for name in names {
        let pem = fixtures::bytes(format!("samples/keys/{name}.pub"));
        ring.add(&format!("{name}.pub"), &pem).unwrap();
    }
    ring
}

fn sample(name: &str) -> Vec<u8> {
    fixtures::bytes(format!("samples/v3/{name}"))
}

#[test]
fn samples_come_out_as_they_went_in() {
    for name in ["tiny-unsigned.apk", "x86_64/plain3-2.0-r1.apk"] {
        let original = sample(name);
        let made = draft_of(&original).write(Compression::None, &[]);
        same_bytes(&made, &unsigned(&original), name);
    }
}

/// Its lists were given in another order than the one they are kept in, which shows in the layout of the values.
#[test]
fn hello_is_as_the_real_program_made_it() {
    for (name, directories) in [
        ("x86_64/hello-1.0-r0.apk", Directories::All),
        ("hello-compat-rc9.apk", Directories::Needed),
    ] {
        let original = sample(name);
        let mut made = draft_of(&sample("x86_64/hello-1.0-r0.apk"));
        made.draft.directories = directories;
        made.draft.info.depends = ["plain3>=2", "!bad"]
            .map(|text| Dependency::parse(text).unwrap())
            .to_vec();
        assert_eq!(
            made.write(Compression::None, &[]),
            unsigned(&original),
            "{name}"
        );
    }
}

#[test]
fn the_sample_index_is_made_again() {
    let mut draft = IndexDraft::new();
    draft.description = "samples".to_owned();
    for file in [
        sample("x86_64/hello-1.0-r0.apk"),
        sample("x86_64/plain3-2.0-r1.apk"),
        fixtures::bytes("samples/v2/x86_64/base-1.2.3_rc1-r4.apk"),
    ] {
        let package = Package::open(&file[..]).unwrap();
        draft.add(&package, file.len() as u64).unwrap();
    }
    let made = draft.write(Vec::new(), Compression::None, &[]).unwrap();
    assert_eq!(made, unsigned(&sample("x86_64/Packages.adb")));
}

/// RSA signatures are a function of key and bytes.
#[test]
fn an_rsa_signature_is_the_one_of_the_real_program() {
    let original = sample("Packages-spec.adb");
    let plain = resign(
        &original[..],
        Vec::new(),
        Some(Compression::None),
        &[],
        false,
    )
    .unwrap();
    let key = [key("sample-rsa.key")];
    let made = resign(&unsigned(&original)[..], Vec::new(), None, &key, false).unwrap();
    assert_eq!(made, plain);
}

/// Small files are compressed to the same bytes.
#[test]
fn default_compression_is_that_of_the_real_program() {
    for name in ["x86_64/plain3-2.0-r1.apk", "Packages-spec.adb"] {
        let original = sample(name);
        let plain = resign(
            &original[..],
            Vec::new(),
            Some(Compression::None),
            &[],
            false,
        )
        .unwrap();
        let again = resign(
            &plain[..],
            Vec::new(),
            Some(Compression::Default),
            &[],
            false,
        )
        .unwrap();
        same_bytes(&again, &original, name);
    }
}

/// Large ones are compressed while they are written.
#[test]
fn large_files_read_back() {
    let content: Vec<u8> = (0..9_000_000_u32)
        .map(|at| u8::try_from(at >> 5 & 0xff).unwrap())
        .collect();
    let mut made = everything();
    made.draft.entries.push(file("large", &content, 0o644));
    made.contents.insert("large".to_owned(), content);
    let bytes = made.write(Compression::Default, &[]);
    assert_eq!(draft_of(&bytes).contents["large"], made.contents["large"]);
}

#[test]
fn every_compression_and_key_reads_back() {
    let made = draft_of(&sample("x86_64/hello-1.0-r0.apk"));
    let plain = made.write(Compression::None, &[]);
    let keys = [key("sample-rsa.key"), key("sample-ec.key")];
    for compression in [
        Compression::None,
        Compression::Default,
        Compression::Deflate(1),
        #[cfg(feature = "zstd")]
        Compression::Zstd(0),
        #[cfg(feature = "zstd")]
        Compression::Zstd(19),
    ] {
        let bytes = made.write(compression, &keys);
        assert_eq!(unsigned(&bytes), plain, "{compression:?}");
        let package = Package::open(&bytes[..]).unwrap();
        for name in ["sample-rsa.key", "sample-ec.key"] {
            let verified = package.verify_signature(&ring(&[name]), Trust::Required);
            assert_eq!(verified, Ok(Some(format!("{name}.pub"))));
        }
        package.finish().unwrap();
        let reset = resign(&bytes[..], Vec::new(), None, &keys[..1], true).unwrap();
        let package = Package::open(&reset[..]).unwrap();
        assert!(matches!(
            package.verify_signature(&ring(&["sample-ec.key"]), Trust::Required),
            Err(SignatureError::UnknownId { .. })
        ));
    }
}

/// Everything that a package can have.
fn everything() -> Made {
    let mut info = PackageInfo::unopened("all", Version::parse("1.2_rc3-r4").unwrap());
    let list = |texts: &[&str]| -> Vec<Dependency> {
        texts
            .iter()
            .map(|text| Dependency::parse(text).unwrap())
            .collect()
    };
    info.description = "it's: all #1".to_owned();
    info.url = "https://example.org/#x".to_owned();
    info.license = "MIT".to_owned();
    info.arch = Some("x86_64".to_owned());
    info.origin = Some("all-source".to_owned());
    info.maintainer = Some("Me <me@example.org>".to_owned());
    info.commit = Some("0123456789abcdef0123456789abcdef01234567".to_owned());
    info.build_time = 1_700_000_001;
    info.provider_priority = 300;
    info.replaces_priority = 7;
    info.depends = list(&[
        "so:libc.so.6",
        "b>2",
        "b",
        "b<3",
        "b=1",
        "!c",
        "!d~1",
        "a~2.1",
        "so:libc.so.6",
    ]);
    info.provides = ["cmd:all=1", "virt", "so:x.so.1=0"]
        .map(|text| Provide::parse(text).unwrap())
        .to_vec();
    info.replaces = list(&["old<2"]);
    info.install_if = list(&["x=1", "y"]);
    info.recommends = list(&["z"]);
    info.tags = vec!["t:two".into(), "a=1".into()];
    info.triggers = vec!["/usr/*".into(), "+/etc".into()];
    let scripts = [
        (ScriptKind::Trigger, "#!/bin/sh\necho $@\n"),
        (ScriptKind::PreInstall, "#!/bin/sh\n\nexit 0"),
    ]
    .map(|(kind, body)| Script {
        kind,
        body: body.into(),
    })
    .to_vec();
    let long = "x".repeat(200);
    let mut contents = BTreeMap::new();
    let mut entries = vec![
        dir(""),
        dir("etc"),
        dir("usr"),
        dir("usr/bin"),
        dir("usr/share"),
        dir(&format!("usr/{long}")),
    ];
    for (path, content, mode) in [
        ("top", &b"top\n"[..], 0o600),
        ("etc/zero", b"", 0o644),
        ("etc/conf", b"a = 1\n", 0o640),
        ("usr/bin/z", b"tool", 0o4755),
        ("usr/bin/big", &[7; 70_000], 0o755),
    ] {
        entries.push(file(path, content, mode));
        contents.insert(path.to_owned(), content.to_vec());
    }
    for (path, target) in [
        ("usr/bin/a", "usr/bin/z"),
        ("usr/share/again", "usr/bin/z"),
        ("etc/more", "top"),
    ] {
        let target = target.to_owned();
        entries.push(entry(path, EntryKind::HardLink { target }, 0o4755));
    }
    let target = "../x".repeat(100);
    entries.push(entry(
        "usr/share/link",
        EntryKind::Symlink { target },
        0o777,
    ));
    let xattrs = [
        ("user.a".to_owned(), b"1".to_vec()),
        ("user.b".to_owned(), vec![0; 130]),
    ];
    entries[1].xattrs = xattrs.into();
    entries[4].mode = 0o2700;
    entries[4].gname = "games".to_owned();
    let directories = Directories::All;
    let draft = Draft {
        info,
        scripts,
        entries,
        directories,
    };
    Made { draft, contents }
}

#[test]
fn everything_reads_back() {
    let made = everything();
    let bytes = made.write(Compression::Default, &[]);
    let back = draft_of(&bytes);
    let mut info = made.draft.info.clone();
    assert_eq!(back.draft.info.installed_size, 4 + 6 + 4 + 70_000);
    info.installed_size = back.draft.info.installed_size;
    let texts =
        |list: &[Dependency]| -> Vec<String> { list.iter().map(ToString::to_string).collect() };
    assert_eq!(
        texts(&back.draft.info.depends),
        [
            "a~2.1",
            "b",
            "b=1",
            "b>2",
            "b<3",
            "!c",
            "!d~1",
            "so:libc.so.6"
        ]
    );
    info.depends.clone_from(&back.draft.info.depends);
    info.provides.clone_from(&back.draft.info.provides);
    assert_eq!(back.draft.info, info);
    assert_eq!(back.draft.scripts.len(), 2);
    let find = |path: &str| {
        back.draft
            .entries
            .iter()
            .find(|entry| entry.path == path)
            .unwrap()
    };
    let link = |target: &str| EntryKind::HardLink {
        target: target.to_owned(),
    };
    assert_eq!(find("usr/bin/a").kind, EntryKind::File { size: 4 });
    assert_eq!(find("usr/bin/z").kind, link("usr/bin/a"));
    assert_eq!(find("usr/share/again").kind, link("usr/bin/a"));
    assert_eq!(find("etc/more").kind, link("top"));
    assert_eq!(find("etc").xattrs["user.b"], [0; 130]);
    assert_eq!(
        (find("usr/share").mode, &*find("usr/share").gname),
        (0o2700, "games")
    );
    assert_eq!(back.contents["usr/bin/a"], b"tool");
}

#[test]
fn devices_read_back() {
    let kinds = [
        ("c", EntryKind::Char { major: 1, minor: 3 }),
        (
            "b",
            EntryKind::Block {
                major: 259,
                minor: 70_000,
            },
        ),
        ("p", EntryKind::Fifo),
    ];
    let mut made = everything();
    made.draft.entries = kinds
        .iter()
        .map(|(path, kind)| entry(path, kind.clone(), 0o600))
        .collect();
    let back = draft_of(&made.write(Compression::None, &[]));
    for (path, kind) in kinds {
        assert!(
            back.draft
                .entries
                .iter()
                .any(|entry| entry.path == path && entry.kind == kind)
        );
    }
}

#[test]
fn what_cannot_be_made_is_refused() {
    let refused = |change: &dyn Fn(&mut Draft)| {
        let mut made = everything();
        change(&mut made.draft);
        made.draft.v3_values().unwrap_err().to_string()
    };
    assert_eq!(
        refused(&|draft| draft.info.name = "-x".into()),
        "the field name cannot be \"-x\""
    );
    assert_eq!(
        refused(&|draft| draft.info.version = Version::lenient("1.0.beta")),
        "the field version cannot be \"1.0.beta\""
    );
    assert_eq!(
        refused(&|draft| draft.info.tags = vec!["a b".into()]),
        "the field tags cannot be \"a b\""
    );
    assert_eq!(
        refused(&|draft| draft.entries.push(dir("etc"))),
        "\"etc\" is there twice"
    );
    assert_eq!(
        refused(&|draft| draft.entries.push(file("top", b"", 0))),
        "\"top\" is there twice"
    );
    assert_eq!(
        refused(&|draft| draft.entries.retain(|entry| entry.path != "top")),
        "\"etc/more\" is a hard link to \"top\", which is no file of the package"
    );
    assert_eq!(
        refused(&|draft| draft.entries[6].checksum = None),
        "\"top\" has no SHA-256 digest"
    );
    let made = everything();
    let changed = made
        .draft
        .write_v3(Vec::new(), Compression::None, &[], &mut |_| {
            Ok(Box::new(Cursor::new(b"tap\n")))
        });
    assert!(matches!(changed, Err(DraftError::Content { path, .. }) if path == "top"));
}

#[test]
fn an_index_of_short_hashes_lists_the_same_packages() {
    let file = sample("x86_64/plain3-2.0-r1.apk");
    let package = Package::open(&file[..]).unwrap();
    let mut draft = IndexDraft::new();
    draft.short_hashes = true;
    draft.add(&package, file.len() as u64).unwrap();
    let bytes = draft.write(Vec::new(), Compression::None, &[]).unwrap();
    let index = Index::read(&bytes[..], &KeyRing::new(), Trust::AllowUntrusted).unwrap();
    assert_eq!(index.records[0].identity.as_bytes().len(), 20);
    package.check_identity(&index.records[0].identity).unwrap();
}

// --- with the real program --------------------------------------------------------------------------------------

/// A root with the public sample keys, and the package in it as `p.apk`.
fn with_keys(bytes: &[u8]) -> fixtures::Scratch {
    let dir = fixtures::scratch("v3");
    let keys = dir.path().join("etc/apk/keys");
    std::fs::create_dir_all(&keys).unwrap();
    for name in ["sample-rsa.key.pub", "sample-ec.key.pub"] {
        std::fs::copy(
            fixtures::path(format!("samples/keys/{name}")),
            keys.join(name),
        )
        .unwrap();
    }
    std::fs::write(dir.path().join("p.apk"), bytes).unwrap();
    dir
}

fn verify(apk: &Peer, bytes: &[u8]) -> String {
    let root = with_keys(bytes);
    let (dir, file) = (root.path().to_str().unwrap(), root.path().join("p.apk"));
    let output = apk.run(["--root", dir, "verify", file.to_str().unwrap()]);
    let text = output.stdout_text();
    text.rsplit(": ")
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned()
}

#[test]
fn the_real_program_accepts_what_is_made() {
    let Some(apk) = fixtures::peer::apk3() else {
        return;
    };
    let made = everything();
    for compression in [
        Compression::None,
        Compression::Default,
        Compression::Deflate(6),
    ] {
        for name in ["sample-rsa.key", "sample-ec.key"] {
            let bytes = made.write(compression, &[key(name)]);
            assert_eq!(verify(&apk, &bytes), "OK", "{compression:?} {name}");
        }
        let bytes = made.write(compression, &[]);
        assert_eq!(verify(&apk, &bytes), "UNTRUSTED signature");
    }
}

/// A repository made and signed here, from which the real program installs.
#[test]
fn the_real_program_installs_from_what_is_made() {
    let Some(apk) = fixtures::peer::apk3() else {
        return;
    };
    for name in ["sample-rsa.key", "sample-ec.key"] {
        let root = with_keys(&[]);
        let arch = root.path().join("repo/x86_64");
        std::fs::create_dir_all(&arch).unwrap();
        let mut made = everything();
        (made.draft.info.depends, made.draft.info.install_if) = (Vec::new(), Vec::new());
        let bytes = made.write(Compression::Default, &[key(name)]);
        std::fs::write(arch.join("all-1.2_rc3-r4.apk"), &bytes).unwrap();
        let package = Package::open(&bytes[..]).unwrap();
        let mut index = IndexDraft::new();
        index.add(&package, bytes.len() as u64).unwrap();
        let index = index
            .write(Vec::new(), Compression::Default, &[key(name)])
            .unwrap();
        std::fs::write(arch.join("Packages.adb"), index).unwrap();
        let repository = format!("v3 {}", root.path().join("repo").display());
        let words = [
            "--root",
            ".",
            "--arch",
            "x86_64",
            "--repository-config",
            &repository,
        ];
        let words = words
            .into_iter()
            .chain(["add", "--initdb", "--no-scripts", "all"]);
        apk.run_in(root.path(), words).success();
        assert_eq!(
            std::fs::read(root.path().join("usr/bin/z")).unwrap(),
            b"tool"
        );
        let installed = std::fs::read_to_string(root.path().join("lib/apk/db/installed")).unwrap();
        assert!(
            installed.contains(&format!("C:{}\n", package.identity().to_q1())),
            "{installed}"
        );
    }
}

/// Both programs make a package of one directory, and an index of the package.
#[test]
fn the_real_program_makes_the_same_bytes() {
    let Some(apk) = fixtures::peer::apk3() else {
        return;
    };
    for (compat, directories) in [
        ("3.0.0_pre1", Directories::All),
        ("3.0.0_pre3", Directories::NoRoot),
        ("3.0.0_rc9", Directories::Needed),
    ] {
        let mut made = everything();
        // Links to files in the root are what apk does wrong.
        made.draft.entries.retain(|entry| entry.path != "etc/more");
        let root = with_keys(&[]);
        let tree = root.path().join("tree");
        let theirs = root.path().join("theirs.apk");
        let mut made = on_disk(made, &tree);
        made.draft.directories = directories;
        let mut command = apk.command();
        command
            .env("SOURCE_DATE_EPOCH", "1700000000")
            .current_dir(root.path());
        command.args([
            "mkpkg",
            "--root",
            root.path().to_str().unwrap(),
            "--compression",
            "none",
        ]);
        command.args(["--compat", compat, "-F", "tree", "-o", "theirs.apk"]);
        for (field, value) in fields() {
            command.arg("-I").arg(format!("{field}:{value}"));
        }
        for trigger in &made.draft.info.triggers {
            command.arg("-t").arg(trigger);
        }
        for script in &made.draft.scripts {
            let name = script.kind.name();
            std::fs::write(root.path().join(name), &script.body).unwrap();
            command.arg("-s").arg(format!("{name}:{name}"));
        }
        apk.finish(command).success();
        same_bytes(
            &made.write(Compression::None, &[]),
            &std::fs::read(&theirs).unwrap(),
            compat,
        );
    }
}

/// What 3.0.6 makes of such a link it cannot install; it is read nevertheless, and what is made here it can install.
#[test]
fn links_to_files_in_the_root_are_made_right() {
    let Some(apk) = fixtures::peer::apk3() else {
        return;
    };
    let root = with_keys(&[]);
    let tree = root.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    std::fs::write(tree.join("a"), "x").unwrap();
    std::fs::hard_link(tree.join("a"), tree.join("b")).unwrap();
    let words = [
        "mkpkg",
        "-I",
        "name:p",
        "-I",
        "version:1",
        "-F",
        "tree",
        "-o",
        "p.apk",
    ];
    apk.run_in(root.path(), words).success();
    let install = |into: &str| {
        let words = [
            "--root",
            into,
            "--allow-untrusted",
            "add",
            "--initdb",
            "--no-scripts",
            "--force-non-repository", // the root may lie in memory
            "p.apk",
        ];
        apk.run_in(root.path(), words).code
    };
    assert_eq!(install("one"), Some(1));
    let made = draft_of(&std::fs::read(root.path().join("p.apk")).unwrap());
    let ours = made.write(Compression::Default, &[]);
    std::fs::write(root.path().join("p.apk"), ours).unwrap();
    assert_eq!(install("two"), Some(0));
    assert_eq!(std::fs::read(root.path().join("two/b")).unwrap(), b"x");
}

/// What the owners and modes of a tree are when whoever runs the tests makes it, and without what they may not make.
fn on_disk(mut made: Made, tree: &std::path::Path) -> Made {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    std::fs::create_dir_all(tree).unwrap();
    let owner = std::fs::metadata(tree).unwrap();
    let passwd = tree.parent().unwrap().join("etc/passwd");
    std::fs::write(
        passwd,
        format!("me:x:{}:{}::/:/bin/sh\n", owner.uid(), owner.gid()),
    )
    .unwrap();
    let group = tree.parent().unwrap().join("etc/group");
    std::fs::write(group, format!("us:x:{}:\n", owner.gid())).unwrap();
    for entry in &mut made.draft.entries {
        let path = tree.join(&entry.path);
        (entry.uname, entry.gname) = ("me".to_owned(), "us".to_owned());
        entry.xattrs.clear();
        match &entry.kind {
            EntryKind::Dir => std::fs::create_dir_all(&path).unwrap(),
            EntryKind::File { .. } => std::fs::write(&path, &made.contents[&entry.path]).unwrap(),
            EntryKind::HardLink { target } => std::fs::hard_link(tree.join(target), &path).unwrap(),
            EntryKind::Symlink { target } => std::os::unix::fs::symlink(target, &path).unwrap(),
            _ => {}
        }
        if !matches!(
            entry.kind,
            EntryKind::Symlink { .. } | EntryKind::HardLink { .. }
        ) {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(entry.mode)).unwrap();
        }
    }
    // Names of one file have one mode.
    for entry in &mut made.draft.entries {
        if let EntryKind::HardLink { .. } = entry.kind {
            entry.mode = std::fs::metadata(tree.join(&entry.path)).unwrap().mode() & 0o7777;
        }
    }
    made
}

/// The information of [`everything`] as the words of a command line.
fn fields() -> [(&'static str, &'static str); 18] {
    [
        ("name", "all"),
        ("version", "1.2_rc3-r4"),
        ("description", "it's: all #1"),
        ("url", "https://example.org/#x"),
        ("license", "MIT"),
        ("arch", "x86_64"),
        ("origin", "all-source"),
        ("maintainer", "Me <me@example.org>"),
        ("repo-commit", "0123456789abcdef0123456789abcdef01234567"),
        ("build-time", "1700000001"),
        ("provider-priority", "300"),
        ("replaces-priority", "7"),
        (
            "depends",
            "so:libc.so.6 b>2 b b<3 b=1 !c !d~1 a~2.1 so:libc.so.6",
        ),
        ("provides", "cmd:all=1 virt so:x.so.1=0"),
        ("replaces", "old<2"),
        ("install-if", "x=1 y"),
        ("recommends", "z"),
        ("tags", "t:two a=1"),
    ]
}
