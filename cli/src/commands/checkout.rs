//! `checkout`: a commit as a directory.
//!
//! ostree has two ways to check out, and which one is taken follows from the options: only the plain one keeps a cache
//! of uncompressed objects, knows `--allow-noent`, and takes `a/../b` as `b` without looking at `a`. Here there is one
//! way that does the same.

pub(crate) mod many;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use clap::Args;
use ostree_store::checksum::CommitId;
use ostree_store::object::Name;
use ostree_store::repo::Repo;
use ostree_store::tree::checkout::{
    CheckoutOptions, Overwrite, Ownership, checkout_file, checkout_watched,
};
use ostree_store::tree::walk::{self, Entry, WalkError};

use super::values::parse_bool;
use crate::console::Console;
use crate::failure::{Failure, Within};
use crate::progress::Counter;

/// Make a directory out of a commit
#[derive(Args, Debug)]
pub(crate) struct CheckoutArgs {
    /// Commit, ref or checksum; with --from-file and --from-stdin the directory to make
    #[arg(value_name = "COMMIT", required = true)]
    rev: String,
    /// Directory to make; without it one named like COMMIT
    #[arg(value_name = "DESTINATION")]
    destination: Option<PathBuf>,
    /// Let the files belong to the user, without extended attributes and set-id bits
    #[arg(long, short = 'U')]
    user_mode: bool,
    /// Check out only this directory or file
    #[arg(long, value_name = "PATH")]
    subpath: Option<String>,
    /// Succeed without doing anything if --subpath does not exist
    #[arg(long)]
    allow_noent: bool,
    /// Keep directories that are there, replace files
    #[arg(long)]
    union: bool,
    /// Keep directories and files that are there
    #[arg(long)]
    union_add: bool,
    /// Keep directories that are there, and files if they are the same; needs --require-hardlinks
    #[arg(long)]
    union_identical: bool,
    /// Let a file .wh.NAME remove NAME, as in the layers of containers
    #[arg(long)]
    whiteouts: bool,
    /// Make a file .ostree-wh.NAME the device by which an overlay hides NAME
    #[arg(long)]
    process_passthrough_whiteouts: bool,
    /// Fail rather than copy a file that could be a hard link to its object
    #[arg(long, short = 'H')]
    require_hardlinks: bool,
    /// Copy every file
    #[arg(long, short = 'C')]
    force_copy: bool,
    /// No effect: empty files are always copied
    #[arg(long, short = 'z', hide = true)]
    force_copy_zerosized: bool,
    /// Take set-id, sticky and world-writable bits from directories
    #[arg(long, short = 'M')]
    bareuseronly_dirs: bool,
    /// Leave out the paths in this file, one a line: /a/file, /a/directory/
    #[arg(long, value_name = "FILE")]
    skip_list: Option<PathBuf>,
    /// Check out what this file says: commit and path in turn, each with a NUL behind it
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
    /// The same, read from standard input
    #[arg(long)]
    from_stdin: bool,
    /// Neither use nor fill the repository's cache of uncompressed objects
    #[arg(long)]
    disable_cache: bool,
    /// Whether to wait until what goes into the cache is on the disk
    #[arg(long, value_name = "POLICY")]
    fsync: Option<String>,
}

pub(crate) fn run(
    args: &CheckoutArgs,
    mut repo: Repo,
    console: &mut Console,
) -> Result<(), Failure> {
    let fsync = args.fsync.as_deref().map(parse_bool).transpose()?;
    if fsync == Some(false) {
        repo.set_fsync(false);
    }
    let many = args.from_stdin || args.from_file.is_some();
    // As in ostree, a commit that is not there is said before options that do not go together.
    let commit = match many {
        true => None,
        false => Some(repo.resolve(&args.rev)?),
    };
    let job = Job {
        args,
        repo: &repo,
        options: args.options()?,
    };
    let Some(commit) = commit else {
        return job.many(Path::new(&args.rev), console);
    };
    let destination = args
        .destination
        .clone()
        .unwrap_or_else(|| PathBuf::from(&args.rev));
    job.one(commit, args.subpath.as_deref(), &destination, console)
}

/// What is the same for every commit to be checked out.
struct Job<'a> {
    args: &'a CheckoutArgs,
    repo: &'a Repo,
    options: CheckoutOptions,
}

impl Job<'_> {
    fn one(
        &self,
        commit: CommitId,
        subpath: Option<&str>,
        destination: &Path,
        console: &mut Console,
    ) -> Result<(), Failure> {
        let root = Entry::root_of(&self.repo.commit(&commit)?);
        let subpath = subpath.unwrap_or("/");
        let allow_noent = self.args.allow_noent && !self.args.is_extended();
        let entry = match walk::resolve(self.repo, root, subpath) {
            Err(WalkError::Missing { .. }) if allow_noent => return Ok(()),
            entry => entry?,
        };
        let made = match self.args.is_extended() {
            true => self.make(entry, subpath, destination, console),
            false => self.make(entry, subpath, &without_dots(destination), console),
        };
        let may_own = self.args.user_mode || rustix::process::geteuid().is_root();
        made.map_err(|failure| match may_own {
            true => failure,
            false => failure.hint("only root can give files away; -U lets them be yours"),
        })?;
        console.detail(format_args!(
            "checked out {commit} to {}",
            destination.display()
        ))
    }

    fn make(
        &self,
        entry: Entry,
        subpath: &str,
        destination: &Path,
        console: &Console,
    ) -> Result<(), Failure> {
        match entry {
            Entry::Dir { tree, meta } => {
                let mut counter = Counter::new(console, "entries");
                let made = checkout_watched(
                    self.repo,
                    &tree,
                    &meta,
                    destination,
                    &self.options,
                    &mut || counter.step(),
                );
                counter.finish();
                Ok(made?)
            }
            Entry::File(file) => {
                let name = Name::new(walk::names(subpath).last().unwrap_or(&""))?;
                Ok(checkout_file(
                    self.repo,
                    &name,
                    &file,
                    destination,
                    &self.options,
                )?)
            }
        }
    }
}

/// The absolute path without `.` and `..`, which are taken as they are written: links do not matter.
pub(super) fn without_dots(path: &Path) -> PathBuf {
    let Ok(absolute) = std::path::absolute(path) else {
        return path.to_owned();
    };
    absolute
        .components()
        .fold(PathBuf::new(), |mut path, component| {
            match component {
                Component::ParentDir => drop(path.pop()),
                component => path.push(component),
            }
            path
        })
}

impl CheckoutArgs {
    /// Whether ostree takes the way that knows all options.
    fn is_extended(&self) -> bool {
        self.disable_cache
            || self.whiteouts
            || self.require_hardlinks
            || self.union_add
            || self.force_copy
            || self.force_copy_zerosized
            || self.bareuseronly_dirs
            || self.union_identical
            || self.skip_list.is_some()
            || self.process_passthrough_whiteouts
    }

    fn options(&self) -> Result<CheckoutOptions, Failure> {
        let overwrite = self.overwrite()?;
        if self.require_hardlinks && self.force_copy {
            return Err(Failure::usage(
                "Cannot specify both --require-hardlinks and --force-copy",
            ));
        }
        if self.union_identical && !self.require_hardlinks {
            return Err(Failure::usage(
                "--union-identical requires --require-hardlinks",
            ));
        }
        Ok(CheckoutOptions {
            ownership: match self.user_mode {
                true => Ownership::User,
                false => Ownership::AsStored,
            },
            overwrite,
            force_copy: self.force_copy,
            require_hard_links: self.require_hardlinks,
            bare_user_only_dirs: self.bareuseronly_dirs,
            uncompressed_cache: !self.is_extended(),
            whiteouts: self.whiteouts,
            passthrough_whiteouts: self.process_passthrough_whiteouts,
            skip: self.skipped()?,
        })
    }

    fn overwrite(&self) -> Result<Overwrite, Failure> {
        match (self.union, self.union_add, self.union_identical) {
            (false, false, false) => Ok(Overwrite::Refuse),
            (true, false, false) => Ok(Overwrite::Union),
            (false, true, false) => Ok(Overwrite::UnionAdd),
            (false, false, true) => Ok(Overwrite::UnionIdentical),
            (union, add, _) => {
                let (first, second) = match (union, add) {
                    (true, true) => ("--union", "--union-add"),
                    (true, false) => ("--union", "--union-identical"),
                    _ => ("--union-add", "--union-identical"),
                };
                let words = format!("Cannot specify both {first} and {second}");
                Err(Failure::usage(words))
            }
        }
    }

    fn skipped(&self) -> Result<BTreeSet<String>, Failure> {
        let Some(path) = &self.skip_list else {
            return Ok(BTreeSet::new());
        };
        let bytes = fs::read(path).within(format_args!("openat({})", path.display()))?;
        let text = String::from_utf8(bytes).map_err(|_| Failure::new("Invalid UTF-8"))?;
        let lines = text.split('\n').filter(|line| !line.is_empty());
        Ok(lines.map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_taken_as_they_are_written() {
        for (path, plain) in [
            ("/a/./b/../c/", "/a/c"),
            ("/../a", "/a"),
            ("/", "/"),
            ("/a/..", "/"),
        ] {
            assert_eq!(without_dots(Path::new(path)), Path::new(plain));
        }
    }
}
