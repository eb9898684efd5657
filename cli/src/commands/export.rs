//! `export`: a commit as a tar archive.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::Args;
use ostree_store::repo::Repo;
use ostree_store::tree::export_tar::{ExportError, ExportOptions, export_tar};
use ostree_store::tree::walk::{self, Entry};

use crate::console::Console;
use crate::failure::Failure;
use crate::progress::Counter;

/// Write a commit as a tar archive
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// Commit, ref or checksum
    #[arg(value_name = "COMMIT", required = true)]
    rev: String,
    /// Write to this file, not to standard output
    #[arg(long, short = 'o', value_name = "PATH")]
    output: Option<PathBuf>,
    /// Export only this directory
    #[arg(long, value_name = "PATH")]
    subpath: Option<String>,
    /// What to put directly before every path; a directory ends with a slash
    #[arg(long, value_name = "PATH")]
    prefix: Option<String>,
    /// No effect: this form of archive has no extended attributes
    #[arg(long)]
    no_xattrs: bool,
}

pub(crate) fn run(args: &ExportArgs, repo: &Repo, console: &mut Console) -> Result<(), Failure> {
    let commit = repo.commit(&repo.resolve(&args.rev)?)?;
    let subpath = args.subpath.as_deref().unwrap_or("/");
    let Entry::Dir { tree, meta } = walk::resolve(repo, Entry::root_of(&commit), subpath)? else {
        // ostree aborts here.
        return Err(Failure::new(format_args!("Not a directory: {subpath}")));
    };
    let mut options = ExportOptions {
        timestamp: commit.timestamp,
        prefix: args.prefix.clone().unwrap_or_default(),
        whole_records: true,
    };
    let mut counter = Counter::new(console, "entries");
    let done = match &args.output {
        None => {
            let mut to = BufWriter::with_capacity(64 << 10, io::stdout().lock());
            export_tar(repo, (&tree, &meta), &options, &mut to, &mut || {
                counter.step();
            })
        }
        Some(path) => {
            let file = File::create(path).map_err(|e| {
                Failure::from(e).within(format_args!("Failed to open '{}'", path.display()))
            })?;
            options.whole_records = !file.metadata().is_ok_and(|found| found.is_file());
            let mut to = BufWriter::with_capacity(64 << 10, file);
            export_tar(repo, (&tree, &meta), &options, &mut to, &mut || {
                counter.step();
            })
            .and_then(|()| to.flush().map_err(ExportError::Write))
        }
    };
    counter.finish();
    done.map_err(|error| match error {
        ExportError::Write(e) if args.output.is_none() => Failure::stdout(e),
        error => error.into(),
    })
}
