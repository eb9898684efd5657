//! Vectors of what this store does not make itself yet, as far as it stores, lists or carries them.

use data_encoding::HEXLOWER;
use ostree_store::checksum::{Checksum, DirMetaId, DirTreeId};
use ostree_store::fsverity;
use ostree_store::gvariant::{Dict, Type, Value};
use ostree_store::object::{Checksummer, Commit, ObjectSink};
use ostree_store::repo::{Repo, RepoMode, Summary};
use ostree_store::tree::import_dir::import_dir;
use ostree_store::tree::modify::Modifier;

use crate::import_dir::lay_out;
use crate::vectors::{hex, rows, text};

const SUPERBLOCK: &str = "(a{sv}tayay(a{sv}aya(say)sstayay)aya(uayttay)a(yaytt))";
const PART: &str = "(yay)";
const PAYLOAD: &str = "(a(uuu)aa(ayay)ayay)";

/// Reads bytes as a variant and checks that they come back.
#[track_caller]
fn variant(kind: &str, bytes: &[u8]) -> Value {
    let value = Value::parse(&kind.parse::<Type>().unwrap(), bytes).unwrap();
    assert_eq!(value.encode(), bytes, "{kind}");
    value
}

fn members(value: &Value) -> &[Value] {
    match value {
        Value::Tuple(members) => members,
        other => panic!("{other:?} is no tuple"),
    }
}

#[test]
fn static_deltas_are_variants_in_normal_form() {
    for row in rows("static_deltas") {
        let bytes = hex(&row, "superblock_hex");
        assert_eq!(
            Checksum::of(&bytes).to_string(),
            text(&row, "superblock_sha256")
        );
        let superblock = variant(SUPERBLOCK, &bytes);
        let commit = Commit::parse(&members(&superblock)[4].encode()).unwrap();
        assert_eq!(Checksum::of(&commit.encode()).to_string(), text(&row, "to"));
        for (key, kind) in [("parts_hex", PART), ("part_payloads_hex", PAYLOAD)] {
            for part in row[key].as_array().unwrap() {
                let part = part.as_str().unwrap();
                // A part's first byte tells its compression; the rest is no variant then.
                variant(kind, &HEXLOWER.decode(part.as_bytes()).unwrap());
            }
        }
    }
}

#[test]
fn files_are_measured_as_by_fs_verity() {
    for row in rows("fsverity_sha256_4096") {
        let content = hex(&row, "content_hex");
        let digest = fsverity::digest(content.as_slice()).unwrap();
        assert_eq!(digest.to_string(), text(&row, "digest_hex"));
    }
    // Lengths around a block, a block of digests, and a block of digests of those.
    let recorded = fixtures::text("recorded/fsverity.tsv");
    assert_eq!(recorded.lines().count(), 27);
    for line in recorded.lines() {
        let (length, wanted) = line.split_once('\t').unwrap();
        let bytes = (0..=250_u8).cycle().take(length.parse().unwrap());
        let content: Vec<u8> = bytes.collect();
        let digest = fsverity::digest(content.as_slice()).unwrap();
        assert_eq!(digest.to_string(), wanted, "{length} bytes");
    }
}

/// The summary names a delta after the directory that it lies in.
#[test]
fn directories_of_deltas_are_named_as_ostree_names_them() {
    let named = rows("delta_paths")
        .into_iter()
        .filter(|row| row.get("path").is_some());
    for row in named {
        let dir = fixtures::scratch("delta-paths");
        let repo = Repo::create(&dir.path().join("repo"), RepoMode::Archive).unwrap();
        let delta = repo.path().join(text(&row, "path"));
        std::fs::create_dir_all(&delta).unwrap();
        std::fs::write(delta.join("superblock"), "").unwrap();
        repo.regenerate_summary(&Dict::default(), 0).unwrap();
        let summary = Summary::parse(&repo.summary_bytes().unwrap().unwrap()).unwrap();
        let deltas = format!("{:?}", summary.metadata.get("ostree.static-deltas"));
        assert!(deltas.contains(&name(&row)), "{deltas}");
    }
}

/// `FROM-TO`, or `TO`.
fn name(row: &serde_json::Value) -> String {
    match row["from"].as_str() {
        Some(from) => format!("{from}-{}", text(row, "to")),
        None => text(row, "to").to_owned(),
    }
}

#[test]
fn signatures_are_carried_beside_the_commit_they_sign() {
    for row in rows("ed25519") {
        let bytes = hex(&row, "signed_bytes_hex");
        assert_eq!(Checksum::of(&bytes).to_string(), text(&row, "commit"));
        assert_eq!(Commit::parse(&bytes).unwrap().encode(), bytes);
        let beside = hex(&row, "commitmeta_hex");
        let dict = Dict::parse(&beside).unwrap();
        assert_eq!(dict.encode(), beside);
        let signature = Value::Bytes(hex(&row, "signature_hex"));
        let expected = variant("aay", &dict.get("ostree.sign.ed25519").unwrap().encode());
        assert!(format!("{expected:?}").contains(&format!("{signature:?}")));
    }
}

/// The digest of a composefs image is metadata like any other; the image itself is not made here.
#[test]
fn a_commit_with_the_digest_of_its_image() {
    for row in rows("composefs") {
        let dir = fixtures::scratch("composefs");
        let entries = row["entries"].as_array().unwrap();
        lay_out(entries, dir.path());
        let modifier = Modifier {
            uid: Some(0),
            gid: Some(0),
            ..Modifier::default()
        };
        let tree = import_dir(dir.path(), &modifier, &Checksummer).unwrap();
        let (root_tree, root_meta): (DirTreeId, DirMetaId) = tree.write(&Checksummer).unwrap();
        let mut metadata = Dict::default();
        metadata.push("ostree.ref-binding", Value::strings([text(&row, "branch")]));
        metadata.push(
            "ostree.composefs.digest.v0",
            Value::Bytes(hex(&row, "digest_hex")),
        );
        let commit = Commit {
            metadata,
            parent: None,
            related: Vec::new(),
            subject: String::new(),
            body: String::new(),
            timestamp: row["timestamp"].as_i64().unwrap(),
            root_tree,
            root_meta,
        };
        let id = Checksummer.commit(&commit).unwrap();
        assert_eq!(id.to_string(), text(&row, "commit"));
    }
}
