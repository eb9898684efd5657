//! `checkout`: a commit as a directory.

use std::path::PathBuf;

use clap::Args;
use ostree_store::object::Name;
use ostree_store::repo::Repo;
use ostree_store::tree::checkout::{
    CheckoutOptions, Overwrite, Ownership, checkout, checkout_file,
};
use ostree_store::tree::walk::{self, Entry, WalkError};

use super::commit::parse_bool;
use crate::console::Console;
use crate::failure::Failure;

/// Make a directory out of a commit
#[derive(Args, Debug)]
pub(crate) struct CheckoutArgs {
    /// Commit, ref or checksum
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
    /// Fail rather than copy a file that could be a hard link to its object
    #[arg(long, short = 'H')]
    require_hardlinks: bool,
    /// Copy every file
    #[arg(long, short = 'C')]
    force_copy: bool,
    /// Take set-id, sticky and world-writable bits from directories
    #[arg(long, short = 'M')]
    bareuseronly_dirs: bool,
    /// No effect: there is no cache of uncompressed objects
    #[arg(long)]
    disable_cache: bool,
    /// No effect but for wrong values: checkouts are never waited for
    #[arg(long, value_name = "POLICY")]
    fsync: Option<String>,
}

pub(crate) fn run(args: &CheckoutArgs, repo: &Repo, console: &mut Console) -> Result<(), Failure> {
    let options = args.options()?;
    if let Some(fsync) = &args.fsync {
        parse_bool(fsync)?;
    }
    let commit = repo.commit(&repo.resolve(&args.rev)?)?;
    let destination = args
        .destination
        .clone()
        .unwrap_or_else(|| PathBuf::from(&args.rev));
    let subpath = args.subpath.as_deref().unwrap_or("/");
    let entry = match walk::resolve(repo, Entry::root_of(&commit), subpath) {
        Err(WalkError::Missing { .. }) if args.allow_noent => return Ok(()),
        entry => entry?,
    };
    let made = match entry {
        Entry::Dir { tree, meta } => checkout(repo, &tree, &meta, &destination, &options),
        Entry::File(file) => {
            let name = Name::new(subpath.rsplit('/').next().unwrap_or(subpath))?;
            checkout_file(repo, &name, &file, &destination, &options)
        }
    };
    let may_own = args.user_mode || rustix::process::geteuid().is_root();
    made.map_err(|error| {
        let failure = Failure::from(error);
        if may_own {
            failure
        } else {
            failure.hint("only root can give files away; -U lets them be yours")
        }
    })?;
    console.detail(format_args!(
        "checked out {} to {}",
        args.rev,
        destination.display()
    ))
}

impl CheckoutArgs {
    fn options(&self) -> Result<CheckoutOptions, Failure> {
        let overwrite = match (self.union, self.union_add) {
            (false, false) => Overwrite::Refuse,
            (true, false) => Overwrite::Union,
            (false, true) => Overwrite::UnionAdd,
            (true, true) => {
                return Err(Failure::usage(
                    "Cannot specify both --union and --union-add",
                ));
            }
        };
        if self.require_hardlinks && self.force_copy {
            return Err(Failure::usage(
                "Cannot specify both --require-hardlinks and --force-copy",
            ));
        }
        Ok(CheckoutOptions {
            ownership: if self.user_mode {
                Ownership::User
            } else {
                Ownership::AsStored
            },
            overwrite,
            force_copy: self.force_copy,
            require_hard_links: self.require_hardlinks,
            bare_user_only_dirs: self.bareuseronly_dirs,
        })
    }
}
