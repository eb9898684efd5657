//! kill -9 at any moment: what is there afterwards is whole, and the next run goes on as if nothing had been.
//!
//! The moments come from a seed and are spread over the time that an undisturbed run takes.

use crate::pair::{Answer, our_ostree};
use fixtures::Scratch;
use fixtures::peer;
use fixtures::seed::Random;
use fixtures::trees::{Shape, Tree};
use ostree_store::object::ObjectKind;
use ostree_store::repo::Repo;
use ostree_store::upkeep::fsck::fsck;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How many processes are killed in each mode, commits and checkouts together.
const KILLS: usize = 60;

/// A repository of one mode, and what goes into it.
struct Ground {
    dir: Scratch,
    mode: &'static str,
    random: Random,
    kills: usize,
}

impl Ground {
    fn new(mode: &'static str, seed: u64) -> Ground {
        let dir = fixtures::scratch("interrupted");
        let ground = Ground {
            dir,
            mode,
            random: Random::new(seed),
            kills: 0,
        };
        ground
            .run(&["init", "--repo=r", &format!("--mode={mode}")])
            .success();
        // A kill loses nothing that was written, whether it was waited for or not.
        let config = ground.repo().join("config");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, text + "fsync=false\n").unwrap();
        let tree = Tree::generate(
            seed,
            &Shape {
                entries: 60,
                large_files: false,
                unreadable: false,
                xattrs: false,
                ..Shape::possible_in(ground.path()).unwrap()
            },
        );
        fs::create_dir(ground.path().join("t")).unwrap();
        tree.write_to(&ground.path().join("t")).unwrap();
        fs::write(ground.path().join("t.tar"), tree.tar()).unwrap();
        ground
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn repo(&self) -> PathBuf {
        self.path().join("r")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = our_ostree(self.path());
        command.args(args);
        command
    }

    fn run(&self, args: &[&str]) -> Answer {
        Answer::of(self.command(args))
    }

    /// Starts a command and kills it after a part of `whole`; says whether it was still there.
    fn kill(&mut self, args: &[&str], whole: Duration) -> bool {
        let mut command = self.command(args);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let share = u32::try_from(self.random.below(1000)).unwrap();
        let mut child = command.spawn().unwrap();
        std::thread::sleep(whole * share / 900);
        child.kill().unwrap();
        let killed = child.wait().unwrap().signal() == Some(9);
        self.kills += usize::from(killed);
        killed
    }

    /// Every ref names a commit that is there, and everything that any commit reaches is sound.
    #[track_caller]
    fn sound(&self, when: &str) {
        let repo = Repo::open(&self.repo()).unwrap();
        for (name, commit) in repo.refs().unwrap() {
            let there = repo.has(ObjectKind::Commit, commit.checksum()).unwrap();
            assert!(there, "{} {when}: {name} names nothing", self.mode);
        }
        let report = fsck(&repo, &|_, _| ()).unwrap();
        assert!(report.is_clean(), "{} {when}: {report:?}", self.mode);
        assert!(report.partial.is_empty(), "{} {when}", self.mode);
    }

    #[track_caller]
    fn sound_for_the_real_tool(&self) {
        if let Some(real) = peer::ostree() {
            real.run_in(self.path(), ["fsck", "--repo=r", "-q"])
                .success();
        }
    }

    /// What lies in `tmp` after a run that was not disturbed.
    #[track_caller]
    fn tidy(&self) {
        let tmp = fs::read_dir(self.repo().join("tmp")).unwrap();
        let left: Vec<_> = tmp.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["cache"], "{}: left in tmp", self.mode);
        let heads = fs::read_dir(self.repo().join("refs/heads")).unwrap();
        let left: Vec<_> = heads
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with('.'))
            .collect();
        assert!(left.is_empty(), "{}: {left:?} left beside refs", self.mode);
    }

    /// How long a command takes when nobody disturbs it.
    #[track_caller]
    fn duration(&self, args: &[&str]) -> Duration {
        let start = Instant::now();
        self.run(args).success();
        start.elapsed()
    }

    /// Something new to commit.
    fn change(&mut self) {
        let number = self.random.number();
        let path = self.path().join("t").join(format!("new-{}", number % 20));
        fs::write(path, number.to_string().repeat(1 + self.random.below(3000))).unwrap();
    }
}

const DIR: &[&str] = &[
    "commit",
    "--repo=r",
    "-b",
    "main",
    "--canonical-permissions",
    "t",
];
const TAR: &[&str] = &[
    "commit",
    "--repo=r",
    "-b",
    "tar",
    "--canonical-permissions",
    "--tree=tar=t.tar",
    "--tree=dir=t",
];

fn commits_survive(ground: &mut Ground) {
    let whole = ground.duration(DIR).max(ground.duration(TAR));
    let mut tried = 0;
    while ground.kills < KILLS * 2 / 3 && tried < KILLS * 3 {
        tried += 1;
        ground.change();
        let args = if tried % 3 == 0 { TAR } else { DIR };
        ground.kill(args, whole);
        ground.sound("after a killed commit");
    }
    ground.sound_for_the_real_tool();
    for args in [DIR, TAR] {
        ground.change();
        ground.run(args).success();
    }
    ground.tidy();
    ground.sound("after the next commit");
    ground.sound_for_the_real_tool();
}

fn checkouts_survive(ground: &mut Ground) {
    let expected = ground.path().join("expected");
    let whole = ground.duration(&["checkout", "--repo=r", "-U", "main", "expected"]);
    let expected = fixtures::listing::of(&expected).unwrap();
    let mut tried = 0;
    while ground.kills < KILLS && tried < KILLS * 3 {
        tried += 1;
        ground.kill(&["checkout", "--repo=r", "-U", "main", "out"], whole);
        if tried % 4 == 0 {
            let _ = fs::remove_dir_all(ground.path().join("out"));
            ground
                .run(&["checkout", "--repo=r", "-U", "main", "out"])
                .success();
            let made = fixtures::listing::of(&ground.path().join("out")).unwrap();
            crate::pair::similar(&made, &expected, ground.mode);
        }
        let _ = fs::remove_dir_all(ground.path().join("out"));
    }
    ground.sound("after killed checkouts");
    ground.sound_for_the_real_tool();
}

/// One mode after the other would take four times as long, and most of it is waiting.
#[test]
fn nothing_is_half_done_after_a_kill() {
    let modes = ["archive", "bare-user", "bare-user-only", "bare"];
    let modes = if rustix::process::geteuid().is_root() {
        &modes[..]
    } else {
        &modes[..3]
    };
    let kills: usize = std::thread::scope(|scope| {
        let running: Vec<_> = modes
            .iter()
            .zip(1..)
            .map(|(mode, seed)| {
                scope.spawn(move || {
                    let mut ground = Ground::new(mode, seed);
                    commits_survive(&mut ground);
                    checkouts_survive(&mut ground);
                    ground.kills
                })
            })
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    println!("{kills} processes killed");
    assert!(
        kills >= modes.len() * KILLS / 2,
        "only {kills} were in time"
    );
}

/// Two writers of ours and a real one, each with a ref of its own and one in common.
#[test]
fn writers_at_once_lose_nothing() {
    for mode in ["archive", "bare-user"] {
        let ground = Ground::new(mode, 7);
        ground.run(DIR).success();
        let real = peer::ostree();
        let rounds = 6;
        let branches: Vec<(&str, bool)> = match &real {
            Some(_) => vec![("ours-1", false), ("ours-2", false), ("theirs", true)],
            None => vec![("ours-1", false), ("ours-2", false)],
        };
        std::thread::scope(|scope| {
            for (branch, is_real) in &branches {
                let tree = ground.path().join(branch);
                let (ground, real) = (&ground, &real);
                scope.spawn(move || {
                    for round in 0..rounds {
                        // Half of each tree is new, half is what the others write at the same time.
                        fs::create_dir_all(&tree).unwrap();
                        for number in 0..10 {
                            fs::write(
                                tree.join(format!("own-{number}")),
                                format!("{branch} {round} {number}"),
                            )
                            .unwrap();
                            fs::write(
                                tree.join(format!("same-{number}")),
                                format!("{round} {number}"),
                            )
                            .unwrap();
                        }
                        for target in [*branch, "common"] {
                            let args = [
                                "commit",
                                "--repo=r",
                                "--canonical-permissions",
                                "-b",
                                target,
                                branch,
                            ];
                            match real {
                                Some(real) if *is_real => {
                                    drop(real.run_in(ground.path(), args).success());
                                }
                                _ => drop(ground.run(&args).success()),
                            }
                        }
                    }
                });
            }
        });
        ground.sound("after three writers");
        ground.sound_for_the_real_tool();
        for (branch, _) in &branches {
            let log = ground.run(&["log", "--repo=r", branch]).success();
            let commits = log
                .lines()
                .filter(|line| line.starts_with("commit "))
                .count();
            assert_eq!(commits, rounds, "{mode}: the history of {branch}");
            let out = format!("out-{branch}");
            ground
                .run(&["checkout", "--repo=r", "-U", branch, &out])
                .success();
            for number in 0..10 {
                let text =
                    fs::read_to_string(ground.path().join(&out).join(format!("own-{number}")))
                        .unwrap();
                assert_eq!(text, format!("{branch} {} {number}", rounds - 1));
            }
        }
        ground.run(DIR).success();
        ground.tidy();
    }
}
