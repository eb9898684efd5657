//! `commit`: trees laid over each other become a commit, and a ref moves to it.
//!
//! | step | module |
//! |---|---|
//! | what changes in every entry | [`changes`], [`pathname_filter`] |
//! | trees → one tree | [`trees`], [`remake`] |
//! | keys beside the tree | [`metadata`], [`bootable`] |
//! | commit object, ref | here |
//!
//! Nothing but the checksum of the commit (or the table) goes to stdout.

mod bootable;
mod changes;
mod metadata;
mod pathname_filter;
mod remake;
mod trees;

use std::num::ParseIntError;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use clap::Args;
use ostree_store::checksum::CommitId;
use ostree_store::gvariant::Dict;
use ostree_store::object::{Commit, ObjectSink};
use ostree_store::repo::{RefName, Repo, Statistics, Transaction};
use ostree_store::tree::consume::{Consume, Consumed};
use ostree_store::tree::import_dir::DirOptions;
use ostree_store::tree::reuse::Inodes;
use serde::Serialize;

use self::changes::Changes;
use crate::console::Console;
use crate::failure::Failure;
use crate::progress::Counter;
use crate::timestamp;

/// Commit directories, archives and other commits as a new version
#[derive(Args, Debug)]
pub(crate) struct CommitArgs {
    /// Directory to commit if there is no --tree; without it the current one
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
    /// Ref that moves to the new commit, and whose commit becomes its parent
    #[arg(long, short = 'b', value_name = "BRANCH")]
    branch: Option<String>,
    /// Make a commit without a parent; a ref moves only with --branch
    #[arg(long)]
    orphan: bool,
    /// Checksum of the parent, or none
    #[arg(long, value_name = "COMMIT")]
    parent: Option<String>,
    /// Subject, one line
    #[arg(long, short = 's', value_name = "SUBJECT")]
    subject: Option<String>,
    /// Body
    #[arg(long, short = 'm', value_name = "BODY")]
    body: Option<String>,
    /// Read the body from a file
    #[arg(long, short = 'F', value_name = "FILE")]
    body_file: Option<PathBuf>,
    /// Time of the commit: @SECONDS, RFC 3339, or as `date -d` takes it; without it $SOURCE_DATE_EPOCH, else now
    #[arg(long, value_name = "TIMESTAMP")]
    timestamp: Option<String>,
    /// Lay a tree over those before it: dir=PATH, tar=FILE (- is stdin) or ref=COMMIT
    #[arg(long, value_name = "KIND=WHAT")]
    tree: Vec<String>,
    /// Start from this commit, whose entries stay as they are
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    /// Owner of everything; a negative number changes nothing
    #[arg(long, value_name = "UID", value_parser = parse_number)]
    owner_uid: Option<i64>,
    /// Group of everything; a negative number changes nothing
    #[arg(long, value_name = "GID", value_parser = parse_number)]
    owner_gid: Option<i64>,
    /// Owner and group 0, modes 0755 at most, no xattrs but those of archives
    #[arg(long)]
    canonical_permissions: bool,
    /// Take no extended attributes
    #[arg(long)]
    no_xattrs: bool,
    /// Nobody may write to files that somebody may execute
    #[arg(long)]
    mode_ro_executables: bool,
    /// File of lines `MODE PATH` (adds to the mode) and `=MODE PATH` (replaces it); modes are decimal
    #[arg(long, value_name = "PATH")]
    statoverride: Option<PathBuf>,
    /// File of paths that are left out, one a line
    #[arg(long, value_name = "PATH")]
    skip_list: Option<PathBuf>,
    /// Reuse the objects of files that are hard links into the repository
    #[arg(long)]
    link_checkout_speedup: bool,
    /// Believe that such files are unchanged, and change nothing in them
    #[arg(long, short = 'I')]
    devino_canonical: bool,
    /// Delete the directories when they are committed
    #[arg(long)]
    consume: bool,
    /// Make directories that an archive does not bring
    #[arg(long)]
    tar_autocreate_parents: bool,
    /// Rename the entries of archives: everything that the regular expression matches in a name is replaced
    #[arg(long, value_name = "REGEX,REPLACEMENT")]
    tar_pathname_filter: Option<String>,
    /// Add text to the metadata
    #[arg(long, value_name = "KEY=VALUE")]
    add_metadata_string: Vec<String>,
    /// Add a value in GVariant's text form to the metadata, such as `true`, `uint32 5`, `['a', 'b']`
    #[arg(long, value_name = "KEY=VALUE")]
    add_metadata: Vec<String>,
    /// Add text to the metadata beside the commit, which its checksum does not cover
    #[arg(long, value_name = "KEY=VALUE")]
    add_detached_metadata_string: Vec<String>,
    /// Take a key and its value from the parent's metadata
    #[arg(long, value_name = "KEY")]
    keep_metadata: Vec<String>,
    /// Say in the metadata that this commit can be booted; needs exactly one kernel in usr/lib/modules
    #[arg(long)]
    bootable: bool,
    /// Keep the sizes of all objects in the metadata; only in an archive repository
    #[arg(long)]
    generate_sizes: bool,
    /// Another ref that the metadata names
    #[arg(long, value_name = "BRANCH")]
    bind_ref: Vec<String>,
    /// Name no refs in the metadata
    #[arg(long)]
    no_bindings: bool,
    /// Make no commit if the parent has the same tree
    #[arg(long)]
    skip_if_unchanged: bool,
    /// Print what was written as KEY: VALUE
    #[arg(long)]
    table_output: bool,
    /// Whether to wait until everything is on the disk: true or false
    #[arg(long, value_name = "POLICY")]
    fsync: Option<String>,
    /// The same as --fsync=false
    #[arg(long)]
    disable_fsync: bool,
    /// Print a JSON object
    #[arg(long, conflicts_with = "table_output")]
    json: bool,
}

/// What `--json` tells of the commit made.
#[derive(Debug, Serialize)]
struct Record {
    commit: String,
    parent: Option<String>,
    r#ref: Option<String>,
    /// The parent has the same tree, so that it is the commit named here.
    unchanged: bool,
    metadata_total: u64,
    metadata_written: u64,
    content_total: u64,
    content_written: u64,
    content_bytes_written: u64,
    /// Files that were taken for objects without reading them.
    content_cache_hits: u64,
}

pub(crate) fn run(args: &CommitArgs, mut repo: Repo, console: &mut Console) -> Result<(), Failure> {
    let changes = Changes::read(args)?;
    if args.branch.is_none() && !args.orphan {
        return Err(Failure::usage(
            "A branch must be specified with --branch, or use --orphan",
        ));
    }
    let branch = args
        .branch
        .as_deref()
        .map(str::parse::<RefName>)
        .transpose()?;
    let parent = args.parent(&repo)?;
    let own_metadata = metadata::own(args, parent, &repo)?;
    let detached = metadata::detached(args)?;
    let changes = changes.complete(args, &repo)?;
    if let Some(fsync) = args.fsync()? {
        repo.set_fsync(fsync);
    }
    if args.path.is_some() && !args.tree.is_empty() {
        console.say("warning: PATH is not used where --tree is given")?;
    }
    let (subject, body) = (args.subject.clone().unwrap_or_default(), args.body()?);
    let timestamp = timestamp::choose(args.timestamp.as_deref())?;

    // Under the lock: a prune must not delete an object after it was found to be there.
    let transaction = repo.transaction()?;
    let inodes = match (args.devino_canonical, args.link_checkout_speedup) {
        (true, _) => Some(Inodes::of(&repo)?.unconditional()),
        (false, true) => Some(Inodes::of(&repo)?),
        (false, false) => None,
    };
    let counter = Mutex::new(Counter::new(console, "files"));
    let consume = args.consume.then(|| Consume::new(&transaction));
    let options = DirOptions {
        inodes: inodes.as_ref(),
        consume: consume.as_ref(),
        watch: Some(&|_| {
            counter
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .step();
        }),
    };
    let tree = trees::assemble(args, &changes, &transaction, &options)?;
    let consumed = consume.map(Consume::finish);
    counter
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .finish();
    changes.check_used_up(console)?;
    let (root_tree, root_meta) = tree.write(&transaction)?;
    let hits = inodes.as_ref().map_or(0, Inodes::hits);
    if let Some(id) = parent.filter(|_| args.skip_if_unchanged) {
        let before = repo.commit(&id)?;
        if (before.root_tree, before.root_meta) == (root_tree, root_meta) {
            let done = Done {
                id,
                parent: before.parent,
                unchanged: true,
                hits,
            };
            let Some(consumed) = consumed else {
                return args.tell(&done, transaction.statistics(), console);
            };
            // The parent may be a partial commit: what is deleted must be in the repository.
            let statistics = transaction.publish()?;
            consumed.delete()?;
            return args.tell(&done, statistics, console);
        }
    }
    let mut metadata = metadata::complete(own_metadata, args, &repo);
    if args.bootable {
        let kernel = bootable::kernel(&root_tree, &transaction)?;
        metadata = bootable::marked(metadata, kernel);
    }
    if args.generate_sizes {
        metadata::add_sizes(&mut metadata, &transaction.sizes()?);
    }
    let commit = Commit {
        metadata,
        parent,
        related: Vec::new(),
        subject,
        body,
        timestamp,
        root_tree,
        root_meta,
    };
    let (id, statistics) = publish(&commit, branch, detached.as_ref(), transaction)?;
    consumed.map_or(Ok(()), Consumed::delete)?;
    args.tell(
        &Done {
            id,
            parent,
            unchanged: false,
            hits,
        },
        statistics,
        console,
    )
}

/// Writes the commit; everything becomes visible, the ref last.
fn publish(
    commit: &Commit,
    branch: Option<RefName>,
    detached: Option<&Dict>,
    transaction: Transaction<'_>,
) -> Result<(CommitId, Statistics), Failure> {
    let id = transaction.commit(commit)?;
    if let Some(metadata) = detached {
        transaction.set_detached(id, metadata);
    }
    if let Some(branch) = branch {
        transaction.set_ref(branch, Some(id));
    }
    Ok((id, transaction.publish()?))
}

/// What is to be told in the end.
struct Done {
    id: CommitId,
    parent: Option<CommitId>,
    unchanged: bool,
    hits: u64,
}

impl CommitArgs {
    /// The commit before the new one.
    fn parent(&self, repo: &Repo) -> Result<Option<CommitId>, Failure> {
        match (self.parent.as_deref(), &self.branch) {
            (Some("none"), _) => Ok(None),
            (Some(hex), _) => {
                let checksum = hex
                    .parse()
                    .map_err(|_| Failure::new(format_args!("Invalid rev {hex}")))?;
                Ok(Some(CommitId::new(checksum)))
            }
            (None, Some(branch)) if !self.orphan => Ok(repo.resolve_if_any(branch)?),
            (None, _) => Ok(None),
        }
    }

    fn body(&self) -> Result<String, Failure> {
        let Some(path) = &self.body_file else {
            return Ok(self.body.clone().unwrap_or_default());
        };
        changes::text_of(path)
    }

    fn fsync(&self) -> Result<Option<bool>, Failure> {
        if self.disable_fsync {
            return Ok(Some(false));
        }
        self.fsync.as_deref().map(parse_bool).transpose()
    }

    fn source(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new("."))
    }

    fn tell(
        &self,
        done: &Done,
        statistics: Statistics,
        console: &mut Console,
    ) -> Result<(), Failure> {
        let Done {
            id,
            parent,
            unchanged,
            hits,
        } = *done;
        let Statistics {
            metadata_total,
            metadata_written,
            content_total,
            content_written,
            content_bytes_written,
        } = statistics;
        if self.json {
            return console.json(&Record {
                commit: id.to_string(),
                parent: parent.map(|id| id.to_string()),
                r#ref: self.branch.clone(),
                unchanged,
                metadata_total,
                metadata_written,
                content_total,
                content_written,
                content_bytes_written,
                content_cache_hits: hits,
            });
        }
        if !self.table_output {
            return console.line(id);
        }
        console.line(format_args!("Commit: {id}"))?;
        for (name, number) in [
            ("Metadata Total", metadata_total),
            ("Metadata Written", metadata_written),
            ("Content Total", content_total),
            ("Content Written", content_written),
            ("Content Cache Hits", hits),
            ("Content Bytes Written", content_bytes_written),
        ] {
            console.line(format_args!("{name}: {number}"))?;
        }
        Ok(())
    }
}

/// A boolean as ostree's options take it.
pub(crate) fn parse_bool(text: &str) -> Result<bool, Failure> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" => Ok(true),
        "0" | "false" | "no" | "none" => Ok(false),
        _ => Err(Failure::usage(format_args!(
            "Invalid boolean argument '{text}'"
        ))),
    }
}

/// A number as C reads it: `0x` before hex digits, `0` before octal ones.
pub(crate) fn parse_number(text: &str) -> Result<i64, ParseIntError> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    let octal = digits.len() > 1 && digits.starts_with('0');
    let (digits, radix) = match digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        Some(digits) => (digits, 16),
        None => (digits, if octal { 8 } else { 10 }),
    };
    i64::from_str_radix(&format!("{sign}{digits}"), radix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        for (text, number) in [
            ("8", 8),
            ("010", 8),
            ("0x10", 16),
            ("0", 0),
            ("-1", -1),
            ("-0x1", -1),
        ] {
            assert_eq!(parse_number(text), Ok(number), "{text}");
        }
        for text in ["", "abc", "09", "0x", "1x", "--1"] {
            assert!(parse_number(text).is_err(), "{text}");
        }
    }
}
