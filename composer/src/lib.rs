//! Packages become one tree, one commit.
//!
//! ```text
//! manifest → catalog → resolve → acquire → import (accounts) → union → overlay → database → commit → ref
//! ```
//!
//! [`compose`] is that flow. It is a library first: nothing here prints, reads the clock or the environment.

pub mod accounts;
pub mod acquire;
pub mod audit;
pub mod base;
mod branch;
pub mod cache;
pub mod catalog;
pub mod changeset;
pub mod database;
pub mod directories;
pub mod event;
pub mod extract;
pub mod foreign;
pub mod import;
pub mod indexing;
pub mod install;
pub mod inventory;
pub mod layer;
pub mod manifest;
pub mod message;
pub mod overlay;
pub mod ownership;
pub mod packing;
mod plan;
pub mod resolve;
pub mod root;
pub mod scripts;
pub mod union;
pub mod why;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use apk_format::Dialect;
use apk_format::{Digest, DigestKind, PackageInfo, Record};
use ostree_store::object::{ObjectSink, WriteError};
use ostree_store::repo::{ReadError, RefError, Repo, RepoError, RevError, Transaction};
use ostree_store::tree::TreeError;
use rayon::prelude::*;
use serde::Serialize;

use accounts::Accounts;
use branch::Maker;
use event::{Event, Notice, Watch};
use layer::{Layer, title};
use manifest::Manifest;
use message::ListedPackage;
pub use plan::Choices;
use plan::{Catalogs, Plan, Step, Target};

/// How to compose, beyond what the manifest says.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where relative paths of the manifest begin.
    pub dir: PathBuf,
    /// Seconds since 1970 for every commit, where the manifest does not say them.
    pub timestamp: Option<i64>,
    /// The form of the package database, where the manifest does not say it.
    pub dialect: Option<Dialect>,
    /// Only choose packages; open none and write nothing.
    pub dry_run: bool,
}

/// What was made of one branch for one architecture.
#[derive(Clone, Debug, Serialize)]
pub struct Composed {
    /// The branch's name in the manifest.
    pub branch: String,
    /// The architecture.
    pub arch: String,
    /// The ref.
    #[serde(rename = "ref")]
    pub name: String,
    /// The commit; none in a dry run.
    pub commit: Option<String>,
    /// Whether the ref named an equal commit before, so that nothing was to be done.
    pub unchanged: bool,
    /// What apk would say it does: `Installing NAME (VERSION)`, in order.
    pub steps: Vec<String>,
    /// Every package in the tree.
    pub packages: Vec<ListedPackage>,
    /// What was not done, or not as a package asked.
    pub notices: Vec<Notice>,
}

/// Why nothing was composed. The repository is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// The manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] manifest::ManifestError),
    /// A repository or key cannot be used.
    #[error(transparent)]
    Catalog(#[from] catalog::CatalogError),
    /// A base cannot be used.
    #[error(transparent)]
    Base(#[from] base::BaseError),
    /// No set of packages is what was asked for.
    #[error("branch {branch:?} for {arch} cannot be composed: {source}{}", also(contradiction.as_deref()))]
    Resolve {
        /// The branch.
        branch: String,
        /// The architecture.
        arch: String,
        /// Why.
        source: Box<resolve::ResolveError>,
        /// The smallest part of it that cannot be had.
        contradiction: Option<Box<resolve::Contradiction>>,
    },
    /// A branch starts from a tree, and there is no repository that could hold it.
    #[error("the branch starts from a tree, which needs a repository to be opened")]
    NoRepository,
    /// A branch or architecture that the manifest does not have.
    #[error("the manifest has no branch {branch:?} for {arch:?}")]
    NoTarget {
        /// The branch.
        branch: String,
        /// The architecture.
        arch: String,
    },
    /// A package file could not be opened.
    #[error("package {package}")]
    Acquire {
        /// `name-version`
        package: String,
        /// Why.
        source: acquire::AcquireError,
    },
    /// A package is not what it should be.
    #[error("package {package}")]
    Import {
        /// `name-version`
        package: String,
        /// Why.
        source: Box<import::ImportError>,
    },
    /// Packages do not fit together.
    #[error("branch {branch:?} for {arch}")]
    Union {
        /// The branch.
        branch: String,
        /// The architecture.
        arch: String,
        /// Why.
        source: Box<union::UnionError>,
    },
    /// An overlay does not fit.
    #[error(transparent)]
    Overlay(#[from] overlay::OverlayError),
    /// The tree could not be written.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// An object could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// An object could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The ref could not be read, or its name is none.
    #[error(transparent)]
    Ref(#[from] RefError),
    /// A revision could not be found.
    #[error(transparent)]
    Revision(#[from] RevError),
    /// The repository refused.
    #[error(transparent)]
    Repo(#[from] RepoError),
}

impl ComposeError {
    /// What would help, if that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            ComposeError::Catalog(error) => error.hint(),
            ComposeError::Union { source, .. } => source.hint(),
            ComposeError::Resolve {
                contradiction: Some(contradiction),
                ..
            } if contradiction.hint.is_some() => contradiction.hint.clone(),
            ComposeError::NoRepository => Some("give --repo PATH".into()),
            ComposeError::Resolve { source, .. } => match source.as_ref() {
                resolve::ResolveError::Unsatisfiable(reasons) => {
                    let general =
                        "leave out what needs it, or add a repository that has what is missing";
                    reasons.hints().next().or(Some(general.into()))
                }
                _ => None,
            },
            ComposeError::Import { source, .. } => source.hint(),
            ComposeError::Acquire { .. } => Some(
                "the index lists a package that the repository does not have; \
                make the index again, or copy the package"
                    .into(),
            ),
            _ => None,
        }
    }
}

/// The smallest part of a request that cannot be had, on lines of its own.
fn also(contradiction: Option<&resolve::Contradiction>) -> String {
    contradiction.map_or(String::new(), |found| format!("\n{found}"))
}

/// All that there is to choose from for a branch of a manifest, with what the branches that it extends have chosen.
///
/// `objects` is needed only if the branch starts from a tree.
pub fn choices(
    manifest: &Manifest,
    branch: &str,
    arch: &str,
    dir: &Path,
    objects: Option<&Transaction<'_>>,
) -> Result<Choices, ComposeError> {
    let mut catalogs = Catalogs::new();
    let mut pinned = Vec::new();
    let targets = Target::parents_first(manifest);
    let mut wanted = manifest.line(branch).into_iter().peekable();
    while let Some(one) = wanted.next() {
        let mut same = targets.iter().filter(|target| target.arch == arch);
        let Some(target) = same.find(|target| std::ptr::eq(target.branch, one)) else {
            break;
        };
        let found = target.choices(manifest, dir, pinned, &mut catalogs, objects, &())?;
        if wanted.peek().is_none() {
            return Ok(found.0);
        }
        pinned = target.chosen(&found.0)?;
    }
    Err(ComposeError::NoTarget {
        branch: branch.to_owned(),
        arch: arch.to_owned(),
    })
}

/// Makes every branch of the manifest for every architecture, and moves their refs together at the end.
///
/// Each package is read once, however many branches have it. If anything fails, no ref has moved and no object has
/// become visible.
pub fn compose(
    manifest: &Manifest,
    repo: &Repo,
    options: &Options,
    watch: &dyn Watch,
) -> Result<Vec<Composed>, ComposeError> {
    let objects = repo.transaction()?;
    let mut catalogs = Catalogs::new();
    let mut plans: Vec<Plan<'_>> = Vec::new();
    for target in Target::parents_first(manifest) {
        let parent = plans.iter().find(|plan| plan.target.is_parent_of(target));
        plans.push(target.plan(manifest, options, parent, &mut catalogs, &objects, watch)?);
    }
    if options.dry_run {
        let planned: Result<Vec<Composed>, ComposeError> = plans.iter().map(planned).collect();
        return planned.map(in_order);
    }
    let layers = import_all(&plans, &objects, watch)?;
    let maker = Maker {
        manifest,
        options,
        layers: &layers,
        objects: &objects,
        watch,
    };
    let mut composed: Vec<Composed> = Vec::new();
    while let Some(first) = plans.first() {
        // Branches that extend none, then those that extend these: a commit names that of its parent.
        let depth = first.target.depth(manifest);
        let deeper = plans.partition_point(|plan| plan.target.depth(manifest) == depth);
        let later = plans.split_off(deeper);
        let made: Vec<Result<Composed, ComposeError>> = std::mem::replace(&mut plans, later)
            .into_par_iter()
            .map(|plan| {
                let parent = composed.iter().find(|one| {
                    plan.target.branch.extends.as_ref() == Some(&one.branch)
                        && one.arch == plan.target.arch
                });
                maker.make(plan, parent)
            })
            .collect();
        // The first failure in the order of branches, whichever came first in time.
        let made: Vec<Composed> = made.into_iter().collect::<Result<_, _>>()?;
        composed.extend(made);
    }
    objects.publish()?;
    Ok(in_order(composed))
}

/// By branch; each branch has its architectures in the order of the manifest.
fn in_order(mut composed: Vec<Composed>) -> Vec<Composed> {
    composed.sort_by(|a, b| a.branch.cmp(&b.branch));
    composed
}

/// Layers by the identity of their packages, imported with the accounts of some base.
type Layers = HashMap<Digest, Arc<Layer>>;

/// Imports the packages of all plans, each once, the largest first so that none is left over at the end.
fn import_all(
    plans: &[Plan<'_>],
    objects: &Transaction<'_>,
    watch: &dyn Watch,
) -> Result<Layers, ComposeError> {
    let mut wanted: HashMap<Digest, (&Plan<'_>, &Step, &Record)> = HashMap::new();
    for plan in plans {
        for step in &plan.steps {
            if let Step::Install { record, .. } = step {
                wanted
                    .entry(record.identity)
                    .or_insert((plan, step, record));
            }
        }
    }
    let mut work: Vec<_> = wanted.into_values().collect();
    work.sort_by(|a, b| {
        b.2.size
            .cmp(&a.2.size)
            .then_with(|| title(a.2).cmp(&title(b.2)))
    });
    watch.event(&Event::Solved {
        packages: work.len(),
        bytes: work.iter().map(|(_, _, record)| record.size).sum(),
    });
    let layers: Vec<Result<Layer, ComposeError>> = work
        .par_iter()
        .map(|(plan, step, _)| {
            let accounts = plan.base.accounts.clone().of_dialect(plan.dialect);
            import_one(step, plan.target.arch, &accounts, objects, watch)
        })
        .collect();
    let mut imported = Layers::new();
    for layer in layers {
        let layer = layer?;
        imported.insert(layer.record.identity, Arc::new(layer));
    }
    Ok(imported)
}

fn import_one(
    step: &Step,
    arch: &str,
    accounts: &Accounts,
    sink: &dyn ObjectSink,
    watch: &dyn Watch,
) -> Result<Layer, ComposeError> {
    let Step::Install {
        record, repository, ..
    } = step
    else {
        return Err(WriteError::Content(std::io::Error::other("a removal has no package")).into());
    };
    let package = title(record);
    if record.installed_size == 0 {
        return Ok(empty(record)); // apk never downloads such packages, and runs none of their scripts
    }
    let archive =
        acquire::acquire(record, repository, arch).map_err(|source| ComposeError::Acquire {
            package: package.clone(),
            source,
        })?;
    let layer =
        import::import(record, archive, accounts, sink).map_err(|source| ComposeError::Import {
            package: package.clone(),
            source: Box::new(source),
        })?;
    watch.event(&Event::Imported {
        package: &package,
        bytes: record.size,
    });
    Ok(layer)
}

/// The layer of a package without files.
fn empty(record: &Record) -> Layer {
    Layer {
        record: record.clone(),
        info: PackageInfo::unopened(record.name.as_str(), record.version.clone()),
        file_digests: DigestKind::Sha1,
        scripts: Vec::new(),
        entries: Vec::new(),
        passwd: None,
        group: None,
    }
}

/// What a plan says without being carried out.
fn planned(plan: &Plan<'_>) -> Result<Composed, ComposeError> {
    let records = plan.steps.iter().filter_map(|step| match step {
        Step::Install { record, .. } => Some(ListedPackage::of(record)),
        Step::Remove { .. } => None,
    });
    Ok(Composed {
        branch: plan.target.name.to_owned(),
        arch: plan.target.arch.to_owned(),
        name: plan.target.branch.ref_for(plan.target.arch),
        commit: None,
        unchanged: false,
        steps: plan
            .steps
            .iter()
            .map(|step| step.line().to_owned())
            .collect(),
        packages: records.collect(),
        notices: plan.notices.clone(),
    })
}
