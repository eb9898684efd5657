//! `prune` and `fsck --delete` killed at random moments: what is left is a sound repository, and the next run finishes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use fixtures::Scratch;
use fixtures::peer;
use fixtures::seed::Random;

use crate::pair::{Answer, our_ostree};

/// How often each job is killed; the environment may ask for more.
fn kills(usual: usize) -> usize {
    let asked = std::env::var("APK_OSTREE_KILLS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn ask(dir: &Path, args: &[&str]) -> Answer {
    let mut command = our_ostree(dir);
    command.args(args);
    Answer::of(command)
}

/// A directory with a repository `template`: some branches with a history, of which much is to go.
fn template(label: &str) -> Scratch {
    let scratch = fixtures::scratch(label);
    let dir = scratch.path();
    ask(dir, &["init", "--repo=template", "--mode=archive"]).success();
    let config = dir.join("template/config");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text + "fsync=false\ntombstone-commits=true\n").unwrap();
    for round in 0..24 {
        for number in 0..12 {
            let sub = dir.join(format!("t/{}/{}", number % 3, number % 4));
            fs::create_dir_all(&sub).unwrap();
            let content = format!(
                "{}\n",
                if number < 6 {
                    number
                } else {
                    number * 100 + round
                }
            );
            fs::write(sub.join(format!("f{number}")), content).unwrap();
        }
        let branch = ["main", "side", "main", "deep/er"][round % 4];
        let meta = format!("--add-metadata-string=round={round}");
        ask(
            dir,
            &["commit", "--repo=template", "-b", branch, &meta, "t"],
        )
        .success();
    }
    for round in 0..6 {
        // What a commit that was broken off leaves: objects that nobody needs.
        fs::write(dir.join("t/orphan"), format!("orphan {round}\n")).unwrap();
        let id = ask(dir, &["commit", "--repo=template", "--orphan", "t"]).success();
        let mark = format!("template/state/{}.commitpartial", id.trim());
        fs::write(dir.join(mark), "").unwrap();
    }
    scratch
}

/// A repository `r` like the template. Objects are never changed, so links to them do.
fn fresh(scratch: &Scratch) {
    scratch.remove("r");
    let dir = scratch.path();
    let mut command = Command::new("cp");
    command
        .args(["-a", "--link", "template", "r"])
        .current_dir(dir);
    assert!(command.status().unwrap().success());
    // These are written in place.
    for name in ["config", ".lock"] {
        let text = fs::read(dir.join("template").join(name)).unwrap();
        fs::remove_file(dir.join("r").join(name)).unwrap();
        fs::write(dir.join("r").join(name), text).unwrap();
    }
}

/// Names of all files but those of the lock.
fn names(dir: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(next) = dirs.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                names.insert(path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    names
}

/// When a command is killed.
enum Moment<'a> {
    After(Duration),
    /// As soon as this file is gone.
    Gone(&'a Path),
}

/// Runs our command and kills it; says whether it was still running.
fn killed(dir: &Path, args: &[&str], moment: &Moment<'_>) -> bool {
    let mut command = our_ostree(dir);
    command
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    match moment {
        Moment::After(time) => thread::sleep(*time),
        Moment::Gone(path) => while path.exists() && child.try_wait().unwrap().is_none() {},
    }
    child.kill().unwrap();
    child.wait().unwrap().code().is_none()
}

/// How long the whole job takes, in microseconds.
fn duration(scratch: &Scratch, args: &[&str]) -> usize {
    let mut times: Vec<usize> = (0..3)
        .map(|_| {
            fresh(scratch);
            let started = Instant::now();
            ask(scratch.path(), args);
            usize::try_from(started.elapsed().as_micros()).unwrap()
        })
        .collect();
    times.sort();
    times[1]
}

#[test]
fn a_prune_may_be_killed_at_any_moment() {
    let real = peer::ostree();
    let scratch = template("killed");
    let dir = scratch.path();
    let args = ["prune", "--repo=r", "--refs-only", "--depth=1"];
    let whole = duration(&scratch, &args);
    let wanted = names(&dir.join("r"));
    let template = names(&dir.join("template"));
    // Files go last, so these leave some time.
    let is_early = |name: &&String| !name.ends_with(".filez");
    let victims: Vec<&String> = template.difference(&wanted).filter(is_early).collect();
    let mut random = Random::new(1);
    let (mut caught, mut half_done) = (0, 0);
    for round in 0..kills(110) {
        fresh(&scratch);
        let before = names(&dir.join("r"));
        let victim = dir.join("r").join(victims[random.below(victims.len())]);
        let after = Duration::from_micros(random.below(whole) as u64);
        let moment = match round % 4 {
            0 => Moment::After(after),
            _ => Moment::Gone(&victim),
        };
        caught += usize::from(killed(dir, &args, &moment));
        let left = names(&dir.join("r"));
        half_done += usize::from(left != before && left != wanted);
        // Neither a commit nor a ref misses anything.
        let answer = ask(dir, &["fsck", "--repo=r", "-q"]);
        assert_eq!(answer.code, Some(0), "{round}: {answer:?}");
        if let Some(real) = real.as_ref().filter(|_| round % 3 == 0) {
            real.run_in(dir, ["fsck", "--repo=r", "-q"]).success();
        }
        ask(dir, &args).success();
        assert_eq!(names(&dir.join("r")), wanted, "{round}");
    }
    println!("{caught} were killed, {half_done} in the middle of deleting");
    assert!(half_done > 0, "no kill came in the middle");
    assert!(
        caught * 10 >= kills(110),
        "only {caught} kills came in time"
    );
}

#[test]
fn deleting_corrupt_objects_may_be_broken_off_anywhere() {
    let scratch = template("killed-fsck");
    let dir = scratch.path();
    // Every fifth object is corrupt; the links of the copies would share the damage.
    let corrupt = || {
        fresh(&scratch);
        let objects = names(&dir.join("template/objects"));
        let files = objects.iter().filter(|name| name.ends_with(".filez"));
        for name in files.step_by(5) {
            let path = dir.join("r/objects").join(name);
            fs::remove_file(&path).unwrap();
            fs::write(&path, "corrupt").unwrap();
        }
    };
    let args = ["fsck", "--repo=r", "-a", "--delete"];
    corrupt();
    let started = Instant::now();
    assert_eq!(ask(dir, &args).code, Some(1));
    fs::remove_dir_all(dir.join("r")).unwrap(); // what it deleted is missing in commits that are still there
    let whole = usize::try_from(started.elapsed().as_micros()).unwrap();
    let mut random = Random::new(2);
    let mut caught = 0;
    for _ in 0..kills(25) {
        corrupt();
        let after = Duration::from_micros(random.below(whole) as u64);
        caught += usize::from(killed(dir, &args, &Moment::After(after)));
        // A commit that misses an object is known to: nothing is found missing that was not before.
        let answer = ask(dir, &["fsck", "--repo=r", "-a"]);
        assert!(
            !answer.stderr.contains("Object missing"),
            "{after:?}: {answer:?}"
        );
        ask(dir, &args);
        // The broken commits go, and all is well.
        ask(
            dir,
            &["refs", "--repo=r", "--delete", "main", "side", "deep"],
        )
        .success();
        ask(dir, &["prune", "--repo=r", "--refs-only"]).success();
        ask(dir, &["fsck", "--repo=r"]).success();
    }
    println!("{caught} were killed");
    assert!(caught * 5 >= kills(25), "only {caught} kills came in time");
}
