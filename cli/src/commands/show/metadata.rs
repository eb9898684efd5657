//! Keys and values of a commit's metadata, and of the metadata beside it.

use ostree_store::checksum::CommitId;
use ostree_store::gvariant::{Dict, Value};
use ostree_store::repo::Repo;

use super::ShowArgs;
use crate::console::Console;
use crate::failure::Failure;

/// What is wanted of which metadata.
pub(super) struct Asked<'a> {
    detached: bool,
    /// The value of this key; without one, the names of all keys.
    key: Option<&'a str>,
}

impl Asked<'_> {
    /// What the options ask for. Of several the one counts that counts in ostree.
    pub(super) fn of(args: &ShowArgs) -> Option<Asked<'_>> {
        let asked = |detached, key| Some(Asked { detached, key });
        match (&args.print_metadata_key, &args.print_detached_metadata_key) {
            _ if args.list_detached_metadata_keys => asked(true, None),
            _ if args.list_metadata_keys => asked(false, None),
            (_, Some(key)) => asked(true, Some(key)),
            (Some(key), None) => asked(false, Some(key)),
            (None, None) => None,
        }
    }
}

/// Prints it.
pub(super) fn answer(
    asked: &Asked<'_>,
    args: &ShowArgs,
    repo: &Repo,
    id: &CommitId,
    console: &mut Console,
) -> Result<(), Failure> {
    let metadata = match asked.detached {
        true => repo
            .detached(id)?
            .ok_or_else(|| Failure::new(format_args!("No detached metadata for commit {id}")))?,
        false => repo.commit(id)?.metadata,
    };
    match asked.key {
        Some(key) => value_of(key, &metadata, args, console),
        None => keys_of(&metadata, args, console),
    }
}

fn keys_of(metadata: &Dict, args: &ShowArgs, console: &mut Console) -> Result<(), Failure> {
    let mut keys: Vec<&str> = metadata.iter().map(|(key, _)| key).collect();
    keys.sort_unstable();
    if args.json {
        return console.json(&keys);
    }
    keys.into_iter().try_for_each(|key| console.line(key))
}

fn value_of(
    key: &str,
    metadata: &Dict,
    args: &ShowArgs,
    console: &mut Console,
) -> Result<(), Failure> {
    let value = metadata
        .get(key)
        .ok_or_else(|| Failure::new(format_args!("No such metadata key '{key}'")))?;
    match value {
        Value::Bytes(bytes) if args.print_hex => console.line(hex(bytes)),
        value if args.no_byteswap => console.line(value),
        value => console.line(value.byteswapped()),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
