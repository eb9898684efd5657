//! How large a commit's objects are, according to its `ostree.sizes`.

use ostree_store::checksum::CommitId;
use ostree_store::object::sizes;
use ostree_store::repo::Repo;
use serde::Serialize;

use crate::console::Console;
use crate::failure::Failure;
use crate::size::Size;

/// What `--json` tells. Sizes are in bytes; what is needed is not in this repository.
#[derive(Debug, Default, Serialize)]
struct Record {
    archived_needed: u64,
    archived_total: u64,
    unpacked_needed: u64,
    unpacked_total: u64,
    objects_needed: u64,
    objects_total: u64,
}

pub(super) fn print(
    repo: &Repo,
    id: &CommitId,
    json: bool,
    console: &mut Console,
) -> Result<(), Failure> {
    let commit = repo.commit(id)?;
    let mut sum = Record::default();
    for (checksum, size) in sizes::parse(&commit.metadata)? {
        sum.archived_total = sum.archived_total.saturating_add(size.archived);
        sum.unpacked_total = sum.unpacked_total.saturating_add(size.unpacked);
        sum.objects_total += 1;
        if !repo.has(size.kind, &checksum)? {
            sum.archived_needed = sum.archived_needed.saturating_add(size.archived);
            sum.unpacked_needed = sum.unpacked_needed.saturating_add(size.unpacked);
            sum.objects_needed += 1;
        }
    }
    if json {
        return console.json(&sum);
    }
    console.line(format_args!(
        "Compressed size (needed/total): {}/{}",
        Size(sum.archived_needed),
        Size(sum.archived_total)
    ))?;
    console.line(format_args!(
        "Unpacked size (needed/total): {}/{}",
        Size(sum.unpacked_needed),
        Size(sum.unpacked_total)
    ))?;
    console.line(format_args!(
        "Number of objects (needed/total): {}/{}",
        sum.objects_needed, sum.objects_total
    ))
}
