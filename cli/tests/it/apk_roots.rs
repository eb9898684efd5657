//! `apk add`, `del`, `upgrade` and `fix` that change a root, beside the real apk 3.0.6: what they say, how they end, and
//! what they leave.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use fixtures::peer;
use fixtures::seed::Random;
use rustix::process::{Pid, Signal, kill_process};

use crate::pair::{Answer, apk_ostree};

const SESSION: &[&str] = &[
    "add --initdb --no-scripts demo-base demo-tool<1.1",
    "add --no-scripts demo-base",
    "update",
    "-X /no-such-repository update",
    "-q update",
    "EDIT etc/motd",
    "upgrade --no-scripts",
    "add --no-scripts demo-tool",
    "fix --no-scripts --reinstall demo-busybox",
    "add --no-scripts demo-git",
    "add --no-scripts no-such-package",
    "fix --no-scripts no-such-package",
    "-v del --no-scripts demo-git",
    "del --no-scripts no-such-package",
    "-q del --no-scripts demo-tool",
    "--purge del --no-scripts demo-base",
];

/// Words that every command of a session begins with.
pub(crate) fn shared(root: &Path) -> Vec<String> {
    let (repository, keys) = (fixtures::path("demo/repo"), fixtures::path("demo/keys"));
    let words = [
        "--root",
        root.to_str().unwrap(),
        "--arch",
        "x86_64",
        "-X",
        repository.to_str().unwrap(),
        "--keys-dir",
        keys.to_str().unwrap(),
        "--logfile=no",
        "--no-cache",
        "--no-progress",
    ];
    words.iter().map(|word| (*word).to_owned()).collect()
}

pub(crate) fn ours(root: &Path, line: &str) -> std::process::Command {
    let mut command = apk_ostree(Path::new("/"));
    command.arg("apk").args(shared(root)).args(line.split(' '));
    if line.contains("--initdb") {
        command.args(["--dialect", "3.0"]);
    }
    command
}

/// Everything below a root but the lock, which is made where there is a database before the run.
pub(crate) fn listing(root: &Path) -> String {
    let listing = fixtures::listing::of(root).unwrap();
    let lines = listing
        .lines()
        .filter(|line| !line.starts_with("lib/apk/db/lock\t"));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_session_says_and_leaves_what_apk_does() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let Some(apk) = peer::apk3().filter(|apk| apk.version() == crate::apk::VERSION) else {
        return;
    };
    let scratch = fixtures::scratch("roots");
    let roots = ["ours", "theirs"].map(|name| scratch.path().join(name));
    roots.iter().for_each(|root| fs::create_dir(root).unwrap());
    for line in SESSION {
        if let Some(path) = line.strip_prefix("EDIT ") {
            for root in &roots {
                fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
                fs::write(root.join(path), "edited\n").unwrap();
            }
            continue;
        }
        let ours = Answer::of(ours(&roots[0], line));
        let mut command = apk.command();
        command.args(shared(&roots[1])).args(line.split(' '));
        let theirs = Answer::of(command);
        assert_eq!(ours.stdout, theirs.stdout, "{line}\n{}", ours.stderr);
        assert_eq!(ours.code, theirs.code, "{line}\n{}", ours.stderr);
        assert!(
            ours.stderr.starts_with(&theirs.stderr),
            "{line}\n{}",
            ours.stderr
        );
        let told = |root: &Path| {
            let lines = listing(root);
            let lines = lines.lines().filter(|line| !line.contains("\td\t2750\t"));
            let lines = lines.filter(|line| !line.starts_with("var/lib/tool\t"));
            lines.map(|line| format!("{line}\n")).collect::<String>()
        };
        crate::pair::similar(&told(&roots[0]), &told(&roots[1]), line);
    }
}

#[test]
fn scripts_are_refused_by_name_before_anything_changes() {
    let scratch = fixtures::scratch("scripts-refused");
    let answer = Answer::of(ours(scratch.path(), "add --initdb demo-base"));
    if !rustix::process::geteuid().is_root() {
        return assert_eq!(answer.code, Some(99));
    }
    assert_eq!(answer.code, Some(99));
    assert!(answer.stderr.contains(".post-install"), "{}", answer.stderr);
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
}

/// Links of the root that lead out of it lead to its own top.
#[test]
fn nothing_is_written_outside_the_root() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let scratch = fixtures::scratch("outside");
    let (root, outside) = (scratch.path().join("root"), scratch.path().join("outside"));
    for dir in ["root", "outside/bin", "outside/apk"] {
        fs::create_dir_all(scratch.path().join(dir)).unwrap();
    }
    symlink("../outside", root.join("etc")).unwrap();
    symlink(&outside, root.join("usr")).unwrap();
    symlink("../../../../../../../../../../..", root.join("lib")).unwrap();
    let before = listing(&outside);
    let answer = Answer::of(ours(&root, "add --initdb --no-scripts demo-base demo-tool"));
    assert_ne!(answer.code, None, "{}", answer.stderr);
    assert_eq!(listing(&outside), before);
    assert!(!scratch.path().join("apk").exists());
}

/// `APK_OSTREE_KILLS` says how often; the clock only chooses moments, and decides nothing.
#[test]
fn a_killed_run_is_completed_by_the_next() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let kills = std::env::var("APK_OSTREE_KILLS").ok();
    let kills = kills.and_then(|kills| kills.parse().ok()).unwrap_or(12);
    let steps = [
        "add --initdb --no-scripts demo-base demo-tool<1.1 demo-git",
        "add --no-scripts --upgrade demo-tool",
        "del --no-scripts demo-git demo-tool",
    ];
    let scratch = fixtures::scratch("killed");
    let calm = scratch.path().join("calm");
    fs::create_dir(&calm).unwrap();
    let mut expected = Vec::new();
    for step in steps {
        let began = Instant::now();
        assert_eq!(Answer::of(ours(&calm, step)).code, Some(0), "{step}");
        expected.push((listing(&calm), began.elapsed()));
    }
    let mut random = Random::new(7);
    let mut broken_off = 0;
    for round in 0..kills {
        let root = scratch.path().join(format!("root{round}"));
        fs::create_dir(&root).unwrap();
        for (step, (expected, time)) in steps.iter().zip(&expected) {
            let moment = time.mul_f64(random.below(1000) as f64 / 1000.0);
            let signal = SIGNALS[(round + random.below(3)) % 3];
            broken_off += usize::from(killed(ours(&root, step), moment, signal));
            let answer = Answer::of(ours(&root, step));
            assert_eq!(answer.code, Some(0), "{step}: {}", answer.stderr);
            crate::pair::similar(&listing(&root), expected, step);
        }
        fs::remove_dir_all(&root).unwrap();
    }
    eprintln!("{broken_off} runs were broken off");
}

/// Those that end a run, as they end apk: a shell sees 137, 130 and 143.
pub(crate) const SIGNALS: [Signal; 3] = [Signal::KILL, Signal::INT, Signal::TERM];

/// Whether the command was still running at the moment at which it was killed, and ended by that.
pub(crate) fn killed(mut command: std::process::Command, moment: Duration, signal: Signal) -> bool {
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = quiet.spawn().unwrap();
    std::thread::sleep(moment);
    if child.try_wait().unwrap().is_some() {
        return false;
    }
    kill_process(Pid::from_child(&child), signal).unwrap();
    let ended = child.wait().unwrap();
    // It may have come to its end by itself just before.
    assert!(
        ended.signal() == Some(signal.as_raw()) || ended.code() == Some(0),
        "{ended}"
    );
    ended.signal().is_some()
}

/// What an ordinary user makes and commits with the owners of the database is what root makes and commits.
#[test]
fn an_ordinary_user_commits_what_root_would() {
    if !rustix::process::geteuid().is_root() {
        return; // then there is nobody to be compared with
    }
    const NOBODY: u32 = 65534;
    // A place that an ordinary user can reach; so must the program be.
    let scratch = fixtures::scratch("usermode");
    let place = scratch.path();
    fs::set_permissions(place, fs::Permissions::from_mode(0o755)).unwrap();
    let program = place.join("apk-ostree");
    fs::copy(env!("CARGO_BIN_EXE_apk-ostree"), &program).unwrap();
    crate::apk::copy_dir(&fixtures::path("demo"), &place.join("demo"));
    let mut commits = Vec::new();
    for (user, uid, more) in [("root", 0, ""), ("nobody", NOBODY, "--usermode")] {
        let root = place.join(user);
        let repo = place.join(format!("{user}.repo"));
        for dir in [&root, &repo] {
            fs::create_dir(dir).unwrap();
            std::os::unix::fs::chown(dir, Some(uid), Some(uid)).unwrap();
        }
        let run = |words: String| {
            let mut command = std::process::Command::new(&program);
            command.args(words.split_whitespace()).current_dir(place);
            command.uid(uid).gid(uid);
            Answer::of(command).success()
        };
        run(format!(
            "apk --root {user} --arch x86_64 -X demo/repo --keys-dir {}/demo/keys --no-cache --logfile=no \
             --dialect 3.0 add --initdb --no-scripts {more} demo-base demo-tool demo-git",
            place.display()
        ));
        run(format!("init --repo {user}.repo --mode archive"));
        let owners = if uid == 0 { "" } else { "--owners-from-db" };
        commits.push(run(format!(
            "commit --repo {user}.repo -b x --timestamp @1 --no-xattrs {owners} --tree dir={user}"
        )));
    }
    assert_eq!(commits[0], commits[1]);
    let owner = |path: &str| {
        place
            .join("nobody")
            .join(path)
            .symlink_metadata()
            .unwrap()
            .uid()
    };
    assert_eq!(owner("etc/passwd"), NOBODY);
}

/// A v3 package by its index and as a file, which gives it another identity.
#[test]
fn v3_packages_are_installed_as_apk_installs_them() {
    let apk = peer::apk3().filter(|apk| apk.version() == crate::apk::VERSION);
    let (true, Some(apk)) = (rustix::process::geteuid().is_root(), apk) else {
        return;
    };
    let scratch = fixtures::scratch("roots-v3");
    let place = scratch.path();
    for dir in ["files/etc", "files/usr/bin", "repo/x86_64"] {
        fs::create_dir_all(place.join(dir)).unwrap();
    }
    fs::write(place.join("files/etc/x.conf"), "conf\n").unwrap();
    fs::write(place.join("files/usr/bin/hi"), "hi\n").unwrap();
    fs::hard_link(
        place.join("files/usr/bin/hi"),
        place.join("files/usr/bin/hi2"),
    )
    .unwrap();
    symlink("hi", place.join("files/usr/bin/link")).unwrap();
    let file = "repo/x86_64/three-1.0-r0.apk";
    let making = [
        format!(
            "mkpkg -I name:three -I version:1.0-r0 -I arch:x86_64 -F files -t /usr/bin -o {file}"
        ),
        format!("--allow-untrusted mkndx -o repo/x86_64/Packages.adb {file}"),
    ];
    for words in making {
        apk.run_in(place, words.split(' ')).success();
    }
    for (name, wanted) in [("index", "three"), ("file", file)] {
        let mut listings = Vec::new();
        for whose in ["ours", "theirs"] {
            let root = format!("{name}-{whose}");
            fs::create_dir(place.join(&root)).unwrap();
            let mut command = match whose {
                "ours" => apk_ostree(place),
                _ => apk.command(),
            };
            if whose == "ours" {
                command.arg("apk");
            }
            let config = format!("v3 {}/repo", place.display());
            command
                .current_dir(place)
                .args(["--repository-config", &config]);
            let words = format!(
                "--root {root} --arch x86_64 --allow-untrusted --no-cache --logfile=no --no-progress \
                 add --initdb --no-scripts --force-non-repository {wanted}"
            );
            command.args(words.split_whitespace());
            let said = Answer::of(command).success();
            listings.push((said, listing(&place.join(root))));
        }
        assert_eq!(listings[0].0, listings[1].0);
        crate::pair::similar(&listings[0].1, &listings[1].1, name);
    }
}
