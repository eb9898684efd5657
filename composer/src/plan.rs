//! What is to be done for one branch and architecture, before any package is opened.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use apk_format::database::RepositoryReader;
use apk_format::{Dependency, Dialect, Digest, Record};
use ostree_store::repo::Transaction;

use crate::base::{self, Base};
use crate::catalog::{self, Repository, Source};
use crate::event::{Notice, Watch};
use crate::manifest::{Branch, Manifest};
use crate::resolve::{
    self, ChangeKind, Installed, Operation, Preference, Problem, RequestOptions, Universe,
};
use crate::{ComposeError, Options};

/// One system to make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'m> {
    /// The branch's name in the manifest.
    pub(crate) name: &'m str,
    /// The branch.
    pub(crate) branch: &'m Branch,
    /// The architecture.
    pub(crate) arch: &'m str,
}

/// One system, solved.
#[derive(Debug)]
pub(crate) struct Plan<'m> {
    pub(crate) target: Target<'m>,
    pub(crate) base: Base,
    /// The form of the package database.
    pub(crate) dialect: Dialect,
    /// What is asked for from now on.
    pub(crate) world: Vec<Dependency>,
    /// In apk's order.
    pub(crate) steps: Vec<Step>,
    pub(crate) notices: Vec<Notice>,
    /// The packages that will be there, for branches that extend this one.
    pub(crate) chosen: Vec<Record>,
}

/// One change of the package set.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A package comes, in place of another version if there is one.
    Install {
        record: Box<Record>,
        repository: Arc<Repository>,
        tag: Option<String>,
        /// As `apk` would announce it.
        line: String,
    },
    /// A package goes.
    Remove { name: String, line: String },
}

impl Step {
    /// As apk announces it: `Installing NAME (VERSION)`.
    pub(crate) fn line(&self) -> &str {
        match self {
            Step::Install { line, .. } | Step::Remove { line, .. } => line,
        }
    }
}

/// The catalogs read so far; branches share them.
pub(crate) type Catalogs = BTreeMap<(Source, String, Vec<Digest>), Arc<Repository>>;

impl<'m> Target<'m> {
    /// Every branch for every architecture, in the order of names.
    pub(crate) fn all(manifest: &'m Manifest) -> impl Iterator<Item = Target<'m>> {
        manifest.branch.iter().flat_map(|(name, branch)| {
            manifest
                .repositories
                .arch
                .iter()
                .map(move |arch| Target { name, branch, arch })
        })
    }

    /// All of them so that each comes after what it extends: parents first, else in the order of names.
    pub(crate) fn parents_first(manifest: &'m Manifest) -> Vec<Target<'m>> {
        let mut targets: Vec<Target<'m>> = Target::all(manifest).collect();
        targets.sort_by_key(|target| target.depth(manifest));
        targets
    }

    /// How many branches this one extends.
    pub(crate) fn depth(self, manifest: &Manifest) -> usize {
        manifest.line(self.name).len()
    }

    /// Whether this is what another target extends.
    pub(crate) fn is_parent_of(self, other: Target<'_>) -> bool {
        other.branch.extends.as_deref() == Some(self.name) && other.arch == self.arch
    }

    /// Opens the base and reads the indexes: all that there is to choose from. `pinned` is what the parent chose.
    pub(crate) fn choices(
        self,
        manifest: &Manifest,
        dir: &Path,
        pinned: Vec<Record>,
        catalogs: &mut Catalogs,
        objects: Option<&Transaction<'_>>,
        watch: &dyn Watch,
    ) -> Result<(Choices, Vec<Notice>), ComposeError> {
        let line = manifest.line(self.name);
        let from = line.iter().find_map(|branch| branch.from.as_ref());
        let base = match (from, objects) {
            (None, _) => Base::default(),
            (from, Some(objects)) => base::open(from, self.arch, dir, objects)?,
            (Some(_), None) => return Err(ComposeError::NoRepository),
        };
        let mut notices = Vec::new();
        let sources = sources(manifest, &base, self.arch, dir, &mut notices)?;
        let mut repositories = Vec::new();
        for source in &sources {
            repositories.push(self.repository(source, manifest, &base, dir, catalogs, watch)?);
        }
        let choices = Choices {
            wanted: manifest.world(self.name)?,
            arch: self.arch.to_owned(),
            base,
            repositories,
            pinned,
        };
        Ok((choices, notices))
    }

    /// Chooses the packages; `parent` is the plan of the branch that this one extends.
    pub(crate) fn plan(
        self,
        manifest: &Manifest,
        options: &Options,
        parent: Option<&Plan<'m>>,
        catalogs: &mut Catalogs,
        objects: &Transaction<'_>,
        watch: &dyn Watch,
    ) -> Result<Plan<'m>, ComposeError> {
        let pinned = parent.map(|plan| plan.chosen.clone()).unwrap_or_default();
        let dir = &options.dir;
        let (choices, notices) =
            self.choices(manifest, dir, pinned, catalogs, Some(objects), watch)?;
        let solution = choices
            .solve()
            .map_err(|source| self.unsolved(&choices, source))?;
        let steps: Vec<Step> = solution
            .changes
            .iter()
            .filter_map(|change| step(change, &choices.repositories))
            .collect();
        let chosen = solution.changes.iter().filter_map(|change| change.new);
        let chosen = chosen.map(|new| new.record.clone()).collect();
        let world = solution.world;
        let line = manifest.line(self.name);
        let said = line.iter().rev().find_map(|branch| branch.dialect);
        let said = said.or(options.dialect);
        Ok(Plan {
            target: self,
            dialect: said.unwrap_or_else(|| dialect(&choices.base, &steps)),
            base: choices.base,
            world,
            steps,
            notices,
            chosen,
        })
    }

    /// What is chosen, for branches that extend this one.
    pub(crate) fn chosen(self, choices: &Choices) -> Result<Vec<Record>, ComposeError> {
        let solution = choices
            .solve()
            .map_err(|source| self.unsolved(choices, source))?;
        let chosen = solution.changes.iter().filter_map(|change| change.new);
        Ok(chosen.map(|new| new.record.clone()).collect())
    }

    /// A request without a solution, and the smallest part of it that has none.
    pub(crate) fn unsolved(self, choices: &Choices, source: resolve::ResolveError) -> ComposeError {
        let contradiction = match source {
            resolve::ResolveError::Unsatisfiable(_) => choices.contradiction(),
            _ => None,
        };
        ComposeError::Resolve {
            branch: self.name.to_owned(),
            arch: self.arch.to_owned(),
            source: Box::new(source),
            contradiction: contradiction.map(Box::new),
        }
    }

    fn repository(
        self,
        source: &Source,
        manifest: &Manifest,
        base: &Base,
        dir: &Path,
        catalogs: &mut Catalogs,
        watch: &dyn Watch,
    ) -> Result<Arc<Repository>, ComposeError> {
        let places: Vec<_> = manifest
            .repositories
            .keys
            .iter()
            .map(|place| dir.join(place))
            .collect();
        let mut keys = catalog::read_keys(&places)?;
        for (name, pem) in &base.keys {
            keys.entry(name.clone()).or_insert_with(|| pem.clone());
        }
        // The keys are part of the cache's key: a base's own keys must not vouch for another branch.
        let trusted = keys
            .iter()
            .flat_map(|(name, pem)| [Digest::sha1(name.as_bytes()), Digest::sha1(pem)])
            .collect();
        let key = (source.clone(), self.arch.to_owned(), trusted);
        if let Some(known) = catalogs.get(&key) {
            return Ok(Arc::clone(known));
        }
        let repository = catalog::load(source, self.arch, &catalog::key_ring(&keys)?, watch)
            .map_err(|error| error.with_keys_from(&places))?;
        let repository = Arc::new(repository);
        catalogs.insert(key, Arc::clone(&repository));
        Ok(repository)
    }
}

/// All that there is to choose from for one branch and architecture, and what is wanted.
#[derive(Debug)]
pub struct Choices {
    /// The wishes of the branch and of those it extends.
    pub wanted: Vec<Dependency>,
    /// What the parent chose.
    pub pinned: Vec<Record>,
    arch: String,
    base: Base,
    repositories: Vec<Arc<Repository>>,
}

impl Choices {
    /// As the solver wants it.
    #[must_use]
    pub fn universe(&self) -> Universe<'_> {
        let installed = self
            .base
            .installed
            .packages
            .iter()
            .map(|package| Installed {
                record: &package.record,
                tag: package.tag.as_deref(),
                replaces: &package.replaces,
            });
        let repositories = self.repositories.iter();
        let offered = repositories.map(|repository| resolve::Repository {
            tag: repository.source.tag.as_deref(),
            records: &repository.records,
            ..resolve::Repository::default()
        });
        Universe {
            repositories: offered.collect(),
            installed: installed.collect(),
            pinned: self.pinned.iter().collect(),
            architectures: vec![&self.arch],
            ..Universe::default()
        }
    }

    /// The world of the tree that the branch starts from.
    #[must_use]
    pub fn world(&self) -> &[Dependency] {
        &self.base.world.dependencies
    }

    /// The wishes, added to that world.
    #[must_use]
    pub fn operation(&self) -> Operation<'_> {
        Operation::Add {
            wanted: &self.wanted,
            preference: Preference::Installed,
        }
    }

    fn solve(&self) -> Result<resolve::Solution<'_>, resolve::ResolveError> {
        let mut problem = Problem::new(&self.universe(), self.world())?;
        problem.resolve(self.operation(), RequestOptions::default())
    }

    fn contradiction(&self) -> Option<resolve::Contradiction> {
        let mut problem = Problem::new(&self.universe(), self.world()).ok()?;
        problem.contradiction(self.operation(), RequestOptions::default())
    }
}

/// The dialect that the base has, else that of the apk-tools that the system will have, else the newer one.
fn dialect(base: &Base, steps: &[Step]) -> Dialect {
    let coming = steps.iter().filter_map(|step| match step {
        Step::Install { record, .. } => Some(&**record),
        Step::Remove { .. } => None,
    });
    let there = base
        .installed
        .packages
        .iter()
        .map(|package| &package.record);
    let apk_tools = coming.chain(there).find(|record| record.name == APK_TOOLS);
    let of_tools = apk_tools.map(|record| {
        let major = record.version.as_str().split('.').next().map(str::parse);
        match major {
            Some(Ok(0..3_u32)) => Dialect::Apk2,
            _ => Dialect::Apk3,
        }
    });
    base.dialect.or(of_tools).unwrap_or_default()
}

const APK_TOOLS: &str = "apk-tools";

/// The repositories of the manifest, then those of the base that are directories here.
fn sources(
    manifest: &Manifest,
    base: &Base,
    arch: &str,
    dir: &Path,
    notices: &mut Vec<Notice>,
) -> Result<Vec<Source>, ComposeError> {
    let mut sources = Vec::new();
    for url in &manifest.repositories.urls {
        sources.push(Source::parse(url, dir)?);
    }
    // The lines of a foreign tree are not this manifest's wishes: what cannot be had is said, not refused.
    let mut lines = RepositoryReader::new(arch);
    for line in &base.repositories {
        let listed = lines.read_line(line, true);
        if listed.is_err() {
            notices.push(Notice::RepositorySkipped { url: line.clone() });
        }
        for listed in listed.unwrap_or_default() {
            match Source::listed(&listed) {
                Some(source) if source.path.exists() => sources.push(source),
                _ => notices.push(Notice::RepositorySkipped { url: listed.url }),
            }
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    sources.retain(|source| seen.insert(source.clone()));
    Ok(sources)
}

fn step(change: &resolve::Change<'_>, repositories: &[Arc<Repository>]) -> Option<Step> {
    let kind = change.kind();
    let line = announce(change, kind);
    match (kind, &change.old, &change.new) {
        (ChangeKind::Keep | ChangeKind::Retag, ..) => None,
        (ChangeKind::Purge, Some(old), _) => Some(Step::Remove {
            name: old.record.name.to_string(),
            line,
        }),
        (_, _, Some(new)) => {
            let offer = new.offer?;
            let repository = repositories.get(offer.repository)?;
            let record = repository.records.get(offer.record)?;
            Some(Step::Install {
                record: Box::new(record.clone()),
                repository: Arc::clone(repository),
                tag: new.tag.map(str::to_owned),
                line,
            })
        }
        _ => None,
    }
}

/// The line that apk prints for a change, without its number.
fn announce(change: &resolve::Change<'_>, kind: ChangeKind) -> String {
    let verb = match kind {
        ChangeKind::Keep => "Keeping",
        ChangeKind::Install => "Installing",
        ChangeKind::Purge => "Purging",
        ChangeKind::Upgrade => "Upgrading",
        ChangeKind::Downgrade => "Downgrading",
        ChangeKind::Replace => "Replacing",
        ChangeKind::Reinstall => "Reinstalling",
        ChangeKind::Retag => "Updating pinning",
    };
    let Some(shown) = change.new.as_ref().or(change.old.as_ref()) else {
        return String::new();
    };
    let tag = shown.tag.map(|tag| format!("@{tag}")).unwrap_or_default();
    let versions = match (kind, &change.old) {
        (ChangeKind::Upgrade | ChangeKind::Downgrade | ChangeKind::Replace, Some(old)) => {
            format!("{} -> {}", old.record.version, shown.record.version)
        }
        _ => shown.record.version.to_string(),
    };
    format!("{verb} {}{tag} ({versions})", shown.record.name)
}
