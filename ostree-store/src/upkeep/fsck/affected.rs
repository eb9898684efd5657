//! Which commits need an object, and where in their trees it stands.
//!
//! Nothing of this is kept while all is well. When something is broken, one more look at every dirtree finds who
//! names a directory or something broken; from there the way leads up to the commits.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::{CommitId, Object};
use crate::checksum::Checksum;
use crate::object::{Commit, DirTree, ObjectKind};
use crate::path_error::PathError;
use crate::repo::Repo;
use crate::upkeep::reach::sound;

/// Who names what, upwards. Dirtrees and commits are numbers here.
#[derive(Debug, Default)]
pub(super) struct Affected {
    trees: Vec<Checksum>,
    commits: Vec<CommitId>,
    /// The dirtrees that name each dirtree.
    above: Vec<Vec<u32>>,
    /// The commits whose root each dirtree is.
    roots: Vec<Vec<u32>>,
    /// The dirtrees that name each broken object that is no dirtree.
    holders: HashMap<Object, Vec<u32>>,
    /// The commits whose root has each broken dirmeta.
    root_metas: HashMap<Checksum, Vec<u32>>,
}

impl Affected {
    /// Looks at every dirtree among the `objects`, which are sorted.
    pub(super) fn new(
        repo: &Repo,
        commits: &[CommitId],
        objects: &[Object],
        bad: impl Iterator<Item = Object>,
    ) -> Affected {
        let bad: HashSet<Object> = bad.collect();
        let trees: Vec<Checksum> = objects
            .iter()
            .filter(|(kind, _)| *kind == ObjectKind::DirTree)
            .map(|(_, name)| *name)
            .collect();
        let mut affected = Affected {
            above: vec![Vec::new(); trees.len()],
            roots: vec![Vec::new(); trees.len()],
            trees,
            commits: commits.to_vec(),
            ..Affected::default()
        };
        affected.look_at_commits(repo, &bad);
        affected.look_at_trees(repo, &bad);
        affected
    }

    fn look_at_commits(&mut self, repo: &Repo, bad: &HashSet<Object>) {
        for (number, id) in (0_u32..).zip(&self.commits) {
            let object = (ObjectKind::Commit, *id.checksum());
            let Ok(commit) = sound(repo, object, Commit::parse) else {
                continue;
            };
            let meta = *commit.root_meta.checksum();
            if bad.contains(&(ObjectKind::DirMeta, meta)) {
                self.root_metas.entry(meta).or_default().push(number);
            }
            if let Ok(root) = self.trees.binary_search(commit.root_tree.checksum())
                && let Some(roots) = self.roots.get_mut(root)
            {
                roots.push(number);
            }
        }
    }

    fn look_at_trees(&mut self, repo: &Repo, bad: &HashSet<Object>) {
        for number in 0..self.trees.len() {
            let Some(tree) = self.tree(repo, number) else {
                continue;
            };
            let holder = u32::try_from(number).unwrap_or(u32::MAX);
            let files = tree.files.values();
            let files = files.map(|file| (ObjectKind::File, *file.checksum()));
            let metas = tree.dirs.values();
            let metas = metas.map(|(_, meta)| (ObjectKind::DirMeta, *meta.checksum()));
            for object in files.chain(metas).filter(|object| bad.contains(object)) {
                push_new(self.holders.entry(object).or_default(), holder);
            }
            for (child, _) in tree.dirs.values() {
                if let Ok(child) = self.trees.binary_search(child.checksum())
                    && let Some(above) = self.above.get_mut(child)
                {
                    push_new(above, holder);
                }
            }
        }
    }

    fn tree(&self, repo: &Repo, number: usize) -> Option<DirTree> {
        let name = self.trees.get(number)?;
        sound(repo, (ObjectKind::DirTree, *name), DirTree::parse).ok()
    }

    /// The dirtrees that name an object, or the one that it is.
    fn first_trees(&self, (kind, name): Object) -> Vec<u32> {
        if kind == ObjectKind::DirTree {
            let found = self.trees.binary_search(&name).ok();
            return found
                .and_then(|n| u32::try_from(n).ok())
                .into_iter()
                .collect();
        }
        self.holders.get(&(kind, name)).cloned().unwrap_or_default()
    }

    /// The commits that reach an object, as numbers.
    fn commits_with(&self, object: Object) -> BTreeSet<u32> {
        let (kind, name) = object;
        if kind == ObjectKind::Commit {
            let found = self.commits.binary_search(&CommitId::new(name)).ok();
            return found
                .and_then(|n| u32::try_from(n).ok())
                .into_iter()
                .collect();
        }
        let mut commits = BTreeSet::new();
        commits.extend(self.root_metas.get(&name).into_iter().flatten());
        let mut ahead = self.first_trees(object);
        let mut seen: HashSet<u32> = ahead.iter().copied().collect();
        while let Some(tree) = ahead.pop() {
            let tree = tree as usize;
            commits.extend(self.roots.get(tree).into_iter().flatten());
            let above = self.above.get(tree).into_iter().flatten();
            ahead.extend(above.filter(|above| seen.insert(**above)));
        }
        commits
    }

    /// One path at which an object stands in a commit.
    pub(super) fn path(&self, repo: &Repo, object: Object, commit: &CommitId) -> Option<String> {
        if object.0 == ObjectKind::Commit {
            return None;
        }
        let wanted = u32::try_from(self.commits.binary_search(commit).ok()?).ok()?;
        if self
            .root_metas
            .get(&object.1)
            .is_some_and(|commits| commits.contains(&wanted))
        {
            return Some("/".to_owned());
        }
        let way = self.way_up(object, wanted)?;
        let mut names = Vec::new();
        let mut below = object;
        for tree in way {
            let name = *self.trees.get(tree as usize)?;
            if below != (ObjectKind::DirTree, name) {
                names.push(name_in(&self.tree(repo, tree as usize)?, below)?);
            }
            below = (ObjectKind::DirTree, name);
        }
        names.reverse();
        let end = match object.0 {
            ObjectKind::File => "",
            _ if names.is_empty() => "",
            _ => "/",
        };
        Some(format!("/{}{end}", names.join("/")))
    }

    /// The dirtrees from an object up to the root of a commit.
    fn way_up(&self, object: Object, commit: u32) -> Option<Vec<u32>> {
        let mut ahead: Vec<u32> = self.first_trees(object);
        // From which dirtree each one was reached.
        let mut from: HashMap<u32, Option<u32>> = ahead.iter().map(|tree| (*tree, None)).collect();
        while let Some(tree) = ahead.pop() {
            if self.roots.get(tree as usize)?.contains(&commit) {
                let mut way = vec![tree];
                let mut last = tree;
                while let Some(Some(below)) = from.get(&last) {
                    way.push(*below);
                    last = *below;
                }
                way.reverse();
                return Some(way);
            }
            for above in self.above.get(tree as usize)? {
                from.entry(*above).or_insert_with(|| {
                    ahead.push(*above);
                    Some(tree)
                });
            }
        }
        None
    }
}

/// The name that a directory has for an object.
fn name_in(tree: &DirTree, (kind, wanted): Object) -> Option<String> {
    let file = tree
        .files
        .iter()
        .find(|(_, file)| kind == ObjectKind::File && *file.checksum() == wanted);
    let dir = tree.dirs.iter().find(|(_, (tree, meta))| match kind {
        ObjectKind::DirTree => *tree.checksum() == wanted,
        ObjectKind::DirMeta => *meta.checksum() == wanted,
        ObjectKind::File | ObjectKind::Commit => false,
    });
    file.map(|(name, _)| name)
        .or(dir.map(|(name, _)| name))
        .map(ToString::to_string)
}

/// A directory often names one object many times in a row.
fn push_new(list: &mut Vec<u32>, number: u32) {
    if list.last() != Some(&number) {
        list.push(number);
    }
}

/// Sets of commits; equal ones are kept once, because most broken objects of a repository share theirs.
#[derive(Debug, Default)]
pub(super) struct Commits {
    known: HashSet<Arc<[CommitId]>>,
    there: HashMap<CommitId, bool>,
}

impl Commits {
    /// The commits that reach an object and are still there, sorted.
    pub(super) fn with(
        &mut self,
        affected: &Affected,
        object: Object,
        is_there: &dyn Fn(&CommitId) -> Result<bool, PathError>,
    ) -> Result<Arc<[CommitId]>, PathError> {
        let mut commits = Vec::new();
        for number in affected.commits_with(object) {
            let Some(commit) = affected.commits.get(number as usize) else {
                continue;
            };
            let there = match self.there.get(commit) {
                Some(there) => *there,
                None => *self.there.entry(*commit).or_insert(is_there(commit)?),
            };
            if there {
                commits.push(*commit);
            }
        }
        if let Some(known) = self.known.get(commits.as_slice()) {
            return Ok(Arc::clone(known));
        }
        let commits: Arc<[CommitId]> = commits.into();
        self.known.insert(Arc::clone(&commits));
        Ok(commits)
    }
}
