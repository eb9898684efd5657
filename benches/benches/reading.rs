//! Reading a repository, ours and the real ostree: lists, differences, histories, checkouts and archives of a commit
//! with 100,000 entries, and of one with few but large files.

use std::path::{Path, PathBuf};
use std::process::Command;

use benches::Failure;
use benches::meter::Meter;
use benches::rounds::{Job, Settings, measure};
use benches::tools::Ours;
use fixtures::peer::{self, Peer};
use fixtures::seed::noise;
use ostree_store::checksum::{CommitId, DirMetaId, DirTreeId};
use ostree_store::gvariant::Dict;
use ostree_store::object::{Commit, DirMeta, FileHeader, Name, ObjectSink};
use ostree_store::repo::{RefName, Repo, RepoMode, Transaction};
use ostree_store::tree::Tree;

/// Directories of the wide tree, and files in each of them: 100,000 entries together.
const DIRS: usize = 1_000;
const FILES: usize = 99;

/// Large files, of 16 MiB each.
const LARGE: usize = 16;

/// Commits of the long history.
const COMMITS: i64 = 10_000;

/// Who reads.
#[derive(Clone, Copy)]
enum Tool<'t> {
    Ours(&'t Ours),
    Peer(&'t Peer),
}

fn main() -> Result<(), Failure> {
    let settings = Settings::from_args()?;
    let ours = Ours::find(env!("CARGO_BIN_EXE_floor"))?;
    let ostree = peer::ostree();
    let mut tools = vec![Tool::Ours(&ours)];
    tools.extend(ostree.as_ref().map(Tool::Peer));
    for mode in [RepoMode::BareUser, RepoMode::Archive] {
        let dir = fixtures::scratch("bench-reading");
        let repo = dir.path().join("repo");
        fill(&repo, mode)?;
        let jobs: [(&str, &[&str]); 10] = [
            ("ls -R of 100,000 entries", &["ls", "-R", "wide"]),
            ("ls -RCX of 100,000 entries", &["ls", "-RCX", "wide"]),
            (
                "diff of 100,000 entries, one in a hundred changed",
                &["diff", "wide"],
            ),
            (
                "diff --stats of the same",
                &["diff", "--stats", "wide^", "wide"],
            ),
            ("log of 10,000 commits", &["log", "long"]),
            (
                "checkout -U of 100,000 entries",
                &["checkout", "-U", "--disable-cache", "wide", "DEST"],
            ),
            (
                "checkout -UC of 100,000 entries",
                &["checkout", "-UC", "wide", "DEST"],
            ),
            (
                "export of 100,000 entries",
                &["export", "wide", "-o", "/dev/null"],
            ),
            (
                "checkout -UC of 256 MiB in 16 files",
                &["checkout", "-UC", "large", "DEST"],
            ),
            (
                "export of 256 MiB in 16 files",
                &["export", "large", "-o", "/dev/null"],
            ),
        ];
        for (what, args) in jobs {
            let title = format!("{what}, {mode}");
            if settings.wants(&title) {
                let jobs = tools.iter().map(|tool| tool.job(&repo, args));
                measure(&title, jobs.collect(), &settings)?;
            }
        }
    }
    Ok(())
}

impl<'t> Tool<'t> {
    fn job(self, repo: &Path, args: &'static [&'static str]) -> Job<'t> {
        let (name, repo) = match self {
            Tool::Ours(_) => ("apk-ostree".to_owned(), repo.to_owned()),
            Tool::Peer(peer) => (format!("ostree {}", peer.version()), repo.to_owned()),
        };
        Job::new(name, 0, move |dir: &Path, meter: &mut Meter| {
            let destination: PathBuf = dir.join("out");
            let mut command: Command = match self {
                Tool::Ours(ours) => ours.command(),
                Tool::Peer(peer) => peer.command(),
            };
            for arg in args {
                match *arg {
                    "DEST" => command.arg(&destination),
                    arg => command.arg(arg),
                };
            }
            meter.child(command.arg("--repo").arg(&repo))
        })
    }
}

/// Makes a repository with the refs `wide` (two commits), `large` and `long`.
fn fill(path: &Path, mode: RepoMode) -> Result<(), Failure> {
    let mut repo = Repo::create(path, mode)?;
    repo.set_fsync(false);
    let transaction = repo.transaction()?;
    let first = commit(&transaction, wide(&transaction, false)?, None, 0)?;
    let second = commit(&transaction, wide(&transaction, true)?, Some(first), 1)?;
    let large = large(&transaction)?;
    let last = commit(&transaction, large, None, 0)?;
    let mut parent = None;
    for number in 0..COMMITS {
        parent = Some(commit(&transaction, large, parent, number)?);
    }
    let tips = [
        ("wide", second),
        ("large", last),
        ("long", parent.unwrap_or(last)),
    ];
    for (name, id) in tips {
        transaction.set_ref(name.parse::<RefName>()?, Some(id));
    }
    transaction.publish()?;
    Ok(())
}

fn wide(sink: &Transaction<'_>, changed: bool) -> Result<(DirTreeId, DirMetaId), Failure> {
    let meta = sink.dirmeta(&DirMeta::root_owned(0o755))?;
    let mut root = directory(meta);
    for dir in 0..DIRS {
        let below = root.open_dir(sink, &Name::new(&format!("directory-{dir:04}"))?)?;
        below.meta = Some(meta);
        for file in 0..FILES {
            let version = u8::from(changed && file == 7);
            let content = format!("{dir} {file} {version}\n");
            let mode = if file % 2 == 0 { 0o644 } else { 0o755 };
            let id = sink.file(
                &FileHeader::root_owned(mode),
                content.len() as u64,
                &mut content.as_bytes(),
            )?;
            below.put_file(Name::new(&format!("file-{file:02}"))?, id)?;
        }
    }
    Ok(root.write(sink)?)
}

fn large(sink: &Transaction<'_>) -> Result<(DirTreeId, DirMetaId), Failure> {
    let mut root = directory(sink.dirmeta(&DirMeta::root_owned(0o755))?);
    for (number, seed) in (0..LARGE).zip(0..) {
        // Half of it compresses.
        let mut content = noise(seed, 8 << 20);
        content.resize(16 << 20, b' ');
        let id = sink.file(
            &FileHeader::root_owned(0o644),
            content.len() as u64,
            &mut content.as_slice(),
        )?;
        root.put_file(Name::new(&format!("large-{number}"))?, id)?;
    }
    Ok(root.write(sink)?)
}

fn directory(meta: DirMetaId) -> Tree {
    Tree {
        meta: Some(meta),
        ..Tree::default()
    }
}

fn commit(
    sink: &Transaction<'_>,
    (root_tree, root_meta): (DirTreeId, DirMetaId),
    parent: Option<CommitId>,
    timestamp: i64,
) -> Result<CommitId, Failure> {
    Ok(sink.commit(&Commit {
        metadata: Dict::default(),
        parent,
        related: Vec::new(),
        subject: format!("Commit {timestamp}"),
        body: String::new(),
        timestamp,
        root_tree,
        root_meta,
    })?)
}
