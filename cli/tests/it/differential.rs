//! Random sequences of commands to both tools over random trees, in every mode: the same output, messages, exit codes,
//! checkouts and objects.
//!
//! A run is a seed: it chooses mode, trees, archives and some two dozen commands with their options, each of which
//! both tools get in a directory of their own. `APK_OSTREE_DIFFERENTIAL=N` runs N seeds instead of the few of every
//! day, `APK_OSTREE_DIFFERENTIAL=A..B` those from A; all differences are told at the end, each with the commands that
//! led to it.

use crate::pair::{Answer, Pair};
use fixtures::seed::Random;
use fixtures::trees::{Content, Shape, Tree};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The seeds of every day.
const SEEDS: std::ops::Range<u64> = 0..6;

/// Commands of one seed.
const STEPS: usize = 28;

/// What was done, for the report.
#[derive(Default)]
struct Counts {
    commands: usize,
    trees: usize,
    archives: usize,
    checkouts: usize,
}

/// One seed's repositories, `r` and `s`, and what is known of them.
struct World {
    pair: Pair,
    random: Random,
    mode: &'static str,
    root: bool,
    branches: BTreeSet<String>,
    outs: usize,
    history: String,
    counts: Counts,
}

/// The rest of a run makes no sense, because the real tool has damaged its repository.
const SKIPPED: &str = "skipped";

type Outcome = Result<(), String>;

impl World {
    fn new(seed: u64) -> Option<Result<World, String>> {
        let mut pair = Pair::new("differential")?;
        pair.env("SOURCE_DATE_EPOCH", "1700000000");
        let root = rustix::process::geteuid().is_root();
        let modes = ["archive", "bare-user", "bare-user-only", "bare"];
        let modes = if root { &modes[..] } else { &modes[..3] };
        let mut random = Random::new(seed);
        let mode = modes[usize::try_from(seed).unwrap() % modes.len()];
        let other = *random.pick(modes);
        let mut world = World {
            pair,
            random,
            mode,
            root,
            branches: BTreeSet::new(),
            outs: 0,
            history: String::new(),
            counts: Counts::default(),
        };
        Some(world.prepare(mode, other).map(|()| world))
    }

    fn prepare(&mut self, mode: &str, other: &str) -> Outcome {
        for (repo, mode) in [("r", mode), ("s", other)] {
            self.ask(&["init", &format!("--repo={repo}"), &format!("--mode={mode}")])?;
            self.pair.unsynced(repo);
        }
        for name in ["t", "u"] {
            let seed = self.random.number();
            let shape = Shape {
                entries: 45,
                large_files: false,
                ..Shape::possible_in(&self.pair.ours()).unwrap()
            };
            let tree = composed(Tree::generate(seed, &shape));
            self.pair.in_both(|dir| {
                fs::create_dir(dir.join(name)).unwrap();
                tree.write_to(&dir.join(name)).unwrap();
            });
            // ostree 2022.7 keeps the order in which an archive has xattrs; later ones sort them, as we do.
            let tree = composed(Tree::generate(
                seed,
                &Shape {
                    xattrs: false,
                    ..shape
                },
            ));
            self.pair
                .in_both(|dir| fs::write(dir.join(format!("{name}.tar")), tree.tar()).unwrap());
            self.counts.trees += 1;
            self.counts.archives += 1;
        }
        self.dialects();
        self.pair.in_both(|dir| {
            fs::write(dir.join("skip"), "/size-1\n/nested\n").unwrap();
            fs::write(dir.join("modes"), "=384 /size-1\n=0700 /nested\n").unwrap();
            fs::write(dir.join("skipped"), "/size-1\n").unwrap();
            fs::write(dir.join("message"), "from a file\n\nwith lines\n").unwrap();
        });
        self.ask(&[
            "commit",
            "--repo=r",
            "-b",
            "main",
            "-s",
            "first",
            "--tree=dir=t",
        ])?;
        self.branches.insert("main".to_owned());
        Ok(())
    }

    /// The tree `t` as GNU tar writes it in three ways.
    fn dialects(&mut self) {
        for format in ["ustar", "gnu", "pax"] {
            let name = format!("{format}.tar");
            let mut tar = Command::new("tar");
            tar.current_dir(self.pair.theirs()).env("LC_ALL", "C.UTF-8");
            tar.args([
                "--sort=name",
                "--numeric-owner",
                "--mtime=@0",
                &format!("--format={format}"),
            ]);
            tar.args(["-cf", &name, "-C", "t", "."]);
            // ustar cannot say everything.
            if tar.output().is_ok_and(|output| output.status.success()) {
                fs::copy(self.pair.theirs().join(&name), self.pair.ours().join(&name)).unwrap();
                self.counts.archives += 1;
            } else {
                let _ = fs::remove_file(self.pair.theirs().join(&name));
            }
        }
    }

    /// Both tools' answers, which must be the same but for the order of lines if `sorted`.
    fn compare(&mut self, args: &[&str], sorted: bool) -> Result<Answer, String> {
        let _ = writeln!(self.history, "ostree {}", args.join(" "));
        self.counts.commands += 1;
        let (ours, theirs) = (self.pair.ask_us(args), self.pair.ask_them(args));
        let form = |answer: &Answer| {
            let mut lines: Vec<String> = answer.stdout.lines().map(str::to_owned).collect();
            if self.mode == "archive" && args.contains(&"prune") {
                // How many bytes are freed depends on how well each tool compresses.
                let counts = |line: &String| line.split(" objects, ").next().map(str::to_owned);
                lines = lines.iter().filter_map(counts).collect();
            }
            if sorted {
                lines.sort();
            }
            (lines, answer.stderr.clone(), answer.code)
        };
        if theirs.code != Some(0) || args.contains(&"--skip-if-unchanged") {
            self.forget_what_was_aborted(args);
        }
        if theirs.code.is_none() {
            // The real tool crashed; ours must say an error.
            return match ours.code {
                Some(1) => Ok(ours),
                _ => Err(format!(
                    "ostree crashed, we did not fail: {args:?}\n{ours:?}"
                )),
            };
        }
        if form(&ours) == form(&theirs) {
            return Ok(ours);
        }
        Err(format!(
            "ostree {args:?}\n--- ours\n{}--- theirs\n{}",
            shown(&ours),
            shown(&theirs)
        ))
    }

    fn ask(&mut self, args: &[&str]) -> Result<Answer, String> {
        self.compare(args, false)
    }

    /// An aborted transaction of the real tool leaves objects to the next one, or where they were to go; ours leaves
    /// nothing.
    fn forget_what_was_aborted(&self, args: &[&str]) {
        if !matches!(args.first(), Some(&"commit" | &"pull-local")) {
            return;
        }
        for repo in ["r", "s"] {
            let entries = fs::read_dir(self.pair.theirs().join(repo).join("tmp"));
            for path in entries
                .into_iter()
                .flatten()
                .map(|entry| entry.unwrap().path())
            {
                if path.is_dir() && path.to_string_lossy().contains("staging-") {
                    fs::remove_dir_all(path).unwrap();
                }
            }
            let prune = ["prune", &format!("--repo={repo}")];
            self.pair.ask_them(&prune);
            self.pair.ask_us(&prune);
        }
    }

    /// Some of these words, each with this chance in a hundred.
    fn some(&mut self, percent: usize, words: &[&str]) -> Vec<String> {
        let mut chosen = Vec::new();
        for word in words {
            if self.random.chance(percent) {
                chosen.push((*word).to_owned());
            }
        }
        chosen
    }

    fn branch(&mut self) -> String {
        let branches: Vec<String> = self.branches.iter().cloned().collect();
        match branches.is_empty() {
            true => "main".to_owned(),
            false => self.random.pick(&branches).clone(),
        }
    }

    /// A commit in one of the ways to name it.
    fn rev(&mut self) -> String {
        let branch = self.branch();
        match self.random.below(8) {
            0 => branch + "^",
            1 => {
                let hex = self
                    .pair
                    .ask_them(&["rev-parse", "--repo=r", &branch])
                    .stdout;
                let length = [64, 64, 12, 5][self.random.below(4)];
                hex.trim().get(..length).unwrap_or("main").to_owned()
            }
            2 if self.random.chance(20) => "nope".to_owned(),
            _ => branch,
        }
    }

    fn tree(&mut self) -> String {
        let rev = self.branch();
        let archives: Vec<String> = ["t", "u", "ustar", "gnu", "pax"]
            .iter()
            .map(|name| format!("{name}.tar"))
            .filter(|name| self.pair.theirs().join(name).exists())
            .collect();
        match self.random.below(8) {
            0..3 => format!(
                "--tree=dir={}",
                self.random.pick(&["t", "u", "t/nested", "t/sticky"])
            ),
            3..5 => format!("--tree=tar={}", self.random.pick(&archives)),
            5 => "--tree=dir=nope".to_owned(),
            _ => format!("--tree=ref={rev}"),
        }
    }

    fn commit(&mut self) -> Outcome {
        let target = (*self
            .random
            .pick(&["main", "main", "a/b", "a/c", "x.y", "rem:br"]))
        .to_owned();
        let mut args = vec!["commit".to_owned(), "--repo=r".to_owned()];
        match self.random.below(8) {
            0 => args.push("--orphan".to_owned()),
            _ => args.extend(["-b".to_owned(), target.clone()]),
        }
        for _ in 0..=self.random.below(2) {
            args.push(self.tree());
        }
        args.extend(self.some(
            15,
            &[
                "--owner-uid=1000",
                "--owner-gid=7",
                "--canonical-permissions",
                "--no-xattrs",
                "--no-bindings",
                "--skip-if-unchanged",
                "--tar-autocreate-parents",
                "--add-metadata-string=version=1.2",
                "--add-metadata=n=uint32 5",
                "--add-metadata=list=['a','b']",
                "--add-metadata=bad=foo",
                "--add-detached-metadata-string=k=v",
                "--bind-ref=other",
                "--subject=A subject",
                "--body=A body\nof lines",
                "--body-file=message",
                "--parent=none",
                "--timestamp=@1600000000",
                "--link-checkout-speedup",
                "--fsync=false",
            ],
        ));
        if self.random.chance(15) {
            args.push(format!("--base={}", self.branch()));
        }
        args.extend(self.some(8, &["--statoverride=modes", "--skip-list=skipped"]));
        // With this the real tool's table is nonsense; of stored trees among several it writes fewer again than we do.
        let is_odd = |arg: &String| arg == "--skip-if-unchanged";
        let trees = args
            .iter()
            .filter(|arg| arg.starts_with("--tree=") || arg.starts_with("--base="));
        let is_stored = |arg: &String| arg.starts_with("--tree=ref=") || arg.starts_with("--base=");
        let mixed = trees.count() > 1 && args.iter().any(is_stored);
        if !mixed && !args.iter().any(is_odd) && self.random.chance(15) {
            args.push("--table-output".to_owned());
        }
        if self.branches.contains(&target) && self.random.chance(10) {
            args.push("--keep-metadata=version".to_owned());
        }
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        let answer = self.ask(&words)?;
        if answer.code == Some(0) && words.contains(&"-b") {
            self.branches.insert(target);
        }
        Ok(())
    }

    /// A commit whose directory goes with it.
    fn consume(&mut self) -> Outcome {
        self.pair.in_both(|dir| {
            let _ = fs::remove_dir_all(dir.join("consumed"));
            let copied = Command::new("cp")
                .current_dir(dir)
                .args(["-a", "t", "consumed"])
                .status();
            assert!(copied.unwrap().success());
        });
        let words = [
            "commit",
            "--repo=r",
            "-b",
            "main",
            "--tree=dir=consumed",
            "--consume",
        ];
        let answer = self.ask(&words)?;
        if answer.code == Some(0) {
            self.branches.insert("main".to_owned());
            for dir in [self.pair.ours(), self.pair.theirs()] {
                if dir.join("consumed").exists() {
                    return Err(format!("{} is still there", dir.join("consumed").display()));
                }
            }
        }
        Ok(())
    }

    fn checkout(&mut self) -> Outcome {
        let rev = self.rev();
        let out = match self.random.chance(25) && self.outs > 0 {
            true => format!("out{}", self.random.below(self.outs)),
            false => {
                self.outs += 1;
                format!("out{}", self.outs - 1)
            }
        };
        let mut args = vec!["checkout".to_owned(), "--repo=r".to_owned()];
        if !self.root || self.random.chance(60) {
            args.push("-U".to_owned());
        }
        args.extend(self.some(
            12,
            &[
                "-C",
                "-H",
                "-M",
                "--disable-cache",
                "--whiteouts",
                "--skip-list=skip",
                "--subpath=/nested",
                "--subpath=/size-1",
                "--subpath=/nope",
                "--allow-noent",
            ],
        ));
        args.extend(self.some(25, &["--union", "--union-add", "--union-identical"]));
        args.extend([rev, out.clone()]);
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        self.temporary_names(&words)?;
        self.counts.checkouts += 1;
        self.same_tree(&out)
    }

    /// A comparison of a checkout: names for the time being are not the same.
    fn temporary_names(&mut self, args: &[&str]) -> Outcome {
        let before = self.counts.commands;
        match self.compare(args, false) {
            Ok(_) => Ok(()),
            Err(text) if text.contains("checkout-union-") => {
                assert_eq!(self.counts.commands, before + 1);
                Ok(())
            }
            Err(text) => Err(text),
        }
    }

    fn same_tree(&self, name: &str) -> Outcome {
        let listing = |dir: &Path| {
            fixtures::listing::of(&dir.join(name)).map_or_else(
                |_| String::new(),
                |table| {
                    let lines = table.lines().filter(|line| !line.contains("checkout-"));
                    lines.map(|line| format!("{line}\n")).collect()
                },
            )
        };
        different(
            &listing(&self.pair.ours()),
            &listing(&self.pair.theirs()),
            name,
        )
    }

    fn look(&mut self) -> Outcome {
        let (rev, other) = (self.rev(), self.rev());
        let path = *self.random.pick(&[
            "/size-1",
            "/nested",
            "/dangling",
            "/size-4096",
            "/a",
            "/nope",
            "size-1",
            "/nested/empty/directories",
            "/with space",
        ]);
        let parent = format!("{rev}^");
        let questions: [&[&str]; 24] = [
            &["ls", &rev],
            &["ls", "-R", &rev],
            &["ls", "-RCX", &rev],
            &["ls", "-dX", &rev, path],
            &["ls", "-C", &rev, path],
            &["ls", "-R", "--nul-filenames-only", &rev],
            &["cat", &rev, path],
            &["log", &rev],
            &["log", "--raw", &rev],
            &["show", &rev],
            &["show", "--raw", &rev],
            &["show", "--print-metadata-key=version", &rev],
            &["show", "--print-metadata-key=ostree.ref-binding", &rev],
            &["show", "--print-detached-metadata-key=k", &rev],
            &["show", "--print-sizes", &rev],
            &["diff", &rev, &other],
            &["diff", "--stats", &rev, &other],
            &["diff", &rev],
            &["rev-parse", &rev, &other],
            &["rev-parse", &parent],
            &["rev-parse", "-S"],
            &["fsck"],
            &["fsck", "-q"],
            &["export", &rev, "-o", "exported.tar"],
        ];
        let question = *self.random.pick(&questions);
        let args = [&["--repo=r"], question].concat();
        let answer = self.ask(&args)?;
        if question[0] == "export" && answer.code == Some(0) {
            return self.exported();
        }
        Ok(())
    }

    /// Both archives are the same tree.
    fn exported(&mut self) -> Outcome {
        self.ask(&["commit", "--repo=r", "--orphan", "--tree=tar=exported.tar"])
            .map(drop)
    }

    fn manage(&mut self) -> Outcome {
        let rev = self.rev();
        // An alias of a remote's ref leads nowhere in the real tool, and is refused here.
        let branch = self.branch().replace("rem:br", "main");
        let commands: [(&[&str], bool); 30] = [
            (&["refs"], true),
            (&["refs", "--list"], true),
            (&["refs", "a"], true),
            (&["refs", "--list", "a"], true),
            (&["refs", "rem:"], true),
            (&["refs", "-A"], true),
            (&["refs", "--create=made", &rev], false),
            (&["refs", "--create=made", "--force", &rev], false),
            (&["refs", "--create=deep/er/one", &rev], false),
            (&["refs", "-A", "--create=alias", &branch], false),
            (&["refs", "--delete", "made"], false),
            (&["refs", "--delete", "a"], false),
            (&["refs", "--create=.bad", &rev], false),
            (&["reset", &branch, &rev], false),
            (&["reset", "nope", &rev], false),
            (&["config", "get", "core.mode"], false),
            (&["config", "set", "core.something", "a b"], false),
            (&["config", "get", "core.something"], false),
            (&["remote", "add", "extra", "http://x/", "br"], false),
            (
                &["remote", "add", "--force", "--no-gpg-verify", "extra", "y"],
                false,
            ),
            (&["remote", "list", "-u"], false),
            (&["remote", "show-url", "extra"], false),
            (&["remote", "delete", "--if-exists", "extra"], false),
            (&["summary", "-u"], false),
            (&["checksum", "t/size-1"], false),
            (&["checksum", "nope"], false),
            (&["prune", "--no-prune", "--refs-only"], false),
            (&["prune"], false),
            (&["prune", "--refs-only"], false),
            (&["prune", "--refs-only", "--depth=0"], false),
        ];
        let (command, sorted) = *self.random.pick(&commands);
        let args = [&["--repo=r"], command].concat();
        self.compare(&args, sorted)?;
        self.survey();
        Ok(())
    }

    /// Learns which branches are left.
    fn survey(&mut self) {
        let refs = self.pair.ask_them(&["refs", "--repo=r"]).stdout;
        let known = ["main", "a/b", "a/c", "x.y", "rem:br", "made", "alias"];
        self.branches = refs
            .lines()
            .filter(|line| known.contains(line))
            .map(str::to_owned)
            .collect();
    }

    fn pull(&mut self) -> Outcome {
        let branch = self.branch();
        let mut args = vec!["pull-local".to_owned(), "--repo=s".to_owned()];
        args.extend(self.some(
            15,
            &[
                "--depth=1",
                "--depth=-1",
                "--untrusted",
                "--commit-metadata-only",
                "--disable-verify-bindings",
                "--remote=up",
            ],
        ));
        // Of several refs to one commit ostree checks the bindings of whichever its hash table has first.
        args.extend(["r".to_owned(), branch]);
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        match self.ask(&words) {
            // Which of several files is the first depends on a hash table.
            Err(text) if text.matches(": invalid mode 0").count() == 2 => return Ok(()),
            // ostree takes such files all the same, or only some of them, and then calls them corrupt.
            Err(text)
                if text.contains("cannot be kept in a repository of mode")
                    || text.contains(": invalid mode 0") =>
            {
                return Err(SKIPPED.to_owned());
            }
            answer => answer?,
        };
        self.compare(&["--repo=s", "refs"], true)?;
        self.ask(&["--repo=s", "fsck", "-q"]).map(drop)
    }

    /// The same objects, in the same form.
    fn same_objects(&self, repo: &str) -> Outcome {
        let table = |dir: &Path| {
            let table = fixtures::listing::of(&dir.join(repo).join("objects")).unwrap();
            let of_interest = |line: &str| {
                let mut columns: Vec<&str> = line.split('\t').collect();
                if columns[0].ends_with(".filez") {
                    columns[5] = "compressed"; // no checksum covers how
                }
                columns.remove(6); // links from checkouts
                let is_dir = columns[1] == "d";
                (!is_dir).then(|| columns.join("\t") + "\n")
            };
            table.lines().filter_map(of_interest).collect::<String>()
        };
        different(
            &table(&self.pair.ours()),
            &table(&self.pair.theirs()),
            &format!("objects of {repo}"),
        )
    }

    /// Each tool's check says the same of both repositories.
    fn exchanged(&mut self) -> Outcome {
        let path = |dir: &Path| dir.join("r").display().to_string();
        let (ours, theirs) = (path(&self.pair.ours()), path(&self.pair.theirs()));
        self.counts.commands += 4;
        let repos = [ours, theirs].map(|repo| format!("--repo={repo}"));
        let by_them = [0, 1].map(|n| self.pair.ask_them(&["fsck", "-q", &repos[n]]));
        let by_us = [0, 1].map(|n| self.pair.ask_us(&["fsck", "-q", &repos[n]]));
        for [ours, theirs] in [by_them, by_us] {
            if ours != theirs {
                return Err(format!(
                    "fsck\n--- ours\n{}--- theirs\n{}",
                    shown(&ours),
                    shown(&theirs)
                ));
            }
        }
        Ok(())
    }

    fn run(&mut self) -> Outcome {
        for step in 0..STEPS {
            match self.random.below(20) {
                // In other modes its objects are the consumed files themselves, with owners and xattrs that do not count.
                0 if step % 3 == 0 && matches!(self.mode, "archive" | "bare-user") => {
                    self.consume()?;
                }
                0..6 => self.commit()?,
                6..10 => self.checkout()?,
                10..15 => self.look()?,
                15..18 => self.manage()?,
                _ => self.pull()?,
            }
            if step % 7 == 6 {
                self.same_objects("r")?;
            }
        }
        self.same_objects("r")?;
        self.same_objects("s")?;
        self.exchanged()
    }
}

fn shown(answer: &Answer) -> String {
    let text = |text: &str| text.chars().take(3000).collect::<String>();
    format!(
        "[{:?}]\n{}! {}\n",
        answer.code,
        text(&answer.stdout),
        text(&answer.stderr)
    )
}

/// The tree without names of letters that are put together: the real tool's archive reader and writer change them to
/// letters of one piece, and so the file's name.
fn composed(mut tree: Tree) -> Tree {
    let is_kept = |path: &str| !path.contains('\u{301}');
    tree.nodes.retain(|path, node| {
        let linked = match &node.content {
            Content::HardLink(first) => first,
            _ => "",
        };
        is_kept(path) && is_kept(linked)
    });
    tree
}

/// The lines that only one side has.
fn different(ours: &str, theirs: &str, what: &str) -> Outcome {
    let only = |a: &str, b: &str| {
        let b: BTreeSet<&str> = b.lines().collect();
        let lines = a.lines().filter(|line| !b.contains(line)).take(8);
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    if ours == theirs {
        return Ok(());
    }
    Err(format!(
        "{what}\n--- only ours\n{}--- only theirs\n{}",
        only(ours, theirs),
        only(theirs, ours)
    ))
}

fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("APK_OSTREE_DIFFERENTIAL") else {
        return SEEDS;
    };
    match text.split_once("..") {
        Some((from, to)) => from.parse().unwrap()..to.parse().unwrap(),
        None => 0..text.parse().unwrap(),
    }
}

#[test]
fn both_tools_agree_on_anything() {
    let mut total = Counts::default();
    let mut differences = Vec::new();
    let seeds = seeds();
    for seed in seeds.clone() {
        let mut world = match World::new(seed) {
            None => return,
            Some(Ok(world)) => world,
            Some(Err(difference)) => {
                differences.push(format!("seed {seed}: {difference}"));
                continue;
            }
        };
        if let Err(difference) = world.run()
            && difference != SKIPPED
        {
            differences.push(format!(
                "seed {seed}, {}: {difference}--- after\n{}",
                world.mode, world.history
            ));
        }
        total.commands += world.counts.commands;
        total.trees += world.counts.trees;
        total.archives += world.counts.archives;
        total.checkouts += world.counts.checkouts;
    }
    println!(
        "{} seeds: {} commands, {} trees, {} archives, {} checkouts compared; {} differences",
        seeds.count(),
        total.commands,
        total.trees,
        total.archives,
        total.checkouts,
        differences.len()
    );
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
