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
use ostree_store::checksum::CommitId;
use ostree_store::repo::Repo;
use ostree_store::tree::diff::{DirTreesOnly, Side, diff};
use ostree_store::tree::import_dir::import_dir;
use ostree_store::tree::modify::Modifier;
use serde::Serialize;

use self::statistics::Statistics;
use super::commit::parse_number;
use crate::console::Console;
use crate::failure::Failure;

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
        record.changes = Some(changes(args, repo, first, second)?);
    }
    if args.stats {
        let commits: [CommitId; 2] = [repo.resolve(first)?, repo.resolve(second)?];
        record.statistics = Some(Statistics::of(repo, commits)?);
    }
    if args.json {
        return console.json(&record);
    }
    for Change { change, path } in record.changes.into_iter().flatten() {
        let letter = match change {
            "modified" => 'M',
            "deleted" => 'D',
            _ => 'A',
        };
        console.line(format_args!("{letter}    {path}"))?;
    }
    match record.statistics {
        Some(statistics) => console.data(format_args!("{statistics}")),
        None => Ok(()),
    }
}

fn changes(
    args: &DiffArgs,
    repo: &Repo,
    first: &str,
    second: &str,
) -> Result<Vec<Change>, Failure> {
    let on_disk = DirTreesOnly::default();
    let first = Operand::read(args, repo, first, &on_disk)?;
    let second = Operand::read(args, repo, second, &on_disk)?;
    let found = diff(first.side, second.side)?;
    let tell = |change, slash: &'static str, paths: Vec<String>| {
        paths.into_iter().map(move |path| Change {
            change,
            path: format!("{slash}{path}"),
        })
    };
    Ok(tell("modified", first.slash, found.modified)
        .chain(tell("deleted", first.slash, found.removed))
        .chain(tell("added", second.slash, found.added))
        .collect())
}

/// One of the two things to compare.
struct Operand<'a> {
    side: Side<'a>,
    /// What stands before its paths.
    slash: &'static str,
}

impl<'a> Operand<'a> {
    fn read(
        args: &DiffArgs,
        repo: &'a Repo,
        text: &str,
        on_disk: &'a DirTreesOnly,
    ) -> Result<Operand<'a>, Failure> {
        if !text.starts_with('/') && !text.starts_with("./") {
            let commit = repo.commit(&repo.resolve(text)?)?;
            return Ok(Operand {
                side: Side {
                    source: repo,
                    tree: commit.root_tree,
                },
                slash: "/",
            });
        }
        let tree = import_dir(Path::new(text), &args.modifier(), on_disk)?;
        let (tree, _) = tree.write(on_disk)?;
        Ok(Operand {
            side: Side {
                source: on_disk,
                tree,
            },
            slash: "",
        })
    }
}

impl DiffArgs {
    fn modifier(&self) -> Modifier {
        let owner = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok());
        Modifier {
            uid: owner(self.owner_uid),
            gid: owner(self.owner_gid),
            no_xattrs: self.no_xattrs,
            ..Modifier::default()
        }
    }
}
