//! Commits taken from one repository into another.
//!
//! | file | does |
//! |---|---|
//! | here | what is wanted, and the order of things: objects, marks, commits, refs |
//! | `wanted` | from what the user names to commits, through the source's summary if it has one |
//! | `bindings` | whether a commit says that it belongs to the ref it was asked for by |
//! | `history` | commits and their trees, as far as they are not there |
//! | `content` | one file object, by hard link, copy or conversion |
//!
//! What is believed: a metadata object is hashed always. Content is hashed whenever it is read, that is unless its file
//! is taken over as it is (same mode, or metadata) from a repository that the caller trusts; ostree does not hash
//! anything of such a repository.

mod bindings;
mod content;
mod history;
mod wanted;

use crate::checksum::{Checksum, CommitId};
use crate::object::{ObjectKind, ParseError, WriteError};
use crate::path_error::PathError;
use crate::repo::{Donor, ReadError, RefError, RefName, Repo, RepoError, RevError};

pub use bindings::BindingError;
use history::History;
use wanted::Wanted;

/// How to pull.
#[derive(Clone, Debug)]
pub struct PullOptions {
    /// Write `REMOTE:ref` for each ref, not `ref`.
    pub remote: Option<String>,
    /// Hash everything, also what could just be linked.
    pub untrusted: bool,
    /// How many commits before each wanted one to bring; negative for all.
    pub depth: i64,
    /// Bring commit objects only, and mark them as partial.
    pub commit_metadata_only: bool,
    /// Refuse regular files whose mode has other bits than 0775.
    pub bare_user_only_files: bool,
    /// Refuse commits that say they belong to another ref or collection.
    pub verify_bindings: bool,
}

impl Default for PullOptions {
    fn default() -> Self {
        PullOptions {
            remote: None,
            untrusted: false,
            depth: 0,
            commit_metadata_only: false,
            bare_user_only_files: false,
            verify_bindings: true,
        }
    }
}

/// What a pull has brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pulled {
    /// Commits, dirtrees and dirmetas that were not there.
    pub metadata: u64,
    /// File objects that were not there.
    pub content: u64,
    /// Bytes of content that had to be written: without that of files taken over as they are.
    pub content_bytes_written: u64,
    /// Bytes of detached metadata of commits that were there already, which is always fetched again.
    pub detached_bytes: u64,
    /// Every ref that was asked for, its commit, and whether it meant another one before.
    pub refs: Vec<PulledRef>,
    /// Every commit that was asked for by its checksum, sorted.
    pub commits: Vec<CommitId>,
}

/// A ref that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PulledRef {
    /// Its name in the repository pulled into.
    pub name: RefName,
    /// What it means now.
    pub commit: CommitId,
    /// What it meant before, if it is not new.
    pub previous: Option<CommitId>,
}

/// Why a pull failed. Nothing of it can be seen then.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// What was asked for is neither a ref's name nor a checksum.
    #[error("Invalid ref name {text}")]
    Name {
        /// What was given.
        text: String,
    },
    /// The source has a summary, and that does not list the ref.
    #[error("No such branch '{name}' in repository summary")]
    NotInSummary {
        /// What was asked for.
        name: String,
    },
    /// The source's summary means nothing.
    #[error("the summary of the source cannot be read")]
    Summary(#[source] ParseError),
    /// The source has no such ref.
    #[error(transparent)]
    Rev(#[from] RevError),
    /// A commit belongs elsewhere.
    #[error("Commit {commit}: {what}")]
    Binding {
        /// The commit.
        commit: CommitId,
        /// In which way.
        what: BindingError,
    },
    /// The source lacks an object that it should have.
    #[error("Importing {checksum}.{}: linkat: No such file or directory", kind.name())]
    Missing {
        /// What it should be.
        kind: ObjectKind,
        /// Its name.
        checksum: Checksum,
    },
    /// The source says that deleted commits leave tombstones, and this one has left none.
    #[error("Importing {commit}.tombstone-commit: linkat: No such file or directory")]
    NoTombstone {
        /// The commit.
        commit: CommitId,
    },
    /// The source lacks a file object that had to be read.
    #[error("Opening content object {checksum}: Couldn't find file object '{checksum}'")]
    NoContent {
        /// Its name.
        checksum: Checksum,
    },
    /// An object of the source that was to be taken over is not sound.
    #[error("fsck {}", shown(*kind, checksum))]
    Unsound {
        /// What it should be.
        kind: ObjectKind,
        /// Its name.
        checksum: Checksum,
        /// What is wrong.
        source: Box<PullError>,
    },
    /// The bytes of an object of the source hash to another name.
    #[error("Corrupted {} object; checksum expected='{expected}' actual='{actual}'", kind.name())]
    Corrupted {
        /// Its kind.
        kind: ObjectKind,
        /// Its name.
        expected: Checksum,
        /// The name that its bytes should have.
        actual: Checksum,
    },
    /// The detached metadata of a commit of the source means nothing.
    #[error("the detached metadata of commit {commit} cannot be read")]
    Detached {
        /// The commit.
        commit: CommitId,
        /// What is wrong.
        source: ParseError,
    },
    /// The mode of the repository cannot keep what the object is. ostree writes it all the same, and its own check
    /// then finds the object corrupt.
    #[error("Content object {checksum}: {what} cannot be kept in a repository of mode {mode}")]
    Unrepresentable {
        /// The object.
        checksum: Checksum,
        /// What of it, such as `owner 1000:1000`.
        what: String,
        /// The mode.
        mode: crate::repo::RepoMode,
    },
    /// A file object could not be written.
    #[error("Writing content object")]
    Content(#[source] Box<PullError>),
    /// An object could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// An object could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A ref could not be read or written.
    #[error(transparent)]
    Ref(#[from] RefError),
    /// The repository could not be written to.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// The file system refused.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// An object in the words of ostree's check.
fn shown(kind: ObjectKind, checksum: &Checksum) -> String {
    match kind {
        ObjectKind::File => format!("content object {checksum}"),
        kind => format!("{checksum}.{}", kind.name()),
    }
}

/// Brings refs and commits of `from`, with all they reach, into `into`; with nothing named, all refs.
///
/// `progress` is called now and then, from several threads, with the numbers of metadata and file objects so far.
///
/// Objects become visible before commits and these before refs. A commit is marked as partial before it can be seen,
/// and the mark is taken away at the end. So a process that is killed leaves objects that nobody needs yet, at worst
/// a marked commit.
pub fn pull_local(
    into: &Repo,
    from: &Repo,
    names: &[String],
    options: &PullOptions,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Pulled, PullError> {
    let wanted = Wanted::resolve(from, names)?;
    let refs = refs_to_move(into, &wanted, options)?;
    let transaction = into.transaction()?;
    let donor = Donor::new(from, into)?;
    let mut history = History::new(&donor, &transaction, options, wanted.tombstones, progress);
    for commit in &wanted.commits {
        history.bring(*commit, None)?;
    }
    for (name, commit) in &wanted.refs {
        history.bring(*commit, Some(name))?;
    }
    let brought = history.finish()?;
    for moved in &refs {
        // ostree compares with what the name leads to here, and a name leads to a remote's ref where there is no
        // other one. So it does not write such a ref either.
        if moved.previous != Some(moved.commit) {
            transaction.set_ref(moved.name.clone(), Some(moved.commit));
        }
    }
    transaction.publish()?;
    if !options.commit_metadata_only {
        for commit in &brought.complete {
            into.clear_partial(commit)?;
        }
    }
    Ok(Pulled {
        refs,
        commits: wanted.commits.into_iter().collect(),
        ..brought.pulled
    })
}

/// The refs to write, under their names in `into`.
fn refs_to_move(
    into: &Repo,
    wanted: &Wanted,
    options: &PullOptions,
) -> Result<Vec<PulledRef>, PullError> {
    let moved = |(name, commit): (&String, &CommitId)| {
        let refspec = match &options.remote {
            Some(remote) => format!("{remote}:{name}"),
            None => name.clone(),
        };
        Ok(PulledRef {
            name: refspec.parse()?,
            commit: *commit,
            previous: into.resolve_if_any(&refspec)?,
        })
    };
    wanted.refs.iter().map(moved).collect()
}
