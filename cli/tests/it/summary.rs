//! `summary` beside the real one. Bytes are compared in the store's own tests; here words, and what follows a ref.

use crate::pair::Pair;
use ostree_store::gvariant::{Dict, Value};
use ostree_store::repo::Summary;
use std::fs;
use std::path::Path;

const MODIFIED: &str = "ostree.summary.last-modified";

/// A pair with a repository `r` and some branches.
fn pair(init: &[&str]) -> Option<Pair> {
    let mut pair = Pair::new("summary")?;
    pair.env("SOURCE_DATE_EPOCH", "1700000000");
    pair.same_success(&[&["init", "--repo=r"], init].concat());
    pair.unsynced("r");
    for name in ["main", "a/b", "a-b"] {
        pair.in_both(|dir| {
            fs::create_dir_all(dir.join("t")).unwrap();
            fs::write(dir.join("t/f"), name).unwrap();
        });
        let version = format!("--add-metadata-string=version={name} 1");
        pair.same_success(&["commit", "--repo=r", "-b", name, &version, "t"]);
    }
    Some(pair)
}

/// A repository's summary without the time at which it was made.
fn timeless(dir: &Path) -> Summary {
    let bytes = fs::read(dir.join("r/summary")).unwrap();
    let mut summary = Summary::parse(&bytes).unwrap();
    assert_eq!(summary.encode(), bytes);
    let mut metadata = Dict::default();
    for (key, value) in summary.metadata.iter() {
        let value = if key == MODIFIED {
            Value::Bool(true)
        } else {
            value.clone()
        };
        metadata.push(key, value);
    }
    summary.metadata = metadata;
    summary
}

/// The time in it, in seconds.
fn modified(dir: &Path) -> u64 {
    let summary = Summary::parse(&fs::read(dir.join("r/summary")).unwrap()).unwrap();
    match summary.metadata.get(MODIFIED) {
        Some(Value::Uint64(time)) => time.swap_bytes(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn same_summary(pair: &Pair) {
    assert_eq!(timeless(&pair.ours()), timeless(&pair.theirs()));
    let (ours, theirs) = (modified(&pair.ours()), modified(&pair.theirs()));
    assert!(ours.abs_diff(theirs) < 300, "{ours} {theirs}");
}

/// Both get the real tool's file and show it.
fn same_views(pair: &Pair) {
    fs::copy(
        pair.theirs().join("r/summary"),
        pair.ours().join("r/summary"),
    )
    .unwrap();
    for words in [&["-v"][..], &["--view"], &["--raw"], &["-v", "--raw"]] {
        pair.same_success(&[&["summary", "--repo=r"], words].concat());
    }
}

#[test]
fn update_and_view() {
    for mode in ["--mode=archive", "--mode=bare-user"] {
        let Some(pair) = pair(&[mode]) else { return };
        pair.same(&["summary", "--repo=r"]);
        pair.same(&["summary", "--repo=r", "-v"]);
        pair.same(&["summary", "--repo=r", "--raw"]);
        pair.same_success(&["refs", "--repo=r", "--create=remote:main", "main"]);
        pair.in_both(|dir| fs::write(dir.join("r/summary.sig"), "old").unwrap());
        pair.same_success(&["summary", "--repo=r", "-u"]);
        same_summary(&pair);
        pair.in_both(|dir| assert!(!dir.join("r/summary.sig").exists()));
        let config = |dir: std::path::PathBuf| fs::read_to_string(dir.join("r/config")).unwrap();
        assert_eq!(config(pair.ours()), config(pair.theirs()));
        same_views(&pair);
    }
}

#[test]
fn additional_metadata_and_its_refusal() {
    let Some(mut pair) = pair(&["--mode=archive"]) else {
        return;
    };
    for wrong in ["novalue", "k=", "k=x", "k='a", "k=[1, 'a']", "k=uint32 -1"] {
        pair.same(&["summary", "--repo=r", "-u", "-m", wrong]);
        pair.in_both(|dir| assert!(!dir.join("r/summary").exists(), "{wrong}"));
    }
    let given = [
        "-m",
        "k='text'",
        "-m",
        "n=uint64 5",
        "--add-metadata=ostree.summary.expires=uint64 1",
        "--add-metadata=l=[<1>, <'a'>]",
        "-m",
        "k='again'",
    ];
    pair.same_success(&[&["summary", "--repo=r", "-u"], &given[..]].concat());
    same_summary(&pair);
    same_views(&pair);
    pair.env("TZ", "Asia/Kathmandu");
    same_views(&pair);
    pair.env("TZ", "America/New_York");
    same_views(&pair);
}

#[test]
fn collections() {
    let Some(pair) = pair(&["--mode=archive", "--collection-id=org.example.Own"]) else {
        return;
    };
    pair.in_both(|dir| {
        let mirror = dir.join("r/refs/mirrors/org.example.Other");
        fs::create_dir_all(&mirror).unwrap();
        fs::copy(dir.join("r/refs/heads/main"), mirror.join("main")).unwrap();
    });
    pair.same_success(&["summary", "--repo=r", "-u", "-m", "k='v'"]);
    // The commit of the metadata has the time at which it was made, so only its form can be the same.
    let (ours, theirs) = (timeless(&pair.ours()), timeless(&pair.theirs()));
    assert_eq!(ours.metadata, theirs.metadata);
    let names = |summary: &Summary| {
        let named = summary
            .refs
            .iter()
            .map(|entry| (entry.name.clone(), entry.size));
        named.collect::<Vec<_>>()
    };
    assert_eq!(names(&ours), names(&theirs));
    assert!(
        ours.refs
            .iter()
            .any(|entry| entry.name == "ostree-metadata")
    );
    pair.same_success(&[
        "show",
        "--repo=r",
        "--print-metadata-key=ostree.collection-binding",
        "ostree-metadata",
    ]);
    pair.same(&["ls", "--repo=r", "-RCX", "ostree-metadata"]);
    same_views(&pair);
    pair.same_success(&["summary", "--repo=r", "-u"]);
    pair.same_success(&["fsck", "-q", "--repo=r"]);
    let parent = pair.ask_us(&["rev-parse", "--repo=r", "ostree-metadata^"]);
    assert_eq!(parent.code, Some(0));
}

/// `core.auto-update-summary`: after each command that moves a ref.
#[test]
fn the_summary_follows_every_ref() {
    for key in ["auto-update-summary", "commit-update-summary"] {
        let Some(pair) = pair(&["--mode=archive"]) else {
            return;
        };
        pair.in_both(|dir| {
            let config = dir.join("r/config");
            let text = fs::read_to_string(&config).unwrap();
            fs::write(&config, text + key + "=true\n").unwrap();
        });
        for words in [
            &["commit", "-b", "new", "t"][..],
            &["refs", "--create=again", "main"],
            &["refs", "--create=alias", "--alias", "main"],
            &["refs", "--delete", "again"],
            &["reset", "a/b", "main"],
        ] {
            let words = [&words[..1], &["--repo=r"], &words[1..]].concat();
            pair.same_success(&words);
            same_summary(&pair);
        }
        // An orphan moves no ref.
        let before = fs::metadata(pair.ours().join("r/summary"))
            .unwrap()
            .modified();
        pair.same_success(&["commit", "--repo=r", "--orphan", "t"]);
        let after = fs::metadata(pair.ours().join("r/summary"))
            .unwrap()
            .modified();
        assert_eq!(before.unwrap(), after.unwrap());
        // A pull moves several at once.
        pair.same_success(&["init", "--repo=s", "--mode=archive"]);
        for name in ["from-s", "from-s-too"] {
            pair.same_success(&["commit", "--repo=s", "-b", name, "t"]);
        }
        pair.same_success(&["pull-local", "--repo=r", "s"]);
        same_summary(&pair);
        assert!(
            timeless(&pair.ours())
                .refs
                .iter()
                .any(|entry| entry.name == "from-s-too")
        );
    }
}

/// Two questions that ostree answers since 2023.1.
#[test]
fn keys_of_the_metadata() {
    let Some(pair) = pair(&["--mode=archive"]) else {
        return;
    };
    pair.ask_us(&["summary", "--repo=r", "-u", "-m", "a=uint32 5"])
        .success();
    let keys = pair
        .ask_us(&["summary", "--repo=r", "--list-metadata-keys"])
        .success();
    let expected = [
        "a",
        "ostree.summary.indexed-deltas",
        "ostree.summary.last-modified",
        "ostree.summary.mode",
        "ostree.summary.tombstone-commits",
    ];
    assert_eq!(keys.lines().collect::<Vec<_>>(), expected);
    // As `ostree show` prints values: integers swapped.
    let value = pair
        .ask_us(&["summary", "--repo=r", "--print-metadata-key=a"])
        .success();
    assert_eq!(value, "uint32 83886080\n");
    let missing = pair.ask_us(&["summary", "--repo=r", "--print-metadata-key=b"]);
    assert_eq!(missing.failure(), "No such metadata key 'b'");
    let json = pair.ask_us(&["summary", "--repo=r", "--json"]).success();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["refs"][0]["ref"], "a-b");
    assert_eq!(json["refs"][2]["ref"], "main");
    for option in ["--gpg-sign=x", "--sign=x"] {
        let answer = pair.ask_us(&["summary", "--repo=r", "-u", option]);
        let option = option.split('=').next().unwrap();
        assert!(answer.failure().contains(option));
    }
}

#[test]
fn what_is_no_summary() {
    let Some(pair) = pair(&["--mode=archive"]) else {
        return;
    };
    for nonsense in [&b"nonsense"[..], b"", &[0xff; 4096]] {
        fs::write(pair.ours().join("r/summary"), nonsense).unwrap();
        for view in ["-v", "--raw", "--list-metadata-keys", "--json"] {
            let answer = pair.ask_us(&["summary", "--repo=r", view]);
            if !nonsense.is_empty() {
                assert!(answer.failure().contains("summary"), "{view}");
            }
        }
    }
    // Written anew it is one again.
    pair.ask_us(&["summary", "--repo=r", "-u"]).success();
    pair.ask_us(&["summary", "--repo=r", "-v"]).success();
}
