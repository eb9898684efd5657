//! One branch for one architecture: imported layers become a tree and its commit.

use std::collections::BTreeSet;
use std::sync::Arc;

use apk_format::World;
use ostree_store::checksum::CommitId;
use ostree_store::gvariant::{Dict, Value};
use ostree_store::object::{Commit, ObjectSink};
use ostree_store::repo::{RefName, Transaction};

use crate::accounts::Lookup;
use crate::base::Base;
use crate::event::{Event, Notice, Watch};
use crate::layer::Layer;
use crate::manifest::Manifest;
use crate::message::{self, Context, ListedPackage};
use crate::plan::{Plan, Step, Target};
use crate::union::Union;
use crate::{ComposeError, Composed, Layers, Options, database, import_one, overlay};

/// What all branches of one compose share.
pub(crate) struct Maker<'a> {
    pub(crate) manifest: &'a Manifest,
    pub(crate) options: &'a Options,
    /// The packages of all branches.
    pub(crate) layers: &'a Layers,
    pub(crate) objects: &'a Transaction<'a>,
    pub(crate) watch: &'a dyn Watch,
}

impl Maker<'_> {
    /// Makes the tree of a plan and commits it; the ref moves when the transaction is published.
    ///
    /// `parent` is what was made of the branch that this one extends.
    pub(crate) fn make(
        &self,
        plan: Plan<'_>,
        parent: Option<&Composed>,
    ) -> Result<Composed, ComposeError> {
        let Plan {
            target,
            mut base,
            dialect,
            world,
            steps,
            mut notices,
            chosen: _,
        } = plan;
        let chosen = self.with_accounts(
            &steps,
            target.arch,
            Lookup::new(base.accounts.clone(), dialect),
        )?;
        let records = database::Records {
            world: World {
                dependencies: world,
            },
            scripts: std::mem::take(&mut base.scripts),
            triggers: std::mem::take(&mut base.triggers),
        };
        let packages = base
            .installed
            .packages
            .iter()
            .map(|package| ListedPackage::of(&package.record));
        let before: Vec<ListedPackage> = packages.collect();
        let leaving = leaving(&base, &steps);
        let mut union = Union::new(base, dialect, leaving, self.objects)?;
        lay(&mut union, &steps, &chosen, target)?;
        let line = self.manifest.line(target.name);
        for overlay in line.iter().flat_map(|branch| &branch.overlays) {
            overlay::lay(
                &mut union.tree,
                overlay,
                &self.options.dir,
                self.objects,
                &mut notices,
            )?;
        }
        let installed: Vec<&Layer> = steps
            .iter()
            .filter_map(|step| layer_of(step, &chosen))
            .collect();
        let wanted: Vec<String> = records
            .world
            .dependencies
            .iter()
            .map(|wish| wish.name.clone())
            .collect();
        database::add(&mut union, records, &installed, target.arch, self.objects)?;
        notices.append(&mut union.notices);
        notices.extend(installed.iter().flat_map(|layer| not_run(layer)));
        let (packages, commit, unchanged) = self.commit(&union, target, parent, &wanted, before)?;
        let name = target.branch.ref_for(target.arch);
        self.watch.event(&Event::Committed {
            name: &name,
            commit: &commit.to_string(),
        });
        Ok(Composed {
            branch: target.name.to_owned(),
            arch: target.arch.to_owned(),
            name,
            commit: Some(commit.to_string()),
            unchanged,
            steps: steps.iter().map(|step| step.line().to_owned()).collect(),
            packages,
            notices,
        })
    }

    /// The layers of one branch, those imported again whose owners' names mean something else here.
    fn with_accounts(
        &self,
        steps: &[Step],
        arch: &str,
        mut lookup: Lookup,
    ) -> Result<Layers, ComposeError> {
        let mut chosen = Layers::new();
        for step in steps {
            let Step::Install { record, .. } = step else {
                continue;
            };
            let Some(layer) = self.layers.get(&record.identity) else {
                continue;
            };
            let accounts = lookup.next_package(layer.entries.iter().map(|entry| &*entry.named));
            lookup.installed(layer.passwd.as_deref(), layer.group.as_deref());
            let right = layer
                .entries
                .iter()
                .all(|entry| accounts.numbers(&entry.named) == (entry.uid, entry.gid));
            let layer = match right {
                // One `noarch` package stands under another architecture in each index.
                true if layer.record != **record => Arc::new(Layer {
                    record: (**record).clone(),
                    ..Layer::clone(layer)
                }),
                true => Arc::clone(layer),
                false => Arc::new(import_one(step, arch, &accounts, self.objects, &())?),
            };
            chosen.insert(record.identity, layer);
        }
        Ok(chosen)
    }

    /// Writes the tree and its commit, unless the ref has an equal one already.
    fn commit(
        &self,
        union: &Union<'_>,
        target: Target<'_>,
        extended: Option<&Composed>,
        wanted: &[String],
        before: Vec<ListedPackage>,
    ) -> Result<(Vec<ListedPackage>, CommitId, bool), ComposeError> {
        let name: RefName = target.branch.ref_for(target.arch).parse()?;
        let (root_tree, root_meta) = union.tree.write(self.objects)?;
        let mut packages: Vec<ListedPackage> = union
            .packages()
            .map(|package| ListedPackage::of(&package.record))
            .collect();
        packages.sort();
        let metadata = metadata(&name, self.manifest, &packages, extended);
        let parent = self.objects.repo().read_ref(&name)?;
        let previous = parent
            .map(|id| self.objects.repo().commit(&id))
            .transpose()?;
        if let (Some(id), Some(previous)) = (parent, &previous)
            && (previous.root_tree, previous.root_meta) == (root_tree, root_meta)
            && previous.metadata == metadata
        {
            return Ok((packages, id, true));
        }
        // Changes are told against the parent's list, or against the base where the parent has none.
        let earlier = previous
            .as_ref()
            .and_then(message::listed)
            .unwrap_or(before);
        let changes = message::changes(&earlier, &packages);
        let context = Context {
            arch: target.arch,
            branch: target.name,
            name: name.name(),
            wanted: wanted.iter().map(String::as_str).collect(),
            changes: &changes,
        };
        let id = self.objects.commit(&Commit {
            metadata,
            parent,
            related: Vec::new(),
            subject: context.subject(&self.manifest.commit),
            body: context.body(&self.manifest.commit),
            timestamp: self.timestamp(union, previous.as_ref()),
            root_tree,
            root_meta,
        })?;
        self.objects.set_ref(name, Some(id));
        Ok((packages, id, false))
    }

    /// The time of a commit is an input like any other: said by the manifest or the caller, else the newest build time
    /// of a package. Never earlier than the parent's, because ostree refuses to deploy what looks older.
    fn timestamp(&self, union: &Union<'_>, parent: Option<&Commit>) -> i64 {
        let newest = union
            .packages()
            .map(|package| package.record.build_time)
            .max()
            .unwrap_or(0);
        let given = self.manifest.commit.timestamp.or(self.options.timestamp);
        given.unwrap_or_else(|| {
            let newest = i64::try_from(newest).unwrap_or(i64::MAX);
            newest.max(parent.map_or(0, |parent| parent.timestamp))
        })
    }
}

/// Carries out the steps of a plan in the tree.
fn lay(
    union: &mut Union<'_>,
    steps: &[Step],
    layers: &Layers,
    target: Target<'_>,
) -> Result<(), ComposeError> {
    let failed = |source| ComposeError::Union {
        branch: target.name.to_owned(),
        arch: target.arch.to_owned(),
        source: Box::new(source),
    };
    for step in steps {
        match step {
            Step::Remove { name, .. } => union.remove(name).map_err(failed)?,
            Step::Install { record, tag, .. } => {
                if let Some(layer) = layers.get(&record.identity) {
                    union.install(layer, tag.as_deref()).map_err(failed)?;
                }
            }
        }
    }
    union.finish_directories().map_err(failed)
}

/// The names of packages that go, or that another version takes the place of.
fn leaving(base: &Base, steps: &[Step]) -> BTreeSet<String> {
    let names = steps.iter().filter_map(|step| match step {
        Step::Remove { name, .. } => Some(name.clone()),
        Step::Install { record, .. } => {
            let mut there = base
                .installed
                .packages
                .iter()
                .map(|package| &package.record);
            let replaced = there.any(|old| {
                old.name == record.name && !record.identity.same_identity(&old.identity)
            });
            replaced.then(|| record.name.to_string())
        }
    });
    names.collect()
}

fn layer_of<'l>(step: &Step, layers: &'l Layers) -> Option<&'l Layer> {
    match step {
        Step::Install { record, .. } => layers.get(&record.identity).map(Arc::as_ref),
        Step::Remove { .. } => None,
    }
}

fn not_run(layer: &Layer) -> impl Iterator<Item = Notice> {
    layer.scripts.iter().map(|script| Notice::ScriptNotRun {
        package: layer.title(),
        script: script.kind.name().to_owned(),
    })
}

/// Strings of the user first, then ours, then the binding: ostree's own order.
fn metadata(
    name: &RefName,
    manifest: &Manifest,
    packages: &[ListedPackage],
    extended: Option<&Composed>,
) -> Dict {
    let mut metadata = Dict::default();
    if let Some(version) = &manifest.commit.version {
        metadata.push("version", Value::from(version.as_str()));
    }
    metadata.push(message::PACKAGES, message::to_value(packages));
    if let Some(parent) = extended {
        let commit = parent.commit.as_deref().unwrap_or_default();
        metadata.push(message::EXTENDS, Value::strings([&*parent.name, commit]));
    }
    metadata.push("ostree.ref-binding", Value::strings([name.name()]));
    metadata
}
