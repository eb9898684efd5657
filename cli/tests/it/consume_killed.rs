//! kill -9 while `commit --consume` runs: at any moment every file is in the source, in a commit, or in both.

use crate::pair::{Answer, our_ostree};
use fixtures::peer;
use fixtures::seed::Random;
use ostree_store::repo::Repo;
use ostree_store::upkeep::fsck::fsck;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const FILES: u64 = 150;
const KILLS: usize = 25;

const COMMIT: &[&str] = &[
    "commit",
    "--repo=r",
    "-b",
    "main",
    "--consume",
    "--tree=ref=main",
    "--tree=dir=t",
];

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = our_ostree(dir);
    command.args(args).stderr(Stdio::null());
    command
}

#[track_caller]
fn run(dir: &Path, args: &[&str]) {
    let answer = Answer::of({
        let mut command = our_ostree(dir);
        command.args(args);
        command
    });
    answer.success();
}

/// A source of files that have not been there before, and what is in them.
fn fill(dir: &Path, round: u64, random: &mut Random) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for number in 0..FILES {
        let path = format!("d{}/s/f{number}", number % 7);
        let content = format!("{round} {number} ").repeat(1 + random.below(400));
        fs::create_dir_all(dir.join("t").join(&path).parent().unwrap()).unwrap();
        fs::write(dir.join("t").join(&path), &content).unwrap();
        files.insert(path, content);
    }
    files
}

/// Where each file is: in the source or, if not there, in the commit that `main` names.
#[track_caller]
fn nothing_is_lost(dir: &Path, files: &BTreeMap<String, String>) {
    let repo = Repo::open(&dir.join("r")).unwrap();
    assert!(fsck(&repo, &|_, _| ()).unwrap().is_clean());
    let gone: Vec<(&String, &String)> = files
        .iter()
        .filter(|(path, content)| {
            fs::read_to_string(dir.join("t").join(path)).ok().as_ref() != Some(*content)
        })
        .collect();
    if gone.is_empty() {
        return;
    }
    let _ = fs::remove_dir_all(dir.join("out"));
    run(dir, &["checkout", "--repo=r", "-U", "main", "out"]);
    for (path, content) in gone {
        let found = fs::read_to_string(dir.join("out").join(path)).unwrap();
        assert!(found == *content, "{path} is neither here nor there");
    }
}

#[test]
fn no_file_is_lost() {
    let scratch = fixtures::scratch("consume-killed");
    let dir = scratch.path();
    let mut random = Random::new(5);
    run(dir, &["init", "--repo=r", "--mode=archive"]);
    let config = dir.join("r/config");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text + "fsync=false\n").unwrap();
    fill(dir, 0, &mut random);
    run(dir, &["commit", "--repo=r", "-b", "main", "t"]);
    let mut whole = Duration::ZERO;
    let (mut killed, mut partly) = (0, 0);
    for round in 1..=3 * KILLS as u64 {
        let files = fill(dir, round, &mut random);
        if round == 1 {
            let start = Instant::now();
            run(dir, COMMIT);
            whole = start.elapsed();
            nothing_is_lost(dir, &files);
            assert!(!dir.join("t").exists());
            continue;
        }
        let mut child = command(dir, COMMIT).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole * u32::try_from(random.below(1000)).unwrap() / 900);
        child.kill().unwrap();
        killed += usize::from(child.wait().unwrap().signal() == Some(9));
        nothing_is_lost(dir, &files);
        let left = files
            .keys()
            .filter(|path| dir.join("t").join(path).exists());
        partly += usize::from((1..files.len()).contains(&left.count()));
        if killed == KILLS {
            break;
        }
    }
    println!("{killed} killed, {partly} of them while files were deleted");
    assert!(killed >= KILLS / 2, "only {killed} were in time");
    if let Some(real) = peer::ostree() {
        real.run_in(dir, ["fsck", "--repo=r", "-q"]).success();
    }
}
