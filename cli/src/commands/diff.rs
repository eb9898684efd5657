//! `diff`: what changed between two commits or directories.
//!
//! ```text
//! M    /f
//! D    /d
//! A    /added
//! ```
//!
//! All that is modified, then all that is deleted, then all that is added. Paths of commits begin with a slash,
//! those of directories do not.

pub(super) mod statistics;

use std::path::Path;

use clap::Args;
use ostree_store::checksum::{CommitId, DirTreeId};
use ostree_store::repo::{Repo, RepoMode};
use ostree_store::tree::diff::{Side, diff};
use ostree_store::tree::on_disk::OnDisk;
use serde::Serialize;

use self::statistics::Statistics;
use super::checkout::without_dots;
use super::values::parse_number;
use crate::console::Console;
use crate::failure::{Failure, Within};

/// Compare two commits, or directories written as ./DIR or /DIR
#[derive(Args, Debug)]
pub(crate) struct DiffArgs {
    /// What to start from; a single commit is compared with its parent
    #[arg(value_name = "REV_OR_DIR", required = true)]
    first: String,
    /// What to compare it with
    #[arg(value_name = "REV_OR_DIR")]
    second: Option<String>,
    /// Count the objects of two commits and those they share
    #[arg(long)]
    stats: bool,
    /// List the paths; done if nothing else is asked for
    #[arg(long)]
    fs_diff: bool,
    /// Leave out the extended attributes of directories on disk
    #[arg(long)]
    no_xattrs: bool,
    /// Owner of files in directories on disk
    #[arg(long, value_name = "UID", value_parser = parse_number)]
    owner_uid: Option<i64>,
    /// Group of files in directories on disk
    #[arg(long, value_name = "GID", value_parser = parse_number)]
    owner_gid: Option<i64>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// What `--json` tells.
#[derive(Debug, Serialize)]
struct Record {
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<Vec<Change>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    statistics: Option<Statistics>,
}

/// One path that differs.
#[derive(Debug, Serialize)]
struct Change {
    /// `modified`, `deleted` or `added`.
    change: &'static str,
    /// As the text output has it: with a slash at the beginning if it is a commit's.
    path: String,
}

pub(crate) fn run(args: &DiffArgs, repo: &Repo, console: &mut Console) -> Result<(), Failure> {
    let parent = format!("{}^", args.first);
    let (first, second) = match &args.second {
        Some(second) => (args.first.as_str(), second.as_str()),
        None => (parent.as_str(), args.first.as_str()),
    };
    let mut record = Record {
        changes: None,
        statistics: None,
    };
    if args.fs_diff || !args.stats {
        let changes = changes(args, repo, first, second)?;
        if !args.json {
            tell(&changes, console)?;
        }
        record.changes = Some(changes);
    }
    if args.stats {
        let commits: [CommitId; 2] = [repo.resolve(first)?, repo.resolve(second)?];
        record.statistics = Some(Statistics::of(repo, commits)?);
    }
    if args.json {
        return console.json(&record);
    }
    match record.statistics {
        Some(statistics) => console.data(format_args!("{statistics}")),
        None => Ok(()),
    }
}

fn tell(changes: &[Change], console: &mut Console) -> Result<(), Failure> {
    changes.iter().try_for_each(|Change { change, path }| {
        let letter = match *change {
            "modified" => 'M',
            "deleted" => 'D',
            _ => 'A',
        };
        console.line(format_args!("{letter}    {path}"))
    })
}

fn changes(
    args: &DiffArgs,
    repo: &Repo,
    first: &str,
    second: &str,
) -> Result<Vec<Change>, Failure> {
    let first = Operand::read(repo, first, |path| args.directory(repo, path))?;
    // ostree gives new owners to the second side only, also where both are directories.
    let second = Operand::read(repo, second, |path| {
        args.directory(repo, path).owned_by(
            args.owner_uid.and_then(|uid| u32::try_from(uid).ok()),
            args.owner_gid.and_then(|gid| u32::try_from(gid).ok()),
        )
    })?;
    let found = diff(first.side(repo), second.side(repo))?;
    let tell = |change, slash: &'static str, paths: Vec<String>| {
        paths.into_iter().map(move |path| Change {
            change,
            path: format!("{slash}{path}"),
        })
    };
    Ok(tell("modified", first.slash(), found.modified)
        .chain(tell("deleted", first.slash(), found.removed))
        .chain(tell("added", second.slash(), found.added))
        .collect())
}

/// One of the two things to compare.
enum Operand {
    Commit(DirTreeId),
    Directory(OnDisk),
}

impl Operand {
    fn read(
        repo: &Repo,
        text: &str,
        directory: impl Fn(&Path) -> OnDisk,
    ) -> Result<Operand, Failure> {
        if !text.starts_with('/') && !text.starts_with("./") {
            let commit = repo.commit(&repo.resolve(text)?)?;
            return Ok(Operand::Commit(commit.root_tree));
        }
        let path = without_dots(Path::new(text));
        let found = path.symlink_metadata().within(format_args!(
            "Error when getting information for file “{}”",
            path.display()
        ))?;
        if found.is_file() {
            return Err(Failure::new(format_args!(
                "Error opening directory '{}': Not a directory",
                path.display()
            )));
        }
        Ok(Operand::Directory(directory(Path::new(text))))
    }

    fn side<'a>(&'a self, repo: &'a Repo) -> Side<'a> {
        match self {
            Operand::Commit(tree) => Side::Stored {
                source: repo,
                tree: *tree,
            },
            Operand::Directory(dir) => Side::OnDisk(dir),
        }
    }

    /// What stands before its paths.
    fn slash(&self) -> &'static str {
        match self {
            Operand::Commit(_) => "/",
            Operand::Directory(_) => "",
        }
    }
}

impl DiffArgs {
    /// How a directory on disk is looked at. Where the repository keeps no xattrs nobody has any.
    fn directory(&self, repo: &Repo, path: &Path) -> OnDisk {
        let disabled = matches!(
            repo.config().get("core", "disable-xattrs"),
            Some("true" | "1")
        );
        let dir = OnDisk::new(path);
        if self.no_xattrs || disabled || repo.mode() == RepoMode::BareUserOnly {
            return dir.without_xattrs();
        }
        dir
    }
}
