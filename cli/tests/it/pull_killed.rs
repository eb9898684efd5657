//! `pull-local` killed at any moment: what is left is sound, the next run goes on, and nothing lies around.

use crate::pair::our_ostree;
use fixtures::Scratch;
use fixtures::peer::{self, Peer};
use fixtures::seed::Random;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How many kills must have met a running pull.
const KILLS: usize = 100;

/// Runs our command, which must succeed.
#[track_caller]
fn ours(dir: &Path, words: &[&str]) {
    let output = our_ostree(dir).args(words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
}

fn init(dir: &Path, name: &str, mode: &str) {
    ours(
        dir,
        &["init", &format!("--repo={name}"), &format!("--mode={mode}")],
    );
    let config = dir.join(name).join("config");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text + "fsync=false\n").unwrap();
}

/// Two repositories with the same three commits of 80 files, which begin with `name`.
fn sources(dir: &Path, name: &str) {
    for mode in ["archive", "bare-user"] {
        init(dir, &format!("{name}-{mode}"), mode);
    }
    for version in 0..3 {
        let root = dir.join(format!("tree-{name}"));
        for number in 0..80 {
            let place = root.join(format!("d{}", number % 16));
            fs::create_dir_all(&place).unwrap();
            let content = format!(
                "{name} {number} {}\n",
                if number % 5 == 0 { version } else { 0 }
            );
            fs::write(place.join(format!("f{number}")), content.repeat(20)).unwrap();
        }
        let tree = root.display().to_string();
        for mode in ["archive", "bare-user"] {
            let repo = format!("--repo={name}-{mode}");
            let subject = format!("--subject={version}");
            let words = [
                "commit",
                &repo,
                "--timestamp=@1",
                "-b",
                name,
                &subject,
                &tree,
            ];
            ours(dir, &words);
        }
    }
}

fn start(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Kills the child after a part of `whole`; says whether it was still running.
fn kill(mut child: Child, whole: Duration, random: &mut Random) -> bool {
    // Objects become visible at the end, so half of the kills are there.
    let permille = if random.chance(50) {
        random.below(1100)
    } else {
        600 + random.below(500)
    };
    std::thread::sleep(whole.mul_f64(permille as f64 / 1000.0));
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    let killed = output.status.signal() == Some(9);
    assert!(killed || output.status.success(), "{output:?}");
    killed
}

/// Both checks find nothing; a partial commit is nothing.
#[track_caller]
fn sound(ostree: &Peer, dir: &Path, repo: &str) {
    let repo = format!("--repo={repo}");
    ours(dir, &["fsck", "-q", &repo]);
    ostree.run_in(dir, ["fsck", "-q", &repo]).success();
}

/// Nothing of ours is left in `tmp`.
#[track_caller]
fn tidy(dir: &Path, repo: &str) {
    let names = fs::read_dir(dir.join(repo).join("tmp")).unwrap();
    let names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with("staging-") || name.contains("apk-ostree"))
        .collect();
    assert_eq!(names, ["cache"]);
    assert_eq!(
        fs::read_dir(dir.join(repo).join("state")).unwrap().count(),
        0
    );
}

struct Place {
    dir: Scratch,
    ostree: Peer,
}

fn place(label: &str) -> Option<Place> {
    let ostree = peer::ostree()?;
    let dir = fixtures::scratch(label);
    Some(Place { dir, ostree })
}

impl Place {
    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn pull(&self, words: &[&str]) -> Command {
        let mut command = our_ostree(self.path());
        command.arg("pull-local").args(words);
        command
    }
}

#[test]
fn a_killed_pull_leaves_a_sound_repository() {
    let Some(place) = place("killed") else { return };
    sources(place.path(), "north");
    let mut random = Random::new(9);
    let (mut kills, mut rounds) = (0, 0);
    let mut whole = BTreeMap::new();
    while kills < KILLS {
        assert!(
            rounds < KILLS,
            "hardly any pull ran long enough to be killed: {kills}"
        );
        rounds += 1;
        // Linked, compressed and unpacked.
        let (from, mode) = *random.pick(&[
            ("north-bare-user", "bare-user"),
            ("north-bare-user", "archive"),
            ("north-archive", "bare-user"),
            ("north-archive", "bare-user-only"),
        ]);
        init(place.path(), "d", mode);
        let words = ["--repo=d", "--depth=-1", from];
        let whole = whole.entry((from, mode)).or_insert_with(|| {
            init(place.path(), "measure", mode);
            let started = Instant::now();
            ours(
                place.path(),
                &["pull-local", "--repo=measure", "--depth=-1", from],
            );
            let took = started.elapsed();
            place.dir.remove("measure");
            took
        });
        // The same repository several times: what one run has left behind the next one finds.
        for _ in 0..8 {
            if !kill(start(place.pull(&words)), *whole, &mut random) {
                // A machine that was busy when the whole was measured would finish every pull from now on.
                *whole = *whole * 7 / 8;
                break;
            }
            kills += 1;
            sound(&place.ostree, place.path(), "d");
        }
        ours(
            place.path(),
            &["pull-local", "--repo=d", "--depth=-1", from],
        );
        sound(&place.ostree, place.path(), "d");
        tidy(place.path(), "d");
        let repo = place.path().join("d");
        assert_eq!(
            fs::read(repo.join("refs/heads/north")).unwrap(),
            fs::read(place.path().join(from).join("refs/heads/north")).unwrap()
        );
        place.dir.remove("d");
    }
}

/// The real tool pulls into the repository while ours does, and one of them is killed.
#[test]
fn the_real_tool_pulls_at_the_same_time() {
    let Some(place) = place("killed") else { return };
    sources(place.path(), "north");
    sources(place.path(), "south");
    let mut random = Random::new(10);
    let theirs = |from: &str| {
        let mut command = place.ostree.command();
        command.current_dir(place.path());
        command.args(["pull-local", "--repo=d", "--depth=-1", from]);
        command
    };
    for round in 0..12 {
        let mode = *random.pick(&["archive", "bare-user"]);
        init(place.path(), "d", mode);
        // Both want the same in every third round.
        let names = if round % 3 == 0 {
            ["north", "north"]
        } else {
            ["north", "south"]
        };
        let [from_us, from_them] = names.map(|name| {
            format!(
                "{name}-{}",
                if random.chance(50) {
                    "archive"
                } else {
                    "bare-user"
                }
            )
        });
        let us = start(place.pull(&["--repo=d", "--depth=-1", &from_us]));
        let them = start(theirs(&from_them));
        let (victim, survivor) = if random.chance(50) {
            (us, them)
        } else {
            (them, us)
        };
        kill(victim, Duration::from_millis(60), &mut random);
        let survivor = survivor.wait_with_output().unwrap();
        assert!(survivor.status.success(), "round {round}: {survivor:?}");
        sound(&place.ostree, place.path(), "d");
        for (name, from) in [(names[0], &from_us), (names[1], &from_them)] {
            ours(
                place.path(),
                &["pull-local", "--repo=d", "--depth=-1", from],
            );
            let head = format!("refs/heads/{name}");
            assert_eq!(
                fs::read(place.path().join("d").join(&head)).unwrap(),
                fs::read(place.path().join(from).join(&head)).unwrap()
            );
        }
        let output = place.ostree.finish(theirs(&from_them));
        output.success();
        sound(&place.ostree, place.path(), "d");
        tidy(place.path(), "d");
        place.dir.remove("d");
    }
}
