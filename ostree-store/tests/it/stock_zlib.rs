//! With C's zlib: the very files of an `archive` that the real tool writes, and so its `ostree.sizes` and what it frees.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use fixtures::peer::{self, Peer};
use ostree_store::checksum::CommitId;
use ostree_store::gvariant::Dict;
use ostree_store::object::{Commit, ObjectSink, sizes};
use ostree_store::repo::{Repo, RepoMode};
use ostree_store::tree::import_dir::import_dir;
use ostree_store::tree::modify::Modifier;
use ostree_store::upkeep::prune::{Ancestors, PruneOptions, Roots, prune};

const TIME: i64 = 1_700_000_000;

/// Contents that meet every way in which deflate goes through its input: none, short, repeated near and far, beyond the
/// window, not compressible, text, programs.
fn write_contents(dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    let mut state = 7_u64;
    let mut noise = |length: usize, mask: u64| -> Vec<u8> {
        let byte = |_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            ((state >> 33) & mask) as u8
        };
        (0..length).map(byte).collect()
    };
    for length in [
        0, 1, 2, 3, 4, 257, 258, 259, 4096, 32_505, 32_767, 32_768, 32_769, 65_535, 65_536, 300_000,
    ] {
        fs::write(dir.join(format!("noise-{length}")), noise(length, 255)).unwrap();
        fs::write(dir.join(format!("letters-{length}")), noise(length, 3)).unwrap();
        fs::write(dir.join(format!("zeros-{length}")), vec![0; length]).unwrap();
    }
    let part = noise(20_000, 255);
    let far = [
        part.clone(),
        noise(12_700, 15),
        part.clone(),
        vec![b' '; 70_000],
        part,
    ]
    .concat();
    fs::write(dir.join("far"), far).unwrap();
    let lines: String = (0..20_000)
        .map(|n| format!("line {n} of {}\n", n * n))
        .collect();
    fs::write(dir.join("text"), lines).unwrap();
    fs::copy("/proc/self/exe", dir.join("program")).unwrap();
    let program = fs::File::options()
        .write(true)
        .open(dir.join("program"))
        .unwrap();
    program.set_len(2 << 20).unwrap();
}

fn our_commit(repo: &Repo, source: &Path) -> CommitId {
    let transaction = repo.transaction().unwrap();
    transaction.note_sizes();
    let tree = import_dir(source, &Modifier::default(), &transaction).unwrap();
    let (root_tree, root_meta) = tree.write(&transaction).unwrap();
    let mut metadata = Dict::default();
    metadata.push(
        sizes::SIZES_KEY,
        sizes::encode(&transaction.sizes().unwrap()),
    );
    let commit = Commit {
        metadata,
        parent: None,
        related: Vec::new(),
        subject: String::new(),
        body: String::new(),
        timestamp: TIME,
        root_tree,
        root_meta,
    };
    let id = transaction.commit(&commit).unwrap();
    transaction.publish().unwrap();
    id
}

fn their_commit(ostree: &Peer, repo: &str, source: &Path) -> CommitId {
    let time = format!("--timestamp=@{TIME}");
    let tree = format!("--tree=dir={}", source.display());
    let words = [
        "--orphan",
        "--no-bindings",
        "--fsync=false",
        "--generate-sizes",
    ];
    let args = [&["commit", repo, &time, &tree], &words[..]].concat();
    CommitId::new(ostree.run(args).success().line().parse().unwrap())
}

/// Every object by its path in `objects`, with its bytes.
fn objects(repo: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for prefix in fs::read_dir(repo.join("objects")).unwrap() {
        for object in fs::read_dir(prefix.unwrap().path()).unwrap() {
            let path = object.unwrap().path();
            let name = path.strip_prefix(repo).unwrap().to_owned();
            found.insert(name, fs::read(path).unwrap());
        }
    }
    found
}

#[test]
fn archives_are_equal_at_every_level() {
    let Some(ostree) = peer::ostree() else { return };
    let dir = fixtures::scratch("stock-zlib");
    let source = dir.path().join("t");
    write_contents(&source);
    for level in 1..=9 {
        let [ours, theirs] =
            ["ours", "theirs"].map(|name| dir.path().join(format!("{name}-{level}")));
        let their_repo = format!("--repo={}", theirs.display());
        for path in [&ours, &theirs] {
            let repo = format!("--repo={}", path.display());
            ostree.run(["init", &repo, "--mode=archive"]).success();
            let level = level.to_string();
            ostree
                .run(["config", &repo, "set", "archive.zlib-level", &level])
                .success();
        }
        let mut repo = Repo::open(&ours).unwrap();
        assert_eq!(repo.mode(), RepoMode::Archive);
        repo.set_fsync(false);
        let id = our_commit(&repo, &source);
        let found = objects(&ours);
        let their_id = their_commit(&ostree, &their_repo, &source);
        for (path, bytes) in objects(&theirs) {
            let is_commit = path.extension().is_some_and(|end| end == "commit");
            let same = is_commit || found.get(&path) == Some(&bytes);
            assert!(same, "{} at level {level}", path.display());
        }
        assert_eq!(their_id, id, "level {level}");
        let our_repo = format!("--repo={}", ours.display());
        ostree.run(["fsck", "-q", &our_repo]).success();

        let said = ostree
            .run(["prune", &their_repo, "--refs-only", "--no-prune"])
            .success();
        let roots = Roots::Refs {
            branches: BTreeMap::new(),
            others: Ancestors::All,
        };
        let options = PruneOptions {
            roots,
            dry_run: true,
            ..PruneOptions::default()
        };
        let report = prune(&repo, &options, &|_, _| {}).unwrap();
        let all: u64 = found.values().map(|bytes| bytes.len() as u64).sum();
        assert_eq!(report.freed, all);
        let megabytes = format!("{:.1}\u{a0}MB", all as f64 / 1e6);
        assert!(
            said.stdout_text().contains(&megabytes),
            "{} {megabytes}",
            said.stdout_text()
        );
    }
}
