//! Targets for what stands in a repository's directories: settings, names and links.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use ostree_store::checksum::{Checksum, FileId};
use ostree_store::gvariant::Dict;
use ostree_store::object::{ObjectKind, Xattrs};
use ostree_store::repo::{Repo, RepoMode};
use ostree_store::upkeep::fsck::fsck;
use ostree_store::upkeep::prune::{PruneOptions, prune};

/// Repositories that inputs are put into; one of each for the process, so they take turns.
struct Ground {
    dir: tempfile::TempDir,
    places: Repo,
    split: Repo,
}

static GROUND: LazyLock<Mutex<Ground>> = LazyLock::new(|| Mutex::new(Ground::new()));

impl Ground {
    fn new() -> Ground {
        let dir = super::directory();
        let mut places = Repo::create(&dir.path().join("places"), RepoMode::Archive).expect("one");
        places.set_fsync(false);
        let split = dir.path().join("split");
        Repo::create(&split, RepoMode::Bare).expect("a repository");
        let config = "[core]\nrepo_version=1\nmode=bare-split-xattrs\n";
        fs::write(split.join("config"), config).expect("settings");
        let split = Repo::open(&split).expect("a repository");
        let outside = dir.path().join("outside/kept");
        fs::create_dir_all(&outside).expect("a directory");
        fs::create_dir_all(dir.path().join("settings/objects")).expect("a directory");
        Ground { dir, places, split }
    }
}

/// The settings of a repository, and what each of them means.
pub(super) fn settings(bytes: &[u8]) {
    let ground = GROUND.lock().unwrap_or_else(PoisonError::into_inner);
    let repo = ground.dir.path().join("settings");
    fs::write(repo.join("config"), bytes).expect("settings");
    if let Ok(repo) = Repo::open(&repo) {
        let _ = (repo.remotes(), repo.keeps_tombstones());
        for remote in repo.remotes() {
            let _ = repo.remote_url(&remote);
        }
    }
}

/// The xattrs of a file of `bare-split-xattrs`, which lie beside it.
pub(super) fn split_xattrs(bytes: &[u8]) {
    let ground = GROUND.lock().unwrap_or_else(PoisonError::into_inner);
    let checksum = Checksum::from_bytes([0xaa; 32]);
    let path = ground.split.object_path(ObjectKind::File, &checksum);
    fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    fs::write(&path, "").expect("a file");
    fs::write(path.with_extension("file-xattrs-link"), bytes).expect("its xattrs");
    if let Ok(file) = ground.split.file(&FileId::new(checksum)) {
        let pairs = file.header.xattrs.iter();
        let again = Xattrs::new(pairs.map(|(name, value)| (name.to_vec(), value.to_vec())));
        assert_eq!(again.as_ref(), Ok(&file.header.xattrs));
        assert_eq!(file.header.xattrs.to_value().encode(), bytes);
    }
}

/// The directories in which strangers can leave something.
const PLACES: [&str; 16] = [
    "",
    "objects",
    "objects/aa",
    "deltas",
    "deltas/hq",
    "delta-indexes",
    "delta-indexes/hq",
    "refs",
    "refs/heads",
    "refs/heads/a",
    "refs/mirrors/org.example.C",
    "refs/remotes",
    "refs/remotes/origin",
    "state",
    "tmp",
    "tmp/cache/summaries",
];

/// Something of any name in a directory: a file, a link, or a directory with a file. The first byte says where and
/// what; then come the name, a NUL, and the content or the link's target. Nothing outside may go.
pub(super) fn places(bytes: &[u8]) {
    let [what, rest @ ..] = bytes else { return };
    let nul = rest.iter().position(|byte| *byte == 0);
    let (name, content) = rest.split_at(nul.unwrap_or(rest.len()));
    let content = content.get(1..).unwrap_or_default();
    if name.contains(&b'/') || matches!(name, b"" | b"." | b".." | b"config") || name.len() > 255 {
        return;
    }
    let ground = GROUND.lock().unwrap_or_else(PoisonError::into_inner);
    let place = PLACES.get(usize::from(what & 15)).expect("one of sixteen");
    let dir = ground.places.path().join(place);
    fs::create_dir_all(&dir).expect("a directory");
    let path = dir.join(std::ffi::OsStr::from_bytes(name));
    if fs::symlink_metadata(&path).is_ok() {
        return; // a part of the repository
    }
    put(&path, what >> 4, content);
    look_after(&ground.places);
    assert!(ground.dir.path().join("outside/kept").is_dir());
    for made in [path, ground.places.path().join("summary")] {
        let _ = fs::remove_file(&made).or_else(|_| fs::remove_dir_all(&made));
    }
}

fn put(path: &Path, kind: u8, content: &[u8]) {
    let target = PathBuf::from(std::ffi::OsStr::from_bytes(content));
    let _ = match kind & 3 {
        0 | 1 => fs::write(path, content),
        2 => symlink(target, path),
        _ => fs::create_dir(path).and_then(|()| fs::write(path.join("superblock"), content)),
    };
}

/// Everything that lists directories.
fn look_after(repo: &Repo) {
    if let Ok(objects) = repo.objects() {
        let paths = objects
            .iter()
            .map(|(kind, name)| repo.object_path(*kind, name));
        assert!(
            paths
                .into_iter()
                .all(|path| fs::symlink_metadata(path).is_ok())
        );
    }
    let _ = (
        repo.refs(),
        repo.aliases(None),
        repo.collection_ref_texts(None),
    );
    let _ = (repo.partial_commits(), repo.resolve("origin:a"));
    let _ = fsck(repo, &|_, _| {});
    let _ = repo.regenerate_summary(&Dict::default(), 0);
    let _ = repo.transaction().map(|transaction| transaction.publish());
    let _ = prune(repo, &PruneOptions::default(), &|_, _| {});
}
