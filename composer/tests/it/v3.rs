//! Repositories of v3 packages, with what only they have: owners by name alone, parents that no package lists, hashes
//! in SHA-256, an index that says how files are named. A v2 package is among them.
//!
//! `recorded/apk-3.0.6/v3-*` is what the real apk made of the same repositories. Where it is at hand
//! (`APK_OSTREE_APK3`, as root) it is asked again, and must still say the same.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::Path;

use apk_format::adb::compression::Compression;
use apk_format::{
    Dependency, Digest, Directories, Draft, Entry, EntryKind, Index, IndexDraft, Package,
    PackageInfo, PrivateKey, Provide, Script, ScriptKind, Version,
};
use composer::{Composed, Dialect};
use fixtures::forge::{Forge, Key};
use fixtures::peer::Peer;
use ostree_store::checksum::CommitId;
use ostree_store::repo::RepoMode;
use ostree_store::tree::checkout::{CheckoutOptions, checkout};

use crate::composed::{Scratch, assert_text, content};

const EPOCH: u64 = 1_700_000_000;

/// A v3 package to be made.
struct Made {
    draft: Draft,
    contents: BTreeMap<String, Vec<u8>>,
}

impl Made {
    fn new(name: &str, version: &str) -> Made {
        let mut info = PackageInfo::unopened(name, Version::parse(version).unwrap());
        info.arch = Some("x86_64".to_owned());
        info.license = "MIT".to_owned();
        info.build_time = EPOCH;
        Made {
            draft: Draft {
                info,
                scripts: Vec::new(),
                entries: Vec::new(),
                directories: Directories::All,
            },
            contents: BTreeMap::new(),
        }
        .dir("")
    }

    fn info(mut self, change: impl FnOnce(&mut PackageInfo)) -> Made {
        change(&mut self.draft.info);
        self
    }

    fn depends(self, atoms: &str) -> Made {
        self.info(|info| info.depends = atoms.split(' ').map(dependency).collect())
    }

    fn entry(mut self, path: &str, kind: EntryKind, mode: u32) -> Made {
        self.draft.entries.push(Entry {
            path: path.to_owned(),
            kind,
            mode,
            uid: 0,
            gid: 0,
            uname: "root".to_owned(),
            gname: "root".to_owned(),
            mtime: EPOCH,
            xattrs: BTreeMap::new(),
            checksum: None,
        });
        self
    }

    fn dir(self, path: &str) -> Made {
        self.entry(path, EntryKind::Dir, 0o755)
    }

    fn file(mut self, path: &str, content: &str) -> Made {
        self.contents
            .insert(path.to_owned(), content.as_bytes().to_vec());
        let size = content.len() as u64;
        self.entry(path, EntryKind::File { size }, 0o644)
            .last(|entry| entry.checksum = Some(Digest::sha256(content.as_bytes())))
    }

    fn link(self, path: &str, target: &str) -> Made {
        let target = target.to_owned();
        self.entry(path, EntryKind::Symlink { target }, 0o777)
    }

    fn hard_link(self, path: &str, target: &str) -> Made {
        let target = target.to_owned();
        self.entry(path, EntryKind::HardLink { target }, 0o644)
    }

    /// Changes what was added last.
    fn last(mut self, change: impl FnOnce(&mut Entry)) -> Made {
        change(self.draft.entries.last_mut().unwrap());
        self
    }

    fn mode(self, mode: u32) -> Made {
        self.last(|entry| entry.mode = mode)
    }

    fn owner(self, user: &str, group: &str) -> Made {
        self.last(|entry| (entry.uname, entry.gname) = (user.to_owned(), group.to_owned()))
    }

    fn xattr(self, name: &str, value: &[u8]) -> Made {
        self.last(|entry| {
            entry.xattrs.insert(name.to_owned(), value.to_vec());
        })
    }

    fn script(mut self, kind: ScriptKind, body: &str) -> Made {
        let body = body.as_bytes().to_vec();
        self.draft.scripts.push(Script { kind, body });
        self
    }

    fn write(&self) -> Vec<u8> {
        let compression = Compression::Default;
        self.draft
            .write_v3(Vec::new(), compression, &[], &mut |entry| {
                Ok(Box::new(Cursor::new(&self.contents[&entry.path])))
            })
            .unwrap()
    }
}

fn dependency(atom: &str) -> Dependency {
    Dependency::parse_untagged(atom).unwrap()
}

/// The demo's key, which signs the indexes.
fn key() -> PrivateKey {
    let pem = fixtures::bytes("keys/apk-ostree-demo.rsa");
    PrivateKey::from_pem("apk-ostree-demo.rsa.pub", &pem).unwrap()
}

/// Writes package files and an index of them.
fn publish(files: &[(String, Vec<u8>)], index: &Path, dir: &Path, pkgname_spec: &str) {
    let mut draft = IndexDraft::new();
    draft.pkgname_spec = pkgname_spec.to_owned();
    for (path, bytes) in files {
        let package = Package::open(&bytes[..]).unwrap();
        draft.add(&package, bytes.len() as u64).unwrap();
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    fs::create_dir_all(index.parent().unwrap()).unwrap();
    let bytes = draft
        .write(Vec::new(), Compression::Default, &[key()])
        .unwrap();
    fs::write(index, bytes).unwrap();
}

fn publish_usual(packages: &[Made], v2: Vec<(String, Vec<u8>)>, dir: &Path) {
    let mut files = v2;
    files.extend(packages.iter().map(|made| {
        let info = &made.draft.info;
        let name = format!("x86_64/{}-{}.apk", info.name, info.version);
        (name, made.write())
    }));
    publish(&files, &dir.join("x86_64/Packages.adb"), dir, "");
}

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nweb:x:88:77:web:/srv:/bin/false\n";
const GROUP: &str = "root:x:0:\nweb:x:77:\n";

fn rich() -> Made {
    let mut made = Made::new("rich", "1.0-r0")
        .depends("web>=1 !bad")
        .info(|info| {
            info.description = "all there is".to_owned();
            info.url = "https://example.org/".to_owned();
            info.origin = Some("rich-source".to_owned());
            info.maintainer = Some("Me <me@example.org>".to_owned());
            info.commit = Some("0123456789abcdef0123456789abcdef01234567".to_owned());
            info.provider_priority = 9;
            info.provides = vec![Provide::parse("cmd:rich=1.0-r0").unwrap()];
            info.replaces = vec![dependency("old<2")];
            info.replaces_priority = 3;
            info.tags = vec!["one".to_owned(), "two=2".to_owned()];
            info.triggers = vec!["/usr/bin".to_owned(), "+/usr/share/*".to_owned()];
        })
        .file("at-the-root", "of nobody's directory\n")
        .dir("etc")
        .file("etc/rich.conf", "a=1\n")
        .xattr("user.k", b"val")
        .file("etc/zero", "")
        .dir("usr")
        .dir("usr/bin")
        .file("usr/bin/rich", "program\n")
        .mode(0o4755)
        .hard_link("usr/bin/again", "usr/bin/rich")
        .mode(0o4755)
        .link("usr/bin/soft", "rich")
        .dir("usr/lib")
        .mode(0o1777)
        .hard_link("usr/lib/third", "usr/bin/rich")
        .mode(0o4755)
        .dir("usr/share")
        .xattr("user.dir", b"1")
        .file("usr/share/taken", "of rich\n")
        .file("usr/share/überall", "not ASCII\n")
        .dir("usr/share/private")
        .mode(0o700)
        .entry(
            "usr/share/null",
            EntryKind::Char { major: 1, minor: 3 },
            0o666,
        )
        .entry("usr/share/pipe", EntryKind::Fifo, 0o600);
    for kind in ScriptKind::ALL {
        made = made.script(kind, &format!("#!/bin/sh\n# {kind}\nexit 0\n"));
    }
    // Far more directories than apk keeps unsorted.
    (0..45).rev().fold(made.dir("var"), |made, number| {
        made.dir(&format!("var/{number}"))
            .file(&format!("var/{number}/file"), &format!("{number}\n"))
    })
}

fn web() -> Made {
    Made::new("web", "2-r0")
        .depends("accounts")
        .dir("srv")
        .owner("web", "web")
        .mode(0o750)
        .file("srv/page", "hello\n")
        .owner("web", "root")
        .file("srv/strange", "of nobody we know\n")
        .owner("ghost", "phantoms")
        .dir("srv/strange.d")
        .owner("ghost", "web")
        .mode(0o700)
}

/// Directories that hold directories only are not listed in it.
fn sparse() -> Made {
    let mut made = Made::new("sparse", "1-r0")
        .dir("opt")
        .dir("opt/deep")
        .dir("opt/deep/er")
        .file("opt/deep/er/file", "x")
        .dir("opt/own")
        .mode(0o700)
        .dir("opt/own/below")
        .file("opt/own/below/file", "y");
    made.draft.directories = Directories::Needed;
    made
}

fn write_repositories(dir: &Path) {
    let accounts = Made::new("accounts", "1-r0")
        .dir("etc")
        .file("etc/passwd", PASSWD)
        .file("etc/group", GROUP);
    let taking = Made::new("taking", "1-r0")
        .depends("rich")
        .info(|info| {
            info.replaces = vec![dependency("rich")];
            info.replaces_priority = 7;
        })
        .dir("usr")
        .dir("usr/share")
        .file("usr/share/taken", "of taking\n");
    let mut empty = Made::new("empty", "1-r0")
        .depends("sparse")
        .info(|info| info.tags = vec!["nothing".to_owned()]);
    empty.draft.entries.clear();
    let also = Made::new("also", "1-r0")
        .info(|info| info.install_if = vec![dependency("rich=1.0-r0"), dependency("web")])
        .dir("etc")
        .file("etc/also", "brought in\n");
    let older = Forge::package("older", "3-r0")
        .arch("x86_64")
        .dir("etc")
        .file("etc/older.conf", "of v2\n")
        .dir("srv")
        .file("srv/older", "of v2\n")
        .owner("web", "web", 5, 6)
        .build(&Key::demo());
    publish_usual(
        &[accounts, web(), rich(), sparse(), taking, empty, also],
        vec![("x86_64/older-3-r0.apk".to_owned(), older)],
        &dir.join("v3"),
    );
    let side = Made::new("side", "1-r0")
        .dir("usr")
        .file("usr/side", "from the side\n")
        .write();
    let hash = Package::open(&side[..]).unwrap().identity().to_hex();
    let path = format!("sid/side_1-r0.{}.apk", &hash[..8]);
    publish(
        &[(path, side)],
        &dir.join("side/offers.adb"),
        &dir.join("side"),
        "${name:3}/${name}_${version}.${hash:8}.apk",
    );
}

const WORLD: [&str; 5] = ["empty", "older", "rich", "side@side", "taking"];

fn manifest(repositories: &str, branch: &str) -> String {
    format!(
        "[repositories]\nurls = [{repositories}]\nkeys = [\"{}/keys\"]\narch = [\"x86_64\"]\n{branch}",
        fixtures::path("demo").display()
    )
}

fn first_manifest(dir: &Path) -> String {
    let wanted = WORLD.map(|wish| format!("{wish:?}")).join(", ");
    manifest(
        &first_urls(dir),
        &format!("[branch.first]\nref = \"first\"\npackages = [{wanted}]\n"),
    )
}

fn first_urls(dir: &Path) -> String {
    let side = dir.join("side/offers.adb");
    format!("\"v3 v3\", \"ndx @side {}\"", side.display())
}

fn first_lines(dir: &Path) -> Vec<String> {
    vec![
        format!("v3 {}", dir.join("v3").display()),
        format!("ndx @side {}", dir.join("side/offers.adb").display()),
    ]
}

const MORE: &str = "recorded/apk-3.0.6/v3-more";

/// What apk leaves for itself, and what OSTree cannot hold.
const NOT_OURS: [&str; 8] = [
    "usr/share/null",
    "usr/share/pipe",
    "var/log/apk.log",
    "var/log",
    "var/cache/apk",
    "var/cache",
    "lib/apk/db/lock",
    "lib/apk/exec",
];

/// Adds packages with the real apk, and gives the listing of the root, the database and what was said.
fn add(apk: &Peer, root: &Path, lines: &[String], words: &[&str]) -> Recorded {
    let mut command = apk.command();
    command.arg("--root").arg(root).args(["--arch", "x86_64"]);
    command.arg("--keys-dir").arg(fixtures::path("demo/keys"));
    for line in lines {
        command.arg("--repository-config").arg(line);
    }
    command.args([
        "--no-network",
        "--no-cache",
        "add",
        "--initdb",
        "--no-scripts",
    ]);
    command.args(words);
    let log = apk.finish(command).success().stdout_text();
    let table = fixtures::listing::of(root).unwrap();
    let kept = |line: &&str| {
        !NOT_OURS
            .iter()
            .any(|path| line.starts_with(&format!("{path}\t")))
    };
    let mut tree: String = table.lines().filter(kept).collect::<Vec<_>>().join("\n");
    tree.push('\n');
    let read = |path: &str| fs::read(root.join(path)).unwrap();
    Recorded(vec![
        ("add.log", log.into_bytes()),
        ("tree.tsv", tree.into_bytes()),
        ("installed", read("lib/apk/db/installed")),
        ("scripts.tar.gz", read("lib/apk/db/scripts.tar.gz")),
        ("triggers", read("lib/apk/db/triggers")),
        ("world", read("etc/apk/world")),
    ])
}

/// The files of a recording.
struct Recorded(Vec<(&'static str, Vec<u8>)>);

impl Recorded {
    /// Compares with what was recorded, or records it.
    fn compare(&self, place: &str) {
        for (name, bytes) in &self.0 {
            let path = format!("{place}/{name}");
            if std::env::var_os("APK_OSTREE_RECORD").is_some() {
                let path = fixtures::root().join(&path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
            assert_text(&path, bytes, &fixtures::bytes(&path));
        }
    }
}

/// Compares a commit with what the real apk made.
fn assert_as_recorded(scratch: &Scratch, composed: &Composed, place: &str) {
    let commit = composed.commit.as_deref().unwrap();
    let tree = scratch.tree(commit);
    for (path, name) in [
        ("lib/apk/db/installed", "installed"),
        ("lib/apk/db/scripts.tar.gz", "scripts.tar.gz"),
        ("lib/apk/db/triggers", "triggers"),
        ("etc/apk/world", "world"),
    ] {
        let expected = fixtures::bytes(format!("{place}/{name}"));
        assert_text(&format!("{place}/{name}"), content(&tree, path), &expected);
    }
    let log = fixtures::text(format!("{place}/add.log"));
    let lines = log
        .lines()
        .filter_map(|line| Some(line.split_once(") ")?.1));
    assert_eq!(composed.steps, lines.collect::<Vec<_>>());
    if !rustix::process::geteuid().is_root() {
        eprintln!("without root no tree can be checked out with its owners: {place}/tree.tsv");
        return;
    }
    let ours = scratch.path().join(format!("out-{}", composed.branch));
    check_out(scratch, commit, &ours);
    let listing = fixtures::listing::of(&ours).unwrap();
    // The package `web` decides about it once `older` has gone from it; 3.0.6 says so in its database, but not on disk.
    // And it keeps its log in a directory that no package has any more.
    let expected = fixtures::text(format!("{place}/tree.tsv"));
    let expected = match place {
        MORE => expected
            .replace("\nsrv\td\t755\t0\t0\t", "\nsrv\td\t755\t88\t77\t")
            .replace("\nvar\td\t755\t0\t0\t-\t-\t-\n", "\n"),
        _ => expected,
    };
    assert_text(
        place,
        without_links(&listing).as_bytes(),
        without_links(&expected).as_bytes(),
    );
}

/// A commit does not say which files are one.
fn without_links(table: &str) -> String {
    let rows = table.lines().map(|line| {
        let mut columns: Vec<&str> = line.split('\t').collect();
        columns.remove(6);
        columns.join("\t")
    });
    rows.collect::<Vec<_>>().join("\n")
}

fn check_out(scratch: &Scratch, commit: &str, to: &Path) {
    let id = CommitId::new(commit.parse().unwrap());
    let commit = scratch.repo.commit(&id).unwrap();
    let (tree, meta) = (&commit.root_tree, &commit.root_meta);
    checkout(&scratch.repo, tree, meta, to, &CheckoutOptions::default()).unwrap();
}

/// The real apk, where it can be asked for a whole root.
fn apk() -> Option<Peer> {
    fixtures::peer::apk3().filter(|_| rustix::process::geteuid().is_root())
}

#[test]
fn a_system_of_v3_packages_is_as_apk_makes_it() {
    let place = "recorded/apk-3.0.6/v3-first";
    let scratch = Scratch::new(RepoMode::BareUser);
    write_repositories(scratch.path());
    if let Some(apk) = apk() {
        let root = scratch.path().join("theirs");
        fs::create_dir(&root).unwrap();
        add(&apk, &root, &first_lines(scratch.path()), &WORLD).compare(place);
    }
    let composed = scratch
        .compose(&first_manifest(scratch.path()), scratch.path().to_owned())
        .unwrap();
    assert_as_recorded(&scratch, &composed[0], place);
}

/// Upgrades on a base that somebody has edited: v3 to v3, v2 to v3 and v3 to v2.
fn write_upgrades(dir: &Path) {
    let rich = Made::new("rich", "2.0-r0")
        .info(|info| info.origin = Some("rich-source".to_owned()))
        .dir("etc")
        .file("etc/rich.conf", "a=2\n")
        .file("etc/zero", "not empty any more\n")
        .file("etc/unowned.conf", "of rich\n")
        .file("etc/same.conf", "the same\n")
        .dir("usr")
        .dir("usr/bin")
        .file("usr/bin/rich", "newer program\n")
        .mode(0o755)
        .link("usr/bin/soft", "again")
        .file("usr/extra", "of rich\n");
    let older = Made::new("older", "4-r0")
        .dir("etc")
        .file("etc/older.conf", "of v3 now\n")
        .file("etc/untouched.conf", "of v3\n");
    let web = Forge::package("web", "3-r0")
        .arch("x86_64")
        .dir("srv")
        .owner("web", "web", 5, 6)
        .file("srv/page", "hello again\n")
        .owner("web", "root", 5, 0)
        .dir("etc")
        .file("etc/also", "not mine\n")
        .replaces("also")
        .build(&Key::demo());
    publish_usual(
        &[rich, older],
        vec![("x86_64/web-3-r0.apk".to_owned(), web)],
        &dir.join("more"),
    );
}

fn write_edits(dir: &Path) {
    for (path, content) in [
        ("etc/rich.conf", "edited\n"),
        ("etc/older.conf", "edited, too\n"),
        ("etc/unowned.conf", "of nobody\n"),
        ("etc/same.conf", "the same\n"),
        ("usr/extra", "of nobody\n"),
    ] {
        let path = dir.join("edits").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

#[test]
fn a_system_of_v3_packages_is_upgraded_as_apk_does_it() {
    let place = MORE;
    let scratch = Scratch::new(RepoMode::BareUser);
    let dir = scratch.path();
    write_repositories(dir);
    write_upgrades(dir);
    write_edits(dir);
    let first = first_manifest(dir) + "overlays = [\"edits\"]\n";
    let first = scratch.compose(&first, dir.to_owned()).unwrap();
    let wanted = ["older>=4", "rich>=2", "web>=3"];
    if let Some(apk) = apk() {
        let root = dir.join("theirs");
        check_out(&scratch, first[0].commit.as_deref().unwrap(), &root);
        let mut lines = vec![format!("v3 {}", dir.join("more").display())];
        lines.extend(first_lines(dir));
        add(&apk, &root, &lines, &wanted).compare(place);
    }
    let words = wanted.map(|wish| format!("{wish:?}")).join(", ");
    let branch = format!(
        "[branch.more]\nref = \"more\"\nfrom = {{ ref = \"first\" }}\npackages = [{words}]\n"
    );
    let more = scratch
        .compose(
            &manifest(&format!("\"more\", {}", first_urls(dir)), &branch),
            dir.to_owned(),
        )
        .unwrap();
    assert_as_recorded(&scratch, &more[0], place);
}

/// The form of the database that apk 2.14 writes has no place for hashes in SHA-256.
#[test]
fn a_database_for_apk_2_takes_no_v3_package() {
    let scratch = Scratch::new(RepoMode::BareUser);
    write_repositories(scratch.path());
    let manifest = first_manifest(scratch.path());
    let error = scratch
        .compose_as(Dialect::Apk2, &manifest, scratch.path().to_owned())
        .unwrap_err();
    assert!(error.hint().unwrap().contains("dialect = \"3.0\""));
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("is a v3 package"), "{source}");
}

/// An index of v2 form may list a v3 package: by the first 20 bytes of its identity, or by what it calls itself. Of
/// another package neither is right.
#[test]
fn an_index_of_v2_may_list_v3_packages() {
    let made = web().info(|info| info.depends.clear());
    let bytes = made.write();
    let package = Package::open(&bytes[..]).unwrap();
    let identity = package.identity();
    let cut = Digest::from_bytes(identity.first_20()).unwrap();
    let other = Digest::sha1(b"another package");
    for (listed, fits) in [
        (cut, true),
        (package.unique_id().unwrap(), true),
        (other, false),
    ] {
        let scratch = Scratch::new(RepoMode::BareUser);
        let dir = scratch.path().join("v2/x86_64");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("web-2-r0.apk"), &bytes).unwrap();
        let record = package.info().to_record(listed, bytes.len() as u64);
        let index = Index {
            records: vec![record],
            ..Index::default()
        };
        let (key, name) = (key(), "APKINDEX.tar.gz");
        let algorithm = apk_format::Algorithm::Rsa;
        let signed = apk_format::index::sign_v2(&index.write_archive(EPOCH), &key, algorithm);
        fs::write(dir.join(name), signed.unwrap()).unwrap();
        let branch = "[branch.web]\nref = \"web\"\npackages = [\"web\"]\n";
        let composed = scratch.compose(&manifest("\"v2\"", branch), scratch.path().to_owned());
        if fits {
            let composed = composed.unwrap();
            let tree = scratch.tree(composed[0].commit.as_deref().unwrap());
            let installed = String::from_utf8_lossy(content(&tree, "lib/apk/db/installed"));
            assert!(installed.contains(&format!("C:{}\n", listed.to_q1())));
            assert!(installed.contains("\nf:S\n"));
        } else {
            assert!(composed.is_err());
        }
    }
}
