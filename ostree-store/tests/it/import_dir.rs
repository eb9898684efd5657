//! Directories as trees: what the real ostree made of them, and what must not happen.

use std::fs::{self, Permissions};
use std::io::{Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use ostree_store::gvariant::{Dict, Value};
use ostree_store::object::{Checksummer, Commit, ObjectSink};
use ostree_store::repo::{Repo, RepoMode};
use ostree_store::tree::Tree;
use ostree_store::tree::import_dir::{ImportDirError, import_dir};
use ostree_store::tree::modify::Modifier;
use serde_json::Value as Json;

use crate::vectors::{hex, rows, text};

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn modifier(args: &Json) -> Modifier {
    let mut modifier = Modifier::default();
    for arg in args.as_array().unwrap() {
        match arg.as_str().unwrap() {
            "--owner-uid=0" => modifier.uid = Some(0),
            "--owner-gid=0" => modifier.gid = Some(0),
            "--canonical-permissions" => modifier.canonical_permissions = true,
            "--no-xattrs" => modifier.no_xattrs = true,
            other => panic!("unknown argument {other}"),
        }
    }
    modifier
}

/// Rows that only say how their entries are generated.
fn generated(how: &str) -> Vec<Json> {
    let file = |name: String, content: String| {
        let content = data_encoding::HEXLOWER.encode(content.as_bytes());
        serde_json::json!({ "path": name, "type": "file", "mode": "100644", "content_hex": content })
    };
    let mut entries = vec![serde_json::json!({ "path": "/", "type": "dir", "mode": "40755" })];
    if how.starts_with("files f000..f299") {
        entries.extend((0..300).map(|index| file(format!("/f{index:03}"), index.to_string())));
    } else if how.starts_with("files file-00000..file-01999") {
        entries.extend(
            (0..2000).map(|index| file(format!("/file-{index:05}"), (index % 7).to_string())),
        );
        entries
            .extend((0..600).map(
                |index| serde_json::json!({ "path": format!("/dir-{index:05}"), "type": "dir", "mode": "40755" }),
            ));
    } else {
        panic!("unknown generator: {how}");
    }
    entries
}

/// Makes the entries of a row below `root`.
pub(crate) fn lay_out(entries: &[Json], root: &Path) {
    let place = |entry: &Json| root.join(text(entry, "path").trim_start_matches('/'));
    for entry in entries {
        let place = place(entry);
        match text(entry, "type") {
            "dir" => fs::create_dir_all(&place).unwrap(),
            "file" => fs::write(&place, hex(entry, "content_hex")).unwrap(),
            "symlink" => symlink(text(entry, "target"), &place).unwrap(),
            other => panic!("unknown type {other}"),
        }
    }
    for entry in entries.iter().rev() {
        let place = place(entry);
        let id = |key: &str| {
            entry
                .get(key)
                .map_or(0, |id| u32::try_from(id.as_u64().unwrap()).unwrap())
        };
        if is_root() {
            lchown(&place, Some(id("uid")), Some(id("gid"))).unwrap();
        }
        for pair in entry
            .get("xattrs")
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
        {
            let value = data_encoding::HEXLOWER
                .decode(pair[1].as_str().unwrap().as_bytes())
                .unwrap();
            let none = rustix::fs::XattrFlags::empty();
            rustix::fs::lsetxattr(&place, pair[0].as_str().unwrap(), &value, none).unwrap();
        }
        if text(entry, "type") != "symlink" {
            let mode = u32::from_str_radix(text(entry, "mode"), 8).unwrap() & 0o7777;
            fs::set_permissions(&place, Permissions::from_mode(mode)).unwrap();
        }
    }
}

/// The commit that ostree makes of a tree with these arguments.
fn commit_of(tree: &Tree, row: &Json) -> Commit {
    let (root_tree, root_meta) = tree.write(&Checksummer).unwrap();
    let mut metadata = Dict::default();
    metadata.push("ostree.ref-binding", Value::strings([text(row, "branch")]));
    Commit {
        metadata,
        parent: None,
        related: Vec::new(),
        subject: text(row, "subject").to_owned(),
        body: String::new(),
        timestamp: row["timestamp"].as_i64().unwrap(),
        root_tree,
        root_meta,
    }
}

#[test]
fn directories_become_the_commits_of_ostree() {
    for row in rows("trees") {
        let entries = match row.get("entries") {
            Some(entries) => entries.as_array().unwrap().clone(),
            None => generated(text(&row, "entries_gen")),
        };
        let dir = fixtures::scratch("vector-tree");
        lay_out(&entries, dir.path());
        for expected in row["commits"].as_array().unwrap() {
            let what = format!("{} {}", text(&row, "name"), text(expected, "variant"));
            let modifier = modifier(&expected["args"]);
            if !is_root() && modifier.uid.is_none() && !modifier.canonical_permissions {
                eprintln!("not root, so owners are not as ostree had them: {what} is skipped");
                continue;
            }
            let tree = import_dir(dir.path(), &modifier, &Checksummer).unwrap();
            let commit = commit_of(&tree, expected);
            assert_eq!(
                commit.root_tree.to_string(),
                text(expected, "root_dirtree"),
                "{what}"
            );
            assert_eq!(
                commit.root_meta.to_string(),
                text(expected, "root_dirmeta"),
                "{what}"
            );
            assert_eq!(
                commit.content_checksum().to_string(),
                text(expected, "content_checksum"),
                "{what}"
            );
            assert_eq!(commit.id().to_string(), text(expected, "commit"), "{what}");
        }
    }
}

#[test]
fn only_files_links_and_directories_can_be_imported() {
    let dir = fixtures::scratch("kinds");
    let fifo = dir.path().join("d/fifo");
    fs::create_dir(dir.path().join("d")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        0o644.into(),
        0,
    )
    .unwrap();
    let error = import_dir(dir.path(), &Modifier::default(), &Checksummer).unwrap_err();
    assert_eq!(error.to_string(), "Not a regular file or symlink: fifo");
    fs::remove_file(&fifo).unwrap();

    let socket = std::os::unix::net::UnixListener::bind(&fifo).unwrap();
    let error = import_dir(dir.path(), &Modifier::default(), &Checksummer).unwrap_err();
    assert!(matches!(error, ImportDirError::Kind { .. }));
    drop(socket);
}

#[test]
fn text_that_is_not_utf8_is_an_error() {
    let dir = fixtures::scratch("not-utf8");
    let odd = std::ffi::OsStr::from_bytes(b"a\xff");
    fs::write(dir.path().join(odd), "").unwrap();
    let error = import_dir(dir.path(), &Modifier::default(), &Checksummer).unwrap_err();
    assert!(matches!(error, ImportDirError::Name { .. }), "{error}");
    fs::remove_file(dir.path().join(odd)).unwrap();

    symlink(odd, dir.path().join("link")).unwrap();
    let error = import_dir(dir.path(), &Modifier::default(), &Checksummer).unwrap_err();
    assert!(matches!(error, ImportDirError::Target { .. }), "{error}");
}

#[test]
fn a_missing_directory_is_named_as_ostree_names_it() {
    let dir = fixtures::scratch("missing");
    fs::write(dir.path().join("file"), "").unwrap();
    for (name, said) in [
        ("none", "No such file or directory"),
        ("file", "Not a directory"),
    ] {
        let path = dir.path().join(name);
        let error = import_dir(&path, &Modifier::default(), &Checksummer).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("opendir({}): {said}", path.display())
        );
    }
}

/// Of several things that fail, always the same one is reported.
#[test]
fn the_first_failure_is_always_the_same() {
    if is_root() {
        eprintln!("root reads everything: this check is skipped");
        return;
    }
    let dir = fixtures::scratch("failures");
    for name in ["a", "b", "c", "d"] {
        fs::write(
            dir.path().join(name),
            name.repeat(1 + usize::from(name == "c") * 1000),
        )
        .unwrap();
        fs::set_permissions(dir.path().join(name), Permissions::from_mode(0o000)).unwrap();
    }
    for _ in 0..20 {
        let error = import_dir(dir.path(), &Modifier::default(), &Checksummer).unwrap_err();
        let ImportDirError::Path(error) = error else {
            panic!("{error}")
        };
        assert!(error.path.ends_with("a"), "{error}");
    }
}

/// A writer that never rests: every object that comes of it has the content that its name says.
#[test]
fn a_file_that_changes_gives_no_wrong_object() {
    let dir = fixtures::scratch("changing");
    let path = dir.path().join("source/file");
    fs::create_dir(dir.path().join("source")).unwrap();
    fs::write(&path, vec![b'x'; 2 << 20]).unwrap();
    let repo = Repo::create(&dir.path().join("repo"), RepoMode::Archive).unwrap();
    let transaction = repo.transaction().unwrap();
    let stop = AtomicBool::new(false);
    let mut ids = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
            for version in (b'a'..=b'z')
                .cycle()
                .take_while(|_| !stop.load(Ordering::Relaxed))
            {
                file.rewind().unwrap();
                file.write_all(&vec![version; 1 << 20]).unwrap();
                file.set_len((2 << 20) + u64::from(version)).unwrap();
            }
        });
        for _ in 0..50 {
            match import_dir(
                &dir.path().join("source"),
                &Modifier::default(),
                &transaction,
            ) {
                Ok(tree) => ids.push(tree.files["file"]),
                Err(error) => assert!(matches!(error, ImportDirError::Changed { .. }), "{error}"),
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    transaction.publish().unwrap();
    for id in ids {
        let mut stored = repo.file(&id).unwrap();
        let (header, size) = (stored.header.clone(), stored.size);
        assert_eq!(Checksummer.file(&header, size, &mut stored).unwrap(), id);
    }
}
