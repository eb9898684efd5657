//! `compose` as its users meet it: output, exit codes, and what a failure leaves behind.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::pair::{Answer, apk_ostree};

/// Composes a manifest into `repo` in `dir`.
fn compose(dir: &Path, manifest: &Path, more: &[&str]) -> Answer {
    let mut command = apk_ostree(dir);
    command
        .arg("compose")
        .arg(manifest)
        .args(["--repo", "repo"])
        .args(more);
    Answer::of(command)
}

fn demo() -> std::path::PathBuf {
    fixtures::path("demo/demo.toml")
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn the_demo_composes_and_the_real_ostree_agrees() {
    let dir = fixtures::scratch("cli-compose");
    let answer = compose(dir.path(), &demo(), &[]);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    let lines: Vec<(&str, &str)> = answer
        .stdout
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    let refs: Vec<&str> = lines.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        refs,
        [
            "demo/x86_64/base",
            "demo/aarch64/base",
            "demo/x86_64/server",
            "demo/aarch64/server"
        ]
    );
    assert!(
        answer
            .stderr
            .contains("etc/issue of demo-baselayout-3.6.5-r0 replaced by demo-issue-1.0-r0")
    );
    assert!(answer.stderr.contains("recorded, not run: "));
    let Some(ostree) = fixtures::peer::ostree() else {
        return;
    };
    let repo = format!("--repo={}", dir.path().join("repo").display());
    ostree.run([repo.as_str(), "fsck"]).success();
    for (name, commit) in lines {
        assert_eq!(
            ostree
                .run([repo.as_str(), "rev-parse", name])
                .success()
                .stdout_text()
                .trim(),
            commit
        );
        let ours = Answer::of({
            let mut command = apk_ostree(dir.path());
            command.args(["ls", "-RCX", "--repo", "repo", name]);
            command
        });
        assert_eq!(
            ours.success(),
            ostree
                .run([repo.as_str(), "ls", "-RCX", name])
                .success()
                .stdout_text()
        );
        let tree = dir.path().join(commit);
        ostree
            .run([
                repo.as_str(),
                "checkout",
                "-U",
                name,
                tree.to_str().unwrap(),
            ])
            .success();
        assert!(tree.join("bin/busybox").is_file());
    }
}

/// The end of the text that this project began with: a package on top of a base, and `world` holds both.
#[test]
fn a_package_goes_on_top_of_a_committed_base() {
    let dir = fixtures::scratch("cli-on-top");
    assert_eq!(compose(dir.path(), &demo(), &[]).code, Some(0));
    let manifest = dir.path().join("more.toml");
    let text = format!(
        "[repositories]\nurls = [\"{0}/repo\"]\nkeys = [\"{0}/keys\"]\narch = [\"x86_64\"]\n\
         [branch.more]\nref = \"demo/{{arch}}/base\"\nfrom = {{ ref = \"demo/{{arch}}/base\" }}\n\
         packages = [\"demo-ping\"]\n",
        fixtures::path("demo").display()
    );
    fs::write(&manifest, text).unwrap();
    let answer = compose(dir.path(), &manifest, &[]);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    let ours = |args: &[&str]| {
        let mut command = apk_ostree(dir.path());
        command.args(args).args(["--repo", "repo"]);
        Answer::of(command).success()
    };
    let world = ours(&["cat", "demo/x86_64/base", "/etc/apk/world"]);
    assert_eq!(world, "demo-base\ndemo-ping\ndemo-tool\n");
    let log = ours(&["log", "demo/x86_64/base"]);
    assert!(
        log.contains("    demo-ping 20240117-r0\n\n    + demo-ping 20240117-r0\n"),
        "{log}"
    );
    let diff = ours(&["diff", "demo/x86_64/base"]);
    let changed = "M    /etc/apk/world\nM    /lib/apk/db/installed\n";
    assert_eq!(
        diff,
        format!("{changed}A    /usr/bin/ping\nA    /usr/bin/ping6\n")
    );
    let Some(ostree) = fixtures::peer::ostree() else {
        return;
    };
    let repo = format!("--repo={}", dir.path().join("repo").display());
    let theirs = ostree.run([repo.as_str(), "diff", "demo/x86_64/base"]);
    assert_eq!(diff, theirs.success().stdout_text());
}

#[test]
fn surroundings_do_not_matter() {
    let dir = fixtures::scratch("cli-surroundings");
    let plain = compose(dir.path(), &demo(), &[]).stdout;
    for (index, (umask, variables)) in [
        ("077", [("LC_ALL", "tr_TR.UTF-8"), ("TZ", "Asia/Tokyo")]),
        ("000", [("LC_ALL", "C"), ("RAYON_NUM_THREADS", "1")]),
    ]
    .into_iter()
    .enumerate()
    {
        let place = dir.path().join(index.to_string());
        fs::create_dir(&place).unwrap();
        let mut command = Command::new("sh");
        command.current_dir(&place).envs(variables).arg("-c");
        command.arg(format!(
            "umask {umask}; exec \"$0\" compose \"$1\" --repo repo"
        ));
        command.arg(env!("CARGO_BIN_EXE_apk-ostree")).arg(demo());
        if is_root() && index == 0 {
            // Another user, who may read the sources and write here.
            std::os::unix::fs::chown(&place, Some(65534), Some(65534)).unwrap();
            let readable = Command::new("test")
                .arg("-r")
                .arg(demo())
                .uid(65534)
                .gid(65534)
                .status()
                .unwrap();
            if readable.success() {
                command.uid(65534).gid(65534);
            }
        }
        assert_eq!(Answer::of(command).stdout, plain, "umask {umask}");
    }
}

#[test]
fn a_dry_run_writes_nothing() {
    let dir = fixtures::scratch("cli-dry-run");
    let answer = compose(dir.path(), &demo(), &["--dry-run"]);
    assert!(
        answer
            .stdout
            .starts_with("demo/x86_64/base:\n(1/7) Installing demo-libc (1.2.5-r0)\n"),
        "{}",
        answer.stdout
    );
    let mut refs = apk_ostree(dir.path());
    refs.args(["refs", "--repo", "repo"]);
    assert_eq!(Answer::of(refs).success(), "");
}

#[test]
fn json_tells_everything() {
    let dir = fixtures::scratch("cli-json");
    let answer = compose(dir.path(), &demo(), &["--json"]);
    let report: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    let server = &report["branches"][2];
    assert_eq!(server["ref"], "demo/x86_64/server");
    assert_eq!(server["commit"].as_str().unwrap().len(), 64);
    assert_eq!(server["unchanged"], false);
    assert_eq!(server["packages"].as_array().unwrap().len(), 17);
    assert_eq!(server["steps"][0], "Installing demo-libc (1.2.5-r0)");
    let notices = server["notices"].as_array().unwrap();
    assert!(
        notices
            .iter()
            .any(|notice| notice["notice"] == "replaced" && notice["path"] == "etc/issue")
    );
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let dir = fixtures::scratch("cli-usage");
    for args in [
        &["compose"][..],
        &["compose", "--nonsense", "x"],
        &["compose", "x.toml"],
    ] {
        let mut command = apk_ostree(dir.path());
        command.args(args);
        let answer = Answer::of(command);
        assert_eq!(answer.code, Some(2), "{args:?}: {}", answer.stderr);
        assert!(
            answer.stderr.starts_with("error: "),
            "{args:?}: {}",
            answer.stderr
        );
    }
}

#[test]
fn a_manifest_with_a_typo_is_pointed_at() {
    let dir = fixtures::scratch("cli-typo");
    let text = fixtures::text("demo/demo.toml").replacen("packages =", "pakages =", 1);
    fs::write(dir.path().join("typo.toml"), text).unwrap();
    let answer = compose(dir.path(), Path::new("typo.toml"), &[]);
    assert_eq!(answer.code, Some(1));
    let line = "error: typo.toml: line 12, column 1: unknown field `pakages`, expected one of ";
    assert!(answer.stderr.starts_with(line), "{}", answer.stderr);
    assert!(!dir.path().join("repo").exists());
    assert_eq!(
        compose(dir.path(), Path::new("none.toml"), &[]).code,
        Some(1)
    );
}

#[test]
fn a_repository_that_cannot_be_written_is_named() {
    if !is_root() {
        eprintln!("without root there is no second user: the unwritable repository is left out");
        return;
    }
    let dir = fixtures::scratch("cli-unwritable");
    assert_eq!(compose(dir.path(), &demo(), &[]).code, Some(0));
    fs::set_permissions(
        dir.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let copy = dir.path().join("apk-ostree");
    fs::copy(env!("CARGO_BIN_EXE_apk-ostree"), &copy).unwrap();
    let sources = dir.path().join("demo");
    copy_dir(&fixtures::path("demo"), &sources);
    let mut command = Command::new(copy);
    command.current_dir(dir.path()).uid(65534).gid(65534);
    command.args(["compose", "demo/demo.toml", "--repo", "repo"]);
    let answer = Answer::of(command);
    assert_eq!(answer.code, Some(1));
    assert!(
        answer.stderr.contains("/repo/") && answer.stderr.contains("Permission denied"),
        "{}",
        answer.stderr
    );
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A file system of its own size, unmounted with the test.
struct SmallDisk<'a>(&'a Path);

impl SmallDisk<'_> {
    fn mount<'a>(at: &'a Path, size: &str) -> Option<SmallDisk<'a>> {
        fs::create_dir_all(at).unwrap();
        let mut command = Command::new("mount");
        command
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(at);
        let mounted = command.output().is_ok_and(|output| output.status.success());
        mounted.then_some(SmallDisk(at))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_leaves_the_repository_as_it_was() {
    let dir = fixtures::scratch("cli-full");
    let place = dir.path().join("small");
    let Some(_disk) = SmallDisk::mount(&place, "2m") else {
        eprintln!("no file system can be mounted here: the full disk is left out");
        return;
    };
    assert_eq!(compose(&place, &demo(), &[]).code, Some(0));
    for minimum in ["3", "0"] {
        // With a limit the transaction stops before the disk is full, without one the kernel says so.
        let config =
            format!("[core]\nrepo_version=1\nmode=bare-user\nmin-free-space-percent={minimum}\n");
        fs::write(place.join("repo/config"), config).unwrap();
        let before = everything_in(&place.join("repo"));
        let fill = place.join("fill");
        let free = rustix::fs::statvfs(&place).unwrap();
        fs::write(
            &fill,
            vec![1; usize::try_from(free.f_bavail * free.f_frsize).unwrap() - (96 << 10)],
        )
        .unwrap();
        // Something that is not there yet and does not fit.
        fs::create_dir_all(dir.path().join("large")).unwrap();
        fs::write(dir.path().join("large/file"), vec![7; 1 << 20]).unwrap();
        let more = dir.path().join("more.toml");
        let demo = fixtures::path("demo");
        let text = format!(
            "[repositories]\nurls = [\"{0}/repo\"]\nkeys = [\"{0}/keys\"]\narch = [\"x86_64\"]\n\
             [branch.large]\nref = \"large\"\npackages = [\"demo-tool\"]\noverlays = [\"large\"]\n",
            demo.display()
        );
        fs::write(&more, text).unwrap();
        let answer = compose(&place, &more, &[]);
        assert_eq!(answer.code, Some(1), "{}", answer.stderr);
        let words = if minimum == "3" {
            "min-free-space-percent '3%' would be exceeded"
        } else {
            "No space left on device"
        };
        assert!(answer.stderr.contains(words), "{}", answer.stderr);
        assert!(answer.stderr.contains("hint: "), "{}", answer.stderr);
        fs::remove_file(&fill).unwrap();
        assert_eq!(everything_in(&place.join("repo")), before);
        let mut fsck = apk_ostree(&place);
        fsck.args(["fsck", "-q", "--repo", "repo"]);
        assert_eq!(Answer::of(fsck).code, Some(0));
    }
}

/// Every path below a directory, sorted.
fn everything_in(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}
