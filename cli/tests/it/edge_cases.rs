//! The edge cases of the ostree specification (section 11), row by row, each beside the real tool where that behaves.
//!
//! Where ostree 2022.7 crashes, loses data or prints nonsense, the row says what we do instead.

use crate::pair::{Answer, Pair};
use fixtures::forge::tar::{Entry, Kind, Style, Tar};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

const EMPTY: &str = "Can't commit an empty tree";

/// A pair with a repository `r`, a small tree `t` and no commit yet; nothing without the real tool.
fn pair(mode: &str) -> Option<Pair> {
    let pair = Pair::with_repository("edge", mode)?;
    pair.in_both(|dir| {
        fs::create_dir_all(dir.join("t/d")).unwrap();
        fs::write(dir.join("t/f"), "hi\n").unwrap();
        fs::write(dir.join("t/d/x"), "x\n").unwrap();
    });
    Some(pair)
}

/// The same with the tree committed to `main`.
fn committed(mode: &str) -> Option<Pair> {
    let pair = pair(mode)?;
    commit(&pair, &["-b", "main", "t"]);
    Some(pair)
}

#[track_caller]
fn commit(pair: &Pair, args: &[&str]) -> Answer {
    pair.same(&[&["commit", "--repo=r"], args].concat())
}

/// Both fail, with this in the message.
#[track_caller]
fn refused(pair: &Pair, args: &[&str], words: &str) {
    let answer = commit(pair, args);
    assert_eq!(answer.code, Some(1), "{args:?}: {}", answer.stdout);
    assert!(answer.stderr.contains(words), "{}", answer.stderr);
}

#[track_caller]
fn made(pair: &Pair, args: &[&str]) -> String {
    let answer = commit(pair, args);
    assert_eq!(answer.code, Some(0), "{args:?}: {}", answer.stderr);
    answer.stdout.trim().to_owned()
}

/// Only we are asked, and refuse with this in the message.
#[track_caller]
fn refused_by_us(pair: &Pair, args: &[&str], words: &str) {
    let message = pair
        .ask_us(&[&["commit", "--repo=r"], args].concat())
        .failure();
    assert!(message.contains(words), "{message}");
}

fn archive(pair: &Pair, entries: &[Entry]) {
    let mut tar = Tar::new(Style::Posix);
    entries.iter().for_each(|entry| tar.append(entry));
    let bytes = tar.end(20);
    pair.in_both(|dir| fs::write(dir.join("a.tar"), &bytes).unwrap());
}

fn root() -> Entry {
    Entry::new(Kind::Directory, "./")
}

fn dir(name: &str) -> Entry {
    Entry::new(Kind::Directory, name)
}

fn linked(kind: Kind, name: &str, target: &str) -> Entry {
    let mut entry = Entry::new(kind, name);
    entry.link = target.as_bytes().to_vec();
    entry
}

const TAR: &[&str] = &["-b", "main", "--tree=tar=a.tar"];
const MADE: &[&str] = &["-b", "main", "--tree=tar=a.tar", "--tar-autocreate-parents"];

#[test]
fn row_01_an_empty_directory_is_a_tree() {
    let Some(pair) = pair("archive") else { return };
    pair.in_both(|dir| fs::create_dir(dir.join("empty")).unwrap());
    made(&pair, &["-b", "main", "empty"]);
    let listing = pair.same_success(&["ls", "--repo=r", "-C", "main"]);
    assert!(listing.contains("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"));
}

#[test]
fn row_02_special_files_in_directories_are_errors() {
    let Some(pair) = pair("archive") else { return };
    let mode = rustix::fs::Mode::RUSR;
    for kind in [rustix::fs::FileType::Fifo, rustix::fs::FileType::Socket] {
        pair.in_both(|dir| {
            let path = dir.join("t/special");
            let _ = fs::remove_file(&path);
            rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0).unwrap();
            fs::write(dir.join("skip"), "/special\n").unwrap();
        });
        refused(
            &pair,
            &["-b", "main", "t"],
            "Not a regular file or symlink: special",
        );
        refused(
            &pair,
            &["-b", "main", "--skip-list=skip", "t"],
            "Not a regular file or symlink: special",
        );
    }
}

#[test]
fn row_03_devices_in_archives_are_errors_unless_left_out() {
    let Some(pair) = pair("archive") else { return };
    archive(&pair, &[root(), Entry::new(Kind::CharDevice, "c")]);
    refused(&pair, TAR, "Unsupported file type for path \"c\"");
    pair.in_both(|dir| fs::write(dir.join("skip"), "/c\n").unwrap());
    made(&pair, &[TAR, &["--skip-list=skip"]].concat());
    // Here ostree ends with SIGABRT.
    refused_by_us(
        &pair,
        &[TAR, &["--canonical-permissions"]].concat(),
        "Unsupported file type",
    );
}

#[test]
fn row_04_empty_xattrs_stay_in_archives_only() {
    let Some(pair) = pair("archive") else { return };
    let mut entry = Entry::file("f", "hi\n");
    entry.record("SCHILY.xattr.user.e", "");
    archive(&pair, &[root(), entry]);
    made(&pair, TAR);
    let listing = pair.same_success(&["ls", "--repo=r", "-X", "main", "/f"]);
    assert!(listing.contains("(b'user.e', @ay [])"), "{listing}");
    let set = |dir: &Path| {
        rustix::fs::setxattr(
            dir.join("t/f"),
            "user.e",
            b"",
            rustix::fs::XattrFlags::empty(),
        )
    };
    if set(&pair.ours()).is_err() {
        return;
    }
    set(&pair.theirs()).unwrap();
    made(&pair, &["-b", "main", "t"]);
    let listing = pair.same_success(&["ls", "--repo=r", "-X", "main", "/f"]);
    assert!(listing.contains("@a(ayay) []"), "{listing}");
}

/// ostree keeps the order of the archive until 2024.10 and sorts since then; we sort.
#[test]
fn row_05_xattrs_of_archives_are_sorted() {
    let Some(pair) = pair("archive") else { return };
    let mut entry = Entry::file("f", "hi\n");
    for name in ["user.b", "user.a"] {
        entry.record(format!("SCHILY.xattr.{name}"), "1");
    }
    archive(&pair, &[root(), entry]);
    pair.ask_us(&[&["commit", "--repo=r"], TAR].concat())
        .success();
    let listing = pair
        .ask_us(&["ls", "--repo=r", "-X", "main", "/f"])
        .success();
    let at = |name: &str| listing.find(name).unwrap();
    assert!(at("user.a") < at("user.b"), "{listing}");
}

#[test]
fn row_06_links_keep_the_mode_of_their_entry() {
    for mode in ["archive", "bare-user"] {
        let Some(pair) = pair(mode) else { return };
        let mut entry = linked(Kind::Symlink, "l", "f");
        entry.mode = 0o644;
        archive(&pair, &[root(), entry]);
        made(&pair, TAR);
        let listing = pair.same_success(&["ls", "--repo=r", "main", "/l"]);
        assert!(listing.starts_with("l00644"), "{listing}");
        pair.same_success(&["fsck", "--repo=r"]);
    }
    // Where the link is one on the disk it cannot have the mode, and both say so afterwards.
    let Some(pair) = pair("bare-user-only") else {
        return;
    };
    let mut entry = linked(Kind::Symlink, "l", "f");
    entry.mode = 0o644;
    archive(&pair, &[root(), entry]);
    let (ours, theirs) = (
        pair.ask_us(&[&["commit", "--repo=r"], TAR].concat()),
        pair.ask_them(&[&["commit", "--repo=r"], TAR].concat()),
    );
    assert_eq!(
        ours.code == Some(0),
        theirs.code == Some(0),
        "{ours:?} {theirs:?}"
    );
    assert_eq!(
        pair.ask_us(&["fsck", "--repo=r", "-q"]).code,
        pair.ask_them(&["fsck", "--repo=r", "-q"]).code
    );
}

#[test]
fn row_07_an_archive_without_a_root_has_none() {
    let Some(pair) = pair("archive") else { return };
    archive(&pair, &[Entry::file("f", "hi\n")]);
    refused(&pair, TAR, EMPTY);
    made(&pair, MADE);
    assert!(
        pair.same_success(&["ls", "--repo=r", "-d", "main"])
            .starts_with("d00755 0 0")
    );
}

#[test]
fn row_08_made_parents_belong_to_the_entry() {
    let Some(pair) = pair("archive") else { return };
    let mut entry = Entry::file("usr/bin/f", "hi\n");
    (entry.uid, entry.gid) = (7, 8);
    archive(&pair, &[root(), entry]);
    refused(&pair, TAR, "No such file or directory: usr");
    made(&pair, MADE);
    for path in ["/", "/usr", "/usr/bin"] {
        let line = pair.same_success(&["ls", "--repo=r", "-d", "main", path]);
        assert!(line.starts_with("d00755 7 8"), "{line}");
    }
}

#[test]
fn row_09_names_do_not_lead_up() {
    let Some(pair) = pair("archive") else { return };
    for name in ["usr/../x", "../x"] {
        archive(&pair, &[root(), dir("usr/"), Entry::file(name, "x")]);
        refused(&pair, TAR, "Invalid uplink '..' in path");
    }
    for name in ["/../x", "//x", "usr/./x"] {
        archive(&pair, &[root(), dir("usr/"), Entry::file(name, "x")]);
        made(&pair, TAR);
    }
}

#[test]
fn row_10_a_hard_link_may_come_before_its_target() {
    let Some(pair) = pair("archive") else { return };
    archive(
        &pair,
        &[
            root(),
            linked(Kind::HardLink, "h", "f"),
            Entry::file("f", "hi\n"),
        ],
    );
    made(&pair, TAR);
    pair.same_success(&["ls", "--repo=r", "-RC", "main"]);
}

#[test]
fn row_11_the_mode_of_a_hard_link_means_nothing() {
    let Some(pair) = pair("archive") else { return };
    let mut link = linked(Kind::HardLink, "h", "f");
    link.mode = 0o600;
    archive(&pair, &[root(), Entry::file("f", "hi\n"), link]);
    made(&pair, TAR);
    assert!(
        pair.same_success(&["ls", "--repo=r", "main", "/h"])
            .starts_with("-00644")
    );
}

#[test]
fn row_12_the_last_of_equal_names_counts() {
    let Some(pair) = pair("archive") else { return };
    let mut closed = dir("d/");
    closed.mode = 0o700;
    archive(
        &pair,
        &[
            root(),
            Entry::file("f", "first"),
            dir("d/"),
            Entry::file("f", "last"),
            closed,
        ],
    );
    made(&pair, TAR);
    assert_eq!(
        pair.same_success(&["cat", "--repo=r", "main", "/f"]),
        "last"
    );
    assert!(
        pair.same_success(&["ls", "--repo=r", "-d", "main", "/d"])
            .starts_with("d00700")
    );
}

/// ostree ends with SIGABRT.
#[test]
fn row_13_a_directory_does_not_replace_a_file() {
    let Some(pair) = pair("archive") else { return };
    archive(&pair, &[root(), Entry::file("a", "file"), dir("a/")]);
    refused_by_us(&pair, TAR, "Can't replace file with directory: a");
}

#[test]
fn row_14_an_archive_of_nothing_is_an_empty_tree() {
    let Some(pair) = pair("archive") else { return };
    archive(&pair, &[]);
    refused(&pair, TAR, EMPTY);
    made(&pair, MADE);
    assert!(
        pair.same_success(&["ls", "--repo=r", "-R", "main"])
            .starts_with("d00755 0 0")
    );
}

/// libarchive takes text for an mtree and complains of that; we say that it is no archive.
#[test]
fn row_15_text_is_no_archive() {
    let Some(pair) = pair("archive") else { return };
    let text = "no archive at all, but long enough for one\n".repeat(30);
    pair.in_both(|dir| fs::write(dir.join("a.tar"), &text).unwrap());
    let theirs = pair.ask_them(&[&["commit", "--repo=r"], TAR].concat());
    assert_eq!(theirs.code, Some(1));
    refused_by_us(&pair, TAR, "no valid tar header at byte 0");
}

#[test]
fn row_16_modes_of_overrides_are_decimal() {
    let Some(pair) = pair("archive") else { return };
    pair.in_both(|dir| fs::write(dir.join("override"), "=0600 /f\n").unwrap());
    made(&pair, &["-b", "main", "--statoverride=override", "t"]);
    assert!(
        pair.same_success(&["ls", "--repo=r", "main", "/f"])
            .starts_with("-01130")
    );
}

#[test]
fn row_17_a_path_is_left_out_once() {
    let Some(pair) = pair("archive") else { return };
    pair.in_both(|dir| fs::write(dir.join("skip"), "/f\n").unwrap());
    made(
        &pair,
        &[
            "-b",
            "main",
            "--skip-list=skip",
            "--tree=dir=t",
            "--tree=dir=t",
        ],
    );
    pair.same_success(&["ls", "--repo=r", "main", "/f"]);
    made(&pair, &["-b", "main", "--skip-list=skip", "--tree=dir=t"]);
    assert_eq!(pair.same(&["ls", "--repo=r", "main", "/f"]).code, Some(1));
}

#[test]
fn row_18_a_base_alone_brings_the_current_directory() {
    let Some(pair) = committed("archive") else {
        return;
    };
    pair.in_both(|dir| {
        // All that is there, but for the repository itself, whose files differ.
        fs::rename(dir.join("r"), dir.join("t/d/r")).unwrap();
        fs::create_dir(dir.join("here")).unwrap();
        fs::write(dir.join("here/new"), "new\n").unwrap();
        fs::rename(dir.join("t/d/r"), dir.join("r")).unwrap();
    });
    let ask = |dir: &Path, program: &mut std::process::Command| {
        program
            .current_dir(dir.join("here"))
            .env("SOURCE_DATE_EPOCH", "1700000000");
        program.args(["commit", "--repo=../r", "-b", "main", "--base=main"]);
        Answer::of(std::mem::replace(
            program,
            std::process::Command::new("true"),
        ))
        .success()
    };
    let ours = ask(&pair.ours(), &mut crate::pair::our_ostree(&pair.ours()));
    let theirs = ask(
        &pair.theirs(),
        &mut fixtures::peer::ostree().unwrap().command(),
    );
    assert_eq!(ours, theirs);
    let listing = pair.same(&["ls", "--repo=r", "-R", "main"]).success();
    assert!(
        listing.contains("/new") && listing.contains("/d/x"),
        "{listing}"
    );
}

/// ostree prints numbers that mean nothing; ours are those of the commit that was not made.
#[test]
fn row_19_the_table_of_an_unchanged_commit_makes_sense() {
    let Some(pair) = committed("archive") else {
        return;
    };
    let table = pair.ask_us(&[
        "commit",
        "--repo=r",
        "-b",
        "main",
        "--skip-if-unchanged",
        "--table-output",
        "t",
    ]);
    let table = table.success();
    for line in [
        "Metadata Written: 0",
        "Content Written: 0",
        "Content Bytes Written: 0",
    ] {
        assert!(table.contains(line), "{table}");
    }
    let tip = pair.same_success(&["rev-parse", "--repo=r", "main"]);
    assert!(table.contains(&format!("Commit: {tip}")), "{table}");
}

#[test]
fn row_20_a_key_given_twice_is_there_twice() {
    let Some(pair) = pair("archive") else { return };
    made(
        &pair,
        &[
            "-b",
            "main",
            "--add-metadata-string=k=a",
            "--add-metadata-string=k=b",
            "t",
        ],
    );
    let raw = pair.same(&["show", "--repo=r", "--raw", "main"]).stdout;
    assert_eq!(raw.matches("'k': <'").count(), 2, "{raw}");
    pair.in_both(|dir| {
        fs::create_dir_all(dir.join("t/usr/lib/modules/5.10")).unwrap();
        fs::write(dir.join("t/usr/lib/modules/5.10/vmlinuz"), "kernel").unwrap();
    });
    made(
        &pair,
        &[
            "-b",
            "main",
            "--bootable",
            "--add-metadata-string=k=a",
            "--add-metadata-string=k=b",
            "t",
        ],
    );
    let raw = pair.same(&["show", "--repo=r", "--raw", "main"]).stdout;
    assert!(
        raw.contains("'k': <'b'>") && !raw.contains("<'a'>"),
        "{raw}"
    );
}

#[test]
fn row_21_a_parent_need_not_be_there() {
    let Some(pair) = pair("archive") else { return };
    made(
        &pair,
        &["-b", "main", &format!("--parent={}", "1".repeat(64)), "t"],
    );
    let log = pair.same(&["log", "--repo=r", "main"]).success();
    assert!(
        log.contains("<< History beyond this commit not fetched >>"),
        "{log}"
    );
}

#[test]
fn row_22_names_and_targets_are_utf8() {
    let Some(pair) = pair("archive") else { return };
    let odd = OsStr::from_bytes(b"latin-\xe9");
    pair.in_both(|dir| fs::write(dir.join("t").join(odd), "x").unwrap());
    let (ours, theirs) = (
        pair.ask_us(&["commit", "--repo=r", "-b", "main", "t"]),
        pair.ask_them(&["commit", "--repo=r", "-b", "main", "t"]),
    );
    assert_eq!(
        (ours.code, theirs.code),
        (Some(1), Some(1)),
        "{ours:?} {theirs:?}"
    );
    pair.in_both(|dir| {
        fs::remove_file(dir.join("t").join(odd)).unwrap();
        symlink(odd, dir.join("t/l")).unwrap();
    });
    // ostree stores `[Invalid UTF-8]` as the target, which loses what it was.
    let message = pair
        .ask_us(&["commit", "--repo=r", "-b", "main", "t"])
        .failure();
    assert!(message.contains("UTF-8"), "{message}");
}

#[test]
fn row_23_the_largest_owner_is_stored() {
    let Some(pair) = pair("archive") else { return };
    let mut entry = Entry::file("f", "hi\n");
    entry.record("uid", "4294967295");
    archive(&pair, &[root(), entry]);
    made(&pair, TAR);
    assert!(
        pair.same_success(&["ls", "--repo=r", "main", "/f"])
            .starts_with("-00644 4294967295 0")
    );
}

#[test]
fn row_24_closed_files_can_be_read_in_bare_user() {
    let Some(pair) = pair("bare-user") else {
        return;
    };
    let mut entry = Entry::file("f", "hi\n");
    entry.mode = 0;
    archive(&pair, &[root(), entry]);
    made(&pair, TAR);
    let line = pair.same_success(&["ls", "--repo=r", "-C", "main", "/f"]);
    let name = line
        .split_whitespace()
        .find(|word| word.len() == 64)
        .unwrap();
    pair.in_both(|dir| {
        let path = dir
            .join("r/objects")
            .join(&name[..2])
            .join(format!("{}.file", &name[2..]));
        assert_eq!(
            fs::metadata(path).unwrap().permissions().mode() & 0o7777,
            0o400
        );
    });
    pair.same_success(&["fsck", "--repo=r"]);
}

#[test]
fn row_25_absurd_times_are_stored() {
    let Some(pair) = pair("archive") else { return };
    made(&pair, &["-b", "main", "--timestamp=@-5", "t"]);
    let shown = pair.same(&["show", "--repo=r", "main"]).success();
    assert!(shown.contains("1969-12-31 23:59:55"), "{shown}");
    made(&pair, &["-b", "main", "--timestamp=@99999999999999", "t"]);
    // Where ostree ends early by itself it says `ostree:` instead of `error:`.
    let show = ["show", "--repo=r", "main"];
    let words = "Failed to read commit: Invalid timestamp: 99999999999999";
    for answer in [pair.ask_us(&show), pair.ask_them(&show)] {
        assert_eq!(answer.code, Some(1));
        assert!(answer.stderr.contains(words), "{}", answer.stderr);
    }
    pair.same_success(&["fsck", "--repo=r"]);
}

#[test]
fn row_26_a_commit_hides_a_ref_named_like_its_beginning() {
    let Some(pair) = pair("archive") else { return };
    let first = made(&pair, &["-b", "main", "t"]);
    made(&pair, &["-b", "main", "-s", "second", "t"]);
    pair.in_both(|dir| {
        let heads = dir.join("r/refs/heads");
        fs::copy(heads.join("main"), heads.join(&first[..6])).unwrap();
    });
    assert_eq!(
        pair.same_success(&["rev-parse", "--repo=r", &first[..6]]),
        first
    );
}

#[test]
fn row_27_a_commit_to_an_alias_makes_it_a_ref() {
    let Some(pair) = committed("archive") else {
        return;
    };
    pair.same_success(&["refs", "--repo=r", "-A", "--create=alias", "main"]);
    pair.same_success(&["refs", "--repo=r", "-A"]);
    made(&pair, &["-b", "alias", "-s", "mine", "t"]);
    pair.in_both(|dir| {
        let alias = dir.join("r/refs/heads/alias").symlink_metadata().unwrap();
        assert!(alias.is_file());
    });
    assert_eq!(pair.same(&["refs", "--repo=r", "-A"]).stdout, "");
    pair.same_success(&["rev-parse", "--repo=r", "main", "alias"]);
}

#[test]
fn row_28_a_branch_may_be_a_remotes() {
    let Some(pair) = pair("archive") else { return };
    made(&pair, &["-b", "rem:foo", "t"]);
    pair.in_both(|dir| assert!(dir.join("r/refs/remotes/rem/foo").is_file()));
    pair.same_success(&["rev-parse", "--repo=r", "rem:foo", "rem/foo"]);
}

#[test]
fn row_29_a_destination_must_not_be_there() {
    let Some(pair) = committed("archive") else {
        return;
    };
    pair.in_both(|dir| fs::create_dir(dir.join("out")).unwrap());
    let answer = pair.same(&["checkout", "--repo=r", "-U", "main", "out"]);
    assert_eq!(
        (answer.code, answer.stderr.as_str()),
        (Some(1), "error: mkdirat: File exists\n")
    );
}

#[test]
fn row_30_empty_files_are_never_links() {
    let Some(pair) = pair("bare-user") else {
        return;
    };
    pair.in_both(|dir| fs::write(dir.join("t/empty"), "").unwrap());
    made(&pair, &["-b", "main", "t"]);
    pair.same_success(&["checkout", "--repo=r", "-U", "-H", "main", "out"]);
    pair.in_both(|dir| {
        let links = |name: &str| {
            use std::os::unix::fs::MetadataExt;
            fs::metadata(dir.join("out").join(name)).unwrap().nlink()
        };
        assert_eq!((links("empty"), links("f")), (1, 2));
    });
    pair.same_tree("out", true);
}

/// ostree leaves a file `checkout-union-…` in the destination; we leave nothing.
#[test]
fn row_31_a_file_does_not_replace_a_directory() {
    let Some(pair) = committed("bare-user") else {
        return;
    };
    pair.in_both(|dir| fs::create_dir_all(dir.join("out/f")).unwrap());
    let args = ["checkout", "--repo=r", "-U", "--union", "main", "out"];
    let (ours, theirs) = (pair.ask_us(&args), pair.ask_them(&args));
    assert_eq!((ours.code, theirs.code), (Some(1), Some(1)));
    for answer in [&ours, &theirs] {
        assert!(
            answer.stderr.contains("Is a directory"),
            "{}",
            answer.stderr
        );
    }
    let left: Vec<_> = fs::read_dir(pair.ours().join("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(
        left.iter().all(|name| name == "f" || name == "d"),
        "{left:?}"
    );
}

#[test]
fn row_32_depth_alone_prunes_nothing() {
    let Some(pair) = committed("archive") else {
        return;
    };
    made(&pair, &["-b", "main", "-s", "second", "t"]);
    made(&pair, &["-b", "main", "-s", "third", "t"]);
    let answer = pair.same(&["prune", "--repo=r", "--depth=1"]).success();
    assert!(answer.contains("No unreachable objects"), "{answer}");
    assert_eq!(
        pair.same(&["log", "--repo=r", "main"])
            .stdout
            .matches("commit ")
            .count(),
        3
    );
}

#[test]
fn row_33_partial_commits_are_passed_over() {
    for (content, code) in [("", 0), ("f", 1)] {
        let Some(pair) = committed("archive") else {
            return;
        };
        let tip = pair.same_success(&["rev-parse", "--repo=r", "main"]);
        pair.in_both(|dir| {
            fs::write(
                dir.join("r/state").join(format!("{tip}.commitpartial")),
                content,
            )
            .unwrap();
        });
        let answer = pair.same(&["fsck", "--repo=r"]);
        assert_eq!(answer.code, Some(code), "{}", answer.stderr);
        assert!(
            answer.stdout.contains("1 partial commits not verified"),
            "{}",
            answer.stdout
        );
    }
}

#[test]
fn row_34_refs_of_garbage_are_listed() {
    let Some(pair) = committed("archive") else {
        return;
    };
    pair.in_both(|dir| fs::write(dir.join("r/refs/heads/bad"), "garbage\n").unwrap());
    pair.same_lines(&["refs", "--repo=r"]);
    let answer = pair.same(&["rev-parse", "--repo=r", "bad"]);
    assert_eq!(answer.stderr, "error: Invalid rev garbage\n");
    assert_eq!(pair.same(&["fsck", "--repo=r", "-q"]).code, Some(1));
}

/// Neither sees a `flock`, which is another kind of lock.
#[test]
fn row_35_other_locks_are_not_seen() {
    let Some(pair) = committed("archive") else {
        return;
    };
    let files =
        [pair.ours(), pair.theirs()].map(|dir| fs::File::open(dir.join("r/.lock")).unwrap());
    for file in &files {
        rustix::fs::flock(file, rustix::fs::FlockOperation::LockExclusive).unwrap();
    }
    made(&pair, &["-b", "main", "-s", "not locked out", "t"]);
}

/// ostree keeps what an aborted commit wrote for the next one; ours leaves nothing.
#[test]
fn row_36_an_aborted_commit_leaves_nothing() {
    let Some(pair) = committed("archive") else {
        return;
    };
    pair.in_both(|dir| fs::write(dir.join("t/new"), "new\n").unwrap());
    let before = fixtures::listing::of(&pair.ours().join("r/objects")).unwrap();
    refused(
        &pair,
        &["-b", "main", "--tree=dir=t", "--tree=dir=nope"],
        "opendir(nope)",
    );
    assert_eq!(
        fixtures::listing::of(&pair.ours().join("r/objects")).unwrap(),
        before
    );
    let tmp = fs::read_dir(pair.ours().join("r/tmp")).unwrap();
    assert_eq!(
        tmp.map(|entry| entry.unwrap().file_name())
            .collect::<Vec<_>>(),
        ["cache"]
    );
    made(&pair, &["-b", "main", "t"]);
    pair.same_success(&["fsck", "--repo=r"]);
}

/// ostree does not understand `..` in a link and crashes on a link to itself; we follow links within the tree.
#[test]
fn row_37_cat_follows_links() {
    let Some(pair) = pair("archive") else { return };
    pair.in_both(|dir| {
        symlink("../f", dir.join("t/d/up")).unwrap();
        symlink("loop", dir.join("t/loop")).unwrap();
        symlink("f", dir.join("t/l")).unwrap();
    });
    made(&pair, &["-b", "main", "t"]);
    assert_eq!(pair.same_success(&["cat", "--repo=r", "main", "/l"]), "hi");
    assert_eq!(
        pair.ask_us(&["cat", "--repo=r", "main", "/d/up"]).success(),
        "hi\n"
    );
    let message = pair.ask_us(&["cat", "--repo=r", "main", "/loop"]).failure();
    assert!(
        message.contains("Too many levels of symbolic links"),
        "{message}"
    );
}

#[test]
fn row_38_the_metadata_of_a_checkout_is_committed() {
    let Some(pair) = committed("bare-user") else {
        return;
    };
    pair.same_success(&["checkout", "--repo=r", "-U", "main", "out"]);
    pair.same_success(&["init", "--repo=other", "--mode=archive"]);
    pair.same_success(&["commit", "--repo=other", "-b", "main", "out"]);
    let listing = pair.same(&["ls", "--repo=other", "-RX", "main"]).success();
    assert!(listing.contains("user.ostreemeta"), "{listing}");
}

/// Pulling over HTTP with `--mirror` is not here yet, and is refused by name.
#[test]
fn row_39_pull_is_refused_by_name() {
    let Some(pair) = committed("archive") else {
        return;
    };
    let message = pair
        .ask_us(&["pull", "--repo=r", "--mirror", "origin", "main"])
        .failure();
    assert!(message.contains("pull"), "{message}");
}

#[test]
fn row_40_a_remotes_branch_can_be_the_parent() {
    let Some(pair) = pair("archive") else { return };
    pair.in_both(|dir| {
        let config = dir.join("r/config");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(
            &config,
            text + "\n[remote \"origin\"]\nurl=file:///nowhere\n",
        )
        .unwrap();
    });
    let first = made(&pair, &["-b", "origin:main", "t"]);
    made(&pair, &["-b", "main", "-s", "on top", "t"]);
    assert_eq!(
        pair.same_success(&["rev-parse", "--repo=r", "main^"]),
        first
    );
}

/// Config, refs and objects byte by byte from a test, without either tool.
#[test]
fn row_41_a_repository_by_another_hand_is_accepted() {
    let Some(pair) = Pair::new("forged") else {
        return;
    };
    pair.in_both(|dir| {
        let forged = crate::hostile::forged::Forged::new(dir, "archive");
        let f = forged.file(b"hi\n");
        let l = forged.symlink("f");
        let d = forged.tree(&[(b"f", f)], &[]);
        forged.commit(forged.tree(&[(b"f", f), (b"l", l)], &[(b"d", d)]));
        fs::create_dir(dir.join("t")).unwrap();
        fs::write(dir.join("t/g"), "more\n").unwrap();
    });
    pair.same_success(&["fsck", "--repo=r"]);
    pair.same_success(&["ls", "--repo=r", "-RC", "main"]);
    pair.same_success(&["checkout", "--repo=r", "-U", "main", "out"]);
    pair.same_success(&[
        "commit",
        "--repo=r",
        "-b",
        "main",
        "--base=main",
        "--tree=dir=t",
        "--timestamp=@1700000000",
    ]);
    pair.same_success(&["log", "--repo=r", "main"]);
    pair.same_success(&["summary", "--repo=r", "-u"]);
    pair.same_success(&["fsck", "--repo=r"]);
}

/// Every row has its test.
#[test]
fn no_row_is_left_out() {
    let text = include_str!("edge_cases.rs");
    for row in 1..=41 {
        assert!(text.contains(&format!("fn row_{row:02}_")), "row {row}");
    }
}
