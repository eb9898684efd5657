//! Every object of the vectors that ostree made: read, written again, named.

use data_encoding::HEXLOWER;
use ostree_store::checksum::Checksum;
use ostree_store::gvariant::{Dict, Type, Value};
use ostree_store::object::{
    Checksummer, Commit, DirMeta, DirTree, FileHeader, FileKind, ObjectSink, PERMISSIONS,
    ParseError, Xattrs,
};
use serde_json::Value as Json;

use crate::vectors::{hex, rows, text};

fn number(row: &Json, key: &str) -> u32 {
    u32::try_from(row[key].as_u64().unwrap()).unwrap()
}

fn mode(row: &Json) -> u32 {
    u32::from_str_radix(text(row, "mode"), 8).unwrap() & PERMISSIONS
}

fn xattrs(row: &Json) -> Xattrs {
    let pairs = row["xattrs"].as_array().unwrap().iter().map(|pair| {
        let value = HEXLOWER
            .decode(pair[1].as_str().unwrap().as_bytes())
            .unwrap();
        (pair[0].as_str().unwrap().as_bytes().to_vec(), value)
    });
    Xattrs::new(pairs).unwrap()
}

fn header(row: &Json) -> FileHeader {
    let kind = if text(row, "mode").starts_with("12") {
        FileKind::Symlink(text(row, "target").to_owned())
    } else {
        FileKind::Regular
    };
    FileHeader {
        uid: number(row, "uid"),
        gid: number(row, "gid"),
        mode: mode(row),
        kind,
        xattrs: xattrs(row),
    }
}

fn content(row: &Json) -> Vec<u8> {
    if text(row, "mode").starts_with("12") {
        return Vec::new();
    }
    row.get("content_gen").map_or_else(
        || hex(row, "content_hex"),
        |run| hex(&serde_json::json!({ "x": run }), "x"),
    )
}

#[test]
fn file_objects_have_ostrees_headers_and_names() {
    for row in rows("file_objects")
        .iter()
        .chain(&rows("file_objects_only_from_tar"))
    {
        let (name, header, content) = (text(row, "name"), header(row), content(row));
        let id = Checksummer
            .file(&header, content.len() as u64, &mut content.as_slice())
            .unwrap();
        assert_eq!(id.to_string(), text(row, "checksum"), "{name}");
        if row.get("checksum_header_hex").is_some() {
            let frame = hex(row, "checksum_header_hex");
            assert_eq!(header.checksum_frame(), frame, "{name}");
            assert_eq!(
                FileHeader::parse_checksum(&frame[8..]).unwrap(),
                header,
                "{name}"
            );
            let frame = hex(row, "filez_header_hex");
            assert_eq!(header.archive_frame(content.len() as u64), frame, "{name}");
            let parsed = FileHeader::parse_archive(&frame[8..]).unwrap();
            assert_eq!(parsed, (header.clone(), content.len() as u64), "{name}");
            let meta = hex(row, "bare_user_ostreemeta_hex");
            assert_eq!(header.bare_user_meta(), meta, "{name}");
            let parsed = FileHeader::parse_bare_user(&meta, || {
                Ok::<_, ParseError>(header.target().to_owned())
            })
            .unwrap();
            assert_eq!(parsed, header, "{name}");
        }
    }
}

#[test]
fn dirmetas_round_trip() {
    for row in rows("dirmeta") {
        let meta = DirMeta {
            uid: number(&row, "uid"),
            gid: number(&row, "gid"),
            mode: mode(&row),
            xattrs: xattrs(&row),
        };
        assert_eq!(meta.encode(), hex(&row, "bytes_hex"));
        assert_eq!(DirMeta::parse(&hex(&row, "bytes_hex")).unwrap(), meta);
        assert_eq!(meta.id().to_string(), text(&row, "checksum"));
    }
}

#[test]
fn dirtrees_round_trip() {
    for row in rows("dirtree") {
        let bytes = hex(&row, "bytes_hex");
        let tree = DirTree::parse(&bytes).unwrap();
        assert_eq!(tree.encode(), bytes);
        assert_eq!(tree.id().to_string(), text(&row, "checksum"));
        let files: Vec<(String, String)> = tree
            .files
            .iter()
            .map(|(n, c)| (n.to_string(), c.to_string()))
            .collect();
        let wanted: Vec<(String, String)> = serde_json::from_value(row["files"].clone()).unwrap();
        assert_eq!(files, wanted);
    }
}

#[test]
fn commits_round_trip() {
    for row in rows("commits") {
        let bytes = hex(&row, "bytes_hex");
        let commit = Commit::parse(&bytes).unwrap();
        assert_eq!(commit.encode(), bytes, "{}", text(&row, "name"));
        assert_eq!(commit.id().to_string(), text(&row, "checksum"));
        assert_eq!(
            (commit.subject.as_str(), commit.body.as_str()),
            (text(&row, "subject"), text(&row, "body"))
        );
        assert_eq!(commit.root_tree.to_string(), text(&row, "root_dirtree"));
        assert_eq!(
            commit.parent.map(|id| id.to_string()).as_deref(),
            row["parent"].as_str()
        );
        let keys: Vec<String> = commit
            .metadata
            .iter()
            .map(|(key, _)| key.to_owned())
            .collect();
        let wanted = row["metadata"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry[0].as_str().unwrap().to_owned());
        assert_eq!(keys, wanted.collect::<Vec<_>>());
    }
}

#[test]
fn loose_dictionaries_round_trip() {
    for row in rows("detached_and_tombstone") {
        let bytes = hex(&row, "bytes_hex");
        assert_eq!(Dict::parse(&bytes).unwrap().encode(), bytes);
    }
    let summary: Type = "(a(s(taya{sv}))a{sv})".parse().unwrap();
    for row in rows("summaries") {
        let bytes = hex(&row, "bytes_hex");
        assert_eq!(Value::parse(&summary, &bytes).unwrap().encode(), bytes);
    }
}

#[test]
fn malformed_objects_are_refused() {
    for row in rows("invalid_objects") {
        let (bytes, name) = (hex(&row, "bytes_hex"), text(&row, "name"));
        let refused = match text(&row, "type") {
            "dirtree" => DirTree::parse(&bytes).is_err(),
            "dirmeta" => DirMeta::parse(&bytes).is_err(),
            "commit" => Commit::parse(&bytes).is_err(),
            _ => {
                let length = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
                FileHeader::parse_archive(&bytes[8..8 + length]).is_err()
            }
        };
        assert!(refused, "{name}: {}", text(&row, "implementation_should"));
    }
}

#[test]
fn cut_and_changed_objects_never_panic() {
    for row in rows("commits")
        .iter()
        .chain(&rows("dirtree"))
        .chain(&rows("dirmeta"))
    {
        let bytes = hex(row, "bytes_hex");
        for position in 0..bytes.len().min(400) {
            for flip in [0x01, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[position] ^= flip;
                for bytes in [&changed[..], &bytes[..position]] {
                    if let Ok(commit) = Commit::parse(bytes) {
                        assert_eq!(commit.encode(), bytes);
                    }
                    if let Ok(tree) = DirTree::parse(bytes) {
                        assert_eq!(tree.encode(), bytes);
                    }
                    if let Ok(meta) = DirMeta::parse(bytes) {
                        assert_eq!(meta.encode(), bytes);
                    }
                }
            }
        }
    }
    assert_eq!(Checksum::of(b"").to_string().len(), 64);
}
