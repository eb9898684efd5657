//! What is done with any bytes, one function for each parser; a panic is a finding.
//!
//! The fuzz targets and the test that replays the corpus share these functions. Beside "no panic" each one states a
//! law: what is accepted is written back byte for byte, or read again as the same value.

mod on_disk;

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use ostree_store::checksum::{Checksum, CommitId, FileId};
use ostree_store::gvariant::{Dict, Type, Value};
use ostree_store::object::{
    Checksummer, Commit, DirMeta, DirTree, FileHeader, ObjectKind, ParseError, sizes,
};
use ostree_store::repo::{CollectionId, Config, RefName, Repo, RepoMode, Summary};
use ostree_store::tree::Tree;
use ostree_store::tree::import_tar::{TarOptions, import_tar};
use ostree_store::tree::modify::{Modifier, Origin};
use ostree_store::tree::path_rules::PathRules;

/// A target: its name, which is that of its corpus, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("collection", collection),
    ("commit", commit),
    ("config", config),
    ("dict", dict),
    ("dirmeta", dirmeta),
    ("dirtree", dirtree),
    ("file_header", file_header),
    ("filez", filez),
    ("path_rules", path_rules),
    ("places", places),
    ("ref_file", ref_file),
    ("ref_name", ref_name),
    ("revision", revision),
    ("settings", settings),
    ("split_xattrs", split_xattrs),
    ("summary", summary),
    ("tar", tar),
    ("tar_headers", tar_headers),
    ("value", value),
    ("value_text", value_text),
];

/// An object is what its bytes say, and nothing else.
pub fn commit(bytes: &[u8]) {
    if let Ok(commit) = Commit::parse(bytes) {
        assert_eq!(commit.encode(), bytes);
        let _ = (
            commit.version(),
            commit.content_checksum(),
            sizes::parse(&commit.metadata),
        );
    }
}

pub fn dirtree(bytes: &[u8]) {
    if let Ok(tree) = DirTree::parse(bytes) {
        assert_eq!(tree.encode(), bytes);
    }
}

pub fn dirmeta(bytes: &[u8]) {
    if let Ok(meta) = DirMeta::parse(bytes) {
        assert_eq!(meta.encode(), bytes);
    }
}

/// The three forms of a file's header, told apart by the first byte.
pub fn file_header(bytes: &[u8]) {
    match bytes {
        [0, header @ ..] => {
            if let Ok(parsed) = FileHeader::parse_checksum(header) {
                assert_eq!(parsed.checksum_frame()[8..], *header);
            }
        }
        [1, header @ ..] => {
            if let Ok((parsed, size)) = FileHeader::parse_archive(header) {
                assert_eq!(parsed.archive_frame(size)[8..], *header);
            }
        }
        [_, meta @ ..] => {
            let parsed =
                FileHeader::parse_bare_user(meta, || Ok::<_, ParseError>("target".to_owned()));
            if let Ok(parsed) = parsed {
                assert_eq!(parsed.bare_user_meta(), meta);
            }
        }
        [] => {}
    }
}

/// A type as text, a NUL, and a value of it.
pub fn value(bytes: &[u8]) {
    let nul = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    let (of, bytes) = bytes.split_at(nul);
    let (Ok(of), bytes) = (str::from_utf8(of), bytes.get(1..).unwrap_or_default()) else {
        return;
    };
    let Ok(of) = of.parse::<Type>() else { return };
    assert_eq!(of.to_string().parse::<Type>().as_ref(), Ok(&of));
    if let Ok(value) = Value::parse(&of, bytes) {
        assert_eq!(value.encode(), bytes);
        assert_eq!(value.type_of(), of);
        assert_eq!(value.byteswapped().byteswapped().encode(), bytes);
        let _ = value.to_string();
    }
}

/// GVariant's text format: what is printed of a value is read as the same value.
pub fn value_text(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    match Value::parse_text(text) {
        Ok(value) => {
            let printed = value.to_string();
            let again = Value::parse_text(&printed);
            assert_eq!(again.map(|again| again.to_string()), Ok(printed));
            assert_eq!(
                Value::parse(&value.type_of(), &value.encode()).map(|value| value.encode()),
                Ok(value.encode())
            );
        }
        Err(error) => drop(error.to_string()),
    }
}

pub fn dict(bytes: &[u8]) {
    if let Ok(dict) = Dict::parse(bytes) {
        assert_eq!(dict.encode(), bytes);
        let _ = (dict.to_value().to_string(), sizes::parse(&dict));
    }
}

pub fn summary(bytes: &[u8]) {
    if let Ok(summary) = Summary::parse(bytes) {
        assert_eq!(summary.encode(), bytes);
        let _ = (summary.collections(), summary.to_value().to_string());
    }
}

/// What is written of a configuration is read as the same one.
pub fn config(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let Ok(config) = Config::parse(text) else {
        return;
    };
    // Comments may change places, and each reading takes a carriage return from the end of a line, as GLib's does.
    let settings = |config: &Config| -> Vec<String> {
        let written = config.to_string();
        let lines = written
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines
            .map(|line| line.trim_end_matches('\r').to_owned())
            .collect()
    };
    let again = Config::parse(&config.to_string());
    assert_eq!(again.as_ref().map(settings), Ok(settings(&config)));
    for key in ["mode", "fsync", "min-free-space-size"] {
        let _ = (
            config.string("core", key),
            config.strings("core", key),
            config.flag("fsync", true),
        );
        let _ = (
            config.number("core", key, 0),
            config.unsigned("core", key, 0),
        );
    }
    let _ = config.remotes().count();
}

pub fn ref_name(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    if let Ok(name) = text.parse::<RefName>() {
        assert_eq!(name.to_string(), text);
        let parts = name.name().split('/');
        assert!(parts.clone().all(|part| !matches!(part, "" | "." | "..")));
    }
}

pub fn collection(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    if let Ok(id) = text.parse::<CollectionId>() {
        assert_eq!(id.as_str(), text);
        assert!(!text.contains('/'));
    }
}

/// A directory in memory where there is one.
fn directory() -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    let parent = if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    };
    let mut builder = tempfile::Builder::new();
    let dir = builder.prefix("ostree-store-fuzz-").tempdir_in(parent);
    dir.expect("a directory")
}

/// A repository for those that need files; one for the process, so they take turns.
static GROUND: LazyLock<Mutex<(tempfile::TempDir, Repo)>> = LazyLock::new(|| {
    let dir = directory();
    let repo = Repo::create(&dir.path().join("r"), RepoMode::Archive).expect("a repository");
    Mutex::new((dir, repo))
});

/// The content of a ref's file.
pub fn ref_file(bytes: &[u8]) {
    let ground = GROUND.lock().unwrap_or_else(PoisonError::into_inner);
    let path = ground.1.path().join("refs/heads/fuzzed");
    std::fs::write(&path, bytes).expect("a ref");
    let name: RefName = "fuzzed".parse().expect("a name");
    let one = ground.1.read_ref(&name);
    let all = ground.1.refs();
    assert_eq!(one.is_ok(), all.is_ok(), "{one:?} {all:?}");
    let _ = ground.1.resolve("fuzzed^");
    std::fs::remove_file(path).expect("a ref");
}

/// What a user types for a commit.
pub fn revision(bytes: &[u8]) {
    let ground = GROUND.lock().unwrap_or_else(PoisonError::into_inner);
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    if let Ok(commit) = ground.1.resolve(text) {
        assert_eq!(commit.to_string(), text);
    }
}

/// A whole `.filez`: nothing but the announced content comes out of it.
pub fn filez(bytes: &[u8]) {
    let ground = GROUND.lock().unwrap_or_else(PoisonError::into_inner);
    let checksum = Checksum::from_bytes([0xaa; 32]);
    let path = ground.1.object_path(ObjectKind::File, &checksum);
    std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    std::fs::write(&path, bytes).expect("an object");
    if let Ok(mut stored) = ground.1.file(&FileId::new(checksum)) {
        let (size, limit) = (stored.size, 4 << 20);
        if let Ok(read) = io::copy(&mut (&mut stored).take(limit), &mut io::sink()) {
            assert_eq!(read, size.min(limit));
        }
    }
    let _ = ground.1.commit(&CommitId::new(checksum));
}

/// An archive, plain or compressed; the last bit of the first byte says whether parents are made.
pub fn tar(bytes: &[u8]) {
    let Some((first, archive)) = bytes.split_first() else {
        return;
    };
    let options = TarOptions {
        autocreate_parents: first & 1 == 1,
        ..TarOptions::default()
    };
    let mut tree = Tree::default();
    if import_tar(&mut tree, archive, &options, &Checksummer, &Checksummer).is_ok() {
        let _ = tree.write(&Checksummer);
    }
}

/// An archive whose headers all have the checksums that they should have, which hardly any input has by itself.
pub fn tar_headers(bytes: &[u8]) {
    let mut archive = bytes.to_vec();
    let mut at = 1;
    while let Some(header) = archive.get_mut(at..at + 512) {
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let size = str::from_utf8(&header[124..135]).unwrap_or_default();
        let size = usize::from_str_radix(size.trim_matches(['\0', ' ']), 8).unwrap_or(0);
        at = at.saturating_add(512 + size.next_multiple_of(512));
        if at > archive.len() {
            break;
        }
    }
    tar(&archive);
}

/// The lines of `--statoverride` files, or of skip lists if the first byte is odd: what they do to one file and one
/// directory is used up, as far as it can be, and everything else is named as it was written.
pub fn path_rules(bytes: &[u8]) {
    let Some((first, text)) = bytes.split_first() else {
        return;
    };
    let Ok(text) = str::from_utf8(text) else {
        return;
    };
    let mut rules = PathRules::default();
    if first & 1 == 1 {
        rules.skip(text);
        let lines: BTreeSet<&str> = text.split('\n').filter(|line| !line.is_empty()).collect();
        assert!(rules.unmatched_skips().iter().eq(lines));
    } else if rules.override_modes(text).is_err() {
        return;
    }
    let modifier = Modifier {
        rules: Some(Arc::new(rules)),
        ..Modifier::default()
    };
    let mut header = FileHeader::root_owned(0o644);
    let mut meta = DirMeta::root_owned(0o755);
    let file = modifier.apply_file(|| "/f".to_owned(), &mut header, Origin::Tree);
    let dir = modifier.apply_dir(|| "/d".to_owned(), &mut meta, Origin::Tree);
    assert!(
        header.mode <= 0o7777 && meta.mode <= 0o7777,
        "{file:?} {dir:?}"
    );
    let rules = modifier.rules.expect("what was put there");
    let left = [rules.unmatched_additions(), rules.unmatched_skips()].concat();
    assert!(!left.iter().any(|path| path == "/f" || path == "/d"));
}

pub fn places(bytes: &[u8]) {
    on_disk::places(bytes);
}

pub fn settings(bytes: &[u8]) {
    on_disk::settings(bytes);
}

pub fn split_xattrs(bytes: &[u8]) {
    on_disk::split_xattrs(bytes);
}
