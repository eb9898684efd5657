//! `why`: the chains of wants that bring a package in; `why not`: what keeps one out.

use std::path::{Path, PathBuf};

use apk_format::Dependency;
use clap::Args;
use composer::inventory::open::{self, ListFiles, Lists, Opening, State};
use composer::manifest::Manifest;
use composer::resolve::{
    Operation, Preference, Problem, RequestOptions, ResolveError, Universe, WhyNot,
};
use composer::root::Root;
use composer::why::{Chain, System};
use ostree_store::repo::Repo;
use serde::Serialize;

use super::solving::{Sources, dependencies, unsolved};
use crate::apk::machine;
use crate::console::Console;
use crate::failure::{Failure, Within};

/// Tell why a package is in a system, or why not
///
/// `why PKG` prints the chains of wants that bring the package in, the shortest first: for each want that it meets
/// one chain, from the world to the package. `why not PKG=VERSION` tells what rules it out: the smallest set of wants
/// that cannot hold together with it, or what the solver prefers.
///
/// The system is a root on disk (--root), a branch of a manifest (--manifest), or what is chosen from repositories
/// (--arch and --repository, as `solve` does, with --add for what is wanted).
#[derive(Args, Debug)]
pub(crate) struct WhyArgs {
    /// A root: its package database and world, and for `why not` its repositories
    #[arg(long, value_name = "DIR", conflicts_with_all = ["manifest", "repository"])]
    root: Option<PathBuf>,
    /// A manifest
    #[arg(long, value_name = "FILE", conflicts_with = "repository")]
    manifest: Option<PathBuf>,
    /// Its branch; the only one if there is but one
    #[arg(long, value_name = "NAME", requires = "manifest")]
    branch: Option<String>,
    #[command(flatten)]
    sources: Sources,
    /// What is wanted beside the world
    #[arg(long, value_name = "DEPENDENCY")]
    add: Vec<String>,
    /// Print an array of packages with their chains, or one document about what is asked for with `not`
    #[arg(long)]
    json: bool,
    /// Packages or what they provide; after `not` packages with the version that is missed
    #[arg(value_name = "[not] PKG", required = true)]
    names: Vec<String>,
}

/// What `--json` tells of a package.
#[derive(Serialize)]
struct Told {
    asked: String,
    package: String,
    chains: Vec<Chain>,
}

/// And of one that is missed.
#[derive(Serialize)]
struct Missed {
    asked: String,
    #[serde(flatten)]
    verdict: WhyNot,
}

pub(crate) fn run(
    args: &WhyArgs,
    repo: Option<&Path>,
    console: &mut Console,
) -> Result<(), Failure> {
    match args.names.split_first() {
        Some((first, names)) if first == "not" && !names.is_empty() => {
            let wanted = dependencies(names)?;
            if let Some(refused) = wanted.iter().find(|wanted| wanted.conflict) {
                return Err(Failure::usage(format_args!("{refused} is no package")));
            }
            args.with_universe(repo, false, |universe, world, operation| {
                args.why_not(universe, world, operation, &wanted, console)
            })
        }
        _ => args.with_universe(repo, true, |universe, world, operation| {
            args.why(universe, world, operation, console)
        }),
    }
}

type Then<'t> =
    &'t mut dyn FnMut(&Universe<'_>, &[Dependency], Operation<'_>) -> Result<(), Failure>;

impl WhyArgs {
    /// Does something with what there is to choose from. `as_is` asks for a root as it is, without repositories.
    fn with_universe(
        &self,
        repo: Option<&Path>,
        as_is: bool,
        mut then: impl FnMut(&Universe<'_>, &[Dependency], Operation<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let wanted = dependencies(&self.add)?;
        match (&self.root, &self.manifest) {
            (Some(root), _) => self.in_root(root, as_is, &wanted, &mut then),
            (None, Some(manifest)) => self.in_manifest(manifest, repo, &mut then),
            (None, None) => {
                let loaded = self.sources.load()?;
                then(&loaded.universe(), &loaded.world, add(&wanted))
            }
        }
    }

    fn in_root(
        &self,
        path: &Path,
        as_is: bool,
        wanted: &[Dependency],
        then: Then<'_>,
    ) -> Result<(), Failure> {
        let shown = path.display();
        let root = Root::open(path).within(format_args!("cannot open the root {shown}"))?;
        let as_is = as_is && wanted.is_empty();
        let opening = Opening {
            architectures: &self.sources.arch,
            machine: machine(),
            state: State {
                installed: true,
                scripts: false,
                world: true,
            },
            lists: Lists {
                lines: &self.sources.repository,
                files: if as_is {
                    ListFiles::None
                } else {
                    ListFiles::Root
                },
                ..Lists::default()
            },
            keys_dir: None,
            trust: apk_format::Trust::AllowUntrusted,
            network: true,
            cache: Some(open::Cache::Usual),
            cache_packages: None,
        };
        let (inventory, _) = open::open(&root, &opening).within(format_args!("root {shown}"))?;
        let universe = inventory.universe();
        then(&universe, &inventory.world, add(wanted))
    }

    fn in_manifest(&self, path: &Path, repo: Option<&Path>, then: Then<'_>) -> Result<(), Failure> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).within(format_args!("cannot read {shown}"))?;
        let manifest = Manifest::parse(&text).within(format_args!("{shown}"))?;
        let mut names = manifest.branch.keys();
        let branch = match (&self.branch, names.next(), names.next()) {
            (Some(branch), ..) => branch.clone(),
            (None, Some(only), None) => only.clone(),
            _ => {
                let names: Vec<&str> = manifest.branch.keys().map(String::as_str).collect();
                return Err(Failure::usage("the manifest has several branches")
                    .hint(format!("give --branch, one of {}", names.join(", "))));
            }
        };
        let arch = self.sources.arch.first();
        let arch = arch.or(manifest.repositories.arch.first());
        let arch = arch.cloned().unwrap_or_default();
        let repo = repo.map(Repo::open).transpose()?;
        let objects = repo.as_ref().map(Repo::transaction).transpose()?;
        let dir = path.parent().unwrap_or(Path::new(""));
        let choices = composer::choices(&manifest, &branch, &arch, dir, objects.as_ref());
        let choices = choices.map_err(super::compose::failure)?;
        then(&choices.universe(), choices.world(), choices.operation())
    }

    fn why(
        &self,
        universe: &Universe<'_>,
        world: &[Dependency],
        operation: Operation<'_>,
        console: &mut Console,
    ) -> Result<(), Failure> {
        let mut problem = Problem::new(universe, world)?;
        let solved;
        let as_is = self.root.is_some() && self.add.is_empty();
        let system = if as_is {
            let installed = universe.installed.iter().map(|one| one.record);
            System::new(installed.collect(), world)
        } else {
            solved = solve(&mut problem, operation)?;
            let afterwards = solved.changes.iter().filter_map(|change| change.new);
            System::new(afterwards.map(|new| new.record).collect(), &solved.world)
        };
        let mut told = Vec::new();
        for name in &self.names {
            let found = system.find(name);
            if found.is_empty() {
                return Err(Failure::new(format_args!("{name} is not in the system"))
                    .hint(format!("`apk-ostree why not {name}` tells why")));
            }
            for package in found {
                told.push(Told {
                    asked: name.clone(),
                    package: system.title(package),
                    chains: system.chains(package),
                });
            }
        }
        if self.json {
            return console.json(&told);
        }
        told.iter().try_for_each(|one| print(one, console))
    }

    fn why_not(
        &self,
        universe: &Universe<'_>,
        world: &[Dependency],
        operation: Operation<'_>,
        wanted: &[Dependency],
        console: &mut Console,
    ) -> Result<(), Failure> {
        let mut problem = Problem::new(universe, world)?;
        let mut missed = Vec::new();
        for dependency in wanted {
            let verdict = problem.why_not(operation, RequestOptions::default(), dependency);
            missed.push(Missed {
                asked: dependency.to_string(),
                verdict: verdict.map_err(|error| explain(&mut problem, operation, &error))?,
            });
        }
        if self.json {
            return console.json(&missed);
        }
        missed.iter().try_for_each(|one| tell(one, console))
    }
}

fn add(wanted: &[Dependency]) -> Operation<'_> {
    Operation::Add {
        wanted,
        preference: Preference::Installed,
    }
}

fn solve<'a>(
    problem: &mut Problem<'a>,
    operation: Operation<'a>,
) -> Result<composer::resolve::Solution<'a>, Failure> {
    let solved = problem.resolve(operation, RequestOptions::default());
    solved.map_err(|error| explain(problem, operation, &error))
}

fn explain<'a>(
    problem: &mut Problem<'a>,
    operation: Operation<'a>,
    error: &ResolveError,
) -> Failure {
    let contradiction = problem.contradiction(operation, RequestOptions::default());
    unsolved(error, contradiction.as_ref())
}

/// `world[a] → a-1[b] → b-2`, below the package's name.
fn print(told: &Told, console: &mut Console) -> Result<(), Failure> {
    console.line(format_args!("{}:", told.package))?;
    if told.chains.is_empty() {
        return console.line("  nothing wants it");
    }
    for chain in &told.chains {
        let mut line = String::new();
        for step in chain {
            let by = step.by.as_deref().unwrap_or("world");
            if step.installs_itself {
                line += &format!("{by} (install_if {}) → ", step.wanted);
            } else {
                line += &format!("{by}[{}] → ", step.wanted);
            }
        }
        console.line(format_args!("  {line}{}", told.package))?;
    }
    Ok(())
}

fn tell(missed: &Missed, console: &mut Console) -> Result<(), Failure> {
    let asked = &missed.asked;
    let hint = |words: &str, console: &mut Console| console.line(format_args!("hint: {words}"));
    match &missed.verdict {
        WhyNot::Chosen { package } => {
            console.line(format_args!("{asked}: {package} is in the system"))
        }
        WhyNot::NoSuchName { similar } => {
            console.line(format_args!(
                "{asked}: no package has or provides this name"
            ))?;
            if similar.is_empty() {
                return Ok(());
            }
            hint(&format!("there is {}", similar.join(", ")), console)
        }
        WhyNot::NoSuchVersion { nearest } => {
            console.line(format_args!("{asked}: there is no such version"))?;
            hint(&format!("there is {}", nearest.join(", ")), console)
        }
        WhyNot::Possible {
            package,
            instead,
            changes,
            preferred,
        } => {
            match (instead, preferred) {
                (Some(instead), Some(preferred)) => console.line(format_args!(
                    "{asked}: {instead} is preferred to {package}, because {preferred}"
                ))?,
                _ => console.line(format_args!("{asked}: nothing wants {package}"))?,
            }
            hint(
                &format!("ask for {asked}, and you get: {}", changes.join(" ")),
                console,
            )
        }
        WhyNot::RuledOut { contradiction } => {
            console.line(format_args!("{asked}: {contradiction}"))?;
            match &contradiction.hint {
                Some(words) => hint(words, console),
                None => Ok(()),
            }
        }
    }
}
