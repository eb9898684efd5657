//! `apk dot`: dependencies as a graph for Graphviz.

use std::collections::HashMap;

use apk_format::Version;
use composer::inventory::field::{Field, Fields};
use composer::inventory::{Inventory, PackageId};

use super::applet::Applet;
use super::options::Opt;
use super::session::{Code, Parts, Session};

pub(super) const APPLET: Applet = Applet {
    name: "dot",
    options: &[Opt::flag("errors")],
    queries: true,
    drops_empty: true,
    parts: Parts::REPOSITORIES,
    run,
    ..Applet::NONE
};

fn run(session: &mut Session, operands: &[String]) -> Code {
    let names = Fields::of(&[Field::Name, Field::Provides]);
    let spec = &mut session.spec;
    spec.matching = spec.matching.and(names);
    spec.empty_matches_all = true;
    let found = session
        .search(operands)
        .map(|answer| answer.found)
        .unwrap_or_default();
    let mut graph = Graph {
        inventory: &session.inventory,
        installed_only: session.spec.installed,
        errors_only: session.has("errors"),
        text: String::new(),
        missing: Vec::new(),
        visits: HashMap::new(),
    };
    found
        .iter()
        .filter_map(|one| one.package)
        .for_each(|package| graph.walk(package));
    let text = graph.text;
    if text.is_empty() {
        return 1;
    }
    let head = "digraph \"apkindex\" {\n  rankdir=LR;\n  node [shape=box];\n";
    session.out.text(format_args!("{head}{text}}}\n"));
    0
}

/// The graph as far as it is drawn.
struct Graph<'a> {
    inventory: &'a Inventory,
    installed_only: bool,
    errors_only: bool,
    text: String,
    /// Names that nobody has, already drawn.
    missing: Vec<String>,
    visits: HashMap<PackageId, Visit>,
}

#[derive(Clone, Copy)]
enum Visit {
    /// On the way; how often it was met again meanwhile.
    Open(usize),
    Done,
}

/// What a dependency leads to.
enum Edge {
    /// A package, and the name it is asked for by, where that is another one.
    To(PackageId, Option<String>),
    /// A name that nobody has.
    Missing(String),
}

/// A package on the way down: whom it depends on, and how many cycles were met below it.
struct Step {
    package: PackageId,
    edges: std::vec::IntoIter<Edge>,
    /// The edge that is being followed.
    followed: Option<(PackageId, Option<String>)>,
    cycles: usize,
}

impl Graph<'_> {
    /// Draws what a package depends on, depth first and with a stack of its own: chains may be long.
    fn walk(&mut self, package: PackageId) {
        let mut way: Vec<Step> = Vec::new();
        let mut result = self.enter(package, &mut way);
        while let Some(step) = way.last_mut() {
            if let (Some(cycles), Some((target, label))) = (result, step.followed.take()) {
                step.cycles += cycles;
                let from = step.package;
                self.edge(from, target, cycles > 0, label.as_deref());
            }
            let Some(step) = way.last_mut() else { return };
            match step.edges.next() {
                Some(Edge::To(target, label)) => {
                    step.followed = Some((target, label));
                    result = self.enter(target, &mut way);
                }
                Some(Edge::Missing(name)) => {
                    let package = step.package;
                    self.missing(package, &name);
                    result = None;
                }
                None => {
                    let package = step.package;
                    self.broken_provides(package);
                    let met = match self.visits.insert(package, Visit::Done) {
                        Some(Visit::Open(met)) => met,
                        _ => 0,
                    };
                    result = Some(step.cycles.saturating_sub(met));
                    way.pop();
                }
            }
        }
    }

    /// Goes into a package that was not seen; gives how many cycles the way to another one closes.
    fn enter(&mut self, package: PackageId, way: &mut Vec<Step>) -> Option<usize> {
        match self.visits.get_mut(&package) {
            Some(Visit::Done) => return Some(0),
            Some(Visit::Open(met)) => {
                *met += 1;
                return Some(1);
            }
            None => {}
        }
        self.visits.insert(package, Visit::Open(0));
        let edges = self.edges(package);
        way.push(Step {
            package,
            edges: edges.into_iter(),
            followed: None,
            cycles: 0,
        });
        None
    }

    /// Whom a package depends on.
    fn edges(&self, package: PackageId) -> Vec<Edge> {
        let mut edges = Vec::new();
        let depends = self.inventory[package].record.depends.iter();
        for wanted in depends.filter(|wanted| !wanted.conflict) {
            let name = self.inventory.find(&wanted.name);
            let providers = name.map_or(&[][..], |name| self.inventory.providers(name));
            if providers.is_empty() {
                edges.push(Edge::Missing(wanted.name.clone()));
            }
            for provider in providers {
                let target = &self.inventory[provider.package];
                let identity = Some(&target.record.identity);
                let fits = wanted.satisfied_by(identity, provider.version.as_ref());
                if fits && !(self.installed_only && target.installed.is_none()) {
                    let label = (target.record.name != wanted.name).then(|| wanted.name.clone());
                    edges.push(Edge::To(provider.package, label));
                }
            }
        }
        edges
    }

    /// What a package provides in a version that is none.
    fn broken_provides(&mut self, package: PackageId) {
        let inventory = self.inventory;
        let is_broken = |version: &Version| !version.is_valid();
        for provide in &inventory[package].record.provides {
            if provide.version.as_ref().is_some_and(is_broken) {
                self.no_package(&provide.name);
                let title = inventory.title(package);
                let style = "arrowhead=inv,style=dashed,color=red,fontcolor=red";
                let edge = format!(
                    "\"{title}\" -> \"{}\" [{style},label=\"{provide}\"]",
                    provide.name
                );
                self.text.push_str(&format!("  {edge};\n"));
            }
        }
    }

    /// Draws a name that leads to no package, once.
    fn no_package(&mut self, name: &str) {
        if !self.missing.iter().any(|known| known == name) {
            self.missing.push(name.to_owned());
            let style = "style=dashed, color=red, fontcolor=red, shape=octagon";
            self.text.push_str(&format!("  \"{name}\" [{style}];\n"));
        }
    }

    fn missing(&mut self, package: PackageId, name: &str) {
        self.no_package(name);
        let title = self.inventory.title(package);
        self.text
            .push_str(&format!("  \"{title}\" -> \"{name}\" [color=red];\n"));
    }

    fn edge(&mut self, from: PackageId, to: PackageId, cycle: bool, label: Option<&str>) {
        if !cycle && self.errors_only {
            return;
        }
        let [from, to] = [from, to].map(|id| self.inventory.title(id));
        let color = if cycle { "color=red," } else { "" };
        let label = label.map(|name| format!("arrowhead=inv,label=\"{name}\","));
        let label = label.unwrap_or_default();
        self.text
            .push_str(&format!("  \"{from}\" -> \"{to}\"[{color}{label}];\n"));
    }
}
