//! `refs` and `rev-parse` beside the real tool: lists, prefixes, aliases, collections, and what stands in the way.

use crate::pair::{Answer, Pair};
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Two commits on `main`, one on `a/b/c`, and `rem:foo/bar`.
fn pair(mode: &str) -> Option<Pair> {
    let pair = Pair::new("refs")?;
    let mode = format!("--mode={mode}");
    pair.same_success(&["init", "--repo=r", &mode, "--collection-id=org.x.Y"]);
    pair.unsynced("r");
    pair.in_both(|dir| {
        fs::create_dir(dir.join("t")).unwrap();
        fs::write(dir.join("t/f"), "hi\n").unwrap();
    });
    for (branch, time) in [("main", "@1"), ("main", "@2"), ("a/b/c", "@3")] {
        let time = format!("--timestamp={time}");
        let args = ["commit", "--repo=r", "--canonical-permissions"];
        pair.same_success(&[&args[..], &["-b", branch, &time, "t"]].concat());
    }
    pair.same_success(&["--repo=r", "refs", "--create=rem:foo/bar", "main"]);
    Some(pair)
}

impl Pair {
    /// Runs commands one after the other; after each, the files below `refs/` must be the same.
    #[track_caller]
    fn same_refs(&self, commands: &[&[&str]]) {
        for args in commands {
            self.same_lines(&[&["--repo=r"], *args].concat());
            self.same_files(&format!("{args:?}"));
        }
    }

    #[track_caller]
    fn same_files(&self, what: &str) {
        let (ours, theirs) = (files(&self.ours()), files(&self.theirs()));
        assert_eq!(ours, theirs, "left is ours: {what}");
    }

    fn ours_alone(&self, args: &[&str]) -> Answer {
        self.ask_us(&[&["--repo=r"], args].concat())
    }
}

/// Every path below `refs/`, with the content of files and the target of links.
fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.join("r/refs")];
    while let Some(next) = dirs.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let what = if path.is_symlink() {
                fs::read_link(&path).unwrap().display().to_string()
            } else if path.is_dir() {
                dirs.push(path.clone());
                "directory".to_owned()
            } else {
                String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()
            };
            found.push(format!(
                "{} {what}",
                path.strip_prefix(dir).unwrap().display()
            ));
        }
    }
    found.sort();
    found
}

#[test]
fn lists_are_those_of_ostree() {
    let Some(pair) = pair("archive") else { return };
    pair.same_refs(&[
        &["refs"],
        &["refs", "--list"],
        &["refs", "main"],
        &["refs", "a"],
        &["refs", "a/b"],
        &["refs", "a/b/c"],
        &["refs", "a/b/c/d"],
        &["refs", "main/x"],
        &["refs", "--list", "a"],
        &["refs", "main", "a"],
        &["refs", "--list", "a/b", "main"],
        &["refs", "rem:"],
        &["refs", "rem:."],
        &["refs", "--list", "rem:"],
        &["refs", "--list", "rem:."],
        &["refs", "rem:foo"],
        &["refs", "--list", "rem:foo"],
        &["refs", "rem:foo/bar"],
        &["refs", "remx:"],
        &["refs", "nope"],
        &["refs", ".x"],
        &["refs", "a/b/"],
        &["refs", ""],
        &["refs", ":"],
        &["refs", ".:"],
        &["refs", "--force"],
        &["refs", "--nope"],
        &["refs", &"0".repeat(64)],
    ]);
    let main = pair.same_success(&["--repo=r", "rev-parse", "main"]);
    let listed = pair.ours_alone(&["refs", "-r", "main"]).success();
    assert_eq!(listed, format!("main\t{main}\n"));
}

#[test]
fn refs_are_made_and_deleted_as_by_ostree() {
    let Some(pair) = pair("bare-user") else {
        return;
    };
    let main = pair.same_success(&["--repo=r", "rev-parse", "main"]);
    let as_checksum = format!("--create={main}");
    pair.same_refs(&[
        &["refs", "--create=new", "main"],
        &["refs", "--create=new", "main"],
        &["refs", "--create=new", "--force", "main^"],
        &["refs", "--create=foo/bar", "main"],
        &["refs", "--create=new2", "nope"],
        &["refs", "--create=new2"],
        &["refs", "--create=new2", "main", "new"],
        &["refs", "--create=new2", "--delete", "main"],
        &["refs", "--create=y", "--list", "main"],
        &["refs", "--create=a", "main"],
        &["refs", "--create=a/b", "--force", "main"],
        &["refs", "--create=a/b/c/d", "main"],
        &["refs", "--create=main/x", "main"],
        &["refs", "--create=deadbeef", "main"],
        &["refs", &as_checksum, "main"],
        &["refs", "--create=", "main"],
        &["refs", "--create=x:", "main"],
        &["refs", "--create=.x", "main"],
        &["refs", "--create=-x", "main"],
        &["refs", "--create=o:a/b", "a/b/c"],
        &["refs", "--create=o:a/b", "a/b/c"],
        &["refs", "--delete"],
        &["refs", "--list", "--delete"],
        &["refs", "--delete", "nope"],
        &["refs", "--delete", ".x"],
        &["refs", "--delete", "a"],
        &["refs", "--delete", "new", "y"],
        &["refs", "--create=a", "main"],
        &["refs", "--create=o:y", "main"],
        &["refs", "--delete", "o:y"],
        &["fsck"],
    ]);
    // ostree stumbles over its own spelling `o:./a/b`.
    assert_eq!(pair.ours_alone(&["refs", "--delete", "o:"]).success(), "");
    assert_eq!(pair.ours_alone(&["refs", "o:"]).success(), "");
}

#[test]
fn revisions_mean_what_they_mean_to_ostree() {
    let Some(pair) = pair("bare-user-only") else {
        return;
    };
    let main = pair.same_success(&["--repo=r", "rev-parse", "main"]);
    let shadow = format!("--create={}", &main[..4]);
    pair.same_refs(&[
        &["rev-parse", "main"],
        &["rev-parse", "main", "main^", "rem:foo/bar"],
        &["rev-parse", "foo/bar"],
        &["rev-parse", "rem/foo/bar"],
        &["rev-parse", "rem/foo"],
        &["rev-parse", "a"],
        &["rev-parse", "a/b"],
        &["rev-parse", "foo"],
        &["rev-parse", "main/x"],
        &["rev-parse", "rem:nope"],
        &["rev-parse", "rem:foo"],
        &["rev-parse", ""],
        &["rev-parse", "^"],
        &["rev-parse", "-S"],
        &["rev-parse", "--single", "main"],
        &["rev-parse", &main[..5]],
        &["rev-parse", &main[..1]],
        &["rev-parse", &main[..63]],
        &["rev-parse", &main.to_uppercase()],
        &["rev-parse", &format!("{main}0")],
        &["refs", &shadow, "a/b/c"],
        &["refs", "--force", &shadow, "a/b/c"],
        &["rev-parse", &main[..4]],
        &["log", "main^^"],
    ]);
    // Only a ref of a remote is there: its commit becomes the parent.
    let commit = ["commit", "--repo=r", "--canonical-permissions", "t"];
    pair.same(&[&commit[..], &["--timestamp=@9", "-b", "foo/bar"]].concat());
    pair.same_success(&["--repo=r", "rev-parse", "foo/bar^"]);
    pair.same(&[&commit[..], &["--timestamp=@9", "-b", "rem:foo"]].concat());
    pair.same(&[&commit[..], &["--timestamp=@9", "-b", "new:foo"]].concat());
    pair.same_files("commits");
    // One commit only.
    pair.same_success(&["init", "--repo=one", "--mode=archive"]);
    pair.same(&["--repo=one", "rev-parse", "-S"]);
    pair.same(&["--repo=one", "rev-parse", ""]);
    pair.same(&["commit", "--repo=one", "--orphan", "--timestamp=@1", "t"]);
    pair.same(&["--repo=one", "rev-parse", "-S"]);
    pair.same(&["--repo=one", "rev-parse", ""]);
}

#[test]
fn aliases_are_links_as_in_ostree() {
    let Some(pair) = pair("archive") else { return };
    pair.same_refs(&[
        &["refs", "-A"],
        &["refs", "-A", "--create=al", "main"],
        &["refs", "-A", "--create=sub/al2", "main"],
        &["refs", "--alias", "--create=sub/x/al3", "sub/al2"],
        &["refs", "-A"],
        &["refs", "-A", "--list"],
        &["refs", "-A", "sub"],
        &["refs", "-A", "--list", "sub"],
        &["refs", "-A", "al"],
        &["refs", "-A", "main"],
        &["refs", "-A", "nope"],
        &["refs", "-A", "rem:"],
        &["refs"],
        &["refs", "sub"],
        &["refs", "--list", "sub"],
        &["refs", "-c"],
        &["rev-parse", "al", "sub/al2", "sub/x/al3"],
        &["refs", "-A", "--create=al", "a/b/c"],
        &["refs", "-A", "--create=main", "a/b/c"],
        &["refs", "-A", "--create=rem:x", "main"],
        &["refs", "-A", "--create=n", "nope"],
        &["refs", "-A", "--create=n", "rem:nope"],
        &["refs", "-A", "--create=.n", "main"],
        &["refs", "-A", "--create=n"],
        &["refs", "-A", "--create=main/n", "main"],
        &["refs", "--create=al", "main"],
        &["refs", "--delete", "main"],
        &["refs", "--delete", "sub/al2"],
        &["refs", "--delete", "al"],
        &["refs", "--delete", "sub/x/al3"],
        &["refs", "-A", "--delete", "sub"],
        &["refs", "-A", "--create=al", "main"],
        &["reset", "al", "main^"],
        &["refs", "-A", "--create=al", "--force", "main"],
        &[
            "commit",
            "-b",
            "al",
            "--timestamp=@7",
            "--canonical-permissions",
            "t",
        ],
        &["refs", "-A"],
        &["fsck"],
    ]);
}

/// ostree looks for them among the refs of the repository itself, and removes those of the remote.
#[test]
fn refs_of_remotes_in_the_way_stay() {
    let Some(pair) = pair("archive") else { return };
    pair.same_refs(&[
        &["refs", "--create=o:z/b", "main"],
        &["refs", "-c", "--create=org.z.Z:z/b", "main"],
    ]);
    let before = files(&pair.ours());
    for args in [
        &["refs", "--create=o:z", "main"][..],
        &["refs", "-c", "--create=org.z.Z:z", "main"],
    ] {
        let wanted = "Conflict: b exists under z when attempting write";
        assert_eq!(pair.ours_alone(args).failure(), wanted);
        assert_eq!(files(&pair.ours()), before);
    }
}

/// ostree makes these, and loses a commit or fails on every later listing.
#[test]
fn aliases_that_lead_nowhere_are_not_made() {
    let Some(pair) = pair("archive") else { return };
    pair.same_refs(&[&["refs", "-A", "--create=al", "main"]]);
    let before = files(&pair.ours());
    for (alias, target, wanted) in [
        (
            "al2",
            "rem:foo/bar",
            "Cannot create alias to remote ref: rem:foo/bar",
        ),
        ("main", "main", "Cannot create alias main: main leads to it"),
        ("main", "al", "Cannot create alias main: al leads to it"),
        ("al", "al", "Cannot create alias al: al leads to it"),
    ] {
        let create = format!("--create={alias}");
        let answer = pair.ours_alone(&["refs", "-A", "--force", &create, target]);
        assert_eq!(answer.failure(), wanted);
        assert_eq!(files(&pair.ours()), before);
    }
}

#[test]
fn broken_aliases_are_errors() {
    let Some(pair) = pair("archive") else { return };
    let heads = |dir: &Path| dir.join("r/refs/heads");
    for target in ["nope", "al"] {
        pair.in_both(|dir| symlink(target, heads(dir).join("al")).unwrap());
        for args in [
            &["refs"][..],
            &["refs", "-A"],
            &["refs", "-c"],
            &["refs", "al"],
            &["refs", "--list", "al"],
            &["rev-parse", "al"],
            &["reset", "main", "main"],
        ] {
            pair.same_refs(&[args]);
        }
        // ostree cannot delete it.
        assert_eq!(pair.ours_alone(&["refs", "--delete", "al"]).success(), "");
        assert!(!heads(&pair.ours()).join("al").is_symlink());
        pair.in_both(|dir| drop(fs::remove_file(heads(dir).join("al"))));
    }
}

/// Whoever writes to a repository must not make us read or write other files.
#[test]
fn links_do_not_lead_out_of_the_repository() {
    let Some(pair) = pair("archive") else { return };
    let heads = pair.ours().join("r/refs/heads");
    let secret = pair.ours().join("secret");
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("f"), "0".repeat(64)).unwrap();
    symlink(secret.join("f"), heads.join("file")).unwrap();
    symlink("../../../secret", heads.join("dir")).unwrap();
    for (args, name) in [
        (&["rev-parse", "file"][..], "refs/heads/file"),
        (&["rev-parse", "dir/f"], "refs/heads/dir/f"),
        (&["refs", "file"], "refs/heads/file"),
        (&["refs", "dir"], "refs/heads/dir"),
        (&["refs", "--delete", "dir/f"], "refs/heads/dir/f"),
        (
            &["refs", "--create=dir/f", "--force", "main"],
            "refs/heads/dir/f",
        ),
        (&["refs", "--create=dir/g", "main"], "refs/heads/dir"),
        (&["refs", "--create=dir/g/h", "main"], "refs/heads/dir"),
    ] {
        let failure = pair.ours_alone(args).failure();
        let wanted = format!("{name} is a link that leads out of refs/");
        assert_eq!(
            failure.strip_prefix("Listing refs: ").unwrap_or(&failure),
            wanted,
            "{args:?}"
        );
    }
    let failure = pair.ours_alone(&["refs"]).failure();
    assert!(
        failure.ends_with("is a link that leads out of refs/"),
        "{failure}"
    );
    assert_eq!(fs::read_dir(&secret).unwrap().count(), 1);
    // The links themselves can be replaced and deleted.
    let deleted = pair.ours_alone(&["refs", "--delete", "file", "dir"]);
    assert_eq!(deleted.success(), "");
    assert_eq!(fs::read_dir(&secret).unwrap().count(), 1);
    assert_eq!(pair.ours_alone(&["refs", "main"]).success(), "main\n");
}

#[test]
fn collections_are_those_of_ostree() {
    let Some(pair) = pair("archive") else { return };
    let config = "\n[remote \"rem\"]\nurl=x\ncollection-id=org.rem.R\n\n[remote \"bad\"]\ncollection-id=bad\n";
    pair.same_refs(&[
        &["refs", "-c"],
        &["refs", "-c", "org.x.Y"],
        &["refs", "-c", "bad"],
        &["refs", "-c", "org.no.No"],
        &["refs", "-c", "--create=org.z.Z:main", "main"],
        &["refs", "-c", "--create=org.z.Z:main", "a/b/c"],
        &["refs", "-c", "--create=org.z.Z:main", "--force", "main"],
        &["refs", "-c", "--create=org.z.Z:a/b", "main"],
        &["refs", "-c", "--create=org.x.Y:new/x", "main"],
        &["refs", "-c", "--create=bad:x", "main"],
        &["refs", "-c", "--create=nocolon", "main"],
        &["refs", "-c", "--create=org.z.Z:.x", "main"],
        &["refs", "-c", "--create=rem:foo/bar", "main"],
        &["refs", "-c", "--create=org.z.Z:y", "nope"],
        &["refs", "-c", "--create=org.z.Z:y"],
        &["refs", "-c", "--create=org.z.Z:y", "main", "main"],
        &["refs", "-c"],
        &["refs", "--collections", "--list"],
        &["refs", "-c", "org.z.Z", "org.x.Y"],
        &["refs", "-c", "-A"],
        &["refs"],
        &["rev-parse", "org.z.Z:main"],
        &["refs", "-c", "--delete"],
        &["refs", "-c", "--delete", "bad"],
        &["refs", "-c", "--delete", "org.z.Z"],
        &["refs", "-c"],
    ]);
    pair.in_both(|dir| {
        let path = dir.join("r/config");
        fs::write(&path, fs::read_to_string(&path).unwrap() + config).unwrap();
        fs::write(dir.join("r/refs/mirrors/stray"), "x").unwrap();
    });
    pair.same_refs(&[
        &["refs", "-c"],
        &["refs", "-c", "org.rem.R"],
        &["refs", "-c", "--delete", "org.rem.R"],
        &["refs", "-c", "--delete", "org.x.Y"],
        &["refs", "-c"],
        &["refs"],
    ]);
    // ostree dies of a directory with a bad name.
    fs::create_dir(pair.ours().join("r/refs/mirrors/bad")).unwrap();
    let failure = pair.ours_alone(&["refs", "-c"]).failure();
    assert_eq!(failure, "Listing refs: Invalid collection ID bad");
}

#[test]
fn strange_files_are_treated_as_by_ostree() {
    let Some(pair) = pair("archive") else { return };
    pair.in_both(|dir| {
        let heads = dir.join("r/refs/heads");
        fs::write(heads.join("garbage"), "gar\nbage\n\n").unwrap();
        fs::write(heads.join("empty"), "").unwrap();
        fs::write(heads.join("upper"), "A".repeat(64)).unwrap();
        fs::write(heads.join("long"), "ä".repeat(5000)).unwrap();
        fs::write(heads.join(".rsync_info"), "x").unwrap();
        fs::write(heads.join("a@b"), "x").unwrap();
        let latin = std::ffi::OsString::from_vec(b"x\xff".to_vec());
        fs::write(heads.join(latin), "x").unwrap();
        fs::create_dir_all(heads.join("emp/ty/dir")).unwrap();
        let mode = rustix::fs::Mode::RUSR;
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, heads.join("fifo"), fifo, mode, 0).unwrap();
    });
    for args in [
        &["refs"][..],
        &["refs", "garbage"],
        &["rev-parse", "garbage"],
        &["rev-parse", "empty"],
        &["rev-parse", "upper"],
        &["refs", "--create=garbage", "main"],
        &["refs", "--create=garbage", "--force", "main"],
        &["refs", "--delete", "garbage", "empty", "long", "upper"],
        &["refs", "emp"],
        &["refs", "--create=emp/ty", "main"],
        &["refs"],
    ] {
        pair.same_lines(&[&["--repo=r"], args].concat());
    }
    pair.in_both(|dir| {
        fs::remove_file(dir.join("r/refs/heads/fifo")).unwrap();
        fs::write(dir.join("r/refs/heads/latin"), b"\xff\n").unwrap();
    });
    pair.same_refs(&[
        &["refs"],
        &["refs", "latin"],
        &["rev-parse", "latin"],
        &["refs", "-A"],
        &["refs", "main"],
    ]);
}
