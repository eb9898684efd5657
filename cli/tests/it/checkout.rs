//! `checkout` beside the real one: every option in every mode, onto every kind of ground.

use crate::pair::{Answer, Pair, modes};
use fixtures::Scratch;
use fixtures::trees::{Shape, Tree};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

/// A tree with one of everything that checkouts tell apart.
fn sample(dir: &Path, name: &str) {
    let root = dir.join(name);
    fs::create_dir_all(root.join("d/e")).unwrap();
    fs::write(root.join("f"), "hi\n").unwrap();
    fs::write(root.join("same"), "hi\n").unwrap();
    fs::write(root.join("empty"), "").unwrap();
    fs::write(root.join("suid"), "suid").unwrap();
    fs::write(root.join("d/x"), "x\n").unwrap();
    fs::write(root.join("d/e/y"), "y\n").unwrap();
    symlink("f", root.join("l")).unwrap();
    for (path, mode) in [("suid", 0o4755), ("d", 0o1777), ("d/e", 0o2750)] {
        fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// Random parts of names taken out.
fn masked(mut answer: Answer) -> Answer {
    for prefix in ["checkout-union-", "tmp."] {
        if let Some(at) = answer.stderr.find(prefix) {
            let rest = answer.stderr.split_off(at + prefix.len());
            let end = rest.find(',').unwrap_or(0);
            answer.stderr = format!("{}*{}", answer.stderr, &rest[end..]);
        }
    }
    answer
}

/// Both answers, names for the time being apart.
#[track_caller]
fn same(pair: &Pair, args: &[&str]) -> Answer {
    let (ours, theirs) = (masked(pair.ask_us(args)), masked(pair.ask_them(args)));
    assert_eq!(ours, theirs, "left is ours: ostree {args:?}");
    ours
}

/// Which paths below `name` have the modification time 0.
fn at_zero(dir: &Path, name: &str) -> BTreeMap<String, bool> {
    let mut found = BTreeMap::new();
    let mut ahead = vec![dir.join(name)];
    while let Some(path) = ahead.pop() {
        let stat = path.symlink_metadata().unwrap();
        let relative = path.strip_prefix(dir).unwrap().display().to_string();
        // Links have the time at which they were made: objects in one repository, files in the other.
        if !stat.is_symlink() {
            found.insert(relative, stat.mtime() == 0);
        }
        if stat.is_dir() {
            ahead.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
    }
    found
}

/// Answer, tree, links and times are the same; then the tree goes away.
#[track_caller]
fn same_checkout(pair: &Pair, args: &[&str]) -> Answer {
    let answer = same(pair, &[&["checkout", "--repo=r"], args].concat());
    assert_eq!(
        pair.ours().join("out").exists(),
        pair.theirs().join("out").exists()
    );
    if pair.ours().join("out").exists() {
        pair.same_tree("out", true);
        assert_eq!(
            at_zero(&pair.ours(), "out"),
            at_zero(&pair.theirs(), "out"),
            "left is ours: {args:?}"
        );
    }
    answer
}

fn clear(pair: &Pair) {
    pair.in_both(|dir| {
        if dir.join("out").symlink_metadata().is_ok() {
            fs::remove_dir_all(dir.join("out")).unwrap();
        }
    });
}

/// Whether to try the combination of this number: one of 23, or all if `APK_OSTREE_EXHAUSTIVE` is set, which takes
/// minutes.
fn chosen(number: u32) -> bool {
    number.is_multiple_of(23) || std::env::var_os("APK_OSTREE_EXHAUSTIVE").is_some()
}

/// Sets of options that each lead to another way of making files.
const WAYS: [&[&str]; 9] = [
    &[],
    &["-U"],
    &["-C"],
    &["-UC"],
    &["-H"],
    &["-UH"],
    &["-UM"],
    &["-U", "--disable-cache"],
    &["-z"],
];

/// As ordinary users can only check out with `-U`, only root goes all ways.
fn ways() -> impl Iterator<Item = &'static [&'static str]> {
    let root = rustix::process::geteuid().is_root();
    WAYS.into_iter()
        .filter(move |way| root || way.iter().any(|option| option.starts_with("-U")))
}

#[test]
fn every_way_onto_new_ground() {
    let mut combinations = 0..;
    for mode in modes() {
        let Some(pair) = Pair::with_repository("ways", mode) else {
            return;
        };
        let shape = Shape::possible_in(&pair.ours()).unwrap();
        let tree = Tree::generate(11, &shape);
        pair.in_both(|dir| {
            fs::create_dir(dir.join("t")).unwrap();
            tree.write_to(&dir.join("t")).unwrap();
            sample(dir, "s");
        });
        pair.same_success(&["commit", "--repo=r", "-b", "odd", "t"]);
        pair.same_success(&["commit", "--repo=r", "-b", "main", "s"]);
        for way in ways() {
            for rev in ["odd", "main"] {
                same_checkout(&pair, &[way, &[rev, "out"]].concat());
                clear(&pair);
            }
            for path in [
                "/", "/f", "f", "l", "/empty", "suid", "/d", "d/e", "/d/", "//", "", ".", "..",
                "d/x/", "d/./e", "nope", "f/y", "l/y",
            ] {
                if !combinations.next().is_some_and(chosen) {
                    continue;
                }
                let subpath = format!("--subpath={path}");
                same_checkout(&pair, &[way, &[&*subpath, "main", "out"]].concat());
                clear(&pair);
                same(
                    &pair,
                    &[
                        &[
                            "checkout",
                            "--repo=r",
                            "--allow-noent",
                            &*subpath,
                            "main",
                            "out",
                        ],
                        way,
                    ]
                    .concat(),
                );
                clear(&pair);
            }
        }
        cache(&pair);
    }
}

/// The caches of uncompressed objects hold the same.
fn cache(pair: &Pair) {
    let name = "r/uncompressed-objects-cache";
    let [ours, theirs] = [pair.ours(), pair.theirs()].map(|dir| dir.join(name));
    assert_eq!(ours.exists(), theirs.exists());
    if ours.exists() {
        // ostree leaves links in tmp/ when a union fails, so the number of links may differ.
        pair.same_tree(name, false);
        let tmp = fs::read_dir(pair.ours().join("r/tmp")).unwrap();
        assert_eq!(tmp.count(), 1, "only tmp/cache");
    }
}

/// What it is, and how it is made in the destination.
type Ground = (&'static str, fn(&Path));

/// What may stand where something is to be made.
fn grounds() -> Vec<Ground> {
    vec![
        ("empty directory", |_| {}),
        ("equal file", |out| {
            fs::write(out.join("f"), "hi\n").unwrap();
        }),
        ("other file", |out| {
            fs::write(out.join("f"), "other\n").unwrap();
        }),
        ("link where a file is", |out| {
            symlink("/nowhere", out.join("f")).unwrap();
        }),
        ("directory where a file is", |out| {
            fs::create_dir(out.join("f")).unwrap();
        }),
        ("empty file", |out| {
            fs::write(out.join("empty"), "").unwrap();
        }),
        ("other empty file", |out| {
            fs::write(out.join("empty"), "x").unwrap();
        }),
        ("directory where an empty file is", |out| {
            fs::create_dir(out.join("empty")).unwrap();
        }),
        ("equal link", |out| symlink("f", out.join("l")).unwrap()),
        ("other link", |out| symlink("g", out.join("l")).unwrap()),
        ("file where a link is", |out| {
            fs::write(out.join("l"), "x").unwrap();
        }),
        ("directory where a link is", |out| {
            fs::create_dir(out.join("l")).unwrap();
        }),
        ("file where a directory is", |out| {
            fs::write(out.join("d"), "x").unwrap();
        }),
        ("directory with something", |out| {
            fs::create_dir(out.join("d")).unwrap();
            fs::set_permissions(out.join("d"), fs::Permissions::from_mode(0o711)).unwrap();
            fs::write(out.join("d/x"), "before").unwrap();
            fs::write(out.join("d/z"), "stays").unwrap();
        }),
        ("full directory where a file is", |out| {
            fs::create_dir_all(out.join("suid/a/b")).unwrap();
            fs::write(out.join("suid/a/c"), "goes").unwrap();
        }),
    ]
}

#[test]
fn every_union_onto_every_ground() {
    let unions: [&[&str]; 9] = [
        &[],
        &["--union"],
        &["--union-add"],
        &["--union-identical", "-H"],
        &["--union-identical"],
        &["--union", "-C"],
        &["--union", "-H"],
        &["--union", "--whiteouts"],
        &["--union-add", "-C"],
    ];
    let root = rustix::process::geteuid().is_root();
    let mut combinations = 0..;
    for mode in modes() {
        let Some(pair) = Pair::with_repository("unions", mode) else {
            return;
        };
        pair.in_both(|dir| sample(dir, "s"));
        pair.same_success(&["commit", "--repo=r", "-b", "main", "s"]);
        for union in unions {
            for user in [&["-U"][..], &[]].into_iter().take(1 + usize::from(root)) {
                for (ground, make) in grounds() {
                    if !combinations.next().is_some_and(chosen) {
                        continue;
                    }
                    pair.in_both(|dir| {
                        fs::create_dir(dir.join("out")).unwrap();
                        make(&dir.join("out"));
                    });
                    let args = [union, user].concat();
                    same_checkout(&pair, &[&args[..], &["main", "out"]].concat());
                    for path in ["f", "l", "empty"] {
                        let path = format!("--subpath={path}");
                        same_checkout(&pair, &[&args[..], &[&*path, "main", "out"]].concat());
                    }
                    // A second time nothing is new.
                    let again = same_checkout(&pair, &[&args[..], &["main", "out"]].concat());
                    if union == ["--union-add"] && ground == "empty directory" {
                        assert_eq!(again.code, Some(0), "{ground}: {}", again.stderr);
                    }
                    clear(&pair);
                }
            }
        }
        cache(&pair);
    }
}

/// A link that replaces something is made without owner, as ostree does; and each tool keeps the links of the other.
#[test]
fn owners_survive_unions() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    for mode in modes() {
        let Some(pair) = Pair::with_repository("owners", mode) else {
            return;
        };
        pair.in_both(|dir| sample(dir, "s"));
        pair.same_success(&[
            "commit",
            "--repo=r",
            "-b",
            "main",
            "s",
            "--owner-uid=5",
            "--owner-gid=6",
        ]);
        pair.same_success(&["commit", "--repo=r", "-b", "other", "s"]);
        for rev in ["main", "main", "other", "main"] {
            same_checkout(&pair, &["--union", rev, "out"]);
        }
        for rev in ["main", "other"] {
            same_checkout(&pair, &["--union-add", rev, "out"]);
            same_checkout(&pair, &["--union-identical", "-H", rev, "out"]);
        }
    }
}

#[test]
fn whiteouts_remove_the_same() {
    for mode in modes() {
        let Some(pair) = Pair::with_repository("whiteouts", mode) else {
            return;
        };
        pair.in_both(|dir| {
            sample(dir, "s");
            let layer = dir.join("layer");
            fs::create_dir_all(layer.join("d")).unwrap();
            fs::create_dir_all(layer.join("f/now/a")).unwrap();
            for name in [
                ".wh.same",
                ".wh.none",
                ".wh.suid",
                "d/.wh..wh..opq",
                "d/new",
            ] {
                fs::write(layer.join(name), "").unwrap();
            }
            symlink("x", layer.join(".wh.l")).unwrap();
            fs::create_dir(layer.join(".wh.dir")).unwrap();
            fs::create_dir_all(dir.join("top")).unwrap();
            fs::write(dir.join("top/.wh..wh..opq"), "").unwrap();
            fs::write(dir.join("top/only"), "only").unwrap();
            fs::create_dir_all(dir.join("bad")).unwrap();
            fs::write(dir.join("bad/.wh."), "").unwrap();
            fs::create_dir_all(dir.join("removes")).unwrap();
            fs::write(dir.join("removes/.wh.d"), "x").unwrap();
        });
        for branch in ["s", "layer", "top", "bad", "removes"] {
            pair.same_success(&["commit", "--repo=r", "-b", branch, branch]);
        }
        for user in ["-U", "-UC", "-UM"] {
            for union in ["--union", "--union-add"] {
                for rev in ["s", "layer", "removes", "top", "bad"] {
                    same_checkout(&pair, &[user, "--whiteouts", union, rev, "out"]);
                }
                // Not asked for, they are files like others.
                clear(&pair);
                same_checkout(&pair, &[user, union, "layer", "out"]);
                clear(&pair);
            }
            same_checkout(&pair, &[user, "--whiteouts", "top", "out"]);
            same_checkout(&pair, &[user, "--whiteouts", "top", "out"]);
            same_checkout(
                &pair,
                &[user, "--whiteouts", "--subpath=only", "top", "out"],
            );
            same_checkout(
                &pair,
                &[user, "--whiteouts", "--subpath=.wh.d", "removes", "out"],
            );
            clear(&pair);
        }
    }
}

/// Devices need root.
#[test]
fn hiding_devices_are_the_same() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    for mode in modes() {
        let Some(pair) = Pair::with_repository("devices", mode) else {
            return;
        };
        pair.in_both(|dir| {
            sample(dir, "s");
            fs::create_dir_all(dir.join("layer/d")).unwrap();
            for name in [
                ".ostree-wh.f",
                ".ostree-wh.l",
                ".ostree-wh.d",
                "d/.ostree-wh.x",
                ".ostree-wh.new",
            ] {
                fs::write(dir.join("layer").join(name), "").unwrap();
            }
            fs::set_permissions(
                dir.join("layer/.ostree-wh.f"),
                fs::Permissions::from_mode(0o666),
            )
            .unwrap();
            std::os::unix::fs::chown(dir.join("layer/.ostree-wh.l"), Some(7), Some(8)).unwrap();
            fs::create_dir_all(dir.join("bad")).unwrap();
            fs::write(dir.join("bad/.ostree-wh."), "").unwrap();
            fs::create_dir_all(dir.join("one")).unwrap();
            fs::write(dir.join("one/.ostree-wh.f"), "").unwrap();
        });
        for branch in ["s", "layer", "bad", "one"] {
            pair.same_success(&["commit", "--repo=r", "-b", branch, branch]);
        }
        for options in [
            &["--union"][..],
            &["--union-add"],
            &["-U", "--union"],
            &["-U", "--union-add"],
        ] {
            // The layer's own d/ and the device d have one name: whichever comes first is in the other's way.
            for rev in ["one", "bad", "one"] {
                let args = [&["--process-passthrough-whiteouts"], options, &[rev, "out"]].concat();
                same_checkout(&pair, &args);
            }
            same_checkout(&pair, &[options, &["s", "out"]].concat());
            same_checkout(
                &pair,
                &[
                    &["--process-passthrough-whiteouts"],
                    options,
                    &["layer", "out"],
                ]
                .concat(),
            );
            clear(&pair);
        }
        let identical = ["--process-passthrough-whiteouts", "--union-identical", "-H"];
        for user in [&[][..], &["-U"]] {
            for rev in ["one", "one", "layer"] {
                same_checkout(&pair, &[&identical, user, &[rev, "out"]].concat());
            }
            clear(&pair);
        }
        pair.in_both(|dir| fs::create_dir(dir.join("out")).unwrap());
        same_checkout(&pair, &["layer", "out"]);
    }
}

#[test]
fn lists_say_what_is_skipped_and_made() {
    for mode in modes() {
        let Some(pair) = Pair::with_repository("lists", mode) else {
            return;
        };
        pair.in_both(|dir| {
            sample(dir, "s");
            fs::write(dir.join("bytes"), b"/f\n\xff\n").unwrap();
        });
        pair.same_success(&["commit", "--repo=r", "-b", "main", "s"]);
        for (list, more) in [
            ("/f\n/d/\n\nl\n/nope\n", &[][..]),
            ("/", &[]),
            ("/d\n/d/e/\n/d/x\r\n", &[]),
            ("/x\n/e/\n", &["--subpath=/d"]),
            ("/f\n", &["--subpath=/f"]),
            ("", &["--union-add"]),
        ] {
            pair.in_both(|dir| fs::write(dir.join("list"), list).unwrap());
            same_checkout(
                &pair,
                &[&["-U", "--skip-list=list"], more, &["main", "out"]].concat(),
            );
            clear(&pair);
        }
        same_checkout(&pair, &["-U", "--skip-list=bytes", "main", "out"]);
        same_checkout(&pair, &["-U", "--skip-list=nope", "main", "out"]);
        for (list, more) in [
            ("main\0/d\0main\0/d/e\0", &["--union"][..]),
            ("main\0/d\0main\0/d/e\0", &[]),
            ("main", &[]),
            ("main\0", &[]),
            ("main\0/\0", &[]),
            ("main\0\0", &[]),
            ("main\0d", &[]),
            ("\0d\0", &[]),
            ("", &[]),
            ("nope\0d\0", &[]),
            ("main\0nope\0", &["--union"]),
            ("main\0nope\0main\0d\0", &["--union", "--allow-noent"]),
            ("main\0nope\0main\0d\0", &["--union-add", "--allow-noent"]),
        ] {
            pair.in_both(|dir| fs::write(dir.join("list"), list).unwrap());
            same_checkout(
                &pair,
                &[&["-U", "--from-file=list"], more, &["out"]].concat(),
            );
            clear(&pair);
            let made = from_stdin(&pair.ours(), list.as_bytes(), more);
            let file = pair.ask_us(
                &[
                    &["checkout", "--repo=r", "-U", "--from-file=list"],
                    more,
                    &["second"],
                ]
                .concat(),
            );
            assert_eq!((made.code, made.stderr), (file.code, file.stderr));
            let _ = fs::remove_dir_all(pair.ours().join("out"));
            let _ = fs::remove_dir_all(pair.ours().join("second"));
        }
        same_checkout(&pair, &["-U", "--from-file=nope", "out"]);
        same(&pair, &["checkout", "--repo=r", "--from-file=list"]);
    }
}

/// Our checkout of a list on its standard input.
fn from_stdin(dir: &Path, list: &[u8], more: &[&str]) -> Answer {
    let mut command: Command = crate::pair::our_ostree(dir);
    command
        .args(["checkout", "--repo=r", "-U", "--from-stdin", "out"])
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(list).unwrap();
    Answer::from(child.wait_with_output().unwrap())
}

#[test]
fn wrong_words_are_refused_the_same() {
    let Some(pair) = Pair::with_repository("wrong", "bare-user") else {
        return;
    };
    pair.in_both(|dir| {
        sample(dir, "s");
        fs::create_dir(dir.join("there")).unwrap();
    });
    pair.same_success(&["commit", "--repo=r", "-b", "main", "s"]);
    for args in [
        &["--union", "--union-add", "main", "out"][..],
        &["--union", "--union-identical", "main", "out"],
        &["--union-add", "--union-identical", "-H", "main", "out"],
        &["--union-identical", "main", "out"],
        &["-U", "-HC", "main", "out"],
        &["--fsync=maybe", "main", "out"],
        &["-U", "main", "none/out"],
        &["-U", "main", "there"],
        &["-UC", "main", "there"],
        &["-U", "main", "none/../out"],
        &["-UC", "main", "none/../other"],
        &["-U", "nope", "out"],
        &["-U", "main^", "out"],
        &["-U", &"0".repeat(64), "out2"],
        &["-U", "main"],
        &["-U", "main"],
        &["-U", "--union", "main", "s/f"],
        &["-U", "--subpath=f", "main", "."],
        &["-UC", "--subpath=suid", "main", "."],
        &[],
    ] {
        same(&pair, &[&["checkout", "--repo=r"], args].concat());
    }
    pair.same_tree("main", true);
    pair.same_tree("out", true);
    assert!(pair.ours().join("f").exists() && pair.ours().join("suid").exists());
}

/// The cache is only a cache: without it, without permission to write it, or with a copy lost, the tree is the same.
#[test]
fn the_cache_may_be_missing() {
    let Some(pair) = Pair::with_repository("cache", "archive") else {
        return;
    };
    pair.in_both(|dir| sample(dir, "s"));
    pair.same_success(&["commit", "--repo=r", "-b", "main", "s"]);
    for _ in 0..2 {
        same_checkout(&pair, &["-U", "main", "out"]);
        clear(&pair);
    }
    cache(&pair);
    pair.in_both(|dir| fs::remove_dir_all(dir.join("r/uncompressed-objects-cache")).unwrap());
    pair.in_both(|dir| {
        let config = dir.join("r/config");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, text + "enable-uncompressed-cache=false\n").unwrap();
    });
    same_checkout(&pair, &["-U", "main", "out"]);
    cache(&pair);
    assert!(!pair.ours().join("r/uncompressed-objects-cache").exists());
}

/// Several checkouts at once fill one cache, ours and the real tool's: nothing is lost or half there.
#[test]
fn the_cache_is_shared_with_others() {
    let Some(pair) = Pair::with_repository("shared", "archive") else {
        return;
    };
    pair.in_both(|dir| {
        let root = dir.join("t");
        fs::create_dir(&root).unwrap();
        for number in 0..300_usize {
            fs::write(
                root.join(number.to_string()),
                number.to_string().repeat(2000),
            )
            .unwrap();
        }
    });
    pair.same_success(&["commit", "--repo=r", "-b", "main", "t"]);
    let ours = pair.ours();
    let peer = fixtures::peer::ostree().unwrap();
    let children: Vec<_> = (0..6)
        .map(|number| {
            let mut command = if number % 3 == 2 {
                peer.command()
            } else {
                crate::pair::our_ostree(&ours)
            };
            let out = format!("out{number}");
            command
                .current_dir(&ours)
                .args(["checkout", "--repo=r", "-U", "main", &out]);
            command.stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in children {
        let answer = Answer::from(child.wait_with_output().unwrap());
        assert_eq!((answer.code, &*answer.stderr), (Some(0), ""));
    }
    let first = |name: &str| ours.join(name).join("7").metadata().unwrap();
    for number in 0..6 {
        let out = format!("out{number}");
        let diff = Command::new("diff")
            .arg("-r")
            .arg(ours.join("t"))
            .arg(ours.join(&out))
            .output()
            .unwrap();
        assert!(diff.status.success(), "{diff:?}");
        assert_eq!(first(&out).ino(), first("out0").ino());
        assert_eq!(first(&out).nlink(), 7, "six checkouts and the cache");
    }
    assert_eq!(
        fs::read_dir(ours.join("r/tmp")).unwrap().count(),
        1,
        "only tmp/cache"
    );
}

/// From one file system to another no link can be made.
#[test]
fn another_file_system_gets_copies() {
    let Some(pair) = Pair::with_repository("devices", "archive") else {
        return;
    };
    let device = |path: &Path| path.metadata().unwrap().dev();
    let Some(elsewhere) = [Path::new("/dev/shm"), &std::env::temp_dir()]
        .into_iter()
        .filter(|place| place.is_dir() && device(place) != device(&pair.ours()))
        .map(|place| Scratch::within("elsewhere", place))
        .next()
    else {
        return;
    };
    pair.in_both(|dir| sample(dir, "s"));
    for mode in modes() {
        pair.same_success(&["init", &format!("--repo={mode}"), &format!("--mode={mode}")]);
        let repo = format!("--repo={mode}");
        pair.same_success(&["commit", &repo, "-b", "main", "s"]);
        for way in ways() {
            let out = [&pair.ours(), &pair.theirs()].map(|dir| {
                elsewhere
                    .path()
                    .join(dir.file_name().unwrap())
                    .display()
                    .to_string()
            });
            let clear = || {
                for out in &out {
                    let _ = fs::remove_dir_all(out);
                }
            };
            for more in [&[][..], &["--union"], &["--subpath=f", "--union"]] {
                let ask = |out: &str| {
                    [&["checkout", &*repo, "main", out], way, more]
                        .concat()
                        .into_iter()
                        .map(str::to_owned)
                        .collect::<Vec<_>>()
                };
                let (ours, theirs) = (pair.ask_us(&ask(&out[0])), pair.ask_them(&ask(&out[1])));
                // ostree cannot replace a file by a link there; we copy.
                if theirs.stderr.contains("renameat(checkout-union-") {
                    assert_eq!((ours.code, &*ours.stderr), (Some(0), ""));
                    break;
                }
                assert_eq!(ours, theirs, "left is ours: {way:?} {more:?}");
                let listed = |out: &str| fixtures::listing::of(Path::new(out)).ok();
                assert_eq!(listed(&out[0]), listed(&out[1]), "{way:?} {more:?}");
            }
            clear();
        }
    }
}
