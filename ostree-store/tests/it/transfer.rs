//! Pulling from repositories that mean harm: an error, and nothing of it can be seen.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use fixtures::Scratch;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use ostree_store::checksum::{Checksum, CommitId, DirTreeId, FileId};
use ostree_store::gvariant::Dict;
use ostree_store::object::{
    Checksummer, Commit, DirMeta, DirTree, FileHeader, Name, ObjectKind, ObjectSink,
};
use ostree_store::repo::{Repo, RepoMode};
use ostree_store::transfer::{PullOptions, Pulled, pull_local};
use rustix::fs::{CWD, FileType, Mode, mknodat};

/// A source written byte by byte, and a place for what comes of it.
struct Scene {
    dir: Scratch,
    from: Repo,
}

const CONTENT: &[u8] = b"content of the only file\n";

impl Scene {
    fn new(mode: RepoMode) -> Scene {
        let dir = fixtures::scratch("transfer");
        dir.unjudged(
            "from",
            "what lies in it is wrong on purpose, fifos among it",
        );
        let from = Repo::create(&dir.path().join("from"), mode).unwrap();
        Scene { dir, from }
    }

    fn path(&self, kind: ObjectKind, checksum: &Checksum) -> PathBuf {
        let path = self.from.object_path(kind, checksum);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    /// Stores bytes as what they hash to.
    fn metadata(&self, kind: ObjectKind, bytes: &[u8]) -> Checksum {
        let checksum = Checksum::of(bytes);
        fs::write(self.path(kind, &checksum), bytes).unwrap();
        checksum
    }

    /// Stores a commit of a directory with these bytes, and lets `main` name it.
    fn commit(&self, root: &[u8]) -> CommitId {
        let meta = DirMeta::root_owned(0o755);
        self.metadata(ObjectKind::DirMeta, &meta.encode());
        let commit = Commit {
            metadata: Dict::default(),
            parent: None,
            related: Vec::new(),
            subject: String::new(),
            body: String::new(),
            timestamp: 0,
            root_tree: DirTreeId::new(self.metadata(ObjectKind::DirTree, root)),
            root_meta: meta.id(),
        };
        let id = self.metadata(ObjectKind::Commit, &commit.encode());
        fs::write(self.from.path().join("refs/heads/main"), format!("{id}\n")).unwrap();
        CommitId::new(id)
    }

    /// A directory with one file in it, which is not there yet.
    fn with_file(&self) -> FileId {
        let header = FileHeader::root_owned(0o644);
        let size = CONTENT.len() as u64;
        let id = Checksummer.file(&header, size, &mut &*CONTENT).unwrap();
        let mut tree = DirTree::default();
        tree.files.insert(Name::new("f").unwrap(), id);
        self.commit(&tree.encode());
        id
    }

    fn pull(&self, mode: RepoMode, untrusted: bool) -> Result<Pulled, String> {
        self.dir.remove("into");
        let mut into = Repo::create(&self.dir.path().join("into"), mode).unwrap();
        into.set_fsync(false);
        let options = PullOptions {
            untrusted,
            depth: -1,
            ..PullOptions::default()
        };
        let pulled = pull_local(&into, &self.from, &[], &options, &|_, _| {});
        pulled.map_err(|error| {
            nothing_came(into.path());
            let mut words = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                words = format!("{words}: {error}");
                cause = error.source();
            }
            words
        })
    }

    /// Pulling fails in every mode, trusted or not, with these words in the error.
    #[track_caller]
    fn refused(&self, modes: &[RepoMode], words: &str) {
        for mode in modes {
            for untrusted in [false, true] {
                let error = self.pull(*mode, untrusted).unwrap_err();
                assert!(error.contains(words), "{mode} {untrusted}: {error}");
            }
        }
    }
}

/// There are neither objects nor refs nor marks, and nothing is left in `tmp`.
#[track_caller]
fn nothing_came(into: &Path) {
    for dir in ["objects", "refs/heads", "state"] {
        let entries = fs::read_dir(into.join(dir)).unwrap();
        let names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        assert!(names.is_empty(), "{dir}: {names:?}");
    }
    let tmp: Vec<_> = fs::read_dir(into.join("tmp")).unwrap().collect();
    assert_eq!(tmp.len(), 1, "{tmp:?}");
}

const UNPRIVILEGED: [RepoMode; 3] = [
    RepoMode::Archive,
    RepoMode::BareUser,
    RepoMode::BareUserOnly,
];

/// The bytes of a `.filez` whose header says `size`.
fn archived(size: u64, content: &[u8]) -> Vec<u8> {
    let mut bytes = FileHeader::root_owned(0o644).archive_frame(size);
    let mut deflate = DeflateEncoder::new(&mut bytes, Compression::default());
    deflate.write_all(content).unwrap();
    deflate.finish().unwrap();
    bytes
}

/// Contents that are not what their header says. Where the file is linked unread nobody notices, as in ostree.
#[test]
fn sizes_that_are_not_true() {
    let scene = Scene::new(RepoMode::Archive);
    let id = scene.with_file();
    let path = scene.path(ObjectKind::File, id.checksum());
    let bomb = vec![0; 16 << 20];
    let cases: [(u64, &[u8]); 6] = [
        (CONTENT.len() as u64 - 1, CONTENT),
        (CONTENT.len() as u64 + 1, CONTENT),
        (CONTENT.len() as u64, &bomb),
        (0, &bomb),
        (1 << 62, CONTENT),
        (u64::MAX, CONTENT),
    ];
    for (size, content) in cases {
        fs::write(&path, archived(size, content)).unwrap();
        for mode in [RepoMode::BareUser, RepoMode::BareUserOnly] {
            scene.refused(&[mode], "Writing content object");
        }
        assert!(scene.pull(RepoMode::Archive, true).is_err());
        scene.pull(RepoMode::Archive, false).unwrap();
        // It has a link to what is wrong.
        fs::remove_dir_all(scene.dir.path().join("into")).unwrap();
    }
    // The true one arrives.
    fs::write(&path, archived(CONTENT.len() as u64, CONTENT)).unwrap();
    for mode in UNPRIVILEGED {
        assert_eq!(scene.pull(mode, true).unwrap().content, 1);
    }
}

#[test]
fn bytes_that_are_no_object() {
    let scene = Scene::new(RepoMode::Archive);
    let id = scene.with_file();
    let path = scene.path(ObjectKind::File, id.checksum());
    let good = archived(CONTENT.len() as u64, CONTENT);
    let mut long = good.clone();
    long[..4].copy_from_slice(&u32::MAX.to_be_bytes());
    for bytes in [
        &b""[..],
        &good[..4],
        &good[..20],
        &good[..good.len() - 1],
        &long,
    ] {
        fs::write(&path, bytes).unwrap();
        for mode in [RepoMode::BareUser, RepoMode::BareUserOnly] {
            scene.refused(&[mode], "");
        }
        assert!(scene.pull(RepoMode::Archive, true).is_err());
    }
}

/// Fifos would be waited for, devices never end, links lead elsewhere.
#[test]
fn things_in_place_of_objects() {
    for mode in [RepoMode::Archive, RepoMode::BareUser] {
        for kind in [
            ObjectKind::Commit,
            ObjectKind::DirTree,
            ObjectKind::DirMeta,
            ObjectKind::File,
        ] {
            let scene = Scene::new(mode);
            let id = scene.with_file();
            let objects = scene.from.objects().unwrap();
            let found = objects.into_iter().find(|(found, _)| *found == kind);
            let checksum = found.map_or(*id.checksum(), |(_, checksum)| checksum);
            let path = scene.path(kind, &checksum);
            let _ = fs::remove_file(&path);
            let secret = scene.dir.path().join("secret");
            fs::write(&secret, "not to be read").unwrap();
            for thing in ["fifo", "directory", "link", "dangling", "device"] {
                match thing {
                    "fifo" => {
                        let mode = Mode::from_raw_mode(0o644);
                        mknodat(CWD, &path, FileType::Fifo, mode, 0).unwrap();
                    }
                    "directory" => fs::create_dir(&path).unwrap(),
                    "link" => std::os::unix::fs::symlink(&secret, &path).unwrap(),
                    "dangling" => std::os::unix::fs::symlink("nowhere", &path).unwrap(),
                    _ => {
                        let (mode, zero) = (Mode::from_raw_mode(0o644), rustix::fs::makedev(1, 5));
                        let made = mknodat(CWD, &path, FileType::CharacterDevice, mode, zero);
                        if made.is_err() {
                            eprintln!("without root there are no devices: left out");
                            continue;
                        }
                    }
                }
                scene.refused(&UNPRIVILEGED, "");
                if thing == "directory" {
                    fs::remove_dir(&path).unwrap();
                } else {
                    fs::remove_file(&path).unwrap();
                }
            }
            assert_eq!(fs::read(&secret).unwrap(), b"not to be read");
        }
    }
}

#[test]
fn things_in_place_of_refs_and_other_files() {
    let fifo = |path: &Path| {
        let _ = fs::remove_file(path);
        mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    };
    let scene = Scene::new(RepoMode::Archive);
    let id = scene.with_file();
    let bytes = archived(CONTENT.len() as u64, CONTENT);
    fs::write(scene.path(ObjectKind::File, id.checksum()), bytes).unwrap();
    scene.pull(RepoMode::Archive, false).unwrap();
    let from = scene.from.path();
    let commit = scene.from.resolve("main").unwrap();
    // A summary, detached metadata: whatever comes of it, it ends.
    fifo(&from.join("summary"));
    let _ = scene.pull(RepoMode::Archive, false);
    fs::remove_file(from.join("summary")).unwrap();
    let detached = scene
        .path(ObjectKind::Commit, commit.checksum())
        .with_extension("commitmeta");
    fifo(&detached);
    let _ = scene.pull(RepoMode::Archive, false);
    fs::remove_file(&detached).unwrap();
    fs::write(&detached, "nonsense").unwrap();
    scene.refused(&UNPRIVILEGED, "detached metadata");
    fs::remove_file(&detached).unwrap();
    // Refs that are elsewhere, or nowhere, or nothing.
    let main = from.join("refs/heads/main");
    fs::remove_file(&main).unwrap();
    let outside = scene.dir.path().join("outside");
    fs::write(&outside, format!("{commit}\n")).unwrap();
    std::os::unix::fs::symlink(&outside, &main).unwrap();
    scene.refused(&[RepoMode::Archive], "");
    fs::remove_file(&main).unwrap();
    std::os::unix::fs::symlink("main", &main).unwrap();
    scene.refused(&[RepoMode::Archive], "");
    fs::remove_file(&main).unwrap();
    fs::write(&main, "no checksum\n").unwrap();
    scene.refused(&[RepoMode::Archive], "Invalid rev");
}

/// Directories that hash to their names and mean nothing good.
#[test]
fn names_that_lead_elsewhere() {
    let mut tree = DirTree::default();
    let id = FileId::new(Checksum::of(b"x"));
    for name in ["aaaa", "bbbb"] {
        tree.files.insert(Name::new(name).unwrap(), id);
    }
    let good = tree.encode();
    let at = |name: &[u8]| good.windows(4).position(|found| found == name).unwrap();
    for bad in [b"../a", b"/etc", b"b/b/", b"cccc"] {
        let scene = Scene::new(RepoMode::Archive);
        let mut bytes = good.clone();
        let at = at(b"aaaa");
        bytes[at..at + 4].copy_from_slice(bad);
        scene.commit(&bytes);
        scene.refused(&UNPRIVILEGED, "dirtree");
    }
    let scene = Scene::new(RepoMode::Archive);
    scene.commit(&good[..good.len() - 1]);
    scene.refused(&UNPRIVILEGED, "dirtree");
}

/// Three thousand directories in one another, and one with twenty thousand names: no more than work.
#[test]
fn deep_and_wide_trees() {
    let scene = Scene::new(RepoMode::Archive);
    let meta = DirMeta::root_owned(0o755).id();
    let mut inner = DirTree::default();
    for _ in 0..3_000 {
        let bytes = inner.encode();
        let id = DirTreeId::new(scene.metadata(ObjectKind::DirTree, &bytes));
        inner = DirTree::default();
        inner.dirs.insert(Name::new("d").unwrap(), (id, meta));
    }
    let id = FileId::new(Checksum::of(b"absent"));
    for number in 0..20_000 {
        let name = Name::new(&format!("f{number:06}")).unwrap();
        inner.files.insert(name, id);
    }
    scene.commit(&inner.encode());
    scene.refused(&[RepoMode::BareUser], "Couldn't find file object");
    inner.files.clear();
    scene.commit(&inner.encode());
    assert_eq!(
        scene.pull(RepoMode::BareUser, true).unwrap().metadata,
        3_003
    );
}

/// A history that ends early is one; a commit that was asked for must be there.
#[test]
fn commits_that_are_not_there() {
    let scene = Scene::new(RepoMode::Archive);
    let absent = "1".repeat(64);
    let main = scene.from.path().join("refs/heads/main");
    fs::write(&main, format!("{absent}\n")).unwrap();
    scene.refused(&UNPRIVILEGED, &absent);
    scene.commit(&DirTree::default().encode());
    scene.pull(RepoMode::Archive, true).unwrap();
    // The bytes of one commit under the name of another.
    let commit = scene.from.resolve("main").unwrap();
    let bytes = fs::read(scene.path(ObjectKind::Commit, commit.checksum())).unwrap();
    let other: Checksum = absent.parse().unwrap();
    fs::write(scene.path(ObjectKind::Commit, &other), bytes).unwrap();
    fs::write(&main, format!("{absent}\n")).unwrap();
    scene.refused(&UNPRIVILEGED, "Corrupted commit object");
}
