//! From what a user types to a commit.

use super::{ReadError, RefError, RefName, Repo};
use crate::checksum::CommitId;
use crate::object::ObjectKind;
use crate::path_error::PathError;

/// Why a revision names no commit.
#[derive(Debug, thiserror::Error)]
pub enum RevError {
    /// Neither a ref nor the beginning of a commit's checksum.
    #[error("Refspec '{rev}' not found")]
    NotFound {
        /// What was asked for.
        rev: String,
    },
    /// The beginning of several commits' checksums.
    #[error("Refspec {rev} not unique")]
    NotUnique {
        /// What was asked for.
        rev: String,
    },
    /// `^` of a first commit.
    #[error("Commit {commit} has no parent")]
    NoParent {
        /// The commit.
        commit: CommitId,
    },
    /// A ref could not be read.
    #[error(transparent)]
    Ref(#[from] RefError),
    /// A commit could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The objects could not be listed.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl Repo {
    /// The commit that `rev` means, in ostree's order: a whole checksum (whether there is such a commit or not),
    /// the beginning of exactly one commit's checksum, `REV^`, `remote:ref`, `ref`, `remote/ref`, a ref of the
    /// first remote that has it.
    pub fn resolve(&self, rev: &str) -> Result<CommitId, RevError> {
        self.resolve_if_any(rev)?.ok_or_else(|| RevError::NotFound {
            rev: rev.trim_end_matches('^').to_owned(),
        })
    }

    /// As [`Repo::resolve`], with nothing found as `None`.
    pub fn resolve_if_any(&self, rev: &str) -> Result<Option<CommitId>, RevError> {
        let base = rev.trim_end_matches('^');
        let Some(mut commit) = self.resolve_base(base)? else {
            return Ok(None);
        };
        for _ in base.len()..rev.len() {
            commit = self
                .commit(&commit)?
                .parent
                .ok_or(RevError::NoParent { commit })?;
        }
        Ok(Some(commit))
    }

    fn resolve_base(&self, rev: &str) -> Result<Option<CommitId>, RevError> {
        if let Ok(checksum) = rev.parse() {
            return Ok(Some(CommitId::new(checksum)));
        }
        if rev
            .bytes()
            .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
            && let Some(commit) = self.abbreviated(rev)?
        {
            return Ok(Some(commit));
        }
        let name: RefName = rev.parse()?;
        if let Some(commit) = self.read_ref(&name)? {
            return Ok(Some(commit));
        }
        if name.remote().is_some() {
            return Ok(None);
        }
        self.resolve_in_remotes(rev)
    }

    /// `origin/foo`, or `foo` of the first remote that has it.
    fn resolve_in_remotes(&self, rev: &str) -> Result<Option<CommitId>, RevError> {
        let spelled = rev
            .split_once('/')
            .map(|(remote, name)| format!("{remote}:{name}"));
        let listed = self
            .config()
            .remotes()
            .map(|remote| format!("{remote}:{rev}"));
        for candidate in spelled.into_iter().chain(listed) {
            if let Ok(name) = candidate.parse()
                && let Some(commit) = self.read_ref(&name)?
            {
                return Ok(Some(commit));
            }
        }
        Ok(None)
    }

    /// The one commit whose checksum begins with these digits.
    fn abbreviated(&self, digits: &str) -> Result<Option<CommitId>, RevError> {
        let objects = self.objects()?;
        let mut commits = objects.iter().filter(|(kind, checksum)| {
            *kind == ObjectKind::Commit && checksum.to_string().starts_with(digits)
        });
        match (commits.next(), commits.next()) {
            (Some((_, checksum)), None) => Ok(Some(CommitId::new(*checksum))),
            (Some(_), Some(_)) => Err(RevError::NotUnique {
                rev: digits.to_owned(),
            }),
            (None, _) => Ok(None),
        }
    }
}
