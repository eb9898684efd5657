//! The whole job: packages become a commit in a fresh repository.
//!
//! Beside it: `ostree commit` of the same tree alone, ready as a tar archive; `apk add` and `ostree commit`, which
//! is how the job is done without us; and the floor. Then the same job again in a repository that has all of it,
//! and the memory, with packages of very different sizes.

#![allow(clippy::print_stdout, reason = "the tables and claims are the result")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use benches::meter::{Meter, quietly};
use benches::packages::Packages;
use benches::rounds::{Job, Row, Settings, measure, mebibytes};
use benches::tools::{Ours, commit_args, cores, peer_init};
use benches::{Failure, corpora};
use fixtures::peer::{self, Peer};
use ostree_store::repo::RepoMode;

/// What an `archive` repository compresses with unless told otherwise.
const LEVEL: &str = "6";

/// The most memory that the job may need, in bytes.
const MEMORY_LIMIT: u64 = 200 << 20;

/// A job, and what it is compared with.
struct Compare {
    ours: Ours,
    ostree: Option<Peer>,
    apks: Vec<Peer>,
    settings: Settings,
}

/// Packages with everything that is made of them once.
struct Prepared {
    packages: Packages,
    manifest: PathBuf,
    /// The composed tree as the real ostree exports it.
    tar: Option<PathBuf>,
    /// Sum of the sizes of its files.
    bytes: u64,
    _dir: fixtures::Scratch,
}

fn main() -> Result<(), Failure> {
    let compare = Compare {
        ours: Ours::find(env!("CARGO_BIN_EXE_floor"))?,
        ostree: peer::ostree(),
        apks: [peer::apk2(), peer::apk3()].into_iter().flatten().collect(),
        settings: Settings::from_args()?,
    };
    let title = |packages: &str, mode| format!("compose {packages} into a fresh {mode} repository");
    for mode in [RepoMode::BareUser, RepoMode::Archive] {
        let title = title("minirootfs 3.20.3", mode);
        if compare.settings.wants(&title)
            && let Some(packages) = Packages::minirootfs()?
        {
            compare.whole_job(&title, &compare.prepare(packages)?, mode)?;
        }
    }
    for mode in [RepoMode::BareUser, RepoMode::Archive] {
        let title = title("60 packages", mode);
        if compare.settings.wants(&title) {
            compare.whole_job(&title, &compare.prepare(Packages::generated()?)?, mode)?;
        }
    }
    for mode in [RepoMode::BareUser, RepoMode::Archive] {
        let title = format!("compose 60 packages again into the same {mode} repository");
        if compare.settings.wants(&title) {
            compare.again(&title, &compare.prepare(Packages::generated()?)?, mode)?;
        }
    }
    for mode in [RepoMode::BareUser, RepoMode::Archive] {
        let title = format!("memory for one package into a fresh {mode} repository");
        if compare.settings.wants(&title) {
            compare.memory(&title, mode)?;
        }
    }
    Ok(())
}

impl Compare {
    fn prepare(&self, packages: Packages) -> Result<Prepared, Failure> {
        let dir = fixtures::scratch("bench-prepared");
        let manifest = dir.path().join("bench.toml");
        fs::write(&manifest, packages.manifest())?;
        let repo = self.ours.init(dir.path(), RepoMode::BareUser)?;
        quietly(&mut self.compose(&manifest, &repo))?;
        let (_, bytes) = corpora::measure(&repo.join("objects"))?;
        let tar = dir.path().join("tree.tar");
        let exported = match &self.ostree {
            Some(ostree) => {
                let mut export = ostree.command();
                export
                    .arg("export")
                    .arg("--repo")
                    .arg(&repo)
                    .arg("bench")
                    .arg("-o")
                    .arg(&tar);
                quietly(&mut export)?;
                true
            }
            None => false,
        };
        fs::remove_dir_all(repo)?;
        Ok(Prepared {
            packages,
            manifest,
            tar: exported.then_some(tar),
            bytes,
            _dir: dir,
        })
    }

    fn compose(&self, manifest: &Path, repo: &Path) -> Command {
        let mut command = self.ours.command();
        command.arg("compose").arg(manifest).arg("--repo").arg(repo);
        command
    }

    fn whole_job(&self, title: &str, job: &Prepared, mode: RepoMode) -> Result<(), Failure> {
        println!(
            "\n{}: {} packages, {:.1} MB packed, {:.1} MB of objects",
            job.packages.name,
            job.packages.count,
            benches::rounds::megabytes(job.packages.packed),
            benches::rounds::megabytes(job.bytes),
        );
        let mut jobs = vec![self.composing(job, mode, cores())];
        if cores() > 1 {
            jobs.push(self.composing(job, mode, 1));
        }
        if let (Some(ostree), Some(tar)) = (&self.ostree, &job.tar) {
            jobs.push(commit_alone(ostree, tar, job.bytes, mode));
            jobs.extend(
                self.apks
                    .iter()
                    .map(|apk| add_and_commit(apk, ostree, job, mode)),
            );
        }
        for (threads, write) in [(1, false), (cores(), false), (cores(), true)] {
            jobs.push(self.floor(job, mode, threads, write));
        }
        let rows = measure(title, jobs, &self.settings)?;
        if let (Some(ours), Some(alone)) = (rows.first(), find(&rows, " alone")) {
            claim(
                "composing takes less time than ostree needs for the commit alone",
                ours.wall < alone.wall,
                &format!(
                    "{:.4} s, {:.4} s",
                    ours.wall.as_secs_f64(),
                    alone.wall.as_secs_f64()
                ),
            );
        }
        Ok(())
    }

    fn composing<'j>(&'j self, job: &'j Prepared, mode: RepoMode, threads: usize) -> Job<'j> {
        let name = format!("apk-ostree compose, {}", shown(threads));
        Job::new(name, job.bytes, move |dir, meter| {
            let repo = self.ours.init(dir, mode)?;
            let mut command = self.compose(&job.manifest, &repo);
            meter.child(command.env("RAYON_NUM_THREADS", threads.to_string()))
        })
    }

    fn floor<'j>(
        &'j self,
        job: &'j Prepared,
        mode: RepoMode,
        threads: usize,
        write: bool,
    ) -> Job<'j> {
        let deflate = mode == RepoMode::Archive;
        let name = format!(
            "floor: inflate, SHA-256{}{}; {}",
            if deflate { ", deflate" } else { "" },
            if write { ", write files" } else { "" },
            shown(threads)
        );
        Job::new(name, job.bytes, move |dir, meter| {
            let mut command = self.ours.floor(&job.packages.archives(), threads);
            if deflate {
                command.args(["--level", LEVEL]);
            }
            if write {
                command.arg("--write").arg(dir);
            }
            meter.child(&mut command)
        })
    }

    /// Nothing has changed, and every object is there.
    fn again(&self, title: &str, job: &Prepared, mode: RepoMode) -> Result<(), Failure> {
        let kept = fixtures::scratch("bench-again");
        let repo = self.ours.init(kept.path(), mode)?;
        quietly(&mut self.compose(&job.manifest, &repo))?;
        let composing = |threads: usize| {
            let name = format!("apk-ostree compose, {}", shown(threads));
            let repo = &repo;
            Job::new(name, job.bytes, move |_, meter| {
                let mut command = self.compose(&job.manifest, repo);
                meter.child(command.env("RAYON_NUM_THREADS", threads.to_string()))
            })
        };
        let mut jobs = vec![composing(cores())];
        if cores() > 1 {
            jobs.push(composing(1));
        }
        let theirs = fixtures::scratch("bench-again");
        if let (Some(ostree), Some(tar)) = (&self.ostree, &job.tar) {
            let repo = peer_init(ostree, theirs.path(), mode)?;
            let name = format!("ostree {} commit --tree=tar alone", ostree.version());
            let mut command = ostree.command();
            commit_args(&mut command, &repo, &format!("tar={}", tar.display()));
            quietly(&mut command)?;
            jobs.push(Job::new(name, job.bytes, move |_, meter| {
                meter.child(&mut command)
            }));
        }
        measure(title, jobs, &self.settings)?;
        Ok(())
    }

    fn memory(&self, title: &str, mode: RepoMode) -> Result<(), Failure> {
        let prepared = [10, 300]
            .into_iter()
            .map(|megabytes| self.prepare(Packages::single(megabytes)?))
            .collect::<Result<Vec<_>, Failure>>()?;
        let jobs = prepared
            .iter()
            .map(|job| self.composing(job, mode, cores()).named(&job.packages.name));
        let rows = measure(title, jobs.collect(), &self.settings)?;
        let peaks: Vec<u64> = rows.iter().map(|row| row.peak).collect();
        let texts: Vec<String> = peaks
            .iter()
            .map(|peak| format!("{:.0} MiB", mebibytes(*peak)))
            .collect();
        let text = texts.join(", ");
        claim(
            "under 200 MiB",
            peaks.iter().all(|peak| *peak < MEMORY_LIMIT),
            &text,
        );
        if let [small, large] = peaks.as_slice() {
            claim(
                "thirty times the package, not twice the memory",
                *large < *small * 2,
                &text,
            );
        }
        Ok(())
    }
}

/// `ostree commit` of the tree alone: no packages, no accounts, no database.
fn commit_alone<'j>(ostree: &'j Peer, tar: &'j Path, bytes: u64, mode: RepoMode) -> Job<'j> {
    let name = format!("ostree {} commit --tree=tar alone", ostree.version());
    Job::new(name, bytes, move |dir, meter| {
        let repo = peer_init(ostree, dir, mode)?;
        let mut command = ostree.command();
        commit_args(&mut command, &repo, &format!("tar={}", tar.display()));
        meter.child(&mut command)
    })
    .optional()
}

/// How the job is done with the real tools. Devices are removed between the two steps, untimed: ostree refuses them.
fn add_and_commit<'j>(
    apk: &'j Peer,
    ostree: &'j Peer,
    job: &'j Prepared,
    mode: RepoMode,
) -> Job<'j> {
    let name = format!(
        "apk {} add + ostree {} commit",
        apk.version(),
        ostree.version()
    );
    Job::new(name, job.bytes, move |dir, meter: &mut Meter| {
        let repo = peer_init(ostree, dir, mode)?;
        let root = dir.join("root");
        fs::create_dir(&root)?;
        let mut add = apk.command();
        add.args(["--arch", "x86_64", "--root"])
            .arg(&root)
            .arg("-X")
            .arg(&job.packages.dir);
        add.arg("--keys-dir").arg(job.packages.dir.join("keys"));
        add.args(["add", "--initdb", "--no-scripts", "--no-progress"])
            .args(&job.packages.world);
        meter.child(&mut add)?;
        let devices = root.join("dev");
        if devices.is_dir() {
            fs::remove_dir_all(&devices)?;
        }
        let mut commit = ostree.command();
        commit_args(&mut commit, &repo, &format!("dir={}", root.display()));
        meter.child(&mut commit)
    })
    .optional()
}

fn find<'r>(rows: &'r [Row], part: &str) -> Option<&'r Row> {
    rows.iter().find(|row| row.name.contains(part))
}

fn shown(threads: usize) -> String {
    match threads {
        1 => "1 thread".to_owned(),
        threads => format!("{threads} threads"),
    }
}

fn claim(what: &str, holds: bool, numbers: &str) {
    println!(
        "{}: {what} ({numbers})",
        if holds { "holds" } else { "DOES NOT HOLD" }
    );
}
