//! Deleting what is not reached, in an order that may be broken off anywhere.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::links;
use super::{PruneError, PruneOptions, PruneReport};
use crate::checksum::{CommitId, DirTreeId};
use crate::object::{Commit, ObjectKind};
use crate::path_error::{At, PathError, UnlessAbsent};
use crate::repo::Repo;
use crate::upkeep::Object;
use crate::upkeep::reach::{Reach, sound};

/// Deletes the objects that are not reached and not too young, and counts.
pub(super) fn sweep(
    repo: &Repo,
    options: &PruneOptions,
    (mut objects, mut reach): (Vec<Object>, Reach),
    tombstones: bool,
    progress: &dyn Fn(u64, u64),
) -> Result<PruneReport, PruneError> {
    objects.retain(|(kind, _)| !options.commits_only || *kind == ObjectKind::Commit);
    let total = objects.len() as u64;
    let (unreached, young) = unreached(repo, options, objects, &mut reach)?;
    let (links, all_links) = match options.commits_only {
        true => (Vec::new(), 0),
        false => links::unneeded(repo, &reach)?,
    };
    let mut freed = unreached.iter().map(|(_, size)| size).sum();
    for link in &links {
        freed += stat(link)?.map_or(0, |file| file.len());
    }
    let report = PruneReport {
        total: total + all_links,
        deleted: (unreached.len() + links.len()) as u64,
        freed,
        young,
    };
    if !options.dry_run {
        delete(repo, unreached, tombstones, progress)?;
        for link in &links {
            fs::remove_file(link).at("remove", link)?;
        }
    }
    Ok(report)
}

/// The objects that are not reached, with the sizes of their files, and how many more are kept for their age. What
/// those need counts as reached then.
fn unreached(
    repo: &Repo,
    options: &PruneOptions,
    objects: Vec<Object>,
    reach: &mut Reach,
) -> Result<(Vec<(Object, u64)>, u64), PruneError> {
    let mut unreached: Vec<(Object, u64)> = Vec::new();
    let mut young = Vec::new();
    for object in objects {
        if reach.contains(&object) {
            continue;
        }
        let Some(file) = stat(&repo.object_path(object.0, &object.1))? else {
            continue;
        };
        // The time of the last modification is part of the object in some modes, and always 0 there.
        let since = options.keep_since;
        if since.is_some_and(|since| file.ctime() >= since) {
            young.push(object);
        }
        unreached.push((object, file.len()));
    }
    for object in young {
        spare(repo, object, reach);
    }
    let before = unreached.len();
    unreached.retain(|(object, _)| !reach.contains(object));
    let kept = before - unreached.len();
    Ok((unreached, kept as u64))
}

/// Keeps an object for its age, and everything it needs as far as that is there.
fn spare(repo: &Repo, object: Object, reach: &mut Reach) {
    let (kind, name) = object;
    let mut ignore = |_, _| Ok::<(), std::convert::Infallible>(());
    let done = match kind {
        ObjectKind::Commit => {
            reach.insert(object);
            match sound(repo, object, Commit::parse) {
                Ok(commit) => reach.add_dir(repo, commit.root_tree, commit.root_meta, &mut ignore),
                Err(_) => Ok(()),
            }
        }
        ObjectKind::DirTree => reach.add_tree(repo, DirTreeId::new(name), &mut ignore),
        ObjectKind::DirMeta | ObjectKind::File => {
            reach.insert(object);
            Ok(())
        }
    };
    done.unwrap_or_else(|never| match never {});
}

/// Commits go first, and are gone on the disk before anything that they may need goes.
fn delete(
    repo: &Repo,
    mut unreached: Vec<(Object, u64)>,
    tombstones: bool,
    progress: &dyn Fn(u64, u64),
) -> Result<(), PruneError> {
    let order = |kind| match kind {
        ObjectKind::Commit => 0,
        ObjectKind::DirTree => 1,
        ObjectKind::DirMeta => 2,
        ObjectKind::File => 3,
    };
    unreached.sort_unstable_by_key(|((kind, name), _)| (order(*kind), *name));
    let all = unreached.len() as u64;
    let mut changed: BTreeSet<PathBuf> = BTreeSet::new();
    for (done, ((kind, name), _)) in (1..).zip(unreached) {
        if kind == ObjectKind::Commit {
            repo.remove_commit(&CommitId::new(name), tombstones)?;
            changed.extend(repo.object_path(kind, &name).parent().map(Path::to_owned));
        } else {
            repo.sync_dirs(&std::mem::take(&mut changed))?;
            repo.remove_object(kind, &name)?;
        }
        progress(done, all);
    }
    Ok(repo.sync_dirs(&changed)?)
}

fn stat(path: &Path) -> Result<Option<fs::Metadata>, PathError> {
    fs::symlink_metadata(path).unless_absent().at("stat", path)
}
