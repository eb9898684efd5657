//! `prune`: what no commit needs goes, and commits that nobody wants to keep.

use std::collections::BTreeMap;

use clap::Args;
use ostree_store::checksum::{Checksum, CommitId};
use ostree_store::repo::Repo;
use ostree_store::upkeep::prune::{Ancestors, PruneError, PruneOptions, PruneReport, Roots, prune};
use serde::Serialize;

use super::values::refuse_words;
use crate::console::Console;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::size::Size;
use crate::timestamp;

/// Delete objects that no commit needs, and commits that are not to be kept
///
/// Waits until no commit is being written, and keeps others from beginning. Without options every commit stays.
#[derive(Args, Debug)]
pub(crate) struct PruneArgs {
    /// Keep only commits that refs name, and their ancestors
    #[arg(long)]
    refs_only: bool,
    /// With --refs-only or --only-branch: this many ancestors stay (-1: all)
    #[arg(long, value_name = "DEPTH", default_value_t = -1)]
    depth: i32,
    /// Keep each ref's commit, and its ancestors up to the first one before DATE
    #[arg(long, value_name = "DATE")]
    keep_younger_than: Option<String>,
    /// Delete ancestors of this ref only; all other refs keep theirs (may be repeated)
    #[arg(long, value_name = "BRANCH")]
    only_branch: Vec<String>,
    /// This many ancestors of the ref stay, whatever else is said (may be repeated)
    #[arg(long, value_name = "BRANCH=DEPTH")]
    retain_branch_depth: Vec<String>,
    /// Delete this commit first, which no ref may name; from then on the repository keeps tombstones
    #[arg(long, value_name = "COMMIT")]
    delete_commit: Option<String>,
    /// With --delete-commit: not the commit, only the static deltas to it
    #[arg(long)]
    static_deltas_only: bool,
    /// Delete commit objects only; what they alone needed stays until the next prune
    #[arg(long)]
    commit_only: bool,
    /// Say what would be deleted, and delete nothing
    #[arg(long)]
    no_prune: bool,
    /// Keep what no commit needs if it was written less than AGE ago (90, 90s, 30m, 24h, 7d), and what that needs
    ///
    /// For commits that get their ref later, and for writers that do not lock the repository. Not in ostree.
    #[arg(long, value_name = "AGE")]
    min_age: Option<String>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
    /// More words, which ostree does not look at
    #[arg(value_name = "WORDS", hide = true)]
    words: Vec<String>,
}

/// What ostree says of --static-deltas-only alone.
const DELTAS_OF_WHAT: &str = "--static-deltas-only requires --delete-commit; see https://github.com/ostreedev/ostree/issues/1479";

pub(crate) fn run(args: &PruneArgs, repo: &Repo, console: &mut Console) -> Result<(), Failure> {
    refuse_words(&args.words, console)?;
    let options = args.options(repo)?;
    let progress = Progress::bar(console);
    let done = prune(repo, &options, &|done, all| progress.show(done, all));
    progress.finish();
    let report = done.map_err(explained)?;
    if args.json {
        return console.json(&Record::new(args, &report));
    }
    args.tell(&report, console)
}

/// What helps where a prune would do harm.
fn explained(error: PruneError) -> Failure {
    let hint = match &error {
        PruneError::Unsound(_) => Some(
            "nothing was deleted, because what the object needs is not known; `apk-ostree fsck` says more",
        ),
        PruneError::Ref(_) => Some("nothing was deleted, because what the ref keeps is not known"),
        PruneError::Referenced { .. } => {
            Some("`apk-ostree refs --delete` or `reset` the ref first")
        }
        _ => None,
    };
    match hint {
        Some(hint) => Failure::from(error).hint(hint),
        None => Failure::from(error),
    }
}

impl PruneArgs {
    fn options(&self, repo: &Repo) -> Result<PruneOptions, Failure> {
        if self.delete_commit.is_some() && self.no_prune {
            let words = "Cannot specify both --delete-commit and --no-prune";
            return Err(Failure::usage(words));
        }
        if self.delete_commit.is_none() && self.static_deltas_only {
            return Err(Failure::new(DELTAS_OF_WHAT));
        }
        let named = self.delete_commit.as_deref().map(commit).transpose()?;
        let age = self.min_age.as_deref().map(seconds).transpose()?;
        let now = jiff::Timestamp::now().as_second();
        Ok(PruneOptions {
            roots: self.roots(repo)?,
            commits_only: self.commit_only,
            dry_run: self.no_prune,
            delete_commit: named.filter(|_| !self.static_deltas_only),
            delete_deltas_to: named.filter(|_| self.static_deltas_only),
            keep_since: age.map(|age| now.saturating_sub(age)),
        })
    }

    fn roots(&self, repo: &Repo) -> Result<Roots, Failure> {
        let by_branch = self.keep_younger_than.is_some()
            || !self.only_branch.is_empty()
            || !self.retain_branch_depth.is_empty();
        let depth = ancestors(self.depth);
        if !by_branch {
            return Ok(match self.refs_only {
                false => Roots::Commits,
                true => Roots::Refs {
                    branches: BTreeMap::new(),
                    others: depth,
                },
            });
        }
        let date = self.keep_younger_than.as_deref();
        let others = match date {
            Some(date) => Ancestors::Since(timestamp::choose(Some(date))?),
            None => depth,
        };
        let mut branches = BTreeMap::new();
        for text in &self.retain_branch_depth {
            let (branch, depth) = branch_depth(text)?;
            // ostree cannot tell 0 from no rule at all.
            let rule = if depth == 0 { others } else { ancestors(depth) };
            branches.insert(branch.to_owned(), rule);
        }
        for branch in &self.only_branch {
            repo.resolve(branch)?;
        }
        if !self.only_branch.is_empty() {
            for refspec in repo.refs()?.into_keys() {
                if !self.only_branch.contains(&refspec) {
                    branches.entry(refspec).or_insert(Ancestors::All);
                }
            }
        }
        Ok(Roots::Refs { branches, others })
    }

    fn tell(&self, report: &PruneReport, console: &mut Console) -> Result<(), Failure> {
        let total = report.total;
        if self.commit_only {
            console.line(format_args!("Total (commit only) objects: {total}"))?;
        } else {
            console.line(format_args!("Total objects: {total}"))?;
        }
        let (count, size) = (report.deleted, Size(report.freed));
        match (count, self.no_prune) {
            (0, _) => console.line("No unreachable objects")?,
            (_, true) => {
                console.line(format_args!(
                    "Would delete: {count} objects, freeing {size}"
                ))?;
            }
            (_, false) => console.line(format_args!("Deleted {count} objects, {size} freed"))?,
        }
        if report.young > 0 {
            let young = report.young;
            console.say(format_args!("kept {young} unneeded objects for their age"))?;
        }
        Ok(())
    }
}

/// ostree takes any negative number but -1 for 0.
fn ancestors(depth: i32) -> Ancestors {
    match u32::try_from(depth) {
        Ok(count) => Ancestors::Generations(count),
        Err(_) if depth == -1 => Ancestors::All,
        Err(_) => Ancestors::Generations(0),
    }
}

/// `BRANCH=DEPTH`; the number is read as C's `strtoll` does, and cut to 32 bits.
pub(crate) fn branch_depth(text: &str) -> Result<(&str, i32), Failure> {
    let (branch, number) = text.split_once('=').ok_or_else(|| {
        Failure::new(format_args!(
            "Invalid value {text}, must specify BRANCH=DEPTH"
        ))
    })?;
    let trimmed = number.trim_start();
    let digits = trimmed.strip_prefix(['-', '+']).unwrap_or(trimmed);
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    if end == 0 {
        return Err(Failure::new(format_args!("Invalid depth {number}")));
    }
    let length = trimmed.len() - digits.len() + end;
    let depth: i64 = trimmed
        .get(..length)
        .and_then(|text| text.parse().ok())
        .unwrap_or(i64::MAX);
    Ok((branch, i32::try_from(depth).unwrap_or(-1)))
}

/// The commit to delete: ostree looks for an object of the name that was given, so that refs lead nowhere.
fn commit(text: &str) -> Result<CommitId, Failure> {
    text.parse::<Checksum>().map(CommitId::new).map_err(|_| {
        let at = text.char_indices().nth(2).map_or(text.len(), |(at, _)| at);
        let (prefix, rest) = text.split_at(at);
        let path = match text {
            "" => String::new(),
            _ => format!("{prefix}/{rest}.commit"),
        };
        Failure::new(format_args!(
            "Deleting object {text}.commit: unlinkat({path}): No such file or directory"
        ))
        .hint("the commit must be given as its whole checksum")
    })
}

/// A length of time in seconds.
pub(crate) fn seconds(text: &str) -> Result<i64, Failure> {
    let units = [('s', 1), ('m', 60), ('h', 60 * 60), ('d', 24 * 60 * 60)];
    let unit = units.iter().find(|(letter, _)| text.ends_with(*letter));
    let (digits, factor) = match unit {
        Some((letter, factor)) => (text.trim_end_matches(*letter), *factor),
        None => (text, 1),
    };
    let count = digits.parse::<u32>().ok().map(i64::from);
    count
        .and_then(|count| count.checked_mul(factor))
        .ok_or_else(|| {
            Failure::usage(format_args!("{text:?} is no length of time"))
                .hint("for instance 30m, 24h or 7d")
        })
}

/// What `--json` tells.
#[derive(Debug, Serialize)]
struct Record {
    dry_run: bool,
    /// How many objects there were; with --commit-only how many commits.
    total: u64,
    /// How many were, or would be, deleted.
    deleted: u64,
    /// Their size in bytes.
    freed: u64,
    /// How many nobody needs and are kept for their age.
    young: u64,
}

impl Record {
    fn new(args: &PruneArgs, report: &PruneReport) -> Record {
        Record {
            dry_run: args.no_prune,
            total: report.total,
            deleted: report.deleted,
            freed: report.freed,
            young: report.young,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the real tool reads them.
    #[test]
    fn depths_are_read_as_c_does() {
        for (text, depth) in [("a=3", 3), ("a= 3x", 3), ("a=-1", -1), ("a/b=0", 0)] {
            assert_eq!(branch_depth(text).unwrap().1, depth, "{text}");
        }
        assert!(branch_depth("a").is_err() && branch_depth("a=").is_err());
    }

    #[test]
    fn lengths_of_time_have_units() {
        for (text, length) in [
            ("90", 90),
            ("90s", 90),
            ("2m", 120),
            ("24h", 86_400),
            ("7d", 604_800),
        ] {
            assert_eq!(seconds(text).unwrap(), length);
        }
        for text in ["", "h", "-1h", "1w", "1.5h"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
