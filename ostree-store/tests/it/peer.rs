//! The same work done by the real ostree: equal commits, repositories each accepts from the other, equal checkouts.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fixtures::listing;
use fixtures::peer::{self, Peer};
use fixtures::trees::{Content, Shape, Tree as Sample};
use ostree_store::checksum::CommitId;
use ostree_store::gvariant::Dict;
use ostree_store::object::{Checksummer, Commit, ObjectSink};
use ostree_store::repo::{Repo, RepoMode};
use ostree_store::tree::Tree;
use ostree_store::tree::checkout::{CheckoutOptions, Overwrite, Ownership, checkout};
use ostree_store::tree::diff::{Side, diff};
use ostree_store::tree::import_dir::import_dir;
use ostree_store::tree::import_tar::{TarOptions, import_tar};
use ostree_store::tree::modify::Modifier;
use ostree_store::tree::walk::{Depth, Entry, list};
use ostree_store::upkeep::fsck::fsck;

const TIME: i64 = 1_700_000_000;

/// What `ostree commit` does by itself in a repository of this mode.
fn modifier_for(mode: RepoMode) -> Modifier {
    let user_only = mode == RepoMode::BareUserOnly;
    Modifier {
        canonical_permissions: user_only,
        no_xattrs: user_only,
        ..Modifier::default()
    }
}

fn new_repo(path: &Path, mode: RepoMode) -> Repo {
    let mut repo = Repo::create(path, mode).unwrap();
    repo.set_fsync(false);
    repo
}

/// Writes the tree and a commit that says nothing but its time.
fn commit(tree: &Tree, sink: &dyn ObjectSink) -> CommitId {
    let (root_tree, root_meta) = tree.write(sink).unwrap();
    let commit = Commit {
        metadata: Dict::default(),
        parent: None,
        related: Vec::new(),
        subject: String::new(),
        body: String::new(),
        timestamp: TIME,
        root_tree,
        root_meta,
    };
    sink.commit(&commit).unwrap()
}

fn our_commit(repo: &Repo, source: &Path) -> CommitId {
    let transaction = repo.transaction().unwrap();
    let tree = import_dir(source, &modifier_for(repo.mode()), &transaction).unwrap();
    let id = commit(&tree, &transaction);
    transaction.publish().unwrap();
    id
}

/// The same with the real tool; `tree` is its argument, such as `dir=PATH`.
fn their_commit(ostree: &Peer, repo: &Path, tree: &str, options: &[&str]) -> CommitId {
    let time = format!("--timestamp=@{TIME}");
    let repo = format!("--repo={}", repo.display());
    let mut args = vec![
        "commit",
        &repo,
        "--orphan",
        "--no-bindings",
        "--fsync=false",
        &time,
    ];
    args.extend(options);
    let tree = format!("--tree={tree}");
    args.push(&tree);
    CommitId::new(ostree.run(args).success().line().parse().unwrap())
}

fn their_repo(ostree: &Peer, path: &Path, mode: RepoMode) {
    ostree
        .run([
            "init",
            &format!("--repo={}", path.display()),
            &format!("--mode={mode}"),
        ])
        .success();
}

fn sample(seed: u64, dir: &Path) -> PathBuf {
    let source = dir.join("source");
    fs::create_dir(&source).unwrap();
    Sample::generate(seed, &Shape::possible_in(dir).unwrap())
        .write_to(&source)
        .unwrap();
    source
}

fn modes() -> impl Iterator<Item = RepoMode> {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("not root: mode bare is skipped");
    }
    RepoMode::ALL
        .into_iter()
        .filter(move |mode| root || *mode != RepoMode::Bare)
}

#[test]
fn both_make_the_same_repository_of_a_directory() {
    let Some(ostree) = peer::ostree() else { return };
    for seed in 1..=4 {
        let dir = fixtures::scratch("peer-dir");
        let source = sample(seed, dir.path());
        for mode in modes() {
            let (ours, theirs) = (
                dir.path().join(format!("ours-{mode}")),
                dir.path().join(format!("theirs-{mode}")),
            );
            let repo = new_repo(&ours, mode);
            let id = our_commit(&repo, &source);
            their_repo(&ostree, &theirs, mode);
            let options: &[&str] = if mode == RepoMode::BareUserOnly {
                &["--canonical-permissions"]
            } else {
                &[]
            };
            assert_eq!(
                id,
                their_commit(
                    &ostree,
                    &theirs,
                    &format!("dir={}", source.display()),
                    options
                ),
                "{seed} {mode}"
            );

            // The compressed bytes may differ, nothing else.
            if mode == RepoMode::Archive {
                let names = |path: &Path| Repo::open(path).unwrap().objects().unwrap();
                assert_eq!(names(&ours), names(&theirs));
            } else {
                let listed = |path: &Path| listing::of(&path.join("objects")).unwrap();
                assert_eq!(listed(&ours), listed(&theirs), "{seed} {mode}");
            }
            ostree
                .run(["fsck", "-q", &format!("--repo={}", ours.display())])
                .success();
            let report = fsck(&Repo::open(&theirs).unwrap(), &|_, _| {}).unwrap();
            assert!(report.is_clean(), "{seed} {mode}: {report:?}");
        }
    }
}

#[test]
fn both_make_the_same_commit_with_every_modifier() {
    let Some(ostree) = peer::ostree() else { return };
    let dir = fixtures::scratch("peer-modifiers");
    let source = sample(11, dir.path());
    let repo = dir.path().join("repo");
    their_repo(&ostree, &repo, RepoMode::Archive);
    let default = Modifier::default();
    for (options, modifier) in [
        (
            &["--owner-uid=7"][..],
            Modifier {
                uid: Some(7),
                ..default.clone()
            },
        ),
        (
            &["--owner-uid=7", "--owner-gid=8"],
            Modifier {
                uid: Some(7),
                gid: Some(8),
                ..default.clone()
            },
        ),
        (
            &["--no-xattrs"],
            Modifier {
                no_xattrs: true,
                ..default.clone()
            },
        ),
        (
            &["--canonical-permissions"],
            Modifier {
                canonical_permissions: true,
                ..default.clone()
            },
        ),
    ] {
        let theirs = their_commit(
            &ostree,
            &repo,
            &format!("dir={}", source.display()),
            options,
        );
        let tree = import_dir(&source, &modifier, &Checksummer).unwrap();
        assert_eq!(commit(&tree, &Checksummer), theirs, "{options:?}");
    }
}

#[test]
fn both_make_the_same_commit_of_an_archive() {
    let Some(ostree) = peer::ostree() else { return };
    let sorted = ostree.version() >= "2024.10";
    for seed in 1..=6 {
        let dir = fixtures::scratch("peer-tar");
        let mut sample = Sample::generate(
            seed,
            &Shape {
                entries: 60,
                ..Shape::full()
            },
        );
        if !sorted {
            eprintln!(
                "ostree {} leaves xattrs unsorted: one for each entry is compared",
                ostree.version()
            );
            sample
                .nodes
                .values_mut()
                .for_each(|node| drop(node.xattrs.split_off("user.attr1")));
        }
        let archive = dir.path().join("tree.tar");
        fs::write(&archive, sample.tar()).unwrap();
        let repo = dir.path().join("repo");
        their_repo(&ostree, &repo, RepoMode::Archive);
        for options in [
            &[][..],
            &["--canonical-permissions"],
            &["--owner-uid=3", "--owner-gid=4"],
            &["--no-xattrs"],
        ] {
            let theirs = their_commit(
                &ostree,
                &repo,
                &format!("tar={}", archive.display()),
                options,
            );
            let modifier = Modifier {
                uid: options.contains(&"--owner-uid=3").then_some(3),
                gid: options.contains(&"--owner-gid=4").then_some(4),
                canonical_permissions: options.contains(&"--canonical-permissions"),
                no_xattrs: options.contains(&"--no-xattrs"),
                ..Modifier::default()
            };
            let options = TarOptions {
                modifier,
                ..TarOptions::default()
            };
            let mut tree = Tree::default();
            let archive = fs::File::open(&archive).unwrap();
            import_tar(&mut tree, archive, &options, &Checksummer, &Checksummer).unwrap();
            assert_eq!(commit(&tree, &Checksummer), theirs, "{seed} {options:?}");
        }
    }
}

/// Entries without the directories above them, in any order: who owns what then is the hard part.
#[test]
fn both_make_the_same_parents() {
    let Some(ostree) = peer::ostree() else { return };
    let dir = fixtures::scratch("peer-parents");
    let repo = dir.path().join("repo");
    their_repo(&ostree, &repo, RepoMode::Archive);
    for seed in 1..=12 {
        let shape = Shape {
            entries: 40,
            xattrs: false,
            hard_links: false,
            ..Shape::full()
        };
        let mut sample = Sample::generate(seed, &shape);
        let mut random = fixtures::seed::Random::new(seed);
        sample
            .nodes
            .retain(|_, node| node.content != Content::Directory || random.chance(30));
        let archive = dir.path().join("tree.tar");
        fs::write(&archive, sample.tar()).unwrap();
        let option = ["--tar-autocreate-parents"];
        let theirs = their_commit(
            &ostree,
            &repo,
            &format!("tar={}", archive.display()),
            &option,
        );
        let options = TarOptions {
            autocreate_parents: true,
            ..TarOptions::default()
        };
        let mut tree = Tree::default();
        import_tar(
            &mut tree,
            fs::File::open(&archive).unwrap(),
            &options,
            &Checksummer,
            &Checksummer,
        )
        .unwrap();
        assert_eq!(commit(&tree, &Checksummer), theirs, "{seed}");
    }
}

/// How many names a file has, but for two and more, and whether its time is 0; by path.
fn links_and_times(root: &Path) -> BTreeMap<PathBuf, (bool, bool)> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        let entries = fs::read_dir(&dir)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        for path in entries.chain([dir.clone()]) {
            let stat = fs::symlink_metadata(&path).unwrap();
            if stat.is_dir() && path != dir {
                dirs.push(path);
            } else {
                let linked = !stat.is_dir() && stat.nlink() > 1;
                found.insert(
                    path.strip_prefix(root).unwrap().to_owned(),
                    (linked, stat.mtime() == 0),
                );
            }
        }
    }
    found
}

/// Checks one commit out with both tools and compares everything.
#[track_caller]
fn same_checkout(
    ostree: &Peer,
    repo: &Repo,
    id: CommitId,
    flags: &[&str],
    prepare: &dyn Fn(&Path),
) {
    let dir = fixtures::scratch("checkout");
    let (ours, theirs) = (dir.path().join("ours"), dir.path().join("theirs"));
    prepare(&ours);
    prepare(&theirs);
    let has = |flag: &str| flags.contains(&flag);
    let options = CheckoutOptions {
        ownership: if has("-U") {
            Ownership::User
        } else {
            Ownership::AsStored
        },
        overwrite: match () {
            () if has("--union") => Overwrite::Union,
            () if has("--union-add") => Overwrite::UnionAdd,
            () => Overwrite::Refuse,
        },
        force_copy: has("-C"),
        require_hard_links: has("-H"),
        bare_user_only_dirs: has("-M"),
        ..CheckoutOptions::default()
    };
    let root = repo.commit(&id).unwrap();
    let done = checkout(repo, &root.root_tree, &root.root_meta, &ours, &options);
    let repo_arg = format!("--repo={}", repo.path().display());
    let (id, destination) = (id.to_string(), theirs.display().to_string());
    let mut args = vec!["checkout", &repo_arg, "--disable-cache"];
    args.extend(flags);
    args.extend([id.as_str(), destination.as_str()]);
    let answer = ostree.run(args);
    let what = format!("{} {flags:?}", repo.mode());
    if answer.code != Some(0) {
        let said = answer.stderr_text();
        let ours = done.expect_err(&what).to_string();
        assert!(said.contains(&ours), "{what}: {said:?}, ours: {ours:?}");
        return;
    }
    done.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(
        listing::of(&ours).unwrap(),
        listing::of(&theirs).unwrap(),
        "{what}"
    );
    assert_eq!(links_and_times(&ours), links_and_times(&theirs), "{what}");
}

#[test]
fn both_make_the_same_checkout() {
    let Some(ostree) = peer::ostree() else { return };
    let owners = rustix::process::geteuid().is_root();
    for (seed, mode) in (21..).zip(modes()) {
        let dir = fixtures::scratch("peer-checkout");
        let source = sample(seed, dir.path());
        let repo = new_repo(&dir.path().join("repo"), mode);
        let id = our_commit(&repo, &source);
        for flags in [
            &[][..],
            &["-C"],
            &["-H"],
            &["-M"],
            &["-U"],
            &["-U", "-C"],
            &["-U", "-H"],
            &["-U", "-M"],
        ] {
            if owners || flags.contains(&"-U") {
                same_checkout(&ostree, &repo, id, flags, &|_| {});
            }
        }
    }
}

/// Over directories, files and links that are there already.
#[test]
fn both_make_the_same_union() {
    let Some(ostree) = peer::ostree() else { return };
    for (seed, mode) in (31..).zip(modes()) {
        let dir = fixtures::scratch("peer-union");
        let source = sample(seed, dir.path());
        let repo = new_repo(&dir.path().join("repo"), mode);
        let id = our_commit(&repo, &source);
        let there = |destination: &Path| {
            fs::create_dir_all(destination.join("nested/own")).unwrap();
            fs::write(destination.join("size-1"), "mine").unwrap();
            std::os::unix::fs::symlink("elsewhere", destination.join("size-4096")).unwrap();
            fs::write(destination.join("dangling"), "mine").unwrap();
            fs::write(destination.join("mine"), "mine").unwrap();
        };
        let file_over_dir =
            |destination: &Path| fs::create_dir_all(destination.join("dangling")).unwrap();
        let dir_over_file = |destination: &Path| {
            fs::create_dir(destination).unwrap();
            fs::write(destination.join("nested"), "mine").unwrap();
        };
        for union in ["--union", "--union-add"] {
            same_checkout(&ostree, &repo, id, &["-U", union], &there);
            same_checkout(&ostree, &repo, id, &["-U", "-C", union], &there);
            same_checkout(&ostree, &repo, id, &["-U", union], &dir_over_file);
        }
        same_checkout(&ostree, &repo, id, &["-U", "--union-add"], &file_over_dir);
        same_checkout(&ostree, &repo, id, &["-U"], &there);
        same_checkout(&ostree, &repo, id, &["-U"], &|destination| {
            fs::write(destination, "file").unwrap();
        });
        same_checkout(&ostree, &repo, id, &["-U", "--union"], &|_| {});
    }
}

#[test]
fn both_list_and_compare_alike() {
    let Some(ostree) = peer::ostree() else { return };
    let dir = fixtures::scratch("peer-diff");
    let repo = new_repo(&dir.path().join("repo"), RepoMode::Archive);
    let repo_arg = format!("--repo={}", repo.path().display());
    let mut commits = Vec::new();
    for seed in [41, 42, 43] {
        let dir = fixtures::scratch("peer-diff-source");
        commits.push(our_commit(&repo, &sample(seed, dir.path())));
    }
    for first in &commits {
        let root = repo.commit(first).unwrap();
        let listed = ostree
            .run([
                "ls",
                "-R",
                "--nul-filenames-only",
                &repo_arg,
                &first.to_string(),
            ])
            .success();
        let ours = list(&repo, "/", Entry::root_of(&root), Depth::All);
        let ours: String = ours.map(|listed| listed.unwrap().path + "\0").collect();
        assert_eq!(ours, listed.stdout_text());
        for second in &commits {
            let other = repo.commit(second).unwrap();
            let found = diff(
                Side::Stored {
                    source: &repo,
                    tree: root.root_tree,
                },
                Side::Stored {
                    source: &repo,
                    tree: other.root_tree,
                },
            );
            let found = found.unwrap();
            let groups = [
                ("M", found.modified),
                ("D", found.removed),
                ("A", found.added),
            ];
            let lines = groups.into_iter().flat_map(|(letter, paths)| {
                paths
                    .into_iter()
                    .map(move |path| format!("{letter}    /{path}\n"))
            });
            let said = ostree
                .run(["diff", &repo_arg, &first.to_string(), &second.to_string()])
                .success();
            assert_eq!(lines.collect::<String>(), said.stdout_text());
        }
    }
}

#[test]
fn both_find_the_same_damage() {
    let Some(ostree) = peer::ostree() else { return };
    let dir = fixtures::scratch("peer-damage");
    let source = sample(51, dir.path());
    for mode in modes() {
        let path = dir.path().join(format!("repo-{mode}"));
        let repo = new_repo(&path, mode);
        our_commit(&repo, &source);
        let objects = repo.objects().unwrap();
        for (kind, name) in objects.iter().step_by(17) {
            let object = repo.object_path(*kind, name);
            let aside = dir.path().join("aside");
            fs::rename(&object, &aside).unwrap();
            let report = fsck(&repo, &|_, _| {}).unwrap();
            let said = ostree.run(["fsck", "-q", &format!("--repo={}", path.display())]);
            // A commit that is not there is not missed: no ref names it.
            assert_eq!(
                report.is_clean(),
                said.code == Some(0),
                "{mode} {kind:?}: {}",
                said.stderr_text()
            );
            fs::rename(&aside, &object).unwrap();
            for partial in fs::read_dir(path.join("state")).unwrap() {
                fs::remove_file(partial.unwrap().path()).unwrap();
            }
        }
    }
}
