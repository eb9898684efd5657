//! A request without a solution, narrowed down to wants that cannot hold together.
//!
//! A want is an entry of the world or a dependency of a package. First the world is made as small as it can be while
//! the request still fails, then the dependencies of what is chosen for it. What is left is minimal: without any one
//! of these wants the others can hold. "Can hold" means here that the solver finds a way, which does not look for all
//! there are.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::LazyLock;

use apk_format::{Constraint, Dependency, Op, Version, version};

use super::changes::ChangeList;
use super::explain;
use super::graph::{Edge, Graph};
use super::operation::{Plan, WorldEntry};
use super::report::{Complaint, Unsatisfiable};
use super::solver::Solver;
use super::table::{NameId, PackageId};
use super::wants::{Contradiction, Fact, Want};

/// A dependency that is always met.
static NOTHING: LazyLock<Dependency> = LazyLock::new(|| Dependency {
    conflict: true,
    ..Dependency::any("")
});

/// How often the solver is asked at most: enough for a world of thousands.
const MOST_TRIALS: usize = 2000;
/// How many versions, hints and packages are looked at.
const FEW: usize = 5;

/// Narrows a plan down; `None` if it does not fail. No hint touches what was `asked`.
pub(super) fn narrow<'a>(
    graph: &mut Graph<'a>,
    plan: &Plan<'a>,
    asked: Option<&Dependency>,
) -> Option<Contradiction> {
    let mut trials = Trials { left: MOST_TRIALS };
    if !trials.fails(graph, plan) {
        return None;
    }
    let entries: Vec<usize> = (0..plan.world.len()).collect();
    let kept = minimal(&entries, &mut |kept| trials.fails(graph, &part(plan, kept)));
    let small = part(plan, &kept);
    let edges = chosen_edges(graph, &small);
    let nothing = Edge {
        name: graph.nameless(),
        dependency: &NOTHING,
    };
    let places: Vec<usize> = (0..edges.len()).collect();
    let needed = minimal(&places, &mut |needed| {
        set(graph, &edges, needed, nothing);
        trials.fails(graph, &small)
    });
    set(graph, &edges, &needed, nothing);
    let report = report(graph, &small);
    set(graph, &edges, &places, nothing);
    let needed: Vec<&Item<'a>> = needed.iter().filter_map(|at| edges.get(*at)).collect();
    let facts = facts(graph, &small, &needed, &report);
    let hint = Hints {
        graph,
        plan,
        trials: &mut trials,
        asked,
    }
    .best(&small, &needed, &facts);
    let world = small.world.iter().map(|entry| Want {
        by: None,
        conflict: entry.dependency.conflict,
        wanted: plain(&entry.dependency),
    });
    let packages = needed.iter().map(|item| Want {
        by: Some(title(graph, item.package)),
        conflict: item.edge.dependency.conflict,
        wanted: plain(item.edge.dependency),
    });
    let wants = world.chain(packages).collect();
    Some(Contradiction { wants, facts, hint })
}

/// A dependency of a package.
#[derive(Clone, Copy, Debug)]
struct Item<'a> {
    package: PackageId,
    place: usize,
    edge: Edge<'a>,
}

/// Asks the solver, a limited number of times.
struct Trials {
    left: usize,
}

impl Trials {
    /// Whether the plan fails. When there have been too many trials nothing fails any more, so that what there is stays.
    fn fails<'a>(&mut self, graph: &Graph<'a>, plan: &Plan<'a>) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        let mut solver = Solver::new(graph, plan);
        solver.solve(plan);
        let _ = ChangeList::make(&mut solver, plan); // finds errors too
        solver.errors > 0
    }
}

fn report<'a>(graph: &Graph<'a>, plan: &Plan<'a>) -> Unsatisfiable {
    let mut solver = Solver::new(graph, plan);
    solver.solve(plan);
    let changes = ChangeList::make(&mut solver, plan);
    *explain::explain(&solver, plan, &changes)
}

/// The plan with some of its world.
fn part<'a>(plan: &Plan<'a>, kept: &[usize]) -> Plan<'a> {
    let entries = kept.iter().filter_map(|at| plan.world.get(*at));
    Plan {
        world: entries.cloned().collect(),
        ..plan.clone()
    }
}

/// What the chosen packages depend on.
fn chosen_edges<'a>(graph: &Graph<'a>, plan: &Plan<'a>) -> Vec<Item<'a>> {
    let mut solver = Solver::new(graph, plan);
    solver.solve(plan);
    let changes = ChangeList::make(&mut solver, plan);
    let items = changes.chosen().flat_map(|package| {
        let edges = graph.depends(package).enumerate();
        edges.map(move |(place, edge)| Item {
            package,
            place,
            edge,
        })
    });
    items.collect()
}

/// Makes only the needed ones of the dependencies count.
fn set<'a>(graph: &mut Graph<'a>, edges: &[Item<'a>], needed: &[usize], nothing: Edge<'a>) {
    for (at, item) in edges.iter().enumerate() {
        let left_out = needed.binary_search(&at).is_err();
        graph.relax(item.package, item.place, left_out.then_some(nothing));
    }
}

// --- the smallest part --------------------------------------------------------------

/// A part of the items, in their order, with which it fails, and without any one of which it does not.
fn minimal(items: &[usize], fails: &mut dyn FnMut(&[usize]) -> bool) -> Vec<usize> {
    let mut found = quick(&mut Vec::new(), false, items, fails);
    found.sort_unstable();
    // Adding a want can make the solver find a way, so what was found may not fail by itself, or be too much.
    if !fails(&found) {
        found = items.to_vec();
    }
    let mut at = 0;
    while at < found.len() {
        let mut fewer = found.clone();
        fewer.remove(at);
        if fails(&fewer) {
            found = fewer;
            at = 0;
        } else {
            at += 1;
        }
    }
    found
}

/// Junker's QuickXplain: halves the items, so that few of many are found with few trials. As deep as the number of
/// items has binary digits.
fn quick(
    given: &mut Vec<usize>,
    changed: bool,
    items: &[usize],
    fails: &mut dyn FnMut(&[usize]) -> bool,
) -> Vec<usize> {
    if changed || items.is_empty() {
        let mut sorted = given.clone();
        sorted.sort_unstable();
        if items.is_empty() || fails(&sorted) {
            return Vec::new();
        }
    }
    if items.len() == 1 {
        return items.to_vec();
    }
    let (left, right) = items.split_at(items.len() / 2);
    let base = given.len();
    given.extend(left);
    let mut found = quick(given, true, right, fails);
    given.truncate(base);
    given.extend(&found);
    let more = quick(given, !found.is_empty(), left, fails);
    given.truncate(base);
    found.extend(more);
    found
}

// --- what is the matter -------------------------------------------------------------

fn facts(
    graph: &Graph<'_>,
    plan: &Plan<'_>,
    needed: &[&Item<'_>],
    report: &Unsatisfiable,
) -> Vec<Fact> {
    let mut facts = Vec::new();
    for complaint in &report.complaints {
        match complaint {
            Complaint::Missing(missing) if missing.provided_by.is_empty() => {
                facts.push(Fact::NoSuchPackage {
                    name: missing.name.clone(),
                    similar: missing.similar.clone(),
                });
            }
            Complaint::Missing(missing) => facts.push(Fact::OnlyByName {
                name: missing.name.clone(),
                provided_by: missing.provided_by.clone(),
            }),
            Complaint::Package(problem) => {
                let package = problem.package.clone();
                if problem.uninstallable {
                    let arch = problem.foreign_arch.iter();
                    let arch = arch.map(|arch| format!("it is made for {arch}"));
                    let malformed = problem.malformed_depends.iter();
                    let malformed =
                        malformed.map(|atom| format!("its dependency {atom:?} cannot be read"));
                    let pinned = problem.pinned.iter();
                    let pinned = pinned.map(|other| format!("the parent has {other}"));
                    facts.push(Fact::Uninstallable {
                        package: package.clone(),
                        reasons: arch.chain(malformed).chain(pinned).collect(),
                    });
                }
                if !problem.masked_in.is_empty() {
                    facts.push(Fact::Masked {
                        package: package.clone(),
                        tags: problem.masked_in.clone(),
                    });
                }
                if !problem.conflicts.is_empty() {
                    facts.push(Fact::SameName {
                        package,
                        others: problem.conflicts.clone(),
                    });
                }
            }
        }
    }
    let world = plan.world.iter();
    let world = world.map(|entry| (entry.name, entry.dependency.as_ref()));
    let packages = needed
        .iter()
        .map(|item| (item.edge.name, item.edge.dependency));
    let mut told: Vec<NameId> = Vec::new();
    for (name, dependency) in world.chain(packages) {
        let Constraint::Version { version, .. } = &dependency.constraint else {
            continue;
        };
        if !told.contains(&name) && !graph.providers(name).is_empty() {
            told.push(name);
            facts.push(Fact::Available {
                name: graph.names[name].text.to_owned(),
                versions: nearest(graph, name, version),
            });
        }
    }
    facts
}

/// What provides a name, the version nearest to the wanted one first: from there on, and below, by turns.
pub(super) fn nearest(graph: &Graph<'_>, name: NameId, wanted: &Version) -> Vec<String> {
    let own = |package: PackageId| graph.packages[package].name == name;
    let providers = graph.providers(name).iter();
    let mut versions: Vec<(Version, String)> = providers
        .filter(|provider| graph.packages[provider.package].installable)
        .filter_map(|provider| {
            let text = provider.version?;
            let version = Version::lenient(text);
            let title = title(graph, provider.package);
            Some(if own(provider.package) {
                (version, title)
            } else {
                (
                    version,
                    format!("{title} ({}={text})", graph.names[name].text),
                )
            })
        })
        .collect();
    versions.sort_by(|a, b| a.0.cmp(&b.0));
    versions.dedup_by(|a, b| a.1 == b.1);
    let above = versions.partition_point(|(version, _)| version < wanted);
    let (below, above) = versions.split_at(above);
    let (mut below, mut above) = (below.iter().rev(), above.iter());
    let mut found = Vec::new();
    while found.len() < FEW {
        let before = found.len();
        found.extend(above.next().map(|(_, text)| text.clone()));
        found.extend(below.next().map(|(_, text)| text.clone()));
        if found.len() == before {
            break;
        }
    }
    found
}

fn title(graph: &Graph<'_>, package: PackageId) -> String {
    let record = graph.packages[package].record;
    format!("{}-{}", record.name, record.version)
}

/// A dependency without its exclamation mark.
fn plain(dependency: &Dependency) -> String {
    let text = dependency.to_string();
    text.strip_prefix('!').unwrap_or(&text).to_owned()
}

// --- what would help ----------------------------------------------------------------

struct Hints<'h, 'a> {
    graph: &'h Graph<'a>,
    plan: &'h Plan<'a>,
    trials: &'h mut Trials,
    asked: Option<&'h Dependency>,
}

impl<'a> Hints<'_, 'a> {
    /// The change of the request that helps and costs least; each was tried.
    fn best(&mut self, small: &Plan<'a>, needed: &[&Item<'a>], facts: &[Fact]) -> Option<String> {
        let said = facts.iter().find_map(|fact| match fact {
            Fact::NoSuchPackage { name, similar } if !similar.is_empty() => Some(format!(
                "instead of {name:?} there is {}",
                similar.join(", ")
            )),
            Fact::Masked { package, tags } => {
                let tag = tags.first()?;
                let name = apk_format::dependency::split_name_version(package)?.0;
                tag.starts_with('@').then(|| format!("ask for {name}{tag}"))
            }
            Fact::OnlyByName { provided_by, .. } => {
                Some(format!("ask for one of them: {}", few(provided_by)))
            }
            _ => None,
        });
        said.or_else(|| self.without_version(small))
            .or_else(|| self.other_version(needed))
            .or_else(|| self.leaving_out(small))
    }

    /// Entries of the world that would do without the version they ask for.
    fn without_version(&mut self, small: &Plan<'a>) -> Option<String> {
        for entry in small.world.iter().take(FEW) {
            let wanted = entry.dependency.as_ref();
            let plain = wanted.conflict || wanted.constraint == Constraint::Any;
            if plain || self.asked == Some(wanted) {
                continue;
            }
            let mut any = wanted.clone();
            any.constraint = Constraint::Any;
            let text = any.to_string();
            let mut plan = self.plan.clone();
            for other in &mut plan.world {
                if other.name == entry.name && *other.dependency == *wanted {
                    other.dependency = Cow::Owned(any.clone());
                }
            }
            if let Some(chosen) = self.works(&plan, entry.name) {
                return Some(format!(
                    "{text} without a version would do; that is {chosen}"
                ));
            }
        }
        None
    }

    /// Other versions of the packages whose dependencies are in the way.
    fn other_version(&mut self, needed: &[&Item<'a>]) -> Option<String> {
        let mut tried: Vec<PackageId> = Vec::new();
        for item in needed {
            if tried.contains(&item.package) || tried.len() >= FEW {
                continue;
            }
            tried.push(item.package);
            let package = &self.graph.packages[item.package];
            let below = Dependency {
                constraint: Constraint::Version {
                    op: Op::LESS,
                    version: package.record.version.clone(),
                },
                ..Dependency::any(&package.record.name)
            };
            let has_older = self.graph.providers(package.name).iter().any(|one| {
                one.version.is_some_and(|version| {
                    version::compare(version, package.version, false) == Ordering::Less
                })
            });
            if !has_older || !package.record.version.is_valid() {
                continue;
            }
            let text = below.to_string();
            let mut plan = self.plan.clone();
            let tag = super::tags::TagSet::DEFAULT;
            plan.world.push(WorldEntry::owned(package.name, tag, below));
            if let Some(chosen) = self.works(&plan, package.name) {
                return Some(format!("ask for {text} as well; that is {chosen}"));
            }
        }
        None
    }

    /// Entries of the world without which all others can be had.
    fn leaving_out(&mut self, small: &Plan<'a>) -> Option<String> {
        let mut found = Vec::new();
        for entry in small.world.iter().take(FEW) {
            if self.asked == Some(entry.dependency.as_ref()) {
                continue;
            }
            let mut plan = self.plan.clone();
            plan.world
                .retain(|other| other.name != entry.name || *other.dependency != *entry.dependency);
            if !plan.world.is_empty() && !self.trials.fails(self.graph, &plan) {
                found.push(entry.dependency.to_string());
            }
        }
        (!found.is_empty()).then(|| format!("leave out {}", found.join(" or ")))
    }

    /// What is chosen for a name, if the plan works.
    fn works(&mut self, plan: &Plan<'a>, name: NameId) -> Option<String> {
        if self.trials.fails(self.graph, plan) {
            return None;
        }
        let mut solver = Solver::new(self.graph, plan);
        solver.solve(plan);
        solver
            .choice(name)
            .map(|package| title(self.graph, package))
    }
}

fn few(names: &[String]) -> String {
    names
        .iter()
        .take(FEW)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ")
}
