//! Our command and the real one, each in a directory of its own, given the same words.

use fixtures::Scratch;
use fixtures::peer::{self, Peer};
use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Our command under its own name, not yet given arguments.
pub(crate) fn apk_ostree(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_apk-ostree"));
    command
        .current_dir(dir)
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC");
    command
        .env_remove("OSTREE_REPO")
        .env_remove("SOURCE_DATE_EPOCH");
    command
}

/// Our command under ostree's name.
pub(crate) fn our_ostree(dir: &Path) -> Command {
    let mut command = apk_ostree(dir);
    command.arg0("ostree");
    command
}

/// Modes of repositories that this user can write: bare keeps real owners.
pub(crate) fn modes() -> impl Iterator<Item = &'static str> + Clone {
    let root = rustix::process::geteuid().is_root();
    ["bare", "bare-user", "bare-user-only", "archive"]
        .into_iter()
        .skip(usize::from(!root))
}

/// What a command answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    pub(crate) fn of(mut command: Command) -> Answer {
        Answer::from(command.output().unwrap())
    }

    /// The standard output of a command that must succeed.
    #[track_caller]
    pub(crate) fn success(self) -> String {
        assert_eq!(
            (self.code, self.stderr.as_str()),
            (Some(0), ""),
            "{}",
            self.stdout
        );
        self.stdout
    }

    /// The error of a command that must fail, without `error: `.
    #[track_caller]
    pub(crate) fn failure(self) -> String {
        assert_ne!(self.code, Some(0), "{}", self.stdout);
        let line = self
            .stderr
            .lines()
            .find_map(|line| line.strip_prefix("error: "));
        line.unwrap_or(&self.stderr).to_owned()
    }
}

impl From<Output> for Answer {
    fn from(output: Output) -> Answer {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Answer {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// Both commands, each with a directory. At the end the real tool judges our repositories by its own.
pub(crate) struct Pair {
    peer: Peer,
    dir: Scratch,
    environment: Vec<(&'static str, &'static str)>,
}

impl Pair {
    /// `None` if there is no real ostree here.
    #[track_caller]
    pub(crate) fn new(label: &str) -> Option<Pair> {
        Pair::of(fixtures::scratch(label))
    }

    /// With a repository `r` of this mode, and one time for every commit.
    #[track_caller]
    pub(crate) fn with_repository(label: &str, mode: &str) -> Option<Pair> {
        let mut pair = Pair::new(label)?;
        pair.env("SOURCE_DATE_EPOCH", "1700000000");
        pair.same_success(&["init", "--repo=r", &format!("--mode={mode}")]);
        pair.unsynced("r");
        Some(pair)
    }

    /// As [`Pair::new`], in a directory within `place`.
    #[track_caller]
    pub(crate) fn within(label: &str, place: &Path) -> Option<Pair> {
        Pair::of(Scratch::within(label, place))
    }

    #[track_caller]
    fn of(dir: Scratch) -> Option<Pair> {
        let peer = peer::ostree()?;
        for side in ["ours", "theirs"] {
            std::fs::create_dir(dir.path().join(side)).unwrap();
        }
        Some(Pair {
            peer,
            dir: dir.measured("ours", "theirs"),
            environment: Vec::new(),
        })
    }

    /// Says that the test damages this repository of ours and not theirs, and how; the real tool finds it damaged.
    pub(crate) fn damaged(&self, repo: &str, why: &'static str) {
        self.dir.damaged(Path::new("ours").join(repo), why);
    }

    /// Says that the real tool is not to look at this repository of ours, and why.
    pub(crate) fn unjudged(&self, repo: &str, why: &'static str) {
        self.dir.unjudged(Path::new("ours").join(repo), why);
    }

    /// Lets the real tool check a repository of ours, and removes it on both sides.
    #[track_caller]
    pub(crate) fn remove(&self, repo: &str) {
        self.dir.remove(Path::new("ours").join(repo));
        let _ = std::fs::remove_dir_all(self.theirs().join(repo));
    }

    /// The version of the real tool.
    pub(crate) fn version(&self) -> &str {
        self.peer.version()
    }

    /// Sets a variable for all further commands.
    pub(crate) fn env(&mut self, name: &'static str, value: &'static str) {
        self.environment.push((name, value));
    }

    pub(crate) fn ours(&self) -> PathBuf {
        self.dir.path().join("ours")
    }

    pub(crate) fn theirs(&self) -> PathBuf {
        self.dir.path().join("theirs")
    }

    /// Does the same in both directories.
    pub(crate) fn in_both(&self, work: impl Fn(&Path)) {
        work(&self.theirs());
        work(&self.ours());
    }

    /// Our answer, in our directory.
    pub(crate) fn ask_us<S: AsRef<OsStr>>(&self, args: &[S]) -> Answer {
        self.ask(our_ostree(&self.ours()), args)
    }

    /// The real tool's answer, in its directory.
    pub(crate) fn ask_them<S: AsRef<OsStr>>(&self, args: &[S]) -> Answer {
        let mut command = self.peer.command();
        command.current_dir(self.theirs());
        self.ask(command, args)
    }

    fn ask<S: AsRef<OsStr>>(&self, mut command: Command, args: &[S]) -> Answer {
        command.args(args).envs(self.environment.iter().copied());
        let mut answer = Answer::of(command);
        let (ours, theirs) = (
            self.ours().display().to_string(),
            self.theirs().display().to_string(),
        );
        for text in [&mut answer.stdout, &mut answer.stderr] {
            *text = text.replace(&ours, "DIR").replace(&theirs, "DIR");
        }
        // Help is ours to word.
        if let Some(at) = answer
            .stderr
            .find("error: ")
            .filter(|_| answer.stderr.contains("Usage:"))
        {
            answer.stderr = answer.stderr.split_off(at);
        }
        answer
    }

    /// Lets commits to a new repository not wait for the disk, which takes most of the time otherwise.
    pub(crate) fn unsynced(&self, repo: &str) {
        self.in_both(|dir| {
            let config = dir.join(repo).join("config");
            let text = std::fs::read_to_string(&config).unwrap();
            std::fs::write(&config, text + "fsync=false\n").unwrap();
        });
    }

    /// Gives both the same words and compares answer, messages and exit code. Returns the answer.
    #[track_caller]
    pub(crate) fn same(&self, args: &[&str]) -> Answer {
        let (ours, theirs) = (self.ask_us(args), self.ask_them(args));
        assert_eq!(ours, theirs, "left is ours: ostree {args:?}");
        ours
    }

    /// The same, but the lines of the answer may come in any order.
    #[track_caller]
    pub(crate) fn same_lines(&self, args: &[&str]) {
        let sorted = |answer: Answer| {
            let mut lines: Vec<String> = answer.stdout.lines().map(str::to_owned).collect();
            lines.sort();
            (lines, answer.stderr, answer.code)
        };
        let (ours, theirs) = (self.ask_us(args), self.ask_them(args));
        assert_eq!(
            sorted(ours),
            sorted(theirs),
            "left is ours: ostree {args:?}"
        );
    }

    /// The same for a command line that must succeed; returns the first line of the answer.
    #[track_caller]
    pub(crate) fn same_success(&self, args: &[&str]) -> String {
        let answer = self.same(args);
        assert_eq!(answer.code, Some(0), "ostree {args:?}: {}", answer.stderr);
        answer.stdout.lines().next().unwrap_or_default().to_owned()
    }

    /// Compares two directories made by a command: every path, mode, owner, content and xattr, and if `links` also
    /// which paths are the same file.
    #[track_caller]
    pub(crate) fn same_tree(&self, name: &str, links: bool) {
        let listing = |dir: PathBuf| {
            let table = fixtures::listing::of(&dir.join(name)).unwrap();
            if links { table } else { without_links(&table) }
        };
        similar(&listing(self.ours()), &listing(self.theirs()), name);
    }
}

/// A table of `fixtures::listing` without its last column but one.
fn without_links(table: &str) -> String {
    let line = |line: &str| {
        let mut columns: Vec<&str> = line.split('\t').collect();
        columns.remove(columns.len() - 2);
        columns.join("\t") + "\n"
    };
    table.lines().map(line).collect()
}

/// Compares two tables line by line, and tells only the lines that differ.
#[track_caller]
pub(crate) fn similar(ours: &str, theirs: &str, what: &str) {
    if ours == theirs {
        return;
    }
    let only = |a: &str, b: &str| {
        let b: std::collections::BTreeSet<&str> = b.lines().collect();
        a.lines()
            .filter(|line| !b.contains(line))
            .take(20)
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    };
    panic!(
        "{what} differs\n--- only ours\n{}--- only theirs\n{}",
        only(ours, theirs),
        only(theirs, ours)
    );
}
