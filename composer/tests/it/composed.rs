//! Composes into a scratch repository and reads the result back through the repository.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use composer::manifest::Manifest;
use composer::{ComposeError, Composed, Dialect, Options, compose};
use ostree_store::checksum::CommitId;
use ostree_store::object::FileHeader;
use ostree_store::repo::{Repo, RepoMode};
use ostree_store::tree::DirTreeSource;

/// A repository that goes away with the test.
pub(crate) struct Scratch {
    dir: fixtures::Scratch,
    pub(crate) repo: Repo,
}

/// One path of a commit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Dir {
        uid: u32,
        gid: u32,
        mode: u32,
    },
    File {
        header: FileHeader,
        content: Vec<u8>,
    },
}

impl Scratch {
    pub(crate) fn new(mode: RepoMode) -> Scratch {
        let dir = fixtures::scratch("compose");
        let repo = Repo::create(&dir.path().join("repo"), mode).unwrap();
        Scratch { dir, repo }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Composes a manifest whose relative paths begin at `dir`.
    pub(crate) fn compose(
        &self,
        manifest: &str,
        dir: PathBuf,
    ) -> Result<Vec<Composed>, ComposeError> {
        let manifest = Manifest::parse(manifest)?;
        compose(
            &manifest,
            &self.repo,
            &Options {
                dir,
                ..Options::default()
            },
            &(),
        )
    }

    /// The same with the database of one dialect.
    pub(crate) fn compose_as(
        &self,
        dialect: Dialect,
        manifest: &str,
        dir: PathBuf,
    ) -> Result<Vec<Composed>, ComposeError> {
        let options = Options {
            dir,
            dialect: Some(dialect),
            ..Options::default()
        };
        compose(&Manifest::parse(manifest)?, &self.repo, &options, &())
    }

    /// Every path of a commit, `.` for the root.
    pub(crate) fn tree(&self, commit: &str) -> BTreeMap<String, Found> {
        let commit = self
            .repo
            .commit(&CommitId::new(commit.parse().unwrap()))
            .unwrap();
        let mut found = BTreeMap::new();
        let mut dirs = vec![(String::new(), commit.root_tree, commit.root_meta)];
        while let Some((path, tree, meta)) = dirs.pop() {
            let meta = self.repo.dirmeta(&meta).unwrap();
            let shown = if path.is_empty() {
                ".".to_owned()
            } else {
                path.clone()
            };
            found.insert(
                shown,
                Found::Dir {
                    uid: meta.uid,
                    gid: meta.gid,
                    mode: meta.mode,
                },
            );
            let tree = self.repo.dirtree(&tree).unwrap();
            let below = |name: &str| {
                if path.is_empty() {
                    name.to_owned()
                } else {
                    format!("{path}/{name}")
                }
            };
            for (name, id) in &tree.files {
                let mut file = self.repo.file(id).unwrap();
                let mut content = Vec::new();
                file.read_to_end(&mut content).unwrap();
                found.insert(
                    below(name.as_str()),
                    Found::File {
                        header: file.header,
                        content,
                    },
                );
            }
            dirs.extend(
                tree.dirs
                    .iter()
                    .map(|(name, (tree, meta))| (below(name.as_str()), *tree, *meta)),
            );
        }
        found
    }
}

/// The content of a file of a commit.
#[track_caller]
pub(crate) fn content<'t>(tree: &'t BTreeMap<String, Found>, path: &str) -> &'t [u8] {
    match tree.get(path) {
        Some(Found::File { content, .. }) => content,
        other => panic!("{path} is {other:?}"),
    }
}

/// Compares two texts and shows the first line that differs.
#[track_caller]
pub(crate) fn assert_text(what: &str, actual: &[u8], expected: &[u8]) {
    if actual == expected {
        return;
    }
    let (actual, expected) = (
        String::from_utf8_lossy(actual),
        String::from_utf8_lossy(expected),
    );
    for (number, (a, b)) in actual.lines().zip(expected.lines()).enumerate() {
        assert_eq!(a, b, "{what}, line {}", number + 1);
    }
    panic!(
        "{what}: {} lines where {} are expected",
        actual.lines().count(),
        expected.lines().count()
    );
}
