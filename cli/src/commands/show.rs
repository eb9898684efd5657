//! `show`: one object, usually a commit.

mod metadata;
mod sizes;
mod variant;

use clap::Args;
use ostree_store::checksum::{Checksum, CommitId, FileId};
use ostree_store::object::ObjectKind;
use ostree_store::repo::{Repo, RepoMode};
use serde::Serialize;

use super::commit_text::{Shown, Text, raw_text};
use crate::console::Console;
use crate::failure::Failure;

/// Show a commit, or another object by its checksum
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// Ref, or checksum of any object
    #[arg(value_name = "OBJECT")]
    object: String,
    /// Show the object as GVariant text
    #[arg(long)]
    raw: bool,
    /// Leave integers in the byte order in which they are stored
    #[arg(long, short = 'B')]
    no_byteswap: bool,
    /// Print the value of a metadata key as GVariant text
    #[arg(long, value_name = "KEY")]
    print_metadata_key: Option<String>,
    /// List the metadata keys, sorted
    #[arg(long)]
    list_metadata_keys: bool,
    /// Print values that are arrays of bytes as hex digits
    #[arg(long)]
    print_hex: bool,
    /// List the keys of the metadata beside the commit, sorted
    #[arg(long)]
    list_detached_metadata_keys: bool,
    /// The same as --print-metadata-key for the metadata beside the commit, such as signatures
    #[arg(long, value_name = "KEY")]
    print_detached_metadata_key: Option<String>,
    /// Print how large the commit's objects are, and those that are not here
    #[arg(long)]
    print_sizes: bool,
    /// Print a file that holds one GVariant of this type; OBJECT is its path
    #[arg(long, value_name = "TYPE")]
    print_variant_type: Option<String>,
    /// Print the commits that this one names as related
    #[arg(long)]
    print_related: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &ShowArgs, repo: &Repo, console: &mut Console) -> Result<(), Failure> {
    let commit_id = || repo.resolve(&args.object);
    if let Some(asked) = metadata::Asked::of(args) {
        return metadata::answer(&asked, args, repo, &commit_id()?, console);
    }
    if args.print_related {
        let commit = repo.commit(&commit_id()?)?;
        return commit
            .related
            .iter()
            .try_for_each(|(name, id)| console.line(format_args!("{name} {id}")));
    }
    if let Some(of) = &args.print_variant_type {
        return variant::print(of, &args.object, console);
    }
    if args.print_sizes {
        return sizes::print(repo, &commit_id()?, args.json, console);
    }
    match args.object.parse::<Checksum>() {
        Ok(checksum) => object(args, repo, checksum, console),
        Err(_) => commit(args, repo, commit_id()?, console),
    }
}

/// An object of any kind: commits, then dirtrees and dirmetas, then files, as names of different kinds do not meet.
fn object(
    args: &ShowArgs,
    repo: &Repo,
    checksum: Checksum,
    console: &mut Console,
) -> Result<(), Failure> {
    if repo.has(ObjectKind::Commit, &checksum)? {
        return commit(args, repo, CommitId::new(checksum), console);
    }
    for kind in [ObjectKind::DirTree, ObjectKind::DirMeta] {
        if repo.has(kind, &checksum)? {
            return variant_object(args, repo, kind, checksum, console);
        }
    }
    if !repo.has(ObjectKind::File, &checksum)? {
        let missing = Failure::new(format_args!("Couldn't find file object '{checksum}'"));
        return Err(match repo.mode() {
            RepoMode::Archive => missing,
            _ => missing.within(format_args!("Opening content object {checksum}")),
        });
    }
    file(args, repo, checksum, console)
}

fn commit(
    args: &ShowArgs,
    repo: &Repo,
    id: CommitId,
    console: &mut Console,
) -> Result<(), Failure> {
    if args.raw && !args.no_byteswap {
        return variant_object(args, repo, ObjectKind::Commit, *id.checksum(), console);
    }
    if args.json {
        return console.json(&Shown::read(repo, id)?.record());
    }
    repo.commit(&id)?;
    console.line(format_args!("commit {id}"))?;
    if args.no_byteswap {
        // The text stands before what is shown anyway, also without --raw.
        console.line(raw_text(repo, ObjectKind::Commit, id.checksum(), true)?)?;
    }
    console.data(format_args!("{}", Shown::read(repo, id)?))
}

/// What `--json` tells of a dirtree or dirmeta; `text` is its GVariant text.
#[derive(Debug, Serialize)]
struct MetadataRecord<'a> {
    object: String,
    r#type: &'static str,
    text: Text<'a>,
}

fn variant_object(
    args: &ShowArgs,
    repo: &Repo,
    kind: ObjectKind,
    checksum: Checksum,
    console: &mut Console,
) -> Result<(), Failure> {
    let text = raw_text(repo, kind, &checksum, args.no_byteswap)?;
    if args.json {
        return console.json(&MetadataRecord {
            object: checksum.to_string(),
            r#type: kind.name(),
            text: Text(&text),
        });
    }
    console.line(format_args!("{} {checksum}", kind.name()))?;
    match args.raw || args.no_byteswap {
        true => console.line(text),
        false => Ok(()),
    }
}

/// What `--json` tells of a file object.
#[derive(Debug, Serialize)]
struct FileRecord {
    object: String,
    r#type: &'static str,
    file_type: &'static str,
    size: u64,
    target: Option<String>,
    /// Type and permissions as ostree prints them, in octal.
    mode: String,
    uid: u32,
    gid: u32,
    xattrs: String,
}

fn file(
    args: &ShowArgs,
    repo: &Repo,
    checksum: Checksum,
    console: &mut Console,
) -> Result<(), Failure> {
    let stored = repo.file(&FileId::new(checksum))?;
    let header = &stored.header;
    let record = FileRecord {
        object: checksum.to_string(),
        r#type: "file",
        file_type: if header.is_symlink() {
            "symlink"
        } else {
            "regular"
        },
        size: stored.size,
        target: header.is_symlink().then(|| header.target().to_owned()),
        mode: format!("0{:o}", header.st_mode()),
        uid: header.uid,
        gid: header.gid,
        xattrs: header.xattrs.to_value().to_string(),
    };
    if args.json {
        return console.json(&record);
    }
    console.line(format_args!(
        "Object: {checksum}\nType: file\nFile Type: {}",
        record.file_type
    ))?;
    match &record.target {
        Some(target) => console.line(format_args!("Target: {target}"))?,
        None => console.line(format_args!("Size: {}", record.size))?,
    }
    console.line(format_args!(
        "Mode: {}\nUid: {}\nGid: {}",
        record.mode, record.uid, record.gid
    ))?;
    console.line(format_args!("Extended Attributes: {{ {} }}", record.xattrs))
}
