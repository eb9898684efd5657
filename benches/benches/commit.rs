//! `commit` of a tree, as a tar archive and as a directory, ours and the real ostree's: into a fresh repository,
//! and again where every object is there already.

use std::path::PathBuf;
use std::process::Command;

use benches::Failure;
use benches::corpora::Tree;
use benches::meter::quietly;
use benches::rounds::{Job, Settings, measure};
use benches::tools::{Ours, commit_args, cores, peer_init};
use fixtures::peer::{self, Peer};
use ostree_store::repo::RepoMode;

/// Who commits.
#[derive(Clone, Copy)]
enum Tool<'t> {
    Ours(&'t Ours, usize),
    Peer(&'t Peer),
}

fn main() -> Result<(), Failure> {
    let settings = Settings::from_args()?;
    let ours = Ours::find(env!("CARGO_BIN_EXE_floor"))?;
    let ostree = peer::ostree();
    let mut tools = vec![Tool::Ours(&ours, cores())];
    if cores() > 1 {
        tools.push(Tool::Ours(&ours, 1));
    }
    tools.extend(ostree.as_ref().map(Tool::Peer));
    for tree in [Tree::mixed, Tree::small] {
        let tree = tree()?;
        for mode in [RepoMode::BareUser, RepoMode::Archive] {
            for (kind, source) in [("dir", &tree.dir), ("tar", &tree.tar)] {
                for again in [false, true] {
                    let title = format!(
                        "commit --tree={kind} of the {} tree ({} files, {} MB) into {} {mode} repository",
                        tree.name,
                        tree.files,
                        tree.bytes / 1_000_000,
                        if again { "again the same" } else { "a fresh" },
                    );
                    if settings.wants(&title) {
                        let source = format!("{kind}={}", source.display());
                        let jobs = tools
                            .iter()
                            .map(|tool| tool.job(source.clone(), tree.bytes, mode, again));
                        measure(&title, jobs.collect(), &settings)?;
                    }
                }
            }
        }
    }
    Ok(())
}

impl<'t> Tool<'t> {
    fn job(self, source: String, bytes: u64, mode: RepoMode, again: bool) -> Job<'t> {
        // Kept for all rounds when the same is committed again.
        let mut kept: Option<(PathBuf, fixtures::Scratch)> = None;
        Job::new(self.name(), bytes, move |dir, meter| {
            if !again {
                let repo = self.init(dir, mode)?;
                return meter.child(&mut self.commit(&repo, &source));
            }
            if kept.is_none() {
                let dir = fixtures::scratch("bench-again");
                let repo = self.init(dir.path(), mode)?;
                quietly(&mut self.commit(&repo, &source))?;
                kept = Some((repo, dir));
            }
            let (repo, _) = kept.as_ref().ok_or("it was just made")?;
            meter.child(&mut self.commit(repo, &source))
        })
    }

    fn name(self) -> String {
        match self {
            Tool::Ours(_, threads) => format!("apk-ostree, threads: {threads}"),
            Tool::Peer(peer) => format!("ostree {}", peer.version()),
        }
    }

    fn init(self, dir: &std::path::Path, mode: RepoMode) -> Result<PathBuf, Failure> {
        match self {
            Tool::Ours(ours, _) => ours.init(dir, mode),
            Tool::Peer(peer) => peer_init(peer, dir, mode),
        }
    }

    fn commit(self, repo: &std::path::Path, source: &str) -> Command {
        let mut command = match self {
            Tool::Ours(ours, threads) => {
                let mut command = ours.command();
                command.env("RAYON_NUM_THREADS", threads.to_string());
                command
            }
            Tool::Peer(peer) => peer.command(),
        };
        commit_args(&mut command, repo, source);
        command
    }
}
