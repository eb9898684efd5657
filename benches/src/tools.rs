//! The commands that are compared.

use std::path::{Path, PathBuf};
use std::process::Command;

use fixtures::peer::Peer;
use ostree_store::repo::RepoMode;

use crate::Failure;
use crate::meter::quietly;

/// The commands of this workspace.
#[derive(Clone, Debug)]
pub struct Ours {
    program: PathBuf,
    floor: PathBuf,
}

impl Ours {
    /// Takes `apk-ostree` from `APK_OSTREE_BENCH_PROGRAM`, else builds it as it is now. `floor` is the path of the
    /// program of this crate.
    pub fn find(floor: &str) -> Result<Ours, Failure> {
        let floor = PathBuf::from(floor);
        if let Some(program) = std::env::var_os("APK_OSTREE_BENCH_PROGRAM") {
            return Ok(Ours {
                program: program.into(),
                floor,
            });
        }
        let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--release", "-p", "apk-ostree"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()?;
        if !built.success() {
            return Err("apk-ostree cannot be built".into());
        }
        let program = floor.with_file_name("apk-ostree");
        Ok(Ours { program, floor })
    }

    /// `apk-ostree`, with nothing in the environment that changes what it does.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env_remove("OSTREE_REPO")
            .env_remove("SOURCE_DATE_EPOCH");
        command
    }

    /// The least work, on so many threads.
    pub fn floor(&self, packages: &Path, threads: usize) -> Command {
        let mut command = Command::new(&self.floor);
        command
            .arg(packages)
            .args(["--threads", &threads.to_string()]);
        command
    }

    /// Makes a repository that is not measured, in `dir`.
    pub fn init(&self, dir: &Path, mode: RepoMode) -> Result<PathBuf, Failure> {
        init(self.command(), dir, mode)
    }
}

/// Makes a repository with the real ostree, in `dir`.
pub fn peer_init(ostree: &Peer, dir: &Path, mode: RepoMode) -> Result<PathBuf, Failure> {
    init(ostree.command(), dir, mode)
}

fn init(mut command: Command, dir: &Path, mode: RepoMode) -> Result<PathBuf, Failure> {
    let repo = dir.join("repo");
    command
        .args(["init", "--mode", &mode.to_string(), "--repo"])
        .arg(&repo);
    quietly(&mut command)?;
    Ok(repo)
}

/// How many threads a job may use at most.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Arguments of `commit`, the same for the real command and ours.
pub fn commit_args(command: &mut Command, repo: &Path, tree: &str) {
    command
        .args(["commit", "--branch", "bench", "--subject", "bench"])
        .arg(format!("--tree={tree}"))
        .arg("--repo")
        .arg(repo);
}
