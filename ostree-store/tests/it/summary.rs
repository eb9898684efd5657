//! Summaries, byte for byte: those of the vectors, and those that the real tool writes here and now.

use std::path::Path;

use fixtures::peer::{self, Peer};
use ostree_store::checksum::CommitId;
use ostree_store::gvariant::{Dict, Value};
use ostree_store::repo::{Repo, Summary, SummaryRef};
use serde_json::Value as Json;

use crate::vectors::{hex, rows, text};

/// A time in the byte order of ostree.
fn time(seconds: i64) -> Value {
    Value::Uint64(seconds.cast_unsigned().swap_bytes())
}

fn commit(text: &str) -> CommitId {
    CommitId::new(text.parse().unwrap())
}

/// The ref of a vector: name, commit, size, time and perhaps `version=…`.
fn vector_ref(row: &Json) -> SummaryRef {
    let mut metadata = Dict::default();
    metadata.push("ostree.commit.timestamp", time(row[3].as_i64().unwrap()));
    if let Some(version) = row[4].as_str() {
        let version = version.strip_prefix("version=").unwrap();
        metadata.push("ostree.commit.version", version);
    }
    SummaryRef {
        name: row[0].as_str().unwrap().to_owned(),
        commit: commit(row[1].as_str().unwrap()),
        size: row[2].as_u64().unwrap(),
        metadata: metadata.in_hash_order(),
    }
}

#[test]
fn vectors_are_made_from_what_they_say() {
    for row in rows("summaries") {
        let mut metadata = Dict::default();
        let mut deltas = Dict::default();
        for delta in row["deltas"].as_array().unwrap() {
            let digest = commit(delta[1].as_str().unwrap());
            let digest = Value::Bytes(digest.checksum().as_bytes().to_vec());
            // `FROM-TO`, or `TO`.
            deltas.push(delta[0].as_str().unwrap(), digest);
        }
        if !deltas.is_empty() {
            metadata.push("ostree.static-deltas", deltas.in_hash_order().to_value());
        }
        let modified = row["last_modified"].as_i64().unwrap();
        metadata.push("ostree.summary.last-modified", time(modified));
        metadata.push("ostree.summary.mode", text(&row, "mode"));
        metadata.push("ostree.summary.tombstone-commits", Value::Bool(false));
        metadata.push("ostree.summary.indexed-deltas", Value::Bool(true));
        let summary = Summary {
            refs: row["refs"]
                .as_array()
                .unwrap()
                .iter()
                .map(vector_ref)
                .collect(),
            metadata: metadata.in_hash_order(),
        };
        let bytes = hex(&row, "bytes_hex");
        assert_eq!(summary.encode(), bytes);
        assert_eq!(Summary::parse(&bytes).unwrap(), summary);
        for cut in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            assert!(Summary::parse(&bytes[..cut]).is_err(), "{cut}");
        }
    }
}

/// The same bytes as the real tool's, given the time that it took.
#[track_caller]
fn same_bytes(repo: &Path, additional: &Dict) {
    let theirs = std::fs::read(repo.join("summary")).unwrap();
    let parsed = Summary::parse(&theirs).unwrap();
    assert_eq!(parsed.encode(), theirs, "read and written again");
    let Some(Value::Uint64(modified)) = parsed.metadata.get("ostree.summary.last-modified") else {
        panic!("no time in {parsed:?}");
    };
    std::fs::remove_file(repo.join("summary")).unwrap();
    std::fs::write(repo.join("summary.sig"), "old").unwrap();
    let opened = Repo::open(repo).unwrap();
    let modified = modified.swap_bytes().cast_signed();
    opened.regenerate_summary(additional, modified).unwrap();
    assert_eq!(opened.summary_bytes().unwrap().unwrap(), theirs);
    assert!(!repo.join("summary.sig").exists());
}

fn run(ostree: &Peer, dir: &Path, words: &[&str]) {
    ostree.run_in(dir, words).success();
}

/// A repository of the real tool's with some branches.
fn repository(ostree: &Peer, dir: &Path, mode: &str) {
    run(ostree, dir, &["init", "--repo=r", mode]);
    std::fs::create_dir(dir.join("t")).unwrap();
    for (name, time) in [
        ("main", "1"),
        ("a/b", "-5"),
        ("late", "99999999999999"),
        ("a-b", "7"),
    ] {
        std::fs::write(dir.join("t/f"), name).unwrap();
        let time = format!("--timestamp=@{time}");
        let version = format!("--add-metadata-string=version={name}");
        run(
            ostree,
            dir,
            &["commit", "--repo=r", "-b", name, &time, &version, "t"],
        );
    }
    run(
        ostree,
        dir,
        &["refs", "--repo=r", "--create=rem:main", "main"],
    );
}

#[test]
fn the_real_tools_bytes_in_every_mode() {
    let Some(ostree) = peer::ostree() else { return };
    for mode in ["bare-user", "bare-user-only", "archive"] {
        let dir = fixtures::scratch("summary");
        repository(&ostree, dir.path(), &format!("--mode={mode}"));
        run(&ostree, dir.path(), &["summary", "--repo=r", "-u"]);
        same_bytes(&dir.path().join("r"), &Dict::default());
        run(&ostree, dir.path(), &["fsck", "--repo=r"]);
    }
}

#[test]
fn additional_metadata() {
    let Some(ostree) = peer::ostree() else { return };
    let dir = fixtures::scratch("summary");
    repository(&ostree, dir.path(), "--mode=archive");
    let mut additional = Dict::default();
    let mut words: Vec<String> = ["summary", "--repo=r", "-u"].map(str::to_owned).into();
    let given = [
        ("a", "'text'"),
        ("a", "'again'"),
        ("n", "uint64 5"),
        ("list", "['a', 'b']"),
        ("deep", "{'k': <(1, true, @as [])>}"),
        ("ostree.summary.mode", "'mine'"),
        ("xa.title", "'T'"),
        ("xa.default-branch", "'stable'"),
        ("exa", "b'bytes'"),
    ];
    for (key, value) in given {
        additional.push(key, Value::parse_text(value).unwrap());
        words.push(format!("--add-metadata={key}={value}"));
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    run(&ostree, dir.path(), &words);
    same_bytes(&dir.path().join("r"), &additional);
}

#[test]
fn deltas_and_their_indexes() {
    let Some(ostree) = peer::ostree() else { return };
    let dir = fixtures::scratch("summary");
    repository(&ostree, dir.path(), "--mode=archive");
    let generate = ["static-delta", "generate", "--repo=r"];
    for words in [
        &["--empty", "--to=main"][..],
        &["--from=main", "--to=a/b"],
        &["--empty", "--to=a/b"],
    ] {
        run(&ostree, dir.path(), &[&generate[..], words].concat());
    }
    std::fs::create_dir_all(dir.path().join("r/deltas/no/delta")).unwrap();
    run(&ostree, dir.path(), &["summary", "--repo=r", "-u"]);
    let indexes = fixtures::listing::of(&dir.path().join("r/delta-indexes")).unwrap();
    assert_eq!(indexes.matches(".index").count(), 2, "{indexes}");
    std::fs::remove_dir_all(dir.path().join("r/delta-indexes")).unwrap();
    same_bytes(&dir.path().join("r"), &Dict::default());
    let without_times = |listing: String| -> Vec<String> {
        let lines = listing.lines().filter(|line| line.contains(".index"));
        lines
            .map(|line| line.split('\t').next().unwrap().to_owned())
            .collect()
    };
    let ours = fixtures::listing::of(&dir.path().join("r/delta-indexes")).unwrap();
    assert_eq!(without_times(ours), without_times(indexes));
    // Ours are what the real tool would have written: it leaves them alone, byte for byte.
    let read = || {
        let mut found = std::collections::BTreeMap::new();
        for prefix in std::fs::read_dir(dir.path().join("r/delta-indexes")).unwrap() {
            for index in std::fs::read_dir(prefix.unwrap().path()).unwrap() {
                let path = index.unwrap().path();
                found.insert(path.clone(), std::fs::read(path).unwrap());
            }
        }
        found
    };
    let ours = read();
    run(
        &ostree,
        dir.path(),
        &["static-delta", "reindex", "--repo=r"],
    );
    assert_eq!(read(), ours);
    // Not in the summary if that is not wanted, and no index without a delta.
    let config = dir.path().join("r/config");
    let settings = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, settings + "no-deltas-in-summary=true\n").unwrap();
    run(&ostree, dir.path(), &["summary", "--repo=r", "-u"]);
    same_bytes(&dir.path().join("r"), &Dict::default());
    std::fs::remove_dir_all(dir.path().join("r/deltas")).unwrap();
    let repo = Repo::open(&dir.path().join("r")).unwrap();
    repo.regenerate_summary(&Dict::default(), 1).unwrap();
    assert!(read().is_empty());
}

#[test]
fn collections_and_mirrors() {
    let Some(ostree) = peer::ostree() else { return };
    for own in [true, false] {
        let dir = fixtures::scratch("summary");
        repository(&ostree, dir.path(), "--mode=archive");
        let repo = dir.path().join("r");
        let heads = repo.join("refs/heads");
        for name in [
            "refs/mirrors/org.example.B/sub",
            "refs/mirrors/org.example.A",
            "refs/remotes/far",
        ] {
            std::fs::create_dir_all(repo.join(name)).unwrap();
            std::fs::copy(heads.join("main"), repo.join(name).join("mirrored")).unwrap();
        }
        let mut config = std::fs::read_to_string(repo.join("config")).unwrap();
        if own {
            config = config.replace("[core]\n", "[core]\ncollection-id=org.example.Own\n");
        }
        config += "[remote \"far\"]\nurl=http://far\ncollection-id=org.example.Far\n";
        std::fs::write(repo.join("config"), config).unwrap();
        run(&ostree, dir.path(), &["summary", "--repo=r", "-u"]);
        let summary = Summary::parse(&std::fs::read(repo.join("summary")).unwrap()).unwrap();
        let collections: Vec<String> = summary
            .collections()
            .into_iter()
            .map(|(id, _)| id)
            .collect();
        assert_eq!(
            collections,
            ["org.example.A", "org.example.B", "org.example.Far"]
        );
        same_bytes(&repo, &Dict::default());
    }
}

/// The commit of a collection's metadata, as the real tool makes it.
#[test]
fn the_commit_of_a_collection() {
    let Some(ostree) = peer::ostree() else { return };
    let dir = fixtures::scratch("summary");
    for name in ["ours", "theirs"] {
        let repo = format!("--repo={name}");
        run(
            &ostree,
            dir.path(),
            &[
                "init",
                &repo,
                "--mode=archive",
                "--collection-id=org.example.Own",
            ],
        );
    }
    let mut additional = Dict::default();
    additional.push("xa.title", "T");
    let ours = Repo::open(&dir.path().join("ours")).unwrap();
    let theirs = Repo::open(&dir.path().join("theirs")).unwrap();
    for _ in 0..2 {
        run(
            &ostree,
            dir.path(),
            &["summary", "--repo=theirs", "-u", "-m", "xa.title='T'"],
        );
        let head = theirs.resolve("ostree-metadata").unwrap();
        let time = theirs.commit(&head).unwrap().timestamp;
        let made = ours.commit_collection_metadata(&additional, time).unwrap();
        assert_eq!(made, Some(head));
        assert_eq!(ours.resolve("ostree-metadata").unwrap(), head);
    }
    run(&ostree, dir.path(), &["fsck", "--repo=ours"]);
}

#[test]
fn a_ref_without_its_commit_is_an_error() {
    let dir = fixtures::scratch("summary");
    dir.damaged("", "a ref names no commit");
    let path = dir.path().join("r");
    let repo = Repo::create(&path, ostree_store::repo::RepoMode::Archive).unwrap();
    std::fs::write(
        path.join("refs/heads/main"),
        format!("{}\n", "0".repeat(64)),
    )
    .unwrap();
    let error = repo.regenerate_summary(&Dict::default(), 1).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("No such metadata object 0000")
    );
    assert_eq!(repo.summary_bytes().unwrap(), None);
}
