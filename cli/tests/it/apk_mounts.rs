//! Roots in which other file systems are mounted: `add`, `upgrade` and `del` leave in them what they leave in a root of one
//! piece, and what real apk leaves; broken off, the next run completes them. The mounts are in a namespace of their own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fixtures::peer;
use fixtures::seed::Random;

use crate::apk_roots::{SIGNALS, killed, listing, ours, shared};
use crate::pair::Answer;

const STEPS: [&str; 3] = [
    "add --initdb --no-scripts demo-base demo-tool<1.1 demo-git",
    "add --no-scripts --upgrade demo-tool",
    "del --no-scripts demo-git demo-tool",
];

/// Directories of the root at which something is mounted: memory, and another directory of the same file system.
const MOUNTS: &str = "mkdir -p $1/usr $1/etc $1/var $2 && chmod 755 $1/usr $1/etc $1/var && \
    mount -t tmpfs -o mode=755 none $1/usr && mkdir -p $1/usr/lib && mount -t tmpfs -o mode=755 none $1/usr/lib && \
    mount --bind $2 $1/etc && mount -t tmpfs -o mode=755 none $1/var && echo mounted && read end";

/// A root with mounts in it, as long as the process lives that has them.
struct Mounted {
    holder: Child,
    /// The root as that process sees it.
    root: PathBuf,
}

impl Mounted {
    /// `None`, after saying so, where nothing can be mounted.
    #[allow(clippy::print_stderr, reason = "a check that is left out is told")]
    fn new(scratch: &Path, name: &str) -> Option<Mounted> {
        let (root, other) = (scratch.join(name), scratch.join(format!("{name}-etc")));
        fs::create_dir(&root).unwrap();
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", MOUNTS, "sh"]);
        command.arg(&root).arg(&other);
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let Ok(mut holder) = pipes.stderr(Stdio::null()).spawn() else {
            eprintln!("no unshare: roots with mounts in them are not tried");
            return None;
        };
        let mut line = String::new();
        let mut said = BufReader::new(holder.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        if line != "mounted\n" {
            holder.wait().unwrap();
            eprintln!("nothing can be mounted: roots with mounts in them are not tried");
            return None;
        }
        let within = root.strip_prefix("/").unwrap();
        let root = Path::new("/proc")
            .join(holder.id().to_string())
            .join("root")
            .join(within);
        Some(Mounted { holder, root })
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(self.holder.stdin.take()); // the mounts go with the process
        self.holder.wait().unwrap();
    }
}

/// The mount points stay, where a root of one piece loses the directories.
fn without_mount_points(listing: &str) -> String {
    let points = ["usr\td", "usr/lib\td", "etc\td", "var\td"];
    let lines = listing.lines().filter(|line| {
        let stays = points.iter().any(|point| line.starts_with(point));
        !stays
    });
    lines.map(|line| format!("{line}\n")).collect()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn a_root_with_mounts_in_it_ends_as_one_of_one_piece() {
    if !is_root() {
        return;
    }
    let scratch = fixtures::scratch("mounts");
    let Some(mounted) = Mounted::new(scratch.path(), "mounted") else {
        return;
    };
    let Some(theirs) = Mounted::new(scratch.path(), "theirs") else {
        return;
    };
    let whole = scratch.path().join("whole");
    fs::create_dir(&whole).unwrap();
    let apk = peer::apk3().filter(|apk| apk.version() == crate::apk::VERSION);
    for step in STEPS {
        let expected = Answer::of(ours(&whole, step));
        let found = Answer::of(ours(&mounted.root, step));
        assert_eq!(found.code, Some(0), "{step}: {}", found.stderr);
        assert_eq!(found.stdout, expected.stdout, "{step}");
        let [found, expected] =
            [&mounted.root, &whole].map(|root| without_mount_points(&listing(root)));
        crate::pair::similar(&found, &expected, step);
        if let Some(apk) = &apk {
            let mut command = apk.command();
            command.args(shared(&theirs.root)).args(step.split(' '));
            assert_eq!(Answer::of(command).code, Some(0), "{step}");
            // apk 3.0 makes directories without setgid bits.
            let told = |listing: &str| {
                let lines = listing.lines().filter(|line| !line.contains("\td\t"));
                lines.map(|line| format!("{line}\n")).collect::<String>()
            };
            crate::pair::similar(&told(&found), &told(&listing(&theirs.root)), step);
        }
    }
}

/// `APK_OSTREE_KILLS` says how often; the clock only chooses moments, and decides nothing.
#[test]
fn a_killed_run_over_mounts_is_completed_by_the_next() {
    if !is_root() {
        return;
    }
    let kills = std::env::var("APK_OSTREE_KILLS").ok();
    let kills = kills.and_then(|kills| kills.parse().ok()).unwrap_or(4);
    let scratch = fixtures::scratch("mounts-killed");
    let Some(calm) = Mounted::new(scratch.path(), "calm") else {
        return;
    };
    let mut expected = Vec::new();
    for step in STEPS {
        let began = Instant::now();
        assert_eq!(Answer::of(ours(&calm.root, step)).code, Some(0), "{step}");
        expected.push((listing(&calm.root), began.elapsed()));
    }
    let mut random = Random::new(8);
    let mut broken_off = 0;
    for round in 0..kills {
        let Some(mounted) = Mounted::new(scratch.path(), &format!("root{round}")) else {
            return;
        };
        for (step, (expected, time)) in STEPS.iter().zip(&expected) {
            let moment: Duration = time.mul_f64(random.below(1000) as f64 / 1000.0);
            broken_off += usize::from(killed(
                ours(&mounted.root, step),
                moment,
                SIGNALS[round % 3],
            ));
            let answer = Answer::of(ours(&mounted.root, step));
            assert_eq!(answer.code, Some(0), "{step}: {}", answer.stderr);
            crate::pair::similar(&listing(&mounted.root), expected, step);
        }
    }
    eprintln!("{broken_off} runs were broken off");
}
