//! Writers and prunes of both tools at work on one repository at the same time, and how they wait for each other.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use fixtures::peer::{self, Peer};
use fixtures::seed::Random;

use crate::pair::{Answer, our_ostree};

/// Either tool, at work in a directory.
#[derive(Clone)]
enum Tool {
    Ours,
    Theirs(Peer),
}

impl Tool {
    fn command(&self, dir: &Path, args: &[&str]) -> Command {
        let mut command = match self {
            Tool::Ours => our_ostree(dir),
            Tool::Theirs(peer) => peer.command(),
        };
        command.current_dir(dir).args(args);
        command
    }

    fn ask(&self, dir: &Path, args: &[&str]) -> Answer {
        Answer::of(self.command(dir, args))
    }
}

/// A repository `r` that nobody waits for the disk of, with this lock timeout.
fn repository(dir: &Path, mode: &str, timeout: u32) {
    Tool::Ours
        .ask(dir, &["init", "--repo=r", &format!("--mode={mode}")])
        .success();
    let config = dir.join("r/config");
    let text = fs::read_to_string(&config).unwrap();
    let more = format!("fsync=false\nlock-timeout-secs={timeout}\n");
    fs::write(&config, text + &more).unwrap();
}

/// Fills a tree with files of a small pool, so that writers use each other's objects all the time, and with one that
/// nobody else has.
fn fill(tree: &Path, random: &mut Random, own: &str) {
    let _ = fs::remove_dir_all(tree);
    for dir in ["a", "b/c"] {
        fs::create_dir_all(tree.join(dir)).unwrap();
        for name in ["x", "y"] {
            let content = format!("content {}\n", random.below(4));
            fs::write(tree.join(dir).join(name), content).unwrap();
        }
    }
    fs::write(tree.join("own"), own).unwrap();
}

/// Commits again and again to a branch of its own, and looks at the end whether its last tree is there.
fn write(tool: &Tool, dir: &Path, branch: &str, rounds: usize) {
    let mut random = Random::new(branch.bytes().map(u64::from).sum());
    let tree = dir.join(branch);
    for round in 0..rounds {
        // Few different ones: a commit that was pruned away comes back.
        fill(&tree, &mut random, &format!("{branch} {}\n", round % 3));
        let args = [
            "commit",
            "--repo=r",
            "-b",
            branch,
            "--parent=none",
            "--timestamp=@1",
            branch,
        ];
        tool.ask(dir, &args).success();
        thread::sleep(Duration::from_millis(
            u64::try_from(random.below(40)).unwrap(),
        ));
    }
    let out = format!("{branch}-out");
    tool.ask(dir, &["checkout", "--repo=r", "-U", branch, &out])
        .success();
    let listing = |dir: &Path| fixtures::listing::of(dir).unwrap();
    for name in ["own", "a/x", "a/y", "b/c/x", "b/c/y"] {
        let [wanted, found] = [&tree, &dir.join(&out)].map(|dir| fs::read(dir.join(name)).unwrap());
        assert_eq!(
            wanted,
            found,
            "{branch} {name}\n{}",
            listing(&dir.join(&out))
        );
    }
}

fn prune(tool: &Tool, dir: &Path, rounds: usize) {
    for round in 0..rounds {
        let args = ["prune", "--repo=r", "--refs-only", "--depth=0"];
        let args = if round % 2 == 0 {
            &args[..]
        } else {
            &args[..2]
        };
        tool.ask(dir, args).success();
        thread::sleep(Duration::from_millis(20));
    }
}

/// How often each writer commits; the environment may ask for more.
fn rounds() -> usize {
    let asked = std::env::var("APK_OSTREE_ROUNDS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(12)
}

#[test]
fn nothing_is_lost() {
    let Some(peer) = peer::ostree() else { return };
    let theirs = Tool::Theirs(peer);
    for mode in ["archive", "bare-user"] {
        let dir = fixtures::scratch("together");
        let dir = dir.path();
        repository(dir, mode, 300);
        let count = rounds();
        thread::scope(|scope| {
            for (tool, branch) in [
                (&Tool::Ours, "one"),
                (&Tool::Ours, "two"),
                (&theirs, "three"),
            ] {
                scope.spawn(move || write(tool, dir, branch, count));
            }
            for tool in [&Tool::Ours, &theirs] {
                scope.spawn(move || prune(tool, dir, count / 3));
            }
        });
        for tool in [&Tool::Ours, &theirs] {
            tool.ask(dir, &["fsck", "--repo=r"]).success();
            prune(tool, dir, 2);
            tool.ask(dir, &["fsck", "--repo=r"]).success();
            let refs = tool.ask(dir, &["refs", "--repo=r"]).success();
            assert_eq!(refs.lines().count(), 3);
        }
    }
}

/// A check beside writers and prunes takes nothing for lost that was only just deleted, and marks no commit.
#[test]
fn checks_find_nothing_wrong_meanwhile() {
    let dir = fixtures::scratch("checked");
    let dir = dir.path();
    repository(dir, "archive", 300);
    let count = rounds();
    thread::scope(|scope| {
        for branch in ["one", "two"] {
            scope.spawn(move || write(&Tool::Ours, dir, branch, count));
        }
        scope.spawn(move || prune(&Tool::Ours, dir, count / 2));
        scope.spawn(move || {
            for _ in 0..count * 3 {
                let answer = Tool::Ours.ask(dir, &["fsck", "--repo=r"]);
                assert_eq!(
                    (answer.code, &*answer.stderr),
                    (Some(0), ""),
                    "{}",
                    answer.stdout
                );
            }
        });
    });
    assert_eq!(fs::read_dir(dir.join("r/state")).unwrap().count(), 0);
}

/// A commit that waits for its tar on stdin, and holds the lock meanwhile.
fn open_commit(tool: &Tool, dir: &Path) -> Child {
    let args = [
        "commit",
        "--repo=r",
        "-b",
        "open",
        "--tree=tar=-",
        "--tar-autocreate-parents",
    ];
    let mut command = tool.command(dir, &args);
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let child = command.spawn().unwrap();
    // The staging directory is made under the lock.
    let staging = |entry: std::io::Result<fs::DirEntry>| {
        let name = entry.unwrap().file_name();
        name.to_string_lossy().starts_with("staging-")
    };
    let begun = (0..500).any(|_| {
        thread::sleep(Duration::from_millis(10));
        fs::read_dir(dir.join("r/tmp")).unwrap().any(staging)
    });
    assert!(begun, "no transaction was begun");
    child
}

fn close_commit(mut child: Child) {
    // An end of archive: nothing but zeros.
    child.stdin.take().unwrap().write_all(&[0; 10_240]).unwrap();
    assert!(child.wait().unwrap().success());
}

/// Whoever deletes waits for whoever writes, whichever tool either is, and says the same when it takes too long.
#[test]
fn prunes_wait_for_commits() {
    let Some(peer) = peer::ostree() else { return };
    let theirs = Tool::Theirs(peer);
    for writer in [&Tool::Ours, &theirs] {
        let dir = fixtures::scratch("locked");
        let dir = dir.path();
        repository(dir, "archive", 0);
        let open = open_commit(writer, dir);
        for pruner in [&Tool::Ours, &theirs] {
            let busy = "Locking repo exclusive failed: Resource temporarily unavailable";
            for args in [
                &["prune", "--repo=r"][..],
                &["prune", "--repo=r", "--refs-only", "--no-prune"],
            ] {
                assert_eq!(pruner.ask(dir, args).failure(), busy);
            }
            pruner.ask(dir, &["fsck", "--repo=r"]).success();
            pruner.ask(dir, &["refs", "--repo=r"]).success();
        }
        for deletion in ["--delete", "--add-tombstones"] {
            let failure = Tool::Ours
                .ask(dir, &["fsck", "--repo=r", deletion])
                .failure();
            assert!(
                failure.starts_with("Locking repo exclusive failed"),
                "{failure}"
            );
        }
        close_commit(open);
        for pruner in [&Tool::Ours, &theirs] {
            pruner.ask(dir, &["prune", "--repo=r"]).success();
        }
    }
}

/// A prune that has to wait is done after the commit, and spares what the commit counted on.
#[test]
fn a_prune_that_waited_spares_what_the_commit_uses() {
    let Some(peer) = peer::ostree() else { return };
    let theirs = Tool::Theirs(peer);
    for (writer, pruner) in [
        (&Tool::Ours, &theirs),
        (&theirs, &Tool::Ours),
        (&Tool::Ours, &Tool::Ours),
    ] {
        let dir = fixtures::scratch("waited");
        let dir = dir.path();
        repository(dir, "archive", 60);
        fill(&dir.join("t"), &mut Random::new(7), "own\n");
        let orphan = writer
            .ask(dir, &["commit", "--repo=r", "--orphan", "t"])
            .success();
        let tar = Command::new("tar")
            .args(["-C", "t", "-cf", "-", "."])
            .current_dir(dir)
            .output();
        let mut open = open_commit(writer, dir);
        let waiting = pruner
            .command(dir, &["prune", "--repo=r", "--refs-only"])
            .stdout(Stdio::null())
            .spawn();
        thread::sleep(Duration::from_millis(100));
        // The contents are those of the orphan: none of them is written again.
        open.stdin
            .take()
            .unwrap()
            .write_all(&tar.unwrap().stdout)
            .unwrap();
        assert!(open.wait().unwrap().success());
        assert!(waiting.unwrap().wait().unwrap().success());
        let gone = Tool::Ours.ask(dir, &["show", "--repo=r", orphan.trim()]);
        assert_ne!(gone.code, Some(0));
        for tool in [&Tool::Ours, &theirs] {
            tool.ask(dir, &["fsck", "--repo=r"]).success();
            let content = tool
                .ask(dir, &["cat", "--repo=r", "open", "/own"])
                .success();
            assert_eq!(content, "own\n");
        }
    }
}

/// Whoever writes waits for whoever deletes: the lock is the one that the real tool takes.
#[test]
fn commits_wait_for_prunes() {
    let Some(peer) = peer::ostree() else { return };
    let theirs = Tool::Theirs(peer);
    let dir = fixtures::scratch("exclusive");
    let dir = dir.path();
    repository(dir, "archive", 0);
    fs::create_dir(dir.join("t")).unwrap();
    let repo = ostree_store::repo::Repo::open(&dir.join("r")).unwrap();
    let lock = repo.lock_exclusive().unwrap();
    let commit = ["commit", "--repo=r", "-b", "main", "t"];
    let [ours, real] = [&Tool::Ours, &theirs].map(|tool| tool.ask(dir, &commit));
    assert_eq!(ours, real);
    assert_eq!(
        ours.failure(),
        "Locking repo shared failed: Resource temporarily unavailable"
    );
    let prune = ["prune", "--repo=r"];
    let [ours, real] = [&Tool::Ours, &theirs].map(|tool| tool.ask(dir, &prune));
    assert_eq!(ours, real);
    drop(lock);
    // A process that another test is just starting may hold a copy of the lock until it is started.
    let shared = (0..100)
        .find_map(|_| {
            let lock = repo.lock_shared();
            lock.map_err(|_| std::thread::sleep(Duration::from_millis(20)))
                .ok()
        })
        .unwrap();
    for tool in [&Tool::Ours, &theirs] {
        tool.ask(dir, &commit).success();
        assert_ne!(tool.ask(dir, &prune).code, Some(0));
    }
    drop(shared);
    theirs.ask(dir, &prune).success();
}
