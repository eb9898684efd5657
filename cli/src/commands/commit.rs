//! `commit`: trees laid over each other become a commit, and a ref moves to it.
//!
//! | step | module |
//! |---|---|
//! | what changes in every entry | [`changes`], [`pathname_filter`] |
//! | trees → one tree | [`trees`], [`remake`] |
//! | keys beside the tree | [`metadata`], [`bootable`] |
//! | commit object, ref | here |
//! | what is told | [`done`] |
//!
//! Nothing but the checksum of the commit (or the table) goes to stdout.

mod bootable;
mod changes;
mod done;
mod metadata;
mod owners;
pub(crate) mod pathname_filter;
mod remake;
mod trees;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use clap::Args;
use ostree_store::checksum::{CommitId, DirMetaId, DirTreeId};
use ostree_store::gvariant::Dict;
use ostree_store::object::{Commit, ObjectSink};
use ostree_store::repo::{RefName, Repo, Statistics, Transaction};
use ostree_store::tree::consume::{Consume, Consumed};
use ostree_store::tree::import_dir::DirOptions;
use ostree_store::tree::reuse::Inodes;

use self::changes::Changes;
use self::done::Done;
use super::values::{parse_bool, parse_number};
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
    /// Owners and modes of a directory's files are those that its package database has, and else root's
    #[arg(long)]
    owners_from_db: bool,
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

pub(crate) fn run(args: &CommitArgs, mut repo: Repo, console: &mut Console) -> Result<(), Failure> {
    let changes = Changes::read(args)?;
    let branch = args.branch()?;
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
    let imported = import(args, &changes, &transaction, console)?;
    if let Some(done) = unchanged(args, parent, &repo, &imported)? {
        let statistics = leave(imported.consumed, transaction)?;
        return done.tell(args, statistics, console);
    }
    let (root_tree, root_meta) = imported.root;
    let commit = Commit {
        metadata: metadata_of(&root_tree, own_metadata, args, &transaction)?,
        parent,
        related: Vec::new(),
        subject,
        body,
        timestamp,
        root_tree,
        root_meta,
    };
    let (id, statistics) = publish(&commit, branch, detached.as_ref(), transaction)?;
    imported.consumed.map_or(Ok(()), Consumed::delete)?;
    let done = Done {
        id,
        parent,
        unchanged: false,
        hits: imported.hits,
    };
    done.tell(args, statistics, console)
}

/// The tree of the new commit, all its objects staged.
struct Imported {
    root: (DirTreeId, DirMetaId),
    /// What is to be deleted once all is published.
    consumed: Option<Consumed>,
    /// How many files were taken for objects without reading them.
    hits: u64,
}

/// Stages everything that the command line names.
fn import(
    args: &CommitArgs,
    changes: &Changes,
    transaction: &Transaction<'_>,
    console: &mut Console,
) -> Result<Imported, Failure> {
    let repo = transaction.repo();
    let inodes = match (args.devino_canonical, args.link_checkout_speedup) {
        (true, _) => Some(Inodes::of(repo)?.unconditional()),
        (false, true) => Some(Inodes::of(repo)?),
        (false, false) => None,
    };
    let counter = Mutex::new(Counter::new(console, "files"));
    let count = |_| {
        let mut counter = counter.lock().unwrap_or_else(PoisonError::into_inner);
        counter.step();
    };
    let consume = args.consume.then(|| Consume::new(transaction));
    let options = DirOptions {
        inodes: inodes.as_ref(),
        consume: consume.as_ref(),
        watch: Some(&count),
    };
    let tree = trees::assemble(args, changes, transaction, &options)?;
    let consumed = consume.map(Consume::finish);
    let counter = counter.into_inner();
    counter.unwrap_or_else(PoisonError::into_inner).finish();
    changes.check_used_up(console)?;
    Ok(Imported {
        root: tree.write(transaction)?,
        consumed,
        hits: inodes.as_ref().map_or(0, Inodes::hits),
    })
}

/// What is told with `--skip-if-unchanged`, if the parent has the same tree.
fn unchanged(
    args: &CommitArgs,
    parent: Option<CommitId>,
    repo: &Repo,
    imported: &Imported,
) -> Result<Option<Done>, Failure> {
    let Some(id) = parent.filter(|_| args.skip_if_unchanged) else {
        return Ok(None);
    };
    let before = repo.commit(&id)?;
    let same = (before.root_tree, before.root_meta) == imported.root;
    Ok(same.then_some(Done {
        id,
        parent: before.parent,
        unchanged: true,
        hits: imported.hits,
    }))
}

/// Ends without a commit. Objects stay only where the files they came from go.
fn leave(consumed: Option<Consumed>, transaction: Transaction<'_>) -> Result<Statistics, Failure> {
    let Some(consumed) = consumed else {
        return Ok(transaction.statistics());
    };
    // The parent may be a partial commit: what is deleted must be in the repository.
    let statistics = transaction.publish()?;
    consumed.delete()?;
    Ok(statistics)
}

/// The metadata of a commit whose tree is known.
fn metadata_of(
    root: &DirTreeId,
    own: Dict,
    args: &CommitArgs,
    transaction: &Transaction<'_>,
) -> Result<Dict, Failure> {
    let mut metadata = metadata::complete(own, args, transaction.repo());
    if args.bootable {
        let kernel = bootable::kernel(root, transaction)?;
        metadata = bootable::marked(metadata, kernel);
    }
    if args.generate_sizes {
        metadata::add_sizes(&mut metadata, &transaction.sizes()?);
    }
    Ok(metadata)
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

impl CommitArgs {
    /// The ref that is to move.
    fn branch(&self) -> Result<Option<RefName>, Failure> {
        match &self.branch {
            Some(branch) => Ok(Some(branch.parse()?)),
            None if self.orphan => Ok(None),
            None => Err(Failure::usage(
                "A branch must be specified with --branch, or use --orphan",
            )),
        }
    }

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
}
