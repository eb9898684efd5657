//! What `commit` tells in the end: the checksum, a table, or JSON.

use ostree_store::checksum::CommitId;
use ostree_store::repo::Statistics;
use serde::Serialize;

use super::CommitArgs;
use crate::console::Console;
use crate::failure::Failure;

/// What is to be told in the end.
pub(super) struct Done {
    pub(super) id: CommitId,
    pub(super) parent: Option<CommitId>,
    pub(super) unchanged: bool,
    pub(super) hits: u64,
}

impl Done {
    pub(super) fn tell(
        &self,
        args: &CommitArgs,
        statistics: Statistics,
        console: &mut Console,
    ) -> Result<(), Failure> {
        let Done {
            id,
            parent,
            unchanged,
            hits,
        } = *self;
        let Statistics {
            metadata_total,
            metadata_written,
            content_total,
            content_written,
            content_bytes_written,
        } = statistics;
        if args.json {
            return console.json(&Record {
                commit: id.to_string(),
                parent: parent.map(|id| id.to_string()),
                r#ref: args.branch.clone(),
                unchanged,
                metadata_total,
                metadata_written,
                content_total,
                content_written,
                content_bytes_written,
                content_cache_hits: hits,
            });
        }
        if !args.table_output {
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
