//! Which commits stay, and everything they reach.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{PruneError, PruneOptions};
use crate::checksum::CommitId;
use crate::object::{Commit, ObjectKind};
use crate::repo::Repo;
use crate::upkeep::Object;
use crate::upkeep::reach::{Reach, Unsound, sound};

/// The commits from which everything that stays can be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Roots {
    /// Every commit that is there.
    #[default]
    Commits,
    /// Those that refs name, with some of their ancestors.
    Refs {
        /// How many ancestors of refs with a rule of their own, by refspec.
        branches: BTreeMap<String, Ancestors>,
        /// How many of all other refs.
        others: Ancestors,
    },
}

/// How many ancestors of a ref's commit stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ancestors {
    /// All that are there.
    All,
    /// This many generations.
    Generations(u32),
    /// Those up to the first one older than this, in seconds since 1970.
    Since(i64),
}

/// What stays because some commit needs it.
pub(super) fn reach(
    repo: &Repo,
    options: &PruneOptions,
    objects: &[Object],
) -> Result<Reach, PruneError> {
    let commits = match &options.roots {
        Roots::Commits => objects
            .iter()
            .filter(|(kind, _)| *kind == ObjectKind::Commit)
            .map(|(_, name)| CommitId::new(*name))
            .collect::<BTreeSet<_>>(),
        Roots::Refs { branches, others } => commits_of_refs(repo, branches, *others)?,
    };
    let partial = crate::upkeep::partial_commits(repo)?;
    let mut reach = Reach::default();
    // Whole commits first: a dirtree that a partial one met in vain must not count as seen.
    for tolerant in [false, true] {
        for id in commits
            .iter()
            .filter(|id| partial.contains_key(*id) == tolerant)
        {
            reach.insert((ObjectKind::Commit, *id.checksum()));
            if !options.commits_only {
                add_tree_of(repo, id, tolerant, &mut reach)?;
            }
        }
    }
    Ok(reach)
}

/// Adds what a commit reaches. Only a partial commit may lack directories.
fn add_tree_of(
    repo: &Repo,
    id: &CommitId,
    tolerant: bool,
    reach: &mut Reach,
) -> Result<(), PruneError> {
    let commit = load(repo, id)?;
    reach.add_dir(repo, commit.root_tree, commit.root_meta, &mut |_, gap| {
        if tolerant && gap.is_absence() {
            Ok(())
        } else {
            Err(PruneError::Unsound(gap))
        }
    })
}

/// Every commit that a ref keeps. A commit that several refs reach is kept as the one says that keeps most: ostree
/// stops at a commit it has seen, so that there the order of its hash table decides.
fn commits_of_refs(
    repo: &Repo,
    branches: &BTreeMap<String, Ancestors>,
    others: Ancestors,
) -> Result<BTreeSet<CommitId>, PruneError> {
    let mut followed = HashMap::new();
    for (refspec, commit) in repo.refs()? {
        let rule = branches.get(&refspec).copied().unwrap_or(others);
        follow(repo, commit, rule, &mut followed)?;
    }
    for (_, _, commit) in repo.mirrored_refs()? {
        follow(repo, commit, others, &mut followed)?;
    }
    Ok(followed.into_keys().collect())
}

/// With which rules the way through a commit has been followed.
#[derive(Clone, Copy, Default)]
struct Followed {
    all: bool,
    generations: Option<u32>,
    since: bool,
}

impl Followed {
    fn covers(&self, rule: Ancestors) -> bool {
        let so = match rule {
            Ancestors::All => false,
            Ancestors::Generations(count) => self.generations.is_some_and(|known| known >= count),
            Ancestors::Since(_) => self.since,
        };
        self.all || so
    }

    fn note(&mut self, rule: Ancestors) {
        match rule {
            Ancestors::All => self.all = true,
            Ancestors::Generations(count) => self.generations = Some(count),
            Ancestors::Since(_) => self.since = true,
        }
    }
}

/// Keeps a ref's commit and its ancestors as far as the rule and the commits that are there go.
fn follow(
    repo: &Repo,
    head: CommitId,
    mut rule: Ancestors,
    followed: &mut HashMap<CommitId, Followed>,
) -> Result<(), PruneError> {
    let mut next = Some(head);
    while let Some(id) = next {
        let known = followed.get(&id).copied().unwrap_or_default();
        if known.covers(rule) {
            return Ok(());
        }
        let commit = match load(repo, &id) {
            Ok(commit) => commit,
            Err(unsound) if unsound.is_absence() => return Ok(()),
            Err(unsound) => return Err(unsound.into()),
        };
        let young = !matches!(rule, Ancestors::Since(time) if is_older(&commit, time));
        if !young && id != head {
            return Ok(());
        }
        let known = followed.entry(id).or_default();
        known.note(rule);
        next = commit.parent.filter(|_| young);
        rule = match rule {
            Ancestors::Generations(0) => return Ok(()),
            Ancestors::Generations(count) => Ancestors::Generations(count - 1),
            rule => rule,
        };
    }
    Ok(())
}

/// Times of commits have no sign in ostree; those before 1970 are later than all others.
fn is_older(commit: &Commit, time: i64) -> bool {
    u64::try_from(time).is_ok_and(|time| commit.timestamp.cast_unsigned() < time)
}

fn load(repo: &Repo, id: &CommitId) -> Result<Commit, Unsound> {
    sound(repo, (ObjectKind::Commit, *id.checksum()), Commit::parse)
}

/// The first ref that names a commit, in the words of ostree's error.
pub(super) fn name_of(repo: &Repo, commit: &CommitId) -> Result<Option<String>, PruneError> {
    let refs = repo.refs()?;
    if let Some((refspec, _)) = refs.iter().find(|(_, named)| *named == commit) {
        return Ok(Some(format!("'{refspec}'")));
    }
    let mirrors = repo.mirrored_refs()?;
    let found = mirrors.iter().find(|(_, _, named)| named == commit);
    Ok(found.map(|(collection, name, _)| format!("({collection}, {name})")))
}
