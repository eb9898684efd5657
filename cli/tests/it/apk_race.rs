//! A process within the root that swaps directories and files for links to what lies outside, while `add`, `upgrade` and
//! `del` run as root: nothing outside is ever touched, whatever becomes of the runs.
//!
//! | place | swapped |
//! |---|---|
//! | directories of packages, of the database, of the configuration, the log and the cache | for a link to a directory outside of the same name, and back |
//! | the directory where files wait, and those in it | the same |
//! | files that wait, files of packages, databases, world, lock, log | a link to a file outside takes their place |
//! | devices of a new root, and files that wait | the moment that they are there |
//! | names under which a file is written beside another | are there before it, as such links |
//!
//! `APK_OSTREE_RACES` says how many sessions there are; one has five runs.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fixtures::seed::Random;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::pair::apk_ostree;

const SESSION: [&str; 5] = [
    "add --initdb --no-scripts demo-base demo-tool<1.1 demo-git demo-docs",
    "upgrade --no-scripts",
    "fix --no-scripts --reinstall demo-busybox demo-tool",
    "cache sync",
    "del --no-scripts demo-git demo-tool",
];

const STAGE: &str = ".apk-ostree.stage";

const DIRS: [&str; 19] = [
    "etc",
    "etc/apk",
    "etc/apk/keys",
    "dev",
    "lib",
    "lib/apk",
    "lib/apk/db",
    "lib/apk/exec",
    "tmp",
    "usr",
    "usr/bin",
    "usr/lib",
    "usr/share",
    "var",
    "var/cache",
    "var/cache/apk",
    "var/lib",
    "var/log",
    STAGE,
];

/// In `.apk-ostree.stage` are such, which hold files under numbers.
const NUMBERS: usize = 12;

/// Made by name and changed by name, so that there is a moment between the two.
const DEVICES: [&str; 5] = [
    "dev/null",
    "dev/zero",
    "dev/random",
    "dev/urandom",
    "dev/console",
];

const FILES: [&str; 24] = [
    "etc/apk/arch",
    "etc/apk/arch.apk-ostree.new",
    "etc/apk/world",
    "etc/apk/world.apk-ostree.new",
    "etc/.apk-ostree.copy",
    "etc/group",
    "etc/motd",
    "etc/motd.apk-new",
    "etc/passwd",
    "dev/console",
    "dev/null",
    "lib/apk/db/installed",
    "lib/apk/db/installed.apk-ostree.new",
    "lib/apk/db/installed.new",
    "lib/apk/db/lock",
    "lib/apk/db/scripts.tar",
    "lib/apk/db/scripts.tar.gz",
    "lib/apk/db/triggers",
    "lib/apk/db/triggers.apk-ostree.new",
    "usr/bin/.apk-ostree.copy",
    "usr/bin/tool",
    "var/log/apk.log",
    ".apk-ostree.stage/made",
    ".apk-ostree.stage/copied",
];

/// Every place outside has the name that it has in the root, and something of every name that is written.
fn make_outside(outside: &Path) {
    for dir in DIRS {
        fs::create_dir_all(outside.join(dir)).unwrap();
    }
    for number in 0..NUMBERS {
        let dir = outside.join(STAGE).join(number.to_string());
        fs::create_dir_all(&dir).unwrap();
        for file in 0..NUMBERS {
            fs::write(dir.join(file.to_string()), "canary").unwrap();
        }
    }
    for file in FILES.iter().chain(&DEVICES) {
        fs::write(outside.join(file), "canary").unwrap();
    }
}

/// All that can be seen of what lies outside, with the times at which something was changed.
fn canary(dir: &Path, seen: &mut String) {
    let about = dir.symlink_metadata().unwrap();
    let times = (about.mtime_nsec(), about.ctime(), about.ctime_nsec());
    let owner = (about.uid(), about.gid(), about.nlink(), about.len());
    let mode = about.mode();
    writeln!(seen, "{} {mode:o} {owner:?} {times:?}", dir.display()).unwrap();
    if about.is_dir() {
        let mut names: Vec<PathBuf> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        names.sort();
        names.iter().for_each(|path| canary(path, seen));
    } else {
        writeln!(seen, "  {:?}", fs::read(dir).unwrap()).unwrap();
    }
}

/// Whoever wants us to write outside.
struct Attacker<'a> {
    root: &'a Path,
    outside: &'a Path,
    random: Random,
    swaps: usize,
}

impl Attacker<'_> {
    fn attack(&mut self, done: &AtomicBool) {
        // A few places in a session, so that the runs get far enough to meet the others.
        let dirs: Vec<&str> = (0..2).map(|_| *self.random.pick(&DIRS)).collect();
        let files: Vec<&str> = (0..2).map(|_| *self.random.pick(&FILES)).collect();
        let choices = if self.random.chance(25) { 7..10 } else { 0..8 };
        while !done.load(Ordering::Relaxed) {
            match choices.start + self.random.below(choices.len()) {
                0..3 => {
                    let dir = *self.random.pick(&dirs);
                    self.swap_dir(dir);
                }
                3 => {
                    let file = *self.random.pick(&files);
                    self.put_link(file);
                }
                4 => {
                    let number = self.random.below(NUMBERS);
                    self.swap_dir(&format!("{STAGE}/{number}"));
                }
                5 | 6 => self.replace_waiting(),
                8 => {
                    let device = *self.random.pick(&DEVICES);
                    self.ambush(device, done);
                }
                9 => {
                    let (dir, name) = (self.random.below(4), self.random.below(NUMBERS));
                    self.ambush(&format!("{STAGE}/{dir}/{name}"), done);
                }
                _ => std::thread::sleep(Duration::from_micros(self.random.below(3_000) as u64)),
            }
        }
    }

    /// A link that leads to the same path outside: absolute, or up and out.
    fn link(&mut self, path: &str) -> PathBuf {
        let link = self.root.join(".hostile");
        let _ = fs::remove_file(&link);
        let target = match self.random.chance(50) {
            true => self.outside.join(path),
            false => {
                let up = "../".repeat(path.split('/').count());
                Path::new(&up).join("outside").join(path)
            }
        };
        let _ = symlink(target, &link);
        link
    }

    fn swap_dir(&mut self, path: &str) {
        let place = self.root.join(path);
        if !place.symlink_metadata().is_ok_and(|about| about.is_dir()) {
            return;
        }
        let link = self.link(path);
        let exchange = || renameat_with(CWD, &link, CWD, &place, RenameFlags::EXCHANGE);
        if exchange().is_ok() {
            self.swaps += 1;
            std::thread::sleep(Duration::from_micros(self.random.below(400) as u64));
            let _ = exchange();
        }
    }

    /// Lies in wait for a file that is about to be made.
    fn ambush(&mut self, path: &str, done: &AtomicBool) {
        let (link, place) = (self.link(path), self.root.join(path));
        for _ in 0..4_000 {
            if renameat_with(CWD, &link, CWD, &place, RenameFlags::EXCHANGE).is_ok() {
                self.swaps += 1;
                return;
            }
            if done.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    fn put_link(&mut self, path: &str) {
        let link = self.link(path);
        self.swaps += usize::from(fs::rename(link, self.root.join(path)).is_ok());
    }

    /// Files that wait become links.
    fn replace_waiting(&mut self) {
        let number = self.random.below(NUMBERS);
        let dir = format!("{STAGE}/{number}");
        for entry in fs::read_dir(self.root.join(&dir)).into_iter().flatten() {
            let Ok(name) = entry.map(|entry| entry.file_name()) else {
                return;
            };
            if self.random.chance(50) {
                self.put_link(&format!("{dir}/{}", name.to_string_lossy()));
            }
        }
    }
}

fn run(root: &Path, line: &str, dialect: &str) -> Option<i32> {
    let (repository, keys) = (fixtures::path("demo/repo"), fixtures::path("demo/keys"));
    let mut command = apk_ostree(Path::new("/"));
    command.args(["apk", "--arch", "x86_64", "--no-progress", "--root"]);
    command.arg(root).arg("-X").arg(repository);
    command.arg("--keys-dir").arg(keys);
    command.args(["--dialect", dialect]).args(line.split(' '));
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().unwrap().code()
}

#[test]
#[allow(
    clippy::print_stderr,
    reason = "how much was tried belongs to the result"
)]
fn nothing_outside_is_touched_while_the_root_changes_under_our_hands() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("nobody but root writes everywhere: the race is not tried");
        return;
    }
    let sessions = std::env::var("APK_OSTREE_RACES").ok();
    let sessions = sessions.and_then(|races| races.parse().ok()).unwrap_or(10);
    let scratch = fixtures::scratch("race");
    let outside = scratch.path().join("outside");
    make_outside(&outside);
    let (mut before, mut swaps, mut succeeded) = (String::new(), 0, 0);
    canary(&outside, &mut before);
    for session in 0..sessions {
        let root = scratch.path().join("root");
        fs::create_dir(&root).unwrap();
        let dialect = if session % 2 == 0 { "3.0" } else { "2.14" };
        // Half of the sessions begin with a root that is there.
        let begin = usize::from(session % 4 >= 2);
        if begin == 1 {
            assert_eq!(run(&root, SESSION[0], dialect), Some(0));
            fs::create_dir_all(root.join("var/cache/apk")).unwrap();
            symlink("/var/cache/apk", root.join("etc/apk/cache")).unwrap();
        }
        let done = AtomicBool::new(false);
        let mut attacker = Attacker {
            root: &root,
            outside: &outside,
            random: Random::new(session),
            swaps: 0,
        };
        std::thread::scope(|scope| {
            scope.spawn(|| attacker.attack(&done));
            for line in &SESSION[begin..] {
                let code = run(&root, line, dialect);
                succeeded += usize::from(code == Some(0));
                assert!(code.is_some_and(|code| code != 101), "{line}: {code:?}");
            }
            done.store(true, Ordering::Relaxed);
        });
        swaps += attacker.swaps;
        let mut after = String::new();
        canary(&outside, &mut after);
        assert!(
            after == before,
            "session {session}: {}",
            difference(&before, &after)
        );
        fs::remove_dir_all(&root).unwrap();
    }
    assert!(swaps > 0);
    eprintln!("{sessions} sessions, {swaps} swaps, {succeeded} runs ended well");
}

fn difference(before: &str, after: &str) -> String {
    let old: std::collections::BTreeSet<&str> = before.lines().collect();
    let new = after.lines().filter(|line| !old.contains(line));
    new.map(|line| format!("\n{line}")).collect()
}
