//! The objects of a stored tree made again, with changes.

use std::collections::{HashMap, HashSet};

use ostree_store::checksum::{DirMetaId, FileId};
use ostree_store::object::{DirMeta, DirTree, Name, ObjectSink, WriteError};
use ostree_store::repo::Transaction;
use ostree_store::tree::modify::{Modifier, Origin, Pass};
use ostree_store::tree::{MAX_DEPTH, Subtree, Tree, TreeError};

use crate::failure::{Failure, Within};

/// How often directories may stand in a tree again that hold something. Each takes memory of its own here, and sixty
/// small objects can stand for more of them than any memory holds.
const MAX_REPEATED: usize = 100_000;

/// Passes every entry of the tree through the modifier, as if it came from a directory.
pub(super) fn remake(
    root: &mut Tree,
    modifier: &Modifier,
    transaction: &Transaction<'_>,
) -> Result<(), Failure> {
    let remake = Remake {
        modifier,
        transaction,
    };
    let mut known = HashMap::new();
    let (mut seen, mut repeated) = (HashSet::new(), 0);
    let mut pending = vec![(String::new(), 0, root)];
    while let Some((path, depth, tree)) = pending.pop() {
        if depth > MAX_DEPTH {
            return Err(TreeError::TooDeep.into());
        }
        if !remake.directory(&path, tree, &mut known)? {
            continue;
        }
        for (name, subtree) in &mut tree.dirs {
            if let Subtree::Stored(id, _) = subtree
                && !seen.insert(*id)
                && *id != DirTree::default().id()
            {
                repeated += 1;
                if repeated > MAX_REPEATED {
                    let words = format!("more than {MAX_REPEATED} directories repeat others");
                    return Err(Failure::new(words));
                }
            }
            let below = format!("{path}/{name}");
            pending.push((below, depth + 1, subtree.open(transaction)?));
        }
    }
    Ok(())
}

struct Remake<'a> {
    modifier: &'a Modifier,
    transaction: &'a Transaction<'a>,
}

impl Remake<'_> {
    /// Makes one directory and its files; says whether it stays.
    fn directory(
        &self,
        path: &str,
        tree: &mut Tree,
        known: &mut HashMap<DirMetaId, DirMeta>,
    ) -> Result<bool, Failure> {
        let own_path = || if path.is_empty() { "/" } else { path }.to_owned();
        if let Some(id) = tree.meta {
            let mut meta = match known.get(&id) {
                Some(meta) => meta.clone(),
                None => self.transaction.repo().dirmeta(&id)?,
            };
            known.entry(id).or_insert_with(|| meta.clone());
            if self.modifier.apply_dir(own_path, &mut meta, Origin::Tree)? == Pass::Skipped {
                *tree = Tree::default();
                return Ok(false);
            }
            tree.meta = Some(self.transaction.dirmeta(&meta)?);
        }
        for (name, id) in std::mem::take(&mut tree.files) {
            if let Some(made) = self.file(&format!("{path}/{name}"), id)? {
                tree.files.insert(name, made);
            }
        }
        let stays = |name: &Name, _: &mut Subtree| {
            self.modifier.announce(|| format!("{path}/{name}")) == Pass::Kept
        };
        tree.dirs.retain(stays);
        Ok(true)
    }

    fn file(&self, path: &str, id: FileId) -> Result<Option<FileId>, Failure> {
        let mut stored = self.transaction.repo().file(&id)?;
        let mut header = stored.header.clone();
        let pass = self
            .modifier
            .apply_file(|| path.to_owned(), &mut header, Origin::Tree)?;
        if pass == Pass::Skipped {
            return Ok(None);
        }
        let size = stored.size;
        let made: Result<FileId, WriteError> = self.transaction.file(&header, size, &mut stored);
        Ok(Some(made.within(format_args!("cannot make {id} again"))?))
    }
}
