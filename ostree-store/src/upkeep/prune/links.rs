//! Payload links: symbolic links `objects/XX/REST.payload-link` to a file object, named by the content alone.
//!
//! They are only there to find equal contents. One is worth keeping while its file stays and is at least as large as
//! `core.payload-link-threshold`, which without that setting no file is.

use std::fs;
use std::path::{Path, PathBuf};

use crate::checksum::Checksum;
use crate::object::ObjectKind;
use crate::path_error::{At, PathError, UnlessAbsent};
use crate::repo::Repo;
use crate::upkeep::reach::Reach;

/// The payload links that are to go, and how many there are.
pub(super) fn unneeded(repo: &Repo, reach: &Reach) -> Result<(Vec<PathBuf>, u64), PathError> {
    let threshold = repo.config().get("core", "payload-link-threshold");
    let threshold = threshold.and_then(|text| text.parse::<i64>().ok());
    let threshold = threshold.map_or(u64::MAX, i64::cast_unsigned);
    let mut unneeded = Vec::new();
    let mut count = 0;
    let objects = repo.path().join("objects");
    for prefix in fs::read_dir(&objects).at("list", &objects)? {
        let prefix = prefix.at("list", &objects)?;
        let dir = prefix.path();
        if prefix.file_name().len() != 2 || !prefix.file_type().at("stat", &dir)?.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&dir).at("list", &dir)? {
            let path = entry.at("list", &dir)?.path();
            let is_link = path.extension().is_some_and(|end| end == "payload-link");
            if !is_link || path.file_stem().is_none_or(|stem| stem.len() != 62) {
                continue;
            }
            count += 1;
            if !is_needed(repo, reach, &path, threshold)? {
                unneeded.push(path);
            }
        }
    }
    Ok((unneeded, count))
}

fn is_needed(repo: &Repo, reach: &Reach, link: &Path, threshold: u64) -> Result<bool, PathError> {
    let target = fs::read_link(link).unwrap_or_default();
    let Some(name) = target.to_str().and_then(file_named) else {
        return Ok(false);
    };
    if !reach.contains(&(ObjectKind::File, name)) {
        return Ok(false);
    }
    let path = repo.object_path(ObjectKind::File, &name);
    let found = fs::symlink_metadata(&path).unless_absent();
    Ok(found
        .at("stat", &path)?
        .is_some_and(|found| found.len() >= threshold))
}

/// The file object in `../XX/REST.file`.
fn file_named(target: &str) -> Option<Checksum> {
    let (prefix, rest) = target.strip_prefix("../")?.split_once('/')?;
    let rest = rest.split_once('.').map_or(rest, |(rest, _)| rest);
    format!("{prefix}{rest}").parse().ok()
}
