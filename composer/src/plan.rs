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
use crate::resolve::{self, ChangeKind, Installed, Operation, Preference, Request, Universe};
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

    /// Opens the base, reads the indexes and chooses the packages.
    pub(crate) fn plan(
        self,
        manifest: &Manifest,
        options: &Options,
        catalogs: &mut Catalogs,
        objects: &Transaction<'_>,
        watch: &dyn Watch,
    ) -> Result<Plan<'m>, ComposeError> {
        let dir = &options.dir;
        let wanted = self.branch.world(self.name)?;
        let base = base::open(self.branch.from.as_ref(), self.arch, dir, objects)?;
        let mut notices = Vec::new();
        let sources = sources(manifest, &base, self.arch, dir, &mut notices)?;
        let mut repositories = Vec::new();
        for source in &sources {
            repositories.push(self.repository(source, manifest, &base, dir, catalogs, watch)?);
        }
        let (world, steps) = self.solve(&wanted, &base, &repositories)?;
        let said = self.branch.dialect.or(options.dialect);
        Ok(Plan {
            target: self,
            dialect: said.unwrap_or_else(|| dialect(&base, &steps)),
            base,
            world,
            steps,
            notices,
        })
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
        let repository = catalog::load(source, self.arch, &catalog::key_ring(&keys)?, watch)?;
        let repository = Arc::new(repository);
        catalogs.insert(key, Arc::clone(&repository));
        Ok(repository)
    }

    fn solve(
        self,
        wanted: &[Dependency],
        base: &Base,
        repositories: &[Arc<Repository>],
    ) -> Result<(Vec<Dependency>, Vec<Step>), ComposeError> {
        let installed = base.installed.packages.iter().map(|package| Installed {
            record: &package.record,
            tag: package.tag.as_deref(),
            replaces: &package.replaces,
        });
        let offered = repositories.iter().map(|repository| resolve::Repository {
            tag: repository.source.tag.as_deref(),
            records: &repository.records,
        });
        let universe = Universe {
            repositories: offered.collect(),
            installed: installed.collect(),
            architectures: vec![self.arch],
        };
        let operation = Operation::Add {
            wanted,
            preference: Preference::Installed,
        };
        let request = Request {
            world: &base.world.dependencies,
            operation,
        };
        let solution =
            resolve::resolve(&universe, &request).map_err(|source| ComposeError::Resolve {
                branch: self.name.to_owned(),
                arch: self.arch.to_owned(),
                source: Box::new(source),
            })?;
        let steps = solution
            .changes
            .iter()
            .filter_map(|change| step(change, repositories))
            .collect();
        Ok((solution.world, steps))
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
