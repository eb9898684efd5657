//! `pull-local`: commits of a repository on the same machine.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use ostree_store::checksum::CommitId;
use ostree_store::repo::Repo;
use ostree_store::transfer::{PullOptions, Pulled, PulledRef, pull_local};
use serde::Serialize;

use crate::console::Console;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::size::Size;

/// Bring commits, with all they need, from another repository
#[derive(Args, Debug)]
pub(crate) struct PullLocalArgs {
    /// Repository to take from
    #[arg(value_name = "SRC_REPO", required = true)]
    source: PathBuf,
    /// Refs or checksums of commits; without any, all refs
    #[arg(value_name = "REFS")]
    names: Vec<String>,
    /// Bring commits without their trees, and mark them as partial
    #[arg(long)]
    commit_metadata_only: bool,
    /// Write refs as REMOTE:ref
    #[arg(long, value_name = "REMOTE")]
    remote: Option<String>,
    /// Do not wait until objects are on the disk
    #[arg(long)]
    disable_fsync: bool,
    /// Wait for each object that is written, not once for all
    #[arg(long)]
    per_object_fsync: bool,
    /// Hash every object, also those that need not be read
    #[arg(long)]
    untrusted: bool,
    /// Refuse regular files whose mode has other bits than 0775
    #[arg(long)]
    bareuseronly_files: bool,
    /// No effect: objects are taken over one by one
    #[arg(long)]
    disable_static_deltas: bool,
    /// Do not check that commits belong to the refs by which they are asked for
    #[arg(long)]
    disable_verify_bindings: bool,
    /// Bring as many commits before each one; -1 for all
    #[arg(long, value_name = "DEPTH", default_value_t = 0)]
    depth: i32,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(
    args: &PullLocalArgs,
    mut repo: Repo,
    console: &mut Console,
) -> Result<(), Failure> {
    if args.depth < -1 {
        return Err(Failure::usage(format_args!(
            "--depth is -1 or more, not {}",
            args.depth
        )));
    }
    if args.disable_fsync {
        repo.set_fsync(false);
    }
    if args.per_object_fsync {
        repo.set_per_object_fsync(true);
    }
    let source = Repo::open(&args.source)?;
    let started = Instant::now();
    let pulled = watched(&repo, &source, args, console)?;
    if args.json {
        return console.json(&Record::new(&pulled));
    }
    console.line(told(&pulled, started.elapsed()))
}

/// Pulls, with progress if it takes long and somebody watches.
fn watched(
    repo: &Repo,
    source: &Repo,
    args: &PullLocalArgs,
    console: &Console,
) -> Result<Pulled, Failure> {
    let options = PullOptions {
        remote: args.remote.clone(),
        untrusted: args.untrusted,
        depth: i64::from(args.depth),
        commit_metadata_only: args.commit_metadata_only,
        bare_user_only_files: args.bareuseronly_files,
        verify_bindings: !args.disable_verify_bindings,
    };
    let progress = Progress::words(console);
    let pulled = pull_local(repo, source, &args.names, &options, &|metadata, content| {
        if (metadata + content) % 64 == 0 {
            progress.say(|| format!("{metadata} metadata, {content} content objects"));
        }
    });
    progress.finish();
    Ok(pulled?)
}

/// ostree's last line. Detached metadata of commits that are there counts as transferred.
fn told(pulled: &Pulled, took: Duration) -> String {
    let transferred = match pulled.detached_bytes {
        0 => String::new(),
        bytes => {
            let (count, unit) = if bytes < 1024 {
                (bytes, "B")
            } else {
                (bytes / 1024, "KiB")
            };
            let seconds = took.as_secs();
            format!("; {count} {unit} transferred in {seconds} seconds")
        }
    };
    format!(
        "{} metadata, {} content objects imported{transferred}; {} content written",
        pulled.metadata,
        pulled.content,
        Size(pulled.content_bytes_written)
    )
}

/// What `--json` tells.
#[derive(Debug, Serialize)]
struct Record {
    /// Objects that were not there.
    metadata: u64,
    content: u64,
    /// Without files that were taken over as they are.
    content_bytes_written: u64,
    detached_bytes: u64,
    refs: Vec<RefRecord>,
    /// Those asked for by checksum.
    commits: Vec<String>,
}

#[derive(Debug, Serialize)]
struct RefRecord {
    r#ref: String,
    commit: String,
    previous: Option<String>,
}

impl Record {
    fn new(pulled: &Pulled) -> Record {
        let moved = |moved: &PulledRef| RefRecord {
            r#ref: moved.name.to_string(),
            commit: moved.commit.to_string(),
            previous: moved.previous.as_ref().map(CommitId::to_string),
        };
        Record {
            metadata: pulled.metadata,
            content: pulled.content,
            content_bytes_written: pulled.content_bytes_written,
            detached_bytes: pulled.detached_bytes,
            refs: pulled.refs.iter().map(moved).collect(),
            commits: pulled.commits.iter().map(CommitId::to_string).collect(),
        }
    }
}
