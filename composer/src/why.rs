//! Why a package is in a system: the chains of wants that bring it in.
//!
//! A chain begins at the world and goes from package to package. Those of one package are told by their last want: for
//! each want that the package meets there is one chain, the shortest that leads to it. A package that installed itself
//! is brought by the last of the packages it waited for.

use std::collections::HashMap;

use apk_format::{Dependency, Record};
use serde::Serialize;

/// Packages that are together, and what was asked for.
#[derive(Debug)]
pub struct System<'a> {
    packages: Vec<&'a Record>,
    world: &'a [Dependency],
    by_name: HashMap<&'a str, Vec<usize>>,
    /// The wants that lead from each package to others.
    wants: Vec<Vec<Lead>>,
    /// For each package that installs itself the packages that it waited for; none where it waited for absence alone.
    conditions: Vec<Option<Vec<usize>>>,
}

/// A want that leads to a package.
#[derive(Clone, Debug)]
struct Lead {
    to: usize,
    wanted: String,
}

/// A step of a chain: who wants what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Step {
    /// Who wants it, as `name-version`; `None` for the world. For a package that installs itself what it waited for,
    /// each with a plus sign between.
    pub by: Option<String>,
    /// The dependency as it is written.
    pub wanted: String,
    /// Whether the package installs itself.
    pub installs_itself: bool,
    /// The package that this leads to, as `name-version`.
    pub package: String,
}

/// From the world to a package.
pub type Chain = Vec<Step>;

impl<'a> System<'a> {
    /// Links packages by what they want.
    #[must_use]
    pub fn new(packages: Vec<&'a Record>, world: &'a [Dependency]) -> System<'a> {
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, record) in packages.iter().enumerate() {
            let provided = record.provides.iter().map(|provide| provide.name.as_str());
            for name in std::iter::once(record.name.as_str()).chain(provided) {
                let list = by_name.entry(name).or_default();
                if list.last() != Some(&at) {
                    list.push(at);
                }
            }
        }
        let mut system = System {
            packages,
            world,
            by_name,
            wants: Vec::new(),
            conditions: Vec::new(),
        };
        system.wants = system
            .packages
            .iter()
            .map(|record| system.leads(&record.depends))
            .collect();
        system.conditions = system
            .packages
            .iter()
            .map(|record| system.conditions(record))
            .collect();
        system
    }

    /// The packages that something means: one of that name, or those that provide it.
    #[must_use]
    pub fn find(&self, name: &str) -> Vec<usize> {
        let all = self.by_name.get(name).cloned().unwrap_or_default();
        let own = |at: &usize| self.packages.get(*at).is_some_and(|one| one.name == name);
        match all.iter().copied().find(|at| own(at)) {
            Some(own) => vec![own],
            None => all,
        }
    }

    /// Where a package stands.
    #[must_use]
    pub fn place(&self, record: &Record) -> Option<usize> {
        let named = self.by_name.get(record.name.as_str())?;
        let is_it = |at: &usize| {
            self.packages
                .get(*at)
                .is_some_and(|one| one.identity == record.identity)
        };
        named.iter().copied().find(is_it)
    }

    /// Why a package that was there is gone: refused, in the way of another, or not wanted any more.
    #[must_use]
    pub fn why_gone(&self, record: &Record) -> String {
        let refuses =
            |wanted: &&Dependency| wanted.conflict && meets(record, &without_conflict(wanted));
        if let Some(refusal) = self.world.iter().find(refuses) {
            return format!("the world refuses it: {refusal}");
        }
        for (at, one) in self.packages.iter().enumerate() {
            if let Some(refusal) = one.depends.iter().find(refuses) {
                return format!("{} refuses it: {refusal}", self.title(at));
            }
        }
        let provides = record.provides.iter();
        let owned = provides
            .filter(|one| one.version.is_some())
            .map(|one| one.name.as_str());
        for name in std::iter::once(record.name.as_str()).chain(owned) {
            if let Some(other) = self.by_name.get(name).and_then(|list| list.first()) {
                return format!("{} has its name {name}", self.title(*other));
            }
        }
        "nothing wants it any more".to_owned()
    }

    /// The chains that bring a package in, the shortest first; none if nothing wants it.
    #[must_use]
    pub fn chains(&self, package: usize) -> Vec<Chain> {
        let before = self.shortest(package);
        let mut chains: Vec<Chain> = Vec::new();
        for lead in self
            .leads(self.world)
            .iter()
            .filter(|lead| lead.to == package)
        {
            chains.push(vec![self.step(None, lead)]);
        }
        for (by, leads) in self.wants.iter().enumerate() {
            for lead in leads
                .iter()
                .filter(|lead| lead.to == package && by != package)
            {
                chains.extend(self.chain(&before, by, self.step(Some(by), lead)));
            }
        }
        if let Some(Some(conditions)) = self.conditions.get(package) {
            let all_met = conditions.iter().all(|at| before.is_met(*at));
            match conditions.iter().max_by_key(|at| before.distance(**at)) {
                Some(last) if all_met => {
                    chains.extend(self.chain(&before, *last, self.own_step(package)));
                }
                Some(_) => {}
                None => chains.push(vec![self.own_step(package)]),
            }
        }
        chains.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
        chains.dedup();
        chains
    }

    /// The chain to `by`, and one step more.
    fn chain(&self, before: &Shortest, by: usize, last: Step) -> Option<Chain> {
        let mut steps = vec![last];
        let mut at = by;
        loop {
            match before.reached.get(at)?.as_ref()? {
                Reached::World { wanted, .. } => {
                    let lead = Lead {
                        to: at,
                        wanted: wanted.clone(),
                    };
                    steps.push(self.step(None, &lead));
                    break;
                }
                Reached::Want { by, wanted, .. } => {
                    let lead = Lead {
                        to: at,
                        wanted: wanted.clone(),
                    };
                    steps.push(self.step(Some(*by), &lead));
                    at = *by;
                }
                Reached::Alone => {
                    steps.push(self.own_step(at));
                    break;
                }
                Reached::Itself { last, .. } => {
                    steps.push(self.own_step(at));
                    at = *last;
                }
            }
        }
        steps.reverse();
        Some(steps)
    }

    /// How each package is reached from the world the shortest way, without going through one of them.
    fn shortest(&self, but: usize) -> Shortest {
        let count = self.packages.len();
        let mut found = Shortest {
            reached: vec![None; count],
        };
        let waits = self.conditions.iter().map(Option::as_ref);
        let mut missing: Vec<usize> = waits.clone().map(|all| all.map_or(0, Vec::len)).collect();
        let mut waiting: Vec<Vec<usize>> = vec![Vec::new(); count];
        let mut alone = Vec::new();
        for (package, conditions) in waits.enumerate() {
            alone.extend(conditions.is_some_and(Vec::is_empty).then_some(package));
            for condition in conditions.into_iter().flatten() {
                waiting
                    .get_mut(*condition)
                    .into_iter()
                    .for_each(|list| list.push(package));
            }
        }
        let mut queue = std::collections::VecDeque::new();
        for lead in self.leads(self.world) {
            let wanted = lead.wanted;
            found.reach(lead.to, but, Reached::World { wanted }, &mut queue);
        }
        for package in alone {
            found.reach(package, but, Reached::Alone, &mut queue);
        }
        while let Some(at) = queue.pop_front() {
            let distance = found.distance(at) + 1;
            for lead in self.wants.get(at).into_iter().flatten() {
                let how = Reached::Want {
                    by: at,
                    wanted: lead.wanted.clone(),
                    distance,
                };
                found.reach(lead.to, but, how, &mut queue);
            }
            for package in waiting.get(at).into_iter().flatten() {
                let Some(left) = missing.get_mut(*package) else {
                    continue;
                };
                *left -= 1;
                if *left == 0 {
                    let how = Reached::Itself { last: at, distance };
                    found.reach(*package, but, how, &mut queue);
                }
            }
        }
        found
    }

    /// The packages that dependencies lead to.
    fn leads(&self, dependencies: &[Dependency]) -> Vec<Lead> {
        let wants = dependencies.iter().filter(|wanted| !wanted.conflict);
        let leads = wants.flat_map(|wanted| {
            self.meeting(wanted).map(|to| Lead {
                to,
                wanted: wanted.to_string(),
            })
        });
        leads.collect()
    }

    /// The packages that do what a dependency wants.
    fn meeting(&self, wanted: &Dependency) -> impl Iterator<Item = usize> {
        let named = self.by_name.get(wanted.name.as_str());
        let named = named.map_or(&[][..], Vec::as_slice).iter().copied();
        named.filter(|at| {
            self.packages
                .get(*at)
                .is_some_and(|record| meets(record, wanted))
        })
    }

    /// The packages through which the conditions of an install_if hold; `None` if there are no conditions, or one does
    /// not hold.
    fn conditions(&self, record: &Record) -> Option<Vec<usize>> {
        let mut found = Vec::new();
        if record.install_if.is_empty() {
            return None;
        }
        // The package is there, so what must not be there is not; having a name itself neither helps nor hinders.
        for condition in record.install_if.iter().filter(|one| !one.conflict) {
            let is_other = |at: &usize| {
                let other = self.packages.get(*at);
                other.is_some_and(|other| other.identity != record.identity)
            };
            let package = self.meeting(condition).find(is_other)?;
            if !found.contains(&package) {
                found.push(package);
            }
        }
        Some(found)
    }

    fn step(&self, by: Option<usize>, lead: &Lead) -> Step {
        Step {
            by: by.map(|by| self.title(by)),
            wanted: lead.wanted.clone(),
            installs_itself: false,
            package: self.title(lead.to),
        }
    }

    /// The step of a package that installs itself.
    fn own_step(&self, package: usize) -> Step {
        let conditions = self.conditions.get(package).into_iter().flatten().flatten();
        let titles: Vec<String> = conditions.map(|at| self.title(*at)).collect();
        let rule = self.packages.get(package).map(|record| &record.install_if);
        let rule: Vec<String> = rule
            .into_iter()
            .flatten()
            .map(ToString::to_string)
            .collect();
        Step {
            by: (!titles.is_empty()).then(|| titles.join(" + ")),
            wanted: rule.join(" "),
            installs_itself: true,
            package: self.title(package),
        }
    }

    /// `name-version`
    #[must_use]
    pub fn title(&self, package: usize) -> String {
        let record = self.packages.get(package);
        record
            .map(|record| crate::layer::title(record))
            .unwrap_or_default()
    }
}

/// How packages are reached.
struct Shortest {
    reached: Vec<Option<Reached>>,
}

#[derive(Clone, Debug)]
enum Reached {
    /// By the absence of something.
    Alone,
    World {
        wanted: String,
    },
    Want {
        by: usize,
        wanted: String,
        distance: usize,
    },
    Itself {
        last: usize,
        distance: usize,
    },
}

impl Shortest {
    fn reach(
        &mut self,
        package: usize,
        but: usize,
        how: Reached,
        queue: &mut std::collections::VecDeque<usize>,
    ) {
        if let Some(reached) = self.reached.get_mut(package)
            && reached.is_none()
            && package != but
        {
            *reached = Some(how);
            queue.push_back(package);
        }
    }

    fn is_met(&self, package: usize) -> bool {
        self.reached.get(package).is_some_and(Option::is_some)
    }

    fn distance(&self, package: usize) -> usize {
        match self.reached.get(package).and_then(Option::as_ref) {
            Some(Reached::Want { distance, .. } | Reached::Itself { distance, .. }) => *distance,
            _ => 0,
        }
    }
}

fn meets(record: &Record, wanted: &Dependency) -> bool {
    let identity = Some(&record.identity);
    if record.name == wanted.name && wanted.satisfied_by(identity, Some(&record.version)) {
        return true;
    }
    let mut provides = record.provides.iter();
    provides.any(|provide| {
        provide.name == wanted.name && wanted.satisfied_by(identity, provide.version.as_ref())
    })
}

fn without_conflict(condition: &Dependency) -> Dependency {
    Dependency {
        conflict: false,
        ..condition.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use apk_format::{Digest, Provide, Version};

    fn record(name: &str, depends: &str, provides: &str, install_if: &str) -> Record {
        let mut record = Record::new(Digest::sha1(name.as_bytes()), name, Version::lenient("1"));
        record.depends = Dependency::parse_list(depends).0.into();
        record.provides = Provide::parse_list(provides).0.into();
        record.install_if = Dependency::parse_list(install_if).0.into();
        record
    }

    fn told(records: &[Record], world: &str, package: &str) -> Vec<String> {
        let world = Dependency::parse_list(world).0;
        let system = System::new(records.iter().collect(), &world);
        let chains = system.chains(system.find(package)[0]);
        let step = |step: &Step| match &step.by {
            None => format!("world[{}]", step.wanted),
            Some(by) if step.installs_itself => format!("{by}({})", step.wanted),
            Some(by) => format!("{by}[{}]", step.wanted),
        };
        let chain = |chain: &Chain| chain.iter().map(step).collect::<Vec<_>>().join(" ");
        chains.iter().map(chain).collect()
    }

    #[test]
    fn the_shortest_chain_comes_first() {
        let records = [
            record("a", "b c", "", ""),
            record("b", "lib>=1", "", ""),
            record("c", "so:x", "", ""),
            record("lib", "", "so:x", ""),
        ];
        assert_eq!(
            told(&records, "a c", "lib"),
            ["world[c] c-1[so:x]", "world[a] a-1[b] b-1[lib>=1]",]
        );
        assert_eq!(told(&records, "a lib", "lib")[0], "world[lib]");
        assert!(told(&records, "", "lib").is_empty());
    }

    #[test]
    fn circles_and_packages_that_install_themselves() {
        let records = [
            record("a", "b", "", ""),
            record("b", "a", "", ""),
            record("docs", "", "", ""),
            record("a-doc", "", "", "a docs !c"),
            record("never", "", "", "a c"),
        ];
        assert_eq!(told(&records, "a", "b"), ["world[a] a-1[b]"]);
        assert_eq!(told(&records, "a", "a"), ["world[a]"]);
        assert_eq!(
            told(&records, "docs b", "a-doc"),
            ["world[b] b-1[a] a-1 + docs-1(a docs !c)"]
        );
        assert!(told(&records, "a docs", "never").is_empty());
    }
}
