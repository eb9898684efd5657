//! Why a system does not have something: because there is no such thing, because wants rule it out, or only because the
//! solver prefers something else.

use std::collections::BTreeSet;

use apk_format::{Constraint, Dependency, Version, dependency::name_order};

use super::changes::ChangeList;
use super::explain::similar;
use super::graph::{Graph, Provider};
use super::narrow::{self, narrow};
use super::operation::{Operation, Plan, WorldEntry};
use super::solver::Solver;
use super::table::{NameId, PackageId};
use super::tags::TagSet;
use super::wants::WhyNot;
use super::{Problem, Request, RequestOptions, ResolveError};

impl<'a> Problem<'a> {
    /// Why the answer to a request does not have what is `wanted`.
    ///
    /// Fails as the request itself does, if that has no solution.
    pub fn why_not(
        &mut self,
        operation: Operation<'a>,
        options: RequestOptions,
        wanted: &'a Dependency,
    ) -> Result<WhyNot, ResolveError> {
        self.resolve(operation, options)?;
        let mark = self.graph.mark();
        let request = Request {
            world: self.world,
            operation,
            options,
        };
        let result = why_not(&mut self.graph, &request, wanted);
        self.graph.forget_since(mark);
        result
    }
}

fn why_not<'a>(
    graph: &mut Graph<'a>,
    request: &Request<'a>,
    wanted: &'a Dependency,
) -> Result<WhyNot, ResolveError> {
    let plan = Plan::make(graph, request)?;
    let known = graph.find(&wanted.name);
    let Some(name) = known.filter(|name| !graph.providers(*name).is_empty()) else {
        return Ok(WhyNot::NoSuchName {
            similar: similar(graph, &wanted.name),
        });
    };
    let fits = |provider: &&Provider<'a>| graph.satisfied(wanted, None, Some(**provider));
    if !graph.providers(name).iter().any(|one| fits(&one)) {
        let nowhere = Version::lenient("0");
        let version = match &wanted.constraint {
            Constraint::Version { version, .. } => version,
            _ => &nowhere,
        };
        return Ok(WhyNot::NoSuchVersion {
            nearest: narrow::nearest(graph, name, version),
        });
    }
    let tag = graph.tags.meet(wanted.tag.as_deref())?;
    let usual = Chosen::find(graph, &plan, name);
    if let Some(provider) = usual.provider
        && graph.satisfied(wanted, None, Some(provider))
        && (tag == TagSet::DEFAULT || graph.packages[provider.package].home.intersects(tag))
    {
        return Ok(WhyNot::Chosen {
            package: title(graph, provider.package),
        });
    }
    let mut asked = plan;
    let entry = WorldEntry::owned(name, tag, wanted.clone());
    asked.world.push(entry);
    asked
        .world
        .sort_by(|a, b| name_order(&a.dependency.name, &b.dependency.name));
    if let Some(contradiction) = narrow(graph, &asked, Some(wanted)) {
        return Ok(WhyNot::RuledOut { contradiction });
    }
    let asked = Chosen::find(graph, &asked, name);
    Ok(possible(graph, &usual, &asked))
}

/// What a plan leads to.
struct Chosen<'a> {
    provider: Option<Provider<'a>>,
    packages: BTreeSet<PackageId>,
}

impl<'a> Chosen<'a> {
    fn find(graph: &Graph<'a>, plan: &Plan<'a>, name: NameId) -> Self {
        let mut solver = Solver::new(graph, plan);
        solver.solve(plan);
        let packages = ChangeList::make(&mut solver, plan).chosen().collect();
        Chosen {
            provider: solver.names[name].chosen,
            packages,
        }
    }
}

fn possible<'a>(graph: &Graph<'a>, usual: &Chosen<'a>, asked: &Chosen<'a>) -> WhyNot {
    let titles = |sign: char, packages: BTreeSet<PackageId>| {
        let packages = packages.into_iter();
        packages.map(move |package| format!("{sign}{}", title(graph, package)))
    };
    let mut changes: Vec<String> = titles('-', &usual.packages - &asked.packages).collect();
    changes.extend(titles('+', &asked.packages - &usual.packages));
    let preferred = usual.provider.zip(asked.provider);
    WhyNot::Possible {
        package: asked
            .provider
            .map(|provider| title(graph, provider.package))
            .unwrap_or_default(),
        instead: usual.provider.map(|one| title(graph, one.package)),
        changes,
        preferred: preferred.map(|(usual, asked)| preference(graph, usual, asked)),
    }
}

/// Why one provider of a name is preferred to another, as far as it does not depend on the rest of the request.
fn preference(graph: &Graph<'_>, usual: Provider<'_>, other: Provider<'_>) -> String {
    let (a, b) = (
        &graph.packages[usual.package],
        &graph.packages[other.package],
    );
    let usual_version = usual.version.map(Version::lenient);
    let other_version = other.version.map(Version::lenient);
    let words = if a.is_installed() && !b.is_installed() {
        "it is installed"
    } else if a.home.intersects(TagSet::DEFAULT) && !b.home.intersects(TagSet::DEFAULT) {
        "the other is only in a tagged repository"
    } else if usual_version > other_version
        || (a.name == b.name && a.record.version > b.record.version)
    {
        "its version is higher"
    } else if a.record.provider_priority > b.record.provider_priority {
        "its provider priority is higher"
    } else if a.first < b.first {
        "its repository comes first"
    } else if usual_version < other_version {
        "the other was ruled out when it was decided"
    } else {
        "it comes first in the index"
    };
    words.to_owned()
}

fn title(graph: &Graph<'_>, package: PackageId) -> String {
    let record = graph.packages[package].record;
    format!("{}-{}", record.name, record.version)
}
