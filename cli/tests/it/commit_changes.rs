//! What `commit` changes in entries on their way into the tree, compared with the real tool in every mode.

use crate::pair::{Answer, Pair, modes};
use fixtures::forge::tar::{Entry, Kind, Style, Tar};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// A pair with a repository in this mode, the trees `t` and `u`, and the archives `t.tar` and `odd.tar`.
fn pair(label: &str, mode: &str) -> Option<Pair> {
    let pair = Pair::with_repository(label, mode)?;
    pair.in_both(|dir| {
        small(&dir.join("t"));
        fs::create_dir_all(dir.join("u/d")).unwrap();
        fs::write(dir.join("u/d/new"), "new").unwrap();
        fs::write(dir.join("u/f"), "other").unwrap();
        fs::write(dir.join("t.tar"), tar()).unwrap();
        fs::write(dir.join("odd.tar"), odd()).unwrap();
    });
    Some(pair)
}

fn small(root: &Path) {
    fs::create_dir_all(root.join("d/e")).unwrap();
    for (name, mode) in [
        ("f", 0o644),
        ("x", 0o775),
        ("s", 0o4755),
        ("d/g", 0o666),
        ("d/e/h", 0o711),
    ] {
        fs::write(root.join(name), name).unwrap();
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    symlink("f", root.join("l")).unwrap();
}

fn entry(kind: Kind, name: &str, mode: u32) -> Entry {
    let mut entry = Entry::new(kind, name);
    entry.mode = mode;
    match kind {
        Kind::File => entry.data = name.as_bytes().to_vec(),
        Kind::Symlink => entry.link = b"f".to_vec(),
        _ => {}
    }
    entry
}

/// The same tree, with a hard link.
fn tar() -> Vec<u8> {
    let mut tar = Tar::new(Style::Posix);
    for (kind, name, mode) in [
        (Kind::Directory, "./", 0o755),
        (Kind::File, "./f", 0o644),
        (Kind::File, "./x", 0o775),
        (Kind::File, "./s", 0o4755),
        (Kind::Symlink, "./l", 0o777),
        (Kind::Directory, "./d/", 0o750),
        (Kind::File, "./d/g", 0o666),
        (Kind::Directory, "./d/e/", 0o700),
        (Kind::File, "./d/e/h", 0o711),
    ] {
        tar.append(&entry(kind, name, mode));
    }
    let mut link = entry(Kind::HardLink, "./d/hard", 0o600);
    link.link = b"./f".to_vec();
    tar.append(&link);
    tar.end(20)
}

/// Names that are written in unusual ways, an entry twice, and a device.
fn odd() -> Vec<u8> {
    let mut tar = Tar::new(Style::Posix);
    for (kind, name) in [
        (Kind::Directory, "/"),
        (Kind::Directory, "usr"),
        (Kind::Directory, "usr//d/"),
        (Kind::File, "usr/./g"),
        (Kind::File, "/h"),
        (Kind::File, "usr/d//k"),
        (Kind::File, "h"),
        (Kind::CharDevice, "dev"),
        (Kind::Fifo, "usr/fifo"),
    ] {
        tar.append(&entry(kind, name, 0o700));
    }
    tar.end(20)
}

/// Commits with the same words and compares answers: the commit that a success names stands for its whole tree.
#[track_caller]
fn commit(pair: &Pair, args: &[&str]) -> Answer {
    let args = [&["commit", "--repo=r", "-b", "main"], args].concat();
    let (mut answer, mut theirs) = (pair.ask_us(&args), pair.ask_them(&args));
    // ostree complains of unmatched paths in the order of a hash table.
    for answer in [&mut answer, &mut theirs] {
        let mut lines: Vec<&str> = answer.stderr.lines().collect();
        lines.sort_unstable();
        answer.stderr = lines.join("\n");
    }
    assert_eq!(answer, theirs, "left is ours: {args:?}");
    answer
}

/// The same rules in both directories.
fn write(pair: &Pair, name: &str, text: &str) {
    pair.in_both(|dir| fs::write(dir.join(name), text).unwrap());
}

/// Where trees come from; all of them only in one mode, which takes long enough.
fn sources(mode: &str) -> impl Iterator<Item = &'static [&'static str]> {
    let count = if mode == "archive" { 5 } else { 1 };
    SOURCES.into_iter().take(count)
}

const SOURCES: [&[&str]; 5] = [
    &["t"],
    &["--tree=tar=t.tar"],
    &["--tree=ref=base"],
    &["--tree=dir=t", "--tree=dir=u"],
    &["--base=base", "--tree=dir=u"],
];

#[test]
fn modes_of_single_paths_change_in_every_mode_of_repository() {
    for mode in modes() {
        let Some(pair) = pair("statoverride", mode) else {
            return;
        };
        pair.same_success(&["commit", "--repo=r", "-b", "base", "t"]);
        for (rules, status) in [
            ("2048 /f\n=0600 /x\n", 0),
            ("=448 /f\n=511 /d/e\n=493 /\n", 0),
            ("16 /\n16 /d\n", 0),
            ("0x800 /f\n1e3 /x\n\nzero /s\n", 0),
            ("8 /nope\n", 1),
            ("=8 /nope\n", 0),
            ("511 /f\n=0 /f\n", 0),
            ("1 /f\n2 /f\n", 0),
            ("-1 /nope\n", 1),
            ("=448  /f\n", 0),
            ("nospace\n", 1),
            ("1 /f/\n", 1),
        ] {
            write(&pair, "rules", rules);
            // What a rule means for a base, and in bare-user-only, is the real tool's affair alone.
            for source in sources(mode) {
                let args = [source, &["--statoverride=rules"]].concat();
                let answer = commit(&pair, &args);
                let fails = status == 1 || source.contains(&"--base=base");
                assert!(
                    fails || answer.code == Some(0),
                    "{rules:?}: {}",
                    answer.stderr
                );
            }
        }
        commit(&pair, &["t", "--statoverride=missing"]);
        pair.same_success(&["fsck", "--repo=r"]);
    }
}

/// Bits that make another kind of file: ostree writes an object that it cannot read again.
#[test]
fn modes_beyond_the_permissions_are_refused() {
    let Some(pair) = pair("beyond", "archive") else {
        return;
    };
    for (rules, words) in [
        ("65536 /f", "Invalid file metadata mode 98724"),
        ("=16384 /f", "Invalid file metadata mode 49152"),
        ("-1 /x", "Invalid file metadata mode 4294967295"),
        (
            "=4096 /d",
            "Invalid directory metadata mode 20480; not a directory",
        ),
    ] {
        write(&pair, "rules", rules);
        let args = [
            "commit",
            "--repo=r",
            "-b",
            "main",
            "--statoverride=rules",
            "t",
        ];
        let answer = pair.ask_us(&args).failure();
        assert!(answer.starts_with(words), "{rules}: {answer}");
    }
    write(&pair, "rules", "=4096 /d");
    let theirs = pair.ask_them(&[
        "commit",
        "--repo=r",
        "-b",
        "main",
        "--statoverride=rules",
        "t",
    ]);
    assert_eq!(
        theirs.failure(),
        "Invalid directory metadata mode 20480; not a directory"
    );
}

#[test]
fn paths_are_left_out_in_every_mode_of_repository() {
    for mode in modes() {
        let Some(pair) = pair("skip", mode) else {
            return;
        };
        pair.same_success(&["commit", "--repo=r", "-b", "base", "t"]);
        for (list, status) in [
            ("/f\n", 0),
            ("/d\n/l\n", 0),
            ("/d/e\n", 0),
            ("/d/\n", 1),
            ("/nope\n", 1),
            ("f\n", 1),
            ("/\n", 1),
            ("\n\n/x\n\n", 0),
        ] {
            write(&pair, "list", list);
            for source in sources(mode) {
                let answer = commit(&pair, &[source, &["--skip-list=list"]].concat());
                let tar = source.contains(&"--tree=tar=t.tar");
                let fails = status == 1 || tar || source.contains(&"--base=base");
                assert!(
                    fails || answer.code == Some(0),
                    "{list:?}: {}",
                    answer.stderr
                );
            }
        }
        write(&pair, "list", "/x\n");
        write(&pair, "rules", "2048 /x\n=448 /f\n");
        for more in [
            &["--canonical-permissions"][..],
            &["--owner-uid=5"],
            &["--no-xattrs"],
        ] {
            let both = ["t", "--skip-list=list", "--statoverride=rules"];
            commit(&pair, &[&both, more].concat());
        }
        commit(&pair, &["t", "--skip-list=missing"]);
        pair.same_success(&["fsck", "--repo=r"]);
    }
}

/// The rules see names as the archive writes them, but for what leads to the root.
#[test]
fn rules_see_the_names_of_archives() {
    let Some(pair) = pair("names", "archive") else {
        return;
    };
    let devices = "/dev\n/usr/fifo\n";
    for path in [
        "/",
        "/.",
        "/usr",
        "/usr/",
        "/usr//d",
        "/usr/d",
        "/usr//d/",
        "/usr/./g",
        "/usr/g",
        "/h",
        "/usr/d//k",
        "/usr/d/k",
    ] {
        write(&pair, "list", &format!("{devices}{path}\n"));
        commit(&pair, &["--tree=tar=odd.tar", "--skip-list=list"]);
        write(&pair, "list", devices);
        write(&pair, "rules", &format!("16 {path}\n"));
        commit(
            &pair,
            &[
                "--tree=tar=odd.tar",
                "--skip-list=list",
                "--statoverride=rules",
            ],
        );
    }
    commit(&pair, &["--tree=tar=odd.tar"]);
    // The real tool aborts where canonical permissions meet a device.
    let canonical = [
        "commit",
        "--repo=r",
        "-b",
        "main",
        "--canonical-permissions",
    ];
    let answer = pair.ask_us(&[&canonical[..], &["--tree=tar=odd.tar"]].concat());
    assert_eq!(answer.failure(), "Unsupported file type for path \"dev\"");
    let args = ["--tree=tar=odd.tar", "--skip-list=list"];
    pair.ask_us(&[&canonical[..], &args].concat()).success();
}

#[test]
fn programs_are_made_read_only_in_every_mode_of_repository() {
    for mode in modes() {
        let Some(pair) = pair("read-only", mode) else {
            return;
        };
        pair.same_success(&["commit", "--repo=r", "-b", "base", "t"]);
        write(&pair, "rules", "128 /x\n=511 /s\n");
        for source in sources(mode) {
            for more in [
                &[][..],
                &["--canonical-permissions"],
                &["--statoverride=rules"],
            ] {
                commit(&pair, &[source, &["--mode-ro-executables"], more].concat());
            }
        }
        pair.same_success(&["fsck", "--repo=r"]);
    }
}

/// Whose owner the made directories get is the entry's, before anything changes it.
#[test]
fn made_parents_are_not_changed() {
    let Some(pair) = pair("parents", "archive") else {
        return;
    };
    pair.in_both(|dir| {
        let mut tar = Tar::new(Style::Posix);
        let mut file = entry(Kind::File, "a/b/c", 0o777);
        (file.uid, file.gid) = (3, 4);
        tar.append(&file);
        fs::write(dir.join("p.tar"), tar.end(20)).unwrap();
        fs::write(dir.join("empty.tar"), Tar::new(Style::Posix).end(20)).unwrap();
    });
    write(&pair, "list", "/\n");
    for tar in ["--tree=tar=p.tar", "--tree=tar=empty.tar"] {
        for more in [
            &["--owner-uid=7"][..],
            &["--canonical-permissions"],
            &["--skip-list=list"],
            &[],
        ] {
            commit(&pair, &[&[tar, "--tar-autocreate-parents"], more].concat());
        }
    }
}

#[test]
fn entries_of_archives_are_renamed() {
    let Some(pair) = pair("renamed", "archive") else {
        return;
    };
    pair.in_both(|dir| {
        let mut tar = Tar::new(Style::Posix);
        for (kind, name) in [
            (Kind::Directory, "./"),
            (Kind::File, "axb"),
            (Kind::File, "ABC.txt"),
            (Kind::File, "é1"),
        ] {
            tar.append(&entry(kind, name, 0o755));
        }
        fs::write(dir.join("n.tar"), tar.end(20)).unwrap();
    });
    for filter in [
        r"\w,X",
        r"\d,N",
        "x*,-",
        "(",
        "a**",
        "(?=[a-z]),_",
        r"(.)(.),\2\1",
        r"(?<n>[a-z]+),<\g<n>>",
        r"a,\U&\0",
        r"(\w+)\.txt,\L\1\E.TXT",
        r"(\w+)\.txt,\l\1.T",
        r"^(.),\u\1",
        r"b,\x41",
        r"b,\x{e9}",
        r"b,\101",
        r"b,\0101",
        r"b,\9",
        r"b,\12",
        r"b,\g<0>",
        r"b,\g<zz>",
        r"b,\t",
        "$,Z",
        "^,Q/",
        "x,$1",
        "x,&",
        r"x,\b",
        r"\bABC,x",
        "(?i)abc,x",
        "[[:upper:]],u",
        "a(?!b),q",
        "a++,q",
        r"\p{Lu},u",
        r"\x{e9},e",
        "É,e",
        "(?i)É,e",
        "x,/",
        "x,/../",
        "x,..",
        "^,/",
        "axb,//y//",
        "(?<=a)x,y",
        r"(a)\1?,\1\1",
    ] {
        let filter = format!("--tar-pathname-filter={filter}");
        commit(&pair, &["--tree=tar=n.tar", &filter]);
        commit(
            &pair,
            &["--tree=tar=n.tar", &filter, "--tar-autocreate-parents"],
        );
    }
    for filter in [
        "^d/,e/",
        "d/$,e",
        "^(.),sub/\\1",
        "f$,other",
        "^$,sub",
        "hard,linked",
        "^,a",
        "d,",
        "nothing,x",
    ] {
        let filter = format!("--tar-pathname-filter={filter}");
        for source in ["--tree=tar=t.tar", "--tree=dir=t"] {
            commit(&pair, &[source, &filter]);
            commit(&pair, &[source, &filter, "--tar-autocreate-parents"]);
        }
    }
    // The rules see the new names.
    write(&pair, "list", "/new\n");
    commit(
        &pair,
        &[
            "--tree=tar=t.tar",
            "--tar-pathname-filter=^x$,new",
            "--skip-list=list",
        ],
    );
    write(&pair, "list", "/x\n");
    commit(
        &pair,
        &[
            "--tree=tar=t.tar",
            "--tar-pathname-filter=^x$,new",
            "--skip-list=list",
        ],
    );
    // The real tool gives a file no name at all, and refuses the dot in other words.
    for filter in [".*,", "axb,.", "axb,./"] {
        let filter = format!("--tar-pathname-filter={filter}");
        let args = [
            "commit",
            "--repo=r",
            "-b",
            "main",
            "--tree=tar=n.tar",
            &filter,
        ];
        assert!(pair.ask_us(&args).failure().starts_with("Unsupported"));
    }
    // Our words for what is no regular expression; the real tool aborts at a replacement that is none.
    for (filter, words) in [
        ("[z-a],x", "compiling regular expression ‘[z-a]’"),
        ("a,\\", "stray final"),
        ("a,\\q", "unknown escape"),
    ] {
        let filter = format!("--tar-pathname-filter={filter}");
        let refused = pair.ask_us(&[
            "commit",
            "--repo=r",
            "-b",
            "main",
            "--tree=tar=n.tar",
            &filter,
        ]);
        let refused = refused.failure();
        assert!(
            refused.starts_with("--tar-pathname-filter: Error while"),
            "{refused}"
        );
        assert!(refused.contains(words), "{refused}");
    }
}
