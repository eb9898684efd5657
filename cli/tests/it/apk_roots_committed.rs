//! Roots that `apk add` has made, committed by the real ostree, are what `compose` makes of the same world without a
//! disk; and the real apks find nothing to do in them, and go on from them.
//!
//! What apk 2.14 makes in a new root and no package has is taken away before: device nodes, which no commit can hold,
//! the lock, directories for caches; and `proc` gets the mode that its package says. apk 3.0 makes nothing that
//! `compose` does not.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use apk_format::{Dialect, InstalledDb};
use composer::directories::claims;
use fixtures::peer::{self, Peer};

use crate::apk_seen::Seen;
use crate::apk_sets::{Excused, apks, compare};
use crate::pair::{Answer, apk_ostree};

/// A world, and where its packages are.
struct World {
    repository: PathBuf,
    keys: PathBuf,
    arch: &'static str,
    packages: Vec<String>,
}

/// The demo, and where the material is, two real systems.
fn worlds(dir: &Path) -> Vec<World> {
    let mut worlds = Vec::new();
    for (_, packages) in fixtures::demo::BRANCHES {
        for arch in fixtures::demo::ARCHES {
            worlds.push(World {
                repository: fixtures::path("demo/repo"),
                keys: fixtures::path("demo/keys"),
                arch,
                packages: packages.iter().map(|one| (*one).to_owned()).collect(),
            });
        }
    }
    let Some(shared) = fixtures::shared() else {
        return worlds;
    };
    for arch in ["x86_64", "aarch64"] {
        if let Some(repository) = crate::apk_material::repack(&shared, arch, dir) {
            let world = fs::read_to_string(repository.join("world")).unwrap();
            worlds.push(World {
                keys: repository.join("keys"),
                repository,
                arch,
                packages: world.split_whitespace().map(str::to_owned).collect(),
            });
        }
    }
    worlds
}

impl World {
    /// Words for a program that changes a root.
    fn words(
        &self,
        mut command: Command,
        root: &Path,
        dialect: Dialect,
        words: &[&str],
    ) -> Command {
        command.arg("--root").arg(root).args(["--arch", self.arch]);
        command.arg("-X").arg(&self.repository);
        command.arg("--keys-dir").arg(&self.keys);
        command.args(["--no-progress", "--no-cache"]);
        if dialect == Dialect::Apk3 {
            command.arg("--logfile=no");
        }
        command.args(words);
        command
    }

    fn ours(&self, root: &Path, dialect: Dialect, words: &[&str]) -> Answer {
        let mut command = apk_ostree(Path::new("/"));
        command.arg("apk");
        let mut command = self.words(command, root, dialect, words);
        command.args(["--dialect", said(dialect)]);
        Answer::of(command)
    }

    fn theirs(&self, apk: &Peer, root: &Path, dialect: Dialect, words: &[&str]) -> Answer {
        Answer::of(self.words(apk.command(), root, dialect, words))
    }

    /// Commits what `compose` makes of it under `x`.
    fn compose(&self, dir: &Path, repo: &str, dialect: Dialect) {
        let text = format!(
            "[repositories]\nurls = [{:?}]\nkeys = [{:?}]\narch = [{:?}]\n[branch.x]\nref = \"x\"\npackages = {:?}\n",
            self.repository, self.keys, self.arch, self.packages
        );
        fs::write(dir.join("x.toml"), text).unwrap();
        let mut command = apk_ostree(dir);
        command.args([
            "compose",
            "x.toml",
            "--repo",
            repo,
            "--dialect",
            said(dialect),
        ]);
        let answer = Answer::of(command);
        assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    }
}

fn said(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Apk2 => "2.14",
        Dialect::Apk3 => "3.0",
    }
}

/// Takes away what apk 2.14 makes for itself.
fn strip(root: &Path) {
    for name in ["null", "zero", "random", "urandom", "console"] {
        fs::remove_file(root.join("dev").join(name)).unwrap();
    }
    fs::remove_file(root.join("lib/apk/db/lock")).unwrap();
    let installed = fs::read_to_string(root.join("lib/apk/db/installed")).unwrap();
    let installed = InstalledDb::parse(&installed).unwrap();
    let decided = claims(Dialect::Apk2, installed.packages.iter(), |_| true);
    for name in ["var/cache/apk", "var/cache/misc"] {
        if !decided.contains_key(name) {
            fs::remove_dir(root.join(name)).unwrap();
        }
    }
    let (_, _, mode) = decided["proc"];
    fs::set_permissions(root.join("proc"), fs::Permissions::from_mode(mode)).unwrap();
}

/// Both checksums of the top of `x`.
fn top(ostree: &Peer, repo: &Path) -> String {
    let repo = format!("--repo={}", repo.display());
    let told = ostree.run([&*repo, "ls", "-d", "-C", "x"]).success();
    told.line()
}

#[test]
fn a_committed_root_is_what_compose_makes() {
    let (true, Some(ostree)) = (fixtures::record::is_possible(), peer::ostree()) else {
        return;
    };
    let scratch = fixtures::scratch("committed");
    for (number, world) in worlds(scratch.path()).into_iter().enumerate() {
        for dialect in [Dialect::Apk2, Dialect::Apk3] {
            let dir = scratch.path().join(format!("{number}-{dialect}"));
            let root = dir.join("root");
            fs::create_dir_all(&root).unwrap();
            let packages: Vec<&str> = world.packages.iter().map(String::as_str).collect();
            let words = [&["add", "--initdb", "--no-scripts"], &packages[..]].concat();
            let answer = world.ours(&root, dialect, &words);
            assert_eq!(answer.code, Some(0), "{}", answer.stderr);
            if dialect == Dialect::Apk2 {
                strip(&root);
            }
            for name in ["real", "composed"] {
                let repo = format!("--repo={}", dir.join(name).display());
                ostree.run([&*repo, "init", "--mode=archive"]).success();
            }
            let (repo, tree) = (dir.join("real"), format!("--tree=dir={}", root.display()));
            let repo = format!("--repo={}", repo.display());
            ostree.run([&*repo, "commit", "-b", "x", &*tree]).success();
            world.compose(&dir, "composed", dialect);
            let tops = ["real", "composed"].map(|name| top(&ostree, &dir.join(name)));
            assert_eq!(tops[0], tops[1], "{dialect} {} {packages:?}", world.arch);
        }
    }
}

/// What an ordinary user makes, with the owners of its database, is that too.
#[test]
fn an_ordinary_users_root_is_what_compose_makes() {
    const NOBODY: u32 = 65534;
    let (true, Some(ostree)) = (fixtures::record::is_possible(), peer::ostree()) else {
        return; // whoever runs this must be able to become somebody else
    };
    let scratch = fixtures::scratch("committed-by-nobody");
    let place = scratch.path();
    fs::set_permissions(place, fs::Permissions::from_mode(0o755)).unwrap();
    // A place that an ordinary user can reach; so must everything be.
    let program = place.join("apk-ostree");
    fs::copy(env!("CARGO_BIN_EXE_apk-ostree"), &program).unwrap();
    crate::apk::copy_dir(&fixtures::path("demo"), &place.join("demo"));
    let world = World {
        repository: place.join("demo/repo"),
        keys: place.join("demo/keys"),
        arch: "x86_64",
        packages: vec!["demo-base".to_owned(), "demo-tool".to_owned()],
    };
    for name in ["root", "repo"] {
        fs::create_dir(place.join(name)).unwrap();
        chown(place.join(name), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let run = |mut command: Command| {
        command.current_dir(place).uid(NOBODY).gid(NOBODY);
        Answer::of(command).success()
    };
    let mut command = Command::new(&program);
    command.arg("apk");
    let words = [
        "add",
        "--initdb",
        "--no-scripts",
        "--usermode",
        "--dialect",
        "3.0",
    ];
    let words = [&words[..], &["demo-base", "demo-tool"]].concat();
    run(world.words(command, &place.join("root"), Dialect::Apk3, &words));
    for words in [
        "init --repo repo --mode archive",
        "commit --repo repo -b x --owners-from-db --tree dir=root",
    ] {
        let mut command = Command::new(&program);
        command.args(words.split(' '));
        run(command);
    }
    let composed = format!("--repo={}", place.join("composed").display());
    ostree.run([&*composed, "init", "--mode=archive"]).success();
    world.compose(place, "composed", Dialect::Apk3);
    let tops = ["repo", "composed"].map(|name| top(&ostree, &place.join(name)));
    assert_eq!(tops[0], tops[1]);
}

/// The real apks find the same to do in our roots as in theirs, and end in the same root when they go on from ours, and
/// we from theirs.
#[test]
fn apk_has_nothing_to_do_in_our_roots_and_goes_on_from_them() {
    if !fixtures::record::is_possible() {
        return;
    }
    let scratch = fixtures::scratch("judged");
    for (number, world) in worlds(scratch.path()).into_iter().enumerate() {
        for (apk, dialect) in apks() {
            let roots = ["ours", "theirs", "swapped"].map(|name| {
                let root = scratch.path().join(format!("{number}-{dialect}-{name}"));
                fs::create_dir(&root).unwrap();
                root
            });
            let (half, all) = (1.max(world.packages.len() / 2), world.packages.len());
            for (step, count) in [half, all].into_iter().enumerate() {
                let packages = world.packages.iter().take(count).map(String::as_str);
                let mut words = vec!["add", "--no-scripts"];
                if step == 0 {
                    words.push("--initdb");
                }
                words.extend(packages);
                let real = |root: &Path| world.theirs(&apk, root, dialect, &words);
                let our = |root: &Path| world.ours(root, dialect, &words);
                let answers = match step {
                    0 => [our(&roots[0]), real(&roots[1]), real(&roots[2])],
                    _ => [real(&roots[0]), real(&roots[1]), our(&roots[2])],
                };
                same_everywhere(answers, &roots, dialect, &words);
                for question in ["audit", "fix --simulate", "add --simulate"] {
                    let question: Vec<&str> = question.split(' ').collect();
                    let [one, other, third] = roots.each_ref().map(|root| {
                        let answer = world.theirs(&apk, root, dialect, &question);
                        // apk visits directories in the order of the file system.
                        let mut lines: Vec<String> =
                            answer.stdout.lines().map(str::to_owned).collect();
                        lines.sort_unstable();
                        (lines, answer.stderr, answer.code)
                    });
                    assert_eq!(one, other, "{dialect} {question:?}");
                    assert_eq!(third, other, "{dialect} {question:?}");
                }
            }
        }
    }
}

fn same_everywhere(answers: [Answer; 3], roots: &[PathBuf; 3], dialect: Dialect, words: &[&str]) {
    let [one, other, third] = [0, 1, 2].map(|number| {
        let root = &roots[number];
        Seen::of(&answers[number], root, dialect, &[(root, "ROOT")])
    });
    assert_eq!(other.code, 0, "{}", other.said);
    for (whose, seen) in [("ours first", one), ("ours last", third)] {
        let told = compare(seen, other.clone(), &mut Excused::default(), dialect);
        assert!(told.is_empty(), "{whose}, {dialect}, {words:?}\n{told}");
    }
}
