//! `checksum`: what files and trees would be called in a repository, without one.
//!
//! | asked for | under the name `ostree` | otherwise |
//! |---|---|---|
//! | a file or link | its file object | the same |
//! | a directory | its dirmeta, as ostree answers | the tree below it |
//! | `--tree=dir=…`, `--tree=tar=…` | the tree | the tree |
//! | `--fsverity` of a file | its fs-verity digest | the same |

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Args;
use ostree_store::checksum::{Checksum, CommitId, DirMetaId, DirTreeId, FileId};
use ostree_store::fsverity;
use ostree_store::object::{
    Checksummer, Commit, DirMeta, DirTree, FileHeader, ObjectSink, WriteError,
};
use ostree_store::tree::Tree;
use ostree_store::tree::checksum_path::checksum_path;
use ostree_store::tree::import_dir::import_dir;
use ostree_store::tree::import_tar::{TarOptions, import_tar};
use ostree_store::tree::modify::Modifier;
use serde::Serialize;

use crate::console::Console;
use crate::face::Face;
use crate::failure::{Failure, Within};

/// Print the checksum of a file, or of a directory or archive as a tree, without a repository
#[derive(Args, Debug)]
pub(crate) struct ChecksumArgs {
    /// File or directory
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Take no extended attributes
    #[arg(long)]
    ignore_xattrs: bool,
    /// Hash a whole tree: dir=PATH or tar=FILE (- is stdin)
    #[arg(long, value_name = "KIND=WHAT")]
    tree: Option<String>,
    /// Print the fs-verity digest of a file's content (SHA-256, blocks of 4096 bytes), as the kernel measures it
    #[arg(long, conflicts_with = "tree")]
    fsverity: bool,
    /// Say how many files and bytes were hashed, and how fast
    #[arg(long)]
    stats: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// What `--json` tells; what was not asked for is `null`. Sizes are in bytes.
#[derive(Debug, Default, Serialize)]
struct Record {
    checksum: Option<String>,
    dirtree: Option<String>,
    dirmeta: Option<String>,
    content_checksum: Option<String>,
    files: Option<u64>,
    bytes: Option<u64>,
    seconds: Option<f64>,
    bytes_per_second: Option<f64>,
}

pub(crate) fn run(args: &ChecksumArgs, face: Face, console: &mut Console) -> Result<(), Failure> {
    let path = args.paths.first();
    let started = Instant::now();
    let counting = Counting::default();
    let mut record = match (&args.tree, path) {
        (Some(spec), _) => tree(spec, args, &counting)?,
        (None, Some(path)) if args.fsverity => measured(path, &counting)?,
        (None, None) => return Err(Failure::new("A filename must be given")),
        (None, Some(path)) if face == Face::ApkOstree && path.is_dir() => {
            whole(&directory(path, args, &counting)?, &counting)?
        }
        (None, Some(path)) => single(path, args, &counting)?,
    };
    let seconds = started.elapsed().as_secs_f64();
    if args.stats {
        let bytes = counting.bytes.into_inner();
        record.files = Some(counting.files.into_inner());
        record.bytes = Some(bytes);
        record.seconds = Some(seconds);
        #[allow(clippy::cast_precision_loss, reason = "a speed is no exact number")]
        let speed = bytes as f64 / seconds.max(f64::MIN_POSITIVE);
        record.bytes_per_second = Some(speed);
    }
    tell(&record, args.json, console)
}

/// One file, link or directory as it stands.
fn single(path: &Path, args: &ChecksumArgs, counting: &Counting) -> Result<Record, Failure> {
    let found = std::fs::symlink_metadata(path).map_err(|error| {
        let shown = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let outer = match args.ignore_xattrs {
            true => format!("fstatat({})", path.display()),
            false => format!(
                "Error when getting information for file “{}”",
                shown.display()
            ),
        };
        Failure::from(error).within(outer)
    })?;
    let checksum = checksum_path(path, args.ignore_xattrs)?;
    if !found.is_dir() {
        counting.count(if found.is_file() { found.len() } else { 0 });
    }
    Ok(Record {
        checksum: Some(checksum.to_string()),
        ..Record::default()
    })
}

/// A file as the kernel would measure it.
fn measured(path: &Path, counting: &Counting) -> Result<Record, Failure> {
    let open = || -> std::io::Result<(u64, Checksum)> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok((size, fsverity::digest(file)?))
    };
    let (size, digest) = open().within(format_args!("cannot read {}", path.display()))?;
    counting.count(size);
    Ok(Record {
        checksum: Some(digest.to_string()),
        ..Record::default()
    })
}

fn tree(spec: &str, args: &ChecksumArgs, counting: &Counting) -> Result<Record, Failure> {
    let (kind, what) = spec.split_once('=').ok_or_else(|| {
        Failure::usage(format_args!("Missing type in tree specification '{spec}'"))
    })?;
    let tree = match kind {
        "dir" => directory(Path::new(what), args, counting)?,
        "tar" if what == "-" => archive(std::io::stdin().lock(), args, counting)?,
        "tar" => {
            let file = File::open(what).within(format_args!("cannot open {what}"))?;
            archive(file, args, counting)?
        }
        _ => {
            return Err(Failure::usage(format_args!(
                "Invalid tree type specification '{kind}'"
            )));
        }
    };
    whole(&tree, counting)
}

fn directory(path: &Path, args: &ChecksumArgs, counting: &Counting) -> Result<Tree, Failure> {
    Ok(import_dir(path, &args.modifier(), counting)?)
}

fn archive(archive: impl Read, args: &ChecksumArgs, counting: &Counting) -> Result<Tree, Failure> {
    let options = TarOptions {
        modifier: args.modifier(),
        ..TarOptions::default()
    };
    let mut tree = Tree::default();
    import_tar(&mut tree, archive, &options, counting, &Checksummer)?;
    Ok(tree)
}

/// The three names that a commit of the tree would have in it.
fn whole(tree: &Tree, counting: &Counting) -> Result<Record, Failure> {
    let (dirtree, dirmeta) = tree.write(counting)?;
    let both = [
        *dirtree.checksum().as_bytes(),
        *dirmeta.checksum().as_bytes(),
    ];
    Ok(Record {
        dirtree: Some(dirtree.to_string()),
        dirmeta: Some(dirmeta.to_string()),
        content_checksum: Some(Checksum::of(both.as_flattened()).to_string()),
        ..Record::default()
    })
}

fn tell(record: &Record, json: bool, console: &mut Console) -> Result<(), Failure> {
    if json {
        return console.json(record);
    }
    if let Some(checksum) = &record.checksum {
        console.line(checksum)?;
    }
    for (name, value) in [
        ("DirTree", &record.dirtree),
        ("DirMeta", &record.dirmeta),
        ("ContentChecksum", &record.content_checksum),
    ] {
        if let Some(value) = value {
            console.line(format_args!("{name}: {value}"))?;
        }
    }
    if let (Some(files), Some(bytes)) = (record.files, record.bytes) {
        console.line(format_args!("Files: {files}\nBytes: {bytes}"))?;
    }
    if let (Some(seconds), Some(speed)) = (record.seconds, record.bytes_per_second) {
        console.line(format_args!(
            "Seconds: {seconds:.3}\nBytes per second: {speed:.0}"
        ))?;
    }
    Ok(())
}

impl ChecksumArgs {
    fn modifier(&self) -> Modifier {
        Modifier {
            no_xattrs: self.ignore_xattrs,
            ..Modifier::default()
        }
    }
}

/// A [`Checksummer`] that counts what goes through it.
#[derive(Debug, Default)]
struct Counting {
    files: AtomicU64,
    bytes: AtomicU64,
}

impl Counting {
    fn count(&self, bytes: u64) {
        self.files.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl ObjectSink for Counting {
    fn file(
        &self,
        header: &FileHeader,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<FileId, WriteError> {
        let id = Checksummer.file(header, size, content)?;
        self.count(size);
        Ok(id)
    }

    fn dirtree(&self, tree: &DirTree) -> Result<DirTreeId, WriteError> {
        Checksummer.dirtree(tree)
    }

    fn dirmeta(&self, meta: &DirMeta) -> Result<DirMetaId, WriteError> {
        Checksummer.dirmeta(meta)
    }

    fn commit(&self, commit: &Commit) -> Result<CommitId, WriteError> {
        Checksummer.commit(commit)
    }
}
