//! Killed before one system call after the other: what is left is sound to both tools, and the next run succeeds.
//!
//! strace counts the calls that a job makes to change files, and kills it before one of them. Of each job a few calls
//! are tried; `APK_OSTREE_KILLS=N` tries N of each job in every mode, `APK_OSTREE_KILLS=all` every call.

use crate::pair::{Answer, our_ostree};
use fixtures::Scratch;
use fixtures::peer::{self, Peer};
use ostree_store::object::ObjectKind;
use ostree_store::repo::Repo;
use ostree_store::upkeep::fsck::fsck;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Whatever makes, changes, moves, locks or removes a file. The numbers of the rest mean nothing for a kill.
const CALLS: &str = "openat,write,writev,pwrite64,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,unlink,unlinkat,rmdir,\
    symlink,symlinkat,fsync,fdatasync,syncfs,setxattr,lsetxattr,fsetxattr,chmod,fchmod,fchmodat,chown,lchown,fchown,fchownat,\
    utimensat,ftruncate,fallocate,copy_file_range,sendfile,flock,fcntl,ioctl";

/// What is killed: its name and its words.
const JOBS: [(&str, &[&str]); 8] = [
    (
        "commit",
        &[
            "commit",
            "--repo=r",
            "-b",
            "main",
            "--canonical-permissions",
            "t",
        ],
    ),
    (
        "checkout",
        &["checkout", "--repo=r", "--union", "main", "out"],
    ),
    ("prune", &["prune", "--repo=r", "--refs-only", "--depth=0"]),
    ("pull-local", &["pull-local", "--repo=r", "source"]),
    (
        "refs --create",
        &["refs", "--repo=r", "--force", "--create=new/er", "main"],
    ),
    ("refs --delete", &["refs", "--repo=r", "--delete", "side"]),
    (
        "refs --alias",
        &[
            "refs",
            "--repo=r",
            "--alias",
            "--force",
            "--create=alias",
            "main",
        ],
    ),
    ("reset", &["reset", "--repo=r", "main", "main-first"]),
];

/// How many calls of each job are tried in each mode; all if there is no number.
fn asked() -> Option<usize> {
    match std::env::var("APK_OSTREE_KILLS") {
        Ok(text) if text == "all" => None,
        Ok(text) => Some(text.parse().unwrap_or(1)),
        Err(_) => Some(1),
    }
}

/// strace, if it is there and may trace.
#[allow(clippy::print_stderr, reason = "a check that is left out is told")]
fn can_trace() -> bool {
    let mut command = Command::new("strace");
    command.args(["-qq", "-o", "/dev/null", "-e", "trace=none", "true"]);
    let works = command
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !works {
        eprintln!("no strace that works here: no kill before single system calls is tried");
    }
    works
}

struct Ground {
    dir: Scratch,
    mode: &'static str,
    real: Option<Peer>,
    killed: usize,
}

impl Ground {
    /// A repository `template`, one to pull from, and what there is to commit.
    fn new(mode: &'static str) -> Ground {
        let ground = Ground {
            dir: fixtures::scratch("kill-walk"),
            mode,
            real: peer::ostree(),
            killed: 0,
        };
        for (repo, seed) in [("template", 0), ("source", 100)] {
            let words = |words: &[&str]| {
                let repo = format!("--repo={repo}");
                ground.run(&[&words[..1], &[&*repo], &words[1..]].concat());
            };
            words(&["init", &format!("--mode={mode}")]);
            for round in seed..seed + 3 {
                ground.fill(round);
                let branch = if seed == 0 { "main" } else { "pulled" };
                words(&["commit", "-b", branch, "--canonical-permissions", "t"]);
                if round == 0 {
                    words(&["refs", "--create=main-first", "main"]);
                    words(&["refs", "--create=side", "main"]);
                }
            }
        }
        ground.fill(200);
        ground
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn fill(&self, round: usize) {
        let tree = self.path().join("t/d");
        fs::create_dir_all(&tree).unwrap();
        for number in 0..3 {
            fs::write(tree.join(format!("f{number}")), format!("{round} {number}")).unwrap();
        }
        fs::write(tree.join("same"), "same").unwrap();
        let _ = std::os::unix::fs::symlink("same", tree.join("link"));
    }

    #[track_caller]
    fn run(&self, args: &[&str]) {
        let mut command = our_ostree(self.path());
        command.args(args);
        let answer = Answer::of(command);
        assert_eq!(
            answer.code,
            Some(0),
            "{} {args:?}: {}",
            self.mode,
            answer.stderr
        );
    }

    fn fresh(&self) {
        self.dir.remove("r");
        let _ = fs::remove_dir_all(self.path().join("out"));
        let mut command = Command::new("cp");
        command
            .args(["-a", "template", "r"])
            .current_dir(self.path());
        assert!(command.status().unwrap().success());
    }

    fn traced(&self, args: &[&str], how: &[&str]) -> Command {
        let program = our_ostree(self.path()).get_program().to_owned();
        let mut strace = Command::new("strace");
        strace
            .args(["-f", "-qq"])
            .args(how)
            .arg(program)
            .arg("ostree")
            .args(args);
        strace.current_dir(self.path()).env("LC_ALL", "C.UTF-8");
        strace
            .env_remove("OSTREE_REPO")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        strace
    }

    /// Every call that the job makes: its name, and how many of that name its thread has made by then, because that is
    /// how strace counts.
    fn calls(&self, args: &[&str]) -> Vec<(String, usize)> {
        self.fresh();
        let trace = format!("trace={CALLS}");
        let mut command = self.traced(args, &["-o", "log", "-e", &trace]);
        assert!(command.status().unwrap().success(), "{args:?}");
        let log = fs::read_to_string(self.path().join("log")).unwrap();
        let mut counts = BTreeMap::<(&str, &str), usize>::new();
        let mut calls = Vec::new();
        for line in log.lines() {
            let Some((thread, call)) = line.split_once(' ') else {
                continue;
            };
            let Some((name, _)) = call.trim_start().split_once('(') else {
                continue; // the rest of a call that another thread interrupted
            };
            let count = counts.entry((thread, name)).or_default();
            *count += 1;
            let call = (name.to_owned(), *count);
            if !name.contains(' ') && !calls.contains(&call) {
                calls.push(call);
            }
        }
        calls
    }

    /// Kills the job before this call and looks at what is left.
    #[track_caller]
    fn kill(&mut self, job: &str, args: &[&str], call: &(String, usize)) {
        self.fresh();
        let (name, count) = call;
        let inject = format!("inject={name}:signal=KILL:when={count}");
        let mut command = self.traced(args, &["-o", "/dev/null", "-e", &inject]);
        let status = command.status().unwrap();
        let killed = status.signal() == Some(9);
        assert!(killed || status.success(), "{job}: {status}");
        self.killed += usize::from(killed);
        let when = format!("{} {job}, killed before {name} {count}", self.mode);
        self.sound(&when);
        self.run(args);
        self.sound(&format!("{when}, and run again"));
        // Whatever lies around is gone after the next transaction.
        self.run(&[
            "commit",
            "--repo=r",
            "--orphan",
            "--canonical-permissions",
            "t",
        ]);
        self.tidy(&when);
    }

    /// Both checks find nothing, and every ref names a commit.
    #[track_caller]
    fn sound(&self, when: &str) {
        let repo = Repo::open(&self.path().join("r")).unwrap();
        for (name, commit) in repo.refs().unwrap() {
            let there = repo.has(ObjectKind::Commit, commit.checksum()).unwrap();
            assert!(there, "{when}: {name} names nothing");
        }
        let report = fsck(&repo, &|_, _| ()).unwrap();
        assert!(report.is_clean(), "{when}: {report:?}");
        if let Some(real) = &self.real {
            let found = real.run_in(self.path(), ["fsck", "-q", "--repo=r"]);
            assert_eq!(
                (found.code, found.stderr_text()),
                (Some(0), String::new()),
                "{when}"
            );
        }
    }

    #[track_caller]
    fn tidy(&self, when: &str) {
        let names = |dir: &str| {
            let entries = fs::read_dir(self.path().join("r").join(dir)).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            names.collect::<Vec<String>>()
        };
        assert_eq!(names("tmp"), ["cache"], "{when}: left in tmp");
        assert_eq!(names("state"), [""; 0], "{when}: left in state");
        let hidden: Vec<String> = names("refs/heads");
        assert!(
            hidden.iter().all(|name| !name.starts_with('.')),
            "{when}: {hidden:?}"
        );
    }

    /// Every job, each before so many calls, spread over all that it makes.
    fn walk(&mut self, asked: Option<usize>) -> String {
        let mut table = String::new();
        for (number, (job, args)) in JOBS.iter().enumerate() {
            let before = self.killed;
            let calls = self.calls(args);
            let tried = asked.unwrap_or(calls.len()).min(calls.len());
            for step in 0..tried {
                // Another part of them in each mode and job.
                let shift = number * 5 + self.mode.len() * 3;
                let at = (step * calls.len() / tried + shift) % calls.len();
                self.kill(job, args, &calls[at]);
            }
            let killed = self.killed - before;
            let line = format!(
                "{} {job}: {} calls, {tried} tried, {killed} killed\n",
                self.mode,
                calls.len()
            );
            table += &line;
        }
        table
    }
}

/// The modes at once: much of it is waiting for processes.
#[test]
fn every_system_call_may_be_the_last() {
    if !can_trace() {
        return;
    }
    let modes = ["bare-user", "archive", "bare-user-only", "bare"];
    let root = rustix::process::geteuid().is_root();
    let modes = if root { &modes[..] } else { &modes[..3] };
    let asked = asked();
    let (mut killed, mut table) = (0, String::new());
    std::thread::scope(|scope| {
        let running: Vec<_> = modes
            .iter()
            .map(|mode| {
                scope.spawn(move || {
                    let mut ground = Ground::new(mode);
                    let table = ground.walk(asked);
                    (ground.killed, table)
                })
            })
            .collect();
        for thread in running {
            let (count, lines) = thread.join().unwrap();
            killed += count;
            table += &lines;
        }
    });
    println!("{table}{killed} processes killed");
    assert!(
        killed >= modes.len() * JOBS.len() / 2,
        "only {killed} were killed:\n{table}"
    );
}
