//! `config`, `init`, `reset`, and settings that decide whether a repository opens, beside the real tool.

use crate::pair::Pair;
use std::fs;

fn pair() -> Option<Pair> {
    let pair = Pair::new("config")?;
    pair.same_success(&["init", "--repo=r", "--mode=archive"]);
    Some(pair)
}

impl Pair {
    /// Compares the text of both configs and returns it.
    #[track_caller]
    fn same_config(&self, what: &str) -> String {
        let read = |dir: std::path::PathBuf| fs::read_to_string(dir.join("r/config")).unwrap();
        let (ours, theirs) = (read(self.ours()), read(self.theirs()));
        assert_eq!(ours, theirs, "left is ours: {what}");
        ours
    }

    fn write_config(&self, text: &[u8]) {
        self.in_both(|dir| fs::write(dir.join("r/config"), text).unwrap());
    }
}

#[test]
fn settings_are_read_and_changed_as_by_ostree() {
    let Some(pair) = pair() else { return };
    for args in [
        &["get", "core.mode"][..],
        &["get", "core.nope"],
        &["get", "nope.mode"],
        &["get", "mode"],
        &["get", ".mode"],
        &["get", "core."],
        &["get"],
        &["get", "core.mode", "x"],
        &["get", "--group=core", "mode"],
        &["get", "--group=core"],
        &["get", "--group=nope", "mode"],
        &["--group", "core", "get", "repo_version"],
        &["set"],
        &["set", "core.x"],
        &["set", "x", "y"],
        &["set", "core.x", "y", "z"],
        &["set", "--group=core"],
        &["set", "--group=core", "x"],
        &["set", "core.x", "y"],
        &["get", "core.x"],
        &["set", "core.x", "  two words "],
        &["get", "core.x"],
        &["set", "core.x", "\t\\ back\nslash;\r"],
        &["get", "core.x"],
        &["set", "core.x", ""],
        &["get", "core.x"],
        &["set", "core.x", "ü=ä#"],
        &["get", "core.x"],
        &["set", "new.y", "1"],
        &["set", "new.y.z", "2"],
        &["get", "new.y.z"],
        &["set", "--group=a.b c", "key with blanks", "3"],
        &["get", "--group=a.b c", "key with blanks"],
        &["set", "--group=remote \"o\"", "url", "http://x/"],
        &["set", "core.lock-timeout-secs", "--", "-1"],
        &["get", "core.lock-timeout-secs"],
        &["unset", "core.x"],
        &["unset", "core.x"],
        &["unset", "nope.x"],
        &["unset", "x"],
        &["unset"],
        &["unset", "--group=new"],
        &["unset", "--group=new", "y"],
        &["unset", "--group=new", "y.z"],
        &["unset", "core.x", "y"],
        &["foo"],
        &["foo", "a", "b"],
        &["foo", "a"],
        &[],
        &["get", "core.mode", "--nope"],
    ] {
        pair.same(&[&["--repo=r", "config"], args].concat());
        pair.same_config(&format!("{args:?}"));
    }
}

#[test]
fn the_text_is_written_as_ostree_writes_it() {
    let Some(pair) = pair() else { return };
    for text in [
        "[core]\nrepo_version=1\nmode=archive\n[b]\n\n\nx = 1 \n[core]\ny=2\n[c]",
        "\n\n  [core]  \n repo_version=1\r\n\tmode\t=\tarchive\r\n\r\n[ b ]\nz\n=\n",
        "[core]\nrepo_version=1\nmode=bare\nmode=archive\nx=a\\tb\ny=\\\\\n",
        "[z]\n[core]\nrepo_version=1\nmode=archive\n[y]\n[x]\n",
    ] {
        pair.write_config(text.as_bytes());
        for args in [
            &["set", "core.new", "1"][..],
            &["get", "core.x"],
            &["get", "core.y"],
            &["set", "b.x", "2"],
            &["unset", "b.x"],
            &["set", "core.mode", "bare"],
        ] {
            pair.same(&[&["--repo=r", "config"], args].concat());
            pair.same_config(&format!("{args:?} of {text:?}"));
        }
    }
}

/// ostree throws comments away; they are the user's, so they stay.
#[test]
fn comments_stay() {
    let Some(pair) = pair() else { return };
    let text = "# mine\n[core]\nrepo_version=1\n# because\nmode=archive\n";
    pair.write_config(text.as_bytes());
    pair.same_success(&["--repo=r", "config", "set", "core.x", "1"]);
    let ours = fs::read_to_string(pair.ours().join("r/config")).unwrap();
    assert_eq!(ours, format!("{text}x=1\n"));
}

/// What cannot be a name makes GLib complain and do nothing; it is an error here.
#[test]
fn impossible_names_are_errors() {
    let Some(pair) = pair() else { return };
    let before = pair.same_config("before");
    for (args, wanted) in [
        (&["--group=a]", "x", "1"][..], "Invalid group name: a]"),
        (&["core.a[", "1"], "Invalid key name: a["),
        (&["core.", "1"], "Invalid key name: "),
    ] {
        let answer = pair.ask_us(&[&["--repo=r", "config", "set"], args].concat());
        assert_eq!(answer.failure(), wanted);
    }
    let ours = fs::read_to_string(pair.ours().join("r/config")).unwrap();
    assert_eq!(ours, before);
}

#[test]
fn bad_settings_are_refused_in_the_same_words() {
    let Some(pair) = pair() else { return };
    let core = "[core]\nrepo_version=1\nmode=archive-z2\n";
    let whole = [
        &b""[..],
        b"x=1\n",
        b"[core\n",
        b"[core]\nfoo\n",
        b"[core]\n=foo\n",
        b"[co[re]\nx=1\n",
        b"[]\nx=1\n",
        b"[core] x\nrepo_version=1\n",
        b"[core]\nrepo_version= 1 \n",
        b"[core]\nrepo_version=1\nmode=\n",
        b"[core]\nrepo_version=1\nmode=archive\nx=\0\n",
        b"[core]\nrepo_version=1\nmode=archive\nx=\xff\n",
        b"[other]\nrepo_version=1\n",
        b"[core]\nmode=archive\n",
    ];
    for text in whole {
        pair.write_config(text);
        let answer = pair.same(&["--repo=r", "refs"]);
        assert_eq!(answer.code, Some(1), "{text:?}");
    }
    for (line, opens) in [
        ("fsync=maybe", false),
        ("fsync=", false),
        ("fsync=true  ", true),
        ("fsync=0", true),
        ("per-object-fsync=2", false),
        ("disable-xattrs=yes", false),
        ("locking=no", false),
        ("archive=true", false),
        ("archive=x", false),
        ("archive=false", true),
        ("enable-uncompressed-cache=x", false),
        ("add-remotes-config-dir=x", false),
        ("add-remotes-config-dir=true", true),
        ("tombstone-commits=x", true),
        ("min-free-space-size=900KB", false),
        ("min-free-space-size=5", false),
        ("min-free-space-size=", false),
        ("min-free-space-size=99999999999999999TB", false),
        ("min-free-space-size=18014398509481983GB", true),
        ("min-free-space-size=18014398509481984GB", false),
        ("min-free-space-size=1TB", true),
        ("min-free-space-percent=100", false),
        ("min-free-space-percent=-1", false),
        ("min-free-space-percent=abc", true),
        ("min-free-space-percent=5 x", true),
        ("default-repo-finders=", false),
        ("default-repo-finders=config;foo", false),
        ("default-repo-finders=config;mount;lan", true),
        ("default-repo-finders=a\\qb", false),
        ("collection-id=bad", true),
        ("parent=", true),
        ("payload-link-threshold=foo", true),
        ("tmp-expiry-secs=x", true),
        ("lock-timeout-secs=x", true),
        ("unknown=x", true),
        ("a[=1", false),
        ("[archive]\nzlib-level=99", true),
        ("[ex-integrity]\nfsverity=yes", true),
        ("[remote \"a\"]\nurl=x\n[remote \"a\"]\nurl=y", true),
    ] {
        pair.write_config(format!("{core}{line}\n").as_bytes());
        let answer = pair.same(&["--repo=r", "refs"]);
        assert_eq!(answer.code == Some(0), opens, "{line}");
    }
    pair.in_both(|dir| fs::remove_file(dir.join("r/config")).unwrap());
    pair.same(&["--repo=r", "refs"]);
}

#[test]
fn a_huge_config_is_not_read() {
    let Some(pair) = pair() else { return };
    pair.damaged("r", "its config is huge");
    let config = pair.ours().join("r/config");
    let file = fs::File::options().write(true).open(&config).unwrap();
    file.set_len(1 << 40).unwrap();
    let answer = pair.ask_us(&["--repo=r", "refs"]);
    let wanted = "opening repo: the configuration has more than 1048576 bytes";
    assert_eq!(answer.failure(), wanted);
}

#[test]
fn new_repositories_have_the_same_settings() {
    let Some(pair) = pair() else { return };
    for (number, args) in [
        &[][..],
        &["--mode=bare-user"],
        &["--mode=bare-user-only", "--collection-id=org.example.Os"],
        &["--collection-id=a.b"],
        &["--collection-id=bad"],
        &["--collection-id="],
        &["--mode=foo", "--collection-id=bad"],
        &["--mode=archive-z2", "--collection-id", "a.b_.C9"],
    ]
    .iter()
    .enumerate()
    {
        let repo = format!("--repo=i{number}");
        pair.same(&[&["init", &repo], *args].concat());
        let read = |dir: std::path::PathBuf| fs::read(dir.join(format!("i{number}/config"))).ok();
        assert_eq!(read(pair.ours()), read(pair.theirs()), "{args:?}");
        pair.same(&[&["init", "--mode=bare", &repo], *args].concat());
        assert_eq!(read(pair.ours()), read(pair.theirs()), "again {args:?}");
    }
    // A directory with `objects` counts as a repository, which is then not completed.
    pair.in_both(|dir| fs::create_dir_all(dir.join("half/objects")).unwrap());
    pair.same(&["init", "--repo=half"]);
}

#[test]
fn refs_are_reset_as_by_ostree() {
    let Some(pair) = pair() else { return };
    pair.unsynced("r");
    pair.in_both(|dir| {
        fs::create_dir(dir.join("t")).unwrap();
        fs::write(dir.join("t/f"), "hi\n").unwrap();
    });
    for timestamp in ["@1", "@2"] {
        let stamp = format!("--timestamp={timestamp}");
        pair.same_success(&["--repo=r", "commit", "-b", "main", &stamp, "t"]);
    }
    pair.same_success(&["--repo=r", "refs", "--create=rem:foo/bar", "main"]);
    for args in [
        &["main", "main^"][..],
        &["main", "main", "x"],
        &["rem:foo/bar", "main"],
        &["nope", "main"],
        &["main", "nope"],
        &["foo", "main"],
        &["main"],
        &[],
    ] {
        pair.same(&[&["--repo=r", "reset"], args].concat());
        pair.same_lines(&["--repo=r", "refs"]);
        pair.same(&["--repo=r", "rev-parse", "main", "rem:foo/bar"]);
    }
    pair.same(&["--repo=r", "fsck"]);
}
