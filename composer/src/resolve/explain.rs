//! Why there is no solution: what is missing and who wants it, which packages cannot stand together.
//!
//! The report is that of apk. It speaks of the packages that were chosen before the solver got stuck, so it too
//! depends on the order of the decisions.

use std::collections::{BTreeSet, HashMap, HashSet};

use apk_format::dependency::name_order;
use apk_format::index::{Record, Uninstallable};
use apk_format::{Constraint, Dependency, Op};

use super::changes::ChangeList;
use super::graph::{Graph, Provider};
use super::operation::Plan;
use super::reach::present_names;
use super::report::{Complaint, MissingName, PackageProblem, Unsatisfiable};
use super::solver::Solver;
use super::table::{NameId, PackageId};
use super::tags::TagSet;

/// Collects the reasons from where the solver stands.
pub(super) fn explain(
    solver: &Solver<'_, '_>,
    plan: &Plan<'_>,
    changes: &ChangeList,
) -> Box<Unsatisfiable> {
    let chosen: Vec<PackageId> = changes.chosen().collect();
    let stated = Statements::collect(solver, plan, &chosen);
    let explainer = Explainer {
        solver,
        plan,
        among: chosen.iter().copied().collect(),
        chosen,
        stated,
    };
    Box::new(Unsatisfiable {
        errors: solver.errors,
        complaints: explainer.complaints(),
    })
}

struct Explainer<'s, 'g, 'a> {
    solver: &'s Solver<'g, 'a>,
    plan: &'s Plan<'a>,
    /// What was chosen, in the order of the change list.
    chosen: Vec<PackageId>,
    among: HashSet<PackageId>,
    stated: Statements<'s>,
}

/// The dependencies of the world and of all chosen packages, findable by name.
struct Statements<'s> {
    all: Vec<Stated<'s>>,
    by_name: HashMap<NameId, Vec<usize>>,
}

impl<'s> Statements<'s> {
    fn collect(solver: &'s Solver<'_, '_>, plan: &'s Plan<'_>, chosen: &[PackageId]) -> Self {
        let world = plan.world.iter();
        let world = world.map(|entry| Stated {
            by: None,
            name: entry.name,
            dependency: &entry.dependency,
        });
        let edges = chosen.iter().flat_map(|by| {
            let edges = solver.graph.all_depends(*by);
            edges.map(|edge| Stated {
                by: Some(*by),
                name: edge.name,
                dependency: edge.dependency,
            })
        });
        let all: Vec<Stated<'s>> = world.chain(edges).collect();
        let mut by_name: HashMap<NameId, Vec<usize>> = HashMap::new();
        for (place, stated) in all.iter().enumerate() {
            by_name.entry(stated.name).or_default().push(place);
        }
        Statements { all, by_name }
    }

    fn on(&self, name: NameId) -> Option<&Vec<usize>> {
        self.by_name.get(&name)
    }

    fn get(&self, place: usize) -> Option<Stated<'s>> {
        self.all.get(place).copied()
    }
}

/// Who states a dependency; the world comes before packages, and these by name and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stated<'d> {
    by: Option<PackageId>,
    name: NameId,
    dependency: &'d Dependency,
}

impl<'a> Explainer<'_, '_, 'a> {
    /// What the world misses; then, for each package, what is wrong with it and what it misses.
    fn complaints(&self) -> Vec<Complaint> {
        let mut present = self.present_names();
        let mut complaints = Vec::new();
        let mut miss = |complaints: &mut Vec<Complaint>, conflict: bool, name: NameId| {
            if !conflict && present.insert(name) {
                let guess = complaints.len() < MOST_GUESSES;
                complaints.push(Complaint::Missing(self.missing_name(name, guess)));
            }
        };
        for entry in &self.plan.world {
            miss(&mut complaints, entry.dependency.conflict, entry.name);
        }
        for package in &self.chosen {
            complaints.extend(self.problem(*package).map(Complaint::Package));
            for edge in self.solver.graph.all_depends(*package) {
                miss(&mut complaints, edge.dependency.conflict, edge.name);
            }
        }
        complaints
    }

    // --- names nobody has ---------------------------------------------------------

    /// The names that are served, as far as they can be reached from the world.
    fn present_names(&self) -> HashSet<NameId> {
        let world = self.plan.world.iter();
        let world = world.filter(|entry| !entry.dependency.conflict);
        present_names(
            self.solver.graph,
            &self.among,
            world.map(|entry| entry.name),
        )
    }

    fn missing_name(&self, name: NameId, guess: bool) -> MissingName {
        let required_by = self.required_by(name);
        let provided_by = self.provided_by(name);
        let similar = if provided_by.is_empty() && guess {
            similar(self.solver.graph, self.solver.graph.names[name].text)
        } else {
            Vec::new()
        };
        MissingName {
            name: self.solver.graph.names[name].text.to_owned(),
            provided_by,
            required_by,
            similar,
        }
    }

    /// The world's dependencies on a name, then the first one of each chosen package, in the order of the graph.
    fn required_by(&self, name: NameId) -> Vec<String> {
        let graph = self.solver.graph;
        let places = self.stated.on(name).into_iter().flatten();
        let wants = places
            .filter_map(|place| self.stated.get(*place))
            .filter(|stated| !stated.dependency.conflict);
        let (world, packages): (Vec<_>, Vec<_>) = wants.partition(|stated| stated.by.is_none());
        let mut first: HashMap<PackageId, Stated<'_>> = HashMap::new();
        for stated in packages {
            stated.by.map(|by| first.entry(by).or_insert(stated));
        }
        let reverse = graph
            .reverse_depends(name)
            .iter()
            .flat_map(|reverse| graph.providers(*reverse));
        let packages = reverse.filter_map(|provider| first.remove(&provider.package));
        world
            .into_iter()
            .chain(packages)
            .map(|stated| self.relation(stated))
            .collect()
    }

    /// Package names, or names and versions where not all that has the package's name provides this one.
    fn provided_by(&self, name: NameId) -> Vec<String> {
        let graph = self.solver.graph;
        let providers = graph
            .providers(name)
            .iter()
            .map(|provider| provider.package);
        let mut counts: HashMap<NameId, usize> = HashMap::new();
        for package in providers.clone() {
            *counts.entry(graph.packages[package].name).or_default() += 1;
        }
        let mut found = Vec::new();
        for package in providers {
            let own = graph.packages[package].name;
            let count = counts.entry(own).or_default();
            if *count == graph.providers(own).len() {
                found.push(graph.names[own].text.to_owned());
                *count = 0;
            } else if *count > 0 {
                found.push(self.title(package));
                *count -= 1;
            }
        }
        found
    }

    // --- packages that do not fit ---------------------------------------------------

    fn problem(&self, id: PackageId) -> Option<PackageProblem> {
        let package = &self.solver.graph.packages[id];
        let (breaks, satisfies) = self.relations(id);
        let uninstallable = !package.installable;
        let problem = PackageProblem {
            package: self.title(id),
            uninstallable,
            foreign_arch: self.foreign_arch(id),
            pinned: package.pinned.map(crate::layer::title),
            malformed_depends: malformed_depends(package.record),
            masked_in: self.masked_in(id),
            conflicts: self.conflicts(id),
            other_versions: if breaks.is_empty() {
                Vec::new()
            } else {
                self.other_versions(id)
            },
            breaks,
            satisfies,
        };
        let wrong = problem.uninstallable
            || !problem.masked_in.is_empty()
            || !problem.conflicts.is_empty()
            || !problem.breaks.is_empty();
        wrong.then_some(problem)
    }

    fn foreign_arch(&self, id: PackageId) -> Option<String> {
        let package = &self.solver.graph.packages[id];
        let arch = package.record.arch.clone().filter(|_| package.foreign);
        arch.map(String::from)
    }

    fn masked_in(&self, id: PackageId) -> Vec<String> {
        let package = &self.solver.graph.packages[id];
        let allowed = self.solver.packages[id].allowed;
        if package.is_installed() {
            return Vec::new();
        }
        if !package.is_available() && package.given.is_none() {
            return vec!["--no-network".to_owned()];
        }
        if package.first.is_none() && package.given == Some(false) {
            return vec!["cache".to_owned()];
        }
        if package.home.intersects(TagSet::DEFAULT) || package.home.intersects(allowed) {
            return Vec::new();
        }
        self.solver
            .graph
            .tags
            .texts(package.home)
            .flatten()
            .map(|tag| format!("@{tag}"))
            .collect()
    }

    fn conflicts(&self, id: PackageId) -> Vec<String> {
        let graph = self.solver.graph;
        let own = graph.packages[id].name;
        let same = |provider: &&Provider<'a>| {
            provider.package != id && self.among.contains(&provider.package)
        };
        let mut found: Vec<String> = graph
            .providers(own)
            .iter()
            .filter(same)
            .map(|provider| self.title(provider.package))
            .collect();
        for (provided, item) in graph
            .provides(id)
            .iter()
            .zip(&graph.packages[id].record.provides)
        {
            let mut itself = 0;
            for other in graph.providers(provided.name) {
                let is_this = other.package == id
                    && same_version(other.version, provided.version)
                    && itself == 0;
                itself += usize::from(is_this);
                let shared = provided.version.is_none() && other.version.is_none();
                if !is_this && !shared && self.among.contains(&other.package) {
                    found.push(format!("{}[{item}]", self.title(other.package)));
                }
            }
        }
        found
    }

    /// What a package breaks, and what it satisfies.
    fn relations(&self, id: PackageId) -> (Vec<String>, Vec<String>) {
        let graph = self.solver.graph;
        let names: HashSet<NameId> = graph.names_of(id).collect();
        let world = self
            .stated
            .all
            .iter()
            .take_while(|stated| stated.by.is_none());
        let on_these = |stated: &Stated<'_>| names.contains(&stated.name);
        let mut stated: Vec<Stated<'_>> = world.copied().filter(on_these).collect();
        let mut seen = HashSet::new();
        let reverse = graph
            .names_of(id)
            .flat_map(|name| graph.reverse_depends(name));
        for provider in reverse.flat_map(|name| graph.providers(*name)) {
            let by = provider.package;
            if self.among.contains(&by) && seen.insert(by) {
                let edges = graph.all_depends(by).map(|edge| Stated {
                    by: Some(by),
                    name: edge.name,
                    dependency: edge.dependency,
                });
                stated.extend(edges.filter(on_these));
            }
        }
        stated.sort_by(|a, b| self.stated_order(a, b));
        let (good, bad): (Vec<_>, Vec<_>) = stated
            .into_iter()
            .partition(|stated| self.is_met_by(*stated, id));
        let texts = |list: Vec<Stated<'_>>| {
            list.into_iter()
                .map(|stated| self.relation(stated))
                .collect()
        };
        (texts(bad), texts(good))
    }

    /// Whether a package does what a dependency on one of its names wants; the first entry of that name counts.
    fn is_met_by(&self, stated: Stated<'_>, id: PackageId) -> bool {
        let graph = self.solver.graph;
        let excused = stated.by.filter(|_| stated.name != graph.packages[id].name);
        graph.satisfied(stated.dependency, excused, graph.provider(id, stated.name))
    }

    fn other_versions(&self, id: PackageId) -> Vec<String> {
        let graph = self.solver.graph;
        let own = graph.packages[id].name;
        let mut others: Vec<PackageId> = graph
            .providers(own)
            .iter()
            .map(|provider| provider.package)
            .collect();
        others.retain(|other| *other != id && graph.packages[*other].name == own);
        let titles: Vec<String> = others.into_iter().map(|other| self.title(other)).collect();
        titles.into_iter().take(MOST_HINTS).collect()
    }

    // --- who wants what -------------------------------------------------------------

    fn stated_order(&self, a: &Stated<'_>, b: &Stated<'_>) -> std::cmp::Ordering {
        let graph = self.solver.graph;
        match (a.by, b.by) {
            (Some(a_by), Some(b_by)) => {
                let (left, right) = (graph.packages[a_by].record, graph.packages[b_by].record);
                name_order(&left.name, &right.name).then_with(|| left.version.cmp(&right.version))
            }
            (a_by, b_by) => a_by.is_some().cmp(&b_by.is_some()),
        }
        .then_with(|| operator(a.dependency).cmp(&operator(b.dependency)))
    }

    fn relation(&self, stated: Stated<'_>) -> String {
        let mut dependency = stated.dependency.clone();
        let tag = dependency
            .tag
            .take()
            .map(|tag| format!("@{tag}"))
            .unwrap_or_default();
        let by = stated
            .by
            .map_or_else(|| "world".to_owned(), |package| self.title(package));
        format!("{by}[{dependency}{tag}]")
    }

    fn title(&self, package: PackageId) -> String {
        let record = self.solver.graph.packages[package].record;
        format!("{}-{}", record.name, record.version)
    }
}

/// Names of packages that differ in at most two letters, the nearest first.
pub(super) fn similar(graph: &Graph<'_>, wanted: &str) -> Vec<String> {
    let names: BTreeSet<&str> = graph
        .packages
        .values()
        .map(|package| graph.names[package.name].text)
        .collect();
    let near = |text: &&str| {
        text.len().abs_diff(wanted.len()) < FAR && distance(wanted, text) < FAR.min(wanted.len())
    };
    let mut near: Vec<&str> = names.into_iter().filter(near).collect();
    near.sort_by_key(|text| distance(wanted, text));
    near.into_iter()
        .take(MOST_HINTS)
        .map(str::to_owned)
        .collect()
}

fn malformed_depends(record: &Record) -> Vec<String> {
    match &record.uninstallable {
        Some(Uninstallable::Dependency(atom)) => vec![atom.clone()],
        _ => Vec::new(),
    }
}

/// From this many different letters on, names are not similar.
const FAR: usize = 3;
const MOST_HINTS: usize = 5;
/// For how many missing names similar ones are looked for.
const MOST_GUESSES: usize = 20;

/// The place of a dependency among others of the same package: apk sorts them by the bits of their operators.
fn operator(dependency: &Dependency) -> u32 {
    let op = match &dependency.constraint {
        Constraint::Any => Op::LESS | Op::EQUAL | Op::GREATER,
        Constraint::Version { op, .. } => *op,
        Constraint::Identity(_) => Op::IDENTITY,
    };
    let bits = [
        (Op::EQUAL, 1),
        (Op::LESS, 2),
        (Op::GREATER, 4),
        (Op::FUZZY, 8),
    ];
    let set: u32 = bits
        .iter()
        .filter(|(bit, _)| op.contains(*bit))
        .map(|(_, value)| value)
        .sum();
    set + if dependency.conflict { 16 } else { 0 }
}

fn same_version(a: Option<&str>, b: Option<&str>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => std::ptr::eq(a, b),
        (None, None) => true,
        _ => false,
    }
}

/// How many letters must be put in, taken out or exchanged to make one text of the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (line, left) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(row.first_mut().unwrap_or(&mut 0), line + 1);
        let mut before = line + 1;
        for (cell, right) in row.iter_mut().skip(1).zip(b.chars()) {
            let exchanged = diagonal + usize::from(left != right);
            diagonal = *cell;
            *cell = exchanged.min(diagonal + 1).min(before + 1);
            before = *cell;
        }
    }
    row.last().copied().unwrap_or_default()
}
